//! Windows: compiled, and not run.
#![expect(unsafe_code, reason = "what names a file needs a system call")]

use std::fs::{File, FileType, OpenOptions};
use std::io;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::os::windows::io::AsRawHandle;
use std::path::Path;
use std::ptr::NonNull;

use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_DELETE_ON_CLOSE,
    GetFileInformationByHandle,
};

use crate::options::Advice;

/// Whether a file may be mapped beyond its end, to show there what is written later: a
/// section for reading has the length that its file has.
pub(crate) const MAPS_AHEAD: bool = false;

/// Reads at an offset; how many bytes. Moves the position of the file, which nobody uses.
pub(crate) fn read_at(file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek_read(buf, at)
}

/// Writes at an offset; how many bytes. Moves the position of the file, which nobody uses.
pub(crate) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
    file.seek_write(bytes, at)
}

/// Opens an existing file.
pub(crate) fn open(path: &Path, writable: bool) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(writable);
    // Folders too, which are told apart afterwards.
    options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)
}

/// Volume and number of a file.
fn identity(file: &File) -> io::Result<(u32, u32, u32)> {
    let mut found = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open for as long as `file`; `found` is written by the call.
    let done = unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut found) };
    match done {
        0 => Err(io::Error::last_os_error()),
        _ => Ok((
            found.dwVolumeSerialNumber,
            found.nFileIndexHigh,
            found.nFileIndexLow,
        )),
    }
}

/// Whether `path` names the file.
pub(crate) fn same(file: &File, path: &Path) -> io::Result<bool> {
    Ok(identity(file)? == identity(&open(path, false)?)?)
}

/// Files belong to who makes them.
#[expect(clippy::unnecessary_wraps, reason = "other systems ask")]
pub(crate) fn give_same_owner(_file: &File, _of: &File) -> io::Result<()> {
    Ok(())
}

/// There is nothing to tell.
///
/// # Safety
///
/// None is needed; other systems ask for it.
#[expect(clippy::unnecessary_wraps, reason = "other systems may refuse")]
pub(crate) unsafe fn advise_mapped(
    _first: NonNull<u8>,
    _len: usize,
    _advice: Advice,
) -> io::Result<()> {
    Ok(())
}

/// The system has no advice of that kind.
pub(crate) fn want_large_pages<T>(_table: &[T]) {}

/// The file system keeps a journal of its names, and a program cannot flush a folder.
#[expect(clippy::unnecessary_wraps, reason = "other systems flush")]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// How a file is made that its user alone may read, and that goes when it is closed, by
/// itself or once its name is taken from it.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags(FILE_FLAG_DELETE_ON_CLOSE)
}

/// What is neither a file nor a folder, in words.
pub(crate) fn special(_found: FileType) -> Option<&'static str> {
    None
}
