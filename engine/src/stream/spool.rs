//! Bytes that wait outside of the log until all of them are there.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::arena::Gathered;
use crate::error::{Error, Result};
use crate::format::BLOCK;
use crate::format::record::value_hash;
use crate::log::wide_blocks;
use crate::staged::Sums;
use crate::storage::SpoolFile;

/// Bytes in memory, at most: what a value of up to so many bytes needs, and what a longer
/// one is written and summed by.
const IN_MEMORY: usize = 1 << 20;

/// Room that is taken at first.
const AT_FIRST: usize = 1 << 14;

/// A value in the making, of a length that nobody has to know.
///
/// Up to 1 MiB is in memory. What is longer goes to a temporary file without a name, in
/// the folder of the store (of a store in memory: of the system), and its checksums are
/// made meanwhile, so that memory is bounded: 1 MiB, and 8 bytes for each 64 KiB. Nothing
/// of the store is locked: others commit as they like. Dropped, nothing is left behind.
///
/// It becomes a value by [`Partition::put_spool`](crate::Partition::put_spool) or
/// [`BatchPartition::put_spool`](crate::BatchPartition::put_spool), of any store.
pub struct Spool {
    path: PathBuf,
    /// Bytes that are not in the file, and room for more. Once there is a file, at least
    /// a block of them, since the last block takes the remainder.
    buffer: Vec<u8>,
    /// How many bytes of the buffer count.
    filled: usize,
    file: Option<SpoolFile>,
    /// Sums of the blocks in the file.
    sums: Vec<u64>,
    /// Why something is missing: then this can never become a value.
    failed: Option<io::Error>,
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spool({} bytes)", self.len())
    }
}

impl Spool {
    /// An empty one for the store at `path`.
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            buffer: Vec::new(),
            filled: 0,
            file: None,
            sums: Vec::new(),
            failed: None,
        }
    }

    /// Number of bytes so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        let filed = self.file.as_ref().map_or(0, SpoolFile::len);
        filed.saturating_add(self.filled as u64)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds bytes. `Error::NotCommitted` if the temporary file cannot be written, which
    /// says why; every later call says the same.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.room()?;
            let (now, later) = rest.split_at(rest.len().min(room.len()));
            if let Some(room) = room.get_mut(..now.len()) {
                room.copy_from_slice(now);
            }
            self.took(now.len());
            rest = later;
        }
        Ok(())
    }

    /// Room for the next bytes, at least one.
    pub(super) fn room(&mut self) -> Result<&mut [u8]> {
        if self.failed.is_some() {
            return Err(self.failure());
        }
        if self.filled == self.buffer.len() {
            if self.buffer.len() < IN_MEMORY {
                let more = (self.buffer.len() * 2).clamp(AT_FIRST, IN_MEMORY);
                self.buffer.resize(more, 0);
            } else if let Err(error) = self.drain() {
                self.failed = Some(error);
                return Err(self.failure());
            }
        }
        Ok(self.buffer.get_mut(self.filled..).unwrap_or_default())
    }

    /// Says that so many bytes of the room hold what comes next.
    pub(super) fn took(&mut self, len: usize) {
        self.filled = self.filled.saturating_add(len).min(self.buffer.len());
    }

    /// Writes the blocks of a full buffer to the file, but the last.
    fn drain(&mut self) -> io::Result<()> {
        let block = BLOCK as usize;
        let blocks = (self.filled / block).saturating_sub(1);
        let end = blocks * block;
        let ready = self.buffer.get(..end).unwrap_or_default();
        file(&mut self.file, &self.path)?.append(&[ready])?;
        self.sums.extend(ready.chunks_exact(block).map(value_hash));
        self.buffer.copy_within(end..self.filled, 0);
        self.filled -= end;
        Ok(())
    }

    /// The value with its sums.
    pub(crate) fn end(mut self) -> Result<(Gathered, Sums)> {
        if self.failed.is_some() {
            return Err(self.failure());
        }
        self.buffer.truncate(self.filled);
        let Some(mut file) = self.file.take() else {
            let sums = Sums::of(&[&self.buffer], self.buffer.len() as u64);
            return Ok((Gathered::Memory(self.buffer), sums));
        };
        // Whole blocks went before, and a block at least is here.
        let len = self.buffer.len() as u64;
        self.sums.extend(wide_blocks(&[&self.buffer], len));
        if let Err(error) = file.append(&[&self.buffer]) {
            self.failed = Some(error);
            return Err(self.failure());
        }
        Ok((Gathered::File(file.into_map()), Sums::Wide(self.sums)))
    }

    /// The failure, once more: `io::Error` cannot be cloned.
    fn failure(&self) -> Error {
        let source = match &self.failed {
            Some(error) => match error.raw_os_error() {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::Error::new(error.kind(), error.to_string()),
            },
            None => io::ErrorKind::Other.into(),
        };
        Error::NotCommitted {
            path: self.path.clone(),
            source,
        }
    }
}

fn file<'a>(file: &'a mut Option<SpoolFile>, path: &Path) -> io::Result<&'a mut SpoolFile> {
    match file {
        Some(file) => Ok(file),
        none => Ok(none.insert(SpoolFile::beside(path)?)),
    }
}

impl Write for Spool {
    /// Takes all of `bytes`. An error holds the [`Error`] of [`Spool::append`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes).map_err(super::read::as_io)?;
        Ok(bytes.len())
    }

    /// Does nothing: bytes become a value together, at the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len as u32)
            .map(|i| (i.wrapping_mul(0x9E37_79B1) >> 24) as u8)
            .collect()
    }

    #[test]
    fn bytes_and_sums_do_not_depend_on_how_they_came() {
        let block = BLOCK as usize;
        for len in [
            0,
            1,
            block - 1,
            block,
            block + 1,
            2 * block - 1,
            2 * block,
            IN_MEMORY - 1,
            IN_MEMORY,
            IN_MEMORY + 1,
            IN_MEMORY + block,
            2 * IN_MEMORY - block,
            10_000_000,
        ] {
            let bytes = bytes(len);
            for step in [7777, block, IN_MEMORY - 1, usize::MAX] {
                let mut spool = Spool::new(Path::new(":memory:"));
                for part in bytes.chunks(step) {
                    spool.append(part).expect("room");
                }
                assert_eq!(spool.len(), len as u64);
                assert_eq!(spool.file.is_some(), len > IN_MEMORY);
                let (value, sums) = spool.end().expect("whole");
                assert!(value.bytes() == bytes, "{len} by {step}");
                match sums {
                    Sums::Small(sum) => assert!(len < block && sum == value_hash(&bytes)),
                    Sums::Wide(sums) => assert_eq!(sums, wide_blocks(&[&bytes], len as u64)),
                }
            }
        }
    }

    #[test]
    fn a_spool_that_failed_stays_so_and_never_becomes_a_value() {
        let mut spool = Spool::new(Path::new("/not/there/a.alog"));
        spool.append(&bytes(IN_MEMORY)).expect("in memory");
        for _ in 0..2 {
            let error = spool.append(b"more").expect_err("no folder");
            assert_eq!(error.kind(), "not-committed");
        }
        let error = spool.end().expect_err("failed");
        let Error::NotCommitted { source, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(source.kind(), io::ErrorKind::NotFound);
    }
}
