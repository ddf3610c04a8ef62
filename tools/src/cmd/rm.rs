//! `arraylog rm`: removes entries.

use std::ffi::OsString;
use std::path::PathBuf;

use arraylog::Mode;

use crate::Context;
use crate::failure::{Failure, Outcome};
use crate::open::{self, Sure};
use crate::{key, text};

/// Remove entries by key, all in one commit
///
/// Keys that are absent are named and make the exit code 1; the others are removed all the same.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// Collection of the entries
    collection: String,
    /// Partition of the entries
    partition: String,
    /// Keys to remove
    #[arg(required = true)]
    key: Vec<OsString>,
    /// Absent keys are no failure
    #[arg(long)]
    ignore_missing: bool,
    /// When the removal is on the device
    #[arg(long, value_enum, default_value_t)]
    durability: Sure,
}

pub(crate) fn run(args: &Args, context: &Context) -> Outcome {
    let store = open::for_writing(&args.store, Mode::ReadWrite, args.durability)?;
    open::partition(&store, &args.collection, &args.partition)?;
    let batch = store.batch()?;
    let partition = batch.partition(&args.collection, &args.partition)?;
    let mut absent = Vec::new();
    for argument in &args.key {
        let key = key::bytes(argument)?;
        if !partition.remove(&key)? {
            absent.push(format!("\"{}\"", key::escaped(&key)));
        }
    }
    batch.commit()?;
    store.close()?;
    let removed = (args.key.len() - absent.len()) as u64;
    context.say(&format!(
        "removed {}",
        text::count(removed, "entry", "entries")
    ));
    if absent.is_empty() || args.ignore_missing {
        return Ok(());
    }
    Err(Failure::Negative(format!("no key {}", absent.join(", "))))
}
