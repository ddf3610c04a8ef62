//! A store: one file, opened.
use std::path::Path;
use crate::{Batch, Durability, Mode, Partition, Result, Verify};

/// Name of the collection, and of its partition, that a plain key/value store uses.
pub const DEFAULT_NAME: &str = "default";

/// How to open a store.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct OpenOptions { mode: Mode, durability: Durability, verify: Verify }
impl OpenOptions {
    /// Mode `Read`, `Buffered`, verifying at first touch, with the writer's lock.
    pub fn new() -> Self { Self::default() }
    /// What may exist, and what may be done.
    pub fn mode(mut self, mode: Mode) -> Self { self.mode = mode; self }
    /// Durability of commits.
    pub fn durability(mut self, durability: Durability) -> Self { self.durability = durability; self }
    /// When checksums of values are compared.
    pub fn verify(mut self, verify: Verify) -> Self { self.verify = verify; self }
    /// Whether a writer locks the file (default true).
    pub fn lock(self, lock: bool) -> Self { let _ = lock; self }
    /// Opens by copying: each read is a system call and owns its bytes.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Store> { let _ = path; unimplemented!() }
    /// Opens through a memory map: reads are views of the file.
    ///
    /// # Safety
    /// While the store or any view of it lives, no other program may truncate the file or change its committed bytes.
    #[allow(unsafe_code)]
    pub unsafe fn open_mapped(&self, path: impl AsRef<Path>) -> Result<Store> { let _ = path; unimplemented!() }
}

/// An open store. Clone (counts a reference), Send, Sync.
#[derive(Clone, Debug)]
pub struct Store {}
impl Store {
    /// A store in memory, gone with its last handle and view.
    pub fn memory() -> Result<Self> { unimplemented!() }
    /// The file, or ":memory:".
    pub fn path(&self) -> &Path { unimplemented!() }
    /// How it was opened.
    pub fn mode(&self) -> Mode { unimplemented!() }
    /// Durability of commits that do not say otherwise.
    pub fn durability(&self) -> Durability { unimplemented!() }
    /// Whether `close` was called.
    pub fn is_closed(&self) -> bool { unimplemented!() }
    /// Random identity of this generation of the file.
    pub fn id(&self) -> [u8; 16] { unimplemented!() }
    /// Which rewrite of the file this is; 0 until it is compacted.
    pub fn generation(&self) -> u64 { unimplemented!() }
    /// Number of the newest commit that this handle sees.
    pub fn seqno(&self) -> u64 { unimplemented!() }
    /// What opening found.
    pub fn recovery(&self) -> &Recovery { unimplemented!() }
    /// Names of the collections in the order first written.
    pub fn collections(&self) -> Result<Vec<String>> { unimplemented!() }
    /// Names of the partitions of a collection in the order first written. `Error::NotFound`.
    pub fn partitions(&self, collection: &str) -> Result<Vec<String>> { let _ = collection; unimplemented!() }
    /// A partition; made by its first write if the store is writable, else `Error::NotFound`.
    pub fn partition(&self, collection: &str, partition: &str) -> Result<Partition> { let _ = (collection, partition); unimplemented!() }
    /// A partition that exists, in any mode. `Error::NotFound` with the nearest name.
    pub fn existing_partition(&self, collection: &str, partition: &str) -> Result<Partition> { let _ = (collection, partition); unimplemented!() }
    /// The partition "default" of the collection "default".
    pub fn default_partition(&self) -> Result<Partition> { self.partition(DEFAULT_NAME, DEFAULT_NAME) }
    /// An empty batch.
    pub fn batch(&self) -> Result<Batch> { unimplemented!() }
    /// Makes every commit so far durable.
    pub fn sync(&self) -> Result<()> { unimplemented!() }
    /// Sees what another process committed meanwhile; whether there was something.
    pub fn refresh(&self) -> Result<bool> { unimplemented!() }
    /// Makes everything durable and closes. Values, entries and arrays go on working. Idempotent.
    pub fn close(&self) -> Result<()> { unimplemented!() }
    /// Sizes and counts, for people.
    pub fn info(&self) -> Result<Info> { unimplemented!() }
}

/// What opening found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recovery {
    /// Commits replayed.
    pub commits: u64,
    /// Records replayed.
    pub records: u64,
    /// Whether the last writer closed the store.
    pub clean: bool,
    /// Bytes after the last whole commit that were skipped (0 if none).
    pub torn_bytes: u64,
    /// Where they start.
    pub torn_at: u64,
}

/// Sizes and counts of a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Info {
    /// Format version, "0.1".
    pub format: String,
    /// Bytes of the file up to the end of the last commit.
    pub file_bytes: u64,
    /// Number of the newest commit.
    pub seqno: u64,
    /// Each partition in the order first written.
    pub partitions: Vec<PartitionInfo>,
}

/// Counts of a partition.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PartitionInfo {
    /// Its collection.
    pub collection: String,
    /// Its name.
    pub name: String,
    /// Number of entries.
    pub entries: u64,
}
