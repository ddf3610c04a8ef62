//! What is committed: walking the frames of a file.
//!
//! A frame is accepted by its content alone: header, sums of its records and their
//! chain. Where the walk fails decides what that means. Before an offset that some
//! witness says was once durable it is damage, an error; beyond, it is the torn tail
//! of a commit that never was acknowledged as durable, and is passed over. Witnesses
//! are the slots, the checked durable end of the live page, and the durable ends in
//! the headers of valid frames, later ones included.

use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use super::window::Window;
use super::{Log, Tip};
use crate::error::{Error, Result};
use crate::format::frame::{self, FrameHeader, FrameKind, HEADER_LEN};
use crate::format::header::{SLOT_LEN, SLOTS, Slot};
use crate::format::record::{self, Head};
use crate::format::{Defect, UNIT};
use crate::mutant::{Rule, broken};

/// A record that the walk accepted.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// Offset of the frame.
    pub(crate) frame: u64,
    /// Offset of the record.
    pub(crate) at: u64,
    pub(crate) head: Head,
    pub(crate) key: &'a [u8],
}

/// What a walk found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replayed {
    /// Where the log ends.
    pub(crate) tip: Tip,
    /// Everything before this offset was once durable, for all that is known.
    pub(crate) witness: u64,
    /// Batches accepted.
    pub(crate) commits: u64,
    /// Their records.
    pub(crate) records: u64,
    /// Bytes after the tip that belong to no committed frame.
    pub(crate) torn: u64,
    /// The newest slot.
    pub(crate) slot: Slot,
    /// Where the walk started (an offset).
    pub(crate) from: u64,
    /// A checkpoint that was used and that no slot names; whoever opened it fills it in.
    pub(crate) unnamed: Option<(u64, u64)>,
    /// Entries of the segments in the file; whoever opened them fills it in.
    pub(crate) indexed: u64,
}

/// Why a walk stops at a frame.
#[derive(Debug)]
enum Stop {
    /// The bytes are no valid frame; the offset is that of the structure that fails.
    Defect(u64, Defect),
    /// The file could not be read, or a record could not be taken in.
    Error(Error),
}

/// Where a walk ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// At the last valid frame.
    Content,
    /// At this offset, up to which a running writer published.
    Published(u64),
    /// After the batch with this seqno.
    Seqno(u64),
}

/// Walks the log from `tip`, gives the records of each batch to `take` once it was accepted
/// whole, and tells where the log ends. Moves `tip` behind the last frame that was
/// taken, after an error too, so that none is taken twice. Writes nothing.
pub(crate) fn replay(
    log: &Log,
    tip: &mut Tip,
    until: Until,
    take: impl FnMut(&[Found<'_>]) -> Result<()>,
) -> Result<Replayed> {
    let slot = newest_slot(log)?;
    let mut witness = slot.durable_end;
    let live = log
        .storage()
        .live()
        .load()
        .map_err(Error::io("read", log.path()))?;
    witness = witness.max(
        live.trusted_durable_end(&log.identity().store_id)
            .unwrap_or(0),
    );
    if let Until::Published(end) = until {
        witness = witness.max(end);
    }
    // The length last: a running writer raises the witnesses after it.
    let window = Window::new(log.storage()).map_err(Error::io("read", log.path()))?;
    if witness > window.len() {
        let need = Defect::Truncated {
            what: "the durable part of the log",
            need: witness,
            have: window.len(),
        };
        return Err(log.corrupt(window.len(), need));
    }
    let mut walk = Walk {
        log,
        window,
        take,
        tip: *tip,
        from: tip.end,
        witness,
        commits: 0,
        records: 0,
        sums: Vec::new(),
        heads: Vec::new(),
        keys: Vec::new(),
    };
    let stop = walk.run(until);
    *tip = walk.tip;
    let (at, defect) = match stop {
        None => return Ok(walk.replayed(slot, 0)),
        Some(Stop::Error(error)) => return Err(error),
        Some(Stop::Defect(at, defect)) => (at, defect),
    };
    let durable = walk.tip.end < walk.witness && !broken(Rule::Witness);
    if durable || (walk.is_vouched_for()? && !broken(Rule::LaterHeaders)) {
        return Err(log.corrupt(at, defect));
    }
    let torn = walk.window.len().saturating_sub(walk.tip.end);
    Ok(walk.replayed(slot, torn))
}

fn newest_slot(log: &Log) -> Result<Slot> {
    let slots = slots(log)?;
    Ok(slots.into_iter().next().unwrap_or_default())
}

/// The slots that hold, the newest first.
pub(crate) fn slots(log: &Log) -> Result<Vec<Slot>> {
    let mut slots = Vec::new();
    for at in SLOTS {
        let mut bytes = [0; SLOT_LEN];
        log.storage()
            .read_at(&mut bytes, at)
            .map_err(Error::io("read", log.path()))?;
        slots.extend(Slot::parse(&bytes, &log.identity().store_id, at));
    }
    slots.sort_by_key(|slot| std::cmp::Reverse(slot.seq));
    Ok(slots)
}

struct Walk<'a, F> {
    log: &'a Log,
    window: Window<'a>,
    take: F,
    tip: Tip,
    from: u64,
    witness: u64,
    commits: u64,
    records: u64,
    /// Sums of the records of the frame.
    sums: Vec<u8>,
    /// Their offsets and heads.
    heads: Vec<(u64, Head)>,
    /// Their keys, one behind the other.
    keys: Vec<u8>,
}

impl<F: FnMut(&[Found<'_>]) -> Result<()>> Walk<'_, F> {
    fn replayed(&self, slot: Slot, torn: u64) -> Replayed {
        Replayed {
            tip: self.tip,
            witness: self.witness.min(self.tip.end),
            commits: self.commits,
            records: self.records,
            torn,
            slot,
            from: self.from,
            unnamed: None,
            indexed: 0,
        }
    }

    /// Accepts frame after frame; says why it stopped before the end.
    fn run(&mut self, until: Until) -> Option<Stop> {
        loop {
            let end = match until {
                Until::Content => self.window.len(),
                Until::Published(end) => end,
                Until::Seqno(seqno) if self.tip.seqno >= seqno && !self.copy_follows() => {
                    return None;
                }
                Until::Seqno(_) => u64::MAX,
            };
            if self.tip.end >= end {
                return None;
            }
            if let Err(stop) = self.frame() {
                return Some(stop);
            }
        }
    }

    /// Whether the next frame is a part of what compaction copied, which counts as
    /// written before the first commit of the file; or may be one, if it is damaged.
    fn copy_follows(&mut self) -> bool {
        let (at, identity) = (self.tip.end, *self.log.identity());
        let before_first = identity.first_seqno.saturating_sub(1);
        let may_follow = self.tip.seqno == before_first && before_first > 0;
        if !may_follow || at >= self.window.len() {
            return false;
        }
        let Ok(bytes) = self.bytes(at, HEADER_LEN) else {
            return true;
        };
        let header = FrameHeader::parse(bytes, &identity.store_id, at);
        header.map_or(true, |header| header.kind == FrameKind::Copy)
    }

    fn bytes(&mut self, at: u64, want: u64) -> Result<&[u8], Stop> {
        let path = self.log.path();
        let get = self
            .window
            .get(at, usize::try_from(want).unwrap_or(usize::MAX));
        get.map_err(|source| Stop::Error(Error::io("read", path)(source)))
    }

    fn failed(&self, source: io::Error) -> Stop {
        Stop::Error(Error::io("read", self.log.path())(source))
    }

    /// Accepts the frame at the tip, or leaves the tip where it is.
    fn frame(&mut self) -> Result<(), Stop> {
        let (at, id) = (self.tip.end, self.log.identity().store_id);
        let header = FrameHeader::parse(self.bytes(at, HEADER_LEN)?, &id, at)
            .map_err(|defect| Stop::Defect(at, defect))?;
        let body = at.saturating_add(HEADER_LEN);
        let end = body.saturating_add(header.body_len);
        self.witness = self.witness.max(header.durable_end);
        let seqno = match header.kind {
            FrameKind::Batch => self.tip.seqno.wrapping_add(1),
            FrameKind::Space | FrameKind::Checkpoint | FrameKind::Copy => self.tip.seqno,
        };
        if header.seqno != seqno {
            return Err(Stop::Defect(
                at,
                Defect::Field {
                    what: "the seqno of a frame",
                    found: header.seqno,
                    expected: "one more than that of the batch before",
                },
            ));
        }
        let first = self.log.identity().first_seqno.saturating_sub(1);
        if header.kind == FrameKind::Copy && seqno != first {
            return Err(Stop::Defect(
                at,
                Defect::Field {
                    what: "the seqno of a frame of copied records",
                    found: seqno,
                    expected: "the one before the first batch of the file",
                },
            ));
        }
        // A SPACE frame vouches for its length alone; it may reach beyond the file.
        if header.kind != FrameKind::Space {
            if end > self.window.len() {
                let (need, have) = (end, self.window.len());
                return Err(Stop::Defect(
                    at,
                    Defect::Truncated {
                        what: "a frame",
                        need,
                        have,
                    },
                ));
            }
            self.check_records(body, end, header.kind)?;
        } else {
            self.sums.clear();
        }
        let computed = frame::frame_sum(&self.sums, self.tip.frame_sum, header.seqno, header.epoch);
        if computed != header.frame_sum && !broken(Rule::FrameSum) {
            let stored = header.frame_sum;
            return Err(Stop::Defect(
                at,
                Defect::Checksum {
                    what: "a frame",
                    stored,
                    computed,
                },
            ));
        }
        let whole = if header.kind == FrameKind::Space {
            body
        } else {
            end
        };
        // The index asks for keys of records of the same frame.
        self.log.reach(whole).map_err(Stop::Error)?;
        self.log.limit.fetch_max(whole, Ordering::AcqRel);
        if header.kind.has_data() {
            self.take_records()?;
        }
        self.commits += u64::from(header.kind == FrameKind::Batch);
        self.tip = Tip {
            end,
            seqno: header.seqno,
            frame_sum: header.frame_sum,
        };
        Ok(())
    }

    /// Compares the sums of the records in `body..end`, which they must tile, and
    /// collects them.
    fn check_records(&mut self, body: u64, end: u64, kind: FrameKind) -> Result<(), Stop> {
        self.sums.clear();
        self.heads.clear();
        self.keys.clear();
        let mut at = body;
        while at < end {
            let head = self.head(at, end)?;
            if head.kind.is_data() != kind.has_data() {
                let defect = Defect::Field {
                    what: "the kind of a record",
                    found: head.kind as u64,
                    expected: "one that its frame may have",
                };
                return Err(Stop::Defect(at, defect));
            }
            // What a checkpoint saved is found by replay, too. Once durable, it may be damaged:
            // whoever starts from it compares it. The frame still vouches for the sums.
            if kind != FrameKind::Checkpoint || end > self.witness {
                self.check_record(at, &head)?;
            }
            self.sums.extend_from_slice(&head.sum.to_le_bytes());
            self.heads.push((at, head));
            at = at.saturating_add(head.end());
        }
        Ok(())
    }

    fn head(&mut self, at: u64, end: u64) -> Result<Head, Stop> {
        let head = Head::parse(self.bytes(at, record::HEAD_LEN + 8)?, at)
            .map_err(|defect| Stop::Defect(at, defect))?;
        if head.end() > end.saturating_sub(at) {
            let (need, have) = (head.end(), end.saturating_sub(at));
            return Err(Stop::Defect(
                at,
                Defect::Truncated {
                    what: "a record",
                    need,
                    have,
                },
            ));
        }
        Ok(head)
    }

    fn check_record(&mut self, at: u64, head: &Head) -> Result<(), Stop> {
        let seed = self.log.identity().seed;
        let hashed_end = head.hashed_end();
        // All of a record that is not wide: it is short.
        let want = if head.wide { hashed_end } else { head.end() };
        let path = self.log.path();
        let bytes = self.window.get(at, want as usize);
        let bytes = bytes.map_err(|source| Stop::Error(Error::io("read", path)(source)))?;
        let part = |from: u64, to: u64| bytes.get(from as usize..to as usize).unwrap_or_default();
        let mut computed = record::head_hash(part(8, hashed_end), seed, at);
        if !head.wide {
            let value = head.value_range();
            computed = computed.wrapping_add(record::value_hash(part(value.start, value.end)));
        }
        let key = head.key_range();
        self.keys.extend_from_slice(part(key.start, key.end));
        if computed != head.sum && !broken(Rule::RecordSum) {
            let stored = head.sum;
            return Err(Stop::Defect(
                at,
                Defect::Checksum {
                    what: "a record",
                    stored,
                    computed,
                },
            ));
        }
        // Below the witness the blocks were whole once; they are compared at first touch.
        match at.saturating_add(head.end()) > self.witness {
            true => self.check_rest(at, head),
            false => Ok(()),
        }
    }

    /// Above the witness nothing says that the blocks of a value were written, and zeros
    /// of the padding may stand for what was not.
    fn check_rest(&mut self, at: u64, head: &Head) -> Result<(), Stop> {
        let mut first = None;
        let padding = self.window.damaged_padding(at, head, &mut |gap, defect| {
            first = Some((gap.start, defect));
            ControlFlow::Break(())
        });
        padding.map_err(|source| self.failed(source))?;
        if first.is_none() && head.wide && !broken(Rule::BlockSums) {
            let value = at.saturating_add(head.value_range().start);
            let blocks = self.window.damaged_blocks(at, head, &mut |span, defect| {
                first = Some((value.saturating_add(span.start), defect));
                ControlFlow::Break(())
            });
            blocks.map_err(|source| self.failed(source))?;
        }
        first.map_or(Ok(()), |(at, defect)| Err(Stop::Defect(at, defect)))
    }

    fn take_records(&mut self) -> Result<(), Stop> {
        let frame = self.tip.end;
        let mut keys = self.keys.as_slice();
        let found = self.heads.iter().map(|&(at, head)| {
            let len = head.key_range().end.saturating_sub(head.key_range().start);
            let (key, rest) = keys.split_at_checked(len as usize).unwrap_or_default();
            keys = rest;
            Found {
                frame,
                at,
                head,
                key,
            }
        });
        let found: Vec<Found<'_>> = found.collect();
        self.records += found.len() as u64;
        (self.take)(&found).map_err(Stop::Error)
    }

    /// Whether a valid header after the tip says that the tip was durable once.
    fn is_vouched_for(&mut self) -> Result<bool> {
        let (tip, len, id) = (
            self.tip.end,
            self.window.len(),
            self.log.identity().store_id,
        );
        let mut at = tip.saturating_add(UNIT);
        while at < len {
            let vouches = match self.bytes(at, HEADER_LEN) {
                Ok(bytes) if FrameHeader::looks_like_one(bytes) => {
                    FrameHeader::parse(bytes, &id, at).is_ok_and(|header| header.durable_end > tip)
                }
                Ok(_) => false,
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::Defect(..)) => false,
            };
            if vouches {
                return Ok(true);
            }
            at = at.saturating_add(UNIT);
        }
        Ok(false)
    }
}
