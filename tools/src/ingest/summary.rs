//! What a run of `ingest` did.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use crate::drift::{self, Drift};
use crate::ndjson::fault::Finding;
use crate::text;

/// Bad lines that are described; the others are counted.
pub(crate) const SHOWN: usize = 20;

/// Operations, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) entries: u64,
    pub(crate) values: u64,
    pub(crate) deletes: u64,
    pub(crate) absent_deletes: u64,
    /// Keys that were written a second time.
    pub(crate) repeated_keys: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.values += other.values;
        self.deletes += other.deletes;
        self.absent_deletes += other.absent_deletes;
        self.repeated_keys += other.repeated_keys;
    }
}

/// A line that is at fault.
#[derive(Clone, Debug)]
pub(crate) struct BadLine {
    /// Number over all files.
    pub(crate) line: u64,
    /// "line 42,517 of `a.ndjson`", as people read it.
    pub(crate) place: String,
    pub(crate) finding: Finding,
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let separator = if self.finding.column.is_some() {
            ","
        } else {
            ":"
        };
        write!(f, "{}{separator} {}", self.place, self.finding)
    }
}

/// What a run did so far.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) counts: Counts,
    /// Bytes of input that were read.
    pub(crate) bytes: u64,
    /// Lines that were read, over all files.
    pub(crate) lines: u64,
    /// Every line up to this one is stored (or was skipped).
    pub(crate) stored_through: u64,
    pub(crate) bad: Vec<BadLine>,
    pub(crate) bad_count: u64,
    /// By collection: a name may well differ between two of them.
    pub(crate) drift: HashMap<String, Drift<u64>>,
}

impl Totals {
    pub(crate) fn bad_line(&mut self, bad: BadLine) {
        self.bad_count += 1;
        if self.bad.len() < SHOWN {
            self.bad.push(bad);
        }
    }

    /// Lines for people.
    pub(crate) fn text(&self, took: Duration) -> Vec<String> {
        let Counts {
            entries,
            values,
            deletes,
            absent_deletes,
            repeated_keys,
        } = self.counts;
        let mut out = vec![format!(
            "stored {}, {}, {} ({} absent); {}",
            text::count(entries, "entry", "entries"),
            text::count(values, "value", "values"),
            text::count(deletes, "delete", "deletes"),
            text::grouped(absent_deletes),
            text::count(
                repeated_keys,
                "key written more than once",
                "keys written more than once"
            ),
        )];
        out.push(format!(
            "read {}, {} in {:.2} s ({:.1} MB/s)",
            text::count(self.lines, "line", "lines"),
            text::bytes(self.bytes),
            took.as_secs_f64(),
            self.rate(took),
        ));
        if self.bad_count > 0 {
            out.push(format!(
                "skipped {}",
                text::count(self.bad_count, "bad line", "bad lines")
            ));
        }
        for drift in self.drift() {
            let variants = drift.variants.iter().map(|variant| {
                let masked = if variant.masked { " masked" } else { "" };
                format!(
                    "{} rank {}{masked}: {} from line {}",
                    variant.dtype,
                    variant.rank,
                    text::grouped(variant.count),
                    text::grouped(variant.first_line)
                )
            });
            out.push(format!(
                "array {:?} of collection {:?} has several forms: {}; to prevent: {}",
                drift.name,
                drift.collection,
                variants.collect::<Vec<_>>().join("; "),
                drift.prevented_by
            ));
        }
        out
    }

    /// Millions of bytes of input a second.
    fn rate(&self, took: Duration) -> f64 {
        self.bytes as f64 / 1e6 / took.as_secs_f64().max(1e-9)
    }

    fn drift(&self) -> Vec<DriftReport<'_>> {
        let mut collections: Vec<_> = self.drift.iter().collect();
        collections.sort_by_key(|(collection, _)| collection.as_str());
        let names = collections.into_iter().flat_map(|(collection, drift)| {
            drift.drifting().map(move |(name, variants)| DriftReport {
                collection,
                name,
                variants: variants
                    .iter()
                    .map(|variant| VariantReport {
                        dtype: variant.form.dtype.to_string(),
                        rank: variant.form.rank,
                        masked: variant.form.masked,
                        count: variant.count,
                        first_line: variant.first,
                    })
                    .collect(),
                prevented_by: drift::advice(name, variants),
            })
        });
        names.collect()
    }

    /// The answer of `--json`.
    pub(crate) fn report<'a>(&'a self, took: Duration, stopped: Option<&'a str>) -> Report<'a> {
        Report {
            schema_version: 1,
            complete: stopped.is_none(),
            stopped,
            entries: self.counts.entries,
            values: self.counts.values,
            deletes: self.counts.deletes,
            absent_deletes: self.counts.absent_deletes,
            repeated_keys: self.counts.repeated_keys,
            lines: self.lines,
            stored_through_line: self.stored_through,
            bytes: self.bytes,
            seconds: took.as_secs_f64(),
            megabytes_per_second: self.rate(took),
            bad_count: self.bad_count,
            bad_lines: self
                .bad
                .iter()
                .map(|bad| BadReport {
                    line: bad.line,
                    column: bad.finding.column,
                    member: &bad.finding.member,
                    message: &bad.finding.message,
                })
                .collect(),
            drift: self.drift(),
        }
    }
}

/// `ingest --json`. Counts are of what is stored; `lines` and `bytes` of what was read.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    schema_version: u32,
    complete: bool,
    /// Why the run stopped early.
    stopped: Option<&'a str>,
    entries: u64,
    values: u64,
    deletes: u64,
    absent_deletes: u64,
    repeated_keys: u64,
    lines: u64,
    stored_through_line: u64,
    bytes: u64,
    seconds: f64,
    megabytes_per_second: f64,
    bad_count: u64,
    bad_lines: Vec<BadReport<'a>>,
    drift: Vec<DriftReport<'a>>,
}

#[derive(Debug, Serialize)]
struct BadReport<'a> {
    line: u64,
    column: Option<u64>,
    member: &'a str,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct DriftReport<'a> {
    collection: &'a str,
    name: &'a str,
    variants: Vec<VariantReport>,
    prevented_by: String,
}

#[derive(Debug, Serialize)]
struct VariantReport {
    dtype: String,
    rank: usize,
    masked: bool,
    count: u64,
    first_line: u64,
}
