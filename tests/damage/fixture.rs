//! Stores of some 40 KiB with everything that a file can have, made by code.

use std::collections::BTreeSet;
use std::path::Path;

use arraylog::{
    ArraySpec, Assignment, AttrValue, Attrs, BatchPartition, CompactOptions, Mode, Partition,
    PartitionOptions, Result, Selection, Span, Store,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::dump::{Content, Dump, dump};

use crate::read::map;

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Closed.
    Closed,
    /// Compacted, written on, and closed.
    Compacted,
    /// Left without being closed, with commits that were never synced.
    Open,
    /// What this seed made.
    Generated(u64),
}

/// A store, and what it has to show.
pub(crate) struct Fixture {
    pub(crate) shape: Shape,
    pub(crate) bytes: Vec<u8>,
    /// What it held after each commit that can be opened, the first one first.
    pub(crate) states: Vec<(u64, Dump)>,
    /// Seqno of the last commit that is known to have been durable.
    pub(crate) durable: u64,
    /// Names and keys that are, or were, there.
    pub(crate) used: Vec<(String, String, Vec<u8>)>,
    /// Values that were put by name and key, those too that the same batch removed again.
    put: BTreeSet<(String, Vec<u8>, Vec<u8>)>,
    /// Where the structures lie: headers, heads of records, what a checkpoint saved.
    pub(crate) structures: Vec<std::ops::Range<usize>>,
    /// Segments of its index.
    segments: u64,
}

struct Making {
    store: Store,
    states: Vec<(u64, Dump)>,
    used: Vec<(String, String, Vec<u8>)>,
    put: BTreeSet<(String, Vec<u8>, Vec<u8>)>,
}

impl Making {
    fn new(store: Store) -> Self {
        Self {
            states: vec![(0, Dump::new())],
            store,
            used: Vec::new(),
            put: BTreeSet::new(),
        }
    }

    /// Commits a batch, and notes what the store holds then.
    fn batch(&mut self, change: impl Fn(&mut Changes<'_>)) {
        let batch = self.store.batch().expect("batch");
        let part = |collection, name| batch.partition(collection, name).expect("partition");
        let mut changes = Changes {
            parts: [
                ("argo", "plain", part("argo", "plain")),
                ("argo", "floats", part("argo", "floats")),
                ("größe", "aligned", part("größe", "aligned")),
            ],
            used: &mut self.used,
            written: &mut self.put,
        };
        change(&mut changes);
        batch.commit().expect("committed");
        self.note();
    }

    fn note(&mut self) {
        let held = dump(&self.store).expect("read");
        self.states.push((self.store.seqno(), held));
    }

    /// Commits entries of small arrays that share a dictionary once they are compacted.
    fn similar(&mut self) {
        let batch = self.store.batch().expect("batch");
        let part = batch.partition("argo", "similar").expect("partition");
        for number in 0..100u32 {
            let key = format!("{number}");
            let texts: Vec<String> = (0..6)
                .map(|at| format!("profile {} of float {number}, adjusted", at * 31 % 7))
                .collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let texts = ArraySpec::strings(&texts).codec("zstd:3");
            let written = part.write(&key, &[("history", texts)], &Attrs::new());
            written.expect("staged");
            if number % 33 == 0 {
                self.used
                    .push(("argo".to_owned(), "similar".to_owned(), key.into_bytes()));
            }
        }
        batch.commit().expect("committed");
        self.note();
    }

    /// Commits an entry of chunked and encoded arrays.
    fn grid(&mut self, key: &str, with: i32) {
        let used = (
            "argo".to_owned(),
            "floats".to_owned(),
            key.as_bytes().to_vec(),
        );
        if !self.used.contains(&used) {
            self.used.push(used);
        }
        let numbers: Vec<i32> = (0..96).map(|at| with + at / 7).collect();
        let missing: Vec<u8> = (0..96).map(|at| u8::from(at % 5 == 1)).collect();
        let cut = || ArraySpec::from_slice(&numbers).shape(&[8, 12]);
        let names = ["a", "", "a name of some length", "d"];
        let arrays = [
            (
                "raw",
                cut().chunks(&[5, 12]).fill_value(AttrValue::Int32(with)),
            ),
            (
                "packed",
                cut().missing(&missing).chunks(&[8, 5]).codec("shuffle+lz4"),
            ),
            (
                "whole",
                cut().codec("zstd:3").attr("units", AttrValue::from("1")),
            ),
            ("names", ArraySpec::strings(&names).chunks(&[3])),
        ];
        self.floats()
            .write(key, &arrays, &Attrs::new())
            .expect("stored");
        self.note();
    }

    /// Changes parts of such an entry, each in a commit.
    fn amend(&mut self, key: &str, with: i32) {
        let floats = self.floats();
        let part = Selection::new([Span::range(3..6), Span::range(4..6)]);
        let new = [with; 6];
        let new = ArraySpec::from_slice(&new).shape(&[3, 2]);
        floats
            .write_region(key, "raw", &part, &new)
            .expect("written");
        self.note();
        floats
            .append(key, "names", 0, &ArraySpec::strings(&["one more"]))
            .expect("appended");
        self.note();
        let mut attrs = Attrs::new();
        attrs.set("changed", AttrValue::Int32(with));
        let assignment = Assignment {
            arrays: &[("flag", ArraySpec::scalar(with as u8))],
            attrs,
            rename: &[("whole", "renamed")],
            ..Assignment::default()
        };
        floats.assign(key, &assignment).expect("changed");
        self.note();
    }

    fn floats(&self) -> Partition {
        self.store.partition("argo", "floats").expect("named")
    }

    fn checkpoint(&self) {
        assert!(self.store.checkpoint().expect("saved"));
    }
}

/// What a batch does.
struct Changes<'a> {
    parts: [(&'static str, &'static str, BatchPartition<'a>); 3],
    used: &'a mut Vec<(String, String, Vec<u8>)>,
    written: &'a mut BTreeSet<(String, Vec<u8>, Vec<u8>)>,
}

impl Changes<'_> {
    fn used(&mut self, part: usize, key: &str) {
        let (collection, name, _) = &self.parts[part];
        let used = (
            (*collection).to_owned(),
            (*name).to_owned(),
            key.as_bytes().to_vec(),
        );
        if !self.used.contains(&used) {
            self.used.push(used);
        }
    }

    fn put_value(&mut self, part: usize, key: &str, value: Vec<u8>) {
        self.used(part, key);
        let (collection, name, staged) = &self.parts[part];
        staged.put(key, &value).expect("staged");
        let name = format!("{collection}/{name}");
        self.written.insert((name, key.as_bytes().to_vec(), value));
    }

    fn put(&mut self, keys: std::ops::Range<u32>, with: &str) {
        for key in keys {
            let value = format!("{with} {key} ").repeat(1 + key as usize % 4);
            self.put_value(0, &format!("key {key}"), value.into_bytes());
        }
    }

    fn remove(&mut self, keys: std::ops::Range<u32>) {
        for key in keys {
            let removed = self.parts[0].2.remove(format!("key {key}"));
            removed.expect("staged");
        }
    }

    /// Entries of many arrays: scalars, texts, masks, attributes.
    fn write(&mut self, keys: std::ops::Range<u32>, with: f32) {
        for key in keys {
            let name = format!("float-{key}");
            self.used(1, &name);
            let depth: Vec<f32> = (0..8).map(|level| with + (level * key) as f32).collect();
            let missing: Vec<u8> = (0..8).map(|level| u8::from(level % 3 == 1)).collect();
            let names = ["one", "", "three and more"];
            let text = format!("platform {key}");
            let arrays = [
                (
                    "temperature",
                    ArraySpec::from_slice(&depth)
                        .dims(&["depth"])
                        .missing(&missing)
                        .attr("units", AttrValue::from("degC")),
                ),
                ("salinity", ArraySpec::from_slice(&depth[..4])),
                ("platform", ArraySpec::string(&text)),
                ("names", ArraySpec::strings(&names)),
                ("cycle", ArraySpec::scalar(key as i16)),
                ("quality", ArraySpec::scalar(1.5f64).missing(&[1])),
            ];
            let mut attrs = Attrs::new();
            attrs.set("lat", AttrValue::Float64(f64::from(with)));
            attrs.set("note", AttrValue::from("an attribute of the entry"));
            let written = self.parts[1].2.write(&name, &arrays, &attrs);
            written.expect("staged");
        }
    }

    /// Values with sums for their blocks.
    fn aligned(&mut self, keys: std::ops::Range<u32>, len: usize) {
        for key in keys {
            let value = (0..len).map(|at| (at as u32 * 7 + key) as u8).collect();
            self.put_value(2, &format!("wide {key}"), value);
        }
    }
}

/// The same bytes each time, but for process and time of the writer.
fn create(path: &Path) -> Store {
    let options = Store::options().mode(Mode::CreateNew);
    let (store_id, lineage_id) = (*b"damaged store id", *b"damaged lineage.");
    let options = arraylog::__test::fixed(options, store_id, lineage_id, 0xDA_3A6E, 0xE70C);
    options.open(path).expect("made")
}

fn fill(making: &mut Making) {
    let aligned = PartitionOptions::new().align(512);
    let made = making.store.create_partition("größe", "aligned", &aligned);
    made.expect("made");
    making.note();
    making.batch(|it| {
        it.put(0..44, "the first");
        it.write(0..5, 1.0);
    });
    making.batch(|it| it.aligned(0..2, 700));
    making.grid("grid", 1);
    making.checkpoint();
    making.amend("grid", -1);
    making.batch(|it| it.put(5..12, "second"));
    making.batch(|it| {
        it.remove(8..10);
        it.write(1..2, 2.0);
    });
    making.checkpoint();
    making.batch(|it| {
        it.put(44..50, "third");
        it.aligned(1..3, 300);
    });
    making.store.sync().expect("synced");
    making.batch(|it| it.remove(0..3));
    // The third segment of a partition: a merge.
    making.checkpoint();
    making.batch(|it| it.write(5..7, 3.0));
    making.grid("second grid", 40);
    making.batch(|it| it.put(0..2, "fourth"));
}

/// Makes a store in `folder`.
pub(crate) fn make(folder: &Path, shape: Shape) -> Fixture {
    let path = folder.join("fixture.alog");
    let mut making = Making::new(create(&path));
    fill(&mut making);
    let mut durable = making.store.seqno();
    match shape {
        Shape::Closed => making.checkpoint(),
        Shape::Compacted => {
            making.similar();
            let compacted = making.store.compact(&CompactOptions::new());
            compacted.expect("compacted");
            making.states.clear();
            making.note();
            for round in 0..8 {
                making.batch(|it| {
                    it.put(round * 5..round * 5 + 4, "after");
                    it.remove(round * 5 + 2..round * 5 + 3);
                    it.write(round..round + 1, 4.0);
                });
                if round % 3 == 1 {
                    making.checkpoint();
                }
            }
            making.amend("second grid", 77);
            making.batch(|it| it.aligned(2..5, 600));
            making.checkpoint();
        }
        Shape::Open => {
            making.store.sync().expect("synced");
            durable = making.store.seqno();
            making.batch(|it| it.put(20..26, "fifth"));
            making.batch(|it| it.remove(22..24));
            making.batch(|it| {
                it.put(50..54, "sixth");
                it.write(0..1, 5.0);
            });
        }
        Shape::Generated(_) => unreachable!("made by `generated`"),
    }
    if shape != Shape::Open {
        making.store.close().expect("closed");
        durable = making.store.seqno();
    }
    let fixture = making.finish(&path, shape, durable);
    fixture.is_what_it_should_be();
    fixture
}

/// What `seed` makes, in `folder`: a store of some 30 KiB, closed or not, some compacted.
pub(crate) fn generated(folder: &Path, seed: u64) -> Fixture {
    let path = folder.join("generated.alog");
    let rng = &mut StdRng::seed_from_u64(seed);
    let mut making = Making::new(create(&path));
    let mut durable = 0;
    let rounds = rng.random_range(8..16);
    for round in 0..rounds {
        let (from, count) = (rng.random_range(0..40), rng.random_range(1..12));
        let range = from..from + count;
        match rng.random_range(0..6) {
            0 | 1 => making.batch(|it| it.put(range.clone(), &format!("round {round}"))),
            2 => making.batch(|it| it.write(from % 8..from % 8 + count.min(3), round as f32)),
            3 => {
                let len = rng.random_range(0..900);
                making.batch(|it| it.aligned(range.start..range.start + 2, len));
            }
            4 => making.batch(|it| {
                it.put(from + count..from + count + 2, "kept");
                it.remove(range.clone());
            }),
            _ => making.batch(|it| {
                it.put(range.clone(), "removed at once");
                it.remove(from..from + 1);
                it.write(0..1, round as f32);
            }),
        }
        match rng.random_range(0..8) {
            0 => drop(making.store.checkpoint().expect("saved")),
            1 => making.store.sync().expect("synced"),
            2 if round == rounds / 2 => {
                let compacted = making.store.compact(&CompactOptions::new());
                compacted.expect("compacted");
                making.states.clear();
                making.note();
            }
            _ => continue,
        }
        durable = making.store.seqno();
    }
    if rng.random() {
        making.store.close().expect("closed");
        durable = making.store.seqno();
    }
    making.finish(&path, Shape::Generated(seed), durable)
}

impl Making {
    /// The file as it is, before the store is dropped.
    fn finish(self, path: &Path, shape: Shape, durable: u64) -> Fixture {
        let bytes = std::fs::read(path).expect("read");
        drop(self.store);
        std::fs::write(path, &bytes).expect("written");
        let store = support::open(path, Mode::Read).expect("opens");
        assert_eq!(
            Some(dump(&store).expect("read")),
            self.states.last().map(|(_, it)| it.clone())
        );
        let structures = structures(&store).expect("read");
        let segments = store.counters().segments;
        drop(store);
        std::fs::remove_file(path).expect("removed");
        Fixture {
            shape,
            structures,
            durable,
            states: self.states,
            used: self.used,
            put: self.put,
            segments,
            bytes,
        }
    }
}

fn structures(store: &Store) -> Result<Vec<std::ops::Range<usize>>> {
    let ranges = arraylog::__test::structures(store)?;
    let ranges = ranges.into_iter();
    Ok(ranges
        .map(|range| range.start as usize..range.end as usize)
        .collect())
}

impl Fixture {
    /// The state after its last commit.
    pub(crate) fn newest(&self) -> &Dump {
        &self.states[self.states.len() - 1].1
    }

    /// Whether a key had this content at some time, if within a batch alone.
    pub(crate) fn was(&self, name: &str, key: &[u8], found: &Content) -> bool {
        let held = |(_, state): &(u64, Dump)| map(state).get(&(name, key)) == Some(&found);
        let put = |value: &Vec<u8>| {
            let put = (name.to_owned(), key.to_vec(), value.clone());
            self.put.contains(&put)
        };
        self.states.iter().any(held) || matches!(found, Content::Value(value) if put(value))
    }

    fn is_what_it_should_be(&self) {
        assert!(self.bytes.len() >= 32 << 10, "{} bytes", self.bytes.len());
        assert!(self.states.len() > 8, "{} commits", self.states.len());
        let is_full = |(_, entries): &(String, Vec<_>)| !entries.is_empty();
        assert!(self.newest().iter().all(is_full), "an empty partition");
        assert!(
            self.segments >= 3,
            "{} segments of the index",
            self.segments
        );
    }
}
