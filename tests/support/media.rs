//! Work on media that take no writes, or few.

use std::path::Path;

use arraylog::{Mode, OpenOptions};
use support::source::Pattern;

use super::bounded::described;
use super::{Outcome, describe, say, wait_for_sign};

/// Reads a store that another process writes to, by every way there is, whenever it is told
/// to, and says what it finds; then says how opening it for writing ends.
pub(crate) fn read_only(path: &Path) -> Outcome {
    let following = OpenOptions::new().follow(true);
    let followers = [
        support::open_mapped(&following, path)?,
        following.open(path)?,
    ];
    let others = [
        support::open(path, Mode::Read)?,
        OpenOptions::new().open(path)?,
    ];
    let first = others[0].snapshot()?;
    say("open")?;
    for _ in 0..3 {
        wait_for_sign()?;
        let mut found = Vec::new();
        for store in &others {
            store.refresh()?;
        }
        let snapshots = [others[0].snapshot()?, others[1].at(others[1].seqno())?];
        let snapshots = snapshots.iter().map(std::ops::Deref::deref);
        for store in followers.iter().chain(&others).chain(snapshots) {
            let part = store.default_partition()?;
            let value = part.get("key")?.ok_or("no key")?;
            let text = String::from_utf8_lossy(&value).into_owned();
            let versions = part.history("key")?.count();
            let usage = store.detailed_usage()?;
            let entries = usage.partitions.iter().map(|part| part.entries);
            let entries: u64 = entries.sum();
            found.push(format!("{text} {versions} {entries} {}", part.len()?));
        }
        found.dedup();
        say(found.join(", "))?;
    }
    let value = first.default_partition()?.get("key")?.ok_or("no key")?;
    say(String::from_utf8_lossy(&value))?;
    for mode in [Mode::ReadWrite, Mode::Append, Mode::Replace] {
        match support::open(path, mode) {
            Ok(_) => say("opened")?,
            Err(error) => say(describe(&error))?,
        }
    }
    Ok(())
}

/// Streams and fills a batch on a disk of 16 MiB, says how that ends, and goes on.
pub(crate) fn small_disk(path: &Path) -> Outcome {
    const MIB: u64 = 1 << 20;
    let store = support::open(path, Mode::Append)?;
    let part = store.default_partition()?;
    part.put("before", "1")?;
    // The spool does not fit; then the spool does and the commit beside it does not.
    for len in [40 * MIB, 12 * MIB] {
        say(described(
            part.put_from("streamed", Pattern::new(len)).err(),
        ))?;
    }
    let batch = store.batch()?;
    let staged = batch.partition("default", "default")?;
    let value = vec![7; 4 << 20];
    // What a batch keeps in memory, and what the disk has.
    let refused = (0..100).find_map(|number| {
        let error = staged.put(format!("value {number}"), &value).err()?;
        Some((number, error))
    });
    let (number, error) = refused.ok_or("nothing was refused")?;
    say(described(Some(error)))?;
    say(number)?;
    say(described(batch.commit().err()))?;
    // With room again it goes on.
    part.put_from("streamed", Pattern::new(4 * MIB))?;
    part.put("after", "2")?;
    store.close()?;
    let store = OpenOptions::new().open(path)?;
    let part = store.default_partition()?;
    let keys = part.keys()?.collect::<Result<Vec<_>, _>>()?;
    let keys = keys.join(&b' ');
    say(String::from_utf8_lossy(&keys))?;
    let folder = path.parent().ok_or("no folder")?;
    say(std::fs::read_dir(folder)?.count())
}
