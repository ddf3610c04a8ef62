//! Keys of a growing table whose groups are all full.
//!
//! Hashes that somebody crafted to be alike would have every lookup probe all of them.
//! So a key is looked for in a bounded number of groups, and what found no slot there is
//! here, in order: a lookup descends. The order starts with the hash and a second one, so
//! that whole keys are compared where both agree, which crafted keys do not make cheap.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_skiplist::SkipMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Hash;

/// Seed of the second hash, together with the first one.
const SECOND: u64 = 0x9E37_79B9_7F4A_7C15;

#[derive(Clone, Debug)]
struct Spilled {
    hash: (u32, u16),
    second: u64,
    key: Box<[u8]>,
}

impl Spilled {
    fn new(hash: Hash, key: &[u8]) -> Self {
        Self {
            hash: (hash.top(), hash.tag()),
            second: xxh3_64_with_seed(key, SECOND),
            key: key.into(),
        }
    }
}

impl Ord for Spilled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let hashes = (self.hash, self.second).cmp(&(other.hash, other.second));
        hashes.then_with(|| {
            #[cfg(test)]
            COMPARED.with(|compared| compared.set(compared.get() + 1));
            self.key.cmp(&other.key)
        })
    }
}

impl PartialOrd for Spilled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Spilled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Spilled {}

#[cfg(test)]
thread_local! {
    /// How many keys this thread has compared whole.
    pub(super) static COMPARED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Keys and the places that they lead to. One writer, any number of readers, no lock; no
/// memory until something is inserted.
#[derive(Default)]
pub(super) struct Overflow(OnceLock<SkipMap<Spilled, AtomicU64>>);

impl Overflow {
    /// Whether nothing was inserted.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.get().is_none()
    }

    /// The place that a key leads to; 0 = none. Costs about the logarithm of their number.
    #[cold]
    pub(super) fn find(&self, hash: Hash, key: &[u8]) -> u64 {
        let entry = self
            .0
            .get()
            .and_then(|map| map.get(&Spilled::new(hash, key)));
        entry.map_or(0, |entry| entry.value().load(Ordering::Acquire))
    }

    /// Makes a key lead to `place`; gives the place that it led to, 0 = none. Only the
    /// writer calls this.
    #[cold]
    pub(super) fn upsert(&self, hash: Hash, key: &[u8], place: u64) -> u64 {
        let key = Spilled::new(hash, key);
        let map = self.0.get_or_init(SkipMap::new);
        match map.get(&key) {
            Some(entry) => entry.value().swap(place, Ordering::AcqRel),
            None => {
                map.insert(key, AtomicU64::new(place));
                0
            }
        }
    }

    /// The hashes, keys and places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Hash, Box<[u8]>, u64)> + '_ {
        let entries = self.0.get().into_iter().flatten();
        entries.map(|entry| {
            let Spilled { hash, key, .. } = entry.key();
            let hash = Hash(u64::from(hash.0) << 32 | u64::from(hash.1));
            (hash, key.clone(), entry.value().load(Ordering::Relaxed))
        })
    }
}
