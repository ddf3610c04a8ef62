//! A mapping of keys to entries.

mod ahead;
mod assign;
mod attrs;
mod copy;
mod history;
mod many;
mod merge;
mod read;
mod reader;
mod region;
mod walk;
mod write;

use std::sync::Arc;

use arc_swap::Guard;

use crate::catalog::{Beside, Resolved};
use crate::error::Result;
use crate::format::place;
use crate::index::Pinned;
use crate::staged::Target;
use crate::store::{Inner, Store};

pub use assign::Assignment;
pub use attrs::AttrColumn;
pub use history::{History, KeyVersion};
pub use reader::Reader;
pub use walk::{Entries, Keys};

pub(crate) use assign::{Change, Dims, assigned, check_all_dims};
pub(crate) use merge::Before;
pub(crate) use region::{appended, resized, written};

/// A partition of a collection: keys and what they map to.
///
/// A handle; cloning counts a reference. Any thread may read while another writes:
/// reads take no lock and wait for nobody. Each write is a commit of its own.
#[derive(Clone, Debug)]
pub struct Partition {
    store: Store,
    pub(crate) target: Arc<Target>,
}

impl Partition {
    pub(crate) fn new(store: &Store, collection: &str, name: &str) -> Self {
        Self {
            store: store.clone(),
            target: Arc::new(Target::new(collection, name)),
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Name of the collection.
    #[must_use]
    pub fn collection(&self) -> &str {
        &self.target.collection
    }

    /// Name of the partition.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.target.name
    }

    /// The generation of the store that serves now: asked for once an operation.
    #[inline]
    fn inner(&self) -> Guard<Arc<Inner>> {
        self.store.inner()
    }

    /// The partition that the names lead to in `inner`, if there is one; fails if the
    /// store was closed.
    #[inline]
    pub(crate) fn state(&self, inner: &Inner, action: &'static str) -> Result<Option<Resolved>> {
        inner.check_open(action)?;
        inner.resolve(&self.target)
    }

    /// Number of entries.
    pub fn len(&self) -> Result<u64> {
        let state = self.state(&self.inner(), "count entries")?;
        Ok(state.map_or(0, |state| state.index.len()))
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The state of the partition, with what stands beside it, if it exists, and its end.
    fn pin(&self, inner: &Inner, action: &'static str) -> Result<(Option<(Pinned, Beside)>, u64)> {
        let published = || place(inner.log.published());
        let Some(state) = self.state(inner, action)? else {
            return Ok((None, published()));
        };
        let (pinned, end) = state.index.pin(published);
        Ok((Some((pinned, state.beside(end))), end))
    }
}
