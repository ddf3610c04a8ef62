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
pub(crate) fn for_reading(path: &Path, io: Io) -> Outcome<Store> {
    let options = OpenOptions::new().mode(Mode::Read);
    Ok(match io {
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
