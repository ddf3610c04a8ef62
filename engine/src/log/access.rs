//! Reading records at their places.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::Log;
use crate::error::{Error, Result};
use crate::format::record::{self, Head, RecordKind};
use crate::format::{BLOCK, Defect, offset, place};
use crate::index::{Hash, PartitionIndex, Pinned, prefetch};
use crate::options::Verify;
use crate::storage::{Bytes, Region};

/// A record whose key is the one that was looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    /// Offset of the record.
    pub(crate) at: u64,
    pub(crate) head: Head,
}

impl Located {
    /// Place of the record: the version of its entry.
    pub(crate) fn place(&self) -> u64 {
        place(self.at)
    }

    /// Whether there is something at the key.
    pub(crate) fn is_live(&self) -> bool {
        self.head.kind != RecordKind::Tombstone
    }

    /// Where the value lies in the file.
    fn value(&self) -> Range<u64> {
        self.within(self.head.value_range())
    }

    /// A part of the record as a part of the file.
    fn within(&self, range: Range<u64>) -> Range<u64> {
        self.at.saturating_add(range.start)..self.at.saturating_add(range.end)
    }
}

/// Regions of a growing file; the newest lends everything. Older ones stay until
/// the log is dropped: there are few, since each is at least twice as long.
#[derive(Debug)]
pub(super) struct Regions {
    list: [OnceLock<Arc<Region>>; 32],
    newest: AtomicUsize,
}

impl Regions {
    pub(super) fn new(first: Arc<Region>) -> Self {
        let list: [OnceLock<Arc<Region>>; 32] = Default::default();
        if let Some(place) = list.first() {
            let _ = place.set(first);
        }
        Self {
            list,
            newest: AtomicUsize::new(0),
        }
    }

    #[inline]
    pub(super) fn newest(&self) -> Option<&Arc<Region>> {
        self.list.get(self.newest.load(Ordering::Acquire))?.get()
    }

    /// Adds a longer region. Only the writer, or who follows one, calls this.
    fn push(&self, region: Arc<Region>) -> bool {
        let next = self.newest.load(Ordering::Relaxed) + 1;
        let added = self
            .list
            .get(next)
            .is_some_and(|place| place.set(region).is_ok());
        if added {
            self.newest.store(next, Ordering::Release);
        }
        added
    }
}

impl Log {
    /// Makes sure that a region reaches `end`.
    pub(super) fn reach(&self, end: u64) -> Result<()> {
        let Some(regions) = &self.regions else {
            return Ok(());
        };
        if regions.newest().is_some_and(|region| region.end() >= end) {
            return Ok(());
        }
        let region = self.storage.map().map_err(Error::io("map", &self.path))?;
        if region.end() >= end && regions.push(region) {
            return Ok(());
        }
        Err(Error::io("map", &self.path)(
            std::io::ErrorKind::OutOfMemory.into(),
        ))
    }

    /// The bytes from offset `at` to the end of what is written, when mapped.
    #[inline(always)]
    fn mapped(&self, at: u64) -> Option<Result<&[u8]>> {
        let regions = self.regions.as_ref()?;
        // The limit first: the newest region then reaches it.
        let end = self.limit.load(Ordering::Acquire);
        let region = regions.newest()?;
        Some(region.get(at..end).ok_or_else(|| self.dangling(at)))
    }

    #[cold]
    fn dangling(&self, at: u64) -> Error {
        let found = Defect::Field {
            what: "the place of a record",
            found: at,
            expected: "an offset inside the log",
        };
        self.corrupt(at, found)
    }

    #[cold]
    fn torn(&self, at: u64, what: &'static str, need: u64, have: usize) -> Error {
        self.corrupt(
            at,
            Defect::Truncated {
                what,
                need,
                have: have as u64,
            },
        )
    }

    /// Whether the record at `place` has `key`. Reads no more than it needs: this is on
    /// the path of every lookup. A place that cannot be read counts as a hit: whoever
    /// reads the record then says what is wrong.
    #[inline(always)]
    pub(crate) fn record_has_key(&self, place: u64, key: &[u8]) -> bool {
        let Some(regions) = &self.regions else {
            return self.has_key_copied(place, key);
        };
        let end = self.limit.load(Ordering::Acquire);
        let region = regions.newest();
        match region.and_then(|region| region.get(offset(place)..end)) {
            None => true,
            Some(bytes) => record::key_range_if(bytes, key.len())
                .is_some_and(|range| bytes.get(range) == Some(key)),
        }
    }

    /// Starts to load the head and the key of the record at `place`.
    #[inline(always)]
    pub(crate) fn prefetch(&self, place: u64) {
        let end = self.limit.load(Ordering::Acquire);
        let region = self.regions.as_ref().and_then(Regions::newest);
        let bytes = region.and_then(|region| region.get(offset(place)..end));
        // A head and a key of usual length end in the next line, if not in this one.
        for at in [0, 64] {
            if let Some(byte) = bytes.and_then(|bytes| bytes.get(at)) {
                prefetch(byte);
            }
        }
    }

    #[cold]
    fn has_key_copied(&self, place: u64, key: &[u8]) -> bool {
        self.head_and_key(offset(place))
            .map_or(true, |(_, found)| found == key)
    }

    /// The record at `place`.
    #[inline(always)]
    pub(crate) fn locate(&self, place: u64) -> Result<Located> {
        let at = offset(place);
        let Some(bytes) = self.mapped(at) else {
            let (head, _) = self.head_and_key(at)?;
            return Ok(Located { at, head });
        };
        let head = Head::parse(bytes?, at).map_err(|defect| self.corrupt(at, defect))?;
        Ok(Located { at, head })
    }

    /// The head and the key of the record at offset `at`.
    pub(crate) fn head_and_key(&self, at: u64) -> Result<(Head, Vec<u8>)> {
        if let Some(bytes) = self.mapped(at) {
            let bytes = bytes?;
            let head = Head::parse(bytes, at).map_err(|defect| self.corrupt(at, defect))?;
            let range = head.key_range();
            let key = bytes.get(range.start as usize..range.end as usize);
            let key = key.ok_or_else(|| self.torn(at, "a key", range.end, bytes.len()))?;
            return Ok((head, key.to_vec()));
        }
        let mut buffer = vec![0; 512];
        let n = self
            .storage
            .read_at(&mut buffer, at)
            .map_err(Error::io("read", &self.path))?;
        buffer.truncate(n);
        let head = Head::parse(&buffer, at).map_err(|defect| self.corrupt(at, defect))?;
        let range = head.key_range();
        if range.end > n as u64 {
            buffer.resize(range.end as usize, 0);
            let n = self
                .storage
                .read_at(&mut buffer, at)
                .map_err(Error::io("read", &self.path))?;
            if (n as u64) < range.end {
                return Err(self.torn(at, "the key of a record", range.end, n));
            }
        }
        buffer.truncate(range.end as usize);
        Ok((head, buffer.split_off(range.start as usize)))
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
        self.seen(self.find_newest(index, hash, key, end), key, end)
    }

    /// The place of the newest version of `key`, 0 = none.
    #[inline(always)]
    pub(crate) fn find_newest(
        &self,
        index: &PartitionIndex,
        hash: Hash,
        key: &[u8],
        end: u64,
    ) -> u64 {
        index.find(hash, end, |place| self.record_has_key(place, key))
    }

    /// As [`Log::find_newest`], in segments that were pinned.
    #[inline(always)]
    pub(crate) fn find_place(&self, pinned: &Pinned, hash: Hash, key: &[u8], end: u64) -> u64 {
        pinned.find(hash, end, |place| self.record_has_key(place, key))
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
        let bytes = region.get(at..self.limit.load(Ordering::Acquire))?;
        let range = record::plain_value(bytes, at)?;
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
            version = self.locate(previous)?;
        }
        Ok(Some(version))
    }

    /// The value of a record, mapped and verified, borrowed; `None` if reads copy.
    #[inline(always)]
    pub(crate) fn lend(&self, located: &Located) -> Option<Result<&[u8]>> {
        let bytes = match self.mapped(located.at)? {
            Ok(bytes) => bytes,
            Err(error) => return Some(Err(error)),
        };
        let range = located.head.value_range();
        let value = bytes.get(range.start as usize..range.end as usize);
        let Some(value) = value else {
            return Some(Err(self.torn(
                located.at,
                "a value",
                range.end,
                bytes.len(),
            )));
        };
        if (located.head.wide || self.verify == Verify::Always)
            && self.verify != Verify::Never
            && let Err(error) = self.verify(located, 0..value.len() as u64)
        {
            return Some(Err(error));
        }
        Some(Ok(value))
    }

    /// The value of a record with a reference that keeps it; not verified yet, unless
    /// it had to be copied.
    pub(crate) fn bytes(&self, located: &Located) -> Result<Bytes> {
        let range = located.value();
        let need = located.head.end();
        let missing = || self.torn(located.at, "a value", need, 0);
        if let Some(regions) = &self.regions {
            let region = regions.newest().ok_or_else(missing)?;
            return region.range_of(range).ok_or_else(missing);
        }
        if range.end > self.limit.load(Ordering::Acquire) {
            return Err(missing());
        }
        let len = usize::try_from(located.head.value_len()).map_err(|_| missing())?;
        let io = Error::io("read", &self.path);
        let region = Region::copied(range.start, len, |out| {
            match self.storage.read_at(out, range.start)? {
                n if n == len => Ok(()),
                _ => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)),
            }
        });
        let region = Arc::new(region.map_err(io)?);
        let bytes = region.range_of(range).ok_or_else(missing)?;
        if self.verify != Verify::Never {
            self.check_bytes(located, 0..located.head.value_len(), &bytes, true)?;
        }
        Ok(bytes)
    }

    /// The whole value of a record, verified, with a reference that keeps it.
    #[inline]
    pub(crate) fn value(&self, located: &Located) -> Result<Bytes> {
        let bytes = self.bytes(located)?;
        self.verify(located, 0..located.head.value_len())?;
        Ok(bytes)
    }

    /// Compares the blocks that hold `range` of the value of a mapped record with their
    /// sums, as the store was asked to.
    pub(crate) fn verify(&self, located: &Located, range: Range<u64>) -> Result<()> {
        let always = self.verify == Verify::Always;
        // The sums of records that are not wide were compared when they were replayed,
        // or made here.
        if self.verify == Verify::Never || !(located.head.wide || always) {
            return Ok(());
        }
        let (Some(bytes), value) = (self.mapped(located.at), located.head.value_range()) else {
            return Ok(());
        };
        let bytes = bytes?;
        let value = bytes
            .get(value.start as usize..value.end as usize)
            .unwrap_or_default();
        self.check_bytes(located, range, value, always)
    }

    fn check_bytes(
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
            if !always && self.verified.contains(at) {
                continue;
            }
            let sum_at = table.start.saturating_add(block.saturating_mul(8));
            let stored = self.part(located, sum_at..sum_at.saturating_add(8))?;
            let stored = u64::from_le_bytes(stored.as_slice().try_into().unwrap_or_default());
            let bytes = value
                .get(span.start as usize..span.end as usize)
                .unwrap_or_default();
            self.compare(at, "a block of a value", stored, record::value_hash(bytes))?;
            self.verified.insert(at);
        }
        Ok(())
    }

    /// A copy of a part of a record.
    fn part(&self, located: &Located, range: Range<u64>) -> Result<Vec<u8>> {
        let range = located.within(range);
        let len = range.end.saturating_sub(range.start) as usize;
        let mut out = vec![0; len];
        match self.mapped(range.start) {
            Some(bytes) => match bytes?.get(..len) {
                Some(bytes) => out.copy_from_slice(bytes),
                None => return Err(self.torn(range.start, "a record", len as u64, 0)),
            },
            None => {
                let n = self.storage.read_at(&mut out, range.start);
                let n = n.map_err(Error::io("read", &self.path))?;
                if n < len {
                    return Err(self.torn(range.start, "a record", len as u64, n));
                }
            }
        }
        Ok(out)
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

/// The value of one record, kept: readable after the store was closed.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    log: Arc<Log>,
    located: Located,
    bytes: Bytes,
}

impl Stored {
    /// The value of `located`, not verified yet.
    pub(crate) fn new(log: &Arc<Log>, located: Located) -> Result<Self> {
        let bytes = log.bytes(&located)?;
        Ok(Self {
            log: Arc::clone(log),
            located,
            bytes,
        })
    }

    /// The record.
    pub(crate) fn located(&self) -> &Located {
        &self.located
    }

    /// The log.
    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// The whole value, verified.
    pub(crate) fn value(&self) -> Result<Bytes> {
        self.log
            .verify(&self.located, 0..self.located.head.value_len())?;
        Ok(self.bytes.clone())
    }

    /// The whole value, of which `range` is verified.
    pub(crate) fn verified(&self, range: Range<usize>) -> Result<&Bytes> {
        self.log
            .verify(&self.located, range.start as u64..range.end as u64)?;
        Ok(&self.bytes)
    }

    /// A defect at `at` of the value, as an error that names the place.
    pub(crate) fn corrupt(&self, at: usize, defect: Defect) -> Error {
        self.log
            .corrupt(self.located.value().start.saturating_add(at as u64), defect)
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}
