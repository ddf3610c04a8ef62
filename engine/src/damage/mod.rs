//! What is damaged in a file: found, told, and worked around.
//!
//! [`degraded`] opens what still holds, [`verify`] looks at every byte that counts. Both
//! read by a [survey](crate::log::Survey) of the log, which needs no index.

mod degraded;
mod verify;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::catalog::{CATALOG, Catalog};
use crate::error::Result;
use crate::format::Defect;
use crate::format::record::{Head, key_hash};
use crate::index::Hash;
use crate::log::Log;

pub(crate) use degraded::over;
pub use verify::{Verification, VerifyOptions};

/// A part of a file that contradicts the format or its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// Offset of the first byte of the structure that is wrong.
    pub at: u64,
    /// Offset behind its last byte.
    pub end: u64,
    /// What is wrong, with what was expected and what was found.
    pub detail: String,
    /// What the structure is for.
    pub part: Part,
    /// The collection of the entry, where it is known.
    pub collection: Option<String>,
    /// Its partition.
    pub partition: Option<String>,
    /// Its key: as it stands there, if no earlier version of the entry says otherwise.
    pub key: Option<Vec<u8>>,
    /// The arrays of the entry that are hit, if that is known: an entry of less than 64 KiB
    /// has one sum for all of them.
    pub arrays: Vec<String>,
}

/// What a damaged structure is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// A header page. What it says stands elsewhere too, or is found by reading the log.
    Header,
    /// A record that holds what a key maps to.
    Entry,
    /// A record that held what a key mapped to before it was written again, or removed.
    Older,
    /// A record that names a collection, a partition or a schema.
    Name,
    /// The saved index, which is found anew by reading the log.
    Index,
    /// The header of a frame. The records in it are looked at one by one.
    Frame,
    /// Bytes in which no record can be told; entries may have been in them.
    Unknown,
    /// Bytes that were durable once and that the file does not have any more.
    Missing,
}

impl Part {
    /// Whether entries or names may be lost by it, as opposed to what stands twice.
    #[must_use]
    pub fn is_loss(self) -> bool {
        matches!(
            self,
            Self::Entry | Self::Name | Self::Unknown | Self::Missing
        )
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Entry => "entry",
            Self::Older => "older version",
            Self::Name => "name",
            Self::Index => "index",
            Self::Frame => "frame header",
            Self::Unknown => "unknown",
            Self::Missing => "missing",
        })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}: {}", self.at, self.end, self.part)?;
        if let (Some(collection), Some(partition)) = (&self.collection, &self.partition) {
            write!(f, " in {collection:?}/{partition:?}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ", key {:?}", String::from_utf8_lossy(key))?;
        }
        if !self.arrays.is_empty() {
            write!(f, ", array {}", self.arrays.join(", "))?;
        }
        write!(f, ": {}", self.detail)
    }
}

impl Damage {
    pub(crate) fn new(range: Range<u64>, part: Part, detail: String) -> Self {
        Self {
            at: range.start,
            end: range.end,
            detail,
            part,
            collection: None,
            partition: None,
            key: None,
            arrays: Vec::new(),
        }
    }
}

/// Damage, with the numbers from which its names follow.
#[derive(Debug)]
struct Hit {
    damage: Damage,
    partition: Option<u32>,
}

impl Hit {
    /// A record that does not hold; `known`: what stands there instead of its head and key.
    fn of_record(range: Range<u64>, known: Option<(&Head, &[u8])>, defect: &Defect) -> Self {
        let part = match known {
            None => Part::Unknown,
            Some((head, _)) if !head.kind.is_data() => Part::Index,
            Some((head, _)) if head.partition == CATALOG => Part::Name,
            Some(_) => Part::Entry,
        };
        let mut damage = Damage::new(range, part, defect.to_string());
        let known = known.filter(|_| part == Part::Entry);
        damage.key = known.map(|(_, key)| key.to_vec());
        Self {
            damage,
            partition: known.map(|(head, _)| head.partition),
        }
    }

    fn of(range: Range<u64>, part: Part, detail: impl ToString) -> Self {
        Self {
            damage: Damage::new(range, part, detail.to_string()),
            partition: None,
        }
    }
}

/// Gives damage its names, tells older versions from newest ones, and puts it in order.
fn named(log: &Arc<Log>, catalog: &Catalog, hits: Vec<Hit>) -> Result<Vec<Damage>> {
    let listed = catalog.partitions(log)?;
    let names: HashMap<u32, (String, String)> = listed
        .into_iter()
        .map(|listed| (listed.id, (listed.collection.to_string(), listed.name)))
        .collect();
    let mut found = Vec::with_capacity(hits.len());
    for Hit {
        mut damage,
        partition,
    } in hits
    {
        if let Some((id, key)) = partition.zip(damage.key.as_deref()) {
            match names.get(&id) {
                Some((collection, name)) => {
                    let state = catalog.state(log, id)?;
                    let hash = Hash(key_hash(key, log.identity().seed));
                    let newest = log.find(&state.index, hash, key, u64::MAX);
                    if newest.is_ok_and(|newest| newest.is_some_and(|it| it.at > damage.at)) {
                        damage.part = Part::Older;
                    }
                    damage.collection = Some(collection.clone());
                    damage.partition = Some(name.clone());
                }
                // Of a partition that was dropped.
                None => damage.part = Part::Older,
            }
        }
        found.push(damage);
    }
    found.sort_by_key(|damage| (damage.at, damage.end));
    Ok(found)
}
