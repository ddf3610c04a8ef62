//! What is known of the slots of a segment.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use super::atomics::AtomicU16;
use super::memory::zeroed;

/// Groups of a chunk: 64 KiB of memory.
const CHUNK: usize = 1 << 15;

type Chunk = Box<[AtomicU16]>;

/// 16 bits a group, all zero at first. Memory is taken by the chunk, for groups of which
/// something was set alone: what it costs to open a segment does not depend on its length.
#[derive(Debug)]
pub(super) struct Marks {
    chunks: Box<[OnceLock<Chunk>]>,
}

impl Marks {
    /// Those of so many groups.
    pub(super) fn new(groups: usize) -> Self {
        let chunks = 0..groups.div_ceil(CHUNK);
        Self {
            chunks: chunks.map(|_| OnceLock::new()).collect(),
        }
    }

    #[inline(always)]
    fn get(&self, group: usize) -> Option<&AtomicU16> {
        self.chunks.get(group / CHUNK)?.get()?.get(group % CHUNK)
    }

    /// The bits of a group.
    #[inline(always)]
    pub(super) fn load(&self, group: usize) -> u16 {
        self.get(group)
            .map_or(0, |bits| bits.load(Ordering::Acquire))
    }

    /// Sets bits of a group, one of those there are; those that it had.
    pub(super) fn set(&self, group: usize, bits: u16) -> u16 {
        let chunk = self.chunks.get(group / CHUNK);
        let chunk = chunk.map(|chunk| chunk.get_or_init(|| zeroed(CHUNK)));
        let marks = chunk.and_then(|chunk| chunk.get(group % CHUNK));
        marks.map_or(0, |marks| marks.fetch_or(bits, Ordering::AcqRel))
    }

    /// Starts to load the bits of a group.
    #[inline(always)]
    pub(super) fn prefetch(&self, group: usize) {
        if let Some(bits) = self.get(group) {
            super::group::prefetch(bits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_of_one_group_and_stay() {
        let marks = Marks::new(2 * CHUNK + 1);
        for group in [0, CHUNK - 1, CHUNK, 2 * CHUNK] {
            assert_eq!(marks.load(group), 0);
            assert_eq!(marks.set(group, 5), 0);
            assert_eq!(marks.set(group, 0x8002), 5);
            assert_eq!(marks.load(group), 0x8007);
        }
        assert_eq!(marks.load(1), 0);
        assert_eq!(marks.load(3 * CHUNK), 0);
    }
}
