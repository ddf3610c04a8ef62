//! Entries under another key, here or elsewhere.

use std::path::Path;
use std::sync::Arc;

use super::Partition;
use crate::catalog::Side;
use crate::condition::{Condition, Version};
use crate::entry::{Entry, Stays, shares_dictionary};
use crate::error::{Error, Result, describe_key, no_key};
use crate::format::record::RecordKind;
use crate::log::{Log, Stored};
use crate::staged::{Change, Sums};
use crate::store::Inner;

impl Partition {
    /// Copies an entry, arrays and attributes included, to the key `new` of `target`, a
    /// partition of this store or of another, in one commit.
    ///
    /// `Error::NotFound`; `Error::Conflict` if `new` exists and `overwrite` is false;
    /// `Error::Invalid` for a copy onto itself. Where this store is mapped, a value of 64
    /// KiB and more, and within one store an entry, goes from the mapping to the file
    /// without a copy on the heap; between stores that holds for each array of 4 KiB and
    /// more, except for the lengths of `String` and `Bytes`.
    pub fn copy(
        &self,
        key: impl AsRef<[u8]>,
        target: &Self,
        new: impl AsRef<[u8]>,
        overwrite: bool,
    ) -> Result<()> {
        let (key, new) = (key.as_ref(), new.as_ref());
        if key == new && self.is_same(target) {
            return Err(Error::Invalid {
                what: format!("copy of key {:?}", describe_key(key)),
                detail: format!(
                    "source and target are both this key of {:?}/{:?}; \
                     a copy needs another key, partition or store",
                    self.collection(),
                    self.name()
                ),
            });
        }
        let entry = self.entry(key)?.ok_or_else(|| no_key(key))?;
        target.write_entry(new, &entry, Condition::overwriting(overwrite))
    }

    /// Stores what `entry`, of any store, holds, if `condition` holds. Errors and cost as
    /// those of [`copy`](Self::copy).
    pub fn write_entry(
        &self,
        key: impl AsRef<[u8]>,
        entry: &Entry,
        condition: Condition,
    ) -> Result<()> {
        let key = key.as_ref();
        self.store.on_newest(|inner| {
            // The schema of an entry has its number in the file of the entry, and a copy has
            // chunks of its own.
            if !(entry.is_of(&inner.log) && entry.is_one_record()?)
                && let Some(parts) = entry.parts(Stays::Blocks)?
            {
                return self.write_if(key, &parts.specs(), &parts.attrs, condition);
            }
            let (kind, value) = entry.record()?;
            let (action, record) = ("copy an entry", (kind, None));
            self.commit(inner, action, record, key, &[&value], &[], condition, &[])
        })
    }

    /// Gives an entry another key, in one commit; it moves to the end of the order.
    /// `Error::NotFound`; `Error::Conflict` if `new` exists and `overwrite` is false.
    pub fn rename(
        &self,
        key: impl AsRef<[u8]>,
        new: impl AsRef<[u8]>,
        overwrite: bool,
    ) -> Result<()> {
        self.rename_to(key, self, new, overwrite)
    }

    /// Moves an entry to the key `new` of `target`; it goes to the end of the order there.
    ///
    /// Within a store in one commit. Between stores in two: the entry is copied, then
    /// removed here, so that a failure in between leaves it in both; if it was written
    /// again meanwhile, what was written stays here, and `Error::Conflict` says so.
    /// Otherwise errors are those of [`copy`](Self::copy), but that an entry may be
    /// renamed to itself, which changes nothing.
    pub fn rename_to(
        &self,
        key: impl AsRef<[u8]>,
        target: &Self,
        new: impl AsRef<[u8]>,
        overwrite: bool,
    ) -> Result<()> {
        let (key, new) = (key.as_ref(), new.as_ref());
        let condition = Condition::overwriting(overwrite);
        if !self.store.is_same(&target.store) {
            return self.move_between_stores(key, target, new, condition);
        }
        let moved = self
            .store
            .on_newest(|inner| self.move_in(inner, key, target, new, condition))?;
        match moved {
            true => Ok(()),
            false => self.move_anew(key, target, new, condition),
        }
    }

    /// Moves an entry of more than one record: it is written whole under the new key.
    fn move_anew(&self, key: &[u8], target: &Self, new: &[u8], condition: Condition) -> Result<()> {
        let stays = match self.is_same(target) {
            true => Stays::All,
            false => Stays::Blocks,
        };
        loop {
            let entry = self.entry(key)?.ok_or_else(|| no_key(key))?;
            let version = entry.version();
            let batch = self.store.batch()?;
            let from = batch.partition(self.collection(), self.name())?;
            let to = batch.partition(target.collection(), target.name())?;
            from.require(key, Condition::Version(version))?;
            match entry.parts(stays)? {
                Some(parts) => to.write_if(new, &parts.specs(), &parts.attrs, condition)?,
                None => to.put_if(new, entry.value()?, condition)?,
            }
            from.remove(key)?;
            match batch.commit() {
                Err(conflict @ Error::Conflict { .. }) => {
                    let newest = self.entry(key)?;
                    if newest.is_some_and(|newest| newest.version() == version) {
                        // It is the new key that stands in the way.
                        return Err(conflict);
                    }
                }
                committed => return committed.map(drop),
            }
        }
    }

    /// Moves an entry of one record; false if it has more, and nothing was done.
    fn move_in(
        &self,
        inner: &Inner,
        key: &[u8],
        target: &Self,
        new: &[u8],
        condition: Condition,
    ) -> Result<bool> {
        const ACTION: &str = "rename an entry";
        let (hash, new_hash) = (inner.hash(key)?, inner.hash(new)?);
        let mut writer = inner.log.writer(ACTION)?;
        let state = self.state(inner, ACTION)?.ok_or_else(|| no_key(key))?;
        let located = writer.find(&state.index, hash, key)?;
        let Some(located) = located else {
            // Who removed it may wait for the device still.
            writer.wait_for_others()?;
            return Err(no_key(key));
        };
        let same = self.is_same(target);
        if key == new && same {
            return Ok(true);
        }
        // Chunks go with their partition, and amendments with their key.
        let newest = inner.version(&writer, &state, hash, key)?;
        let is_amended = newest != Some(Version::of(&inner.log, &located));
        if is_amended || (!same && state.side(Side::Chunks).is_some()) {
            return Ok(false);
        }
        let stored = Stored::new(&inner.log, located)?;
        // What needs the dictionary is written anew: a compaction may be about to leave that
        // behind.
        let beside = state.side(Side::Chunks).is_some();
        if beside && located.head.kind == RecordKind::Entry && shares_dictionary(&stored)? {
            return Ok(false);
        }
        target.check(inner, &mut writer, ACTION, new_hash, new, condition)?;
        let bytes = stored.value()?;
        let pieces: [&[u8]; 1] = [&bytes];
        let sums = Sums::of(&pieces, bytes.len() as u64);
        let put = Change {
            target: &target.target,
            side: None,
            kind: located.head.kind,
            key: new,
            hash: new_hash,
            value: sums.value(&pieces, bytes.len() as u64),
        };
        let changes = [put, self.tombstone(hash, key)];
        inner.commit(writer, &changes, &[], inner.log.durability())?;
        Ok(true)
    }

    fn move_between_stores(
        &self,
        key: &[u8],
        target: &Self,
        new: &[u8],
        condition: Condition,
    ) -> Result<()> {
        // Before the copy: nothing is copied that could not be removed.
        self.store
            .on_newest(|inner| inner.log.writer("rename an entry").map(drop))?;
        let entry = self.entry(key)?.ok_or_else(|| no_key(key))?;
        target.write_entry(new, &entry, condition)?;
        self.remove_if(key, Condition::Version(entry.version()))?;
        Ok(())
    }

    /// Whether both are the same partition of the same file.
    fn is_same(&self, other: &Self) -> bool {
        self.name() == other.name()
            && self.collection() == other.collection()
            && is_same_file(&self.inner().log, &other.inner().log)
    }
}

/// A file may be open more than once, and a copy of it has the same id.
fn is_same_file(a: &Arc<Log>, b: &Arc<Log>) -> bool {
    let same_path = |a: &Path, b: &Path| match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    };
    Arc::ptr_eq(a, b)
        || (a.identity().store_id == b.identity().store_id && same_path(a.path(), b.path()))
}
