//! An array that is stored.
use zerocopy::TryFromBytes;

use super::encoding::encode_scalar;
use super::stats::Ends;
use super::{ArrayStats, AttrValue, Attrs, DType, Element};
use crate::{Error, Result};

/// What the schema says of an array: all but its bytes and its shape.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FieldInfo {
    /// Its name; empty for the bare array.
    pub name: String,
    /// Type of the elements.
    pub dtype: DType,
    /// One per axis; `None` for an unnamed one.
    pub dims: Vec<Option<String>>,
    /// Value of elements that were never written.
    pub fill_value: Option<AttrValue>,
    /// The codec that it was written with: `"shuffle+zstd:3"`.
    pub codec: Option<String>,
    /// Whether its elements are in chunks.
    pub chunked: bool,
    /// Attributes of the array.
    pub attrs: Attrs,
}

/// A stored array, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ArrayView<'a> {
    info: &'a FieldInfo,
    shape: &'a [u64],
    data: &'a [u8],
    offsets: Option<&'a [u8]>,
    validity: Option<&'a [u8]>,
}

impl<'a> ArrayView<'a> {
    /// The parts of a frame at the ranges of a [`FieldPlace`](super::FieldPlace).
    pub(crate) fn new(
        info: &'a FieldInfo,
        shape: &'a [u64],
        data: &'a [u8],
        offsets: Option<&'a [u8]>,
        validity: Option<&'a [u8]>,
    ) -> Self {
        Self {
            info,
            shape,
            data,
            offsets,
            validity,
        }
    }

    /// Name, dtype, dims, fill value, attributes.
    #[must_use]
    pub fn info(&self) -> &'a FieldInfo {
        self.info
    }

    /// Length of each axis.
    #[must_use]
    pub fn shape(&self) -> &'a [u64] {
        self.shape
    }

    /// Number of elements.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.shape
            .iter()
            .fold(1, |size, len| size.saturating_mul(*len))
    }

    /// Fixed-width dtypes: C order, little-endian. Variable ones: the elements back to back.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Of `String` and `Bytes` with an axis: offsets into the data, little-endian, one more
    /// than elements; u32, or u64 if there are 8 bytes of each. Empty without elements.
    #[must_use]
    pub fn offsets(&self) -> Option<&'a [u8]> {
        self.offsets
    }

    /// Arrow validity bits, LSB first, set = present; `None` without a mask.
    #[must_use]
    pub fn validity(&self) -> Option<&'a [u8]> {
        self.validity
    }

    /// The elements as numbers, without a copy. `Error::DType` if `T` is another type.
    ///
    /// Cost: none, but for `bool`, whose bytes are checked one by one.
    pub fn as_slice<T: Element>(&self) -> Result<&'a [T]> {
        if T::DTYPE != self.info.dtype {
            return Err(self.dtype_error(format!(
                "its dtype is {}, not {}",
                self.info.dtype,
                T::DTYPE
            )));
        }
        if self.data.is_empty() {
            // Nothing has no address to be aligned.
            return Ok(&[]);
        }
        <[T]>::try_ref_from_bytes(self.data).map_err(|fault| {
            self.dtype_error(match fault {
                zerocopy::TryCastError::Alignment(_) => format!(
                    "its bytes start at an address that is not a multiple of {}",
                    align_of::<T>()
                ),
                zerocopy::TryCastError::Size(_) => format!(
                    "its {} bytes are no whole number of {}",
                    self.data.len(),
                    T::DTYPE
                ),
                zerocopy::TryCastError::Validity(_) => {
                    "a bool is a byte of 0 or 1, another one is stored".to_owned()
                }
            })
        })
    }

    /// Least, greatest and counts of the elements, found anew by each call. `None` for
    /// complex numbers and floats of 8 bits, which have none.
    ///
    /// Cost: one pass over the data, at the speed of memory for numbers without a mask.
    #[must_use]
    pub fn stats(&self) -> Option<ArrayStats> {
        ArrayStats::of(
            self.info.dtype,
            self.size(),
            self.data,
            self.offsets.map_or(Ends::None, Ends::Stored),
            self.validity,
            self.info.fill_value.as_ref(),
        )
    }

    /// Element `i` (C order) as bytes: one text of `String`, one item of the
    /// fixed-width dtypes. `Error::Shape` beyond the last.
    pub fn item(&self, i: u64) -> Result<&'a [u8]> {
        let range = match (self.offsets, self.info.dtype.item_bytes()) {
            _ if i >= self.size() => None,
            (Some(offsets), _) => self
                .offset(offsets, i)
                .zip(self.offset(offsets, i.saturating_add(1))),
            (None, Some(width)) => {
                let start = i.saturating_mul(width);
                Some((start, start.saturating_add(width)))
            }
            (None, None) => Some((0, self.data.len() as u64)),
        };
        let bytes = range.and_then(|(start, end)| {
            self.data
                .get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
        });
        bytes.ok_or_else(|| Error::Shape {
            array: self.info.name.clone(),
            detail: format!(
                "no element {i} in C order among {} in {} bytes",
                self.size(),
                self.data.len()
            ),
        })
    }

    /// Offset `i`; their width follows from how many there are.
    fn offset(&self, offsets: &[u8], i: u64) -> Option<u64> {
        let i = usize::try_from(i).ok()?;
        let count = usize::try_from(self.size()).ok()?.checked_add(1)?;
        if offsets.len() == count.checked_mul(4)? {
            let bytes = offsets.get(i.checked_mul(4)?..)?.first_chunk()?;
            return Some(u64::from(u32::from_le_bytes(*bytes)));
        }
        let bytes = offsets.get(i.checked_mul(8)?..)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }

    fn dtype_error(&self, detail: String) -> Error {
        Error::DType {
            array: self.info.name.clone(),
            detail,
        }
    }
}

/// Bytes of a fill value of `dtype`; `None` if they are what elements are without one: zeros
/// of a fixed width, and no bytes of any length.
pub(crate) fn fill_bytes(dtype: DType, fill: Option<&AttrValue>) -> Option<Vec<u8>> {
    let value = fill?;
    let mut bytes = Vec::new();
    match (dtype, value) {
        // NumPy's U: four bytes a character.
        (DType::FixedString(_), AttrValue::String(text)) => {
            bytes.extend(
                text.chars()
                    .flat_map(|letter| u32::from(letter).to_le_bytes()),
            );
        }
        _ => encode_scalar(value, &mut bytes),
    }
    let is_blank = match dtype.item_size() {
        Some(item) => {
            bytes.resize(item, 0);
            bytes.iter().all(|&byte| byte == 0)
        }
        None => bytes.is_empty(),
    };
    (!is_blank).then_some(bytes)
}
