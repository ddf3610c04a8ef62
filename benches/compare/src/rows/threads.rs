//! Lookups by two threads, and beside a writer.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use arraylog::{Mode, OpenOptions, Partition, Verify};
use arraylog_benches::{Keys, Values, leading};

use super::small;
use crate::ingest;
use crate::lookup::{Lookups, Which, measure_in_turn};
use crate::peers::{self, Commit, Map, StoreSink};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

const ENGINES: &[&str] = &["arraylog", "hashbrown-store"];

pub(super) const ROWS: [&Row; 2] = [
    &Row {
        name: "get-2",
        title: "The lookups of get by one thread and by two at once, each in its own order",
        engines: ENGINES,
        figures: &[
            Figure::rate("one", "M lookups/s"),
            Figure::rate("two", "M lookups/s, two threads together"),
            Figure::rate("scaling", "two : one"),
        ],
        comparisons: &[
            Comparison::of(("arraylog", "scaling"), ("hashbrown-store", "scaling")).at_least(1.0),
            Comparison::of(("arraylog", "two"), ("hashbrown-store", "two")),
        ],
        prepare: Some(prepare),
        measure: measure_two,
        needs_python: false,
    },
    &Row {
        name: "get-writing",
        title: "The lookups of get, alone and while another thread of the process puts values \
                of 100 B into the same partition without pause",
        engines: ENGINES,
        figures: &[
            Figure::time("quiet", "ns"),
            Figure::time("writing", "ns, beside the writer"),
            Figure::rate("commits", "k commits/s of the writer"),
        ],
        comparisons: &[
            Comparison::of(("arraylog", "writing"), ("arraylog", "quiet")).at_least(0.9),
            Comparison::of(("hashbrown-store", "writing"), ("hashbrown-store", "quiet")),
        ],
        prepare: Some(prepare),
        measure: measure_writing,
        needs_python: false,
    },
];

fn prepare(task: &Task) -> Result<()> {
    let path = task.folder.join("data");
    ingest::measure(StoreSink::new(&path, Commit::Batch)?, &small::load(task)).map(drop)
}

/// Gives `measure` a pass of the engine of `task` over `partition`, which any thread may
/// make: ns per lookup.
fn with_pass(
    task: &Task,
    partition: &Partition,
    measure: impl FnOnce(&(dyn Fn(&Lookups) -> Result<f64> + Sync)) -> Result<()>,
) -> Result<()> {
    match task.engine.as_str() {
        "arraylog" => measure(&|lookups| {
            let reader = partition.reader()?;
            lookups.pass(Which::Hits, |key| Ok(reader.get(key)?.map(leading)))
        }),
        "hashbrown-store" => {
            let reader = partition.reader()?;
            let map = Map::new(&small::load(task).keys, |_, key| {
                reader.get(key)?.context("a key of the data is absent")
            })?;
            measure(&|lookups| {
                lookups.pass(Which::Hits, |key| {
                    Ok(map.get(key).map(|value| leading(value)))
                })
            })
        }
        _ => Err(task.unknown_engine()),
    }
}

fn lookups(task: &Task, seed: u64) -> Lookups {
    let values = Values::new(small::VALUE_LEN);
    Lookups::new(task.scaled(small::COUNT), &values, seed)
}

fn measure_two(task: &Task) -> Result<Answer> {
    let mut answer = Answer::default();
    let count = task.scaled(small::COUNT) as f64;
    let (own, others) = (lookups(task, task.seed), lookups(task, !task.seed));
    let store = peers::open_for_reading(&task.folder.join("data"), Verify::First)?;
    with_pass(task, &peers::partition(&store)?, |pass| {
        measure_in_turn(&mut answer, &["one", "two"], |figure| {
            if figure == "one" {
                return Ok(1e3 / pass(&own)?);
            }
            let ready = Barrier::new(2);
            let seconds = thread::scope(|scope| {
                let other = scope.spawn(|| {
                    ready.wait();
                    pass(&others)
                });
                ready.wait();
                let start = Instant::now();
                let passed = pass(&own);
                let other = joined(other.join());
                let seconds = start.elapsed().as_secs_f64();
                passed.and(other).map(|_| seconds)
            })?;
            Ok(2.0 * count / seconds / 1e6)
        })
    })?;
    if let (Some(one), Some(two)) = (answer.figures.get("one"), answer.figures.get("two")) {
        let scaling = two / one;
        answer.set("scaling", scaling);
    }
    Ok(answer)
}

fn measure_writing(task: &Task) -> Result<Answer> {
    let mut answer = Answer::default();
    let lookups = lookups(task, task.seed);
    let keys = Keys::absent(task.scaled(small::COUNT));
    let values = Values::new(small::VALUE_LEN);
    let options = OpenOptions::new().mode(Mode::Append);
    let store = peers::open_mapped(&options, &task.folder.join("data"))?;
    let partition = peers::partition(&store)?;
    let (mut commits, mut seconds) = (0, 0.0);
    with_pass(task, &partition, |pass| {
        measure_in_turn(&mut answer, &["quiet", "writing"], |figure| {
            if figure == "quiet" {
                return pass(&lookups);
            }
            let (done, count) = (AtomicBool::new(false), AtomicU64::new(0));
            thread::scope(|scope| {
                let writer = scope.spawn(|| write(&partition, &keys, &values, &done, &count));
                while count.load(Ordering::Relaxed) == 0 && !writer.is_finished() {
                    std::hint::spin_loop();
                }
                let (start, before) = (Instant::now(), count.load(Ordering::Relaxed));
                let passed = pass(&lookups);
                seconds += start.elapsed().as_secs_f64();
                commits += count.load(Ordering::Relaxed) - before;
                done.store(true, Ordering::Relaxed);
                joined(writer.join()).and(passed)
            })
        })
    })?;
    answer.set("commits", commits as f64 / seconds / 1e3);
    store.close()?;
    Ok(answer)
}

/// Commits one value after the other until it is told that it is `done`.
fn write(
    partition: &Partition,
    keys: &Keys,
    values: &Values,
    done: &AtomicBool,
    count: &AtomicU64,
) -> Result<()> {
    for number in (0..keys.len()).cycle() {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let key = keys.get(number).unwrap_or_default();
        partition.put(key, values.get(number))?;
        count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// What a thread answered.
fn joined<T>(answer: thread::Result<Result<T>>) -> Result<T> {
    answer.map_err(|_| anyhow!("a thread panicked"))?
}
