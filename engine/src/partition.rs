//! A mapping of keys to entries.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::array::{ArraySpec, Attrs};
use crate::catalog::PartitionState;
use crate::entry::{Array, Entry};
use crate::error::{Error, Result, What};
use crate::format::place;
use crate::format::record::RecordKind;
use crate::index::{Cursor, Hash, Pinned};
use crate::log::{Located, Log, Stored, WriterGuard};
use crate::staged::{Change, Sums, Target};
use crate::store::{Inner, Store};
use crate::value::Value;

/// A partition of a collection: keys and what they map to.
///
/// A handle; cloning counts a reference. Any thread may read while another writes:
/// reads take no lock and wait for nobody. Each write is a commit of its own.
#[derive(Clone, Debug)]
pub struct Partition {
    store: Store,
    pub(crate) target: Arc<Target>,
}

impl Partition {
    pub(crate) fn new(store: &Store, collection: &str, name: &str) -> Self {
        Self {
            store: store.clone(),
            target: Arc::new(Target::new(collection, name)),
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Name of the collection.
    #[must_use]
    pub fn collection(&self) -> &str {
        &self.target.collection
    }

    /// Name of the partition.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.target.name
    }

    #[inline]
    fn inner(&self) -> &Inner {
        self.store.inner()
    }

    /// The partition that the names lead to, if there is one; fails if the store was
    /// closed.
    #[inline]
    pub(crate) fn state(
        &self,
        action: &'static str,
    ) -> Result<Option<Cow<'_, Arc<PartitionState>>>> {
        self.inner().log.check_open(action)?;
        self.inner().resolve(&self.target)
    }

    /// Number of entries.
    pub fn len(&self) -> Result<u64> {
        Ok(self
            .state("count entries")?
            .map_or(0, |state| state.index.len()))
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// What a reader sees at `key` now.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Result<Option<Located>> {
        let Some(state) = self.state("read a key")? else {
            return Ok(None);
        };
        let inner = self.inner();
        let hash = inner.hash(key)?;
        let end = place(inner.log.published());
        Ok(inner
            .log
            .find(&state.index, hash, key, end)?
            .filter(Located::is_live))
    }

    /// Whether `key` is there.
    pub fn contains(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.find(key.as_ref())?.is_some())
    }

    /// The plain value of `key`, without a copy. `Error::Kind` if it holds arrays,
    /// `Error::Corrupt` if its bytes do not have their checksum.
    ///
    /// Costs one line of the index, the record, and a count of a reference;
    /// [`Partition::reader`] saves the last.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        let key = key.as_ref();
        let Some(state) = self.state("read a key")? else {
            return Ok(None);
        };
        let inner = self.inner();
        let hash = inner.hash(key)?;
        let end = place(inner.log.published());
        let newest = inner.log.find_newest(&state.index, hash, key, end)?;
        if newest == 0 {
            return Ok(None);
        }
        if let Some(bytes) = inner.log.plain_bytes(newest, end) {
            return Ok(Some(Value::new(bytes)));
        }
        let seen = inner.log.seen(newest, key, end)?;
        let Some(located) = seen.filter(Located::is_live) else {
            return Ok(None);
        };
        if located.head.kind == RecordKind::Put {
            let stored = self.inner().log.value(&located)?;
            return Ok(Some(Value::new(stored)));
        }
        self.stored_entry(key, located)?.value().map(Some)
    }

    /// The entry of `key`, value or arrays.
    pub fn entry(&self, key: impl AsRef<[u8]>) -> Result<Option<Entry>> {
        let key = key.as_ref();
        let found = self.find(key)?;
        found
            .map(|located| self.stored_entry(key, located))
            .transpose()
    }

    fn stored_entry(&self, key: &[u8], located: Located) -> Result<Entry> {
        self.inner().stored_entry(key, located)
    }

    /// One array of one entry. `Error::NotFound` names the key or the array,
    /// `Error::Kind` if the entry is a plain value.
    ///
    /// As [`Entry::array`] without making the entry: for hot loops.
    pub fn array(&self, key: impl AsRef<[u8]>, name: &str) -> Result<Array> {
        let key = key.as_ref();
        let located = self.find(key)?.ok_or_else(|| no_key(key))?;
        let inner = self.inner();
        if located.head.kind == RecordKind::Entry {
            let stored = Stored::new(&inner.log, located)?;
            let schema = inner.schema(&stored)?;
            if let Some(field) = schema.position(name)
                && let Some(array) = Array::locate(&stored, schema, field)?
            {
                return Ok(array);
            }
        }
        // Says what is there instead.
        self.stored_entry(key, located)?.array(name)
    }

    /// Stores a plain value; replaces the whole entry, of whatever kind. `Error::Invalid`
    /// for a key above 65,535 bytes, `Error::NotCommitted` if the disk is full.
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.commit(
            "store a value",
            RecordKind::Put,
            key.as_ref(),
            &[value.as_ref()],
            &[],
        )
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
        let inner = self.inner();
        let mut plan = crate::array::plan(arrays, attrs)?;
        plan.align_arrays(self.state("store arrays")?.and_then(|state| state.align()));
        let interning = inner.catalog.intern_plan(&inner.log, &mut plan)?;
        let pieces = plan.pieces(interning.id);
        let parts: Vec<&[u8]> = pieces.parts.iter().map(|part| &**part).collect();
        let needed = if inner.catalog.is_new(&interning) {
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
        self.commit(
            "store arrays",
            RecordKind::Entry,
            key.as_ref(),
            &parts,
            &needed,
        )
    }

    fn commit(
        &self,
        action: &'static str,
        kind: RecordKind,
        key: &[u8],
        pieces: &[&[u8]],
        interned: &[crate::catalog::Interning],
    ) -> Result<()> {
        let inner = self.inner();
        let hash = inner.hash(key)?;
        let len = pieces.iter().map(|piece| piece.len() as u64).sum();
        let sums = Sums::of(pieces, len);
        let value = sums.value(pieces, len);
        let change = Change {
            target: &self.target,
            kind,
            key,
            hash,
            value,
        };
        let mut writer = inner.log.writer(action)?;
        inner.commit(&mut writer, &[change], interned, inner.log.durability())?;
        Ok(())
    }

    /// Removes an entry; false if it was not there.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let key = key.as_ref();
        let inner = self.inner();
        let hash = inner.hash(key)?;
        let mut writer = inner.log.writer("remove an entry")?;
        let Some(state) = self.state("remove an entry")? else {
            return Ok(false);
        };
        if writer.find(&state.index, hash, key)?.is_none() {
            return Ok(false);
        }
        let change = self.tombstone(hash, key, &NOTHING);
        inner.commit(&mut writer, &[change], &[], inner.log.durability())?;
        Ok(true)
    }

    fn tombstone<'a>(&'a self, hash: Hash, key: &'a [u8], nothing: &'a Sums) -> Change<'a> {
        let value = nothing.value(&[], 0);
        Change {
            target: &self.target,
            kind: RecordKind::Tombstone,
            key,
            hash,
            value,
        }
    }

    /// Gives an entry another key, in one commit; it moves to the end of the order.
    /// `Error::NotFound`; `Error::Conflict` if `new` exists and `overwrite` is false.
    pub fn rename(
        &self,
        key: impl AsRef<[u8]>,
        new: impl AsRef<[u8]>,
        overwrite: bool,
    ) -> Result<()> {
        let (key, new) = (key.as_ref(), new.as_ref());
        let inner = self.inner();
        let (hash, new_hash) = (inner.hash(key)?, inner.hash(new)?);
        let mut writer = inner.log.writer("rename an entry")?;
        let state = self.state("rename an entry")?.ok_or_else(|| no_key(key))?;
        let find = |writer: &WriterGuard<'_>, hash, key| writer.find(&state.index, hash, key);
        let located = find(&writer, hash, key)?.ok_or_else(|| no_key(key))?;
        if key == new {
            return Ok(());
        }
        if !overwrite && find(&writer, new_hash, new)?.is_some() {
            return Err(conflict(new));
        }
        let bytes = Stored::new(&inner.log, located)?.value()?;
        let pieces: [&[u8]; 1] = [&bytes];
        let sums = Sums::of(&pieces, bytes.len() as u64);
        let value = sums.value(&pieces, bytes.len() as u64);
        let put = Change {
            target: &self.target,
            kind: located.head.kind,
            key: new,
            hash: new_hash,
            value,
        };
        let changes = [put, self.tombstone(hash, key, &NOTHING)];
        inner.commit(&mut writer, &changes, &[], inner.log.durability())?;
        Ok(())
    }

    /// Removes every entry in one commit; how many.
    pub fn clear(&self) -> Result<u64> {
        let inner = self.inner();
        let mut writer = inner.log.writer("clear a partition")?;
        let keys: Result<Vec<Vec<u8>>> = self.keys()?.collect();
        let keys = keys?;
        if keys.is_empty() {
            return Ok(0);
        }
        let changes: Result<Vec<Change<'_>>> = keys
            .iter()
            .map(|key| Ok(self.tombstone(inner.hash(key)?, key, &NOTHING)))
            .collect();
        inner.commit(&mut writer, &changes?, &[], inner.log.durability())?;
        Ok(keys.len() as u64)
    }

    /// The state of the partition, if it exists, and its end.
    fn pin(&self, action: &'static str) -> Result<(Option<Pinned>, u64)> {
        let published = || place(self.inner().log.published());
        let Some(state) = self.state(action)? else {
            return Ok((None, published()));
        };
        let (pinned, end) = state.index.pin(published);
        Ok((Some(pinned), end))
    }

    fn walk(&self) -> Result<Walk> {
        let (pinned, end) = self.pin("list keys")?;
        Ok(Walk {
            log: Arc::clone(&self.inner().log),
            pinned,
            cursor: Cursor::default(),
            end,
        })
    }

    /// Keys in the order of their latest whole write, as of this call. Costs a read of
    /// each record's head.
    pub fn keys(&self) -> Result<Keys> {
        Ok(Keys(self.walk()?))
    }

    /// Entries in that order, as of this call.
    pub fn entries(&self) -> Result<Entries> {
        Ok(Entries {
            walk: self.walk()?,
            partition: self.clone(),
        })
    }

    /// A fixed state that lends values without counting references: the fastest path
    /// for many reads. `Error::Invalid` if the store was opened for copying reads.
    pub fn reader(&self) -> Result<Reader<'_>> {
        let inner = self.inner();
        if !inner.log.is_mapped() {
            return Err(Error::Invalid {
                what: "reader".to_owned(),
                detail: "a store whose reads copy has nothing to lend; use `Partition::get`"
                    .to_owned(),
            });
        }
        let (pinned, end) = self.pin("read keys")?;
        let seed = inner.log.identity().seed;
        Ok(Reader {
            log: &inner.log,
            pinned,
            end,
            seed,
        })
    }
}

const NOTHING: Sums = Sums::Small(EMPTY_HASH);

/// Hash of no bytes: XXH3-64 of an empty input, which a test holds.
const EMPTY_HASH: u64 = 0x2D06_8005_38D3_94C2;

/// A key as people read it.
pub(crate) fn describe_key(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

fn no_key(key: &[u8]) -> Error {
    Error::NotFound {
        what: What::Key,
        name: describe_key(key),
        hint: None,
    }
}

pub(crate) fn conflict(key: &[u8]) -> Error {
    Error::Conflict {
        key: describe_key(key),
        expected: "no entry".to_owned(),
        found: "an entry".to_owned(),
    }
}

/// The records that a reader saw at one moment, in log order.
#[derive(Debug)]
struct Walk {
    log: Arc<Log>,
    pinned: Option<Pinned>,
    cursor: Cursor,
    end: u64,
}

impl Walk {
    fn next(&mut self) -> Option<Result<(Located, Vec<u8>)>> {
        let pinned = self.pinned.as_ref()?;
        let next = pinned.next(&mut self.cursor, self.end, &self.log.keyed(&[]));
        let record = next.transpose()?.and_then(|place| {
            let at = crate::format::offset(place);
            let (head, key) = self.log.head_and_key(at)?;
            Ok((Located { at, head }, key))
        });
        Some(record)
    }
}

/// Iterator over keys.
#[derive(Debug)]
pub struct Keys(Walk);

impl Iterator for Keys {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|record| record.map(|(_, key)| key))
    }
}

/// Iterator over entries.
#[derive(Debug)]
pub struct Entries {
    walk: Walk,
    partition: Partition,
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.walk.next()?;
        Some(record.and_then(|(located, key)| self.partition.stored_entry(&key, located)))
    }
}

/// A fixed state of a partition that lends slices.
pub struct Reader<'a> {
    log: &'a Log,
    pinned: Option<Pinned>,
    end: u64,
    seed: u64,
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader(end {})", self.end)
    }
}

impl Reader<'_> {
    /// The plain value of `key`, borrowed. `Error::Kind` if the entry holds arrays,
    /// `Error::Corrupt`.
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<&[u8]>> {
        let key = key.as_ref();
        let Some(pinned) = &self.pinned else {
            return Ok(None);
        };
        let hash = Hash(crate::format::record::key_hash(key, self.seed));
        let place = self.log.find_place(pinned, hash, key, self.end)?;
        if place == 0 {
            return Ok(None);
        }
        if let Some(value) = self.log.lend_plain(place, self.end) {
            return Ok(Some(value));
        }
        self.lend(place, key)
    }

    /// The value of the version that this reader sees, from that at `place` back.
    #[cold]
    fn lend(&self, place: u64, key: &[u8]) -> Result<Option<&[u8]>> {
        let Some(located) = self.log.seen(place, key, self.end)? else {
            return Ok(None);
        };
        match located.head.kind {
            RecordKind::Put => self.log.lend(&located).transpose(),
            RecordKind::Entry => Err(Error::Kind {
                key: describe_key(key),
                expected: "a value",
                found: "arrays".to_owned(),
            }),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_hash_of_nothing_is_that_of_no_bytes() {
        assert_eq!(super::EMPTY_HASH, crate::format::record::value_hash(&[]));
    }
}
