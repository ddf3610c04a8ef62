//! Mappings of a growing file.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::Log;
use crate::error::{Error, Result};
use crate::storage::Region;

/// Regions of a growing file; the newest lends everything. Older ones stay until
/// the log is dropped: there are few, since each is at least twice as long.
#[derive(Debug)]
pub(super) struct Regions {
    list: [OnceLock<Arc<Region>>; 32],
    newest: AtomicUsize,
}

impl Regions {
    pub(super) fn new(first: Arc<Region>) -> Self {
        let list: [OnceLock<Arc<Region>>; 32] = Default::default();
        if let Some(place) = list.first() {
            let _ = place.set(first);
        }
        Self {
            list,
            newest: AtomicUsize::new(0),
        }
    }

    #[inline]
    pub(super) fn newest(&self) -> Option<&Arc<Region>> {
        self.list.get(self.newest.load(Ordering::Acquire))?.get()
    }

    /// Every region so far.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Region>> {
        self.list.iter().filter_map(OnceLock::get)
    }

    /// Adds a longer region. Only the writer, or who follows one, calls this.
    fn push(&self, region: Arc<Region>) -> bool {
        let next = self.newest.load(Ordering::Relaxed) + 1;
        let added = self
            .list
            .get(next)
            .is_some_and(|place| place.set(region).is_ok());
        if added {
            self.newest.store(next, Ordering::Release);
        }
        added
    }
}

impl Log {
    /// Makes sure that a region reaches `end`.
    pub(super) fn reach(&self, end: u64) -> Result<()> {
        let Some(regions) = &self.regions else {
            return Ok(());
        };
        if regions.newest().is_some_and(|region| region.end() >= end) {
            return Ok(());
        }
        let region = self.storage.map().map_err(Error::io("map", &self.path))?;
        if region.end() >= end && regions.push(region) {
            self.advise_again();
            return Ok(());
        }
        Err(Error::io("map", &self.path)(
            std::io::ErrorKind::OutOfMemory.into(),
        ))
    }
}
