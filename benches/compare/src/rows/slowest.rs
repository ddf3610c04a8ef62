//! The slowest of many small commits.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::small;
use crate::ingest::Load;
use crate::peers::{Commit, StoreSink};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

const COUNT: usize = 10_000_000;

/// Targets, in ms: of the commit that 999 of 1,000 are faster than, and of what the
/// slowest may take beyond the slowest plain write.
const MOST: f64 = 1.0;
const ABOVE: f64 = 50.0;

pub(super) const ROW: Row = Row {
    name: "commit-slowest",
    title: "10 M puts of 100 B one by one, Buffered, default replay bound, each timed; before \
            them, in the same process, as many write(2) of key and value to a plain file",
    engines: &["arraylog"],
    figures: &[
        Figure::time("median", "µs"),
        Figure::time("p999", "ms, 99.9 %"),
        Figure::time("max", "ms, slowest"),
        Figure::time("write-median", "µs, write(2)"),
        Figure::time("write-p999", "ms, 99.9 % of write(2)"),
        Figure::time("write-max", "ms, slowest write(2)"),
        Figure::time("above", "ms, slowest beyond slowest write(2)"),
    ],
    comparisons: &[
        Comparison::within(("arraylog", "p999"), MOST),
        Comparison::within(("arraylog", "above"), ABOVE),
        Comparison::of(("arraylog", "median"), ("arraylog", "write-median")),
    ],
    prepare: None,
    measure,
    needs_python: false,
};

fn measure(task: &Task) -> Result<Answer> {
    let load = Load::new(task.scaled(COUNT), small::VALUE_LEN, 1);
    let mut answer = Answer::default();
    let plain = task.folder.join("plain");
    let slowest_write = measure_plain(&plain, &load)?.report("write-", &mut answer);
    std::fs::remove_file(&plain)?;

    let sink = StoreSink::new(&task.folder.join("data"), Commit::Single)?;
    let partition = sink.partition();
    let times = Times::of(&load, |key, value| Ok(partition.put(key, value)?))?;
    let slowest = times.report("", &mut answer);
    sink.store().close()?;
    // A write that is slower leaves nothing to divide by.
    answer.set("above", (slowest - slowest_write).max(0.001));
    Ok(answer)
}

fn measure_plain(path: &Path, load: &Load) -> Result<Times> {
    let mut file = File::create_new(path)?;
    let mut both = Vec::new();
    Times::of(load, |key, value| {
        both.clear();
        both.extend_from_slice(key);
        both.extend_from_slice(value);
        Ok(file.write_all(&both)?)
    })
}

/// What each call took, in ns.
struct Times(Vec<u32>);

impl Times {
    fn of(load: &Load, mut call: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<Self> {
        let mut times = Vec::with_capacity(load.keys.len());
        let mut last = Instant::now();
        for (key, value) in load.entries(0..load.keys.len()) {
            call(key, value)?;
            let now = Instant::now();
            times.push(nanos(now - last));
            last = now;
        }
        Ok(Self(times))
    }

    /// Sets `median`, `p999` and `max` with a prefix, and gives the last.
    fn report(mut self, prefix: &str, answer: &mut Answer) -> f64 {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        let at = |part: usize| f64::from(self.0.get(last * part / 1_000).copied().unwrap_or(0));
        answer.set(&format!("{prefix}median"), at(500) / 1e3);
        answer.set(&format!("{prefix}p999"), at(999) / 1e6);
        answer.set(&format!("{prefix}max"), at(1_000) / 1e6);
        at(1_000) / 1e6
    }
}

fn nanos(time: Duration) -> u32 {
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
}
