//! The long runs: `make torture`.

use std::time::{Duration, Instant};

use super::say;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Where this run starts: `SEED`, or from the clock.
pub(super) fn seed() -> u64 {
    let now = crate::open::seconds_since_1970();
    number("SEED").unwrap_or(now)
}

/// How many threads it may use: `THREADS`, or 2.
pub(super) fn threads() -> usize {
    number("THREADS").map_or(2, |threads| threads as usize)
}

/// Time since the start, and what is left of `MINUTES` (60).
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
    limit: Duration,
}

impl Clock {
    pub(super) fn start() -> Self {
        let minutes = number("MINUTES").unwrap_or(60);
        Self {
            start: Instant::now(),
            limit: Duration::from_secs(60 * minutes),
        }
    }

    pub(super) fn left(self) -> Duration {
        self.limit.saturating_sub(self.start.elapsed())
    }

    /// Tells what was done.
    pub(super) fn say(self, done: &str) {
        say(format!("torture: {done} in {:.0?}", self.start.elapsed()));
    }
}
