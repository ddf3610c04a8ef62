//! What the engine tells, for Python's `logging`.
//!
//! The engine tells of rare things, on any thread: one that takes a checkpoint, one that
//! ends with the process. None of them touches the interpreter. What is told waits here,
//! and the next call that writes, opens, closes, refreshes or fails hands it to the logger
//! "arraylog" when it is done, on the thread of its caller.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::prelude::*;

/// More are not kept: whoever never calls again wants to hear of nothing.
const MOST: usize = 256;

/// How often a lock is tried that another thread holds for a moment; in a fork it may
/// hold it for ever.
const TRIES: usize = 1000;

struct Waiting {
    some: AtomicBool,
    told: Mutex<VecDeque<(Level, String)>>,
}

static WAITING: Waiting = Waiting {
    some: AtomicBool::new(false),
    told: Mutex::new(VecDeque::new()),
};

impl Waiting {
    fn with<T>(&self, act: impl FnOnce(&mut VecDeque<(Level, String)>) -> T) -> Option<T> {
        for _ in 0..TRIES {
            if let Ok(mut told) = self.told.try_lock() {
                return Some(act(&mut told));
            }
            std::thread::yield_now();
        }
        None
    }
}

impl Log for Waiting {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().split("::").next() == Some("arraylog")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let told = (record.level(), record.args().to_string());
        self.with(|waiting| {
            if waiting.len() == MOST {
                waiting.pop_front();
            }
            waiting.push_back(told);
        });
        self.some.store(true, Ordering::Release);
    }

    fn flush(&self) {}
}

/// Has the engine tell of what happens.
pub(crate) fn listen() {
    // Whoever listens already is another copy of this module in the same process.
    if log::set_logger(&WAITING).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}

/// Hands on what was told since the last call. Costs a load when there is nothing.
#[inline]
pub(crate) fn deliver(py: Python<'_>) {
    if WAITING.some.load(Ordering::Relaxed) {
        hand_on(py);
    }
}

#[cold]
fn hand_on(py: Python<'_>) {
    WAITING.some.store(false, Ordering::Release);
    // Taken out first: a handler may call the engine.
    let told = WAITING.with(std::mem::take).unwrap_or_default();
    let log_all = || -> PyResult<()> {
        let logger = py.import("arraylog._reference")?.getattr("logger")?;
        for (level, text) in told {
            let level = match level {
                Level::Error => 40,
                Level::Warn => 30,
                Level::Info => 20,
                Level::Debug | Level::Trace => 10,
            };
            logger.call_method1("log", (level, "%s", text))?;
        }
        Ok(())
    };
    // A handler that raises is no failure of the call that happened to hand on.
    if let Err(error) = log_all() {
        error.write_unraisable(py, None);
    }
}
