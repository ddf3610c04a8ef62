//! The log: the sequence of committed frames, read and appended.
//!
//! One [`Log`] is an open file. Its writer appends frames, its readers see every
//! record below the published end. Nothing here knows what a value means.

mod access;
mod ahead;
mod append;
mod blocks;
mod checkpoint;
mod commit;
mod commits;
mod fill;
mod find;
mod group;
mod indexed;
mod lost;
mod recovery;
mod regions;
mod settle;
mod stored;
mod sums;
mod survey;
mod verified;
mod verify;
mod walk;
mod window;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Condvar, Mutex};

use crate::counters::Meter;
use crate::decoded::DecodedChunks;
use crate::error::{Error, Result};
use crate::format::header::{Identity, Live};
use crate::format::{Defect, LOG_START};
use crate::options::{Advice, Durability, Verify};
use crate::storage::{Region, Storage};
use crate::turns;

pub(crate) use access::Located;
pub(crate) use append::WriterGuard;
pub(crate) use checkpoint::{Goal, Saved};
pub(crate) use commit::{Op, OpValue, wide_blocks};
pub(crate) use commits::Commits;
pub(crate) use lost::LostRecord;
pub(crate) use recovery::{Found, Replayed, Until, replay, slots};
pub(crate) use stored::Stored;
pub(crate) use survey::{Item, Stretch, Survey, What};
pub(crate) use walk::Walk;

use lost::Lost;
use regions::Regions;
use verified::Verified;
use writer::Writer;

/// An open log.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    storage: Arc<dyn Storage>,
    identity: Identity,
    /// `None`: reads copy.
    regions: Option<Regions>,
    /// Everything below is written and will not change (an offset); raised by the
    /// writer before it tells the index.
    limit: Arc<AtomicU64>,
    /// End of the newest commit that readers see (an offset).
    published: AtomicU64,
    seqno: AtomicU64,
    /// End of the newest commit of this writer that readers see and that is counted.
    counted: AtomicU64,
    verify: Verify,
    verified: Arc<Verified>,
    durability: Durability,
    writer: Option<Mutex<Writer>>,
    /// Wakes the thread that will sync when as many have appended as did before.
    joined: Condvar,
    /// Held while the device is flushed; the first failure of that.
    device: Mutex<Option<io::Error>>,
    meter: Arc<Meter>,
    decoded: Arc<DecodedChunks>,
    /// How the log will be read.
    advice: Mutex<Advice>,
    /// The process that may write; a fork is another one. Beside the lock, which a
    /// thread that does not exist in a fork may hold there for ever.
    owner: u32,
    closed: AtomicBool,
    /// Whether another generation of the file takes the writes.
    superseded: AtomicBool,
    /// Held while a checkpoint is taken.
    checkpointing: Mutex<()>,
    /// Held while a checkpoint is synced and named.
    naming: Mutex<()>,
    /// Held while what another process committed is taken in.
    following: Mutex<Tip>,
    /// What the live page said when the store was opened and no writer was at work. It may
    /// have outlived its log: a loss of power keeps pages in any order.
    heard: AtomicU64,
    /// Of a log that is read although it is damaged: the records that are.
    lost: Option<Arc<Lost>>,
}

/// The file and its mappings: for as long as one is kept its bytes are not free.
#[derive(Debug)]
pub(crate) struct Held {
    storage: Weak<dyn Storage>,
    regions: Vec<Weak<Region>>,
}

impl Held {
    /// Whether somebody keeps one of them.
    pub(crate) fn is_held(&self) -> bool {
        let mut regions = self.regions.iter();
        self.storage.strong_count() > 0 || regions.any(|region| region.strong_count() > 0)
    }
}

/// Where the next frame goes, and what it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    /// End of the last frame (an offset).
    pub(crate) end: u64,
    /// Seqno of the last batch.
    pub(crate) seqno: u64,
    /// Frame sum of the last frame.
    pub(crate) frame_sum: u64,
}

impl Tip {
    /// The start of the log of a store.
    pub(crate) fn start(identity: &Identity) -> Self {
        Self {
            end: LOG_START,
            seqno: identity.first_seqno.saturating_sub(1),
            frame_sum: crate::format::frame::first_predecessor(&identity.store_id),
        }
    }
}

/// What a log is opened with.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) path: PathBuf,
    pub(crate) storage: Arc<dyn Storage>,
    /// What the regions of `storage` lend up to.
    pub(crate) limit: Arc<AtomicU64>,
    pub(crate) identity: Identity,
    /// Whether reads copy.
    pub(crate) copying: bool,
    pub(crate) verify: Verify,
    pub(crate) durability: Durability,
    /// Bytes of decoded chunks that are kept.
    pub(crate) chunk_cache: u64,
}

impl Log {
    /// A log whose frames up to `LOG_START` are known: none. [`replay`] comes next.
    pub(crate) fn new(parts: Parts) -> Result<Self> {
        let regions = match parts.copying {
            true => None,
            false => Some(Regions::new(
                parts.storage.map().map_err(Error::io("map", &parts.path))?,
            )),
        };
        let tip = Tip::start(&parts.identity);
        Ok(Self {
            path: parts.path,
            storage: parts.storage,
            identity: parts.identity,
            regions,
            limit: parts.limit,
            published: AtomicU64::new(LOG_START),
            seqno: AtomicU64::new(tip.seqno),
            counted: AtomicU64::new(0),
            verify: parts.verify,
            verified: Arc::default(),
            durability: parts.durability,
            writer: None,
            joined: Condvar::new(),
            device: Mutex::new(None),
            meter: Arc::default(),
            decoded: Arc::new(DecodedChunks::new(parts.chunk_cache)),
            advice: Mutex::default(),
            owner: 0,
            closed: AtomicBool::new(false),
            superseded: AtomicBool::new(false),
            checkpointing: Mutex::new(()),
            naming: Mutex::new(()),
            following: Mutex::new(tip),
            heard: AtomicU64::new(0),
            lost: None,
        })
    }

    /// Chunks of it that were decoded.
    pub(crate) fn decoded(&self) -> &DecodedChunks {
        &self.decoded
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Who the store is.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The storage.
    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }

    /// Durability of commits that do not say otherwise.
    pub(crate) fn durability(&self) -> Durability {
        self.durability
    }

    /// End of what readers see (an offset).
    #[inline]
    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// Seqno of the newest commit that readers see.
    pub(crate) fn seqno(&self) -> u64 {
        self.seqno.load(Ordering::Acquire)
    }

    /// Whether `close` was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether another generation of the file takes the writes. Reads go on.
    pub(crate) fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Acquire)
    }

    /// Fails if the file was cut before the end of what was read from it.
    pub(crate) fn check_length(&self) -> Result<()> {
        let len = self.storage.len().map_err(Error::io("read", &self.path))?;
        let need = self.published();
        if len < need {
            let what = "the log that was read before";
            let have = len;
            return Err(self.corrupt(len, Defect::Truncated { what, need, have }));
        }
        Ok(())
    }

    /// What keeps the bytes of this file.
    pub(crate) fn held(&self) -> Held {
        let regions = self.regions.iter().flat_map(Regions::all);
        Held {
            storage: Arc::downgrade(&self.storage),
            regions: regions.map(Arc::downgrade).collect(),
        }
    }

    /// Fails if the store was closed.
    pub(crate) fn check_open(&self, action: &'static str) -> Result<()> {
        if self.is_closed() {
            return Err(Error::Closed {
                action,
                path: self.path.clone(),
            });
        }
        Ok(())
    }

    /// What was done, for [`crate::Counters`].
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Whether reads lend the mapping.
    pub(crate) fn is_mapped(&self) -> bool {
        self.regions.is_some()
    }

    /// The words of the live page.
    pub(crate) fn live(&self) -> Result<Live> {
        self.storage
            .live()
            .load()
            .map_err(Error::io("read the live page of", &self.path))
    }

    /// Whether the live page says that more was published than readers see.
    #[inline]
    pub(crate) fn is_behind(&self) -> Result<bool> {
        let end = self.storage.live().published_end();
        let end = end.map_err(Error::io("read the live page of", &self.path))?;
        Ok(end > self.published() && end != self.heard.load(Ordering::Relaxed))
    }

    /// Notes that the live page says `end`, and that all that is there was taken in.
    pub(crate) fn heard_of(&self, end: u64) {
        self.heard.store(end, Ordering::Relaxed);
    }

    /// Whether a writer is at work, whose published end counts.
    pub(crate) fn has_running_writer(&self, live: &Live) -> Result<bool> {
        let len = self.storage.len().map_err(Error::io("read", &self.path))?;
        let sane = (LOG_START..=len).contains(&live.published_end);
        if live.is_closed() || !sane {
            return Ok(false);
        }
        self.storage
            .has_writer()
            .map_err(Error::io("ask for the lock of", &self.path))
    }

    /// The same log as far as it is published now, for a reader whom nothing new reaches.
    pub(crate) fn view(&self) -> Result<Self> {
        let regions = match &self.regions {
            None => None,
            Some(regions) => regions.newest().cloned().map(Regions::new),
        };
        Ok(Self {
            path: self.path.clone(),
            storage: Arc::clone(&self.storage),
            identity: self.identity,
            regions,
            limit: Arc::clone(&self.limit),
            published: AtomicU64::new(self.published()),
            seqno: AtomicU64::new(self.seqno()),
            counted: AtomicU64::new(0),
            verify: self.verify,
            verified: Arc::clone(&self.verified),
            durability: self.durability,
            writer: None,
            joined: Condvar::new(),
            device: Mutex::new(None),
            meter: Arc::clone(&self.meter),
            decoded: Arc::clone(&self.decoded),
            advice: Mutex::new(*self.advice.lock()),
            owner: 0,
            closed: AtomicBool::new(false),
            superseded: AtomicBool::new(false),
            checkpointing: Mutex::new(()),
            naming: Mutex::new(()),
            following: Mutex::new(Tip::start(&self.identity)),
            heard: AtomicU64::new(0),
            lost: self.lost.clone(),
        })
    }

    /// Calls `look` while nothing is committed, or followed, by this process.
    pub(crate) fn fixed<T>(&self, look: impl FnOnce(&Self) -> T) -> T {
        let _following = turns::lock(&self.following);
        let _writing = match self.owns_writer() {
            true => self.writer.as_ref().map(turns::lock),
            // In a fork another thread may have held the lock.
            false => None,
        };
        look(self)
    }

    /// Where replay starts, and up to where the index that it starts with was saved.
    pub(crate) fn start_from(&self, tip: Tip, end: u64) {
        *turns::lock(&self.following) = tip;
        self.publish(Tip { end, ..tip });
    }

    /// Bytes of the commits that the newest checkpoint lacks; `None` for a reader.
    pub(crate) fn behind_checkpoint(&self) -> Option<u64> {
        Some(turns::lock(self.writer.as_ref()?).behind_checkpoint())
    }

    /// Gives `take_in` the end of what was taken in; one caller at a time.
    pub(crate) fn follow<T>(&self, take_in: impl FnOnce(&mut Tip) -> T) -> T {
        take_in(&mut turns::lock(&self.following))
    }

    /// Gives the writer's lock back, if this process is the one that holds it: a fork
    /// shares the lock and must leave it.
    pub(crate) fn unlock(&self) -> Result<()> {
        if self.owns_writer() {
            return self
                .storage
                .unlock()
                .map_err(Error::io("unlock", &self.path));
        }
        Ok(())
    }

    /// Ends writing without a flush: what is under way in other threads finds the log
    /// closed, and the writer's lock is free.
    pub(crate) fn abandon(&self) -> Result<()> {
        if self.owns_writer() && !self.closed.swap(true, Ordering::AcqRel) {
            // Whoever appends now is let finish.
            drop(self.writer.as_ref().map(turns::lock));
        }
        self.unlock()
    }

    /// Shows readers everything up to `tip`.
    pub(crate) fn publish(&self, tip: Tip) {
        self.seqno.store(tip.seqno, Ordering::Release);
        turns::point();
        self.published.store(tip.end, Ordering::Release);
        turns::point();
    }

    /// An error of a structure at offset `at`.
    pub(crate) fn corrupt(&self, at: u64, defect: Defect) -> Error {
        Error::Corrupt {
            path: self.path.clone(),
            at,
            defect,
        }
    }
}
