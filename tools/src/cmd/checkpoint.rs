//! `arraylog checkpoint`: saves the index.

use std::io::Write;
use std::path::PathBuf;

use arraylog::Mode;
use serde::Serialize;

use super::{SCHEMA_VERSION, json};
use crate::Context;
use crate::failure::Outcome;
use crate::open::{self, Sure};
use crate::text;

/// Save the index of a store in its file, so that the next opening replays nothing
///
/// A writer does it when it closes, and whenever much was written: this is for a store whose last
/// writer was killed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    schema_version: u32,
    /// Whether there was something to save.
    saved: bool,
    seqno: u64,
}

pub(crate) fn run(args: &Args, context: &Context, out: &mut dyn Write) -> Outcome {
    let store = open::for_writing(&args.store, Mode::ReadWrite, Sure::Buffered)?;
    let answer = Answer {
        schema_version: SCHEMA_VERSION,
        saved: store.checkpoint()?,
        seqno: store.seqno(),
    };
    store.close()?;
    if args.json {
        return json(out, &answer);
    }
    let seqno = text::grouped(answer.seqno);
    context.say(&match answer.saved {
        true => format!("saved the index up to commit {seqno}"),
        false => format!("the index was saved already, up to commit {seqno}"),
    });
    Ok(())
}
