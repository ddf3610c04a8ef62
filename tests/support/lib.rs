//! Shared parts of the integration tests.

use std::path::Path;

use arraylog::{Mode, OpenOptions, Result, Store};

/// Opens through a map.
///
/// # Errors
///
/// Those of `OpenOptions::open_mapped`.
#[expect(unsafe_code, reason = "tests own their files")]
pub fn open(path: &Path, mode: Mode) -> Result<Store> {
    // SAFETY: the file lies in a temporary folder of the test, which truncates or
    // changes it only when no store is open.
    unsafe { OpenOptions::new().mode(mode).open_mapped(path) }
}
