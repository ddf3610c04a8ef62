//! Commits that are on the device when they return.

use std::fs::File;
use std::io::Write as _;
use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow};
use arraylog::{Durability, Mode, OpenOptions, Partition};
use arraylog_benches::{Keys, Values};

use super::small;
use crate::lookup::measure_in_turn;
use crate::peers::{self, PLACE};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

const THREADS: usize = 8;
/// Commits of one pass: of one thread, and of each of all.
const COMMITS: usize = 100;
const COMMITS_EACH: usize = 50;

/// What a commit may take in terms of an append with its sync, and how many times its rate
/// the threads are to reach together.
const SINGLE: f64 = 1.0 / 1.15;
const TOGETHER: f64 = 4.0;

pub(super) const ROW: Row = Row {
    name: "durable",
    title: "Synced puts of 100 B by one thread and by eight; append: write(2) of key and value \
            to a plain file with an fdatasync each; in turn, in one process",
    engines: &["arraylog"],
    figures: &[
        Figure::rate("put", "commits/s"),
        Figure::rate("put-8", "commits/s, eight threads"),
        Figure::rate("append", "appends/s"),
    ],
    comparisons: &[
        Comparison::of(("arraylog", "put"), ("arraylog", "append")).at_least(SINGLE),
        Comparison::of(("arraylog", "put-8"), ("arraylog", "append")).at_least(TOGETHER),
    ],
    prepare: None,
    measure,
    needs_python: false,
};

fn measure(task: &Task) -> Result<Answer> {
    let keys = Keys::natural(THREADS * COMMITS_EACH.max(COMMITS));
    let values = Values::new(small::VALUE_LEN);
    let options = OpenOptions::new()
        .mode(Mode::CreateNew)
        .durability(Durability::Synced);
    let store = peers::open_mapped(&options, &task.folder.join("data"))?;
    let partition = store.partition(PLACE.0, PLACE.1)?;
    let mut plain = File::create_new(task.folder.join("plain"))?;
    let mut answer = Answer::default();
    measure_in_turn(&mut answer, &["put", "put-8", "append"], |figure| {
        let start = Instant::now();
        let commits = match figure {
            "put" => put(&partition, &keys, &values, 0, task.scaled(COMMITS))?,
            "put-8" => put_together(&partition, &keys, &values, task.scaled(COMMITS_EACH))?,
            _ => append(&mut plain, &keys, &values, task.scaled(COMMITS))?,
        };
        Ok(commits as f64 / start.elapsed().as_secs_f64())
    })?;
    store.close()?;
    Ok(answer)
}

/// Puts `count` values from the entry `first` on, one by one.
fn put(
    partition: &Partition,
    keys: &Keys,
    values: &Values,
    first: usize,
    count: usize,
) -> Result<usize> {
    for number in first..first + count {
        partition.put(keys.get(number).unwrap_or_default(), values.get(number))?;
    }
    Ok(count)
}

/// The same by all threads at once, `each` by every one of them.
fn put_together(partition: &Partition, keys: &Keys, values: &Values, each: usize) -> Result<usize> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|number| scope.spawn(move || put(partition, keys, values, number * each, each)))
            .collect();
        let mut commits = 0;
        for thread in threads {
            commits += thread.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        Ok(commits)
    })
}

fn append(file: &mut File, keys: &Keys, values: &Values, count: usize) -> Result<usize> {
    for number in 0..count {
        let key = keys.get(number).unwrap_or_default();
        file.write_all(&[key, values.get(number)].concat())?;
        file.sync_data()?;
    }
    Ok(count)
}
