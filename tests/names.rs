//! Collections and partitions as a whole: made, listed, dropped, renamed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use arraylog::{AttrValue, Attrs, Error, PartitionOptions, Store, What};
use support::{append, here_and_reopened, read};

fn put(store: &Store, collection: &str, partition: &str, key: &str, value: &str) {
    let part = store.partition(collection, partition).expect("partition");
    part.put(key, value).expect("stored");
}

fn get(store: &Store, collection: &str, partition: &str, key: &str) -> Option<Vec<u8>> {
    let part = store.existing_partition(collection, partition).ok()?;
    part.get(key).expect("read").map(|value| value.to_vec())
}

#[test]
fn a_dropped_partition_is_gone_at_once_and_after_reopening() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    put(&store, "c", "gone", "k", "1");
    put(&store, "c", "stays", "k", "2");
    let held = store.partition("c", "gone").expect("partition");
    let view = held.get("k").expect("read").expect("there");
    let entry = held.entry("k").expect("read").expect("there");
    let mut keys = held.keys().expect("listed");
    let before = store.info().expect("open").file_bytes;
    assert!(store.drop_partition("c", "gone").expect("dropped"));
    assert!(store.info().expect("open").file_bytes - before < 200);
    assert!(!store.drop_partition("c", "gone").expect("absent"));
    assert!(!store.drop_partition("none", "gone").expect("absent"));
    assert_eq!(held.get("k").expect("read"), None);
    assert_eq!(held.len().expect("counted"), 0);
    assert!(!held.contains("k").expect("read"));
    assert!(!held.remove("k").expect("absent"));
    assert_eq!(held.clear().expect("nothing"), 0);
    assert_eq!(held.keys().expect("listed").count(), 0);
    assert!(
        held.reader()
            .expect("mapped")
            .get("k")
            .expect("read")
            .is_none()
    );
    // What was taken before stays.
    assert_eq!(&*view, b"1");
    assert_eq!(&*entry.value().expect("value"), b"1");
    assert_eq!(keys.next().expect("one").expect("read"), b"k");
    here_and_reopened(store, &path, |store| {
        assert_eq!(store.partitions("c").expect("listed"), ["stays"]);
        assert_eq!(get(store, "c", "gone", "k"), None);
        assert_eq!(get(store, "c", "stays", "k").as_deref(), Some(&b"2"[..]));
        assert!(!store.has_partition("c", "gone").expect("looked up"));
        assert!(store.has_partition("c", "stays").expect("looked up"));
        let listed = store.info().expect("open").partitions;
        assert_eq!(listed.len(), 1);
        match store.existing_partition("c", "stay") {
            Err(Error::NotFound {
                what: What::Partition,
                hint,
                ..
            }) => assert_eq!(hint.as_deref(), Some("stays")),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_write_through_a_handle_of_a_dropped_partition_makes_a_new_one() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    put(&store, "c", "p", "old", "1");
    let held = store.partition("c", "p").expect("partition");
    assert_eq!(held.len().expect("counted"), 1);
    for round in ["first", "second"] {
        assert!(store.drop_partition("c", "p").expect("dropped"));
        held.put(round, "2").expect("stored");
        assert_eq!(held.len().expect("counted"), 1);
        assert_eq!(held.get("old").expect("read"), None);
        assert_eq!(held.get(round).expect("read").as_deref(), Some(&b"2"[..]));
        held.rename(round, "renamed", false).expect("renamed");
        assert!(held.remove("renamed").expect("removed"));
        held.put(round, "2").expect("stored");
    }
    here_and_reopened(store, &path, |store| {
        assert_eq!(get(store, "c", "p", "old"), None);
        assert_eq!(get(store, "c", "p", "first"), None);
        assert_eq!(get(store, "c", "p", "second").as_deref(), Some(&b"2"[..]));
        assert_eq!(store.info().expect("open").partitions[0].entries, 1);
    });
}

#[test]
fn a_dropped_collection_takes_its_partitions_along_and_none_of_a_new_one() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    for number in 0..50 {
        put(&store, "gone", &format!("p{number}"), "k", "old");
        put(&store, "stays", &format!("p{number}"), "k", "kept");
    }
    let held = store.partition("gone", "p7").expect("partition");
    assert_eq!(held.len().expect("counted"), 1);
    let before = store.info().expect("open").file_bytes;
    assert!(store.drop_collection("gone").expect("dropped"));
    assert!(store.info().expect("open").file_bytes - before < 200);
    assert!(!store.drop_collection("gone").expect("absent"));
    assert_eq!(held.len().expect("counted"), 0);
    assert_eq!(store.collections().expect("listed"), ["stays"]);
    assert_eq!(
        store.partitions("gone").expect_err("absent").kind(),
        "not-found"
    );
    held.put("new", "1").expect("stored");
    here_and_reopened(store, &path, |store| {
        assert_eq!(store.collections().expect("listed"), ["stays", "gone"]);
        assert_eq!(store.partitions("gone").expect("listed"), ["p7"]);
        assert_eq!(store.partitions("stays").expect("listed").len(), 50);
        assert_eq!(get(store, "gone", "p7", "k"), None);
        assert_eq!(get(store, "gone", "p8", "k"), None);
        assert_eq!(get(store, "gone", "p7", "new").as_deref(), Some(&b"1"[..]));
        assert_eq!(store.info().expect("open").partitions.len(), 51);
    });
}

#[test]
fn a_renamed_partition_keeps_entries_attributes_and_alignment() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    let attrs: Attrs = [("lat", AttrValue::Float32(1.5))].into_iter().collect();
    let options = PartitionOptions::new().align(4096).attrs(attrs.clone());
    let old = store.create_partition("a", "p", &options).expect("made");
    old.put("k", "1").expect("stored");
    put(&store, "a", "other", "k", "2");
    store.rename_partition("a", "p", "b", "q").expect("moved");
    assert_eq!(old.len().expect("counted"), 0);
    assert_eq!(old.attrs().expect("read"), Attrs::new());
    let new = store.partition("b", "q").expect("partition");
    new.put("wide", [1; 300]).expect("stored");
    // Back and forth, so that a name is used again.
    store.rename_partition("b", "q", "a", "p").expect("moved");
    store
        .rename_partition("a", "p", "a", "p")
        .expect("no change");
    store.rename_partition("a", "p", "b", "q").expect("moved");
    old.put("k", "another").expect("stored");
    here_and_reopened(store, &path, |store| {
        assert_eq!(store.partitions("a").expect("listed"), ["other", "p"]);
        assert_eq!(store.partitions("b").expect("listed"), ["q"]);
        assert_eq!(get(store, "b", "q", "k").as_deref(), Some(&b"1"[..]));
        assert_eq!(get(store, "a", "p", "k").as_deref(), Some(&b"another"[..]));
        let part = store.existing_partition("b", "q").expect("there");
        assert_eq!(part.attrs().expect("read"), attrs);
        let value = part.get("wide").expect("read").expect("there");
        assert_eq!(value.as_ptr() as usize % 4096, 0);
    });
}

#[test]
fn a_renamed_collection_keeps_its_partitions_and_attributes() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    put(&store, "old", "p", "k", "1");
    let attrs: Attrs = [("n", AttrValue::Int64(3))].into_iter().collect();
    store.set_collection_attrs("old", &attrs).expect("set");
    let held = store.partition("old", "p").expect("partition");
    assert_eq!(held.len().expect("counted"), 1);
    store.rename_collection("old", "new").expect("renamed");
    assert_eq!(held.len().expect("counted"), 0);
    put(&store, "new", "q", "k", "2");
    put(&store, "old", "p", "k", "3");
    here_and_reopened(store, &path, |store| {
        assert_eq!(store.collections().expect("listed"), ["new", "old"]);
        assert_eq!(store.partitions("new").expect("listed"), ["p", "q"]);
        assert_eq!(get(store, "new", "p", "k").as_deref(), Some(&b"1"[..]));
        assert_eq!(get(store, "old", "p", "k").as_deref(), Some(&b"3"[..]));
        assert_eq!(store.collection_attrs("new").expect("read"), attrs);
        assert_eq!(store.collection_attrs("old").expect("read"), Attrs::new());
    });
}

#[test]
fn a_partition_that_was_moved_does_not_go_with_its_old_collection() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    put(&store, "old", "p", "k", "1");
    put(&store, "old", "q", "k", "2");
    let reader = read(&path);
    let seen = reader.existing_partition("old", "p").expect("there");
    assert_eq!(seen.len().expect("counted"), 1);
    store
        .rename_partition("old", "p", "new", "p")
        .expect("moved");
    assert!(store.drop_collection("old").expect("dropped"));
    assert!(reader.refresh().expect("refreshed"));
    assert_eq!(seen.len().expect("counted"), 0);
    for store in [&store, &reader] {
        assert_eq!(store.collections().expect("listed"), ["new"]);
        assert_eq!(get(store, "new", "p", "k").as_deref(), Some(&b"1"[..]));
    }
    here_and_reopened(store, &path, |store| {
        assert_eq!(get(store, "new", "p", "k").as_deref(), Some(&b"1"[..]));
        assert_eq!(get(store, "old", "q", "k"), None);
    });
}

#[test]
fn taken_absent_and_impossible_names_are_refused_and_change_nothing() {
    let store = Store::memory().expect("memory");
    put(&store, "argo", "2024", "k", "1");
    put(&store, "argo", "2025", "k", "1");
    put(&store, "other", "2024", "k", "1");
    let seqno = store.seqno();
    let taken = |result: Result<(), Error>| {
        assert_eq!(result.expect_err("refused").kind(), "conflict");
    };
    taken(store.rename_partition("argo", "2024", "argo", "2025"));
    taken(store.rename_partition("argo", "2024", "other", "2024"));
    taken(store.rename_collection("argo", "other"));
    let none = PartitionOptions::new();
    taken(store.create_partition("argo", "2024", &none).map(drop));
    let absent = |result: Result<(), Error>, name: &str| {
        let error = result.expect_err("refused");
        assert_eq!(error.kind(), "not-found");
        assert!(error.to_string().contains(name), "{error}");
    };
    absent(
        store.rename_partition("argo", "2023", "a", "b"),
        "did you mean",
    );
    absent(store.rename_partition("arg", "2024", "a", "b"), "\"argo\"");
    absent(store.rename_collection("othr", "b"), "\"other\"");
    absent(store.collection_attrs("othr").map(drop), "\"other\"");
    for bad in ["", "a\0", &"x".repeat(256)] {
        let invalid = |result: Result<(), Error>| {
            assert_eq!(result.expect_err("refused").kind(), "invalid");
        };
        invalid(store.drop_partition("argo", bad).map(drop));
        invalid(store.drop_partition(bad, "2024").map(drop));
        invalid(store.drop_collection(bad).map(drop));
        invalid(store.rename_partition("argo", "2024", "argo", bad));
        invalid(store.rename_partition("argo", "2024", bad, "2024"));
        invalid(store.rename_collection("argo", bad));
        invalid(store.create_partition("argo", bad, &none).map(drop));
        invalid(store.set_collection_attrs(bad, &Attrs::new()));
    }
    assert_eq!(store.seqno(), seqno);
    // Longest names are taken.
    let long = "x".repeat(255);
    store.rename_collection("argo", &long).expect("renamed");
    store
        .rename_partition(&long, "2024", &long, &long)
        .expect("renamed");
    assert_eq!(store.partitions(&long).expect("listed"), [&long, "2025"]);
}

#[test]
fn a_store_that_only_reads_refuses_every_change_of_names() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    put(&store, "c", "p", "k", "1");
    let reader = read(&path);
    let part = reader.partition("c", "p").expect("there");
    let attrs = Attrs::new();
    for refused in [
        reader.drop_partition("c", "p").map(drop),
        reader.drop_collection("c").map(drop),
        reader.rename_partition("c", "p", "c", "q"),
        reader.rename_collection("c", "d"),
        reader
            .create_partition("c", "q", &PartitionOptions::new())
            .map(drop),
        reader.set_attrs(&attrs),
        reader.set_collection_attrs("c", &attrs),
        part.set_attrs(&attrs),
    ] {
        assert_eq!(refused.expect_err("refused").kind(), "read-only");
    }
    store.close().expect("closed");
    let closed = [
        store.drop_partition("c", "p").map(drop),
        store.attrs().map(drop),
        store.collection_attrs("c").map(drop),
    ];
    for refused in closed {
        assert_eq!(refused.expect_err("refused").kind(), "closed");
    }
}

#[test]
fn a_reader_sees_drops_and_renames_when_it_refreshes() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    for name in ["dropped", "renamed", "stays"] {
        put(&store, "c", name, "k", name);
    }
    put(&store, "d", "p", "k", "d");
    let reader = read(&path);
    let handle = |collection, name| reader.existing_partition(collection, name).expect("there");
    let (dropped, renamed) = (handle("c", "dropped"), handle("c", "renamed"));
    let (stays, other) = (handle("c", "stays"), handle("d", "p"));
    store.drop_partition("c", "dropped").expect("dropped");
    put(&store, "c", "dropped", "new", "1");
    store
        .rename_partition("c", "renamed", "c", "new")
        .expect("renamed");
    store.drop_collection("d").expect("dropped");
    assert_eq!(dropped.len().expect("counted"), 1);
    assert!(dropped.contains("k").expect("read"));
    assert!(renamed.contains("k").expect("read"));
    assert!(other.contains("k").expect("read"));
    assert!(reader.refresh().expect("refreshed"));
    assert!(!dropped.contains("k").expect("read"));
    assert!(dropped.contains("new").expect("read"));
    assert!(!renamed.contains("k").expect("read"));
    assert!(stays.contains("k").expect("read"));
    assert_eq!(other.len().expect("counted"), 0);
    assert_eq!(
        get(&reader, "c", "new", "k").as_deref(),
        Some(&b"renamed"[..])
    );
    put(&store, "c", "new", "more", "1");
    assert!(reader.refresh().expect("refreshed"));
    assert_eq!(get(&reader, "c", "new", "more").as_deref(), Some(&b"1"[..]));
    assert_eq!(reader.collections().expect("listed"), ["c"]);
}

#[test]
fn a_batch_in_preparation_follows_a_drop_and_a_rename_in_between() {
    let store = Store::memory().expect("memory");
    put(&store, "c", "dropped", "old", "1");
    put(&store, "c", "moved", "old", "1");
    put(&store, "c", "emptied", "old", "1");
    let batch = store.batch().expect("begun");
    let staged = |name| batch.partition("c", name).expect("partition");
    staged("dropped").put("new", "2").expect("staged");
    staged("dropped").remove("old").expect("staged");
    staged("moved").put("new", "2").expect("staged");
    assert!(staged("emptied").remove("old").expect("staged"));
    store.drop_partition("c", "dropped").expect("dropped");
    store.drop_partition("c", "emptied").expect("dropped");
    store
        .rename_partition("c", "moved", "c", "elsewhere")
        .expect("renamed");
    batch.commit().expect("committed");
    let names = store.partitions("c").expect("listed");
    assert_eq!(names, ["elsewhere", "dropped", "moved"]);
    for name in ["dropped", "moved"] {
        assert_eq!(get(&store, "c", name, "old"), None);
        assert_eq!(get(&store, "c", name, "new").as_deref(), Some(&b"2"[..]));
    }
    assert_eq!(get(&store, "c", "elsewhere", "new"), None);
    // A batch that only removes from what was dropped commits nothing.
    put(&store, "c", "emptied", "old", "1");
    let batch = store.batch().expect("begun");
    let emptied = batch.partition("c", "emptied").expect("partition");
    assert!(emptied.remove("old").expect("staged"));
    store.drop_partition("c", "emptied").expect("dropped");
    let seqno = store.seqno();
    assert_eq!(batch.commit().expect("nothing to do"), seqno);
    assert!(!store.has_partition("c", "emptied").expect("looked up"));
}

#[test]
fn readers_of_a_partition_that_is_dropped_and_made_again_see_one_life_at_a_time() {
    let store = Store::memory().expect("memory");
    let part = store.partition("c", "p").expect("partition");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut newest = 0;
                while !stop.load(Ordering::Acquire) {
                    let keys: Vec<Vec<u8>> = part
                        .keys()
                        .expect("listed")
                        .map(|key| key.expect("read"))
                        .collect();
                    let lives: BTreeSet<&[u8]> = keys.iter().map(|key| &key[..4]).collect();
                    assert!(lives.len() <= 1, "{keys:?}");
                    if let Some(life) = lives.first() {
                        let life = u32::from_le_bytes((*life).try_into().expect("four"));
                        assert!(life >= newest, "{life} after {newest}");
                        newest = life;
                    }
                }
            });
        }
        for life in 0..300u32 {
            for number in 0..3u8 {
                let mut key = life.to_le_bytes().to_vec();
                key.push(number);
                part.put(&key, "value").expect("stored");
                assert!(part.contains(&key).expect("read"));
            }
            assert_eq!(part.len().expect("counted"), 3);
            assert!(store.drop_partition("c", "p").expect("dropped"));
            assert!(part.is_empty().expect("counted"));
        }
        stop.store(true, Ordering::Release);
    });
}

#[test]
fn twenty_thousand_partitions_are_listed_and_found_in_the_order_first_written() {
    const COUNT: usize = 20_000;
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    let names: Vec<String> = (0..COUNT).map(|number| format!("p{number}")).collect();
    for names in names.chunks(1000) {
        let batch = store.batch().expect("begun");
        for name in names {
            let part = batch.partition("many", name).expect("partition");
            part.put("k", name).expect("staged");
        }
        batch.commit().expect("committed");
    }
    put(&store, "few", "p", "k", "1");
    let attrs: Attrs = [("a", AttrValue::Bool(true))].into_iter().collect();
    let first = store.partition("many", "p0").expect("partition");
    first.set_attrs(&attrs).expect("set");
    here_and_reopened(store, &path, |store| {
        assert_eq!(store.partitions("many").expect("listed"), names);
        assert_eq!(store.info().expect("open").partitions.len(), COUNT + 1);
        for name in &names {
            let found = get(store, "many", name, "k");
            assert_eq!(found.as_deref(), Some(name.as_bytes()));
        }
    });
    let store = append(&path);
    let started = std::time::Instant::now();
    assert!(store.drop_collection("many").expect("dropped"));
    assert!(started.elapsed().as_millis() < 1000);
    assert_eq!(store.collections().expect("listed"), ["few"]);
}
