//! Compaction beside a copy of what is live.

use std::fs::File;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use arraylog::CompactOptions;

use crate::ingest::{self, Load};
use crate::peers::{Commit, StoreSink};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

/// The part of the rate of a copy that compaction is to reach.
const TARGET: f64 = 0.7;

/// Within this time the room of an old file is given back.
const GIVEN_BACK: Duration = Duration::from_secs(2);

const FIGURES: &[Figure] = &[
    Figure::rate("compact", "MB/s of live values"),
    Figure::rate("cp", "MB/s of live values"),
    Figure::time("freed", "B left : B before"),
];

const COMPARISONS: &[Comparison] =
    &[Comparison::of(("arraylog", "compact"), ("arraylog", "cp")).at_least(TARGET)];

pub(super) const ROWS: [&Row; 2] = [
    &Row {
        name: "compact-1k",
        title: "Compaction of 1 M values of 1 KiB of which every other one was removed; cp: a \
                copy of the compacted file and its sync, as cp(1) makes it",
        engines: &["arraylog"],
        figures: FIGURES,
        comparisons: COMPARISONS,
        prepare: None,
        measure: |task| measure(task, 1_000_000, 1 << 10),
        needs_python: false,
    },
    &Row {
        name: "compact-64k",
        title: "The same of 20,000 values of 64 KiB",
        engines: &["arraylog"],
        figures: FIGURES,
        comparisons: COMPARISONS,
        prepare: None,
        measure: |task| measure(task, 20_000, 64 << 10),
        needs_python: false,
    },
];

fn measure(task: &Task, count: usize, value_len: usize) -> Result<Answer> {
    let load = Load::new(task.scaled(count), value_len, 64);
    let path = task.folder.join("data");
    let mut sink = StoreSink::new(&path, Commit::Batch)?;
    ingest::fill(&mut sink, &load)?;
    for key in load.keys.iter().step_by(2) {
        sink.partition().remove(key)?;
    }
    // What was written before is not to be paid for by the compaction.
    let store = sink.store();
    store.sync()?;
    let before = std::fs::metadata(&path)?.len();

    let start = Instant::now();
    store.compact(&CompactOptions::new())?;
    let compact = start.elapsed().as_secs_f64();
    store.close()?;
    drop(sink);
    // The system still gives back the room of the old file; the copy is not to wait for that.
    thread::sleep(GIVEN_BACK);

    let copy = task.folder.join("copy");
    let start = Instant::now();
    std::fs::copy(&path, &copy)?;
    File::open(&copy)?.sync_all()?;
    let cp = start.elapsed().as_secs_f64();

    let live = (load.keys.len() / 2 * value_len) as f64 / 1e6;
    let mut answer = Answer::default();
    answer.set("compact", live / compact);
    answer.set("cp", live / cp);
    answer.set(
        "freed",
        std::fs::metadata(&path)?.len() as f64 / before as f64,
    );
    Ok(answer)
}
