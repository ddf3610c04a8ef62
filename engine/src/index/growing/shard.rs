//! A part of a growing table: groups of atomic words for the keys of a range of hashes.
#![expect(unsafe_code, reason = "the writer reads its own words with vectors")]

use std::sync::atomic::Ordering;

use zerocopy::FromZeros;

use super::super::atomics::{AtomicU32, AtomicU64, AtomicUsize};
use super::super::group::{Baseline, Group, Probe, SLOTS, Scalar, prefetch};
use super::super::memory::zeroed;
use super::super::overflow::Overflow;
use super::super::{ATTENTION, Hash, Records, home, place_of};
use crate::format::segment::{MAX_PROBES, home_bits};

/// Slots that are filled before a shard grows, of the eight of a group: with seven some of
/// ten thousand keys find sixteen full groups.
const MAX_FILLED: usize = 6;

#[derive(FromZeros)]
#[repr(C, align(64))]
struct AtomicGroup([AtomicU64; SLOTS]);

impl AtomicGroup {
    /// Acquire: the record behind a word was written before the word.
    #[inline]
    fn words(&self) -> Group {
        Group(self.0.each_ref().map(|word| word.load(Ordering::Acquire)))
    }

    /// The words, for vector probes of the one writer.
    ///
    /// # Safety
    ///
    /// Nobody stores to the group while the reference lives.
    #[inline]
    unsafe fn words_for_writer(&self) -> &Group {
        // SAFETY: both types are eight words of 64 bits with the alignment of a cache
        // line. Other threads only load the words, and by the caller's promise nobody
        // stores to them meanwhile, so that plain reads race with nothing.
        unsafe { &*std::ptr::from_ref(self).cast::<Group>() }
    }
}

const _: () = assert!(size_of::<AtomicGroup>() == size_of::<Group>());
const _: () = assert!(align_of::<AtomicGroup>() == align_of::<Group>());

/// The keys whose hashes start with the same few bits. It never moves: one that is full is
/// replaced by a larger one with the same words.
pub(super) struct Shard {
    /// How many bits of the hash chose the shard.
    bits: u32,
    groups: Box<[AtomicGroup]>,
    /// Which tags have their home in each group: most lookups of absent keys read no group.
    homes: Box<[AtomicU32]>,
    /// The upper halves of the hashes in the slots, for the writer: a larger shard is made
    /// of them.
    tops: Box<[AtomicU32]>,
    filled: AtomicUsize,
    /// Groups that are probed for a key, at most all; what found no slot there is in
    /// `overflow`.
    reach: usize,
    overflow: Overflow,
}

impl Shard {
    /// An empty shard with room for `entries` keys, for hashes of which `bits` chose it.
    pub(super) fn with_room(entries: usize, bits: u32) -> Self {
        let groups = entries.div_ceil(MAX_FILLED).max(1);
        Self {
            bits,
            groups: zeroed(groups),
            homes: zeroed(groups),
            tops: zeroed(groups * SLOTS),
            filled: AtomicUsize::new(0),
            reach: MAX_PROBES.min(groups),
            overflow: Overflow::default(),
        }
    }

    /// Number of keys in groups.
    pub(super) fn filled(&self) -> usize {
        self.filled.load(Ordering::Relaxed)
    }

    /// Whether `more` keys make it too full.
    pub(super) fn is_crowded(&self, more: usize) -> bool {
        self.filled() + more > self.groups.len() * MAX_FILLED
    }

    /// The words in the slots with the upper halves of their hashes: for the writer.
    pub(super) fn words(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        let words = self.groups.iter().flat_map(|group| &group.0);
        let words = words.map(|word| word.load(Ordering::Relaxed));
        let tops = self.tops.iter().map(|top| top.load(Ordering::Relaxed));
        words.zip(tops).filter(|&(word, _)| word != 0)
    }

    /// The hashes, keys and places of the overflow.
    pub(super) fn overflow(&self) -> impl Iterator<Item = (Hash, Box<[u8]>, u64)> + '_ {
        self.overflow.iter()
    }

    #[inline(always)]
    fn home(&self, top: u32) -> usize {
        home(top << self.bits, self.groups.len())
    }

    #[inline(always)]
    fn next(&self, at: usize) -> usize {
        if at + 1 == self.groups.len() {
            0
        } else {
            at + 1
        }
    }

    /// The place of the key with `hash`: of the words with its tag the first whose
    /// record `same` says has the key. 0 = none. [`ATTENTION`]: it is in the overflow if
    /// anywhere.
    #[inline]
    pub(super) fn find(&self, hash: Hash, same: impl Fn(u64) -> bool + Copy) -> u64 {
        let mut at = self.home(hash.top());
        if !self.may_have(at, hash.tag()) {
            return 0;
        }
        for _ in 0..self.reach {
            let Some(group) = self.groups.get(at) else {
                break;
            };
            let words = group.words();
            for slot in Scalar.tagged(&words, hash.tag()) {
                let place = place_of(words.word(slot));
                if same(place) {
                    return place;
                }
            }
            if !Scalar.empty(&words).is_empty() {
                return 0;
            }
            at = self.next(at);
        }
        if self.overflow.is_empty() {
            0
        } else {
            ATTENTION
        }
    }

    /// Whether a key with `tag` may have its home at group `at`.
    #[inline(always)]
    fn may_have(&self, at: usize, tag: u16) -> bool {
        let bits = home_bits(tag);
        let homes = self.homes.get(at);
        homes.is_some_and(|homes| homes.load(Ordering::Relaxed) & bits == bits)
    }

    /// As [`Self::find`], in the overflow.
    #[cold]
    pub(super) fn find_spilled(&self, hash: Hash, key: &[u8]) -> u64 {
        self.overflow.find(hash, key)
    }

    /// As [`Self::find`], for the one writer: with vectors, and with the overflow.
    #[inline]
    pub(super) fn find_for_writer(&self, hash: Hash, records: &impl Records) -> u64 {
        if !self.may_have(self.home(hash.top()), hash.tag()) {
            return 0;
        }
        match self.slot_or_empty(hash, |place| records.has_key(place)) {
            Some(slot) => place_of(self.word(slot)),
            None => self.overflow.find(hash, records.key()),
        }
    }

    /// Starts to load what a lookup of `hash` needs.
    #[inline]
    pub(super) fn prefetch(&self, hash: Hash) {
        let at = self.home(hash.top());
        if let (Some(group), Some(homes)) = (self.groups.get(at), self.homes.get(at)) {
            prefetch(homes);
            prefetch(group);
        }
    }

    /// Makes the key of `records`, with `hash`, lead to `place`; gives the place that it
    /// led to here, 0 = none. Only the writer calls this.
    pub(super) fn upsert(&self, hash: Hash, place: u64, records: &impl Records) -> u64 {
        // Before the word: who sees that finds it.
        self.note_home(hash);
        match self.slot_or_empty(hash, |place| records.has_key(place)) {
            Some(slot) => {
                let old = self.word(slot);
                self.store(slot, hash.word(place), hash.top());
                place_of(old)
            }
            None => self.overflow.upsert(hash, records.key(), place),
        }
    }

    #[inline]
    fn note_home(&self, hash: Hash) {
        if let Some(homes) = self.homes.get(self.home(hash.top())) {
            let (bits, have) = (home_bits(hash.tag()), homes.load(Ordering::Relaxed));
            if have & bits != bits {
                homes.store(have | bits, Ordering::Release);
            }
        }
    }

    /// The word in a slot of the shard.
    #[inline]
    fn word(&self, (at, slot): (usize, usize)) -> u64 {
        let word = self.groups.get(at).and_then(|group| group.0.get(slot));
        word.map_or(0, |word| word.load(Ordering::Relaxed))
    }

    #[inline]
    fn store(&self, (at, slot): (usize, usize), word: u64, top: u32) {
        let Some(target) = self.groups.get(at).and_then(|group| group.0.get(slot)) else {
            return;
        };
        if target.load(Ordering::Relaxed) == 0 {
            self.filled.store(self.filled() + 1, Ordering::Relaxed);
        }
        if let Some(tops) = self.tops.get(at * SLOTS + slot) {
            tops.store(top, Ordering::Relaxed);
        }
        target.store(word, Ordering::Release);
    }

    /// The slot of the key with `hash`, or the first empty slot; none if its groups are
    /// full of others. Only the writer calls this.
    #[inline]
    fn slot_or_empty(
        &self,
        hash: Hash,
        same: impl Fn(u64) -> bool + Copy,
    ) -> Option<(usize, usize)> {
        let mut at = self.home(hash.top());
        for _ in 0..self.reach {
            let group = self.groups.get(at)?;
            // SAFETY: the one writer is in this function, under its lock, and stores to
            // no group before the last use of these words; readers never store.
            let words = unsafe { group.words_for_writer() };
            let mut tagged = Baseline.tagged(words, hash.tag());
            let found = tagged.find(|&slot| same(place_of(words.word(slot))));
            if let Some(slot) = found.or_else(|| Baseline.empty(words).next()) {
                return Some((at, slot));
            }
            at = self.next(at);
        }
        None
    }

    /// Has a word of another shard stand in the first empty slot. Its key is not at hand,
    /// so it is no matter for the overflow: what does not find a slot in the usual number
    /// of groups makes that number larger. Words that found a slot there in a shard of half
    /// the size are never far away, however they were crafted.
    pub(super) fn take(&mut self, word: u64, top: u32) {
        self.note_home(Hash::of_word(word, top));
        let mut at = self.home(top);
        for probes in 1..=self.groups.len() {
            let empty = self.groups.get(at).and_then(|group| {
                let mut words = group.0.iter();
                words.position(|slot| slot.load(Ordering::Relaxed) == 0)
            });
            if let Some(slot) = empty {
                self.store((at, slot), word, top);
                self.reach = self.reach.max(probes);
                return;
            }
            at = self.next(at);
        }
    }

    /// Takes a key in that was in the overflow of another shard. It is in the overflow of
    /// this one only if its groups are full, since a lookup ends at an empty slot.
    pub(super) fn take_spilled(&mut self, hash: Hash, key: &[u8], place: u64) {
        self.note_home(hash);
        match self.slot_or_empty(hash, |_| false) {
            Some(slot) => self.store(slot, hash.word(place), hash.top()),
            None => _ = self.overflow.upsert(hash, key, place),
        }
    }
}
