//! Reads fields of the format one after the other; total on any input.
use crate::format::Defect;

/// The rest of some bytes, and what they are, for defects.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    what: &'static str,
    whole: usize,
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self {
            what,
            whole: bytes.len(),
            rest: bytes,
        }
    }

    /// Bytes not read yet.
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Defect> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.truncated(len));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Defect> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.truncated(N));
        };
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Defect> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Defect> {
        self.chunk().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Defect> {
        self.chunk().map(u32::from_le_bytes)
    }

    /// A count of things of which each takes at least one more byte, which
    /// bounds what a hostile count can make a caller allocate.
    pub(super) fn count(&mut self) -> Result<usize, Defect> {
        let count = self.u32()? as usize;
        if count > self.remaining() {
            return Err(self.truncated(count));
        }
        Ok(count)
    }

    pub(super) fn text(&mut self, len: usize, what: &'static str) -> Result<&'a str, Defect> {
        std::str::from_utf8(self.take(len)?).map_err(|_| Defect::NotUtf8 { what })
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), Defect> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Defect::Field {
            what: "number of bytes after the end",
            found: self.rest.len() as u64,
            expected: "0",
        })
    }

    fn truncated(&self, wanted: usize) -> Defect {
        let read = self.whole.saturating_sub(self.rest.len());
        Defect::Truncated {
            what: self.what,
            need: read.saturating_add(wanted) as u64,
            have: self.whole as u64,
        }
    }
}
