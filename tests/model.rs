//! Random operations, reopened again and again, against plain collections.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use arraylog::{
    ArraySpec, AttrValue, Attrs, Batch, CompactOptions, Error, Keep, Mode, OpenOptions, Store,
};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use support::dump::{Content, content};

const PARTITIONS: [&str; 3] = ["p", "q", "größe/3"];
const OPERATIONS: usize = 10_000;
const REOPENINGS: usize = 50;
const KEYS: u32 = 60;

/// A partition as a sequence: keys in the order of their latest write.
type Sequence = Vec<(Vec<u8>, Content)>;
type Model = BTreeMap<&'static str, Sequence>;

fn remove(sequence: &mut Sequence, key: &[u8]) -> Option<Content> {
    let position = sequence.iter().position(|(other, _)| other == key)?;
    Some(sequence.remove(position).1)
}

fn set(sequence: &mut Sequence, key: &[u8], content: Content) {
    remove(sequence, key);
    sequence.push((key.to_vec(), content));
}

/// What changes a partition: the store's, or a batch's.
trait Verbs {
    fn put(&self, key: &[u8], value: &[u8]) -> arraylog::Result<()>;
    fn write(
        &self,
        key: &[u8],
        arrays: &[(&str, ArraySpec<'_>)],
        attrs: &Attrs,
    ) -> arraylog::Result<()>;
    fn remove(&self, key: &[u8]) -> arraylog::Result<bool>;
    fn rename(&self, key: &[u8], new: &[u8], overwrite: bool) -> arraylog::Result<()>;
}

macro_rules! verbs {
    ($name:ty) => {
        impl Verbs for $name {
            fn put(&self, key: &[u8], value: &[u8]) -> arraylog::Result<()> {
                self.put(key, value)
            }
            fn write(
                &self,
                key: &[u8],
                arrays: &[(&str, ArraySpec<'_>)],
                attrs: &Attrs,
            ) -> arraylog::Result<()> {
                self.write(key, arrays, attrs)
            }
            fn remove(&self, key: &[u8]) -> arraylog::Result<bool> {
                self.remove(key)
            }
            fn rename(&self, key: &[u8], new: &[u8], overwrite: bool) -> arraylog::Result<()> {
                self.rename(key, new, overwrite)
            }
        }
    };
}

verbs!(arraylog::Partition);
verbs!(arraylog::BatchPartition<'_>);

struct Random(StdRng);

impl Random {
    fn key(&mut self) -> Vec<u8> {
        match self.0.random_range(0..KEYS) {
            0 => Vec::new(),
            1 => vec![b'k'; 65_535],
            number => format!("key {number}").into_bytes(),
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = match self.0.random_range(0..100) {
            0..10 => 0,
            10..70 => self.0.random_range(1..100),
            70..97 => self.0.random_range(100..5000),
            97..99 => self.0.random_range(65_000..66_000),
            _ => self.0.random_range(100_000..300_000),
        };
        let mut bytes = vec![0; len];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// One operation on a partition and on its model.
    fn step(&mut self, part: &dyn Verbs, model: &mut Sequence) {
        let key = self.key();
        match self.0.random_range(0..100) {
            0..50 => {
                let value = self.bytes();
                part.put(&key, &value).expect("stored");
                set(model, &key, Content::Value(value));
            }
            50..65 => self.write(part, model, &key),
            65..85 => {
                let removed = part.remove(&key).expect("removed");
                assert_eq!(removed, remove(model, &key).is_some());
            }
            _ => self.rename(part, model, &key),
        }
    }

    fn write(&mut self, part: &dyn Verbs, model: &mut Sequence, key: &[u8]) {
        let numbers: Vec<i32> = (0..self.0.random_range(0..200)).collect();
        let missing: Vec<u8> = numbers.iter().map(|n| u8::from(n % 5 == 0)).collect();
        let text = format!("text {}", self.0.random_range(0..9));
        let mut attrs = Attrs::new();
        attrs.set("n", AttrValue::Float64(self.0.random_range(0.0..1.0)));
        let mut arrays = vec![
            ("numbers", ArraySpec::from_slice(&numbers).missing(&missing)),
            ("text", ArraySpec::string(&text)),
        ];
        if self.0.random_bool(0.5) {
            arrays.reverse();
        }
        part.write(key, &arrays, &attrs).expect("written");
        // In another store, the same.
        let other = Store::memory().expect("memory");
        let other = other.default_partition().expect("partition");
        other.write(key, &arrays, &attrs).expect("written");
        let entry = other.entry(key).expect("read").expect("there");
        set(model, key, content(&entry).expect("read"));
    }

    fn rename(&mut self, part: &dyn Verbs, model: &mut Sequence, key: &[u8]) {
        let (new, overwrite) = (self.key(), self.0.random_bool(0.5));
        let has = |key: &[u8]| model.iter().any(|(other, _)| other == key);
        let (has_old, has_new) = (has(key), has(&new));
        match part.rename(key, &new, overwrite) {
            Ok(()) => assert!(has_old && (overwrite || !has_new || key == new)),
            Err(Error::NotFound { .. }) => assert!(!has_old),
            Err(Error::Conflict { .. }) => assert!(has_old && has_new && !overwrite),
            Err(error) => panic!("{error}"),
        }
        if has_old && key != new && (overwrite || !has_new) {
            let content = remove(model, key).expect("there");
            set(model, &new, content);
        }
    }

    fn batch(&mut self, store: &Store, model: &mut Model) -> usize {
        let batch: Batch = store.batch().expect("batch");
        let mut changed = model.clone();
        let count = self.0.random_range(1..40);
        for _ in 0..count {
            let name = PARTITIONS[self.0.random_range(0..PARTITIONS.len())];
            let part = batch.partition("c", name).expect("partition");
            self.step(&part, changed.entry(name).or_default());
        }
        // A tenth is given up.
        if self.0.random_bool(0.9) {
            batch.commit().expect("committed");
            *model = changed;
        }
        count
    }

    fn operation(&mut self, store: &Store, model: &mut Model) -> usize {
        if self.0.random_bool(0.1) {
            return self.batch(store, model);
        }
        let name = PARTITIONS[self.0.random_range(0..PARTITIONS.len())];
        let part = store.partition("c", name).expect("partition");
        let sequence = model.entry(name).or_default();
        if self.0.random_bool(0.003) {
            let cleared = part.clear().expect("cleared");
            assert_eq!(cleared, sequence.len() as u64);
            sequence.clear();
        } else {
            self.step(&part, sequence);
        }
        1
    }
}

fn check(store: &Store, model: &Model) {
    for (name, sequence) in model {
        // Removing from a partition, or giving a batch up, does not make it.
        let part = match store.existing_partition("c", name) {
            Err(Error::NotFound { .. }) if sequence.is_empty() => continue,
            part => part.expect("there"),
        };
        assert_eq!(part.len().expect("counted"), sequence.len() as u64);
        let keys: Result<Vec<_>, _> = part.keys().expect("listed").collect();
        let expected = sequence.iter().map(|(key, _)| key);
        assert!(keys.expect("read").iter().eq(expected), "keys of {name}");
        let entries = part.entries().expect("listed");
        for (entry, (key, expected)) in entries.zip(sequence) {
            let entry = entry.expect("read");
            assert_eq!(entry.key(), key);
            assert!(&content(&entry).expect("read") == expected, "{key:?}");
            assert!(part.contains(key).expect("read"));
            let again = part.entry(key).expect("read").expect("there");
            assert_eq!(again.version(), entry.version());
            match (part.get(key), expected) {
                (Ok(found), Content::Value(value)) => {
                    assert_eq!(found.as_deref(), Some(&**value));
                }
                (Err(Error::Kind { .. }), Content::Arrays(..)) => {}
                (found, _) => panic!("{found:?}"),
            }
        }
        for number in 0..KEYS + 5 {
            let key = format!("key {number}");
            let there = sequence.iter().any(|(other, _)| other == key.as_bytes());
            assert_eq!(part.contains(&key).expect("read"), there, "{key}");
        }
    }
}

fn open(path: &Path, mode: Mode, mapped: bool) -> Store {
    if mapped {
        support::open(path, mode).expect("opens")
    } else {
        OpenOptions::new().mode(mode).open(path).expect("opens")
    }
}

/// Between two reopenings; a read-only handle follows beside.
fn session(random: &mut Random, path: &Path, model: &mut Model) -> usize {
    let [mapped, following] = [0.7, 0.5].map(|share| random.0.random_bool(share));
    let store = open(path, Mode::Append, mapped);
    check(&store, model);
    let beside = open(path, Mode::Read, following);
    check(&beside, model);
    let mut done = 0;
    while done < OPERATIONS / REOPENINGS {
        done += random.operation(&store, model);
        match random.0.random_range(0..40) {
            0 => {
                // Sees what it saw until it is told to follow.
                beside.refresh().expect("refreshed");
                check(&beside, model);
            }
            1 => {
                beside.refresh().expect("refreshed");
                let seen = model.clone();
                done += random.operation(&store, model);
                check(&beside, &seen);
            }
            2 => check(&store, model),
            3 => {
                let keep = match random.0.random_bool(0.3) {
                    true => Keep::Since(store.seqno()),
                    false => Keep::Nothing,
                };
                let options = CompactOptions::new().keep(keep);
                store.compact(&options).expect("compacted");
            }
            _ => {}
        }
    }
    beside.refresh().expect("refreshed");
    check(&beside, model);
    check(&store, model);
    if random.0.random_bool(0.5) {
        store.close().expect("closed");
    }
    done
}

#[test]
fn a_store_is_a_sequence_of_entries_by_key_however_it_is_reopened() {
    let (rng, seed) = support::rng();
    println!("ARRAYLOG_TEST_SEED={seed}");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let (mut random, mut model) = (Random(rng), Model::new());
    let mut done = 0;
    for _ in 0..REOPENINGS {
        done += session(&mut random, &path, &mut model);
    }
    assert!(done >= OPERATIONS);
    for mapped in [true, false] {
        check(&open(&path, Mode::Read, mapped), &model);
    }
    assert!(model.values().all(|sequence| !sequence.is_empty()));
}

#[test]
fn a_store_in_memory_is_the_same_sequence() {
    let (rng, seed) = support::rng();
    println!("ARRAYLOG_TEST_SEED={seed}");
    let store = Store::memory().expect("memory");
    let (mut random, mut model) = (Random(rng), Model::new());
    let mut done = 0;
    while done < OPERATIONS / 2 {
        done += random.operation(&store, &mut model);
        if done % 97 == 0 {
            check(&store, &model);
        }
        if done % 101 == 0 {
            store.compact(&CompactOptions::new()).expect("compacted");
        }
    }
    check(&store, &model);
}
