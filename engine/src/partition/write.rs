//! Writing: each call is a commit of its own.

use std::collections::HashSet;

use super::Partition;
use crate::array::{ArraySpec, Attrs, Plan};
use crate::catalog::{Interning, Side};
use crate::chunks::{NewChunk, cut_all};
use crate::condition::{Condition, Version};
use crate::error::Result;
use crate::format::record::RecordKind;
use crate::index::Hash;
use crate::log::WriterGuard;
use crate::mutant::{Rule, broken};
use crate::staged::{Change, Sums};
use crate::store::Inner;

impl Partition {
    /// Stores a plain value; replaces the whole entry, of whatever kind. `Error::Invalid`
    /// for a key above 65,535 bytes, `Error::NotCommitted` if the disk is full.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.put_if(key, value, Condition::Always)
    }

    /// As [`put`](Self::put), if `condition` holds; else `Error::Conflict`, and nothing is
    /// stored. Costs one more lookup of the key.
    ///
    /// ```
    /// # fn main() -> arraylog::Result<()> {
    /// use arraylog::Condition;
    ///
    /// let part = arraylog::Store::memory()?.default_partition()?;
    /// part.put_if("owner", "alice", Condition::Absent)?;
    /// let lost = part.put_if("owner", "bob", Condition::Absent);
    /// assert_eq!(lost.expect_err("there is one").kind(), "conflict");
    ///
    /// let version = part.entry("owner")?.expect("stored").version();
    /// part.put_if("owner", "carol", Condition::Version(version))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn put_if(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        condition: Condition,
    ) -> Result<()> {
        let (key, pieces) = (key.as_ref(), [value.as_ref()]);
        self.store.on_newest(|inner| {
            let action = "store a value";
            let record = (RecordKind::Put, None);
            self.commit(inner, action, record, key, &pieces, &[], condition, &[])
        })
    }

    /// Stores an entry of arrays; replaces the whole entry, attributes included.
    ///
    /// Arrays of 4 KiB and more go from the caller's memory to the file without a copy;
    /// it must not change meanwhile. `Error::Shape`, `Error::DType` and `Error::Invalid`
    /// name the array.
    pub fn write(
        &self,
        key: impl AsRef<[u8]>,
        arrays: &[(&str, ArraySpec<'_>)],
        attrs: &Attrs,
    ) -> Result<()> {
        self.write_if(key, arrays, attrs, Condition::Always)
    }

    /// As [`write`](Self::write), if `condition` holds; else `Error::Conflict`, and nothing
    /// is stored. Costs one more lookup of the key.
    pub fn write_if(
        &self,
        key: impl AsRef<[u8]>,
        arrays: &[(&str, ArraySpec<'_>)],
        attrs: &Attrs,
        condition: Condition,
    ) -> Result<()> {
        let key = key.as_ref();
        self.store
            .on_newest(|inner| self.write_to(inner, key, arrays, attrs, condition))
    }

    fn write_to(
        &self,
        inner: &Inner,
        key: &[u8],
        arrays: &[(&str, ArraySpec<'_>)],
        attrs: &Attrs,
        condition: Condition,
    ) -> Result<()> {
        // What is wrong with the arrays is said first, and then that the store is closed.
        let state = inner.resolve(&self.target)?;
        let defaults = state.map(|state| state.defaults()).unwrap_or_default();
        let arrays = defaults.under(arrays);
        let plan = crate::array::plan(&arrays, attrs)?;
        self.write_plan(inner, "store arrays", key, plan, &[], condition)
    }

    /// Commits the record of a plan, a whole entry or an amendment, with the chunks, these
    /// `more` among them, and the schema that it needs.
    pub(super) fn write_plan(
        &self,
        inner: &Inner,
        action: &'static str,
        key: &[u8],
        mut plan: Plan<'_>,
        more: &[NewChunk],
        condition: Condition,
    ) -> Result<()> {
        let state = self.state(inner, action)?;
        plan.align_arrays(state.and_then(|state| state.align()));
        let cut = cut_all(&mut plan, &inner.array_ids, inner.log.path())?;
        let chunks: Vec<&NewChunk> = cut.iter().chain(more).collect();
        let interning = inner.catalog.intern_plan(&inner.log, &mut plan)?;
        let pieces = plan.pieces(interning.id);
        let parts: Vec<&[u8]> = pieces.parts.iter().map(|part| &**part).collect();
        let needed = if inner.catalog.is_new(&inner.log, &interning)? {
            vec![interning]
        } else {
            Vec::new()
        };
        let joined;
        let parts = if pieces.len < crate::format::BLOCK && parts.len() != 1 {
            joined = [parts.concat()];
            vec![joined[0].as_slice()]
        } else {
            parts
        };
        let record = match plan.is_amendment() {
            true => (RecordKind::Amendment, Some(Side::Amendments)),
            false => (RecordKind::Entry, None),
        };
        self.commit(
            inner, action, record, key, &parts, &needed, condition, &chunks,
        )
    }

    /// Commits one record, behind the chunks that it needs. Pieces of values below 64 KiB
    /// have to be one.
    #[expect(clippy::too_many_arguments, reason = "what a record is made of")]
    pub(super) fn commit(
        &self,
        inner: &Inner,
        action: &'static str,
        (kind, side): (RecordKind, Option<Side>),
        key: &[u8],
        pieces: &[&[u8]],
        interned: &[Interning],
        condition: Condition,
        chunks: &[&NewChunk],
    ) -> Result<()> {
        let hash = inner.hash(key)?;
        let len = pieces.iter().map(|piece| piece.len() as u64).sum();
        let sums = Sums::of(pieces, len);
        let blocks: Vec<[&[u8]; 1]> = chunks
            .iter()
            .map(|chunk| [chunk.block.as_slice()])
            .collect();
        let block_sums: Vec<Sums> = blocks
            .iter()
            .map(|block| Sums::of(block, block[0].len() as u64))
            .collect();
        let mut changes = Vec::with_capacity(chunks.len().saturating_add(1));
        for ((chunk, block), sums) in chunks.iter().zip(&blocks).zip(&block_sums) {
            changes.push(Change {
                target: &self.target,
                side: Some(Side::Chunks),
                kind: RecordKind::Chunk,
                key: &chunk.key,
                hash: inner.hash(&chunk.key)?,
                value: sums.value(block, block[0].len() as u64),
            });
        }
        changes.push(Change {
            target: &self.target,
            side,
            kind,
            key,
            hash,
            value: sums.value(pieces, len),
        });
        if broken(Rule::ChunksBeforeVersion) {
            changes.reverse();
        }
        let mut writer = inner.log.writer(action)?;
        self.check(inner, &mut writer, action, hash, key, condition)?;
        if broken(Rule::ChunksWithVersion) && !chunks.is_empty() {
            let version = changes.split_off(chunks.len());
            inner.commit(writer, &changes, &[], inner.log.durability())?;
            (writer, changes) = (inner.log.writer(action)?, version);
        }
        inner.commit(writer, &changes, interned, inner.log.durability())?;
        Ok(())
    }

    /// Fails unless `condition` holds at `key`.
    pub(crate) fn check(
        &self,
        inner: &Inner,
        writer: &mut WriterGuard<'_>,
        action: &'static str,
        hash: Hash,
        key: &[u8],
        condition: Condition,
    ) -> Result<()> {
        if condition == Condition::Always {
            return Ok(());
        }
        let checked = condition.check(key, self.current(inner, writer, action, hash, key)?);
        if checked.is_err() {
            // Whoever is refused can read what stands in the way.
            writer.wait_for_others()?;
        }
        checked
    }

    /// The newest version of `key`, for the writer.
    fn current(
        &self,
        inner: &Inner,
        writer: &WriterGuard<'_>,
        action: &'static str,
        hash: Hash,
        key: &[u8],
    ) -> Result<Option<Version>> {
        let Some(state) = self.state(inner, action)? else {
            return Ok(None);
        };
        inner.version(writer, &state, hash, key)
    }

    /// Removes an entry; false if it was not there.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.remove_if(key, Condition::Always)
    }

    /// As [`remove`](Self::remove), if `condition` holds; else `Error::Conflict`, and
    /// nothing is removed.
    pub fn remove_if(&self, key: impl AsRef<[u8]>, condition: Condition) -> Result<bool> {
        const ACTION: &str = "remove an entry";
        let key = key.as_ref();
        self.store.on_newest(|inner| {
            let hash = inner.hash(key)?;
            let mut writer = inner.log.writer(ACTION)?;
            self.check(inner, &mut writer, ACTION, hash, key, condition)?;
            if self.current(inner, &writer, ACTION, hash, key)?.is_none() {
                writer.wait_for_others()?;
                return Ok(false);
            }
            let change = self.tombstone(hash, key);
            inner.commit(writer, &[change], &[], inner.log.durability())?;
            Ok(true)
        })
    }

    /// Removes the entries of many keys in one commit; how many there were. Absent keys
    /// are passed over, a key that is given twice counts once. Nothing is committed if
    /// none is there.
    pub fn remove_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<u64> {
        self.store.on_newest(|inner| self.remove_from(inner, keys))
    }

    fn remove_from<K: AsRef<[u8]>>(&self, inner: &Inner, keys: &[K]) -> Result<u64> {
        const ACTION: &str = "remove entries";
        let keys = keys.iter().map(AsRef::as_ref);
        let hashed: Result<Vec<(Hash, &[u8])>> =
            keys.map(|key| Ok((inner.hash(key)?, key))).collect();
        let hashed = hashed?;
        let mut writer = inner.log.writer(ACTION)?;
        let mut seen = HashSet::with_capacity(hashed.len());
        let mut changes = Vec::new();
        for (hash, key) in hashed {
            if seen.insert(key) && self.current(inner, &writer, ACTION, hash, key)?.is_some() {
                changes.push(self.tombstone(hash, key));
            }
        }
        if changes.is_empty() {
            writer.wait_for_others()?;
        } else {
            inner.commit(writer, &changes, &[], inner.log.durability())?;
        }
        Ok(changes.len() as u64)
    }

    pub(super) fn tombstone<'a>(&'a self, hash: Hash, key: &'a [u8]) -> Change<'a> {
        Change {
            target: &self.target,
            side: None,
            kind: RecordKind::Tombstone,
            key,
            hash,
            value: NOTHING.value(&[], 0),
        }
    }

    /// Removes every entry in one commit; how many.
    pub fn clear(&self) -> Result<u64> {
        self.store.on_newest(|inner| self.clear_in(inner))
    }

    fn clear_in(&self, inner: &Inner) -> Result<u64> {
        let mut writer = inner.log.writer("clear a partition")?;
        // A walk sees what is shown.
        writer.settle()?;
        let mut walk = self.records(inner)?;
        let mut keys = Vec::new();
        while let Some(record) = walk.next() {
            keys.push(record?.1);
        }
        if keys.is_empty() {
            return Ok(0);
        }
        let changes: Result<Vec<Change<'_>>> = keys
            .iter()
            .map(|key| Ok(self.tombstone(inner.hash(key)?, key)))
            .collect();
        inner.commit(writer, &changes?, &[], inner.log.durability())?;
        Ok(keys.len() as u64)
    }
}

static NOTHING: Sums = Sums::Small(EMPTY_HASH);

/// Hash of no bytes: XXH3-64 of an empty input, which a test holds.
const EMPTY_HASH: u64 = 0x2D06_8005_38D3_94C2;

#[cfg(test)]
mod tests {
    #[test]
    fn the_hash_of_nothing_is_that_of_no_bytes() {
        assert_eq!(super::EMPTY_HASH, crate::format::record::value_hash(&[]));
    }
}
