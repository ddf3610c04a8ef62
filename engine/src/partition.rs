//! A mapping of keys to entries.
use crate::{Array, ArraySpec, Attrs, Entry, Result, Store, Value};

/// A partition of a collection: keys and what they map to. Clone, Send, Sync.
#[derive(Clone, Debug)]
pub struct Partition {}

impl Partition {
    /// The store.
    pub fn store(&self) -> &Store { unimplemented!() }
    /// Name of the collection.
    pub fn collection(&self) -> &str { unimplemented!() }
    /// Name of the partition.
    pub fn name(&self) -> &str { unimplemented!() }
    /// Number of entries.
    pub fn len(&self) -> Result<u64> { unimplemented!() }
    /// Whether there is no entry.
    pub fn is_empty(&self) -> Result<bool> { unimplemented!() }
    /// Whether `key` is there.
    pub fn contains(&self, key: impl AsRef<[u8]>) -> Result<bool> { let _ = key; unimplemented!() }
    /// The plain value of `key`, without a copy. `Error::Kind` if it holds arrays.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> { let _ = key; unimplemented!() }
    /// The entry of `key`, value or arrays.
    pub fn entry(&self, key: impl AsRef<[u8]>) -> Result<Option<Entry>> { let _ = key; unimplemented!() }
    /// One array of one entry, for hot loops. `Error::NotFound` names key or array.
    pub fn array(&self, key: impl AsRef<[u8]>, name: &str) -> Result<Array> { let _ = (key, name); unimplemented!() }
    /// Stores a plain value; replaces the whole entry. Commits.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> { let _ = (key, value); unimplemented!() }
    /// Stores an entry of arrays; replaces the whole entry. Commits. Large arrays go from the caller's memory to the file.
    pub fn write(&self, key: impl AsRef<[u8]>, arrays: &[(&str, ArraySpec<'_>)], attrs: &Attrs) -> Result<()> { let _ = (key, arrays, attrs); unimplemented!() }
    /// Removes an entry; false if it was not there. Commits.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<bool> { let _ = key; unimplemented!() }
    /// Gives an entry another key. `Error::NotFound`; `Error::Conflict` if `new` exists and `overwrite` is false.
    pub fn rename(&self, key: impl AsRef<[u8]>, new: impl AsRef<[u8]>, overwrite: bool) -> Result<()> { let _ = (key, new, overwrite); unimplemented!() }
    /// Removes every entry in one commit; how many.
    pub fn clear(&self) -> Result<u64> { unimplemented!() }
    /// Keys in the order of their latest whole write, as of this call.
    pub fn keys(&self) -> Result<Keys> { unimplemented!() }
    /// Entries in that order, as of this call.
    pub fn entries(&self) -> Result<Entries> { unimplemented!() }
    /// A pinned view that lends values without counting references: the fastest path for many reads.
    pub fn reader(&self) -> Result<Reader<'_>> { unimplemented!() }
}

/// Iterator over keys.
pub struct Keys {}
impl Iterator for Keys {
    type Item = Result<Vec<u8>>;
    fn next(&mut self) -> Option<Self::Item> { unimplemented!() }
}
/// Iterator over entries.
pub struct Entries {}
impl Iterator for Entries {
    type Item = Result<Entry>;
    fn next(&mut self) -> Option<Self::Item> { unimplemented!() }
}

/// A fixed state of a partition that lends slices.
pub struct Reader<'a> { _p: std::marker::PhantomData<&'a ()> }
impl Reader<'_> {
    /// The plain value of `key`, borrowed. Mapped stores only (a store opened for copying reads answers through `Partition::get`).
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<&[u8]>> { let _ = key; unimplemented!() }
}
