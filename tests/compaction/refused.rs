//! Compactions that fail or are killed leave a whole store.

use std::time::Duration;

use arraylog::{CompactOptions, Mode, Store};
use support::process::Actor;

use super::*;

#[test]
fn a_store_that_takes_no_writes_is_not_compacted_and_says_why() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    store
        .default_partition()
        .expect("a partition")
        .put("k", "v")
        .expect("stored");
    let reader = support::open(&path, Mode::Read).expect("opens");
    let snapshot = store.snapshot().expect("taken");
    let refused = |store: &Store| {
        let error = store.compact(&CompactOptions::new()).expect_err("refused");
        error.kind()
    };
    assert_eq!(refused(&reader), "read-only");
    assert_eq!(refused(&snapshot), "read-only");
    store.close().expect("closed");
    assert_eq!(refused(&store), "closed");
    assert_eq!(others(&path), Vec::<String>::new());
    let store = support::open(&path, Mode::ReadWrite).expect("opens");
    compact(&store);
}

#[test]
fn a_path_that_names_another_file_is_left_alone() {
    let (folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    let part = store.default_partition().expect("a partition");
    part.put("k", "v").expect("stored");
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(&path, &elsewhere).expect("moved");
    let refused = || store.compact(&CompactOptions::new()).expect_err("refused");
    assert_eq!(refused().kind(), "replaced");
    std::fs::write(&path, "mine").expect("written");
    assert_eq!(refused().kind(), "replaced");
    assert_eq!(std::fs::read(&path).expect("read"), b"mine");
    std::fs::rename(&elsewhere, &path).expect("moved back");
    part.put("k", "w").expect("stored");
    compact(&store);
    assert_eq!(part.get("k").expect("read").as_deref(), Some(&b"w"[..]));
}

#[test]
fn a_link_to_a_store_stays_a_link() {
    let (folder, path) = folder();
    drop(support::open(&path, Mode::Append).expect("opens"));
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).expect("linked");
    let store = support::open(&link, Mode::ReadWrite).expect("opens");
    store
        .default_partition()
        .expect("a partition")
        .put("k", "v")
        .expect("stored");
    compact(&store);
    assert!(
        std::fs::symlink_metadata(&link)
            .expect("there")
            .is_symlink()
    );
    assert_eq!(arraylog_generation(&path), 1);
}

#[test]
fn a_damaged_entry_is_named_and_the_old_file_stays() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    let part = store.partition("c", "p").expect("a partition");
    for number in 0..20u32 {
        part.put(format!("key {number}"), vec![number as u8; 100_000])
            .expect("stored");
    }
    store.close().expect("closed");
    drop((part, store));
    let mut bytes = std::fs::read(&path).expect("read");
    let at = bytes.windows(1000).position(|window| window == [13; 1000]);
    let at = at.expect("stored") + 70_000;
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    for copying in [false, true] {
        let (store, said) = refused_as_damaged(&path, "p", copying);
        assert!(said.contains("key 13"), "{said}");
        let part = store.partition("c", "p").expect("there");
        assert!(part.get("key 12").expect("read").is_some());
        if copying {
            // Without it there is nothing in the way.
            part.remove("key 13").expect("removed");
            compact(&store);
            assert_eq!(part.len().expect("counted"), 19);
        }
    }
}

#[test]
fn a_folder_that_takes_no_files_refuses_and_the_store_goes_on() {
    let (_folder, path) = folder();
    drop(support::open(&path, Mode::Append).expect("opens"));
    let folder = path.parent().expect("folder");
    let mut permissions = std::fs::metadata(folder).expect("there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o777);
    std::fs::set_permissions(folder, permissions.clone()).expect("set");
    let mut own = std::fs::metadata(&path).expect("there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut own, 0o666);
    std::fs::set_permissions(&path, own).expect("set");
    let words = ["compact-unprivileged", path.to_str().expect("UTF-8")];
    let mut actor = Actor::start(ACTOR, &words).expect("started");
    assert_eq!(actor.line().expect("read").as_deref(), Some("compacted"));
    actor.finish().expect("ended");
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o555);
    std::fs::set_permissions(folder, permissions.clone()).expect("set");
    let mut actor = Actor::start(ACTOR, &words).expect("started");
    let said = actor.line().expect("read").expect("a line");
    assert!(
        said.contains("cannot compact") && said.contains("PermissionDenied"),
        "{said}"
    );
    assert_eq!(actor.line().expect("read").as_deref(), Some("goes on"));
    actor.finish().expect("ended");
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    std::fs::set_permissions(folder, permissions).expect("set");
    assert_eq!(others(&path), Vec::<String>::new());
}

#[test]
fn a_full_disk_refuses_and_the_store_goes_on() {
    let (_folder, path) = folder();
    let words = ["compact-on-full-disk", path.to_str().expect("UTF-8")];
    let mut actor = Actor::start(ACTOR, &words).expect("started");
    let said = actor.line().expect("read").expect("a line");
    assert!(said.starts_with("io: cannot compact"), "{said}");
    assert_eq!(actor.line().expect("read").as_deref(), Some("goes on"));
    assert_eq!(actor.line().expect("read").as_deref(), Some("compacted"));
    actor.finish().expect("ended");
    assert_eq!(others(&path), Vec::<String>::new());
    assert_eq!(arraylog_generation(&path), 1);
}

#[test]
fn a_killed_compaction_leaves_one_whole_generation_and_what_is_left_over_goes() {
    let (_folder, path) = folder();
    let (mut rng, seed) = support::rng();
    println!("seed {seed}");
    let mut next = 0u64;
    let (mut leftovers, mut generations) = (0, Vec::new());
    for round in 0..20 {
        let words = [
            "compact-and-write",
            path.to_str().expect("UTF-8"),
            &next.to_string(),
        ];
        let mut actor = Actor::start(ACTOR, &words).expect("started");
        let mut said: u64 = actor
            .line()
            .expect("read")
            .expect("a line")
            .parse()
            .expect("a number");
        let pause = rand::RngExt::random_range(&mut rng, 0..20_000 * (round + 1));
        std::thread::sleep(Duration::from_micros(pause));
        for line in actor.kill().expect("killed") {
            said = line.parse().expect("a number");
        }
        leftovers += others(&path).len();
        for mode in [Mode::Read, Mode::ReadWrite] {
            let store = support::open(&path, mode).expect("opens");
            let part = store.partition("c", "p").expect("there");
            let found = part.get("counted").expect("read").expect("there");
            let found = u64::from_le_bytes(found[..].try_into().expect("eight bytes"));
            assert!(
                (said..=said + 1).contains(&found),
                "{found}, acknowledged {said}"
            );
            for number in 0..200u32 {
                let value = part
                    .get(format!("key {number}"))
                    .expect("read")
                    .expect("there");
                assert!(value.len() == 10_000 && value.iter().all(|&byte| byte == number as u8));
            }
            next = found + 1;
            generations.push(store.generation());
        }
        // One that was killed before its first byte is left for a minute: it might be new.
        let left = others(&path).into_iter();
        let left = left.filter(|name| {
            std::fs::metadata(path.with_file_name(name)).is_ok_and(|file| file.len() > 0)
        });
        assert_eq!(left.collect::<Vec<_>>(), Vec::<String>::new());
    }
    assert!(generations.is_sorted());
    println!(
        "{leftovers} leftovers, {:?} generations",
        generations.last()
    );
    assert!(*generations.last().expect("some") > 3);
}

#[test]
fn leftovers_that_are_held_or_not_ours_stay() {
    let (folder, path) = folder();
    drop(support::open(&path, Mode::Append).expect("opens"));
    let make = |name: &str, content: &str| {
        std::fs::write(folder.path().join(name), content).expect("written");
    };
    make(".a.alog.compact.0123456789abcdef", "left");
    make(".a.alog.init.0123456789abcdef", "left");
    make(".a.alog.compact.0123456789abcde", "short");
    make(".a.alog.compact.0123456789abcdeg", "no number");
    make(".b.alog.compact.0123456789abcdef", "of another");
    make(".a.alog.compact.1123456789abcdef", "");
    let held = ".a.alog.compact.2123456789abcdef";
    std::fs::copy(&path, folder.path().join(held)).expect("copied");
    let holder = support::open(&folder.path().join(held), Mode::ReadWrite).expect("opens");
    // Reading writes nothing.
    drop(support::open(&path, Mode::Read).expect("opens"));
    assert_eq!(others(&path).len(), 7);
    drop(support::open(&path, Mode::ReadWrite).expect("opens"));
    let mut left = others(&path);
    left.sort();
    let expected = [
        ".a.alog.compact.0123456789abcde",
        ".a.alog.compact.0123456789abcdeg",
        ".a.alog.compact.1123456789abcdef",
        held,
        ".b.alog.compact.0123456789abcdef",
    ];
    assert_eq!(left, expected);
    drop(holder);
}
