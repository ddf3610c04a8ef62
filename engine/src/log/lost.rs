//! Records of a damaged log that do not hold.
//!
//! They stay in the index, under the key that they are thought to have, so that reading
//! that key is an error that names the place, and no older version passes for the newest.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::Log;
use crate::format::Defect;
use crate::format::record::Head;

/// A record that does not hold.
#[derive(Clone, Debug)]
pub(crate) struct LostRecord {
    /// What is known of its head: where its parts lie, what it is a version of.
    pub(crate) head: Head,
    pub(crate) key: Vec<u8>,
    pub(crate) defect: Defect,
}

/// Those of one log.
#[derive(Debug)]
pub(super) struct Lost {
    /// By offset.
    records: RwLock<BTreeMap<u64, LostRecord>>,
    /// Offsets of damage among records, rising.
    damage: RwLock<Vec<u64>>,
    /// Where the file ends; behind it stands what is known without being in it.
    file_end: u64,
}

impl Log {
    /// Has reads pass over what is damaged in a file that ends at `file_end`; before anything
    /// is read. Reads have to copy.
    pub(crate) fn tolerate(&mut self, file_end: u64) {
        self.lost = Some(Arc::new(Lost {
            records: RwLock::default(),
            damage: RwLock::default(),
            file_end,
        }));
    }

    /// Where the file ended when its damage was passed over, if it was.
    pub(crate) fn file_end(&self) -> Option<u64> {
        self.lost.as_ref().map(|lost| lost.file_end)
    }

    /// Whether reads pass over what is damaged.
    #[inline]
    pub(crate) fn is_tolerant(&self) -> bool {
        self.lost.is_some()
    }

    /// Notes that the record at offset `at` does not hold.
    pub(crate) fn note_lost(&self, at: u64, record: LostRecord) {
        if let Some(lost) = &self.lost {
            lost.records.write().insert(at, record);
        }
    }

    /// Notes where records are damaged, in rising order.
    pub(crate) fn note_damage(&self, offsets: Vec<u64>) {
        if let Some(lost) = &self.lost {
            *lost.damage.write() = offsets;
        }
    }

    /// Whether a record between two offsets may have been lost without a word of its key.
    pub(crate) fn is_damaged_between(&self, from: u64, to: u64) -> bool {
        self.lost.as_ref().is_some_and(|lost| {
            let damage = lost.damage.read();
            let next = damage.partition_point(|&at| at < from);
            damage.get(next).is_some_and(|&at| at < to)
        })
    }

    /// The record at offset `at`, if it is one that does not hold.
    pub(super) fn lost_at(&self, at: u64) -> Option<LostRecord> {
        self.lost.as_ref()?.records.read().get(&at).cloned()
    }
}
