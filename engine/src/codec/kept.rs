//! Tables and contexts, which a thread makes once and uses again.

use std::cell::Cell;
use std::thread::LocalKey;

/// Calls `work` with what this thread keeps in `place`, or with a new one. It is kept again
/// if `work` says so.
pub(super) fn kept<T, R>(
    place: &'static LocalKey<Cell<Option<T>>>,
    make: impl FnOnce() -> Option<T>,
    work: impl FnOnce(&mut T) -> (R, Keep),
) -> Option<R> {
    let taken = place.try_with(Cell::take).ok().flatten();
    let mut it = taken.or_else(make)?;
    let (done, keep) = work(&mut it);
    if keep == Keep::Yes {
        let _ = place.try_with(|place| place.set(Some(it)));
    }
    Some(done)
}

/// Whether what was used is kept for the next use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Yes,
    No,
}
