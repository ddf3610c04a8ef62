//! What is damaged in a file: found, told, and worked around.
//!
//! [`degraded`] opens what still holds, [`verify`] looks at every byte that counts. Both
//! read by a [survey](crate::log::Survey) of the log, which needs no index.

mod degraded;
mod header;
mod index;
mod verify;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::array::{ArrayId, array_of_key};
use crate::catalog::{CATALOG, Catalog, Side};
use crate::chunks::is_dictionary;
use crate::entry::Source;
use crate::error::{Error, Result};
use crate::format::frame::{FrameKind, HEADER_LEN};
use crate::format::header::{IDENTITY_COPY, IDENTITY_LEN, LIVE, LIVE_WORDS, SLOT_LEN, SLOTS};
use crate::format::record::{Head, key_hash};
use crate::format::{Defect, offset, place};
use crate::index::Hash;
use crate::log::{Item, Located, Log, Stretch, Survey, What};
use crate::store::Inner;

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
    /// Its key: as it stands there, if no earlier version of the entry says otherwise. Of a
    /// chunk that of the entry whose array it belongs to; `None` if none has it any more.
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
    /// One of the two dictionaries of a partition, of which the other one holds.
    Copy,
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
            Self::Copy => "copy",
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

/// Where the structures of the file lie: all but the values of entries and their padding.
/// For tests that damage them.
pub(crate) fn structures(inner: &Inner) -> Result<Vec<Range<u64>>> {
    let mut survey = Survey::new(&inner.log, None)?;
    let surveyed = survey.stretches()?;
    let identity = IDENTITY_LEN as u64;
    let mut found = vec![0..identity, IDENTITY_COPY..IDENTITY_COPY + identity];
    found.extend(SLOTS.map(|at| at..at + SLOT_LEN as u64));
    found.push(LIVE..LIVE + LIVE_WORDS as u64 * 8);
    for stretch in &surveyed.stretches {
        let body = stretch.at.saturating_add(HEADER_LEN);
        match &stretch.what {
            // What a SPACE frame covers is segments of the index here.
            What::Frame(it) if it.kind == FrameKind::Space => found.push(stretch.at..stretch.end),
            _ => found.push(stretch.at..body),
        }
        survey.items(stretch, &mut |item| {
            if let Item::Sound { at, head, .. } = item {
                let end = match head.kind.is_data() && head.partition != CATALOG {
                    true => head.hashed_end(),
                    false => head.end(),
                };
                found.push(at..at.saturating_add(end));
            }
            Ok(())
        })?;
    }
    found.sort_by_key(|range| range.start);
    Ok(found)
}

/// The bodies of SPACE frames: of a store that never crashed, segments of the index.
pub(crate) fn segments(inner: &Inner) -> Result<Vec<Range<u64>>> {
    let surveyed = Survey::new(&inner.log, None)?.stretches()?;
    let of_space = |stretch: &Stretch| match &stretch.what {
        What::Frame(header) if header.kind == FrameKind::Space => {
            Some(stretch.at.saturating_add(HEADER_LEN)..stretch.end)
        }
        _ => None,
    };
    Ok(surveyed.stretches.iter().filter_map(of_space).collect())
}

/// Damage, with the numbers from which its names follow.
#[derive(Debug)]
struct Hit {
    damage: Damage,
    partition: Option<u32>,
}

impl Hit {
    /// A record of `stretch` that does not hold; `known`: what stands there instead of its
    /// head and key. The stretch says what it is for: the kind may be what is damaged.
    fn of_record(
        stretch: &Stretch,
        range: Range<u64>,
        known: Option<(&Head, &[u8])>,
        defect: &Defect,
    ) -> Self {
        let part = match (known, stretch.has_data()) {
            (_, false) => Part::Index,
            (None, true) => Part::Unknown,
            (Some((head, _)), true) if head.partition == CATALOG => Part::Name,
            (Some(_), true) => Part::Entry,
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
    let owners = Owners::of(Source { log, catalog }, &hits)?;
    let mut found = Vec::with_capacity(hits.len());
    for Hit {
        mut damage,
        partition,
    } in hits
    {
        let side = partition.map(Side::split);
        if let Some(id) = partition
            && let Some((side, whole)) = side
            && let Some((collection, name)) = names.get(&whole)
        {
            let key = damage.key.as_deref().filter(|_| damage.part != Part::Index);
            let standing = match key {
                Some(key) => standing(log, catalog, id, key, damage.at)?,
                None => Standing::Unknown,
            };
            if standing == Standing::Older {
                damage.part = Part::Older;
            }
            let is_dictionary = key.is_some_and(is_dictionary);
            if side == Some(Side::Chunks) && is_dictionary {
                damage.key = None;
                damage.detail = format!("a dictionary: {}", damage.detail);
                // As of chunks.
                let is_it = standing == Standing::Newest && !log.is_tolerant();
                if is_it && other_dictionary(log, catalog, whole)? {
                    damage.part = Part::Copy;
                }
            } else if side == Some(Side::Chunks) {
                // The bytes that name it are no key that anybody gave.
                let chunk = damage.key.take();
                damage.detail = format!("a chunk of an array: {}", damage.detail);
                // A damaged number may be that of another array.
                let chunk = chunk.filter(|_| standing != Standing::Unknown);
                match chunk.map(|chunk| owners.get(whole, &chunk)) {
                    Some(Some((key, array))) => {
                        damage.key = Some(key.clone());
                        damage.arrays = vec![array.clone()];
                    }
                    // The index of a log that was pieced together has what a damaged record says
                    // of itself: an entry, if its partition is what is damaged, is no chunk.
                    Some(None) if owners.complete && !log.is_tolerant() => {
                        damage.part = Part::Older;
                    }
                    _ => {}
                }
            }
            damage.collection = Some(collection.clone());
            damage.partition = Some(name.clone());
        }
        found.push(damage);
    }
    found.sort_by_key(|damage| (damage.at, damage.end));
    Ok(found)
}

/// Whether a dictionary of a partition, of which a copy is damaged, can be read.
fn other_dictionary(log: &Arc<Log>, catalog: &Catalog, partition: u32) -> Result<bool> {
    let state = catalog.state(log, partition)?;
    let end = place(log.published());
    let chunks = state.beside(end).chunks(log, end);
    match chunks.map(|chunks| chunks.read_dictionary()) {
        Some(Ok(_)) => Ok(true),
        None | Some(Err(Error::Corrupt { .. })) => Ok(false),
        Some(Err(error)) => Err(error),
    }
}

/// What a damaged record is among the versions of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Newest,
    Older,
    /// No version leads to it. What stands in it is not enough: its key may be what is damaged.
    Unknown,
}

/// What the record in which `at` lies is among the versions of `key`.
fn standing(log: &Arc<Log>, catalog: &Catalog, id: u32, key: &[u8], at: u64) -> Result<Standing> {
    let state = catalog.state(log, id)?;
    let hash = Hash(key_hash(key, log.identity().seed));
    let mut version = match log.find(&state.index, hash, key, u64::MAX) {
        Ok(Some(newest)) => newest,
        // The index led to it by its key, and it was compared.
        Err(Error::Corrupt { at: found, .. }) if found == at => return Ok(Standing::Newest),
        _ => return Ok(Standing::Unknown),
    };
    let has = |version: &Located| {
        let end = version.at.saturating_add(version.head.end());
        (version.at..end).contains(&at)
    };
    if has(&version) {
        return Ok(Standing::Newest);
    }
    while version.at > at {
        let previous = version.head.previous;
        if previous == 0 || previous >= version.place() {
            return Ok(Standing::Unknown);
        }
        if offset(previous) == at {
            return Ok(Standing::Older);
        }
        version = match log.locate(previous) {
            Ok(version) if has(&version) => return Ok(Standing::Older),
            Ok(version) => version,
            Err(_) => return Ok(Standing::Unknown),
        };
    }
    Ok(Standing::Unknown)
}

/// The entries whose arrays have the chunks that are damaged.
struct Owners {
    by_partition: HashMap<u32, HashMap<ArrayId, Option<Owner>>>,
    /// Whether a chunk that none of them has is one that no entry has any more.
    complete: bool,
}

/// The key of an entry, and the name of an array of it.
type Owner = (Vec<u8>, String);

impl Owners {
    /// Costs a read of the head of each entry of the partitions with damaged chunks, and
    /// nothing if there is none.
    fn of(source: Source<'_>, hits: &[Hit]) -> Result<Self> {
        let mut owners = Self {
            by_partition: HashMap::new(),
            complete: true,
        };
        for hit in hits {
            let side = hit.partition.map(Side::split);
            if let Some((Some(Side::Chunks), partition)) = side {
                let arrays = owners.by_partition.entry(partition).or_default();
                let array = hit.damage.key.as_deref().and_then(array_of_key);
                arrays.extend(array.map(|array| (array, None)));
            } else {
                owners.complete &= !hit.damage.part.is_loss();
            }
        }
        for (&partition, arrays) in &mut owners.by_partition {
            let state = source.catalog.state(source.log, partition)?;
            // What is damaged names nothing.
            let (entries, end) = state.index.pin(|| place(source.log.published()));
            let beside = state.beside(end);
            let damage = source.chunked_arrays(entries, &beside, &mut |entry, chunked| {
                for (array, id) in chunked {
                    if let Some(owner) = arrays.get_mut(id) {
                        *owner = Some((entry.key().to_vec(), array.info().name.clone()));
                    }
                }
                Ok(())
            })?;
            owners.complete &= damage.is_none();
        }
        Ok(owners)
    }

    fn get(&self, partition: u32, chunk: &[u8]) -> Option<&Owner> {
        let array = array_of_key(chunk)?;
        self.by_partition.get(&partition)?.get(&array)?.as_ref()
    }
}
