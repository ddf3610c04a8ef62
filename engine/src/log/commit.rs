//! Appending one commit.
//!
//! 1. Before the lock, elsewhere: values are encoded and hashed.
//! 2. Under the lock: the previous versions are looked up, records laid out behind
//!    the tip, heads summed, the header made.
//! 3. The frame goes out in one call, or in one for each 2 MiB. If that fails its header
//!    is overwritten, durably so if the frame has more than a page: of such a frame any
//!    part may be on the device, and a later one could complete it.
//! 4. The index is told.
//! 5. The lock is given away; `Synced`: until a sync has covered the frame ([`super::group`]).
//! 6. The published end is raised.

use std::io;
use std::sync::atomic::Ordering;

use super::Located;
use super::append::WriterGuard;
use super::group::Counts;
use super::writer::Writer;
use crate::error::{Error, Result};
use crate::format::frame::{FrameKind, HEADER_LEN};
use crate::format::record::{self, Head, RecordKind};
use crate::format::{BLOCK, place};
use crate::index::{Hash, PartitionIndex, Pinned};
use crate::mutant::{Rule, broken};
use crate::options::Durability;

/// Frames with more bytes of values are written from where the values lie, as far as
/// these have [`APART`]: what a batch put into a file to save memory stays there.
const FEW: u64 = 64 << 20;

/// Least length of a value that a large frame does not copy. A piece of its own costs
/// about as much as a copy of some hundred bytes.
const APART: u64 = 1 << 10;

/// Operations whose groups are loaded ahead of their turn.
const AHEAD: usize = 16;

/// Operations of which the groups of the first are out of the nearest cache after the last.
const FAR: usize = 256;

/// One operation of a commit.
#[derive(Debug)]
pub(crate) struct Op<'a> {
    pub(crate) index: &'a PartitionIndex,
    pub(crate) partition: u32,
    pub(crate) kind: RecordKind,
    pub(crate) key: &'a [u8],
    pub(crate) hash: Hash,
    pub(crate) value: OpValue<'a>,
    /// Log2 of the alignment of the value.
    pub(crate) align: u8,
}

/// The value of an operation, hashed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OpValue<'a> {
    /// Less than a block, with its hash.
    Small(&'a [u8], u64),
    /// A block or more, in pieces, with the length of all and the sums of its blocks.
    Wide(&'a [&'a [u8]], u64, &'a [u64]),
}

impl OpValue<'_> {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Small(bytes, _) => bytes.len() as u64,
            Self::Wide(_, len, _) => *len,
        }
    }

    /// The first bytes.
    pub(crate) fn start(&self) -> &[u8] {
        match self {
            Self::Small(bytes, _) => bytes,
            Self::Wide(pieces, ..) => pieces.first().copied().unwrap_or_default(),
        }
    }
}

/// The sums of the blocks of a value of `len` bytes in `pieces`.
pub(crate) fn wide_blocks(pieces: &[&[u8]], len: u64) -> Vec<u64> {
    let mut sums = Vec::with_capacity(record::block_count(len) as usize);
    let mut pieces = pieces.iter().copied();
    let mut piece: &[u8] = &[];
    let mut joined = Vec::new();
    for block in 0..record::block_count(len) {
        let span = record::block_range(len, block);
        let want = span.end.saturating_sub(span.start) as usize;
        while piece.is_empty() {
            match pieces.next() {
                Some(next) => piece = next,
                None => break,
            }
        }
        // The usual case, a block inside one piece, is hashed where it lies.
        if let Some((bytes, rest)) = piece.split_at_checked(want) {
            sums.push(record::value_hash(bytes));
            piece = rest;
            continue;
        }
        joined.clear();
        while joined.len() < want {
            let (bytes, rest) = piece.split_at(piece.len().min(want - joined.len()));
            joined.extend_from_slice(bytes);
            piece = rest;
            if piece.is_empty() {
                let Some(next) = pieces.next() else { break };
                piece = next;
            }
        }
        sums.push(record::value_hash(&joined));
    }
    sums
}

/// An operation whose record has its place.
#[derive(Clone, Copy, Debug)]
struct Placed {
    place: u64,
    /// Place of the version before this commit; 0 = none.
    previous: u64,
    /// Bytes of that version, if it was something.
    before: Option<u64>,
    /// Bytes of the new record.
    bytes: u64,
}

/// Room in which a frame is built.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// The frame without the values that are written from where they lie.
    bytes: Vec<u8>,
    /// After so many of these bytes comes the value of that operation.
    apart: Vec<(usize, usize)>,
    /// Length from which values are not copied.
    copied_below: u64,
    /// Sums of the records, eight bytes each.
    sums: Vec<u8>,
    placed: Vec<Placed>,
}

impl Room {
    /// Makes room for a frame of `ops`.
    fn clear(&mut self, ops: &[Op<'_>]) {
        let values: u64 = ops.iter().map(|op| op.value.len()).sum();
        self.copied_below = if values > FEW { APART } else { BLOCK };
        self.bytes.clear();
        self.bytes.resize(HEADER_LEN as usize, 0);
        self.apart.clear();
        self.sums.clear();
        self.placed.clear();
        // A rare large commit does not keep its memory.
        self.bytes.shrink_to(8 << 20);
    }

    /// Appends the record of `op` at offset `at`, all but a value that is written from
    /// where it lies.
    fn append(&mut self, head: &mut Head, op: &Op<'_>, seed: u64, at: u64) {
        let start = self.bytes.len();
        let value = head.value_range();
        let apart = op.value.len() >= self.copied_below;
        let stored = if apart {
            head.end().saturating_sub(head.value_len())
        } else {
            head.end()
        };
        self.bytes.resize(start + stored as usize, 0);
        let record = self.bytes.get_mut(start..).unwrap_or_default();
        head.write(record);
        put(record, head.key_range().start, op.key);
        let mut value_hash = 0;
        match op.value {
            OpValue::Small(content, hash) => {
                if !apart {
                    put(record, value.start, content);
                }
                match head.table_range().filter(|_| head.wide) {
                    // Wide by its alignment: one block.
                    Some(table) => put(record, table.start, &hash.to_le_bytes()),
                    None => value_hash = hash,
                }
            }
            OpValue::Wide(_, _, blocks) => {
                let table = head.table_range().unwrap_or_default().start;
                for (block, at) in blocks.iter().zip((table..).step_by(8)) {
                    put(record, at, &block.to_le_bytes());
                }
            }
        }
        if apart {
            let place = (start + value.start as usize, self.placed.len());
            self.apart.push(place);
        }
        let hashed = start + 8..start + head.hashed_end() as usize;
        let hashed = self.bytes.get(hashed).unwrap_or_default();
        head.sum = record::head_hash(hashed, seed, at).wrapping_add(value_hash);
        put(&mut self.bytes, start as u64, &head.sum.to_le_bytes());
        self.sums.extend_from_slice(&head.sum.to_le_bytes());
    }

    /// The bytes of the frame in order.
    fn pieces<'a>(&'a self, ops: &'a [Op<'_>]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::with_capacity(2 * self.apart.len() + 1);
        let mut from = 0;
        for &(to, number) in &self.apart {
            pieces.push(self.bytes.get(from..to).unwrap_or_default());
            match ops.get(number).map(|op| op.value) {
                Some(OpValue::Wide(value, ..)) => pieces.extend(value),
                Some(OpValue::Small(value, _)) => pieces.push(value),
                None => {}
            }
            from = to;
        }
        pieces.push(self.bytes.get(from..).unwrap_or_default());
        pieces
    }
}

/// Copies `bytes` to `at`.
#[inline]
fn put(record: &mut [u8], at: u64, bytes: &[u8]) {
    let at = at as usize;
    if let Some(place) = record.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

impl WriterGuard<'_> {
    /// The newest version of `key`, if there is something.
    pub(crate) fn find(
        &self,
        index: &PartitionIndex,
        hash: Hash,
        key: &[u8],
    ) -> Result<Option<Located>> {
        Ok(self
            .log
            .find(index, hash, key, u64::MAX)?
            .filter(Located::is_live))
    }

    /// Appends `ops`, in this order, as one batch; its seqno. Nothing of it is seen
    /// before all of it is: when [`Self::shown`] returns, or here if there are operations of
    /// partition 0, which come first, or if nothing waits for the device.
    pub(crate) fn commit(&mut self, ops: &[Op<'_>], durability: Durability) -> Result<u64> {
        self.append_records(FrameKind::Batch, ops, durability)
    }

    /// Appends what compaction copies: `ops` on keys that their partitions do not have, in
    /// a frame without a seqno.
    pub(crate) fn copy(&mut self, ops: &[Op<'_>]) -> Result<()> {
        self.append_records(FrameKind::Copy, ops, Durability::Buffered)
            .map(drop)
    }

    /// Places of the records of the last commit, in the order of its operations.
    pub(crate) fn placed(&self) -> impl Iterator<Item = u64> {
        self.writer.room.placed.iter().map(|placed| placed.place)
    }

    fn append_records(
        &mut self,
        kind: FrameKind,
        ops: &[Op<'_>],
        durability: Durability,
    ) -> Result<u64> {
        let log = self.log;
        let before = self.writer.tip;
        // Of what is copied no key is there yet, and none needs to be looked for.
        let fresh = kind == FrameKind::Copy;
        let end = self.place(ops, fresh)?;
        log.reach(end)?;
        let mut room = std::mem::take(&mut self.writer.room);
        let tip = self.seal(kind, end, &room.sums, &mut room.bytes);
        let written = self.write_frame(&room.pieces(ops), before.end, end);
        self.writer.room = room;
        written?;
        log.limit.store(end, Ordering::Release);
        let counted = match self.tell_index(ops, place(before.end), fresh) {
            Ok(counted) => counted,
            Err(error) => {
                // The index knows a part of the batch, which must never be shown.
                log.poison(&mut self.writer, &io::Error::other(error.to_string()));
                return Err(error);
            }
        };
        self.count(ops.len() as u64, end.saturating_sub(before.end));
        log.meter.commits.add(1);
        log.meter.operations.add(ops.len() as u64);
        self.appended(tip, durability == Durability::Synced, counted);
        // Names and schemas, which stand first, are looked up as they are shown: who comes
        // next under the lock has to find them.
        if ops.first().is_some_and(|op| op.partition == 0) {
            self.settle()?;
        }
        if broken(Rule::ShownWhenDurable) && durability == Durability::Synced {
            self.sync()?;
        }
        Ok(tip.seqno)
    }

    /// Lays the records out behind the tip and builds their bytes; the end of the frame.
    /// `fresh`: no key is there.
    fn place(&mut self, ops: &[Op<'_>], fresh: bool) -> Result<u64> {
        let log = self.log;
        let Writer { tip, room, .. } = &mut *self.writer;
        room.clear(ops);
        let mut at = tip.end.saturating_add(HEADER_LEN);
        for run in ops.chunk_by(|a, b| std::ptr::eq(a.index, b.index)) {
            let Some(first) = run.first() else { continue };
            let pinned = first.index.newest();
            let mut coming = coming(&pinned, if fresh { &[] } else { run });
            for op in run {
                coming.next();
                let newest = match fresh {
                    true => 0,
                    false => pinned.find_for_writer(op.hash, &log.keyed(op.key))?,
                };
                let previous = log.seen(newest, op.key, u64::MAX)?;
                let (kind, len) = (op.kind, op.value.len());
                let head = Head::lay_out(at, kind, op.partition, op.key.len(), len, op.align);
                let mut head = head.ok_or_else(|| too_large(op))?;
                head.previous = previous.map_or(0, |located| located.place());
                room.append(&mut head, op, log.identity.seed, at);
                room.placed.push(Placed {
                    place: place(at),
                    previous: head.previous,
                    before: previous.and_then(|located| located.live_bytes()),
                    bytes: head.end(),
                });
                at = at.saturating_add(head.end());
            }
        }
        Ok(at)
    }

    /// Makes the index lead to the new records; what that changes in the number of entries.
    /// Nobody sees them before they are published. `first` is the place of the frame.
    fn tell_index(&mut self, ops: &[Op<'_>], first: u64, fresh: bool) -> Result<Counts> {
        let log = self.log;
        let shown = place(self.writer.shown.end);
        let mut placed = self.writer.room.placed.iter();
        let mut counts = Counts::new();
        for run in ops.chunk_by(|a, b| std::ptr::eq(a.index, b.index)) {
            let Some(index) = run.first().map(|op| op.index) else {
                continue;
            };
            let mut counted = index.counted();
            index.reserve(run.len(), shown);
            let pinned = index.newest();
            // Those of a short commit are at hand from the lookups before.
            let far = fresh || run.len() > FAR;
            let mut coming = coming(&pinned, if far { run } else { &[] });
            for (op, placed) in run.iter().zip(&mut placed) {
                coming.next();
                let tombstone = op.kind == RecordKind::Tombstone;
                let (place, previous) = (placed.place, placed.previous);
                let records = log.keyed(op.key).fresh(fresh);
                let replaced = index
                    .insert(&pinned, op.hash, place, tombstone, previous, &records)
                    .map_err(|fault| log.fault(fault))?;
                // An earlier operation of this batch may have been on the same key.
                let before = if replaced > first {
                    log.locate(replaced)?.live_bytes()
                } else {
                    placed.before
                };
                counted.count((!tombstone).then_some(placed.bytes), before);
            }
            counts.push(counted);
        }
        Ok(counts)
    }
}

/// Loads groups of `run`, those of one operation at each step; some are loaded already, so
/// that the misses of the cache overlap.
fn coming<'a>(pinned: &'a Pinned, run: &'a [Op<'_>]) -> impl Iterator<Item = ()> + 'a {
    let mut coming = run.iter().map(|op| pinned.prefetch(op.hash));
    coming.by_ref().take(AHEAD).for_each(drop);
    coming
}

fn too_large(op: &Op<'_>) -> Error {
    Error::Invalid {
        what: "value".to_owned(),
        detail: format!(
            "a record holds a key of at most {} and a value of at most {} bytes; these are {} and {}",
            record::MAX_KEY,
            record::MAX_VALUE,
            op.key.len(),
            op.value.len()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_blocks_do_not_depend_on_the_pieces() {
        let bytes: Vec<u8> = (0..300_000u32).map(|i| ((i * 7) >> 3) as u8).collect();
        let len = bytes.len() as u64;
        let whole = wide_blocks(&[&bytes], len);
        let expected: Vec<u64> = (0..record::block_count(len))
            .map(|block| {
                let span = record::block_range(len, block);
                record::value_hash(&bytes[span.start as usize..span.end as usize])
            })
            .collect();
        assert_eq!(whole, expected);
        for cuts in [
            [1usize, 65536, 200_000],
            [65535, 65537, 299_999],
            [0, 0, 131_072],
        ] {
            let [a, b, c] = cuts;
            let pieces: [&[u8]; 4] = [&bytes[..a], &bytes[a..b], &bytes[b..c], &bytes[c..]];
            assert_eq!(wide_blocks(&pieces, len), expected, "{cuts:?}");
        }
    }
}
