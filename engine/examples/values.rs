//! Plain values by key in one file: put, get, remove, close, open again.

use arraylog::{Mode, Store};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("values.alog");

    // The partition "default" of the collection "default": a plain key/value file.
    let store = Store::options().mode(Mode::Append).open(&path)?;
    let part = store.default_partition()?;
    part.put("greeting", "hello")?;
    part.put("greeting", "good evening")?; // replaces the value
    part.put([0xFF, 0x00], [1, 2, 3])?; // keys and values are any bytes
    part.put("draft", "")?; // an empty value is a value
    assert!(part.contains("draft")?);
    assert!(part.remove("draft")?);
    assert!(!part.remove("draft")?); // it was not there

    // Everything so far is on the device after this.
    store.close()?;

    let store = Store::options().mode(Mode::Read).open(&path)?;
    let part = store.default_partition()?;
    assert_eq!(part.len()?, 2);
    assert_eq!(part.get("greeting")?.as_deref(), Some(&b"good evening"[..]));
    assert_eq!(part.get("draft")?, None);
    Ok(())
}
