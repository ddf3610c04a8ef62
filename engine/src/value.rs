//! Bytes of the store that keep their mapping alive.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::storage::{Bytes, Region};

/// A value, without a copy: bytes of the mapped file (or of memory).
///
/// Cloning counts a reference. The bytes stay valid and unchanged for as long as any
/// clone lives, whatever happens to the store: overwrites, compaction, `close()`.
#[derive(Clone)]
pub struct Value(Bytes);

impl Value {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// A copy, in memory. Memory that cannot be had is `Error::Io`.
    pub(crate) fn copied(bytes: &[u8]) -> Result<Self> {
        Self::owned(bytes.len(), |out| {
            out.copy_from_slice(bytes);
            Ok(())
        })
    }

    /// The bytes, which keep their memory.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Bytes in memory, zeros at first, which `fill` writes. Memory that cannot be had is
    /// `Error::Io`.
    pub(crate) fn owned(len: usize, fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Self> {
        let mut filled = Ok(());
        let region = Region::copied(0, len, |out| {
            filled = fill(out);
            Ok::<_, std::io::Error>(())
        });
        let region = region.map_err(Error::io("reserve memory for", "an array".as_ref()))?;
        filled?;
        let bytes = Arc::new(region).range_of(0..len as u64);
        let none = std::io::Error::from(std::io::ErrorKind::OutOfMemory);
        bytes
            .map(Self)
            .ok_or_else(|| Error::io("reserve memory for", "an array".as_ref())(none))
    }

    /// The part `range` of these bytes, without a copy; `None` if it is not inside.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        self.0.slice(range).map(Self)
    }
}

impl Deref for Value {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Value {}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.len())
    }
}

impl From<Value> for bytes::Bytes {
    /// Without a copy; the bytes keep the mapping alive.
    fn from(value: Value) -> Self {
        Self::from_owner(value)
    }
}
