//! Decoding chunks by one thread and by two.

use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use arraylog::{Array, Selection, Span};
use arraylog_benches::leading;

use super::cube::{self, CHUNK, SIDE};
use crate::cores;
use crate::lookup::measure_in_turn;
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

/// The rate of two threads, for that of one.
const TARGET: f64 = 1.7;

const ENGINES: &[&str] = &["arraylog", "by-hand"];

const FIGURES: &[Figure] = &[
    Figure::rate("one", "MB/s of elements"),
    Figure::rate("two", "MB/s of elements, two threads together"),
    Figure::rate("scaling", "two : one"),
    Figure::time("stored", "B for a byte of elements"),
];

const COMPARISONS: &[Comparison] = &[
    Comparison::of(("arraylog", "two"), ("arraylog", "one")).at_least(TARGET),
    Comparison::of(("by-hand", "two"), ("by-hand", "one")),
    Comparison::of(("arraylog", "scaling"), ("by-hand", "scaling")),
];

pub(super) const ROWS: [&Row; 2] = [
    &Row {
        name: "decode-lz4",
        title: "256³ float32 in chunks of 64³, lz4, read whole on one core and on two, by the \
                threads that the library starts; by-hand: a chunk at a time by as many threads \
                of the program, into memory of their own, which is what the machine gives",
        engines: ENGINES,
        figures: FIGURES,
        comparisons: COMPARISONS,
        prepare: Some(prepare),
        measure,
        needs_python: false,
    },
    &Row {
        name: "decode-zstd",
        title: "The same, zstd:3",
        engines: ENGINES,
        figures: FIGURES,
        comparisons: COMPARISONS,
        prepare: Some(prepare),
        measure,
        needs_python: false,
    },
];

fn prepare(task: &Task) -> Result<()> {
    let codec = if task.row == "decode-lz4" {
        "lz4"
    } else {
        "zstd:3"
    };
    cube::write(&task.folder.join("data"), Some(codec))
}

fn measure(task: &Task) -> Result<Answer> {
    let mut answer = Answer::default();
    let (_store, array) = cube::open(&task.folder.join("data"))?;
    let right = array.read()?.view().as_slice::<f32>()? == cube::elements();
    ensure!(right, "the cube is not what was written");
    let megabytes = array.nbytes()? as f64 / 1e6;
    let whole = |_| Ok(leading(array.read()?.data()));
    let by_hand = |threads| in_turns(&array, threads);
    let (read, expected): (&dyn Fn(usize) -> Result<u64>, _) = match task.engine.as_str() {
        "arraylog" => (&whole, whole(1)?),
        "by-hand" => (&by_hand, by_hand(1)?),
        _ => return Err(task.unknown_engine()),
    };
    measure_in_turn(&mut answer, &["one", "two"], |figure| {
        let threads = if figure == "one" { 1 } else { 2 };
        cores::with(threads, || {
            let start = Instant::now();
            let found = read(threads)?;
            let seconds = start.elapsed().as_secs_f64();
            ensure!(found == expected, "a chunk was decoded into another one");
            Ok(megabytes / seconds)
        })
    })?;
    if let (Some(one), Some(two)) = (answer.figures.get("one"), answer.figures.get("two")) {
        let scaling = two / one;
        answer.set("scaling", scaling);
    }
    answer.set("stored", cube::encoded(&array)?);
    Ok(answer)
}

/// Decodes every chunk by itself, each of `threads` its part of them; the sum of their
/// leading numbers.
fn in_turns(array: &Array, threads: usize) -> Result<u64> {
    let side = SIDE / CHUNK;
    let span = |place: usize| {
        let start = (place % side * CHUNK) as u64;
        Span::range(start..start + CHUNK as u64)
    };
    let part = |first: usize| -> Result<u64> {
        let mut sum = 0_u64;
        for number in (first..side.pow(3)).step_by(threads) {
            let spans = [number / side / side, number / side, number].map(span);
            let chunk = array.slice(&Selection::new(spans))?;
            sum = sum.wrapping_add(leading(chunk.data()));
        }
        Ok(sum)
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|first| scope.spawn(move || part(first)))
            .collect();
        let own = part(0)?;
        others.into_iter().try_fold(own, |sum, other| {
            let other = other.join().map_err(|_| anyhow!("a thread panicked"))?;
            Ok(sum.wrapping_add(other.context("a thread could not decode")?))
        })
    })
}
