//! An array that is stored.
use super::{AttrValue, Attrs, DType, Element};
use crate::Result;

/// What the schema says of an array: all but its bytes and its shape.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct FieldInfo {
    pub name: String,
    pub dtype: DType,
    /// One per axis; `None` for an unnamed one.
    pub dims: Vec<Option<String>>,
    pub fill_value: Option<AttrValue>,
    pub attrs: Attrs,
}
/// A stored array, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ArrayView<'a> { _p: std::marker::PhantomData<&'a ()> }
impl<'a> ArrayView<'a> {
    /// Name, dtype, dims, fill value, attributes.
    pub fn info(&self) -> &'a FieldInfo { unimplemented!() }
    /// Length of each axis.
    pub fn shape(&self) -> &'a [u64] { unimplemented!() }
    /// Number of elements.
    pub fn size(&self) -> u64 { unimplemented!() }
    /// Fixed-width dtypes: C order, little-endian. Variable ones: the elements back to back.
    pub fn data(&self) -> &'a [u8] { unimplemented!() }
    /// Arrow validity bits, LSB first, set = present; `None` without a mask.
    pub fn validity(&self) -> Option<&'a [u8]> { unimplemented!() }
    /// The elements as numbers, without a copy. `Error::DType` if `T` is another type.
    pub fn as_slice<T: Element>(&self) -> Result<&'a [T]> { unimplemented!() }
    /// Element `i` (C order) of a `String` or `Bytes` array as bytes.
    pub fn item(&self, i: u64) -> Result<&'a [u8]> { let _ = i; unimplemented!() }
}
