//! `arraylog info`: what a store, a partition, an entry or an array is.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use arraylog::{Array, Attrs, Entry, Kind, Partition, Store};
use serde::Serialize;
use serde_json::value::RawValue;

use super::ls::{ArrayLine, kind_name};
use super::{SCHEMA_VERSION, json, line};
use crate::Context;
use crate::drift::{Drift, Form, Variant};
use crate::failure::{Failure, Outcome};
use crate::key;
use crate::ndjson::export;
use crate::open::{self, Io};
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
    /// How the store is read
    #[arg(long, value_enum, default_value_t)]
    io: Io,
}

fn parse_sample(text: &str) -> Result<u64, String> {
    match text {
        "all" => Ok(u64::MAX),
        _ => text.parse().map_err(|_| "expected a number or \"all\"".to_owned()),
    }
}

pub(crate) fn run(args: &Args, context: &Context, out: &mut dyn Write) -> Outcome {
    let store = open::for_reading(&args.store, args.io)?;
    let Some(collection) = &args.collection else {
        return store_info(args, &store, out);
    };
    let Some(partition) = &args.partition else {
        return collection_info(args, &store, collection, out);
    };
    let partition = open::partition(&store, collection, partition)?;
    let Some(argument) = &args.key else {
        return partition_info(args, &partition, context, out);
    };
    let key = key::bytes(argument)?;
    let entry = partition.entry(&key)?.ok_or_else(|| key::absent(&key))?;
    match &args.array {
        None => entry_info(args, &entry, out),
        Some(name) => array_info(args, &entry.array(name)?, out),
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
    recovery: RecoveryAnswer,
    partitions: Vec<PartitionAnswer<'a>>,
}

#[derive(Serialize)]
struct RecoveryAnswer {
    clean: bool,
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
    let recovery = store.recovery();
    let collections = store.collections()?.len() as u64;
    let entries = info.partitions.iter().map(|partition| partition.entries).sum();
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
        recovery: RecoveryAnswer {
            clean: recovery.clean,
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
    line(out, &format!("size         {} ({grouped} bytes)", text::bytes(answer.bytes)))?;
    line(out, &format!("last commit  {}", text::grouped(answer.seqno)))?;
    line(out, &format!("opened       {}", recovery_text(&answer.recovery)))?;
    line(out, &format!("collections  {}", text::grouped(collections)))?;
    line(out, &format!("entries      {}", text::grouped(entries)))?;
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
    format!(
        "not closed by its last writer (which may still write); read {} in {}",
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
    partitions: Vec<PartitionAnswer<'a>>,
}

fn collection_info(args: &Args, store: &Store, collection: &str, out: &mut dyn Write) -> Outcome {
    // Of a collection that is not there: `Error::NotFound`.
    store.partitions(collection)?;
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
    let answer =
        CollectionAnswer { schema_version: SCHEMA_VERSION, collection, entries, partitions };
    if args.json {
        return json(out, &answer);
    }
    line(out, &format!("collection   {}", key::escaped(collection.as_bytes())))?;
    line(out, &format!("entries      {}", text::grouped(entries)))?;
    partition_table(&answer.partitions, out)
}

#[derive(Serialize)]
struct PartitionDetails<'a> {
    schema_version: u32,
    collection: &'a str,
    partition: &'a str,
    entries: u64,
    /// Entries that the members below tell of.
    sampled: u64,
    sampled_values: u64,
    sampled_bytes_stored: u64,
    drift: Vec<DriftAnswer<'a>>,
}

#[derive(Serialize)]
struct DriftAnswer<'a> {
    array: &'a str,
    variants: Vec<VariantAnswer<'a>>,
}

#[derive(Serialize)]
struct VariantAnswer<'a> {
    dtype: String,
    rank: usize,
    masked: bool,
    entries: u64,
    first_key: &'a str,
}

/// What the entries of a partition hold, as far as they were read.
#[derive(Default)]
struct Sample {
    entries: u64,
    values: u64,
    bytes: u64,
    drift: Drift<String>,
}

impl Sample {
    fn take(partition: &Partition, most: u64, context: &Context) -> Outcome<Self> {
        let mut sample = Self::default();
        for entry in partition.entries()?.take(usize::try_from(most).unwrap_or(usize::MAX)) {
            context.interrupt.check()?;
            sample.meet(&entry?)?;
        }
        Ok(sample)
    }

    fn meet(&mut self, entry: &Entry) -> Outcome {
        self.entries += 1;
        self.bytes += entry.nbytes_stored();
        if entry.kind() == Kind::Value {
            self.values += 1;
            return Ok(());
        }
        for position in 0..entry.len() {
            let array = entry.array_at(position)?;
            let info = array.info();
            let form = Form {
                dtype: info.dtype,
                rank: array.shape().len(),
                masked: array.validity().is_some(),
            };
            self.drift.meet(&info.name, form, || key::escaped(entry.key()));
        }
        Ok(())
    }
}

fn partition_info(
    args: &Args,
    partition: &Partition,
    context: &Context,
    out: &mut dyn Write,
) -> Outcome {
    let entries = partition.len()?;
    let sample = Sample::take(partition, args.sample, context)?;
    let drift = sample.drift.drifting();
    let answer = PartitionDetails {
        schema_version: SCHEMA_VERSION,
        collection: partition.collection(),
        partition: partition.name(),
        entries,
        sampled: sample.entries,
        sampled_values: sample.values,
        sampled_bytes_stored: sample.bytes,
        drift: drift.map(|(array, variants)| drift_answer(array, variants)).collect(),
    };
    if args.json {
        return json(out, &answer);
    }
    line(out, &format!("collection   {}", key::escaped(answer.collection.as_bytes())))?;
    line(out, &format!("partition    {}", key::escaped(answer.partition.as_bytes())))?;
    line(out, &format!("entries      {}", text::grouped(entries)))?;
    line(
        out,
        &format!(
            "read         {}, {} of them plain values, {}",
            text::count(sample.entries, "entry", "entries"),
            text::grouped(sample.values),
            text::bytes(sample.bytes)
        ),
    )?;
    if answer.drift.is_empty() {
        return Ok(());
    }
    line(out, "\narrays with more than one form:")?;
    let mut table = Table::new(&["array", "dtype", "rank", "masked", "entries", "first"], &[2, 4]);
    for name in &answer.drift {
        for variant in &name.variants {
            table.row(vec![
                key::escaped(name.array.as_bytes()),
                variant.dtype.clone(),
                variant.rank.to_string(),
                if variant.masked { "masked" } else { "" }.to_owned(),
                text::grouped(variant.entries),
                variant.first_key.to_owned(),
            ]);
        }
    }
    table.lines().try_for_each(|row| line(out, &row))
}

fn drift_answer<'a>(array: &'a str, variants: &'a [Variant<String>]) -> DriftAnswer<'a> {
    let variants = variants.iter().map(|variant| VariantAnswer {
        dtype: variant.form.dtype.to_string(),
        rank: variant.form.rank,
        masked: variant.form.masked,
        entries: variant.count,
        first_key: &variant.first,
    });
    DriftAnswer { array, variants: variants.collect() }
}

#[derive(Serialize)]
struct EntryAnswer<'a> {
    schema_version: u32,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_b64: Option<String>,
    kind: &'static str,
    version: u64,
    bytes_stored: u64,
    attrs: Box<RawValue>,
    arrays: Vec<ArrayAnswer<'a>>,
}

#[derive(Serialize)]
struct ArrayAnswer<'a> {
    #[serde(flatten)]
    line: ArrayLine<'a>,
    fill_value: Option<Box<RawValue>>,
    attrs: Box<RawValue>,
}

impl<'a> ArrayAnswer<'a> {
    fn of(array: &'a Array) -> Outcome<Self> {
        let info = array.info();
        let fill_value = info.fill_value.as_ref().map(|fill| {
            let mut text = Vec::new();
            export::bare_scalar(&mut text, fill)?;
            raw_json(String::from_utf8_lossy(&text).into_owned())
        });
        Ok(Self {
            line: ArrayLine::of(array),
            fill_value: fill_value.transpose()?,
            attrs: attrs_json(&info.attrs)?,
        })
    }
}

fn attrs_json(attrs: &Attrs) -> Outcome<Box<RawValue>> {
    raw_json(export::attrs_text(attrs)?)
}

fn raw_json(text: String) -> Outcome<Box<RawValue>> {
    RawValue::from_string(text).map_err(|error| Failure::output(error.into()))
}

fn entry_info(args: &Args, entry: &Entry, out: &mut dyn Write) -> Outcome {
    let arrays: Vec<Array> =
        (0..entry.len()).map(|position| entry.array_at(position)).collect::<Result<_, _>>()?;
    let attrs = match entry.kind() {
        Kind::Value => Attrs::new(),
        Kind::Arrays => entry.attrs()?,
    };
    if args.json {
        return json(out, &EntryAnswer {
            schema_version: SCHEMA_VERSION,
            key: key::escaped(entry.key()),
            key_b64: key::base64_unless_text(entry.key()),
            kind: kind_name(entry.kind()),
            version: entry.version(),
            bytes_stored: entry.nbytes_stored(),
            attrs: attrs_json(&attrs)?,
            arrays: arrays.iter().map(ArrayAnswer::of).collect::<Outcome<_>>()?,
        });
    }
    line(out, &format!("key          {}", key::escaped(entry.key())))?;
    line(out, &format!("kind         {}", kind_name(entry.kind())))?;
    line(out, &format!("version      {}", text::grouped(entry.version())))?;
    let stored = entry.nbytes_stored();
    line(out, &format!("stored       {} ({} bytes)", text::bytes(stored), text::grouped(stored)))?;
    attrs_lines("attrs        ", &attrs, out)?;
    if arrays.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&ArrayLine::TITLES, &[3]);
    for array in &arrays {
        table.row(ArrayLine::of(array).cells());
    }
    line(out, "")?;
    table.lines().try_for_each(|row| line(out, &row))?;
    for array in arrays.iter().filter(|array| !array.info().attrs.is_empty()) {
        let name = key::escaped(array.info().name.as_bytes());
        attrs_lines(&format!("attrs of {name}  "), &array.info().attrs, out)?;
    }
    Ok(())
}

/// Attributes as JSON after a title; nothing if there is none.
fn attrs_lines(title: &str, attrs: &Attrs, out: &mut dyn Write) -> Outcome {
    if attrs.is_empty() {
        return Ok(());
    }
    line(out, &format!("{title}{}", export::attrs_text(attrs)?))
}

#[derive(Serialize)]
struct OneArrayAnswer<'a> {
    schema_version: u32,
    #[serde(flatten)]
    array: ArrayAnswer<'a>,
}

fn array_info(args: &Args, array: &Array, out: &mut dyn Write) -> Outcome {
    let answer = ArrayAnswer::of(array)?;
    if args.json {
        return json(out, &OneArrayAnswer { schema_version: SCHEMA_VERSION, array: answer });
    }
    let ArrayLine { dtype, shape, dims, masked, bytes, array: name } = &answer.line;
    line(out, &format!("array        {}", key::escaped(name.as_bytes())))?;
    line(out, &format!("dtype        {dtype}"))?;
    line(out, &format!("shape        {}", text::shape(shape)))?;
    if !dims.is_empty() {
        line(out, &format!("dims         {}", text::dims(dims)))?;
    }
    line(out, &format!("masked       {}", if *masked { "yes" } else { "no" }))?;
    line(out, &format!("data         {} ({} bytes)", text::bytes(*bytes), text::grouped(*bytes)))?;
    if let Some(fill) = &answer.fill_value {
        line(out, &format!("fill value   {}", fill.get()))?;
    }
    attrs_lines("attrs        ", &array.info().attrs, out)
}
