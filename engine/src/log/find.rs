//! From a key to a record.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use super::{Located, Log};
use crate::error::{Error, Result};
use crate::format::record::RecordKind;
use crate::format::{Defect, offset, record};
use crate::index::{ATTENTION, Checked, Fault, Hash, PartitionIndex, Pinned, Records};
use crate::options::Verify;
use crate::storage::{Bytes, Region};

/// The records of a log, and the key that is looked for.
#[derive(Debug)]
pub(crate) struct Keyed<'a> {
    log: &'a Log,
    key: &'a [u8],
    /// Whether no record has the key, and none needs to be looked at.
    fresh: bool,
}

impl Keyed<'_> {
    /// For a key that is known not to be there, if `fresh`.
    pub(crate) fn fresh(self, fresh: bool) -> Self {
        Self { fresh, ..self }
    }
}

impl Records for Keyed<'_> {
    type Error = Error;

    fn key(&self) -> &[u8] {
        self.key
    }

    fn fault(&self, fault: Fault) -> Error {
        self.log.fault(fault)
    }

    #[inline(always)]
    fn has_key(&self, place: u64) -> bool {
        !self.fresh && self.log.record_has_key(place, self.key)
    }

    fn check(&self, place: u64) -> Result<Checked> {
        self.log.check(place)?;
        let (head, key) = self.log.head_and_key(offset(place))?;
        if !(head.kind.is_data() || head.kind == RecordKind::Root) {
            let defect = Defect::Field {
                what: "the kind of a record that the index leads to",
                found: head.kind as u64,
                expected: "1 (put), 2 (tombstone), 3 (entry) or 6 (root)",
            };
            return Err(self.log.corrupt(offset(place), defect));
        }
        Ok(Checked {
            hash: Hash(record::key_hash(&key, self.log.identity.seed)),
            partition: head.partition,
        })
    }

    fn compare(&self, place: u64) -> Result<Ordering> {
        let (_, key) = self.log.head_and_key(offset(place))?;
        Ok(self.key.cmp(&key))
    }
}

/// The records of a log, of which each will do.
struct Candidates<'a>(&'a Log);

impl Records for Candidates<'_> {
    type Error = Error;

    fn fault(&self, fault: Fault) -> Error {
        self.0.fault(fault)
    }

    #[inline(always)]
    fn has_key(&self, _place: u64) -> bool {
        true
    }

    fn key(&self) -> &[u8] {
        &[]
    }

    fn check(&self, place: u64) -> Result<Checked> {
        self.0.keyed(&[]).check(place)
    }

    fn compare(&self, _place: u64) -> Result<Ordering> {
        Ok(Ordering::Equal)
    }
}

impl Log {
    /// What is wrong in a table of the index, as an error.
    #[cold]
    pub(crate) fn fault(&self, fault: Fault) -> Error {
        self.corrupt(fault.at, fault.defect)
    }

    /// Whether the record at `place` has `key`. Reads no more than it needs: this is on
    /// the path of every lookup. A place that cannot be read counts as a hit: whoever
    /// reads the record then says what is wrong.
    #[inline(always)]
    pub(crate) fn record_has_key(&self, place: u64, key: &[u8]) -> bool {
        let Some(regions) = &self.regions else {
            return self.has_key_copied(place, key);
        };
        let at = offset(place);
        let Some((region, head)) = regions.newest().and_then(|region| {
            Some((region, region.get(at..at.saturating_add(record::HEAD_LEN))?))
        }) else {
            return true;
        };
        let Some(range) = record::key_range_if(head, key.len()) else {
            return false;
        };
        let range = at.wrapping_add(range.start as u64)..at.wrapping_add(range.end as u64);
        region.get(range) == Some(key)
    }

    #[cold]
    fn has_key_copied(&self, place: u64, key: &[u8]) -> bool {
        self.head_and_key(offset(place))
            .map_or(true, |(_, found)| found == key)
    }

    /// The version of `key` that a reader with `end` (a place) sees; a tombstone too.
    #[inline(always)]
    pub(crate) fn find(
        &self,
        index: &PartitionIndex,
        hash: Hash,
        key: &[u8],
        end: u64,
    ) -> Result<Option<Located>> {
        self.seen(self.find_newest(index, hash, key, end)?, key, end)
    }

    /// The place of the newest version of `key`, 0 = none.
    #[inline(always)]
    pub(crate) fn find_newest(
        &self,
        index: &PartitionIndex,
        hash: Hash,
        key: &[u8],
        end: u64,
    ) -> Result<u64> {
        let place = index.find(hash, end, &self.keyed(key));
        if place & ATTENTION == 0 {
            return Ok(place);
        }
        self.find_checked(&index.newest(), hash, key, end)
    }

    /// As [`Log::find_newest`], in segments that were pinned.
    #[inline(always)]
    pub(crate) fn find_place(
        &self,
        pinned: &Pinned,
        hash: Hash,
        key: &[u8],
        end: u64,
    ) -> Result<u64> {
        let place = pinned.find(hash, end, &self.keyed(key));
        if place & ATTENTION == 0 {
            return Ok(place);
        }
        self.find_checked(pinned, hash, key, end)
    }

    #[cold]
    #[inline(never)]
    fn find_checked(&self, pinned: &Pinned, hash: Hash, key: &[u8], end: u64) -> Result<u64> {
        pinned.find_checked(hash, end, &self.keyed(key))
    }

    /// The place of the first record that `hash` leads to, whatever its key; 0 = none.
    #[inline(always)]
    pub(crate) fn candidate(&self, pinned: &Pinned, hash: Hash, end: u64) -> u64 {
        pinned.find(hash, end, &Candidates(self))
    }

    /// The records of this log, for a lookup of `key`.
    #[inline(always)]
    pub(crate) fn keyed<'a>(&'a self, key: &'a [u8]) -> Keyed<'a> {
        Keyed {
            log: self,
            key,
            fresh: false,
        }
    }

    /// Where the value of the record at `place` lies in the file, if it is a plain value
    /// that needs no verifying and that a reader with `end` sees. `None` says nothing:
    /// then [`Log::seen`].
    ///
    /// Kept apart so that the usual lookup calls nothing: what calls nothing stays in
    /// registers, and the processor overlaps the cache misses of lookups that follow
    /// each other.
    #[inline(always)]
    fn plain(&self, place: u64, end: u64) -> Option<(&Arc<Region>, Range<u64>)> {
        if place >= end || self.verify == Verify::Always {
            return None;
        }
        let at = offset(place);
        let region = self.regions.as_ref()?.newest()?;
        let head = region.get(at..at.saturating_add(record::HEAD_LEN))?;
        let range = record::plain_value(head, at)?;
        Some((
            region,
            at.wrapping_add(range.start as u64)..at.wrapping_add(range.end as u64),
        ))
    }

    /// [`Log::plain`], borrowed.
    #[inline(always)]
    pub(crate) fn lend_plain(&self, place: u64, end: u64) -> Option<&[u8]> {
        let (region, range) = self.plain(place, end)?;
        region.get(range)
    }

    /// [`Log::plain`], with a reference that keeps it.
    #[inline(always)]
    pub(crate) fn plain_bytes(&self, place: u64, end: u64) -> Option<Bytes> {
        let (region, range) = self.plain(place, end)?;
        region.range_of(range)
    }

    /// The newest version, from that at `place` (0 = none) back, that a reader with `end`
    /// sees.
    #[inline(always)]
    pub(crate) fn seen(&self, place: u64, key: &[u8], end: u64) -> Result<Option<Located>> {
        if place == 0 {
            return Ok(None);
        }
        let newest = self.locate(place)?;
        if place >= end {
            return self.older(newest, key, end);
        }
        Ok(Some(newest))
    }

    #[cold]
    fn older(&self, newest: Located, key: &[u8], end: u64) -> Result<Option<Located>> {
        let mut version = newest;
        while version.place() >= end {
            let previous = version.head.previous;
            // Versions lead backwards, so that damage cannot make a circle.
            if previous == 0 || previous >= version.place() {
                return Ok(None);
            }
            if !self.record_has_key(previous, key) {
                return Err(self.dangling(offset(previous)));
            }
            // The index leads to newer ones alone, and compared those.
            self.check_unless_trusted(previous)?;
            version = self.locate(previous)?;
        }
        Ok(Some(version))
    }
}
