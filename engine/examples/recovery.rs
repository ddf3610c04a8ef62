//! What is left after a program ends without closing its store.

use std::fs::File;
use std::io::Write;

use arraylog::{Mode, Store};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("measured.alog");

    let store = Store::options().mode(Mode::Append).open(&path)?;
    let part = store.default_partition()?;
    part.put("a", "1")?;
    part.put("b", "2")?;
    drop((part, store)); // not closed, as if the process had been killed

    // A commit that the crash cut: some bytes, but no whole frame.
    File::options()
        .append(true)
        .open(&path)?
        .write_all(&[0xA5; 1000])?;

    let store = Store::options().mode(Mode::ReadWrite).open(&path)?;
    let recovery = store.recovery();
    assert!(!recovery.clean);
    assert_eq!((recovery.commits, recovery.torn_bytes), (2, 1000));
    let part = store.default_partition()?;
    assert_eq!(part.len()?, 2); // every commit that returned is there
    part.put("c", "3")?; // and writing goes on behind the torn bytes
    store.close()?;

    let store = Store::options().mode(Mode::Read).open(&path)?;
    assert!(store.recovery().clean);
    assert_eq!(store.default_partition()?.len()?, 3);
    Ok(())
}
