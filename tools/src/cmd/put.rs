//! `arraylog put`: a file, standard input or a text as a plain value.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use arraylog::Mode;

use crate::Context;
use crate::failure::{Failure, Outcome};
use crate::ingest::source::Source;
use crate::open::{self, Sure};
use crate::{key, text};

/// Store a file, standard input or a text as a plain value
///
/// Replaces the entry of that key, whatever it holds. The store is made if it is missing. The
/// whole value is read into memory before it is stored.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// Collection to write to
    collection: String,
    /// Partition to write to
    partition: String,
    /// Key of the value, up to 65,535 bytes
    key: OsString,
    /// File that holds the value; `-` is standard input
    #[arg(required_unless_present = "value")]
    file: Option<PathBuf>,
    /// The value itself, as text
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    value: Option<OsString>,
    /// When the value is on the device
    #[arg(long, value_enum, default_value_t)]
    durability: Sure,
}

pub(crate) fn run(args: &Args, context: &Context) -> Outcome {
    let key = key::bytes(&args.key)?;
    let value = value(args, context)?;
    let store = open::for_writing(&args.store, Mode::Append, args.durability)?;
    store
        .partition(&args.collection, &args.partition)?
        .put(&key, &value)?;
    store.close()?;
    context.say(&format!(
        "stored {} under \"{}\"",
        text::bytes(value.len() as u64),
        key::escaped(&key)
    ));
    Ok(())
}

fn value(args: &Args, context: &Context) -> Outcome<Vec<u8>> {
    match (&args.value, &args.file) {
        (Some(text), _) => key::bytes(text),
        (None, Some(file)) if file != Path::new("-") => {
            std::fs::read(file).map_err(Failure::io("read", file))
        }
        _ => {
            let mut value = Vec::new();
            let (mut stream, _) = Source::Stdin.open(context.interrupt.flag())?;
            let read = stream.read_to_end(&mut value);
            // A signal fails the read; what was read is not the whole value.
            context.interrupt.check()?;
            read.map_err(Failure::io("read", Path::new("standard input")))?;
            Ok(value)
        }
    }
}
