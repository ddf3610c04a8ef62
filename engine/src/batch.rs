//! Writes that commit together.
use crate::{ArraySpec, Attrs, Durability, Result};

/// Writes that become visible together, or not at all. Dropped without `commit`: nothing is stored. Send + Sync.
#[derive(Debug)]
pub struct Batch {}
impl Batch {
    /// A partition to write to; made by the commit if it is new.
    pub fn partition(&self, collection: &str, partition: &str) -> Result<BatchPartition<'_>> { let _ = (collection, partition); unimplemented!() }
    /// Durability of this commit (default: the store's).
    pub fn set_durability(&mut self, durability: Durability) { let _ = durability; unimplemented!() }
    /// Number of operations so far.
    pub fn len(&self) -> usize { unimplemented!() }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool { self.len() == 0 }
    /// Commits; the seqno of the commit. An empty batch commits nothing and gives the store's seqno.
    pub fn commit(self) -> Result<u64> { unimplemented!() }
}
/// The verbs of a batch on one partition. Data is copied before a call returns.
#[derive(Debug, Clone, Copy)]
pub struct BatchPartition<'b> { _p: std::marker::PhantomData<&'b ()> }
impl BatchPartition<'_> {
    /// As `Partition::put`, at the commit.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> { let _ = (key, value); unimplemented!() }
    /// As `Partition::write`, at the commit.
    pub fn write(&self, key: impl AsRef<[u8]>, arrays: &[(&str, ArraySpec<'_>)], attrs: &Attrs) -> Result<()> { let _ = (key, arrays, attrs); unimplemented!() }
    /// As `Partition::remove`; the answer is that of the store with the batch laid over it.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<bool> { let _ = key; unimplemented!() }
    /// As `Partition::rename`, with the batch laid over the store.
    pub fn rename(&self, key: impl AsRef<[u8]>, new: impl AsRef<[u8]>, overwrite: bool) -> Result<()> { let _ = (key, new, overwrite); unimplemented!() }
    /// Copies an entry (of any store) to `key`.
    pub fn copy(&self, key: impl AsRef<[u8]>, entry: &crate::Entry) -> Result<()> { let _ = (key, entry); unimplemented!() }
}
