//! An experiment without an engine: can small appends get large folios when the
//! pages of the next 2 MiB are made ahead of them?

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use anyhow::Result;
use arraylog_benches::Values;
use memmap2::Advice;
use rustix::fs::FallocateFlags;

use crate::mapping;
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

/// Pages are made in steps of this, at multiples of it.
const STEP: u64 = 2 << 20;

/// Bytes appended in all.
const TOTAL: usize = 512 << 20;

/// A commit of 1,000 records of 100 B with keys of 35 B and their headers.
const SMALL_COMMIT: usize = 168_000;
const LARGE_COMMIT: usize = 1 << 20;

const ENGINES: &[&str] = &[
    "pwrite",
    "fallocate",
    "zeros",
    "populate",
    "populate-huge",
    "read-huge",
    "reserve-read-huge",
    "blocks-2m",
];

const FIGURES: &[Figure] = &[
    Figure::time("append", "ns per KiB"),
    Figure::rate("synced", "MB/s with the sync"),
    Figure::time("touch", "ns per 64 KiB"),
    Figure::rate("pmd", "% in 2 MiB entries"),
];

const COMPARISONS: &[Comparison] = &[
    Comparison::of(("fallocate", "append"), ("pwrite", "append")),
    Comparison::of(("zeros", "append"), ("pwrite", "append")),
    Comparison::of(("populate", "append"), ("pwrite", "append")),
    Comparison::of(("populate-huge", "append"), ("pwrite", "append")),
    Comparison::of(("read-huge", "append"), ("pwrite", "append")),
    Comparison::of(("reserve-read-huge", "append"), ("pwrite", "append")),
    Comparison::of(("fallocate", "touch"), ("pwrite", "touch")),
    Comparison::of(("zeros", "touch"), ("pwrite", "touch")),
    Comparison::of(("populate", "touch"), ("pwrite", "touch")),
    Comparison::of(("populate-huge", "touch"), ("pwrite", "touch")),
    Comparison::of(("read-huge", "touch"), ("pwrite", "touch")),
    Comparison::of(("reserve-read-huge", "touch"), ("pwrite", "touch")),
];

pub(super) const ROWS: [&Row; 2] = [
    &Row {
        name: "ahead-170k",
        title: "Pages made ahead in steps of 2 MiB: 512 MiB appended by commits of 168,000 B",
        engines: ENGINES,
        figures: FIGURES,
        comparisons: COMPARISONS,
        prepare: None,
        measure: |task| measure(task, SMALL_COMMIT),
        needs_python: false,
    },
    &Row {
        name: "ahead-1m",
        title: "The same by commits of 1 MiB that start off their multiples",
        engines: ENGINES,
        figures: FIGURES,
        comparisons: COMPARISONS,
        prepare: None,
        measure: |task| measure(task, LARGE_COMMIT),
        needs_python: false,
    },
];

/// What is done ahead of the tail, step by step.
#[derive(Clone, Copy, Debug, Default)]
struct Ahead {
    /// Reserve the blocks; the length of the file stays.
    reserve: bool,
    /// Write zeros.
    zeros: bool,
    /// Lengthen the file, map the new part and give this advice on it.
    advice: Option<Advice>,
    /// Ask for huge pages before.
    huge: bool,
}

impl Ahead {
    fn of(engine: &str) -> Option<Self> {
        let nothing = Self::default();
        let huge = Self {
            huge: true,
            ..nothing
        };
        let write = Some(Advice::PopulateWrite);
        let read = Some(Advice::PopulateRead);
        Some(match engine {
            "pwrite" | "blocks-2m" => nothing,
            "fallocate" => Self {
                reserve: true,
                ..nothing
            },
            "zeros" => Self {
                zeros: true,
                ..nothing
            },
            "populate" => Self {
                advice: write,
                ..nothing
            },
            "populate-huge" => Self {
                advice: write,
                ..huge
            },
            "read-huge" => Self {
                advice: read,
                ..huge
            },
            "reserve-read-huge" => Self {
                advice: read,
                reserve: true,
                ..huge
            },
            _ => return None,
        })
    }

    /// Makes the pages of the step at `start`.
    fn make(self, file: &File, start: u64, zeros: &[u8]) -> Result<()> {
        if self.reserve {
            rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, start, STEP)?;
        }
        if self.zeros {
            file.write_all_at(zeros, start)?;
        }
        if let Some(advice) = self.advice {
            file.set_len(start + STEP)?;
            let part = mapping::map_shared(file, start..start + STEP)?;
            if self.huge {
                part.advise(Advice::HugePage)?;
            }
            part.advise(advice)?;
        }
        Ok(())
    }
}

fn measure(task: &Task, commit: usize) -> Result<Answer> {
    let ahead = Ahead::of(&task.engine).ok_or_else(|| task.unknown_engine())?;
    // A header of four pages puts 1 MiB commits off their multiples, as in a
    // store; the aligned blocks stand for the best that is possible.
    let (commit, start) = match task.engine.as_str() {
        "blocks-2m" => (2 << 20, 0),
        _ => (commit, 16 << 10),
    };
    let path = task.folder.join("data");
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    let values = Values::new(commit);
    let zeros = vec![0; STEP as usize];
    file.write_all_at(values.get(0).get(..start).unwrap_or_default(), 0)?;

    let mut tail = start as u64;
    let mut made = 0;
    let end = task.scaled(TOTAL) as u64;
    let clock = Instant::now();
    for number in 0.. {
        if tail >= end {
            break;
        }
        // The first step has the header in it and is left as it is.
        while tail + commit as u64 > made + STEP {
            made += STEP;
            ahead.make(&file, made, &zeros)?;
        }
        file.write_all_at(values.get(number), tail)?;
        tail += commit as u64;
    }
    let accepted = clock.elapsed().as_secs_f64();
    file.set_len(tail)?;
    file.sync_data()?;
    let synced = clock.elapsed().as_secs_f64();

    let mut answer = Answer::default();
    answer.set("append", accepted * 1e9 / tail as f64 * 1024.0);
    answer.set("synced", tail as f64 / 1e6 / synced);
    mapping::measure_first_touch(&path, &mut answer)?;
    Ok(answer)
}
