//! The index of one partition: segments of the file, and a growing table in memory.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::growing::Growing;
use super::segment::Segment;
use super::{ATTENTION, Fault, Hash, Records};

/// Segments of the file that lookups probe one after the other: a checkpoint merges so
/// that there are no more.
const MOST_SEGMENTS: usize = 2;

/// Finds the records of a partition. One writer, any number of readers.
#[derive(Debug)]
pub(crate) struct PartitionIndex {
    segments: ArcSwap<Segments>,
    live: Counter,
    live_bytes: Counter,
    /// For the segments that a checkpoint will bring.
    journal: Mutex<Journal>,
}

/// A number that readers see change for a whole batch at once.
#[derive(Debug, Default)]
struct Counter {
    shown: AtomicU64,
    /// What [`Self::show`] will add; the writer's alone.
    counted: AtomicI64,
}

impl Counter {
    fn of(value: u64) -> Self {
        Self {
            shown: AtomicU64::new(value),
            counted: AtomicI64::new(0),
        }
    }

    fn add(&self, change: i64) {
        let counted = self.counted.load(Ordering::Relaxed);
        self.counted
            .store(counted.saturating_add(change), Ordering::Relaxed);
    }

    fn show(&self) {
        let change = self.counted.load(Ordering::Relaxed);
        if change != 0 {
            self.counted.store(0, Ordering::Relaxed);
            let shown = self.shown.load(Ordering::Relaxed);
            self.shown
                .store(shown.saturating_add_signed(change), Ordering::Release);
        }
    }

    fn get(&self) -> u64 {
        self.shown.load(Ordering::Acquire)
    }
}

#[derive(Clone, Debug)]
struct Segments {
    /// The place from which on they hold everything: what was superseded before is left
    /// out when a table is made anew.
    since: u64,
    /// In log order.
    mapped: Vec<Arc<Segment>>,
    /// The growing table from before a checkpoint that is being written.
    frozen: Option<Arc<Growing>>,
    growing: Arc<Growing>,
}

/// What was superseded since something that will want to know.
#[derive(Debug, Default)]
struct Journal {
    /// Places below this are noted.
    below: u64,
    /// Places, and what superseded them.
    noted: Vec<(u64, u64)>,
}

/// The segments at one moment: what is inserted into them later leads back, by the
/// places of previous versions, to what was there.
#[derive(Clone, Debug)]
pub(crate) struct Pinned(Arc<Segments>);

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

/// A position in log order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor(usize);

impl Default for PartitionIndex {
    fn default() -> Self {
        Self::of(Vec::new(), 0, 0)
    }
}

impl Segments {
    #[inline(always)]
    fn find(&self, hash: Hash, end: u64, same: impl Fn(u64) -> bool + Copy) -> u64 {
        for segment in &self.mapped {
            let place = segment.find(hash, end, same);
            if place != 0 {
                return place;
            }
        }
        if self.growing.len() != 0 {
            let place = self.growing.find(hash, same);
            if place != 0 {
                return place;
            }
        }
        match &self.frozen {
            Some(frozen) => frozen.find_seen(hash, end, same),
            None => 0,
        }
    }

    /// The tables in memory, older first.
    fn tables(&self) -> impl Iterator<Item = &Growing> {
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
            growing: Arc::new(Growing::with_room(1)),
        };
        Self {
            segments: ArcSwap::from_pointee(segments),
            live: Counter::of(live),
            live_bytes: Counter::of(live_bytes),
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
            live: Counter::of(self.live.get()),
            live_bytes: Counter::of(self.live_bytes.get()),
            journal: Mutex::default(),
        }
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> u64 {
        self.live.get()
    }

    /// Bytes of their records.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.live_bytes.get()
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
    pub(crate) fn find(&self, hash: Hash, end: u64, same: impl Fn(u64) -> bool + Copy) -> u64 {
        self.segments.load().find(hash, end, same)
    }

    /// Makes room for `more` insertions; `end` (a place) is that of what is published.
    /// Only the writer calls this.
    pub(crate) fn reserve(&self, more: usize, end: u64) {
        let segments = self.segments.load();
        if segments.growing.room() >= more {
            return;
        }
        let grown = Segments {
            since: end.max(segments.since),
            growing: Arc::new(Growing::joined(&[&segments.growing], more, end, |_| false)),
            ..Segments::clone(&segments)
        };
        self.segments.store(Arc::new(grown));
    }

    /// Counts an entry of `bytes` that came (`Some`) or went, for [`Self::show_counted`].
    /// Only the writer calls this.
    pub(crate) fn count(&self, new: Option<u64>, old: Option<u64>) {
        let entries = |entry: Option<u64>| i64::from(entry.is_some());
        let bytes = |entry: Option<u64>| entry.unwrap_or(0) as i64;
        self.live.add(entries(new) - entries(old));
        self.live_bytes.add(bytes(new).saturating_sub(bytes(old)));
    }

    /// Makes [`Self::len`] include what was counted, all at once: a part of a batch is
    /// never counted. Only the writer calls this.
    pub(crate) fn show_counted(&self) {
        self.live.show();
        self.live_bytes.show();
    }

    /// Makes the key with `hash` lead to the record at `place`. `previous` is the place
    /// of the version that was there before the commit, 0 = none; `same` says whether the
    /// record at a place has the key. Gives the place that the growing table led to, 0 =
    /// none. Needs [`Self::reserve`], and `pinned` after it. Only the writer calls this.
    pub(crate) fn insert(
        &self,
        pinned: &Pinned,
        hash: Hash,
        place: u64,
        tombstone: bool,
        previous: u64,
        same: impl Fn(u64) -> bool + Copy,
    ) -> Result<u64, Fault> {
        let segments = &*pinned.0;
        let mut journal = self.journal.lock();
        if (1..journal.below).contains(&previous) {
            journal.noted.push((previous, place));
        }
        drop(journal);
        let replaced = segments.growing.upsert(hash, place, tombstone, same);
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

    /// Bytes of the segments in the file.
    pub(crate) fn mapped_bytes(&self) -> u64 {
        let segments = self.segments.load();
        segments.mapped.iter().map(|segment| segment.bytes()).sum()
    }

    /// Number of segments in the file.
    pub(crate) fn segments(&self) -> usize {
        self.segments.load().mapped.len()
    }

    /// Number of entries of the segments in the file, and of the groups that lookups of
    /// all of them probe. Reads them whole.
    pub(crate) fn probes(&self) -> Result<(u64, u64), Fault> {
        let segments = self.segments.load_full();
        segments.mapped.iter().try_fold((0, 0), |counts, segment| {
            let (entries, probes) = counts;
            Ok((entries + segment.len() as u64, probes + segment.probes()?))
        })
    }

    /// Fixes what a checkpoint saves, all of it below place `end`; what is inserted from
    /// here on goes into a new table. `merge_all_but_first`: whatever their sizes. Under the writer's lock;
    /// [`Self::install`] or [`Self::thaw`] has to follow.
    pub(crate) fn freeze(&self, end: u64, merge_all_but_first: bool) -> Frozen {
        let segments = self.segments.load_full();
        let growing = Arc::clone(&segments.growing);
        let mut kept = segments.mapped.clone();
        let mut merged = Vec::new();
        let mut entries = growing.live_count() as u64;
        while let Some(last) = kept.last() {
            let live = (last.len() as u64).saturating_sub(last.dead_count());
            // While it is not twice as long, so that each entry is packed a bounded number
            // of times; and what is half dead.
            let small = live < entries.saturating_mul(2) || live < last.dead_count();
            let many = kept.len() >= MOST_SEGMENTS;
            if !(small || many || merge_all_but_first && kept.len() > 1) {
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
            growing: Arc::new(Growing::with_room(1)),
            ..Segments::clone(&segments)
        };
        self.segments.store(Arc::new(next));
        Frozen {
            kept,
            merged,
            growing,
            entries,
            live: self.live.get(),
            live_bytes: self.live_bytes.get(),
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
        let joined = Growing::joined(&tables, 1, end, |place| newer.contains(&place));
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

impl Pinned {
    /// The place of the key with `hash`, 0 = none. `same` says whether the record at a
    /// place has the key. The place may be at or beyond `end`, the end (a place) of what
    /// the caller sees; then the record there leads to the version to use. With
    /// [`ATTENTION`] the answer is that of [`Self::find_checked`].
    #[inline(always)]
    pub(crate) fn find(&self, hash: Hash, end: u64, same: impl Fn(u64) -> bool + Copy) -> u64 {
        self.0.find(hash, end, same)
    }

    /// As [`Self::find`], with everything that needs attention.
    #[cold]
    pub(crate) fn find_checked<R: Records>(
        &self,
        hash: Hash,
        end: u64,
        records: &R,
    ) -> Result<u64, R::Error> {
        for segment in &self.0.mapped {
            let place = segment.find_checked(hash, end, records)?;
            if place != 0 {
                return Ok(place);
            }
        }
        let same = |place| records.has_key(place);
        let place = self.0.growing.find(hash, same);
        Ok(match &self.0.frozen {
            Some(frozen) if place == 0 => frozen.find_seen(hash, end, same),
            _ => place,
        })
    }

    /// As [`Self::find`], for the one writer, who sees everything.
    #[inline(always)]
    pub(crate) fn find_for_writer<R: Records>(
        &self,
        hash: Hash,
        records: &R,
    ) -> Result<u64, R::Error> {
        let same = |place| records.has_key(place);
        for segment in &self.0.mapped {
            let place = segment.find(hash, u64::MAX, same);
            if place & ATTENTION != 0 {
                return self.find_checked(hash, u64::MAX, records);
            }
            if place != 0 {
                return Ok(place);
            }
        }
        let place = self.0.growing.find_for_writer(hash, same);
        Ok(match &self.0.frozen {
            Some(frozen) if place == 0 => frozen.find_seen(hash, u64::MAX, same),
            _ => place,
        })
    }

    /// Starts to load what [`Self::find`] and [`PartitionIndex::insert`] will need.
    #[inline]
    pub(crate) fn prefetch(&self, hash: Hash) {
        for segment in &self.0.mapped {
            segment.prefetch(hash);
        }
        if self.0.growing.len() != 0 {
            self.0.growing.prefetch(hash);
        }
    }

    /// The next place in log order that a reader with `end` sees.
    pub(crate) fn next<R: Records>(
        &self,
        cursor: &mut Cursor,
        end: u64,
        records: &R,
    ) -> Result<Option<u64>, R::Error> {
        let mut before = 0;
        for segment in &self.0.mapped {
            while cursor.0 < before + segment.len() {
                let ordinal = cursor.0 - before;
                cursor.0 += 1;
                if let Some(place) = segment.visible(ordinal, end, records)? {
                    return Ok(Some(place));
                }
            }
            before += segment.len();
        }
        for table in self.0.tables() {
            while cursor.0 < before + table.len() {
                let ordinal = cursor.0 - before;
                cursor.0 += 1;
                if let Some(place) = table.visible(ordinal, end) {
                    return Ok(Some(place));
                }
            }
            before += table.len();
        }
        Ok(None)
    }
}
