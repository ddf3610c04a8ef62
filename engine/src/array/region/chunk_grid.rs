//! The chunks of an array, and which of them a selection touches.
use smallvec::SmallVec;

use super::super::frame::Shape;
#[cfg(test)]
use super::selection::elements;
use super::selection::{Selection, Span};

/// Most chunks along an axis: coordinates are `u32`.
pub(super) const MAX_COUNT: u64 = 1 << 32;

/// The chunks of an array: rank >= 1, every chunk length >= 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkGrid<'a> {
    shape: &'a [u64],
    chunks: &'a [u64],
}

impl<'a> ChunkGrid<'a> {
    /// Chunks of shape `chunks` of an array of `shape`; those at its end are clipped to it.
    ///
    /// # Errors
    ///
    /// A message if the array has no axis, if there is not one length per axis, for a
    /// length of 0, and for more than 2^32 chunks along an axis.
    pub(crate) fn new(shape: &'a [u64], chunks: &'a [u64]) -> Result<Self, String> {
        let rank = shape.len();
        if rank == 0 {
            return Err("an array without axes has no chunks".to_owned());
        }
        if chunks.len() != rank {
            return Err(format!(
                "{} chunk lengths for {rank} axes of shape {shape:?}",
                chunks.len()
            ));
        }
        if let Some(axis) = chunks.iter().position(|chunk| *chunk == 0) {
            return Err(format!(
                "chunk length 0 on axis {axis}; a chunk length is at least 1"
            ));
        }
        let grid = Self { shape, chunks };
        let counts = grid.counts();
        let mut numbered = counts.iter().enumerate();
        match numbered.find(|(_, count)| **count > MAX_COUNT) {
            None => Ok(grid),
            Some((axis, count)) => Err(format!(
                "{count} chunks on axis {axis} of shape {shape:?}; there are at most {MAX_COUNT}"
            )),
        }
    }

    /// Length of the array and of a chunk, on each axis.
    fn axes(&self) -> impl Iterator<Item = (u64, u64)> + Clone + use<'a> {
        let chunks = self.chunks.iter().copied();
        self.shape.iter().copied().zip(chunks)
    }

    /// Length of a chunk on an axis, and chunks along it; none of an axis that is not there.
    pub(super) fn axis(&self, axis: usize) -> (u64, u64) {
        match (self.shape.get(axis), self.chunks.get(axis)) {
            (Some(&length), Some(&chunk)) => (chunk, count((length, chunk))),
            _ => (0, 0),
        }
    }

    /// Chunks along each axis.
    pub(crate) fn counts(&self) -> SmallVec<[u64; 4]> {
        self.axes().map(count).collect()
    }

    /// All chunks; `u64::MAX` if there are more.
    #[cfg(test)]
    pub(crate) fn number(&self) -> u64 {
        elements(self.axes().map(count)).unwrap_or(u64::MAX)
    }

    /// Shape of the chunk at `coords`, clipped to the array: 0 long on an axis that ends
    /// before it. As many axes as `coords` has, at most those of the array.
    pub(crate) fn extent(&self, coords: &[u32]) -> Shape {
        let mut extent = Shape::new();
        for ((length, chunk), coord) in self.axes().zip(coords) {
            let start = u64::from(*coord).saturating_mul(chunk);
            extent.push(length.saturating_sub(start).min(chunk));
        }
        extent
    }

    /// The chunks that a selection touches, in C order of their coordinates.
    ///
    /// Chunks that steps jump over are not among them. None for what is no selection of
    /// the array. O(rank) a chunk; nothing is allocated but what items of more than four
    /// axes need.
    pub(crate) fn touched(&self, selection: &Selection) -> Touches {
        let any = selection.fits(self.shape) && selection.size() > 0;
        let lengths = selection.spans().iter().zip(self.axes());
        let axes = lengths
            .take_while(|_| any)
            .map(|(span, lengths)| Axis::new(*span, lengths));
        Touches {
            axes: axes.collect::<Option<_>>().unwrap_or_default(),
        }
    }
}

fn count((length, chunk): (u64, u64)) -> u64 {
    // No chunk length of a grid is 0.
    length.div_ceil(chunk)
}

/// A chunk, and what is selected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    /// Which chunk, along each axis.
    pub coords: SmallVec<[u32; 4]>,
    /// Shape of the chunk, clipped to the array.
    pub extent: Shape,
    /// What is selected, in the chunk.
    pub inside: Selection,
    /// First index of its elements in the result, on each axis.
    pub at: Shape,
    /// All of the chunk is selected, in order.
    pub whole: bool,
}

/// The chunks that a selection touches; see [`ChunkGrid::touched`].
#[derive(Clone, Debug)]
pub(crate) struct Touches {
    /// Empty behind the last chunk: a grid has an axis.
    axes: SmallVec<[Axis; 4]>,
}

impl Iterator for Touches {
    type Item = Touched;

    fn next(&mut self) -> Option<Touched> {
        if self.axes.is_empty() {
            return None;
        }
        let parts = || self.axes.iter().map(|axis| &axis.part);
        let touched = Touched {
            coords: parts().map(|part| part.coord).collect(),
            extent: parts().map(|part| part.extent).collect(),
            inside: Selection::new(parts().map(|part| part.inside)),
            at: parts().map(|part| part.at).collect(),
            whole: parts().all(|part| part.inside.is_all_of(part.extent)),
        };
        if !self.axes.iter_mut().rev().any(Axis::turn) {
            self.axes.clear();
        }
        Some(touched)
    }
}

/// An axis on the way through its chunks.
#[derive(Clone, Copy, Debug)]
struct Axis {
    span: Span,
    length: u64,
    chunk: u64,
    first: Part,
    part: Part,
}

/// What of one chunk is selected, on one axis.
#[derive(Clone, Copy, Debug)]
struct Part {
    coord: u32,
    extent: u64,
    inside: Span,
    at: u64,
}

impl Axis {
    /// At the first chunk. `None` without any index.
    fn new(span: Span, (length, chunk): (u64, u64)) -> Option<Self> {
        let first = Part::new(span, length, chunk, 0)?;
        Some(Self {
            span,
            length,
            chunk,
            first,
            part: first,
        })
    }

    /// To the next chunk, or back to the first one: whether there was a next.
    fn turn(&mut self) -> bool {
        let at = self.part.at.checked_add(self.part.inside.count);
        let next = at.and_then(|at| Part::new(self.span, self.length, self.chunk, at));
        self.part = next.unwrap_or(self.first);
        next.is_some()
    }
}

impl Part {
    /// The chunk of index number `at` of `span`, from that index on. `None` behind the last.
    fn new(span: Span, length: u64, chunk: u64, at: u64) -> Option<Self> {
        let left = span.count.checked_sub(at).filter(|left| *left > 0)?;
        let index = span.step.checked_mul(at)?.checked_add(span.start)?;
        let coord = index.checked_div(chunk)?;
        let begin = coord.checked_mul(chunk)?;
        let extent = length.checked_sub(begin)?.min(chunk);
        let start = index.checked_sub(begin)?;
        let behind = extent.checked_sub(1)?.checked_sub(start)?;
        let fit = behind.checked_div(span.step)?.saturating_add(1);
        let count = left.min(fit);
        Some(Self {
            coord: u32::try_from(coord).ok()?,
            extent,
            inside: Span {
                start,
                // A single index has no next: say so in one way.
                step: if count == 1 { 1 } else { span.step },
                count,
            },
            at,
        })
    }
}
