//! Opening a store that was closed.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use arraylog::Verify;
use arraylog_benches::{Keys, Summary};

use super::small;
use crate::ingest::{self, Load};
use crate::memory;
use crate::peers::{self, Commit, SimdRDrive, StoreSink};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

/// Openings after the first.
const OPENINGS: usize = 5;

/// What opening may take, in µs, and hold, in KiB.
const TIME: f64 = 1_000.0;
const MEMORY: f64 = 1_024.0;

pub(super) const ROW: Row = Row {
    name: "open",
    title: "Opening for reading after a clean close, warm, mapped: 100 B values, keys of 35 B; \
            open: store and partition; found: the first key looked up as well",
    engines: &["arraylog-1m", "arraylog-5m", "simd-r-drive-1m"],
    figures: &[
        Figure::time("open", "µs"),
        Figure::time("found", "µs"),
        Figure::time("first", "µs, found, first in the process"),
        Figure::time("anonymous", "KiB of anonymous memory"),
    ],
    comparisons: &[
        Comparison::within(("arraylog-1m", "open"), TIME),
        Comparison::within(("arraylog-5m", "open"), TIME),
        Comparison::within(("arraylog-1m", "found"), TIME),
        Comparison::within(("arraylog-5m", "found"), TIME),
        Comparison::of(("arraylog-5m", "open"), ("arraylog-1m", "open")).at_least(1.0 / 1.5),
        Comparison::of(("arraylog-5m", "found"), ("arraylog-1m", "found")).at_least(1.0 / 1.5),
        Comparison::within(("arraylog-1m", "anonymous"), MEMORY),
        Comparison::within(("arraylog-5m", "anonymous"), MEMORY),
        Comparison::of(("arraylog-1m", "open"), ("simd-r-drive-1m", "open")).at_least(100.0),
        Comparison::of(("arraylog-1m", "found"), ("simd-r-drive-1m", "found")).at_least(100.0),
    ],
    prepare: Some(prepare),
    measure,
    needs_python: false,
};

fn prepare(task: &Task) -> Result<()> {
    let millions = if task.engine == "arraylog-5m" { 5 } else { 1 };
    let count = task.scaled(millions * small::COUNT);
    let load = Load::new(count, small::VALUE_LEN, small::BATCH);
    let path = task.folder.join("data");
    let made = match task.engine.as_str() {
        "arraylog-1m" | "arraylog-5m" => {
            ingest::measure(StoreSink::new(&path, Commit::Batch)?, &load)
        }
        "simd-r-drive-1m" => ingest::measure(SimdRDrive::new(&path)?, &load),
        _ => Err(task.unknown_engine()),
    };
    made.map(drop)
}

fn measure(task: &Task) -> Result<Answer> {
    let path = task.folder.join("data");
    let mut answer = Answer::default();
    match task.engine.as_str() {
        "simd-r-drive-1m" => repeat(&mut answer, |key| {
            let start = Instant::now();
            let store = SimdRDrive::new(&path)?;
            let open = micros(start);
            ensure!(store.get(key)?.is_some(), "the first key is absent");
            Ok((open, micros(start), store))
        })?,
        _ => repeat(&mut answer, |key| open_store(&path, key))?,
    }
    Ok(answer)
}

/// Opens the store, takes its partition and looks `key` up: µs after the second and
/// after the third step.
pub(super) fn open_store(path: &Path, key: &[u8]) -> Result<(f64, f64, arraylog::Partition)> {
    let start = Instant::now();
    let store = peers::open_for_reading(path, Verify::First)?;
    let partition = peers::partition(&store)?;
    let open = micros(start);
    ensure!(partition.contains(key)?, "the first key is absent");
    Ok((open, micros(start), partition))
}

/// Opens several times: `first` and `anonymous` of the first time, the medians of the
/// others. `open` keeps what it opened until its memory was looked at.
pub(super) fn repeat<T>(
    answer: &mut Answer,
    mut open: impl FnMut(&[u8]) -> Result<(f64, f64, T)>,
) -> Result<()> {
    let keys = Keys::natural(1);
    let key = keys.get(0).unwrap_or_default();
    let before = memory::anonymous()?;
    let (_, first, opened) = open(key)?;
    let grown = memory::anonymous()? - before;
    drop(opened);
    answer.set("first", first);
    // A page at least, so that nothing is divided by nothing.
    answer.set("anonymous", grown.max(4_096.0) / 1_024.0);
    let (mut opens, mut founds) = (Vec::new(), Vec::new());
    for _ in 0..OPENINGS {
        let (open, found, _opened) = open(key)?;
        opens.push(open);
        founds.push(found);
    }
    for (name, times) in [("open", opens), ("found", founds)] {
        if let Some(summary) = Summary::of(&times) {
            answer.set(name, summary.median);
        }
    }
    Ok(())
}

fn micros(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}
