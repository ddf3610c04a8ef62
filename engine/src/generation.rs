//! Which generation of its file a store serves.
//!
//! Compaction, here or in another process, puts a new file in the place of the old one:
//! the next *generation*. Handles go on with it. An operation asks once which generation
//! serves, and stays with that one; what it gives out keeps that file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::format::header::Live;
use crate::log::Held;
use crate::open;
use crate::options::OpenOptions;
use crate::store::{Inner, Recovery, Store};
use crate::turns;

/// A file that was removed or replaced without a word is noticed that much later: looking
/// at the path costs a call of the system, which following does not.
const LOOK_EVERY_MS: u64 = 1000;

/// What the handles of a store share, whatever generation serves.
#[derive(Debug)]
pub(crate) struct Shared {
    current: ArcSwap<Inner>,
    own: Weak<Self>,
    pub(crate) path: PathBuf,
    pub(crate) recovery: Recovery,
    /// How to open the next generation.
    pub(crate) options: OpenOptions,
    /// Held while the store is compacted.
    pub(crate) compacting: Mutex<()>,
    /// Held while a reader looks for another generation.
    pub(crate) reopening: Mutex<()>,
    older: Mutex<Vec<Older>>,
    opened: Instant,
    /// When the path was last looked at, in milliseconds after that.
    looked: AtomicU64,
}

/// A generation that serves no more, but whose file somebody may keep.
#[derive(Debug)]
struct Older {
    held: Held,
    bytes: u64,
}

impl Shared {
    pub(crate) fn new(inner: Inner, options: &OpenOptions) -> Arc<Self> {
        Arc::new_cyclic(|own| {
            inner.automatic.serve(own);
            Self::with(inner, options, own)
        })
    }

    fn with(inner: Inner, options: &OpenOptions, own: &Weak<Self>) -> Self {
        Self {
            own: Weak::clone(own),
            path: inner.log.path().to_owned(),
            recovery: inner.recovery.clone(),
            // A commit to open at is one of this generation.
            options: OpenOptions {
                at: None,
                ..options.clone()
            },
            current: ArcSwap::from_pointee(inner),
            compacting: Mutex::default(),
            reopening: Mutex::default(),
            older: Mutex::default(),
            opened: Instant::now(),
            looked: AtomicU64::new(0),
        }
    }

    /// The generation that serves now.
    #[inline]
    pub(crate) fn inner(&self) -> Guard<Arc<Inner>> {
        turns::point();
        let inner = self.current.load();
        turns::point();
        inner
    }

    /// Has `next` serve from here on.
    pub(crate) fn replace(&self, next: Arc<Inner>) {
        next.automatic.serve(&self.own);
        turns::point();
        let old = self.current.swap(next);
        turns::point();
        let mut older = self.older.lock();
        older.retain(|older| older.held.is_held());
        older.push(Older {
            held: old.log.held(),
            bytes: old.log.storage().len().unwrap_or_default(),
        });
        drop(older);
        old.catalog.release_handles();
    }

    /// Whether a second has passed since this was last true.
    fn is_time_to_look(&self) -> bool {
        let now = self.opened.elapsed().as_millis() as u64;
        let last = self.looked.load(Ordering::Relaxed);
        if now.saturating_sub(last) < LOOK_EVERY_MS {
            return false;
        }
        self.looked.store(now, Ordering::Relaxed);
        true
    }

    /// Number and bytes of the older generations whose files somebody keeps.
    pub(crate) fn held(&self) -> (u64, u64) {
        let mut older = self.older.lock();
        older.retain(|older| older.held.is_held());
        let bytes = older.iter().map(|older| older.bytes).sum();
        (older.len() as u64, bytes)
    }
}

impl Store {
    /// The generation that serves now: asked for once an operation. Who follows goes on
    /// with the one that another process put in the place of the file.
    #[inline]
    pub(crate) fn inner(&self) -> Guard<Arc<Inner>> {
        let inner = self.shared.inner();
        match inner.leaves() {
            None => inner,
            Some(_) => self.followed(inner),
        }
    }

    /// Does `work` with the generation that serves, and again if another one took its
    /// place before `work` had the writer's lock.
    #[inline]
    pub(crate) fn on_newest<T>(&self, mut work: impl FnMut(&Arc<Inner>) -> Result<T>) -> Result<T> {
        loop {
            let inner = self.inner();
            match work(&inner) {
                Err(Error::Closed { .. }) if inner.log.is_superseded() => {}
                other => return other,
            }
        }
    }

    /// Goes on with what the path names if the writer said that this has changed, or if
    /// nobody has looked for a second. Whether it did.
    pub(crate) fn follow_path(&self, inner: &Inner, live: &Live) -> Result<bool> {
        if !live.is_superseded() && !self.shared.is_time_to_look() {
            return Ok(false);
        }
        let (log, path) = (&inner.log, self.path());
        let replaced = |detail: String| Error::Replaced {
            path: path.to_owned(),
            detail,
        };
        match log.storage().is_at(path) {
            Ok(true) => return log.check_length().map(|()| false),
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(replaced("there is no file any more".to_owned()));
            }
            Err(error) => return Err(Error::io("look for", path)(error)),
        }
        let _one_at_a_time = self.shared.reopening.lock();
        if !std::ptr::eq(inner, &**self.shared.inner()) {
            // Another thread was faster.
            return Ok(true);
        }
        let opened = open::file(path, &self.shared.options, !log.is_mapped())?;
        let next = Guard::into_inner(opened.inner());
        let (was, is) = (log.identity(), next.log.identity());
        if was.lineage_id != is.lineage_id {
            return Err(replaced("another store is there".to_owned()));
        }
        if is.generation <= was.generation || next.log.seqno() < log.seqno() {
            return Err(replaced(format!(
                "there is generation {} as of commit {}; this handle has seen generation {} as of commit {}",
                is.generation,
                next.log.seqno(),
                was.generation,
                log.seqno()
            )));
        }
        self.shared.replace(next);
        Ok(true)
    }

    /// Whether both are handles of one open store.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The file, or ":memory:".
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// What opening found.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.shared.recovery
    }
}
