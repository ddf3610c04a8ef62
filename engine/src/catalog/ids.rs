//! The ids that come next.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::format::checkpoint;

/// For each kind the lowest id that was never given out. They only grow: an id is not
/// used twice, also after what had it is gone. Readers follow them by replaying rows; a
/// log whose start is not replayed has to have them saved.
#[derive(Debug)]
pub(crate) struct NextIds {
    collection: AtomicU32,
    partition: AtomicU32,
    schema: AtomicU32,
}

impl Default for NextIds {
    fn default() -> Self {
        Self {
            collection: AtomicU32::new(1),
            partition: AtomicU32::new(1),
            schema: AtomicU32::new(0),
        }
    }
}

fn raise(next: &AtomicU32, used: u32) {
    next.fetch_max(used.saturating_add(1), Ordering::AcqRel);
}

impl NextIds {
    /// As a checkpoint saved them.
    pub(super) fn saved(saved: &checkpoint::NextIds) -> Self {
        let first = Self::default();
        first
            .collection
            .fetch_max(saved.collection, Ordering::AcqRel);
        first.partition.fetch_max(saved.partition, Ordering::AcqRel);
        first.schema.fetch_max(saved.schema, Ordering::AcqRel);
        first
    }

    /// For a checkpoint.
    pub(crate) fn to_saved(&self) -> checkpoint::NextIds {
        checkpoint::NextIds {
            collection: self.collection(),
            partition: self.partition(),
            schema: self.schema(),
        }
    }

    /// The next id of a collection.
    pub(crate) fn collection(&self) -> u32 {
        self.collection.load(Ordering::Acquire)
    }

    /// The next id of a partition.
    pub(crate) fn partition(&self) -> u32 {
        self.partition.load(Ordering::Acquire)
    }

    /// The next id of a schema.
    pub(crate) fn schema(&self) -> u32 {
        self.schema.load(Ordering::Acquire)
    }

    /// Gives out an id of a schema.
    pub(crate) fn take_schema(&self) -> u32 {
        self.schema.fetch_add(1, Ordering::AcqRel)
    }

    /// Notes that a collection has this id.
    pub(crate) fn raise_collection(&self, used: u32) {
        raise(&self.collection, used);
    }

    /// Notes that a partition has this id.
    pub(crate) fn raise_partition(&self, used: u32) {
        raise(&self.partition, used);
    }

    /// Notes that a schema has this id.
    pub(crate) fn raise_schema(&self, used: u32) {
        raise(&self.schema, used);
    }
}
