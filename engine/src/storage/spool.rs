//! Temporary files for what waits for its commit.
#![expect(
    unsafe_code,
    reason = "lends the mapped bytes of a file that nobody else can open by name"
)]

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
#[cfg(target_os = "linux")]
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use memmap2::{MmapOptions, MmapRaw};

use super::system;

/// Address space that is reserved for a file, at least: growth up to this needs no new
/// mapping. Costs no memory.
const RESERVED: u64 = 1 << 30;

/// A file without a name that only grows, and goes with its last reference.
#[derive(Debug)]
pub(crate) struct SpoolFile {
    file: File,
    map: SpoolMap,
}

/// The bytes of a spool file, readable without it.
pub(crate) struct SpoolMap {
    map: MmapRaw,
    /// Bytes that are written: never more than the mapping has.
    len: u64,
}

impl SpoolFile {
    /// A file in the folder of the store at `path`; in the system's folder for temporary
    /// files if the store is in memory or its folder takes no files.
    pub(crate) fn beside(path: &Path) -> io::Result<Self> {
        // The path of a store in memory is no absolute one.
        let folder = path.parent().filter(|_| path.is_absolute());
        let temporary = std::env::temp_dir();
        let file = match folder.map(unnamed) {
            None => unnamed(&temporary),
            // A file may be writable in a folder that is not.
            Some(Err(error))
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                unnamed(&temporary)
            }
            Some(made) => made,
        }?;
        let map = SpoolMap {
            map: reserve(&file, 0)?,
            len: 0,
        };
        Ok(Self { file, map })
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> u64 {
        self.map.len
    }

    /// Writes `pieces` to the end; where they start. After an error the file is as before.
    pub(crate) fn append(&mut self, pieces: &[&[u8]]) -> io::Result<u64> {
        let start = self.map.len;
        let mut end = start;
        for piece in pieces {
            system::write_all_at(&self.file, piece, end)?;
            end = end.saturating_add(piece.len() as u64);
        }
        if end > self.map.map.len() as u64 {
            self.map.map = reserve(&self.file, end)?;
        }
        self.map.len = end;
        Ok(start)
    }

    /// The bytes at `range`, if they are written.
    pub(crate) fn get(&self, range: Range<u64>) -> Option<&[u8]> {
        self.map.get(range)
    }

    /// The bytes alone, without the descriptor.
    pub(crate) fn into_map(self) -> SpoolMap {
        self.map
    }
}

impl SpoolMap {
    /// Number of bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The bytes at `range`, if they are written.
    pub(crate) fn get(&self, range: Range<u64>) -> Option<&[u8]> {
        if range.start > range.end || range.end > self.len {
            return None;
        }
        // SAFETY: `start` is at most `len`, which is at most the length of the mapping.
        let first = unsafe { self.map.as_ptr().add(range.start as usize) };
        // SAFETY: the range lies inside the mapping, which lives as long as `self`, and
        // inside the file, which has been written so far. Those bytes stay as they are:
        // `append` writes behind them and nothing cuts the file, which never had a name
        // or lost it when it was made, so that no other program comes by it.
        Some(unsafe { std::slice::from_raw_parts(first, (range.end - range.start) as usize) })
    }
}

impl fmt::Debug for SpoolMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpoolMap({} bytes)", self.len)
    }
}

/// Maps `file`, with room to grow, for at least `need` bytes.
fn reserve(file: &File, need: u64) -> io::Result<MmapRaw> {
    if !system::MAPS_AHEAD {
        // The file has as many, but for one that is empty, which cannot be mapped.
        if need == 0 {
            file.set_len(1)?;
        }
        return MmapOptions::new().map_raw_read_only(file);
    }
    let mut size = need.saturating_mul(4).next_power_of_two().max(RESERVED);
    loop {
        let len = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
        match MmapOptions::new().len(len).map_raw_read_only(file) {
            Ok(map) => return Ok(map),
            // Address space may be limited; what is there has to fit.
            Err(error) if size / 2 < need.max(1) => return Err(error),
            Err(_) => size /= 2,
        }
    }
}

/// A file in `folder` that has no name.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).mode(0o600);
    // Exclusive: it can never be given a name.
    options.custom_flags(libc::O_TMPFILE | libc::O_EXCL);
    match options.open(folder) {
        // Some file systems do not have such files.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL)
            ) =>
        {
            renounced(folder)
        }
        opened => opened,
    }
}

/// A file in `folder` that has no name.
#[cfg(not(target_os = "linux"))]
fn unnamed(folder: &Path) -> io::Result<File> {
    renounced(folder)
}

/// A file in `folder` whose name is taken from it at once.
fn renounced(folder: &Path) -> io::Result<File> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let name = format!(".arraylog.spool.{:016x}", u64::from_le_bytes(random));
    let path = folder.join(name);
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    let file = system::private(&mut options).open(&path)?;
    // Where the system does not let go of the name of an open file, it goes with that.
    let _ = std::fs::remove_file(&path);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> usize {
        std::fs::read_dir(folder).expect("listed").count()
    }

    #[test]
    fn a_spool_has_its_bytes_and_no_name() {
        let folder = tempfile::tempdir().expect("folder");
        for make in [unnamed, renounced] {
            let file = make(folder.path()).expect("made");
            assert_eq!(names(folder.path()), 0);
            let map = SpoolMap {
                map: reserve(&file, 0).expect("mapped"),
                len: 0,
            };
            let mut spool = SpoolFile { file, map };
            assert_eq!(spool.append(&[b"first", b"", b"second"]).expect("room"), 0);
            assert_eq!(spool.append(&[b"third"]).expect("room"), 11);
            assert_eq!(spool.get(3..13), Some(&b"stsecondth"[..]));
            assert_eq!(spool.get(16..16), Some(&b""[..]));
            assert_eq!(spool.get(10..17), None);
            let map = spool.into_map();
            assert_eq!(map.get(0..map.len()), Some(&b"firstsecondthird"[..]));
        }
    }

    #[test]
    fn a_spool_goes_on_when_it_outgrows_its_mapping() {
        let folder = tempfile::tempdir().expect("folder");
        let file = unnamed(folder.path()).expect("made");
        let map = SpoolMap {
            map: MmapOptions::new()
                .len(4096)
                .map_raw_read_only(&file)
                .expect("mapped"),
            len: 0,
        };
        let mut spool = SpoolFile { file, map };
        for number in 0..5u8 {
            spool.append(&[&[number; 3000]]).expect("room");
        }
        assert_eq!(spool.get(11_999..12_001), Some(&[3, 4][..]));
    }

    #[test]
    fn a_spool_lies_beside_its_store_or_in_the_folder_for_temporary_files() {
        let folder = tempfile::tempdir().expect("folder");
        for path in [&folder.path().join("a.alog"), Path::new(":memory:")] {
            let mut spool = SpoolFile::beside(path).expect("made");
            spool.append(&[b"bytes"]).expect("room");
            assert_eq!(spool.get(0..5), Some(&b"bytes"[..]));
        }
        let nowhere = folder.path().join("not/there/a.alog");
        let error = SpoolFile::beside(&nowhere).expect_err("no folder");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
