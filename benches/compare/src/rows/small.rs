//! Ingestion of small values.

use anyhow::Result;

use crate::ingest::{self, Load};
use crate::peers::{Commit, FileSink, Lmdb, StoreSink};
use crate::row::{Comparison, Row};
use crate::task::{Answer, Task};

/// The data of this row and of the lookups.
pub(super) const COUNT: usize = 1_000_000;
pub(super) const VALUE_LEN: usize = 100;
pub(super) const BATCH: usize = 1_000;

/// Block of the plain file: larger ones are no faster.
pub(super) const BUFFER: usize = 1 << 20;

pub(super) const ROW: Row = Row {
    name: "ingest",
    title: "1 M values of 100 B, keys of 35 B in order, batches of 1,000, not synced",
    engines: &["arraylog", "lmdb", "lmdb-append", "file"],
    figures: ingest::FIGURES,
    comparisons: &[
        Comparison::of(("arraylog", "accepted"), ("lmdb", "accepted")).at_least(1.0),
        Comparison::of(("arraylog", "synced"), ("lmdb", "synced")),
        Comparison::of(("arraylog", "closed"), ("lmdb", "closed")),
        Comparison::of(("arraylog", "accepted"), ("lmdb-append", "accepted")),
        Comparison::of(("arraylog", "accepted"), ("file", "accepted")),
    ],
    prepare: None,
    measure,
    needs_python: false,
};

/// Entries of the data of `task`.
pub(super) fn load(task: &Task) -> Load {
    Load::new(task.scaled(COUNT), VALUE_LEN, BATCH)
}

fn measure(task: &Task) -> Result<Answer> {
    let load = load(task);
    let path = task.folder.join("data");
    match task.engine.as_str() {
        "arraylog" => ingest::measure(StoreSink::new(&path, Commit::Batch)?, &load),
        "lmdb" => ingest::measure(Lmdb::new(&path)?, &load),
        "lmdb-append" => ingest::measure(Lmdb::new(&path)?.appending(), &load),
        "file" => ingest::measure(FileSink::new(&path, BUFFER)?.with_keys(), &load),
        _ => Err(task.unknown_engine()),
    }
}
