//! `arraylog attrs`: attributes of a store or of anything in it.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use arraylog::{Attrs, Partition, Store};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{SCHEMA_VERSION, attrs_json, json, line, raw_json};
use crate::Context;
use crate::failure::Outcome;
use crate::key;
use crate::ndjson::export;
use crate::open::{self, Reading};
use crate::text::Table;

/// Print the attributes of a store, a collection, a partition, an entry or an array
///
/// One a line, its name and its value as in NDJSON, where types that JSON lacks are stated. With
/// --column, one attribute of all entries of a partition.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// Of this collection
    collection: Option<String>,
    /// Of this partition
    partition: Option<String>,
    /// Of this entry
    key: Option<OsString>,
    /// Of this array of the entry
    array: Option<String>,
    /// One line an entry of the partition: its key and its attribute NAME, nothing where it has
    /// none
    #[arg(
        long,
        value_name = "NAME",
        requires = "partition",
        conflicts_with = "key"
    )]
    column: Option<String>,
    /// One JSON object; with --column one a line, without "value" where an entry has none
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    collection: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_b64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    array: Option<&'a str>,
    attrs: Box<RawValue>,
}

/// The attribute of one entry.
#[derive(Serialize)]
struct ColumnLine {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_b64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
}

pub(crate) fn run(args: &Args, context: &Context, out: &mut dyn Write) -> Outcome {
    let store = open::for_reading(&args.store, args.reading)?;
    if let (Some(collection), Some(partition), Some(name)) =
        (&args.collection, &args.partition, &args.column)
    {
        let partition = open::partition(&store, collection, partition)?;
        return column(&partition, name, args.json, context, out);
    }
    let entry_key = args.key.as_deref().map(key::bytes).transpose()?;
    let attrs = find(args, &store, entry_key.as_deref())?;
    if args.json {
        let answer = Answer {
            schema_version: SCHEMA_VERSION,
            collection: args.collection.as_deref(),
            partition: args.partition.as_deref(),
            key: entry_key.as_deref().map(key::json_text),
            key_b64: entry_key.as_deref().and_then(key::base64_unless_text),
            array: args.array.as_deref(),
            attrs: attrs_json(&attrs)?,
        };
        return json(out, &answer);
    }
    if attrs.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["name", "value"], &[]);
    for (name, value) in attrs.iter() {
        table.row(vec![
            key::escaped(name.as_bytes()),
            export::attr_text(value)?,
        ]);
    }
    table.lines().try_for_each(|row| line(out, &row))
}

/// The attribute `name` of each entry. Written as it is read: a column may be long.
fn column(
    partition: &Partition,
    name: &str,
    as_json: bool,
    context: &Context,
    out: &mut dyn Write,
) -> Outcome {
    for pair in partition.attr_column(name)? {
        context.interrupt.check()?;
        let (key, value) = pair?;
        let value = value.as_ref().map(export::attr_text).transpose()?;
        if as_json {
            let answer = ColumnLine {
                key: key::json_text(&key),
                key_b64: key::base64_unless_text(&key),
                value: value.map(raw_json).transpose()?,
            };
            json(out, &answer)?;
            continue;
        }
        let key = key::escaped(&key);
        match value {
            Some(value) => line(out, &format!("{key}\t{value}"))?,
            None => line(out, &key)?,
        }
    }
    Ok(())
}

/// The attributes at the address of `args`.
fn find(args: &Args, store: &Store, entry_key: Option<&[u8]>) -> Outcome<Attrs> {
    let Some(collection) = &args.collection else {
        return Ok(store.attrs()?);
    };
    let Some(partition) = &args.partition else {
        return Ok(store.collection_attrs(collection)?);
    };
    let partition = open::partition(store, collection, partition)?;
    let Some(entry_key) = entry_key else {
        return Ok(partition.attrs()?);
    };
    let entry = partition.entry(entry_key)?;
    let entry = entry.ok_or_else(|| key::absent(entry_key))?;
    Ok(match &args.array {
        None => entry.attrs()?,
        Some(name) => entry.array(name)?.info().attrs.clone(),
    })
}
