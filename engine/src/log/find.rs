//! From a key to a record.

use std::cmp::Ordering;

use super::{Located, Log};
use crate::error::{Error, Result};
use crate::format::record::RecordKind;
use crate::format::{Defect, UNIT, offset, record};
use crate::index::{ATTENTION, Checked, Fault, Hash, PartitionIndex, Pinned, Records};
use crate::options::Verify;
use crate::storage::{Bytes, Lender, Lent};

/// The records of a log, and the key that is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyed<'l, 'k> {
    log: &'l Log,
    key: &'k [u8],
    lender: Lender<'l>,
    /// Whether no record has the key, and none needs to be looked at.
    fresh: bool,
}

impl<'l> Keyed<'l, '_> {
    /// For a key that is known not to be there, if `fresh`.
    pub(crate) fn fresh(self, fresh: bool) -> Self {
        Self { fresh, ..self }
    }

    /// [`Log::lend_plain`].
    #[inline(always)]
    pub(crate) fn lend_plain(&self, place: u64, end: u64) -> Option<&'l [u8]> {
        self.log.lend_plain(self.lender, place, end)
    }
}

impl Records for Keyed<'_, '_> {
    type Error = Error;

    fn key(&self) -> &[u8] {
        self.key
    }

    fn fault(&self, fault: Fault) -> Error {
        self.log.fault(fault)
    }

    #[inline(always)]
    fn has_key(&self, place: u64) -> bool {
        !self.fresh && self.log.record_has_key(self.lender, place, self.key)
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

/// Whether the record at `place` has `key`; `None` if it is not lent.
#[inline(always)]
fn has_key(lender: Lender<'_>, place: u64, key: &[u8]) -> Option<bool> {
    // A place from a slot has 48 bits.
    let at = place.wrapping_mul(UNIT);
    let head = lender.get(at, record::HEAD_LEN)?;
    let Some(start) = record::key_at_if(head, key.len()) else {
        return Some(false);
    };
    let found = lender.get(at.wrapping_add(start), key.len() as u64);
    Some(found.is_some_and(|found| record::is_same(found, key)))
}

/// The records of a log, for a walk of someone who compares them with their sums.
#[derive(Clone, Copy)]
pub(super) struct Uncompared<'a>(pub(super) &'a Log);

impl Records for Uncompared<'_> {
    type Error = Error;

    const COMPARED: bool = false;

    fn key(&self) -> &[u8] {
        &[]
    }

    fn fault(&self, fault: Fault) -> Error {
        self.0.fault(fault)
    }

    fn has_key(&self, _place: u64) -> bool {
        false
    }

    fn check(&self, place: u64) -> Result<Checked> {
        self.0.keyed(&[]).check(place)
    }

    fn compare(&self, _place: u64) -> Result<Ordering> {
        Ok(Ordering::Equal)
    }
}

/// The records of a log, of which each will do.
#[derive(Clone, Copy)]
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

    /// What lends the records that are committed by now; nothing if reads copy.
    #[inline(always)]
    pub(crate) fn lender(&self) -> Lender<'_> {
        let newest = self.regions.as_ref().and_then(|regions| regions.newest());
        newest.map_or(Lender::EMPTY, |region| region.lender())
    }

    /// What [`Log::lender`] lends by now, kept; `None` if reads copy.
    pub(crate) fn lent_by_now(&self) -> Option<Lent> {
        let newest = self.regions.as_ref().and_then(|regions| regions.newest());
        newest.map(Lent::by)
    }

    /// Whether the record at `place` has `key`. Reads no more than it needs: this is on
    /// the path of every lookup. A place that cannot be read counts as a hit: whoever
    /// reads the record then says what is wrong.
    #[inline(always)]
    pub(crate) fn record_has_key(&self, lender: Lender<'_>, place: u64, key: &[u8]) -> bool {
        match has_key(lender, place, key) {
            Some(same) => same,
            None => self.has_key_elsewhere(place, key),
        }
    }

    /// For a record that was committed after the lender was made, or that has to be copied.
    #[cold]
    #[inline(never)]
    fn has_key_elsewhere(&self, place: u64, key: &[u8]) -> bool {
        match has_key(self.lender(), place, key) {
            Some(same) => same,
            None if self.regions.is_some() => true,
            None => self
                .head_and_key(offset(place))
                .map_or(true, |(_, found)| found == key),
        }
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
        records: &Keyed<'_, '_>,
        end: u64,
    ) -> Result<u64> {
        let place = pinned.find(hash, end, records);
        if place & ATTENTION == 0 {
            return Ok(place);
        }
        self.find_checked(pinned, hash, records.key, end)
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
    pub(crate) fn keyed<'l, 'k>(&'l self, key: &'k [u8]) -> Keyed<'l, 'k> {
        self.keyed_in(self.lender(), key)
    }

    /// As [`Log::keyed`], of records that `lender` lends.
    #[inline(always)]
    pub(crate) fn keyed_in<'l, 'k>(&'l self, lender: Lender<'l>, key: &'k [u8]) -> Keyed<'l, 'k> {
        Keyed {
            log: self,
            key,
            lender,
            fresh: false,
        }
    }

    /// Where the value of the record at `place` lies in the file, and its length, if it is
    /// a plain value that needs no verifying and that a reader with `end` sees. `None` says nothing:
    /// then [`Log::seen`].
    ///
    /// Kept apart so that the usual lookup calls nothing: what calls nothing stays in
    /// registers, and the processor overlaps the cache misses of lookups that follow
    /// each other.
    #[inline(always)]
    fn plain(&self, lender: Lender<'_>, place: u64, end: u64) -> Option<(u64, u64)> {
        if place >= end || self.verify == Verify::Always {
            return None;
        }
        let at = place.wrapping_mul(UNIT);
        let head = lender.get(at, record::HEAD_LEN)?;
        let (start, len) = record::plain_value(head, at)?;
        Some((at.wrapping_add(start), len))
    }

    /// [`Log::plain`], borrowed.
    #[inline(always)]
    pub(crate) fn lend_plain<'a>(
        &self,
        lender: Lender<'a>,
        place: u64,
        end: u64,
    ) -> Option<&'a [u8]> {
        let (at, len) = self.plain(lender, place, end)?;
        lender.get(at, len)
    }

    /// Key and value of the record at `place`, as [`Log::lend_plain`].
    #[inline(always)]
    pub(crate) fn lend_plain_record<'a>(
        &self,
        lender: Lender<'a>,
        place: u64,
        end: u64,
    ) -> Option<(&'a [u8], &'a [u8])> {
        let (value_at, value_len) = self.plain(lender, place, end)?;
        let at = place.wrapping_mul(UNIT);
        let record = lender.get(at, value_at.wrapping_add(value_len).wrapping_sub(at))?;
        let value = record.get(value_at.wrapping_sub(at) as usize..)?;
        Some((record::plain_key(record)?, value))
    }

    /// [`Log::plain`], with a reference that keeps it.
    #[inline(always)]
    pub(crate) fn plain_bytes(&self, place: u64, end: u64) -> Option<Bytes> {
        let region = self.regions.as_ref()?.newest()?;
        let (at, len) = self.plain(region.lender(), place, end)?;
        region.range_of(at..at.saturating_add(len))
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
            if !self.record_has_key(self.lender(), previous, key) {
                return Err(self.dangling(offset(previous)));
            }
            // The index leads to newer ones alone, and compared those.
            self.check_unless_trusted(previous)?;
            version = self.locate(previous)?;
        }
        Ok(Some(version))
    }
}
