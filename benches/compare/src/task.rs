//! One measurement in one process: what it is told and what it answers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use serde::{Deserialize, Serialize};

use crate::mapping;
use crate::rows;

/// Data of a quick run, as a part of the whole.
const QUICK_PART: usize = 10;

/// What a process of the driver is to do.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Task {
    /// Name of the row.
    pub(crate) row: String,
    /// Name of the engine.
    pub(crate) engine: String,
    /// Whether to make the data or to measure.
    pub(crate) phase: Phase,
    /// Folder for the data of this row, engine and repetition.
    pub(crate) folder: PathBuf,
    /// A tenth of the data.
    pub(crate) quick: bool,
    /// Entries of the rows of small fields, if not theirs.
    pub(crate) entries: Option<usize>,
    /// Bytes of memory to settle.
    pub(crate) settle: usize,
    /// Seed of the orders: one for all engines of a repetition.
    pub(crate) seed: u64,
    /// The interpreter, for rows in Python.
    pub(crate) python: Option<PathBuf>,
}

/// Steps of a row, each in its own process.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// Puts the free memory of the machine into a known state.
    Settle,
    /// Makes the data.
    Prepare,
    /// Measures.
    Measure,
}

/// What a process measured: one JSON line on its standard output.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Answer {
    /// Figures by name.
    pub(crate) figures: BTreeMap<String, f64>,
    /// Versions of what was used, where the driver cannot know them.
    #[serde(default)]
    pub(crate) versions: BTreeMap<String, String>,
}

impl Task {
    /// The task that the driver wrote.
    pub(crate) fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text).with_context(|| format!("not a task: {text}"))
    }

    /// Does it.
    pub(crate) fn run(&self) -> Result<Answer> {
        let row = rows::find(&self.row)?;
        match (self.phase, row.prepare) {
            (Phase::Settle, _) => mapping::settle(self.settle).map(|()| Answer::default()),
            (Phase::Prepare, Some(prepare)) => prepare(self).map(|()| Answer::default()),
            (Phase::Prepare, None) => Ok(Answer::default()),
            (Phase::Measure, _) => (row.measure)(self),
        }
    }

    /// `count`, or its part in a quick run.
    pub(crate) fn scaled(&self, count: usize) -> usize {
        if self.quick {
            count.div_ceil(QUICK_PART)
        } else {
            count
        }
    }

    /// As many entries of small fields as were asked for; else `count`, or its part.
    pub(crate) fn entries(&self, count: usize) -> usize {
        self.entries.unwrap_or_else(|| self.scaled(count))
    }

    /// The error for an engine that the row does not know.
    pub(crate) fn unknown_engine(&self) -> anyhow::Error {
        anyhow!("row {} has no engine {:?}", self.row, self.engine)
    }
}

impl Answer {
    /// Adds a figure.
    pub(crate) fn set(&mut self, name: &str, value: f64) {
        self.figures.insert(name.to_owned(), value);
    }
}
