//! What is done to an array, whatever its dtype and codec.

use arraylog::Span;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::state::State;

/// Most elements of an array, or as many as one of no length has along its other axes.
const MOST: u64 = 400;
/// Most axes by property; as many as there may be have a test of their own.
const AXES: usize = 8;
/// Longest axis of an array of so many axes.
const LONGEST: [u64; AXES + 1] = [0, 40, 14, 8, 5, 4, 3, 3, 2];
/// Parts of an array that are read.
pub(crate) const SLICES: usize = 4;

/// How an array lies in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Whole,
    Chunked,
    /// In chunks of which most were never written: the array grew, and has hardly anything
    /// but its fill value.
    Sparse,
    AmendedWhole,
    AmendedChunked,
}

pub(crate) const LAYOUTS: [Layout; 5] = [
    Layout::Whole,
    Layout::Chunked,
    Layout::Sparse,
    Layout::AmendedWhole,
    Layout::AmendedChunked,
];

impl Layout {
    fn is_amended(self) -> bool {
        matches!(self, Self::AmendedWhole | Self::AmendedChunked)
    }

    fn is_chunked(self) -> bool {
        matches!(self, Self::Chunked | Self::Sparse | Self::AmendedChunked)
    }

    /// Cases of one plan: the parts that are read, or one of each change.
    pub(crate) fn cases(self) -> u64 {
        match self.is_amended() {
            true => 1,
            false => SLICES as u64,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    Write(Vec<Span>, State),
    Append(usize, State),
    Resize,
}

/// An array that is written, its changes with what it has after each, and parts of it that
/// are read at last.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) chunks: Option<Vec<u64>>,
    /// Whether the fill value is stated.
    pub(crate) fill: bool,
    pub(crate) first: State,
    pub(crate) changes: Vec<(Change, State)>,
    pub(crate) slices: Vec<(Vec<Span>, State)>,
}

/// Random bytes for one axis. They are made to fit the array that they meet, so that any
/// may get smaller alone.
type Bytes = [u8; 3];

#[derive(Clone, Debug)]
struct Raw {
    axes: Vec<(u8, u8)>,
    masked: bool,
    fill: bool,
    seed: u64,
    changes: [[Bytes; AXES]; 3],
    order: u8,
    slices: Vec<[Bytes; AXES]>,
}

pub(crate) fn plan(layout: Layout) -> impl Strategy<Value = Plan> {
    let least = usize::from(layout != Layout::Whole);
    (
        vec(any::<(u8, u8)>(), least..=AXES),
        any::<(bool, bool, u64, u8)>(),
        any::<[[Bytes; AXES]; 3]>(),
        vec(any::<[Bytes; AXES]>(), SLICES),
    )
        .prop_map(
            move |(axes, (masked, fill, seed, order), changes, slices)| {
                let raw = Raw {
                    axes,
                    masked,
                    fill,
                    seed,
                    changes,
                    order,
                    slices,
                };
                Plan::new(layout, &raw)
            },
        )
}

impl Plan {
    fn new(layout: Layout, raw: &Raw) -> Self {
        let mut random = StdRng::seed_from_u64(raw.seed);
        let shape = shape(raw.axes.iter().map(|axis| axis.0));
        let lengths = raw.axes.iter().zip(&shape);
        let mut pieces = 1;
        let chunks = lengths.map(|(axis, &length)| {
            let more = u64::from(axis.1) % 4;
            // Not thousands of chunks of one element.
            let cuts = (1 + more).min(27 / pieces);
            pieces *= cuts;
            (length + u64::from(axis.1 >> 6)).div_ceil(cuts).max(1)
        });
        let chunks: Vec<u64> = chunks.collect();
        let sparse = layout == Layout::Sparse;
        let first = State::random(&shape, raw.masked, sparse, &mut random);
        let mut now = first.clone();
        let kinds: &[u8] = match layout {
            _ if shape.is_empty() => &[],
            Layout::Whole | Layout::Chunked => &[],
            Layout::Sparse => &[2, 0],
            Layout::AmendedWhole | Layout::AmendedChunked => match raw.order % 6 {
                0 => &[0, 1, 2],
                1 => &[0, 2, 1],
                2 => &[1, 0, 2],
                3 => &[1, 2, 0],
                4 => &[2, 0, 1],
                _ => &[2, 1, 0],
            },
        };
        let mut changes = Vec::new();
        for (kind, bytes) in kinds.iter().zip(&raw.changes) {
            let change = match kind {
                0 => {
                    let spans = spans(&now.shape, bytes);
                    let counts: Vec<u64> = spans.iter().map(|span| span.count).collect();
                    let data = State::random(&counts, raw.masked, sparse, &mut random);
                    now.write(&spans, &data);
                    Change::Write(spans, data)
                }
                1 => {
                    let axis = usize::from(bytes[0][0]) % now.shape.len();
                    let mut more = now.shape.clone();
                    more[axis] = u64::from(bytes[0][1]) % 4;
                    let data = State::random(&more, raw.masked, sparse, &mut random);
                    now.append(axis, &data);
                    Change::Append(axis, data)
                }
                _ => {
                    let lengths = now.shape.iter().zip(bytes);
                    let lengths = lengths.map(|(&length, &[byte, ..])| match sparse {
                        true => length + u64::from(byte) % 4,
                        false => u64::from(byte) % (length + 4),
                    });
                    now.resize(&bounded(lengths));
                    Change::Resize
                }
            };
            changes.push((change, now.clone()));
        }
        let slices = raw.slices.iter().map(|bytes| {
            let spans = spans(&now.shape, bytes);
            let part = now.part(&spans);
            (spans, part)
        });
        Self {
            chunks: (layout.is_chunked() && !shape.is_empty()).then_some(chunks),
            fill: raw.fill,
            first,
            slices: slices.collect(),
            changes,
        }
    }

    /// Of an array of any number of axes: the whole of it, every second element, the last.
    pub(crate) fn of_shape(shape: &[u64], chunks: Option<Vec<u64>>, masked: bool) -> Self {
        let mut random = StdRng::seed_from_u64(7);
        let first = State::random(shape, masked, false, &mut random);
        let all: Vec<Span> = shape.iter().map(|&length| Span::all(length)).collect();
        let second = shape.iter().map(|length| Span {
            start: 0,
            step: 2,
            count: length.div_ceil(2),
        });
        let last = shape
            .iter()
            .map(|&length| Span::range(length.saturating_sub(1)..length));
        let last: Vec<Span> = last.collect();
        let ones: Vec<u64> = last.iter().map(|span| span.count).collect();
        let one = State::random(&ones, masked, false, &mut random);
        let mut now = first.clone();
        now.write(&last, &one);
        let slices = [all, second.collect(), last.clone()];
        let slices = slices.map(|spans| {
            let part = now.part(&spans);
            (spans, part)
        });
        Self {
            chunks,
            fill: false,
            first,
            changes: vec![(Change::Write(last, one), now)],
            slices: slices.into(),
        }
    }
}

/// Lengths of axes, some of them 0.
fn shape(bytes: impl ExactSizeIterator<Item = u8>) -> Vec<u64> {
    let longest = LONGEST[bytes.len()];
    bounded(bytes.map(|byte| match byte {
        250.. => 0,
        _ => 1 + u64::from(byte) % longest,
    }))
}

/// The lengths, of the last axes no more than there is room for.
fn bounded(lengths: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut room = MOST;
    let fitted = lengths.map(|length| {
        let length = length.min(room);
        room /= length.max(1);
        length
    });
    fitted.collect()
}

/// A part of an array: all of an axis, or some of it; seldom nothing.
fn spans(shape: &[u64], bytes: &[Bytes; AXES]) -> Vec<Span> {
    let axes = shape.iter().zip(bytes);
    let spans = axes.map(|(&length, &[start, step, count])| {
        if start >= 192 || length == 0 {
            return Span::all(length);
        }
        let start = u64::from(start) % length;
        let step = (u64::from(step) % 8).saturating_sub(3).max(1);
        let most = (length - start).div_ceil(step);
        let count = match count {
            245.. => 0,
            _ => 1 + u64::from(count) % most,
        };
        Span { start, step, count }
    });
    spans.collect()
}
