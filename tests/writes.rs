//! Writes with a condition, and removal of many keys.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use arraylog::{ArraySpec, Attrs, Condition, Error, Mode, Partition, Result, Store, Version};
use support::open;

fn version(part: &Partition, key: &str) -> Version {
    part.entry(key).expect("read").expect("there").version()
}

fn value(part: &Partition, key: &str) -> Option<Vec<u8>> {
    part.get(key).expect("read").map(|value| value.to_vec())
}

/// The key, expectation and finding of a conflict.
fn conflict<T: std::fmt::Debug>(result: Result<T>) -> (String, String, String) {
    match result {
        Err(Error::Conflict {
            key,
            expected,
            found,
        }) => (key, expected, found),
        other => panic!("no conflict: {other:?}"),
    }
}

#[test]
fn of_threads_that_put_an_absent_key_exactly_one_wins() {
    const KEYS: u32 = 1000;
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    let barrier = Arc::new(Barrier::new(2));
    let run = |name: &'static str| {
        let (part, barrier) = (part.clone(), Arc::clone(&barrier));
        thread::spawn(move || -> Vec<u32> {
            let won = |key: &u32| {
                barrier.wait();
                match part.put_if(key.to_le_bytes(), name, Condition::Absent) {
                    Ok(()) => true,
                    Err(Error::Conflict { .. }) => false,
                    Err(error) => panic!("{error}"),
                }
            };
            (0..KEYS).filter(won).collect()
        })
    };
    let threads = [("a", run("a")), ("b", run("b"))];
    let mut wins = 0;
    for (name, thread) in threads {
        for key in thread.join().expect("ends") {
            wins += 1;
            let value = part.get(key.to_le_bytes()).expect("read");
            assert_eq!(value.as_deref(), Some(name.as_bytes()), "key {key}");
        }
    }
    assert_eq!(wins, KEYS);
}

#[test]
fn a_counter_that_threads_raise_by_version_loses_no_step() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    part.put("n", 0u64.to_le_bytes()).expect("stored");
    let conflicts = AtomicU64::new(0);
    let raise = || {
        let entry = part.entry("n").expect("read").expect("there");
        let value = entry.value().expect("value");
        let number = u64::from_le_bytes(value[..].try_into().expect("eight bytes"));
        let condition = Condition::Version(entry.version());
        part.put_if("n", (number + 1).to_le_bytes(), condition)
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    while let Err(error) = raise() {
                        assert_eq!(error.kind(), "conflict");
                        conflicts.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let value = part.get("n").expect("read").expect("there");
    assert_eq!(*value, 1000u64.to_le_bytes(), "{conflicts:?} conflicts");
}

#[test]
fn put_write_and_remove_go_ahead_at_the_expected_version_and_at_no_other() {
    let store = Store::memory().expect("memory");
    let part = store.partition("c", "p").expect("partition");
    let array = || [("t", ArraySpec::from_slice(&[1.0f32, 2.0]))];
    let attrs = Attrs::new();

    // A partition that no write has made has nothing.
    let old = Condition::Version(Version::from(7));
    assert_eq!(
        conflict(part.put_if("k", "v", old)),
        ("k".into(), "version 7".into(), "no entry".into())
    );
    assert!(!part.remove_if("k", Condition::Absent).expect("absent"));
    part.put_if("k", "1", Condition::Absent).expect("absent");
    let first = version(&part, "k");
    let found = format!("version {first}");
    let there = conflict(part.put_if("k", "2", Condition::Absent));
    assert_eq!(there, ("k".into(), "no entry".into(), found));

    part.write_if("k", &array(), &attrs, Condition::Version(first))
        .expect("the version that is there");
    let second = version(&part, "k");
    assert_ne!(first, second);
    for condition in [Condition::Absent, Condition::Version(first)] {
        conflict(part.put_if("k", "2", condition));
        conflict(part.write_if("k", &array(), &attrs, condition));
        conflict(part.remove_if("k", condition));
    }
    assert_eq!(version(&part, "k"), second);

    let removed = part.remove_if("k", Condition::Version(second));
    assert!(removed.expect("the version that is there"));
    conflict(part.remove_if("k", Condition::Version(second)));
    part.put_if("k", "3", Condition::Absent).expect("removed");
    assert_eq!(value(&part, "k").as_deref(), Some(&b"3"[..]));
}

#[test]
fn a_version_holds_after_the_store_was_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let store = open(&path, Mode::Append).expect("opened");
    let part = store.default_partition().expect("partition");
    part.put("k", "1").expect("stored");
    let first = version(&part, "k");
    store.close().expect("closed");
    drop((store, part));

    let store = open(&path, Mode::ReadWrite).expect("opened");
    let part = store.default_partition().expect("partition");
    let kept = Version::from(u64::from(first));
    part.put_if("k", "2", Condition::Version(kept))
        .expect("the same version");
    conflict(part.put_if("k", "3", Condition::Version(kept)));
}

#[test]
fn a_batch_with_a_condition_that_fails_stores_nothing_of_it() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    part.put("a", "1").expect("stored");
    let first = Condition::Version(version(&part, "a"));
    let fill = || {
        let batch = store.batch().expect("batch");
        let staged = batch.partition("default", "default").expect("partition");
        staged.put("other", "x").expect("staged");
        staged.put_if("a", "2", first).expect("staged");
        staged.put_if("b", "3", Condition::Absent).expect("staged");
        batch
    };

    let late = fill();
    fill().commit().expect("both hold");
    assert_eq!(value(&part, "a").as_deref(), Some(&b"2"[..]));
    assert!(part.remove("other").expect("removed"));

    let seqno = store.seqno();
    let (key, ..) = conflict(late.commit());
    assert_eq!((key.as_str(), store.seqno()), ("a", seqno));
    assert_eq!(value(&part, "other"), None);
    assert_eq!(part.len().expect("counted"), 2);
}

#[test]
fn a_batch_is_asked_about_its_own_writes_at_the_call() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    part.put("old", "1").expect("stored");
    let batch = store.batch().expect("batch");
    let staged = batch.partition("default", "default").expect("partition");
    staged
        .put_if("new", "1", Condition::Absent)
        .expect("staged");
    let (key, _, found) = conflict(staged.put_if("new", "2", Condition::Absent));
    assert_eq!((&*key, &*found), ("new", "a write of the same batch"));
    assert!(staged.remove("old").expect("staged"));
    let version = Condition::Version(version(&part, "old"));
    conflict(staged.put_if("old", "2", version));
    staged
        .put_if("old", "3", Condition::Absent)
        .expect("removed above");
    batch.commit().expect("committed");
    assert_eq!(value(&part, "new").as_deref(), Some(&b"1"[..]));
    assert_eq!(value(&part, "old").as_deref(), Some(&b"3"[..]));
}

#[test]
fn a_batch_removes_and_requires_by_version() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    for key in ["source", "gone"] {
        part.put(key, "1").expect("stored");
    }
    let [source, gone] = ["source", "gone"].map(|key| Condition::Version(version(&part, key)));
    let fill = || {
        let batch = store.batch().expect("batch");
        let staged = batch.partition("default", "default").expect("partition");
        staged.require("source", source).expect("staged");
        let there = staged.remove_if("gone", gone).expect("staged");
        let absent = staged.remove_if("nothing", Condition::Absent);
        assert!(!absent.expect("staged"));
        staged.put("derived", "2").expect("staged");
        (batch, there)
    };
    let ((first, there), (second, _), (third, _)) = (fill(), fill(), fill());
    assert!(there);
    part.put("nothing", "").expect("stored");
    let (key, ..) = conflict(first.commit());
    assert_eq!(key, "nothing");
    part.remove("nothing").expect("removed");
    second.commit().expect("all hold");
    assert_eq!(value(&part, "derived").as_deref(), Some(&b"2"[..]));
    assert_eq!(value(&part, "gone"), None);
    let (key, ..) = conflict(third.commit());
    assert_eq!(key, "gone");

    let batch = store.batch().expect("batch");
    let staged = batch.partition("default", "default").expect("partition");
    staged.require("source", Condition::Absent).expect("staged");
    conflict(batch.commit());
}

#[test]
fn a_condition_on_a_partition_that_the_batch_makes_is_absence() {
    let store = Store::memory().expect("memory");
    let batch = || {
        let batch = store.batch().expect("batch");
        let staged = batch.partition("c", "new").expect("partition");
        staged.put_if("k", "1", Condition::Absent).expect("staged");
        batch
    };
    let (first, second) = (batch(), batch());
    first.commit().expect("absent");
    conflict(second.commit());
}

#[test]
fn many_keys_are_removed_in_one_commit_and_absent_ones_passed_over() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    assert_eq!(part.remove_many(&["a"]).expect("nothing"), 0);
    for key in ["a", "b", "c"] {
        part.put(key, "v").expect("stored");
    }
    let seqno = store.seqno();
    let keys = ["a", "absent", "c", "a"];
    assert_eq!(part.remove_many(&keys).expect("removed"), 2);
    assert_eq!(store.seqno(), seqno + 1);
    assert_eq!(part.len().expect("counted"), 1);
    assert!(part.contains("b").expect("read"));
    assert_eq!(part.remove_many(&keys).expect("nothing"), 0);
    assert_eq!(store.seqno(), seqno + 1, "nothing was committed");
    let error = part.remove_many(&[vec![0; 65_536]]).expect_err("long");
    assert_eq!(error.kind(), "invalid");
}
