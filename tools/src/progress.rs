//! How far long work has come, on a terminal.

use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::Context;
use crate::failure::{Failure, Outcome};

/// A bar over `total` bytes, or a counter if nobody knows how many there are; hidden where
/// stderr is no terminal.
pub(crate) fn bytes(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let template = match total {
        Some(_) => "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        None => "{spinner} {bytes} {bytes_per_sec}",
    };
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar
}

/// The copying of a store, which an interrupt stops.
pub(crate) struct Copying<'a> {
    context: &'a Context,
    bar: ProgressBar,
}

impl<'a> Copying<'a> {
    pub(crate) fn new(context: &'a Context, hidden: bool) -> Self {
        let bar = match hidden || context.quiet {
            true => ProgressBar::hidden(),
            false => bytes(Some(0)),
        };
        Self { context, bar }
    }

    /// Shows how far it is; `Break` after an interrupt.
    pub(crate) fn tell(&self, done: u64, total: u64) -> ControlFlow<()> {
        self.bar.set_length(total);
        self.bar.set_position(done);
        match self.context.interrupt.came() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// Its result; `left` says what an interrupt leaves.
    pub(crate) fn result<T>(&self, result: arraylog::Result<T>, left: &str) -> Outcome<T> {
        self.bar.finish_and_clear();
        match result {
            Err(arraylog::Error::Cancelled { .. }) => {
                Err(Failure::Interrupted(format!("interrupted; {left}")))
            }
            result => Ok(result?),
        }
    }
}
