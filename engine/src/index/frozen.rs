//! An immutable segment: groups that are probed with vectors.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calls code for one processor")
)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::group::{Baseline, Group, Probe, SLOTS, Scalar, Slots, Variant};
use super::memory::zeroed;
use super::{Hash, PLACE_BITS, home, place_of, seen};

/// Share of the slots that are filled, in percent: at 80 a hit rarely needs a second
/// group and a key costs 10 bytes of groups.
const LOAD_PERCENT: usize = 80;

/// Groups of slot words, the same words in log order, and what was superseded since.
#[derive(Debug)]
pub(super) struct Frozen {
    groups: Box<[Group]>,
    /// Slot words in ascending place.
    order: Box<[u64]>,
    /// One bit a slot: superseded, at the place that `superseded` says.
    dead: Box<[AtomicU8]>,
    /// For each word of `order` the place that superseded it; 0 = none. Made when
    /// the first one is.
    superseded: OnceLock<Box<[AtomicU64]>>,
}

impl Frozen {
    /// Packs words in log order, with the upper halves of their hashes.
    pub(super) fn pack(words: &[(u64, u32)]) -> Self {
        let slots = (words.len() * 100).div_ceil(LOAD_PERCENT);
        let mut groups: Box<[Group]> = zeroed(slots.div_ceil(SLOTS).max(1));
        for &(word, top) in words {
            insert(&mut groups, word, top);
        }
        let dead = groups.iter().map(|_| AtomicU8::new(0)).collect();
        let order = words.iter().map(|&(word, _)| word).collect();
        Self {
            groups,
            order,
            dead,
            superseded: OnceLock::new(),
        }
    }

    /// Number of words.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The place of the key with `hash`: of the words with its tag that a reader with
    /// `end` sees, the first whose record `same` says has the key. 0 = none.
    #[inline(always)]
    pub(super) fn find(&self, hash: Hash, end: u64, same: impl Fn(u64) -> bool + Copy) -> u64 {
        match Variant::current() {
            Variant::Baseline => self.find_with(Baseline, hash, end, same),
            #[cfg(target_arch = "x86_64")]
            Variant::Avx2 => match super::group::Avx2::new() {
                // SAFETY: the value proves that the processor has AVX2.
                Some(avx2) => unsafe { self.find_avx2(avx2, hash, end, same) },
                None => self.find_with(Scalar, hash, end, same),
            },
            _ => self.find_with(Scalar, hash, end, same),
        }
    }

    /// As [`Self::find_with`], compiled for AVX2 so that the probes are inlined.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    fn find_avx2(
        &self,
        probe: super::group::Avx2,
        hash: Hash,
        end: u64,
        same: impl Fn(u64) -> bool + Copy,
    ) -> u64 {
        self.find_with(probe, hash, end, same)
    }

    #[inline(always)]
    fn find_with(
        &self,
        probe: impl Probe,
        hash: Hash,
        end: u64,
        same: impl Fn(u64) -> bool + Copy,
    ) -> u64 {
        let (mut at, tag) = (home(hash.top(), self.groups.len()), hash.tag());
        for _ in 0..self.groups.len() {
            let Some(group) = self.groups.get(at) else {
                break;
            };
            for slot in probe.tagged(group, tag) {
                let word = group.word(slot);
                let hidden = self.is_dead(at, slot) && !seen(self.superseded_by(word), end);
                if !hidden && same(place_of(word)) {
                    return place_of(word);
                }
            }
            if !probe.empty(group).is_empty() {
                break;
            }
            at = if at + 1 == self.groups.len() {
                0
            } else {
                at + 1
            };
        }
        0
    }

    #[inline]
    fn is_dead(&self, group: usize, slot: usize) -> bool {
        self.dead
            .get(group)
            .is_some_and(|dead| dead.load(Ordering::Acquire) >> slot & 1 == 1)
    }

    #[cold]
    fn superseded_by(&self, word: u64) -> u64 {
        let by = self.superseded.get().zip(self.ordinal(place_of(word)));
        by.and_then(|(by, ordinal)| by.get(ordinal))
            .map_or(0, |by| by.load(Ordering::Acquire))
    }

    /// Position in log order of the word with `place`.
    fn ordinal(&self, place: u64) -> Option<usize> {
        self.order
            .binary_search_by_key(&place, |&word| place_of(word))
            .ok()
    }

    /// Starts to load the group of `hash`.
    #[inline]
    pub(super) fn prefetch(&self, hash: Hash) {
        if let Some(group) = self.groups.get(home(hash.top(), self.groups.len())) {
            super::group::prefetch(group);
        }
    }

    /// Notes that the record at `place`, with `hash`, was superseded by the one at
    /// `by`. False if this segment has no such record. Only the writer calls this.
    pub(super) fn supersede(&self, hash: Hash, place: u64, by: u64) -> bool {
        let Some(ordinal) = self.ordinal(place) else {
            return false;
        };
        let superseded = self
            .superseded
            .get_or_init(|| self.order.iter().map(|_| AtomicU64::new(0)).collect());
        // The place first: whoever sees the bit finds it.
        if let Some(entry) = superseded.get(ordinal) {
            entry.store(by, Ordering::Release);
        }
        let word = hash.word(place);
        let mut at = home(hash.top(), self.groups.len());
        for _ in 0..self.groups.len() {
            let Some(group) = self.groups.get(at) else {
                break;
            };
            let tagged = Scalar.tagged(group, (word >> PLACE_BITS) as u16);
            let mut same = tagged.filter(|&slot| group.0.get(slot) == Some(&word));
            if let (Some(slot), Some(dead)) = (same.next(), self.dead.get(at)) {
                dead.fetch_or(1 << slot, Ordering::AcqRel);
                return true;
            }
            at = (at + 1) % self.groups.len();
        }
        false
    }

    /// The place at `ordinal` in log order, if a reader with `end` sees it.
    pub(super) fn visible(&self, ordinal: usize, end: u64) -> Option<u64> {
        let place = place_of(*self.order.get(ordinal)?);
        let by = self.superseded.get().and_then(|by| by.get(ordinal));
        seen(by.map_or(0, |by| by.load(Ordering::Acquire)), end).then_some(place)
    }
}

fn insert(groups: &mut [Group], word: u64, top: u32) {
    let count = groups.len();
    let mut at = home(top, count);
    for _ in 0..count {
        if let Some(group) = groups.get_mut(at)
            && let Some(slot) = Scalar.empty(group).next()
        {
            if let Some(empty) = group.0.get_mut(slot) {
                *empty = word;
            }
            return;
        }
        at = (at + 1) % count;
    }
}

const _: () = assert!(size_of::<Slots>() == 1);
