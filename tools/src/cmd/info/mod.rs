//! `arraylog info`: what a store, a partition, an entry or an array is.

mod entry;
mod partition;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use arraylog::Store;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{SCHEMA_VERSION, attrs_json, attrs_line, json, line};
use crate::Context;
use crate::failure::Outcome;
use crate::key;
use crate::open::{self, Reading};
use crate::text::{self, Table};

/// Describe a store, a collection, a partition, an entry or an array
///
/// Of a partition the entries are read to find array names with more than one dtype, rank or mask.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// Describe this collection
    collection: Option<String>,
    /// Describe this partition
    partition: Option<String>,
    /// Describe this entry
    key: Option<OsString>,
    /// Describe this array of the entry
    array: Option<String>,
    /// Entries of a partition that are read: a number or "all"
    #[arg(long, value_name = "N", default_value = "1000", value_parser = parse_sample)]
    sample: u64,
    /// One JSON object, sizes in bytes
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

fn parse_sample(text: &str) -> Result<u64, String> {
    match text {
        "all" => Ok(u64::MAX),
        _ => text
            .parse()
            .map_err(|_| "expected a number or \"all\"".to_owned()),
    }
}

pub(crate) fn run(args: &Args, context: &Context, out: &mut dyn Write) -> Outcome {
    let store = open::for_reading(&args.store, args.reading)?;
    let Some(collection) = &args.collection else {
        return store_info(args, &store, out);
    };
    let Some(partition) = &args.partition else {
        return collection_info(args, &store, collection, out);
    };
    let partition = open::partition(&store, collection, partition)?;
    let Some(argument) = &args.key else {
        return partition::info(args, &partition, context, out);
    };
    let key = key::bytes(argument)?;
    let entry = partition.entry(&key)?.ok_or_else(|| key::absent(&key))?;
    match &args.array {
        None => entry::info(args, &entry, out),
        Some(name) => entry::array_info(args, &entry.array(name)?, out),
    }
}

#[derive(Serialize)]
struct StoreAnswer<'a> {
    schema_version: u32,
    path: String,
    format: &'a str,
    bytes: u64,
    seqno: u64,
    generation: u64,
    collections: u64,
    entries: u64,
    attrs: Box<RawValue>,
    recovery: RecoveryAnswer,
    partitions: Vec<PartitionAnswer<'a>>,
}

#[derive(Serialize)]
struct RecoveryAnswer {
    clean: bool,
    /// Seqno up to which the file has the index.
    checkpoint: u64,
    /// Why newer checkpoints could not be used.
    passed_over: Vec<String>,
    replayed_commits: u64,
    replayed_records: u64,
    torn_bytes: u64,
    torn_at: u64,
}

#[derive(Serialize)]
struct PartitionAnswer<'a> {
    collection: &'a str,
    partition: &'a str,
    entries: u64,
}

fn store_info(args: &Args, store: &Store, out: &mut dyn Write) -> Outcome {
    let info = store.info()?;
    let attrs = store.attrs()?;
    let recovery = store.recovery();
    let collections = store.collections()?.len() as u64;
    let entries = info
        .partitions
        .iter()
        .map(|partition| partition.entries)
        .sum();
    let partitions = info.partitions.iter().map(|partition| PartitionAnswer {
        collection: &partition.collection,
        partition: &partition.name,
        entries: partition.entries,
    });
    let answer = StoreAnswer {
        schema_version: SCHEMA_VERSION,
        path: store.path().display().to_string(),
        format: &info.format,
        bytes: info.file_bytes,
        seqno: info.seqno,
        generation: store.generation(),
        collections,
        entries,
        attrs: attrs_json(&attrs)?,
        recovery: RecoveryAnswer {
            clean: recovery.clean,
            checkpoint: recovery.checkpoint,
            passed_over: recovery.passed_over.clone(),
            replayed_commits: recovery.commits,
            replayed_records: recovery.records,
            torn_bytes: recovery.torn_bytes,
            torn_at: recovery.torn_at,
        },
        partitions: partitions.collect(),
    };
    if args.json {
        return json(out, &answer);
    }
    line(out, &format!("store        {}", answer.path))?;
    line(out, &format!("format       {}", answer.format))?;
    let grouped = text::grouped(answer.bytes);
    line(
        out,
        &format!(
            "size         {} ({grouped} bytes)",
            text::bytes(answer.bytes)
        ),
    )?;
    line(
        out,
        &format!("last commit  {}", text::grouped(answer.seqno)),
    )?;
    line(
        out,
        &format!("opened       {}", recovery_text(&answer.recovery)),
    )?;
    line(
        out,
        &format!("index        {}", index_text(&answer.recovery)),
    )?;
    for reason in &answer.recovery.passed_over {
        line(out, &format!("passed over  {reason}"))?;
    }
    line(out, &format!("collections  {}", text::grouped(collections)))?;
    line(out, &format!("entries      {}", text::grouped(entries)))?;
    attrs_line("attrs        ", &attrs, out)?;
    partition_table(&answer.partitions, out)
}

fn recovery_text(recovery: &RecoveryAnswer) -> String {
    if recovery.torn_bytes > 0 {
        return format!(
            "skipped {} of an unfinished commit at offset {}",
            text::bytes(recovery.torn_bytes),
            text::grouped(recovery.torn_at)
        );
    }
    if recovery.clean {
        return "closed by its last writer".to_owned();
    }
    "not closed by its last writer (which may still write)".to_owned()
}

/// What of the index the file has, and what was read instead.
fn index_text(recovery: &RecoveryAnswer) -> String {
    let saved = match recovery.checkpoint {
        0 => "not in the file".to_owned(),
        seqno => format!("saved at commit {}", text::grouped(seqno)),
    };
    format!(
        "{saved}; read {} in {}",
        text::count(recovery.replayed_records, "record", "records"),
        text::count(recovery.replayed_commits, "commit", "commits")
    )
}

fn partition_table(partitions: &[PartitionAnswer<'_>], out: &mut dyn Write) -> Outcome {
    if partitions.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["collection", "partition", "entries"], &[2]);
    for partition in partitions {
        table.row(vec![
            key::escaped(partition.collection.as_bytes()),
            key::escaped(partition.partition.as_bytes()),
            text::grouped(partition.entries),
        ]);
    }
    line(out, "")?;
    table.lines().try_for_each(|row| line(out, &row))
}

#[derive(Serialize)]
struct CollectionAnswer<'a> {
    schema_version: u32,
    collection: &'a str,
    entries: u64,
    attrs: Box<RawValue>,
    partitions: Vec<PartitionAnswer<'a>>,
}

fn collection_info(args: &Args, store: &Store, collection: &str, out: &mut dyn Write) -> Outcome {
    // Of a collection that is not there: `Error::NotFound`.
    let attrs = store.collection_attrs(collection)?;
    let info = store.info()?;
    let partitions: Vec<_> = info
        .partitions
        .iter()
        .filter(|partition| partition.collection == collection)
        .map(|partition| PartitionAnswer {
            collection: &partition.collection,
            partition: &partition.name,
            entries: partition.entries,
        })
        .collect();
    let entries = partitions.iter().map(|partition| partition.entries).sum();
    let answer = CollectionAnswer {
        schema_version: SCHEMA_VERSION,
        collection,
        entries,
        attrs: attrs_json(&attrs)?,
        partitions,
    };
    if args.json {
        return json(out, &answer);
    }
    line(
        out,
        &format!("collection   {}", key::escaped(collection.as_bytes())),
    )?;
    line(out, &format!("entries      {}", text::grouped(entries)))?;
    attrs_line("attrs        ", &attrs, out)?;
    partition_table(&answer.partitions, out)
}
