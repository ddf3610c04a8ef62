//! Copying records from one log to another.
//!
//! A thread of its own reads, compares and hashes records while this one writes those
//! before: each takes about half of the time. One load of records waits between them.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::thread;

use super::pace::Pace;
use super::reading::{Goal, Left, Load, Reading, Source};
use crate::catalog::{CATALOG, Side};
use crate::checkpoint::{FOR_LONG, save};
use crate::error::Result;
use crate::format::frame::FrameKind;
use crate::format::record::HEAD_LEN;
use crate::format::{Defect, place};
use crate::log::{Found, Located, Op, Tip, Until, replay};
use crate::mutant::{Rule, broken};
use crate::options::Durability;
use crate::store::Inner;

/// After so many bytes the device is given what was copied, so that it works meanwhile.
const PART: u64 = 8 << 20;

/// Less than this is read by the thread that writes.
const LITTLE: u64 = 8 << 20;

/// Copies records to the log of `to`.
pub(super) struct Copier<'s> {
    reading: Reading<'s>,
    writing: Writing<'s>,
}

/// Writes what was read.
struct Writing<'s> {
    to: &'s Inner,
    pace: Pace<'s>,
    /// Up to here (an offset) the device was given what was copied.
    written_out: u64,
}

impl<'s> Copier<'s> {
    pub(super) fn new(to: &'s Inner, pace: Pace<'s>) -> Self {
        Self {
            reading: Reading::new(to),
            writing: Writing {
                to,
                pace,
                written_out: to.log.published(),
            },
        }
    }

    /// Has small arrays share dictionaries, encoded at a level if one is given; otherwise they
    /// stay as they are.
    pub(super) fn sharing(mut self, shares: bool, level: Option<u32>) -> Self {
        self.reading.shares = shares;
        self.reading.level = level;
        self
    }

    /// Leaves entries behind that cannot be read.
    pub(super) fn leaving(mut self) -> Self {
        self.reading.left = Some(Vec::new());
        self
    }

    /// What was left behind.
    pub(super) fn left(&mut self) -> Vec<Left> {
        self.reading.left.take().unwrap_or_default()
    }

    /// How fast it goes, and who is told.
    pub(super) fn pace(&mut self) -> &mut Pace<'s> {
        &mut self.writing.pace
    }

    /// Copies what `from` holds: the rows of names, then each partition in its order, and
    /// the schemas of its entries before these.
    pub(super) fn copy_all(&mut self, from: Source<'_>) -> Result<()> {
        let Source { log, catalog } = from;
        let mut goals = Vec::new();
        let mut bytes = 0u64;
        for listed in catalog.partitions(log)? {
            let state = catalog.state(log, listed.id)?;
            let live = state.with_sides().map(|state| state.index.live_bytes());
            bytes = live.fold(bytes, u64::saturating_add);
            goals.push(Goal { listed, state });
        }
        self.pace().total = bytes;
        self.writing.reserve(from, &goals)?;
        if bytes >= LITTLE
            && let Some(copied) = self.copy_with_thread(from, &goals)
        {
            return copied;
        }
        let Self { reading, writing } = self;
        let mut written = Ok(());
        let read = reading.read_all(from, &goals, &mut |load| {
            written = writing.write(&load, FrameKind::Copy);
            written.is_ok().then(|| load.emptied())
        });
        written.and(read)
    }

    /// As [`Self::copy_all`], with a thread that reads; `None`: the system gives none.
    fn copy_with_thread(&mut self, from: Source<'_>, goals: &[Goal]) -> Option<Result<()>> {
        let Self { reading, writing } = self;
        thread::scope(|scope| {
            let (full, loads) = sync_channel(1);
            let (back, empty) = channel();
            let read = move || {
                reading.read_all(from, goals, &mut |load| {
                    // What writes has failed otherwise.
                    full.send(load).ok()?;
                    Some(empty.try_recv().unwrap_or_default())
                })
            };
            let thread = thread::Builder::new().name("arraylog-read".to_owned());
            let read = thread.spawn_scoped(scope, read).ok()?;
            let written = writing.write_all(loads, |load| {
                // Nobody needs room any more when all was read.
                let _ = back.send(load);
            });
            let read = match read.join() {
                Ok(read) => read,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            Some(written.and(read))
        })
    }

    /// Copies the batches of `from` behind `tip` up to offset `end`, one by one, and moves
    /// `tip` there.
    pub(super) fn follow(&mut self, from: Source<'_>, tip: &mut Tip, end: u64) -> Result<()> {
        if broken(Rule::CommitsFollowed) {
            return Ok(());
        }
        let Self { reading, writing } = self;
        replay(from.log, tip, Until::Published(end), |batch| {
            let load = reading.read_batch(from, batch)?;
            writing.write(&load, FrameKind::Batch)
        })?;
        // A batch without a record, which no writer makes, would have been lost.
        let copied = writing.to.log.seqno();
        if copied == tip.seqno {
            return Ok(());
        }
        let defect = Defect::Field {
            what: "the seqno up to which batches with records reach",
            found: copied,
            expected: "that of the last batch",
        };
        Err(from.log.corrupt(tip.end, defect))
    }

    /// Saves the index in the file, so that opening it replays nothing.
    pub(super) fn save(&self) -> Result<()> {
        let to = self.writing.to;
        if to.log.storage().is_kept() {
            save(&to.log, &to.catalog, FOR_LONG)?;
        }
        Ok(())
    }
}

impl Writing<'_> {
    /// Makes room in the indexes, which then need not grow.
    fn reserve(&self, from: Source<'_>, goals: &[Goal]) -> Result<()> {
        let to = self.to;
        let end = place(to.log.published());
        // How many entries there are is from the file: they are records of it.
        let mut most = from.log.published() / HEAD_LEN;
        for Goal { listed, state } in goals {
            let chunks = state
                .side(Side::Chunks)
                .map(|side| (Side::Chunks.id(listed.id), side));
            let parts = [Some((listed.id, state)), chunks];
            for (id, part) in parts.into_iter().flatten() {
                let entries = part.index.len().min(most);
                most = most.saturating_sub(entries);
                let entries = usize::try_from(entries).unwrap_or_default();
                to.catalog.state(&to.log, id)?.index.reserve(entries, end);
            }
        }
        Ok(())
    }

    /// Writes loads as they come, and gives each back.
    fn write_all<'a>(
        &mut self,
        loads: Receiver<Load<'a>>,
        mut give_back: impl FnMut(Load<'a>),
    ) -> Result<()> {
        for load in loads {
            self.write(&load, FrameKind::Copy)?;
            give_back(load.emptied());
        }
        Ok(())
    }

    /// Writes a load as one frame.
    fn write(&mut self, load: &Load<'_>, kind: FrameKind) -> Result<()> {
        let Load { records, bytes } = load;
        if records.is_empty() {
            return Ok(());
        }
        let to = self.to;
        let mut states = HashMap::new();
        for run in records.chunk_by(|a, b| a.partition == b.partition) {
            let first = run.first().map(|record| record.partition);
            if let Some(id) = first.filter(|id| *id != CATALOG && !states.contains_key(id)) {
                states.insert(id, to.catalog.state(&to.log, id)?);
            }
        }
        let pieces: Vec<[&[u8]; 1]> = records.iter().map(|record| [&*record.value]).collect();
        let mut ops = Vec::with_capacity(records.len());
        let mut of_run = (CATALOG, &to.catalog.index);
        for (record, pieces) in records.iter().zip(&pieces) {
            if record.partition != of_run.0 {
                let state = states.get(&record.partition);
                let index = state.map_or(&to.catalog.index, |state| &state.index);
                of_run = (record.partition, index);
            }
            ops.push(Op {
                index: of_run.1,
                partition: record.partition,
                kind: record.kind,
                key: &record.key,
                hash: record.hash,
                value: record.sums.value(pieces, record.value.len() as u64),
                align: record.align,
            });
        }
        let frame = to.log.published();
        let mut writer = to.log.writer("compact")?;
        if kind == FrameKind::Copy {
            writer.copy(&ops)?;
        } else {
            writer.commit(&ops, Durability::Buffered)?;
            for (op, placed) in ops.iter().zip(writer.placed()) {
                if op.partition == CATALOG {
                    let Located { at, head } = to.log.locate(placed)?;
                    let key = op.key;
                    to.catalog.take(
                        &to.log,
                        &Found {
                            frame,
                            at,
                            head,
                            key,
                        },
                    )?;
                }
            }
            to.catalog.show_changes();
        }
        drop(writer);
        let end = to.log.published();
        if end.saturating_sub(self.written_out) >= PART {
            to.log.storage().write_out(self.written_out..end);
            self.written_out = end;
        }
        self.pace.step(*bytes)
    }
}
