//! The file format: pure functions over bytes. No I/O, no unsafe, no panic.
//!
//! ```text
//!        0   identity page      who the store is; written once
//!     4096   slot A             what is durable, and the newest checkpoint;
//!     8192   slot B             written in turn
//!    12288   live page          how far a running writer has come
//!    16384   frames, back to back: a header, then records
//! ```
//!
//! * Integers are little-endian.
//! * Every frame and every record starts at a multiple of [`UNIT`]. A *place* is
//!   an offset divided by it, and fits in 48 bits.
//! * Each fixed structure carries a CRC-32 bound to the store and to its own
//!   offset, each record an XXH3-64 sum bound to both as well. A structure that
//!   is copied elsewhere, or a whole store inside a value, is therefore never
//!   taken for part of this log.
//!
//! `engine/docs/format.md` is the same for people who read files with other tools.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub(crate) mod checkpoint;
mod defect;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod pieced;
pub(crate) mod record;
pub(crate) mod segment;

use std::ops::RangeInclusive;

pub use defect::Defect;

/// Major and minor number of the format that this build reads and writes.
pub(crate) const VERSION: (u16, u16) = (0, 7);

/// Version of the file format that this build reads and writes: "0.7".
pub const FORMAT_VERSION: &str = "0.7";

/// Frames and records start at multiples of this.
pub(crate) const UNIT: u64 = 8;

/// The page of every header structure.
pub(crate) const PAGE: u64 = 4096;

/// Offset of the first frame.
pub(crate) const LOG_START: u64 = 16384;

/// Values of this length and more carry one sum for each block of this length.
pub(crate) const BLOCK: u64 = 65536;

/// Log2 of the least alignment of what is lent: of what is not lent too.
pub(crate) const PACKED: u8 = 3;

/// Log2 of the alignments that a value can have in the file.
pub(crate) const ALIGNMENTS: RangeInclusive<u8> = PACKED..=30;

/// Log2 of the alignment of a plain value, or of an array inside an entry that stands as it
/// is, of `len` bytes, whose partition asks for 2^`asked`, if it asks.
///
/// 8 bytes keep small entries small (everything on 64 bytes doubles the size of
/// an entry with 150 fields); 64 is a cache line and the widest vector register;
/// 4096 lets large arrays be given to devices that want whole pages.
pub(crate) fn value_align(len: u64, asked: Option<u8>) -> u8 {
    match len {
        0..ALIGN_FROM => PACKED,
        ALIGN_FROM..0x10_0000 => asked.unwrap_or_default().max(6),
        _ => asked.unwrap_or_default().max(12),
    }
}

/// Shorter values and arrays are packed: padding would outweigh them.
pub(crate) const ALIGN_FROM: u64 = 256;

/// `at` rounded up to a multiple of `1 << log2`, unless it overflows.
pub(crate) fn align_up(at: u64, log2: u8) -> Option<u64> {
    let mask = 1u64.checked_shl(u32::from(log2))?.checked_sub(1)?;
    Some(at.checked_add(mask)? & !mask)
}

/// Number of the place of `offset`.
pub(crate) const fn place(offset: u64) -> u64 {
    offset / UNIT
}

/// Offset of a place.
pub(crate) const fn offset(place: u64) -> u64 {
    place.saturating_mul(UNIT)
}

#[cfg(test)]
mod tests {
    use super::{FORMAT_VERSION, VERSION};

    #[test]
    fn the_version_in_text_is_that_of_the_files() {
        assert_eq!(FORMAT_VERSION, format!("{}.{}", VERSION.0, VERSION.1));
    }
}
