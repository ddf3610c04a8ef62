//! From ten thousand keys to a hundred million.

use std::fs::File;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use arraylog::Verify;
use arraylog_benches::{Keys, Values, leading};

use super::open;
use crate::lookup::{Found, measure_in_turn};
use crate::mapping;
use crate::memory;
use crate::peers::{self, Commit, PLACE, StoreSink};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

const VALUE_LEN: usize = 16;
const BATCH: usize = 10_000;
const LOOKUPS: usize = 1_000_000;

pub(super) const ROW: Row = Row {
    name: "growth",
    title: "From 10^4 to 10^8 keys of 35 B with values of 16 B: opening as in open, random \
            lookups; touch: 8 bytes at random places of the same file, nothing to find them by",
    engines: &["1e4", "1e5", "1e6", "1e7", "1e8"],
    figures: &[
        Figure::time("open", "µs"),
        Figure::time("found", "µs"),
        Figure::time("first", "µs, found, first in the process"),
        Figure::time("anonymous", "KiB of anonymous memory"),
        Figure::time("get", "ns"),
        Figure::time("touch", "ns"),
        Figure::time("held", "KiB of anonymous memory after all lookups"),
        Figure::time("stored", "B an entry"),
    ],
    comparisons: &[
        Comparison::of(("1e5", "open"), ("1e4", "open")).at_least(0.5),
        Comparison::of(("1e6", "open"), ("1e4", "open")).at_least(0.5),
        Comparison::of(("1e7", "open"), ("1e4", "open")).at_least(0.5),
        Comparison::of(("1e8", "open"), ("1e4", "open")).at_least(0.5),
        Comparison::within(("1e4", "anonymous"), 1_024.0),
        Comparison::within(("1e8", "anonymous"), 1_024.0),
        Comparison::of(("1e8", "anonymous"), ("1e4", "anonymous")).at_least(0.5),
        Comparison::of(("1e4", "get"), ("1e4", "touch")),
        Comparison::of(("1e6", "get"), ("1e6", "touch")),
        Comparison::of(("1e8", "get"), ("1e8", "touch")),
    ],
    prepare: Some(prepare),
    measure,
    needs_python: false,
};

fn count(task: &Task) -> Result<usize> {
    let count = match task.engine.as_str() {
        "1e4" => 10_000,
        "1e5" => 100_000,
        "1e6" => 1_000_000,
        "1e7" => 10_000_000,
        "1e8" => 100_000_000,
        _ => return Err(task.unknown_engine()),
    };
    Ok(task.scaled(count))
}

/// Keys are made for each batch: those of 10^8 would not fit into memory beside the file.
fn prepare(task: &Task) -> Result<()> {
    let count = count(task)?;
    let values = Values::new(VALUE_LEN);
    let sink = StoreSink::new(&task.folder.join("data"), Commit::Batch)?;
    for first in (0..count).step_by(BATCH) {
        let numbers = first..(first + BATCH).min(count);
        let keys = Keys::numbered(numbers.clone());
        let batch = sink.store().batch()?;
        let partition = batch.partition(PLACE.0, PLACE.1)?;
        for (key, number) in keys.iter().zip(numbers) {
            partition.put(key, values.get(number))?;
        }
        batch.commit()?;
    }
    Ok(sink.store().close()?)
}

fn measure(task: &Task) -> Result<Answer> {
    let path = task.folder.join("data");
    let count = count(task)?;
    let mut answer = Answer::default();
    open::repeat(&mut answer, |key| open::open_store(&path, key))?;
    let file = File::open(&path)?;
    answer.set("stored", file.metadata()?.len() as f64 / count as f64);

    let mut random = fastrand::Rng::with_seed(task.seed);
    let numbers: Vec<usize> = (0..LOOKUPS).map(|_| random.usize(..count)).collect();
    let keys = Keys::numbered(numbers.iter().copied());
    let values = Values::new(VALUE_LEN);
    let expected = numbers
        .iter()
        .map(|&number| leading(values.get(number)))
        .fold(0, u64::wrapping_add);
    let mapped = mapping::map(&file)?;
    let places: Vec<usize> = numbers
        .iter()
        .map(|_| random.usize(..mapped.len() / 8) * 8)
        .collect();

    let before = memory::anonymous()?;
    let store = peers::open_for_reading(&path, Verify::First)?;
    let partition = peers::partition(&store)?;
    let reader = partition.reader()?;
    measure_in_turn(&mut answer, &["get", "touch"], |figure| {
        let mut found = Found::default();
        let start = Instant::now();
        if figure == "get" {
            for key in keys.iter() {
                let value = reader.get(key)?.context("a key of the data is absent")?;
                found.add(leading(value));
            }
        } else {
            for &place in &places {
                found.add(mapped.get(place..).map_or(0, leading));
            }
        }
        let elapsed = start.elapsed().as_secs_f64();
        if figure == "get" {
            found.check(LOOKUPS, expected)?;
        }
        ensure!(found.is_any(), "nothing was touched");
        Ok(elapsed * 1e9 / LOOKUPS as f64)
    })?;
    let held = memory::anonymous()? - before;
    answer.set("held", held.max(0.0) / 1_024.0);
    Ok(answer)
}
