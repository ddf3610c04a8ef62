//! Linux, macOS and other systems of POSIX.
#![expect(unsafe_code, reason = "advice on mappings needs a system call")]

use std::fs::{File, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;
use std::ptr::NonNull;

use crate::options::Advice;

/// Whether a file may be mapped beyond its end, to show there what is written later.
pub(crate) const MAPS_AHEAD: bool = true;

/// Reads at an offset; how many bytes.
pub(crate) fn read_at(file: &File, buf: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(buf, at)
}

/// Writes at an offset; how many bytes.
pub(crate) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
    file.write_at(bytes, at)
}

/// Opens an existing file.
pub(crate) fn open(path: &Path, writable: bool) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(writable);
    // So that a pipe that took the name is not waited for; of no effect on files.
    options.custom_flags(libc::O_NONBLOCK).open(path)
}

/// Whether `path` names the file.
pub(crate) fn same(file: &File, path: &Path) -> io::Result<bool> {
    let (own, named) = (file.metadata()?, std::fs::metadata(path)?);
    Ok((own.dev(), own.ino()) == (named.dev(), named.ino()))
}

/// Gives `file` the owner of another one, if this process may.
pub(crate) fn give_same_owner(file: &File, of: &File) -> io::Result<()> {
    let own = of.metadata()?;
    // Only some may give files away; the others own both.
    let _ = fchown(file, Some(own.uid()), Some(own.gid()));
    Ok(())
}

/// Tells the system how `len` bytes of a mapping will be read, from the start of a page on.
///
/// # Safety
///
/// The bytes lie inside one mapping.
pub(crate) unsafe fn advise_mapped(
    first: NonNull<u8>,
    len: usize,
    advice: Advice,
) -> io::Result<()> {
    let advice = match advice {
        Advice::Normal => libc::MADV_NORMAL,
        Advice::Random => libc::MADV_RANDOM,
        Advice::Sequential => libc::MADV_SEQUENTIAL,
        Advice::WillNeed => libc::MADV_WILLNEED,
    };
    // SAFETY: the range lies inside a mapping, as the caller promises; none of these pieces
    // of advice changes what the memory holds.
    match unsafe { libc::madvise(first.as_ptr().cast(), len, advice) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Asks for large pages below the whole pages of a table, where the system has them.
pub(crate) fn want_large_pages<T>(table: &[T]) {
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        let bytes = size_of_val(table);
        let start = table.as_ptr().cast::<u8>();
        let skip = start.align_offset(PAGE);
        if bytes <= skip {
            return;
        }
        let len = (bytes - skip) / PAGE * PAGE;
        // SAFETY: `skip` is less than the bytes of the allocation (checked above).
        let first = unsafe { start.add(skip) };
        // SAFETY: the whole pages from `first` on lie inside the allocation. The advice does
        // not change what they hold; a kernel that does not know it answers with an error,
        // which changes nothing either.
        let _ = unsafe { libc::madvise(first.cast_mut().cast(), len, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = table;
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// How a file is made that its user alone may read, and that goes when it is closed, by
/// itself or once its name is taken from it.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

/// What is neither a file nor a folder, in words.
pub(crate) fn special(found: FileType) -> Option<&'static str> {
    let kinds = [
        (found.is_fifo(), "a named pipe"),
        (found.is_socket(), "a socket"),
        (found.is_block_device(), "a block device"),
        (found.is_char_device(), "a character device"),
    ];
    kinds.iter().find(|(is, _)| *is).map(|(_, name)| *name)
}
