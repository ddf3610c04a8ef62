//! A file that shows more than it has: what is known about a damaged store without being in
//! it stands behind its end, in memory.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::{LivePage, Region, Storage, Successor};
use crate::options::Advice;

/// A storage for reading, with bytes behind its end.
#[derive(Debug)]
pub(crate) struct Extended {
    file: Arc<dyn Storage>,
    /// Where they start, and they.
    more: OnceLock<(u64, Vec<u8>)>,
}

impl Extended {
    pub(crate) fn new(file: Arc<dyn Storage>) -> Self {
        Self {
            file,
            more: OnceLock::new(),
        }
    }

    /// Shows `bytes` from `at` on, which is behind the end of the file; once.
    pub(crate) fn show(&self, at: u64, bytes: Vec<u8>) {
        let _ = self.more.set((at, bytes));
    }
}

fn read_only() -> io::Error {
    io::ErrorKind::ReadOnlyFilesystem.into()
}

impl Storage for Extended {
    fn len(&self) -> io::Result<u64> {
        match self.more.get() {
            Some((at, more)) => Ok(at.saturating_add(more.len() as u64)),
            None => self.file.len(),
        }
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        match self.more.get() {
            Some((start, more)) if at >= *start => {
                let from = usize::try_from(at - start).unwrap_or(usize::MAX);
                let bytes = more.get(from..).unwrap_or_default();
                let len = bytes.len().min(buf.len());
                if let (Some(out), Some(bytes)) = (buf.get_mut(..len), bytes.get(..len)) {
                    out.copy_from_slice(bytes);
                }
                Ok(len)
            }
            _ => self.file.read_at(buf, at),
        }
    }

    fn write_at(&self, _pieces: &[IoSlice<'_>], _at: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn sync(&self) -> io::Result<()> {
        Err(read_only())
    }

    fn allocate(&self, _at: u64, _len: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn advise(&self, range: Range<u64>, advice: Advice) -> io::Result<()> {
        self.file.advise(range, advice)
    }

    fn map(&self) -> io::Result<Arc<Region>> {
        self.file.map()
    }

    fn live(&self) -> &LivePage {
        self.file.live()
    }

    fn has_writer(&self) -> io::Result<bool> {
        self.file.has_writer()
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        self.file.boot_id()
    }

    fn is_at(&self, path: &Path) -> io::Result<bool> {
        self.file.is_at(path)
    }

    fn successor(&self, path: &Path, header: &[u8], random: u64) -> io::Result<Successor> {
        self.file.successor(path, header, random)
    }
}
