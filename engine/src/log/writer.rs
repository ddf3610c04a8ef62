//! The one writer: from opening for writing to closing.

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::atomic::Ordering;

use super::append::WriterGuard;
use super::commit::Room;
use super::group::Group;
use super::recovery::Replayed;
use super::{Log, Tip, settle};
use crate::error::{Error, Result};
use crate::format::header::{Live, LiveState, SLOTS, Slot, boot_check, durable_check};
use crate::format::record;
use crate::mutant::{Rule, broken};
use crate::turns;

/// A replay of more bytes is not waited for.
const MOST_REPLAYED: u64 = 1 << 30;

/// The state of the one writer.
pub(crate) struct Writer {
    /// Where the next frame goes.
    pub(super) tip: Tip,
    /// Up to where readers see the log: behind the tip while commits wait for a sync.
    pub(super) shown: Tip,
    pub(super) group: Group,
    pub(super) durable_end: u64,
    /// Seqno of the last batch before the durable end, or a smaller one.
    pub(super) durable_seqno: u64,
    /// Up to here the file system has room for the log (an offset).
    pub(super) reserved: u64,
    /// Random for each opening; part of every frame sum.
    pub(super) epoch: u16,
    slot_seq: u64,
    /// Offset of the newest checkpoint record that a slot names, and the end of its frame.
    checkpoint: (u64, u64),
    /// One that no slot names yet, and the seqno of the last batch before it.
    unnamed: Option<(u64, u64, u64)>,
    /// Entries of the segments of all partitions.
    indexed: u64,
    /// Bytes of the commits that the newest checkpoint lacks.
    lacking: u64,
    /// Records and bytes committed since one was begun, which may be under way or have
    /// failed; since the start of the replay if none was.
    since_begun: (u64, u64),
    /// What names this run of the system, if the live page may name a checkpoint by it.
    boot_id: Option<[u8; 16]>,
    opened: u64,
    /// What the live page says about this writer.
    pub(super) state: LiveState,
    /// Generation of the file that took the place of this one; 0 = none.
    next_generation: u64,
    /// The first failure of a sync: nothing is written after it.
    pub(super) poison: Option<io::Error>,
    /// Room in which frames are built, kept from commit to commit.
    pub(super) room: Room,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({:?})", self.tip)
    }
}

impl Log {
    /// Makes this log writable behind `replayed`: covers a torn tail and tells other
    /// processes that a writer is at work.
    pub(crate) fn start_writing(
        &mut self,
        replayed: &Replayed,
        epoch: u16,
        opened: u64,
    ) -> Result<()> {
        let tip = settle::settle(self, replayed, epoch)?;
        let durable_end = if replayed.torn == 0 {
            replayed.witness
        } else {
            tip.end
        };
        // Behind the frame of a checkpoint all is lacking; of what stands between its start
        // and its end, commits and parts of the index, the number of records is known.
        let from = replayed.slot.checkpoint_end.max(replayed.from);
        let from = replayed.unnamed.map_or(from, |(_, end)| end.max(from));
        let lacking = tip.end.saturating_sub(from);
        let lacking = lacking.max(replayed.records.saturating_mul(record::HEAD_LEN));
        let writer = Writer {
            tip,
            shown: tip,
            // What the writer before has left is of the first sync.
            group: Group::syncing_all_next(),
            durable_end,
            durable_seqno: tip.seqno,
            reserved: 0,
            epoch,
            slot_seq: replayed.slot.seq,
            checkpoint: (replayed.slot.checkpoint, replayed.slot.checkpoint_end),
            unnamed: replayed
                .unnamed
                .map(|(at, end)| (at, end, replayed.tip.seqno)),
            indexed: replayed.indexed,
            lacking,
            since_begun: (replayed.records, tip.end.saturating_sub(replayed.from)),
            boot_id: self.storage.boot_id(),
            opened,
            state: LiveState::Open,
            next_generation: 0,
            poison: None,
            room: Room::default(),
        };
        self.reach(tip.end)?;
        self.limit.store(tip.end, Ordering::Release);
        self.publish(tip);
        let live = writer.live(&self.identity.store_id, LiveState::Open);
        self.storage
            .live()
            .store(live)
            .map_err(Error::io("write the live page of", &self.path))?;
        self.owner = std::process::id();
        self.writer = Some(parking_lot::Mutex::new(writer));
        Ok(())
    }

    /// The writer, once everybody before has committed.
    pub(crate) fn writer(&self, action: &'static str) -> Result<WriterGuard<'_>> {
        let Some(writer) = &self.writer else {
            return Err(Error::ReadOnly {
                action,
                path: self.path.clone(),
            });
        };
        self.check_open(action)?;
        self.check_process()?;
        let guard = turns::lock(writer);
        turns::point();
        // Closing takes the lock too, and so does compaction, after which the handle goes
        // on with another log.
        self.check_open(action)?;
        if self.is_superseded() {
            return Err(self.no_more(action));
        }
        if let Some(first) = &guard.poison {
            return Err(self.poisoned(first));
        }
        Ok(WriterGuard::new(self, guard))
    }

    /// The error of a write to a log whose writes another one takes.
    fn no_more(&self, action: &'static str) -> Error {
        let path = self.path.clone();
        Error::Closed { action, path }
    }

    fn check_process(&self) -> Result<()> {
        let (owner, pid) = (self.owner, std::process::id());
        if owner != pid {
            return Err(Error::Forked {
                path: self.path.clone(),
                owner,
                pid,
            });
        }
        Ok(())
    }

    /// Makes everything durable and ends writing. Readers of this process keep what
    /// they hold.
    pub(crate) fn close(&self) -> Result<()> {
        let Some(writer) = &self.writer else {
            self.closed.store(true, Ordering::Release);
            return Ok(());
        };
        // In a fork nothing is written: the store belongs to the parent.
        if self.check_process().is_err() {
            self.closed.store(true, Ordering::Release);
            return Ok(());
        }
        let mut guard = WriterGuard::new(self, turns::lock(writer));
        if self.is_superseded() {
            return Err(self.no_more("close"));
        }
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        if let Some(first) = &guard.writer.poison {
            return Err(self.poisoned(first));
        }
        guard.sync_holding()?;
        let writer = &mut *guard.writer;
        // Synced by now.
        if let Some((at, end, _)) = writer.unnamed.take() {
            writer.checkpoint = (at, end);
        }
        self.write_slot(writer)?;
        // What is closed takes no more of the disk than it needs.
        if writer.reserved > writer.tip.end {
            self.storage
                .release()
                .map_err(Error::io("give back room behind", &self.path))?;
            writer.reserved = 0;
        }
        let live = writer.live(&self.identity.store_id, LiveState::Closed);
        self.storage
            .live()
            .store(live)
            .map_err(Error::io("write the live page of", &self.path))
    }

    /// Nothing is written any more, for this reason; tells others. The first one stays.
    pub(super) fn poison(&self, writer: &mut Writer, source: &io::Error) {
        if writer.poison.is_some() {
            return;
        }
        log::error!(
            "{}: nothing is written any more until it is opened again: {source}",
            self.path.display()
        );
        writer.poison = Some(copy_of(source));
        let live = writer.live(&self.identity.store_id, LiveState::Poisoned);
        // A hint for others; the poison holds without it.
        let _ = self.storage.live().store(live);
    }

    fn poisoned(&self, first: &io::Error) -> Error {
        Error::Poisoned {
            path: self.path.clone(),
            source: copy_of(first),
        }
    }

    /// Writes the next slot. Everything that it says has to be on the device.
    fn write_slot(&self, writer: &mut Writer) -> Result<()> {
        let slot = Slot {
            seq: writer.slot_seq.saturating_add(1),
            checkpoint: writer.checkpoint.0,
            checkpoint_end: writer.checkpoint.1,
            durable_end: writer.durable_end,
            seqno: writer.durable_seqno,
            next_generation: writer.next_generation,
        };
        let [even, odd] = SLOTS;
        let at = if slot.seq.is_multiple_of(2) || broken(Rule::SlotsByTurns) {
            even
        } else {
            odd
        };
        let bytes = slot.to_bytes(&self.identity.store_id, at);
        let written = self.storage.write_at(&[IoSlice::new(&bytes)], at);
        written.map_err(Error::io("write a slot of", &self.path))?;
        writer.slot_seq = slot.seq;
        // Far from what the next commit writes.
        writer.group.sync_all_next();
        Ok(())
    }

    /// Whether this process is the one that may write.
    pub(crate) fn owns_writer(&self) -> bool {
        self.writer.is_some() && self.check_process().is_ok()
    }
}

impl WriterGuard<'_> {
    /// Tells other processes that the path is about to name another file, or, if
    /// `superseded` is false, that it is not after all.
    pub(crate) fn announce(&mut self, superseded: bool) {
        self.writer.state = match superseded {
            true => LiveState::Superseded,
            false => LiveState::Open,
        };
        self.tell_others();
    }

    /// Ends writing to this log: the file of that generation has taken its name.
    pub(crate) fn supersede(mut self, generation: u64) {
        let log = self.log;
        log.superseded.store(true, Ordering::Release);
        let writer = &mut *self.writer;
        writer.next_generation = generation;
        // For those who look at the old file later; those who have it open know already.
        if let Err(error) = log.write_slot(writer) {
            log::warn!("the file that was compacted could not be marked: {error}");
        }
        drop(self);
        if let Err(error) = log.unlock() {
            log::warn!("the file that was compacted stays locked: {error}");
        }
    }

    /// Lets go, first of all to one who waits.
    pub(crate) fn let_others(self) {
        parking_lot::MutexGuard::unlock_fair(self.writer);
    }

    /// Writes nothing any more: what became of a sync is not known.
    pub(crate) fn stop(&mut self, source: &io::Error) {
        self.writer.poison = Some(copy_of(source));
    }

    /// Whether replay would take longer than `bound` records allows, or a quarter of what
    /// is there, or a gibibyte.
    pub(crate) fn wants_checkpoint(&self, bound: u64) -> bool {
        let writer = &*self.writer;
        let (records, bytes) = writer.since_begun;
        records > bound.max(writer.indexed / 3) || bytes > MOST_REPLAYED
    }

    /// What is committed from here on is not in the checkpoint that is about to be taken.
    pub(super) fn start_checkpoint(&mut self) {
        // Whether it succeeds or not: the next attempt is as far away.
        self.writer.since_begun = (0, 0);
    }

    /// Takes note of a commit of so many records and bytes.
    pub(super) fn count(&mut self, records: u64, bytes: u64) {
        let Writer {
            lacking,
            since_begun,
            ..
        } = &mut *self.writer;
        *lacking = lacking.saturating_add(bytes);
        since_begun.0 = since_begun.0.saturating_add(records);
        since_begun.1 = since_begun.1.saturating_add(bytes);
    }

    /// Offset of the newest checkpoint record.
    pub(super) fn checkpoint(&self) -> u64 {
        self.writer.checkpoint.0
    }

    /// Entries of the segments of all partitions.
    pub(super) fn indexed_entries(&self) -> u64 {
        self.writer.indexed
    }

    /// Notes the checkpoint record at offset `at`, in a frame that ends at `end`, and how
    /// many entries are in segments.
    pub(super) fn checkpoint_written(&mut self, at: u64, end: u64, indexed: u64) {
        self.writer.unnamed = Some((at, end, self.writer.tip.seqno));
        self.writer.indexed = indexed;
        self.writer.lacking = self.writer.since_begun.1;
        self.tell_others();
    }

    /// The checkpoint that no slot names yet.
    pub(super) fn unnamed(&self) -> Option<(u64, u64, u64)> {
        self.writer.unnamed
    }

    /// Has a slot name a checkpoint, after a sync of it and everything before.
    pub(super) fn name_checkpoint(&mut self, unnamed: (u64, u64, u64)) -> Result<()> {
        let (at, end, seqno) = unnamed;
        let log = self.log;
        let writer = &mut *self.writer;
        if end > writer.durable_end {
            writer.durable_end = end;
            writer.durable_seqno = seqno;
        }
        writer.checkpoint = (at, end);
        if writer.unnamed == Some(unnamed) {
            writer.unnamed = None;
        }
        log.write_slot(writer)?;
        self.tell_others();
        Ok(())
    }
}

/// The same error once more: `io::Error` cannot be cloned.
pub(super) fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl Writer {
    /// Bytes of the commits that the newest checkpoint lacks; one under way is not counted
    /// on.
    pub(super) fn behind_checkpoint(&self) -> u64 {
        self.lacking
    }

    pub(super) fn live(&self, store_id: &[u8; 16], state: LiveState) -> Live {
        // A slot says the rest.
        let unnamed = self.unnamed.zip(self.boot_id);
        let (checkpoint, boot_check) = match unnamed {
            Some(((at, end, _), id)) => ((at, end), boot_check(&id, (at, end))),
            None => ((0, 0), 0),
        };
        Live {
            published_end: self.shown.end,
            seqno: self.shown.seqno,
            durable_end: self.durable_end,
            check: durable_check(store_id, self.durable_end),
            slot_seq: self.slot_seq,
            state: state as u64,
            pid: std::process::id().into(),
            opened: self.opened,
            checkpoint: checkpoint.0,
            checkpoint_end: checkpoint.1,
            boot_check,
        }
    }
}
