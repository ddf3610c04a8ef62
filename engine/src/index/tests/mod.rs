//! The index without a log: a model of keys, commits, checkpoints and followers.

mod crowded;
mod growth;
mod protocol;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;
use zerocopy::IntoBytes;

use std::collections::HashSet;
use std::sync::Arc;

use super::{
    ATTENTION, Blocks, Checked, Cursor, DeadBits, Fault, Frozen, Hash, Merge, Packed,
    PartitionIndex, Pinned, Records, Segment, Source, Window,
};
use crate::format::record::{block_count, block_range, value_hash};
use crate::storage::{Bytes, Region};

/// A log of keys: place -> (key, previous place, tombstone).
struct Log(BTreeMap<u64, (u8, u64, bool)>, fn(u8) -> Hash);

#[derive(Clone, Copy)]
struct Keyed<'a>(&'a Log, u8);

impl Records for Keyed<'_> {
    type Error = Infallible;

    fn key(&self) -> &[u8] {
        std::slice::from_ref(&self.1)
    }

    fn fault(&self, fault: Fault) -> Infallible {
        panic!("{fault:?}")
    }

    fn has_key(&self, place: u64) -> bool {
        self.0.0[&place].0 == self.1
    }

    fn check(&self, place: u64) -> Result<Checked, Infallible> {
        let hash = (self.0.1)(self.0.0[&place].0);
        Ok(Checked { hash, partition: 7 })
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
        .flat_map(|span| value_hash(&content[span.start as usize..span.end as usize]).to_le_bytes())
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
    hash: fn(u8) -> Hash,
    /// Keys are below this.
    keys: u8,
    index: PartitionIndex,
    log: Log,
    /// State of the map after each commit, with its end.
    states: Vec<(u64, BTreeMap<u8, u64>)>,
    place: u64,
    frozen: Option<(Frozen, u64)>,
}

impl Model {
    fn new(hash: fn(u8) -> Hash, keys: u8) -> Self {
        Self {
            hash,
            keys,
            index: PartitionIndex::default(),
            log: Log(BTreeMap::new(), hash),
            states: vec![(1, BTreeMap::new())],
            place: 1,
            frozen: None,
        }
    }

    fn newest(&self, pinned: &Pinned, key: u8, end: u64) -> u64 {
        let found = pinned.find((self.hash)(key), end, &Keyed(&self.log, key));
        if found & ATTENTION == 0 {
            return found;
        }
        let Ok(found) = pinned.find_checked((self.hash)(key), end, &Keyed(&self.log, key));
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
                let Ok(place) = pinned.find_for_writer((self.hash)(key), &Keyed(&self.log, key));
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
            let keyed = Keyed(log, key);
            let inserted = self.index.insert(
                &pinned,
                (self.hash)(key),
                place,
                tombstone,
                previous,
                &keyed,
            );
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
        self.frozen = Some((self.index.freeze(end, Merge::Shorter(2)), end));
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
        for key in 0..self.keys {
            assert_eq!(
                self.find(pinned, key, end),
                state.get(&key).copied(),
                "key {key}"
            );
        }
        let mut expected: Vec<u64> = state.values().copied().collect();
        expected.sort_unstable();
        let records = Keyed(&self.log, 0);
        let mut cursor = Cursor::default();
        let mut walked = Vec::new();
        loop {
            let mut window = Window::new();
            let Ok(()) = pinned.next(&mut cursor, end, &records, &mut window);
            if window.places().is_empty() {
                break;
            }
            walked.extend_from_slice(window.places());
        }
        assert_eq!(walked, expected);
        assert_eq!(pinned.count(end, &records), Ok(expected.len() as u64));
        for (nth, place) in expected.iter().enumerate() {
            let found = pinned.nth(nth as u64, end, &records);
            assert_eq!(found, Ok(Some(*place)), "position {nth}");
        }
        let beyond = pinned.nth(expected.len() as u64, end, &records);
        assert_eq!(beyond, Ok(None));
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

/// Runs commits and what happens between them; every reader keeps what it saw.
fn run(mut model: Model, commits: &[(Vec<(u8, bool)>, Between)]) {
    let mut pins = Vec::new();
    // What another process has that follows, and adopts checkpoints.
    let follower = PartitionIndex::default();
    follower.follow();
    let mut followed = 1;
    for (commit, between) in commits {
        pins.extend(model.commit(commit));
        pins.push(model.pin());
        for (&place, &(key, previous, tombstone)) in model.log.0.range(followed..) {
            follower.reserve(1, place);
            let log = &model.log;
            let keyed = Keyed(log, key);
            let pinned = follower.newest();
            follower
                .insert(
                    &pinned,
                    (model.hash)(key),
                    place,
                    tombstone,
                    previous,
                    &keyed,
                )
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
        run(Model::new(hash, 20), &commits);
    }
}

fn one_hash(_key: u8) -> Hash {
    Hash(0x4242_4242_4242_4242)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn pinned_readers_of_keys_that_spill_keep_seeing_the_state_of_their_end(
        commits in proptest::collection::vec((
            proptest::collection::vec((0u8..250, proptest::bool::weighted(0.3)), 1..40),
            prop_oneof![Just(Between::Nothing), Just(Between::Freeze),
                Just(Between::Install), Just(Between::Fail)],
        ), 1..12),
    ) {
        let all = (0..200).map(|key| (key, false)).collect();
        let mut all = vec![(all, Between::Nothing)];
        all.extend(commits);
        run(Model::new(one_hash, 250), &all);
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

struct Numbered(u64, std::cell::Cell<u32>, fn(u64) -> Hash);

impl Records for &Numbered {
    type Error = Infallible;

    fn key(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn fault(&self, fault: Fault) -> Infallible {
        panic!("{fault:?}")
    }

    fn has_key(&self, place: u64) -> bool {
        place == self.0
    }

    fn check(&self, place: u64) -> Result<Checked, Infallible> {
        let hash = (self.2)(place);
        Ok(Checked { hash, partition: 7 })
    }

    fn compare(&self, place: u64) -> Result<Ordering, Infallible> {
        self.1.set(self.1.get() + 1);
        Ok(self.0.cmp(&place))
    }
}

#[test]
fn scalar_and_vector_probes_find_the_same_keys() {
    use crate::index::group::Variant;
    let hash: fn(u64) -> Hash = |place| Hash(place.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let segment = segment(5000, hash);
    for variant in [Variant::Scalar, Variant::Baseline, Variant::Avx2] {
        Variant::force(Some(variant));
        for place in 1..=5000u64 {
            let records = &Numbered(place, Default::default(), hash);
            let mut found = segment.find(hash(place), u64::MAX, &records);
            if found & ATTENTION != 0 {
                let Ok(checked) = segment.find_checked(hash(place), u64::MAX, &records);
                assert_eq!(checked, place);
                found = segment.find(hash(place), u64::MAX, &records);
            }
            assert_eq!(found, place, "{variant:?}, after everything was compared");
        }
    }
    Variant::force(None);
}

#[test]
fn a_hundred_thousand_keys_of_one_hash_are_found_by_bisection() {
    let count = 100_000;
    let hash: fn(u64) -> Hash = |_| Hash(42 << 32 | 7);
    let segment = segment(count, hash);
    for place in (1..=count).step_by(997).chain([count, count + 1]) {
        let records = &Numbered(place, Default::default(), hash);
        let Ok(found) = segment.find_checked(Hash(42 << 32 | 7), u64::MAX, &records);
        assert_eq!(found, if place <= count { place } else { 0 });
        assert!(records.1.get() <= count.ilog2() + 2, "{}", records.1.get());
    }
    let mut cursor = 0;
    let records = &Numbered(0, Default::default(), hash);
    for ordinal in 0..segment.len() {
        let Ok(place) = segment.compared(ordinal, &records);
        cursor += 1;
        assert_eq!(place, cursor);
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

#[test]
fn lookups_stop_asking_once_everything_that_is_seen_was_compared() {
    let count = 3000;
    let hash: fn(u64) -> Hash = |place| match place % 10 {
        // Some share a hash and fill the overflow.
        0 => Hash(42 << 32 | 7),
        _ => Hash(place.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
    };
    let order = (1..=count).map(|place| hash(place).word(place)).collect();
    let tops = (1..=count).map(|place| hash(place).top()).collect();
    let compare = |a: u64, b: u64| Ok::<_, Fault>(a.cmp(&b));
    let packed = Packed::of(7, order, tops, (0, count * 8 + 8), compare).expect("packed");
    let whole = Segment::open(source(&packed, 1)).expect("opens");
    let dead: Vec<u32> = (0..count as u32)
        .filter(|ordinal| ordinal % 7 == 3)
        .collect();
    let bits = DeadBits::of(&whole, &dead).expect("whole");
    let (value, sums) = bytes(&bits.pieces());
    let listed = Source {
        listed: dead.clone(),
        ..source(&packed, 1)
    };
    let in_bits = Source {
        bits: Some((Blocks::new(value, Some(sums), 4096), bits.count())),
        ..source(&packed, 1)
    };
    let is_dead = |place: u64| dead.binary_search(&(place as u32 - 1)).is_ok();
    for (source, hidden) in [(source(&packed, 1), false), (listed, true), (in_bits, true)] {
        let segment = Segment::open(source).expect("opens");
        // Entries that are superseded need no comparing either, before and after.
        for place in [5, 6, 2000] {
            assert!(segment.supersede(place, count + place).expect("whole"));
        }
        let seen = |place: u64| !(hidden && is_dead(place) || [5, 6, 2000].contains(&place));
        for round in 0..2 {
            assert_eq!(
                segment.settled.load(std::sync::atomic::Ordering::Relaxed),
                round == 1
            );
            for place in 1..=count {
                let records = &Numbered(place, Default::default(), hash);
                let mut found = segment.find(hash(place), u64::MAX, &records);
                if found & ATTENTION != 0 {
                    let Ok(checked) = segment.find_checked(hash(place), u64::MAX, &records);
                    found = checked;
                }
                assert_eq!(found, if seen(place) { place } else { 0 }, "{hidden}");
                // A reader from before sees what was superseded since.
                let Ok(found) = segment.find_checked(hash(place), count + 1, &records);
                assert_eq!(found, if hidden && is_dead(place) { 0 } else { place });
            }
        }
        for place in count + 1..2 * count {
            let records = &Numbered(place, Default::default(), hash);
            let found = segment.find(hash(place), u64::MAX, &records);
            // Those that would stand near the crowd are looked for in the overflow.
            if found & ATTENTION != 0 {
                let Ok(checked) = segment.find_checked(hash(place), u64::MAX, &records);
                assert_eq!(checked, 0);
            } else {
                assert_eq!(found, 0);
            }
        }
    }
}
