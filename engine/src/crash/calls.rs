//! Every call of the system on a real file failing in every way.

use std::collections::BTreeMap;
use std::path::Path;

use super::faults::REASONS;
use super::say;
use crate::options::{Durability, OpenOptions};
use crate::storage::Call;
use crate::storage::faults::{Fault, fail, recover};
use crate::store::Store;
use crate::{CompactOptions, Error, Mode};

/// What is done while a call fails.
const DEEDS: [&str; 9] = [
    "open",
    "small",
    "large",
    "synced",
    "sync",
    "checkpoint",
    "compact",
    "close",
    "read",
];

fn append(path: &Path) -> Result<Store, Error> {
    OpenOptions::new().mode(Mode::Append).open(path)
}

fn put(store: &Store, key: &str, len: usize, durability: Durability) -> Result<(), Error> {
    let mut batch = store.batch()?;
    batch.set_durability(durability);
    batch.partition("c", "p")?.put(key, vec![len as u8; len])?;
    batch.commit().map(drop)
}

/// Does it; the key that is there from here on.
fn attempt(store: &Store, path: &Path, deed: &str) -> Result<Option<&'static str>, Error> {
    match deed {
        "open" => append(path).map(|_| None),
        "small" => put(store, "small", 30, Durability::Buffered).map(|()| Some("small")),
        // Above what is reserved first, in several calls.
        "large" => put(store, "large", 3 << 20, Durability::Buffered).map(|()| Some("large")),
        "synced" => put(store, "synced", 9000, Durability::Synced).map(|()| Some("synced")),
        "sync" => store.sync().map(|()| None),
        "checkpoint" => store.checkpoint().map(|_| None),
        "compact" => store.compact(&CompactOptions::new()).map(|_| None),
        "close" => store.close().map(|()| None),
        _ => {
            let part = store.partition("c", "p")?;
            for entry in part.entries()? {
                part.get(entry?.key())?;
            }
            Ok(None)
        }
    }
}

/// The keys that a store has, each with a value that tells its length.
fn keys(store: &Store) -> Result<Vec<String>, Error> {
    let mut keys = Vec::new();
    for entry in store.partition("c", "p")?.entries()? {
        let entry = entry?;
        let value = entry.value()?;
        assert!(value.iter().all(|&byte| byte == value.len() as u8));
        keys.push(String::from_utf8_lossy(entry.key()).into_owned());
    }
    keys.sort();
    Ok(keys)
}

/// Has a call fail during a deed; which it was, if there are so many.
fn fail_one(folder: &Path, deed: &str, after: usize, fault: Fault) -> Option<Call> {
    let what = format!("{deed}, call {after}, {fault:?}");
    let path = folder.join("a.alog");
    let _ = std::fs::remove_file(&path);
    let store = append(&path).expect("made");
    put(&store, "first", 200, Durability::Synced).expect("stored");
    put(&store, "second", 70_000, Durability::Buffered).expect("stored");
    let mut held = vec!["first".to_owned(), "second".to_owned()];
    if deed == "close" {
        // So that there is room to give back.
        put(&store, "third", 3 << 20, Durability::Buffered).expect("stored");
        held.push("third".to_owned());
    }
    let mut store = Some(store);
    if deed == "open" {
        store = None;
    }
    let spare = Store::memory().expect("memory");
    fail(after, fault);
    let done = attempt(store.as_ref().unwrap_or(&spare), &path, deed);
    let failed = recover()?;
    let harmless = matches!(fault, Fault::Short | Fault::Error(libc::EINTR));
    let unknown = match done {
        Ok(key) => {
            held.extend(key.map(str::to_owned));
            false
        }
        Err(error) if harmless => panic!("{what}: {failed:?}: {error}"),
        Err(Error::CommitUnknown { .. }) => true,
        Err(Error::NotCommitted { .. } | Error::Io { .. } | Error::Poisoned { .. }) => false,
        Err(other) => panic!("{what}: {failed:?}: {other}"),
    };
    held.sort();
    if let Some(store) = store.filter(|store| !store.is_closed()) {
        let found = keys(&store).expect("readable");
        assert_eq!(found, held, "{what}: {failed:?}");
        let next = put(&store, "next", 10, Durability::Buffered);
        match next {
            Ok(()) if failed == Call::Sync && !harmless && deed != "compact" => {
                panic!("{what}: writing goes on after a failed sync")
            }
            Ok(()) => held.push("next".to_owned()),
            Err(Error::Poisoned { .. }) => {}
            Err(other) => panic!("{what}: {failed:?}, then {other}"),
        }
    }
    held.sort();
    let store = append(&path).unwrap_or_else(|error| panic!("{what}: opening again: {error}"));
    let mut found = keys(&store).expect("readable");
    if unknown {
        found.retain(|key| key != "synced");
    }
    assert_eq!(found, held, "{what}: {failed:?}, opened again");
    put(&store, "last", 20, Durability::Synced).expect("goes on");
    Some(failed)
}

/// A folder in memory, where there is one: what is tested are the calls.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("folder")
}

#[test]
fn each_call_of_the_system_may_fail_be_interrupted_or_do_half() {
    let folder = folder();
    let mut failed: BTreeMap<String, u64> = BTreeMap::new();
    let mut faults = vec![Fault::Short, Fault::Error(libc::EINTR)];
    faults.extend(REASONS.map(Fault::Error));
    for deed in DEEDS {
        for &fault in &faults {
            for after in 0.. {
                match fail_one(folder.path(), deed, after, fault) {
                    Some(call) => *failed.entry(format!("{call:?}")).or_default() += 1,
                    None => break,
                }
            }
        }
    }
    say(format!(
        "{} failed calls: {failed:?}",
        failed.values().sum::<u64>()
    ));
    let kinds: Vec<&str> = failed.keys().map(String::as_str).collect();
    assert_eq!(
        kinds,
        [
            "Allocate",
            "Create",
            "Length",
            "Read",
            "Rename",
            "Sync",
            "SyncFolder",
            "Truncate",
            "Write"
        ]
    );
}
