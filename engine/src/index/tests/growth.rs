//! A growing table of many keys: shards and chunks become more under pinned readers.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::convert::Infallible;

use zerocopy::IntoBytes;

use super::super::{Checked, Cursor, Fault, Hash, PartitionIndex, Records, Segment, Window, home};
use super::source;
use crate::format::record::key_hash;

/// Records of which that at place p has the key `keys[p]`; places are from 1 on.
#[derive(Clone, Copy)]
struct Numbered<'a>(&'a [u64], &'a u64);

impl Records for Numbered<'_> {
    type Error = Infallible;

    fn key(&self) -> &[u8] {
        self.1.as_bytes()
    }

    fn fault(&self, fault: Fault) -> Infallible {
        panic!("{fault:?}")
    }

    fn has_key(&self, place: u64) -> bool {
        self.0[place as usize] == *self.1
    }

    fn check(&self, place: u64) -> Result<Checked, Infallible> {
        let hash = hash(self.0[place as usize]);
        Ok(Checked { hash, partition: 7 })
    }

    fn compare(&self, place: u64) -> Result<Ordering, Infallible> {
        Ok(self.1.cmp(&self.0[place as usize]))
    }
}

fn hash(key: u64) -> Hash {
    Hash(key_hash(key.as_bytes(), 42))
}

/// An index and the keys of its places.
struct Filled {
    index: PartitionIndex,
    keys: Vec<u64>,
}

impl Filled {
    fn new() -> Self {
        Self {
            index: PartitionIndex::default(),
            keys: vec![u64::MAX],
        }
    }

    fn end(&self) -> u64 {
        self.keys.len() as u64
    }

    /// One commit.
    fn put(&mut self, keys: impl ExactSizeIterator<Item = u64>) {
        self.index.reserve(keys.len(), self.end());
        let pinned = self.index.newest();
        for key in keys {
            let place = self.end();
            self.keys.push(key);
            let records = Numbered(&self.keys, &key);
            let Ok(previous) = pinned.find_for_writer(hash(key), &records);
            let inserted = self
                .index
                .insert(&pinned, hash(key), place, false, previous, &records);
            let replaced = inserted.expect("whole");
            assert!(replaced == previous || replaced == 0);
        }
    }
}

#[test]
fn shards_and_chunks_become_more_and_a_pinned_reader_keeps_what_it_saw() {
    let mut filled = Filled::new();
    let (mut next, mut pins) = (0, Vec::new());
    for size in (1..).map(|round| [1, 1, 3, 40, 700, 9000][round % 6]) {
        if next >= 220_000 {
            break;
        }
        filled.put((next..next + size).map(|number| number as u64));
        next += size;
        if next % 7 == 0 || pins.is_empty() {
            pins.push(filled.index.pin(|| filled.end()));
        }
    }
    assert!(pins.len() > 10);
    pins.push(filled.index.pin(|| filled.end()));
    for (pinned, end) in &pins {
        let find = |key: u64| pinned.find(hash(key), *end, &Numbered(&filled.keys, &key));
        let records = Numbered(&filled.keys, &0);
        for place in (1..*end).step_by(61).chain([*end - 1]) {
            assert_eq!(find(place - 1), place);
            let found = pinned.nth(place - 1, *end, &records);
            assert_eq!(found, Ok(Some(place)));
        }
        for key in (1..3000).map(|number| number << 40) {
            assert_eq!(find(key), 0);
        }
        assert_eq!(pinned.count(*end, &records), Ok(*end - 1));
        assert_eq!(pinned.nth(*end - 1, *end, &records), Ok(None));
    }
    // The whole of it in order, and what a checkpoint takes.
    let (pinned, end) = filled.index.pin(|| filled.end());
    let records = Numbered(&filled.keys, &0);
    let (mut cursor, mut expected) = (Cursor::default(), 1..end);
    loop {
        let mut window = Window::new();
        let Ok(()) = pinned.next(&mut cursor, end, &records, &mut window);
        if window.places().is_empty() {
            break;
        }
        assert!(
            window
                .places()
                .iter()
                .copied()
                .eq(expected.by_ref().take(window.places().len()))
        );
    }
    assert_eq!(expected.next(), None);
    let frozen = filled.index.freeze(end, super::Merge::Shorter(2));
    assert_eq!(frozen.entries, end - 1);
    // A checkpoint that fails gives all of it back.
    filled.put([5, 1 << 50].into_iter());
    filled.index.thaw(filled.end());
    let (pinned, end) = filled.index.pin(|| filled.end());
    for (key, place) in [(5, end - 2), (1 << 50, end - 1), (6, 7), (end - 4, end - 3)] {
        let found = pinned.find(hash(key), end, &Numbered(&filled.keys, &key));
        assert_eq!(found, place, "key {key}");
    }
}

#[test]
fn a_few_keys_that_are_overwritten_for_long_take_little_memory() {
    let mut filled = Filled::new();
    filled.put((0..10u32).map(u64::from));
    let early = filled.index.pin(|| filled.end());
    for round in 0..300_000u64 {
        filled.put([round % 10].into_iter());
    }
    let (pinned, end) = filled.index.pin(|| filled.end());
    let words = pinned.0.growing.len();
    assert!(words <= 2 << 16, "{words} words in log order");
    for (pinned, end, first) in [(&early.0, early.1, 1), (&pinned, end, end - 10)] {
        let records = Numbered(&filled.keys, &0);
        assert_eq!(pinned.count(end, &records), Ok(10));
        for nth in 0..10 {
            assert_eq!(pinned.nth(nth, end, &records), Ok(Some(first + nth)));
        }
    }
}

#[test]
fn one_absent_key_of_nine_reads_a_group_of_a_segment() {
    let mut filled = Filled::new();
    filled.put((0..50_000u32).map(u64::from));
    let end = filled.end();
    let frozen = filled.index.freeze(end, super::Merge::Shorter(2));
    let (fault, compare) = (|fault| fault, |a: u64, b: u64| Ok(a.cmp(&b)));
    let packed = frozen
        .pack(7, end, (0, end * 8), &HashSet::new(), fault, compare)
        .expect("whole");
    let segment = Segment::open(source(&packed, end)).expect("opens");
    let reads = |key: &u64| {
        let hash = hash(*key);
        segment.may_have(home(hash.top(), segment.groups.len()), hash.tag())
    };
    assert!((0..50_000).all(|key| reads(&key)));
    let absent = (50_000..150_000).filter(reads).count();
    assert!((8_000..13_500).contains(&absent), "{absent} of 100,000");
}
