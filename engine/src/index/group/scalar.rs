//! The meaning of the probes.

use super::{Group, Probe, SLOTS, Slots};

/// Probes with nothing but integers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

impl Probe for Scalar {
    #[inline(always)]
    fn tagged(self, group: &Group, tag: u16) -> Slots {
        tagged(&group.0, tag)
    }

    #[inline(always)]
    fn empty(self, group: &Group) -> Slots {
        empty(&group.0)
    }
}

/// The slots whose word has `tag` in its upper 16 bits and is not empty.
///
/// An empty slot has tag 0 as well, and so may a key.
#[inline(always)]
pub(crate) fn tagged(words: &[u64; SLOTS], tag: u16) -> Slots {
    let mut slots = 0;
    for (slot, &word) in words.iter().enumerate() {
        slots |= u8::from((word >> 48) as u16 == tag) << slot;
    }
    // Only tag 0 can meet an empty slot.
    if tag == 0 {
        slots &= !empty(words).0;
    }
    Slots(slots)
}

/// The slots whose word is 0.
#[inline(always)]
pub(crate) fn empty(words: &[u64; SLOTS]) -> Slots {
    let mut slots = 0;
    for (slot, &word) in words.iter().enumerate() {
        slots |= u8::from(word == 0) << slot;
    }
    Slots(slots)
}
