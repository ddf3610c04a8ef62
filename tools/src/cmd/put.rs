//! `arraylog put`: a file, standard input or a text as a plain value.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use arraylog::{Mode, Spool};
use indicatif::ProgressBar;

use crate::Context;
use crate::failure::{Failure, Outcome};
use crate::ingest::source::Source;
use crate::open::{self, Sure};
use crate::{key, progress, text};

/// What a file is read by.
const BLOCK: usize = 1 << 20;

/// Store a file, standard input or a text as a plain value
///
/// Replaces the entry of that key, whatever it holds. The store is made if it is missing. A file
/// or stream may be longer than memory: it is gathered in a temporary file beside the store, which
/// has no name, and stored when all of it is there.
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
    let len = match (&args.value, &args.file) {
        (Some(text), _) => put_text(args, &key, &key::bytes(text)?)?,
        (None, file) => {
            let file = file.clone().unwrap_or_else(|| PathBuf::from("-"));
            put_stream(args, &key, &Source::new(file), context)?
        }
    };
    context.say(&format!(
        "stored {} under \"{}\"",
        text::bytes(len),
        key::escaped(&key)
    ));
    Ok(())
}

fn put_text(args: &Args, key: &[u8], value: &[u8]) -> Outcome<u64> {
    let store = open::for_writing(&args.store, Mode::Append, args.durability)?;
    store
        .partition(&args.collection, &args.partition)?
        .put(key, value)?;
    store.close()?;
    Ok(value.len() as u64)
}

fn put_stream(args: &Args, key: &[u8], source: &Source, context: &Context) -> Outcome<u64> {
    // Before the store, which is not made for a file that is not there.
    let (mut stream, total) = source.open(context.interrupt.flag())?;
    let store = open::for_writing(&args.store, Mode::Append, args.durability)?;
    let partition = store.partition(&args.collection, &args.partition)?;
    let mut spool = store.spool()?;
    let bar = match context.quiet {
        true => ProgressBar::hidden(),
        false => progress::bytes(total),
    };
    let gathered = gather(&mut *stream, source, &mut spool, &bar, context);
    bar.finish_and_clear();
    gathered?;
    let len = partition.put_spool(key, spool)?;
    store.close()?;
    Ok(len)
}

fn gather(
    stream: &mut dyn Read,
    source: &Source,
    spool: &mut Spool,
    bar: &ProgressBar,
    context: &Context,
) -> Outcome {
    let mut block = vec![0; BLOCK];
    loop {
        let read = stream.read(&mut block);
        // A signal fails the read; what was read is not the whole value.
        context.interrupt.check()?;
        match read {
            Ok(0) => return Ok(()),
            Ok(len) => {
                spool.append(block.get(..len).unwrap_or_default())?;
                bar.inc(len as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::io("read", Path::new(&source.name()))(error)),
        }
    }
}
