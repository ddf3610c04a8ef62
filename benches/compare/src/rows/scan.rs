//! Walking over everything.

use anyhow::{Context as _, Result};
use arraylog::Verify;
use arraylog_benches::leading;
use std::time::Instant;

use super::small;
use crate::ingest;
use crate::lookup::{Found, Lookups, measure_in_turn};
use crate::peers::{self, Commit, StoreSink};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

pub(super) const ROW: Row = Row {
    name: "scan",
    title: "All values of those in their order, each touched: what a reader lends; entries: \
            those of the partition; walk: a list of slices of the same mapping",
    engines: &["arraylog"],
    figures: &[
        Figure::time("scan", "ns an entry"),
        Figure::time("entries", "ns an entry"),
        Figure::time("keys", "ns an entry, keys alone"),
        Figure::time("walk", "ns an entry"),
    ],
    comparisons: &[
        Comparison::of(("arraylog", "scan"), ("arraylog", "walk")).at_least(1.0 / 1.2),
        Comparison::of(("arraylog", "entries"), ("arraylog", "walk")),
        Comparison::of(("arraylog", "keys"), ("arraylog", "walk")),
    ],
    prepare: Some(prepare),
    measure,
    needs_python: false,
};

fn prepare(task: &Task) -> Result<()> {
    let path = task.folder.join("data");
    ingest::measure(StoreSink::new(&path, Commit::Batch)?, &small::load(task)).map(drop)
}

fn measure(task: &Task) -> Result<Answer> {
    let load = small::load(task);
    let count = load.keys.len();
    let expected = Lookups::new(count, &load.values, task.seed).expected();
    let store = peers::open_for_reading(&task.folder.join("data"), Verify::First)?;
    let partition = peers::partition(&store)?;
    let reader = partition.reader()?;
    let places: Vec<&[u8]> = load
        .keys
        .iter()
        .map(|key| reader.get(key)?.context("a key of the data is absent"))
        .collect::<Result<_>>()?;
    let mut answer = Answer::default();
    measure_in_turn(
        &mut answer,
        &["scan", "entries", "keys", "walk"],
        |figure| {
            let mut found = Found::default();
            let start = Instant::now();
            match figure {
                "scan" => reader.scan(|_, value| found.add(leading(value)))?,
                "entries" => {
                    for entry in partition.entries()? {
                        found.add(leading(&entry?.value()?));
                    }
                }
                "keys" => {
                    for key in partition.keys()? {
                        found.add(leading(&key?));
                    }
                }
                _ => places.iter().for_each(|value| found.add(leading(value))),
            }
            let elapsed = start.elapsed().as_secs_f64();
            if figure != "keys" {
                found.check(count, expected)?;
            }
            Ok(elapsed * 1e9 / count as f64)
        },
    )?;
    Ok(answer)
}
