//! The index of a partition: from the hash of a key to the places of candidates.
//!
//! ```text
//! hash (64)   +---------------- top 32 ----------------+---- ... ----+-- tag 16 --+
//! group       (top * number of groups) >> 32, then the next, to the first with an empty slot
//! slot        tag << 48 | place        0 = empty
//! ```
//!
//! A group is one cache line of eight slots. *Segments* lie in the file, in the bytes that
//! are probed, with vector instructions; the *growing* table is in memory and is probed
//! with atomic loads while the writer inserts. Both keep their words in log order beside
//! the groups, so that an index is packed, merged and walked without reading a key.
//!
//! The index knows no keys: a probe asks [`Records`] whether the record at a place
//! has the key. What a reader may see is decided by places: it fixes the end of what
//! is published, and a word at or beyond it leads back through the places of
//! previous versions. Each word remembers the place that superseded it, so that a
//! walk sees the partition as it was at its end.
//!
//! (The bucket of tagged places over a log is that of FASTER, SIGMOD 2018; probing
//! by tags that of Swiss tables and F14.)

mod atomics;
mod blocks;
mod checked;
mod counts;
pub(crate) mod group;
mod growing;
mod lookup;
mod marks;
mod memory;
mod overflow;
mod pack;
mod partition;
mod pinned;
mod rank;
mod segment;
mod superseded;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use blocks::Blocks;
pub(crate) use checked::Checked;
pub(crate) use counts::Counted;
pub(crate) use group::prefetch;
pub(crate) use pack::{DeadBits, Packed};
pub(crate) use partition::{Frozen, Merge, PartitionIndex};
pub(crate) use pinned::{Cursor, Pinned};
pub(crate) use segment::{Segment, Source};

use crate::format::Defect;

/// Beside a place that was found: the lookup met something that was not compared with its
/// sum yet, or a version that others superseded; [`Pinned::find_checked`] is to decide.
pub(crate) const ATTENTION: u64 = 1 << 63;

/// What is wrong in a table of the index, at an offset of the file.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) at: u64,
    pub(crate) defect: Defect,
}

/// The records that an index leads to, and the key that is looked for.
pub(crate) trait Records: Copy {
    type Error;

    /// Whether a walk compares the records that it gives out with their sums, once; else who
    /// walks does, each time.
    const COMPARED: bool = true;

    /// The key.
    fn key(&self) -> &[u8];

    /// The error of what is wrong in the index.
    fn fault(&self, fault: Fault) -> Self::Error;

    /// Whether the record at `place` has the key.
    fn has_key(&self, place: u64) -> bool;

    /// Compares the record at `place` with its sum, and says what it is.
    fn check(&self, place: u64) -> Result<Checked, Self::Error>;

    /// How the key compares with that of the record at `place`.
    fn compare(&self, place: u64) -> Result<std::cmp::Ordering, Self::Error>;
}

/// Places that follow each other in a walk: so many that their cache misses overlap.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    places: [u64; Self::LEN],
    len: usize,
}

impl Window {
    /// Fewer than the bits of a word.
    const LEN: usize = 32;

    /// No places.
    pub(crate) fn new() -> Self {
        Self {
            places: [0; Self::LEN],
            len: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.len == Self::LEN
    }

    /// How many more it takes.
    fn room(&self) -> usize {
        Self::LEN - self.len
    }

    #[inline]
    fn push(&mut self, place: u64) {
        if let Some(next) = self.places.get_mut(self.len) {
            *next = place;
            self.len += 1;
        }
    }

    /// The places.
    pub(crate) fn places(&self) -> &[u64] {
        self.places.get(..self.len).unwrap_or_default()
    }
}

/// Bits of a place in a slot.
const PLACE_BITS: u32 = 48;

/// What of a hash stands in a slot, beside the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hash(pub(crate) u64);

impl Hash {
    /// The bits that choose the group.
    #[inline]
    pub(crate) fn top(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The bits that stand in the slot.
    #[inline]
    fn tag(self) -> u16 {
        self.0 as u16
    }

    /// What stands of a hash in a slot word and beside it.
    #[inline]
    fn of_word(word: u64, top: u32) -> Self {
        Self(u64::from(top) << 32 | word >> PLACE_BITS)
    }

    /// The slot word of this hash at `place`.
    #[inline]
    pub(crate) fn word(self, place: u64) -> u64 {
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
