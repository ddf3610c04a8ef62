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
use std::sync::atomic::Ordering;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;
use smallvec::SmallVec;

use super::append::WriterGuard;
use super::writer::{Writer, copy_of};
use super::{Log, Tip};
use crate::error::{Error, Result};
use crate::index::Counted;
use crate::mutant::{Rule, broken};

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

/// A thread that waits.
#[derive(Debug)]
struct Waiting {
    thread: Thread,
    until: Until,
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug)]
enum Until {
    /// Everything up to this offset is shown.
    Shown(u64),
    /// The sync with this number, or a later one, has succeeded.
    Synced(u64),
}

/// Threads that need wait no more. They are woken when the writer's lock is free, each by
/// itself: none has to wait for another one to go on.
type Woken = SmallVec<[Thread; 16]>;

/// Who waits for the device.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// In log order.
    pending: VecDeque<Pending>,
    waiting: Vec<Waiting>,
    /// Whether a thread leads.
    led: bool,
    /// Syncs that were started, and the last of them that has succeeded.
    started: u64,
    finished: u64,
    /// Whether the next sync has to cover the whole file.
    whole: bool,
    /// Bytes before this offset may be written by a thread that waits for no sync: room
    /// for the index.
    filled: u64,
    /// How many the last sync that was led had shown, and how long it took.
    size: usize,
    took: Duration,
}

impl Group {
    /// Nobody waits, and the next sync covers the whole file.
    pub(super) fn syncing_all_next() -> Self {
        Self {
            whole: true,
            ..Self::default()
        }
    }

    /// Has the next sync cover the whole file: something was written before its durable
    /// end.
    pub(super) fn sync_all_next(&mut self) {
        self.whole = true;
    }
}

impl Writer {
    fn has(&self, until: Until) -> bool {
        match until {
            Until::Shown(end) => self.shown.end >= end,
            Until::Synced(number) => self.group.finished >= number,
        }
    }
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
        if broken(Rule::SyncedCommit) {
            return Ok(());
        }
        let synced = match range {
            Some(range) => self.storage.sync_range(range),
            None => self.storage.sync(),
        };
        if broken(Rule::FailedSyncIsLast) {
            return synced;
        }
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
        let group = &self.writer.group;
        if group.led && group.pending.len() >= group.size {
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
        let waits = |pending: &Pending| {
            let durable = pending.tip.end <= *durable_end;
            pending.synced && !durable && !broken(Rule::ShownWhenDurable)
        };
        let pending = &mut group.pending;
        let ready = pending.iter().position(waits).unwrap_or(pending.len());
        let Some(last) = ready.checked_sub(1).and_then(|last| pending.get(last)) else {
            return 0;
        };
        *shown = last.tip;
        self.log.publish(last.tip);
        let last = last.tip.end;
        // All before any is shown: operations of one partition may stand apart in a batch.
        let counts = |pending: &Pending, act: fn(&Counted)| pending.counts.iter().for_each(act);
        let ready_ones = pending.iter().take(ready);
        ready_ones.for_each(|pending| counts(pending, Counted::add));
        let ready_ones = pending.drain(..ready);
        ready_ones.for_each(|pending| counts(&pending, Counted::show));
        self.log.counted.store(last, Ordering::Release);
        self.tell_others();
        ready
    }

    /// Returns when everything that was appended is shown. Gives the writer's lock away: who
    /// waits is not kept from going on by others that do.
    pub(crate) fn shown(mut self) -> Result<()> {
        let (log, end) = (self.log, self.writer.tip.end);
        let until = Until::Shown(end);
        loop {
            if self.has(until)? {
                return Ok(());
            }
            if !self.writer.group.led {
                let woken = self.lead();
                let done = self.has(until);
                drop(self);
                woken.iter().for_each(Thread::unpark);
                if done? {
                    return Ok(());
                }
            } else {
                self.enlist(until);
                drop(self);
                thread::park();
                if log.counted.load(Ordering::Acquire) >= end {
                    return Ok(());
                }
            }
            // To lead, to be told of a failure, or for nothing.
            let Some(writer) = &log.writer else {
                return Ok(());
            };
            self = WriterGuard::new(log, writer.lock());
            self.retire();
        }
    }

    /// Returns when everything that was appended is shown; the writer's lock is given away
    /// meanwhile. Before an answer that nobody else could explain yet.
    pub(crate) fn wait_for_others(&mut self) -> Result<()> {
        let end = self.writer.tip.end;
        self.wait(Until::Shown(end))
    }

    /// Makes everything written durable; the writer's lock is given away meanwhile.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.writer.group.sync_all_next();
        // One that starts from here on.
        let number = self.writer.group.started.saturating_add(1);
        self.wait(Until::Synced(number))?;
        self.tell_others();
        Ok(())
    }

    /// Returns when it is so; the writer's lock is given away meanwhile.
    fn wait(&mut self, until: Until) -> Result<()> {
        while !self.has(until)? {
            if self.writer.group.led {
                self.enlist(until);
                MutexGuard::unlocked(&mut self.writer, thread::park);
                self.retire();
            } else {
                let woken = self.lead();
                MutexGuard::unlocked(&mut self.writer, || {
                    woken.iter().for_each(Thread::unpark);
                });
            }
        }
        Ok(())
    }

    /// Whether it is so. `Error::CommitUnknown` if it never will be.
    fn has(&self, until: Until) -> Result<bool> {
        let has = self.writer.has(until);
        match &self.writer.poison {
            Some(first) if !has => Err(self.unknown(first)),
            _ => Ok(has),
        }
    }

    /// Has this thread be woken.
    fn enlist(&mut self, until: Until) {
        let thread = thread::current();
        self.writer.group.waiting.push(Waiting { thread, until });
    }

    /// Has this thread, which was woken by whomever, be woken no more.
    fn retire(&mut self) {
        let this = thread::current().id();
        let waiting = &mut self.writer.group.waiting;
        waiting.retain(|waiting| waiting.thread.id() != this);
    }

    /// Takes the threads off the list that have what they wait for; if all is lost all, and
    /// if nobody leads one that will.
    fn wake(&mut self) -> Woken {
        let writer = &mut *self.writer;
        let mut waiting = std::mem::take(&mut writer.group.waiting);
        let lost = writer.poison.is_some();
        let ready = waiting.extract_if(.., |waiting| lost || writer.has(waiting.until));
        let mut woken: Woken = ready.map(|waiting| waiting.thread).collect();
        if !writer.group.led
            && let Some(next) = waiting.first()
        {
            woken.push(next.thread.clone());
        }
        writer.group.waiting = waiting;
        woken
    }

    pub(super) fn unknown(&self, source: &io::Error) -> Error {
        Error::CommitUnknown {
            path: self.log.path.clone(),
            source: copy_of(source),
        }
    }

    /// Syncs for all who wait; whom to wake.
    #[must_use]
    fn lead(&mut self) -> Woken {
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
        self.wake()
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
        let (number, tip) = (group.started, *tip);
        if broken(Rule::DurableEndAfterSync) {
            *durable_end = tip.end;
            self.tell_others();
        }
        (number, tip, range)
    }

    /// Notes that the frame that ends at the tip will be filled without the writer's lock.
    pub(super) fn filled_later(&mut self) {
        self.writer.group.filled = self.writer.tip.end;
    }

    /// Takes up the outcome of a sync; how many commits it has shown.
    fn end_sync(&mut self, synced: io::Result<()>, number: u64, tip: Tip) -> Result<usize> {
        let log = self.log;
        match synced {
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
                if !broken(Rule::FailedSyncIsLast) {
                    log.poison(&mut self.writer, &source);
                }
                Err(self.unknown(&source))
            }
        }
    }

    /// Makes everything committed durable without giving the writer's lock away.
    pub(super) fn sync_holding(&mut self) -> Result<()> {
        self.writer.group.sync_all_next();
        let (number, tip, range) = self.start_sync();
        // Waits for a sync that is under way, whose thread needs the lock only afterwards.
        let synced = self.log.sync_device(range);
        let ended = self.end_sync(synced, number, tip);
        self.wake().iter().for_each(Thread::unpark);
        ended.map(drop)
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
