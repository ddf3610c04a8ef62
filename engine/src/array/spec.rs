//! An array to be stored.
use std::borrow::Cow;

use zerocopy::IntoBytes;

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
///
/// Nothing is checked before it is written; then every part is, and the error
/// names the array.
#[derive(Clone, Debug)]
#[must_use]
pub struct ArraySpec<'a> {
    /// Type of the elements.
    pub dtype: DType,
    /// Length of each axis; empty for a 0-d array.
    pub shape: Vec<u64>,
    /// One per axis, or empty for unnamed axes.
    pub dims: Vec<Option<String>>,
    /// The elements.
    pub data: ArrayBytes<'a>,
    /// Which elements are missing; with a mask that misses nothing the array is still a masked one.
    pub mask: Option<Mask<'a>>,
    /// A scalar of the array's dtype; for `S<n>` bytes and for `U<n>` text that fit.
    pub fill_value: Option<AttrValue>,
    /// Attributes of the array.
    pub attrs: Attrs,
}

impl<'a> ArraySpec<'a> {
    /// An array of `dtype` and `shape` over little-endian bytes in C order, without dims, mask, attributes.
    pub fn new(dtype: DType, shape: &[u64], data: &'a [u8]) -> Self {
        Self::from_bytes(
            dtype,
            shape.to_vec(),
            ArrayBytes::Fixed(Cow::Borrowed(data)),
        )
    }

    /// A 1-d array over a slice of numbers.
    pub fn from_slice<T: Element>(data: &'a [T]) -> Self {
        Self::new(T::DTYPE, &[data.len() as u64], data.as_bytes())
    }

    /// A 0-d array of one number.
    pub fn scalar<T: Element>(value: T) -> ArraySpec<'static> {
        let data = Cow::Owned(value.as_bytes().to_vec());
        ArraySpec::from_bytes(T::DTYPE, Vec::new(), ArrayBytes::Fixed(data))
    }

    /// Text of any length, 1-d.
    pub fn strings<S: AsRef<str>>(items: &[S]) -> ArraySpec<'static> {
        let bytes = ArrayBytes::variable(items.iter().map(|item| item.as_ref().as_bytes()));
        ArraySpec::from_bytes(DType::String, vec![items.len() as u64], bytes)
    }

    /// One text, 0-d.
    pub fn string(text: &str) -> ArraySpec<'static> {
        let bytes = ArrayBytes::variable([text.as_bytes()]);
        ArraySpec::from_bytes(DType::String, Vec::new(), bytes)
    }

    /// Sets the shape.
    pub fn shape(mut self, shape: &[u64]) -> Self {
        self.shape = shape.to_vec();
        self
    }

    /// Names the axes.
    pub fn dims<S: AsRef<str>>(mut self, dims: &[S]) -> Self {
        self.dims = dims
            .iter()
            .map(|dim| Some(dim.as_ref().to_owned()))
            .collect();
        self
    }

    /// Says which elements are missing (NumPy's sense: non-zero = missing).
    pub fn missing(mut self, missing: &'a [u8]) -> Self {
        self.mask = Some(Mask::Missing(Cow::Borrowed(missing)));
        self
    }

    /// Sets the value of elements that were never written.
    pub fn fill_value(mut self, value: AttrValue) -> Self {
        self.fill_value = Some(value);
        self
    }

    /// Sets an attribute of the array.
    pub fn attr(mut self, name: &str, value: AttrValue) -> Self {
        self.attrs.set(name, value);
        self
    }

    fn from_bytes(dtype: DType, shape: Vec<u64>, data: ArrayBytes<'a>) -> Self {
        Self {
            dtype,
            shape,
            dims: Vec::new(),
            data,
            mask: None,
            fill_value: None,
            attrs: Attrs::new(),
        }
    }
}

impl ArrayBytes<'_> {
    /// Elements of any length, copied back to back.
    pub fn variable<'i>(items: impl IntoIterator<Item = &'i [u8]>) -> ArrayBytes<'static> {
        let mut offsets = vec![0];
        let mut data = Vec::new();
        for item in items {
            data.extend_from_slice(item);
            offsets.push(data.len() as u64);
        }
        ArrayBytes::Variable {
            offsets,
            data: Cow::Owned(data),
        }
    }
}
