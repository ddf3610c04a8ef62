//! Comparing records with their sums.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::atomic::Ordering;

use super::{Located, Log};
use crate::error::{Error, Result};
use crate::format::record;
use crate::format::{BLOCK, Defect};
use crate::options::Verify;

impl Log {
    /// Compares the blocks that hold `range` of the value of a mapped record with their
    /// sums, as the store was asked to.
    pub(crate) fn verify(&self, located: &Located, range: Range<u64>) -> Result<()> {
        let always = self.verify == Verify::Always;
        // The sums of records that are not wide were compared when they were replayed,
        // or made here.
        if self.verify == Verify::Never || !(located.head.wide || always) {
            return Ok(());
        }
        match self.lent(located.value()) {
            Some(value) => self.check_bytes(located, range, value?, always),
            // Reads that copy compare what they copied.
            None => Ok(()),
        }
    }

    /// As [`Self::verify`], of a value that is at hand: what was copied out of a damaged log
    /// is compared where it is used.
    #[inline]
    pub(crate) fn verify_kept(
        &self,
        located: &Located,
        range: Range<u64>,
        value: &[u8],
    ) -> Result<()> {
        match self.is_tolerant() && located.head.wide {
            true => self.check_bytes(located, range, value, true),
            false => self.verify(located, range),
        }
    }

    /// Compares the record at `place` with its sum; of a wide one what stands before its
    /// value, whose blocks are compared at first touch.
    pub(crate) fn check(&self, place: u64) -> Result<()> {
        self.meter.records_compared.add(1);
        let located = self.locate(place)?;
        if located.head.wide {
            return self.check_head(&located);
        }
        let value = self.bytes(&located)?;
        self.check_bytes(&located, 0..0, &value, true)
    }

    /// Compares a record with its sum, and its value with `sums` that were made of it: one,
    /// or one for each block.
    pub(crate) fn check_sums(&self, located: &Located, sums: &[u64]) -> Result<()> {
        let head = &located.head;
        if !head.wide {
            let bytes = self.part(located, 8..head.hashed_end())?;
            let computed = record::head_hash(&bytes, self.identity.seed, located.at)
                .wrapping_add(sums.first().copied().unwrap_or_default());
            return self.compare(located.at, "a record", head.sum, computed);
        }
        self.check_head(located)?;
        let table = self.part(located, head.table_range().unwrap_or_default())?;
        let stored = table.as_chunks::<8>().0;
        for (block, (stored, &computed)) in (0..).zip(stored.iter().zip(sums)) {
            let span = record::block_range(head.value_len(), block);
            let at = located.value().start.saturating_add(span.start);
            let stored = u64::from_le_bytes(*stored);
            self.compare(at, "a block of a value", stored, computed)?;
        }
        Ok(())
    }

    /// [`Self::check`], unless the store was asked to compare nothing.
    pub(crate) fn check_unless_trusted(&self, place: u64) -> Result<()> {
        match self.verify {
            Verify::Never => Ok(()),
            Verify::First | Verify::Always => self.check(place),
        }
    }

    /// Compares the sum of a wide record with what stands before its value.
    pub(super) fn check_head(&self, located: &Located) -> Result<()> {
        let bytes = self.part(located, 8..located.head.hashed_end())?;
        let computed = record::head_hash(&bytes, self.identity.seed, located.at);
        self.compare(located.at, "a record", located.head.sum, computed)
    }

    pub(super) fn check_bytes(
        &self,
        located: &Located,
        range: Range<u64>,
        value: &[u8],
        always: bool,
    ) -> Result<()> {
        let head = &located.head;
        let hashed = 8..head.hashed_end();
        if !head.wide {
            let bytes = self.part(located, hashed)?;
            let computed = record::head_hash(&bytes, self.identity.seed, located.at)
                .wrapping_add(record::value_hash(value));
            return self.compare(located.at, "a record", head.sum, computed);
        }
        let last = record::block_count(value.len() as u64).saturating_sub(1);
        let table = head.table_range().unwrap_or_default();
        // The last block is longer: what lies behind its first 64 KiB is in it as well.
        let block_of = |at: u64| (at / BLOCK).min(last);
        let blocks = block_of(range.start)..=block_of(range.end.saturating_sub(1));
        for block in blocks {
            let span = record::block_range(value.len() as u64, block);
            let at = located.value().start.saturating_add(span.start);
            // A bit stands for 64 KiB of the file, where several blocks may start if they
            // are shorter: these are compared each time.
            let remembered = value.len() as u64 >= BLOCK;
            if !always && remembered && self.verified.contains(at) {
                continue;
            }
            let sum_at = table.start.saturating_add(block.saturating_mul(8));
            let stored = self.part(located, sum_at..sum_at.saturating_add(8))?;
            let stored = u64::from_le_bytes((*stored).try_into().unwrap_or_default());
            let bytes = value
                .get(span.start as usize..span.end as usize)
                .unwrap_or_default();
            self.compare(at, "a block of a value", stored, record::value_hash(bytes))?;
            if remembered {
                self.verified.insert(at);
            }
            // Once a block; what is compared at every read is not counted, since readers
            // share no counter.
            if remembered && !always {
                self.meter.blocks_compared.add(1);
            }
        }
        Ok(())
    }

    /// A part of a record, borrowed where reads lend.
    fn part(&self, located: &Located, range: Range<u64>) -> Result<Cow<'_, [u8]>> {
        let range = located.within(range);
        // Before memory is taken: the length is from the file.
        if range.end > self.limit.load(Ordering::Acquire) {
            return Err(self.torn(located.at, "a record", located.head.end(), 0));
        }
        if let Some(lent) = self.lent(range.clone()) {
            return lent.map(Cow::from);
        }
        let len = range.end.saturating_sub(range.start) as usize;
        let mut out = vec![0; len];
        let n = self.storage.read_at(&mut out, range.start);
        let n = n.map_err(Error::io("read", &self.path))?;
        if n < len {
            return Err(self.torn(range.start, "a record", len as u64, n));
        }
        Ok(out.into())
    }

    fn compare(&self, at: u64, what: &'static str, stored: u64, computed: u64) -> Result<()> {
        if stored == computed {
            return Ok(());
        }
        Err(self.corrupt(
            at,
            Defect::Checksum {
                what,
                stored,
                computed,
            },
        ))
    }
}
