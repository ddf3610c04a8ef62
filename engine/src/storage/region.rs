//! Memory that holds bytes of a store, and views of it.
#![expect(
    unsafe_code,
    reason = "lends memory that the kernel or another thread writes elsewhere"
)]

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use zerocopy::{FromZeros, IntoBytes};

use super::system;
use crate::format::{BLOCK, LOG_START};
use crate::options::Advice;

/// Memory in units that keep the alignment of values.
#[derive(zerocopy::FromBytes, IntoBytes, zerocopy::KnownLayout)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// From so many bytes on a copy has memory of its own from the system, which is zero without
/// being written and may have large pages: a fault for each small one takes longer than to
/// decode what goes there. What is smaller the allocator gives again without a fault.
const LARGE: usize = 4 << 20;

enum Owner {
    /// The file, or anonymous memory; unmapped when the region is dropped.
    Map(#[expect(dead_code, reason = "unmaps when it is dropped")] MmapRaw),
    /// A copy of a part of the file.
    Heap(#[expect(dead_code, reason = "owns what `base` points to")] Box<[Line]>),
}

/// A stretch of a store in memory, from file offset `start`.
///
/// Bytes are lent only inside `start..limit`. Whoever raises the limit promises
/// that bytes below it are written and stay as they are; nothing lowers it.
pub(crate) struct Region {
    base: NonNull<u8>,
    start: u64,
    len: u64,
    /// First offset that may be lent: header pages change in place, they are no part of
    /// the log.
    first: u64,
    limit: Arc<AtomicU64>,
    owner: Owner,
}

// SAFETY: the memory belongs to `owner`, which may be dropped on any thread, and
// shared access only reads bytes below `limit`, which nobody writes any more.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// The log part of a mapping of a whole file, lent up to `limit`.
    pub(crate) fn mapped(map: MmapRaw, limit: Arc<AtomicU64>) -> Self {
        let base = NonNull::new(map.as_mut_ptr()).unwrap_or(NonNull::dangling());
        Self {
            base,
            start: 0,
            len: map.len() as u64,
            first: LOG_START,
            limit,
            owner: Owner::Map(map),
        }
    }

    /// `len` zero bytes that stand for the file from offset `start`, filled by `fill`.
    pub(crate) fn copied<E>(
        start: u64,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E>
    where
        E: From<std::io::Error>,
    {
        let out_of_memory = || E::from(std::io::ErrorKind::OutOfMemory.into());
        let limit = Arc::new(AtomicU64::new(start.saturating_add(len as u64)));
        if len >= LARGE {
            let mut map = MmapOptions::new().len(len).map_anon()?;
            system::want_large_pages(&map);
            fill(&mut map)?;
            let mapped = Self::mapped(map.into(), limit);
            return Ok(Self {
                start,
                first: start,
                ..mapped
            });
        }
        let mut lines =
            <[Line]>::new_box_zeroed_with_elems(len.div_ceil(64)).map_err(|_| out_of_memory())?;
        fill(
            lines
                .as_mut_bytes()
                .get_mut(..len)
                .ok_or_else(out_of_memory)?,
        )?;
        let base = NonNull::from(lines.as_mut_bytes()).cast();
        Ok(Self {
            base,
            start,
            len: len as u64,
            first: start,
            limit,
            owner: Owner::Heap(lines),
        })
    }

    /// What lends the bytes that are committed by now: for several reads, which then look
    /// at the limit once.
    #[inline(always)]
    pub(crate) fn lender(&self) -> Lender<'_> {
        let end = self.limit.load(Ordering::Acquire).min(self.end());
        let skipped = self.first.wrapping_sub(self.start) as usize;
        Lender {
            base: self.base.as_ptr().wrapping_add(skipped),
            first: self.first,
            len: end.saturating_sub(self.first),
            of: PhantomData,
        }
    }

    /// The bytes at `range` of the file, if they are committed and inside this region.
    #[inline]
    pub(crate) fn get(&self, range: Range<u64>) -> Option<&[u8]> {
        let len = range.end.checked_sub(range.start)?;
        self.lender().get(range.start, len)
    }

    /// End of the file offsets that this region can ever lend.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// Copies `bytes` to file offset `at` of a region of anonymous memory.
    ///
    /// False if they would not fit, or would touch bytes that may be lent.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> bool {
        let Some(end) = at.checked_add(bytes.len() as u64) else {
            return false;
        };
        if at < self.limit.load(Ordering::Acquire) || end > self.end() || at < self.start {
            return false;
        }
        self.put(at, bytes);
        true
    }

    /// As [`Region::write`], below the limit: into a SPACE frame, where no record is and
    /// hence nothing is lent.
    pub(crate) fn fill(&self, at: u64, bytes: &[u8]) -> bool {
        let end = at.checked_add(bytes.len() as u64);
        if at < self.start || end.is_none_or(|end| end > self.end()) {
            return false;
        }
        self.put(at, bytes);
        true
    }

    /// Copies `bytes` to file offset `at`, where they lie inside and nothing is lent.
    fn put(&self, at: u64, bytes: &[u8]) {
        // SAFETY: `at - start` is at most `len`, as the callers checked.
        let to = unsafe { self.base.add((at - self.start) as usize) };
        // SAFETY: the target lies inside the allocation (the callers checked), above `limit`
        // or in a SPACE frame, where nothing is lent, and cannot overlap `bytes`, which are
        // a live reference and hence elsewhere. The one owner that writes so, `Sim`, holds
        // a lock.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len()) };
    }

    /// Copies bytes from file offset `at` of a region of anonymous memory, committed
    /// or not, for the one writer and for recovery. Bytes outside the region stay.
    pub(crate) fn read(&self, at: u64, out: &mut [u8]) {
        let end = at.saturating_add(out.len() as u64);
        if at < self.start || end > self.end() {
            return;
        }
        // SAFETY: `at - start` is at most `len` (checked above).
        let from = unsafe { self.base.add((at - self.start) as usize) };
        // SAFETY: the source lies inside the allocation and is initialised (anonymous
        // memory is zero); `out` is exclusively borrowed, hence elsewhere. The one owner
        // that reads so, `Sim`, holds a lock around this and around `write`.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), out.as_mut_ptr(), out.len()) };
    }

    /// Tells the system how `range` of the file will be read, rounded to pages. Nothing
    /// happens where there is no mapping, or nothing of it is inside.
    pub(crate) fn advise(&self, range: Range<u64>, advice: Advice) -> io::Result<()> {
        if !matches!(self.owner, Owner::Map(_)) {
            return Ok(());
        }
        // A mapping starts at a page, of 64 KiB on some machines.
        let from = range.start.max(self.start).saturating_sub(self.start) / BLOCK * BLOCK;
        let to = range.end.min(self.end()).saturating_sub(self.start);
        let Some(len) = to.checked_sub(from).filter(|&len| len > 0) else {
            return Ok(());
        };
        // SAFETY: `from` is at most `len` of the mapping (checked above).
        let first = unsafe { self.base.add(from as usize) };
        // SAFETY: the range lies inside the mapping, which lives as long as `self`.
        unsafe { system::advise_mapped(first, len as usize, advice) }
    }

    /// As [`Region::get`], with a reference that keeps the region.
    pub(crate) fn range_of(self: &Arc<Self>, range: Range<u64>) -> Option<Bytes> {
        let bytes = self.get(range)?;
        let (first, len) = (NonNull::from(bytes).cast(), bytes.len());
        Some(Bytes {
            first,
            len,
            _region: Arc::clone(self),
        })
    }
}

/// Lends bytes of a region: a copy of what [`Region::get`] needs, so that the reads of one
/// lookup share it.
#[derive(Clone, Copy)]
pub(crate) struct Lender<'a> {
    /// Where file offset `first` is.
    base: *const u8,
    first: u64,
    /// Bytes that are lent from there on.
    len: u64,
    of: PhantomData<&'a Region>,
}

impl<'a> Lender<'a> {
    /// Lends nothing.
    pub(crate) const EMPTY: Self = Self {
        base: std::ptr::dangling(),
        first: 0,
        len: 0,
        of: PhantomData,
    };

    /// The `len` bytes from offset `at` of the file, if they were committed when this was
    /// made.
    #[inline(always)]
    pub(crate) fn get(self, at: u64, len: u64) -> Option<&'a [u8]> {
        // Offsets before the first wrap to such beyond the last.
        let at = at.wrapping_sub(self.first);
        if at > self.len || len > self.len - at {
            return None;
        }
        // SAFETY: `at` is at most `len`: the bytes from `base` on for that length lie in
        // the allocation of the region (`Region::lender`), or there is none and both are 0.
        let first = unsafe { self.base.add(at as usize) };
        // SAFETY: the bytes lie inside the allocation, which lives as long as the region,
        // which is borrowed. They are initialised (a mapping, or zeroed and filled), and
        // below its limit, so that nobody in this program writes them while they are lent;
        // another program must not, by the contract of `OpenOptions::open_mapped`.
        Some(unsafe { std::slice::from_raw_parts(first, len as usize) })
    }
}

// SAFETY: as a reference to the region, which may be shared.
unsafe impl Send for Lender<'_> {}
// SAFETY: as above.
unsafe impl Sync for Lender<'_> {}

/// What a region lent at one moment, with the reference that keeps it.
#[derive(Debug)]
pub(crate) struct Lent {
    /// For as long as the region, which the field below keeps.
    lender: Lender<'static>,
    _region: Arc<Region>,
}

impl Lent {
    /// What `region` lends by now.
    pub(crate) fn by(region: &Arc<Region>) -> Self {
        let Lender {
            base, first, len, ..
        } = region.lender();
        Self {
            lender: Lender {
                base,
                first,
                len,
                of: PhantomData,
            },
            _region: Arc::clone(region),
        }
    }

    /// What lends it.
    #[inline(always)]
    pub(crate) fn lender(&self) -> Lender<'_> {
        self.lender
    }
}

impl fmt::Debug for Lender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lender({} bytes from {})", self.len, self.first)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({}..{})", self.start, self.end())
    }
}

/// Bytes of a region, with the reference that keeps them.
#[derive(Clone)]
pub(crate) struct Bytes {
    first: NonNull<u8>,
    len: usize,
    _region: Arc<Region>,
}

// SAFETY: as for `Region`: the bytes are never written while they are lent.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

impl Bytes {
    /// A part of these bytes.
    pub(crate) fn slice(&self, range: Range<usize>) -> Option<Self> {
        let part = self.get(range)?;
        let (first, len) = (NonNull::from(part).cast(), part.len());
        Some(Self {
            first,
            len,
            _region: Arc::clone(&self._region),
        })
    }

    /// A part of these bytes, in their place: no reference is counted.
    pub(crate) fn into_slice(self, range: Range<usize>) -> Option<Self> {
        let part = self.get(range)?;
        let (first, len) = (NonNull::from(part).cast(), part.len());
        Some(Self { first, len, ..self })
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `first` and `len` come from a slice that `Region::get` lent; the
        // region, and with it the promise that the bytes stay, lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(len: usize) -> Region {
        Region::copied::<std::io::Error>(LOG_START, len, |bytes| {
            bytes.fill(7);
            Ok(())
        })
        .expect("memory")
    }

    #[test]
    fn a_region_lends_what_is_inside_and_nothing_else() {
        let region = region(100);
        assert_eq!(
            region.get(LOG_START..LOG_START + 100).map(<[u8]>::len),
            Some(100)
        );
        assert_eq!(
            region
                .get(LOG_START + 100..LOG_START + 100)
                .map(<[u8]>::len),
            Some(0)
        );
        for range in [
            LOG_START - 1..LOG_START,
            LOG_START..LOG_START + 101,
            0..u64::MAX,
        ] {
            assert!(region.get(range.clone()).is_none(), "{range:?}");
        }
    }

    #[test]
    fn a_large_copy_is_zero_before_it_is_filled_and_lends_as_a_small_one_does() {
        for len in [LARGE - 1, LARGE, LARGE + 1] {
            let start = LOG_START + 100;
            let region = Region::copied::<std::io::Error>(start, len, |bytes| {
                assert_eq!(bytes.len(), len);
                assert!(bytes.iter().all(|byte| *byte == 0));
                bytes.fill(7);
                Ok(())
            });
            let region = Arc::new(region.expect("memory"));
            let end = start + len as u64;
            assert_eq!(region.end(), end);
            let bytes = region.range_of(start..end).expect("inside");
            assert_eq!(bytes.as_ptr() as usize % 64, 0);
            assert!(region.get(start - 1..end).is_none());
            assert!(region.get(start..end + 1).is_none());
            drop(region);
            assert!(bytes.iter().all(|byte| *byte == 7));
        }
    }

    #[test]
    fn copied_memory_is_aligned_for_any_value_below_a_mebibyte() {
        let region = region(1);
        let bytes = region.get(LOG_START..LOG_START + 1).expect("inside");
        assert_eq!(bytes.as_ptr() as usize % 64, 0);
    }

    #[test]
    fn advice_is_taken_for_any_range_and_leaves_the_bytes() {
        let map = memmap2::MmapOptions::new().len(1 << 20).map_anon();
        let map = MmapRaw::from(map.expect("memory"));
        let limit = Arc::new(AtomicU64::new(LOG_START + 4));
        let region = Region::mapped(map, limit);
        assert!(region.fill(LOG_START, b"data"));
        for advice in [
            Advice::Random,
            Advice::Sequential,
            Advice::WillNeed,
            Advice::Normal,
        ] {
            for range in [0..1, 5..70_000, LOG_START..u64::MAX, 9..9, 1 << 30..1 << 31] {
                // Anonymous memory has nothing to read ahead: the system may say so.
                let _ = region.advise(range, advice);
            }
            assert_eq!(region.get(LOG_START..LOG_START + 4), Some(&b"data"[..]));
        }
        // What has no mapping takes it as well.
        let copied = self::region(100);
        copied.advise(0..u64::MAX, Advice::WillNeed).expect("taken");
    }

    #[test]
    fn bytes_outlive_the_handle_of_their_region() {
        let region = Arc::new(region(10));
        let bytes = region
            .range_of(LOG_START + 2..LOG_START + 5)
            .expect("inside");
        drop(region);
        assert_eq!(&*bytes, [7; 3]);
        assert_eq!(bytes.slice(1..3).map(|part| part.len()), Some(2));
        assert!(bytes.slice(1..4).is_none());
    }
}
