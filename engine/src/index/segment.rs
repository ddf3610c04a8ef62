//! A segment of the file: immutable groups that are probed with vectors, and what this
//! process knows about them.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calls code for one processor")
)]

use std::cmp::Ordering::{Equal, Greater, Less};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::atomics::AtomicU16;
use super::blocks::Blocks;
use super::group::{Baseline, Group, Probe, SLOTS, Scalar, Variant};
use super::memory::zeroed;
use super::superseded::Superseded;
use super::view::View;
use super::{ATTENTION, Fault, Hash, PLACE_BITS, Records, home, place_of, seen};
use crate::format::Defect;
use crate::format::segment::{HEAD_LEN, MAX_PROBES, SegmentHead};

/// What superseded the entries that were dead when the segment was opened: a place before
/// the first record.
const LONG_AGO: u64 = 1;

/// An entry whose groups were all full.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Spilled {
    pub(super) word: U64,
    pub(super) top: U32,
    pub(super) zero: U32,
}

/// Where a segment comes from.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its bytes.
    pub(crate) blocks: Blocks,
    /// Offset of the bytes in the file.
    pub(crate) at: u64,
    /// Place of its record.
    pub(crate) place: u64,
    /// Sum of its record.
    pub(crate) sum: u64,
    /// Ordinals that are dead, if they are few.
    pub(crate) listed: Vec<u32>,
    /// Their bits, if they are many, and how many.
    pub(crate) bits: Option<(Blocks, u64)>,
    /// Whether records that it leads to need no comparing with their sums.
    pub(crate) trusted: bool,
}

/// A segment, opened.
pub(crate) struct Segment {
    head: SegmentHead,
    blocks: Blocks,
    groups: View<Group>,
    order: View<u64>,
    tops: View<u32>,
    spilled: View<Spilled>,
    /// Two bits a slot: superseded, in the lower half; compared with its sum, in the
    /// upper one.
    marks: Box<[AtomicU16]>,
    superseded: Superseded,
    /// What was dead at opening, if the file has it as bits.
    dead: Option<DeadBits>,
    /// One bit an entry in log order: compared with its sum by a walk.
    walked: OnceLock<Box<[AtomicU64]>>,
    trusted: bool,
    place: u64,
    sum: u64,
}

#[derive(Debug)]
struct DeadBits {
    entries: View<u64>,
    slots: View<u8>,
    blocks: Blocks,
    count: u64,
}

impl Segment {
    /// Opens a segment: its first block is compared, the others when they are touched.
    pub(crate) fn open(source: Source) -> Result<Self, Fault> {
        let value = source.blocks.value().clone();
        let at = source.at;
        let fault = |defect| Fault { at, defect };
        source.blocks.check(0)?;
        let head = SegmentHead::parse(&value, value.len() as u64).map_err(fault)?;
        let misaligned = || {
            fault(Defect::Field {
                what: "the offset of an index segment",
                found: at,
                expected: "a multiple of 64",
            })
        };
        let dead = source.bits.map(|(blocks, count)| {
            let bytes = blocks.value().clone();
            Some(DeadBits {
                entries: View::new(&bytes, head.dead_entries_range())?,
                slots: View::new(&bytes, head.dead_slots_range())?,
                blocks,
                count,
            })
        });
        let dead = dead.map(|dead| dead.ok_or_else(misaligned)).transpose()?;
        let segment = Self {
            groups: View::new(&value, head.groups_range()).ok_or_else(misaligned)?,
            order: View::new(&value, head.order_range()).ok_or_else(misaligned)?,
            tops: View::new(&value, head.tops_range()).ok_or_else(misaligned)?,
            spilled: View::new(&value, head.overflow_range()).ok_or_else(misaligned)?,
            marks: zeroed(head.groups as usize),
            superseded: Superseded::default(),
            dead,
            walked: OnceLock::new(),
            trusted: source.trusted,
            place: source.place,
            sum: source.sum,
            head,
            blocks: source.blocks,
        };
        for &ordinal in &source.listed {
            segment.supersede_ordinal(ordinal as usize, LONG_AGO)?;
        }
        Ok(segment)
    }

    /// Number of entries, superseded ones included.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Place and sum of its record.
    pub(crate) fn record(&self) -> (u64, u64) {
        (self.place, self.sum)
    }

    /// The head.
    pub(crate) fn head(&self) -> &SegmentHead {
        &self.head
    }

    /// Bytes of the segment in the file.
    pub(super) fn bytes(&self) -> u64 {
        self.head.value_len()
    }

    /// Number of entries that were superseded.
    pub(super) fn dead_count(&self) -> u64 {
        let before = self.dead.as_ref().map_or(0, |dead| dead.count);
        before.saturating_add(self.superseded.count() as u64)
    }

    /// The place of the key with `hash`: of the words with its tag that a reader with
    /// `end` sees, the first whose record `same` says has the key. 0 = none. With
    /// [`ATTENTION`] the answer is that of [`Self::find_checked`].
    ///
    /// Calls nothing but `same`: what calls nothing stays in registers, and the processor
    /// overlaps the cache misses of lookups that follow each other.
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
        let groups = &*self.groups;
        let (mut at, tag) = (home(hash.top(), groups.len()), hash.tag());
        for _ in 0..MAX_PROBES.min(groups.len()) {
            let Some(group) = groups.get(at) else {
                break;
            };
            if !self.blocks.is_checked(group_offset(at)) {
                return ATTENTION;
            }
            for slot in probe.tagged(group, tag) {
                let marks = self
                    .marks
                    .get(at)
                    .map_or(0, |marks| marks.load(Ordering::Acquire))
                    >> slot;
                if let Some(dead) = &self.dead {
                    if !dead.blocks.is_checked(self.dead_offset(at)) {
                        return ATTENTION;
                    }
                    if dead.slots.get(at).is_some_and(|bits| bits >> slot & 1 == 1) {
                        continue;
                    }
                }
                if marks & DEAD != 0 {
                    if self.superseded.newest() >= end {
                        return ATTENTION;
                    }
                    continue;
                }
                let place = place_of(group.word(slot));
                let new = marks & COMPARED == 0 && !self.trusted;
                if same(place) {
                    return if new { ATTENTION } else { place };
                }
                if new {
                    return ATTENTION;
                }
            }
            if !probe.empty(group).is_empty() {
                return 0;
            }
            at = next(at, groups.len());
        }
        if self.spilled.is_empty() {
            0
        } else {
            ATTENTION
        }
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
        let groups = &*self.groups;
        let mut at = home(hash.top(), groups.len());
        for _ in 0..MAX_PROBES.min(groups.len()) {
            let Some(group) = groups.get(at) else {
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
            if !Scalar.empty(group).is_empty() {
                return Ok(0);
            }
            at = next(at, groups.len());
        }
        self.find_spilled(hash, end, records)
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
        let marks = self
            .marks
            .get(at)
            .map_or(0, |marks| marks.load(Ordering::Acquire));
        if marks >> slot & DEAD == 0 {
            return Ok(false);
        }
        let by = self
            .ordinal(place)?
            .map_or(0, |ordinal| self.superseded.by(ordinal));
        Ok(!seen(by, end))
    }

    /// Compares the record that a slot leads to with its sum, once.
    fn compare<R: Records>(&self, at: usize, slot: usize, records: &R) -> Result<(), R::Error> {
        let Some(marks) = self.marks.get(at).filter(|_| !self.trusted) else {
            return Ok(());
        };
        if marks.load(Ordering::Relaxed) >> slot & COMPARED == 0 {
            let word = self.groups.get(at).map_or(0, |group| group.word(slot));
            let word = (word, group_offset(at).saturating_add(slot as u64 * 8));
            self.blocks.check_behind(word, &self.head, records)?;
            marks.fetch_or(COMPARED << slot, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Where the word at a position in log order lies in the segment.
    fn order_offset(&self, ordinal: usize) -> u64 {
        let start = self.head.order_range().start;
        start.saturating_add(ordinal as u64 * 8)
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

    /// Position in log order of the word with `place`.
    fn ordinal(&self, place: u64) -> Result<Option<usize>, Fault> {
        let (mut low, mut high) = (0, self.order.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.place_at(middle)?.cmp(&place) {
                Less => low = middle + 1,
                Greater => high = middle,
                Equal => return Ok(Some(middle)),
            }
        }
        Ok(None)
    }

    /// The place at a position in log order, which is below [`Self::len`].
    fn place_at(&self, ordinal: usize) -> Result<u64, Fault> {
        self.blocks.check(self.order_offset(ordinal))?;
        Ok(self.order.get(ordinal).map_or(0, |&word| place_of(word)))
    }

    /// Whether a reader with `end` sees the entry at a position in log order.
    fn sees(&self, ordinal: usize, end: u64) -> Result<bool, Fault> {
        if let Some(dead) = &self.dead {
            dead.blocks.check(ordinal as u64 / 64 * 8)?;
            if is_set(&dead.entries, ordinal) {
                return Ok(false);
            }
        }
        if self.superseded.count() == 0 {
            return Ok(true);
        }
        Ok(seen(self.superseded.by(ordinal), end))
    }

    /// Starts to load the group of `hash`, and the marks beside it.
    #[inline]
    pub(super) fn prefetch(&self, hash: Hash) {
        let at = home(hash.top(), self.groups.len());
        if let Some(group) = self.groups.get(at) {
            super::group::prefetch(group);
        }
        if let Some(marks) = self.marks.get(at) {
            super::group::prefetch(marks);
        }
    }

    /// Notes that the record at `place` was superseded by the one at `by`. False if this
    /// segment has no such record. Only the writer calls this.
    pub(super) fn supersede(&self, place: u64, by: u64) -> Result<bool, Fault> {
        match self.ordinal(place)? {
            Some(ordinal) => self.supersede_ordinal(ordinal, by).map(|()| true),
            None => Ok(false),
        }
    }

    fn supersede_ordinal(&self, ordinal: usize, by: u64) -> Result<(), Fault> {
        // The place first: whoever sees the mark finds it.
        if !self.superseded.set(ordinal, self.order.len(), by) {
            return Ok(());
        }
        if let Some((at, slot)) = self.slot_of(ordinal)?
            && let Some(marks) = self.marks.get(at)
        {
            marks.fetch_or(DEAD << slot, Ordering::AcqRel);
        }
        Ok(())
    }

    /// The slot of the word at a position in log order; none if it is in the overflow.
    fn slot_of(&self, ordinal: usize) -> Result<Option<(usize, usize)>, Fault> {
        let (Some(&word), Some(&top)) = (self.order.get(ordinal), self.tops.get(ordinal)) else {
            return Ok(None);
        };
        let start = self.head.tops_range().start;
        self.blocks
            .check(start.saturating_add(ordinal as u64 * 4))?;
        let count = self.groups.len();
        let mut at = home(top, count);
        for _ in 0..MAX_PROBES.min(count) {
            self.blocks.check(group_offset(at))?;
            let Some(group) = self.groups.get(at) else {
                break;
            };
            if let Some(slot) = group.0.iter().position(|&have| have == word) {
                return Ok(Some((at, slot)));
            }
            at = next(at, count);
        }
        Ok(None)
    }

    /// The place at `ordinal` in log order, if a reader with `end` sees it; its record was
    /// compared with its sum.
    pub(super) fn visible<R: Records>(
        &self,
        ordinal: usize,
        end: u64,
        records: &R,
    ) -> Result<Option<u64>, R::Error> {
        let fault = |fault| records.fault(fault);
        if !self.sees(ordinal, end).map_err(fault)? {
            return Ok(None);
        }
        let place = self.place_at(ordinal).map_err(fault)?;
        if !self.trusted {
            let words = || zeroed(self.order.len().div_ceil(64));
            let walked = self.walked.get_or_init(words);
            let bit = 1 << (ordinal % 64);
            if let Some(word) = walked.get(ordinal / 64)
                && word.load(Ordering::Relaxed) & bit == 0
            {
                let slot = self.order.get(ordinal).copied().unwrap_or_default();
                let slot = (slot, self.order_offset(ordinal));
                self.blocks.check_behind(slot, &self.head, records)?;
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
        Ok(Some(place))
    }

    /// The words with the upper halves of their hashes, in log order, of entries that
    /// nothing before place `end` superseded. Everything is compared first: what is packed
    /// anew gets new sums.
    pub(super) fn kept(&self, end: u64) -> Result<impl Iterator<Item = (u64, u32)> + '_, Fault> {
        self.blocks.check_all()?;
        if let Some(dead) = &self.dead {
            dead.blocks.check_all()?;
        }
        let words = self.order.iter().zip(self.tops.iter()).enumerate();
        Ok(words.filter_map(move |(ordinal, (&word, &top))| {
            let before = self
                .dead
                .as_ref()
                .is_some_and(|dead| is_set(&dead.entries, ordinal));
            let kept = !before && seen(self.superseded.by(ordinal), end);
            kept.then_some((word, top))
        }))
    }

    /// The ordinals that something before place `end` superseded, and those of the places
    /// `also`, ascending.
    pub(crate) fn dead_before(&self, end: u64, also: &[u64]) -> Result<Vec<u32>, Fault> {
        let mut dead = Vec::new();
        if let Some(bits) = &self.dead {
            bits.blocks.check_all()?;
            dead.extend((0..self.order.len()).filter(|&ordinal| is_set(&bits.entries, ordinal)));
        }
        let since = self.superseded.iter().filter(|&(_, by)| !seen(by, end));
        dead.extend(since.map(|(ordinal, _)| ordinal));
        for &place in also {
            dead.extend(self.ordinal(place)?);
        }
        dead.sort_unstable();
        dead.dedup();
        Ok(dead.into_iter().map(|ordinal| ordinal as u32).collect())
    }

    /// The slots of entries, as bits of one byte a group.
    pub(super) fn slots_of(&self, ordinals: &[u32]) -> Result<Vec<u8>, Fault> {
        let mut slots = vec![0; self.groups.len()];
        for &ordinal in ordinals {
            if let Some((at, slot)) = self.slot_of(ordinal as usize)?
                && let Some(bits) = slots.get_mut(at)
            {
                *bits |= 1 << slot;
            }
        }
        Ok(slots)
    }

    /// Groups that a lookup of each of the entries probes, added up. For counts.
    pub(super) fn probes(&self) -> Result<u64, Fault> {
        let mut probes = 0u64;
        self.blocks.check_all()?;
        for (ordinal, &top) in self.tops.iter().enumerate() {
            let count = self.groups.len();
            let home = home(top, count);
            let distance = match self.slot_of(ordinal)? {
                Some((at, _)) => (at + count - home) % count + 1,
                None => MAX_PROBES,
            };
            probes = probes.saturating_add(distance as u64);
        }
        Ok(probes)
    }
}

const DEAD: u16 = 1;
const COMPARED: u16 = 1 << SLOTS;

/// Where a group lies in the segment.
#[inline(always)]
fn group_offset(at: usize) -> u64 {
    HEAD_LEN + at as u64 * 64
}

#[inline(always)]
fn next(at: usize, count: usize) -> usize {
    if at + 1 == count { 0 } else { at + 1 }
}

fn is_set(bits: &[u64], number: usize) -> bool {
    bits.get(number / 64)
        .is_some_and(|word| word >> (number % 64) & 1 == 1)
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Segment({} words at place {})", self.len(), self.place)
    }
}
