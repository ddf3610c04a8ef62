//! Stores that are larger than the memory that there is for them, and files whose pages the
//! kernel has let go of.

use std::error::Error as StdError;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use arraylog::{CompactOptions, Mode, OpenOptions, Store};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

type Outcome<T = ()> = Result<T, Box<dyn StdError>>;

/// Bytes of most values.
const SHORT: usize = 12_000;
/// One in so many is longer: blocks of their own.
const LONG_EVERY: u64 = 50;
const LONG: usize = 400_000;
/// Of so many keys one was overwritten, and one removed.
const DEAD_EVERY: u64 = 7;

fn key(number: u64) -> [u8; 8] {
    number.to_le_bytes()
}

fn value(number: u64, version: u64) -> Vec<u8> {
    let len = match number.is_multiple_of(LONG_EVERY) {
        true => LONG,
        false => SHORT + (number % 997) as usize,
    };
    let word = (number << 8 | version).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut value = word.to_le_bytes().repeat(len / 8);
    value.resize(len, version as u8);
    value
}

/// What is left under a key.
fn expected(number: u64) -> Option<Vec<u8>> {
    match number % DEAD_EVERY {
        0 => None,
        1 => Some(value(number, 1)),
        _ => Some(value(number, 0)),
    }
}

/// Makes a store of about so many bytes; how many keys it was given.
///
/// # Errors
///
/// Those of writing.
pub fn build(path: &Path, bytes: u64) -> arraylog::Result<u64> {
    let store = crate::open(path, Mode::CreateNew)?;
    let part = store.default_partition()?;
    let mut number = 0;
    while store.info()?.file_bytes < bytes {
        for _ in 0..DEAD_EVERY {
            part.put(key(number), value(number, 0))?;
            if number % DEAD_EVERY == 1 {
                part.put(key(number), value(number, 1))?;
            }
            number += 1;
        }
        part.remove(key(number - DEAD_EVERY))?;
    }
    store.close()?;
    Ok(number)
}

/// Has the kernel let go of all pages of a file that no process has in use; which share of
/// them it keeps all the same.
///
/// # Errors
///
/// Those of the system.
#[expect(unsafe_code, reason = "advice to the kernel, and what it keeps")]
pub fn drop_pages(path: &Path) -> io::Result<f64> {
    let file = File::open(path)?;
    // It keeps what is not on the device yet.
    file.sync_all()?;
    // SAFETY: takes numbers only; the descriptor is open.
    let code = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    if code != 0 {
        return Err(io::Error::from_raw_os_error(code));
    }
    let len = file.metadata()?.len() as usize;
    let mut pages = vec![0u8; len.div_ceil(4096)];
    // SAFETY: a new mapping at an address of the kernel's choice, for reading.
    let map = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if map == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping has `len` bytes, and `pages` a byte for each page of it.
    let asked = unsafe { libc::mincore(map, len, pages.as_mut_ptr()) };
    let error = io::Error::last_os_error();
    // SAFETY: the mapping is this function's own, and nobody refers to it.
    unsafe { libc::munmap(map, len) };
    if asked != 0 {
        return Err(error);
    }
    let kept = pages.iter().filter(|&&page| page & 1 == 1).count();
    Ok(kept as f64 / pages.len().max(1) as f64)
}

/// What was read of a store whose pages the kernel had let go of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Read {
    /// Keys looked up one by one, at random.
    pub lookups: u64,
    /// Entries of a scan.
    pub scanned: u64,
    /// Bytes of the file before and after compaction.
    pub before: u64,
    /// As told by it.
    pub after: u64,
    /// The most that the kernel kept of the file before one of these, in percent.
    pub kept: u64,
}

/// Looks up keys at random, scans, compacts and scans again, each time after the kernel let
/// go of all pages.
///
/// # Errors
///
/// What is wrong, in words, or the error of a read.
pub fn read_cold(path: &Path, keys: u64, mapped: bool, lookups: u64, seed: u64) -> Outcome<Read> {
    let options = OpenOptions::new().mode(Mode::ReadWrite);
    let open = || match mapped {
        true => crate::open_mapped(&options, path),
        false => options.open(path),
    };
    let mut read = Read::default();
    let drop_all = |read: &mut Read| -> Outcome {
        let kept = drop_pages(path)?;
        read.kept = read.kept.max((kept * 100.0).round() as u64);
        Ok(())
    };
    drop_all(&mut read)?;
    let store = open()?;
    let part = store.default_partition()?;
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..lookups {
        // Some are absent.
        let number = random.random_range(0..keys + keys / 10);
        let expected = expected(number).filter(|_| number < keys);
        if part.get(key(number))?.as_deref() != expected.as_deref() {
            return Err(format!("another value under key {number}").into());
        }
        read.lookups += 1;
    }
    drop(part);
    store.close()?;
    drop(store);
    drop_all(&mut read)?;
    let store = open()?;
    read.scanned = scan(&store, keys)?;
    read.before = store.info()?.file_bytes;
    store.close()?;
    drop(store);
    drop_all(&mut read)?;
    let store = open()?;
    read.after = store.compact(&CompactOptions::new())?.file_bytes;
    store.close()?;
    drop(store);
    drop_all(&mut read)?;
    scan(&open()?, keys)?;
    Ok(read)
}

/// Compares every entry in order; how many there are.
fn scan(store: &Store, keys: u64) -> Outcome<u64> {
    let part = store.default_partition()?;
    let mut entries = part.entries()?;
    let mut count = 0;
    for number in 0..keys {
        let Some(expected) = expected(number) else {
            continue;
        };
        let entry = entries.next().ok_or("the scan ends too early")??;
        if entry.key() != key(number) || entry.value()?[..] != expected[..] {
            return Err(format!("another entry in the place of key {number}").into());
        }
        count += 1;
    }
    if entries.next().is_some() || part.len()? != count {
        return Err(format!("more than {count} entries").into());
    }
    Ok(count)
}
