//! `arraylog get`: a value, an entry or one array.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use arraylog::{Array, Entry, Kind, Partition, Value, ValueReader};
use clap::ValueEnum;

use super::line;
use crate::Context;
use crate::failure::{Failure, Outcome};
use crate::ndjson::export;
use crate::open::{self, Reading};
use crate::{key, npy};

/// How an array or an entry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// NumPy's file format (arrays without missing elements)
    Npy,
    /// The bytes: of a value as stored, of an array little-endian in C order
    Raw,
    /// An entry or value as a line that `ingest` reads, an array as the object in it
    Json,
}

/// Write a value, an entry or one array to stdout
///
/// A value is written as its bytes, an entry of arrays as one NDJSON line that `ingest` reads, an
/// array as JSON, unless --format says otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// Collection of the entry
    collection: String,
    /// Partition of the entry
    partition: String,
    /// Key of the entry
    key: OsString,
    /// One array of the entry ("" is the bare array)
    array: Option<String>,
    /// Write to a file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How it is written
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write bytes that are not text to a terminal all the same
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    reading: Reading,
}

pub(crate) fn run(args: &Args, context: &Context, out: &mut dyn Write) -> Outcome {
    let store = open::for_reading(&args.store, args.reading)?;
    let partition = open::partition(&store, &args.collection, &args.partition)?;
    let key = key::bytes(&args.key)?;
    let found = find(args, &partition, &key)?.ok_or_else(|| key::absent(&key))?;
    let Some(path) = &args.output else {
        return write(args, found, context, out, Target::Stdout);
    };
    refuse_store(path, &args.store)?;
    let file = File::create(path).map_err(Failure::io("create", path))?;
    let mut file = BufWriter::new(file);
    write(args, found, context, &mut file, Target::File)?;
    file.flush().map_err(Failure::io("write", path))
}

/// What is to be written.
enum Found {
    /// A plain value, which may be longer than memory.
    Value(ValueReader),
    Entry(Entry),
}

fn find(args: &Args, partition: &Partition, key: &[u8]) -> Outcome<Option<Found>> {
    if args.array.is_none() && matches!(args.format, None | Some(Format::Raw)) {
        match partition.open_value(key) {
            Ok(value) => return Ok(value.map(Found::Value)),
            // Arrays go out by other ways, or are refused in the words for them.
            Err(arraylog::Error::Kind { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(partition.entry(key)?.map(Found::Entry))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Stdout,
    File,
}

/// The output must not be the store: creating it would cut the file under the mapping.
fn refuse_store(output: &Path, store: &Path) -> Outcome {
    match (output.canonicalize(), store.canonicalize()) {
        (Ok(a), Ok(b)) if a == b => Err(Failure::Usage(
            "the output file is the store itself".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn write(
    args: &Args,
    found: Found,
    context: &Context,
    out: &mut dyn Write,
    target: Target,
) -> Outcome {
    match found {
        Found::Value(value) => write_value(args, value, context, out, target),
        Found::Entry(entry) => write_entry(args, &entry, out, target),
    }
}

/// A plain value, block by block.
fn write_value(
    args: &Args,
    mut value: ValueReader,
    context: &Context,
    out: &mut dyn Write,
    target: Target,
) -> Outcome {
    if target == Target::Stdout && !args.force && io::stdout().is_terminal() {
        // All of it is looked at before any of it is written.
        let mut bytes = Vec::new();
        value.read_to_end(&mut bytes).map_err(unreadable)?;
        return write_bytes(args, &bytes, out, target);
    }
    loop {
        let block = value.fill_buf().map_err(unreadable)?;
        let len = block.len();
        if len == 0 {
            return Ok(());
        }
        out.write_all(block).map_err(Failure::output)?;
        value.consume(len);
        context.interrupt.check()?;
    }
}

/// The error of the store that the error of a stream holds.
fn unreadable(error: io::Error) -> Failure {
    match error.downcast::<arraylog::Error>() {
        Ok(error) => Failure::Store(error),
        Err(error) => Failure::io("read", Path::new("the value"))(error),
    }
}

fn write_entry(args: &Args, entry: &Entry, out: &mut dyn Write, target: Target) -> Outcome {
    if let Some(name) = &args.array {
        return write_array(args, &entry.array(name)?, out, target);
    }
    match (args.format.unwrap_or(Format::Json), entry.kind()) {
        (Format::Json, _) => {
            let place = export::Place {
                collection: &args.collection,
                partition: &args.partition,
            };
            export::entry(out, place, entry)
        }
        (_, Kind::Value) => Err(Failure::Usage(
            "a value has no dtype and shape; use --format raw or json".into(),
        )),
        (_, Kind::Arrays) => Err(Failure::Usage(format!(
            "name one array of the entry for this format; it holds {}",
            entry.names().collect::<Vec<_>>().join(", ")
        ))),
    }
}

fn write_array(args: &Args, array: &Array, out: &mut dyn Write, target: Target) -> Outcome {
    match args.format.unwrap_or(Format::Json) {
        Format::Json => {
            export::array(out, array)?;
            line(out, "")
        }
        Format::Raw => write_bytes(args, &raw(array)?, out, target),
        Format::Npy => {
            let header = npy::header(array)?;
            refuse_terminal(args, target, b"\x93NUMPY")?;
            out.write_all(&header).map_err(Failure::output)?;
            let read = array.read()?;
            out.write_all(read.data()).map_err(Failure::output)
        }
    }
}

/// The bytes of an array, if bytes alone say it.
fn raw(array: &Array) -> Outcome<Value> {
    let info = array.info();
    if info.dtype.item_size().is_none() && !array.shape().is_empty() {
        return Err(Failure::Usage(format!(
            "array {:?} of dtype {} has elements of any length, which its bytes alone do not tell apart; use --format json",
            info.name, info.dtype
        )));
    }
    Ok(array.read()?.data().clone())
}

fn write_bytes(args: &Args, bytes: &[u8], out: &mut dyn Write, target: Target) -> Outcome {
    refuse_terminal(args, target, bytes)?;
    out.write_all(bytes).map_err(Failure::output)
}

/// Bytes that are not printable text do harm on a terminal.
fn refuse_terminal(args: &Args, target: Target, bytes: &[u8]) -> Outcome {
    if target == Target::File || args.force || !io::stdout().is_terminal() || printable(bytes) {
        return Ok(());
    }
    Err(Failure::Usage(
        "the bytes are not printable text; redirect them, use -o FILE, or --force".to_owned(),
    ))
}

fn printable(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        text.chars()
            .all(|c| !c.is_control() || matches!(c, '\n' | '\t' | '\r'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_printable_and_control_characters_are_not() {
        assert!(printable("a\tb\né".as_bytes()));
        assert!(!printable(b"\x1b[2J"));
        assert!(!printable(b"\xff"));
    }
}
