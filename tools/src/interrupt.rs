//! SIGINT as a flag that commands look at between steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::SigId;
use signal_hook::consts::SIGINT;

use crate::failure::{Failure, Outcome};

/// Whether SIGINT came while this lives.
///
/// An earlier handler, such as Python's, is called as well. A second SIGINT
/// ends the process as if there were no handler: what was committed stays.
pub(crate) struct Interrupt {
    flag: Arc<AtomicBool>,
    handlers: Vec<SigId>,
}

impl Interrupt {
    /// Listens until it is dropped. Where the system refuses, SIGINT keeps its default.
    pub(crate) fn listen() -> Self {
        let flag = Arc::new(AtomicBool::new(false));
        // In this order, so that the first signal finds the flag unset.
        let handlers = [
            signal_hook::flag::register_conditional_default(SIGINT, Arc::clone(&flag)),
            signal_hook::flag::register(SIGINT, Arc::clone(&flag)),
        ];
        Self {
            flag,
            handlers: handlers.into_iter().flatten().collect(),
        }
    }

    pub(crate) fn came(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// The flag, for a reader that waits.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.flag)
    }

    /// Ends a command that leaves nothing behind.
    pub(crate) fn check(&self) -> Outcome {
        if self.came() {
            Err(Failure::Interrupted("interrupted".to_owned()))
        } else {
            Ok(())
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            signal_hook::low_level::unregister(handler);
        }
    }
}
