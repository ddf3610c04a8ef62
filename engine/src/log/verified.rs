//! Which blocks of the file were compared with their checksums.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::format::BLOCK;

/// Blocks of a chunk of bits: 4 GiB of file, 8 KiB of memory.
const CHUNK_BLOCKS: u64 = 1 << 16;
/// Chunks: files up to 16 TiB. Blocks beyond are compared at every read.
const CHUNKS: usize = 1 << 12;

type Chunk = Box<[AtomicU64]>;

/// One bit for each 64 KiB of the file, made as it is needed.
///
/// Blocks of values have 64 KiB or more, so that no two start in the same 64 KiB.
#[derive(Debug, Default)]
pub(super) struct Verified(OnceLock<Box<[OnceLock<Chunk>]>>);

impl Verified {
    /// Whether the block that starts at offset `at` was compared.
    #[inline]
    pub(super) fn contains(&self, at: u64) -> bool {
        let (chunk, word, bit) = place(at);
        let chunk = self.0.get().and_then(|chunks| chunks.get(chunk)?.get());
        let word = chunk.and_then(|chunk| chunk.get(word));
        word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// Notes that it was.
    pub(super) fn insert(&self, at: u64) {
        let (chunk, word, bit) = place(at);
        let chunks = self
            .0
            .get_or_init(|| (0..CHUNKS).map(|_| OnceLock::new()).collect());
        let Some(chunk) = chunks.get(chunk) else {
            return;
        };
        let chunk =
            chunk.get_or_init(|| (0..CHUNK_BLOCKS / 64).map(|_| AtomicU64::new(0)).collect());
        if let Some(word) = chunk.get(word) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }
}

fn place(at: u64) -> (usize, usize, u64) {
    let block = at / BLOCK;
    let in_chunk = block % CHUNK_BLOCKS;
    (
        (block / CHUNK_BLOCKS) as usize,
        (in_chunk / 64) as usize,
        1 << (in_chunk % 64),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_remembered_alone_and_far_blocks_are_not_remembered() {
        let verified = Verified::default();
        for at in [16424, 5 << 32, u64::MAX] {
            assert!(!verified.contains(at));
        }
        verified.insert(5 << 32);
        assert!(verified.contains((5 << 32) + 65535));
        assert!(!verified.contains((5 << 32) + 65536));
        assert!(!verified.contains((5 << 32) - 1));
        verified.insert(u64::MAX);
        assert!(!verified.contains(u64::MAX));
    }
}
