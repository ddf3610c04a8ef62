//! Stores of some 40 KiB with everything that a file can have, made by code.

use std::path::{Path, PathBuf};

use arraylog::{
    ArraySpec, AttrValue, Attrs, BatchPartition, CompactOptions, Mode, PartitionOptions, Result,
    Store,
};
use support::dump::{Dump, dump};

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Closed.
    Closed,
    /// Compacted, written on, and closed.
    Compacted,
    /// Left without being closed, with commits that were never synced.
    Open,
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
    /// Where the structures lie: headers, heads of records, what a checkpoint saved.
    pub(crate) structures: Vec<std::ops::Range<usize>>,
}

struct Making {
    store: Store,
    states: Vec<(u64, Dump)>,
    used: Vec<(String, String, Vec<u8>)>,
}

impl Making {
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
        };
        change(&mut changes);
        batch.commit().expect("committed");
        self.note();
    }

    fn note(&mut self) {
        let held = dump(&self.store).expect("read");
        self.states.push((self.store.seqno(), held));
    }

    fn checkpoint(&self) {
        assert!(self.store.checkpoint().expect("saved"));
    }
}

/// What a batch does.
struct Changes<'a> {
    parts: [(&'static str, &'static str, BatchPartition<'a>); 3],
    used: &'a mut Vec<(String, String, Vec<u8>)>,
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

    fn put(&mut self, keys: std::ops::Range<u32>, with: &str) {
        for key in keys {
            let value = format!("{with} {key} ").repeat(1 + key as usize % 4);
            self.used(0, &format!("key {key}"));
            let staged = self.parts[0].2.put(format!("key {key}"), value);
            staged.expect("staged");
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
            self.used(2, &format!("wide {key}"));
            let value: Vec<u8> = (0..len).map(|at| (at as u32 * 7 + key) as u8).collect();
            let staged = self.parts[2].2.put(format!("wide {key}"), value);
            staged.expect("staged");
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
    making.checkpoint();
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
    making.batch(|it| it.put(0..2, "fourth"));
}

/// Makes a store in `folder`.
pub(crate) fn make(folder: &Path, shape: Shape) -> Fixture {
    let path = folder.join("fixture.alog");
    let store = create(&path);
    let mut making = Making {
        states: vec![(0, Dump::new())],
        store,
        used: Vec::new(),
    };
    fill(&mut making);
    let mut durable = making.store.seqno();
    match shape {
        Shape::Closed => making.checkpoint(),
        Shape::Compacted => {
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
    }
    if shape != Shape::Open {
        making.store.close().expect("closed");
        durable = making.store.seqno();
    }
    let bytes = std::fs::read(&path).expect("read");
    drop(making.store);
    std::fs::write(&path, &bytes).expect("written");
    let structures = structures(&path).expect("read");
    let fixture = Fixture {
        shape,
        structures,
        durable,
        states: making.states,
        used: making.used,
        bytes,
    };
    fixture.is_what_it_should_be(&path);
    std::fs::remove_file(&path).expect("removed");
    fixture
}

fn structures(path: &PathBuf) -> Result<Vec<std::ops::Range<usize>>> {
    let store = Store::options().open(path)?;
    let ranges = arraylog::__test::structures(&store)?;
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

    fn is_what_it_should_be(&self, path: &Path) {
        let store = support::open(path, Mode::Read).expect("opens");
        assert_eq!(dump(&store).expect("read"), *self.newest());
        assert!(self.bytes.len() >= 32 << 10, "{} bytes", self.bytes.len());
        assert!(self.states.len() > 8, "{} commits", self.states.len());
        for info in store.info().expect("read").partitions {
            let part = store.existing_partition(&info.collection, &info.name);
            assert!(!part.expect("there").is_empty().expect("read"));
        }
        let segments = store.counters().segments;
        assert!(segments >= 3, "{segments} segments of the index");
    }
}
