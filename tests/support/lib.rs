//! Shared parts of the integration tests.

pub mod batches;
pub mod crowd;
pub mod dump;
pub mod fuzz;
pub mod large;
pub mod process;
pub mod soak;
pub mod source;
pub mod torture;

use std::path::Path;
use std::time::SystemTime;

use arraylog::{Mode, OpenOptions, Result, Store};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Opens through a map.
///
/// # Errors
///
/// Those of `OpenOptions::open_mapped`.
pub fn open(path: &Path, mode: Mode) -> Result<Store> {
    open_mapped(&OpenOptions::new().mode(mode), path)
}

/// Opens through a map, as `options` say.
///
/// # Errors
///
/// Those of `OpenOptions::open_mapped`.
#[expect(unsafe_code, reason = "tests own their files")]
pub fn open_mapped(options: &OpenOptions, path: &Path) -> Result<Store> {
    // SAFETY: the file lies in a temporary folder of the test, which truncates or
    // changes it only when no store is open.
    unsafe { options.open_mapped(path) }
}

/// Opens for writing, and makes what is not there.
///
/// # Panics
///
/// If it cannot be opened, which fails the test.
#[must_use]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
pub fn append(path: &Path) -> Store {
    open(path, Mode::Append).expect("opens for writing")
}

/// Opens for reading.
///
/// # Panics
///
/// If it cannot be opened, which fails the test.
#[must_use]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
pub fn read(path: &Path) -> Store {
    open(path, Mode::Read).expect("opens for reading")
}

/// Runs `check` with the store, and with what others find in its file.
///
/// # Panics
///
/// If it cannot be closed or opened again, which fails the test.
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
pub fn here_and_reopened(store: Store, path: &Path, check: impl Fn(&Store)) {
    check(&store);
    check(&read(path));
    store.close().expect("closed");
    check(&read(path));
    check(&append(path));
}

/// A generator and the seed that repeats it: `ARRAYLOG_TEST_SEED`, or a random one.
#[must_use]
pub fn rng() -> (StdRng, u64) {
    let given = std::env::var("ARRAYLOG_TEST_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random);
    (StdRng::seed_from_u64(seed), seed)
}

/// What a file was like: its bytes and when they were last changed.
#[derive(Debug, PartialEq, Eq)]
pub struct Fingerprint {
    bytes: Vec<u8>,
    modified: SystemTime,
}

/// What the file at `path` is like.
///
/// # Errors
///
/// Those of the file system.
pub fn fingerprint(path: &Path) -> std::io::Result<Fingerprint> {
    Ok(Fingerprint {
        bytes: std::fs::read(path)?,
        modified: std::fs::metadata(path)?.modified()?,
    })
}
