//! Decoded chunks that are kept in memory: who reads a part of a chunk often reads another
//! part of it next, a row at a time for instance.
//!
//! A record of the log does not change, so that its place names what was decoded of it and
//! nothing has to be told when something is written. Whole chunks are not kept when all of
//! them was asked for: a scan neither gains from it nor takes the room from others.

use std::fmt;
use std::thread;

use parking_lot::{Mutex, MutexGuard};
use quick_cache::{Weighter, unsync::Cache};

use crate::value::Value;

/// About what it takes to keep one, beside its bytes.
const OVERHEAD: u64 = 256;

/// A chunk is about as long; it is a guess for the length of tables, which grow.
const USUAL: u64 = 256 << 10;

/// How often a lock that another thread has is tried.
const TRIES: usize = 16;

/// The elements of a chunk.
#[derive(Clone, Debug)]
pub(crate) struct Decoded {
    pub(crate) data: Value,
    pub(crate) offsets: Option<Value>,
    pub(crate) validity: Option<Value>,
}

/// Those of one log.
pub(crate) struct DecodedChunks {
    most: u64,
    /// Made when there is one to keep.
    kept: Mutex<Option<Cache<u64, Decoded, Weight>>>,
}

#[derive(Clone, Copy)]
struct Weight;

impl Weighter<u64, Decoded> for Weight {
    fn weight(&self, _: &u64, chunk: &Decoded) -> u64 {
        let parts = [
            Some(&chunk.data),
            chunk.offsets.as_ref(),
            chunk.validity.as_ref(),
        ];
        let bytes = parts.into_iter().flatten().map(|part| part.len() as u64);
        bytes.fold(OVERHEAD, u64::saturating_add)
    }
}

impl DecodedChunks {
    /// Keeps at most so many bytes; none with 0.
    pub(crate) fn new(most: u64) -> Self {
        let kept = Mutex::default();
        Self { most, kept }
    }

    /// Whether a chunk of so many bytes has room.
    pub(crate) fn takes(&self, bytes: u64) -> bool {
        bytes.saturating_add(OVERHEAD) <= self.most
    }

    /// What was decoded of the record at a place.
    pub(crate) fn get(&self, at: u64) -> Option<Decoded> {
        self.lock()?.as_ref()?.get(&at).cloned()
    }

    /// Keeps what was decoded of the record at a place, in the room of what was not asked
    /// for lately.
    pub(crate) fn keep(&self, at: u64, chunk: &Decoded) {
        if Weight.weight(&at, chunk) > self.most {
            return;
        }
        if let Some(mut kept) = self.lock() {
            let usual = self.most.div_ceil(USUAL) as usize;
            let make = || Cache::with_weighter(usual, self.most, Weight);
            kept.get_or_insert_with(make).insert(at, chunk.clone());
        }
    }

    /// `None` if others have it: to decode again is better than to wait, in a process that was
    /// forked from one with the lock for ever.
    fn lock(&self) -> Option<MutexGuard<'_, Option<Cache<u64, Decoded, Weight>>>> {
        for _ in 0..TRIES {
            if let Some(kept) = self.kept.try_lock() {
                return Some(kept);
            }
            thread::yield_now();
        }
        None
    }

    /// Bytes that are kept.
    #[cfg(test)]
    fn bytes(&self) -> u64 {
        self.kept.lock().as_ref().map_or(0, Cache::weight)
    }
}

impl fmt::Debug for DecodedChunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecodedChunks(at most {} bytes)", self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(len: usize) -> Decoded {
        Decoded {
            data: Value::owned(len, |out| {
                out.fill(1);
                Ok(())
            })
            .expect("memory"),
            offsets: None,
            validity: None,
        }
    }

    #[test]
    fn what_is_kept_stays_below_the_limit_and_the_newest_is_found() {
        let most = 1 << 20;
        let kept = DecodedChunks::new(most);
        for at in 0..200 {
            kept.keep(at, &chunk(50_000));
            assert!(kept.bytes() <= most, "{} bytes", kept.bytes());
            assert_eq!(kept.get(at).map(|found| found.data.len()), Some(50_000));
        }
        assert!(kept.bytes() > most / 2, "{} bytes", kept.bytes());
        assert!(kept.get(0).is_none());
    }

    #[test]
    fn one_that_does_not_fit_is_not_kept_and_removes_nothing() {
        let kept = DecodedChunks::new(1000);
        kept.keep(1, &chunk(100));
        kept.keep(2, &chunk(1000));
        assert!(kept.get(1).is_some());
        assert!(kept.get(2).is_none());
        let none = DecodedChunks::new(0);
        none.keep(1, &chunk(0));
        assert!(none.get(1).is_none());
    }

    #[test]
    fn a_lock_that_nobody_gives_back_is_not_waited_for() {
        let kept = DecodedChunks::new(1 << 20);
        kept.keep(1, &chunk(10));
        let held = kept.kept.lock();
        assert!(kept.get(1).is_none());
        kept.keep(2, &chunk(10));
        drop(held);
        assert!(kept.get(1).is_some());
        assert!(kept.get(2).is_none());
    }
}
