//! Readers of other processes.

use std::path::Path;
use std::time::{Duration, Instant};

use arraylog::{Mode, OpenOptions, Store};
use support::dump::dump;
use support::process::Actor;

use super::*;

#[test]
fn a_reader_in_another_process_goes_on_with_the_next_generation() {
    let (_folder, path) = folder();
    let words = ["compact-and-write", path.to_str().expect("UTF-8"), "0"];
    let mut actor = Actor::start(ACTOR, &words).expect("started");
    actor.line().expect("read").expect("a line");
    let stores = [
        support::open(&path, Mode::Read).expect("opens"),
        OpenOptions::new().open(&path).expect("opens"),
    ];
    let parts = stores
        .each_ref()
        .map(|store| store.partition("c", "p").expect("there"));
    let snapshot = stores[0].snapshot().expect("taken");
    let before = dump(&snapshot).expect("read");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        let said: u64 = actor
            .line()
            .expect("read")
            .expect("a line")
            .parse()
            .expect("a number");
        for (store, part) in stores.iter().zip(&parts) {
            store.refresh().expect("refreshed");
            let found = part.get("counted").expect("read").expect("there");
            let found = u64::from_le_bytes(found[..].try_into().expect("eight bytes"));
            assert!(found >= said, "{found}, acknowledged {said}");
            assert_eq!(part.len().expect("counted"), 201);
        }
    }
    actor.kill().expect("killed");
    assert!(dump(&snapshot).expect("read") == before);
    for store in &stores {
        store.refresh().expect("refreshed");
        assert!(store.generation() > 1);
        assert_eq!(store.generation(), arraylog_generation(&path));
    }
}

#[test]
fn a_follower_in_another_process_goes_on_with_the_next_generation_by_itself() {
    let (_folder, path) = folder();
    let words = ["compact-and-write", path.to_str().expect("UTF-8"), "0"];
    let mut actor = Actor::start(ACTOR, &words).expect("started");
    actor.line().expect("read").expect("a line");
    let options = OpenOptions::new().follow(true);
    let stores = [
        support::open_mapped(&options, &path).expect("opens"),
        options.open(&path).expect("opens"),
    ];
    let parts = stores
        .each_ref()
        .map(|store| store.partition("c", "p").expect("there"));
    let keys = parts[0].keys().expect("a walk");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        let said = actor.line().expect("read").expect("a line");
        let said: u64 = said.parse().expect("a number");
        for (store, part) in stores.iter().zip(&parts) {
            let found = part.get("counted").expect("read").expect("there");
            let found = u64::from_le_bytes(found[..].try_into().expect("eight bytes"));
            assert!(found >= said, "{found}, acknowledged {said}");
            assert_eq!(part.len().expect("counted"), 201);
            assert!(store.has_partition("c", "p").expect("read"));
        }
    }
    actor.kill().expect("killed");
    for (store, part) in stores.iter().zip(&parts) {
        assert_eq!(part.keys().expect("a walk").count(), 201);
        assert!(store.generation() > 1);
        assert_eq!(store.generation(), arraylog_generation(&path));
    }
    assert_eq!(keys.count(), 201, "a walk stays as it was made");
    // The twin: who does not follow stays until it refreshes.
    let fixed = support::open(&path, Mode::Read).expect("opens");
    let before = fixed.generation();
    compact(&support::open(&path, Mode::ReadWrite).expect("opens"));
    fixed.partition("c", "p").expect("there");
    assert_eq!(fixed.generation(), before);
    assert!(fixed.refresh().expect("refreshed"));
    assert_eq!(fixed.generation(), before + 1);
}

#[test]
fn a_follower_whose_path_was_given_to_another_store_is_told_by_each_lookup() {
    let (_folder, path) = folder();
    let writer = support::open(&path, Mode::Append).expect("opens");
    let part = writer.default_partition().expect("a partition");
    part.put("k", "mine").expect("stored");
    let options = OpenOptions::new().follow(true);
    for generation in 0..2 {
        let store = options.open(&path).expect("opens");
        let followed = store.default_partition().expect("there");
        let held = followed.get("k").expect("read");
        compact(&writer);
        part.put("more", generation.to_string()).expect("stored");
        assert!(followed.contains("more").expect("read"));
        assert_eq!(store.generation(), generation + 1);
        assert_eq!(held.as_deref(), Some(&b"mine"[..]));
    }
    let store = options.open(&path).expect("opens");
    let followed = store.default_partition().expect("there");
    compact(&writer);
    assert_eq!(followed.len().expect("counted"), 2);
    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).expect("moved");
    std::fs::copy(&aside, &path).expect("copied");
    writer.close().expect("closed");
    drop(support::open(&path, Mode::Replace).expect("opens"));
    // By another program nobody is told: the file is still the one that was followed.
    assert_eq!(followed.len().expect("counted"), 2);
    // By this one, at once.
    std::fs::rename(&aside, &path).expect("moved back");
    let other = support::open(&path, Mode::Replace).expect("opens");
    for _ in 0..2 {
        let error = followed.get("k").expect_err("told");
        assert_eq!(error.kind(), "replaced");
        assert!(error.to_string().contains("another store"), "{error}");
        assert_eq!(store.collections().expect_err("told").kind(), "replaced");
    }
    drop(other);
    store.close().expect("closed");
    assert_eq!(followed.len().expect_err("closed").kind(), "closed");
}

#[test]
fn a_reader_whose_file_is_replaced_removed_or_cut_is_told_and_keeps_what_it_holds() {
    let (folder, path) = folder();
    let late = Duration::from_millis(1100);
    let make = |path: &Path, value: &str| {
        let store = support::open(path, Mode::Append).expect("opens");
        store
            .default_partition()
            .expect("a partition")
            .put("k", value)
            .expect("stored");
        store
    };
    make(&path, "mine").close().expect("closed");
    let old = folder.path().join("old");
    std::fs::copy(&path, &old).expect("copied");
    compact(&support::open(&path, Mode::ReadWrite).expect("opens"));
    let newer = folder.path().join("newer");
    std::fs::copy(&path, &newer).expect("copied");
    let reader = || OpenOptions::new().open(&path).expect("opens");
    let holds = |store: &Store| {
        let found = store
            .default_partition()
            .expect("there")
            .get("k")
            .expect("read");
        assert_eq!(found.as_deref(), Some(&b"mine"[..]));
    };
    let refused = |store: &Store, said: &str| {
        let error = store.refresh().expect_err("told");
        assert_eq!(error.kind(), "replaced");
        assert!(error.to_string().contains(said), "{error}");
        holds(store);
    };

    // Another store, by mode `w`: at once.
    let store = reader();
    let other = support::open(&path, Mode::Replace).expect("opens");
    refused(&store, "another store");
    drop(other);
    // By another program, an older generation, and nothing: a second later.
    std::fs::rename(&newer, &path).expect("renamed");
    let store = reader();
    std::fs::rename(&old, &path).expect("renamed");
    std::thread::sleep(late);
    refused(&store, "generation 0");
    let store = reader();
    std::fs::remove_file(&path).expect("removed");
    std::thread::sleep(late);
    refused(&store, "no file");

    make(&path, "mine").close().expect("closed");
    let store = reader();
    let value = store
        .default_partition()
        .expect("there")
        .get("k")
        .expect("read");
    let file = std::fs::File::options()
        .write(true)
        .open(&path)
        .expect("opens");
    file.set_len(len(&path) - 8).expect("cut");
    std::thread::sleep(late);
    assert_eq!(store.refresh().expect_err("cut").kind(), "corrupt");
    assert_eq!(value.as_deref(), Some(&b"mine"[..]));
}
