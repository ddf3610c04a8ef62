//! A segment of the file: immutable groups that are probed with vectors, and what this
//! process knows about them.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::atomics::{AtomicBool, AtomicUsize};
use super::blocks::Blocks;
use super::group::{Group, SLOTS};
use super::marks::Marks;
use super::memory::zeroed;
use super::rank::Ranks;
use super::superseded::Superseded;
use super::view::View;
use super::{Fault, Hash, Records, Window, home, place_of, seen};
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
    pub(super) head: SegmentHead,
    pub(super) blocks: Blocks,
    pub(super) groups: View<Group>,
    /// Bits of the tags of the keys that have their home at each group.
    pub(super) homes: View<u32>,
    /// One byte a group: tags of keys that found it full.
    pub(super) passed: View<u8>,
    order: View<u64>,
    tops: View<u32>,
    pub(super) spilled: View<Spilled>,
    /// Two bits a slot: superseded, in the lower half; compared with its sum, in the
    /// upper one.
    pub(super) marks: Marks,
    pub(super) superseded: Superseded,
    /// What was dead at opening, if the file has it as bits.
    pub(super) dead: Option<DeadBits>,
    /// Whether nothing that a lookup touches needs to be compared any more.
    pub(super) settled: AtomicBool,
    /// Slots that may hold entries which were neither compared nor superseded.
    unsettled: AtomicUsize,
    /// Whether an entry was superseded, before or since it was opened.
    pub(super) hides: AtomicBool,
    /// One bit an entry in log order: compared with its sum by a walk.
    walked: OnceLock<Box<[AtomicU64]>>,
    /// Positions of what readers see, for the newest that asked.
    ranks: ArcSwapOption<Ranks>,
    pub(super) trusted: bool,
    place: u64,
    sum: u64,
}

#[derive(Debug)]
pub(super) struct DeadBits {
    entries: View<u64>,
    pub(super) slots: View<u8>,
    pub(super) blocks: Blocks,
    count: u64,
    /// How many of the bits of the slots are set, once they were counted.
    in_slots: OnceLock<usize>,
}

impl DeadBits {
    /// How many slots are dead: fewer than entries, if some of these are in the overflow.
    fn count_in_slots(&self) -> Result<usize, Fault> {
        if let Some(&count) = self.in_slots.get() {
            return Ok(count);
        }
        self.blocks.check_all()?;
        let count = self.slots.iter().map(|bits| bits.count_ones() as usize);
        Ok(*self.in_slots.get_or_init(|| count.sum()))
    }
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
                what: "the place of an index segment, or of what is dead of it",
                found: at,
                expected: "a multiple of 64, and as many bits as it has entries and groups",
            })
        };
        let dead = source.bits.map(|(blocks, count)| {
            let bytes = blocks.value().clone();
            if bytes.len() as u64 != head.dead_len() || count > head.entries {
                return None;
            }
            Some(DeadBits {
                entries: View::new(&bytes, head.dead_entries_range())?,
                slots: View::new(&bytes, head.dead_slots_range())?,
                blocks,
                count,
                in_slots: OnceLock::new(),
            })
        });
        let dead = dead.map(|dead| dead.ok_or_else(misaligned)).transpose()?;
        let segment = Self {
            groups: View::new(&value, head.groups_range()).ok_or_else(misaligned)?,
            order: View::new(&value, head.order_range()).ok_or_else(misaligned)?,
            tops: View::new(&value, head.tops_range()).ok_or_else(misaligned)?,
            spilled: View::new(&value, head.overflow_range()).ok_or_else(misaligned)?,
            homes: View::new(&value, head.homes_range()).ok_or_else(misaligned)?,
            passed: View::new(&value, head.passed_range()).ok_or_else(misaligned)?,
            marks: Marks::new(head.groups as usize),
            settled: AtomicBool::new(source.trusted),
            unsettled: AtomicUsize::new(head.entries.saturating_sub(head.overflow.into()) as usize),
            hides: AtomicBool::new(dead.is_some()),
            superseded: Superseded::default(),
            dead,
            walked: OnceLock::new(),
            ranks: ArcSwapOption::empty(),
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

    /// Number of entries that were superseded since it was opened.
    pub(super) fn superseded_count(&self) -> usize {
        self.superseded.count()
    }

    /// A bound of the places that superseded them.
    pub(super) fn newest_superseded(&self) -> u64 {
        self.superseded.newest()
    }

    /// Number of entries that a reader with `end` sees, without a look at each if nothing
    /// was superseded.
    pub(super) fn seen_count(&self, end: u64) -> Result<usize, Fault> {
        match self.is_whole() {
            true => Ok(self.len()),
            false => Ok(self.ranks(end)?.count()),
        }
    }

    /// The position in log order of the entry number `nth` of those that a reader with
    /// `end` sees.
    pub(super) fn select(&self, nth: usize, end: u64) -> Result<Option<usize>, Fault> {
        match self.is_whole() {
            true => Ok((nth < self.len()).then_some(nth)),
            false => Ok(self.ranks(end)?.select(nth)),
        }
    }

    /// Whether no entry was ever superseded.
    fn is_whole(&self) -> bool {
        self.dead.is_none() && self.superseded.count() == 0
    }

    fn ranks(&self, end: u64) -> Result<Arc<Ranks>, Fault> {
        if let Some(ranks) = self
            .ranks
            .load_full()
            .filter(|ranks| ranks.hold_for(self, end))
        {
            return Ok(ranks);
        }
        let ranks = Arc::new(Ranks::of(self, end)?);
        self.ranks.store(Some(Arc::clone(&ranks)));
        Ok(ranks)
    }

    /// Position in log order of the word with `place`.
    pub(super) fn ordinal(&self, place: u64) -> Result<Option<usize>, Fault> {
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

    /// Where the word at a position in log order lies in the segment.
    fn order_offset(&self, ordinal: usize) -> u64 {
        let start = self.head.order_range().start;
        start.saturating_add(ordinal as u64 * 8)
    }

    /// The place at a position in log order, which is below [`Self::len`].
    fn place_at(&self, ordinal: usize) -> Result<u64, Fault> {
        self.blocks.check(self.order_offset(ordinal))?;
        Ok(self.order.get(ordinal).map_or(0, |&word| place_of(word)))
    }

    /// Whether a reader with `end` sees the entry at a position in log order.
    pub(super) fn sees(&self, ordinal: usize, end: u64) -> Result<bool, Fault> {
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
        if let (Some(group), Some(homes)) = (self.groups.get(at), self.homes.get(at)) {
            super::group::prefetch(homes);
            super::group::prefetch(group);
        }
        if !self.settled.load(Ordering::Relaxed) {
            self.marks.prefetch(at);
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
        // Before the commit that supersedes is published: whoever sees that looks at the
        // marks.
        self.hides.store(true, Ordering::Release);
        // The place first: whoever sees the mark finds it.
        if !self.superseded.set(ordinal, self.order.len(), by) {
            return Ok(());
        }
        if let Some((at, slot)) = self.slot_of(ordinal)? {
            let before = self.marks.set(at, DEAD << slot) >> slot;
            self.count_settled(before);
        }
        Ok(())
    }

    /// Notes that the record that a slot of group `at` leads to was compared with its sum.
    pub(super) fn note_compared(&self, at: usize, slot: usize) {
        let before = self.marks.set(at, COMPARED << slot) >> slot;
        self.count_settled(before);
    }

    /// Counts a slot that was compared or superseded, and had the marks `before`. When none
    /// is left that needs comparing, lookups stop asking.
    fn count_settled(&self, before: u16) {
        if before & (DEAD | COMPARED) != 0 {
            return;
        }
        let left = self.unsettled.fetch_sub(1, Ordering::AcqRel);
        let left = left.wrapping_sub(1);
        let dead = match &self.dead {
            None => 0,
            Some(dead) if left as u64 <= dead.count => match dead.count_in_slots() {
                Ok(count) => count,
                Err(_) => return,
            },
            Some(_) => return,
        };
        // Damage in what no lookup has touched yet is an error of the one that will.
        if left <= dead && self.blocks.check_to(self.head.passed_range().end).is_ok() {
            self.settled.store(true, Ordering::Release);
        }
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

    /// Gives `out` the places from `ordinal` on in log order that a reader with `end`
    /// sees, until it is full, and moves `ordinal` on. Their records were compared with
    /// their sums. Damage ends the window; it is an error of the next one.
    pub(super) fn walk<R: Records>(
        &self,
        ordinal: &mut usize,
        end: u64,
        records: &R,
        out: &mut Window,
    ) -> Result<(), R::Error> {
        let whole = self.is_whole();
        while *ordinal < self.len() && !out.is_full() {
            if whole && let Some(run) = self.compared_run(*ordinal, out.room()) {
                run.iter().for_each(|&word| out.push(place_of(word)));
                *ordinal += run.len();
                continue;
            }
            let seen = match whole {
                true => Ok(true),
                false => self
                    .sees(*ordinal, end)
                    .map_err(|fault| records.fault(fault)),
            };
            let place = match seen {
                Ok(true) if R::COMPARED => self.compared(*ordinal, records).map(Some),
                Ok(true) => match self.place_at(*ordinal) {
                    Ok(place) => Ok(Some(place)),
                    Err(fault) => Err(records.fault(fault)),
                },
                Ok(false) => Ok(None),
                Err(error) => Err(error),
            };
            match place {
                Ok(Some(place)) => out.push(place),
                Ok(None) => {}
                Err(_) if !out.places().is_empty() => return Ok(()),
                Err(error) => {
                    *ordinal += 1;
                    return Err(error);
                }
            }
            *ordinal += 1;
        }
        Ok(())
    }

    /// The words at up to `most` positions in log order from `ordinal` on, fewer than
    /// [`Window::LEN`], if they and their records were all compared.
    #[inline]
    fn compared_run(&self, ordinal: usize, most: usize) -> Option<&[u64]> {
        let end = self.len().min(ordinal + most);
        let run = self.order.get(ordinal..end)?;
        let last = end.checked_sub(1)?;
        // Shorter than a block, and than the bits of a word.
        let is_checked = |ordinal| self.blocks.is_checked(self.order_offset(ordinal));
        if !(is_checked(ordinal) && is_checked(last)) {
            return None;
        }
        if self.trusted {
            return Some(run);
        }
        let walked = self.walked.get()?;
        let word = |number: usize| Some(walked.get(number)?.load(Ordering::Relaxed));
        let (first, shift) = (word(ordinal / 64)?, ordinal % 64);
        let next = word(last / 64)?;
        // The bits from `ordinal` on, those of the next word behind them.
        let bits = first >> shift | next.checked_shl(64 - shift as u32).unwrap_or(0);
        let wanted = (1u64 << run.len()) - 1;
        (bits & wanted == wanted).then_some(run)
    }

    /// The place at a position in log order, which is below [`Self::len`]; its record was
    /// compared with its sum.
    #[inline]
    pub(super) fn compared<R: Records>(
        &self,
        ordinal: usize,
        records: &R,
    ) -> Result<u64, R::Error> {
        let fault = |fault| records.fault(fault);
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
        Ok(place)
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

    /// Groups that a lookup of the entry at a position in log order probes. For counts.
    pub(super) fn probes_of(&self, ordinal: usize) -> Result<usize, Fault> {
        self.blocks.check(self.order_offset(ordinal))?;
        let count = self.groups.len();
        let home = home(self.tops.get(ordinal).copied().unwrap_or(0), count);
        Ok(match self.slot_of(ordinal)? {
            Some((at, _)) => (at + count - home) % count + 1,
            None => MAX_PROBES,
        })
    }
}

/// The bits of slot 0 in the marks of a group.
pub(super) const DEAD: u16 = 1;
pub(super) const COMPARED: u16 = 1 << SLOTS;

/// Where a group lies in the segment.
#[inline(always)]
pub(super) fn group_offset(at: usize) -> u64 {
    HEAD_LEN + at as u64 * 64
}

#[inline(always)]
pub(super) fn next(at: usize, count: usize) -> usize {
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
