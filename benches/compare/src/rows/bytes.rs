//! What a small value takes on disk.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Result;

use super::small;
use crate::ingest::{self, Sink};
use crate::peers::{Commit, Fjall, Lmdb, SimdRDrive, StoreSink};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

/// What `st_blocks` counts.
const BLOCK: u64 = 512;

/// Targets, in bytes.
const STORED: f64 = 235.0;
const COMPACTED: f64 = 191.0;

pub(super) const ROW: Row = Row {
    name: "bytes",
    title: "Disk space for each of 1 M values of 100 B with their keys of 35 B, in order, \
            batches of 1,000, after closing and after compaction (SIMD R Drive stores no keys)",
    engines: &["arraylog", "lmdb", "fjall", "simd-r-drive"],
    figures: &[
        Figure::time("stored", "B, closed"),
        Figure::time("compacted", "B, compacted"),
    ],
    comparisons: &[
        Comparison::within(("arraylog", "stored"), STORED),
        Comparison::within(("arraylog", "compacted"), COMPACTED),
        Comparison::of(("arraylog", "stored"), ("lmdb", "stored")),
        Comparison::of(("arraylog", "stored"), ("fjall", "stored")),
        Comparison::of(("arraylog", "stored"), ("simd-r-drive", "stored")),
        Comparison::of(("arraylog", "compacted"), ("lmdb", "compacted")),
        Comparison::of(("arraylog", "compacted"), ("fjall", "compacted")),
        Comparison::of(("arraylog", "compacted"), ("simd-r-drive", "compacted")),
    ],
    prepare: None,
    measure,
    needs_python: false,
};

fn measure(task: &Task) -> Result<Answer> {
    match task.engine.as_str() {
        "arraylog" => {
            let make = |path: &Path| StoreSink::new(path, Commit::Batch);
            stored_and_compacted(task, make, compact_store)
        }
        "lmdb" => stored_and_compacted(task, Lmdb::new, |path| {
            let copy = path.with_extension("compacted");
            Lmdb::new(path)?.compact_into(&mut File::create_new(&copy)?)?;
            Ok(Some(space(&copy)?))
        }),
        "fjall" => stored_and_compacted(task, Fjall::new, |path| {
            let opened = Fjall::new(path)?;
            opened.compact()?;
            // What its threads removed is gone when they are.
            drop(opened);
            Ok(Some(space(path)?))
        }),
        "simd-r-drive" => stored_and_compacted(task, SimdRDrive::new, |path| {
            SimdRDrive::new(path)?.compact()?;
            Ok(Some(space(path)?))
        }),
        _ => Err(task.unknown_engine()),
    }
}

/// Ingests what `make` makes and closes it: `stored`; then `compacted`, as `compact` finds
/// it.
fn stored_and_compacted<S: Sink>(
    task: &Task,
    make: impl Fn(&Path) -> Result<S>,
    compact: impl Fn(&Path) -> Result<Option<u64>>,
) -> Result<Answer> {
    let load = small::load(task);
    let path = task.folder.join("data");
    ingest::measure(make(&path)?, &load)?;
    let each = |bytes: u64| bytes as f64 / load.keys.len() as f64;
    let mut answer = Answer::default();
    answer.set("stored", each(space(&path)?));
    if let Some(compacted) = compact(&path)? {
        answer.set("compacted", each(compacted));
    }
    Ok(answer)
}

fn compact_store(path: &Path) -> Result<Option<u64>> {
    use arraylog::{CompactOptions, Mode, OpenOptions};

    let store = crate::peers::open_mapped(&OpenOptions::new().mode(Mode::Append), path)?;
    store.compact(&CompactOptions::new())?;
    store.close()?;
    drop(store);
    Ok(Some(space(path)?))
}

/// Bytes that the file, or all files of the folder, take on the device.
pub(super) fn space(path: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() {
        // Room is given out when the data go to the device.
        let file = File::open(path)?;
        file.sync_all()?;
        return Ok(file.metadata()?.blocks() * BLOCK);
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        bytes += space(&entry?.path())?;
    }
    Ok(bytes)
}
