//! `arraylog ls`: what is in a store, one level at a time.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use arraylog::{Array, Entry, Kind, Partition, PartitionInfo, Store};
use serde::Serialize;

use super::{json, line};
use crate::Context;
use crate::failure::Outcome;
use crate::key;
use crate::open::{self, Reading};
use crate::stats::StatsAnswer;
use crate::text::{self, Table};

/// List collections, partitions, keys or arrays
///
/// One name a line, in the order of their latest write. Control characters, backslashes and bytes
/// that are not UTF-8 are escaped; --json gives such keys in base64 as well.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// List the partitions of this collection
    collection: Option<String>,
    /// List the keys of this partition
    partition: Option<String>,
    /// List the arrays of this entry
    key: Option<OsString>,
    /// Kind, size, dtype, shape, dims and mask beside each name
    #[arg(short, long)]
    long: bool,
    /// Least and greatest element of each array of an entry, and how many elements there are,
    /// are masked, are NaN, are the fill value: from the file for arrays of 256 bytes and more,
    /// else by reading them
    #[arg(long, requires = "key")]
    stats: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// At most so many lines
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    limit: usize,
    #[command(flatten)]
    reading: Reading,
}

pub(crate) fn run(args: &Args, context: &Context, out: &mut dyn Write) -> Outcome {
    let store = open::for_reading(&args.store, args.reading)?;
    let mut listing = Listing {
        args,
        context,
        out,
        table: None,
    };
    match (&args.collection, &args.partition, &args.key) {
        (None, ..) => listing.collections(&store)?,
        (Some(collection), None, _) => listing.partitions(&store, collection)?,
        (Some(collection), Some(partition), None) => {
            listing.keys(&open::partition(&store, collection, partition)?)?;
        }
        (Some(collection), Some(partition), Some(argument)) => {
            let partition = open::partition(&store, collection, partition)?;
            let key = key::bytes(argument)?;
            listing.arrays(&partition.entry(&key)?.ok_or_else(|| key::absent(&key))?)?;
        }
    }
    listing.finish()
}

#[derive(Serialize)]
struct CollectionLine<'a> {
    collection: &'a str,
    partitions: u64,
    entries: u64,
}

#[derive(Serialize)]
struct PartitionLine<'a> {
    collection: &'a str,
    partition: &'a str,
    entries: u64,
}

#[derive(Serialize)]
struct KeyLine {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_b64: Option<String>,
    #[serde(flatten)]
    details: Option<KeyDetails>,
}

/// What `-l` adds, which costs reading each entry.
#[derive(Serialize)]
struct KeyDetails {
    kind: &'static str,
    arrays: u64,
    bytes_stored: u64,
}

/// An array in answers.
#[derive(Serialize)]
pub(crate) struct ArrayLine<'a> {
    pub(crate) array: &'a str,
    pub(crate) dtype: String,
    pub(crate) shape: &'a [u64],
    pub(crate) dims: &'a [Option<String>],
    pub(crate) masked: bool,
    pub(crate) bytes: u64,
    pub(crate) codec: Option<&'a str>,
    pub(crate) chunks: Option<Vec<u64>>,
}

impl<'a> ArrayLine<'a> {
    pub(crate) fn of(array: &'a Array) -> Outcome<Self> {
        let info = array.info();
        Ok(Self {
            array: &info.name,
            dtype: info.dtype.to_string(),
            shape: array.shape(),
            dims: &info.dims,
            masked: array.is_masked(),
            bytes: array.nbytes()?,
            codec: info.codec.as_deref(),
            chunks: array.chunks()?,
        })
    }

    /// Titles of [`cells`](Self::cells); the fourth holds numbers.
    pub(crate) const TITLES: [&'static str; 8] = [
        "array", "dtype", "shape", "bytes", "dims", "masked", "chunks", "codec",
    ];

    pub(crate) fn cells(&self) -> Vec<String> {
        vec![
            key::escaped(self.array.as_bytes()),
            self.dtype.clone(),
            text::shape(self.shape),
            text::grouped(self.bytes),
            text::dims(self.dims),
            if self.masked { "masked" } else { "" }.to_owned(),
            self.chunks.as_deref().map(text::shape).unwrap_or_default(),
            self.codec.unwrap_or_default().to_owned(),
        ]
    }
}

/// An array with what `--stats` adds.
#[derive(Serialize)]
struct StatsLine<'a> {
    #[serde(flatten)]
    line: ArrayLine<'a>,
    stats: Option<StatsAnswer>,
}

/// "arrays" or "value".
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Value => "value",
        Kind::Arrays => "arrays",
    }
}

struct Listing<'a> {
    args: &'a Args,
    context: &'a Context,
    out: &'a mut dyn Write,
    /// Rows that wait for the width of their columns, with `-l` or `--stats` for people.
    table: Option<Table>,
}

impl Listing<'_> {
    fn collections(&mut self, store: &Store) -> Outcome {
        let info = store.info()?;
        let mut counts: HashMap<&str, (u64, u64)> = HashMap::new();
        for partition in &info.partitions {
            let (partitions, entries) = counts.entry(&partition.collection).or_default();
            *partitions += 1;
            *entries += partition.entries;
        }
        for name in store.collections()?.iter().take(self.args.limit) {
            let (partitions, entries) = counts.get(&**name).copied().unwrap_or_default();
            let answer = CollectionLine {
                collection: name,
                partitions,
                entries,
            };
            let counts = [answer.partitions, answer.entries].map(text::grouped);
            self.put(
                name.as_bytes(),
                &["collection", "partitions", "entries"],
                &[1, 2],
                &answer,
                || counts.to_vec(),
            )?;
        }
        Ok(())
    }

    fn partitions(&mut self, store: &Store, collection: &str) -> Outcome {
        if !store.has_collection(collection)? {
            // Says so, with the nearest name.
            store.partitions(collection)?;
        }
        let info = store.info()?;
        let of = |partition: &&PartitionInfo| partition.collection == collection;
        for partition in info.partitions.iter().filter(of).take(self.args.limit) {
            let (name, entries) = (&partition.name, partition.entries);
            let answer = PartitionLine {
                collection,
                partition: name,
                entries,
            };
            self.put(
                name.as_bytes(),
                &["partition", "entries"],
                &[1],
                &answer,
                || vec![text::grouped(entries)],
            )?;
        }
        Ok(())
    }

    fn keys(&mut self, partition: &Partition) -> Outcome {
        if self.args.long {
            for entry in partition.entries()?.take(self.args.limit) {
                self.context.interrupt.check()?;
                let entry = entry?;
                let details = details(&entry);
                let cells = vec![
                    details.kind.to_owned(),
                    text::grouped(details.arrays),
                    text::grouped(details.bytes_stored),
                ];
                self.key(entry.key(), Some(details), cells)?;
            }
        } else {
            for key in partition.keys()?.take(self.args.limit) {
                self.context.interrupt.check()?;
                self.key(&key?, None, Vec::new())?;
            }
        }
        Ok(())
    }

    fn key(&mut self, key: &[u8], details: Option<KeyDetails>, cells: Vec<String>) -> Outcome {
        let answer = KeyLine {
            key: key::json_text(key),
            key_b64: key::base64_unless_text(key),
            details,
        };
        self.put(
            key,
            &["key", "kind", "arrays", "bytes"],
            &[2, 3],
            &answer,
            || cells,
        )
    }

    fn arrays(&mut self, entry: &Entry) -> Outcome {
        // Of a value: `Error::Kind`.
        if entry.kind() == Kind::Value {
            entry.array("")?;
        }
        for position in 0..entry.len().min(self.args.limit) {
            let array = entry.array_at(position)?;
            let answer = ArrayLine::of(&array)?;
            if self.args.stats {
                self.context.interrupt.check()?;
                self.array_with_stats(answer, &array)?;
                continue;
            }
            self.put(
                answer.array.as_bytes(),
                &ArrayLine::TITLES,
                &[3],
                &answer,
                || answer.cells().split_off(1),
            )?;
        }
        Ok(())
    }

    fn array_with_stats(&mut self, line: ArrayLine<'_>, array: &Array) -> Outcome {
        let stats = StatsAnswer::of(array)?;
        if self.args.json {
            return json(self.out, &StatsLine { line, stats });
        }
        let (titles, numbers): (&[&str], &'static [usize]) = match self.args.long {
            true => (&ArrayLine::TITLES, &[3, 8, 9, 10, 11]),
            false => (&["array"], &[1, 2, 3, 4]),
        };
        let mut row = line.cells();
        row.truncate(titles.len());
        row.extend(StatsAnswer::cells(stats.as_ref(), array));
        let titles = [titles, &StatsAnswer::TITLES].concat();
        self.table
            .get_or_insert_with(|| Table::new(&titles, numbers))
            .row(row);
        Ok(())
    }

    /// One line, in the form that was asked for.
    fn put(
        &mut self,
        name: &[u8],
        titles: &[&str],
        numbers: &'static [usize],
        answer: &impl Serialize,
        details: impl FnOnce() -> Vec<String>,
    ) -> Outcome {
        if self.args.json {
            return json(self.out, answer);
        }
        let name = key::escaped(name);
        if !self.args.long {
            return line(self.out, &name);
        }
        let mut row = vec![name];
        row.extend(details());
        self.table
            .get_or_insert_with(|| Table::new(titles, numbers))
            .row(row);
        Ok(())
    }

    fn finish(self) -> Outcome {
        for row in self.table.iter().flat_map(Table::lines) {
            line(self.out, &row)?;
        }
        Ok(())
    }
}

fn details(entry: &Entry) -> KeyDetails {
    KeyDetails {
        kind: kind_name(entry.kind()),
        arrays: entry.len() as u64,
        bytes_stored: entry.nbytes_stored(),
    }
}
