//! The lock of the one writer.
#![expect(
    unsafe_code,
    reason = "locks of open file descriptions need a system call"
)]

use std::fs::File;
use std::io;
#[cfg(unix)]
use std::os::fd::AsRawFd;

/// The byte that is locked, far beyond any data. Part of the format: two kinds of
/// lock, or two places, would not exclude each other.
#[cfg(any(target_os = "linux", windows))]
const LOCKED_BYTE: i64 = 1 << 62;

/// Held for as long as the file description that it was taken on is open.
///
/// On Linux a lock of the open file description: unlike POSIX locks it tells two
/// opens in one process apart and is not lost when another handle of the file is
/// closed. On Windows a lock of the handle, and on other systems `flock`.
#[derive(Debug)]
pub(crate) struct WriterLock;

impl WriterLock {
    /// Takes the lock; false if another description holds it.
    pub(crate) fn take(file: &File) -> io::Result<bool> {
        match Self::call(file, true) {
            Ok(()) => Ok(true),
            Err(error) if is_held(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives the lock back.
    pub(crate) fn release(file: &File) -> io::Result<()> {
        Self::call(file, false)
    }

    /// Whether a writer, in any process, holds the lock now. Takes nothing.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_held(file: &File) -> io::Result<bool> {
        let mut request = Self::request(libc::F_RDLCK);
        // SAFETY: the descriptor is open for as long as `file`; `request` is a valid
        // `flock` structure that the call reads and writes.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut request) };
        if result == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(request.l_type != libc::F_UNLCK as libc::c_short)
    }

    /// Whether a writer holds the lock: elsewhere there is no way to ask without
    /// taking it, so the words of the live page have to do.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn is_held(_file: &File) -> io::Result<bool> {
        Ok(true)
    }

    #[cfg(target_os = "linux")]
    fn request(kind: libc::c_int) -> libc::flock {
        libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: LOCKED_BYTE,
            l_len: 1,
            // Must be 0 for locks of open file descriptions.
            l_pid: 0,
        }
    }

    #[cfg(target_os = "linux")]
    fn call(file: &File, take: bool) -> io::Result<()> {
        let request = Self::request(if take { libc::F_WRLCK } else { libc::F_UNLCK });
        // SAFETY: the descriptor is open for as long as `file`; `request` is a valid
        // `flock` structure that the call only reads.
        let result =
            unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const request) };
        if result == -1 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    #[cfg(windows)]
    fn call(file: &File, take: bool) -> io::Result<()> {
        use std::os::windows::io::AsRawHandle;
        use windows_sys::Win32::Storage::FileSystem::{
            LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, UnlockFileEx,
        };
        use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};

        let mut at = OVERLAPPED {
            Anonymous: OVERLAPPED_0 {
                Anonymous: OVERLAPPED_0_0 {
                    Offset: 0,
                    OffsetHigh: (LOCKED_BYTE >> 32) as u32,
                },
            },
            ..OVERLAPPED::default()
        };
        let (handle, at) = (file.as_raw_handle(), &raw mut at);
        let how = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
        let done = match take {
            // SAFETY: the handle is open for as long as `file`, and was opened for calls that
            // return when they are done, so that `at` outlives them.
            true => unsafe { LockFileEx(handle, how, 0, 1, 0, at) },
            // SAFETY: as above.
            false => unsafe { UnlockFileEx(handle, 0, 1, 0, at) },
        };
        match done {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    #[cfg(not(any(target_os = "linux", windows)))]
    fn call(file: &File, take: bool) -> io::Result<()> {
        let operation = if take {
            libc::LOCK_EX | libc::LOCK_NB
        } else {
            libc::LOCK_UN
        };
        // SAFETY: the descriptor is open for as long as `file`.
        let result = unsafe { libc::flock(file.as_raw_fd(), operation) };
        if result == -1 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

#[cfg(windows)]
fn is_held(error: &io::Error) -> bool {
    use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_LOCK_VIOLATION};
    let codes = [ERROR_LOCK_VIOLATION, ERROR_IO_PENDING].map(|code| code as i32);
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

#[cfg(unix)]
fn is_held(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_opens_of_one_process_exclude_each_other_and_closing_a_third_frees_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        let open = || {
            File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
        };
        let (first, second, third) = (
            open().expect("opens"),
            open().expect("opens"),
            open().expect("opens"),
        );
        assert!(WriterLock::take(&first).expect("asked"));
        drop(third);
        assert!(!WriterLock::take(&second).expect("asked"));
        assert!(WriterLock::is_held(&second).expect("asked"));
        drop(first);
        assert!(WriterLock::take(&second).expect("asked"));
    }
}
