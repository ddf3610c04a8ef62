//! `arraylog rm`: removes entries, or drops partitions and collections.

use std::ffi::OsString;
use std::path::PathBuf;

use arraylog::{Mode, Store};

use crate::Context;
use crate::failure::{Failure, Outcome};
use crate::open::{self, Sure};
use crate::{key, text};

/// Remove entries by key, or with --all a partition or collection, in one commit
///
/// Keys that are absent are named and make the exit code 1; the others are removed all the same.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// Collection of the entries, or to drop
    collection: String,
    /// Partition of the entries, or to drop
    partition: Option<String>,
    /// Keys to remove
    key: Vec<OsString>,
    /// Drop the partition with all its entries; without a partition, the collection with all of them
    #[arg(long)]
    all: bool,
    /// What is absent is no failure
    #[arg(long)]
    ignore_missing: bool,
    /// When the removal is on the device
    #[arg(long, value_enum, default_value_t)]
    durability: Sure,
}

pub(crate) fn run(args: &Args, context: &Context) -> Outcome {
    match (&args.partition, args.all) {
        (_, true) if !args.key.is_empty() => Err(Failure::Usage(
            "--all drops the whole partition: leave out the keys".to_owned(),
        )),
        (partition, true) => drop_all(args, partition.as_deref(), context),
        (Some(partition), false) if !args.key.is_empty() => entries(args, partition, context),
        (Some(_), false) => Err(Failure::Usage(
            "which entries? Keys, or --all to drop the partition".to_owned(),
        )),
        (None, false) => Err(Failure::Usage(
            "which entries? A partition and keys, or --all to drop the collection".to_owned(),
        )),
    }
}

fn open(args: &Args) -> Outcome<Store> {
    open::for_writing(&args.store, Mode::ReadWrite, args.durability)
}

fn drop_all(args: &Args, partition: Option<&str>, context: &Context) -> Outcome {
    let store = open(args)?;
    let collection = &args.collection;
    let (dropped, what) = match partition {
        Some(name) => (store.drop_partition(collection, name)?, "partition"),
        None => (store.drop_collection(collection)?, "collection"),
    };
    // Of what is not there: the error with the nearest name.
    let absent = match partition {
        _ if dropped || args.ignore_missing => None,
        Some(name) => store.existing_partition(collection, name).err(),
        None => store.partitions(collection).err(),
    };
    store.close()?;
    if let Some(error) = absent {
        return Err(error.into());
    }
    let name = key::escaped(partition.unwrap_or(collection).as_bytes());
    if dropped {
        context.say(&format!("dropped {what} \"{name}\""));
    } else {
        context.say(&format!("no {what} \"{name}\""));
    }
    Ok(())
}

fn entries(args: &Args, partition: &str, context: &Context) -> Outcome {
    let store = open(args)?;
    open::partition(&store, &args.collection, partition)?;
    let batch = store.batch()?;
    let partition = batch.partition(&args.collection, partition)?;
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
