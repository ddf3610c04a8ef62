//! Timed ingestion, alike for every engine.

use std::ops::Range;
use std::time::Instant;

use anyhow::Result;
use arraylog_benches::{Keys, Values};

use crate::row::Figure;
use crate::task::Answer;

/// Where entries go.
pub(crate) trait Sink {
    /// Stores the entries `range` so that they commit together.
    fn commit(&mut self, load: &Load, range: Range<usize>) -> Result<()>;

    /// Gives the kernel what is still held back in this process.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Brings everything to the device.
    fn sync(&mut self) -> Result<()>;

    /// Closes.
    fn close(self) -> Result<()>;
}

/// What is ingested.
#[derive(Debug)]
pub(crate) struct Load {
    /// Keys in their natural order.
    pub(crate) keys: Keys,
    /// Their values.
    pub(crate) values: Values,
    /// Entries of one commit.
    pub(crate) batch: usize,
}

impl Load {
    /// `count` entries with values of `value_len` bytes, `batch` to a commit.
    pub(crate) fn new(count: usize, value_len: usize, batch: usize) -> Self {
        Self {
            keys: Keys::natural(count),
            values: Values::new(value_len),
            batch,
        }
    }

    /// The entries `range`: keys with their values.
    pub(crate) fn entries(&self, range: Range<usize>) -> impl Iterator<Item = (&[u8], &[u8])> {
        range.filter_map(|number| Some((self.keys.get(number)?, self.values.get(number))))
    }

    fn batches(&self) -> impl Iterator<Item = Range<usize>> {
        let count = self.keys.len();
        (0..count)
            .step_by(self.batch.max(1))
            .map(move |start| start..(start + self.batch.max(1)).min(count))
    }
}

/// Ingests `load`.
pub(crate) fn fill(sink: &mut impl Sink, load: &Load) -> Result<()> {
    for range in load.batches() {
        sink.commit(load, range)?;
    }
    Ok(())
}

/// What [`measure`] finds.
pub(crate) const FIGURES: &[Figure] = &[
    Figure::rate("entries", "k entries/s"),
    Figure::rate("accepted", "MB/s before the sync"),
    Figure::rate("synced", "MB/s with the sync"),
    Figure::rate("closed", "MB/s until closed"),
];

/// Ingests `load` and closes; rates are those of the values' bytes.
pub(crate) fn measure(mut sink: impl Sink, load: &Load) -> Result<Answer> {
    let start = Instant::now();
    fill(&mut sink, load)?;
    sink.flush()?;
    let accepted = start.elapsed().as_secs_f64();
    sink.sync()?;
    let synced = start.elapsed().as_secs_f64();
    sink.close()?;
    let closed = start.elapsed().as_secs_f64();

    let count = load.keys.len() as f64;
    let megabytes = count * load.values.value_len() as f64 / 1e6;
    let mut answer = Answer::default();
    answer.set("entries", count / accepted / 1e3);
    answer.set("accepted", megabytes / accepted);
    answer.set("synced", megabytes / synced);
    answer.set("closed", megabytes / closed);
    Ok(answer)
}
