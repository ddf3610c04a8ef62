//! Sources of values.

use std::io::{self, Read};

/// Byte `at` of every [`Pattern`].
#[must_use]
pub fn byte(at: u64) -> u8 {
    (at ^ (at >> 8).wrapping_mul(31) ^ (at >> 16).wrapping_mul(17)) as u8
}

/// A source of so many bytes, each told by its place.
#[derive(Clone, Debug)]
pub struct Pattern {
    at: u64,
    len: u64,
}

impl Pattern {
    /// A source of `len` bytes.
    #[must_use]
    pub fn new(len: u64) -> Self {
        Self { at: 0, len }
    }

    /// All of its bytes.
    #[must_use]
    pub fn bytes(len: u64) -> Vec<u8> {
        (0..len).map(byte).collect()
    }
}

impl Read for Pattern {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = (self.len - self.at).min(out.len() as u64) as usize;
        for (to, at) in out.iter_mut().take(len).zip(self.at..) {
            *to = byte(at);
        }
        self.at += len as u64;
        Ok(len)
    }
}

/// Answers of a source, one a call: the most bytes that it gives, or an error. After the
/// last one it gives what is asked for.
#[derive(Debug)]
pub struct Moody<R> {
    source: R,
    moods: std::vec::IntoIter<Result<usize, io::ErrorKind>>,
}

impl<R> Moody<R> {
    /// `source` with moods.
    pub fn new(source: R, moods: Vec<Result<usize, io::ErrorKind>>) -> Self {
        let moods = moods.into_iter();
        Self { source, moods }
    }
}

impl<R: Read> Read for Moody<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = self.moods.next().unwrap_or(Ok(usize::MAX))?;
        let most = most.min(out.len());
        self.source.read(out.get_mut(..most).unwrap_or_default())
    }
}
