//! The calls of the system on the file of a store and on its folder, in one place, so that
//! a test can have any of them fail, do less than it was asked, or be interrupted.
#![cfg_attr(
    unix,
    expect(
        unsafe_code,
        reason = "vectored positioned writes, preallocation and renaming to a free name need \
            system calls"
    )
)]

use std::fs::{self, File};
use std::io::{self, IoSlice};
#[cfg(target_os = "linux")]
use std::ops::Range;
#[cfg(unix)]
use std::os::fd::AsRawFd;
use std::path::Path;

use super::system;

/// Most pieces that the system takes in one call (`IOV_MAX`).
#[cfg(unix)]
const MAX_PIECES: usize = 1024;

/// Kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Create,
    Read,
    Write,
    Sync,
    Length,
    Allocate,
    Truncate,
    Rename,
    SyncFolder,
}

/// A call that changed the file, or the folder, of a store.
#[cfg(test)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// A file was made.
    Created,
    /// Bytes at an offset of it.
    Written(u64, Vec<u8>),
    /// It is on the device.
    Synced,
    /// It got another name,
    Renamed,
    /// another name too,
    Linked,
    /// and lost the first one.
    Unlinked,
    /// The names are on the device.
    FolderSynced,
}

/// Reads at an offset; how many bytes.
pub(super) fn read(file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    let most = before(Call::Read, buf.len())?;
    system::read_at(file, buf.get_mut(..most).unwrap_or_default(), at)
}

/// Writes pieces one after the other from an offset; how many bytes.
pub(super) fn write(file: &File, pieces: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
    let len = pieces.iter().map(|piece| piece.len()).sum();
    let most = before(Call::Write, len)?;
    #[cfg(test)]
    faults::note(|| {
        let bytes = pieces.iter().flat_map(|piece| piece.iter().copied());
        Done::Written(at, bytes.take(most).collect())
    });
    if most < len {
        let part: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| piece.iter().copied())
            .collect();
        return system::write_at(file, part.get(..most).unwrap_or_default(), at);
    }
    if let [piece] = pieces {
        return system::write_at(file, piece, at);
    }
    write_pieces(file, pieces, at)
}

/// Writes some pieces in one call; how many bytes.
#[cfg(unix)]
fn write_pieces(file: &File, pieces: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
    let at = i64::try_from(at).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let count = pieces.len().min(MAX_PIECES) as libc::c_int;
    // SAFETY: `IoSlice` has the layout of `iovec`; the pieces are borrowed for the call,
    // which only reads them; the descriptor is open for as long as `file`.
    let written = unsafe { libc::pwritev(file.as_raw_fd(), pieces.as_ptr().cast(), count, at) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

/// Writes the first piece that has bytes; how many. The system has no call for more.
#[cfg(not(unix))]
fn write_pieces(file: &File, pieces: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
    let first = pieces.iter().find(|piece| !piece.is_empty());
    first.map_or(Ok(0), |piece| system::write_at(file, piece, at))
}

/// As [`write`], all of them. After an error any part may have been written.
pub(super) fn write_all(file: &File, pieces: &[IoSlice<'_>], mut at: u64) -> io::Result<()> {
    let mut copy = pieces.to_vec();
    let mut rest = copy.as_mut_slice();
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match write(file, rest, at) {
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

/// Puts everything that was written on the device, and the length that it needs.
pub(super) fn sync(file: &File) -> io::Result<()> {
    again(|| {
        before(Call::Sync, 0)?;
        file.sync_data()
    })
}

/// Writes bytes and returns when they are on the device. False: not all of them, or the
/// system cannot; an error is one of the device.
#[cfg(target_os = "linux")]
pub(super) fn write_synced(file: &File, bytes: &[u8], at: u64) -> io::Result<bool> {
    let piece = [IoSlice::new(bytes)];
    let at = i64::try_from(at).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let written = again(|| {
        before(Call::Sync, 0)?;
        let (file, piece) = (file.as_raw_fd(), piece.as_ptr().cast());
        // SAFETY: `IoSlice` has the layout of `iovec`; the piece is borrowed for the call,
        // which only reads it; the descriptor is open for as long as `file`.
        let written = unsafe { libc::pwritev2(file, piece, 1, at, libc::RWF_DSYNC) };
        usize::try_from(written).map_err(|_| io::Error::last_os_error())
    });
    match written.as_ref().map_err(io::Error::raw_os_error) {
        Err(Some(libc::ENOSYS | libc::EOPNOTSUPP | libc::EINVAL)) => Ok(false),
        _ => Ok(written? == bytes.len()),
    }
}

/// Has the system start to write a part of the file to the device. What fails is an error
/// of the sync that follows.
#[cfg(target_os = "linux")]
pub(super) fn write_out(file: &File, range: Range<u64>) {
    let (at, len) = (
        range.start as i64,
        range.end.saturating_sub(range.start) as i64,
    );
    let file = file.as_raw_fd();
    // SAFETY: takes numbers only; the descriptor is open for as long as `file`.
    let _ = unsafe { libc::sync_file_range(file, at, len, libc::SYNC_FILE_RANGE_WRITE) };
}

/// As [`sync`], with all that is known of the file.
pub(super) fn sync_all(file: &File) -> io::Result<()> {
    again(|| {
        before(Call::Sync, 0)?;
        file.sync_all()?;
        #[cfg(test)]
        faults::note(|| Done::Synced);
        Ok(())
    })
}

/// Bytes of the file.
pub(super) fn len(file: &File) -> io::Result<u64> {
    again(|| {
        before(Call::Length, 0)?;
        Ok(file.metadata()?.len())
    })
}

/// Gives the file a length.
pub(super) fn set_len(file: &File, len: u64) -> io::Result<()> {
    again(|| {
        before(Call::Truncate, 0)?;
        file.set_len(len)
    })
}

/// Reserves room without a change of the length. Does nothing where the system cannot.
#[cfg(target_os = "linux")]
pub(super) fn allocate(file: &File, at: u64, len: u64) -> io::Result<()> {
    let offset = |n| i64::try_from(n).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
    let (at, len) = (offset(at)?, offset(len)?);
    let allocated = again(|| {
        before(Call::Allocate, 0)?;
        // SAFETY: takes numbers only; the descriptor is open for as long as `file`.
        let result =
            unsafe { libc::fallocate(file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, at, len) };
        match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    });
    match allocated.as_ref().map_err(io::Error::raw_os_error) {
        Err(Some(libc::EOPNOTSUPP | libc::ENOSYS)) => Ok(()),
        _ => allocated,
    }
}

/// Reserves room. Does nothing where the system cannot.
#[cfg(not(target_os = "linux"))]
pub(super) fn allocate(_file: &File, _at: u64, _len: u64) -> io::Result<()> {
    before(Call::Allocate, 0).map(drop)
}

/// A new file that can be read and written.
pub(super) fn create(path: &Path) -> io::Result<File> {
    again(|| {
        before(Call::Create, 0)?;
        let mut options = File::options();
        let made = options.read(true).write(true).create_new(true).open(path)?;
        #[cfg(test)]
        faults::note(|| Done::Created);
        Ok(made)
    })
}

/// Gives a file another name.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    again(|| {
        before(Call::Rename, 0)?;
        fs::rename(from, to)?;
        #[cfg(test)]
        faults::note(|| Done::Renamed);
        Ok(())
    })
}

/// Gives a file a name that has to be free.
#[cfg(target_os = "linux")]
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;

    let c_from = CString::new(from.as_os_str().as_bytes())?;
    let c_to = CString::new(to.as_os_str().as_bytes())?;
    let renamed = again(|| {
        before(Call::Rename, 0)?;
        // SAFETY: both paths are NUL-terminated strings that live through the call.
        let result = unsafe {
            libc::renameat2(
                libc::AT_FDCWD,
                c_from.as_ptr(),
                libc::AT_FDCWD,
                c_to.as_ptr(),
                libc::RENAME_NOREPLACE,
            )
        };
        match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    });
    match renamed.as_ref().map_err(io::Error::raw_os_error) {
        // Some file systems do not know the flag.
        Err(Some(libc::EINVAL | libc::ENOSYS)) => link_new(from, to),
        _ => {
            #[cfg(test)]
            if renamed.is_ok() {
                faults::note(|| Done::Renamed);
            }
            renamed
        }
    }
}

/// Gives a file a name that has to be free.
#[cfg(not(target_os = "linux"))]
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    link_new(from, to)
}

/// As [`rename_new`], by way of a file with two names.
fn link_new(from: &Path, to: &Path) -> io::Result<()> {
    again(|| {
        before(Call::Rename, 0)?;
        fs::hard_link(from, to)
    })?;
    #[cfg(test)]
    faults::note(|| Done::Linked);
    fs::remove_file(from)?;
    #[cfg(test)]
    faults::note(|| Done::Unlinked);
    Ok(())
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    again(|| {
        before(Call::SyncFolder, 0)?;
        system::sync_folder(folder)?;
        #[cfg(test)]
        faults::note(|| Done::FolderSynced);
        Ok(())
    })
}

/// Makes a call again as long as it is interrupted: then it did nothing.
fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// How many of `len` bytes a call may take; an error: it fails. Tests decide.
#[cfg(not(test))]
#[inline(always)]
#[expect(clippy::unnecessary_wraps, reason = "tests have calls fail")]
fn before(_: Call, len: usize) -> io::Result<usize> {
    Ok(len)
}

#[cfg(test)]
use faults::before;

/// Calls of this thread that fail, and those that it made.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::{Cell, RefCell};
    use std::io;

    use super::{Call, Done};

    /// What becomes of a call.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Fault {
        Error(i32),
        /// Half of the bytes are taken.
        Short,
    }

    thread_local! {
        static NEXT: Cell<Option<(usize, Fault)>> = const { Cell::new(None) };
        static FAILED: RefCell<Option<Call>> = const { RefCell::new(None) };
        static MADE: RefCell<Option<Vec<Done>>> = const { RefCell::new(None) };
    }

    /// Writes down the calls of this thread while it does `work`.
    pub(crate) fn recording<T>(work: impl FnOnce() -> T) -> (T, Vec<Done>) {
        MADE.replace(Some(Vec::new()));
        let done = work();
        (done, MADE.take().unwrap_or_default())
    }

    pub(super) fn note(call: impl FnOnce() -> Done) {
        MADE.with_borrow_mut(|made| {
            if let Some(made) = made {
                made.push(call());
            }
        });
    }

    /// Has a call of this thread fail, once, after so many that do not.
    pub(crate) fn fail(after: usize, fault: Fault) {
        NEXT.set(Some((after, fault)));
        FAILED.replace(None);
    }

    /// Has no call fail any more; the one that did.
    pub(crate) fn recover() -> Option<Call> {
        NEXT.set(None);
        FAILED.take()
    }

    pub(super) fn before(call: Call, len: usize) -> io::Result<usize> {
        match NEXT.get() {
            None => Ok(len),
            // A call that takes no bytes, or one, cannot take half of them.
            Some((_, Fault::Short)) if len < 2 => Ok(len),
            Some((0, fault)) => {
                NEXT.set(None);
                FAILED.replace(Some(call));
                match fault {
                    Fault::Error(code) => Err(io::Error::from_raw_os_error(code)),
                    Fault::Short => Ok(len / 2),
                }
            }
            Some((after, fault)) => {
                NEXT.set(Some((after - 1, fault)));
                Ok(len)
            }
        }
    }
}
