//! The index of one partition: segments of the file, and a growing table in memory.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::counts::{self, Counted, Counts};
use super::growing::Growing;
use super::pinned::Pinned;
use super::segment::Segment;
use super::{Fault, Hash, Records};
use crate::format::offset;

/// Segments of the file that lookups probe one after the other: a checkpoint merges so
/// that there are no more.
const MOST_SEGMENTS: usize = 2;

/// Finds the records of a partition. One writer, any number of readers.
#[derive(Debug)]
pub(crate) struct PartitionIndex {
    segments: ArcSwap<Segments>,
    counts: Arc<Counts>,
    /// For the segments that a checkpoint will bring.
    journal: Mutex<Journal>,
}

#[derive(Clone, Debug)]
pub(super) struct Segments {
    /// The place from which on they hold everything: what was superseded before is left
    /// out when a table is made anew.
    since: u64,
    /// In log order.
    pub(super) mapped: Vec<Arc<Segment>>,
    /// The growing table from before a checkpoint that is being written.
    pub(super) frozen: Option<Arc<Growing>>,
    pub(super) growing: Arc<Growing>,
}

/// What was superseded since something that will want to know.
#[derive(Debug, Default)]
struct Journal {
    /// Places below this are noted.
    below: u64,
    /// Places, and what superseded them.
    noted: Vec<(u64, u64)>,
}

/// Which segments a checkpoint packs anew, beside what is new.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Merge {
    /// From the newest on while they are shorter than so many times what is packed: each
    /// entry is packed a bounded number of times.
    Shorter(u64),
    /// All but the oldest, and that one as `Shorter(2)`.
    AllButFirst,
}

/// What a checkpoint saves of a partition: its state where replay will start.
#[derive(Debug)]
pub(crate) struct Frozen {
    /// Segments that stay as they are.
    kept: Vec<Arc<Segment>>,
    /// Segments whose entries go into the new one.
    merged: Vec<Arc<Segment>>,
    growing: Arc<Growing>,
    /// Entries of the new segment.
    pub(crate) entries: u64,
    /// Number of entries of the partition, and bytes of their records.
    pub(crate) live: u64,
    pub(crate) live_bytes: u64,
}

impl Default for PartitionIndex {
    fn default() -> Self {
        Self::of(Vec::new(), 0, 0)
    }
}

impl Segments {
    #[inline(always)]
    pub(super) fn find<R: Records>(&self, hash: Hash, end: u64, records: &R) -> u64 {
        for segment in &self.mapped {
            let place = segment.find(hash, end, records);
            if place != 0 {
                return place;
            }
        }
        if self.growing.len() == 0 && self.frozen.is_none() {
            return 0;
        }
        self.find_in_tables(hash, end, *records)
    }

    /// As [`Self::find`], in the tables in memory.
    #[inline(never)]
    pub(super) fn find_in_tables<R: Records>(&self, hash: Hash, end: u64, records: R) -> u64 {
        let same = |place| records.has_key(place);
        let place = self.growing.find(hash, same);
        match &self.frozen {
            Some(frozen) if place == 0 => frozen.find_seen(hash, end, same),
            _ => place,
        }
    }

    /// The tables in memory, older first.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Growing> {
        self.frozen.as_deref().into_iter().chain([&*self.growing])
    }
}

impl PartitionIndex {
    /// The index of a partition of `live` entries, with `live_bytes` bytes, that
    /// `segments` lead to.
    pub(crate) fn of(segments: Vec<Segment>, live: u64, live_bytes: u64) -> Self {
        let segments = Segments {
            since: 0,
            mapped: segments.into_iter().map(Arc::new).collect(),
            frozen: None,
            growing: Arc::default(),
        };
        Self {
            segments: ArcSwap::from_pointee(segments),
            counts: Counts::of(live, live_bytes),
            journal: Mutex::default(),
        }
    }

    /// Notes from here on what is superseded, for [`Self::adopt`].
    pub(crate) fn follow(&self) {
        self.journal.lock().below = u64::MAX;
    }

    /// The same index as it is now: what is inserted later is told to the one that this
    /// was made from.
    pub(crate) fn fork(&self) -> Self {
        Self {
            segments: ArcSwap::new(self.segments.load_full()),
            counts: Counts::of(self.len(), self.live_bytes()),
            journal: Mutex::default(),
        }
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> u64 {
        self.counts.live.get()
    }

    /// Bytes of their records.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.counts.live_bytes.get()
    }

    /// The segments as they are, for the writer, who sees everything.
    pub(crate) fn newest(&self) -> Pinned {
        Pinned(self.segments.load_full())
    }

    /// The segments as they are, and an end (a place) of what `published` says is
    /// published: they hold everything that a reader with that end sees.
    pub(crate) fn pin(&self, published: impl Fn() -> u64) -> (Pinned, u64) {
        loop {
            // The end first: the segments then have all that it covers, unless they were
            // made anew in between, and a later end is there.
            let end = published();
            let segments = self.segments.load_full();
            if segments.since <= end {
                return (Pinned(segments), end);
            }
        }
    }

    /// As [`Pinned::find`].
    #[inline(always)]
    pub(crate) fn find<R: Records>(&self, hash: Hash, end: u64, records: &R) -> u64 {
        self.segments.load().find(hash, end, records)
    }

    /// Makes room for `more` insertions; `end` (a place) is that of what is published.
    /// Only the writer calls this.
    pub(crate) fn reserve(&self, more: usize, end: u64) {
        let segments = self.segments.load();
        if segments.growing.has_room(more) {
            return;
        }
        let (growing, left_out) = segments.growing.with_room(more, end);
        let grown = Segments {
            since: segments.since.max(if left_out { end } else { 0 }),
            growing: Arc::new(growing),
            ..Segments::clone(&segments)
        };
        self.segments.store(Arc::new(grown));
    }

    /// Counts an entry of `bytes` that came (`Some`) or went, for [`Self::show_counted`].
    /// Only the writer calls this.
    pub(crate) fn count(&self, new: Option<u64>, old: Option<u64>) {
        let (entries, bytes) = counts::change(new, old);
        self.counts.live.add(entries);
        self.counts.live_bytes.add(bytes);
    }

    /// Counts for one commit, apart from others that are not shown yet either.
    pub(crate) fn counted(&self) -> Counted {
        Counted {
            counts: Arc::clone(&self.counts),
            entries: 0,
            bytes: 0,
        }
    }

    /// Makes [`Self::len`] include what was counted, all at once: a part of a batch is
    /// never counted. Only the writer calls this.
    pub(crate) fn show_counted(&self) {
        self.counts.live.show();
        self.counts.live_bytes.show();
    }

    /// Makes the key of `records`, with `hash`, lead to the record at `place`. `previous`
    /// is the place of the version that was there before the commit, 0 = none. Gives the
    /// place that the growing table led to, 0 = none. Needs [`Self::reserve`], and `pinned` after it. Only the writer calls this.
    pub(crate) fn insert(
        &self,
        pinned: &Pinned,
        hash: Hash,
        place: u64,
        tombstone: bool,
        previous: u64,
        records: &impl Records,
    ) -> Result<u64, Fault> {
        let segments = &*pinned.0;
        let mut journal = self.journal.lock();
        if (1..journal.below).contains(&previous) {
            journal.noted.push((previous, place));
        }
        drop(journal);
        let replaced = segments.growing.upsert(hash, place, tombstone, records);
        // Found elsewhere: told after the word is in the growing table, so that a reader
        // who skips the old one finds the new one.
        if replaced == 0 && previous != 0 {
            supersede(segments, previous, place)?;
        }
        Ok(replaced)
    }

    /// Notes that the root at `place` was superseded at `by`. Only the writer calls this.
    pub(crate) fn replace(&self, place: u64, by: u64) -> Result<(), Fault> {
        supersede(&self.segments.load_full(), place, by)
    }

    /// Whether something was inserted since the last checkpoint.
    pub(crate) fn is_dirty(&self) -> bool {
        let segments = self.segments.load();
        segments.growing.len() != 0 || segments.frozen.is_some()
    }

    /// Entries of the segments in the file, superseded ones too.
    pub(crate) fn mapped_entries(&self) -> u64 {
        let segments = self.segments.load();
        segments
            .mapped
            .iter()
            .map(|segment| segment.len() as u64)
            .sum()
    }

    /// Where the segments lie in the file.
    pub(crate) fn mapped_ranges(&self) -> Vec<std::ops::Range<u64>> {
        let segments = self.segments.load();
        let range = |segment: &Arc<Segment>| {
            let at = offset(segment.record().0);
            at..at.saturating_add(segment.bytes())
        };
        segments.mapped.iter().map(range).collect()
    }

    /// Number of segments in the file.
    pub(crate) fn segment_count(&self) -> u64 {
        self.segments.load().mapped.len() as u64
    }

    /// Bytes of the segments in the file.
    pub(crate) fn mapped_bytes(&self) -> u64 {
        let segments = self.segments.load();
        segments.mapped.iter().map(|segment| segment.bytes()).sum()
    }

    /// Number of segments in the file.
    pub(crate) fn segments(&self) -> usize {
        self.segments.load().mapped.len()
    }

    /// Entries of the segments in the file, and groups that lookups of these probe: of at
    /// most so many entries of each segment, or of all. Reads the blocks that they touch.
    pub(crate) fn probes(&self, sample: Option<usize>) -> Result<(u64, u64), Fault> {
        let segments = self.segments.load_full();
        let (mut entries, mut probes) = (0u64, 0u64);
        for segment in &segments.mapped {
            let most = sample.unwrap_or(usize::MAX).max(1);
            // All over the segment: what was packed first found more room.
            for ordinal in (0..segment.len()).step_by(segment.len().div_ceil(most).max(1)) {
                entries += 1;
                probes = probes.saturating_add(segment.probes_of(ordinal)? as u64);
            }
        }
        Ok((entries, probes))
    }

    /// Fixes what a checkpoint saves, all of it below place `end`; what is inserted from
    /// here on goes into a new table. Under the writer's lock; [`Self::install`] or
    /// [`Self::thaw`] has to follow.
    pub(crate) fn freeze(&self, end: u64, merge: Merge) -> Frozen {
        let segments = self.segments.load_full();
        let growing = Arc::clone(&segments.growing);
        let mut kept = segments.mapped.clone();
        let mut merged = Vec::new();
        let mut entries = growing.live_count() as u64;
        while let Some(last) = kept.last() {
            let live = (last.len() as u64).saturating_sub(last.dead_count());
            let small = match merge {
                Merge::Shorter(times) => live < entries.saturating_mul(times),
                Merge::AllButFirst => kept.len() > 1 || live < entries.saturating_mul(2),
            };
            let many = kept.len() >= MOST_SEGMENTS;
            let half_dead = live < last.dead_count();
            if !(small || many || half_dead) {
                break;
            }
            entries = entries.saturating_add(live);
            merged.extend(kept.pop());
        }
        merged.reverse();
        *self.journal.lock() = Journal {
            below: end,
            noted: Vec::new(),
        };
        let next = Segments {
            frozen: Some(Arc::clone(&growing)),
            growing: Arc::default(),
            ..Segments::clone(&segments)
        };
        self.segments.store(Arc::new(next));
        Frozen {
            kept,
            merged,
            growing,
            entries,
            live: self.len(),
            live_bytes: self.live_bytes(),
        }
    }

    /// Puts `new` segments in the place of what `frozen` packed. They hold what was not
    /// superseded before place `since`. Under the writer's lock.
    pub(crate) fn install(
        &self,
        frozen: &Frozen,
        new: Vec<Segment>,
        since: u64,
    ) -> Result<(), Fault> {
        let journal = std::mem::take(&mut *self.journal.lock());
        for (place, by) in journal.noted {
            for segment in &new {
                if segment.supersede(place, by)? {
                    break;
                }
            }
        }
        let segments = self.segments.load_full();
        let mut mapped = frozen.kept.clone();
        mapped.extend(new.into_iter().map(Arc::new));
        let next = Segments {
            since: since.max(segments.since),
            mapped,
            frozen: None,
            growing: Arc::clone(&segments.growing),
        };
        self.segments.store(Arc::new(next));
        Ok(())
    }

    /// Takes a freeze back: a checkpoint failed. `end` (a place) is that of what is
    /// published. Under the writer's lock.
    pub(crate) fn thaw(&self, end: u64) {
        let journal = std::mem::take(&mut *self.journal.lock());
        let segments = self.segments.load_full();
        let Some(frozen) = &segments.frozen else {
            return;
        };
        let newer: HashSet<u64> = journal.noted.iter().map(|&(place, _)| place).collect();
        let tables = [&**frozen, &segments.growing];
        let joined = Growing::joined(&tables, end, |place| newer.contains(&place));
        let next = Segments {
            since: end.max(segments.since),
            mapped: segments.mapped.clone(),
            frozen: None,
            growing: Arc::new(joined),
        };
        self.segments.store(Arc::new(next));
    }

    /// Takes over segments that another process wrote, which hold what was not superseded
    /// before place `since`; entries from there on stay in memory. Needs [`Self::follow`]
    /// from the start. `end` is that of what is published.
    pub(crate) fn adopt(&self, new: Vec<Segment>, since: u64, end: u64) -> Result<(), Fault> {
        let mut journal = self.journal.lock();
        journal.noted.retain(|&(_, by)| by >= since);
        for &(place, by) in journal.noted.iter().filter(|&&(place, _)| place < since) {
            for segment in &new {
                if segment.supersede(place, by)? {
                    break;
                }
            }
        }
        let segments = self.segments.load_full();
        let next = Segments {
            // What was superseded by now may have been left out before.
            since: end,
            mapped: new.into_iter().map(Arc::new).collect(),
            frozen: None,
            growing: Arc::new(segments.growing.since(since)),
        };
        self.segments.store(Arc::new(next));
        Ok(())
    }
}

/// Notes that the record at `place` was superseded at `by`.
fn supersede(segments: &Segments, place: u64, by: u64) -> Result<(), Fault> {
    for segment in &segments.mapped {
        if segment.supersede(place, by)? {
            return Ok(());
        }
    }
    if let Some(frozen) = &segments.frozen {
        frozen.supersede(place, by);
    }
    Ok(())
}

impl Frozen {
    /// Whether there is nothing to pack. Not by the number of entries alone: how many of a
    /// segment are dead is for its root to say.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries == 0 && self.merged.is_empty()
    }

    /// Segments that stay.
    pub(crate) fn kept(&self) -> &[Arc<Segment>] {
        &self.kept
    }

    /// The new segment: entries that nothing before place `end` superseded. `from..to` are
    /// the offsets that the partition's records lie in; the places `skip` are left out;
    /// `compare` orders the records at
    /// two places by their keys.
    pub(crate) fn pack<E>(
        &self,
        partition: u32,
        end: u64,
        (from, to): (u64, u64),
        skip: &HashSet<u64>,
        fault: impl Fn(Fault) -> E,
        compare: impl FnMut(u64, u64) -> Result<std::cmp::Ordering, E>,
    ) -> Result<super::Packed, E> {
        let merged: Vec<&Segment> = self.merged.iter().map(|segment| &**segment).collect();
        let from = merged.first().map_or(from, |first| first.head().from);
        let growing = Some(&*self.growing);
        super::Packed::merge(
            partition,
            &merged,
            growing,
            end,
            (from, to),
            skip,
            fault,
            compare,
        )
    }
}
