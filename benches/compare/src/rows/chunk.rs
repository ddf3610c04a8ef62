//! One chunk that is stored as it is, by itself.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, Result};
use arraylog::{ArraySpec, Attrs, DType, Elements, Mode, OpenOptions, Selection, Span, Verify};
use arraylog_benches::{Keys, Values, leading};

use crate::ingest::{self, Load};
use crate::lookup::{Found, measure_in_turn, shuffled};
use crate::peers::{self, Lmdb, PLACE};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

/// Chunks of the array, 131 MB: more than the caches hold.
const COUNT: usize = 2_000;
const CHUNK_LEN: usize = 64 << 10;
/// How often a pass reads each of them.
const ROUNDS: usize = 5;

/// Target, in µs.
const ONE_CHUNK: f64 = 2.0;

const KEY: &str = "series";
const ARRAY: &str = "t";

pub(super) const ROW: Row = Row {
    name: "chunk",
    title: "One chunk of 64 KiB, not compressed, of an array of 2,000 chunks, random, warm: \
            lent, and its first number read; kept: the same with the array at hand, not the \
            entry; copied: and its bytes copied; memory: a list of as many blocks",
    engines: &["arraylog", "lmdb", "memory"],
    figures: &[
        Figure::time("lent", "µs"),
        Figure::time("kept", "µs"),
        Figure::time("copied", "µs"),
    ],
    comparisons: &[
        Comparison::within(("arraylog", "lent"), ONE_CHUNK),
        Comparison::of(("arraylog", "lent"), ("lmdb", "lent")),
        Comparison::of(("arraylog", "copied"), ("lmdb", "copied")),
        Comparison::of(("arraylog", "copied"), ("memory", "copied")),
    ],
    prepare: Some(prepare),
    measure,
    needs_python: false,
};

fn load(task: &Task) -> Load {
    Load::new(task.scaled(COUNT), CHUNK_LEN, 64)
}

fn prepare(task: &Task) -> Result<()> {
    let load = load(task);
    let path = task.folder.join("data");
    match task.engine.as_str() {
        "arraylog" => {
            let elements = blocks(&load).concat();
            let width = (CHUNK_LEN / size_of::<u32>()) as u64;
            let shape = [load.keys.len() as u64, width];
            let spec = ArraySpec::new(DType::UInt32, &shape, &elements).chunks(&[1, width]);
            let store = peers::open_mapped(&OpenOptions::new().mode(Mode::CreateNew), &path)?;
            let partition = store.partition(PLACE.0, PLACE.1)?;
            partition.write(KEY, &[(ARRAY, spec)], &Attrs::new())?;
            Ok(store.close()?)
        }
        "lmdb" => ingest::measure(Lmdb::new(&path)?, &load).map(drop),
        _ => Ok(()),
    }
}

fn blocks(load: &Load) -> Vec<&[u8]> {
    let numbers = 0..load.keys.len();
    numbers.map(|number| load.values.get(number)).collect()
}

fn measure(task: &Task) -> Result<Answer> {
    let mut answer = Answer::default();
    let count = task.scaled(COUNT);
    let path = task.folder.join("data");
    let reads = Reads::new(count, task.seed);
    match task.engine.as_str() {
        "arraylog" => {
            let store = peers::open_for_reading(&path, Verify::First)?;
            let entry = peers::partition(&store)?.entry(KEY)?;
            let entry = entry.context("the entry of the chunks is absent")?;
            let kept = entry.array(ARRAY)?;
            let width = kept.shape().last().copied().unwrap_or(0);
            let one = |number: usize| {
                let row = number as u64;
                Selection::new([Span::range(row..row + 1), Span::all(width)])
            };
            let read = |number| Ok(entry.array(ARRAY)?.slice(&one(number))?);
            measure_in_turn(&mut answer, &["lent", "kept", "copied"], |figure| {
                let first = |chunk: &Elements| leading(chunk.data());
                match figure {
                    "lent" => reads.pass(|number| read(number).map(|chunk| first(&chunk))),
                    "kept" => reads.pass(|number| Ok(first(&kept.slice(&one(number))?))),
                    _ => reads.copying(|number, to| copy(read(number)?.data(), to)),
                }
            })?;
        }
        "lmdb" => {
            let (lmdb, keys) = (Lmdb::new(&path)?, Keys::natural(count));
            let reading = lmdb.reading()?;
            let read = |number| {
                let value = reading.get(keys.get(number).unwrap_or_default())?;
                value.context("a key of the data is absent")
            };
            measure_in_turn(&mut answer, &["lent", "copied"], |figure| match figure {
                "lent" => reads.pass(|number| read(number).map(leading)),
                _ => reads.copying(|number, to| copy(read(number)?, to)),
            })?;
        }
        "memory" => {
            let blocks = blocks(&load(task)).concat();
            let blocks: Vec<&[u8]> = blocks.chunks_exact(CHUNK_LEN).collect();
            let read = |number: usize| blocks.get(number).copied().unwrap_or_default();
            measure_in_turn(&mut answer, &["lent", "copied"], |figure| match figure {
                "lent" => reads.pass(|number| Ok(leading(read(number)))),
                _ => reads.copying(|number, to| copy(read(number), to)),
            })?;
        }
        _ => return Err(task.unknown_engine()),
    }
    Ok(answer)
}

fn copy(from: &[u8], to: &mut [u8]) -> Result<()> {
    let from = from.get(..to.len()).context("a chunk is too short")?;
    to.copy_from_slice(from);
    Ok(())
}

/// Which chunks a pass reads, and the sum of their leading numbers.
struct Reads {
    order: Vec<usize>,
    expected: u64,
}

impl Reads {
    fn new(count: usize, seed: u64) -> Self {
        let values = Values::new(CHUNK_LEN);
        let once = (0..count).map(|number| leading(values.get(number)));
        let once = once.fold(0, u64::wrapping_add);
        Self {
            order: shuffled(count, seed),
            expected: once.wrapping_mul(ROUNDS as u64),
        }
    }

    /// Reads every chunk; µs for one. `read` gives its leading number.
    fn pass(&self, mut read: impl FnMut(usize) -> Result<u64>) -> Result<f64> {
        let mut found = Found::default();
        let start = Instant::now();
        for _ in 0..ROUNDS {
            for number in &self.order {
                found.add(read(*number)?);
            }
        }
        let elapsed = start.elapsed().as_secs_f64();
        let count = self.order.len() * ROUNDS;
        found.check(count, self.expected)?;
        Ok(elapsed * 1e6 / count as f64)
    }

    /// The same, each copied to one place.
    fn copying(&self, read: impl Fn(usize, &mut [u8]) -> Result<()>) -> Result<f64> {
        let mut to = vec![0; CHUNK_LEN];
        self.pass(|number| {
            read(number, &mut to)?;
            Ok(leading(black_box(&to)))
        })
    }
}
