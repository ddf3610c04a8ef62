//! An array to be stored.
use std::borrow::Cow;

use zerocopy::IntoBytes;

use super::chunks::Chunks;
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
    /// As another entry has them, which are copied as they are: what the store itself writes
    /// when it copies an entry whose arrays are encoded or chunked.
    Stored(StoredBytes<'a>),
}

/// The elements, and the mask, of an array as an entry has them.
#[derive(Clone, Debug)]
pub struct StoredBytes<'a> {
    pub(crate) masked: bool,
    pub(crate) bytes: StoredAs<'a>,
}

#[derive(Clone, Debug)]
pub(crate) enum StoredAs<'a> {
    Block(Cow<'a, [u8]>),
    /// Of an array of the same partition.
    Chunks(Chunks),
}

/// Which elements are missing.
#[derive(Clone, Debug)]
pub enum Mask<'a> {
    /// One byte an element, non-zero = missing (NumPy's sense).
    Missing(Cow<'a, [u8]>),
    /// Arrow validity bits, LSB first, set = present.
    Validity(Cow<'a, [u8]>),
}

/// How an array is cut into chunks, each a record of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunking {
    /// Into chunks of about a mebibyte; a smaller array is one chunk.
    Auto,
    /// Into chunks of this length along each axis. They may be longer than the axes, which
    /// can grow.
    Shape(Vec<u64>),
}

/// What a partition asks for arrays that do not say it themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ArrayDefaults {
    /// For arrays of one axis and more that it can encode.
    pub(crate) codec: Option<String>,
    /// For arrays of as many axes that are longer than a chunk along one of them; if they are
    /// chosen, for arrays of more than one chunk.
    pub(crate) chunks: Option<Chunking>,
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
    /// Whether it is cut into chunks, so that parts of it can be written, and the axes
    /// grow; of one axis and more.
    pub chunks: Option<Chunking>,
    /// What the elements are encoded with: `"zstd:3"`, `"shuffle+lz4"`. A 0-d array, and one
    /// of at most 8 bytes, stands as it is; so does what a codec does not make smaller.
    pub codec: Option<String>,
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

    /// Cuts it into chunks of this length along each axis.
    pub fn chunks(mut self, lengths: &[u64]) -> Self {
        self.chunks = Some(Chunking::Shape(lengths.to_vec()));
        self
    }

    /// Cuts it into chunks of about a mebibyte.
    pub fn auto_chunks(mut self) -> Self {
        self.chunks = Some(Chunking::Auto);
        self
    }

    /// Encodes the elements: `"zstd:3"`, `"shuffle+lz4"`.
    pub fn codec(mut self, codec: &str) -> Self {
        self.codec = Some(codec.to_owned());
        self
    }

    /// Sets an attribute of the array.
    pub fn attr(mut self, name: &str, value: AttrValue) -> Self {
        self.attrs.set(name, value);
        self
    }

    /// The same, borrowed: costs no copy of the elements.
    pub(crate) fn borrowed(&self) -> ArraySpec<'_> {
        let data = match &self.data {
            ArrayBytes::Fixed(bytes) => ArrayBytes::Fixed(Cow::Borrowed(bytes)),
            ArrayBytes::Variable { offsets, data } => ArrayBytes::Variable {
                offsets: offsets.clone(),
                data: Cow::Borrowed(data),
            },
            ArrayBytes::Stored(stored) => ArrayBytes::Stored(StoredBytes {
                masked: stored.masked,
                bytes: match &stored.bytes {
                    StoredAs::Block(block) => StoredAs::Block(Cow::Borrowed(block)),
                    StoredAs::Chunks(chunks) => StoredAs::Chunks(chunks.clone()),
                },
            }),
        };
        let mask = self.mask.as_ref().map(|mask| match mask {
            Mask::Missing(bytes) => Mask::Missing(Cow::Borrowed(bytes)),
            Mask::Validity(bits) => Mask::Validity(Cow::Borrowed(bits)),
        });
        ArraySpec {
            dtype: self.dtype,
            shape: self.shape.clone(),
            dims: self.dims.clone(),
            data,
            mask,
            fill_value: self.fill_value.clone(),
            chunks: self.chunks.clone(),
            codec: self.codec.clone(),
            attrs: self.attrs.clone(),
        }
    }

    fn from_bytes(dtype: DType, shape: Vec<u64>, data: ArrayBytes<'a>) -> Self {
        Self {
            dtype,
            shape,
            dims: Vec::new(),
            data,
            mask: None,
            fill_value: None,
            chunks: None,
            codec: None,
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
