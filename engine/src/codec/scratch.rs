//! Room for shuffled bytes, which a thread makes once and uses again.

use std::cell::Cell;

/// Room above this is given back after its use.
const MOST_KEPT: usize = 8 << 20;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Calls `work` with `len` bytes of any content.
///
/// They are taken out of the thread meanwhile: a codec of a user that reads another array
/// gets bytes of its own.
pub(super) fn scratch<R>(len: usize, work: impl FnOnce(&mut [u8]) -> R) -> R {
    // Fails in a thread that ends.
    let mut bytes = SCRATCH.try_with(Cell::take).unwrap_or_default();
    if bytes.len() < len {
        // Nothing to copy into the new room.
        bytes.clear();
        bytes.resize(len, 0);
    }
    let done = work(bytes.get_mut(..len).unwrap_or_default());
    if bytes.capacity() <= MOST_KEPT {
        let _ = SCRATCH.try_with(|place| place.set(bytes));
    }
    done
}
