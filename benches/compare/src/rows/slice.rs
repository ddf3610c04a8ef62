//! A part of a chunked array.

use std::time::Instant;

use anyhow::{Result, ensure};
use arraylog::{Selection, Span};

use super::cube::{self, CHUNK, SIDE};
use crate::lookup::measure_in_turn;
use crate::peers::{self, ArrayFormat, Storing};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

/// How many times as fast as array-format.
const TARGET: f64 = 3.0;

/// A quarter of each axis, from the middle of one chunk to that of the next.
const START: usize = SIDE * 3 / 8;
const LENGTH: usize = SIDE / 4;

const LEVEL: i32 = 3;

/// Slices of a pass.
const ROUNDS: usize = 8;

const ENGINES: &[&str] = &["arraylog", "array-format", "array-format-1m"];

const FIGURES: &[Figure] = &[
    Figure::time("slice", "µs, again and again"),
    Figure::time("fresh", "µs, with opening"),
];

const COMPARISONS: &[Comparison] = &[
    Comparison::of(("arraylog", "slice"), ("array-format", "slice")).at_least(TARGET),
    Comparison::of(("arraylog", "fresh"), ("array-format", "fresh")).at_least(TARGET),
    Comparison::of(("arraylog", "slice"), ("array-format-1m", "slice")),
    Comparison::of(("arraylog", "fresh"), ("array-format-1m", "fresh")),
];

pub(super) const ROWS: [&Row; 2] = [
    &Row {
        name: "slice",
        title: "25 % along each axis of 256³ float32 in chunks of 64³, not compressed, warm: \
                parts of eight chunks; array-format keeps what it read in memory, as it comes; \
                -1m: with a block for each chunk",
        engines: ENGINES,
        figures: FIGURES,
        comparisons: COMPARISONS,
        prepare: Some(prepare),
        measure,
        needs_python: false,
    },
    &Row {
        name: "slice-zstd",
        title: "The same, zstd:3; array-format keeps decoded blocks in memory, up to 256 MiB, \
                and decodes in fresh alone",
        engines: ENGINES,
        figures: FIGURES,
        comparisons: COMPARISONS,
        prepare: Some(prepare),
        measure,
        needs_python: false,
    },
];

fn prepare(task: &Task) -> Result<()> {
    let zstd = (task.row == "slice-zstd").then_some(LEVEL);
    if task.engine == "arraylog" {
        let codec = zstd.map(|level| format!("zstd:{level}"));
        return cube::write(&task.folder.join("data"), codec.as_deref());
    }
    let block = (task.engine == "array-format-1m").then_some(CHUNK.pow(3) * size_of::<f32>());
    let storing = Storing { zstd, block };
    ArrayFormat::write_cube(&task.folder, &cube::elements(), (SIDE, CHUNK), storing)
}

fn measure(task: &Task) -> Result<Answer> {
    let mut answer = Answer::default();
    let expected = expected();
    match task.engine.as_str() {
        "arraylog" => {
            let path = task.folder.join("data");
            let span = Span::range(START as u64..(START + LENGTH) as u64);
            let selection = Selection::new([span; 3]);
            let (_store, array) = cube::open(&path)?;
            if task.row == "slice-zstd" {
                cube::encoded(&array)?;
            }
            measure_in_turn(&mut answer, &["slice", "fresh"], |figure| {
                timed(&expected, |check| {
                    let found = match figure {
                        "slice" => array.slice(&selection)?,
                        _ => cube::open(&path)?.1.slice(&selection)?,
                    };
                    check(found.view().as_slice()?)
                })
            })?;
        }
        "array-format" | "array-format-1m" => {
            let runtime = peers::runtime()?;
            let opened = ArrayFormat::open(&task.folder, &runtime)?;
            let read = |file: &ArrayFormat| file.read(&[START; 3], &[LENGTH; 3]);
            measure_in_turn(&mut answer, &["slice", "fresh"], |figure| {
                timed(&expected, |check| {
                    let found = match figure {
                        "slice" => read(&opened)?,
                        _ => read(&ArrayFormat::open(&task.folder, &runtime)?)?,
                    };
                    check(found.as_slice().unwrap_or_default())
                })
            })?;
        }
        _ => return Err(task.unknown_engine()),
    }
    Ok(answer)
}

fn expected() -> Vec<f32> {
    let cube = cube::elements();
    let inside = START..START + LENGTH;
    let lines = inside.clone().flat_map(|x| {
        let line = move |y| (x * SIDE + y) * SIDE;
        inside.clone().map(line)
    });
    lines
        .flat_map(|line| cube.get(line + START..line + START + LENGTH))
        .flatten()
        .copied()
        .collect()
}

/// µs for one slice. `slice` hands what it found to what compares it with `expected`, whose
/// time does not count.
fn timed(
    expected: &[f32],
    slice: impl Fn(&mut dyn FnMut(&[f32]) -> Result<()>) -> Result<()>,
) -> Result<f64> {
    let mut seconds = 0.0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        slice(&mut |found| {
            seconds += start.elapsed().as_secs_f64();
            ensure!(found == expected, "the slice is not what was written");
            Ok(())
        })?;
    }
    Ok(seconds * 1e6 / ROUNDS as f64)
}
