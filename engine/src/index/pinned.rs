//! The segments of a partition at one moment, for readers and for the writer.

use std::sync::Arc;

use super::partition::Segments;
use super::{ATTENTION, Hash, Records, Window};

/// The segments at one moment: what is inserted into them later leads back, by the
/// places of previous versions, to what was there.
#[derive(Clone, Debug)]
pub(crate) struct Pinned(pub(super) Arc<Segments>);

/// A position in log order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor(usize);

impl Pinned {
    /// The place of the key with `hash`, 0 = none. The place may be at or beyond `end`, the end (a place) of what
    /// the caller sees; then the record there leads to the version to use. With
    /// [`ATTENTION`] the answer is that of [`Self::find_checked`].
    #[inline(always)]
    pub(crate) fn find<R: Records>(&self, hash: Hash, end: u64, records: &R) -> u64 {
        self.0.find(hash, end, records)
    }

    /// As [`Self::find`], with everything that needs attention.
    #[cold]
    pub(crate) fn find_checked<R: Records>(
        &self,
        hash: Hash,
        end: u64,
        records: &R,
    ) -> Result<u64, R::Error> {
        for segment in &self.0.mapped {
            let place = segment.find_checked(hash, end, records)?;
            if place != 0 {
                return Ok(place);
            }
        }
        let place = self.0.growing.find_checked(hash, records);
        Ok(match &self.0.frozen {
            Some(frozen) if place == 0 => frozen.find_seen_checked(hash, end, records),
            _ => place,
        })
    }

    /// As [`Self::find`], for the one writer, who sees everything.
    #[inline(always)]
    pub(crate) fn find_for_writer<R: Records>(
        &self,
        hash: Hash,
        records: &R,
    ) -> Result<u64, R::Error> {
        for segment in &self.0.mapped {
            let place = segment.find(hash, u64::MAX, records);
            if place & ATTENTION != 0 {
                return self.find_checked(hash, u64::MAX, records);
            }
            if place != 0 {
                return Ok(place);
            }
        }
        let place = self.0.growing.find_for_writer(hash, records);
        Ok(match &self.0.frozen {
            Some(frozen) if place == 0 => frozen.find_seen_checked(hash, u64::MAX, records),
            _ => place,
        })
    }

    /// Starts to load what [`Self::find`] and [`PartitionIndex::insert`] will need.
    #[inline]
    pub(crate) fn prefetch(&self, hash: Hash) {
        for segment in &self.0.mapped {
            segment.prefetch(hash);
        }
        if self.0.growing.len() != 0 {
            self.0.growing.prefetch(hash);
        }
    }

    /// Gives `window` the next places in log order that a reader with `end` sees; none at
    /// the end. After an error the walk goes on behind what was damaged.
    pub(crate) fn next<R: Records>(
        &self,
        cursor: &mut Cursor,
        end: u64,
        records: &R,
        window: &mut Window,
    ) -> Result<(), R::Error> {
        let mut before = 0;
        for segment in &self.0.mapped {
            let after = before + segment.len();
            if cursor.0 < after && !window.is_full() {
                let mut ordinal = cursor.0 - before;
                let walked = segment.walk(&mut ordinal, end, records, window);
                cursor.0 = before + ordinal;
                walked?;
                if cursor.0 < after {
                    return Ok(());
                }
            }
            before = after;
        }
        for table in self.0.tables() {
            let after = before + table.len();
            while cursor.0 < after && !window.is_full() {
                if let Some(place) = table.visible(cursor.0 - before, end) {
                    window.push(place);
                }
                cursor.0 += 1;
            }
            before = after;
        }
        Ok(())
    }

    /// Number of entries that a reader with `end` sees.
    pub(crate) fn count<R: Records>(&self, end: u64, records: &R) -> Result<u64, R::Error> {
        let mut count = 0u64;
        for segment in &self.0.mapped {
            let seen = segment.seen_count(end);
            count += seen.map_err(|fault| records.fault(fault))? as u64;
        }
        Ok(count
            + self
                .0
                .tables()
                .map(|table| table.seen_count(end) as u64)
                .sum::<u64>())
    }

    /// The place of the entry number `nth` in log order of those that a reader with `end`
    /// sees; its record was compared with its sum.
    pub(crate) fn nth<R: Records>(
        &self,
        nth: u64,
        end: u64,
        records: &R,
    ) -> Result<Option<u64>, R::Error> {
        let fault = |fault| records.fault(fault);
        let Ok(mut nth) = usize::try_from(nth) else {
            return Ok(None);
        };
        for segment in &self.0.mapped {
            if let Some(ordinal) = segment.select(nth, end).map_err(fault)? {
                return segment.compared(ordinal, records).map(Some);
            }
            nth -= segment.seen_count(end).map_err(fault)?.min(nth);
        }
        for table in self.0.tables() {
            match table.select(nth, end) {
                Ok(place) => return Ok(Some(place)),
                Err(seen) => nth -= seen.min(nth),
            }
        }
        Ok(None)
    }
}
