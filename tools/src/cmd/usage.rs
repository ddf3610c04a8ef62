//! `arraylog usage`: where the bytes of a store go.

use std::io::Write;
use std::path::PathBuf;

use arraylog::{Counters, PartitionUsage, Usage};
use serde::Serialize;

use super::{SCHEMA_VERSION, json, line};
use crate::failure::Outcome;
use crate::key;
use crate::open::{self, Reading};
use crate::text::{self, Table};

/// Say where the bytes of a store go, what compaction would free, and what telling that cost
///
/// "probes" is how many groups of the index a lookup of a stored key reads: an estimate from 64
/// entries of each segment, or, with --detailed, counted over all.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// Read the whole log and index for what is dead in each partition, for frame headers, and
    /// for exact probes
    #[arg(long)]
    detailed: bool,
    /// One JSON object, sizes in bytes
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema_version: u32,
    path: String,
    file_bytes: u64,
    live_bytes: u64,
    index_bytes: u64,
    dead_bytes: u64,
    header_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame_bytes: Option<u64>,
    reclaimable_bytes: u64,
    partitions: Vec<PartitionAnswer<'a>>,
    /// What this command did to answer.
    counters: CountersAnswer,
}

#[derive(Serialize)]
struct CountersAnswer {
    commits: u64,
    operations: u64,
    bytes_written: u64,
    syncs: u64,
    checkpoints: u64,
    index_bytes_written: u64,
    records_compared: u64,
    blocks_compared: u64,
    refreshes: u64,
    records_followed: u64,
    segments: u64,
}

impl From<Counters> for CountersAnswer {
    fn from(counters: Counters) -> Self {
        Self {
            commits: counters.commits,
            operations: counters.operations,
            bytes_written: counters.bytes_written,
            syncs: counters.syncs,
            checkpoints: counters.checkpoints,
            index_bytes_written: counters.index_bytes_written,
            records_compared: counters.records_compared,
            blocks_compared: counters.blocks_compared,
            refreshes: counters.refreshes,
            records_followed: counters.records_followed,
            segments: counters.segments,
        }
    }
}

#[derive(Serialize)]
struct PartitionAnswer<'a> {
    collection: &'a str,
    partition: &'a str,
    entries: u64,
    live_bytes: u64,
    index_bytes: u64,
    segments: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probes: Option<f64>,
    /// Whether that is an estimate from a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    probes_sampled: Option<bool>,
}

impl<'a> PartitionAnswer<'a> {
    fn of(usage: &'a PartitionUsage, detailed: bool) -> Self {
        Self {
            collection: &usage.collection,
            partition: &usage.name,
            entries: usage.entries,
            live_bytes: usage.live_bytes,
            index_bytes: usage.index_bytes,
            segments: usage.segments,
            dead_bytes: usage.dead_bytes,
            probes: usage.probes,
            probes_sampled: usage.probes.map(|_| !detailed),
        }
    }

    fn cells(&self) -> Vec<String> {
        let unknown = || "-".to_owned();
        vec![
            key::escaped(self.collection.as_bytes()),
            key::escaped(self.partition.as_bytes()),
            text::grouped(self.entries),
            text::bytes(self.live_bytes),
            text::bytes(self.index_bytes),
            text::grouped(self.segments),
            self.dead_bytes.map_or_else(unknown, text::bytes),
            self.probes.map_or_else(unknown, |probes| {
                let about = self.probes_sampled.unwrap_or_default();
                format!("{}{probes:.2}", if about { "about " } else { "" })
            }),
        ]
    }
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Outcome {
    let store = open::for_reading(&args.store, args.reading)?;
    let usage = match args.detailed {
        true => store.detailed_usage()?,
        false => store.usage()?,
    };
    let partitions = usage.partitions.iter();
    let partitions = partitions.map(|part| PartitionAnswer::of(part, args.detailed));
    let partitions: Vec<_> = partitions.collect();
    let counters = store.counters();
    if args.json {
        let answer = Answer {
            schema_version: SCHEMA_VERSION,
            path: store.path().display().to_string(),
            file_bytes: usage.file_bytes,
            live_bytes: usage.live_bytes,
            index_bytes: usage.index_bytes,
            dead_bytes: usage.dead_bytes,
            header_bytes: usage.header_bytes,
            frame_bytes: usage.frame_bytes,
            reclaimable_bytes: usage.reclaimable_bytes,
            partitions,
            counters: counters.into(),
        };
        return json(out, &answer);
    }
    totals(&usage, out)?;
    looked_at(&counters, out)?;
    if partitions.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(
        &[
            "collection",
            "partition",
            "entries",
            "live",
            "index",
            "segments",
            "dead",
            "probes",
        ],
        &[2, 3, 4, 5, 6, 7],
    );
    partitions.iter().for_each(|part| table.row(part.cells()));
    line(out, "")?;
    table.lines().try_for_each(|row| line(out, &row))
}

/// What a command that reads can have done.
fn looked_at(counters: &Counters, out: &mut dyn Write) -> Outcome {
    let Counters {
        records_compared,
        blocks_compared,
        segments,
        ..
    } = counters;
    let [records, blocks, segments] =
        [records_compared, blocks_compared, segments].map(|&count| text::grouped(count));
    line(
        out,
        &format!(
            "{:<12} {records} records, {blocks} blocks, in {segments} segments",
            "compared"
        ),
    )
}

fn totals(usage: &Usage, out: &mut dyn Write) -> Outcome {
    let rows = [
        ("file", Some(usage.file_bytes)),
        ("live", Some(usage.live_bytes)),
        ("index", Some(usage.index_bytes)),
        ("dead", Some(usage.dead_bytes)),
        ("of it frames", usage.frame_bytes),
        ("header", Some(usage.header_bytes)),
        ("compaction", Some(usage.reclaimable_bytes)),
    ];
    for (title, bytes) in rows {
        if let Some(bytes) = bytes {
            let would = match title {
                "compaction" => "would free about ",
                _ => "",
            };
            let (short, exact) = (text::bytes(bytes), text::grouped(bytes));
            line(out, &format!("{title:<12} {would}{short} ({exact} bytes)"))?;
        }
    }
    Ok(())
}
