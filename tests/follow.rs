//! Readers that see what is committed meanwhile at every lookup.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use arraylog::{AttrValue, Error, Mode, OpenOptions, Store};

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    (folder, path)
}

fn following() -> OpenOptions {
    OpenOptions::new().follow(true)
}

/// A reader that follows, through a map and by calls.
fn both(path: &Path) -> [Store; 2] {
    [
        support::open_mapped(&following(), path).expect("opens"),
        following().open(path).expect("opens"),
    ]
}

#[test]
fn every_kind_of_lookup_sees_what_was_committed_before_it() {
    let (_folder, path) = folder();
    let writer = support::open(&path, Mode::Append).expect("made");
    let part = writer.partition("c", "p").expect("partition");
    part.put("first", "0").expect("stored");
    let fixed = support::open(&path, Mode::Read).expect("opens");
    let stays = fixed.partition("c", "p").expect("there");
    for (round, store) in (1u64..).zip(both(&path)) {
        let follower = store.partition("c", "p").expect("there");
        let key = format!("key {round}");
        let other = format!("c {round}");
        let write = |value: u64| part.put(&key, value.to_le_bytes()).expect("stored");
        let bytes = |value: u64| value.to_le_bytes();

        write(1);
        let found = follower.get(&key).expect("read");
        assert_eq!(found.as_deref(), Some(&bytes(1)[..]));
        write(2);
        let found = follower.entry(&key).expect("read").expect("there");
        assert_eq!(&*found.value().expect("a value"), &bytes(2)[..]);
        write(3);
        let found = follower.get_many(&[&key]).expect("read");
        assert_eq!(found[0].as_deref(), Some(&bytes(3)[..]));
        write(4);
        let versions = follower.history(&key).expect("walk").count();
        assert_eq!(versions, 4);
        part.remove("first").expect("removed");
        assert!(!follower.contains("first").expect("read"));
        part.put("first", "again").expect("stored");
        assert_eq!(follower.len().expect("counted"), 1 + round);
        part.put("more", "").expect("stored");
        assert_eq!(follower.keys().expect("walk").count() as u64, 2 + round);
        part.remove("more").expect("removed");

        let new = writer.partition(&other, "p").expect("partition");
        new.put("key", "1").expect("stored");
        assert!(store.has_collection(&other).expect("read"));
        writer
            .partition(&other, "q")
            .and_then(|q| q.put("key", "1"))
            .expect("stored");
        assert!(store.has_partition(&other, "q").expect("read"));
        writer
            .partition(&other, "r")
            .and_then(|r| r.put("key", "1"))
            .expect("stored");
        assert_eq!(store.partitions(&other).expect("listed").len(), 3);
        writer
            .partition("d", &other)
            .and_then(|d| d.put("key", "1"))
            .expect("stored");
        assert!(
            store
                .collections()
                .expect("listed")
                .contains(&"d".to_owned())
        );
        writer
            .update_attrs(|attrs| {
                attrs.set("round", AttrValue::UInt64(round));
            })
            .expect("set");
        let attrs = store.attrs().expect("read");
        assert_eq!(attrs.get("round"), Some(&AttrValue::UInt64(round)));
        write(5);
        assert_eq!(store.info().expect("open").seqno, writer.seqno());
        write(6);
        assert_eq!(store.snapshot().expect("snapshot").seqno(), writer.seqno());
    }
    // The twin: who does not follow sees nothing of it.
    assert_eq!(stays.len().expect("counted"), 1);
    assert_eq!(fixed.collections().expect("listed"), ["c"]);
    assert!(fixed.refresh().expect("refreshed"));
    assert!(!fixed.refresh().expect("refreshed"));
    assert_eq!(stays.len().expect("counted"), 3);
}

#[test]
fn walks_readers_and_snapshots_of_a_follower_stay_as_they_were_made() {
    let (_folder, path) = folder();
    let writer = support::open(&path, Mode::Append).expect("made");
    let part = writer.default_partition().expect("partition");
    part.put("a", "1").expect("stored");
    let [store, _] = both(&path);
    let follower = store.default_partition().expect("there");
    let (keys, reader) = (
        follower.keys().expect("walk"),
        follower.reader().expect("mapped"),
    );
    let snapshot = store.snapshot().expect("snapshot");
    let fixed = snapshot.default_partition().expect("there");
    part.put("a", "2").expect("stored");
    part.put("b", "1").expect("stored");
    assert_eq!(follower.len().expect("counted"), 2);
    assert_eq!(keys.count(), 1);
    assert_eq!(reader.get("a").expect("read"), Some(&b"1"[..]));
    assert_eq!(fixed.get("a").expect("read").as_deref(), Some(&b"1"[..]));
    assert_eq!(fixed.len().expect("counted"), 1);
}

#[test]
fn a_follower_sees_partitions_go_and_come_back() {
    let (_folder, path) = folder();
    let writer = support::open(&path, Mode::Append).expect("made");
    let part = writer.partition("c", "p").expect("partition");
    part.put("a", "1").expect("stored");
    for store in both(&path) {
        let follower = store.partition("c", "p").expect("there");
        assert!(writer.drop_partition("c", "p").expect("dropped"));
        assert_eq!(follower.get("a").expect("read"), None);
        assert!(matches!(
            store.partition("c", "p"),
            Err(Error::NotFound { .. })
        ));
        part.put("a", "1").expect("stored");
        assert_eq!(follower.get("a").expect("read").as_deref(), Some(&b"1"[..]));
        assert_eq!(follower.len().expect("counted"), 1);
    }
}

#[test]
fn threads_that_follow_see_whole_batches_and_never_go_back() {
    let (_folder, path) = folder();
    let writer = support::open(&path, Mode::Append).expect("made");
    let commit = |number: u64| {
        let batch = writer.batch().expect("batch");
        let part = batch.partition("c", "p").expect("partition");
        for key in ["a", "b"] {
            part.put(key, number.to_le_bytes()).expect("staged");
        }
        part.put(number.to_le_bytes(), "").expect("staged");
        batch.commit().expect("committed");
    };
    commit(0);
    let done = AtomicBool::new(false);
    let [mapped, copying] = both(&path);
    std::thread::scope(|scope| {
        for store in [&mapped, &mapped, &copying] {
            let done = &done;
            scope.spawn(move || {
                let part = store.partition("c", "p").expect("there");
                let mut last = 0;
                while !done.load(Ordering::Acquire) {
                    let found = part.get_many(&["a", "b"]).expect("read");
                    assert_eq!(found[0].as_deref(), found[1].as_deref(), "half a batch");
                    let bytes = found[0].as_deref().expect("there");
                    let number = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
                    assert!(number >= last, "{number} after {last}");
                    assert!(part.contains(number.to_le_bytes()).expect("read"));
                    last = number;
                }
            });
        }
        for number in 1..2000 {
            commit(number);
            if number % 500 == 0 {
                writer.checkpoint().expect("saved");
            }
        }
        done.store(true, Ordering::Release);
    });
    for store in [&mapped, &copying] {
        let part = store.partition("c", "p").expect("there");
        assert_eq!(part.len().expect("counted"), 2002);
    }
}

#[test]
fn a_live_page_that_outlived_its_log_is_no_damage_to_who_follows() {
    let (folder, path) = folder();
    let writer = support::open(&path, Mode::Append).expect("made");
    let part = writer.default_partition().expect("partition");
    for number in 0..10u32 {
        part.put(number.to_le_bytes(), [7; 100]).expect("stored");
    }
    // As after a loss of power that kept the page and lost the end of the log.
    let mut bytes = std::fs::read(&path).expect("read");
    let end = writer.info().expect("open").file_bytes as usize;
    bytes.truncate(end - 50);
    let torn = folder.path().join("torn.alog");
    std::fs::write(&torn, bytes).expect("written");
    for store in both(&torn) {
        let part = store.default_partition().expect("there");
        for _ in 0..3 {
            assert_eq!(part.len().expect("counted"), 9);
            assert!(part.contains(8u32.to_le_bytes()).expect("read"));
            assert!(!store.refresh().expect("nothing new"));
        }
    }
    // And who writes to it next is followed.
    let [store, _] = both(&torn);
    let follower = store.default_partition().expect("there");
    let writer = support::open(&torn, Mode::ReadWrite).expect("opens");
    let part = writer.default_partition().expect("partition");
    part.put("new", "").expect("stored");
    assert!(follower.contains("new").expect("read"));
}
