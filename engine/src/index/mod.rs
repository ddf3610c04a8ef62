//! The index of a partition: from the hash of a key to the places of candidates.
//!
//! ```text
//! hash (64)   +---------------- top 32 ----------------+---- ... ----+-- tag 16 --+
//! group       (top * number of groups) >> 32, then the next, to the first with an empty slot
//! slot        tag << 48 | place        0 = empty
//! ```
//!
//! A group is one cache line of eight slots. A *frozen* segment is immutable and is
//! probed with vector instructions; the *growing* one is probed with atomic loads
//! while the writer inserts. Both keep their words in log order beside the groups,
//! so that an index is rebuilt and walked without reading a key.
//!
//! The index knows no keys: a probe asks its caller whether the record at a place
//! has the key. What a reader may see is decided by places: it fixes the end of what
//! is published, and a word at or beyond it leads back through the places of
//! previous versions. Each word remembers the place that superseded it, so that a
//! walk sees the partition as it was at its end.
//!
//! (The bucket of tagged places over a log is that of FASTER, SIGMOD 2018; probing
//! by tags that of Swiss tables and F14.)

mod frozen;
pub(crate) mod group;
mod growing;
mod memory;
mod partition;

pub(crate) use group::prefetch;
pub(crate) use partition::{Cursor, PartitionIndex, Pinned};

/// Bits of a place in a slot.
const PLACE_BITS: u32 = 48;

/// What of a hash stands in a slot, beside the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash(pub(crate) u64);

impl Hash {
    /// The bits that choose the group.
    #[inline]
    fn top(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The bits that stand in the slot.
    #[inline]
    fn tag(self) -> u16 {
        self.0 as u16
    }

    /// The slot word of this hash at `place`.
    #[inline]
    fn word(self, place: u64) -> u64 {
        u64::from(self.tag()) << PLACE_BITS | place
    }
}

/// The place in a slot word.
#[inline]
fn place_of(word: u64) -> u64 {
    word & ((1 << PLACE_BITS) - 1)
}

/// The group, of `groups`, at which probing for `top` starts.
#[inline]
fn home(top: u32, groups: usize) -> usize {
    ((u64::from(top) * groups as u64) >> 32) as usize
}

/// Whether an entry that was superseded at place `by` (0 = not) is seen by a reader
/// that sees everything before place `end`.
#[inline]
fn seen(by: u64, end: u64) -> bool {
    by == 0 || by >= end
}
