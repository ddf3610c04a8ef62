//! The shape of chunks: chosen, or given by a user.
use super::super::frame::Shape;
use super::chunk_grid::{ChunkGrid, MAX_COUNT};

/// Most bytes of a chunk whose shape is chosen here, unless a single element has more.
const CHUNK_BYTES: u64 = 1 << 20;

/// Chunk shape for an array of `shape` with elements of `item` bytes.
///
/// An array of at most 1 MiB is one chunk. A larger one has chunks of 1/2 to 1 MiB, near
/// its own proportions: the longest axis is halved until they are small enough, the first
/// of equal ones, so that rows stay long. An axis of length 0 will grow: it gets what its
/// neighbours leave of 1 MiB. Each length is at least 1, and enough for a [`ChunkGrid`]
/// of an array of any shape; an array without axes has none.
pub(crate) fn auto_chunks(shape: &[u64], item: u64) -> Shape {
    let mut chunks: Shape = shape.iter().map(|length| (*length).max(1)).collect();
    let size = |chunks: &[u64]| {
        let lengths = chunks.iter().copied();
        lengths.fold(item.max(1), u64::saturating_mul)
    };
    while size(&chunks) > CHUNK_BYTES {
        let axes = chunks.iter_mut().zip(shape);
        // Of equal ones `max_by_key` takes the last: so from the last to the first.
        let longest = axes.rev().filter_map(|(chunk, length)| {
            let half = chunk.div_ceil(2);
            (half < *chunk && half >= length.div_ceil(MAX_COUNT)).then_some((chunk, half))
        });
        match longest.max_by_key(|(chunk, _)| **chunk) {
            Some((chunk, half)) => *chunk = half,
            None => break,
        }
    }
    while size(&chunks) <= CHUNK_BYTES / 2 {
        let axes = chunks.iter_mut().zip(shape);
        let growing = axes.filter(|(_, length)| **length == 0);
        match growing.min_by_key(|(chunk, _)| **chunk) {
            Some((chunk, _)) => *chunk = chunk.saturating_mul(2),
            None => break,
        }
    }
    chunks
}

/// Chunk shape for an array of `shape` as a user `given` it: one length per axis, each at
/// least 1. Lengths beyond the axis stay as they are: the axis may grow.
///
/// # Errors
///
/// As [`ChunkGrid::new`].
pub(crate) fn given_chunks(shape: &[u64], given: &[u64]) -> Result<Shape, String> {
    ChunkGrid::new(shape, given)?;
    Ok(Shape::from_slice(given))
}
