//! What an array has. Elements are numbers here; each dtype has elements of its own for them.

use arraylog::Span;
use rand::RngExt as _;
use rand::rngs::StdRng;

/// The number of the fill value.
pub(crate) const FILL: u8 = 0;

/// Elements in C order.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) shape: Vec<u64>,
    pub(crate) numbers: Vec<u8>,
    /// One for each element, if there is a mask; not 0 = missing.
    pub(crate) missing: Option<Vec<u8>>,
}

impl State {
    /// All fill value; missing, if there is a mask.
    fn blank(shape: &[u64], masked: bool) -> Self {
        let size = shape.iter().product::<u64>() as usize;
        Self {
            shape: shape.to_vec(),
            numbers: vec![FILL; size],
            missing: masked.then(|| vec![1; size]),
        }
    }

    /// Elements that repeat, or do not, or are nearly all the fill value.
    pub(crate) fn random(shape: &[u64], masked: bool, sparse: bool, random: &mut StdRng) -> Self {
        let mut this = Self::blank(shape, masked);
        let (runs, first): (bool, u8) = (random.random(), random.random());
        for (at, number) in this.numbers.iter_mut().enumerate() {
            *number = match (sparse, runs) {
                (true, _) if !random.random_ratio(1, 16) => FILL,
                (false, true) => first.wrapping_add((at / 20) as u8),
                _ => random.random(),
            };
        }
        let rate = [0, 1, 8][random.random_range(0..3)];
        for missing in this.missing.iter_mut().flatten() {
            *missing = u8::from(random.random_ratio(rate, 8));
        }
        this
    }

    pub(crate) fn part(&self, spans: &[Span]) -> Self {
        let shape: Vec<u64> = spans.iter().map(|span| span.count).collect();
        let mut part = Self::blank(&shape, self.missing.is_some());
        part.take(
            places(&shape, &all(&shape)),
            self,
            places(&self.shape, spans),
        );
        part
    }

    pub(crate) fn write(&mut self, spans: &[Span], data: &Self) {
        let to = places(&self.shape, spans);
        self.take(to, data, places(&data.shape, &all(&data.shape)));
    }

    pub(crate) fn resize(&mut self, shape: &[u64]) {
        let mut new = Self::blank(shape, self.missing.is_some());
        let lengths = shape.iter().zip(&self.shape);
        let common: Vec<Span> = lengths.map(|(&a, &b)| Span::all(a.min(b))).collect();
        new.take(places(shape, &common), self, places(&self.shape, &common));
        *self = new;
    }

    pub(crate) fn append(&mut self, axis: usize, data: &Self) {
        let mut shape = self.shape.clone();
        let start = shape[axis];
        shape[axis] += data.shape[axis];
        self.resize(&shape);
        let mut spans = all(&shape);
        spans[axis] = Span::range(start..shape[axis]);
        self.write(&spans, data);
    }

    fn take(&mut self, to: Vec<usize>, other: &Self, from: Vec<usize>) {
        for (to, from) in to.into_iter().zip(from) {
            self.numbers[to] = other.numbers[from];
            if let (Some(missing), Some(others)) = (&mut self.missing, &other.missing) {
                missing[to] = others[from];
            }
        }
    }
}

fn all(shape: &[u64]) -> Vec<Span> {
    shape.iter().map(|&length| Span::all(length)).collect()
}

/// Places in C order of the elements that are selected.
fn places(shape: &[u64], spans: &[Span]) -> Vec<usize> {
    let mut places = vec![0];
    for (&length, span) in shape.iter().zip(spans) {
        let along = |place: &u64| {
            let row = place * length;
            let span = *span;
            (0..span.count).map(move |i| row + span.start + i * span.step)
        };
        places = places.iter().flat_map(along).collect();
    }
    places.into_iter().map(|place| place as usize).collect()
}
