//! `hashbrown::HashMap` with owned keys over mapped bytes: what a program would
//! write by hand, and what a store that keeps itself on disk is held against.

use std::hash::{BuildHasher, Hasher};

use anyhow::{Context as _, Result};
use arraylog_benches::{Keys, leading};
use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::lookup::Lookups;
use crate::task::Answer;

/// Owned keys and where their values are: `P` is an offset with a length, or a slice.
pub(crate) struct Map<P> {
    places: HashMap<Box<[u8]>, P, Xxh3>,
}

impl<P> Map<P> {
    /// A map of `keys`; `place` gives where the value of the key at a position is.
    pub(crate) fn new(keys: &Keys, place: impl Fn(usize, &[u8]) -> Result<P>) -> Result<Self> {
        let mut places = HashMap::with_capacity_and_hasher(keys.len(), Xxh3 { seed: 0x5EED });
        for (position, key) in keys.iter().enumerate() {
            places.insert(Box::from(key), place(position, key)?);
        }
        Ok(Self { places })
    }

    /// Where the value of `key` is.
    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<&P> {
        self.places.get(key)
    }

    /// Lookups; `value` gives the bytes at a place.
    pub(crate) fn measure<'v>(
        &self,
        value: impl Fn(&P) -> Option<&'v [u8]>,
        lookups: &Lookups,
        answer: &mut Answer,
    ) -> Result<()> {
        lookups.measure(answer, |key| match self.places.get(key) {
            None => Ok(None),
            Some(place) => {
                let value = value(place).context("a place beyond the mapping")?;
                Ok(Some(leading(value)))
            }
        })
    }
}

/// Seeded XXH3 of the key's bytes, the hash of the engine.
#[derive(Clone, Copy)]
struct Xxh3 {
    seed: u64,
}

impl BuildHasher for Xxh3 {
    type Hasher = KeyHasher;
    fn build_hasher(&self) -> KeyHasher {
        KeyHasher { hash: self.seed }
    }
}

struct KeyHasher {
    hash: u64,
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.hash = xxh3_64_with_seed(bytes, self.hash);
    }

    /// The length that `[u8]` hashes before its bytes: XXH3 takes it in anyway.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.hash
    }
}
