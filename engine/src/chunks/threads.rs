//! Several threads for one call.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Result;

/// From so many bytes on chunks are encoded and decoded by several threads: below it a
/// thread costs more than it saves.
const MUCH: u64 = 1 << 20;

/// Most threads for one call.
const MOST: usize = 8;

/// What the process may use, asked once: to find out opens files.
fn most() -> usize {
    static FOUND: OnceLock<usize> = OnceLock::new();
    let found = || std::thread::available_parallelism().map_or(1, usize::from);
    (*FOUND.get_or_init(found)).min(MOST)
}

/// Gives `work` the numbers below `count`, each once, with a value that the thread keeps; by
/// several threads if it is about much, `bytes`. The first error ends the thread that met it.
pub(super) fn each<T: Default>(
    count: usize,
    bytes: u64,
    work: impl Fn(usize, &mut T) -> Result<()> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let run = || -> Result<()> {
        let mut kept = T::default();
        loop {
            match next.fetch_add(1, Ordering::Relaxed) {
                number if number < count => work(number, &mut kept)?,
                _ => return Ok(()),
            }
        }
    };
    let threads = match bytes >= MUCH {
        true => most(),
        false => 1,
    };
    let threads = threads.min(count);
    if threads <= 1 {
        return run();
    }
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut all = run();
        for other in others {
            let done = match other.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            all = all.and(done);
        }
        all
    })
}
