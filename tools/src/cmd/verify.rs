//! `arraylog verify`: everything in a file against its checksums.

use std::io::Write;
use std::path::PathBuf;

use arraylog::{Damage, Error, Verification, VerifyOptions};
use serde::Serialize;

use super::{SCHEMA_VERSION, json, line};
use crate::failure::{Failure, Outcome};
use crate::open::{self, Reading};
use crate::progress::Copying;
use crate::{Context, key, text};

/// Compare everything in a store with its checksums
///
/// Header pages, frames, records with the blocks of their values, older versions too, and the
/// saved index, which is also compared with what the log says. Each damage is a line on stdout: offsets, what it is, and the collection,
/// partition, key and arrays that are hit, where they are known. Exits with 1 if there is any.
/// What stands behind the last finished commit of a store that was not closed is no damage.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// How many threads read; one for each processor if it is not given
    #[arg(long)]
    threads: Option<usize>,
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
    /// Print what was found as JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Damage as a member of an answer.
#[derive(Serialize)]
pub(super) struct Hit<'a> {
    at: u64,
    end: u64,
    part: String,
    /// Whether entries or names may be lost by it.
    is_loss: bool,
    collection: Option<&'a str>,
    partition: Option<&'a str>,
    key: Option<String>,
    arrays: &'a [String],
    detail: &'a str,
}

impl<'a> Hit<'a> {
    pub(super) fn of(damage: &'a Damage) -> Self {
        Self {
            at: damage.at,
            end: damage.end,
            part: damage.part.to_string(),
            is_loss: damage.part.is_loss(),
            collection: damage.collection.as_deref(),
            partition: damage.partition.as_deref(),
            key: damage.key.as_deref().map(key::escaped),
            arrays: &damage.arrays,
            detail: &damage.detail,
        }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    schema_version: u32,
    path: String,
    sound: bool,
    bytes: u64,
    records: u64,
    torn_bytes: u64,
    torn_at: u64,
    damage: Vec<Hit<'a>>,
}

pub(crate) fn run(args: &Args, context: &Context, out: &mut dyn Write) -> Outcome {
    let store = match open::for_reading(&args.store, Reading::default()) {
        // Then as far as it holds, to say all that is damaged.
        Err(Failure::Store(Error::Corrupt { .. })) => open::degraded(&args.store)?,
        opened => opened?,
    };
    let copying = Copying::new(context, args.no_progress);
    let tell = |done, total| copying.tell(done, total);
    let mut options = VerifyOptions::new().progress(&tell);
    if let Some(threads) = args.threads {
        options = options.threads(threads);
    }
    let mut found = copying.result(store.verify(&options), "not all was compared")?;
    if found.torn_bytes == 0 {
        let recovery = store.recovery();
        (found.torn_bytes, found.torn_at) = (recovery.torn_bytes, recovery.torn_at);
    }
    if args.json {
        let answer = Answer {
            schema_version: SCHEMA_VERSION,
            path: args.store.display().to_string(),
            sound: found.is_sound(),
            bytes: found.bytes,
            records: found.records,
            torn_bytes: found.torn_bytes,
            torn_at: found.torn_at,
            damage: found.damage.iter().map(Hit::of).collect(),
        };
        json(out, &answer)?;
    } else {
        for damage in &found.damage {
            line(out, &format!("{}: {damage}", args.store.display()))?;
        }
    }
    tell_result(args, context, &found)
}

fn tell_result(args: &Args, context: &Context, found: &Verification) -> Outcome {
    if found.torn_bytes > 0 {
        context.say(&format!(
            "{} at offset {} belong to no finished commit: the store was not closed",
            text::count(found.torn_bytes, "byte", "bytes"),
            text::grouped(found.torn_at)
        ));
    }
    let compared = format!(
        "{} in {} compared",
        text::count(found.records, "record", "records"),
        text::bytes(found.bytes)
    );
    if found.is_sound() {
        context.say(&format!("`{}` is sound: {compared}", args.store.display()));
        return Ok(());
    }
    Err(Failure::Negative(format!(
        "`{}` is damaged in {}: {compared}",
        args.store.display(),
        text::count(found.damage.len() as u64, "place", "places")
    )))
}
