//! A store as it was at one commit.

use std::ops::Deref;
use std::sync::Arc;

use crate::checkpoint::{Background, Start};
use crate::compaction::Automatic;
use crate::error::{Error, Result};
use crate::log::{Log, Until};
use crate::store::{Inner, Store};

/// A store as it was at one commit, whatever is written since. Reads, listings, lengths
/// and positions stay as they were; writes answer `Error::ReadOnly`.
///
/// It has all that a [`Store`] has, lives as long as it is held, also after the store was
/// closed or compacted, and costs nothing to keep but the parts of the index that others
/// have replaced meanwhile. Cloning counts a reference.
#[derive(Clone, Debug)]
pub struct Snapshot(Store);

impl Deref for Snapshot {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}

impl Store {
    /// The store as it is now. Waits for a commit that is under way; costs a reference for
    /// each partition in use.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let inner = self.inner();
        inner.check_open("take a snapshot")?;
        let (log, catalog) = inner.log.fixed(|log| (log.view(), inner.catalog.fork()));
        let view = Inner::view(log?, catalog, &inner);
        Ok(Snapshot(Store::over(view, &self.shared.options)))
    }

    /// The store as it was after the commit with this number.
    ///
    /// Starts from the newest checkpoint before it and replays the commits since.
    /// `Error::SnapshotGone` if compaction has removed it, `Error::Invalid` if this handle
    /// has not seen it yet.
    pub fn at(&self, seqno: u64) -> Result<Snapshot> {
        let inner = self.inner();
        let log = &inner.log;
        inner.check_open("open a snapshot")?;
        let newest = log.seqno();
        if seqno == newest {
            return self.snapshot();
        }
        if seqno > newest {
            return Err(not_yet(seqno, newest));
        }
        check_kept(log, seqno)?;
        let log = Arc::new(log.view()?);
        let start = Start::before(&log, seqno)?;
        let view = Inner::view_over(log, start.catalog, &inner);
        view.replay(Until::Seqno(seqno), false)?;
        Ok(Snapshot(Store::over(view, &self.shared.options)))
    }
}

/// A commit that is not there yet.
fn not_yet(seqno: u64, newest: u64) -> Error {
    Error::Invalid {
        what: format!("seqno {seqno}"),
        detail: format!("the newest commit that this handle sees is {newest}"),
    }
}

/// Fails if compaction removed the commit `seqno`.
pub(crate) fn check_kept(log: &Log, seqno: u64) -> Result<()> {
    let oldest = log.identity().first_seqno.saturating_sub(1);
    if seqno >= oldest {
        return Ok(());
    }
    Err(Error::SnapshotGone {
        path: log.path().to_owned(),
        seqno,
        oldest,
    })
}

impl Inner {
    /// Fails unless the replay ended after the commit `seqno`, which a running writer
    /// published, if there is one.
    pub(crate) fn check_reached(&self, seqno: u64, published: Option<u64>) -> Result<()> {
        let newest = self.log.seqno();
        if newest != seqno {
            return Err(not_yet(seqno, newest));
        }
        if published.is_some_and(|end| self.log.published() > end) {
            return Err(not_yet(seqno, newest.saturating_sub(1)));
        }
        Ok(())
    }

    fn view(log: Log, catalog: crate::catalog::Catalog, of: &Self) -> Self {
        Self::view_over(Arc::new(log), catalog, of)
    }

    fn view_over(log: Arc<Log>, catalog: crate::catalog::Catalog, of: &Self) -> Self {
        Self {
            log,
            catalog: Arc::new(catalog),
            pool: Arc::default(),
            array_ids: Arc::default(),
            background: Background::new(u64::MAX, 0, 0),
            automatic: Automatic::default(),
            mode: crate::options::Mode::Read,
            fixed: true,
            follower: None,
            recovery: of.recovery.clone(),
        }
    }
}
