//! fjall: a tree of sorted files with a journal.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result};
use fjall::{Config, Keyspace, PartitionCreateOptions, PartitionHandle, PersistMode};

use crate::ingest::{Load, Sink};

/// A keyspace with one partition.
pub(crate) struct Fjall {
    keyspace: Keyspace,
    partition: PartitionHandle,
}

impl Fjall {
    /// Makes or opens the keyspace in `folder`.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let keyspace = Config::new(folder)
            .open()
            .with_context(|| format!("cannot open fjall in {}", folder.display()))?;
        let partition = keyspace.open_partition("data", PartitionCreateOptions::default())?;
        Ok(Self {
            keyspace,
            partition,
        })
    }

    /// Writes out what is in memory and merges all files into one level.
    pub(crate) fn compact(&self) -> Result<()> {
        self.partition.rotate_memtable_and_wait()?;
        Ok(self.partition.major_compact()?)
    }
}

impl Sink for Fjall {
    fn commit(&mut self, load: &Load, range: Range<usize>) -> Result<()> {
        let mut batch = self.keyspace.batch();
        for (key, value) in load.entries(range) {
            batch.insert(&self.partition, key, value);
        }
        Ok(batch.commit()?)
    }

    fn sync(&mut self) -> Result<()> {
        Ok(self.keyspace.persist(PersistMode::SyncAll)?)
    }

    fn close(self) -> Result<()> {
        Ok(())
    }
}
