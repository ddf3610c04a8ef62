//! Many keys at once: the cache misses of a window of keys overlap.

use std::sync::Arc;

use super::Partition;
use crate::array::Schema;
use crate::catalog::Beside;
use crate::entry::{Array, Entry};
use crate::error::Result;
use crate::format::record::{RecordKind, key_hash};
use crate::index::{ATTENTION, Hash, Pinned};
use crate::log::{Located, Log, Stored};
use crate::storage::Lender;
use crate::store::Inner;
use crate::value::Value;

/// Keys that are looked up together: enough for all the misses that a core keeps in
/// flight, few enough that what is prefetched stays in the nearest cache.
const WINDOW: usize = 32;

/// The segments, and the end, that a lookup of many keys sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) log: &'a Log,
    pub(super) lender: Lender<'a>,
    pub(super) pinned: &'a Pinned,
    /// A place.
    pub(super) end: u64,
}

impl View<'_> {
    /// Gives `found` each key with the place of its newest version (0 = none), in order.
    /// The place may lie beyond the end; then [`Log::seen`] leads back.
    #[inline(always)]
    pub(super) fn find<'k, K: AsRef<[u8]>>(
        &self,
        keys: &'k [K],
        mut found: impl FnMut(&'k [u8], u64) -> Result<()>,
    ) -> Result<()> {
        let Self {
            log,
            lender,
            pinned,
            end,
        } = *self;
        let seed = log.identity().seed;
        let mut hashes = [Hash(0); WINDOW];
        let mut candidates = [0; WINDOW];
        for window in keys.chunks(WINDOW) {
            for (hash, key) in hashes.iter_mut().zip(window) {
                *hash = Hash(key_hash(key.as_ref(), seed));
                pinned.prefetch(*hash);
            }
            let looked_up = candidates.iter_mut().zip(&hashes);
            for (candidate, &hash) in looked_up.take(window.len()) {
                *candidate = log.candidate(pinned, hash, end);
                Log::prefetch(lender, *candidate & !ATTENTION);
            }
            for ((key, &hash), &candidate) in window.iter().zip(&hashes).zip(&candidates) {
                let key = key.as_ref();
                // The first slot with the tag is nearly always that of the key.
                let place = match candidate {
                    0 => 0,
                    at if at & ATTENTION == 0 && log.record_has_key(lender, at, key) => at,
                    _ => log.find_place(pinned, hash, &log.keyed_in(lender, key), end)?,
                };
                found(key, place)?;
            }
        }
        Ok(())
    }
}

impl Partition {
    /// The plain values of many keys, in their order, as of one moment; `None` for a key
    /// that is not there. Errors as those of [`get`](Self::get).
    ///
    /// The lookups of 32 keys at a time overlap, so that a key costs less than in a loop
    /// of `get`. [`Reader::get_many`](crate::Reader::get_many) lends instead of counting
    /// references.
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        let inner = self.inner();
        self.find_many(&inner, keys, |key, located, beside| {
            if located.head.kind == RecordKind::Put {
                return Ok(Value::new(inner.log.value(&located)?));
            }
            inner.stored_entry(key, located, beside)?.value()
        })
    }

    /// The entries of many keys, as [`get_many`](Self::get_many) the values.
    pub fn entry_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Entry>>> {
        let inner = self.inner();
        self.find_many(&inner, keys, |key, located, beside| {
            inner.stored_entry(key, located, beside)
        })
    }

    /// One array of each of many entries, as [`get_many`](Self::get_many) the values;
    /// `None` for a key that is not there. An entry without the array is an error, as in
    /// [`array`](Self::array).
    pub fn array_many<K: AsRef<[u8]>>(&self, keys: &[K], name: &str) -> Result<Vec<Option<Array>>> {
        let inner = self.inner();
        // Entries of a partition tend to share their schema.
        let mut last: Option<(&Arc<Schema>, usize)> = None;
        self.find_many(&inner, keys, |key, located, beside| {
            if located.head.kind == RecordKind::Entry && beside.amendments.is_none() {
                let stored = Stored::new(&inner.log, located)?;
                let schema = inner.schema(&stored)?;
                let field = match last {
                    Some((same, field)) if Arc::ptr_eq(same, schema) => Some(field),
                    _ => schema.position(name),
                };
                last = field.map(|field| (schema, field));
                let chunks = beside.chunks(&inner.log, located.place());
                if let Some(field) = field
                    && let Some(array) = Array::locate(stored, schema, field, chunks)?
                {
                    return Ok(array);
                }
            }
            // Says what is there instead.
            inner.stored_entry(key, located, beside)?.array(name)
        })
    }

    pub(super) fn find_many<K: AsRef<[u8]>, T>(
        &self,
        inner: &Inner,
        keys: &[K],
        mut read: impl FnMut(&[u8], Located, &Beside) -> Result<T>,
    ) -> Result<Vec<Option<T>>> {
        let log = &inner.log;
        let mut out = Vec::with_capacity(keys.len());
        let (Some((pinned, beside)), end) = self.pin(inner, "read keys")? else {
            for key in keys {
                inner.hash(key.as_ref())?;
                out.push(None);
            }
            return Ok(out);
        };
        let view = View {
            log,
            lender: log.lender(),
            pinned: &pinned,
            end,
        };
        view.find(keys, |key, place| {
            let located = log.seen(place, key, end)?.filter(Located::is_live);
            let read = located.map(|located| read(key, located, &beside));
            out.push(read.transpose()?);
            Ok(())
        })?;
        Ok(out)
    }
}
