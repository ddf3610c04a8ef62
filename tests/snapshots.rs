//! A store as it was at a commit: taken now, found again by its seqno, opened at it.

use std::path::Path;

use arraylog::{Error, Mode, Store};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::open;

/// Everything that a store shows, and the versions of two keys.
type Shown = Vec<(String, Vec<(String, String)>, u64, Vec<u64>)>;

fn shown(store: &Store) -> Shown {
    let mut shown = Vec::new();
    for collection in store.collections().expect("listed") {
        for name in store.partitions(&collection).expect("listed") {
            let part = store
                .existing_partition(&collection, &name)
                .expect("a partition");
            let entries = part.entries().expect("listed").map(|entry| {
                let entry = entry.expect("read");
                let value = entry.value().expect("a value");
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                (text(entry.key()), text(&value))
            });
            let entries: Vec<_> = entries.collect();
            for (key, value) in &entries {
                let found = part.get(key).expect("read").expect("a value");
                assert_eq!(*found, *value.as_bytes(), "{key}");
            }
            let versions = ["0", "1"].iter().flat_map(|key| {
                let versions = part.history(key).expect("listed");
                versions.map(|version| version.expect("read").version.into())
            });
            let versions = versions.collect();
            let len = part.len().expect("counted");
            shown.push((format!("{collection}/{name}"), entries, len, versions));
        }
    }
    shown
}

/// Writes at random, with checkpoints in between; what was shown after each commit.
fn write(path: &Path, seed: u64) -> Vec<Shown> {
    let mut random = StdRng::seed_from_u64(seed);
    let store = open(path, Mode::Append).expect("opened");
    let mut states = vec![shown(&store)];
    while states.len() < 60 {
        let name = if random.random() { "p" } else { "q" };
        let part = store.partition("c", name).expect("a partition");
        let key = random.random_range(0..6).to_string();
        match random.random_range(0..12) {
            0 | 1 => {
                part.remove(&key).expect("removed");
            }
            2 => {
                part.clear().expect("cleared");
            }
            3 if states.len() > 20 => {
                store.drop_partition("c", name).expect("dropped");
            }
            4 => {
                store.checkpoint().expect("saved");
            }
            _ => {
                part.put(&key, format!("{}", states.len())).expect("stored");
            }
        }
        if store.seqno() as usize == states.len() {
            states.push(shown(&store));
        }
        assert_eq!(
            store.seqno() as usize + 1,
            states.len(),
            "one commit a step"
        );
    }
    store.close().expect("closed");
    states
}

#[test]
fn every_commit_is_found_again_as_it_was() {
    for seed in 0..8 {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.alog");
        let states = write(&path, seed);
        let reader = open(&path, Mode::Read).expect("opened");
        for (seqno, state) in states.iter().enumerate() {
            let at = seqno as u64;
            let snapshot = reader.at(at).expect("a snapshot");
            assert_eq!(snapshot.seqno(), at);
            assert_eq!(shown(&snapshot), *state, "seed {seed}, at({seqno})");
            let opened = Store::options().at(at).open(&path).expect("opened");
            assert_eq!(opened.seqno(), at);
            assert_eq!(shown(&opened), *state, "seed {seed}, opened at {seqno}");
        }
    }
}

#[test]
fn a_store_opened_at_a_commit_stays_there_until_it_is_refreshed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    for seed in 0..4 {
        let _ = std::fs::remove_file(&path);
        let states = write(&path, seed);
        for (seqno, state) in states.iter().enumerate() {
            let opened = Store::options()
                .at(seqno as u64)
                .open(&path)
                .expect("opened");
            assert_eq!(shown(&opened), *state, "seed {seed} at {seqno}");
            let newer = seqno + 1 < states.len();
            assert_eq!(opened.refresh().expect("refreshed"), newer);
            assert_eq!(
                Some(&shown(&opened)),
                states.last(),
                "seed {seed} from {seqno}"
            );
            assert!(!opened.refresh().expect("refreshed"));
        }
    }
}

#[test]
fn a_snapshot_stays_as_it_was_while_writing_goes_on_and_after_closing() {
    let store = Store::memory().expect("made");
    let part = store.partition("c", "p").expect("a partition");
    part.put("0", "first").expect("stored");
    let before = shown(&store);
    let snapshot = store.snapshot().expect("a snapshot");
    part.put("0", "second").expect("stored");
    part.put("1", "new").expect("stored");
    store
        .partition("d", "q")
        .expect("a partition")
        .put("k", "")
        .expect("stored");
    assert_eq!(shown(&snapshot), before);
    store.drop_collection("c").expect("dropped");
    store.close().expect("closed");
    assert_eq!(shown(&snapshot), before);
    assert!(!snapshot.refresh().expect("refreshed"));
    let part = snapshot.partition("c", "p").expect("a partition");
    let refused = part.put("0", "third").expect_err("refused");
    assert!(matches!(refused, Error::ReadOnly { .. }), "{refused}");
}

#[test]
fn a_commit_that_is_not_there_is_refused_with_the_newest() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let store = open(&path, Mode::Append).expect("opened");
    store
        .default_partition()
        .expect("a partition")
        .put("k", "v")
        .expect("stored");
    for error in [
        store.at(2).expect_err("refused"),
        Store::options().at(2).open(&path).expect_err("refused"),
    ] {
        assert_eq!(error.kind(), "invalid");
        assert!(error.to_string().contains("newest commit"), "{error}");
    }
    assert_eq!(store.at(1).expect("a snapshot").seqno(), 1);
    assert_eq!(
        Store::options().at(1).open(&path).expect("opened").seqno(),
        1
    );
}

#[test]
fn only_a_reader_opens_at_a_commit() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    open(&path, Mode::Append)
        .expect("opened")
        .close()
        .expect("closed");
    for mode in [
        Mode::ReadWrite,
        Mode::Append,
        Mode::Replace,
        Mode::CreateNew,
    ] {
        let error = Store::options()
            .mode(mode)
            .at(0)
            .open(&path)
            .expect_err("refused");
        assert_eq!(error.kind(), "invalid", "{mode:?}: {error}");
    }
    Store::options()
        .mode(Mode::Read)
        .at(0)
        .open(&path)
        .expect("opened");
}
