//! Which blocks of a table in the file were compared with their sums.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::{Fault, Records, place_of};
use crate::format::record::{block_count, block_range, value_hash};
use crate::format::segment::SegmentHead;
use crate::format::{BLOCK, Defect};
use crate::storage::Bytes;

/// The value of a record of the index, compared block by block as it is touched.
#[derive(Debug)]
pub(crate) struct Blocks {
    value: Bytes,
    /// The sums of the blocks; none: everything was compared.
    sums: Option<Bytes>,
    /// Offset of the value in the file.
    at: u64,
    /// One bit a block.
    checked: Box<[AtomicU64]>,
    /// Blocks that were not compared yet.
    left: AtomicUsize,
    /// Whether none is left.
    all: AtomicBool,
}

impl Blocks {
    /// The value at offset `at` with the sums of its blocks, none of them compared yet.
    /// `None`: there is nothing to compare.
    pub(crate) fn new(value: Bytes, sums: Option<Bytes>, at: u64) -> Self {
        let count = match &sums {
            Some(_) => block_count(value.len() as u64) as usize,
            None => 0,
        };
        Self {
            value,
            at,
            checked: (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            left: AtomicUsize::new(count),
            all: AtomicBool::new(sums.is_none()),
            sums,
        }
    }

    /// The bytes.
    pub(super) fn value(&self) -> &Bytes {
        &self.value
    }

    /// Compares the record that a word, at byte `at` of the segment with this head, leads
    /// to with its sum and with the word.
    pub(super) fn check_behind<R: Records>(
        &self,
        (word, at): (u64, u64),
        head: &SegmentHead,
        records: &R,
    ) -> Result<(), R::Error> {
        let behind = records.check(place_of(word))?;
        let fits = behind.fits(word, head.partition, self.at.saturating_add(at));
        fits.map_err(|fault| records.fault(fault))
    }

    /// The block that byte `at` of the value is in.
    #[inline(always)]
    fn block_of(&self, at: u64) -> u64 {
        // The last block is longer: what lies behind its first 64 KiB is in it as well.
        (at / BLOCK).min(block_count(self.value.len() as u64).saturating_sub(1))
    }

    /// Whether the block with byte `at` of the value was compared.
    #[inline(always)]
    pub(super) fn is_checked(&self, at: u64) -> bool {
        if self.all.load(Ordering::Relaxed) {
            return true;
        }
        let block = self.block_of(at);
        let word = self.checked.get((block / 64) as usize);
        word.is_some_and(|word| word.load(Ordering::Relaxed) >> (block % 64) & 1 == 1)
    }

    /// Compares the block with byte `at` of the value, unless it was.
    #[inline]
    pub(super) fn check(&self, at: u64) -> Result<(), Fault> {
        if self.is_checked(at) {
            return Ok(());
        }
        self.compare(self.block_of(at))
    }

    /// Compares every block that was not.
    pub(super) fn check_all(&self) -> Result<(), Fault> {
        self.check_to(self.value.len() as u64)
    }

    /// Compares every block with bytes before `end` of the value that was not.
    pub(super) fn check_to(&self, end: u64) -> Result<(), Fault> {
        let blocks = self.block_of(end.saturating_sub(1)).saturating_add(1);
        (0..blocks).try_for_each(|block| self.check(block.saturating_mul(BLOCK)))
    }

    #[cold]
    fn compare(&self, block: u64) -> Result<(), Fault> {
        let span = block_range(self.value.len() as u64, block);
        let bytes = self
            .value
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default();
        let sums = self.sums.as_deref().unwrap_or_default();
        let stored = sums
            .get(block as usize * 8..)
            .and_then(|sums| sums.first_chunk())
            .map_or(0, |sum| u64::from_le_bytes(*sum));
        let computed = value_hash(bytes);
        if stored != computed {
            return Err(Fault {
                at: self.at.saturating_add(span.start),
                defect: Defect::Checksum {
                    what: "a block of the index",
                    stored,
                    computed,
                },
            });
        }
        if let Some(word) = self.checked.get((block / 64) as usize) {
            let bit = 1 << (block % 64);
            let before = word.fetch_or(bit, Ordering::Relaxed);
            if before & bit == 0 && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.all.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}
