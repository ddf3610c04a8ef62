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
        let mut order: Vec<usize> = (0..count).collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut order);
        let expected = (0..count)
            .map(|number| leading(values.get(number)))
            .fold(0, u64::wrapping_add);
        Self {
            hits: Keys::natural(count).in_order(&order),
            misses: Keys::absent(count).in_order(&order),
            expected,
        }
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
        let (mut found, mut sum) = (0_usize, 0_u64);
        let start = Instant::now();
        for key in keys.iter() {
            if let Some(number) = get(key)? {
                found += 1;
                sum = sum.wrapping_add(number);
            }
        }
        let elapsed = start.elapsed().as_secs_f64();
        ensure!(
            found == count,
            "expected {count} keys to be there, found {found}"
        );
        ensure!(sum == expected, "a lookup gave the value of another key");
        Ok(elapsed * 1e9 / keys.len() as f64)
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
