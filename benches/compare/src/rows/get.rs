//! Warm lookups of small values in random order.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use arraylog::Verify;
use arraylog_benches::leading;

use super::{probe, small};
use crate::ingest;
use crate::lookup::{Lookups, Which, measure_in_turn};
use crate::mapping;
use crate::peers::{self, Commit, FileSink, Lmdb, Map, StoreSink};
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

pub(super) const ROW: Row = Row {
    name: "get",
    title: "Lookups of those in random order, opened anew, warm, every value touched",
    engines: &["arraylog", "lmdb", "hashbrown", "hashbrown-store"],
    figures: &[
        Figure::time("hit", "ns"),
        Figure::time("miss", "ns"),
        Figure::time("first", "ns, first pass"),
        Figure::time("hit-owned", "ns"),
        Figure::time("hit-scalar", "ns"),
        Figure::time("miss-scalar", "ns"),
        Figure::time("hit-sse2", "ns"),
        Figure::time("miss-sse2", "ns"),
        Figure::time("hit-avx2", "ns"),
        Figure::time("miss-avx2", "ns"),
        Figure::time("open", "µs"),
    ],
    comparisons: &[
        Comparison::of(("arraylog", "hit"), ("lmdb", "hit")).at_least(3.0),
        Comparison::of(("arraylog", "hit-owned"), ("lmdb", "hit")).at_least(3.0),
        Comparison::of(("arraylog", "miss"), ("lmdb", "miss")),
        Comparison::of(("arraylog", "hit"), ("hashbrown", "hit")),
        Comparison::of(("arraylog", "hit"), ("hashbrown-store", "hit")),
        Comparison::of(("arraylog", "miss"), ("hashbrown", "miss")),
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
        "arraylog" | "hashbrown-store" => {
            ingest::measure(StoreSink::new(&path, Commit::Batch)?, &load)
        }
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
        "arraylog" => measure_store(&path, &lookups, &mut answer)?,
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

/// A reader's slices, owned values, and each way of probing.
fn measure_store(path: &Path, lookups: &Lookups, answer: &mut Answer) -> Result<()> {
    let start = Instant::now();
    let store = peers::open_for_reading(path, Verify::First)?;
    let partition = peers::partition(&store)?;
    answer.set("open", start.elapsed().as_secs_f64() * 1e6);
    let reader = partition.reader()?;
    let lent = |key: &[u8]| Ok(reader.get(key)?.map(leading));
    answer.set("first", lookups.pass(Which::Hits, lent)?);
    measure_in_turn(answer, &["hit", "hit-owned", "miss"], |figure| {
        if figure == "hit-owned" {
            return lookups.pass(Which::Hits, |key| {
                Ok(partition.get(key)?.map(|value| leading(&value)))
            });
        }
        lookups.pass(Which::of(figure), lent)
    })?;
    let figures: Vec<_> = PROBED
        .into_iter()
        .filter(|figure| probe::force(variant(figure)))
        .collect();
    measure_in_turn(answer, &figures, |figure| {
        probe::force(variant(figure));
        lookups.pass(Which::of(figure), lent)
    })
}

/// The way of probing that a figure is of.
fn variant(figure: &str) -> &str {
    figure
        .split_once('-')
        .map_or(figure, |(_, variant)| variant)
}
