//! Compaction: what it keeps, who goes on, and what an interruption leaves.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arraylog::{
    ArraySpec, AttrValue, Attrs, BackupOptions, CompactOptions, Compacted, Condition, Error, Keep,
    Mode, OpenOptions, PartitionOptions, Store,
};
use support::dump::dump;
use support::process::Actor;

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    (folder, path)
}

fn compact(store: &Store) -> Compacted {
    store.compact(&CompactOptions::new()).expect("compacted")
}

fn len(path: &Path) -> u64 {
    std::fs::metadata(path).expect("there").len()
}

/// Names in the folder of the store but that of the store.
fn others(path: &Path) -> Vec<String> {
    let listed = std::fs::read_dir(path.parent().expect("folder")).expect("listed");
    let names = listed.map(|file| {
        file.expect("listed")
            .file_name()
            .into_string()
            .expect("UTF-8")
    });
    names
        .filter(|name| Some(name.as_str()) != path.file_name().and_then(|name| name.to_str()))
        .collect()
}

fn attrs(name: &str, value: i64) -> Attrs {
    [(name, AttrValue::Int64(value))].into_iter().collect()
}

/// Values small and large, arrays of two schemas, attributes, overwritten and removed
/// entries, partitions dropped, renamed, moved, and with an alignment.
fn fill(store: &Store) {
    store.set_attrs(&attrs("store", 1)).expect("set");
    store
        .set_collection_attrs("c", &attrs("collection", 2))
        .expect("set");
    let aligned = PartitionOptions::new().align(1 << 13);
    store
        .create_partition("c", "aligned", &aligned)
        .expect("created");
    for name in ["p", "q", "aligned", "gone", "old name"] {
        let part = store.partition("c", name).expect("a partition");
        for round in 0..3 {
            for number in 0..50u32 {
                part.put(format!("key {number}"), vec![round; number as usize * 20])
                    .expect("stored");
            }
            part.put("wide", vec![round; 200_000]).expect("stored");
        }
        for number in 0..10u32 {
            part.remove(format!("key {number}")).expect("removed");
        }
        let data = [1.5f32; 300];
        let array = ArraySpec::from_slice(&data).dims(&["x"]);
        part.write("arrays", &[("t", array)], &attrs("lat", 3))
            .expect("stored");
        part.set_attrs(&attrs(name, 4)).expect("set");
    }
    let dropped = store.partition("dropped", "p").expect("a partition");
    let odd = [1u8];
    let array = ArraySpec::from_slice(&odd);
    dropped
        .write("k", &[("only here", array)], &Attrs::new())
        .expect("stored");
    assert!(store.drop_partition("c", "gone").expect("dropped"));
    assert!(store.drop_collection("dropped").expect("dropped"));
    store
        .rename_partition("c", "old name", "d", "new name")
        .expect("renamed");
}

fn stores() -> Vec<(&'static str, tempfile::TempDir, Store)> {
    let (mapped_folder, mapped) = folder();
    let (copied_folder, copied) = folder();
    let (unused, _) = folder();
    let copying = OpenOptions::new().mode(Mode::Append).open(&copied);
    vec![
        (
            "mapped",
            mapped_folder,
            support::open(&mapped, Mode::Append).expect("opens"),
        ),
        ("copying", copied_folder, copying.expect("opens")),
        ("memory", unused, Store::memory().expect("made")),
    ]
}

#[test]
fn compaction_keeps_everything_in_its_order_and_frees_the_rest() {
    for (kind, _folder, store) in stores() {
        fill(&store);
        let (before, seqno, id) = (dump(&store).expect("read"), store.seqno(), store.id());
        let size = store.info().expect("told").file_bytes;
        let done = compact(&store);
        assert!(dump(&store).expect("read") == before, "{kind}");
        assert_eq!(store.seqno(), seqno, "{kind}");
        assert_eq!((store.generation(), done.generation), (1, 1), "{kind}");
        assert_ne!(store.id(), id, "{kind}");
        assert_eq!(store.attrs().expect("read"), attrs("store", 1));
        assert_eq!(
            store.collection_attrs("c").expect("read"),
            attrs("collection", 2)
        );
        let moved = store.existing_partition("d", "new name").expect("there");
        assert_eq!(moved.attrs().expect("read"), attrs("old name", 4));
        assert!(!store.has_collection("dropped").expect("asked"));
        assert!(!store.has_partition("c", "gone").expect("asked"));
        let now = store.info().expect("told").file_bytes;
        assert_eq!(
            (now, done.freed_bytes),
            (done.file_bytes, size - now),
            "{kind}"
        );
        assert!(now < size / 2, "{kind}: {now} of {size}");
        // Nothing more to gain, and the same again.
        let again = compact(&store);
        assert!(again.freed_bytes < 10_000, "{kind}: {again:?}");
        assert!(dump(&store).expect("read") == before, "{kind}");
        store
            .partition("c", "p")
            .expect("there")
            .put("new", "1")
            .expect("stored");
        assert_eq!(store.seqno(), seqno + 1, "{kind}");
        if kind != "memory" {
            let (path, expected) = (store.path().to_owned(), dump(&store).expect("read"));
            store.close().expect("closed");
            assert_eq!(others(&path), Vec::<String>::new());
            for scan in [false, true] {
                let options = OpenOptions::new().scan(scan);
                let store = support::open_mapped(&options, &path).expect("opens");
                assert!(
                    dump(&store).expect("read") == expected,
                    "{kind}, scan {scan}"
                );
                assert_eq!(store.seqno(), seqno + 1);
                assert_eq!(store.generation(), 2);
                assert!(scan || store.recovery().checkpoint >= seqno);
            }
        }
    }
}

#[test]
fn handles_go_on_and_what_was_given_out_stays() {
    for (kind, _folder, store) in stores() {
        fill(&store);
        let part = store.partition("c", "p").expect("there");
        let unused = store.partition("c", "not yet").expect("a handle");
        let (value, entry) = (
            part.get("wide").expect("read"),
            part.entry("arrays").expect("read"),
        );
        let (value, entry) = (value.expect("there"), entry.expect("there"));
        let mut entries = part.entries().expect("listed");
        let first = entries.next().expect("one").expect("read");
        let mut history = part.history("key 20").expect("listed");
        assert!(history.next().is_some());
        let snapshot = store.snapshot().expect("taken");
        let before = dump(&store).expect("read");
        compact(&store);
        part.put("wide", "other").expect("stored");
        unused.put("k", "v").expect("stored");
        assert!(
            value.iter().all(|&byte| byte == 2) && value.len() == 200_000,
            "{kind}"
        );
        assert_eq!(entry.array("t").expect("read").shape(), [300]);
        assert_eq!(entries.count(), part.len().expect("counted") as usize - 1);
        assert_eq!(history.count(), 2);
        assert!(!first.key().is_empty());
        assert!(dump(&snapshot).expect("read") == before, "{kind}");
        assert_eq!(
            part.get("wide").expect("read").as_deref(),
            Some(&b"other"[..])
        );
        assert_eq!(unused.len().expect("counted"), 1);
        part.write_entry("a copy", &entry, Condition::Always)
            .expect("copied");
        let copy = part.entry("a copy").expect("read").expect("there");
        assert_eq!(
            copy.array("t").expect("read").data(),
            entry.array("t").expect("read").data()
        );
        store.close().expect("closed");
        assert_eq!(part.len().expect_err("closed").kind(), "closed");
    }
}

#[test]
fn versions_of_another_generation_are_in_conflict_and_those_of_this_one_hold() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("a partition");
    part.put("k", "1").expect("stored");
    let old = part.entry("k").expect("read").expect("there").version();
    let batch = store.batch().expect("a batch");
    let staged = batch.partition("default", "default").expect("a partition");
    staged
        .put_if("k", "2", Condition::Version(old))
        .expect("staged");
    compact(&store);
    let lost = part.put_if("k", "2", Condition::Version(old));
    assert_eq!(lost.expect_err("compacted").kind(), "conflict");
    assert_eq!(batch.commit().expect_err("compacted").kind(), "conflict");
    let new = part.entry("k").expect("read").expect("there").version();
    part.put_if("k", "2", Condition::Version(new))
        .expect("stored");
}

#[test]
fn a_batch_from_before_is_committed_after_with_schemas_that_nobody_else_has() {
    let store = Store::memory().expect("made");
    let part = store.partition("c", "p").expect("a partition");
    let data = [1u16, 2];
    let array = || ArraySpec::from_slice(&data).dims(&["x"]);
    part.write("old", &[("known", array())], &Attrs::new())
        .expect("stored");
    part.write("other", &[("copied", array())], &Attrs::new())
        .expect("stored");
    let batch = store.batch().expect("a batch");
    let staged = batch.partition("c", "p").expect("a partition");
    staged
        .write("a", &[("known", array())], &Attrs::new())
        .expect("staged");
    staged
        .write("b", &[("unknown", array())], &Attrs::new())
        .expect("staged");
    staged.rename("other", "c", false).expect("staged");
    staged.put("d", "value").expect("staged");
    // No entry has any of these schemas now.
    part.clear().expect("removed");
    compact(&store);
    // The numbers of schemas are not given out again.
    part.write("new", &[("another", array())], &Attrs::new())
        .expect("stored");
    assert!(staged.remove("new").expect("staged"));
    batch.commit().expect("committed");
    for (key, name) in [("a", "known"), ("b", "unknown"), ("c", "copied")] {
        let array = part.array(key, name).expect("there");
        assert_eq!(array.view().as_slice::<u16>().expect("u16"), data, "{key}");
    }
    assert_eq!(part.len().expect("counted"), 4);
    part.write("e", &[("known", array())], &Attrs::new())
        .expect("stored");
    compact(&store);
    assert_eq!(part.array("e", "known").expect("there").shape(), [2]);
}

#[test]
fn past_commits_are_gone_but_for_those_that_were_to_be_kept() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    fill(&store);
    let part = store.partition("c", "p").expect("there");
    let mut states = Vec::new();
    for number in 0..20u32 {
        part.put("counted", number.to_le_bytes()).expect("stored");
        if number == 7 {
            let data = [1u8];
            let array = ArraySpec::from_slice(&data);
            part.write("late", &[("late", array)], &Attrs::new())
                .expect("stored");
            assert!(store.drop_partition("d", "new name").expect("dropped"));
        }
        states.push((store.seqno(), dump(&store).expect("read")));
    }
    let since = states[5].0;
    let options = CompactOptions::new().keep(Keep::Since(since));
    store.compact(&options).expect("compacted");
    for round in 0..2 {
        for (seqno, state) in &states[5..] {
            let snapshot = store.at(*seqno).expect("kept");
            assert!(
                &dump(&snapshot).expect("read") == state,
                "{seqno}, round {round}"
            );
        }
        let gone = store.at(since - 1).expect_err("gone");
        assert!(matches!(gone, Error::SnapshotGone { oldest, .. } if oldest == since));
        if round == 0 {
            assert!(store.checkpoint().is_ok());
        }
    }
    let history = part.history("counted").expect("listed").count();
    assert_eq!(history, 15);
    for (keep, kind) in [
        (Keep::Since(since - 1), "snapshot-gone"),
        (Keep::Since(u64::MAX), "invalid"),
    ] {
        let refused = store.compact(&CompactOptions::new().keep(keep));
        assert_eq!(refused.expect_err("refused").kind(), kind);
    }
    compact(&store);
    let newest = store.seqno();
    assert_eq!(
        store.at(newest - 1).expect_err("gone").kind(),
        "snapshot-gone"
    );
    assert!(dump(&store.at(newest).expect("kept")).expect("read") == states[19].1);
    let reopened = OpenOptions::new().scan(true).open(&path).expect("opens");
    assert!(dump(&reopened.at(newest).expect("kept")).expect("read") == states[19].1);
}

#[test]
fn ids_of_dropped_partitions_are_not_used_again() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    for name in ["a", "b"] {
        store
            .partition("c", name)
            .expect("a partition")
            .put("k", name)
            .expect("stored");
    }
    assert!(store.drop_partition("c", "b").expect("dropped"));
    compact(&store);
    let stale = store.partition("c", "b").expect("a handle");
    assert_eq!(stale.get("k").expect("read"), None);
    stale.put("new", "1").expect("stored");
    assert_eq!(stale.len().expect("counted"), 1);
    store.close().expect("closed");
    let store = support::open(&path, Mode::Read).expect("opens");
    assert_eq!(store.partitions("c").expect("listed"), ["a", "b"]);
    let again = store.partition("c", "b").expect("there");
    assert_eq!(again.keys().expect("listed").count(), 1);
}

#[test]
fn commits_and_reads_go_on_during_compaction_and_none_is_lost() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    let follower = support::open(&path, Mode::Read).expect("opens");
    let copying = OpenOptions::new().open(&path).expect("opens");
    let (done, committed) = (AtomicBool::new(false), AtomicU64::new(0));
    let value = |key: u64, round: u64| {
        let mut value = [key.to_le_bytes(), round.to_le_bytes()].concat();
        value.resize(16 + (key as usize % 5) * 3000, round as u8);
        value
    };
    const KEYS: u64 = 300;
    let check = |store: &Store| {
        let part = store.partition("c", "p").expect("there");
        let reader = part.entries().expect("listed");
        let mut count = 0;
        for entry in reader {
            let entry = entry.expect("read");
            let found = entry.value().expect("a value");
            let key = u64::from_le_bytes(entry.key().try_into().expect("eight bytes"));
            let round = u64::from_le_bytes(found[8..16].try_into().expect("eight bytes"));
            assert!(found[..] == value(key, round));
            count += 1;
        }
        assert!(count == KEYS);
    };
    let part = store.partition("c", "p").expect("a partition");
    for key in 0..KEYS {
        part.put(key.to_le_bytes(), value(key, 0)).expect("stored");
    }
    follower.refresh().expect("refreshed");
    copying.refresh().expect("refreshed");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 1;
            while !done.load(Ordering::Relaxed) {
                let batch = store.batch().expect("a batch");
                let staged = batch.partition("c", "p").expect("a partition");
                for key in 0..3 {
                    let key = (round * 7 + key * 101) % KEYS;
                    staged
                        .put(key.to_le_bytes(), value(key, round))
                        .expect("staged");
                }
                batch.commit().expect("committed");
                part.put(5u64.to_le_bytes(), value(5, round))
                    .expect("stored");
                committed.store(round, Ordering::Release);
                round += 1;
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                check(&store);
                let before = committed.load(Ordering::Acquire);
                let found = part.get(5u64.to_le_bytes()).expect("read").expect("there");
                let found = u64::from_le_bytes(found[8..16].try_into().expect("eight bytes"));
                assert!(found >= before, "{found} after {before}");
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for store in [&follower, &copying] {
                    let before = committed.load(Ordering::Acquire);
                    store.refresh().expect("refreshed");
                    check(store);
                    let part = store.partition("c", "p").expect("there");
                    let found = part.get(5u64.to_le_bytes()).expect("read").expect("there");
                    let found = u64::from_le_bytes(found[8..16].try_into().expect("eight bytes"));
                    assert!(found >= before, "{found} after {before}");
                }
            }
        });
        let start = Instant::now();
        let mut generation = 0;
        while start.elapsed() < Duration::from_secs(2) {
            generation = compact(&store).generation;
        }
        done.store(true, Ordering::Relaxed);
        assert!(generation > 1, "{generation} compactions");
    });
    let expected = dump(&store).expect("read");
    for store in [&follower, &copying] {
        store.refresh().expect("refreshed");
        assert!(dump(store).expect("read") == expected);
        assert_eq!(store.generation(), arraylog_generation(&path));
    }
    drop(part);
    store.close().expect("closed");
    assert!(dump(&support::open(&path, Mode::Read).expect("opens")).expect("read") == expected);
}

fn arraylog_generation(path: &Path) -> u64 {
    support::open(path, Mode::Read).expect("opens").generation()
}

#[test]
fn a_cancelled_compaction_leaves_the_store_and_nothing_beside_it() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    let part = store.default_partition().expect("a partition");
    for number in 0..20u32 {
        part.put(number.to_le_bytes(), vec![1; 1 << 20])
            .expect("stored");
    }
    let before = dump(&store).expect("read");
    let calls = Cell::new(0);
    let progress = |done: u64, total: u64| {
        assert!(done <= total);
        calls.set(calls.get() + 1);
        match calls.get() {
            5 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let options = CompactOptions::new().progress(&progress);
    let error = store.compact(&options).expect_err("cancelled");
    assert_eq!((error.kind(), calls.get()), ("cancelled", 5));
    assert_eq!(others(&path), Vec::<String>::new());
    assert_eq!(store.generation(), 0);
    part.put("more", "1").expect("stored");
    part.remove("more").expect("removed");
    assert!(dump(&store).expect("read") == before);
    store.compact(&options).expect("compacted");
    assert!(dump(&store).expect("read") == before);
}

#[test]
fn a_throttled_compaction_takes_its_time() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("a partition");
    part.put("k", vec![1; 1 << 20]).expect("stored");
    let start = Instant::now();
    let options = CompactOptions::new().throttle(4 << 20);
    store.compact(&options).expect("compacted");
    assert!(start.elapsed() >= Duration::from_millis(250));
}

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
        let options = OpenOptions::new().mode(Mode::ReadWrite);
        let store = match copying {
            true => options.open(&path).expect("opens"),
            false => support::open_mapped(&options, &path).expect("opens"),
        };
        let error = store.compact(&CompactOptions::new()).expect_err("damaged");
        assert_eq!(error.kind(), "damaged");
        let said = error.to_string();
        assert!(
            said.contains("key 13") && said.contains("\"c\"/\"p\""),
            "{said}"
        );
        assert_eq!((store.generation(), others(&path)), (0, Vec::new()));
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

#[test]
fn usage_adds_up_and_tells_what_compaction_frees_and_what_views_hold() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    fill(&store);
    store.checkpoint().expect("saved");
    let usage = store.detailed_usage().expect("told");
    let sum = usage.live_bytes + usage.index_bytes + usage.dead_bytes + usage.header_bytes;
    assert_eq!(sum, usage.file_bytes);
    assert_eq!(usage.partitions.len(), 4);
    for part in &usage.partitions {
        assert_eq!((part.entries, part.segments), (42, 1), "{part:?}");
        assert!(
            part.probes
                .is_some_and(|probes| (1.0..2.0).contains(&probes))
        );
        // Two of three rounds are dead.
        assert!(part.dead_bytes > Some(400_000) && part.live_bytes > 200_000);
    }
    assert!(usage.frame_bytes > Some(0));
    let plain = store.usage().expect("told");
    assert_eq!(
        (plain.live_bytes, plain.frame_bytes),
        (usage.live_bytes, None)
    );
    let value = store
        .partition("c", "p")
        .expect("there")
        .get("wide")
        .expect("read");
    let done = compact(&store);
    let (freed, promised) = (done.freed_bytes, usage.reclaimable_bytes);
    assert!(freed.abs_diff(promised) < 20_000, "{freed} and {promised}");
    let held = store.usage().expect("told");
    assert_eq!(held.held_generations, 1);
    assert!(held.held_bytes >= usage.file_bytes);
    assert!(held.reclaimable_bytes < 20_000);
    drop(value);
    assert_eq!(store.usage().expect("told").held_bytes, 0);
    let reader = OpenOptions::new().open(&path).expect("opens");
    assert_eq!(reader.usage().expect("told").live_bytes, held.live_bytes);
    store.close().expect("closed");
    assert_eq!(store.usage().expect_err("closed").kind(), "closed");
}

#[test]
fn an_idle_handle_does_not_keep_the_old_file() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    let idle = store.default_partition().expect("a partition");
    idle.put("k", "v").expect("stored");
    store.checkpoint().expect("saved");
    let reader = idle.reader().expect("mapped");
    compact(&store);
    assert_eq!(store.usage().expect("told").held_generations, 1);
    assert_eq!(reader.get("k").expect("read"), Some(&b"v"[..]));
    drop(reader);
    assert_eq!(store.usage().expect("told").held_generations, 0);
    for (kind, _folder, store) in stores() {
        let part = store.default_partition().expect("a partition");
        part.put("k", "v").expect("stored");
        let snapshot = store.snapshot().expect("taken");
        compact(&store);
        assert_eq!(store.usage().expect("told").held_generations, 1, "{kind}");
        drop(snapshot);
        assert_eq!(store.usage().expect("told").held_generations, 0, "{kind}");
    }
    assert_eq!(idle.get("k").expect("read").as_deref(), Some(&b"v"[..]));
}

#[test]
fn a_backup_is_the_store_of_one_moment_and_a_store_of_its_own() {
    for (kind, own, store) in stores() {
        fill(&store);
        let before = dump(&store).expect("read");
        let target = own.path().join("backup");
        let part = store.partition("c", "p").expect("there");
        let written = Cell::new(0);
        let progress = |_, _| {
            // Writing goes on.
            part.put("meanwhile", "1").expect("stored");
            written.set(written.get() + 1);
            ControlFlow::Continue(())
        };
        let options = BackupOptions::new().progress(&progress);
        let done = store.backup(&target, &options).expect("backed up");
        assert!(written.get() > 0);
        for scan in [false, true] {
            let options = OpenOptions::new().scan(scan);
            let copy = support::open_mapped(&options, &target).expect("opens");
            assert!(dump(&copy).expect("read") == before, "{kind}");
            assert_eq!((copy.seqno(), copy.generation()), (done.seqno, 1));
            assert!(copy.recovery().clean);
            assert_ne!(copy.id(), store.id());
            assert_eq!(copy.attrs().expect("read"), attrs("store", 1));
        }
        let copy = support::open(&target, Mode::ReadWrite).expect("opens");
        copy.partition("c", "new")
            .expect("a partition")
            .put("k", "v")
            .expect("stored");
        assert_eq!(copy.seqno(), done.seqno + 1);
        // Not over anything, unless it is asked for, and not while it is in use.
        let refused = |options: &BackupOptions<'_>, target: &Path| {
            store.backup(target, options).expect_err("refused").kind()
        };
        let over = BackupOptions::new().replace(true);
        assert_eq!(refused(&BackupOptions::new(), &target), "io");
        assert_eq!(refused(&over, &target), "locked");
        copy.close().expect("closed");
        store.backup(&target, &over).expect("backed up");
        let expected = dump(&store).expect("read");
        assert!(dump(&OpenOptions::new().open(&target).expect("opens")).expect("read") == expected);
        let foreign = own.path().join("foreign");
        std::fs::write(&foreign, "mine").expect("written");
        assert_eq!(refused(&over, &foreign), "not-a-store");
        assert_eq!(std::fs::read(&foreign).expect("read"), b"mine");
        if kind != "memory" {
            assert_eq!(refused(&over, store.path()), "invalid");
        }
        assert_eq!(refused(&over, &own.path().join("no folder/backup")), "io");
        let cancel = |_, _| ControlFlow::Break(());
        let cancelled = BackupOptions::new().progress(&cancel);
        let third = own.path().join("third");
        assert_eq!(refused(&cancelled, &third), "cancelled");
        let mut left = others(&own.path().join("a.alog"));
        left.sort();
        assert_eq!(left, ["backup", "foreign"], "{kind}");
    }
}

#[test]
fn a_snapshot_and_a_reader_can_be_backed_up() {
    let (own, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    fill(&store);
    let (snapshot, before) = (
        store.snapshot().expect("taken"),
        dump(&store).expect("read"),
    );
    let part = store.partition("c", "p").expect("there");
    part.clear().expect("removed");
    compact(&store);
    let targets = ["a", "b"].map(|name| own.path().join(name));
    snapshot
        .backup(&targets[0], &BackupOptions::new())
        .expect("backed up");
    let reader = OpenOptions::new().open(&path).expect("opens");
    reader
        .backup(&targets[1], &BackupOptions::new())
        .expect("backed up");
    let [old, new] = targets.map(|path| OpenOptions::new().open(path).expect("opens"));
    assert!(dump(&old).expect("read") == before);
    assert!(dump(&new).expect("read") == dump(&store).expect("read"));
}

#[test]
fn a_store_that_was_told_to_is_compacted_by_itself_and_others_are_not() {
    for automatic in [true, false] {
        let (_folder, path) = folder();
        let options = OpenOptions::new().mode(Mode::Append);
        let options = match automatic {
            true => options.compact_when(0.5, 1 << 20),
            false => options,
        };
        let store = support::open_mapped(&options, &path).expect("opens");
        let part = store.default_partition().expect("a partition");
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(if automatic { 60 } else { 1 }) {
            for _ in 0..100 {
                part.put("k", vec![1; 10_000]).expect("stored");
            }
            if store.generation() > 1 {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(store.generation() > 1, automatic);
        assert_eq!(
            part.get("k").expect("read").map(|value| value.len()),
            Some(10_000)
        );
        store.close().expect("closed");
    }
}

#[test]
fn compactions_exclude_each_other_and_closing_ends_one() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    fill(&store);
    let before = dump(&store).expect("read");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                compact(&store);
            });
        }
    });
    assert_eq!(store.generation(), 2);
    let progress = |_, _| {
        store.close().expect("closed");
        ControlFlow::Continue(())
    };
    let options = CompactOptions::new().progress(&progress);
    let error = store.compact(&options).expect_err("closed meanwhile");
    assert_eq!(error.kind(), "closed");
    assert_eq!(others(&path), Vec::<String>::new());
    let store = support::open(&path, Mode::Read).expect("opens");
    assert!(store.recovery().clean && store.generation() == 2);
    assert!(dump(&store).expect("read") == before);
}

#[test]
fn writers_that_outrun_the_copy_do_not_keep_compaction_from_its_end() {
    // In memory, where nothing waits for a disk.
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("a partition");
    part.put("k", vec![1; 200_000]).expect("stored");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Bounded, should it fail.
            for round in 0..8000 {
                part.put("k", vec![2; 100_000]).expect("stored");
                if done.load(Ordering::Relaxed) {
                    return;
                }
                assert!(round < 7999, "outrun for 800 MB");
            }
        });
        // The first copy is so slow that much is written meanwhile.
        let options = CompactOptions::new().throttle(4 << 20);
        let compacted = store.compact(&options).expect("compacted");
        done.store(true, Ordering::Relaxed);
        assert_eq!(compacted.generation, 1);
    });
    let seqno = store.seqno();
    compact(&store);
    assert_eq!((store.seqno(), part.len().expect("counted")), (seqno, 1));
    assert!(store.info().expect("told").file_bytes < 1 << 20);
}
