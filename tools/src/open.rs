//! Opening a store for a command.

use std::path::Path;

use arraylog::{Durability, Mode, OpenOptions, Partition, Store};
use clap::ValueEnum;

use crate::failure::Outcome;

/// How a store is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Io {
    /// Through a memory map, without copies.
    #[default]
    Mmap,
    /// By system calls that copy: for network file systems.
    Read,
}

/// Options of the commands that read.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Reading {
    /// Show the store as it was after this commit
    #[arg(long, value_name = "SEQNO")]
    pub(crate) at: Option<u64>,
    /// How the store is read
    #[arg(long, value_enum, default_value_t)]
    pub(crate) io: Io,
}

/// `--durability` of the commands that write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sure {
    /// In the kernel when a commit returns; on the device when the command ends.
    #[default]
    Buffered,
    /// On the device when a commit returns.
    Synced,
}

/// Opens a store that exists, for reading.
pub(crate) fn for_reading(path: &Path, reading: Reading) -> Outcome<Store> {
    let mut options = OpenOptions::new().mode(Mode::Read);
    if let Some(seqno) = reading.at {
        options = options.at(seqno);
    }
    Ok(match reading.io {
        Io::Mmap => mapped(&options, path)?,
        Io::Read => options.open(path)?,
    })
}

#[expect(unsafe_code, reason = "mapping a file is unsafe by nature")]
fn mapped(options: &OpenOptions, path: &Path) -> arraylog::Result<Store> {
    // SAFETY: while the store and its views live, no other program may truncate
    // the file or change its committed bytes.
    // - Writers of this format append only; compaction renames a new file over
    //   the old one, whose bytes stay with this mapping.
    // - This command opens for reading, and `get -o` refuses the store itself
    //   as its output file.
    // - A foreign program that overwrites a store in use breaks this, as it does
    //   for every reader that maps; `--io read` is the way without a mapping.
    unsafe { options.open_mapped(path) }
}

/// Opens what holds of a damaged store.
pub(crate) fn degraded(path: &Path) -> Outcome<Store> {
    Ok(OpenOptions::new().open_degraded(path)?)
}

/// Opens a store for writing.
pub(crate) fn for_writing(path: &Path, mode: Mode, sure: Sure) -> Outcome<Store> {
    let durability = match sure {
        Sure::Buffered => Durability::Buffered,
        Sure::Synced => Durability::Synced,
    };
    Ok(OpenOptions::new()
        .mode(mode)
        .durability(durability)
        .open(path)?)
}

/// A partition that exists.
pub(crate) fn partition(store: &Store, collection: &str, partition: &str) -> Outcome<Partition> {
    Ok(store.existing_partition(collection, partition)?)
}
