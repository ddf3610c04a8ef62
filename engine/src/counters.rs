//! What a store has done, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a handle of a store, and those made from it, have done since it was opened.
///
/// Lookups are not counted: no two readers share a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Commits, those that failed to become durable too.
    pub commits: u64,
    /// Their operations: each key that was written or removed, and each name.
    pub operations: u64,
    /// Bytes that the log grew by, the index in it too.
    pub bytes_written: u64,
    /// Flushes of the device.
    pub syncs: u64,
    /// Checkpoints that were taken.
    pub checkpoints: u64,
    /// Bytes of the log that they took.
    pub index_bytes_written: u64,
    /// Records that were compared with their sums when they were touched.
    pub records_compared: u64,
    /// Blocks of values, of 64 KiB each, that were compared with their sums when they were
    /// touched.
    pub blocks_compared: u64,
    /// Calls that took in what another process had committed.
    pub refreshes: u64,
    /// Records that they took in.
    pub records_followed: u64,
    /// Segments of the index in the file that serve the partitions in use.
    pub segments: u64,
}

/// A number that goes up.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of an open store. What is on the path of lookups touches none.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) commits: Count,
    pub(crate) operations: Count,
    pub(crate) bytes_written: Count,
    pub(crate) syncs: Count,
    pub(crate) checkpoints: Count,
    pub(crate) index_bytes_written: Count,
    pub(crate) records_compared: Count,
    pub(crate) blocks_compared: Count,
    pub(crate) refreshes: Count,
    pub(crate) records_followed: Count,
}

impl Meter {
    /// As they are now.
    pub(crate) fn read(&self, segments: u64) -> Counters {
        Counters {
            commits: self.commits.get(),
            operations: self.operations.get(),
            bytes_written: self.bytes_written.get(),
            syncs: self.syncs.get(),
            checkpoints: self.checkpoints.get(),
            index_bytes_written: self.index_bytes_written.get(),
            records_compared: self.records_compared.get(),
            blocks_compared: self.blocks_compared.get(),
            refreshes: self.refreshes.get(),
            records_followed: self.records_followed.get(),
            segments,
        }
    }
}
