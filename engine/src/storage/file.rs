//! A store in a file.
#![expect(
    unsafe_code,
    reason = "vectored positioned writes and preallocation need system calls"
)]

use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use memmap2::MmapOptions;

use super::folder::{Purpose, Unborn};
use super::{LivePage, Region, Storage, Successor, WriterLock};
use crate::format::LOG_START;
use crate::options::Advice;

/// Most pieces that the system takes in one call (`IOV_MAX`).
const MAX_PIECES: usize = 1024;

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
        // So that a pipe that took the name is not waited for; of no effect on files.
        let flags = libc::O_NONBLOCK;
        File::options()
            .read(true)
            .write(writable)
            .custom_flags(flags)
            .open(path)
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
        unborn.file.write_all_at(header, 0)?;
        unborn.file.sync_all()?;
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
        unborn.file.write_all_at(header, 0)?;
        let storage = Self::new(unborn.file.try_clone()?, true, mapped)?;
        Ok((unborn, storage))
    }

    /// Whether `path` still names the file.
    pub(crate) fn is_at(file: &File, path: &Path) -> bool {
        let (Ok(own), Ok(named)) = (file.metadata(), std::fs::metadata(path)) else {
            return false;
        };
        (own.dev(), own.ino()) == (named.dev(), named.ino())
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

    fn write_pieces(&self, pieces: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        let at = i64::try_from(at).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let count = pieces.len().min(MAX_PIECES) as libc::c_int;
        // SAFETY: `IoSlice` has the layout of `iovec`; the pieces are borrowed for the
        // call, which only reads them; the descriptor is open for as long as `self`.
        let written =
            unsafe { libc::pwritev(self.file.as_raw_fd(), pieces.as_ptr().cast(), count, at) };
        usize::try_from(written).map_err(|_| io::Error::last_os_error())
    }
}

impl Storage for FileStorage {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], mut at: u64) -> io::Result<()> {
        if let [piece] = pieces {
            return self.file.write_all_at(piece, at);
        }
        let mut copy = pieces.to_vec();
        let mut rest = copy.as_mut_slice();
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match self.write_pieces(rest, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    at = at.saturating_add(n as u64);
                    IoSlice::advance_slices(&mut rest, n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// The bytes are written once more as they are, by a call that returns when they are on
    /// the device: `fdatasync` would write the live page as well, which every commit
    /// changes, in another place of the device.
    #[cfg(target_os = "linux")]
    fn sync_range(&self, range: Range<u64>) -> io::Result<()> {
        let len = range.end.saturating_sub(range.start) as usize;
        let (mut bytes, at) = (vec![0; len], range.start as i64);
        if self.read_at(&mut bytes, range.start)? < len {
            return self.sync();
        }
        let piece = [IoSlice::new(&bytes)];
        let (file, piece) = (self.file.as_raw_fd(), piece.as_ptr().cast());
        // SAFETY: `IoSlice` has the layout of `iovec`; the piece is borrowed for the call,
        // which only reads it; the descriptor is open for as long as `self`.
        let written = unsafe { libc::pwritev2(file, piece, 1, at, libc::RWF_DSYNC) };
        if usize::try_from(written) == Ok(len) {
            return Ok(());
        }
        let error = (written < 0).then(io::Error::last_os_error);
        match error.as_ref().and_then(io::Error::raw_os_error) {
            // Written in part, interrupted, or not known to this system.
            None | Some(libc::EINTR | libc::ENOSYS | libc::EOPNOTSUPP | libc::EINVAL) => {
                self.sync()
            }
            Some(code) => Err(io::Error::from_raw_os_error(code)),
        }
    }

    #[cfg(target_os = "linux")]
    fn allocate(&self, at: u64, len: u64) -> io::Result<()> {
        let offset = |n| i64::try_from(n).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
        let (at, len) = (offset(at)?, offset(len)?);
        loop {
            // SAFETY: takes numbers only; the descriptor is open for as long as `self`.
            let result = unsafe {
                libc::fallocate(self.file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, at, len)
            };
            if result == 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EOPNOTSUPP | libc::ENOSYS) => return Ok(()),
                _ => return Err(error),
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn allocate(&self, _at: u64, _len: u64) -> io::Result<()> {
        Ok(())
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
        self.file.set_len(self.len()?)
    }

    fn map(&self) -> io::Result<Arc<Region>> {
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
        let named = std::fs::metadata(path)?;
        let own = self.file.metadata()?;
        Ok((own.dev(), own.ino()) == (named.dev(), named.ino()))
    }

    fn successor(&self, path: &Path, header: &[u8], random: u64) -> io::Result<Successor> {
        // Links keep leading to the store.
        let path = Self::resolve(path)?;
        let mapped = matches!(self.live, LivePage::Mapped { .. });
        let made = Self::unborn(&path, Purpose::Compact, header, random, mapped)?;
        let own = self.file.metadata()?;
        made.0.file.set_permissions(own.permissions())?;
        // Only some may give files away; the others own both.
        let _ = fchown(&made.0.file, Some(own.uid()), Some(own.gid()));
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
