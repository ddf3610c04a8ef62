//! `arraylog attrs`: attributes of a store or of anything in it.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use arraylog::{Attrs, Store};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{SCHEMA_VERSION, attrs_json, json, line};
use crate::failure::Outcome;
use crate::key;
use crate::ndjson::export;
use crate::open::{self, Reading};
use crate::text::Table;

/// Print the attributes of a store, a collection, a partition, an entry or an array
///
/// One a line, its name and its value as in NDJSON, where types that JSON lacks are stated.
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
    /// One JSON object
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

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Outcome {
    let store = open::for_reading(&args.store, args.reading)?;
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
