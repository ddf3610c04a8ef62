//! arraylog.

use std::ops::Range;
use std::path::Path;

use anyhow::Result;
use arraylog::{Durability, Mode, OpenOptions, Partition, Store, Verify};

use crate::ingest::{Load, Sink};

/// Collection and partition of all entries; the keys are stored whole, as every
/// peer stores them.
pub(crate) const PLACE: (&str, &str) = ("collection", "partition");

/// How entries are committed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Commit {
    /// Each by its own `Partition::put`.
    Single,
    /// Those of a batch by one `Batch::commit`.
    Batch,
}

/// A new store that takes entries.
pub(crate) struct StoreSink {
    store: Store,
    partition: Partition,
    commit: Commit,
}

impl StoreSink {
    /// Makes a store at `path`, `Buffered`.
    pub(crate) fn new(path: &Path, commit: Commit) -> Result<Self> {
        Self::with_options(path, commit, OpenOptions::new())
    }

    /// The same with other options than the defaults.
    pub(crate) fn with_options(path: &Path, commit: Commit, options: OpenOptions) -> Result<Self> {
        let options = options
            .mode(Mode::CreateNew)
            .durability(Durability::Buffered);
        let store = open_mapped(&options, path)?;
        let partition = store.partition(PLACE.0, PLACE.1)?;
        Ok(Self {
            store,
            partition,
            commit,
        })
    }

    /// The store.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Its partition.
    pub(crate) fn partition(&self) -> &Partition {
        &self.partition
    }
}

impl Sink for StoreSink {
    fn commit(&mut self, load: &Load, range: Range<usize>) -> Result<()> {
        match self.commit {
            Commit::Single => {
                for (key, value) in load.entries(range) {
                    self.partition.put(key, value)?;
                }
            }
            Commit::Batch => {
                let batch = self.store.batch()?;
                let partition = batch.partition(PLACE.0, PLACE.1)?;
                for (key, value) in load.entries(range) {
                    partition.put(key, value)?;
                }
                batch.commit()?;
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        Ok(self.store.sync()?)
    }

    fn close(self) -> Result<()> {
        Ok(self.store.close()?)
    }
}

/// Opens the store at `path` for reading, mapped.
pub(crate) fn open_for_reading(path: &Path, verify: Verify) -> Result<Store> {
    open_mapped(&OpenOptions::new().mode(Mode::Read).verify(verify), path)
}

/// The partition of all entries.
pub(crate) fn partition(store: &Store) -> Result<Partition> {
    Ok(store.existing_partition(PLACE.0, PLACE.1)?)
}

/// Opens the store at `path` as `options` say, mapped.
#[expect(unsafe_code, reason = "opening by mapping")]
pub(crate) fn open_mapped(options: &OpenOptions, path: &Path) -> Result<Store> {
    // SAFETY: the file is in a folder that this run made for this process, and
    // nothing but arraylog writes to it.
    let store = unsafe { options.open_mapped(path) };
    Ok(store?)
}
