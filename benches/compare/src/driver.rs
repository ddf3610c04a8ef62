//! Runs every measurement in a process of its own, engines interleaved.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::machine::{self, Machine};
use crate::row::Row;
use crate::task::{Answer, Phase, Task};

/// What to run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Rows in order.
    pub(crate) rows: Vec<&'static Row>,
    /// Rows left out for want of a Python.
    pub(crate) skipped: Vec<&'static str>,
    /// Processes for each engine of each row.
    pub(crate) repetitions: usize,
    /// A tenth of the data.
    pub(crate) quick: bool,
    /// Entries of the rows of small fields, if not theirs.
    pub(crate) entries: Option<usize>,
    /// Folder for the data.
    pub(crate) folder: PathBuf,
    /// File system of the folder.
    pub(crate) file_system: &'static str,
    /// Interpreter for the Python rows.
    pub(crate) python: Option<PathBuf>,
    /// Bytes of memory to settle before each measurement.
    pub(crate) settle: usize,
    /// Seed of all orders.
    pub(crate) seed: u64,
}

/// What came of a plan.
#[derive(Debug)]
pub(crate) struct Results<'p> {
    /// The plan.
    pub(crate) plan: &'p Plan,
    /// The commit that was checked out when the run began.
    pub(crate) commit: String,
    /// The machine, as it was when the run began.
    pub(crate) machine: Machine,
    /// One for each row of the plan.
    pub(crate) rows: Vec<RowResults>,
}

/// Answers of a row.
#[derive(Debug)]
pub(crate) struct RowResults {
    /// The row.
    pub(crate) row: &'static Row,
    /// One for each engine of the row.
    pub(crate) engines: Vec<EngineResults>,
}

/// Answers of an engine, by repetition.
#[derive(Debug)]
pub(crate) struct EngineResults {
    /// Name of the engine.
    pub(crate) name: &'static str,
    /// What each process answered.
    pub(crate) answers: Vec<Result<Answer, String>>,
}

/// Runs the plan: in each repetition each row, and in each row all engines in
/// an order that changes, so that drift of the machine meets all of them.
pub(crate) fn run(plan: &Plan) -> Result<Results<'_>> {
    let commit = machine::commit();
    let machine = Machine::describe(plan.file_system);
    let folder = tempfile::Builder::new()
        .prefix("run-")
        .tempdir_in(&plan.folder)
        .with_context(|| format!("cannot make a folder in {}", plan.folder.display()))?;
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let mut rows: Vec<_> = plan.rows.iter().map(|row| RowResults::new(row)).collect();
    for repetition in 1..=plan.repetitions {
        for results in &mut rows {
            let task = Task {
                row: results.row.name.to_owned(),
                engine: String::new(),
                phase: Phase::Measure,
                folder: folder.path().join(results.row.name),
                quick: plan.quick,
                entries: plan.entries,
                settle: plan.settle,
                seed: random.u64(..1 << 32),
                python: plan.python.clone(),
            };
            let place = format!("{repetition}/{} {}", plan.repetitions, results.row.name);
            let mut engines: Vec<_> = results.engines.iter_mut().collect();
            random.shuffle(&mut engines);
            for engine in engines {
                let task = Task {
                    engine: engine.name.to_owned(),
                    ..task.clone()
                };
                let answer = measure(&task, results.row).map_err(|error| format!("{error:#}"));
                tell(&place, engine.name, &answer)?;
                engine.answers.push(answer);
            }
        }
    }
    Ok(Results {
        plan,
        commit,
        machine,
        rows,
    })
}

impl RowResults {
    fn new(row: &'static Row) -> Self {
        let engines = row.engines.iter();
        Self {
            row,
            engines: engines
                .map(|name| EngineResults {
                    name,
                    answers: Vec::new(),
                })
                .collect(),
        }
    }
}

/// One engine of a row, in a folder that exists for as long as it takes. What
/// Python reads is small and warm: there the state of free memory does not matter.
fn measure(task: &Task, row: &Row) -> Result<Answer> {
    fs::create_dir_all(&task.folder)?;
    let answer = (|| {
        if !row.needs_python {
            start(&Task {
                phase: Phase::Settle,
                ..task.clone()
            })?;
        }
        if row.prepare.is_some() {
            start(&Task {
                phase: Phase::Prepare,
                ..task.clone()
            })?;
        }
        start(task)
    })();
    fs::remove_dir_all(&task.folder)
        .with_context(|| format!("cannot remove {}", task.folder.display()))?;
    answer
}

/// Runs a task in a process of its own.
fn start(task: &Task) -> Result<Answer> {
    let output = Command::new(std::env::current_exe()?)
        .arg("task")
        .arg(serde_json::to_string(task)?)
        .env("RUST_BACKTRACE", "0")
        .output()
        .context("cannot start a process")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}", output.status, ending(&text));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next_back().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("not an answer: {line:?}"))
}

/// The last lines of what a process complained, in one: a panic has its place
/// and its message there, a traceback its line and its error.
fn ending(text: &str) -> String {
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.contains(char::is_alphanumeric) && !line.starts_with("note: "))
        .collect();
    let last = lines.len().saturating_sub(2);
    lines.get(last..).unwrap_or_default().join(" ")
}

/// Says what was measured, for somebody who waits.
fn tell(place: &str, engine: &str, answer: &Result<Answer, String>) -> Result<()> {
    let mut error = std::io::stderr().lock();
    match answer {
        Ok(answer) => {
            let figures: Vec<_> = answer
                .figures
                .iter()
                .map(|(name, value)| format!("{name} {value:.4}"))
                .collect();
            writeln!(error, "{place} {engine}: {}", figures.join(", "))?;
        }
        Err(reason) => writeln!(error, "{place} {engine} failed: {reason}")?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::ending;

    #[test]
    fn a_failure_is_told_by_its_last_lines_that_say_something() {
        let panic = "thread 'main' panicked at a.rs:1:\nnot there\nnote: run with more\n";
        assert_eq!(ending(panic), "thread 'main' panicked at a.rs:1: not there");
        let traceback =
            "Traceback:\n  File \"b.py\"\n    import x\n    ^^^^^^^^\nModuleNotFoundError: x";
        assert_eq!(ending(traceback), "import x ModuleNotFoundError: x");
    }
}
