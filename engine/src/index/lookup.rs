//! Looking a key up in a segment.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calls code for one processor")
)]

use std::cmp::Ordering::{Equal, Greater, Less};
use std::sync::atomic::Ordering;

use super::group::{Baseline, Probe, Scalar, Variant};
use super::segment::{COMPARED, DEAD, Segment, Spilled, group_offset, next};
use super::{ATTENTION, Fault, Hash, PLACE_BITS, Records, home, place_of, seen};
use crate::format::segment::{MAX_PROBES, home_bits, passed_bit};

impl Segment {
    /// The place of the key with `hash`: of the words with its tag that a reader with
    /// `end` sees, the first whose record has the key. 0 = none. With
    /// [`ATTENTION`] the answer is that of [`Self::find_checked`].
    ///
    /// Short, and calls nothing but [`Records::has_key`]: the processor has so many
    /// instructions in flight, and overlaps the cache misses of the lookups among them.
    #[inline(always)]
    pub(super) fn find<R: Records>(&self, hash: Hash, end: u64, records: &R) -> u64 {
        if Variant::is_forced() {
            return self.find_forced(hash, end, *records);
        }
        self.find_with(Baseline, hash, end, records)
    }

    /// With the probes that were asked for.
    #[cold]
    #[inline(never)]
    fn find_forced<R: Records>(&self, hash: Hash, end: u64, records: R) -> u64 {
        let records = &records;
        match Variant::current() {
            Variant::Baseline => self.find_with(Baseline, hash, end, records),
            #[cfg(target_arch = "x86_64")]
            Variant::Avx2 => match super::group::Avx2::new() {
                // SAFETY: the value proves that the processor has AVX2.
                Some(avx2) => unsafe { self.find_avx2(avx2, hash, end, records) },
                None => self.find_with(Scalar, hash, end, records),
            },
            _ => self.find_with(Scalar, hash, end, records),
        }
    }

    /// As [`Self::find_with`], compiled for AVX2 so that the probes are inlined.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    fn find_avx2<R: Records>(
        &self,
        probe: super::group::Avx2,
        hash: Hash,
        end: u64,
        records: &R,
    ) -> u64 {
        self.find_with(probe, hash, end, records)
    }

    #[inline(always)]
    fn find_with<R: Records>(&self, probe: impl Probe, hash: Hash, end: u64, records: &R) -> u64 {
        if self.settled.load(Ordering::Acquire) {
            return self.find_in::<true, R>(probe, hash, end, records);
        }
        self.find_unsettled(probe, hash, end, *records)
    }

    /// As [`Self::find_with`], while there is something left to compare. Takes a copy of
    /// the records, so that who never comes here need not have them in memory.
    #[inline(never)]
    fn find_unsettled<R: Records>(
        &self,
        probe: impl Probe,
        hash: Hash,
        end: u64,
        records: R,
    ) -> u64 {
        self.find_in::<false, R>(probe, hash, end, &records)
    }

    /// As [`Self::find_with`]; unless `SETTLED`, what was not compared yet needs attention.
    #[inline(always)]
    fn find_in<const SETTLED: bool, R: Records>(
        &self,
        probe: impl Probe,
        hash: Hash,
        end: u64,
        records: &R,
    ) -> u64 {
        let (groups, passed) = (&*self.groups, &*self.passed);
        let (mut at, tag) = (home(hash.top(), groups.len()), hash.tag());
        if !SETTLED && !self.blocks.is_checked(self.homes_offset(at)) {
            return ATTENTION;
        }
        if !self.may_have(at, tag) {
            return 0;
        }
        for _ in 0..MAX_PROBES {
            let (Some(group), Some(passed)) = (groups.get(at), passed.get(at)) else {
                break;
            };
            if !SETTLED && !self.blocks.is_checked(group_offset(at)) {
                return ATTENTION;
            }
            for slot in probe.tagged(group, tag) {
                if self.hides.load(Ordering::Acquire) {
                    if !SETTLED
                        && let Some(dead) = &self.dead
                        && !dead.blocks.is_checked(self.dead_offset(at))
                    {
                        return ATTENTION;
                    }
                    match self.passes_over(at, slot, end) {
                        Some(true) => continue,
                        Some(false) => {}
                        None => return ATTENTION,
                    }
                }
                let place = place_of(group.word(slot));
                // Also for a record with another key: what leads to it may be damaged.
                if !SETTLED && self.marks_of(at, slot) & COMPARED == 0 {
                    // Loads the record meanwhile.
                    records.has_key(place);
                    return ATTENTION;
                }
                if records.has_key(place) {
                    return place;
                }
            }
            if !SETTLED && !self.blocks.is_checked(self.passed_offset(at)) {
                return ATTENTION;
            }
            if passed & passed_bit(tag) == 0 {
                return 0;
            }
            at = next(at, groups.len());
        }
        self.not_in_groups()
    }

    #[inline(always)]
    fn not_in_groups(&self) -> u64 {
        if self.spilled.is_empty() {
            0
        } else {
            ATTENTION
        }
    }

    /// Whether a reader with `end` passes over the word in a slot; `None` if that needs a
    /// closer look. What says so was compared.
    #[inline]
    fn passes_over(&self, at: usize, slot: usize, end: u64) -> Option<bool> {
        if let Some(dead) = &self.dead
            && dead.slots.get(at).is_some_and(|bits| bits >> slot & 1 == 1)
        {
            return Some(true);
        }
        if self.marks_of(at, slot) & DEAD == 0 {
            return Some(false);
        }
        (self.superseded.newest() < end).then_some(true)
    }

    /// [`DEAD`] and [`COMPARED`], of a slot.
    #[inline(always)]
    fn marks_of(&self, at: usize, slot: usize) -> u16 {
        self.marks.load(at) >> slot
    }

    /// As [`Self::find`], with everything that needs attention: compares blocks of the
    /// index and records with their sums, and decides which superseded ones are seen.
    #[cold]
    pub(super) fn find_checked<R: Records>(
        &self,
        hash: Hash,
        end: u64,
        records: &R,
    ) -> Result<u64, R::Error> {
        let (groups, passed) = (&*self.groups, &*self.passed);
        let mut at = home(hash.top(), groups.len());
        let checked = self.blocks.check(self.homes_offset(at));
        checked.map_err(|fault| records.fault(fault))?;
        if !self.may_have(at, hash.tag()) {
            return Ok(0);
        }
        for _ in 0..MAX_PROBES {
            let (Some(group), Some(passed)) = (groups.get(at), passed.get(at)) else {
                break;
            };
            let checked = self.blocks.check(group_offset(at));
            checked.map_err(|fault| records.fault(fault))?;
            for slot in Scalar.tagged(group, hash.tag()) {
                let place = place_of(group.word(slot));
                let hidden = self.is_hidden(at, slot, place, end);
                if hidden.map_err(|fault| records.fault(fault))? {
                    continue;
                }
                let same = records.has_key(place);
                self.compare(at, slot, records)?;
                if same {
                    return Ok(place);
                }
            }
            let checked = self.blocks.check(self.passed_offset(at));
            checked.map_err(|fault| records.fault(fault))?;
            if passed & passed_bit(hash.tag()) == 0 {
                return Ok(0);
            }
            at = next(at, groups.len());
        }
        self.find_spilled(hash, end, records)
    }

    /// Whether a key with `tag` may have its home at group `at`.
    #[inline(always)]
    pub(super) fn may_have(&self, at: usize, tag: u16) -> bool {
        let bits = home_bits(tag);
        self.homes.get(at).is_some_and(|homes| homes & bits == bits)
    }

    /// Where the bits lie of the keys that have their home at a group.
    #[inline(always)]
    fn homes_offset(&self, at: usize) -> u64 {
        let start = self.head.homes_range().start;
        start.saturating_add(at as u64 * 4)
    }

    /// Where the byte lies that says what passed a group.
    #[inline(always)]
    fn passed_offset(&self, at: usize) -> u64 {
        let start = self.head.passed_range().start;
        start.saturating_add(at as u64)
    }

    /// Where the bits of a group lie in the dead record.
    #[inline(always)]
    fn dead_offset(&self, at: usize) -> u64 {
        self.head.dead_slots_range().start.saturating_add(at as u64)
    }

    /// Whether a reader with `end` passes over the word in a slot.
    fn is_hidden(&self, at: usize, slot: usize, place: u64, end: u64) -> Result<bool, Fault> {
        if let Some(dead) = &self.dead {
            dead.blocks.check(self.dead_offset(at))?;
            if dead.slots.get(at).is_some_and(|bits| bits >> slot & 1 == 1) {
                return Ok(true);
            }
        }
        if self.marks_of(at, slot) & DEAD == 0 {
            return Ok(false);
        }
        let by = self
            .ordinal(place)?
            .map_or(0, |ordinal| self.superseded.by(ordinal));
        Ok(!seen(by, end))
    }

    /// Compares the record that a slot leads to with its sum, once.
    fn compare<R: Records>(&self, at: usize, slot: usize, records: &R) -> Result<(), R::Error> {
        if !self.trusted && self.marks_of(at, slot) & COMPARED == 0 {
            let word = self.groups.get(at).map_or(0, |group| group.word(slot));
            let word = (word, group_offset(at).saturating_add(slot as u64 * 8));
            self.blocks.check_behind(word, &self.head, records)?;
            self.note_compared(at, slot);
        }
        Ok(())
    }

    /// Looks in the overflow, by bisection: at most log2 of its length keys are compared,
    /// and one.
    fn find_spilled<R: Records>(&self, hash: Hash, end: u64, records: &R) -> Result<u64, R::Error> {
        let spilled = &*self.spilled;
        let start = self.head.overflow_range().start;
        let fault = |fault| records.fault(fault);
        let key_of = |entry: &Spilled| (entry.top.get(), (entry.word.get() >> PLACE_BITS) as u16);
        let wanted = (hash.top(), hash.tag());
        let (mut low, mut high) = (0, spilled.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let at = start.saturating_add(middle as u64 * 16);
            self.blocks.check(at).map_err(fault)?;
            let Some(entry) = spilled.get(middle) else {
                break;
            };
            let place = place_of(entry.word.get());
            let order = match wanted.cmp(&key_of(entry)) {
                Equal => {
                    if !self.trusted {
                        let word = (entry.word.get(), at);
                        self.blocks.check_behind(word, &self.head, records)?;
                    }
                    records.compare(place)?
                }
                other => other,
            };
            match order {
                Less => high = middle,
                Greater => low = middle + 1,
                Equal => {
                    let ordinal = self.ordinal(place).map_err(fault)?;
                    let hidden = match ordinal {
                        Some(ordinal) => !self.sees(ordinal, end).map_err(fault)?,
                        None => false,
                    };
                    return Ok(if hidden { 0 } else { place });
                }
            }
        }
        Ok(0)
    }
}
