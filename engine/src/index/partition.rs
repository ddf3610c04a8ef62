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
            if !small && !many && !(merge_all_but_first && kept.len() > 1) {
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

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::super::{Blocks, DeadBits, Packed, Source};
    use super::*;
    use crate::format::record::{block_count, block_range, value_hash};
    use crate::storage::{Bytes, Region};

    /// A log of keys: place -> (key, previous place, tombstone).
    #[derive(Default)]
    struct Log(BTreeMap<u64, (u8, u64, bool)>);

    struct Keyed<'a>(&'a Log, u8);

    impl Records for Keyed<'_> {
        type Error = Infallible;

        fn fault(&self, fault: Fault) -> Infallible {
            panic!("{fault:?}")
        }

        fn has_key(&self, place: u64) -> bool {
            self.0.0[&place].0 == self.1
        }

        fn check(&self, place: u64) -> Result<(), Infallible> {
            assert!(self.0.0.contains_key(&place));
            Ok(())
        }

        fn compare(&self, place: u64) -> Result<Ordering, Infallible> {
            Ok(self.1.cmp(&self.0.0[&place].0))
        }
    }

    /// Few hashes, so that keys share groups, tags and whole hashes.
    fn hash(key: u8) -> Hash {
        let key = u64::from(key);
        Hash((key % 3) << 62 | (key % 5))
    }

    fn bytes(pieces: &[&[u8]]) -> (Bytes, Bytes) {
        let region = |content: &[u8]| {
            let fill = |out: &mut [u8]| {
                out.copy_from_slice(content);
                Ok::<_, std::io::Error>(())
            };
            let region = Region::copied(0, content.len(), fill).expect("memory");
            let len = content.len() as u64;
            Arc::new(region).range_of(0..len).expect("inside")
        };
        let content = pieces.concat();
        let len = content.len() as u64;
        let sums: Vec<u8> = (0..block_count(len))
            .map(|block| block_range(len, block))
            .flat_map(|span| {
                value_hash(&content[span.start as usize..span.end as usize]).to_le_bytes()
            })
            .collect();
        (region(&content), region(&sums))
    }

    fn source(packed: &Packed, place: u64) -> Source {
        let (value, sums) = bytes(&packed.pieces());
        Source {
            blocks: Blocks::new(value, Some(sums), 0),
            at: 0,
            place,
            sum: 0,
            listed: Vec::new(),
            bits: None,
            trusted: false,
        }
    }

    /// Segments, an end, and what a reader with both sees.
    type Pin = (Pinned, u64, BTreeMap<u8, u64>);

    struct Model {
        index: PartitionIndex,
        log: Log,
        /// State of the map after each commit, with its end.
        states: Vec<(u64, BTreeMap<u8, u64>)>,
        place: u64,
        frozen: Option<(Frozen, u64)>,
    }

    impl Model {
        fn new() -> Self {
            Self {
                index: PartitionIndex::default(),
                log: Log::default(),
                states: vec![(1, BTreeMap::new())],
                place: 1,
                frozen: None,
            }
        }

        fn newest(&self, pinned: &Pinned, key: u8, end: u64) -> u64 {
            let same = |place| self.log.0[&place].0 == key;
            let found = pinned.find(hash(key), end, same);
            if found & ATTENTION == 0 {
                return found;
            }
            let Ok(found) = pinned.find_checked(hash(key), end, &Keyed(&self.log, key));
            found
        }

        fn find(&self, pinned: &Pinned, key: u8, end: u64) -> Option<u64> {
            let found = self.newest(pinned, key, end);
            let mut found = Some(found).filter(|&place| place != 0);
            while let Some(place) = found.filter(|&place| place >= end) {
                found = Some(self.log.0[&place].1).filter(|&previous| previous != 0);
            }
            found.filter(|place| !self.log.0[place].2)
        }

        fn pin(&self) -> Pin {
            let (end, state) = self.states.last().expect("one").clone();
            (self.index.pin(|| end).0, end, state)
        }

        /// Commits; what readers pinned between the operations.
        fn commit(&mut self, operations: &[(u8, bool)]) -> Vec<Pin> {
            let (before, mut state) = self.states.last().expect("one").clone();
            let mut pins = Vec::new();
            let (pinned, ..) = self.pin();
            let previous: Vec<u64> = operations
                .iter()
                .map(|&(key, _)| {
                    let Ok(place) = pinned.find_for_writer(hash(key), &Keyed(&self.log, key));
                    place
                })
                .collect();
            for (&(key, tombstone), previous) in operations.iter().zip(previous) {
                self.index.reserve(1, before);
                pins.push(self.pin());
                let pinned = self.index.newest();
                let place = self.place;
                self.place += 1;
                self.log.0.insert(place, (key, previous, tombstone));
                let log = &self.log;
                let same = |at| log.0[&at].0 == key;
                let inserted =
                    self.index
                        .insert(&pinned, hash(key), place, tombstone, previous, same);
                inserted.expect("whole");
                if tombstone {
                    state.remove(&key);
                } else {
                    state.insert(key, place);
                }
            }
            self.states.push((self.place, state));
            pins
        }

        fn freeze(&mut self) {
            let end = self.states.last().expect("one").0;
            self.frozen = Some((self.index.freeze(end, false), end));
        }

        /// Ends a checkpoint; `Some`: what the file then has.
        fn end_checkpoint(&mut self, fails: bool) -> Option<(Vec<Segment>, u64)> {
            let (frozen, end) = self.frozen.take()?;
            if fails {
                self.index.thaw(self.states.last().expect("one").0);
                return None;
            }
            let log = &self.log;
            let compare = |a, b| Ok::<_, Fault>(log.0[&a].0.cmp(&log.0[&b].0));
            let packed = frozen
                .pack(
                    7,
                    end,
                    (0, end * 8),
                    &HashSet::new(),
                    |fault| fault,
                    compare,
                )
                .expect("whole");
            assert_eq!(packed.entries(), frozen.entries);
            let mut saved = Vec::new();
            for (number, segment) in frozen.kept().iter().enumerate() {
                let dead = segment.dead_before(end, &[]).expect("whole");
                let words = segment.kept(0).expect("whole");
                let (order, tops) = words.unzip();
                let compare = |a: u64, b: u64| Ok::<_, Fault>(log.0[&a].0.cmp(&log.0[&b].0));
                let span = (segment.head().from, segment.head().to);
                let packed = Packed::of(7, order, tops, span, compare).expect("packed");
                let mut source = source(&packed, segment.record().0);
                // Both ways in which a file has them.
                if number % 2 == 0 {
                    let bits = DeadBits::of(segment, &dead).expect("whole");
                    let (value, sums) = bytes(&bits.pieces());
                    let count = bits.count();
                    source.bits = Some((Blocks::new(value, Some(sums), 0), count));
                } else {
                    source.listed = dead;
                }
                saved.push(Segment::open(source).expect("opens"));
            }
            saved.push(Segment::open(source(&packed, end)).expect("opens"));
            let new = Segment::open(source(&packed, end)).expect("opens");
            self.index.install(&frozen, vec![new], end).expect("whole");
            Some((saved, end))
        }

        fn check(&self, pinned: &Pinned, end: u64, state: &BTreeMap<u8, u64>) {
            for key in 0..20 {
                assert_eq!(
                    self.find(pinned, key, end),
                    state.get(&key).copied(),
                    "key {key}"
                );
            }
            let mut expected: Vec<u64> = state.values().copied().collect();
            expected.sort_unstable();
            let mut cursor = Cursor::default();
            let mut walked = Vec::new();
            while let Ok(Some(place)) = pinned.next(&mut cursor, end, &Keyed(&self.log, 0)) {
                walked.push(place);
            }
            assert_eq!(walked, expected);
        }
    }

    /// What happens between commits.
    #[derive(Clone, Copy, Debug)]
    enum Between {
        Nothing,
        Freeze,
        Install,
        Fail,
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn pinned_readers_keep_seeing_the_state_of_their_end(
            commits in proptest::collection::vec((
                proptest::collection::vec((0u8..20, proptest::bool::weighted(0.3)), 1..6),
                prop_oneof![Just(Between::Nothing), Just(Between::Freeze),
                    Just(Between::Install), Just(Between::Fail)],
            ), 1..40),
        ) {
            let mut model = Model::new();
            let mut pins = Vec::new();
            // What another process has that follows, and adopts checkpoints.
            let follower = PartitionIndex::default();
            follower.follow();
            let mut followed = 1;
            for (commit, between) in &commits {
                pins.extend(model.commit(commit));
                pins.push(model.pin());
                for (&place, &(key, previous, tombstone)) in model.log.0.range(followed..) {
                    follower.reserve(1, place);
                    let log = &model.log;
                    let same = |at| log.0[&at].0 == key;
                    let pinned = follower.newest();
                    follower
                        .insert(&pinned, hash(key), place, tombstone, previous, same)
                        .expect("whole");
                }
                followed = model.place;
                let saved = match between {
                    Between::Freeze if model.frozen.is_none() => {
                        model.freeze();
                        None
                    }
                    Between::Install => model.end_checkpoint(false),
                    Between::Fail => model.end_checkpoint(true),
                    _ => None,
                };
                if let Some((saved, since)) = saved {
                    follower.adopt(saved, since, model.place).expect("whole");
                }
                let (end, state) = model.states.last().expect("one");
                model.check(&follower.pin(|| *end).0, *end, state);
            }
            for (pinned, end, state) in &pins {
                model.check(pinned, *end, state);
            }
            let (pinned, end, state) = model.pin();
            model.check(&pinned, end, &state);
        }
    }

    /// Places of keys of one hash or of many, all in one segment.
    fn segment(count: u64, hash: impl Fn(u64) -> Hash) -> Segment {
        let order = (1..=count).map(|place| hash(place).word(place)).collect();
        let tops = (1..=count).map(|place| hash(place).top()).collect();
        let compare = |a: u64, b: u64| Ok::<_, Fault>(a.cmp(&b));
        let packed = Packed::of(7, order, tops, (0, count * 8 + 8), compare).expect("packed");
        Segment::open(source(&packed, 1)).expect("opens")
    }

    struct Numbered(u64, std::cell::Cell<u32>);

    impl Records for Numbered {
        type Error = Infallible;

        fn fault(&self, fault: Fault) -> Infallible {
            panic!("{fault:?}")
        }

        fn has_key(&self, place: u64) -> bool {
            place == self.0
        }

        fn check(&self, _place: u64) -> Result<(), Infallible> {
            Ok(())
        }

        fn compare(&self, place: u64) -> Result<Ordering, Infallible> {
            self.1.set(self.1.get() + 1);
            Ok(self.0.cmp(&place))
        }
    }

    #[test]
    fn scalar_and_vector_probes_find_the_same_keys() {
        use crate::index::group::Variant;
        let hash = |place: u64| Hash(place.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let segment = segment(5000, hash);
        for variant in [Variant::Scalar, Variant::Baseline, Variant::Avx2] {
            Variant::force(Some(variant));
            for place in 1..=5000u64 {
                let mut found = segment.find(hash(place), u64::MAX, |at| at == place);
                if found & ATTENTION != 0 {
                    let records = Numbered(place, Default::default());
                    let Ok(checked) = segment.find_checked(hash(place), u64::MAX, &records);
                    assert_eq!(checked, place);
                    found = segment.find(hash(place), u64::MAX, |at| at == place);
                }
                assert_eq!(found, place, "{variant:?}, after everything was compared");
            }
        }
        Variant::force(None);
    }

    #[test]
    fn a_hundred_thousand_keys_of_one_hash_are_found_by_bisection() {
        let count = 100_000;
        let segment = segment(count, |_| Hash(42 << 32 | 7));
        for place in (1..=count).step_by(997).chain([count, count + 1]) {
            let records = Numbered(place, Default::default());
            let Ok(found) = segment.find_checked(Hash(42 << 32 | 7), u64::MAX, &records);
            assert_eq!(found, if place <= count { place } else { 0 });
            assert!(records.1.get() <= count.ilog2() + 2, "{}", records.1.get());
        }
        let mut cursor = 0;
        let records = Numbered(0, Default::default());
        for ordinal in 0..segment.len() {
            let Ok(visible) = segment.visible(ordinal, u64::MAX, &records);
            cursor += 1;
            assert_eq!(visible, Some(cursor));
        }
    }

    #[test]
    fn a_flipped_bit_of_a_segment_is_a_fault_at_first_touch() {
        let hash = |place: u64| Hash(place.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let order: Vec<u64> = (1..=20_000).map(|place| hash(place).word(place)).collect();
        let tops = (1..=20_000).map(|place| hash(place).top()).collect();
        let compare = |a: u64, b: u64| Ok::<_, Fault>(a.cmp(&b));
        let packed = Packed::of(7, order, tops, (0, 160_008), compare).expect("packed");
        let content = packed.pieces().concat();
        let (_, sums) = bytes(&packed.pieces());
        for at in (0..content.len()).step_by(4999) {
            let mut flipped = content.clone();
            flipped[at] ^= 4;
            let (value, _) = bytes(&[&flipped]);
            let blocks = Blocks::new(value, Some(sums.clone()), 4096);
            let source = Source {
                blocks,
                ..source(&packed, 1)
            };
            let fault = match Segment::open(source) {
                Err(fault) => fault,
                Ok(segment) => segment.kept(0).map(Iterator::count).expect_err("flipped"),
            };
            let block = block_count(content.len() as u64) - 1;
            let block = (at as u64 / 65536).min(block);
            assert_eq!(fault.at, 4096 + block * 65536, "byte {at}");
        }
    }
}
