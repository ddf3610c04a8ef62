//! What a store that is opened although it is damaged still gives, and a copy of that.
