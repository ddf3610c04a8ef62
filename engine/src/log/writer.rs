//! The one writer: from opening for writing to closing.

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::atomic::Ordering;

use super::commit::{Room, WriterGuard};
use super::recovery::{self, Replayed};
use super::{Log, Tip};
use crate::error::{Error, Result};
use crate::format::header::{Live, LiveState, SLOTS, Slot, durable_check};

/// The state of the one writer.
pub(crate) struct Writer {
    pub(super) tip: Tip,
    pub(super) durable_end: u64,
    /// Up to here the file system has room for the log (an offset).
    pub(super) reserved: u64,
    /// Random for each opening; part of every frame sum.
    pub(super) epoch: u16,
    slot_seq: u64,
    opened: u64,
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
        let tip = recovery::settle(self, replayed, epoch)?;
        let durable_end = if replayed.torn == 0 {
            replayed.witness
        } else {
            tip.end
        };
        let writer = Writer {
            tip,
            durable_end,
            reserved: 0,
            epoch,
            slot_seq: replayed.slot.seq,
            opened,
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
        let guard = writer.lock();
        // Closing takes the lock too.
        self.check_open(action)?;
        if let Some(first) = &guard.poison {
            let source = copy_of(first);
            return Err(Error::Poisoned {
                path: self.path.clone(),
                source,
            });
        }
        Ok(WriterGuard::new(self, guard))
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
        let mut writer = writer.lock();
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        if let Some(first) = &writer.poison {
            let source = copy_of(first);
            return Err(Error::Poisoned {
                path: self.path.clone(),
                source,
            });
        }
        let end = writer.tip.end;
        self.sync_writer(&mut writer, end)?;
        let slot = Slot {
            seq: writer.slot_seq.saturating_add(1),
            durable_end: writer.durable_end,
            seqno: writer.tip.seqno,
        };
        let [even, odd] = SLOTS;
        let at = if slot.seq.is_multiple_of(2) {
            even
        } else {
            odd
        };
        let bytes = slot.to_bytes(&self.identity.store_id, at);
        let io = Error::io("write a slot of", &self.path);
        self.storage
            .write_at(&[IoSlice::new(&bytes)], at)
            .map_err(io)?;
        writer.slot_seq = slot.seq;
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

    /// Whether this process is the one that may write.
    pub(crate) fn owns_writer(&self) -> bool {
        self.writer.is_some() && self.check_process().is_ok()
    }

    /// Makes everything before `end` durable. If that fails nothing is written any more,
    /// and others are told so, with the end from before.
    pub(super) fn sync_writer(&self, writer: &mut Writer, end: u64) -> Result<()> {
        if let Err(source) = self.storage.sync() {
            let path = self.path.clone();
            writer.poison = Some(copy_of(&source));
            let live = writer.live(&self.identity.store_id, LiveState::Poisoned);
            // A hint for others; the poison holds without it.
            let _ = self.storage.live().store(live);
            return Err(Error::CommitUnknown { path, source });
        }
        writer.durable_end = end;
        Ok(())
    }
}

/// The same error once more: `io::Error` cannot be cloned.
fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl Writer {
    pub(super) fn live(&self, store_id: &[u8; 16], state: LiveState) -> Live {
        Live {
            published_end: self.tip.end,
            seqno: self.tip.seqno,
            durable_end: self.durable_end,
            check: durable_check(store_id, self.durable_end),
            slot_seq: self.slot_seq,
            state: state as u64,
            pid: std::process::id().into(),
            opened: self.opened,
        }
    }
}
