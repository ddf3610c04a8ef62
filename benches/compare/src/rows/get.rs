//! Warm lookups of small values in random order.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use arraylog::{Partition, Store, Verify};
use arraylog_benches::leading;

use super::{probe, small};
use crate::ingest;
use crate::lookup::{Lookups, Which, measure_in_turn};
use crate::mapping;
use crate::peers::{self, Commit, FileSink, Lmdb, Map, SimdRDrive, StoreSink};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

/// Figures of one way of probing each.
const PROBED: [&str; 6] = [
    "hit-scalar",
    "miss-scalar",
    "hit-sse2",
    "miss-sse2",
    "hit-avx2",
    "miss-avx2",
];

/// Keys of a lookup of many.
const WINDOW: usize = 32;

/// What a single lookup of another may cost, and a lookup of one of many of its own: as
/// ratios.
const MAP: f64 = 1.0 / 1.10;
const MANY: f64 = 1.0 / 0.4;
const MANY_OF_MAP: f64 = 1.0 / 0.3;

pub(super) const ROW: Row = Row {
    name: "get",
    title: "Lookups of those in random order, warm, every value touched: opened anew and \
            verified already; without checksums (-never); straight after the ingest (-unclosed)",
    engines: &[
        "arraylog",
        "arraylog-never",
        "arraylog-unclosed",
        "lmdb",
        "simd-r-drive",
        "hashbrown",
        "hashbrown-store",
    ],
    figures: &[
        Figure::time("hit", "ns"),
        Figure::time("miss", "ns"),
        Figure::time("first", "ns, first pass"),
        Figure::time("hit-owned", "ns"),
        Figure::time("hit-many", "ns a key, get_many of 32"),
        Figure::time("hit-visit", "ns a key, visit of 32"),
        Figure::time("hit-scalar", "ns"),
        Figure::time("miss-scalar", "ns"),
        Figure::time("hit-sse2", "ns"),
        Figure::time("miss-sse2", "ns"),
        Figure::time("hit-avx2", "ns"),
        Figure::time("miss-avx2", "ns"),
        Figure::time("open", "µs"),
    ],
    comparisons: &[
        Comparison::of(("arraylog", "hit"), ("hashbrown-store", "hit")).at_least(MAP),
        Comparison::of(("arraylog-never", "hit"), ("hashbrown-store", "hit")).at_least(MAP),
        Comparison::of(("arraylog-unclosed", "hit"), ("hashbrown-store", "hit")).at_least(MAP),
        Comparison::of(("arraylog", "hit"), ("simd-r-drive", "hit")).at_least(1.4),
        Comparison::of(("arraylog-never", "hit"), ("simd-r-drive", "hit")).at_least(1.4),
        Comparison::of(("arraylog-unclosed", "hit"), ("simd-r-drive", "hit")).at_least(1.4),
        Comparison::of(("arraylog", "hit"), ("lmdb", "hit")).at_least(5.0),
        Comparison::of(("arraylog-never", "hit"), ("lmdb", "hit")).at_least(5.0),
        Comparison::of(("arraylog-unclosed", "hit"), ("lmdb", "hit")).at_least(5.0),
        Comparison::of(("arraylog", "hit-owned"), ("lmdb", "hit")),
        Comparison::of(("arraylog", "hit"), ("hashbrown", "hit")),
        Comparison::of(("arraylog", "miss"), ("simd-r-drive", "miss")).at_least(1.0),
        Comparison::of(("arraylog-never", "miss"), ("simd-r-drive", "miss")).at_least(1.0),
        Comparison::of(("arraylog-unclosed", "miss"), ("simd-r-drive", "miss")).at_least(1.0),
        Comparison::of(("arraylog", "miss"), ("lmdb", "miss")),
        Comparison::of(("arraylog", "miss"), ("hashbrown", "miss")),
        Comparison::of(("arraylog", "hit-many"), ("arraylog", "hit")).at_least(MANY),
        Comparison::of(("arraylog", "hit-visit"), ("arraylog", "hit")).at_least(MANY),
        Comparison::of(("arraylog", "hit-many"), ("hashbrown-store", "hit")).at_least(MANY_OF_MAP),
        Comparison::of(("arraylog", "hit-visit"), ("hashbrown-store", "hit")).at_least(MANY_OF_MAP),
        Comparison::of(("arraylog", "hit-sse2"), ("arraylog", "hit-scalar")),
        Comparison::of(("arraylog", "miss-sse2"), ("arraylog", "miss-scalar")),
        Comparison::of(("arraylog", "hit-avx2"), ("arraylog", "hit-scalar")),
        Comparison::of(("arraylog", "miss-avx2"), ("arraylog", "miss-scalar")),
    ],
    prepare: Some(prepare),
    measure,
    needs_python: false,
};

fn prepare(task: &Task) -> Result<()> {
    let load = small::load(task);
    let path = task.folder.join("data");
    let made = match task.engine.as_str() {
        "arraylog" | "arraylog-never" | "hashbrown-store" => {
            ingest::measure(StoreSink::new(&path, Commit::Batch)?, &load)
        }
        // The process that measures is the one that wrote.
        "arraylog-unclosed" => return Ok(()),
        "simd-r-drive" => ingest::measure(SimdRDrive::new(&path)?, &load),
        "lmdb" => ingest::measure(Lmdb::new(&path)?, &load),
        "hashbrown" => ingest::measure(FileSink::new(&path, small::BUFFER)?, &load),
        _ => Err(task.unknown_engine()),
    };
    made.map(drop)
}

fn measure(task: &Task) -> Result<Answer> {
    let path = task.folder.join("data");
    let load = small::load(task);
    let lookups = Lookups::new(load.keys.len(), &load.values, task.seed);
    let mut answer = Answer::default();
    match task.engine.as_str() {
        "arraylog" => {
            let store = open(&path, Verify::First, &mut answer)?;
            let partition = peers::partition(&store)?;
            measure_store(&partition, &lookups, &mut answer)?;
            measure_probes(&partition, &lookups, &mut answer)?;
        }
        "arraylog-never" => {
            let store = open(&path, Verify::Never, &mut answer)?;
            measure_store(&peers::partition(&store)?, &lookups, &mut answer)?;
        }
        "arraylog-unclosed" => {
            let mut sink = StoreSink::new(&path, Commit::Batch)?;
            ingest::fill(&mut sink, &load)?;
            measure_store(sink.partition(), &lookups, &mut answer)?;
        }
        "simd-r-drive" => {
            let start = Instant::now();
            let store = SimdRDrive::new(&path)?;
            answer.set("open", start.elapsed().as_secs_f64() * 1e6);
            store.measure(&lookups, &mut answer)?;
        }
        "lmdb" => Lmdb::new(&path)?.measure(&lookups, &mut answer)?,
        "hashbrown" => {
            let mapped = mapping::map(&File::open(&path)?)?;
            let map = Map::new(&load.keys, |position, _| {
                Ok((position * small::VALUE_LEN, small::VALUE_LEN))
            })?;
            let value = |&(start, len): &(usize, usize)| mapped.get(start..start + len);
            map.measure(value, &lookups, &mut answer)?;
        }
        "hashbrown-store" => {
            let store = peers::open_for_reading(&path, Verify::First)?;
            let partition = peers::partition(&store)?;
            let reader = partition.reader()?;
            let map = Map::new(&load.keys, |_, key| {
                reader.get(key)?.context("a key of the data is absent")
            })?;
            map.measure(|place| Some(*place), &lookups, &mut answer)?;
        }
        _ => return Err(task.unknown_engine()),
    }
    Ok(answer)
}

/// Opens the store: `open`, which includes its partition.
fn open(path: &Path, verify: Verify, answer: &mut Answer) -> Result<Store> {
    let start = Instant::now();
    let store = peers::open_for_reading(path, verify)?;
    peers::partition(&store)?;
    answer.set("open", start.elapsed().as_secs_f64() * 1e6);
    Ok(store)
}

/// A reader's slices, owned values, many at once.
fn measure_store(partition: &Partition, lookups: &Lookups, answer: &mut Answer) -> Result<()> {
    let reader = partition.reader()?;
    let lent = |key: &[u8]| Ok(reader.get(key)?.map(leading));
    answer.set("first", lookups.pass(Which::Hits, lent)?);
    let figures = ["hit", "hit-owned", "hit-many", "hit-visit", "miss"];
    measure_in_turn(answer, &figures, |figure| match figure {
        "hit-owned" => lookups.pass(Which::Hits, |key| {
            Ok(partition.get(key)?.map(|value| leading(&value)))
        }),
        "hit-many" => lookups.pass_in_windows::<WINDOW>(|keys, found| {
            for value in reader.get_many(keys)?.into_iter().flatten() {
                found.add(leading(value));
            }
            Ok(())
        }),
        "hit-visit" => lookups.pass_in_windows::<WINDOW>(|keys, found| {
            reader.visit(keys, |value| {
                if let Some(value) = value {
                    found.add(leading(value));
                }
            })?;
            Ok(())
        }),
        _ => lookups.pass(Which::of(figure), lent),
    })
}

/// Each way of probing.
fn measure_probes(partition: &Partition, lookups: &Lookups, answer: &mut Answer) -> Result<()> {
    let reader = partition.reader()?;
    let figures: Vec<_> = PROBED
        .into_iter()
        .filter(|figure| probe::force(variant(figure)))
        .collect();
    measure_in_turn(answer, &figures, |figure| {
        probe::force(variant(figure));
        lookups.pass(Which::of(figure), |key: &[u8]| {
            Ok(reader.get(key)?.map(leading))
        })
    })
}

/// The way of probing that a figure is of.
fn variant(figure: &str) -> &str {
    figure
        .split_once('-')
        .map_or(figure, |(_, variant)| variant)
}
