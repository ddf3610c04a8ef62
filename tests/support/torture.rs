//! The long runs: how long they may take, where they start, and what they tell.

use std::time::{Duration, Instant};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Where this run starts: `SEED`, or a random number.
#[must_use]
pub fn seed() -> u64 {
    number("SEED").unwrap_or_else(rand::random)
}

/// How many threads it may use: `THREADS`, or 2.
#[must_use]
pub fn threads() -> u64 {
    number("THREADS").unwrap_or(2).max(1)
}

/// Time since the start, and what is left of `MINUTES` (60).
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    limit: Duration,
}

impl Clock {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        let minutes = number("MINUTES").unwrap_or(60);
        Self {
            start: Instant::now(),
            limit: Duration::from_secs(60 * minutes),
        }
    }

    /// What is left.
    #[must_use]
    pub fn left(self) -> Duration {
        self.limit.saturating_sub(self.start.elapsed())
    }

    /// Tells what was done.
    #[expect(clippy::print_stdout, reason = "the tally of a long run")]
    pub fn say(self, done: &str) {
        println!("torture: {done} in {:.0?}", self.start.elapsed());
    }
}
