//! Codecs: what turns the elements of an array into the bytes that are stored, and back.
//!
//! A [`Pipeline`] is written as `"zstd:3"` or `"shuffle+lz4"`: at most one filter, then at
//! most one compressor. [`available`] lists what this build has; [`register`] adds a
//! [`Codec`] of one's own.
//!
//! | spec | what is stored | cargo feature |
//! |---|---|---|
//! | `none` | the elements as they are | |
//! | `shuffle` | the first bytes of all elements, then all second ones, and so on | |
//! | `lz4` | one block of LZ4 | `lz4`, by default |
//! | `zstd:1` to `zstd:22`, 3 if it says none | one frame of Zstandard | `zstd`, by default |
//! | `pco:0` to `pco:12`, 8 if it says none | a standalone file of Pco: numbers and times alone | `pco`, by default |
//! | `snappy` | one raw block of Snappy | `snappy` |
//! | `brotli:0` to `brotli:11`, 5 if it says none | one stream of Brotli | `brotli` |
//!
//! Nothing is put before or after these bytes: how many elements they hold, and their
//! checksum, is stored beside them. Everything here is a pure function over bytes: no I/O,
//! no unsafe, no panic on any input. A codec of one's own can break that promise for itself.
//!
//! ```text
//! encode   elements --shuffle--> planes of bytes --compressor--> stored bytes
//! decode   stored bytes --compressor--> planes of bytes --unshuffle--> elements
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[cfg(feature = "brotli")]
mod brotli;
mod built_in;
mod dictionary;
#[cfg(any(feature = "lz4", feature = "zstd", feature = "snappy"))]
mod kept;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "pco")]
mod pco;
mod pipeline;
mod registry;
mod scratch;
mod shuffle;
#[cfg(feature = "snappy")]
mod snappy;
mod spec;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(test)]
mod tests;

pub use pipeline::Pipeline;
pub use registry::{Codec, available, register};

pub(crate) use dictionary::{Dictionary, MOST_DICTIONARY, Samples, Shared, check_level};
pub(crate) use pipeline::Failure;

use crate::array::DType;

/// Shape of what is encoded, for codecs that look at elements.
#[derive(Clone, Copy, Debug)]
pub struct Elements {
    /// Type of the elements, which are little-endian. `String` and `Bytes` are the bytes of
    /// all elements, one after the other.
    pub dtype: DType,
}

impl Elements {
    /// Bytes of an element; 1 for those of any length.
    #[must_use]
    pub fn item_size(self) -> usize {
        self.dtype.item_size().unwrap_or(1)
    }
}
