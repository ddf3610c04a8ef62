//! Opening a store whose writer was killed.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use arraylog::{Mode, OpenOptions};
use rustix::process::{Signal, getpid, kill_process};

use super::small;
use crate::ingest::{self, Load};
use crate::peers::{self, Commit, StoreSink};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

const COUNT: usize = 10_000_000;

/// The process that is killed is at most so many entries short of all, so that what a
/// checkpoint left over differs from one repetition to the next.
const SHORT: u64 = 100_000;

/// What opening may take, in ms.
const TIME: f64 = 300.0;

/// Engine of the task that is killed; the driver never starts it.
const INGESTER: &str = "ingester";

pub(super) const ROW: Row = Row {
    name: "open-killed",
    title: "Opening after SIGKILL of the process that ingested 10 M keys of 35 B with values \
            of 100 B, batches of 1,000, default replay bound: for reading, then for writing",
    engines: &["arraylog"],
    figures: &[
        Figure::time("read", "ms, for reading"),
        Figure::time("write", "ms, for writing"),
        Figure::time("replayed", "records replayed"),
    ],
    comparisons: &[
        Comparison::within(("arraylog", "read"), TIME),
        Comparison::within(("arraylog", "write"), TIME),
    ],
    prepare: Some(prepare),
    measure,
    needs_python: false,
};

fn prepare(task: &Task) -> Result<()> {
    match task.engine.as_str() {
        "arraylog" => start_and_see_killed(task),
        INGESTER => ingest_and_die(task),
        _ => Err(task.unknown_engine()),
    }
}

fn start_and_see_killed(task: &Task) -> Result<()> {
    let ingester = Task {
        engine: INGESTER.to_owned(),
        ..task.clone()
    };
    let output = Command::new(std::env::current_exe()?)
        .arg("task")
        .arg(serde_json::to_string(&ingester)?)
        .output()
        .context("cannot start a process")?;
    ensure!(
        output.status.signal() == Some(Signal::KILL.as_raw()),
        "the ingesting process was to be killed, but: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

fn ingest_and_die(task: &Task) -> Result<()> {
    let short = usize::try_from(task.seed % SHORT)?;
    let load = Load::new(
        task.scaled(COUNT).saturating_sub(short),
        small::VALUE_LEN,
        small::BATCH,
    );
    let mut sink = StoreSink::new(&task.folder.join("data"), Commit::Batch)?;
    ingest::fill(&mut sink, &load)?;
    Ok(kill_process(getpid(), Signal::KILL)?)
}

fn measure(task: &Task) -> Result<Answer> {
    let path = task.folder.join("data");
    let mut answer = Answer::default();
    let replayed = open(&path, Mode::Read, "read", &mut answer)?;
    answer.set("replayed", replayed as f64);
    open(&path, Mode::Append, "write", &mut answer)?;
    Ok(answer)
}

/// Opens store and partition, sets `figure`, tells how many records were replayed.
fn open(path: &Path, mode: Mode, figure: &str, answer: &mut Answer) -> Result<u64> {
    let start = Instant::now();
    let store = peers::open_mapped(&OpenOptions::new().mode(mode), path)?;
    peers::partition(&store)?;
    answer.set(figure, start.elapsed().as_secs_f64() * 1e3);
    let recovery = store.recovery();
    ensure!(!recovery.clean, "the store was closed, not killed");
    Ok(recovery.records)
}
