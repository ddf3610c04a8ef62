//! Sequential reading of a file by system calls.
//!
//! Recovery and following read what may be torn, or may be cut meanwhile: through
//! calls, which return errors, not through the mapping, which would end the process.

use std::io;

use crate::storage::Storage;

/// Bytes read at once, from the first step on twice as many each time: a short walk, as
/// behind a checkpoint, reads little. The last amortises the call, and stays in the cache
/// of a core.
const STEPS: (usize, usize) = (16 << 10, 1 << 20);

/// A moving window over a file.
#[derive(Debug)]
pub(super) struct Window<'a> {
    storage: &'a dyn Storage,
    /// Bytes of the file, as of the start.
    len: u64,
    start: u64,
    step: usize,
    buffer: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(super) fn new(storage: &'a dyn Storage) -> io::Result<Self> {
        let len = storage.len()?;
        Ok(Self {
            storage,
            len,
            start: 0,
            step: STEPS.0,
            buffer: Vec::new(),
        })
    }

    /// Bytes of the file.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// `want` bytes from offset `at`, or what the file has of them.
    pub(super) fn get(&mut self, at: u64, want: usize) -> io::Result<&[u8]> {
        let have = self.len.saturating_sub(at).min(want as u64) as usize;
        let inside = at >= self.start
            && at.saturating_add(have as u64)
                <= self.start.saturating_add(self.buffer.len() as u64);
        if !inside {
            let step = self.len.saturating_sub(at).min(self.step.max(have) as u64) as usize;
            self.step = (self.step * 2).min(STEPS.1);
            self.buffer.resize(step, 0);
            self.start = at;
            let n = self.storage.read_at(&mut self.buffer, at)?;
            self.buffer.truncate(n);
        }
        let from = (at - self.start) as usize;
        let to = (from + have).min(self.buffer.len());
        Ok(self.buffer.get(from..to).unwrap_or_default())
    }
}
