//! Commits that become durable together.
//!
//! A commit that asks for [`Durability::Synced`](crate::Durability::Synced) is appended,
//! and the index told of it, under the writer's lock. Then it waits without the lock: one
//! of the threads that wait leads, flushes the device for everything that was appended by
//! then, shows it to readers in log order, and wakes the others. Nothing is shown before a
//! commit that waits, since the published end is one number: what is appended behind it,
//! buffered commits too, waits with it.
//!
//! The device is flushed by one thread at a time: the system tells of a failure once, to
//! whoever asks first, and the next flush succeeds although bytes were lost.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;
use smallvec::SmallVec;

use super::append::WriterGuard;
use super::writer::{Writer, copy_of};
use super::{Log, Tip};
use crate::error::{Error, Result};
use crate::index::Counted;

/// A sync of no more than this covers these bytes alone.
const FEW: u64 = 64 << 10;

/// Longest wait for others before a sync.
const LONGEST: Duration = Duration::from_millis(2);

/// What a commit changes in the number of entries of its partitions.
pub(super) type Counts = SmallVec<[Counted; 1]>;

/// What was appended and is not shown yet.
#[derive(Debug)]
struct Pending {
    tip: Tip,
    /// Whether it is shown only once it is durable.
    synced: bool,
    counts: Counts,
}

/// Who waits for the device.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// In log order.
    pending: VecDeque<Pending>,
    /// Whether a thread leads.
    led: bool,
    /// Syncs that were started, and the last of them that has succeeded.
    started: u64,
    finished: u64,
    /// Whether somebody waits for a sync of the whole file.
    whole: bool,
    /// Bytes before this offset may be written by a thread that waits for no sync: room
    /// for the index.
    filled: u64,
    /// How many the last sync that was led had shown, and how long it took.
    size: usize,
    took: Duration,
}

impl Log {
    /// Flushes the device, unless that has failed before: what was written at `range`, or
    /// all.
    pub(super) fn sync_device(&self, range: Option<Range<u64>>) -> io::Result<()> {
        let mut failed = self.device.lock();
        if let Some(first) = &*failed {
            return Err(copy_of(first));
        }
        self.meter.syncs.add(1);
        let synced = match range {
            Some(range) => self.storage.sync_range(range),
            None => self.storage.sync(),
        };
        synced.inspect_err(|error| *failed = Some(copy_of(error)))
    }
}

impl WriterGuard<'_> {
    /// Takes up what was appended up to `tip`, and shows it unless something in front of it
    /// waits for the device, or it does itself (`synced`).
    pub(super) fn appended(&mut self, tip: Tip, synced: bool, counts: Counts) {
        let writer = &mut *self.writer;
        writer.tip = tip;
        let pending = Pending {
            tip,
            synced,
            counts,
        };
        writer.group.pending.push_back(pending);
        self.show();
        if !self.writer.group.pending.is_empty() {
            self.log.joined.notify_one();
        }
    }

    /// Shows what waits for nothing any more; how many.
    fn show(&mut self) -> usize {
        let Writer {
            group,
            shown,
            durable_end,
            ..
        } = &mut *self.writer;
        let waits = |pending: &Pending| pending.synced && pending.tip.end > *durable_end;
        let pending = &mut group.pending;
        let ready = pending.iter().position(waits).unwrap_or(pending.len());
        let Some(last) = ready.checked_sub(1).and_then(|last| pending.get(last)) else {
            return 0;
        };
        *shown = last.tip;
        self.log.publish(last.tip);
        // All before any is shown: operations of one partition may stand apart in a batch.
        let counts = |pending: &Pending, act: fn(&Counted)| pending.counts.iter().for_each(act);
        let ready_ones = pending.iter().take(ready);
        ready_ones.for_each(|pending| counts(pending, Counted::add));
        let ready_ones = pending.drain(..ready);
        ready_ones.for_each(|pending| counts(&pending, Counted::show));
        self.tell_others();
        ready
    }

    /// Returns when everything up to offset `end`, which was appended, is shown; the
    /// writer's lock is given away meanwhile.
    pub(super) fn wait_until_shown(&mut self, end: u64) -> Result<()> {
        self.wait_for(|writer| writer.shown.end >= end)
    }

    /// Returns when everything that was appended is shown; the writer's lock is given away
    /// meanwhile. Before an answer that nobody else could explain yet.
    pub(crate) fn wait_for_others(&mut self) -> Result<()> {
        let end = self.writer.tip.end;
        self.wait_until_shown(end)
    }

    /// Makes everything written durable; the writer's lock is given away meanwhile.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.writer.group.whole = true;
        // One that starts from here on.
        let number = self.writer.group.started.saturating_add(1);
        self.wait_for(|writer| writer.group.finished >= number)?;
        self.tell_others();
        Ok(())
    }

    fn wait_for(&mut self, done: impl Fn(&Writer) -> bool) -> Result<()> {
        loop {
            if done(&self.writer) {
                return Ok(());
            }
            if let Some(first) = &self.writer.poison {
                return Err(self.unknown(first));
            }
            if self.writer.group.led {
                self.log.synced.wait(&mut self.writer);
            } else {
                self.lead();
            }
        }
    }

    fn unknown(&self, source: &io::Error) -> Error {
        Error::CommitUnknown {
            path: self.log.path.clone(),
            source: copy_of(source),
        }
    }

    /// Syncs for all who wait.
    fn lead(&mut self) {
        let log = self.log;
        self.writer.group.led = true;
        self.gather();
        let (number, tip, range) = self.start_sync();
        let start = Instant::now();
        let synced = MutexGuard::unlocked(&mut self.writer, || log.sync_device(range));
        let took = start.elapsed();
        self.writer.group.led = false;
        if let Ok(size) = self.end_sync(synced, number, tip) {
            (self.writer.group.size, self.writer.group.took) = (size, took);
        }
    }

    /// Lets those append once more who shared the last sync and were told of it just now;
    /// else two halves would take turns. Who commits alone waits for nobody.
    fn gather(&mut self) {
        let group = &self.writer.group;
        let until = Instant::now() + (group.took / 8).min(LONGEST);
        while self.writer.group.pending.len() < self.writer.group.size {
            let waited = self.log.joined.wait_until(&mut self.writer, until);
            if waited.timed_out() {
                break;
            }
        }
    }

    /// The number of a sync that starts now, up to where it makes the log durable, and what
    /// it has to cover (`None`: all).
    fn start_sync(&mut self) -> (u64, Tip, Option<Range<u64>>) {
        let Writer {
            group,
            tip,
            durable_end,
            ..
        } = &mut *self.writer;
        group.started = group.started.saturating_add(1);
        let whole = std::mem::take(&mut group.whole) || *durable_end < group.filled;
        let few = tip.end.saturating_sub(*durable_end) <= FEW;
        let range = (few && !whole).then_some(*durable_end..tip.end);
        (group.started, *tip, range)
    }

    /// Notes that the frame that ends at the tip will be filled without the writer's lock.
    pub(super) fn filled_later(&mut self) {
        self.writer.group.filled = self.writer.tip.end;
    }

    /// Takes up the outcome of a sync; how many commits it has shown.
    fn end_sync(&mut self, synced: io::Result<()>, number: u64, tip: Tip) -> Result<usize> {
        let log = self.log;
        let ended = match synced {
            Ok(()) => {
                let writer = &mut *self.writer;
                writer.group.finished = writer.group.finished.max(number);
                if tip.end > writer.durable_end {
                    (writer.durable_end, writer.durable_seqno) = (tip.end, tip.seqno);
                }
                Ok(self.show())
            }
            Err(source) => {
                // Nothing that waits is shown any more.
                log.poison(&mut self.writer, &source);
                Err(self.unknown(&source))
            }
        };
        log.synced.notify_all();
        ended
    }

    /// Makes everything committed durable without giving the writer's lock away.
    pub(super) fn sync_holding(&mut self) -> Result<()> {
        self.writer.group.whole = true;
        let (number, tip, range) = self.start_sync();
        // Waits for a sync that is under way, whose thread needs the lock only afterwards.
        let synced = self.log.sync_device(range);
        self.end_sync(synced, number, tip).map(drop)
    }

    /// Returns when everything that was appended is shown, without giving the writer's lock
    /// away.
    pub(crate) fn settle(&mut self) -> Result<()> {
        match self.writer.group.pending.is_empty() {
            true => Ok(()),
            false => self.sync_holding(),
        }
    }
}
