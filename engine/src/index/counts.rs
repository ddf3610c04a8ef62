//! How much is in a partition, changed for a whole commit at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Number of entries of a partition, and bytes of their records. One writer.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(super) live: Counter,
    pub(super) live_bytes: Counter,
}

/// A number that readers see change for a whole batch at once.
#[derive(Debug, Default)]
pub(super) struct Counter {
    shown: AtomicU64,
    /// What [`Self::show`] will add; the writer's alone.
    counted: AtomicI64,
}

impl Counter {
    fn of(value: u64) -> Self {
        Self {
            shown: AtomicU64::new(value),
            counted: AtomicI64::new(0),
        }
    }

    pub(super) fn add(&self, change: i64) {
        let counted = self.counted.load(Ordering::Relaxed);
        self.counted
            .store(counted.saturating_add(change), Ordering::Relaxed);
    }

    pub(super) fn show(&self) {
        let change = self.counted.load(Ordering::Relaxed);
        if change != 0 {
            self.counted.store(0, Ordering::Relaxed);
            let shown = self.shown.load(Ordering::Relaxed);
            self.shown
                .store(shown.saturating_add_signed(change), Ordering::Release);
        }
    }

    pub(super) fn get(&self) -> u64 {
        self.shown.load(Ordering::Acquire)
    }
}

impl Counts {
    pub(super) fn of(live: u64, live_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            live: Counter::of(live),
            live_bytes: Counter::of(live_bytes),
        })
    }
}

/// What one commit changes in a partition, for whoever shows that commit.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(super) counts: Arc<Counts>,
    pub(super) entries: i64,
    pub(super) bytes: i64,
}

/// The change that an entry of `new` bytes in the place of one of `old` makes: of the
/// number of entries, and of their bytes.
pub(super) fn change(new: Option<u64>, old: Option<u64>) -> (i64, i64) {
    let entries = |entry: Option<u64>| i64::from(entry.is_some());
    let bytes = |entry: Option<u64>| entry.unwrap_or(0) as i64;
    (
        entries(new) - entries(old),
        bytes(new).saturating_sub(bytes(old)),
    )
}

impl Counted {
    /// Counts an entry of `new` bytes that came in the place of one of `old`.
    pub(crate) fn count(&mut self, new: Option<u64>, old: Option<u64>) {
        let (entries, bytes) = change(new, old);
        self.entries = self.entries.saturating_add(entries);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Adds what was counted, for [`Self::show`]. Under the writer's lock.
    pub(crate) fn add(&self) {
        self.counts.live.add(self.entries);
        self.counts.live_bytes.add(self.bytes);
    }

    /// Makes the partition include all that was added, at once: a commit may have counted
    /// it in several parts. Under the writer's lock.
    pub(crate) fn show(&self) {
        self.counts.live.show();
        self.counts.live_bytes.show();
    }
}
