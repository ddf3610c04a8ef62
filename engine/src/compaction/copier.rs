//! Copying records from one log to another.

use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::sync::Arc;

use super::pace::Pace;
use crate::catalog::{CATALOG, Catalog, Listed, PartitionState, Row};
use crate::checkpoint::{FOR_LONG, save};
use crate::error::{Error, Result, describe_key};
use crate::format::frame::FrameKind;
use crate::format::record::RecordKind;
use crate::format::{Defect, offset, place};
use crate::index::Hash;
use crate::log::{Found, Located, Log, Op, Tip, Until, Walk, replay};
use crate::mutant::{Rule, broken};
use crate::options::Durability;
use crate::staged::Sums;
use crate::storage::Bytes;
use crate::store::Inner;

/// Records are gathered until they have so many bytes: frames are then written in whole
/// blocks, and the memory for them is bounded.
const FRAME: u64 = 2 << 20;

/// After so many bytes the device is given what was copied, so that it works meanwhile.
const PART: u64 = 8 << 20;

/// Of records without values so many are gathered.
const RECORDS: usize = 1 << 15;

/// The value of a record on its way.
enum Content {
    /// As it lies in the old log.
    Stored(Bytes),
    /// A row that is written anew.
    Made(Vec<u8>),
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Stored(bytes) => bytes,
            Self::Made(bytes) => bytes,
        }
    }
}

/// A record on its way.
struct Moving {
    partition: u32,
    kind: RecordKind,
    key: Vec<u8>,
    hash: Hash,
    value: Content,
    sums: Sums,
    align: u8,
    /// Bytes of its record in the old log.
    bytes: u64,
}

/// What is copied from: a log that nothing is added to as far as it is copied.
pub(super) struct Source<'a> {
    pub(super) log: &'a Arc<Log>,
    pub(super) catalog: &'a Catalog,
}

/// Copies records to the log of `to`.
pub(super) struct Copier<'a> {
    to: &'a Inner,
    pub(super) pace: Pace<'a>,
    waiting: Vec<Moving>,
    bytes: u64,
    /// Up to here (an offset) the device was given what was copied.
    written_out: u64,
    /// Schemas that are there, or wait.
    schemas: HashSet<u32>,
    /// If what cannot be read is to be left behind: that.
    left: Option<Vec<Left>>,
}

/// An entry that is left behind.
pub(super) struct Left {
    pub(super) collection: Arc<str>,
    pub(super) partition: String,
    pub(super) key: Vec<u8>,
    /// Whether there are arrays that can be looked at one by one.
    pub(super) has_arrays: bool,
    pub(super) error: Error,
}

impl<'a> Copier<'a> {
    pub(super) fn new(to: &'a Inner, pace: Pace<'a>) -> Self {
        Self {
            to,
            pace,
            waiting: Vec::new(),
            bytes: 0,
            written_out: to.log.published(),
            schemas: HashSet::new(),
            left: None,
        }
    }

    /// Leaves entries behind that cannot be read.
    pub(super) fn leaving(mut self) -> Self {
        self.left = Some(Vec::new());
        self
    }

    /// What was left behind.
    pub(super) fn left(&mut self) -> Vec<Left> {
        self.left.take().unwrap_or_default()
    }

    /// Copies what `from` holds: the rows of names, then each partition in its order, and
    /// the schemas of its entries before these.
    pub(super) fn copy_all(&mut self, from: &Source<'_>) -> Result<()> {
        let Source { log, catalog } = *from;
        let listed = catalog.partitions(log)?;
        let mut states = Vec::with_capacity(listed.len());
        for listed in &listed {
            let state = catalog.state(log, listed.id)?;
            self.pace.total = self.pace.total.saturating_add(state.index.live_bytes());
            states.push(state);
        }
        for (located, key) in catalog.rows_of_names(log)? {
            let record = self.read(log, located, key)?;
            self.push(record, FrameKind::Copy)?;
        }
        for (listed, state) in listed.iter().zip(states) {
            self.copy_partition(from, &state, listed)?;
        }
        self.flush(FrameKind::Copy)
    }

    fn copy_partition(
        &mut self,
        from: &Source<'_>,
        state: &PartitionState,
        listed: &Listed,
    ) -> Result<()> {
        let Source { log, catalog } = *from;
        let partition = &format!("{:?}/{:?}", listed.collection, listed.name);
        let (pinned, end) = state.index.pin(|| place(log.published()));
        let mut walk = Walk::new(Some(pinned), end);
        while let Some(found) = walk.next(log) {
            // Where the walk itself finds a record damaged.
            let at = match found {
                Ok(found) => offset(found),
                Err(error) => match (&error, self.left.is_some()) {
                    (&Error::Corrupt { at, .. }, true) => at,
                    _ => return Err(damaged(log, error, partition)),
                },
            };
            let (head, key) = log.head_and_key(at)?;
            let record = self.read(log, Located { at, head }, key.clone());
            let copied = record
                .and_then(|record| self.push_with_schema(log, catalog, record, FrameKind::Copy));
            match (copied, &mut self.left) {
                (Err(error @ Error::Corrupt { .. }), Some(left)) => left.push(Left {
                    collection: Arc::clone(&listed.collection),
                    partition: listed.name.clone(),
                    key,
                    has_arrays: head.kind == RecordKind::Entry,
                    error,
                }),
                (copied, _) => {
                    copied.map_err(|error| unreadable(error, describe_key(&key), partition))?;
                }
            }
        }
        Ok(())
    }

    /// Copies the batches of `from` behind `tip` up to offset `end`, one by one, and moves
    /// `tip` there.
    pub(super) fn follow(&mut self, from: &Source<'_>, tip: &mut Tip, end: u64) -> Result<()> {
        let Source { log, catalog } = *from;
        if broken(Rule::CommitsFollowed) {
            return Ok(());
        }
        replay(log, tip, Until::Published(end), |batch| {
            for &Found { at, head, key, .. } in batch {
                if let Some(id) = Catalog::schema_of_row(head.partition, key) {
                    self.schemas.insert(id);
                }
                let record = self.read(log, Located { at, head }, key.to_vec());
                let record = record.map_err(|error| {
                    let partition = format!("partition {}", head.partition);
                    unreadable(error, describe_key(key), &partition)
                })?;
                self.push_with_schema(log, catalog, record, FrameKind::Batch)?;
            }
            self.flush(FrameKind::Batch)
        })?;
        // A batch without a record, which no writer makes, would have been lost.
        let copied = self.to.log.seqno();
        if copied == tip.seqno {
            return Ok(());
        }
        let defect = Defect::Field {
            what: "the seqno up to which batches with records reach",
            found: copied,
            expected: "that of the last batch",
        };
        Err(log.corrupt(tip.end, defect))
    }

    /// Saves the index in the file, so that opening it replays nothing.
    pub(super) fn save(&self) -> Result<()> {
        if self.to.log.storage().is_kept() {
            save(&self.to.log, &self.to.catalog, FOR_LONG)?;
        }
        Ok(())
    }

    /// Reads a record, whose sum is compared with its bytes.
    fn read(&self, log: &Arc<Log>, located: Located, key: Vec<u8>) -> Result<Moving> {
        let head = located.head;
        let value = log.bytes(&located)?;
        let sums = Sums::of(&[&value], head.value_len());
        log.check_sums(&located, sums.all())?;
        Ok(Moving {
            partition: head.partition,
            kind: head.kind,
            hash: self.to.hash(&key)?,
            key,
            value: Content::Stored(value),
            sums,
            align: head.align(),
            bytes: head.end(),
        })
    }

    fn push_with_schema(
        &mut self,
        log: &Arc<Log>,
        catalog: &Catalog,
        record: Moving,
        kind: FrameKind,
    ) -> Result<()> {
        if record.kind == RecordKind::Entry {
            let id = crate::array::schema_id(&record.value);
            let id = id.map_err(|defect| log.corrupt(log.published(), defect))?;
            if self.schemas.insert(id) {
                for row in catalog.interning(log, id)?.rows() {
                    let row = self.row(row)?;
                    self.waiting.push(row);
                }
            }
        }
        self.push(record, kind)
    }

    fn row(&self, row: Row) -> Result<Moving> {
        let value = row.value.unwrap_or_default();
        Ok(Moving {
            partition: CATALOG,
            kind: RecordKind::Put,
            hash: self.to.hash(&row.key)?,
            key: row.key,
            sums: Sums::of(&[&value], value.len() as u64),
            value: Content::Made(value),
            align: 0,
            bytes: 0,
        })
    }

    fn push(&mut self, record: Moving, kind: FrameKind) -> Result<()> {
        self.bytes = self.bytes.saturating_add(record.bytes);
        self.waiting.push(record);
        // A batch stays whole.
        let full = self.bytes >= FRAME || self.waiting.len() >= RECORDS;
        if full && kind == FrameKind::Copy {
            return self.flush(kind);
        }
        Ok(())
    }

    /// Writes what waits.
    fn flush(&mut self, kind: FrameKind) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let to = self.to;
        let mut states = HashMap::new();
        for record in &waiting {
            let id = record.partition;
            if id != CATALOG && !states.contains_key(&id) {
                states.insert(id, to.catalog.state(&to.log, id)?);
            }
        }
        let pieces: Vec<[&[u8]; 1]> = waiting.iter().map(|record| [&*record.value]).collect();
        let mut ops = Vec::with_capacity(waiting.len());
        for (record, pieces) in waiting.iter().zip(&pieces) {
            let state = states.get(&record.partition);
            ops.push(Op {
                index: state.map_or(&to.catalog.index, |state| &state.index),
                partition: record.partition,
                kind: record.kind,
                key: &record.key,
                hash: record.hash,
                value: record.sums.value(pieces, record.value.len() as u64),
                align: Some(record.align),
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
        let bytes = std::mem::take(&mut self.bytes);
        self.pace.step(bytes)
    }
}

/// The error of a record at the place of `error`, if one stands there, with its key.
fn damaged(log: &Log, error: Error, partition: &str) -> Error {
    match &error {
        Error::Corrupt { at, .. } => match log.head_and_key(*at) {
            Ok((_, key)) => unreadable(error, describe_key(&key), partition),
            Err(_) => error,
        },
        _ => error,
    }
}

/// The error of a record that cannot be copied, with its key.
fn unreadable(error: Error, key: String, partition: &str) -> Error {
    match error {
        Error::Corrupt { .. } => Error::Damaged {
            key,
            partition: partition.to_owned(),
            source: Box::new(error),
        },
        other => other,
    }
}
