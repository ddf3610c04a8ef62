//! Chunks of arrays, and dictionaries: records of their own beside the entries of a
//! partition.

mod assembly;
mod cutting;
mod decode;
mod dictionaries;
mod ids;
mod staged;
mod target;
mod threads;

use std::sync::Arc;

use crate::catalog::Beside;
use crate::error::Result;
use crate::format::record::{RecordKind, key_hash};
use crate::format::{Defect, offset};
use crate::index::{Hash, Pinned};
use crate::log::{Located, Log, Stored};

pub(crate) use assembly::Assembly;
pub(crate) use cutting::{NewChunk, cut_all, encode_box};
pub(crate) use decode::decode;
pub(crate) use dictionaries::{DICTIONARY_KEYS, is_dictionary};
pub(crate) use ids::ArrayIds;
pub(crate) use staged::StagedChunks;

/// The chunks of a partition, as one version of an entry has them: a commit writes them
/// before the version that they belong to.
#[derive(Clone, Debug)]
pub(crate) struct ChunkIndex {
    log: Arc<Log>,
    /// Those of the store, and the place of the version; `None`: there are none.
    stored: Option<(Pinned, u64)>,
    /// Those that a batch lays over them.
    staged: Option<Arc<StagedChunks>>,
}

impl ChunkIndex {
    pub(crate) fn new(log: &Arc<Log>, pinned: Pinned, version: u64) -> Self {
        Self {
            log: Arc::clone(log),
            stored: Some((pinned, version)),
            staged: None,
        }
    }

    /// Those of a batch, over those of the store.
    pub(crate) fn laid_over(
        log: &Arc<Log>,
        below: Option<&Self>,
        staged: &Arc<StagedChunks>,
    ) -> Self {
        Self {
            log: Arc::clone(log),
            stored: below.and_then(|below| below.stored.clone()),
            staged: Some(Arc::clone(staged)),
        }
    }

    /// The record of a chunk.
    pub(crate) fn find(&self, key: &[u8]) -> Result<Option<Stored>> {
        let log = &self.log;
        if let Some(staged) = &self.staged
            && let Some(block) = staged.find(key)?
        {
            return Stored::waiting(log, RecordKind::Chunk, block.into_bytes()).map(Some);
        }
        let found = self.locate(key)?;
        if let Some((_, version)) = self.stored
            && log.is_tolerant()
        {
            // Where the log is damaged between the chunk and the version of the entry, a newer
            // one may have been; where there is no chunk, from the start on.
            let from = found.map_or(0, |found| found.at);
            if !log.is_damaged_between(from, offset(version)) {
                return found.map(|located| Stored::new(log, located)).transpose();
            }
            let defect = Defect::Lost {
                what: "a chunk, or a newer one,",
                because: "the log is damaged where it may have been",
            };
            return Err(log.corrupt(offset(version), defect));
        }
        found.map(|located| Stored::new(log, located)).transpose()
    }

    /// A record that is written once and never anew, so that damage behind it hides none.
    fn find_only(&self, key: &[u8]) -> Result<Option<Stored>> {
        let found = self.locate(key)?;
        found
            .map(|located| Stored::new(&self.log, located))
            .transpose()
    }

    /// The newest record of a key in the store that the version has.
    fn locate(&self, key: &[u8]) -> Result<Option<Located>> {
        let Some((pinned, version)) = &self.stored else {
            return Ok(None);
        };
        let log = &self.log;
        let hash = Hash(key_hash(key, log.identity().seed));
        let place = log.find_place(pinned, hash, &log.keyed(key), *version)?;
        log.seen(place, key, *version)
    }
}

impl Beside {
    /// The chunks, for the arrays of the version of an entry at a place.
    #[inline]
    pub(crate) fn chunks(&self, log: &Arc<Log>, version: u64) -> Option<ChunkIndex> {
        let pinned = self.chunks.as_ref()?;
        Some(ChunkIndex::new(log, pinned.clone(), version))
    }
}
