//! Chunked arrays: what an entry says of one, and the keys of its chunks.
//!
//! ```text
//! descriptor   16 bytes id of the array, random
//!              u64 length of a chunk along each axis
//! key          16 bytes id, u32 number of the chunk along each axis
//! ```
//!
//! The id is new with every definition of an array, so that the chunks of one that was
//! replaced or removed are not found any more. Numbers along the axes, and not one
//! number, so that an array grows along any axis without its chunks getting other keys.
use smallvec::SmallVec;

use super::frame::{Shape, bytes_at};
use crate::format::Defect;

/// Names the chunks of one definition of an array.
pub(crate) type ArrayId = [u8; 16];

/// Number of a chunk along each axis.
pub(crate) type Coords = SmallVec<[u32; 4]>;

/// Bytes of the id.
const ID_LEN: usize = 16;

/// Bytes of the length of a chunk along an axis.
const LENGTH: usize = 8;

/// How an array is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunks {
    pub(crate) id: ArrayId,
    /// Length of a chunk along each axis, at least 1.
    pub(crate) shape: Shape,
}

impl Chunks {
    /// Bytes of the descriptor of an array of `rank` axes.
    pub(super) fn descriptor_len(rank: usize) -> usize {
        ID_LEN.saturating_add(rank.saturating_mul(LENGTH))
    }

    /// Reads a descriptor.
    pub(crate) fn parse(bytes: &[u8], rank: usize) -> Result<Self, Defect> {
        let id = bytes_at(bytes, 0, "descriptor of a chunked array")?;
        let length = |axis: usize| {
            let at = Self::descriptor_len(axis);
            let length = bytes_at(bytes, at, "descriptor of a chunked array")?;
            match u64::from_le_bytes(length) {
                0 => Err(Defect::Field {
                    what: "length of a chunk",
                    found: 0,
                    expected: "1 or more",
                }),
                length => Ok(length),
            }
        };
        Ok(Self {
            id,
            shape: (0..rank).map(length).collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn descriptor(&self) -> Vec<u8> {
        let lengths = self.shape.iter().flat_map(|length| length.to_le_bytes());
        self.id.into_iter().chain(lengths).collect()
    }

    /// The key of a chunk.
    pub(crate) fn key(&self, coords: &[u32]) -> Vec<u8> {
        let numbers = coords.iter().flat_map(|number| number.to_le_bytes());
        self.id.into_iter().chain(numbers).collect()
    }
}

/// The array that a chunk belongs to, by its key; `None` if it is no key of a chunk.
pub(crate) fn array_of_key(key: &[u8]) -> Option<ArrayId> {
    key.first_chunk().copied()
}
