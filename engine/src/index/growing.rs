//! The segment that the writer inserts into while others read.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use zerocopy::FromZeros;

use super::group::{SLOTS, empty_words, prefetch, tagged_words};
use super::{Hash, PLACE_BITS, home, place_of, seen};

/// Slots that may be filled before the segment doubles, of eight.
const MAX_FILLED: usize = 7;

#[derive(FromZeros)]
#[repr(C, align(64))]
struct AtomicGroup([AtomicU64; SLOTS]);

/// Groups, and the same words in log order, of atomic words.
///
/// One writer inserts; any number of readers probe and walk. A word is stored after
/// the record that it leads to was written, and before the commit is published.
pub(super) struct Growing {
    groups: Box<[AtomicGroup]>,
    /// Slot words in ascending place; `len` of them.
    order: Box<[AtomicU64]>,
    /// The upper halves of their hashes.
    tops: Box<[AtomicU32]>,
    /// The places that superseded them; 0 = none.
    superseded: Box<[AtomicU64]>,
    len: AtomicUsize,
}

/// Zeroed memory straight from the allocator: a large table costs no time before
/// its pages are used.
fn zeroed<T: FromZeros>(len: usize) -> Box<[T]> {
    <[T]>::new_box_zeroed_with_elems(len).unwrap_or_else(|_| {
        // The same as every collection of std does when memory runs out.
        std::alloc::handle_alloc_error(std::alloc::Layout::new::<T>())
    })
}

impl Growing {
    /// An empty segment with room for `entries` words.
    pub(super) fn with_room(entries: usize) -> Self {
        let groups = entries.div_ceil(MAX_FILLED).max(1).next_power_of_two();
        let capacity = groups * MAX_FILLED;
        Self {
            groups: zeroed(groups),
            order: zeroed(capacity),
            tops: zeroed(capacity),
            superseded: zeroed(capacity),
            len: AtomicUsize::new(0),
        }
    }

    /// Words that can still be inserted.
    pub(super) fn room(&self) -> usize {
        self.order.len() - self.len()
    }

    /// Number of words in log order, superseded ones included.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// The words that are not superseded, with the upper halves of their hashes.
    pub(super) fn live(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.kept(u64::MAX).map(|(word, top, _)| (word, top))
    }

    /// A segment with room for `more` and with every word that a reader with `end` (a
    /// place) or a later one may ask for: those that nothing before `end` superseded.
    pub(super) fn grown(&self, more: usize, end: u64) -> Self {
        // Some ahead, so that the misses of the cache overlap.
        const AHEAD: usize = 16;
        let kept = self.kept(end).count();
        let grown = Self::with_room((kept + more).max(kept * 2));
        let mut coming = self.kept(end).skip(AHEAD);
        for (word, top, by) in self.kept(end) {
            if let Some((_, next, _)) = coming.next()
                && let Some(group) = grown.groups.get(home(next, grown.groups.len()))
            {
                prefetch(group);
            }
            grown.append(word, top, by);
            // A tombstone is superseded from its birth, and leads all the same.
            if by == 0 || self.leads_to(word, top) {
                grown.store_in_empty_slot(word, top);
            }
        }
        grown
    }

    fn kept(&self, end: u64) -> impl Iterator<Item = (u64, u32, u64)> + '_ {
        (0..self.len()).filter_map(move |ordinal| {
            let by = self.superseded.get(ordinal)?.load(Ordering::Relaxed);
            let word = self.order.get(ordinal)?.load(Ordering::Relaxed);
            let top = self.tops.get(ordinal)?.load(Ordering::Relaxed);
            seen(by, end).then_some((word, top, by))
        })
    }

    /// Whether a slot has `word`.
    fn leads_to(&self, word: u64, top: u32) -> bool {
        let hash = Hash(u64::from(top) << 32 | word >> PLACE_BITS);
        let place = place_of(word);
        self.find(hash, |found| found == place) != 0
    }

    /// The place of the key with `hash`: of the words with its tag the first whose
    /// record `same` says has the key. 0 = none.
    #[inline]
    pub(super) fn find(&self, hash: Hash, same: impl Fn(u64) -> bool + Copy) -> u64 {
        self.slot(hash, same).map_or(0, |(_, word)| place_of(word))
    }

    /// The slot of the key with `hash`, and its word.
    #[inline]
    fn slot(&self, hash: Hash, same: impl Fn(u64) -> bool + Copy) -> Option<(&AtomicU64, u64)> {
        let mut at = home(hash.top(), self.groups.len());
        for _ in 0..self.groups.len() {
            let group = self.groups.get(at)?;
            // Acquire: the record behind a word was written before the word.
            let words = group.0.each_ref().map(|word| word.load(Ordering::Acquire));
            for slot in tagged_words(&words, hash.tag()) {
                let word = words.get(slot).copied().unwrap_or_default();
                if same(place_of(word)) {
                    return Some((group.0.get(slot)?, word));
                }
            }
            if !empty_words(&words).is_empty() {
                return None;
            }
            at = if at + 1 == self.groups.len() {
                0
            } else {
                at + 1
            };
        }
        None
    }

    /// Starts to load the group of `hash`.
    #[inline]
    pub(super) fn prefetch(&self, hash: Hash) {
        if let Some(group) = self.groups.get(home(hash.top(), self.groups.len())) {
            prefetch(group);
        }
    }

    /// Makes the key with `hash` lead to `place`; gives the place that it led to in
    /// this segment, 0 = none. `same` says whether the record at a place has the key. A
    /// tombstone is no entry of the order. Needs room. Only the writer calls this.
    pub(super) fn upsert(
        &self,
        hash: Hash,
        place: u64,
        tombstone: bool,
        same: impl Fn(u64) -> bool + Copy,
    ) -> u64 {
        let word = hash.word(place);
        let replaced = match self.slot(hash, same) {
            Some((slot, old)) => {
                slot.store(word, Ordering::Release);
                self.supersede(place_of(old), place);
                place_of(old)
            }
            None => {
                self.store_in_empty_slot(word, hash.top());
                0
            }
        };
        self.append(word, hash.top(), if tombstone { place } else { 0 });
        replaced
    }

    fn append(&self, word: u64, top: u32, superseded: u64) {
        let len = self.len();
        if let (Some(order), Some(tops), Some(by)) = (
            self.order.get(len),
            self.tops.get(len),
            self.superseded.get(len),
        ) {
            order.store(word, Ordering::Relaxed);
            tops.store(top, Ordering::Relaxed);
            by.store(superseded, Ordering::Relaxed);
            self.len.store(len + 1, Ordering::Release);
        }
    }

    fn store_in_empty_slot(&self, word: u64, top: u32) {
        let mut at = home(top, self.groups.len());
        for _ in 0..self.groups.len() {
            let Some(group) = self.groups.get(at) else {
                break;
            };
            let empty = group
                .0
                .iter()
                .find(|slot| slot.load(Ordering::Relaxed) == 0);
            if let Some(slot) = empty {
                slot.store(word, Ordering::Release);
                return;
            }
            at = if at + 1 == self.groups.len() {
                0
            } else {
                at + 1
            };
        }
    }

    /// Notes that the word with place `old` was superseded at `by`.
    fn supersede(&self, old: u64, by: u64) {
        let len = self.len();
        let order = self.order.get(..len).unwrap_or_default();
        let ordinal = order.partition_point(|word| place_of(word.load(Ordering::Relaxed)) < old);
        if let Some(entry) = self.superseded.get(ordinal).filter(|_| ordinal < len) {
            // A tombstone is superseded by itself from its birth; the first one counts.
            let _ = entry.compare_exchange(0, by, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// The place at `ordinal` in log order, if a reader with `end` sees it.
    pub(super) fn visible(&self, ordinal: usize, end: u64) -> Option<u64> {
        let place = place_of(self.order.get(ordinal)?.load(Ordering::Acquire));
        let by = self.superseded.get(ordinal)?.load(Ordering::Acquire);
        (place < end && seen(by, end)).then_some(place)
    }
}

impl std::fmt::Debug for Growing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Growing({} of {} words)", self.len(), self.order.len())
    }
}
