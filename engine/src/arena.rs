//! Room for copies of values that wait for their commit.

use std::sync::Arc;

use parking_lot::Mutex;

/// Least room that is taken from the allocator at once.
const CHUNK: usize = 1 << 20;

/// Room that is kept for the next batch. Fresh memory costs about as much as writing it
/// to the page cache: the kernel zeroes it page by page.
const KEPT: usize = 64 << 20;

/// Chunks that no batch uses, for the batches of one store.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Vec<u8>>>);

impl Pool {
    /// An empty chunk with room for `len` bytes.
    fn take(&self, len: usize) -> Vec<u8> {
        let mut free = self.0.lock();
        match free.iter().position(|chunk| chunk.capacity() >= len) {
            Some(fits) => free.swap_remove(fits),
            None => Vec::with_capacity(len.max(CHUNK)),
        }
    }

    fn give_back(&self, chunks: Vec<Vec<u8>>) {
        let mut free = self.0.lock();
        let mut kept: usize = free.iter().map(Vec::capacity).sum();
        for mut chunk in chunks {
            kept += chunk.capacity();
            if kept > KEPT {
                break;
            }
            chunk.clear();
            free.push(chunk);
        }
    }
}

/// Bytes in one of the chunks of an arena.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    chunk: usize,
    at: usize,
    len: usize,
}

impl Span {
    /// Number of bytes.
    pub(crate) fn len(self) -> usize {
        self.len
    }
}

/// Bytes that stay where they are until the arena goes.
#[derive(Debug)]
pub(crate) struct Arena {
    chunks: Vec<Vec<u8>>,
    pool: Arc<Pool>,
}

impl Arena {
    pub(crate) fn new(pool: &Arc<Pool>) -> Self {
        Self {
            chunks: Vec::new(),
            pool: Arc::clone(pool),
        }
    }

    /// Copies `pieces`, behind each other.
    pub(crate) fn copy(&mut self, pieces: &[&[u8]]) -> Span {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        let full = |chunk: &Vec<u8>| chunk.capacity() - chunk.len() < len;
        if self.chunks.last().is_none_or(full) {
            self.chunks.push(self.pool.take(len));
        }
        let chunk = self.chunks.len().saturating_sub(1);
        let mut at = 0;
        if let Some(last) = self.chunks.last_mut() {
            at = last.len();
            pieces
                .iter()
                .for_each(|piece| last.extend_from_slice(piece));
        }
        Span { chunk, at, len }
    }

    /// The bytes of a span of this arena.
    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        let chunk = self.chunks.get(span.chunk);
        chunk
            .and_then(|chunk| chunk.get(span.at..span.at + span.len))
            .unwrap_or_default()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.chunks));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_keep_their_bytes_while_others_are_added() {
        let mut arena = Arena::new(&Arc::default());
        let sizes = [0, 1, 1000, CHUNK - 500, 3 * CHUNK, 7];
        let spans: Vec<Span> = sizes
            .iter()
            .map(|&len| arena.copy(&[&vec![len as u8; len / 2], &vec![len as u8; len - len / 2]]))
            .collect();
        for (&len, &span) in sizes.iter().zip(&spans) {
            assert_eq!(arena.bytes(span), vec![len as u8; len]);
        }
    }

    #[test]
    fn chunks_come_back_empty_and_within_the_bound() {
        let pool = Arc::new(Pool::default());
        let mut arena = Arena::new(&pool);
        for _ in 0..80 {
            arena.copy(&[&[1; CHUNK]]);
        }
        drop(arena);
        let kept: usize = pool.0.lock().iter().map(Vec::capacity).sum();
        assert!((KEPT - CHUNK..=KEPT).contains(&kept), "{kept}");
        let mut arena = Arena::new(&pool);
        let span = arena.copy(&[b"fresh"]);
        assert_eq!(arena.bytes(span), b"fresh");
    }
}
