//! `arraylog backup`: a copy of a store, elsewhere.

use std::io::Write;
use std::path::PathBuf;

use arraylog::BackupOptions;
use serde::Serialize;

use super::{SCHEMA_VERSION, json};
use crate::Context;
use crate::failure::Outcome;
use crate::open::{self, Reading};
use crate::progress::Copying;
use crate::text;

/// Write a copy of a store, as it was at one moment, to another path
///
/// The store may be written to meanwhile. The copy is without what is dead, is synced, and read back
/// and compared before it takes its name.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// Where the copy goes
    target: PathBuf,
    /// Replace a store that is there, once the copy is whole
    #[arg(short, long)]
    force: bool,
    /// Copy at most so many bytes a second
    #[arg(long, value_name = "BYTES")]
    throttle: Option<u64>,
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
    /// Print what was done as JSON on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Serialize)]
struct Answer {
    schema_version: u32,
    path: String,
    seqno: u64,
    entries: u64,
    file_bytes: u64,
}

pub(crate) fn run(args: &Args, context: &Context, out: &mut dyn Write) -> Outcome {
    let store = open::for_reading(&args.store, args.reading)?;
    let copying = Copying::new(context, args.no_progress);
    let tell = |done, total| copying.tell(done, total);
    let mut options = BackupOptions::new().replace(args.force).progress(&tell);
    if let Some(bytes) = args.throttle {
        options = options.throttle(bytes);
    }
    let done = store.backup(&args.target, &options);
    let done = copying.result(done, "there is no copy")?;
    if args.json {
        return json(
            out,
            &Answer {
                schema_version: SCHEMA_VERSION,
                path: args.target.display().to_string(),
                seqno: done.seqno,
                entries: done.entries,
                file_bytes: done.file_bytes,
            },
        );
    }
    context.say(&format!(
        "copied {} as of commit {} to `{}`, {}",
        text::count(done.entries, "entry", "entries"),
        text::grouped(done.seqno),
        args.target.display(),
        text::bytes(done.file_bytes)
    ));
    Ok(())
}
