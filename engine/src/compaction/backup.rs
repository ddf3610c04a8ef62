//! A copy of a store, elsewhere.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use super::copier::Copier;
use super::pace::{Pace, Progress};
use super::reading::Source;
use super::{failed, make, next_identity, random};
use crate::error::{Error, Result};
use crate::format::Defect;
use crate::log::Tip;
use crate::open;
use crate::options::{OpenOptions, Verify};
use crate::storage::Successor;
use crate::store::{Inner, Store};

/// What a backup is called in errors.
const ACTION: &str = "back up to";

/// How to back up.
#[derive(Clone, Copy, Default)]
#[must_use]
pub struct BackupOptions<'a> {
    replace: bool,
    pub(super) throttle: Option<u64>,
    pub(super) progress: Option<Progress<'a>>,
}

impl fmt::Debug for BackupOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            replace, throttle, ..
        } = self;
        write!(f, "BackupOptions(replace {replace}, throttle {throttle:?})")
    }
}

impl<'a> BackupOptions<'a> {
    /// Nothing is replaced, and it goes as fast as it can.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether an older store at the target is replaced, once the copy is whole.
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Copies at most so many bytes a second.
    pub fn throttle(mut self, bytes_per_second: u64) -> Self {
        self.throttle = Some(bytes_per_second);
        self
    }

    /// As [`CompactOptions::progress`](crate::CompactOptions::progress).
    pub fn progress(mut self, progress: &'a dyn Fn(u64, u64) -> ControlFlow<()>) -> Self {
        self.progress = Some(progress);
        self
    }
}

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backup {
    /// Number of the commit that it is the state of.
    pub seqno: u64,
    /// Number of its entries.
    pub entries: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
}

impl Store {
    /// Writes a copy of the store as it is now to `target`, while writing goes on: a
    /// closed store of its own, without what is dead, synced, and read back and compared
    /// before it takes its name. Works for readers, snapshots and stores in memory too.
    ///
    /// It has the lineage of this store, a store id of its own, and the next generation,
    /// so that no version of an entry is equal to one of the original; seqnos go on from
    /// the commit that it is the state of, and past commits are not in it.
    ///
    /// After an error nothing is left at the target. `Error::Io` if there is something,
    /// unless [`BackupOptions::replace`] asks for it; then it has to be a store, which is
    /// not open for writing and is not this one (`Error::NotAStore`, `Error::Locked`,
    /// `Error::Invalid`). `Error::Damaged` names an entry that cannot be read,
    /// `Error::Cancelled`. Reads all live bytes, writes them, and reads them back.
    pub fn backup(&self, target: impl AsRef<Path>, options: &BackupOptions<'_>) -> Result<Backup> {
        let target = target.as_ref();
        let snapshot = self.snapshot()?;
        let inner = snapshot.inner();
        let seqno = inner.log.seqno();
        let (old, successor, next) = begin(&inner, target, options, ACTION)?;
        let pace = Pace::new(ACTION, target, options.throttle, options.progress);
        let mut copier = Copier::new(&next, pace);
        let written = copier
            .copy_all(Source {
                log: &inner.log,
                catalog: &inner.catalog,
            })
            .and_then(|()| copier.save())
            .and_then(|()| next.log.close());
        written.map_err(|error| failed(error, ACTION, target))?;
        let entries = compare(&snapshot, &successor, target)?;
        place(old, successor, target, options, ACTION)?;
        Ok(Backup {
            seqno,
            entries,
            file_bytes: next.log.published(),
        })
    }
}

/// The store that `target` is to replace, the file that will, and an empty store in it that
/// goes on from what `inner` holds.
pub(super) fn begin(
    inner: &Inner,
    target: &Path,
    options: &BackupOptions<'_>,
    action: &'static str,
) -> Result<(Option<File>, Successor, Inner)> {
    let old = match options.replace {
        true => {
            if inner.log.storage().is_kept() && inner.log.storage().is_at(target).unwrap_or(false) {
                return Err(Error::Invalid {
                    what: format!("{action} {target:?}"),
                    detail: "this is the store itself; a copy needs another path".to_owned(),
                });
            }
            open::replaceable(target)?
        }
        false => match std::fs::symlink_metadata(target) {
            Ok(_) => {
                let there = io::ErrorKind::AlreadyExists.into();
                return Err(Error::io(action, target)(there));
            }
            Err(_) => None,
        },
    };
    let tip = Tip {
        seqno: inner.log.seqno(),
        ..Tip::start(inner.log.identity())
    };
    let identity = next_identity(inner.log.identity(), tip.seqno, target, None)?;
    let successor = Successor::at(target, &open::header(&identity), random(target)?);
    let successor = successor.map_err(Error::io(action, target))?;
    let catalog = inner.catalog.of_a_copy();
    let options_of_copy = OpenOptions::new().verify(Verify::Always);
    let next = make(
        inner,
        &options_of_copy,
        (identity, true),
        &successor,
        (target, catalog),
    )?;
    Ok((old, successor, next))
}

/// Gives the copy its name.
pub(super) fn place(
    old: Option<File>,
    successor: Successor,
    target: &Path,
    options: &BackupOptions<'_>,
    action: &'static str,
) -> Result<()> {
    let placed = match options.replace {
        true => successor.place(),
        false => successor.place_new(),
    };
    placed
        .and_then(|synced| synced)
        .map_err(Error::io(action, target))?;
    if let Some(old) = old {
        open::tell_readers(&old, target);
    }
    Ok(())
}

/// Reads the copy as anybody would, all of it; how many entries it has. `Error::Corrupt`
/// if it does not have what it should.
fn compare(snapshot: &Store, copy: &Successor, target: &Path) -> Result<u64> {
    let Some(path) = copy.path() else {
        return Ok(0);
    };
    let options = OpenOptions::new().verify(Verify::Always);
    let opened = open::file(path, &options, true)?;
    let (inner, original) = (opened.inner(), snapshot.inner());
    let differs = |what, found, expected| Error::Corrupt {
        path: target.to_owned(),
        at: inner.log.published(),
        defect: Defect::Field {
            what,
            found,
            expected,
        },
    };
    if inner.log.seqno() != original.log.seqno() {
        let seqno = inner.log.seqno();
        let expected = "the one of the store";
        return Err(differs("the seqno of a backup", seqno, expected));
    }
    let mut entries = 0u64;
    let (listed, expected) = (
        inner.catalog.partitions(&inner.log)?,
        original.catalog.partitions(&original.log)?,
    );
    if listed.len() != expected.len() {
        let found = listed.len() as u64;
        let expected = "as many as the store has";
        return Err(differs("the partitions of a backup", found, expected));
    }
    for (listed, expected) in listed.iter().zip(&expected) {
        let len = original
            .catalog
            .state(&original.log, expected.id)?
            .index
            .len();
        let part = opened.existing_partition(&listed.collection, &listed.name)?;
        let mut count = 0u64;
        for entry in part.entries()? {
            // Compared with its sums by being read.
            entry?.record()?;
            count = count.saturating_add(1);
        }
        if count != len || listed.id != expected.id {
            let expected = "as many as the store has";
            return Err(differs(
                "the entries of a partition of a backup",
                count,
                expected,
            ));
        }
        entries = entries.saturating_add(count);
    }
    Ok(entries)
}
