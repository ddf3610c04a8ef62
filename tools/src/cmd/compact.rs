//! `arraylog compact`: gives back the room of what is dead.

use std::io::Write;
use std::path::PathBuf;

use arraylog::{CompactOptions, Keep, Mode};
use serde::Serialize;

use super::{SCHEMA_VERSION, json};
use crate::Context;
use crate::failure::Outcome;
use crate::open::{self, Sure};
use crate::progress::Copying;
use crate::text;

/// Write a store anew without what is dead, and put that in its place
///
/// Readers go on, and see the new file when they refresh. There has to be room for both files in the
/// folder until it is done. An interruption leaves the store as it was.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// Keep the commits from this one on, for --at and `history`; else none but the newest state is kept
    #[arg(long, value_name = "SEQNO")]
    keep_since: Option<u64>,
    /// Copy at most so many bytes a second
    #[arg(long, value_name = "BYTES")]
    throttle: Option<u64>,
    /// Leave small arrays as they are, which otherwise share a zstd dictionary of their partition where
    /// that saves room
    #[arg(long)]
    no_dictionaries: bool,
    /// Encode what shares a dictionary at this level of zstd, 1 to 22, instead of that of each array; without
    /// effect beside --no-dictionaries
    #[arg(long, value_name = "N")]
    level: Option<u32>,
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
    /// Print what was done as JSON on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    schema_version: u32,
    freed_bytes: u64,
    file_bytes: u64,
    copied_bytes: u64,
    generation: u64,
}

pub(crate) fn run(args: &Args, context: &Context, out: &mut dyn Write) -> Outcome {
    let store = open::for_writing(&args.store, Mode::ReadWrite, Sure::Buffered)?;
    let copying = Copying::new(context, args.no_progress);
    let tell = |done, total| copying.tell(done, total);
    let mut options = CompactOptions::new()
        .dictionaries(!args.no_dictionaries)
        .progress(&tell);
    if let Some(seqno) = args.keep_since {
        options = options.keep(Keep::Since(seqno));
    }
    if let Some(level) = args.level {
        options = options.level(level);
    }
    if let Some(bytes) = args.throttle {
        options = options.throttle(bytes);
    }
    let done = copying.result(store.compact(&options), "the store is as it was")?;
    store.close()?;
    if args.json {
        return json(
            out,
            &Answer {
                schema_version: SCHEMA_VERSION,
                freed_bytes: done.freed_bytes,
                file_bytes: done.file_bytes,
                copied_bytes: done.copied_bytes,
                generation: done.generation,
            },
        );
    }
    let (freed, left) = (text::bytes(done.freed_bytes), text::bytes(done.file_bytes));
    context.say(&format!("freed {freed}; the store has {left}"));
    Ok(())
}
