//! Places of an array one by one: what arrays of indices say.
use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use super::super::frame::Shape;
use super::bits::{copy_bit, gather_bits, scatter_bits};
use super::chunk_grid::{ChunkGrid, Touched};
use super::copy::{gather, scatter};
use super::selection::{Selection, Span};

/// Points on some axes of an array, each with the same selection of the other axes: what
/// NumPy's arrays of indices, and masks, say.
///
/// Data for them, or of them, have as many axes as the array: on the first of the axes of
/// points as many elements as there are points, in their order, on the others of these
/// one, and on every other axis those that are selected. Points may be the same, and need
/// no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Points {
    /// With one index on the axes of points.
    others: Selection,
    axes: SmallVec<[usize; 4]>,
    /// Of each point its index on each of `axes`.
    places: Vec<u64>,
}

impl Points {
    /// Points on `axes`, which are in rising order and at least one; `places` has for each
    /// point, one after the other, its index on each of these. Of `others` the spans of these
    /// axes are not looked at.
    pub fn new(
        others: &Selection,
        axes: impl IntoIterator<Item = usize>,
        places: Vec<u64>,
    ) -> Self {
        let axes: SmallVec<[usize; 4]> = axes.into_iter().collect();
        let spans = others.spans().iter().enumerate();
        let spans = spans.map(|(axis, span)| match axes.contains(&axis) {
            true => Span::range(0..1),
            false => *span,
        });
        Self {
            others: Selection::new(spans),
            axes,
            places,
        }
    }

    /// Number of points.
    #[must_use]
    pub fn count(&self) -> usize {
        self.places.len().checked_div(self.axes.len()).unwrap_or(0)
    }

    /// Shape of the data for them, or of them.
    #[must_use]
    pub fn shape(&self) -> Vec<u64> {
        self.lengths().into_vec()
    }

    /// As [`shape`](Self::shape), without the heap for few axes.
    pub(crate) fn lengths(&self) -> Shape {
        let mut shape = self.others.lengths();
        let first = self.axes.first().and_then(|&axis| shape.get_mut(axis));
        if let Some(length) = first {
            *length = self.count() as u64;
        }
        shape
    }

    /// Number of elements; `u64::MAX` if there are more.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.others.size().saturating_mul(self.count() as u64)
    }

    /// Why these are no points of an array of `shape`; `None` if they are.
    pub fn fault(&self, shape: &[u64]) -> Option<String> {
        let (rank, axes) = (shape.len(), &self.axes);
        let rising = axes.windows(2).all(|pair| pair.first() < pair.last());
        if axes.is_empty() || !rising || axes.last().is_some_and(|&axis| axis >= rank) {
            return Some(format!(
                "points on the axes {axes:?} of an array with {rank}; these are in rising order, and at least one"
            ));
        }
        if self.places.len().checked_rem(axes.len()) != Some(0) {
            return Some(format!(
                "{} indices of points on {} axes: not as many for each",
                self.places.len(),
                axes.len()
            ));
        }
        let mut places = self.places.iter().zip(axes.iter().cycle());
        let outside =
            places.find(|(place, axis)| shape.get(**axis).is_none_or(|len| *place >= len));
        if let Some((place, &axis)) = outside {
            let length = shape.get(axis).copied().unwrap_or(0);
            return Some(format!(
                "index {place} on axis {axis}, which has length {length}"
            ));
        }
        // Without any point an axis of theirs may have no index at all.
        let lengths = shape.iter().enumerate();
        let lengths: Shape = lengths
            .map(|(axis, &length)| match axes.contains(&axis) {
                true => 1,
                false => length,
            })
            .collect();
        self.others.fault(&lengths)
    }

    /// The elements of one point.
    pub(crate) fn point(&self, number: usize) -> Option<Selection> {
        Some(self.moved(&self.others, self.place(number)?, 1))
    }

    /// The index of a point on each of its axes.
    fn place(&self, number: usize) -> Option<&[u64]> {
        let start = number.checked_mul(self.axes.len())?;
        let end = start.checked_add(self.axes.len())?;
        self.places.get(start..end)
    }

    /// `selection` with `count` indices from `place` on, on the axes of points.
    fn moved(&self, selection: &Selection, place: &[u64], count: u64) -> Selection {
        let mut place = self.axes.iter().zip(place).peekable();
        let spans = selection.spans().iter().enumerate();
        Selection::new(
            spans.map(|(at, span)| match place.next_if(|(axis, _)| **axis == at) {
                None => *span,
                Some((_, &start)) => Span {
                    start,
                    step: 1,
                    count,
                },
            }),
        )
    }

    /// Number of the chunk of a point among those along its axes.
    fn chunk(&self, number: usize, grid: &ChunkGrid<'_>) -> u64 {
        let place = self.place(number).unwrap_or_default();
        self.axes
            .iter()
            .zip(place)
            .fold(0, |chunk, (&axis, place)| {
                let (length, count) = grid.axis(axis);
                // Fewer chunks than the array has elements.
                let coord = place.checked_div(length).unwrap_or(0);
                chunk.wrapping_mul(count).wrapping_add(coord)
            })
    }
}

/// Which elements are read or written.
pub(crate) trait Places {
    /// Why these are none of an array of `shape`.
    fn fault(&self, shape: &[u64]) -> Option<String>;

    /// Shape of their data.
    fn lengths(&self) -> Shape;

    /// Number of elements; `u64::MAX` if there are more.
    fn size(&self) -> u64;

    /// The chunks that have some of them, each once.
    fn pieces(&self, grid: &ChunkGrid<'_>) -> Vec<Piece<'_>>;

    /// An array of `shape` that is in one piece.
    fn piece(&self, shape: &[u64]) -> Piece<'_>;
}

impl Places for Selection {
    fn fault(&self, shape: &[u64]) -> Option<String> {
        self.fault(shape)
    }

    fn lengths(&self) -> Shape {
        self.lengths()
    }

    fn size(&self) -> u64 {
        self.size()
    }

    fn pieces(&self, grid: &ChunkGrid<'_>) -> Vec<Piece<'_>> {
        grid.touched(self).map(Piece::from).collect()
    }

    fn piece(&self, shape: &[u64]) -> Piece<'_> {
        Piece::from(uncut(shape, self.clone()))
    }
}

impl Places for Points {
    fn fault(&self, shape: &[u64]) -> Option<String> {
        self.fault(shape)
    }

    fn lengths(&self) -> Shape {
        self.lengths()
    }

    fn size(&self) -> u64 {
        self.size()
    }

    /// Points of one chunk keep their order: of the same ones the last is written last.
    fn pieces(&self, grid: &ChunkGrid<'_>) -> Vec<Piece<'_>> {
        let mut order: Vec<(u64, usize)> = (0..self.count())
            .map(|number| (self.chunk(number, grid), number))
            .collect();
        order.sort_unstable();
        let mut pieces = Vec::new();
        for group in order.chunk_by(|(a, _), (b, _)| a == b) {
            let numbers: Arc<[usize]> = group.iter().map(|(_, number)| *number).collect();
            let Some(first) = numbers.first().and_then(|&number| self.point(number)) else {
                continue;
            };
            for touched in grid.touched(&first) {
                let starts = self.axes.iter().map(|&axis| {
                    let coord = touched.coords.get(axis).copied().unwrap_or(0);
                    u64::from(coord).saturating_mul(grid.axis(axis).0)
                });
                let picked = Picked {
                    points: self,
                    starts: starts.collect(),
                    numbers: Arc::clone(&numbers),
                };
                pieces.push(Piece {
                    picked: Some(picked),
                    touched,
                });
            }
        }
        pieces
    }

    fn piece(&self, shape: &[u64]) -> Piece<'_> {
        let picked = Picked {
            points: self,
            starts: Shape::from_elem(0, self.axes.len()),
            numbers: (0..self.count()).collect(),
        };
        Piece {
            touched: uncut(shape, self.others.clone()),
            picked: Some(picked),
        }
    }
}

/// An array of `shape` as if it was a chunk.
fn uncut(shape: &[u64], inside: Selection) -> Touched {
    Touched {
        coords: SmallVec::from_elem(0, shape.len()),
        extent: shape.into(),
        inside,
        at: Shape::from_elem(0, shape.len()),
        whole: false,
    }
}

/// What is read or written of one chunk.
#[derive(Clone, Debug)]
pub(crate) struct Piece<'p> {
    /// The chunk; of points what it says is that of the first.
    pub(crate) touched: Touched,
    picked: Option<Picked<'p>>,
}

impl From<Touched> for Piece<'_> {
    fn from(touched: Touched) -> Self {
        Self {
            touched,
            picked: None,
        }
    }
}

impl Piece<'_> {
    /// What is selected in the chunk, if it is one box.
    pub(crate) fn only(&self) -> Option<&Selection> {
        match &self.picked {
            None => Some(&self.touched.inside),
            Some(_) => None,
        }
    }

    /// Copies what is selected of `from`, the elements of the chunk, of `item` bytes, to its
    /// place in data of shape `to_shape`. `false` if a length or a shape does not fit.
    pub(crate) fn gather(&self, item: usize, from: &[u8], to: &mut [u8], to_shape: &[u64]) -> bool {
        let extent = &self.touched.extent;
        if let Some(picked) = self.singles() {
            return copy(item, from, to, picked.elements(&self.touched));
        }
        self.each(|inside, at| gather(item, from, extent, inside, to, to_shape, at))
    }

    /// The other way round: of data of shape `from_shape` what is selected goes to its
    /// place among `to`, the elements of the chunk.
    pub(crate) fn scatter(
        &self,
        item: usize,
        from: &[u8],
        from_shape: &[u64],
        to: &mut [u8],
    ) -> bool {
        let extent = &self.touched.extent;
        if let Some(picked) = self.singles() {
            let elements = picked.elements(&self.touched);
            return copy(item, from, to, elements.map(|(at, number)| (number, at)));
        }
        self.each(|inside, at| scatter(item, from, from_shape, at, to, extent, inside))
    }

    /// [`gather`](Self::gather) of bits.
    pub(crate) fn gather_bits(&self, from: &[u8], to: &mut [u8], to_shape: &[u64]) -> bool {
        let extent = &self.touched.extent;
        if let Some(picked) = self.singles() {
            let mut elements = picked.elements(&self.touched);
            return elements
                .all(|(at, number)| copy_bit(from, at as u64, to, number as u64).is_some());
        }
        self.each(|inside, at| gather_bits(from, extent, inside, to, to_shape, at))
    }

    /// [`scatter`](Self::scatter) of bits.
    pub(crate) fn scatter_bits(&self, from: &[u8], from_shape: &[u64], to: &mut [u8]) -> bool {
        let extent = &self.touched.extent;
        if let Some(picked) = self.singles() {
            let mut elements = picked.elements(&self.touched);
            return elements
                .all(|(at, number)| copy_bit(from, number as u64, to, at as u64).is_some());
        }
        self.each(|inside, at| scatter_bits(from, from_shape, at, to, extent, inside))
    }

    /// The points, if each is one element: to walk there would cost more than the copy.
    fn singles(&self) -> Option<&Picked<'_>> {
        let picked = self.picked.as_ref();
        picked.filter(|picked| picked.points.others.size() == 1)
    }

    /// Gives `copy` what is selected in the chunk, box by box, and where each of these
    /// begins in the data, until it says `false`; whether it never did.
    pub(crate) fn each(&self, mut copy: impl FnMut(&Selection, &[u64]) -> bool) -> bool {
        match &self.picked {
            None => copy(&self.touched.inside, &self.touched.at),
            Some(picked) => picked.each(&self.touched, copy),
        }
    }
}

/// The points in one chunk.
#[derive(Clone, Debug)]
struct Picked<'p> {
    points: &'p Points,
    /// First index of the chunk on each of the axes of points.
    starts: Shape,
    numbers: Arc<[usize]>,
}

impl Picked<'_> {
    /// Number of each point's element in its chunk, and of that in the data; if each point
    /// is one element. `usize::MAX`, which no chunk has, for what is not in this one.
    fn elements(&self, touched: &Touched) -> impl Iterator<Item = (usize, usize)> {
        let axes = touched
            .extent
            .iter()
            .zip(touched.inside.spans())
            .enumerate();
        self.numbers.iter().map(move |&number| {
            let place = self.points.place(number).unwrap_or_default();
            let mut place = self
                .points
                .axes
                .iter()
                .zip(place)
                .zip(&self.starts)
                .peekable();
            let at = axes.clone().try_fold(0_u64, |at, (axis, (length, span))| {
                let inside = match place.next_if(|((point, _), _)| **point == axis) {
                    Some(((_, place), start)) => place.checked_sub(*start)?,
                    None => span.start,
                };
                at.checked_mul(*length)?
                    .checked_add(Some(inside).filter(|at| at < length)?)
            });
            let at = at.and_then(|at| usize::try_from(at).ok());
            (at.unwrap_or(usize::MAX), number)
        })
    }

    fn each(&self, touched: &Touched, mut copy: impl FnMut(&Selection, &[u64]) -> bool) -> bool {
        let mut at = touched.at.clone();
        let mut rest = &*self.numbers;
        while let Some(&number) = rest.first() {
            let run = self.run(rest);
            rest = rest.get(run.len()..).unwrap_or_default();
            let Some(place) = self.points.place(number) else {
                return false;
            };
            let inside = place.iter().zip(&self.starts);
            let inside: Shape = inside
                .map(|(place, start)| place.saturating_sub(*start))
                .collect();
            let inside = self
                .points
                .moved(&touched.inside, &inside, run.len() as u64);
            let first = self.points.axes.first();
            if let Some(at) = first.and_then(|&axis| at.get_mut(axis)) {
                *at = number as u64;
            }
            if !copy(&inside, &at) {
                return false;
            }
        }
        true
    }

    /// The points from the first of `numbers` on that are neighbours, in the data too: they
    /// are copied as one. Points on several axes are not neighbours in the data.
    fn run(&self, numbers: &[usize]) -> Range<usize> {
        let place = |number: &usize| self.points.place(*number);
        let neighbours = |pair: &[usize]| match pair {
            [a, b] => match (place(a), place(b)) {
                (Some([from]), Some([to])) => {
                    a.checked_add(1) == Some(*b) && from.checked_add(1) == Some(*to)
                }
                _ => false,
            },
            _ => false,
        };
        let more = numbers.windows(2).take_while(|pair| neighbours(pair));
        0..more.count().saturating_add(1)
    }
}

/// Copies elements of `item` bytes by their numbers, until one is not there.
fn copy(
    item: usize,
    from: &[u8],
    to: &mut [u8],
    elements: impl Iterator<Item = (usize, usize)>,
) -> bool {
    match item {
        1 => fixed::<1>(from, to, elements),
        2 => fixed::<2>(from, to, elements),
        4 => fixed::<4>(from, to, elements),
        8 => fixed::<8>(from, to, elements),
        16 => fixed::<16>(from, to, elements),
        _ => long(item, from, to, elements),
    }
}

fn fixed<const N: usize>(
    from: &[u8],
    to: &mut [u8],
    mut elements: impl Iterator<Item = (usize, usize)>,
) -> bool {
    let (from, to) = (from.as_chunks::<N>().0, to.as_chunks_mut::<N>().0);
    elements.all(
        |(number, place)| match (from.get(number), to.get_mut(place)) {
            (Some(from), Some(to)) => {
                *to = *from;
                true
            }
            _ => false,
        },
    )
}

fn long(
    item: usize,
    from: &[u8],
    to: &mut [u8],
    mut elements: impl Iterator<Item = (usize, usize)>,
) -> bool {
    let range = |number: usize| {
        let start = number.checked_mul(item)?;
        Some(start..start.checked_add(item)?)
    };
    elements.all(|(number, place)| {
        let from = range(number).and_then(|number| from.get(number));
        let to = range(place).and_then(|place| to.get_mut(place));
        to.zip(from)
            .map(|(to, from)| to.copy_from_slice(from))
            .is_some()
    })
}
