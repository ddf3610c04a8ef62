//! Appending frames, whatever is in them, and telling how far the log has come.

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;

use super::group::Counts;
use super::writer::Writer;
use super::{Log, Tip};
use crate::error::{Error, Result};
use crate::format::frame::{self, FrameHeader, FrameKind, HEADER_LEN};
use crate::format::{LOG_START, PAGE, UNIT};
use crate::mutant::{Rule, broken};

/// Large frames are written in blocks of this length and alignment: the page cache
/// then uses pages of 2 MiB, and the first touch through a mapping costs a fraction.
const WRITE_BLOCK: u64 = 2 << 20;

/// Frames above this length have their room reserved first, so that a full disk
/// shows before anything is written; so has every frame once the log is that long.
const RESERVE_ABOVE: u64 = 1 << 20;

/// Room is reserved ahead, an eighth of the log within these bounds: a write into room
/// that the file system has already found costs about two thirds.
const RESERVE_AHEAD: (u64, u64) = (1 << 20, 64 << 20);

/// The one writer, for as long as this is held.
pub(crate) struct WriterGuard<'a> {
    pub(super) log: &'a Log,
    pub(super) writer: MutexGuard<'a, Writer>,
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

    /// Where the next frame goes.
    pub(crate) fn tip(&self) -> Tip {
        self.writer.tip
    }

    /// Appends the header of a SPACE frame with room for `len` bytes, which the caller
    /// fills.
    pub(super) fn append_space(&mut self, len: u64) -> Result<()> {
        let at = self.writer.tip.end;
        let end = at.saturating_add(HEADER_LEN).saturating_add(len);
        let mut header = vec![0; HEADER_LEN as usize];
        // A full disk shows now, and not when the room is filled.
        let room = self.log.storage.allocate(at, end.saturating_sub(at));
        room.map_err(|source| self.not_committed(source))?;
        let tip = self.seal(FrameKind::Space, end, &[], &mut header);
        self.log.reach(end)?;
        // No end that is called durable lies beyond the end of the file.
        let last = end.saturating_sub(1).max(at.saturating_add(HEADER_LEN));
        let extended = self.log.storage.write_at(&[IoSlice::new(&[0])], last);
        extended.map_err(|source| self.not_committed(source))?;
        self.write_frame(&[&header], at, at.saturating_add(HEADER_LEN))?;
        self.log.meter.bytes_written.add(len);
        self.advance(tip);
        self.filled_later();
        Ok(())
    }

    /// Appends a frame of records; `bytes` start with room for its header. The tip after
    /// it.
    pub(super) fn append_frame(
        &mut self,
        bytes: &mut [u8],
        sums: &[u8],
        kind: FrameKind,
    ) -> Result<Tip> {
        let at = self.writer.tip.end;
        let end = at.saturating_add(bytes.len() as u64);
        let tip = self.seal(kind, end, sums, bytes);
        self.log.reach(end)?;
        self.write_frame(&[bytes], at, end)?;
        self.advance(tip);
        Ok(tip)
    }

    /// Takes up a frame of the index, which readers need not see.
    fn advance(&mut self, tip: Tip) {
        let bytes = tip.end.saturating_sub(self.writer.tip.end);
        self.log.meter.index_bytes_written.add(bytes);
        self.log.limit.store(tip.end, Ordering::Release);
        self.appended(tip, false, Counts::new());
    }

    /// Makes the header of the frame that ends at `end`, at the start of `bytes`; the tip
    /// after it.
    pub(super) fn seal(&self, kind: FrameKind, end: u64, sums: &[u8], bytes: &mut [u8]) -> Tip {
        let Writer {
            tip,
            epoch,
            durable_end,
            ..
        } = *self.writer;
        let seqno = match kind {
            FrameKind::Batch => tip.seqno.wrapping_add(1),
            FrameKind::Space | FrameKind::Checkpoint | FrameKind::Copy => tip.seqno,
        };
        let frame_sum = frame::frame_sum(sums, tip.frame_sum, seqno, epoch);
        let header = FrameHeader {
            kind,
            seqno,
            body_len: end.saturating_sub(tip.end.saturating_add(HEADER_LEN)),
            epoch,
            durable_end,
            frame_sum,
        };
        if let Some(place) = bytes.first_chunk_mut() {
            *place = header.to_bytes(&self.log.identity.store_id, tip.end);
        }
        Tip {
            end,
            seqno,
            frame_sum,
        }
    }

    #[cold]
    fn not_committed(&self, source: io::Error) -> Error {
        Error::NotCommitted {
            path: self.log.path.clone(),
            source,
        }
    }

    /// Writes the frame at `at..end`, or leaves nothing of it that could ever count.
    pub(super) fn write_frame(&mut self, pieces: &[&[u8]], at: u64, end: u64) -> Result<()> {
        if let Err(source) = self.reserve(at, end) {
            return Err(self.not_committed(source));
        }
        let storage = &*self.log.storage;
        let block = if end.saturating_sub(at) >= WRITE_BLOCK {
            WRITE_BLOCK
        } else {
            u64::MAX
        };
        let result = write_in_blocks(pieces, at, block, |slices, at| storage.write_at(slices, at));
        let Err(source) = result else {
            self.log.meter.bytes_written.add(end.saturating_sub(at));
            return Ok(());
        };
        // The header may be there, with a part of what it vouches for. Unless it goes,
        // bytes of a later commit could complete the frame. Parts of a longer frame may
        // also reach the device without the zeros that take the header back.
        let one_page = at / PAGE == end.saturating_sub(1) / PAGE;
        let taken_back = match broken(Rule::TakenBack) {
            true => Ok(()),
            false => self.take_back(at),
        };
        let taken_back = taken_back.and_then(|()| {
            match one_page || broken(Rule::TakenBack) || broken(Rule::TakenBackDurably) {
                true => Ok(()),
                false => self.log.sync_device(None),
            }
        });
        if let Err(failed) = taken_back {
            // All of it may be there.
            self.log.poison(&mut self.writer, &failed);
            return Err(self.unknown(&source));
        }
        Err(self.not_committed(source))
    }

    /// Overwrites the magic number and the checksum of a header at offset `at`.
    ///
    /// On a full disk there may be room for a part of a header alone, up to the end of a
    /// page. These bytes are the first multiple of 8: where one of them could be written all
    /// can be.
    fn take_back(&self, at: u64) -> io::Result<()> {
        let storage = &*self.log.storage;
        let written = storage.write_at(&[IoSlice::new(&[0; UNIT as usize])], at);
        match written {
            // Not that much of it is there.
            Err(_) if storage.len()? < at.saturating_add(UNIT) => Ok(()),
            written => written,
        }
    }

    /// Makes sure that there is room for a frame, and for some to come.
    fn reserve(&mut self, at: u64, end: u64) -> io::Result<()> {
        let storage = &*self.log.storage;
        let (written, len) = (end.saturating_sub(LOG_START), end.saturating_sub(at));
        if end <= self.writer.reserved || written <= RESERVE_ABOVE {
            return Ok(());
        }
        let (least, most) = RESERVE_AHEAD;
        let ahead = (written / 8).clamp(least, most);
        let reserved = end.saturating_add(ahead).next_multiple_of(WRITE_BLOCK);
        let from = at.max(self.writer.reserved);
        if storage
            .allocate(from, reserved.saturating_sub(from))
            .is_ok()
        {
            self.writer.reserved = reserved;
            return Ok(());
        }
        // The disk is nearly full: there may be room for this frame. What is shorter
        // shows whether there is by being written.
        if len > RESERVE_ABOVE {
            storage.allocate(at, len)?;
        }
        Ok(())
    }

    /// Tells other processes how far the log has come. The commit stands, whether they
    /// hear of it now or with the next one.
    pub(super) fn tell_others(&self) {
        let writer = &self.writer;
        // What was said last stays.
        if writer.poison.is_some() || self.log.is_closed() {
            return;
        }
        let live = writer.live(&self.log.identity.store_id, writer.state);
        if let Err(error) = self.log.storage.live().store(live) {
            log::warn!(
                "{}: other processes could not be told of a commit: {error}",
                self.log.path.display()
            );
        }
    }
}

/// Gives the bytes of `pieces`, which lie behind each other from offset `at`, to
/// `write` in groups that end at multiples of `block`.
pub(super) fn write_in_blocks(
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
}
