//! A segment: a part of the index of one partition, in the bytes that are probed.
//!
//! ```text
//!  0        4      8           12         16       24        32           40        48
//!  +--------+------+-----------+----------+--------+---------+------------+---------+-------+
//!  | "ALIX" | 0    | partition | overflow | groups | entries | from       | to      | zeros |
//!  | u32    | u32  | u32       | u32      | u64    | u64     | offset u64 | u64     |       |
//!  +--------+------+-----------+----------+--------+---------+------------+---------+-------+
//! 64  groups    64 bytes each: eight slots, tag << 48 | place, 0 = empty
//!     homes     4 bytes a group: bits `tag & 31` and `tag >> 5 & 31` of each key that has
//!               its home there
//!     passed    1 byte a group: bit `tag & 7` of each key that found it full; zeros to a
//!               multiple of 8
//!     order     8 bytes an entry: the slot words in ascending place
//!     tops      4 bytes an entry: bits 32..64 of the hash of each, in that order; zeros
//!               to a multiple of 8
//!     overflow  16 bytes each: u64 word, u32 top, u32 zero
//! ```
//!
//! * It is the value of a wide record of kind segment, aligned to 64 in the file, so that
//!   no group lies in two lines of the cache and none in two blocks.
//! * A key stands in the first group, from its home, number `top * groups >> 32`, on, that
//!   had an empty slot, at most [`MAX_PROBES`] groups on. Keys whose groups were all full are in
//!   the overflow, sorted by top, tag and key.
//! * A lookup reads a group only if both bits of its tag are set in the home's: one absent
//!   key of nine reads any. It goes on behind a group if the bit of its tag is set in what
//!   passed that: few absent keys read a second one, though most groups are full.
//! * `from..to` are the offsets of the frames whose records it has.
//! * A *dead* record says which entries of a segment were superseded before the
//!   checkpoint that names it: one bit an entry in log order, padded to 8 bytes, then one
//!   byte a group with one bit a slot, padded to 8 bytes.

use std::ops::Range;

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Defect, align_up};

/// Bytes before the groups.
pub(crate) const HEAD_LEN: u64 = 64;

/// Log2 of the alignment of a segment in the file.
pub(crate) const ALIGN: u8 = 6;

/// Slots of a group.
pub(crate) const SLOTS: u64 = 8;

/// Groups that are probed for a key before the overflow is.
pub(crate) const MAX_PROBES: usize = 16;

/// The bit of keys with `tag` in what passed a group.
#[inline(always)]
pub(crate) fn passed_bit(tag: u16) -> u8 {
    1 << (tag & 7)
}

/// The bits of keys with `tag` among those that have their home at a group.
#[inline(always)]
pub(crate) fn home_bits(tag: u16) -> u32 {
    1 << (tag & 31) | 1 << (tag >> 5 & 31)
}

/// Share of the slots that are filled, in percent: at 80 a hit rarely needs a second
/// group and a key costs 10 bytes of groups.
const LOAD_PERCENT: u64 = 80;

const MAGIC: u32 = 0x5849_4C41;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone)]
#[repr(C)]
struct HeadBytes {
    magic: U32,
    reserved: U32,
    partition: U32,
    overflow: U32,
    groups: U64,
    entries: U64,
    from: U64,
    to: U64,
    zeros: [u8; 16],
}

const _: () = assert!(size_of::<HeadBytes>() as u64 == HEAD_LEN);

/// The head of a segment, and with it where its parts lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHead {
    pub(crate) partition: u32,
    /// Entries that found no place in their groups.
    pub(crate) overflow: u32,
    pub(crate) groups: u64,
    /// Entries, those in the overflow too.
    pub(crate) entries: u64,
    /// Offsets of the frames that it covers.
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// Groups of a segment of `entries`.
pub(crate) fn groups_for(entries: u64) -> u64 {
    let slots = entries.saturating_mul(100).div_ceil(LOAD_PERCENT);
    slots.div_ceil(SLOTS).max(1)
}

impl SegmentHead {
    /// The bytes of the head.
    pub(crate) fn to_bytes(self) -> [u8; HEAD_LEN as usize] {
        zerocopy::transmute!(HeadBytes {
            magic: MAGIC.into(),
            reserved: 0.into(),
            partition: self.partition.into(),
            overflow: self.overflow.into(),
            groups: self.groups.into(),
            entries: self.entries.into(),
            from: self.from.into(),
            to: self.to.into(),
            zeros: [0; 16],
        })
    }

    /// Reads the head of a segment of `len` bytes, which its parts have to fill.
    pub(crate) fn parse(bytes: &[u8], len: u64) -> Result<Self, Defect> {
        let (raw, _) = HeadBytes::ref_from_prefix(bytes).map_err(|_| Defect::Truncated {
            what: "the head of an index segment",
            need: HEAD_LEN,
            have: bytes.len() as u64,
        })?;
        if raw.magic.get() != MAGIC {
            return Err(Defect::Field {
                what: "the magic number of an index segment",
                found: raw.magic.get().into(),
                expected: "41 4C 49 58",
            });
        }
        let head = Self {
            partition: raw.partition.get(),
            overflow: raw.overflow.get(),
            groups: raw.groups.get(),
            entries: raw.entries.get(),
            from: raw.from.get(),
            to: raw.to.get(),
        };
        let sane = head.groups >= 1
            && u64::from(head.overflow) <= head.entries
            && head.entries <= u64::from(u32::MAX)
            && head.groups <= u64::from(u32::MAX)
            && head.entries.saturating_sub(head.overflow.into())
                <= head.groups.saturating_mul(SLOTS)
            && head.value_len() == len;
        if !sane {
            return Err(Defect::Field {
                what: "the number of groups of an index segment",
                found: head.groups,
                expected: "groups and entries that fill its record",
            });
        }
        Ok(head)
    }

    /// Where the groups lie in the segment.
    pub(crate) fn groups_range(&self) -> Range<u64> {
        HEAD_LEN..HEAD_LEN.saturating_add(self.groups.saturating_mul(64))
    }

    /// Where the bits of the keys lie that have their home at each group.
    pub(crate) fn homes_range(&self) -> Range<u64> {
        let at = self.groups_range().end;
        at..at.saturating_add(self.groups.saturating_mul(4))
    }

    /// Where the bytes lie that say what passed each group.
    pub(crate) fn passed_range(&self) -> Range<u64> {
        let at = self.homes_range().end;
        at..at.saturating_add(self.groups)
    }

    /// Where the words in log order lie.
    pub(crate) fn order_range(&self) -> Range<u64> {
        let at = align_up(self.passed_range().end, 3).unwrap_or(u64::MAX);
        at..at.saturating_add(self.entries.saturating_mul(8))
    }

    /// Where the upper halves of the hashes lie.
    pub(crate) fn tops_range(&self) -> Range<u64> {
        let at = self.order_range().end;
        at..at.saturating_add(self.entries.saturating_mul(4))
    }

    /// Where the overflow lies.
    pub(crate) fn overflow_range(&self) -> Range<u64> {
        let at = align_up(self.tops_range().end, 3).unwrap_or(u64::MAX);
        at..at.saturating_add(u64::from(self.overflow).saturating_mul(16))
    }

    /// Bytes of the segment.
    pub(crate) fn value_len(&self) -> u64 {
        self.overflow_range().end
    }

    /// Where, in the value of its dead record, the bits of the entries lie.
    pub(crate) fn dead_entries_range(&self) -> Range<u64> {
        0..self.entries.div_ceil(64).saturating_mul(8)
    }

    /// Where the bits of the slots lie.
    pub(crate) fn dead_slots_range(&self) -> Range<u64> {
        let at = self.dead_entries_range().end;
        at..at.saturating_add(self.groups)
    }
}

impl SegmentHead {
    /// Bytes of its dead record.
    pub(crate) fn dead_len(&self) -> u64 {
        align_up(self.dead_slots_range().end, 3).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(entries: u64, overflow: u32) -> SegmentHead {
        SegmentHead {
            partition: 7,
            overflow,
            groups: groups_for(entries),
            entries,
            from: 16384,
            to: 20000,
        }
    }

    #[test]
    fn a_head_reads_back_and_its_parts_fill_the_segment() {
        for entries in [0, 1, 6, 7, 1000, 1_000_001] {
            let head = head(entries, 0);
            let len = head.value_len();
            assert_eq!(SegmentHead::parse(&head.to_bytes(), len), Ok(head));
            assert!(SegmentHead::parse(&head.to_bytes(), len.wrapping_add(8)).is_err());
            assert_eq!(head.homes_range().end, head.passed_range().start);
            assert!(head.order_range().start - head.passed_range().end < 8);
        }
        let million = head(1_000_000, 0).value_len();
        assert_eq!(million, 64 + 156_250 * 69 + 6 + 12_000_000);
    }

    #[test]
    fn counts_that_cannot_be_are_refused() {
        let refused = |head: SegmentHead| {
            let (bytes, len) = (head.to_bytes(), head.value_len());
            assert!(SegmentHead::parse(&bytes, len).is_err(), "{head:?}");
        };
        refused(SegmentHead {
            groups: 0,
            ..head(0, 0)
        });
        refused(SegmentHead {
            groups: 1,
            ..head(9, 0)
        });
        refused(SegmentHead {
            overflow: 2,
            ..head(1, 0)
        });
        refused(SegmentHead {
            groups: u64::MAX / 64,
            ..head(1, 0)
        });
        refused(SegmentHead {
            entries: 1 << 40,
            ..head(1, 0)
        });
    }
}
