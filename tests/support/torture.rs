//! What the long runs of `make torture` are told: `SEED`, `MINUTES`, `THREADS`, `FROM`.

use std::time::{Duration, Instant};

/// How long a run may take, where it starts, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Torture {
    /// Everything random follows from it: `SEED`, or 1.
    pub seed: u64,
    /// `THREADS`, or 2.
    pub threads: usize,
    /// How much of the order that the seed gives was done by runs before: `FROM`, or 0.
    pub from: usize,
    start: Instant,
    deadline: Instant,
}

impl Torture {
    /// As the environment says; `MINUTES` are 60 if it says nothing.
    #[must_use]
    pub fn from_env() -> Self {
        let number = |name: &str| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
        let start = Instant::now();
        Self {
            seed: number("SEED").unwrap_or(1),
            threads: number("THREADS").map_or(2, |threads| threads.max(1) as usize),
            from: number("FROM").map_or(0, |from| from as usize),
            start,
            deadline: start + Duration::from_secs(60 * number("MINUTES").unwrap_or(60)),
        }
    }

    /// When it has to end.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What is left.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Tells what was done.
    #[expect(clippy::print_stdout, reason = "the tally of a long run")]
    pub fn say(&self, done: &str) {
        println!("torture: {done}, seed {} in {:.0?}", self.seed, self.took());
    }

    /// What it took so far.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.start.elapsed()
    }

    /// What was done of `all`, and where the next run with this seed goes on, so that the
    /// counts of several runs may be added.
    #[must_use]
    pub fn covered(&self, done: usize, all: usize) -> String {
        let to = self.from + done;
        let rest = match to < all {
            true => format!("go on with FROM={to}"),
            false => "all".to_owned(),
        };
        format!(
            "{done} ({} to {to} of {all} in the order of SEED={}; {rest}) in {:.0?}",
            self.from,
            self.seed,
            self.took()
        )
    }
}
