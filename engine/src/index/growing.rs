//! The segment that the writer inserts into while others read.
#![expect(unsafe_code, reason = "the writer reads its own words with vectors")]

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use zerocopy::FromZeros;

use super::atomics::{AtomicU32, AtomicU64, AtomicUsize};
use super::group::{Baseline, Group, Probe, SLOTS, Scalar, prefetch};
use super::memory::zeroed;
use super::overflow::Overflow;
use super::{ATTENTION, Hash, PLACE_BITS, Records, home, place_of, seen};
use crate::format::segment::MAX_PROBES;

/// Slots that may be filled before the segment grows, of eight.
const MAX_FILLED: usize = 7;

/// Words in log order whose superseded ones are counted together.
const CHUNK: usize = 1024;

/// Up to so many words a segment grows fourfold, which saves most of the work of growing;
/// beyond, twofold, which bounds the memory.
const SMALL: usize = 1 << 20;

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
    /// How many words were superseded.
    dead: AtomicUsize,
    /// The same of each chunk of words in log order.
    dead_by_chunk: Box<[AtomicU32]>,
    /// A bound of the places that superseded them.
    newest: AtomicU64,
    /// Groups that are probed for a key, at most all; what found no slot there is in
    /// `overflow`.
    reach: usize,
    overflow: Overflow,
}

impl Growing {
    /// An empty segment with room for `entries` words.
    pub(super) fn with_room(entries: usize) -> Self {
        let groups = entries.div_ceil(MAX_FILLED).max(1);
        let capacity = groups * MAX_FILLED;
        Self {
            groups: zeroed(groups),
            order: zeroed(capacity),
            tops: zeroed(capacity),
            superseded: zeroed(capacity),
            len: AtomicUsize::new(0),
            dead: AtomicUsize::new(0),
            dead_by_chunk: zeroed(capacity.div_ceil(CHUNK)),
            newest: AtomicU64::new(0),
            reach: MAX_PROBES.min(groups),
            overflow: Overflow::default(),
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

    /// The words that nothing before place `end` superseded, with the upper halves of
    /// their hashes, in log order.
    pub(super) fn live(&self, end: u64) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.kept(end).map(|(word, top, _)| (word, top))
    }

    /// How many words nothing superseded: for the writer, whom nothing escapes.
    pub(super) fn live_count(&self) -> usize {
        self.len() - self.dead.load(Ordering::Relaxed)
    }

    /// A table with room for `more` and with every word of `tables`, older first, that a
    /// reader with `end` (a place) or a later one may ask for: those that nothing before
    /// `end` superseded. `hidden` says of which places of the older tables a newer one has
    /// the key.
    pub(super) fn joined(
        tables: &[&Self],
        more: usize,
        end: u64,
        hidden: impl Fn(u64) -> bool,
    ) -> Self {
        // Some ahead, so that the misses of the cache overlap.
        const AHEAD: usize = 16;
        let kept = tables
            .iter()
            .map(|table| table.kept(end).count())
            .sum::<usize>();
        let factor = if kept < SMALL { 4 } else { 2 };
        let mut joined = Self::with_room((kept + more).max(kept * factor));
        for table in tables {
            let spilled: HashSet<u64> = table.overflow.iter().map(|(.., place)| place).collect();
            let mut coming = table.kept(end).skip(AHEAD);
            for (word, top, by) in table.kept(end) {
                if let Some((_, next, _)) = coming.next()
                    && let Some(group) = joined.groups.get(home(next, joined.groups.len()))
                {
                    prefetch(group);
                }
                joined.append(word, top, by);
                // A tombstone is superseded from its birth, and leads all the same.
                let leads = by == 0 || table.leads_to(word, top);
                let place = place_of(word);
                if leads && !spilled.contains(&place) && !hidden(place) {
                    joined.store_in_empty_slot(word, top);
                }
            }
        }
        for table in tables {
            joined.take_overflow(table, |place| table.sees(place, end) && !hidden(place));
        }
        joined
    }

    /// A table with the words from place `since` on.
    pub(super) fn since(&self, since: u64) -> Self {
        let first = self.order.get(..self.len()).unwrap_or_default();
        let first = first.partition_point(|word| place_of(word.load(Ordering::Relaxed)) < since);
        let kept = self.len() - first;
        let mut table = Self::with_room(kept.max(1));
        let spilled: HashSet<u64> = self.overflow.iter().map(|(.., place)| place).collect();
        for (word, top, by) in self.all().skip(first) {
            table.append(word, top, by);
            let leads = by == 0 || self.leads_to(word, top);
            if leads && !spilled.contains(&place_of(word)) {
                table.store_in_empty_slot(word, top);
            }
        }
        table.take_overflow(self, |place| place >= since);
        table
    }

    /// Takes in the overflow of another table, those whose places `keep` has. A key is in
    /// the overflow only if its groups are full, since a lookup ends at an empty slot.
    fn take_overflow(&self, of: &Self, keep: impl Fn(u64) -> bool) {
        for (hash, key, place) in of.overflow.iter().filter(|&(.., place)| keep(place)) {
            match self.slot_or_empty(hash, |_| false) {
                Some((slot, _)) => slot.store(hash.word(place), Ordering::Release),
                None => _ = self.overflow.upsert(hash, &key, place),
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = (u64, u32, u64)> + '_ {
        (0..self.len()).filter_map(move |ordinal| {
            let by = self.superseded.get(ordinal)?.load(Ordering::Relaxed);
            let word = self.order.get(ordinal)?.load(Ordering::Relaxed);
            let top = self.tops.get(ordinal)?.load(Ordering::Relaxed);
            Some((word, top, by))
        })
    }

    fn kept(&self, end: u64) -> impl Iterator<Item = (u64, u32, u64)> + '_ {
        self.all().filter(move |&(.., by)| seen(by, end))
    }

    /// Whether a slot has `word`.
    fn leads_to(&self, word: u64, top: u32) -> bool {
        let hash = Hash(u64::from(top) << 32 | word >> PLACE_BITS);
        let place = place_of(word);
        let found = self.slot_or_empty(hash, |found| found == place);
        found.is_some_and(|(_, word)| word != 0)
    }

    /// Whether a reader with `end` sees the word with `place`.
    fn sees(&self, place: u64, end: u64) -> bool {
        let by = self
            .ordinal(place)
            .and_then(|ordinal| self.superseded.get(ordinal));
        by.is_none_or(|by| seen(by.load(Ordering::Acquire), end))
    }

    /// The place of the key with `hash`: of the words with its tag the first whose
    /// record `same` says has the key. 0 = none. With [`ATTENTION`] the answer is that of
    /// [`Self::find_checked`].
    #[inline]
    pub(super) fn find(&self, hash: Hash, same: impl Fn(u64) -> bool + Copy) -> u64 {
        let mut at = home(hash.top(), self.groups.len());
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
            at = if at + 1 == self.groups.len() {
                0
            } else {
                at + 1
            };
        }
        if self.overflow.is_empty() {
            0
        } else {
            ATTENTION
        }
    }

    /// As [`Self::find`], with the overflow.
    pub(super) fn find_checked<R: Records>(&self, hash: Hash, records: &R) -> u64 {
        match self.find(hash, |place| records.has_key(place)) {
            ATTENTION => self.overflow.find(hash, records.key()),
            place => place,
        }
    }

    /// As [`Self::find`], of a table that newer words are not inserted into: without those
    /// that something before place `end` superseded.
    #[inline(never)]
    pub(super) fn find_seen(&self, hash: Hash, end: u64, same: impl Fn(u64) -> bool + Copy) -> u64 {
        match self.find(hash, same) {
            ATTENTION => ATTENTION,
            place if self.sees(place, end) => place,
            _ => 0,
        }
    }

    /// As [`Self::find_seen`], with the overflow.
    pub(super) fn find_seen_checked<R: Records>(&self, hash: Hash, end: u64, records: &R) -> u64 {
        let place = self.find_checked(hash, records);
        if self.sees(place, end) { place } else { 0 }
    }

    /// Position in log order of the word with `place`.
    fn ordinal(&self, place: u64) -> Option<usize> {
        let order = self.order.get(..self.len())?;
        let of = |word: &AtomicU64| place_of(word.load(Ordering::Relaxed));
        let ordinal = order.partition_point(|word| of(word) < place);
        order.get(ordinal).filter(|word| of(word) == place)?;
        Some(ordinal)
    }

    /// Starts to load the group of `hash`.
    #[inline]
    pub(super) fn prefetch(&self, hash: Hash) {
        if let Some(group) = self.groups.get(home(hash.top(), self.groups.len())) {
            prefetch(group);
        }
    }

    /// Makes the key of `records`, with `hash`, lead to `place`; gives the place that it
    /// led to in this segment, 0 = none. A tombstone is no entry of the order. Needs room.
    /// Only the writer calls this.
    pub(super) fn upsert(
        &self,
        hash: Hash,
        place: u64,
        tombstone: bool,
        records: &impl Records,
    ) -> u64 {
        let word = hash.word(place);
        let replaced = match self.slot_or_empty(hash, |place| records.has_key(place)) {
            Some((slot, old)) => {
                slot.store(word, Ordering::Release);
                place_of(old)
            }
            None => self.overflow.upsert(hash, records.key(), place),
        };
        if replaced != 0 {
            self.supersede(replaced, place);
        }
        self.append(word, hash.top(), if tombstone { place } else { 0 });
        replaced
    }

    /// As [`Self::find_checked`], for the one writer: with vectors.
    #[inline]
    pub(super) fn find_for_writer(&self, hash: Hash, records: &impl Records) -> u64 {
        match self.slot_or_empty(hash, |place| records.has_key(place)) {
            Some((_, word)) => place_of(word),
            None => self.overflow.find(hash, records.key()),
        }
    }

    /// The slot of the key with `hash` and its word, or the first empty slot and 0; none
    /// if its groups are full of others. Only the writer calls this.
    #[inline]
    fn slot_or_empty(
        &self,
        hash: Hash,
        same: impl Fn(u64) -> bool + Copy,
    ) -> Option<(&AtomicU64, u64)> {
        let mut at = home(hash.top(), self.groups.len());
        for _ in 0..self.reach {
            let group = self.groups.get(at)?;
            // SAFETY: the one writer is in this function, under its lock, and stores to
            // no group before the last use of these words; readers never store.
            let words = unsafe { group.words_for_writer() };
            let mut tagged = Baseline.tagged(words, hash.tag());
            let found = tagged.find(|&slot| same(place_of(words.word(slot))));
            if let Some(slot) = found.or_else(|| Baseline.empty(words).next()) {
                return Some((group.0.get(slot)?, words.word(slot)));
            }
            at = if at + 1 == self.groups.len() {
                0
            } else {
                at + 1
            };
        }
        None
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
            // Zero already: the pages of a table of which little is superseded stay unused.
            if superseded != 0 {
                self.note_dead(len, superseded);
                by.store(superseded, Ordering::Relaxed);
            }
            self.len.store(len + 1, Ordering::Release);
        }
    }

    /// Has a word of another table stand in the first empty slot. Its key is not at hand,
    /// so it is no matter for the overflow: what does not find a slot in the usual number
    /// of groups makes that number larger. Words that found a slot there in a table of half
    /// the size are never far away, however they were crafted.
    fn store_in_empty_slot(&mut self, word: u64, top: u32) {
        let mut at = home(top, self.groups.len());
        for probes in 1..=self.groups.len() {
            let Some(group) = self.groups.get(at) else {
                break;
            };
            let empty = group
                .0
                .iter()
                .find(|slot| slot.load(Ordering::Relaxed) == 0);
            if let Some(slot) = empty {
                slot.store(word, Ordering::Release);
                self.reach = self.reach.max(probes);
                return;
            }
            at = if at + 1 == self.groups.len() {
                0
            } else {
                at + 1
            };
        }
    }

    /// Notes that the word with place `old` was superseded at `by`. False if there is no
    /// such word. Only the writer calls this.
    pub(super) fn supersede(&self, old: u64, by: u64) -> bool {
        let Some(ordinal) = self.ordinal(old) else {
            return false;
        };
        let Some(entry) = self.superseded.get(ordinal) else {
            return false;
        };
        // A tombstone is superseded by itself from its birth; the first one counts.
        if entry.load(Ordering::Relaxed) == 0 {
            // The bound before the entry, so that who sees one knows a bound of it.
            self.note_dead(ordinal, by);
            entry.store(by, Ordering::Release);
        }
        true
    }

    fn note_dead(&self, ordinal: usize, by: u64) {
        self.newest.fetch_max(by, Ordering::AcqRel);
        if let Some(chunk) = self.dead_by_chunk.get(ordinal / CHUNK) {
            chunk.fetch_add(1, Ordering::AcqRel);
        }
        self.dead.fetch_add(1, Ordering::AcqRel);
    }

    /// Words with places before `end`.
    fn len_before(&self, end: u64) -> usize {
        let order = self.order.get(..self.len()).unwrap_or_default();
        order.partition_point(|word| place_of(word.load(Ordering::Acquire)) < end)
    }

    /// Number of words that a reader with `end` sees.
    pub(super) fn seen_count(&self, end: u64) -> usize {
        let len = self.len_before(end);
        let chunks = 0..len.div_ceil(CHUNK);
        chunks
            .map(|chunk| self.seen_in_chunk(chunk, len, end))
            .sum()
    }

    /// Number of words of a chunk that a reader with `end` sees, of `len` that it may.
    fn seen_in_chunk(&self, chunk: usize, len: usize, end: u64) -> usize {
        let words = chunk * CHUNK..((chunk + 1) * CHUNK).min(len);
        let dead = self.dead_by_chunk.get(chunk);
        let dead = dead.map_or(0, |dead| dead.load(Ordering::Acquire) as usize);
        // Counted as they come: what comes now is not for this reader, nor are words that
        // its end cuts off.
        let settled = self.newest.load(Ordering::Acquire) < end;
        if dead == 0 || (settled && words.len() == CHUNK) {
            return words.len() - dead.min(words.len());
        }
        words
            .filter(|&ordinal| self.visible(ordinal, end).is_some())
            .count()
    }

    /// The place of the word number `nth` of those that a reader with `end` sees, or how
    /// many it sees. Costs a look at each chunk before, and at one of them.
    pub(super) fn select(&self, mut nth: usize, end: u64) -> Result<u64, usize> {
        let len = self.len_before(end);
        let mut seen = 0;
        for chunk in 0..len.div_ceil(CHUNK) {
            let here = self.seen_in_chunk(chunk, len, end);
            if nth < here {
                let words = chunk * CHUNK..((chunk + 1) * CHUNK).min(len);
                let mut places = words.filter_map(|ordinal| self.visible(ordinal, end));
                if let Some(place) = places.nth(nth) {
                    return Ok(place);
                }
            }
            nth -= here.min(nth);
            seen += here;
        }
        Err(seen)
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
