//! What the first touch of a freshly mapped file costs, by how it was written.
//!
//! The page cache keeps a file in folios as large as the writes that made it,
//! and one fault maps at most one folio.

use anyhow::Result;

use super::{large, small};
use crate::ingest::{self, Load};
use crate::mapping;
use crate::peers::{Commit, FileSink, StoreSink};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

const SMALL_BLOCK: usize = 4 << 10;
const LARGE_BLOCK: usize = 2 << 20;

/// Bytes of the plain files.
const FILE_BYTES: usize = 1 << 30;

pub(super) const ROW: Row = Row {
    name: "first-touch",
    title: "First touch, one byte of every 64 KiB in order, of a file mapped anew and in the page cache",
    engines: &[
        "arraylog-100b-batch",
        "arraylog-64k-put",
        "arraylog-64k-batch",
        "arraylog-1m-put",
        "arraylog-1m-batch",
        "blocks-4k",
        "blocks-2m",
    ],
    figures: &[
        Figure::time("touch", "ns per 64 KiB"),
        Figure::rate("pmd", "% in 2 MiB entries"),
    ],
    comparisons: &[
        Comparison::of(("arraylog-1m-batch", "touch"), ("blocks-4k", "touch")),
        Comparison::of(("arraylog-1m-batch", "touch"), ("blocks-2m", "touch")),
        Comparison::of(("arraylog-64k-batch", "touch"), ("blocks-4k", "touch")),
        Comparison::of(("arraylog-64k-batch", "touch"), ("blocks-2m", "touch")),
        Comparison::of(("arraylog-1m-put", "touch"), ("blocks-4k", "touch")),
        Comparison::of(("arraylog-64k-put", "touch"), ("blocks-4k", "touch")),
        Comparison::of(("arraylog-100b-batch", "touch"), ("blocks-4k", "touch")),
    ],
    prepare: Some(prepare),
    measure,
    needs_python: false,
};

fn prepare(task: &Task) -> Result<()> {
    let path = task.folder.join("data");
    let store = |mut load: Load, commit| {
        if matches!(commit, Commit::Single) {
            load.batch = 1;
        }
        ingest::measure(StoreSink::new(&path, commit)?, &load)
    };
    let blocks = |block| {
        let load = Load::new(task.scaled(FILE_BYTES / block), block, 1);
        ingest::measure(FileSink::new(&path, 0)?, &load)
    };
    let made = match task.engine.as_str() {
        "arraylog-100b-batch" => store(small::load(task), Commit::Batch),
        "arraylog-64k-put" => store(large::K64.load(task), Commit::Single),
        "arraylog-64k-batch" => store(large::K64.load(task), Commit::Batch),
        "arraylog-1m-put" => store(large::M1.load(task), Commit::Single),
        "arraylog-1m-batch" => store(large::M1.load(task), Commit::Batch),
        "blocks-4k" => blocks(SMALL_BLOCK),
        "blocks-2m" => blocks(LARGE_BLOCK),
        _ => Err(task.unknown_engine()),
    };
    made.map(drop)
}

fn measure(task: &Task) -> Result<Answer> {
    let mut answer = Answer::default();
    mapping::measure_first_touch(&task.folder.join("data"), &mut answer)?;
    Ok(answer)
}
