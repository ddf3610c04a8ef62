//! Changes of parts of entries in a batch.

use std::sync::Arc;

use super::partition::hashed;
use super::{Batch, BatchPartition};
use crate::array::{ArraySpec, Attrs, Changes, DType, Plan, Points, Schema, Selection};
use crate::chunks::{ChunkIndex, StagedChunks, cut_all};
use crate::condition::{Condition, Version};
use crate::entry::{Entry, Layer, Stays};
use crate::error::{Error, Result, no_key};
use crate::format::place;
use crate::format::record::RecordKind;
use crate::index::Hash;
use crate::log::Stored;
use crate::partition::{
    Assignment, Before, Change, Dims, appended, assigned, check_all_dims, resized, written,
};
use crate::staged::{NewDraft, Overlaid, Stamp};
use crate::store::Inner;
use crate::value::Value;

impl BatchPartition<'_> {
    /// As [`Partition::assign`](crate::Partition::assign), at the commit, of the entry as the
    /// batch leaves it: a later change of the batch sees what earlier ones, and writes,
    /// removals and renames before them, have done. Errors as those of `assign`, but that
    /// sizes of dims are compared at the commit.
    ///
    /// A key above 65,535 bytes is `Error::Invalid`. `Error::Conflict` if the entry was
    /// changed by others since the first change of it in this batch; if that happens between
    /// the last one and the commit, the commit says so, and nothing of the batch is stored:
    /// no change is lost without a word, and none undoes those of others. Compaction in
    /// between does the same, as the versions of one generation are none of the next.
    ///
    /// An entry of the store gets one amendment, whatever the number of changes; one that the
    /// batch itself wrote is written again in the batch. What is not in chunks costs a copy
    /// in the batch with each change of the entry.
    pub fn assign(&self, key: impl AsRef<[u8]>, assignment: &Assignment<'_>) -> Result<()> {
        let (_, defaults) = self.asked(&self.batch.store.inner())?;
        let arrays = defaults.under(assignment.arrays);
        self.amend(key.as_ref(), |entry| {
            assigned(entry, assignment, &arrays, Dims::AtCommit)
        })
    }

    /// As [`Partition::write_region`](crate::Partition::write_region), at the commit, of the
    /// entry as the batch leaves it; see [`assign`](Self::assign). Of a chunked array the
    /// chunks alone are read and staged that have some of the region, each once.
    pub fn write_region(
        &self,
        key: impl AsRef<[u8]>,
        name: &str,
        selection: &Selection,
        data: &ArraySpec<'_>,
    ) -> Result<()> {
        self.amend(key.as_ref(), |entry| written(entry, name, selection, data))
    }

    /// As [`Partition::write_points`](crate::Partition::write_points), at the commit, of the
    /// entry as the batch leaves it; see [`write_region`](Self::write_region).
    pub fn write_points(
        &self,
        key: impl AsRef<[u8]>,
        name: &str,
        points: &Points,
        data: &ArraySpec<'_>,
    ) -> Result<()> {
        self.amend(key.as_ref(), |entry| written(entry, name, points, data))
    }

    /// As [`Partition::append`](crate::Partition::append), at the commit, of the entry as the
    /// batch leaves it; see [`assign`](Self::assign). Arrays that share a dim grow one after
    /// the other: their sizes have to agree at the commit, which is `Error::Shape` otherwise.
    pub fn append(
        &self,
        key: impl AsRef<[u8]>,
        name: &str,
        axis: usize,
        data: &ArraySpec<'_>,
    ) -> Result<()> {
        self.amend(key.as_ref(), |entry| {
            appended(entry, name, axis, data, Dims::AtCommit)
        })
    }

    /// As [`Partition::resize`](crate::Partition::resize), at the commit, of the entry as the
    /// batch leaves it; see [`append`](Self::append).
    pub fn resize(&self, key: impl AsRef<[u8]>, name: &str, shape: &[u64]) -> Result<()> {
        self.amend(key.as_ref(), |entry| {
            resized(entry, name, shape, Dims::AtCommit)
        })
    }

    /// Dtype and shape of an array as the batch leaves it: where a region, or what is
    /// appended, goes. Errors as those of [`assign`](Self::assign).
    pub fn described(&self, key: impl AsRef<[u8]>, name: &str) -> Result<(DType, Vec<u64>)> {
        let store = &self.batch.store;
        store.on_newest(|inner| {
            let array = self.laid_over(inner, key.as_ref())?.entry.array(name)?;
            Ok((array.info().dtype, array.shape().to_vec()))
        })
    }

    /// Stages the change that `make` makes of the entry; again, if another thread said
    /// something about the key meanwhile.
    fn amend<'a>(
        &self,
        key: &[u8],
        mut make: impl FnMut(&Entry) -> Result<Change<'a>>,
    ) -> Result<()> {
        self.batch.store.on_newest(|inner| {
            loop {
                let laid = self.laid_over(inner, key)?;
                let change = make(&laid.entry);
                match change.and_then(|change| self.stage(inner, key, &laid, &change)) {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    // Chunks of another state of it, maybe.
                    Err(_) if !self.is_as_seen(key, &laid) => {}
                    Err(error) => return Err(error),
                }
            }
        })
    }

    /// Whether nothing was said about the key since.
    fn is_as_seen(&self, key: &[u8], laid: &Laid) -> bool {
        self.batch.staged.lock().stamp(self.target, key) == laid.stamp
    }

    /// False, and nothing is staged, if something else was said about the key since.
    fn stage(&self, inner: &Inner, key: &[u8], laid: &Laid, change: &Change<'_>) -> Result<bool> {
        let before = match &laid.under {
            Under::Stored => None,
            Under::Amended(changed) => {
                let (base, layer) = &**changed;
                Some(Before::of_layer(base, layer, &laid.entry)?)
            }
            Under::Whole => laid.entry.parts(Stays::All)?.map(Before::whole),
        };
        let merged = before.as_ref().map(|before| before.merged(change));
        let (arrays, attrs, changes) = merged.unwrap_or_else(|| change.alone());
        let mut plan = crate::array::plan_apart(&arrays, &attrs)?;
        if laid.base.is_some() {
            plan.amend(&changes);
        }
        let cut = cut_all(&mut plan, &inner.array_ids, inner.log.path())?;
        let chunks = hashed(inner, cut.iter().chain(&change.chunks))?;
        let schema = schema(inner, &plan)?;
        let pieces = plan.pieces(0);
        let pieces: Vec<&[u8]> = pieces.parts.iter().map(|part| &**part).collect();
        let draft = NewDraft {
            hash: inner.hash(key)?,
            key,
            base: laid.base,
            schema,
            pieces: &pieces,
            chunks: &chunks,
        };
        let mut staged = self.batch.staged.lock();
        if staged.stamp(self.target, key) != laid.stamp {
            return Ok(false);
        }
        let drafted = staged.draft(self.target, &draft);
        drafted.map_err(|source| self.batch.no_room(source))?;
        Ok(true)
    }

    /// Gives an entry of which parts were changed another key, under which it is whole.
    pub(super) fn rename_changed(&self, key: &[u8], new: &[u8], overwrite: bool) -> Result<()> {
        self.batch.store.on_newest(|inner| {
            let hashes = (inner.hash(key)?, inner.hash(new)?);
            while !self.move_changed(inner, key, new, hashes, overwrite)? {}
            Ok(())
        })
    }

    fn move_changed(
        &self,
        inner: &Arc<Inner>,
        key: &[u8],
        new: &[u8],
        (hash, new_hash): (Hash, Hash),
        overwrite: bool,
    ) -> Result<bool> {
        let laid = self.laid_over(inner, key)?;
        if key == new {
            return Ok(true);
        }
        self.require_vacant(new, overwrite)?;
        let Some(parts) = laid.entry.parts(Stays::All)? else {
            return Ok(false);
        };
        let specs = parts.specs();
        let plan = crate::array::plan_apart(&specs, &parts.attrs)?;
        let schema = schema(inner, &plan)?;
        let pieces = plan.pieces(0);
        let pieces: Vec<&[u8]> = pieces.parts.iter().map(|part| &**part).collect();
        let draft = NewDraft {
            hash: new_hash,
            key: new,
            base: None,
            schema,
            pieces: &pieces,
            chunks: &[],
        };
        let mut staged = self.batch.staged.lock();
        if staged.stamp(self.target, key) != laid.stamp {
            return Ok(false);
        }
        let moved = staged.move_draft(self.target, (hash, key), &draft);
        moved.map_err(|source| self.batch.no_room(source))?;
        Ok(true)
    }

    /// The entry as the batch leaves it. `Error::NotFound`; `Error::Conflict` if it changes an
    /// entry of the store that is not there any more.
    fn laid_over(&self, inner: &Arc<Inner>, key: &[u8]) -> Result<Laid> {
        inner.hash(key)?;
        let (stamp, found) = {
            let mut staged = self.batch.staged.lock();
            let stamp = staged.stamp(self.target, key);
            let found = match staged.overlaid(self.target, key) {
                Overlaid::Untouched => Found::Untouched,
                Overlaid::Removed => return Err(no_key(key)),
                Overlaid::Written(kind, frame) => Found::Whole(kind, Value::copied(frame)?, None),
                Overlaid::Changed(draft, frame) => {
                    let (schema, frame) = (Arc::clone(&draft.schema), Value::copied(frame)?);
                    match draft.base {
                        None => Found::Whole(RecordKind::Entry, frame, Some(schema)),
                        Some(version) => Found::Amended(version, frame, schema),
                    }
                }
            };
            (stamp, found)
        };
        let chunks = Arc::new(StagedChunks::new(&self.batch.staged, self.target));
        let (under, base, entry) = match found {
            Found::Untouched => {
                let stored = self.stored(inner, key)?.ok_or_else(|| no_key(key))?;
                let entry = stored.under(None, &chunks)?;
                (Under::Stored, Some(stored.version()), entry)
            }
            Found::Amended(version, frame, schema) => {
                let base = self.base(inner, key, version)?;
                let kind = RecordKind::Amendment;
                let stored = Stored::waiting(&inner.log, kind, frame.into_bytes())?;
                let layer = Layer { stored, schema };
                let entry = base.under(Some(&layer), &chunks)?;
                let under = Under::Amended(Box::new((base, layer)));
                (under, Some(version), entry)
            }
            Found::Whole(kind, frame, schema) => {
                let stored = Stored::waiting(&inner.log, kind, frame.into_bytes())?;
                let schema = match (kind, schema) {
                    (RecordKind::Entry, None) => Some(self.noted_schema(inner, &stored)?),
                    (_, schema) => schema,
                };
                // What was renamed has its chunks in the store.
                let end = place(inner.log.published());
                let state = self.state(inner)?;
                let below = state.and_then(|state| state.beside(end).chunks(&inner.log, end));
                let index = ChunkIndex::laid_over(&inner.log, below.as_ref(), &chunks);
                let entry = Entry::new(key, stored, schema, Vec::new(), Some(index))?;
                (Under::Whole, None, entry)
            }
        };
        Ok(Laid {
            entry,
            under,
            base,
            stamp,
        })
    }

    /// The version of the store that a change was made to.
    fn base(&self, inner: &Inner, key: &[u8], version: Version) -> Result<Entry> {
        let stored = self.stored(inner, key)?;
        let found = stored.as_ref().map(Entry::version);
        Condition::Version(version).check(key, found)?;
        stored.ok_or_else(|| no_key(key))
    }

    /// The schema of a frame that the batch has as it was written.
    fn noted_schema(&self, inner: &Inner, stored: &Stored) -> Result<Arc<Schema>> {
        let frame = stored.value()?;
        let id = crate::array::schema_id(&frame);
        let id = id.map_err(|defect| stored.corrupt(0, defect))?;
        let staged = self.batch.staged.lock();
        let Some(bytes) = staged.schema(id).map(|noted| Arc::clone(&noted.bytes)) else {
            drop(staged);
            return inner.schema(stored).cloned();
        };
        let schema = Schema::parse(&bytes);
        Ok(Arc::new(
            schema.map_err(|defect| stored.corrupt(0, defect))?,
        ))
    }

    /// Stages the frame of an entry in the making that the store gets.
    fn finish(&self, inner: &Arc<Inner>, number: usize, key: &[u8]) -> Result<()> {
        let laid = self.laid_over(inner, key)?;
        check_all_dims(&laid.entry)?;
        let (align, _) = self.asked(inner)?;
        let frame = |arrays: &[(&str, ArraySpec<'_>)], attrs: &Attrs, changes: Option<&Changes>| {
            let mut plan = crate::array::plan(arrays, attrs)?;
            if let Some(changes) = changes {
                plan.amend(changes);
            }
            plan.align_arrays(align);
            let interning = inner.catalog.intern_plan(&inner.log, &mut plan)?;
            let pieces = plan.pieces(interning.id);
            let pieces: Vec<&[u8]> = pieces.parts.iter().map(|part| &**part).collect();
            let mut staged = self.batch.staged.lock();
            let finished = staged.finish_draft(number, &pieces);
            finished.map_err(|source| self.batch.no_room(source))?;
            staged.note_schema(interning);
            Ok::<_, Error>(())
        };
        let Under::Amended(changed) = &laid.under else {
            let parts = laid.entry.parts(Stays::All)?;
            let parts = parts.ok_or_else(|| no_key(key))?;
            return frame(&parts.specs(), &parts.attrs, None);
        };
        let (base, layer) = &**changed;
        let (parts, changes) = (layer.parts()?, layer.changes()?);
        let arrays = parts.specs().into_iter();
        let change = Change {
            arrays: arrays.map(|(name, spec)| (name.to_owned(), spec)).collect(),
            attrs: parts.attrs.clone(),
            changes,
            chunks: Vec::new(),
        };
        let before = Before::to_take_in(base)?;
        let merged = before.as_ref().map(|before| before.merged(&change));
        let (arrays, attrs, changes) = merged.unwrap_or_else(|| change.alone());
        frame(&arrays, &attrs, Some(&changes))
    }
}

impl Batch {
    /// Makes of the entries in the making what is stored.
    pub(super) fn finish_drafts(&self) -> Result<()> {
        let drafted = self.staged.lock().drafted();
        for (number, target, key) in drafted {
            let partition = BatchPartition {
                batch: self,
                target,
            };
            self.store
                .on_newest(|inner| partition.finish(inner, number, &key))?;
        }
        Ok(())
    }
}

/// An entry as the batch leaves it.
struct Laid {
    entry: Entry,
    under: Under,
    /// The version of the store that is changed; `None`: the batch wrote it whole.
    base: Option<Version>,
    stamp: Stamp,
}

/// What a change of an entry is made to.
enum Under {
    /// That of the store.
    Stored,
    /// That of the store, with changes.
    Amended(Box<(Entry, Layer)>),
    /// One that the batch wrote.
    Whole,
}

/// What the batch has at a key, copied.
enum Found {
    Untouched,
    /// Its schema, if no store has that.
    Whole(RecordKind, Value, Option<Arc<Schema>>),
    Amended(Version, Value, Arc<Schema>),
}

/// The schema of a frame that is never stored.
fn schema(inner: &Inner, plan: &Plan<'_>) -> Result<Arc<Schema>> {
    let schema = Schema::parse(plan.schema_bytes());
    let at = inner.log.published();
    Ok(Arc::new(
        schema.map_err(|defect| inner.log.corrupt(at, defect))?,
    ))
}
