//! Compaction by a threshold, in the background.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::{CompactOptions, Keep};
use crate::error::{Error, Result};
use crate::generation::Shared;
use crate::log::WriterGuard;
use crate::options::CompactWhen;
use crate::store::{Inner, Store};
use crate::usage::Detail;

/// Looks whether a generation is worth compacting.
#[derive(Debug, Default)]
pub(crate) struct Automatic {
    when: Option<CompactWhen>,
    store: Mutex<Weak<Shared>>,
    running: AtomicBool,
    /// End of the log (an offset) from which on it is worth another look.
    next: AtomicU64,
}

impl Automatic {
    pub(crate) fn new(when: Option<CompactWhen>) -> Self {
        Self {
            when,
            ..Self::default()
        }
    }

    /// Whose generation this is, if somebody has it.
    pub(crate) fn served(&self) -> Option<Arc<Shared>> {
        self.store.lock().upgrade()
    }

    /// Tells whose generation this is.
    pub(crate) fn serve(&self, store: &Weak<Shared>) {
        // A reader that goes on with another file opens that as a store of its own first.
        *self.store.lock() = Weak::clone(store);
    }
}

impl Inner {
    /// Starts a compaction in the background if it may be worth it. Costs two loads
    /// otherwise.
    pub(crate) fn compact_if_due(&self, writer: &WriterGuard<'_>) {
        let automatic = &self.automatic;
        let Some(when) = automatic.when else { return };
        let end = writer.tip().end;
        if end < when.least_bytes || end < automatic.next.load(Ordering::Relaxed) {
            return;
        }
        let Some(shared) = automatic.served() else {
            return;
        };
        if automatic.running.swap(true, Ordering::AcqRel) {
            return;
        }
        // What is dead is counted with every entry of the catalog, and of partitions with
        // chunks or amendments: only when the log has grown by an eighth.
        automatic
            .next
            .store(end.saturating_add(end / 8), Ordering::Relaxed);
        let work = move || {
            let store = Store { shared };
            match store.compact_if(when) {
                Ok(()) | Err(Error::Cancelled { .. } | Error::Closed { .. }) => {}
                Err(error) => log::warn!("{}: {error}", store.path().display()),
            }
        };
        let thread = std::thread::Builder::new().name("arraylog-compact".to_owned());
        if let Err(error) = thread.spawn(work) {
            log::warn!("no thread for a compaction: {error}");
            automatic.running.store(false, Ordering::Release);
        }
    }
}

impl Store {
    fn compact_if(&self, when: CompactWhen) -> Result<()> {
        let inner = arc_swap::Guard::into_inner(self.inner());
        let usage = inner.usage(Detail::Counted);
        let due = usage.map(|usage| {
            let dead = usage.reclaimable_bytes as f64 / usage.file_bytes.max(1) as f64;
            dead >= when.dead_share
        });
        let done = match due {
            Ok(true) => self.compact_unless_left(),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        inner.automatic.running.store(false, Ordering::Release);
        done
    }

    /// Compacts for as long as somebody else has the store open.
    fn compact_unless_left(&self) -> Result<()> {
        let go_on = |_, _| match Arc::strong_count(&self.shared) == 1 || self.is_closed() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let options = CompactOptions::new().keep(Keep::Nothing).progress(&go_on);
        self.compact(&options).map(drop)
    }
}
