//! The versions of a key.

use std::sync::Arc;

use arc_swap::Guard;

use super::Partition;
use crate::catalog::{CATALOG, PartitionState};
use crate::condition::Version;
use crate::entry::Entry;
use crate::error::Result;
use crate::format::{Defect, offset, place};
use crate::log::{Located, Log, Tip, Until, replay};
use crate::store::Inner;

/// One version of a key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyVersion {
    /// Identifies it among the versions of the key.
    pub version: Version,
    /// What the key mapped to; `None` if this version removed it.
    pub entry: Option<Entry>,
}

/// Iterator over the versions of a key, newest first. Ends after an error.
#[derive(Debug)]
pub struct History {
    inner: Arc<Inner>,
    /// Id of the partition.
    id: u32,
    key: Vec<u8>,
    /// Place of the next version; 0 = none.
    next: u64,
    /// Places of the versions before it, if they are known already, oldest first.
    older: Option<Vec<u64>>,
}

impl Partition {
    /// The versions of `key` that the file still has, removals among them, newest first,
    /// as of this call.
    ///
    /// Each version costs a read of its record, which names the one before. Once a
    /// removed key has left the index, the first call costs a walk over the whole log,
    /// and a later version of the key does not lead back beyond the removal.
    ///
    /// `Error::Corrupt` if a version does not lead to one of the same key before it.
    pub fn history(&self, key: impl AsRef<[u8]>) -> Result<History> {
        let key = key.as_ref();
        let inner = Guard::into_inner(self.inner());
        let hash = inner.hash(key)?;
        let mut history = History {
            inner: Arc::clone(&inner),
            id: CATALOG,
            key: key.to_vec(),
            next: 0,
            older: None,
        };
        let Some(state) = self.state(&inner, "list versions")? else {
            return Ok(history);
        };
        history.id = state.id;
        let end = place(inner.log.published());
        match inner.log.find(&state.index, hash, key, end)? {
            Some(newest) => history.next = newest.place(),
            None => {
                let mut places = places(&inner.log, &state, key)?;
                history.next = places.pop().unwrap_or(0);
                history.older = Some(places);
            }
        }
        Ok(history)
    }
}

/// The places of all records of `key`, by a walk over the log.
fn places(log: &Log, state: &PartitionState, key: &[u8]) -> Result<Vec<u64>> {
    let mut places = Vec::new();
    let mut tip = Tip::start(log.identity());
    replay(log, &mut tip, Until::Published(log.published()), |found| {
        let of_key = found
            .iter()
            .filter(|found| found.head.partition == state.id && found.key == key);
        places.extend(of_key.map(|found| place(found.at)));
        Ok(())
    })?;
    Ok(places)
}

impl History {
    fn step(&mut self) -> Result<KeyVersion> {
        let this = self.next;
        self.next = 0;
        let inner = &self.inner;
        let (log, at) = (&inner.log, offset(this));
        let (head, key) = log.head_and_key(at)?;
        if key != self.key || head.partition != self.id {
            return Err(log.corrupt(
                at,
                Defect::Field {
                    what: "the place of the version before",
                    found: this,
                    expected: "the place of a record of the same partition and key",
                },
            ));
        }
        // The index leads to the newest one alone, and compared that.
        log.check_unless_trusted(this)?;
        let located = Located { at, head };
        let next = match &mut self.older {
            Some(places) => places.pop().unwrap_or(0),
            None => head.previous,
        };
        // Versions lead backwards, so that damage cannot make a circle.
        if next >= this {
            return Err(log.corrupt(
                at,
                Defect::Field {
                    what: "the place of the version before",
                    found: next,
                    expected: "a place before the record",
                },
            ));
        }
        let entry = match located.is_live() {
            true => Some(inner.stored_entry(&self.key, located)?),
            false => None,
        };
        let version = Version::of(log, &located);
        self.next = next;
        Ok(KeyVersion { version, entry })
    }
}

impl Iterator for History {
    type Item = Result<KeyVersion>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.next != 0).then(|| self.step())
    }
}
