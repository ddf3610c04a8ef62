//! A plain file: no index, no checksum, nothing to find anything by.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::ingest::{Load, Sink};

/// A fresh file that entries are appended to.
pub(crate) struct FileSink {
    writer: BufWriter<File>,
    with_keys: bool,
}

impl FileSink {
    /// Makes a file at `path`. `block` is the size of the buffer in front of
    /// `write(2)`; with 0 each value is one `write(2)` of its own.
    pub(crate) fn new(path: &Path, block: usize) -> Result<Self> {
        let file =
            File::create_new(path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self {
            writer: BufWriter::with_capacity(block, file),
            with_keys: false,
        })
    }

    /// Writes each key before its value.
    pub(crate) fn with_keys(mut self) -> Self {
        self.with_keys = true;
        self
    }
}

impl Sink for FileSink {
    fn commit(&mut self, load: &Load, range: Range<usize>) -> Result<()> {
        for (key, value) in load.entries(range) {
            if self.with_keys {
                self.writer.write_all(key)?;
            }
            self.writer.write_all(value)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(self.writer.flush()?)
    }

    fn sync(&mut self) -> Result<()> {
        Ok(self.writer.get_ref().sync_data()?)
    }

    fn close(self) -> Result<()> {
        Ok(())
    }
}
