//! Following a writer that does nothing.

use std::time::Instant;

use anyhow::{Result, ensure};
use arraylog::{Store, Verify};

use super::small;
use crate::ingest::{self, Load, Sink as _};
use crate::lookup::measure_in_turn;
use crate::peers::{self, Commit, StoreSink};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

const COUNT: usize = 100_000;
const CALLS: usize = 1_000_000;

/// What a call may take, in ns.
const TIME: f64 = 1_000.0;

pub(super) const ROW: Row = Row {
    name: "refresh",
    title: "Store::refresh of a reader of 100,000 keys when nothing happened, while a writer \
            has the store open and after it closed",
    engines: &["arraylog"],
    figures: &[
        Figure::time("open", "ns, writer open"),
        Figure::time("closed", "ns, writer closed"),
    ],
    comparisons: &[
        Comparison::within(("arraylog", "open"), TIME),
        Comparison::within(("arraylog", "closed"), TIME),
    ],
    prepare: None,
    measure,
    needs_python: false,
};

fn measure(task: &Task) -> Result<Answer> {
    let path = task.folder.join("data");
    let load = Load::new(task.scaled(COUNT), small::VALUE_LEN, small::BATCH);
    let mut sink = StoreSink::new(&path, Commit::Batch)?;
    ingest::fill(&mut sink, &load)?;
    let store = peers::open_for_reading(&path, Verify::First)?;
    let mut answer = Answer::default();
    let calls = task.scaled(CALLS);
    measure_in_turn(&mut answer, &["open"], |_| refresh(&store, calls))?;
    sink.close()?;
    // Closing is something that happened.
    store.refresh()?;
    measure_in_turn(&mut answer, &["closed"], |_| refresh(&store, calls))?;
    Ok(answer)
}

fn refresh(store: &Store, calls: usize) -> Result<f64> {
    let start = Instant::now();
    for _ in 0..calls {
        ensure!(!store.refresh()?, "something happened");
    }
    Ok(start.elapsed().as_secs_f64() * 1e9 / calls as f64)
}
