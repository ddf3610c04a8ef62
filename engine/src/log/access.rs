//! Reading records at their places.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Log;
use crate::error::{Error, Result};
use crate::format::record::{self, Head, RecordKind};
use crate::format::{Defect, offset, place};
use crate::index::prefetch;
use crate::options::Verify;
use crate::storage::{Bytes, Lender, Region};

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

    /// Bytes of the record, if there is something at the key.
    pub(crate) fn live_bytes(&self) -> Option<u64> {
        self.is_live().then_some(self.head.end())
    }

    /// Where the value lies in the file.
    pub(super) fn value(&self) -> Range<u64> {
        self.within(self.head.value_range())
    }

    /// A part of the record as a part of the file.
    pub(super) fn within(&self, range: Range<u64>) -> Range<u64> {
        self.at.saturating_add(range.start)..self.at.saturating_add(range.end)
    }
}

impl Log {
    /// The bytes at `range` of the file, when mapped. No more than a record spans is lent at
    /// once: between records there may be room that is being filled.
    #[inline(always)]
    pub(super) fn lent(&self, range: Range<u64>) -> Option<Result<&[u8]>> {
        let region = self.regions.as_ref()?.newest()?;
        let at = range.start;
        Some(region.get(range).ok_or_else(|| self.dangling(at)))
    }

    #[cold]
    pub(super) fn dangling(&self, at: u64) -> Error {
        let found = Defect::Field {
            what: "the place of a record",
            found: at,
            expected: "an offset inside the log",
        };
        self.corrupt(at, found)
    }

    #[cold]
    pub(super) fn torn(&self, at: u64, what: &'static str, need: u64, have: usize) -> Error {
        self.corrupt(
            at,
            Defect::Truncated {
                what,
                need,
                have: have as u64,
            },
        )
    }

    /// Starts to load the head and the key of the record at `place`.
    #[inline(always)]
    pub(crate) fn prefetch(lender: Lender<'_>, place: u64) {
        let at = offset(place);
        // A head and a key of usual length end in the next line, if not in this one.
        for at in [at, at.saturating_add(64)] {
            if let Some([byte]) = lender.get(at, 1) {
                prefetch(byte);
            }
        }
    }

    /// Starts to load the value of the record at `place`, whose head is at hand; of a long
    /// one the start, since the processor loads on by itself.
    #[inline]
    pub(crate) fn prefetch_value(lender: Lender<'_>, place: u64) {
        const MOST: u64 = 2 << 10;
        let at = offset(place);
        let head = lender.get(at, record::HEAD_LEN);
        let Some((start, len)) = head.and_then(|head| record::plain_value(head, at)) else {
            return;
        };
        let value = lender.get(at.saturating_add(start), len.min(MOST));
        let lines = value.unwrap_or_default().chunks(64);
        lines.filter_map(<[u8]>::first).for_each(prefetch);
    }

    /// The record at `place`.
    #[inline(always)]
    pub(crate) fn locate(&self, place: u64) -> Result<Located> {
        let at = offset(place);
        // The head with the wide word; the shortest record is shorter, at the end of the log.
        let limit = self.limit.load(Ordering::Acquire);
        let end = at.saturating_add(record::HEAD_LEN + 8).min(limit);
        let Some(bytes) = self.lent(at..end) else {
            let (head, _) = self.head_and_key(at)?;
            return Ok(Located { at, head });
        };
        let head = Head::parse(bytes?, at).map_err(|defect| self.corrupt(at, defect))?;
        Ok(Located { at, head })
    }

    /// The head and the key of the record at offset `at`, borrowed where reads lend.
    pub(crate) fn head_and_key(&self, at: u64) -> Result<(Head, Cow<'_, [u8]>)> {
        if self.regions.is_some() {
            let located = self.locate(place(at))?;
            let range = located.within(located.head.key_range());
            let key = self.lent(range).transpose()?.unwrap_or_default();
            return Ok((located.head, key.into()));
        }
        if let Some(lost) = self.lost_at(at) {
            return Ok((lost.head, lost.key.into()));
        }
        // The system refuses offsets beyond what it can count, and a place is from the file.
        if at.saturating_add(record::HEAD_LEN) > self.limit.load(Ordering::Acquire) {
            return Err(self.dangling(at));
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
        Ok((head, buffer.split_off(range.start as usize).into()))
    }

    /// The value of a record, mapped and verified, borrowed; `None` if reads copy.
    #[inline(always)]
    pub(crate) fn lend(&self, located: &Located) -> Option<Result<&[u8]>> {
        let value = match self.lent(located.value())? {
            Ok(value) => value,
            Err(error) => return Some(Err(error)),
        };
        if (located.head.wide || self.verify == Verify::Always)
            && self.verify != Verify::Never
            && let Err(error) = self.verify(located, 0..value.len() as u64)
        {
            return Some(Err(error));
        }
        Some(Ok(value))
    }

    /// Key and value of the record at `place`, which the reader sees, if it is a plain value
    /// and reads lend.
    #[inline]
    pub(crate) fn lend_record(&self, place: u64) -> Result<Option<(&[u8], &[u8])>> {
        let located = self.locate(place)?;
        if located.head.kind != RecordKind::Put {
            return Ok(None);
        }
        let key = self.lent(located.within(located.head.key_range()));
        match (key.transpose()?, self.lend(&located).transpose()?) {
            (Some(key), Some(value)) => Ok(Some((key, value))),
            _ => Ok(None),
        }
    }

    /// The value of a record as it lies in the mapping, not verified; `None` if reads copy.
    pub(crate) fn lend_value(&self, located: &Located) -> Option<Result<&[u8]>> {
        self.lent(located.value())
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
        if let Some(lost) = self.lost_at(located.at) {
            return Err(self.corrupt(located.at, lost.defect));
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
        // Of a wide value in a damaged log one block may do where others do not.
        if self.verify != Verify::Never && !(self.is_tolerant() && located.head.wide) {
            self.check_bytes(located, 0..located.head.value_len(), &bytes, true)?;
        }
        Ok(bytes)
    }

    /// The whole value of a record, verified, with a reference that keeps it.
    #[inline]
    pub(crate) fn value(&self, located: &Located) -> Result<Bytes> {
        let bytes = self.bytes(located)?;
        self.verify_kept(located, 0..located.head.value_len(), &bytes)?;
        Ok(bytes)
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}
