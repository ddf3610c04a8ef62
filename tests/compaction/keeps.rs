//! What compaction keeps, and what goes.

use arraylog::{
    ArraySpec, Attrs, CompactOptions, Condition, Error, Keep, Mode, OpenOptions, Store,
};
use support::dump::dump;

use super::*;

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
            copy.array("t").expect("there").read().expect("read").data(),
            entry
                .array("t")
                .expect("there")
                .read()
                .expect("read")
                .data()
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
        assert_eq!(
            array
                .read()
                .expect("read")
                .view()
                .as_slice::<u16>()
                .expect("u16"),
            data,
            "{key}"
        );
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
