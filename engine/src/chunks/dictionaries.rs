//! Dictionaries of partitions, which compaction trains on their small arrays.
//!
//! A generation of a file has at most one of each partition: twice, so that damage to one
//! costs nothing, as records beside the chunks and before the entries that need it. Blocks
//! do not name it: what is encoded with it is decoded before it goes to another partition
//! or another file, or is written again here.

use std::sync::{Arc, Weak};

use parking_lot::RwLock;

use super::ChunkIndex;
use crate::array::ArrayId;
use crate::codec::{Dictionary, MOST_DICTIONARY};
use crate::error::{Error, Result};
use crate::format::{Defect, offset};
use crate::log::{Log, Stored};

/// The keys of both copies: no key of a chunk is as short.
pub(crate) const DICTIONARY_KEYS: [&[u8]; 2] = [b"dictionary 1", b"dictionary 2"];

const _: () = assert!(DICTIONARY_KEYS[0].len() < size_of::<ArrayId>());

/// Whether a key beside the entries of a partition is that of a dictionary.
pub(crate) fn is_dictionary(key: &[u8]) -> bool {
    DICTIONARY_KEYS.contains(&key)
}

/// Most that are kept in memory: some hundred KiB each, and about as much for its tables.
const MOST_KEPT: usize = 32;

/// One that was read.
struct Kept {
    log: Weak<Log>,
    partition: u32,
    dictionary: Arc<Dictionary>,
}

/// Those that were read, of all files that are open.
static KEPT: RwLock<Vec<Kept>> = RwLock::new(Vec::new());

impl ChunkIndex {
    /// The dictionary of the partition with this id, whose chunks these are; from memory if
    /// it was read before. `Error::Corrupt` if there is none, or both copies are damaged.
    pub(crate) fn dictionary(&self, partition: u32) -> Result<Arc<Dictionary>> {
        let is_it = |kept: &&Kept| {
            kept.partition == partition && std::ptr::eq(kept.log.as_ptr(), Arc::as_ptr(&self.log))
        };
        if let Some(kept) = KEPT.read().iter().find(is_it) {
            return Ok(Arc::clone(&kept.dictionary));
        }
        let dictionary = Arc::new(self.read_dictionary()?);
        let mut kept = KEPT.write();
        kept.retain(|kept| kept.log.strong_count() > 0);
        if kept.len() >= MOST_KEPT {
            kept.remove(0);
        }
        kept.push(Kept {
            log: Arc::downgrade(&self.log),
            partition,
            dictionary: Arc::clone(&dictionary),
        });
        Ok(dictionary)
    }

    /// Whether the partition has one.
    pub(crate) fn has_dictionary(&self) -> Result<bool> {
        for key in DICTIONARY_KEYS {
            if self.find_only(key)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// As [`dictionary`](Self::dictionary), from the file.
    pub(crate) fn read_dictionary(&self) -> Result<Dictionary> {
        let mut damaged = None;
        for key in DICTIONARY_KEYS {
            let found = self.find_only(key);
            match found.and_then(|found| found.map(bytes).transpose()) {
                Ok(Some(dictionary)) => return Ok(dictionary),
                Ok(None) => {}
                Err(error @ Error::Corrupt { .. }) => {
                    log::warn!("a copy of a dictionary is damaged: {error}");
                    damaged = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(damaged.unwrap_or_else(|| {
            let defect = Defect::Lost {
                what: "the dictionary of the partition",
                because: "an entry needs it, and none stands before it",
            };
            let version = self.stored.as_ref().map_or(0, |(_, version)| *version);
            self.log.corrupt(offset(version), defect)
        }))
    }
}

/// The dictionary in a record.
fn bytes(stored: Stored) -> Result<Dictionary> {
    let len = stored.located().head.value_len();
    if len > MOST_DICTIONARY as u64 {
        let defect = Defect::Field {
            what: "bytes of a dictionary",
            found: len,
            expected: "at most 262144",
        };
        return Err(stored.corrupt(0, defect));
    }
    Ok(Dictionary::new(&stored.value()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Side;
    use crate::format::place;
    use crate::format::record::RecordKind;
    use crate::options::Durability;
    use crate::staged::{Change, Sums, Target};
    use crate::store::Store;

    /// What is read of a dictionary of so many bytes that a file has.
    fn read(len: usize) -> Result<usize> {
        let store = Store::memory().expect("memory");
        let part = store.partition("c", "p").expect("partition");
        part.put("k", "v").expect("stored");
        let inner = store.inner();
        let (target, bytes) = (Target::new("c", "p"), vec![7; len]);
        let (key, pieces) = (DICTIONARY_KEYS[0], [bytes.as_slice()]);
        let sums = Sums::of(&pieces, len as u64);
        let change = Change {
            target: &target,
            side: Some(Side::Chunks),
            kind: RecordKind::Chunk,
            key,
            hash: inner.hash(key).expect("a key"),
            value: sums.value(&pieces, len as u64),
        };
        let writer = inner.log.writer("test").expect("a writer");
        let committed = inner.commit(writer, &[change], &[], Durability::Buffered);
        committed.expect("committed");
        let state = inner.catalog.find(&inner.log, "c", "p").expect("read");
        let state = state.expect("there");
        let end = place(inner.log.published());
        let chunks = state.beside(end).chunks(&inner.log, end);
        let dictionary = chunks.expect("there").dictionary(state.id)?;
        Ok(dictionary.bytes().len())
    }

    #[test]
    fn a_dictionary_of_more_than_262_144_bytes_is_refused() {
        assert_eq!(read(262_144).expect("read"), 262_144);
        let refused = read(262_145).expect_err("too long").to_string();
        let said = "bytes of a dictionary is 262145, expected at most 262144";
        assert!(refused.contains(said), "{refused}");
    }
}
