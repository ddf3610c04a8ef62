//! What is made of the answers: medians, paired ratios, verdicts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use arraylog_benches::{Summary, Verdict, paired_ratios};
use serde::Serialize;

use crate::driver::{EngineResults, Results, RowResults};
use crate::machine::{self, Machine};
use crate::row::{Against, Cell, Comparison};

/// Everything that a run found, as it is saved.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) commit: String,
    pub(crate) machine: Machine,
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) settings: Settings,
    pub(crate) rows: Vec<RowReport>,
}

/// How the run was made.
#[derive(Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) repetitions: usize,
    pub(crate) quick: bool,
    pub(crate) seed: u64,
    /// Bytes of memory settled before each measurement.
    pub(crate) settle: usize,
    pub(crate) skipped_without_python: Vec<&'static str>,
}

/// One row.
#[derive(Debug, Serialize)]
pub(crate) struct RowReport {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) engines: Vec<EngineReport>,
    pub(crate) comparisons: Vec<ComparisonReport>,
}

/// One engine of a row.
#[derive(Debug, Serialize)]
pub(crate) struct EngineReport {
    pub(crate) name: &'static str,
    pub(crate) figures: Vec<FigureReport>,
    /// Why processes gave no answer.
    pub(crate) failures: Vec<String>,
}

/// One figure of an engine.
#[derive(Debug, Serialize)]
pub(crate) struct FigureReport {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) summary: Option<Summary>,
    /// By repetition.
    pub(crate) values: Vec<Option<f64>>,
}

/// One ratio.
#[derive(Debug, Serialize)]
pub(crate) struct ComparisonReport {
    pub(crate) name: String,
    /// Summary of the paired ratios; more is better.
    pub(crate) ratio: Option<Summary>,
    pub(crate) ratios: Vec<f64>,
    pub(crate) target: Option<f64>,
    pub(crate) verdict: Option<Verdict>,
}

impl Report {
    /// The report of `results`.
    pub(crate) fn of(results: &Results<'_>) -> Self {
        let plan = results.plan;
        let mut versions = machine::versions();
        for answer in results.rows.iter().flat_map(RowResults::answers) {
            versions.extend(answer.versions.clone());
        }
        Self {
            commit: results.commit.clone(),
            machine: results.machine.clone(),
            versions,
            settings: Settings {
                repetitions: plan.repetitions,
                quick: plan.quick,
                seed: plan.seed,
                settle: plan.settle,
                skipped_without_python: plan.skipped.clone(),
            },
            rows: results.rows.iter().map(RowReport::of).collect(),
        }
    }

    /// Whether every process answered.
    pub(crate) fn is_whole(&self) -> bool {
        let mut engines = self.rows.iter().flat_map(|row| &row.engines);
        engines.all(|engine| engine.failures.is_empty())
    }

    /// Saves all of it as JSON.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }
}

impl RowReport {
    fn of(results: &RowResults) -> Self {
        let row = results.row;
        let comparisons = row.comparisons.iter();
        Self {
            name: row.name,
            title: row.title,
            engines: results
                .engines
                .iter()
                .map(|engine| EngineReport::of(results, engine))
                .collect(),
            comparisons: comparisons
                .filter_map(|comparison| ComparisonReport::of(results, comparison))
                .collect(),
        }
    }
}

impl EngineReport {
    fn of(results: &RowResults, engine: &EngineResults) -> Self {
        let figures = results.row.figures.iter().map(|figure| {
            let values = engine.values(figure.name);
            let there: Vec<f64> = values.iter().flatten().copied().collect();
            FigureReport {
                name: figure.name,
                unit: figure.unit,
                summary: Summary::of(&there),
                values,
            }
        });
        Self {
            name: engine.name,
            figures: figures.filter(|figure| figure.summary.is_some()).collect(),
            failures: engine
                .answers
                .iter()
                .filter_map(|answer| answer.as_ref().err().cloned())
                .collect(),
        }
    }
}

impl ComparisonReport {
    fn of(results: &RowResults, comparison: &Comparison) -> Option<Self> {
        let (_, figure) = comparison.subject;
        let figure = results.row.figure(figure)?;
        let subject = results.values(comparison.subject)?;
        let (peer, name) = match comparison.against {
            Against::Peer(cell) => (
                results.values(cell)?,
                format!("{} : {}", label(comparison.subject), label(cell)),
            ),
            Against::Limit(limit) => (
                vec![Some(limit); subject.len()],
                format!("{} : {limit} {}", label(comparison.subject), figure.unit),
            ),
        };
        let ratios = paired_ratios(&subject, &peer, figure.higher_is_better);
        let ratio = Summary::of(&ratios);
        let verdict = ratio
            .zip(comparison.target)
            .map(|(ratio, target)| Verdict::of(&ratio, target));
        Some(Self {
            name,
            ratio,
            ratios,
            target: comparison.target,
            verdict,
        })
    }
}

impl RowResults {
    fn answers(&self) -> impl Iterator<Item = &crate::task::Answer> {
        self.engines
            .iter()
            .flat_map(|engine| engine.answers.iter().flatten())
    }

    fn values(&self, (engine, figure): Cell) -> Option<Vec<Option<f64>>> {
        let engine = self.engines.iter().find(|found| found.name == engine)?;
        Some(engine.values(figure))
    }
}

impl EngineResults {
    /// The figure by repetition.
    fn values(&self, figure: &str) -> Vec<Option<f64>> {
        self.answers
            .iter()
            .map(|answer| answer.as_ref().ok()?.figures.get(figure).copied())
            .collect()
    }
}

fn label((engine, figure): Cell) -> String {
    format!("{engine} {figure}")
}
