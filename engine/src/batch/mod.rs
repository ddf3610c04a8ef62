//! Writes that commit together.

mod changes;
mod partition;

use std::sync::Arc;

use parking_lot::Mutex;

use crate::catalog::check_name;
use crate::error::Result;
use crate::options::Durability;
use crate::staged::Staged;
use crate::store::{Inner, Store};

pub use partition::BatchPartition;

/// Writes that become visible together, or not at all.
///
/// Data is copied into the batch and encoded there, outside the writer's lock: other
/// commits neither wait for a batch nor belong to it. Up to 64 MiB of values are in
/// memory, what comes then in a temporary file, so that a batch may exceed memory: it
/// needs some 400 bytes for each operation, and for the commit the values below 1 KiB
/// once more. If that file cannot be written the call is refused with `Error::Io`. It may be filled from many threads; the order is that of the
/// calls, and the last write of a key counts. A call that is refused leaves nothing of
/// it in the batch, which goes on. Dropped without [`commit`](Self::commit), nothing is
/// stored.
///
/// Parts of entries are changed too ([`BatchPartition::assign`],
/// [`write_region`](BatchPartition::write_region), [`append`](BatchPartition::append),
/// [`resize`](BatchPartition::resize)): each change is made at its call to the entry as the
/// batch leaves it. The entry of the store that the first one of a key saw has to be there
/// still when the batch is committed.
#[derive(Debug)]
pub struct Batch {
    pub(crate) store: Store,
    pub(crate) staged: Arc<Mutex<Staged>>,
    durability: Durability,
}

impl Batch {
    pub(crate) fn new(store: &Store, inner: &Inner) -> Self {
        let durability = inner.log.durability();
        Self {
            store: store.clone(),
            staged: Arc::new(Mutex::new(Staged::new(&inner.pool, inner.log.path()))),
            durability,
        }
    }

    /// A partition to write to; made by the commit if it is new. `Error::Invalid` for a
    /// name that is empty, longer than 255 bytes or holds NUL.
    pub fn partition(&self, collection: &str, partition: &str) -> Result<BatchPartition<'_>> {
        check_name("collection", collection)?;
        check_name("partition", partition)?;
        let target = self.staged.lock().target(collection, partition);
        Ok(BatchPartition {
            batch: self,
            target,
        })
    }

    /// Durability of this commit (default: the store's).
    pub fn set_durability(&mut self, durability: Durability) {
        self.durability = durability;
    }

    /// Number of operations so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.staged.lock().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Commits; the seqno of the commit. An empty batch commits nothing and gives the
    /// store's seqno. `Error::Conflict` names the first key whose condition does not
    /// hold, or of which parts were changed here and by others since, compaction among
    /// them; `Error::Shape` an entry, of which parts were changed, in which two arrays have
    /// different sizes of one dim. Nothing of the batch is stored then.
    pub fn commit(self) -> Result<u64> {
        self.finish_drafts()?;
        let staged = self.staged.lock();
        let values = staged.values();
        let changes = staged.changes(&values);
        self.store.on_newest(|inner| {
            let mut writer = inner.log.writer("commit a batch")?;
            let checked = staged.check(|target, hash, key, condition| {
                let version = match inner.resolve(target)? {
                    Some(state) => inner.version(&writer, &state, hash, key)?,
                    None => None,
                };
                condition.check(key, version)
            });
            if checked.is_err() {
                // Whoever is refused can read what stands in the way.
                writer.wait_for_others()?;
            }
            checked?;
            if staged.len() == 0 {
                return Ok(inner.log.seqno());
            }
            inner.commit(writer, &changes, staged.schemas(), self.durability)
        })
    }
}
