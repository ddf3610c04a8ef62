//! Every rule against indices that are counted one by one.
#![expect(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]
mod chunk_grid;
mod copy;
mod hostile;
mod points;
mod selection;
mod speed;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// All places in an array of `shape`, in C order.
fn points(shape: &[u64]) -> Vec<Vec<u64>> {
    let mut all = vec![vec![]];
    for length in shape {
        let longer =
            |point: Vec<u64>| (0..*length).map(move |index| [point.as_slice(), &[index]].concat());
        all = all.into_iter().flat_map(longer).collect();
    }
    all
}

/// Number of the element at `point` of an array of `shape`.
fn number(shape: &[u64], point: &[u64]) -> usize {
    let axes = shape.iter().zip(point);
    axes.fold(0, |number, (length, index)| number * length + index) as usize
}

/// Numbers of the elements that `selection` selects of an array of `shape`, in its order.
fn numbers(shape: &[u64], selection: &Selection) -> Vec<usize> {
    let index = |point: &[u64]| -> Vec<u64> {
        let axes = selection.spans().iter().zip(point);
        axes.map(|(span, at)| span.start + span.step * at).collect()
    };
    let all = points(&selection.shape());
    all.iter().map(|at| number(shape, &index(at))).collect()
}

/// Elements of an array of `shape`.
fn len(shape: &[u64]) -> usize {
    shape.iter().product::<u64>() as usize
}

/// The box of `counts` at `at`.
fn boxed(at: &[u64], counts: &[u64]) -> Selection {
    Selection::new(at.iter().zip(counts).map(|(start, count)| Span {
        start: *start,
        step: 1,
        count: *count,
    }))
}

/// Bytes of which no two neighbours are alike, other ones for another `seed`.
fn noise(len: usize, seed: u8) -> Vec<u8> {
    let byte = |i: usize| (i as u8).wrapping_mul(167) ^ (i >> 8) as u8 ^ seed;
    (0..len).map(byte).collect()
}

/// An array cut into chunks, what is selected of it, and a place for that in another array.
#[derive(Clone, Debug)]
struct Case {
    shape: Vec<u64>,
    chunks: Vec<u64>,
    selection: Selection,
    at: Vec<u64>,
    other: Vec<u64>,
}

/// Cases of `rank` axes of at most `longest`.
fn cases(rank: impl Strategy<Value = usize>, longest: u64) -> impl Strategy<Value = Case> {
    let axis = (0..=longest).prop_flat_map(move |length| {
        // All of the axis as often as anything else, so that loops merge.
        let all = Just(Span {
            start: 0,
            step: 1,
            count: length,
        });
        let some =
            (0..=length, 1..=longest + 1, 0..=length).prop_map(move |(start, step, most)| {
                let count = (length - start).div_ceil(step).min(most);
                Span { start, step, count }
            });
        let pads = prop_oneof![Just((0, 0)), (0..3_u64, 0..3_u64)];
        (Just(length), 1..=longest + 2, prop_oneof![all, some], pads)
    });
    let axes = rank.prop_flat_map(move |rank| vec(axis.clone(), rank));
    axes.prop_map(|axes| Case {
        shape: axes.iter().map(|axis| axis.0).collect(),
        chunks: axes.iter().map(|axis| axis.1).collect(),
        selection: Selection::new(axes.iter().map(|axis| axis.2)),
        at: axes.iter().map(|axis| axis.3.0).collect(),
        other: axes
            .iter()
            .map(|axis| axis.3.0 + axis.2.count + axis.3.1)
            .collect(),
    })
}

/// Cases of up to five axes, or of eight short ones.
fn any_case() -> impl Strategy<Value = Case> {
    prop_oneof![
        6 => cases(0..=3_usize, 7),
        3 => cases(4..=5_usize, 4),
        1 => cases(Just(8), 2).prop_map(|mut case| {
            // At most 2^8 elements on the other side, too.
            case.at.fill(0);
            case.other = case.selection.shape().to_vec();
            case
        }),
    ]
}
