//! What is selected of an array.
use std::ops::Range;

use smallvec::SmallVec;

use super::super::frame::Shape;

/// Indices of one axis: `count` of them from `start`, `step` apart. `step` >= 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first index.
    pub start: u64,
    /// From one index to the next; at least 1.
    pub step: u64,
    /// How many indices; without any, `start` may be anything.
    pub count: u64,
}

impl Span {
    /// All of an axis.
    #[must_use]
    pub fn all(length: u64) -> Self {
        Self::range(0..length)
    }

    /// The indices of `range`, one after the other.
    #[must_use]
    pub fn range(range: std::ops::Range<u64>) -> Self {
        Self {
            start: range.start,
            step: 1,
            count: range.end.saturating_sub(range.start),
        }
    }

    /// The last index, if there is any. Two words wide: what is asked for may lie beyond
    /// every axis.
    pub(super) fn last(&self) -> Option<u128> {
        let steps = u128::from(self.count.checked_sub(1)?);
        // At most (2^64 - 1)^2 + 2^64 - 1: fits.
        let way = u128::from(self.step).wrapping_mul(steps);
        Some(u128::from(self.start).wrapping_add(way))
    }

    /// Whether these are indices of an axis of `length`.
    pub(super) fn fits(&self, length: u64) -> bool {
        self.step > 0 && self.last().is_none_or(|last| last < u128::from(length))
    }

    /// Whether these are all indices of an axis of `length`.
    pub(super) fn is_all_of(&self, length: u64) -> bool {
        self.count == length && self.fits(length)
    }
}

/// Indices on each axis: what NumPy's basic slices with positive steps say.
///
/// Elements are in C order. A selection knows no array: [`Selection::fault`] says whether
/// it is one of an array of some shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection(SmallVec<[Span; 4]>);

impl Selection {
    /// The indices of `spans`, the first axis first.
    pub fn new(spans: impl IntoIterator<Item = Span>) -> Self {
        Self(spans.into_iter().collect())
    }

    /// All elements of an array of `shape`.
    pub fn all(shape: &[u64]) -> Self {
        Self::new(shape.iter().map(|length| Span {
            start: 0,
            step: 1,
            count: *length,
        }))
    }

    /// As many elements on each axis as `self` has, side by side from `at` on. `None` if
    /// the axes are not as many.
    pub(super) fn moved(&self, at: &[u64]) -> Option<Self> {
        (at.len() == self.0.len()).then(|| {
            Self::new(at.iter().zip(&self.0).map(|(start, span)| Span {
                start: *start,
                step: 1,
                count: span.count,
            }))
        })
    }

    /// The indices of each axis.
    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// Shape of what is selected.
    pub fn shape(&self) -> Vec<u64> {
        self.lengths().into_vec()
    }

    /// As [`shape`](Self::shape), without the heap for few axes.
    pub(crate) fn lengths(&self) -> Shape {
        self.0.iter().map(|span| span.count).collect()
    }

    /// Number of selected elements; `u64::MAX` if there are more.
    pub fn size(&self) -> u64 {
        elements(self.0.iter().map(|span| span.count)).unwrap_or(u64::MAX)
    }

    /// Whether this is every element of an array of `shape`.
    pub fn is_all_of(&self, shape: &[u64]) -> bool {
        self.pairs_all(shape, Span::is_all_of)
    }

    /// Whether this is a selection of an array of `shape`: [`Selection::fault`] has none.
    pub(super) fn fits(&self, shape: &[u64]) -> bool {
        self.pairs_all(shape, Span::fits)
    }

    fn pairs_all(&self, shape: &[u64], holds: impl Fn(&Span, u64) -> bool) -> bool {
        let mut pairs = self.0.iter().zip(shape);
        self.0.len() == shape.len() && pairs.all(|(span, length)| holds(span, *length))
    }

    /// Why this is no selection of an array of `shape`; `None` if it is one.
    pub fn fault(&self, shape: &[u64]) -> Option<String> {
        let rank = shape.len();
        if self.0.len() != rank {
            return Some(format!(
                "indices for {} axes of an array with {rank}, of shape {shape:?}",
                self.0.len()
            ));
        }
        let mut axes = self.0.iter().zip(shape).enumerate();
        let (axis, (span, length)) = axes.find(|(_, (span, length))| !span.fits(**length))?;
        Some(match span.last() {
            Some(last) if span.step > 0 => {
                format!("index {last} on axis {axis}, which has length {length}")
            }
            _ => format!("step 0 on axis {axis}; a step is at least 1"),
        })
    }

    /// The smallest range of elements in C order that holds all that is selected of an
    /// array of `shape`, and whether it is exactly those elements in that order.
    ///
    /// Nothing selected is the range `0..0`, exactly. What is no selection of the array,
    /// or reaches beyond 2^64 - 1 elements, is `0..0` and not exact.
    pub(crate) fn extent(&self, shape: &[u64]) -> (Range<u64>, bool) {
        if !self.fits(shape) {
            return (0..0, false);
        }
        match self.ends(shape) {
            // Elements of a selection ascend: as many as the range has are all of it.
            Some((first, end)) => (first..end, end.checked_sub(first) == Some(self.size())),
            None => (0..0, self.size() == 0),
        }
    }

    /// The first element, and the one behind the last.
    fn ends(&self, shape: &[u64]) -> Option<(u64, u64)> {
        if self.size() == 0 {
            return None;
        }
        let (mut first, mut last) = (0_u64, 0_u64);
        for (span, length) in self.0.iter().zip(shape) {
            let at = u64::try_from(span.last()?).ok()?;
            first = first.checked_mul(*length)?.checked_add(span.start)?;
            last = last.checked_mul(*length)?.checked_add(at)?;
        }
        Some((first, last.checked_add(1)?))
    }
}

/// Product of `lengths`: 0 if one is 0, however long the others are. `None` beyond a word.
pub(super) fn elements(lengths: impl Iterator<Item = u64> + Clone) -> Option<u64> {
    if lengths.clone().any(|length| length == 0) {
        return Some(0);
    }
    let mut lengths = lengths;
    lengths.try_fold(1_u64, u64::checked_mul)
}
