//! From repeated measurements to a ratio, its spread and a verdict.

use serde::Serialize;

/// Middle and spread of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many there are.
    pub count: usize,
    /// The middle one (of an even number: between the two).
    pub median: f64,
    /// A quarter of them is below.
    pub lower: f64,
    /// A quarter of them is above.
    pub upper: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Summary {
    /// Summary of `numbers`; `None` if there is none or one is not finite.
    #[must_use]
    pub fn of(numbers: &[f64]) -> Option<Self> {
        if !numbers.iter().all(|number| number.is_finite()) {
            return None;
        }
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            count: sorted.len(),
            median: quantile(&sorted, 2)?,
            lower: quantile(&sorted, 1)?,
            upper: quantile(&sorted, 3)?,
            min: *sorted.first()?,
            max: *sorted.last()?,
        })
    }
}

/// Quartile `quarter` of sorted numbers, by linear interpolation.
fn quantile(sorted: &[f64], quarter: usize) -> Option<f64> {
    let steps = sorted.len().checked_sub(1)? * quarter;
    let (below, part) = (steps / 4, steps % 4);
    let low = *sorted.get(below)?;
    let high = *sorted.get(below + 1).unwrap_or(&low);
    #[expect(clippy::cast_precision_loss, reason = "part is 0 to 3")]
    let part = part as f64 / 4.0;
    Some(low + (high - low) * part)
}

/// How many times as good the subject is as its peer, repetition by repetition.
///
/// Only measurements of one repetition are compared, for the machine's state
/// drifts; a repetition that lacks either has no ratio.
#[must_use]
pub fn paired_ratios(
    subject: &[Option<f64>],
    peer: &[Option<f64>],
    higher_is_better: bool,
) -> Vec<f64> {
    subject
        .iter()
        .zip(peer)
        .filter_map(|(subject, peer)| Some(((*subject)?, (*peer)?)))
        .map(|(subject, peer)| {
            if higher_is_better {
                subject / peer
            } else {
                peer / subject
            }
        })
        .collect()
}

/// What a ratio says about its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The median reaches the target.
    Met,
    /// The median does not, but the upper quartile does: not met.
    WithinNoise,
    /// Not even the upper quartile does.
    Missed,
}

impl Verdict {
    /// The verdict on ratios with a target that they should at least reach.
    ///
    /// The spread is that between the quartiles: one stalled write of a peer
    /// makes the largest ratio of a run meaningless.
    #[must_use]
    pub fn of(ratios: &Summary, target: f64) -> Self {
        if ratios.median >= target {
            Self::Met
        } else if ratios.upper >= target {
            Self::WithinNoise
        } else {
            Self::Missed
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::WithinNoise => "missed, within noise",
            Self::Missed => "missed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(numbers: &[f64]) -> Summary {
        Summary::of(numbers).expect("numbers that have a summary")
    }

    #[test]
    fn a_summary_has_median_quartiles_and_ends() {
        let found = summary(&[7.0, 1.0, 3.0, 2.0, 5.0, 6.0, 4.0]);
        assert_eq!((found.median, found.min, found.max), (4.0, 1.0, 7.0));
        assert_eq!((found.lower, found.upper), (2.5, 5.5));
        assert_eq!(summary(&[1.0, 2.0]).median, 1.5);
    }

    #[test]
    fn one_number_is_its_own_spread() {
        let found = summary(&[3.0]);
        assert_eq!((found.lower, found.median, found.upper), (3.0, 3.0, 3.0));
    }

    #[test]
    fn nothing_and_infinity_have_no_summary() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[1.0, f64::INFINITY]), None);
    }

    #[test]
    fn ratios_pair_repetitions_and_say_how_many_times_as_good() {
        let rates = paired_ratios(&[Some(6.0), None, Some(4.0)], &[Some(2.0); 3], true);
        assert_eq!(rates, [3.0, 2.0]);
        let times = paired_ratios(&[Some(2.0)], &[Some(6.0)], false);
        assert_eq!(times, [3.0]);
    }

    #[test]
    fn a_target_is_met_by_the_median_and_by_nothing_else() {
        assert_eq!(Verdict::of(&summary(&[0.9, 1.0, 1.1]), 1.0), Verdict::Met);
        assert_eq!(
            Verdict::of(&summary(&[0.8, 0.9, 1.2]), 1.0),
            Verdict::WithinNoise
        );
        // One lucky repetition does not make it noise.
        assert_eq!(
            Verdict::of(&summary(&[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 9.0]), 1.0),
            Verdict::Missed
        );
    }
}
