//! What several processes see of one file: kills, locks, forks, followers.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arraylog::{Error, Mode, OpenOptions, Store};
use support::batches;
use support::process::Actor;

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    (folder, path)
}

fn actor(verb: &str, path: &Path, more: &[&str]) -> Actor {
    let words = [&[verb, path.to_str().expect("UTF-8")], more].concat();
    Actor::start(ACTOR, &words).expect("started")
}

fn line(actor: &mut Actor) -> String {
    actor.line().expect("read").expect("a line")
}

/// The number of the newest batch, which is whole.
fn newest_batch(store: &Store) -> u64 {
    let newest = batches::newest(store).unwrap_or_else(|wrong| panic!("{wrong}"));
    newest.expect("a batch")
}

#[test]
fn what_threads_said_was_durable_survives_a_kill_and_a_follower_had_seen_it() {
    let (_folder, path) = folder();
    for _ in 0..3 {
        let _ = std::fs::remove_file(&path);
        let mut writer = actor("synced-threads", &path, &[]);
        let mut said = vec![line(&mut writer)];
        let options = OpenOptions::new().follow(true);
        let follower = support::open_mapped(&options, &path).expect("opens");
        let seen = follower.default_partition().expect("there");
        for _ in 0..100 {
            let key = line(&mut writer);
            assert!(seen.contains(&key).expect("read"), "{key} was said");
            said.push(key);
        }
        said.extend(writer.kill().expect("killed"));
        let store = support::open(&path, Mode::Read).expect("opens");
        let part = store.default_partition().expect("there");
        for key in &said {
            assert!(part.contains(key).expect("read"), "{key} was said");
        }
        let walked = part.keys().expect("walk").count() as u64;
        assert_eq!(part.len().expect("counted"), walked);
        // Each of the threads may have committed one more.
        assert!((said.len()..=said.len() + 8).contains(&(walked as usize)));
    }
}

#[test]
fn a_reader_follows_a_writer_in_another_process_batch_by_batch() {
    let (_folder, path) = folder();
    let mut writer = actor("batches", &path, &["0", "500"]);
    line(&mut writer);
    let mapped = support::open(&path, Mode::Read).expect("opens");
    let copying = OpenOptions::new().open(&path).expect("opens");
    let mut last = [0; 2];
    let mut steps = 0;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        for (last, store) in last.iter_mut().zip([&mapped, &copying]) {
            let before = newest_batch(store);
            let moved = store.refresh().expect("refreshed");
            let newest = newest_batch(store);
            assert_eq!(moved, newest > before);
            assert!(newest >= *last);
            *last = newest;
            steps += u64::from(moved);
        }
        // Said after it was published.
        let said: u64 = line(&mut writer).parse().expect("a number");
        mapped.refresh().expect("refreshed");
        assert!(newest_batch(&mapped) >= said);
    }
    assert!(steps > 10, "{steps} steps");
    writer.kill().expect("killed");
    let opened = support::open(&path, Mode::Read).expect("opens");
    mapped.refresh().expect("refreshed");
    // The last one may have been written whole and not published when it was killed.
    let ahead = newest_batch(&opened) - newest_batch(&mapped);
    assert!(ahead <= 1, "{ahead} batches");
}

#[test]
fn opening_and_following_beside_a_writer_that_syncs_reports_no_damage() {
    let (_folder, path) = folder();
    let mut writer = actor("synced", &path, &[]);
    line(&mut writer);
    let start = Instant::now();
    let following = loop {
        // The first commit makes the partition.
        let store = support::open(&path, Mode::Read).expect("opens");
        if store.default_partition().is_ok() {
            break store;
        }
    };
    while start.elapsed() < Duration::from_secs(2) {
        following.refresh().expect("refreshed");
        support::open(&path, Mode::Read).expect("opens");
        OpenOptions::new().open(&path).expect("opens");
    }
    let said = writer.finish().expect("closed");
    let commits: u64 = said[0].parse().expect("a number");
    following.refresh().expect("refreshed");
    assert_eq!(following.seqno(), commits);
}

#[test]
fn a_second_writer_is_refused_here_and_elsewhere_and_told_who_writes() {
    let (_folder, path) = folder();
    let mut holder = actor("hold", &path, &[]);
    assert_eq!(line(&mut holder), "open");
    for mode in [Mode::ReadWrite, Mode::Append, Mode::Replace] {
        let error = support::open(&path, mode).expect_err("locked");
        assert!(matches!(error, Error::Locked { .. }), "{mode:?}: {error}");
        assert!(error.to_string().contains("held by process "), "{error}");
    }
    assert!(support::open(&path, Mode::CreateNew).is_err());
    // Readers are welcome.
    let reader = support::open(&path, Mode::Read).expect("opens");
    let part = reader.default_partition().expect("partition");
    assert!(part.contains("held").expect("read"));
    holder.finish().expect("ended");
    let store = support::open(&path, Mode::ReadWrite).expect("free");
    let said = actor("try", &path, &["a"]).finish().expect("ended");
    assert!(said[0].starts_with("locked: "), "{said:?}");
    let error = support::open(&path, Mode::Append).expect_err("locked");
    assert!(
        error.to_string().contains("held by this process"),
        "{error}"
    );
    store.close().expect("closed");
    let said = actor("try", &path, &["a"]).finish().expect("ended");
    assert_eq!(said, ["opened"]);
}

#[test]
fn the_lock_is_free_after_the_store_was_dropped_while_its_values_and_entries_live() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    part.put("key", "value").expect("stored");
    let entry = part.entry("key").expect("read").expect("there");
    let value = part.get("key").expect("read").expect("there");
    drop(store);
    // A partition is a handle of the store.
    assert!(matches!(
        support::open(&path, Mode::Append),
        Err(Error::Locked { .. })
    ));
    drop(part);
    let again = support::open(&path, Mode::Append).expect("free");
    again.close().expect("closed");
    let said = actor("try", &path, &["r+"]).finish().expect("ended");
    assert_eq!(said, ["opened"]);
    assert_eq!(&*value, b"value");
    assert_eq!(&*entry.value().expect("value"), b"value");
}

#[test]
fn a_fork_reads_and_neither_writes_nor_unlocks_nor_ends_the_store_of_its_parent() {
    let (_folder, path) = folder();
    let mut parent = actor("fork", &path, &[]);
    assert_eq!(line(&mut parent), "child Some(0)");
    assert_eq!(line(&mut parent), "unchanged true");
    assert_eq!(line(&mut parent), "ready");
    // The child dropped its store: the lock is the parent's all the same.
    assert!(matches!(
        support::open(&path, Mode::Append),
        Err(Error::Locked { .. })
    ));
    parent.finish().expect("ended");
    let store = support::open(&path, Mode::Read).expect("opens");
    assert!(store.recovery().clean);
    let part = store.default_partition().expect("partition");
    let value = part.get("key").expect("read");
    assert_eq!(value.as_deref(), Some(&b"parent again"[..]));
}

#[test]
fn a_fork_in_the_middle_of_a_commit_of_another_thread_is_refused_and_does_not_hang() {
    let (_folder, path) = folder();
    let said = actor("fork-while-writing", &path, &[])
        .finish()
        .expect("ended");
    assert_eq!(said, ["failed []"]);
    let store = support::open(&path, Mode::Read).expect("opens");
    assert!(store.recovery().clean);
}

#[test]
fn a_refresh_that_failed_half_way_can_be_repeated() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    part.put("a", "0").expect("stored");
    let following = OpenOptions::new().open(&path).expect("opens");
    for key in ["a", "b", "c", "d", "a"] {
        part.put(key, "1").expect("stored");
    }
    let end = store.info().expect("open").file_bytes;
    part.put("damaged", "1").expect("stored");
    drop((part, store));
    let good = std::fs::read(&path).expect("read");
    // Everything behind the file's identity and slots is read anew each time.
    let mut bad = good.clone();
    bad[end as usize + 45] ^= 1;
    std::fs::write(&path, &bad).expect("written");
    assert!(matches!(following.refresh(), Err(Error::Corrupt { .. })));
    std::fs::write(&path, &good).expect("restored");
    following.refresh().expect("whole again");
    let part = following.default_partition().expect("partition");
    let keys: Vec<_> = part
        .keys()
        .expect("listed")
        .map(|key| String::from_utf8(key.expect("read")).expect("text"))
        .collect();
    assert_eq!(keys, ["b", "c", "d", "a", "damaged"]);
    assert_eq!(part.len().expect("counted"), 5);
}

#[test]
fn recovery_reads_a_large_unsynced_value_a_few_times_and_not_once_per_block() {
    const LEN: u64 = 32 << 20;
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    part.put("large", vec![1; LEN as usize]).expect("stored");
    drop((part, store));
    let said = actor("count-reads", &path, &[]).finish().expect("ended");
    let counts: Vec<u64> = said.iter().flat_map(|count| count.parse()).collect();
    let [before, after] = *counts else {
        println!("skipped: no /proc/self/io to count with");
        return;
    };
    assert!(after - before > LEN, "the blocks are compared");
    assert!(after - before < 3 * LEN, "{} bytes", after - before);
}
