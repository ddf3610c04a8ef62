//! Comparing records with their sums, and their padding with zero, by a window over the file.

use std::io;
use std::ops::{ControlFlow, Range};

use super::window::Window;
use crate::format::Defect;
use crate::format::record::{self, Head};

/// Is given a range that does not hold and why, and says whether to go on.
type Each<'a> = &'a mut dyn FnMut(Range<u64>, Defect) -> ControlFlow<()>;

impl Window<'_> {
    /// Gives `each` the blocks of the wide value of the record at `at` that do not have
    /// their sums, as ranges of the value.
    pub(super) fn damaged_blocks(
        &mut self,
        at: u64,
        head: &Head,
        each: Each<'_>,
    ) -> io::Result<()> {
        let table = head.table_range().unwrap_or_default();
        // At once: a step back for each block would read the window anew.
        let sums = self.part(at, table)?.to_vec();
        let value = head.value_range().start;
        for (block, stored) in (0..).zip(sums.as_chunks::<8>().0) {
            let stored = u64::from_le_bytes(*stored);
            let span = record::block_range(head.value_len(), block);
            let within = value.saturating_add(span.start)..value.saturating_add(span.end);
            let computed = record::value_hash(self.part(at, within)?);
            if computed == stored {
                continue;
            }
            let what = "a block of a value";
            let defect = Defect::Checksum {
                what,
                stored,
                computed,
            };
            if each(span, defect).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Gives `each` the padding of the record at `at` that is not zero, as ranges of the
    /// file. No sum holds it.
    pub(super) fn damaged_padding(
        &mut self,
        at: u64,
        head: &Head,
        each: Each<'_>,
    ) -> io::Result<()> {
        let table = head.table_range().unwrap_or_default();
        let value = head.value_range();
        for gap in [
            head.key_range().end..table.start,
            table.end..value.start,
            value.end..head.end(),
        ] {
            let bytes = self.part(at, gap.clone())?;
            if let Some(&found) = bytes.iter().find(|&&byte| byte != 0) {
                let defect = Defect::Field {
                    what: "the padding of a record",
                    found: found.into(),
                    expected: "0",
                };
                let gap = at.saturating_add(gap.start)..at.saturating_add(gap.end);
                if each(gap, defect).is_break() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// A part of the record at `at`, or what the file has of it.
    fn part(&mut self, at: u64, range: Range<u64>) -> io::Result<&[u8]> {
        let len = range.end.saturating_sub(range.start);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.get(at.saturating_add(range.start), len)
    }
}
