//! What a batch writes to one partition.

use std::sync::Arc;

use super::Batch;
use crate::array::{ArrayDefaults, ArraySpec, Attrs};
use crate::catalog::PartitionState;
use crate::chunks::{NewChunk, cut_all};
use crate::condition::{Condition, Version};
use crate::entry::{Entry, Stays};
use crate::error::{Result, no_key};
use crate::format::record::RecordKind;
use crate::staged::{Overlaid, Part};
use crate::store::Inner;

/// The verbs of a batch on one partition. Data is copied before a call returns.
///
/// A [`Condition`] is compared when the batch is committed, with what the store then
/// has: if one does not hold, nothing of the batch is stored. Where the batch itself
/// wrote or removed the key before, it is compared with that, at the call.
#[derive(Clone, Copy, Debug)]
pub struct BatchPartition<'b> {
    pub(crate) batch: &'b Batch,
    pub(crate) target: usize,
}

impl BatchPartition<'_> {
    /// Stores a plain value; replaces the whole entry. `Error::Invalid` for a key
    /// above 65,535 bytes.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.put_if(key, value, Condition::Always)
    }

    /// As [`put`](Self::put), if `condition` holds. `Error::Conflict` if the batch itself
    /// decides that it does not.
    pub fn put_if(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        condition: Condition,
    ) -> Result<()> {
        let pieces = [value.as_ref()];
        self.push(RecordKind::Put, key.as_ref(), &pieces, condition)
    }

    /// Stores an entry of arrays; replaces the whole entry. Errors as those of
    /// [`Partition::write`](crate::Partition::write).
    pub fn write(
        &self,
        key: impl AsRef<[u8]>,
        arrays: &[(&str, ArraySpec<'_>)],
        attrs: &Attrs,
    ) -> Result<()> {
        self.write_if(key, arrays, attrs, Condition::Always)
    }

    /// As [`write`](Self::write), if `condition` holds. `Error::Conflict` if the batch
    /// itself decides that it does not.
    pub fn write_if(
        &self,
        key: impl AsRef<[u8]>,
        arrays: &[(&str, ArraySpec<'_>)],
        attrs: &Attrs,
        condition: Condition,
    ) -> Result<()> {
        let inner = self.batch.store.inner();
        let (align, defaults) = self.asked(&inner)?;
        let arrays = defaults.under(arrays);
        let mut plan = crate::array::plan(&arrays, attrs)?;
        plan.align_arrays(align);
        let (key, hash) = (key.as_ref(), inner.hash(key.as_ref())?);
        let cut = cut_all(&mut plan, &inner.array_ids, inner.log.path())?;
        let chunks = hashed(&inner, cut.iter())?;
        let interning = inner.catalog.intern_plan(&inner.log, &mut plan)?;
        let pieces = plan.pieces(interning.id);
        let parts: Vec<&[u8]> = pieces.parts.iter().map(|part| &**part).collect();
        let mut staged = self.batch.staged.lock();
        staged.require(self.target, hash, key, condition)?;
        let pushed = staged.push_entry(self.target, hash, key, &parts, &chunks);
        pushed.map_err(|source| self.batch.no_room(source))?;
        staged.note_schema(interning);
        Ok(())
    }

    /// Removes an entry. The answer is that of the store with the batch laid over it.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.remove_if(key, Condition::Always)
    }

    /// As [`remove`](Self::remove), if `condition` holds. `Error::Conflict` if the batch
    /// itself decides that it does not.
    pub fn remove_if(&self, key: impl AsRef<[u8]>, condition: Condition) -> Result<bool> {
        let key = key.as_ref();
        if !self.holds(key)? {
            self.require(key, condition)?;
            return Ok(false);
        }
        self.push(RecordKind::Tombstone, key, &[], condition)?;
        Ok(true)
    }

    /// Writes nothing, and lets the batch be committed only if `condition` holds: for
    /// what was read to decide what to write. `Error::Conflict` if the batch itself
    /// decides that it does not.
    pub fn require(&self, key: impl AsRef<[u8]>, condition: Condition) -> Result<()> {
        let key = key.as_ref();
        let hash = self.batch.store.inner().hash(key)?;
        let mut staged = self.batch.staged.lock();
        staged.require(self.target, hash, key, condition)
    }

    /// Gives an entry another key, with the batch laid over the store. `Error::NotFound`;
    /// `Error::Conflict` if `new` exists and `overwrite` is false, and at the commit if an
    /// entry of the store with amendments or chunks was changed since.
    pub fn rename(
        &self,
        key: impl AsRef<[u8]>,
        new: impl AsRef<[u8]>,
        overwrite: bool,
    ) -> Result<()> {
        let (key, new) = (key.as_ref(), new.as_ref());
        // Of an entry that others may change without writing it.
        let mut version = None;
        let mut changed = false;
        let staged = match self.batch.staged.lock().overlaid(self.target, key) {
            Overlaid::Untouched => None,
            Overlaid::Removed => return Err(no_key(key)),
            Overlaid::Written(kind, value) => Some((kind, value.to_vec())),
            Overlaid::Changed(..) => {
                changed = true;
                None
            }
        };
        if changed {
            return self.rename_changed(key, new, overwrite);
        }
        let (kind, value) = match staged {
            Some(staged) => staged,
            None => {
                let inner = self.batch.store.inner();
                let stored = self.stored(&inner, key)?.ok_or_else(|| no_key(key))?;
                if key != new && (stored.is_amended() || stored.shares_dictionary()?) {
                    return self.rename_amended(&stored, new, overwrite);
                }
                let (kind, value) = stored.record()?;
                self.note_schema(&inner, kind, &value)?;
                if !stored.is_one_record()? {
                    version = Some(stored.version());
                }
                (kind, value.to_vec())
            }
        };
        if key == new {
            return Ok(());
        }
        self.require_vacant(new, overwrite)?;
        self.push(kind, new, &[&value], Condition::Always)?;
        if let Some(version) = version {
            self.guard(key, version)?;
        }
        self.push(RecordKind::Tombstone, key, &[], Condition::Always)
    }

    /// An entry that needs more than its record is written whole.
    fn rename_amended(&self, entry: &Entry, new: &[u8], overwrite: bool) -> Result<()> {
        self.require_vacant(new, overwrite)?;
        if let Some(parts) = entry.parts(Stays::All)? {
            self.write(new, &parts.specs(), &parts.attrs)?;
        }
        self.guard(entry.key(), entry.version())?;
        self.push(RecordKind::Tombstone, entry.key(), &[], Condition::Always)
    }

    /// Fails if there is an entry that may not be overwritten.
    pub(super) fn require_vacant(&self, key: &[u8], overwrite: bool) -> Result<()> {
        match !overwrite && self.holds(key)? {
            true => Err(Condition::Absent.conflict(key, "an entry")),
            false => Ok(()),
        }
    }

    /// Asks that the store has this version when the batch is committed.
    fn guard(&self, key: &[u8], version: Version) -> Result<()> {
        let hash = self.batch.store.inner().hash(key)?;
        let mut staged = self.batch.staged.lock();
        staged.guard(self.target, hash, key, Condition::Version(version));
        Ok(())
    }

    /// Copies an entry, of any store, to `key`.
    pub fn copy(&self, key: impl AsRef<[u8]>, entry: &Entry) -> Result<()> {
        let inner = self.batch.store.inner();
        if !(entry.is_of(&inner.log) && entry.is_one_record()?)
            && let Some(parts) = entry.parts(Stays::Blocks)?
        {
            let specs: Vec<_> = parts.specs();
            return self.write(key, &specs, &parts.attrs);
        }
        let (kind, value) = entry.record()?;
        self.note_schema(&inner, kind, &value)?;
        self.push(kind, key.as_ref(), &[&value], Condition::Always)
    }

    /// Notes the schema of an entry of `inner` that is copied as it is: by the commit that
    /// one may be gone, and its schema with it.
    fn note_schema(&self, inner: &Inner, kind: RecordKind, frame: &[u8]) -> Result<()> {
        if kind != RecordKind::Entry {
            return Ok(());
        }
        let at = inner.log.published();
        let id = crate::array::schema_id(frame);
        let id = id.map_err(|defect| inner.log.corrupt(at, defect))?;
        if self.batch.staged.lock().schema(id).is_none() {
            let interning = inner.catalog.interning(&inner.log, id)?;
            self.batch.staged.lock().note_schema(interning);
        }
        Ok(())
    }

    /// What the partition asks for, if it is there: log2 of the alignment, and of arrays.
    pub(super) fn asked(&self, inner: &Inner) -> Result<(Option<u8>, ArrayDefaults)> {
        let staged = self.batch.staged.lock();
        let Some(target) = staged.target_at(self.target) else {
            return Ok((None, ArrayDefaults::default()));
        };
        let state = inner.resolve(target)?;
        Ok(state.map_or_else(Default::default, |state| (state.align(), state.defaults())))
    }

    fn push(
        &self,
        kind: RecordKind,
        key: &[u8],
        pieces: &[&[u8]],
        condition: Condition,
    ) -> Result<()> {
        let hash = self.batch.store.inner().hash(key)?;
        let mut staged = self.batch.staged.lock();
        staged.require(self.target, hash, key, condition)?;
        let pushed = staged.push(self.target, kind, hash, key, pieces);
        pushed.map_err(|source| self.batch.no_room(source))
    }

    /// Whether the store with the batch laid over it has `key`.
    fn holds(&self, key: &[u8]) -> Result<bool> {
        let inner = self.batch.store.inner();
        inner.hash(key)?;
        match self.batch.staged.lock().overlaid(self.target, key) {
            Overlaid::Removed => return Ok(false),
            Overlaid::Written(..) | Overlaid::Changed(..) => return Ok(true),
            Overlaid::Untouched => {}
        }
        Ok(self.stored(&inner, key)?.is_some())
    }

    /// The entry of the store without the batch.
    pub(super) fn stored(&self, inner: &Inner, key: &[u8]) -> Result<Option<Entry>> {
        let found = self.state(inner)?;
        found.map_or(Ok(None), |partition| inner.entry(&partition, key))
    }

    /// The partition, if the store has it.
    pub(super) fn state(&self, inner: &Inner) -> Result<Option<Arc<PartitionState>>> {
        inner.log.check_open("read a key")?;
        let staged = self.batch.staged.lock();
        let target = staged.target_at(self.target);
        let find = |target: &crate::staged::Target| {
            inner
                .catalog
                .find(&inner.log, &target.collection, &target.name)
        };
        Ok(target.map(find).transpose()?.flatten())
    }
}

/// Chunks, to be staged.
pub(super) fn hashed<'a>(
    inner: &Inner,
    chunks: impl Iterator<Item = &'a NewChunk>,
) -> Result<Vec<Part<'a>>> {
    let hashed = |chunk: &'a NewChunk| {
        Ok(Part {
            hash: inner.hash(&chunk.key)?,
            key: &chunk.key,
            block: &chunk.block,
        })
    };
    chunks.map(hashed).collect()
}
