//! Eight slots at once.
//!
//! The scalar variant is the meaning; the others are the speed. All give the same
//! bit masks for the same group (tests below), so that a table written by one is
//! probed by any.

#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod sse2;

use std::sync::atomic::{AtomicU8, Ordering};

/// Slots of a group.
pub(crate) const SLOTS: usize = 8;

/// One cache line of slots. Zero = empty.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(C, align(64))]
pub(crate) struct Group(pub(crate) [u64; SLOTS]);

const _: () = assert!(size_of::<Group>() == 64);

impl Group {
    /// The word in `slot`, which is below [`SLOTS`].
    #[inline(always)]
    pub(crate) fn word(&self, slot: usize) -> u64 {
        // The remainder lets the compiler drop the test of the bound.
        self.0.get(slot % SLOTS).copied().unwrap_or_default()
    }
}

/// A set of slots of one group, lowest bit first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots(pub(crate) u8);

impl Slots {
    /// Whether there is none.
    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Iterator for Slots {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let slot = (self.0 != 0).then(|| self.0.trailing_zeros() as usize);
        self.0 &= self.0.wrapping_sub(1);
        slot
    }
}

/// A set of instructions that probe; a value of it proves that they are there.
pub(crate) trait Probe: Copy {
    /// The slots whose word has `tag` and is not empty.
    fn tagged(self, group: &Group, tag: u16) -> Slots;
    /// The slots whose word is 0.
    fn empty(self, group: &Group) -> Slots;
}

#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon as Baseline;
pub(crate) use scalar::Scalar;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) use scalar::Scalar as Baseline;
#[cfg(target_arch = "x86_64")]
pub(crate) use sse2::{Avx2, Sse2 as Baseline};

/// Which instructions probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Variant {
    /// Any processor.
    Scalar = 1,
    /// What every processor of the architecture has: SSE2, NEON.
    Baseline = 2,
    /// AVX2, where the processor has it.
    Avx2 = 3,
}

/// A variant that was asked for; 0 = none.
static VARIANT: AtomicU8 = AtomicU8::new(0);

impl Variant {
    /// The variant in use: the baseline, unless another one was asked for. Its probes are
    /// inlined into the lookup; those of AVX2 need a call, which costs more than they
    /// save (`make bench`, row `get`).
    #[inline]
    pub(crate) fn current() -> Self {
        match VARIANT.load(Ordering::Relaxed) {
            1 => Self::Scalar,
            3 => Self::Avx2,
            _ => Self::Baseline,
        }
    }

    /// Whether another variant than the usual one was asked for.
    #[inline(always)]
    pub(crate) fn is_forced() -> bool {
        VARIANT.load(Ordering::Relaxed) != 0
    }

    /// Makes every probe from here on use `variant`, or the usual one (`None`).
    pub(crate) fn force(variant: Option<Self>) {
        VARIANT.store(
            variant.map_or(0, |variant| variant as u8),
            Ordering::Relaxed,
        );
    }
}

/// Starts to load the cache line at `reference`.
#[inline]
pub(crate) fn prefetch<T>(reference: &T) {
    #[cfg(target_arch = "x86_64")]
    sse2::prefetch(reference);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = reference;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Words with tags that are likely to meet the one that is searched for.
    fn word() -> impl Strategy<Value = u64> {
        prop_oneof![
            Just(0u64),
            (
                prop_oneof![
                    Just(0u64),
                    Just(7),
                    Just(0x8000),
                    Just(0xFFFF),
                    0..=0xFFFFu64
                ],
                any::<u64>()
            )
                .prop_map(|(tag, place)| tag << 48 | place >> 16),
            // Places with equal halves, zero halves and sixteen bits that look like a tag.
            Just(0x0000_0007_0007_0007),
            Just(0xFFFF_0000_0000_0000),
            Just(0x0000_FFFF_0000_0001),
            Just(0x0000_0000_FFFF_FFFF),
        ]
    }

    fn agrees(probe: impl Probe, group: &Group, tag: u16) {
        assert_eq!(
            probe.tagged(group, tag),
            scalar::tagged(&group.0, tag),
            "{group:?} {tag}"
        );
        assert_eq!(probe.empty(group), scalar::empty(&group.0), "{group:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn every_variant_agrees_with_scalar(
            words in proptest::array::uniform8(word()), slot in 0..SLOTS, other in any::<u16>(),
        ) {
            let group = Group(words);
            for tag in [(words[slot] >> 48) as u16, other, 0, 7] {
                agrees(Scalar, &group, tag);
                agrees(Baseline, &group, tag);
                #[cfg(target_arch = "x86_64")]
                if let Some(avx2) = Avx2::new() {
                    agrees(avx2, &group, tag);
                }
            }
        }
    }

    #[test]
    fn scalar_finds_exactly_the_slots_with_the_tag() {
        let words = [
            7 << 48 | 1,
            0,
            8 << 48 | 7,
            7 << 48 | 9,
            0,
            7,
            0xFFFF << 48,
            7 << 48 | 3,
        ];
        assert_eq!(scalar::tagged(&words, 7), Slots(0b1000_1001));
        assert_eq!(scalar::empty(&words), Slots(0b0001_0010));
        assert_eq!(scalar::tagged(&words, 7).collect::<Vec<_>>(), [0, 3, 7]);
    }
}
