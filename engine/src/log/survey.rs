//! Reading a log that may be damaged anywhere: every stretch of it, and every record that
//! holds.
//!
//! [`replay`](super::replay) stops at the first damage, since what follows could contradict
//! what is missing. A survey goes on behind it: at the next frame header that holds, and
//! within a frame at the next record whose sum holds. Sums are bound to the store and to
//! their own offset, so that neither is ever found in the bytes of a value. Which hole may
//! have held entries follows from the seqnos around it: batches alone take one.

use std::ops::{ControlFlow, Range};

use super::recovery::slots;
use super::window::Window;
use super::{Log, Tip};
use crate::error::{Error, Result};
use crate::format::frame::{FrameHeader, FrameKind, HEADER_LEN, frame_sum};
use crate::format::record::{self, Head};
use crate::format::{Defect, LOG_START, UNIT};

/// A part of the log.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    pub(crate) at: u64,
    pub(crate) end: u64,
    pub(crate) what: What,
}

/// What a part of the log is.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A frame whose header holds.
    Frame(FrameHeader),
    /// No frame header holds here; `data`: there may be entries in it all the same.
    Hole { defect: Defect, data: bool },
}

impl Stretch {
    /// Whether its records, if there are any, say what keys map to.
    pub(crate) fn has_data(&self) -> bool {
        match &self.what {
            What::Frame(header) => header.kind.has_data(),
            What::Hole { data, .. } => *data,
        }
    }

    /// Where records may lie; empty if there are none.
    pub(crate) fn body(&self) -> Range<u64> {
        let has_records = match &self.what {
            What::Frame(header) => header.kind != FrameKind::Space,
            What::Hole { data, .. } => *data,
        };
        let body = self.at.saturating_add(HEADER_LEN).min(self.end);
        match has_records {
            true => body..self.end,
            false => self.end..self.end,
        }
    }
}

/// A log as it was found.
#[derive(Debug)]
pub(crate) struct Surveyed {
    pub(crate) stretches: Vec<Stretch>,
    /// Seqno of the last batch whose header holds.
    pub(crate) seqno: u64,
    /// Where what belongs to the log ends.
    pub(crate) end: u64,
    /// Bytes of the file behind it: commits that were never finished.
    pub(crate) torn: u64,
    /// Bytes that a witness says were durable and the file does not have.
    pub(crate) missing: u64,
}

/// A record as it was found.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    /// Its sum holds; of a wide one that of what stands before the value.
    Sound { at: u64, head: Head, key: &'a [u8] },
    /// It does not. The head and the key are those that stand there, where the records
    /// around it say that it is one record.
    Damaged {
        range: Range<u64>,
        known: Option<(Head, &'a [u8])>,
        defect: Defect,
    },
}

/// Reads stretches of a log.
#[derive(Debug)]
pub(crate) struct Survey<'a> {
    log: &'a Log,
    window: Window<'a>,
    /// Bytes of the file.
    len: u64,
    /// What was published, if that is known: all before it belongs to the log.
    published: u64,
    /// End of what is looked at.
    end: u64,
}

impl<'a> Survey<'a> {
    /// Of all that the file has, or of what was `published`.
    pub(crate) fn new(log: &'a Log, published: Option<u64>) -> Result<Self> {
        let window = Window::new(log.storage()).map_err(Error::io("read", log.path()))?;
        let len = log.file_end().unwrap_or(window.len());
        Ok(Self {
            log,
            window,
            len,
            published: published.unwrap_or(0),
            end: published.unwrap_or(u64::MAX).min(len),
        })
    }

    fn bytes(&mut self, at: u64, want: u64) -> Result<&[u8]> {
        let want = usize::try_from(want).unwrap_or(usize::MAX);
        let path = self.log.path();
        self.window.get(at, want).map_err(Error::io("read", path))
    }

    /// The stretches of the log, as far as they were committed. Reads the headers of
    /// frames, and all of what was never synced.
    pub(crate) fn stretches(&mut self) -> Result<Surveyed> {
        let identity = *self.log.identity();
        let before_first = identity.first_seqno.saturating_sub(1);
        let slots = slots(self.log)?;
        let live = self.log.live()?;
        let mut witness = live
            .trusted_durable_end(&identity.store_id)
            .unwrap_or_default();
        witness = witness.max(self.published);
        let mut last_seqno = before_first.max(live.seqno);
        for slot in &slots {
            witness = witness.max(slot.durable_end);
            last_seqno = last_seqno.max(slot.seqno);
        }
        let mut found = self.headers()?;
        drop_garbage(&mut found);
        for stretch in &found {
            if let What::Frame(header) = &stretch.what {
                witness = witness.max(header.durable_end);
            }
        }
        let missing = witness.saturating_sub(self.len.max(LOG_START));
        let tip = self.cut_torn(&mut found, witness, &identity.store_id)?;
        mark_holes(&mut found, (before_first, last_seqno));
        let batches = found.iter().filter_map(|stretch| match &stretch.what {
            What::Frame(header) => Some(header.seqno),
            What::Hole { .. } => None,
        });
        Ok(Surveyed {
            seqno: batches.max().unwrap_or(before_first),
            stretches: found,
            end: tip,
            torn: self.end.saturating_sub(tip),
            missing,
        })
    }

    /// Every frame header that holds, and what lies between.
    fn headers(&mut self) -> Result<Vec<Stretch>> {
        let mut found = Vec::new();
        let mut at = LOG_START;
        while at < self.end {
            let parsed = self.header(at)?;
            let end = match &parsed {
                Ok(header) => at
                    .saturating_add(HEADER_LEN)
                    .saturating_add(header.body_len),
                Err(_) => self.next_header(at.saturating_add(UNIT))?,
            };
            let what = match parsed {
                Ok(header) => What::Frame(header),
                Err(defect) => What::Hole { defect, data: true },
            };
            found.push(Stretch { at, end, what });
            at = end;
        }
        Ok(found)
    }

    fn header(&mut self, at: u64) -> Result<Result<FrameHeader, Defect>> {
        let id = self.log.identity().store_id;
        let bytes = self.bytes(at, HEADER_LEN)?;
        Ok(FrameHeader::parse(bytes, &id, at))
    }

    /// Where the next frame header that holds stands, or the end.
    fn next_header(&mut self, mut at: u64) -> Result<u64> {
        while at < self.end {
            if FrameHeader::looks_like_one(self.bytes(at, HEADER_LEN)?) && self.header(at)?.is_ok()
            {
                return Ok(at);
            }
            at = at.saturating_add(UNIT);
        }
        Ok(self.end)
    }

    /// Lets go of what no witness says was durable and is not whole: from the first frame
    /// that contradicts itself or its predecessor on. Where the log ends then.
    fn cut_torn(
        &mut self,
        found: &mut Vec<Stretch>,
        witness: u64,
        store_id: &[u8; 16],
    ) -> Result<u64> {
        let mut before = Some(crate::format::frame::first_predecessor(store_id));
        for number in 0..found.len() {
            let Some(stretch) = found.get(number).cloned() else {
                break;
            };
            let header = match &stretch.what {
                What::Frame(header) => Some(*header),
                What::Hole { .. } => None,
            };
            if stretch.at >= witness {
                let whole = match &header {
                    Some(header) => self.is_whole(&stretch, header, before)?,
                    None => false,
                };
                if !whole {
                    found.truncate(number);
                    return Ok(stretch.at);
                }
            }
            before = header.map(|header| header.frame_sum);
        }
        let end = found.last().map_or(LOG_START, |stretch| stretch.end);
        // A SPACE frame may reach beyond the file.
        Ok(end.min(self.end).max(LOG_START))
    }

    /// Whether a frame that was perhaps never synced is there as it was written.
    fn is_whole(
        &mut self,
        stretch: &Stretch,
        header: &FrameHeader,
        before: Option<u64>,
    ) -> Result<bool> {
        let is_space = header.kind == FrameKind::Space;
        if !is_space && stretch.end > self.end {
            return Ok(false);
        }
        let (mut sums, mut whole, mut wide) = (Vec::new(), true, Vec::new());
        self.items(stretch, &mut |item| {
            match item {
                Item::Sound { at, head, .. } => {
                    sums.extend_from_slice(&head.sum.to_le_bytes());
                    if head.wide {
                        wide.push((at, head));
                    }
                }
                Item::Damaged { .. } => whole = false,
            }
            Ok(())
        })?;
        for (at, head) in wide {
            whole &= self.damaged_blocks(at, &head)?.is_empty();
        }
        let chained = before.is_none_or(|before| {
            header.frame_sum == frame_sum(&sums, before, header.seqno, header.epoch)
        });
        Ok(whole && chained)
    }

    /// Gives `each` the records of a stretch in order.
    pub(crate) fn items(
        &mut self,
        stretch: &Stretch,
        each: &mut dyn FnMut(Item<'_>) -> Result<()>,
    ) -> Result<()> {
        let Range { start, end } = stretch.body();
        // Lengths are from the file, and may lead far beyond it.
        let (mut at, end) = (start, end.min(self.end));
        while at < end {
            let defect = match self.record(at, end)? {
                Ok(head) => {
                    let key = self.key(at, &head)?;
                    each(Item::Sound { at, head, key })?;
                    at = at.saturating_add(head.end());
                    continue;
                }
                Err(defect) => defect,
            };
            let next = self.next_record(at.saturating_add(UNIT), end)?;
            self.damaged(at..next, defect, each)?;
            at = next;
        }
        Ok(())
    }

    /// Gives `each` a range whose first record does not hold: record by record if heads
    /// tile it, else as one.
    fn damaged(
        &mut self,
        range: Range<u64>,
        first: Defect,
        each: &mut dyn FnMut(Item<'_>) -> Result<()>,
    ) -> Result<()> {
        let (mut heads, mut at) = (Vec::new(), range.start);
        while at < range.end {
            let Ok(head) = self.head(at, range.end)? else {
                break;
            };
            heads.push((at, head));
            at = at.saturating_add(head.end());
        }
        if at != range.end {
            let known = None;
            return each(Item::Damaged {
                range,
                known,
                defect: first,
            });
        }
        for (at, head) in heads {
            let defect = match self.record(at, range.end)? {
                Err(defect) => defect,
                // A record that holds ends the range; what stands there is the first.
                Ok(_) => first.clone(),
            };
            let key = self.key(at, &head)?;
            each(Item::Damaged {
                range: at..at.saturating_add(head.end()),
                known: Some((head, key)),
                defect,
            })?;
        }
        Ok(())
    }

    /// The first record from `at` on that holds, or `end`.
    fn next_record(&mut self, mut at: u64, end: u64) -> Result<u64> {
        while at < end {
            if self.record(at, end)?.is_ok() {
                return Ok(at);
            }
            at = at.saturating_add(UNIT);
        }
        Ok(end)
    }

    /// The head at `at`, if a record that ends before `end` may stand there.
    fn head(&mut self, at: u64, end: u64) -> Result<Result<Head, Defect>> {
        let end = end.min(self.end);
        let bytes = self.bytes(at, record::HEAD_LEN.saturating_add(8))?;
        let have = end.saturating_sub(at);
        Ok(Head::parse(bytes, at).and_then(|head| {
            let need = head.end();
            let what = "a record";
            let short = Defect::Truncated { what, need, have };
            (need <= have).then_some(head).ok_or(short)
        }))
    }

    /// The head of the record at `at`, if its sum holds.
    fn record(&mut self, at: u64, end: u64) -> Result<Result<Head, Defect>> {
        let head = match self.head(at, end)? {
            Ok(head) => head,
            Err(defect) => return Ok(Err(defect)),
        };
        let seed = self.log.identity().seed;
        let hashed = head.hashed_end();
        let want = if head.wide { hashed } else { head.end() };
        let bytes = self.bytes(at, want)?;
        let part = |range: Range<u64>| {
            let range = range.start as usize..range.end as usize;
            bytes.get(range).unwrap_or_default()
        };
        let mut computed = record::head_hash(part(8..hashed), seed, at);
        if !head.wide {
            computed = computed.wrapping_add(record::value_hash(part(head.value_range())));
        }
        let (what, stored) = ("a record", head.sum);
        let defect = Defect::Checksum {
            what,
            stored,
            computed,
        };
        Ok((computed == stored).then_some(head).ok_or(defect))
    }

    fn key(&mut self, at: u64, head: &Head) -> Result<&[u8]> {
        let Range { start, end } = head.key_range();
        self.bytes(at.saturating_add(start), end.saturating_sub(start))
    }

    /// What of the record at `at` does not hold, the blocks of its value and its padding
    /// included.
    pub(crate) fn check_whole(&mut self, at: u64) -> Result<Vec<(Range<u64>, Defect)>> {
        let head = match self.record(at, u64::MAX)? {
            Ok(head) => head,
            Err(defect) => return Ok(vec![(at..at.saturating_add(UNIT), defect)]),
        };
        let mut found = self.damaged_padding(at, &head)?;
        if head.wide {
            let value = at.saturating_add(head.value_range().start);
            for (span, defect) in self.damaged_blocks(at, &head)? {
                let (start, end) = (span.start, span.end);
                found.push((
                    value.saturating_add(start)..value.saturating_add(end),
                    defect,
                ));
            }
        }
        Ok(found)
    }

    /// Where the padding of a record is not zero. The value does not need it.
    pub(crate) fn damaged_padding(
        &mut self,
        at: u64,
        head: &Head,
    ) -> Result<Vec<(Range<u64>, Defect)>> {
        let mut found = Vec::new();
        let looked = self.window.damaged_padding(at, head, &mut |gap, defect| {
            found.push((gap, defect));
            ControlFlow::Continue(())
        });
        looked.map_err(Error::io("read", self.log.path()))?;
        Ok(found)
    }

    /// The value of a record.
    pub(crate) fn value(&mut self, at: u64, head: &Head) -> Result<&[u8]> {
        let from = at.saturating_add(head.value_range().start);
        self.bytes(from, head.value_len())
    }

    /// The blocks of a wide value whose sums do not hold, as ranges of the value, with
    /// what is wrong.
    pub(crate) fn damaged_blocks(
        &mut self,
        at: u64,
        head: &Head,
    ) -> Result<Vec<(Range<u64>, Defect)>> {
        let mut found = Vec::new();
        let looked = self.window.damaged_blocks(at, head, &mut |span, defect| {
            found.push((span, defect));
            ControlFlow::Continue(())
        });
        looked.map_err(Error::io("read", self.log.path()))?;
        Ok(found)
    }
}

/// Makes one with the hole before them of frames that were never committed: what a crash
/// left, which the header of a SPACE frame hid that is damaged now. Their seqnos come again.
fn drop_garbage(found: &mut Vec<Stretch>) {
    let mut next = u64::MAX;
    let mut kept: Vec<Stretch> = Vec::with_capacity(found.len());
    for stretch in found.drain(..).rev() {
        let garbage = match &stretch.what {
            What::Frame(header) => {
                let garbage = header.seqno >= next;
                if header.kind == FrameKind::Batch {
                    next = next.min(header.seqno);
                }
                garbage
            }
            What::Hole { .. } => false,
        };
        if !garbage {
            kept.push(stretch);
        }
    }
    kept.reverse();
    // What was dropped belongs to the hole before it.
    let starts: Vec<u64> = kept.iter().skip(1).map(|stretch| stretch.at).collect();
    for (stretch, next) in kept.iter_mut().zip(starts) {
        if matches!(stretch.what, What::Hole { .. }) {
            stretch.end = next;
        }
    }
    *found = kept;
}

/// Says of each hole whether entries may have been in it: of batches between the seqnos
/// around it, or of what compaction copied, which comes before the first.
fn mark_holes(found: &mut [Stretch], (before_first, last): (u64, u64)) {
    let mut after = Vec::with_capacity(found.len());
    let mut next = last.saturating_add(1);
    let mut copied = false;
    for stretch in found.iter().rev() {
        after.push((next, copied));
        if let What::Frame(header) = &stretch.what {
            // What takes no seqno carries that of the batch before it.
            next = match header.kind {
                FrameKind::Batch => header.seqno,
                _ => header.seqno.saturating_add(1),
            };
            copied |= header.kind == FrameKind::Copy;
        }
    }
    let (mut before, mut is_start) = (before_first, true);
    for (stretch, (next, copied)) in found.iter_mut().zip(after.into_iter().rev()) {
        match &mut stretch.what {
            What::Frame(header) => {
                before = before.max(header.seqno);
                is_start &= header.kind == FrameKind::Copy;
            }
            What::Hole { data, .. } => {
                *data = next.saturating_sub(before) > 1 || copied || (is_start && before_first > 0);
            }
        }
    }
}

impl Surveyed {
    /// The tip that a reader of the log has.
    pub(crate) fn tip(&self) -> Tip {
        Tip {
            end: self.end,
            seqno: self.seqno,
            frame_sum: 0,
        }
    }
}
