//! SIMD R Drive: an append-only file whose index is made in memory at each opening.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use arraylog_benches::leading;
use simd_r_drive::DataStore;
use simd_r_drive::traits::{DataStoreReader as _, DataStoreWriter as _};

use crate::ingest::{Load, Sink};
use crate::lookup::Lookups;
use crate::task::Answer;

/// A store of SIMD R Drive. It stores no keys: a key is its hash.
pub(crate) struct SimdRDrive {
    store: DataStore,
    path: PathBuf,
}

impl SimdRDrive {
    /// Makes or opens the store at `path`.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let store = DataStore::open(path)
            .with_context(|| format!("cannot open SIMD R Drive at {}", path.display()))?;
        Ok(Self {
            store,
            path: path.to_owned(),
        })
    }

    /// The leading number of the value of `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<u64>> {
        Ok(self.store.read(key)?.map(|entry| leading(entry.as_slice())))
    }

    /// Lookups.
    pub(crate) fn measure(&self, lookups: &Lookups, answer: &mut Answer) -> Result<()> {
        lookups.measure(answer, |key| self.get(key))
    }

    /// Rewrites the file without what is dead.
    pub(crate) fn compact(mut self) -> Result<()> {
        Ok(self.store.compact()?)
    }
}

impl Sink for SimdRDrive {
    fn commit(&mut self, load: &Load, range: Range<usize>) -> Result<()> {
        let entries: Vec<_> = load.entries(range).collect();
        self.store.batch_write(&entries)?;
        Ok(())
    }

    /// Its own interface has no sync.
    fn sync(&mut self) -> Result<()> {
        Ok(std::fs::File::open(&self.path)?.sync_data()?)
    }

    fn close(self) -> Result<()> {
        Ok(())
    }
}
