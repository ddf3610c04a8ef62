//! Entries of many small fields.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use arraylog::{ArraySpec, Attrs, DType, Partition, Store, Verify};
use arraylog_benches::{Keys, Values, leading};

use super::bytes::space;
use super::small;
use crate::ingest::{self, Load};
use crate::lookup::{Lookups, Which, measure_in_turn};
use crate::peers::{self, Commit, Lmdb, PLACE, StoreSink};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

/// Entries, 540 MB of values, and of one commit.
const COUNT: usize = 100_000;
const BATCH: usize = 1_000;

/// What an entry has: numbers of 8 bytes, texts of 20, arrays of 50 float32.
const SCALARS: usize = 100;
const TEXTS: usize = 30;
const ARRAYS: usize = 20;
const TEXT_LEN: usize = 20;
const ARRAY_LEN: usize = 50;
const RAW: usize =
    SCALARS * size_of::<f64>() + TEXTS * TEXT_LEN + ARRAYS * ARRAY_LEN * size_of::<f32>();

/// Texts that there are; making one costs more than storing it.
const DIFFERENT: usize = 10_000;

/// The fields that are read one by one: neither the first nor the last of their kind.
const READ: usize = 7;

/// Targets: bytes on disk for a byte of the values, and the time of one field for that of a
/// plain value.
const STORED: f64 = 1.4;
const FIELD: f64 = 1.5;

pub(super) const ROW: Row = Row {
    name: "fields",
    title: "100,000 entries (--entries) of 150 fields (100 numbers of 8 B, 30 texts of 20 B, 20 \
            arrays of 50 float32: 5,400 B), batches of 1,000; then one field of each by key, \
            random, warm, beside a plain get of 100 B from a store of as many, and of 5,400 B \
            (large), which lie as far apart as entries; lmdb: the bytes of an entry as one \
            value, without fields",
    engines: &["arraylog", "lmdb"],
    figures: &[
        Figure::rate("entries", "k entries/s"),
        Figure::time("stored", "B on disk for a byte of the values"),
        Figure::time("scalar", "ns"),
        Figure::time("text", "ns"),
        Figure::time("array", "ns"),
        Figure::time("get", "ns, plain value of 100 B"),
        Figure::time("large", "ns, plain value of 5,400 B"),
    ],
    comparisons: &[
        Comparison::within(("arraylog", "stored"), STORED),
        Comparison::of(("arraylog", "scalar"), ("arraylog", "get")).at_least(1.0 / FIELD),
        Comparison::of(("arraylog", "text"), ("arraylog", "get")).at_least(1.0 / FIELD),
        Comparison::of(("arraylog", "array"), ("arraylog", "get")).at_least(1.0 / FIELD),
        Comparison::of(("arraylog", "scalar"), ("arraylog", "large")),
        Comparison::of(("arraylog", "entries"), ("lmdb", "entries")),
        Comparison::of(("arraylog", "stored"), ("lmdb", "stored")),
    ],
    prepare: None,
    measure,
    needs_python: false,
};

fn measure(task: &Task) -> Result<Answer> {
    let count = task.entries(COUNT);
    let path = task.folder.join("data");
    let mut answer = Answer::default();
    match task.engine.as_str() {
        "arraylog" => {
            let fields = Fields::new();
            answer.set("entries", fields.write(&path, count)?);
            answer.set("stored", space(&path)? as f64 / (count * RAW) as f64);
            let plain = [("get", small::VALUE_LEN), ("large", RAW)];
            let plain = plain.map(|(name, len)| (name, Load::new(count, len, BATCH)));
            for (name, load) in &plain {
                let sink = StoreSink::new(&task.folder.join(name), Commit::Batch)?;
                ingest::measure(sink, load)?;
            }
            read(task, &fields, &plain, &mut answer)?;
        }
        "lmdb" => {
            let load = Load::new(count, RAW, BATCH);
            let measured = ingest::measure(Lmdb::new(&path)?, &load)?;
            let entries = measured.figures.get("entries").copied();
            answer.set("entries", entries.context("no rate was measured")?);
            answer.set("stored", space(&path)? as f64 / (count * RAW) as f64);
        }
        _ => return Err(task.unknown_engine()),
    }
    Ok(answer)
}

/// Reads one field, or plain value, of each entry; ns for one.
type Pass<'a> = Box<dyn Fn() -> Result<f64> + 'a>;

/// Reads one field of each entry, and each plain value.
fn read(
    task: &Task,
    fields: &Fields,
    plain: &[(&'static str, Load)],
    answer: &mut Answer,
) -> Result<()> {
    let (count, seed) = (task.entries(COUNT), task.seed);
    let open = |name: &str| -> Result<(Store, Partition)> {
        let store = peers::open_for_reading(&task.folder.join(name), Verify::First)?;
        let partition = peers::partition(&store)?;
        Ok((store, partition))
    };
    let (_store, entries) = open("data")?;
    let kinds = [
        (
            "scalar",
            Lookups::of(count, |n| scalar(n, READ).to_bits(), seed),
        ),
        (
            "text",
            Lookups::of(count, |n| leading(fields.text(n, READ).as_bytes()), seed),
        ),
        (
            "array",
            Lookups::of(count, |n| leading(fields.array(n, READ)), seed),
        ),
    ];
    let mut passes: Vec<(&str, Pass<'_>)> = Vec::new();
    for (kind, lookups) in &kinds {
        let (entries, name) = (&entries, name(kind, READ));
        let pass = move || {
            lookups.pass(Which::Hits, |key| {
                let field = entries.array(key, &name)?.read()?;
                Ok(Some(leading(field.data())))
            })
        };
        passes.push((kind, Box::new(pass)));
    }
    for (name, load) in plain {
        let (store, values) = open(name)?;
        let lookups = Lookups::new(count, &load.values, seed);
        let pass = move || {
            // Open for as long as it is read.
            let _store = &store;
            let get = |key: &[u8]| Ok(values.get(key)?.as_deref().map(leading));
            lookups.pass(Which::Hits, get)
        };
        passes.push((name, Box::new(pass)));
    }
    let figures: Vec<&str> = passes.iter().map(|(figure, _)| *figure).collect();
    measure_in_turn(answer, &figures, |figure| {
        let found = passes.iter().find(|(name, _)| *name == figure);
        let (_, pass) = found.context("no such figure")?;
        pass()
    })
}

fn name(kind: &str, number: usize) -> String {
    format!("{kind}_{number}")
}

fn scalar(entry: usize, number: usize) -> f64 {
    entry as f64 + number as f64 / 7.0
}

/// The fields of every entry.
struct Fields {
    names: [Vec<String>; 3],
    texts: Vec<String>,
    floats: Values,
}

impl Fields {
    fn new() -> Self {
        let names = |kind, count| (0..count).map(|number| name(kind, number)).collect();
        Self {
            names: [
                names("scalar", SCALARS),
                names("text", TEXTS),
                names("array", ARRAYS),
            ],
            texts: (0..DIFFERENT)
                .map(|number| format!("{number:08}-of-the-text"))
                .collect(),
            floats: Values::new(ARRAY_LEN * size_of::<f32>()),
        }
    }

    fn text(&self, entry: usize, number: usize) -> &str {
        let text = self.texts.get((entry * TEXTS + number) % DIFFERENT);
        text.map_or("", String::as_str)
    }

    fn array(&self, entry: usize, number: usize) -> &[u8] {
        self.floats.get(entry * ARRAYS + number)
    }

    /// Writes `count` entries to a new store at `path` and closes it; thousands of entries a
    /// second until the last commit, as of the other engines.
    fn write(&self, path: &Path, count: usize) -> Result<f64> {
        let sink = StoreSink::new(path, Commit::Batch)?;
        let store = sink.store();
        let keys = Keys::natural(count);
        let attrs = Attrs::new();
        let mut specs: Vec<(&str, ArraySpec<'_>)> = Vec::new();
        let [scalars, texts, arrays] = &self.names;
        let start = Instant::now();
        for first in (0..count).step_by(BATCH) {
            let batch = store.batch()?;
            let partition = batch.partition(PLACE.0, PLACE.1)?;
            for entry in first..(first + BATCH).min(count) {
                specs.clear();
                for (number, name) in scalars.iter().enumerate() {
                    specs.push((name, ArraySpec::scalar(scalar(entry, number))));
                }
                for (number, name) in texts.iter().enumerate() {
                    specs.push((name, ArraySpec::string(self.text(entry, number))));
                }
                for (number, name) in arrays.iter().enumerate() {
                    let elements = self.array(entry, number);
                    let spec = ArraySpec::new(DType::Float32, &[ARRAY_LEN as u64], elements);
                    specs.push((name, spec));
                }
                partition.write(keys.get(entry).unwrap_or_default(), &specs, &attrs)?;
            }
            batch.commit()?;
        }
        let seconds = start.elapsed().as_secs_f64();
        store.close()?;
        Ok(count as f64 / seconds / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_arrays_have_the_length_that_is_counted() {
        let fields = Fields::new();
        assert_eq!(fields.text(3, READ).len(), TEXT_LEN);
        assert_eq!(fields.text(DIFFERENT * 7, TEXTS - 1).len(), TEXT_LEN);
        assert_eq!(fields.array(3, READ).len(), ARRAY_LEN * size_of::<f32>());
        assert_eq!(RAW, 5_400);
    }
}
