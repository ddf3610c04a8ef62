//! Reading the blocks of a large value one by one, where reads copy.

use std::sync::atomic::Ordering;

use super::{Located, Log};
use crate::error::{Error, Result};
use crate::format::{BLOCK, Defect, record};
use crate::options::Verify;

impl Log {
    /// The number of the block that holds byte `at` of a value of `len` bytes.
    pub(crate) fn block_of(len: u64, at: u64) -> u64 {
        // The last block is longer: what lies behind its first 64 KiB is in it as well.
        (at / BLOCK).min(record::block_count(len).saturating_sub(1))
    }

    /// Reads block `number` of the value of a wide record into `block`, by a call of the
    /// system, and compares it with its sum unless the store was asked not to.
    pub(crate) fn read_block(
        &self,
        located: &Located,
        number: u64,
        block: &mut Vec<u8>,
    ) -> Result<()> {
        let head = &located.head;
        let span = record::block_range(head.value_len(), number);
        let at = located
            .at
            .saturating_add(head.value_range().start)
            .saturating_add(span.start);
        let len = span.end.saturating_sub(span.start);
        if at.saturating_add(len) > self.limit.load(Ordering::Acquire) {
            return Err(self.short(at, len, 0));
        }
        block.clear();
        block.resize(len as usize, 0);
        self.read_all(block, at)?;
        if self.verify == Verify::Never {
            return Ok(());
        }
        let table = head.table_range().unwrap_or_default().start;
        let mut stored = [0; 8];
        let sum_at = table.saturating_add(number.saturating_mul(8));
        self.read_all(&mut stored, located.at.saturating_add(sum_at))?;
        let (stored, computed) = (u64::from_le_bytes(stored), record::value_hash(block));
        if stored == computed {
            return Ok(());
        }
        let what = "a block of a value";
        Err(self.corrupt(
            at,
            Defect::Checksum {
                what,
                stored,
                computed,
            },
        ))
    }

    fn read_all(&self, out: &mut [u8], at: u64) -> Result<()> {
        let n = self.storage.read_at(out, at);
        let n = n.map_err(Error::io("read", &self.path))?;
        if n < out.len() {
            return Err(self.short(at, out.len() as u64, n as u64));
        }
        Ok(())
    }

    fn short(&self, at: u64, need: u64, have: u64) -> Error {
        let what = "a block of a value";
        self.corrupt(at, Defect::Truncated { what, need, have })
    }
}
