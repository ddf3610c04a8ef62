//! Command line of arraylog.
