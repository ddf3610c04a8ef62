//! `arraylog mv`: gives an entry another key.

use std::ffi::OsString;
use std::path::PathBuf;

use arraylog::Mode;

use crate::Context;
use crate::address::Address;
use crate::failure::{Failure, Outcome};
use crate::key;
use crate::open::{self, Sure};

/// Give an entry another key, in its partition, another one or another store
///
/// The second address follows --to; what it leaves out on the left is that of the first: `mv STORE
/// C P KEY --to NEW`, `mv STORE C P KEY --to C Q KEY`. Within a store this is one commit; between
/// stores the entry is copied, then removed. An entry that is there already is left alone and makes
/// the exit code 1, unless --force is given.
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
    /// Where to
    #[arg(long, required = true, num_args = 1..=4, value_names = ["STORE", "COLLECTION", "PARTITION", "KEY"])]
    to: Vec<OsString>,
    /// Replace what is there
    #[arg(short, long)]
    force: bool,
    /// When a commit is on the device
    #[arg(long, value_enum, default_value_t)]
    durability: Sure,
}

pub(crate) fn run(args: &Args, context: &Context) -> Outcome {
    let key = Some(args.key.as_os_str());
    let from = Address::source(&args.store, &args.collection, &args.partition, key)?;
    let to = Address::after_to(&args.to, &from)?;
    let store = open::for_writing(&from.store, Mode::ReadWrite, args.durability)?;
    let part = open::partition(&store, &from.collection, &from.partition)?;
    let no_key = || Failure::Usage("an entry is moved from KEY to KEY".to_owned());
    let key = from.key.as_deref().ok_or_else(no_key)?;
    let new = to.key.as_deref().ok_or_else(no_key)?;
    // Before the target, which is made if it is missing.
    if !part.contains(key)? {
        return Err(key::absent(key));
    }
    let target = if from.is_same_store(&to) {
        store.clone()
    } else {
        open::for_writing(&to.store, Mode::Append, args.durability)?
    };
    let new_part = target.partition(&to.collection, &to.partition)?;
    part.rename_to(key, &new_part, new, args.force)?;
    // The target first: it has what the source has no more.
    target.close()?;
    store.close()?;
    context.say(&format!("moved {} to {}", from.shown(), to.shown()));
    Ok(())
}
