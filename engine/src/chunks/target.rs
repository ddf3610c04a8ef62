//! Where the elements of chunks come together.

use parking_lot::Mutex;

use crate::array::{Piece, Shape};
use crate::entry::Elements;

/// Where elements of a fixed width go.
pub(super) struct Target<'a> {
    pub(super) shape: &'a Shape,
    pub(super) item: usize,
    /// Bytes of it all.
    pub(super) len: usize,
    /// By their place along the first axis.
    pub(super) parts: Vec<Part<'a>>,
}

/// Where the chunks go that have one place along the first axis.
pub(super) struct Part<'a> {
    start: u64,
    pub(super) shape: Shape,
    /// Chunks are decoded without the lock, and only copied with it.
    pub(super) out: Mutex<&'a mut [u8]>,
}

/// Where the elements of a box begin along the first axis of the result.
fn first_row(piece: &Piece<'_>) -> u64 {
    piece.touched.at.first().copied().unwrap_or(0)
}

impl<'a> Target<'a> {
    /// `pieces` fill `out`; if they are boxes, they are in the order of the grid.
    pub(super) fn new(
        mut out: &'a mut [u8],
        shape: &'a Shape,
        item: usize,
        pieces: &[Piece<'_>],
    ) -> Self {
        let len = out.len();
        let boxes = pieces.iter().all(|piece| piece.only().is_some());
        let mut starts: Vec<u64> = match boxes {
            true => pieces.iter().map(first_row).collect(),
            // Points of a chunk go anywhere.
            false => vec![0],
        };
        starts.dedup();
        let mut parts = Vec::with_capacity(starts.len());
        let rows = shape.first().copied().unwrap_or(1);
        let row = out.len().checked_div(rows as usize).unwrap_or(0);
        for (number, &start) in starts.iter().enumerate() {
            let end = starts.get(number.saturating_add(1)).copied();
            let count = end.unwrap_or(rows).saturating_sub(start);
            let of_part = (count as usize).saturating_mul(row).min(out.len());
            let (part, rest) = out.split_at_mut(of_part);
            out = rest;
            let mut shape = shape.clone();
            if let Some(first) = shape.first_mut() {
                *first = count;
            }
            parts.push(Part {
                start,
                shape,
                out: Mutex::new(part),
            });
        }
        Self {
            shape,
            item,
            len,
            parts,
        }
    }

    /// Where a piece goes: to one part, as points are of one alone.
    pub(super) fn part(&self, piece: &Piece<'_>) -> Option<&Part<'a>> {
        if let [one] = self.parts.as_slice() {
            return Some(one);
        }
        let start = first_row(piece);
        let found = self.parts.binary_search_by_key(&start, |part| part.start);
        found.ok().and_then(|number| self.parts.get(number))
    }

    /// The elements of a chunk and, with a mask, which of them are there.
    pub(super) fn put_all(
        &self,
        chunk: &Elements,
        piece: &Piece<'_>,
        validity: Option<&Mutex<&mut [u8]>>,
    ) -> bool {
        let fits = self.put(&chunk.data, piece);
        match (validity, &chunk.validity) {
            (Some(bits), Some(from)) => {
                fits && piece.gather_bits(from, &mut bits.lock(), self.shape)
            }
            _ => fits,
        }
    }

    pub(super) fn put(&self, elements: &[u8], piece: &Piece<'_>) -> bool {
        let Some(part) = self.part(piece) else {
            return false;
        };
        let out = &mut part.out.lock();
        let Some(inside) = piece.only() else {
            return piece.gather(self.item, elements, out, &part.shape);
        };
        let from = &piece.touched.extent;
        let at = part.inside(&piece.touched.at);
        crate::array::gather(self.item, elements, from, inside, out, &part.shape, &at)
    }
}

impl Part<'_> {
    /// A place of the result, in this part of it.
    pub(super) fn inside(&self, at: &[u64]) -> Shape {
        let mut at = Shape::from_slice(at);
        if let Some(first) = at.first_mut() {
            *first = first.saturating_sub(self.start);
        }
        at
    }
}
