//! What was committed, and how far that was acknowledged.

use std::sync::Arc;

use parking_lot::Mutex;

use super::state::State;
use crate::Error;
use crate::options::Durability;
use crate::storage::sim::watch::Watch;
use crate::store::Store;

/// From that many steps on that many states (by number) were durable, returned, begun.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub(super) steps: usize,
    pub(super) durable: usize,
    pub(super) returned: usize,
    pub(super) begun: usize,
    /// Seqno up to which a checkpoint saved the index that a durable slot names, and one
    /// that a slot names.
    pub(super) saved: u64,
    pub(super) named: u64,
}

/// What was committed, and how far that was acknowledged.
#[derive(Debug)]
pub(super) struct Ledger {
    watch: Arc<Watch>,
    inner: Mutex<(Vec<State>, Vec<Mark>)>,
}

impl Ledger {
    pub(super) fn new(watch: &Arc<Watch>, state: State) -> Arc<Self> {
        let marks = vec![Mark::default()];
        let inner = Mutex::new((vec![state], marks));
        let watch = Arc::clone(watch);
        Arc::new(Self { watch, inner })
    }

    pub(super) fn mark(&self, change: impl FnOnce(&mut Mark)) {
        let steps = self.watch.len();
        let (_, marks) = &mut *self.inner.lock();
        let mut mark = *marks.last().expect("one");
        change(&mut mark);
        marks.push(Mark { steps, ..mark });
    }

    /// The newest state.
    pub(super) fn state(&self) -> State {
        self.inner.lock().0.last().expect("one").clone()
    }

    /// A commit that leads to `state` is about to be made.
    pub(super) fn begin(&self, state: State) {
        self.inner.lock().0.push(state);
        self.mark(|mark| mark.begun += 1);
    }

    /// The last commit returned.
    pub(super) fn returned(&self, durability: Durability) {
        self.mark(|mark| {
            mark.returned = mark.begun;
            if durability == Durability::Synced {
                (mark.durable, mark.saved) = (mark.begun, mark.named);
            }
        });
    }

    /// The last commit failed: unless that is not known, what it would have led to may never
    /// be there.
    fn failed(&self, error: &Error) {
        if matches!(error, Error::CommitUnknown { .. }) {
            return;
        }
        let (states, marks) = &mut *self.inner.lock();
        states.pop();
        for mark in marks {
            mark.begun = mark.begun.min(states.len() - 1);
        }
    }

    /// All that had returned is durable.
    pub(super) fn durable(&self) {
        self.mark(|mark| (mark.durable, mark.saved) = (mark.returned, mark.named));
    }

    pub(super) fn taken(&self) -> (Vec<State>, Vec<Mark>) {
        self.inner.lock().clone()
    }
}

/// Who commits, and writes it down.
#[derive(Clone)]
pub(super) struct Committer {
    pub(super) store: Store,
    pub(super) ledger: Arc<Ledger>,
}

impl Committer {
    pub(super) fn new(store: &Store, ledger: &Arc<Ledger>) -> Self {
        Self {
            store: store.clone(),
            ledger: Arc::clone(ledger),
        }
    }

    /// Makes a commit that leads to `state`.
    pub(super) fn change(
        &self,
        state: State,
        durability: Durability,
        make: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.ledger.begin(state);
        make().inspect_err(|error| self.ledger.failed(error))?;
        self.ledger.returned(durability);
        Ok(())
    }
}
