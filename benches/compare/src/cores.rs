//! The cores that a thread may use.

use anyhow::{Context as _, Result, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Runs `work` while this thread, and those that it starts, may use `count` cores of those
/// that it has, as a machine of so many cores would have it.
pub(crate) fn with<T>(count: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let all = sched_getaffinity(None).context("cannot ask for the cores of this thread")?;
    let mut some = CpuSet::new();
    let there = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
    there.take(count).for_each(|core| some.set(core));
    ensure!(
        some.count() as usize == count,
        "expected {count} cores for a row of several threads, found {}",
        some.count()
    );
    sched_setaffinity(None, &some).context("cannot choose the cores of this thread")?;
    let done = work();
    sched_setaffinity(None, &all).context("cannot give back the cores of this thread")?;
    done
}
