//! Partitions in use, and handles that keep one.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::Catalog;
use crate::error::Result;
use crate::index::PartitionIndex;
use crate::log::Log;

/// A partition of the store, whatever its names are.
#[derive(Debug)]
pub(crate) struct PartitionState {
    pub(crate) id: u32,
    /// Id of its collection; 0 = not looked up yet.
    collection: AtomicU32,
    /// Log2 of the alignment that it asks for; 0 = none.
    align: AtomicU8,
    pub(crate) index: PartitionIndex,
    /// Place of the root that the segments of the index are from; 0 = none.
    root: AtomicU64,
}

impl PartitionState {
    pub(super) fn new(id: u32, index: PartitionIndex, root: u64) -> Self {
        Self {
            id,
            collection: AtomicU32::new(0),
            align: AtomicU8::new(0),
            index,
            root: AtomicU64::new(root),
        }
    }

    /// The partition as it is now: what is written later is told to the original.
    pub(super) fn fork(&self) -> Self {
        let fork = Self::new(self.id, self.index.fork(), self.root());
        fork.note(self.collection(), self.align());
        fork
    }

    /// Place of the root that the segments are from; 0 = none.
    pub(crate) fn root(&self) -> u64 {
        self.root.load(Ordering::Acquire)
    }

    /// Notes another one.
    pub(crate) fn set_root(&self, place: u64) {
        self.root.store(place, Ordering::Release);
    }

    /// Notes what its row says.
    pub(super) fn note(&self, collection: u32, align: Option<u8>) {
        // A row that was read before a move, of which `note_move` told meanwhile, counts
        // no more.
        let known = &self.collection;
        let _ = known.compare_exchange(0, collection, Ordering::AcqRel, Ordering::Acquire);
        self.align.store(align.unwrap_or(0), Ordering::Release);
    }

    pub(super) fn set_collection(&self, collection: u32) {
        self.collection.store(collection, Ordering::Release);
    }

    pub(super) fn collection(&self) -> u32 {
        self.collection.load(Ordering::Acquire)
    }

    /// Log2 of the alignment of its values of 256 bytes and more, if it asks for one.
    pub(crate) fn align(&self) -> Option<u8> {
        Some(self.align.load(Ordering::Acquire)).filter(|&log2| log2 != 0)
    }
}

/// What the names of a handle lead to, kept for as long as they do.
#[derive(Debug, Default)]
pub(crate) struct Kept(OnceLock<Checked>);

#[derive(Debug)]
struct Checked {
    state: Arc<PartitionState>,
    /// Number of changes of names at which the names led here.
    at: AtomicU64,
}

impl Catalog {
    /// The partition with these names, if there is one. `kept` makes it cheap: once the
    /// names were looked up it costs two loads, until names are dropped or renamed.
    #[inline]
    pub(crate) fn resolve<'k>(
        &self,
        log: &Arc<Log>,
        collection: &str,
        name: &str,
        kept: &'k Kept,
    ) -> Result<Option<Cow<'k, Arc<PartitionState>>>> {
        // Before the look-up: a change that comes in between is then seen by the next.
        let changes = self.changes.load(Ordering::Acquire);
        if let Some(checked) = kept.0.get()
            && checked.at.load(Ordering::Relaxed) == changes
        {
            return Ok(Some(Cow::Borrowed(&checked.state)));
        }
        self.resolve_anew(log, collection, name, kept, changes)
    }

    #[cold]
    fn resolve_anew<'k>(
        &self,
        log: &Arc<Log>,
        collection: &str,
        name: &str,
        kept: &'k Kept,
        changes: u64,
    ) -> Result<Option<Cow<'k, Arc<PartitionState>>>> {
        let Some(state) = self.find(log, collection, name)? else {
            return Ok(None);
        };
        let checked = kept.0.get_or_init(|| Checked {
            state: Arc::clone(&state),
            at: AtomicU64::new(changes),
        });
        if !Arc::ptr_eq(&checked.state, &state) {
            // The names lead to another partition than at first.
            return Ok(Some(Cow::Owned(state)));
        }
        checked.at.store(changes, Ordering::Relaxed);
        Ok(Some(Cow::Borrowed(&checked.state)))
    }
}
