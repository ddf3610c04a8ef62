//! `arraylog cp`: copies entries.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use arraylog::{Batch, BatchPartition, Condition, Entry, Mode, Partition, Store};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::{SCHEMA_VERSION, json};
use crate::Context;
use crate::address::Address;
use crate::failure::{Failure, Outcome};
use crate::key;
use crate::open::{self, Reading, Sure};
use crate::text;

/// Entries of one commit when a partition is copied.
const BATCH: usize = 1000;

/// Bytes of one commit when a partition is copied: a batch holds them in memory.
const BATCH_BYTES: u64 = 64 << 20;

/// From this size on an entry is a commit of its own, without a copy in memory.
const LARGE: u64 = 1 << 20;

/// Copy an entry, or all entries of a partition
///
/// The second address follows --to; what it leaves out on the left is that of the first: `cp STORE
/// C P KEY --to NEW`, `cp STORE C P KEY --to OTHER_STORE C P KEY`, `cp STORE C P --to C Q`; `cp STORE C P KEY --at SEQNO --force --to KEY` brings back what
/// was there. Store and
/// partition of the second are made if they are missing. Entries that are there already are left
/// alone and make the exit code 1, unless --force is given. All entries of a partition are copied in
/// commits of 1,000.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// Collection of the entry
    collection: String,
    /// Partition of the entry
    partition: String,
    /// Key of the entry; without it all entries of the partition are copied
    key: Option<OsString>,
    /// Where to
    #[arg(long, required = true, num_args = 1..=4, value_names = ["STORE", "COLLECTION", "PARTITION", "KEY"])]
    to: Vec<OsString>,
    /// Copy what was there after this commit
    #[arg(long, value_name = "SEQNO")]
    at: Option<u64>,
    /// Replace what is there
    #[arg(short, long)]
    force: bool,
    /// When a commit is on the device
    #[arg(long, value_enum, default_value_t)]
    durability: Sure,
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
    /// Print what was copied as JSON on stdout
    #[arg(long)]
    json: bool,
}

impl Args {
    fn reading(&self) -> Reading {
        Reading {
            at: self.at,
            ..Reading::default()
        }
    }
}

#[derive(Default, Serialize)]
struct Copied {
    schema_version: u32,
    copied: u64,
    bytes: u64,
}

pub(crate) fn run(args: &Args, context: &Context, out: &mut dyn Write) -> Outcome {
    let key = args.key.as_deref();
    let from = Address::source(&args.store, &args.collection, &args.partition, key)?;
    let to = Address::after_to(&args.to, &from)?;
    let (store, target) = if from.is_same_store(&to) {
        let store = open::for_writing(&from.store, Mode::ReadWrite, args.durability)?;
        let source = match args.at {
            Some(seqno) => Store::clone(&*store.at(seqno)?),
            None => store.clone(),
        };
        (source, store)
    } else {
        // The source first: it has to exist, the target is made.
        let store = open::for_reading(&from.store, args.reading())?;
        let part = open::partition(&store, &from.collection, &from.partition)?;
        if let Some(key) = &from.key
            && !part.contains(key)?
        {
            return Err(key::absent(key));
        }
        let target = open::for_writing(&to.store, Mode::Append, args.durability)?;
        (store, target)
    };
    let part = open::partition(&store, &from.collection, &from.partition)?;
    let mut copied = Copied {
        schema_version: SCHEMA_VERSION,
        ..Copied::default()
    };
    let result = match (&from.key, &to.key) {
        (Some(key), Some(new)) => {
            let target = target.partition(&to.collection, &to.partition)?;
            let entry = part.entry(key)?.ok_or_else(|| key::absent(key))?;
            let done = match args.at {
                // Over itself, too: this is another version.
                Some(_) => target
                    .write_entry(new, &entry, condition(args.force))
                    .map(|_| ()),
                None => part.copy(key, &target, new, args.force),
            };
            copied.copied = done.is_ok().into();
            copied.bytes = entry.nbytes_stored();
            done.map_err(Failure::from)
        }
        _ => {
            let is_same = from.is_same_store(&to) && from.shown() == to.shown();
            if is_same && args.at.is_none() {
                return Err(Failure::Usage(format!(
                    "source and target are both partition {}",
                    from.shown()
                )));
            }
            let bar = progress(args, context, part.len()?);
            let mut copy = Copy::new(&target, &to, args.force)?;
            let result = copy.all(&part, context, &bar);
            bar.finish_and_clear();
            (copied.copied, copied.bytes) = (copy.copied, copy.bytes);
            result
        }
    };
    target.close()?;
    if args.json {
        json(out, &copied)?;
    } else if result.is_ok() || copied.copied > 0 {
        let count = text::count(copied.copied, "entry", "entries");
        let bytes = text::bytes(copied.bytes);
        context.say(&format!("copied {count} ({bytes}) to {}", to.shown()));
    }
    result
}

/// When a copy is stored.
fn condition(force: bool) -> Condition {
    match force {
        true => Condition::Always,
        false => Condition::Absent,
    }
}

/// The copying of a partition, in commits of bounded size.
struct Copy<'a> {
    store: &'a Store,
    to: &'a Address,
    target: Partition,
    condition: Condition,
    batch: Batch,
    pending: u64,
    pending_bytes: u64,
    copied: u64,
    bytes: u64,
}

impl<'a> Copy<'a> {
    fn new(store: &'a Store, to: &'a Address, force: bool) -> Outcome<Self> {
        Ok(Self {
            store,
            to,
            target: store.partition(&to.collection, &to.partition)?,
            condition: condition(force),
            batch: store.batch()?,
            pending: 0,
            pending_bytes: 0,
            copied: 0,
            bytes: 0,
        })
    }

    fn all(&mut self, from: &Partition, context: &Context, bar: &ProgressBar) -> Outcome {
        for entry in from.entries()? {
            if context.interrupt.came() {
                let copied = text::count(self.copied, "entry is", "entries are");
                return Err(Failure::Interrupted(format!(
                    "interrupted; {copied} copied; --force goes over them again"
                )));
            }
            self.one(&entry?)?;
            bar.set_position(self.copied);
        }
        self.commit()
    }

    fn one(&mut self, entry: &Entry) -> Outcome {
        let bytes = entry.nbytes_stored();
        if bytes >= LARGE {
            self.commit()?;
            self.target
                .write_entry(entry.key(), entry, self.condition)?;
            self.copied += 1;
            self.bytes += bytes;
            return Ok(());
        }
        let staged: BatchPartition<'_> = self
            .batch
            .partition(&self.to.collection, &self.to.partition)?;
        staged.require(entry.key(), self.condition)?;
        staged.copy(entry.key(), entry)?;
        self.pending += 1;
        self.pending_bytes += bytes;
        if self.batch.len() >= BATCH || self.pending_bytes >= BATCH_BYTES {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Outcome {
        let next = self.store.batch()?;
        std::mem::replace(&mut self.batch, next).commit()?;
        self.copied += std::mem::take(&mut self.pending);
        self.bytes += std::mem::take(&mut self.pending_bytes);
        Ok(())
    }
}

/// A bar over entries; hidden where stderr is no terminal.
fn progress(args: &Args, context: &Context, total: u64) -> ProgressBar {
    if context.quiet || args.no_progress {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} entries {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
