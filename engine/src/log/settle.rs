//! What follows a replay: the index hears of the records, a torn tail is covered.

use std::io;

use super::recovery::{Found, Replayed};
use super::{Log, Tip};
use crate::error::{Error, Result};
use crate::format::frame::{self, FrameHeader, FrameKind, HEADER_LEN};
use crate::format::record::{self, RecordKind};
use crate::format::{Defect, align_up, place};
use crate::index::{Hash, PartitionIndex, Pinned, Records as _};
use crate::mutant::{Rule, broken};

/// Records whose groups of the index are loaded ahead of their turn.
const AHEAD: usize = 16;

impl Log {
    /// Tells the index of a partition about records of a batch that was replayed; the
    /// caller has the index show its count. `end` is the place of the earliest end that a
    /// reader may have.
    pub(crate) fn take_in(
        &self,
        index: &PartitionIndex,
        records: &[Found<'_>],
        end: u64,
    ) -> Result<()> {
        let seed = self.identity().seed;
        index.reserve(records.len(), end);
        let pinned = index.newest();
        let hash = |found: &Found<'_>| Hash(record::key_hash(found.key, seed));
        let mut coming = records.iter().map(hash);
        let mut hashes = std::collections::VecDeque::with_capacity(AHEAD + 1);
        for found in records {
            while hashes.len() <= AHEAD
                && let Some(next) = coming.next()
            {
                pinned.prefetch(next);
                hashes.push_back(next);
            }
            let Some(hash) = hashes.pop_front() else {
                break;
            };
            self.take_one(index, &pinned, found, hash)?;
        }
        Ok(())
    }

    fn take_one(
        &self,
        index: &PartitionIndex,
        pinned: &Pinned,
        found: &Found<'_>,
        hash: Hash,
    ) -> Result<()> {
        let (at, previous) = (place(found.at), found.head.previous);
        if previous >= at {
            let defect = Defect::Field {
                what: "the previous version of a record",
                found: previous,
                expected: "a place before it",
            };
            return Err(self.corrupt(found.at, defect));
        }
        let tombstone = found.head.kind == RecordKind::Tombstone;
        let records = self.keyed(found.key);
        if previous != 0 && !records.has_key(previous) {
            let defect = Defect::Field {
                what: "the previous version of a record",
                found: previous,
                expected: "the place of a record with the same key",
            };
            return Err(self.corrupt(found.at, defect));
        }
        let replaced = index
            .insert(pinned, hash, at, tombstone, previous, &records)
            .map_err(|fault| self.fault(fault))?;
        let before = match (replaced, previous) {
            (0, 0) => None,
            // Of a segment in the file: nothing has compared it yet, and what it says it was
            // decides how many entries there are.
            (0, place) => {
                self.check_unless_trusted(place)?;
                Some(self.locate(place)?)
            }
            (place, _) => Some(self.locate(place)?),
        };
        let before = before.and_then(|old| old.live_bytes());
        index.count((!tombstone).then_some(found.head.end()), before);
        Ok(())
    }
}

/// Covers what a crash left after the tip with a SPACE frame, durable before anything
/// follows it, so that no later frame can complete an old one.
pub(crate) fn settle(log: &Log, replayed: &Replayed, epoch: u16) -> Result<Tip> {
    let (storage, torn) = (log.storage(), replayed.torn > 0);
    let settle = || {
        let mut tip = replayed.tip;
        if torn && !broken(Rule::Covered) {
            let (covered, header) = cover(log, replayed, epoch);
            storage.write_at(&[io::IoSlice::new(&header)], tip.end)?;
            tip = covered;
        }
        // A SPACE frame ends at a multiple of 8, what it covers ends anywhere. A durable
        // end beyond the end of the file would count as damage.
        let short = storage.len()? < tip.end;
        if short && !broken(Rule::CoverInsideFile) {
            storage.write_at(&[io::IoSlice::new(&[0])], tip.end.saturating_sub(1))?;
        }
        if (torn || short) && !broken(Rule::CoveredDurably) {
            storage.sync()?;
        }
        Ok(tip)
    };
    settle().map_err(Error::io("cover the torn tail of", log.path()))
}

/// The tip after a SPACE frame over the torn bytes, and the header of the frame.
fn cover(log: &Log, replayed: &Replayed, epoch: u16) -> (Tip, [u8; HEADER_LEN as usize]) {
    let tip = replayed.tip;
    let body_len = align_up(replayed.torn.saturating_sub(HEADER_LEN), 3).unwrap_or_default();
    let frame_sum = frame::frame_sum(&[], tip.frame_sum, tip.seqno, epoch);
    let header = FrameHeader {
        kind: FrameKind::Space,
        seqno: tip.seqno,
        body_len,
        epoch,
        durable_end: replayed.witness,
        frame_sum,
    };
    let bytes = header.to_bytes(&log.identity().store_id, tip.end);
    let end = tip.end.saturating_add(HEADER_LEN).saturating_add(body_len);
    let covered = Tip {
        end,
        frame_sum,
        ..tip
    };
    (covered, bytes)
}
