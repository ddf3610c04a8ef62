//! Partitions in use, and handles that keep one.

use std::ops::Deref;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use super::Catalog;
use super::sides::Sides;
use crate::array::ArrayDefaults;
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
    pub(super) sides: Sides,
    /// What it asks for arrays; a partition keeps what it was made with.
    defaults: OnceLock<ArrayDefaults>,
}

impl PartitionState {
    pub(super) fn new(id: u32, index: PartitionIndex, root: u64) -> Self {
        Self {
            id,
            collection: AtomicU32::new(0),
            align: AtomicU8::new(0),
            index,
            root: AtomicU64::new(root),
            sides: Sides::default(),
            defaults: OnceLock::new(),
        }
    }

    /// The partition as it is now: what is written later is told to the original.
    pub(super) fn fork(&self) -> Self {
        let fork = Self::new(self.id, self.index.fork(), self.root());
        fork.note(
            self.collection(),
            self.align(),
            self.defaults.get().cloned(),
        );
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
    pub(super) fn note(&self, collection: u32, align: Option<u8>, defaults: Option<ArrayDefaults>) {
        if let Some(defaults) = defaults {
            self.defaults.get_or_init(|| defaults);
        }
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

    /// What it asks for arrays.
    pub(crate) fn defaults(&self) -> ArrayDefaults {
        self.defaults.get().cloned().unwrap_or_default()
    }

    /// Log2 of the alignment of its values of 256 bytes and more, if it asks for one.
    pub(crate) fn align(&self) -> Option<u8> {
        Some(self.align.load(Ordering::Acquire)).filter(|&log2| log2 != 0)
    }
}

/// What the names of a handle lead to, kept for as long as they do.
#[derive(Debug, Default)]
pub(crate) struct Kept(OnceLock<Arc<ArcSwap<Checked>>>);

#[derive(Debug)]
pub(super) struct Checked {
    state: Arc<PartitionState>,
    /// Number of the catalog that said so.
    catalog: u64,
    /// Number of changes of names at which the names led here.
    at: u64,
}

/// A partition that names lead to.
#[derive(Debug)]
pub(crate) struct Resolved(Guard<Arc<Checked>>);

impl Deref for Resolved {
    type Target = Arc<PartitionState>;

    #[inline]
    fn deref(&self) -> &Arc<PartitionState> {
        &self.0.state
    }
}

/// The handles that keep a state of a catalog, so that they let go of it when another
/// generation of the file takes its place: an idle handle would keep the old file.
#[derive(Debug, Default)]
pub(super) struct Handles(Mutex<Vec<Weak<ArcSwap<Checked>>>>);

impl Handles {
    fn add(&self, handle: &Arc<ArcSwap<Checked>>) {
        let mut handles = self.0.lock();
        // Those that are gone are swept out before the list would grow.
        if handles.len() == handles.capacity() {
            handles.retain(|handle| handle.strong_count() > 0);
            let live = handles.len();
            handles.reserve(live.max(8));
        }
        handles.push(Arc::downgrade(handle));
    }
}

impl Catalog {
    /// The partition with these names, if there is one. `kept` makes it cheap: once the
    /// names were looked up it costs two loads, until names are dropped or renamed, or
    /// another generation of the file serves.
    #[inline]
    pub(crate) fn resolve(
        &self,
        log: &Arc<Log>,
        collection: &str,
        name: &str,
        kept: &Kept,
    ) -> Result<Option<Resolved>> {
        // Before the look-up: a change that comes in between is then seen by the next.
        let changes = self.changes.load(Ordering::Acquire);
        if let Some(checked) = kept.0.get().map(|cell| cell.load())
            && checked.at == changes
            && checked.catalog == self.number.0
        {
            return Ok(Some(Resolved(checked)));
        }
        self.resolve_anew(log, collection, name, kept, changes)
    }

    #[cold]
    fn resolve_anew(
        &self,
        log: &Arc<Log>,
        collection: &str,
        name: &str,
        kept: &Kept,
        changes: u64,
    ) -> Result<Option<Resolved>> {
        let Some(state) = self.find(log, collection, name)? else {
            return Ok(None);
        };
        let catalog = self.number.0;
        let checked = Arc::new(Checked {
            state,
            catalog,
            at: changes,
        });
        let cell = kept
            .0
            .get_or_init(|| Arc::new(ArcSwap::new(Arc::clone(&checked))));
        let before = cell.swap(Arc::clone(&checked));
        if before.catalog != catalog || Arc::ptr_eq(&before, &checked) {
            self.handles.add(cell);
        }
        Ok(Some(Resolved(Guard::from_inner(checked))))
    }

    /// Has the handles let go of the states of this catalog, which serves no more.
    pub(crate) fn release_handles(&self) {
        let nothing = Arc::new(Checked {
            state: Arc::new(PartitionState::new(0, PartitionIndex::default(), 0)),
            // No catalog has this number.
            catalog: 0,
            at: 0,
        });
        let handles = std::mem::take(&mut *self.handles.0.lock());
        for cell in handles.iter().filter_map(Weak::upgrade) {
            let kept = cell.load();
            if kept.catalog == self.number.0 {
                // Unless it was taken to another one meanwhile.
                cell.compare_and_swap(&kept, Arc::clone(&nothing));
            }
        }
    }
}
