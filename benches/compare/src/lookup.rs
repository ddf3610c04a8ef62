//! Timed lookups, alike for every engine.

use std::time::Instant;

use anyhow::{Result, ensure};
use arraylog_benches::{Keys, Summary, Values, leading};

use crate::task::Answer;

/// Timed passes after the warm-up pass.
const PASSES: usize = 5;

/// Keys to look up, and what they must give.
#[derive(Debug)]
pub(crate) struct Lookups {
    /// Every key of the data, in random order.
    hits: Keys,
    /// As many keys that are not there, in random order.
    misses: Keys,
    /// Sum of the leading numbers of all values.
    expected: u64,
}

/// What a pass found: how many values, and the sum of their leading numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    count: usize,
    sum: u64,
}

impl Found {
    /// Adds the leading number of a value.
    #[inline]
    pub(crate) fn add(&mut self, number: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(number);
    }

    /// Whether anything was found; who asks makes the compiler keep the reading.
    pub(crate) fn is_any(self) -> bool {
        std::hint::black_box(self).count > 0
    }

    /// An error unless it is `count` values with that sum.
    pub(crate) fn check(self, count: usize, sum: u64) -> Result<()> {
        ensure!(
            self.count == count,
            "expected {count} keys to be there, found {}",
            self.count
        );
        ensure!(self.sum == sum, "a lookup gave the value of another key");
        Ok(())
    }
}

/// Which keys a pass looks up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    /// Those that are there.
    Hits,
    /// Those that are not.
    Misses,
}

impl Which {
    /// What the figure `hit…` or `miss…` looks up.
    pub(crate) fn of(figure: &str) -> Self {
        if figure.starts_with("miss") {
            Self::Misses
        } else {
            Self::Hits
        }
    }
}

impl Lookups {
    /// Lookups of `count` keys in an order that `seed` decides.
    pub(crate) fn new(count: usize, values: &Values, seed: u64) -> Self {
        Self::of(count, |number| leading(values.get(number)), seed)
    }

    /// The same, where `leading` tells the leading number of what is found for each number.
    pub(crate) fn of(count: usize, leading: impl Fn(usize) -> u64, seed: u64) -> Self {
        let order = shuffled(count, seed);
        let expected = (0..count).map(leading).fold(0, u64::wrapping_add);
        Self {
            hits: Keys::natural(count).in_order(&order),
            misses: Keys::absent(count).in_order(&order),
            expected,
        }
    }

    /// Sum of the leading numbers of all values.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }

    /// Looks every key up once; ns per lookup. `get` gives the leading number
    /// of the value, so that each value is touched.
    pub(crate) fn pass(
        &self,
        which: Which,
        mut get: impl FnMut(&[u8]) -> Result<Option<u64>>,
    ) -> Result<f64> {
        let (keys, count, expected) = match which {
            Which::Hits => (&self.hits, self.hits.len(), self.expected),
            Which::Misses => (&self.misses, 0, 0),
        };
        let mut found = Found::default();
        let start = Instant::now();
        for key in keys.iter() {
            if let Some(number) = get(key)? {
                found.add(number);
            }
        }
        let elapsed = start.elapsed().as_secs_f64();
        found.check(count, expected)?;
        Ok(elapsed * 1e9 / keys.len() as f64)
    }

    /// Looks every key up once, `WINDOW` of them at a time; ns per lookup. `get` adds
    /// each value that is there to the sum. The number of keys is a multiple of `WINDOW`.
    pub(crate) fn pass_in_windows<const WINDOW: usize>(
        &self,
        mut get: impl FnMut(&[&[u8]; WINDOW], &mut Found) -> Result<()>,
    ) -> Result<f64> {
        let mut found = Found::default();
        let mut window: [&[u8]; WINDOW] = [&[]; WINDOW];
        let mut keys = self.hits.iter();
        let start = Instant::now();
        for _ in 0..self.hits.len() / WINDOW {
            for (place, key) in window.iter_mut().zip(&mut keys) {
                *place = key;
            }
            get(&window, &mut found)?;
        }
        let elapsed = start.elapsed().as_secs_f64();
        found.check(self.hits.len(), self.expected)?;
        Ok(elapsed * 1e9 / self.hits.len() as f64)
    }

    /// `first` (the first pass), `hit` and `miss`, in ns.
    pub(crate) fn measure(
        &self,
        answer: &mut Answer,
        mut get: impl FnMut(&[u8]) -> Result<Option<u64>>,
    ) -> Result<()> {
        answer.set("first", self.pass(Which::Hits, &mut get)?);
        measure_in_turn(answer, &["hit", "miss"], |figure| {
            self.pass(Which::of(figure), &mut get)
        })
    }
}

/// The numbers below `count` in an order that `seed` decides.
pub(crate) fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    fastrand::Rng::with_seed(seed).shuffle(&mut order);
    order
}

/// Figures that passes give: after a warm-up round, in each round one pass of
/// each figure in turn, so that drift meets all of them; the medians.
pub(crate) fn measure_in_turn(
    answer: &mut Answer,
    figures: &[&str],
    mut pass: impl FnMut(&str) -> Result<f64>,
) -> Result<()> {
    let mut times = vec![Vec::new(); figures.len()];
    for round in 0..=PASSES {
        for (times, figure) in times.iter_mut().zip(figures) {
            let time = pass(figure)?;
            if round > 0 {
                times.push(time);
            }
        }
    }
    for (figure, times) in figures.iter().zip(&times) {
        set_median(answer, figure, times);
    }
    Ok(())
}

fn set_median(answer: &mut Answer, name: &str, times: &[f64]) {
    if let Some(summary) = Summary::of(times) {
        answer.set(name, summary.median);
    }
}
