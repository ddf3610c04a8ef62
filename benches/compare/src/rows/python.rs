//! Rows in Python: the child process becomes the interpreter.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/bench_python.py");

/// Target of the first row, in µs.
const ONE_ARRAY: f64 = 1.0;

const ENGINES: &[&str] = &["arraylog", "lmdb", "dict"];

pub(super) const ROWS: [&Row; 5] = [
    &Row {
        name: "py-array",
        title: "Python: one float32 array of 1 KiB by key to a NumPy array, 20,000 entries, random, warm",
        engines: ENGINES,
        figures: &[
            Figure::time("array", "µs"),
            Figure::time("entry", "µs, np.asarray(part[key][name])"),
        ],
        comparisons: &[
            Comparison::within(("arraylog", "array"), ONE_ARRAY),
            Comparison::of(("arraylog", "array"), ("lmdb", "array")),
            Comparison::of(("arraylog", "array"), ("dict", "array")),
            Comparison::of(("arraylog", "entry"), ("lmdb", "array")),
        ],
        prepare: None,
        measure,
        needs_python: true,
    },
    &Row {
        name: "py-masked",
        title: "Python: the same with a mask, to a MaskedArray",
        engines: ENGINES,
        figures: &[Figure::time("array", "µs")],
        comparisons: &[
            Comparison::of(("arraylog", "array"), ("lmdb", "array")),
            Comparison::of(("arraylog", "array"), ("dict", "array")),
        ],
        prepare: None,
        measure,
        needs_python: true,
    },
    &Row {
        name: "py-string",
        title: "Python: a 0-d string of 20 B, as str and as a StringDType array",
        engines: ENGINES,
        figures: &[Figure::time("item", "µs, str"), Figure::time("array", "µs")],
        comparisons: &[
            Comparison::of(("arraylog", "item"), ("lmdb", "item")),
            Comparison::of(("arraylog", "array"), ("lmdb", "array")),
            Comparison::of(("arraylog", "array"), ("dict", "array")),
        ],
        prepare: None,
        measure,
        needs_python: true,
    },
    &Row {
        name: "py-strings",
        title: "Python: 16 strings of 20 B as a StringDType array; peers: msgpack of the list",
        engines: ENGINES,
        figures: &[Figure::time("array", "µs")],
        comparisons: &[
            Comparison::of(("arraylog", "array"), ("lmdb", "array")),
            Comparison::of(("arraylog", "array"), ("dict", "array")),
        ],
        prepare: None,
        measure,
        needs_python: true,
    },
    &Row {
        name: "py-entry",
        title: "Python: 150 fields (100 scalars, 30 strings of 20 B, 20 arrays of 50 float32) as a dict, 2,000 entries",
        engines: &["arraylog", "lmdb-pickle", "lmdb-msgpack", "lmdb-npz"],
        figures: &[
            Figure::time("dict", "µs"),
            Figure::time("stored", "B per entry on disk"),
        ],
        comparisons: &[
            Comparison::of(("arraylog", "dict"), ("lmdb-pickle", "dict")),
            Comparison::of(("arraylog", "dict"), ("lmdb-msgpack", "dict")),
            Comparison::of(("arraylog", "dict"), ("lmdb-npz", "dict")),
        ],
        prepare: None,
        measure,
        needs_python: true,
    },
];

/// Replaces this process by the script, which prints the answer.
fn measure(task: &Task) -> Result<Answer> {
    let python = task.python.as_ref().context("no --python was given")?;
    let failure = Command::new(python)
        .arg(SCRIPT)
        .args([&task.row, &task.engine])
        .arg("--folder")
        .arg(&task.folder)
        .args(["--seed", &task.seed.to_string()])
        .args(["--part", &task.scaled(1_000).to_string()])
        .exec();
    Err(failure).with_context(|| format!("cannot run {}", python.display()))
}
