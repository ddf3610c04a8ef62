//! The way of a copy between two boxes, in as few and as long steps as they allow.
use smallvec::SmallVec;

use super::selection::{Selection, elements};

/// A loop of a copy: how often, and how far apart in either array.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) count: u64,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// A copy from what is selected of one array to what is selected of another, as loops.
///
/// Lengths and places are in units of which an element has one or more: bytes for
/// elements of fixed width.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// Units of the whole arrays.
    pub(super) from_len: u64,
    pub(super) to_len: u64,
    /// The innermost loop: units side by side in both arrays.
    pub(super) run: u64,
    /// The loop around it; neither step is shorter than the run. Count 0: nothing to copy.
    pub(super) rows: Axis,
    /// The loops around that, the innermost first.
    outer: SmallVec<[Axis; 4]>,
    /// Where the first run begins.
    from: u64,
    to: u64,
}

impl Walk {
    /// `None` if a selection is none of its array, they differ in shape, or an array has
    /// more than 2^64 - 1 units.
    pub(super) fn new(
        item: u64,
        (from_shape, from): (&[u64], &Selection),
        (to_shape, to): (&[u64], &Selection),
    ) -> Option<Self> {
        let len = |shape: &[u64]| elements(shape.iter().copied().chain([item]));
        let counts = from.spans().iter().map(|span| span.count);
        let fit = from.fits(from_shape)
            && to.fits(to_shape)
            && counts.eq(to.spans().iter().map(|span| span.count));
        if !fit {
            return None;
        }
        let mut walk = Self {
            from_len: len(from_shape)?,
            to_len: len(to_shape)?,
            run: item,
            rows: Axis {
                count: 0,
                from: 1,
                to: 1,
            },
            outer: SmallVec::new(),
            from: 0,
            to: 0,
        };
        if item == 0 || from.size() == 0 {
            return Some(walk);
        }
        let (mut from_stride, mut to_stride) = (item, item);
        let mut loops = SmallVec::<[Axis; 5]>::new();
        // Units of an element are the innermost loop; the axes follow from the last on.
        let mut inner = Axis {
            count: item,
            from: 1,
            to: 1,
        };
        let from_axes = from.spans().iter().zip(from_shape);
        let to_axes = to.spans().iter().zip(to_shape);
        for ((from_span, from_length), (to_span, to_length)) in from_axes.zip(to_axes).rev() {
            // No overflow where it counts: strides and starts are within the arrays, whose
            // lengths fit, and so are steps of an axis that has a second index.
            walk.from = walk
                .from
                .wrapping_add(from_span.start.wrapping_mul(from_stride));
            walk.to = walk.to.wrapping_add(to_span.start.wrapping_mul(to_stride));
            let axis = Axis {
                count: from_span.count,
                from: from_span.step.wrapping_mul(from_stride),
                to: to_span.step.wrapping_mul(to_stride),
            };
            from_stride = from_stride.wrapping_mul(*from_length);
            to_stride = to_stride.wrapping_mul(*to_length);
            if axis.count == 1 {
                continue;
            }
            let end = |step: u64| step.wrapping_mul(inner.count);
            if axis.from == end(inner.from) && axis.to == end(inner.to) {
                inner.count = axis.count.wrapping_mul(inner.count);
            } else {
                loops.push(inner);
                inner = axis;
            }
        }
        loops.push(inner);
        let mut loops = loops.into_iter();
        walk.run = loops.next()?.count;
        walk.rows = loops.next().unwrap_or(Axis {
            count: 1,
            from: walk.run,
            to: walk.run,
        });
        walk.outer = loops.collect();
        Some(walk)
    }

    /// Calls `rows` for where [`Walk::rows`] begin in either array, as often as the outer
    /// loops say, until one is `None`; whether none was.
    pub(super) fn each(&self, mut rows: impl FnMut(u64, u64) -> Option<()>) -> bool {
        if self.rows.count == 0 {
            return true;
        }
        let (mut from, mut to) = (self.from, self.to);
        let mut turns: SmallVec<[(Axis, u64); 4]> =
            self.outer.iter().map(|axis| (*axis, 0)).collect();
        loop {
            if rows(from, to).is_none() {
                return false;
            }
            let mut more = false;
            for (axis, done) in &mut turns {
                // Places within the arrays: `new` has seen to it.
                *done = done.wrapping_add(1);
                more = *done < axis.count;
                if more {
                    from = from.wrapping_add(axis.from);
                    to = to.wrapping_add(axis.to);
                    break;
                }
                let back = done.wrapping_sub(1);
                from = from.wrapping_sub(axis.from.wrapping_mul(back));
                to = to.wrapping_sub(axis.to.wrapping_mul(back));
                *done = 0;
            }
            if !more {
                return true;
            }
        }
    }
}

/// Calls `each` with the numbers, in C order, of every element that [`super::gather`]
/// copies, in `from` and in `to`, both ascending: for elements of variable length.
/// [`super::scatter`] is the same with both sides changed over.
///
/// `false` without a call if a selection or a shape does not fit.
pub(crate) fn pairs(
    from_shape: &[u64],
    inside: &Selection,
    to_shape: &[u64],
    at: &[u64],
    mut each: impl FnMut(u64, u64),
) -> bool {
    let Some(place) = inside.moved(at) else {
        return false;
    };
    let Some(walk) = Walk::new(1, (from_shape, inside), (to_shape, &place)) else {
        return false;
    };
    let (run, rows) = (walk.run, walk.rows);
    walk.each(|from, to| {
        for row in 0..rows.count {
            let from = from.wrapping_add(row.wrapping_mul(rows.from));
            let to = to.wrapping_add(row.wrapping_mul(rows.to));
            for unit in 0..run {
                each(from.wrapping_add(unit), to.wrapping_add(unit));
            }
        }
        Some(())
    })
}
