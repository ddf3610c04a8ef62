//! Arrays: dtypes, attributes, and the frame that holds the arrays of an entry.
mod attr;
mod dtype;
mod spec;
mod view;
pub use attr::{AttrArray, AttrValue, Attrs};
pub use dtype::{DType, Element, TimeUnit};
pub use spec::{ArrayBytes, ArraySpec, Mask};
pub use view::{ArrayView, FieldInfo};
