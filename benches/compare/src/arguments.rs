//! The command line.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};

use crate::driver::Plan;
use crate::machine;
use crate::row::Row;
use crate::rows::{self, Suite};

/// Repetitions of a full run and of a quick one.
const REPETITIONS: usize = 7;
const QUICK_REPETITIONS: usize = 3;

/// Measures arraylog beside its peers, row by row, engines interleaved.
#[derive(Debug, Parser)]
#[command(name = "arraylog-compare", args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) mode: Option<Mode>,
    /// Rows to run, separated by commas, of any suite (default: all of --suite; see --list).
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Rows to run if --rows names none.
    #[arg(long, value_enum, default_value_t = Suite::Main)]
    suite: Suite,
    /// Processes for each engine of each row [default: 7; 3 with --quick].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    repetitions: Option<u16>,
    /// A tenth of the data: shows that everything runs, measures nothing.
    #[arg(long)]
    quick: bool,
    /// Entries of the rows of small fields, instead of theirs; see --list.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    entries: Option<u32>,
    /// Folder for the data, on a real file system; what is made there is removed.
    #[arg(long, default_value = "target/bench-data")]
    folder: PathBuf,
    /// File for all numbers.
    #[arg(long, default_value = "target/bench.json")]
    pub(crate) json: PathBuf,
    /// GiB of memory taken and given back before each measurement, so that all of
    /// them find free memory alike; 0 leaves it.
    #[arg(long, default_value_t = 2)]
    settle: usize,
    /// Python with arraylog and its peers; without it the Python rows are skipped.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Seed of all orders (default: from the clock).
    #[arg(long)]
    seed: Option<u64>,
    /// Names the rows.
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mode {
    /// One measurement: what the driver starts.
    #[command(hide = true)]
    Task {
        /// The task as JSON.
        task: String,
    },
}

impl Arguments {
    /// What the driver is to do.
    pub(crate) fn plan(&self) -> Result<Plan> {
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make the folder {}", self.folder.display()))?;
        let file_system = machine::file_system(&self.folder)?;
        ensure!(
            file_system != "tmpfs",
            "{} is in memory (tmpfs); choose --folder on a disk",
            self.folder.display()
        );
        let default = if self.quick {
            QUICK_REPETITIONS
        } else {
            REPETITIONS
        };
        let (rows, skipped) = self.selected_rows()?;
        Ok(Plan {
            rows,
            skipped,
            repetitions: self.repetitions.map_or(default, usize::from),
            quick: self.quick,
            entries: self.entries.map(|entries| entries as usize),
            folder: std::path::absolute(&self.folder)?,
            file_system,
            // Not resolved: the interpreter of a virtual environment is a link.
            python: self.python.as_ref().map(std::path::absolute).transpose()?,
            settle: self.settle << 30,
            seed: self.seed.unwrap_or_else(|| fastrand::u64(..1 << 32)),
        })
    }

    /// The rows to run, and those left out for want of a Python.
    fn selected_rows(&self) -> Result<(Vec<&'static Row>, Vec<&'static str>)> {
        for name in &self.rows {
            rows::find(name)?;
        }
        let asked: Vec<_> = if self.rows.is_empty() {
            self.suite.rows()
        } else {
            let named = |row: &&Row| self.rows.iter().any(|name| name == row.name);
            rows::all().filter(named).collect()
        };
        let (rows, skipped): (Vec<_>, Vec<_>) = asked
            .into_iter()
            .partition(|row| self.python.is_some() || !row.needs_python);
        Ok((rows, skipped.into_iter().map(|row| row.name).collect()))
    }
}
