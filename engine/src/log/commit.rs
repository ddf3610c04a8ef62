//! Appending one commit.
//!
//! 1. Before the lock, elsewhere: values are encoded and hashed.
//! 2. Under the lock: the previous versions are looked up, records laid out behind
//!    the tip, heads summed, the header made.
//! 3. A frame inside one page goes out in one call; a larger one gets its header with
//!    a last call, so that a frame that was given up never has one.
//! 4. `Synced`: one sync of the data.
//! 5. The index is told, then the published end is raised.

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;

use super::access::Located;
use super::writer::Writer;
use super::{Log, Tip};
use crate::error::{Error, Result};
use crate::format::frame::{self, FrameHeader, FrameKind, HEADER_LEN};
use crate::format::header::LiveState;
use crate::format::record::{self, Head, RecordKind};
use crate::format::{BLOCK, PAGE, place};
use crate::index::{Hash, PartitionIndex};
use crate::options::Durability;

/// Large frames are written in blocks of this length and alignment: the page cache
/// then uses pages of 2 MiB, and the first touch through a mapping costs a fraction.
const WRITE_BLOCK: u64 = 2 << 20;

/// Frames above this length have their room reserved first, so that a full disk
/// shows before anything is written.
const RESERVE_ABOVE: u64 = 1 << 20;

/// Frames with more bytes of values are written from where the values lie, as far as
/// these have [`APART`]: what a batch put into a file to save memory stays there.
const FEW: u64 = 64 << 20;

/// Least length of a value that a large frame does not copy. A piece of its own costs
/// about as much as a copy of some hundred bytes.
const APART: u64 = 1 << 10;

/// Operations whose groups are loaded ahead of their turn.
const AHEAD: usize = 16;

/// One operation of a commit.
#[derive(Debug)]
pub(crate) struct Op<'a> {
    pub(crate) index: &'a PartitionIndex,
    pub(crate) partition: u32,
    pub(crate) kind: RecordKind,
    pub(crate) key: &'a [u8],
    pub(crate) hash: Hash,
    pub(crate) value: OpValue<'a>,
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
    fn len(&self) -> u64 {
        match self {
            Self::Small(bytes, _) => bytes.len() as u64,
            Self::Wide(_, len, _) => *len,
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
    was_live: bool,
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
                value_hash = hash;
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

    /// The bytes of the frame in order, the header in a piece of its own.
    fn pieces<'a>(&'a self, ops: &'a [Op<'_>]) -> Vec<&'a [u8]> {
        let (header, _) = self.bytes.split_at(HEADER_LEN as usize);
        let mut pieces = vec![header];
        let mut from = header.len();
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

/// The one writer, for as long as this is held.
pub(crate) struct WriterGuard<'a> {
    log: &'a Log,
    writer: MutexGuard<'a, Writer>,
}

impl fmt::Debug for WriterGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.writer.fmt(f)
    }
}

impl<'a> WriterGuard<'a> {
    pub(super) fn new(log: &'a Log, writer: MutexGuard<'a, Writer>) -> Self {
        Self { log, writer }
    }

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

    /// Makes everything committed durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        let end = self.writer.tip.end;
        self.log.sync_writer(&mut self.writer, end)?;
        self.tell_others();
        Ok(())
    }

    /// Commits `ops`, in this order, as one batch; its seqno. Nothing of it is seen
    /// before all of it is.
    pub(crate) fn commit(&mut self, ops: &[Op<'_>], durability: Durability) -> Result<u64> {
        let log = self.log;
        let before = self.writer.tip;
        let end = self.place(ops)?;
        let tip = self.seal(end);
        log.reach(end)?;
        self.write(ops, before.end, end)?;
        if durability == Durability::Synced {
            log.sync_writer(&mut self.writer, end)?;
        }
        log.limit.store(end, Ordering::Release);
        if let Err(error) = self.tell_index(ops, place(before.end)) {
            // The index knows a part of the batch, which must never be shown.
            self.writer.poison = Some(io::Error::other(error.to_string()));
            return Err(error);
        }
        self.writer.tip = tip;
        log.publish(tip);
        ops.iter().for_each(|op| op.index.show_counted());
        self.tell_others();
        Ok(tip.seqno)
    }

    /// Lays the records out behind the tip and builds their bytes; the end of the frame.
    fn place(&mut self, ops: &[Op<'_>]) -> Result<u64> {
        let log = self.log;
        let Writer { tip, room, .. } = &mut *self.writer;
        room.clear(ops);
        let mut at = tip.end.saturating_add(HEADER_LEN);
        for run in ops.chunk_by(|a, b| std::ptr::eq(a.index, b.index)) {
            let Some(first) = run.first() else { continue };
            let pinned = first.index.newest();
            // Some ahead, so that the misses of the cache overlap.
            let mut coming = run.iter();
            let first = coming.by_ref().take(AHEAD);
            first.for_each(|op| pinned.prefetch(op.hash));
            for op in run {
                if let Some(next) = coming.next() {
                    pinned.prefetch(next.hash);
                }
                let newest =
                    pinned.find_for_writer(op.hash, |place| log.record_has_key(place, op.key));
                let previous = log.seen(newest, op.key, u64::MAX)?;
                let (kind, len) = (op.kind, op.value.len());
                let head = Head::lay_out(at, kind, op.partition, op.key.len(), len, None);
                let mut head = head.ok_or_else(|| too_large(op))?;
                head.previous = previous.map_or(0, |located| located.place());
                room.append(&mut head, op, log.identity.seed, at);
                room.placed.push(Placed {
                    place: place(at),
                    previous: head.previous,
                    was_live: previous.is_some_and(|located| located.is_live()),
                });
                at = at.saturating_add(head.end());
            }
        }
        Ok(at)
    }

    /// Fills in the header of the frame that ends at `end`; the tip after it.
    fn seal(&mut self, end: u64) -> Tip {
        let Writer {
            tip,
            room,
            epoch,
            durable_end,
            ..
        } = &mut *self.writer;
        let seqno = tip.seqno.wrapping_add(1);
        let frame_sum = frame::frame_sum(&room.sums, tip.frame_sum, seqno, *epoch);
        let header = FrameHeader {
            kind: FrameKind::Batch,
            seqno,
            body_len: end.saturating_sub(tip.end.saturating_add(HEADER_LEN)),
            epoch: *epoch,
            durable_end: *durable_end,
            frame_sum,
        };
        if let Some(place) = room.bytes.first_chunk_mut() {
            *place = header.to_bytes(&self.log.identity.store_id, tip.end);
        }
        Tip {
            end,
            seqno,
            frame_sum,
        }
    }

    /// Writes the frame, its header last if it is longer than a page.
    fn write(&mut self, ops: &[Op<'_>], at: u64, end: u64) -> Result<()> {
        let result = self.try_write(ops, at, end);
        let Err(source) = result else { return Ok(()) };
        let path = self.log.path.clone();
        // The header may be there, with a part of what it vouches for. Unless it goes,
        // bytes of a later commit could complete the frame.
        let zeros = [0; HEADER_LEN as usize];
        if let Err(failed) = self.log.storage.write_at(&[IoSlice::new(&zeros)], at) {
            self.writer.poison = Some(failed);
        }
        Err(Error::NotCommitted { path, source })
    }

    fn try_write(&self, ops: &[Op<'_>], at: u64, end: u64) -> io::Result<()> {
        let storage = &*self.log.storage;
        let room = &self.writer.room;
        let len = end.saturating_sub(at);
        if room.apart.is_empty() && at / PAGE == end.saturating_sub(1) / PAGE {
            return storage.write_at(&[IoSlice::new(&room.bytes)], at);
        }
        if len > RESERVE_ABOVE {
            storage.allocate(at, len)?;
        }
        let pieces = room.pieces(ops);
        let (header, body) = pieces.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let block = if len >= WRITE_BLOCK {
            WRITE_BLOCK
        } else {
            u64::MAX
        };
        write_in_blocks(body, at.saturating_add(HEADER_LEN), block, |slices, at| {
            storage.write_at(slices, at)
        })?;
        storage.write_at(&[IoSlice::new(header)], at)
    }

    /// Makes the index lead to the new records. Nobody sees them before they are
    /// published. `first` is the place of the frame, the end of what is published.
    fn tell_index(&mut self, ops: &[Op<'_>], first: u64) -> Result<()> {
        let log = self.log;
        let mut placed = self.writer.room.placed.iter();
        for run in ops.chunk_by(|a, b| std::ptr::eq(a.index, b.index)) {
            let Some(index) = run.first().map(|op| op.index) else {
                continue;
            };
            index.reserve(run.len(), first);
            let pinned = index.newest();
            for (op, placed) in run.iter().zip(&mut placed) {
                let tombstone = op.kind == RecordKind::Tombstone;
                let (place, previous) = (placed.place, placed.previous);
                let replaced = pinned.insert(op.hash, place, tombstone, previous, |place| {
                    log.record_has_key(place, op.key)
                });
                // An earlier operation of this batch may have been on the same key.
                let was_live = if replaced > first {
                    log.locate(replaced)?.is_live()
                } else {
                    placed.was_live
                };
                index.count(!tombstone, was_live);
            }
        }
        Ok(())
    }

    /// Tells other processes how far the log has come. The commit stands, whether they
    /// hear of it now or with the next one.
    fn tell_others(&self) {
        let writer = &self.writer;
        let live = writer.live(&self.log.identity.store_id, LiveState::Open);
        if let Err(error) = self.log.storage.live().store(live) {
            log::warn!(
                "{}: other processes could not be told of a commit: {error}",
                self.log.path.display()
            );
        }
    }
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

/// Gives the bytes of `pieces`, which lie behind each other from offset `at`, to
/// `write` in groups that end at multiples of `block`.
fn write_in_blocks(
    pieces: &[&[u8]],
    mut at: u64,
    block: u64,
    mut write: impl FnMut(&[IoSlice<'_>], u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut slices = Vec::with_capacity(pieces.len());
    let mut len = 0u64;
    let mut room = block - at % block;
    for &piece in pieces {
        let mut piece = piece;
        while piece.len() as u64 >= room - len {
            let (first, rest) = piece.split_at((room - len) as usize);
            slices.push(IoSlice::new(first));
            write(&slices, at)?;
            slices.clear();
            at = at.saturating_add(room);
            (len, room, piece) = (0, block, rest);
        }
        if !piece.is_empty() {
            slices.push(IoSlice::new(piece));
            len += piece.len() as u64;
        }
    }
    if slices.is_empty() {
        Ok(())
    } else {
        write(&slices, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end_at_multiples_and_hold_every_byte_once() {
        let bytes: Vec<u8> = (0..100).collect();
        for at in [0u64, 3, 8, 15] {
            let pieces: Vec<&[u8]> = vec![&bytes[..7], &[], &bytes[7..50], &bytes[50..]];
            let mut written = Vec::new();
            let mut next = at;
            write_in_blocks(&pieces, at, 16, |slices, at| {
                assert_eq!(at, next);
                let group: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
                next += group.len() as u64;
                assert!(next % 16 == 0 || written.len() + group.len() == 100);
                written.extend(group);
                Ok(())
            })
            .expect("written");
            assert_eq!(written, bytes);
        }
    }

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
