//! A copy of what holds of a damaged store.

use std::collections::HashSet;
use std::path::Path;

use super::backup::{BackupOptions, begin, place};
use super::copier::Copier;
use super::failed;
use super::pace::Pace;
use super::reading::{Left, Source};
use crate::damage::{Damage, Part};
use crate::entry::Parts;
use crate::error::{Error, Result};
use crate::format::Defect;
use crate::open;
use crate::options::{OpenOptions, Verify};
use crate::partition::Partition;
use crate::storage::Successor;
use crate::store::Store;

/// What salvage is called in errors.
const ACTION: &str = "salvage to";

/// What was salvaged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Salvaged {
    /// Number of the last commit that was found.
    pub seqno: u64,
    /// Number of entries that the copy has.
    pub entries: u64,
    /// Of these, entries that lack some of their arrays or attributes.
    pub partial: u64,
    /// Bytes of the copy.
    pub file_bytes: u64,
    /// What is damaged in the original, in the order of the file.
    /// [`Part::is_loss`] tells what the copy lacks.
    pub damage: Vec<Damage>,
}

impl Store {
    /// Writes all that can be read of this store, which
    /// [`OpenOptions::open_degraded`](crate::OpenOptions::open_degraded) opened, to a new
    /// store at `target`, and tells what was left behind. As [`Store::backup`] otherwise:
    /// the copy is read back and compared before it takes its name, and this file is not
    /// changed.
    ///
    /// An entry of which some arrays or attributes are damaged is copied with the others, and
    /// goes to the end of the order, in a commit of its own.
    pub fn salvage(
        &self,
        target: impl AsRef<Path>,
        options: &BackupOptions<'_>,
    ) -> Result<Salvaged> {
        let target = target.as_ref();
        let snapshot = self.snapshot()?;
        let inner = snapshot.inner();
        let (old, successor, next) = begin(&inner, target, options, ACTION)?;
        let copy = Store::over(next, &OpenOptions::new().verify(Verify::Always));
        let to = copy.inner();
        let pace = Pace::new(ACTION, target, options.throttle, options.progress);
        let mut copier = Copier::new(&to, pace).leaving();
        let copied = copier.copy_all(Source {
            log: &inner.log,
            catalog: &inner.catalog,
        });
        copied.map_err(|error| failed(error, ACTION, target))?;
        let left = copier.left();
        let mut damage = inner.recovery.damage.clone();
        let known: HashSet<u64> = damage.iter().map(|damage| damage.at).collect();
        let mut partial = 0;
        for left in left {
            let lacks = match left.has_arrays {
                true => copy_parts(&snapshot, &copy, &left)?,
                false => None,
            };
            partial += u64::from(lacks.is_some());
            let told = told(&left, lacks.unwrap_or_default());
            damage.extend(told.filter(|told| !known.contains(&told.at)));
        }
        let saved = copier.save().and_then(|()| to.log.close());
        saved.map_err(|error| failed(error, ACTION, target))?;
        damage.sort_by_key(|damage| (damage.at, damage.end));
        let entries = read_back(&copy, &successor, target)?;
        place(old, successor, target, options, ACTION)?;
        Ok(Salvaged {
            seqno: inner.log.seqno(),
            entries,
            partial,
            file_bytes: to.log.published(),
            damage,
        })
    }
}

/// What an entry that was copied in part lacks, by name.
#[derive(Default)]
struct Lacks {
    arrays: Vec<String>,
    attrs: Vec<String>,
}

/// Writes the arrays and attributes of an entry that can be read; what it lacks then. `None`
/// if no array can.
fn copy_parts(from: &Store, to: &Store, left: &Left) -> Result<Option<Lacks>> {
    let part = from.existing_partition(&left.collection, &left.partition)?;
    let read = || -> Result<_> {
        let Some(entry) = part.entry(&left.key)? else {
            return Ok(None);
        };
        let (attrs, damaged) = entry.sound_attrs()?;
        let (mut arrays, mut lacks) = (Vec::new(), Lacks::default());
        lacks.attrs = damaged;
        for (position, name) in entry.names().enumerate() {
            match entry.part_at(position) {
                Ok(part) => arrays.push(part),
                Err(Error::Corrupt { .. }) => lacks.arrays.push(name.to_owned()),
                Err(error) => return Err(error),
            }
        }
        Ok(Some((arrays, attrs, lacks)))
    };
    let (arrays, attrs, lacks) = match read() {
        Ok(Some(read)) => read,
        Ok(None) | Err(Error::Corrupt { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if arrays.is_empty() {
        return Ok(None);
    }
    let parts = Parts { arrays, attrs };
    let part = Partition::new(to, &left.collection, &left.partition);
    part.write(&left.key, &parts.specs(), &parts.attrs)?;
    Ok(Some(lacks))
}

/// What a report says of an entry that was left behind, or of which a part was.
fn told(left: &Left, lacks: Lacks) -> impl Iterator<Item = Damage> {
    let damage = match &left.error {
        Error::Corrupt { at, defect, .. } => {
            let detail = match lacks.attrs.as_slice() {
                [] => defect.to_string(),
                attrs => format!("{defect}; left behind: attribute {}", attrs.join(", ")),
            };
            let mut damage = Damage::new(*at..*at, Part::Entry, detail);
            damage.collection = Some(left.collection.to_string());
            damage.partition = Some(left.partition.clone());
            damage.key = Some(left.key.clone());
            damage.arrays = lacks.arrays;
            Some(damage)
        }
        _ => None,
    };
    damage.into_iter()
}

/// Reads the copy as anybody would; how many entries it has. `Error::Corrupt` if these are
/// not as many as were written.
fn read_back(written: &Store, copy: &Successor, target: &Path) -> Result<u64> {
    let Some(path) = copy.path() else {
        return Ok(0);
    };
    let opened = open::file(path, &OpenOptions::new().verify(Verify::Always), true)?;
    let inner = written.inner();
    let (mut entries, mut expected) = (0u64, 0u64);
    for listed in inner.catalog.partitions(&inner.log)? {
        let state = inner.catalog.state(&inner.log, listed.id)?;
        expected = expected.saturating_add(state.index.len());
        let part = opened.existing_partition(&listed.collection, &listed.name)?;
        for entry in part.entries()? {
            // Compared with its sums by being read.
            entry?.record()?;
            entries = entries.saturating_add(1);
        }
    }
    if entries == expected {
        return Ok(entries);
    }
    Err(Error::Corrupt {
        path: target.to_owned(),
        at: inner.log.published(),
        defect: Defect::Field {
            what: "the entries of a copy",
            found: entries,
            expected: "as many as were written to it",
        },
    })
}
