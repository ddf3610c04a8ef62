//! A store in a file.
#![cfg_attr(
    target_os = "linux",
    expect(
        unsafe_code,
        reason = "advice on how a file is read needs a system call"
    )
)]

use std::fs::File;
use std::io::{self, IoSlice};
#[cfg(target_os = "linux")]
use std::ops::Range;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use memmap2::MmapOptions;

use super::folder::{Purpose, Unborn};
use super::{LivePage, Region, Storage, Successor, WriterLock, calls, system};
use crate::format::LOG_START;
use crate::mutant::{Rule, broken};
#[cfg(target_os = "linux")]
use crate::options::Advice;

/// Address space reserved for a file, at least: growth up to this needs no new
/// mapping. Costs no memory.
const RESERVED: u64 = 64 << 30;

/// A file, opened for reading or by its one writer.
#[derive(Debug)]
pub(crate) struct FileStorage {
    file: File,
    live: LivePage,
    limit: Arc<AtomicU64>,
}

/// How a new file takes its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Creation {
    /// Nothing may have the name.
    New,
    /// What has the name is replaced.
    Over,
}

impl FileStorage {
    /// Opens an existing file.
    pub(crate) fn open_file(path: &Path, writable: bool) -> io::Result<File> {
        system::open(path, writable)
    }

    /// Makes a file with `header` (the header pages) under a temporary name, takes the
    /// writer's lock on it if `lock`, makes it durable and gives it its name.
    pub(crate) fn create(
        path: &Path,
        header: &[u8],
        random: u64,
        creation: Creation,
        lock: bool,
    ) -> io::Result<File> {
        let unborn = Unborn::create(path, Purpose::Init, random)?;
        if lock && !WriterLock::take(&unborn.file)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        calls::write_all(&unborn.file, &[IoSlice::new(header)], 0)?;
        if !broken(Rule::NewStoreDurable) {
            calls::sync_all(&unborn.file)?;
        }
        match creation {
            Creation::New => unborn.place_new(),
            Creation::Over => unborn.place_over(),
        }
    }

    /// A file with `header` that takes the name `target` later, locked as by its writer
    /// where the system has locks, and the storage over it.
    pub(crate) fn unborn(
        target: &Path,
        purpose: Purpose,
        header: &[u8],
        random: u64,
        mapped: bool,
    ) -> io::Result<(Unborn, Self)> {
        let unborn = Unborn::create(target, purpose, random)?;
        // Nobody else knows the name, so that only a system without locks refuses.
        if let Err(error) = WriterLock::take(&unborn.file) {
            log::warn!("{}: no lock: {error}", target.display());
        }
        calls::write_all(&unborn.file, &[IoSlice::new(header)], 0)?;
        let storage = Self::new(unborn.file.try_clone()?, true, mapped)?;
        Ok((unborn, storage))
    }

    /// Whether `path` still names the file.
    pub(crate) fn is_at(file: &File, path: &Path) -> bool {
        system::same(file, path).unwrap_or(false)
    }

    /// The path without links, so that a store that is replaced keeps its links.
    pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(path)
    }

    /// Storage over an open file that has its header pages. `mapped` says whether
    /// the words of the live page are shared through a mapping.
    pub(crate) fn new(file: File, writable: bool, mapped: bool) -> io::Result<Self> {
        let live = LivePage::open(&file, writable, mapped)?;
        Ok(Self {
            file,
            live,
            limit: Arc::new(AtomicU64::new(LOG_START)),
        })
    }

    /// What the region of this storage lends up to.
    pub(crate) fn limit(&self) -> &Arc<AtomicU64> {
        &self.limit
    }
}

impl Storage for FileStorage {
    fn len(&self) -> io::Result<u64> {
        calls::len(&self.file)
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match calls::read(&self.file, rest, at.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], at: u64) -> io::Result<()> {
        calls::write_all(&self.file, pieces, at)
    }

    fn sync(&self) -> io::Result<()> {
        calls::sync(&self.file)
    }

    /// The bytes are written once more as they are, by a call that returns when they are on
    /// the device: `fdatasync` would write the live page as well, which every commit
    /// changes, in another place of the device.
    #[cfg(target_os = "linux")]
    fn sync_range(&self, range: Range<u64>) -> io::Result<()> {
        let len = range.end.saturating_sub(range.start) as usize;
        let mut bytes = vec![0; len];
        if self.read_at(&mut bytes, range.start)? < len {
            return self.sync();
        }
        match calls::write_synced(&self.file, &bytes, range.start)? {
            true => Ok(()),
            false => self.sync(),
        }
    }

    #[cfg(target_os = "linux")]
    fn write_out(&self, range: Range<u64>) {
        calls::write_out(&self.file, range);
    }

    fn allocate(&self, at: u64, len: u64) -> io::Result<()> {
        calls::allocate(&self.file, at, len)
    }

    #[cfg(target_os = "linux")]
    fn advise(&self, range: Range<u64>, advice: Advice) -> io::Result<()> {
        let offset = |n| i64::try_from(n).unwrap_or(i64::MAX);
        let (at, len) = (range.start, range.end.saturating_sub(range.start));
        let advice = match advice {
            Advice::Normal => libc::POSIX_FADV_NORMAL,
            Advice::Random => libc::POSIX_FADV_RANDOM,
            Advice::Sequential => libc::POSIX_FADV_SEQUENTIAL,
            Advice::WillNeed => libc::POSIX_FADV_WILLNEED,
        };
        let file = self.file.as_raw_fd();
        // SAFETY: takes numbers only; the descriptor is open for as long as `self`.
        let result = unsafe { libc::posix_fadvise(file, offset(at), offset(len), advice) };
        match result {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }

    fn release(&self) -> io::Result<()> {
        // To the length that it has: nothing is cut, and blocks behind it become free.
        calls::set_len(&self.file, self.len()?)
    }

    fn map(&self) -> io::Result<Arc<Region>> {
        if !system::MAPS_AHEAD {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let len = self.len()?.max(LOG_START);
        let mut reserved = len.saturating_mul(4).next_power_of_two().max(RESERVED);
        loop {
            let size = usize::try_from(reserved).map_err(|_| io::ErrorKind::OutOfMemory)?;
            match MmapOptions::new().len(size).map_raw_read_only(&self.file) {
                Ok(map) => return Ok(Arc::new(Region::mapped(map, Arc::clone(&self.limit)))),
                // Address space may be limited; the file itself has to fit.
                Err(error) if reserved / 2 < len => return Err(error),
                Err(_) => reserved /= 2,
            }
        }
    }

    fn live(&self) -> &LivePage {
        &self.live
    }

    #[cfg(target_os = "linux")]
    fn boot_id(&self) -> Option<[u8; 16]> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let digits = text.chars().filter_map(|letter| letter.to_digit(16));
        let digits: Vec<u8> = digits.map(|digit| digit as u8).collect();
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(digits.as_chunks::<2>().0) {
            let [high, low] = *pair;
            *byte = high << 4 | low;
        }
        (digits.len() == 32).then_some(id)
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        system::same(&self.file, path)
    }

    fn successor(&self, path: &Path, header: &[u8], random: u64) -> io::Result<Successor> {
        // Links keep leading to the store.
        let path = Self::resolve(path)?;
        let mapped = matches!(self.live, LivePage::Mapped { .. });
        let made = Self::unborn(&path, Purpose::Compact, header, random, mapped)?;
        made.0
            .file
            .set_permissions(self.file.metadata()?.permissions())?;
        system::give_same_owner(&made.0.file, &self.file)?;
        Ok(Successor::file(made))
    }

    fn has_writer(&self) -> io::Result<bool> {
        WriterLock::is_held(&self.file)
    }

    fn unlock(&self) -> io::Result<()> {
        WriterLock::release(&self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_pieces_are_written_whole_and_in_order() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        let file = FileStorage::create(&path, &[0; 16384], 1, Creation::New, true).expect("made");
        let storage = FileStorage::new(file, true, true).expect("opened");
        let bytes: Vec<u8> = (0..5000u32).map(|i| i as u8).collect();
        let pieces: Vec<IoSlice> = bytes.chunks(2).map(IoSlice::new).collect();
        storage.write_at(&pieces, LOG_START).expect("written");
        let mut back = vec![0; 5001];
        assert_eq!(storage.read_at(&mut back, LOG_START).expect("read"), 5000);
        assert_eq!(back[..5000], bytes);
    }

    #[test]
    fn a_mapping_reaches_beyond_the_end_and_shows_what_is_written_there() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        let file = FileStorage::create(&path, &[0; 16384], 1, Creation::New, true).expect("made");
        let storage = FileStorage::new(file, true, true).expect("opened");
        let region = storage.map().expect("mapped");
        assert!(region.get(LOG_START..LOG_START + 4).is_none());
        storage
            .write_at(&[IoSlice::new(b"data")], LOG_START)
            .expect("written");
        storage
            .limit()
            .store(LOG_START + 4, std::sync::atomic::Ordering::Release);
        assert_eq!(region.get(LOG_START..LOG_START + 4), Some(&b"data"[..]));
    }
}
