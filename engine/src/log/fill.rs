//! Records of the index as bytes: into a SPACE frame, or one frame of their own.

use std::io::IoSlice;

use super::append::write_in_blocks;
use super::checkpoint::too_long;
use super::{Log, wide_blocks};
use crate::error::{Error, Result};
use crate::format::frame::HEADER_LEN;
use crate::format::record::{self, Head, RecordKind};
use crate::format::value_align;

/// Records below this length are written together, longer ones in blocks of it: while the
/// system takes one in, no commit can write.
const BLOCK: u64 = 1 << 20;

/// The bytes of a record before its value, with its sum; fills in the sum of `head`.
fn before_value(head: &mut Head, key: &[u8], pieces: &[&[u8]], seed: u64, at: u64) -> Vec<u8> {
    let value = head.value_range();
    let mut bytes = vec![0; value.start as usize];
    head.write(&mut bytes);
    let mut put = |at: u64, part: &[u8]| {
        let at = at as usize;
        if let Some(place) = bytes.get_mut(at..at.saturating_add(part.len())) {
            place.copy_from_slice(part);
        }
    };
    put(head.key_range().start, key);
    let mut value_hash = 0;
    if head.wide {
        let table = head.table_range().unwrap_or_default();
        let sums = wide_blocks(pieces, head.value_len());
        for (at, sum) in (table.start..).step_by(8).zip(sums) {
            put(at, &sum.to_le_bytes());
        }
    } else {
        value_hash = record::value_hash(&pieces.concat());
    }
    let hashed = bytes.get(8..head.hashed_end() as usize).unwrap_or_default();
    head.sum = record::head_hash(hashed, seed, at).wrapping_add(value_hash);
    if let Some(sum) = bytes.first_chunk_mut() {
        *sum = head.sum.to_le_bytes();
    }
    bytes
}

/// Writes records into a SPACE frame, short ones together.
pub(super) struct Filler<'a> {
    log: &'a Log,
    /// Bytes that wait, and their offset.
    bytes: Vec<u8>,
    at: u64,
}

impl<'a> Filler<'a> {
    pub(super) fn new(log: &'a Log, at: u64) -> Self {
        let bytes = Vec::new();
        Self { log, bytes, at }
    }

    pub(super) fn push(&mut self, pieces: &[&[u8]], head: &mut Head, at: u64) -> Result<()> {
        let before = before_value(head, &[], pieces, self.log.identity().seed, at);
        let end = at.saturating_add(head.end());
        if head.end() < BLOCK {
            self.bytes.extend_from_slice(&before);
            pieces
                .iter()
                .for_each(|piece| self.bytes.extend_from_slice(piece));
            self.bytes.resize(end.saturating_sub(self.at) as usize, 0);
            return Ok(());
        }
        self.flush()?;
        let mut all = vec![before.as_slice()];
        all.extend_from_slice(pieces);
        self.fill(&all, at)?;
        self.at = end;
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        let bytes = std::mem::take(&mut self.bytes);
        if !bytes.is_empty() {
            self.fill(&[&bytes], self.at)?;
            self.at = self.at.saturating_add(bytes.len() as u64);
        }
        Ok(())
    }

    fn fill(&self, pieces: &[&[u8]], at: u64) -> Result<()> {
        let fill = |slices: &[IoSlice<'_>], at| self.log.storage.fill(slices, at);
        let filled = write_in_blocks(pieces, at, BLOCK, fill);
        filled.map_err(Error::io("write the index of", &self.log.path))
    }
}

/// A frame whose records are built one after the other.
pub(super) struct Frame<'a> {
    log: &'a Log,
    start: u64,
    pub(super) bytes: Vec<u8>,
    /// Sums of the records.
    pub(super) sums: Vec<u8>,
}

impl<'a> Frame<'a> {
    pub(super) fn new(log: &'a Log, start: u64) -> Self {
        Self {
            log,
            start,
            bytes: vec![0; HEADER_LEN as usize],
            sums: Vec::new(),
        }
    }

    /// Where the next record will stand.
    pub(super) fn at(&self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }

    /// Appends a record of partition 0, whose value has at least the alignment 2^`least`; its
    /// offset.
    pub(super) fn push(
        &mut self,
        kind: RecordKind,
        key: &[u8],
        pieces: &[&[u8]],
        least: u8,
        previous: u64,
    ) -> Result<u64> {
        let at = self.at();
        let len = pieces.iter().map(|piece| piece.len() as u64).sum();
        let align = value_align(len, None).max(least);
        let head = Head::lay_out(at, kind, 0, key.len(), len, align);
        let mut head = head.ok_or_else(too_long)?;
        head.previous = previous;
        let start = self.bytes.len();
        let seed = self.log.identity().seed;
        let before = before_value(&mut head, key, pieces, seed, at);
        self.bytes.extend(before);
        pieces
            .iter()
            .for_each(|piece| self.bytes.extend_from_slice(piece));
        self.bytes
            .resize(start.saturating_add(head.end() as usize), 0);
        self.sums.extend_from_slice(&head.sum.to_le_bytes());
        Ok(at)
    }

    /// Sum of the record that was appended last.
    pub(super) fn last_sum(&self) -> u64 {
        let last = self.sums.last_chunk();
        last.map_or(0, |sum| u64::from_le_bytes(*sum))
    }
}
