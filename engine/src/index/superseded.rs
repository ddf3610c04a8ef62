//! Which entries of a segment were superseded, and where.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use super::atomics::{AtomicU64, AtomicUsize};
use super::memory::zeroed;

/// Entries of a chunk: a page of memory.
const CHUNK: usize = 512;

type Chunk = Box<[AtomicU64]>;

/// For each ordinal of a segment the place that superseded it. Memory is taken by the
/// page, for what was superseded alone. One writer, any number of readers.
#[derive(Debug, Default)]
pub(super) struct Superseded {
    chunks: OnceLock<Box<[OnceLock<Chunk>]>>,
    count: AtomicUsize,
    newest: AtomicU64,
}

impl Superseded {
    /// The place that superseded `ordinal`; 0 = none.
    pub(super) fn by(&self, ordinal: usize) -> u64 {
        let chunk = self
            .chunks
            .get()
            .and_then(|chunks| chunks.get(ordinal / CHUNK));
        let by = chunk.and_then(|chunk| chunk.get()?.get(ordinal % CHUNK));
        by.map_or(0, |by| by.load(Ordering::Acquire))
    }

    /// Notes that `ordinal`, of `len`, was superseded at `by`, if it was not; whether it
    /// was new.
    pub(super) fn set(&self, ordinal: usize, len: usize, by: u64) -> bool {
        let chunks = self
            .chunks
            .get_or_init(|| (0..len.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect());
        let Some(chunk) = chunks.get(ordinal / CHUNK) else {
            return false;
        };
        let chunk = chunk.get_or_init(|| zeroed(CHUNK));
        let Some(entry) = chunk.get(ordinal % CHUNK) else {
            return false;
        };
        if entry.load(Ordering::Relaxed) != 0 {
            return false;
        }
        // Before the entry, so that who sees one knows a bound of it.
        self.newest.fetch_max(by, Ordering::AcqRel);
        entry.store(by, Ordering::Release);
        self.count.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// Number of entries.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// A bound of all places that superseded something.
    #[inline]
    pub(super) fn newest(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    /// The ordinals that were superseded and where, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let chunks = self.chunks.get().map(|chunks| chunks.iter().enumerate());
        chunks.into_iter().flatten().flat_map(|(number, chunk)| {
            let entries = chunk.get().map(|chunk| chunk.iter().enumerate());
            entries.into_iter().flatten().filter_map(move |(at, by)| {
                let by = by.load(Ordering::Acquire);
                (by != 0).then_some((number * CHUNK + at, by))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_counts_and_neighbours_stay() {
        let superseded = Superseded::default();
        assert_eq!(superseded.by(700), 0);
        assert!(superseded.set(700, 1000, 9));
        assert!(!superseded.set(700, 1000, 10));
        assert!(superseded.set(3, 1000, 8));
        assert!(!superseded.set(5000, 1000, 8));
        assert_eq!((superseded.by(700), superseded.by(701)), (9, 0));
        assert_eq!(superseded.newest(), 9);
        assert_eq!(superseded.iter().collect::<Vec<_>>(), [(3, 8), (700, 9)]);
    }
}
