//! `arraylog salvage`: a copy of what holds of a damaged store.

use std::io::Write;
use std::path::PathBuf;

use arraylog::BackupOptions;
use serde::Serialize;

use super::verify::Hit;
use super::{SCHEMA_VERSION, json, line};
use crate::failure::{Failure, Outcome};
use crate::progress::Copying;
use crate::{Context, open, text};

/// Copy all that can be read of a damaged store to a new one
///
/// Everything is compared with its checksum before it is copied; the damaged file is not
/// changed. What was left behind is told on stdout, a line each: offsets, what it is, and the
/// collection, partition, key and arrays, where they are known. Exits with 1 if entries or names
/// are missing, or may be. Partitions whose name is lost are in the collection `lost`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The damaged store
    store: PathBuf,
    /// Where the copy goes
    #[arg(long, value_name = "STORE")]
    to: PathBuf,
    /// Replace a store that is there, once the copy is whole
    #[arg(short, long)]
    force: bool,
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
    /// Print what was done as JSON on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema_version: u32,
    path: String,
    seqno: u64,
    entries: u64,
    partial: u64,
    file_bytes: u64,
    torn_bytes: u64,
    damage: Vec<Hit<'a>>,
}

pub(crate) fn run(args: &Args, context: &Context, out: &mut dyn Write) -> Outcome {
    let store = open::degraded(&args.store)?;
    let copying = Copying::new(context, args.no_progress);
    let tell = |done, total| copying.tell(done, total);
    let options = BackupOptions::new().replace(args.force).progress(&tell);
    let done = copying.result(store.salvage(&args.to, &options), "there is no copy")?;
    let torn = store.recovery().torn_bytes;
    let lost = done.damage.iter().filter(|damage| damage.part.is_loss());
    let lost = lost.count() as u64;
    if args.json {
        let answer = Answer {
            schema_version: SCHEMA_VERSION,
            path: args.to.display().to_string(),
            seqno: done.seqno,
            entries: done.entries,
            partial: done.partial,
            file_bytes: done.file_bytes,
            torn_bytes: torn,
            damage: done.damage.iter().map(Hit::of).collect(),
        };
        json(out, &answer)?;
    } else {
        for damage in &done.damage {
            line(out, &format!("{}: {damage}", args.store.display()))?;
        }
    }
    if torn > 0 {
        context.say(&format!(
            "{} behind the last finished commit were passed over",
            text::count(torn, "byte", "bytes")
        ));
    }
    context.say(&format!(
        "copied {} as of commit {} to `{}`, {}",
        text::count(done.entries, "entry", "entries"),
        text::grouped(done.seqno),
        args.to.display(),
        text::bytes(done.file_bytes)
    ));
    if lost == 0 {
        return Ok(());
    }
    Err(Failure::Negative(format!(
        "{} of `{}` left something behind",
        text::count(lost, "damaged place", "damaged places"),
        args.store.display()
    )))
}
