//! How fast a copy goes, and who is told.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// The longest pause without a question whether to go on.
const PAUSE: Duration = Duration::from_millis(50);

/// Is told bytes that were copied and those that will be, as far as is known, and says
/// whether to go on.
pub(super) type Progress<'a> = &'a dyn Fn(u64, u64) -> ControlFlow<()>;

/// Keeps a copy below a rate, and asks whether it is to go on.
pub(super) struct Pace<'a> {
    action: &'static str,
    path: &'a Path,
    /// Bytes a second.
    rate: Option<u64>,
    progress: Option<Progress<'a>>,
    started: Instant,
    done: u64,
    pub(super) total: u64,
}

impl fmt::Debug for Pace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pace({} of {} bytes)", self.done, self.total)
    }
}

impl<'a> Pace<'a> {
    pub(super) fn new(
        action: &'static str,
        path: &'a Path,
        rate: Option<u64>,
        progress: Option<Progress<'a>>,
    ) -> Self {
        Self {
            action,
            path,
            rate,
            progress,
            started: Instant::now(),
            done: 0,
            total: 0,
        }
    }

    /// Counts bytes that were copied. `Error::Cancelled`.
    pub(super) fn step(&mut self, bytes: u64) -> Result<()> {
        self.done = self.done.saturating_add(bytes);
        self.ask()?;
        let Some(rate) = self.rate else { return Ok(()) };
        let due = Duration::from_secs_f64(self.done as f64 / rate.max(1) as f64);
        loop {
            let early = due.saturating_sub(self.started.elapsed());
            if early.is_zero() {
                return Ok(());
            }
            std::thread::sleep(early.min(PAUSE));
            self.ask()?;
        }
    }

    /// From here on as fast as it can.
    pub(super) fn unthrottle(&mut self) {
        self.rate = None;
    }

    /// From here on nobody is asked.
    pub(super) fn hurry(&mut self) {
        self.progress = None;
    }

    /// Bytes so far.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    fn ask(&self) -> Result<()> {
        let Some(progress) = self.progress else {
            return Ok(());
        };
        match progress(self.done, self.total.max(self.done)) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled {
                action: self.action,
                path: self.path.to_owned(),
            }),
        }
    }
}
