//! Where a store opens from, and saving that: checkpoints of a whole store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::catalog::{CATALOG, Catalog, PartitionState};
use crate::error::{Error, Result};
use crate::format::checkpoint::Checkpoint;
use crate::format::header::Slot;
use crate::format::{LOG_START, PAGE, place};
use crate::index::{Merge, PartitionIndex};
use crate::log::{Goal, Log, Saved, Tip, WriterGuard, slots};
use crate::options::OpenOptions;
use crate::store::{Inner, Store};

/// A log that has no more than this behind its newest checkpoint is closed without another
/// one: replaying it is as fast as reading that.
const SHORT: u64 = 4 * PAGE;

/// What a checkpoint in the background merges: little, another will come.
const IN_PASSING: Merge = Merge::Shorter(1);

/// What the last one for a while merges: usually all, so that a lookup probes one segment.
/// A store that is opened for a few more entries is not packed anew each time.
pub(crate) const FOR_LONG: Merge = Merge::Shorter(8);

/// What opening starts from.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) catalog: Catalog,
    /// Entries of the segments in the file.
    pub(crate) indexed: u64,
    /// Seqno up to which a checkpoint saved the index.
    pub(crate) seqno: u64,
    /// Why checkpoints were passed over.
    pub(crate) passed_over: Vec<String>,
    /// Sequence number of the slot that named the checkpoint.
    pub(crate) slot: u64,
    /// The checkpoint and the end of its frame, if no slot names it.
    pub(crate) unnamed: Option<(u64, u64)>,
    /// The checkpoint and the end of its frame, if a slot names it; 0 = there is none.
    pub(crate) named: Option<(u64, u64)>,
}

impl Start {
    /// Offset of the checkpoint, 0 = none.
    pub(crate) fn saved(&self) -> u64 {
        self.unnamed.or(self.named).map_or(0, |(at, _)| at)
    }

    /// What the options ask for: usually the newest checkpoint that can be used.
    pub(crate) fn find(log: &Arc<Log>, options: &OpenOptions) -> Result<Self> {
        let mut start = match options.scan {
            true => Self::log(log, Vec::new()),
            false => Self::before(log, options.at.unwrap_or(u64::MAX))?,
        };
        // Have the indexes note what a checkpoint of the writer that is followed will need.
        if !options.mode.writes() {
            start.catalog.follow();
        }
        Ok(start)
    }

    /// The newest checkpoint that can be used and has no commit after `seqno`, or the start
    /// of the log.
    pub(crate) fn before(log: &Arc<Log>, seqno: u64) -> Result<Self> {
        let mut passed_over = Vec::new();
        let mut slots = slots(log)?;
        // Closing names the checkpoint again.
        slots.dedup_by_key(|slot| slot.checkpoint);
        let named = slots
            .iter()
            .map(|slot| (slot.seq, slot.checkpoint, slot.checkpoint_end));
        let unsynced = unsynced(log)?.map(|(at, end)| (0, at, end));
        for (slot, at, end) in unsynced.into_iter().chain(named) {
            if at == 0 {
                break;
            }
            match Self::named(log, (slot, at, end), seqno) {
                Ok(Some(found)) => {
                    return Ok(Self {
                        passed_over,
                        ..found
                    });
                }
                Ok(None) => break,
                Err(error @ Error::Corrupt { .. }) => {
                    log::warn!("{error}: the checkpoint is passed over");
                    passed_over.push(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self::log(log, passed_over))
    }

    /// The start of the log.
    fn log(log: &Log, passed_over: Vec<String>) -> Self {
        log.start_from(Tip::start(log.identity()), LOG_START);
        Self {
            catalog: Catalog::default(),
            indexed: 0,
            seqno: 0,
            passed_over,
            slot: 0,
            unnamed: None,
            named: Some((0, 0)),
        }
    }

    /// The checkpoint at an offset that a slot names (0: the live page), in a frame that
    /// ends there, or the newest one before it that has no commit after `seqno`.
    fn named(
        log: &Arc<Log>,
        (slot, newest, newest_end): (u64, u64, u64),
        seqno: u64,
    ) -> Result<Option<Self>> {
        log.lend_up_to(newest_end)?;
        let (mut at, mut end) = (newest, newest_end);
        while at != 0 {
            let (checkpoint, record_end) = log.read_checkpoint(at)?;
            if at != newest {
                // The record is the last of its frame.
                end = record_end;
            }
            if checkpoint.seqno <= seqno {
                let start = Self::from(log, &checkpoint, end)?;
                return Ok(Some(Self {
                    slot: if at == newest { slot } else { 0 },
                    unnamed: (slot == 0).then_some((at, end)),
                    named: (slot != 0).then_some((at, end)),
                    ..start
                }));
            }
            at = checkpoint.previous;
        }
        Ok(None)
    }

    fn from(log: &Arc<Log>, checkpoint: &Checkpoint, end: u64) -> Result<Self> {
        let catalog = Catalog::saved(log, checkpoint, end)?;
        let tip = Tip {
            end: checkpoint.replay_from,
            seqno: checkpoint.seqno,
            frame_sum: checkpoint.frame_sum,
        };
        // The roots stand in the frame of the checkpoint.
        log.start_from(tip, end);
        Ok(Self {
            catalog,
            indexed: checkpoint.entries,
            seqno: checkpoint.seqno,
            passed_over: Vec::new(),
            slot: 0,
            unnamed: None,
            named: Some((0, 0)),
        })
    }
}

/// The checkpoint that the live page names, if it is of this run of the system: its offset
/// and the end of its frame.
pub(crate) fn unsynced(log: &Log) -> Result<Option<(u64, u64)>> {
    let live = log.live()?;
    let named = log.storage().boot_id();
    Ok(named.and_then(|id| live.unsynced_checkpoint(&id)))
}

/// Checkpoints that a thread of their own takes.
#[derive(Debug)]
pub(crate) struct Background {
    bound: u64,
    running: Arc<AtomicBool>,
    /// Sequence number of the slot that a reader looked at last.
    adopted: AtomicU64,
    /// Offset of the checkpoint that its indexes come from.
    saved: AtomicU64,
}

impl Background {
    /// Of a store that was opened from the checkpoint at offset `saved`, 0 = none, which
    /// the slot with number `slot` named, 0 = none did.
    pub(crate) fn new(bound: u64, slot: u64, saved: u64) -> Self {
        Self {
            bound,
            running: Arc::default(),
            adopted: AtomicU64::new(slot),
            saved: AtomicU64::new(saved),
        }
    }
}

/// The index of a partition in use.
#[derive(Clone, Debug)]
struct Indexed(Arc<PartitionState>);

impl AsRef<PartitionIndex> for Indexed {
    fn as_ref(&self) -> &PartitionIndex {
        &self.0.index
    }
}

/// Saves what is new of the index; `None`: nothing was.
pub(crate) fn save(log: &Log, catalog: &Catalog, merge: Merge) -> Result<Option<Saved>> {
    let goals = || {
        let goal = |state: Arc<PartitionState>| Goal {
            id: state.id,
            index: Indexed(state),
        };
        let mut goals: Vec<_> = catalog.in_use().into_iter().map(goal).collect();
        // The same writes give the same bytes.
        goals.sort_unstable_by_key(|goal| goal.id);
        goals
    };
    let start = Instant::now();
    let saved = log.checkpoint(&catalog.index, goals, || catalog.next.to_saved(), merge)?;
    if let Some(Saved { partitions, bytes }) = saved {
        log.meter().checkpoints.add(1);
        log::info!(
            "{}: a checkpoint of {partitions} partitions took {bytes} bytes and {} ms",
            log.path().display(),
            start.elapsed().as_millis()
        );
    }
    Ok(saved)
}

impl Store {
    /// Saves the index in the file now, so that the next opening replays nothing; whether
    /// there was something to save. Commits go on meanwhile. `close` does it, and a thread
    /// in the background whenever much was written.
    pub fn checkpoint(&self) -> Result<bool> {
        self.on_newest(|inner| {
            let saved = save(&inner.log, &inner.catalog, FOR_LONG)?;
            inner.log.name_checkpoints(true)?;
            Ok(saved.is_some())
        })
    }
}

impl Inner {
    /// Starts a checkpoint in the background if a replay would take long.
    pub(crate) fn after_commit(&self, writer: &WriterGuard<'_>) {
        let Background { bound, running, .. } = &self.background;
        if !writer.wants_checkpoint(*bound) || !self.log.storage().is_kept() {
            return;
        }
        if running.swap(true, Ordering::AcqRel) {
            return;
        }
        let done = Arc::clone(running);
        let (log, catalog) = (Arc::clone(&self.log), Arc::clone(&self.catalog));
        let work = move || {
            let saved = save(&log, &catalog, IN_PASSING);
            // The next one need not wait for the device.
            done.store(false, Ordering::Release);
            let named = saved.and_then(|_| log.name_checkpoints(false));
            // A store that was closed or compacted meanwhile has nothing to say.
            if let Err(error) = named
                && !log.is_closed()
                && !log.is_superseded()
            {
                log::warn!("no checkpoint was taken: {error}");
            }
        };
        let thread = std::thread::Builder::new().name("arraylog-checkpoint".to_owned());
        if let Err(error) = thread.spawn(work) {
            log::warn!("no thread for a checkpoint: {error}");
            self.background.running.store(false, Ordering::Release);
        }
    }

    /// Saves the index before closing, unless replaying is as fast.
    pub(crate) fn checkpoint_at_close(&self) {
        let log = &self.log;
        if !log.owns_writer() || log.is_closed() || !log.storage().is_kept() {
            return;
        }
        if log.behind_checkpoint().is_none_or(|bytes| bytes <= SHORT) {
            return;
        }
        // The store can be closed all the same: opening replays more.
        let saved = save(log, &self.catalog, FOR_LONG);
        if let Err(error) = saved.and_then(|_| log.name_checkpoints(true)) {
            log::warn!("no checkpoint was taken at closing: {error}");
        }
    }

    /// Takes over the newest checkpoint of the writer that is followed, so that what was
    /// followed need not stay in memory.
    pub(crate) fn adopt(&self, slot_seq: u64) -> Result<()> {
        if self.background.adopted.swap(slot_seq, Ordering::AcqRel) == slot_seq {
            return Ok(());
        }
        let log = &self.log;
        log.follow(|_| {
            let slots = slots(log)?;
            // Opening may have started from a later one, which no slot named yet: what that
            // has is not in memory.
            let saved = &self.background.saved;
            let is_later = |slot: &&Slot| slot.checkpoint > saved.load(Ordering::Acquire);
            let Some(slot) = slots.first().filter(is_later) else {
                return Ok(());
            };
            // What lies beyond what was followed comes later.
            if slot.checkpoint_end > log.published() {
                self.background.adopted.store(0, Ordering::Release);
                return Ok(());
            }
            let (checkpoint, _) = log.read_checkpoint(slot.checkpoint)?;
            let (since, end) = (place(checkpoint.replay_from), place(log.published()));
            let fault = |fault| log.fault(fault);
            let segments = log.segments(CATALOG, &checkpoint.catalog)?;
            self.catalog
                .index
                .adopt(segments, since, end)
                .map_err(fault)?;
            for state in self.catalog.in_use() {
                let Some((at, root)) = self.catalog.root(log, state.id)? else {
                    continue;
                };
                if at != state.root() {
                    let segments = log.segments(state.id, &root)?;
                    state.index.adopt(segments, since, end).map_err(fault)?;
                    state.set_root(at);
                }
            }
            saved.store(slot.checkpoint, Ordering::Release);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mode;

    #[test]
    fn a_reader_that_started_from_a_checkpoint_no_slot_names_stays_with_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.alog");
        let open = |mode| OpenOptions::new().mode(mode).open(&path).expect("opened");
        let writer = open(Mode::Append);
        let values = writer.partition("c", "p").expect("made");
        let put = |value: &[u8]| values.put(b"key", value).expect("put");
        put(b"1");
        writer.checkpoint().expect("named by a slot");
        put(b"2");
        let inner = writer.inner();
        let saved = save(&inner.log, &inner.catalog, IN_PASSING).expect("saved");
        assert!(saved.is_some());
        let reader = open(Mode::Read);
        put(b"3");
        assert!(reader.refresh().expect("followed"));
        let found = reader.partition("c", "p").and_then(|part| part.get(b"key"));
        assert_eq!(found.expect("read").as_deref(), Some(b"3".as_slice()));
        // The next one that a slot names is taken over.
        put(b"4");
        writer.checkpoint().expect("named by a slot");
        put(b"5");
        assert!(reader.refresh().expect("followed"));
        let found = reader.partition("c", "p").and_then(|part| part.get(b"key"));
        assert_eq!(found.expect("read").as_deref(), Some(b"5".as_slice()));
    }
}
