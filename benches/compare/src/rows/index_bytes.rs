//! What an ingest writes into its index, all versions of it.

use std::path::Path;

use anyhow::Result;
use arraylog::OpenOptions;

use super::small;
use crate::ingest::{self, Load, Sink as _};
use crate::peers::{Commit, StoreSink};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

const COUNT: usize = 10_000_000;
/// A background checkpoint comes between commits; small batches leave room for many.
const BATCH: usize = 100;

pub(super) const ROW: Row = Row {
    name: "index-bytes",
    title: "Bytes of the index that one ingest of 10 M keys into one partition writes, batches \
            of 100, default replay bound, closed; final: written once, at closing",
    engines: &["arraylog"],
    figures: &[
        Figure::time("written", "B a key"),
        Figure::time("final", "B a key"),
        Figure::time("times", "written : final"),
    ],
    comparisons: &[Comparison::within(("arraylog", "times"), 3.0)],
    prepare: None,
    measure,
    needs_python: false,
};

fn measure(task: &Task) -> Result<Answer> {
    let load = Load::new(task.scaled(COUNT), small::VALUE_LEN, BATCH);
    let path = task.folder.join("data");
    let once = ingest(&path, &load, OpenOptions::new().replay_bound(u64::MAX))?;
    // The log is the same, with less of the index in it.
    let log = once.log;
    let many = ingest(&path, &load, OpenOptions::new())?;
    let a_key = |bytes: u64| bytes.saturating_sub(log) as f64 / load.keys.len() as f64;
    let mut answer = Answer::default();
    answer.set("written", a_key(many.closed));
    answer.set("final", a_key(once.closed));
    answer.set("times", a_key(many.closed) / a_key(once.closed));
    Ok(answer)
}

/// Bytes of a file.
struct Lengths {
    /// Up to the last commit, before it was closed.
    log: u64,
    /// When it was closed.
    closed: u64,
}

/// Ingests into a store at `path`, closes and removes it.
fn ingest(path: &Path, load: &Load, options: OpenOptions) -> Result<Lengths> {
    let mut sink = StoreSink::with_options(path, Commit::Batch, options)?;
    ingest::fill(&mut sink, load)?;
    let log = sink.store().info()?.file_bytes;
    sink.close()?;
    let closed = std::fs::metadata(path)?.len();
    std::fs::remove_file(path)?;
    Ok(Lengths { log, closed })
}
