//! An array to be stored.
use std::borrow::Cow;
use super::{AttrValue, Attrs, DType, Element};

/// Bytes of the elements, C order, little-endian.
#[derive(Clone, Debug)]
pub enum ArrayBytes<'a> {
    /// Fixed-width dtypes.
    Fixed(Cow<'a, [u8]>),
    /// `String` and `Bytes`: element i is `data[offsets[i]..offsets[i + 1]]`; one more offset than elements.
    Variable {
        /// Ends of the elements, starting with 0.
        offsets: Vec<u64>,
        /// The elements, back to back.
        data: Cow<'a, [u8]>,
    },
}
/// Which elements are missing.
#[derive(Clone, Debug)]
pub enum Mask<'a> {
    /// One byte an element, non-zero = missing (NumPy's sense).
    Missing(Cow<'a, [u8]>),
    /// Arrow validity bits, LSB first, set = present.
    Validity(Cow<'a, [u8]>),
}
/// An array to be stored, borrowed where possible, with all its options in one place.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
#[must_use]
pub struct ArraySpec<'a> {
    pub dtype: DType,
    pub shape: Vec<u64>,
    /// One per axis, or empty for unnamed axes.
    pub dims: Vec<Option<String>>,
    pub data: ArrayBytes<'a>,
    pub mask: Option<Mask<'a>>,
    pub fill_value: Option<AttrValue>,
    pub attrs: Attrs,
}
impl<'a> ArraySpec<'a> {
    /// An array of `dtype` and `shape` over little-endian bytes in C order, without dims, mask, attributes.
    pub fn new(dtype: DType, shape: &[u64], data: &'a [u8]) -> Self { Self { dtype, shape: shape.to_vec(), dims: Vec::new(), data: ArrayBytes::Fixed(Cow::Borrowed(data)), mask: None, fill_value: None, attrs: Attrs::new() } }
    /// A 1-d array over a slice of numbers.
    pub fn from_slice<T: Element>(_data: &'a [T]) -> Self { unimplemented!() }
    /// A 0-d array of one number.
    pub fn scalar<T: Element>(_value: T) -> ArraySpec<'static> { unimplemented!() }
    /// Text of any length, 1-d.
    pub fn strings<S: AsRef<str>>(_items: &[S]) -> ArraySpec<'static> { unimplemented!() }
    /// One text, 0-d.
    pub fn string(_text: &str) -> ArraySpec<'static> { unimplemented!() }
    /// Sets the shape.
    pub fn shape(mut self, shape: &[u64]) -> Self { self.shape = shape.to_vec(); self }
    /// Names the axes.
    pub fn dims<S: AsRef<str>>(mut self, dims: &[S]) -> Self { self.dims = dims.iter().map(|d| Some(d.as_ref().to_owned())).collect(); self }
    /// Says which elements are missing (NumPy's sense: non-zero = missing).
    pub fn missing(mut self, missing: &'a [u8]) -> Self { self.mask = Some(Mask::Missing(Cow::Borrowed(missing))); self }
    /// Sets an attribute of the array.
    pub fn attr(mut self, name: &str, value: AttrValue) -> Self { self.attrs.set(name, value); self }
}
