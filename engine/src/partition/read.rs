//! Reading one entry.

use crate::catalog::Beside;
use crate::entry::{Array, Entry};
use crate::error::{Result, no_key};
use crate::format::record::RecordKind;
use crate::format::{offset, place};
use crate::log::{Located, Stored};
use crate::store::Inner;
use crate::value::Value;

use super::Partition;

impl Partition {
    /// What a reader sees at `key` now.
    #[inline]
    pub(crate) fn find(&self, inner: &Inner, key: &[u8]) -> Result<Option<(Located, Beside)>> {
        let Some(state) = self.state(inner, "read a key")? else {
            return Ok(None);
        };
        let hash = inner.hash(key)?;
        let end = place(inner.log.published());
        let found = inner.log.find(&state.index, hash, key, end)?;
        let found = found.filter(Located::is_live);
        Ok(found.map(|located| (located, state.beside(end))))
    }

    /// Whether `key` is there.
    pub fn contains(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.find(&self.inner(), key.as_ref())?.is_some())
    }

    /// The plain value of `key`, without a copy. `Error::Kind` if it holds arrays,
    /// `Error::Corrupt` if its bytes do not have their checksum.
    ///
    /// Costs one line of the index, the record, and a count of a reference;
    /// [`Partition::reader`] saves the last.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        let key = key.as_ref();
        let inner = self.inner();
        let Some(state) = self.state(&inner, "read a key")? else {
            return Ok(None);
        };
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
            let stored = inner.log.value(&located)?;
            return Ok(Some(Value::new(stored)));
        }
        let beside = state.beside(end);
        inner.stored_entry(key, located, &beside)?.value().map(Some)
    }

    /// The entry of `key`, value or arrays.
    pub fn entry(&self, key: impl AsRef<[u8]>) -> Result<Option<Entry>> {
        let key = key.as_ref();
        let inner = self.inner();
        let found = self.find(&inner, key)?;
        found
            .map(|(located, beside)| inner.stored_entry(key, located, &beside))
            .transpose()
    }

    /// The entry at position `nth`, from 0, in the order of the latest whole writes; `None`
    /// behind the last one. Costs no scan, however many entries were replaced or removed: a
    /// bisection, and after changes to older entries once a look at each 64 of them.
    ///
    /// Positions move when entries are removed or written again; those of a
    /// [`Snapshot`](crate::Snapshot) stay.
    pub fn nth(&self, nth: u64) -> Result<Option<Entry>> {
        let inner = self.inner();
        let log = &inner.log;
        let (Some((pinned, beside)), end) = self.pin(&inner, "read a position")? else {
            return Ok(None);
        };
        let Some(place) = pinned.nth(nth, end, &log.keyed(&[]))? else {
            return Ok(None);
        };
        let at = offset(place);
        let (head, key) = log.head_and_key(at)?;
        inner
            .stored_entry(&key, Located { at, head }, &beside)
            .map(Some)
    }

    /// One array of one entry. `Error::NotFound` names the key or the array,
    /// `Error::Kind` if the entry is a plain value.
    ///
    /// As [`Entry::array`] without making the entry: for hot loops.
    pub fn array(&self, key: impl AsRef<[u8]>, name: &str) -> Result<Array> {
        let key = key.as_ref();
        let inner = self.inner();
        let (located, beside) = self.find(&inner, key)?.ok_or_else(|| no_key(key))?;
        if located.head.kind == RecordKind::Entry && beside.amendments.is_none() {
            let stored = Stored::new(&inner.log, located)?;
            let schema = inner.schema(&stored)?;
            let chunks = beside.chunks(&inner.log, located.place());
            if let Some(field) = schema.position(name)
                && let Some(array) = Array::locate(stored, schema, field, chunks)?
            {
                return Ok(array);
            }
        }
        // Says what is there instead.
        inner.stored_entry(key, located, &beside)?.array(name)
    }
}
