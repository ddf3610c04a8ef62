//! Ingestion of large values beside a plain file write.

use anyhow::Result;

use super::small::BUFFER;
use crate::ingest::{self, Load};
use crate::peers::{Commit, FileSink, Lmdb, StoreSink};
use crate::row::{Comparison, Row};
use crate::task::{Answer, Task};

/// Values of one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    count: usize,
    value_len: usize,
    batch: usize,
}

pub(super) const K64: Size = Size {
    count: 20_000,
    value_len: 64 << 10,
    batch: 64,
};
pub(super) const M1: Size = Size {
    count: 1_000,
    value_len: 1 << 20,
    batch: 64,
};

/// The part of a plain file write that large values are to reach.
const TARGET: f64 = 0.8;

const SINGLE: &[Comparison] = &[
    Comparison::of(("arraylog", "accepted"), ("write", "accepted")).at_least(TARGET),
    Comparison::of(("arraylog", "synced"), ("write", "synced")),
    Comparison::of(("arraylog", "accepted"), ("lmdb", "accepted")),
];

const BATCHED: &[Comparison] = &[
    Comparison::of(("arraylog", "accepted"), ("write", "accepted")).at_least(TARGET),
    Comparison::of(("arraylog", "accepted"), ("buffer", "accepted")).at_least(TARGET),
    Comparison::of(("arraylog", "synced"), ("buffer", "synced")),
    Comparison::of(("arraylog", "accepted"), ("lmdb", "accepted")),
];

pub(super) const ROWS: [&Row; 4] = [
    &Row {
        name: "put-64k",
        title: "20,000 values of 64 KiB, each by its own put; write: one write(2) each",
        engines: &["arraylog", "write", "lmdb"],
        figures: ingest::FIGURES,
        comparisons: SINGLE,
        prepare: None,
        measure: |task| measure(task, K64, Commit::Single),
        needs_python: false,
    },
    &Row {
        name: "batch-64k",
        title: "The same in batches of 64 (4 MiB); buffer: write(2) of 1 MiB blocks",
        engines: &["arraylog", "write", "buffer", "lmdb"],
        figures: ingest::FIGURES,
        comparisons: BATCHED,
        prepare: None,
        measure: |task| measure(task, K64, Commit::Batch),
        needs_python: false,
    },
    &Row {
        name: "put-1m",
        title: "1,000 values of 1 MiB, each by its own put; write: one write(2) each",
        engines: &["arraylog", "write", "lmdb"],
        figures: ingest::FIGURES,
        comparisons: SINGLE,
        prepare: None,
        measure: |task| measure(task, M1, Commit::Single),
        needs_python: false,
    },
    &Row {
        name: "batch-1m",
        title: "The same in batches of 64 (64 MiB); buffer: write(2) of 1 MiB blocks",
        engines: &["arraylog", "write", "buffer", "lmdb"],
        figures: ingest::FIGURES,
        comparisons: BATCHED,
        prepare: None,
        measure: |task| measure(task, M1, Commit::Batch),
        needs_python: false,
    },
];

impl Size {
    /// The data of `task`.
    pub(super) fn load(self, task: &Task) -> Load {
        Load::new(task.scaled(self.count), self.value_len, self.batch)
    }
}

fn measure(task: &Task, size: Size, commit: Commit) -> Result<Answer> {
    let mut load = size.load(task);
    if matches!(commit, Commit::Single) {
        load.batch = 1;
    }
    let path = task.folder.join("data");
    match task.engine.as_str() {
        "arraylog" => ingest::measure(StoreSink::new(&path, commit)?, &load),
        "write" => ingest::measure(FileSink::new(&path, 0)?, &load),
        "buffer" => ingest::measure(FileSink::new(&path, BUFFER)?, &load),
        "lmdb" => ingest::measure(Lmdb::new(&path)?, &load),
        _ => Err(task.unknown_engine()),
    }
}
