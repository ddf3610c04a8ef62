//! The index of one partition: a frozen segment and a growing one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::Hash;
use super::frozen::Frozen;
use super::growing::Growing;

/// Finds the records of a partition. One writer, any number of readers.
#[derive(Debug)]
pub(crate) struct PartitionIndex {
    segments: ArcSwap<Segments>,
    live: AtomicU64,
    /// What [`PartitionIndex::show_counted`] will add; the writer's alone.
    counted: AtomicI64,
}

#[derive(Debug)]
struct Segments {
    /// The place from which on they hold everything: what was superseded before is left
    /// out when the growing one is made anew.
    since: u64,
    /// Outlives replacements of the growing one.
    frozen: Option<Arc<Frozen>>,
    growing: Growing,
}

/// The segments at one moment: what is inserted into them later leads back, by the
/// places of previous versions, to what was there.
#[derive(Clone, Debug)]
pub(crate) struct Pinned(Arc<Segments>);

/// A position in log order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor(usize);

impl Default for PartitionIndex {
    fn default() -> Self {
        let segments = Segments {
            since: 0,
            frozen: None,
            growing: Growing::with_room(1),
        };
        Self {
            segments: ArcSwap::from_pointee(segments),
            live: AtomicU64::new(0),
            counted: AtomicI64::new(0),
        }
    }
}

impl Segments {
    #[inline(always)]
    fn find(&self, hash: Hash, end: u64, same: impl Fn(u64) -> bool + Copy) -> u64 {
        if let Some(frozen) = &self.frozen {
            let place = frozen.find(hash, end, same);
            if place != 0 || self.growing.len() == 0 {
                return place;
            }
        }
        self.growing.find(hash, same)
    }
}

impl PartitionIndex {
    /// Number of entries.
    pub(crate) fn len(&self) -> u64 {
        self.live.load(Ordering::Acquire)
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
            since: end,
            frozen: segments.frozen.clone(),
            growing: segments.growing.grown(more, end),
        };
        self.segments.store(Arc::new(grown));
    }

    /// Counts an entry that came or went, for [`Self::show_counted`]. Only the writer
    /// calls this.
    pub(crate) fn count(&self, is_live: bool, was_live: bool) {
        let change = i64::from(is_live) - i64::from(was_live);
        let counted = self.counted.load(Ordering::Relaxed);
        self.counted
            .store(counted.saturating_add(change), Ordering::Relaxed);
    }

    /// Makes [`Self::len`] include what was counted, all at once: a part of a batch is
    /// never counted. Only the writer calls this.
    pub(crate) fn show_counted(&self) {
        let change = self.counted.load(Ordering::Relaxed);
        if change != 0 {
            self.counted.store(0, Ordering::Relaxed);
            let live = self.live.load(Ordering::Relaxed);
            self.live
                .store(live.saturating_add_signed(change), Ordering::Release);
        }
    }

    /// Turns everything inserted so far into one frozen segment. For the end of a
    /// replay, when nobody reads yet.
    pub(crate) fn freeze(&self) {
        let segments = self.segments.load_full();
        if segments.growing.len() == 0 || segments.frozen.is_some() {
            return;
        }
        let words: Vec<(u64, u32)> = segments.growing.live().collect();
        let frozen = Some(Arc::new(Frozen::pack(&words)));
        let segments = Segments {
            since: segments.since,
            frozen,
            growing: Growing::with_room(0),
        };
        self.segments.store(Arc::new(segments));
    }
}

impl Pinned {
    /// The place of the key with `hash`, 0 = none. `same` says whether the record at a
    /// place has the key. The place may be at or beyond `end`, the end (a place) of what
    /// the caller sees; then the record there leads to the version to use.
    #[inline(always)]
    pub(crate) fn find(&self, hash: Hash, end: u64, same: impl Fn(u64) -> bool + Copy) -> u64 {
        self.0.find(hash, end, same)
    }

    /// Starts to load what [`Self::find`] and [`Self::insert`] will need.
    #[inline]
    pub(crate) fn prefetch(&self, hash: Hash) {
        if let Some(frozen) = &self.0.frozen {
            frozen.prefetch(hash);
        }
        self.0.growing.prefetch(hash);
    }

    /// Makes the key with `hash` lead to the record at `place`. `previous` is the place
    /// of the version that was there before the commit, 0 = none; `same` says whether the
    /// record at a place has the key. Gives the place that the growing segment led to, 0 =
    /// none. Needs [`PartitionIndex::reserve`] before the pin. Only the writer calls this.
    pub(crate) fn insert(
        &self,
        hash: Hash,
        place: u64,
        tombstone: bool,
        previous: u64,
        same: impl Fn(u64) -> bool + Copy,
    ) -> u64 {
        let replaced = self.0.growing.upsert(hash, place, tombstone, same);
        // Found in the frozen segment: told after the word is in the growing one, so
        // that a reader who skips the old one finds the new one.
        if let (0, 1.., Some(frozen)) = (replaced, previous, &self.0.frozen) {
            frozen.supersede(hash, previous, place);
        }
        replaced
    }

    /// The next place in log order that a reader with `end` sees.
    pub(crate) fn next(&self, cursor: &mut Cursor, end: u64) -> Option<u64> {
        let frozen_len = self.0.frozen.as_ref().map_or(0, |frozen| frozen.len());
        let total = frozen_len + self.0.growing.len();
        while cursor.0 < total {
            let ordinal = cursor.0;
            cursor.0 += 1;
            let place = match (ordinal.checked_sub(frozen_len), &self.0.frozen) {
                (Some(ordinal), _) => self.0.growing.visible(ordinal, end),
                (None, Some(frozen)) => frozen.visible(ordinal, end),
                (None, None) => None,
            };
            if place.is_some() {
                return place;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A log of keys: place -> (key, previous place, tombstone).
    #[derive(Default)]
    struct Log(BTreeMap<u64, (u8, u64, bool)>);

    /// Few hashes, so that keys share groups, tags and whole hashes.
    fn hash(key: u8) -> Hash {
        let key = u64::from(key);
        Hash((key % 3) << 62 | (key % 5))
    }

    /// Segments, an end, and what a reader with both sees.
    type Pin = (Pinned, u64, BTreeMap<u8, u64>);

    struct Model {
        index: PartitionIndex,
        log: Log,
        /// State of the map after each commit, with its end.
        states: Vec<(u64, BTreeMap<u8, u64>)>,
        place: u64,
    }

    impl Model {
        fn new() -> Self {
            let states = vec![(1, BTreeMap::new())];
            Self {
                index: PartitionIndex::default(),
                log: Log::default(),
                states,
                place: 1,
            }
        }

        fn find(&self, pinned: &Pinned, key: u8, end: u64) -> Option<u64> {
            let found = pinned.find(hash(key), end, |place| self.log.0[&place].0 == key);
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
                    pinned.find(hash(key), u64::MAX, |place| self.log.0[&place].0 == key)
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
                pinned.insert(hash(key), place, tombstone, previous, |at| {
                    log.0[&at].0 == key
                });
                if tombstone {
                    state.remove(&key);
                } else {
                    state.insert(key, place);
                }
            }
            self.states.push((self.place, state));
            pins
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
            let walked: Vec<u64> = std::iter::from_fn(|| pinned.next(&mut cursor, end)).collect();
            assert_eq!(walked, expected);
        }
    }

    proptest! {
        #[test]
        fn pinned_readers_keep_seeing_the_state_of_their_end(
            commits in proptest::collection::vec(
                proptest::collection::vec((0u8..20, proptest::bool::weighted(0.3)), 1..6), 1..40),
            freeze_after in 0usize..40,
        ) {
            let mut model = Model::new();
            let mut pins = Vec::new();
            for (number, commit) in commits.iter().enumerate() {
                let between = model.commit(commit);
                if number == freeze_after {
                    model.index.freeze();
                }
                // What is frozen was replayed, when nobody reads yet.
                if number > freeze_after {
                    pins.extend(between);
                }
                if number >= freeze_after {
                    pins.push(model.pin());
                }
            }
            for (pinned, end, state) in &pins {
                model.check(pinned, *end, state);
            }
            let (pinned, end, state) = model.pin();
            model.check(&pinned, end, &state);
        }
    }

    #[test]
    fn scalar_and_vector_probes_find_the_same_keys() {
        use crate::index::group::Variant;
        let words: Vec<(u64, u32)> = (1..5000u64)
            .map(|place| {
                let hash = Hash(place.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                (hash.word(place), hash.top())
            })
            .collect();
        let frozen = Frozen::pack(&words);
        for variant in [Variant::Scalar, Variant::Baseline, Variant::Avx2] {
            Variant::force(Some(variant));
            for place in 1..5000u64 {
                let hash = Hash(place.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                let found = frozen.find(hash, u64::MAX, |candidate| candidate == place);
                assert_eq!(found, place, "{variant:?}");
            }
        }
        Variant::force(None);
    }
}
