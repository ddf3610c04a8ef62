//! Which commit wrote a record.
//!
//! A record does not say it, and frames lead forwards. So the frames are walked, header by
//! header, from the last checkpoint before the record on. What a walk passed is noted now
//! and then, so that whoever asks about many records, as a history does, walks once.

use super::{Log, slots};
use crate::error::{Error, Result};
use crate::format::LOG_START;
use crate::format::frame::{FrameHeader, FrameKind, HEADER_LEN};

/// A frame is noted after so many: a later walk has no more of them to pass, and the notes
/// of a hundred million commits take three megabytes.
const NOTED: usize = 256;

/// The commit of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// Its number; for what compaction copied the number of the last commit before.
    pub(crate) seqno: u64,
    /// Whether the record was written by compaction, which keeps one version of each key.
    pub(crate) copied: bool,
}

/// Finds commits, in a log that is only appended to.
#[derive(Debug)]
pub(crate) struct Commits {
    /// Offsets of frames, ascending.
    noted: Vec<u64>,
}

impl Commits {
    /// Costs a read of each checkpoint.
    pub(crate) fn of(log: &Log) -> Result<Self> {
        let mut noted = vec![LOG_START];
        let slots = slots(log)?;
        let mut next = slots.first().map_or(0, |slot| slot.checkpoint);
        while next != 0 && next < log.published() {
            // One that is damaged costs a longer walk, and is for others to complain about.
            let Ok((checkpoint, _)) = log.read_checkpoint(next) else {
                break;
            };
            noted.push(checkpoint.replay_from);
            next = checkpoint.previous;
        }
        noted.sort_unstable();
        noted.dedup();
        Ok(Self { noted })
    }

    /// The commit of the record at offset `at`. Costs a read of each frame header since the
    /// last checkpoint before it, or of up to 256 where a walk came by already.
    pub(crate) fn commit(&mut self, log: &Log, at: u64) -> Result<Commit> {
        let next = self.noted.partition_point(|&frame| frame <= at);
        let before = next.checked_sub(1).and_then(|last| self.noted.get(last));
        let mut frame = before.copied().unwrap_or(LOG_START);
        let (mut passed, mut count) = (Vec::new(), 0usize);
        loop {
            let header = log.frame_header(frame)?;
            let end = frame.saturating_add(HEADER_LEN);
            let end = end.saturating_add(header.body_len);
            if at < end {
                self.noted.splice(next..next, passed);
                return Ok(Commit {
                    seqno: header.seqno,
                    copied: header.kind == FrameKind::Copy,
                });
            }
            frame = end;
            count += 1;
            if count.is_multiple_of(NOTED) {
                passed.push(frame);
            }
        }
    }
}

impl Log {
    fn frame_header(&self, at: u64) -> Result<FrameHeader> {
        let mut buffer = [0; HEADER_LEN as usize];
        let bytes = match self.lent(at..at.saturating_add(HEADER_LEN)) {
            Some(bytes) => bytes?,
            None => {
                let read = self.storage.read_at(&mut buffer, at);
                let read = read.map_err(Error::io("read", &self.path))?;
                buffer.get(..read).unwrap_or_default()
            }
        };
        let header = FrameHeader::parse(bytes, &self.identity.store_id, at);
        header.map_err(|defect| self.corrupt(at, defect))
    }
}
