//! `arraylog history`: the versions of a key.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use arraylog::KeyVersion;
use serde::Serialize;

use super::ls::kind_name;
use super::{json, line};
use crate::Context;
use crate::failure::Outcome;
use crate::key;
use crate::open::{self, Reading};
use crate::text::{self, Table};

/// List the versions of a key that the file still has, newest first
///
/// Removals are versions, too. A key that was never written makes the exit code 1.
/// "commit" is the number that --at takes; compaction keeps one version of a key, as of
/// the last commit before it. A whole history reads the log once; --limit may spare that.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// Collection of the entry
    collection: String,
    /// Partition of the entry
    partition: String,
    /// Key of the entry, which may have been removed
    key: OsString,
    /// List at most this many
    #[arg(long, value_name = "VERSIONS")]
    limit: Option<usize>,
    /// One JSON object a line, sizes in bytes
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Serialize)]
struct VersionLine {
    version: u64,
    seqno: u64,
    /// "value", "arrays" or "removed".
    kind: &'static str,
    arrays: u64,
    bytes_stored: u64,
}

impl VersionLine {
    fn of(version: &KeyVersion) -> Self {
        let entry = version.entry.as_ref();
        Self {
            version: version.version.into(),
            seqno: version.seqno,
            kind: entry.map_or("removed", |entry| kind_name(entry.kind())),
            arrays: entry.map_or(0, |entry| entry.len() as u64),
            bytes_stored: entry.map_or(0, arraylog::Entry::nbytes_stored),
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            text::grouped(self.version),
            text::grouped(self.seqno),
            self.kind.to_owned(),
            text::grouped(self.arrays),
            text::bytes(self.bytes_stored),
        ]
    }
}

pub(crate) fn run(args: &Args, context: &Context, out: &mut dyn Write) -> Outcome {
    let store = open::for_reading(&args.store, args.reading)?;
    let partition = open::partition(&store, &args.collection, &args.partition)?;
    let key = key::bytes(&args.key)?;
    let mut table = Table::new(
        &["version", "commit", "kind", "arrays", "bytes"],
        &[0, 1, 3, 4],
    );
    let mut count = 0;
    let versions = partition.history(&key)?;
    for version in versions.take(args.limit.unwrap_or(usize::MAX)) {
        context.interrupt.check()?;
        let version = VersionLine::of(&version?);
        if args.json {
            json(out, &version)?;
        } else {
            table.row(version.cells());
        }
        count += 1;
    }
    if count == 0 && args.limit != Some(0) {
        return Err(key::absent(&key));
    }
    if args.json {
        return Ok(());
    }
    table.lines().try_for_each(|row| line(out, &row))
}
