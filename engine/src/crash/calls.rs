//! Every call of the system on a real file failing in every way.

use std::collections::BTreeMap;
use std::path::Path;

use super::faults::REASONS;
use super::say;
use crate::options::{Durability, OpenOptions};
use crate::storage::Call;
use crate::storage::faults::{Fault, fail, recover};
use crate::store::Store;
use crate::{ArraySpec, Assignment, AttrValue, CompactOptions, Error, Kind, Mode, Selection, Span};

/// What is done while a call fails.
const DEEDS: [&str; 15] = [
    "open",
    "make",
    "region",
    "append",
    "resize",
    "assign",
    "arrays",
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

/// Key of the entry of one chunked array of numbers and an attribute.
const GRID: &str = "grid";

/// What that holds before, and after each deed that changes it.
const GRIDS: [(&str, &[i64], i64); 6] = [
    ("before", &[1; 70], 0),
    ("region", &[2; 70], 0),
    ("append", &[1; 170], 0),
    ("resize", &[1; 3], 0),
    ("assign", &[1; 70], 1),
    ("arrays", &[4; 200], 4),
];

/// Writes the entry whole, as it is after a deed.
fn write_grid(store: &Store, after: &str) -> Result<(), Error> {
    let found = GRIDS.into_iter().find(|(deed, ..)| *deed == after);
    let (_, numbers, number) = found.expect("one of them");
    let spec = ArraySpec::from_slice(numbers).chunks(&[32]);
    let mut attrs = crate::Attrs::new();
    attrs.set("number", AttrValue::Int64(number));
    store
        .partition("c", "p")?
        .write(GRID, &[("numbers", spec)], &attrs)
}

/// Does what changes the entry.
fn change_grid(store: &Store, deed: &str) -> Result<(), Error> {
    let part = store.partition("c", "p")?;
    match deed {
        "region" => {
            let all = Selection::new([Span::range(0..70)]);
            part.write_region(GRID, "numbers", &all, &ArraySpec::from_slice(&[2i64; 70]))
        }
        "append" => part.append(GRID, "numbers", 0, &ArraySpec::from_slice(&[1i64; 100])),
        "resize" => part.resize(GRID, "numbers", &[3]),
        "assign" => {
            let mut assignment = Assignment::default();
            assignment.attrs.set("number", AttrValue::Int64(1));
            part.assign(GRID, &assignment)
        }
        _ => write_grid(store, deed),
    }
}

/// Does it; the key that is there from here on.
fn attempt(store: &Store, path: &Path, deed: &str) -> Result<Option<&'static str>, Error> {
    if let Some((changed, ..)) = GRIDS.into_iter().find(|(changed, ..)| *changed == deed) {
        return change_grid(store, deed).map(|()| Some(changed));
    }
    match deed {
        "open" => append(path).map(|_| None),
        "make" => {
            let made = append(&path.with_extension("made"))?;
            put(&made, "first", 10, Durability::Buffered).map(|()| None)
        }
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
                let entry = entry?;
                match entry.kind() {
                    Kind::Value => drop(part.get(entry.key())?),
                    Kind::Arrays => drop(entry.array("numbers")?.read()?),
                }
            }
            Ok(None)
        }
    }
}

/// The keys that a store has, each with a value that tells its length; and of the entry of
/// arrays the deed after which it is so.
fn keys(store: &Store) -> Result<Vec<String>, Error> {
    let mut keys = Vec::new();
    for entry in store.partition("c", "p")?.entries()? {
        let entry = entry?;
        if entry.kind() == Kind::Arrays {
            let numbers = entry.array("numbers")?.read()?;
            let (numbers, attrs) = (numbers.view(), entry.attrs()?);
            let numbers: &[i64] = numbers.as_slice()?;
            let is_so = |(_, all, number): &(&str, &[i64], i64)| {
                *all == numbers && attrs.get("number") == Some(&AttrValue::Int64(*number))
            };
            let after = GRIDS.into_iter().find(is_so);
            let (after, ..) = after.expect("all as before or as after");
            keys.push(after.to_owned());
            continue;
        }
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
    let made = path.with_extension("made");
    for path in [&path, &made] {
        let _ = std::fs::remove_file(path);
    }
    let store = append(&path).expect("made");
    put(&store, "first", 200, Durability::Synced).expect("stored");
    put(&store, "second", 70_000, Durability::Buffered).expect("stored");
    write_grid(&store, "before").expect("stored");
    let mut held = ["before", "first", "second"].map(str::to_owned).to_vec();
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
            if GRIDS.iter().any(|grid| grid.0 == deed) {
                held.retain(|key| key != "before");
            }
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
            Ok(()) if failed == Call::Sync && !harmless && !["compact", "make"].contains(&deed) => {
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
    if deed == "make" {
        // Whatever there is of it.
        let made = append(&made).unwrap_or_else(|error| panic!("{what}: {failed:?}: {error}"));
        let names = std::fs::read_dir(folder).expect("listed");
        assert_eq!(
            names.count(),
            2,
            "{what}: {failed:?}: something is left beside it"
        );
        put(&made, "last", 20, Durability::Synced).expect("goes on");
    }
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
