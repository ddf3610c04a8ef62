//! Writes that commit together.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::array::{ArraySpec, Attrs};
use crate::catalog::check_name;
use crate::entry::Entry;
use crate::error::{Error, Result, What};
use crate::format::record::RecordKind;
use crate::options::Durability;
use crate::partition::{conflict, describe_key};
use crate::staged::{Overlaid, Staged, Target};
use crate::store::Inner;

/// Writes that become visible together, or not at all.
///
/// Data is copied into the batch and encoded there, outside the writer's lock: other
/// commits neither wait for a batch nor belong to it. Up to 64 MiB of values are in
/// memory, what comes then in a temporary file, so that a batch may exceed memory: it
/// needs some 400 bytes for each operation, and for the commit the values below 1 KiB
/// once more. If that file cannot be written the call is refused with `Error::Io`. It may be filled from many threads; the order is that of the
/// calls, and the last write of a key counts. A call that is refused leaves nothing of
/// it in the batch, which goes on. Dropped without [`commit`](Self::commit), nothing is
/// stored.
#[derive(Debug)]
pub struct Batch {
    pub(crate) inner: Arc<Inner>,
    pub(crate) staged: Mutex<Staged>,
    durability: Durability,
}

impl Batch {
    pub(crate) fn new(inner: &Arc<Inner>) -> Self {
        let durability = inner.log.durability();
        Self {
            inner: Arc::clone(inner),
            staged: Mutex::new(Staged::new(&inner.pool, inner.log.path())),
            durability,
        }
    }

    /// A partition to write to; made by the commit if it is new. `Error::Invalid` for a
    /// name that is empty, longer than 255 bytes or holds NUL.
    pub fn partition(&self, collection: &str, partition: &str) -> Result<BatchPartition<'_>> {
        check_name("collection", collection)?;
        check_name("partition", partition)?;
        let target = self.staged.lock().target(collection, partition);
        Ok(BatchPartition {
            batch: self,
            target,
        })
    }

    /// Durability of this commit (default: the store's).
    pub fn set_durability(&mut self, durability: Durability) {
        self.durability = durability;
    }

    /// Number of operations so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.staged.lock().len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Commits; the seqno of the commit. An empty batch commits nothing and gives the
    /// store's seqno.
    pub fn commit(self) -> Result<u64> {
        let staged = self.staged.into_inner();
        let mut writer = self.inner.log.writer("commit a batch")?;
        if staged.len() == 0 {
            return Ok(self.inner.log.seqno());
        }
        let values = staged.values();
        let changes = staged.changes(&values);
        self.inner
            .commit(&mut writer, &changes, &staged.interned, self.durability)
    }
}

/// The verbs of a batch on one partition. Data is copied before a call returns.
#[derive(Clone, Copy, Debug)]
pub struct BatchPartition<'b> {
    pub(crate) batch: &'b Batch,
    pub(crate) target: usize,
}

impl BatchPartition<'_> {
    /// Stores a plain value; replaces the whole entry. `Error::Invalid` for a key
    /// above 65,535 bytes.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.push(RecordKind::Put, key.as_ref(), &[value.as_ref()])
    }

    /// Stores an entry of arrays; replaces the whole entry. Errors as those of
    /// [`Partition::write`](crate::Partition::write).
    pub fn write(
        &self,
        key: impl AsRef<[u8]>,
        arrays: &[(&str, ArraySpec<'_>)],
        attrs: &Attrs,
    ) -> Result<()> {
        let inner = &self.batch.inner;
        let mut plan = crate::array::plan(arrays, attrs)?;
        plan.align_arrays(self.align()?);
        let interning = inner.catalog.intern_plan(&inner.log, &mut plan)?;
        let pieces = plan.pieces(interning.id);
        let parts: Vec<&[u8]> = pieces.parts.iter().map(|part| &**part).collect();
        self.push(RecordKind::Entry, key.as_ref(), &parts)?;
        let interned = &mut self.batch.staged.lock().interned;
        if !interned.iter().any(|had| had.id == interning.id) && inner.catalog.is_new(&interning) {
            interned.push(interning);
        }
        Ok(())
    }

    /// Removes an entry. The answer is that of the store with the batch laid over it.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let key = key.as_ref();
        if !self.holds(key)? {
            return Ok(false);
        }
        self.push(RecordKind::Tombstone, key, &[])?;
        Ok(true)
    }

    /// Gives an entry another key, with the batch laid over the store. `Error::NotFound`;
    /// `Error::Conflict` if `new` exists and `overwrite` is false.
    pub fn rename(
        &self,
        key: impl AsRef<[u8]>,
        new: impl AsRef<[u8]>,
        overwrite: bool,
    ) -> Result<()> {
        let (key, new) = (key.as_ref(), new.as_ref());
        let staged = match self.batch.staged.lock().overlaid(self.target, key) {
            Overlaid::Untouched => None,
            Overlaid::Removed => return Err(not_found(key)),
            Overlaid::Written(kind, value) => Some((kind, value.to_vec())),
        };
        let (kind, value) = match staged {
            Some(staged) => staged,
            None => {
                let stored = self.stored(key)?.ok_or_else(|| not_found(key))?;
                let (kind, value) = stored.record()?;
                (kind, value.to_vec())
            }
        };
        if key == new {
            return Ok(());
        }
        if !overwrite && self.holds(new)? {
            return Err(conflict(new));
        }
        self.push(kind, new, &[&value])?;
        self.push(RecordKind::Tombstone, key, &[])
    }

    /// Copies an entry, of any store, to `key`.
    pub fn copy(&self, key: impl AsRef<[u8]>, entry: &Entry) -> Result<()> {
        if !entry.is_of(&self.batch.inner.log)
            && let Some(parts) = entry.parts()?
        {
            let specs: Vec<_> = parts.specs();
            return self.write(key, &specs, &parts.attrs);
        }
        let (kind, value) = entry.record()?;
        self.push(kind, key.as_ref(), &[&value])
    }

    /// Log2 of the alignment that the partition asks for, if it is there and does.
    fn align(&self) -> Result<Option<u8>> {
        let staged = self.batch.staged.lock();
        let Some(target) = staged.target_at(self.target) else {
            return Ok(None);
        };
        let state = self.batch.inner.resolve(target)?;
        Ok(state.and_then(|state| state.align()))
    }

    fn push(&self, kind: RecordKind, key: &[u8], pieces: &[&[u8]]) -> Result<()> {
        let hash = self.batch.inner.hash(key)?;
        let mut staged = self.batch.staged.lock();
        let pushed = staged.push(self.target, kind, hash, key, pieces);
        pushed.map_err(|source| self.batch.no_room(source))
    }

    /// Whether the store with the batch laid over it has `key`.
    fn holds(&self, key: &[u8]) -> Result<bool> {
        self.batch.inner.hash(key)?;
        match self.batch.staged.lock().overlaid(self.target, key) {
            Overlaid::Removed => return Ok(false),
            Overlaid::Written(..) => return Ok(true),
            Overlaid::Untouched => {}
        }
        Ok(self.stored(key)?.is_some())
    }

    /// The entry of the store without the batch.
    fn stored(&self, key: &[u8]) -> Result<Option<Entry>> {
        let inner = &self.batch.inner;
        inner.log.check_open("read a key")?;
        let found = {
            let staged = self.batch.staged.lock();
            let target = staged.target_at(self.target);
            let find = |target: &Target| {
                inner
                    .catalog
                    .find(&inner.log, &target.collection, &target.name)
            };
            target.map(find).transpose()?.flatten()
        };
        found.map_or(Ok(None), |partition| inner.entry(&partition, key))
    }
}

fn not_found(key: &[u8]) -> Error {
    Error::NotFound {
        what: What::Key,
        name: describe_key(key),
        hint: None,
    }
}
