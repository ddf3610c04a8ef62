//! Probes for 64-bit ARM, where NEON is always there.
#![expect(unsafe_code, reason = "vector loads")]

use core::arch::aarch64::{
    uint64x2_t, vceqq_u64, vceqzq_u64, vdupq_n_u64, vgetq_lane_u64, vld1q_u64, vshrq_n_u64,
};

use super::{Group, Probe, Slots};

/// Probes with NEON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neon;

impl Probe for Neon {
    #[inline(always)]
    fn tagged(self, group: &Group, tag: u16) -> Slots {
        // SAFETY: NEON is part of the 64-bit ARM targets.
        let slots = unsafe { tagged_neon(group, tag) };
        // Only tag 0 can meet an empty slot.
        if tag == 0 {
            Slots(slots.0 & !self.empty(group).0)
        } else {
            slots
        }
    }

    #[inline(always)]
    fn empty(self, group: &Group) -> Slots {
        // SAFETY: NEON is part of the 64-bit ARM targets.
        unsafe { empty_neon(group) }
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn tagged_neon(group: &Group, tag: u16) -> Slots {
    let tags = vdupq_n_u64(u64::from(tag));
    collect(|pair| vceqq_u64(vshrq_n_u64::<48>(load(group, pair)), tags))
}

#[inline]
#[target_feature(enable = "neon")]
fn empty_neon(group: &Group) -> Slots {
    collect(|pair| vceqzq_u64(load(group, pair)))
}

/// One bit a slot out of four vectors of two words, each all ones or zero.
#[inline]
#[target_feature(enable = "neon")]
fn collect(equal: impl Fn(usize) -> uint64x2_t) -> Slots {
    let mut slots = 0;
    for pair in 0..4 {
        let words = equal(pair);
        slots |= (vgetq_lane_u64::<0>(words) as u8 & 1) << (pair * 2);
        slots |= (vgetq_lane_u64::<1>(words) as u8 & 1) << (pair * 2 + 1);
    }
    Slots(slots)
}

#[inline]
#[target_feature(enable = "neon")]
fn load(group: &Group, pair: usize) -> uint64x2_t {
    let words: *const u64 = group.0.as_ptr();
    // SAFETY: a group holds four vectors of two words and `pair` is below 4.
    let words = unsafe { words.add(pair * 2) };
    // SAFETY: the two words lie inside the borrowed group.
    unsafe { vld1q_u64(words) }
}
