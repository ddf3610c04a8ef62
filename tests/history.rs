//! The versions of a key.

use std::os::unix::fs::FileExt;

use arraylog::{ArraySpec, Attrs, CompactOptions, Error, Kind, Mode, Partition, Store};
use support::open;

/// The versions as texts, newest first: a value, "arrays" or "removed".
fn history(part: &Partition, key: &str) -> Vec<String> {
    let versions = part.history(key).expect("listed");
    let mut last = None;
    let text = |version: arraylog::Result<arraylog::KeyVersion>| {
        let version = version.expect("read");
        let number = u64::from(version.version);
        assert!(last.is_none_or(|last| number < last), "newest first");
        last = Some(number);
        let Some(entry) = version.entry else {
            return "removed".to_owned();
        };
        assert_eq!(
            (entry.key(), entry.version()),
            (key.as_bytes(), version.version)
        );
        match entry.kind() {
            Kind::Arrays => "arrays".to_owned(),
            Kind::Value => String::from_utf8_lossy(&entry.value().expect("value")).into_owned(),
        }
    };
    versions.map(text).collect()
}

fn write(part: &Partition) {
    let array = [("t", ArraySpec::from_slice(&[1.0f32]))];
    part.put("k", "1").expect("stored");
    part.put("other", "x").expect("stored");
    part.write("k", &array, &Attrs::new()).expect("stored");
    part.put("k", "3").expect("stored");
}

#[test]
fn a_key_leads_back_through_all_its_versions_across_openings() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let store = open(&path, Mode::Append).expect("opened");
    let part = store.default_partition().expect("partition");
    write(&part);
    assert_eq!(history(&part, "k"), ["3", "arrays", "1"]);
    assert_eq!(history(&part, "other"), ["x"]);
    assert!(history(&part, "absent").is_empty());
    store.close().expect("closed");

    let store = open(&path, Mode::ReadWrite).expect("opened");
    let part = store.default_partition().expect("partition");
    assert_eq!(history(&part, "k"), ["3", "arrays", "1"]);
    part.put("k", "4").expect("stored");
    assert_eq!(history(&part, "k"), ["4", "3", "arrays", "1"]);
    store.close().expect("closed");

    // Reads that copy, too.
    let store = Store::options().open(&path).expect("opened");
    let part = store.default_partition().expect("partition");
    assert_eq!(history(&part, "k"), ["4", "3", "arrays", "1"]);
}

#[test]
fn a_removed_key_has_its_versions_before_and_after_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let store = open(&path, Mode::Append).expect("opened");
    let part = store.default_partition().expect("partition");
    // The same key elsewhere is another one.
    let elsewhere = store.partition("c", "p").expect("partition");
    elsewhere.put("k", "elsewhere").expect("stored");
    write(&part);
    assert!(part.remove("k").expect("removed"));
    assert_eq!(history(&part, "k"), ["removed", "3", "arrays", "1"]);
    // The index forgets removals when it grows.
    for number in 0..1000u32 {
        part.put(number.to_le_bytes(), "").expect("stored");
    }
    assert_eq!(history(&part, "k"), ["removed", "3", "arrays", "1"]);
    store.close().expect("closed");
    let store = open(&path, Mode::Read).expect("opened");
    let part = store.default_partition().expect("partition");
    assert!(!part.contains("k").expect("read"));
    assert_eq!(history(&part, "k"), ["removed", "3", "arrays", "1"]);
    assert!(history(&part, "absent").is_empty());
}

#[test]
fn a_history_goes_on_beyond_removals_that_the_index_forgot() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let store = open(&path, Mode::Append).expect("opened");
    let part = store.default_partition().expect("partition");
    let elsewhere = store.partition("c", "p").expect("partition");
    elsewhere.put("k", "elsewhere").expect("stored");
    let mut expected = Vec::new();
    for round in ["1", "2", "3"] {
        part.put("k", round).expect("stored");
        part.put("k", format!("{round} again")).expect("stored");
        part.put("other", round).expect("stored");
        part.remove("k").expect("removed");
        expected.extend([
            round.to_owned(),
            format!("{round} again"),
            "removed".to_owned(),
        ]);
        // The index forgets removals when it is packed.
        store.checkpoint().expect("saved");
    }
    let backwards = |expected: &[String]| expected.iter().rev().cloned().collect::<Vec<_>>();
    assert_eq!(history(&part, "k"), backwards(&expected));
    let batch = store.batch().expect("a batch");
    let staged = batch.partition("default", "default").expect("there");
    for round in ["4", "5"] {
        staged.put("k", round).expect("staged");
    }
    batch.commit().expect("stored");
    expected.extend(["4".to_owned(), "5".to_owned()]);
    assert_eq!(history(&part, "k"), backwards(&expected));
    assert_eq!(history(&part, "other"), ["3", "2", "1"]);
    let before = store.at(store.seqno() - 1).expect("taken");
    let fixed = before.default_partition().expect("there");
    assert_eq!(history(&fixed, "k"), backwards(&expected[..9]));
    store.close().expect("closed");
    for store in [
        open(&path, Mode::Read).expect("opened"),
        Store::options().open(&path).expect("opened"),
    ] {
        let part = store.default_partition().expect("partition");
        assert_eq!(history(&part, "k"), backwards(&expected));
    }
    // Compaction keeps one version, and knows that there is no other.
    let store = open(&path, Mode::ReadWrite).expect("opened");
    let part = store.default_partition().expect("partition");
    store.compact(&CompactOptions::new()).expect("compacted");
    assert_eq!(history(&part, "k"), ["5"]);
    part.remove("k").expect("removed");
    store.checkpoint().expect("saved");
    part.put("k", "6").expect("stored");
    assert_eq!(history(&part, "k"), ["6", "removed", "5"]);
}

#[test]
fn versions_have_the_numbers_of_their_commits() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let store = open(&path, Mode::Append).expect("opened");
    let part = store.default_partition().expect("partition");
    let mut expected = Vec::new();
    for round in 0..3000u32 {
        part.put("other", "").expect("stored");
        if round % 7 == 0 || round == 2999 {
            part.put("k", round.to_le_bytes()).expect("stored");
            expected.push(store.seqno());
        }
        if round % 900 == 899 {
            store.checkpoint().expect("saved");
        }
    }
    expected.reverse();
    let seqnos = |store: &Store| -> Vec<u64> {
        let part = store.default_partition().expect("partition");
        let versions = part.history("k").expect("listed");
        versions
            .map(|version| version.expect("read").seqno)
            .collect()
    };
    assert_eq!(seqnos(&store), expected);
    // They are those that a store is opened at.
    for version in part.history("k").expect("listed").step_by(100) {
        let version = version.expect("read");
        let earlier = store.at(version.seqno).expect("there");
        let entry = earlier.default_partition().and_then(|part| part.entry("k"));
        let entry = entry.expect("read").expect("there");
        assert_eq!(entry.version(), version.version);
    }
    store.close().expect("closed");
    let copying = Store::options().open(&path).expect("opened");
    assert_eq!(seqnos(&copying), expected);
    // Compaction copied one, as of the last commit.
    let store = open(&path, Mode::ReadWrite).expect("opened");
    let last = store.seqno();
    store.compact(&CompactOptions::new()).expect("compacted");
    let part = store.default_partition().expect("partition");
    part.put("k", "new").expect("stored");
    assert_eq!(seqnos(&store), [last + 1, last]);
}

#[test]
fn the_log_is_read_only_for_the_step_behind_the_last_version_that_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let store = open(&path, Mode::Append).expect("opened");
    let part = store.default_partition().expect("partition");
    part.put("first", "damaged").expect("stored");
    let first = part.entry("first").expect("read").expect("there").version();
    part.put("k", "1").expect("stored");
    part.put("k", "2").expect("stored");
    store.checkpoint().expect("saved");
    store.close().expect("closed");
    let file = std::fs::File::options().write(true).open(&path);
    let at = u64::from(first) * 8 + 24;
    file.expect("opened")
        .write_all_at(b"F", at)
        .expect("written");
    let store = open(&path, Mode::Read).expect("opened from its checkpoint");
    let part = store.default_partition().expect("partition");
    let mut versions = part.history("k").expect("listed");
    for expected in ["2", "1"] {
        let entry = versions.next().expect("one").expect("read").entry;
        let value = entry.expect("there").value().expect("value");
        assert_eq!(&*value, expected.as_bytes());
    }
    let error = versions.next().expect("an answer").expect_err("damage");
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    assert!(versions.next().is_none());
}

#[test]
fn a_history_is_that_of_its_start_and_old_versions_stay_readable() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    part.put("k", "1").expect("stored");
    part.put("k", "2").expect("stored");
    let versions = part.history("k").expect("listed");
    part.put("k", "3").expect("stored");
    let values: Vec<Vec<u8>> = versions
        .map(|version| version.expect("read").entry.expect("a value"))
        .map(|entry| entry.value().expect("value").to_vec())
        .collect();
    assert_eq!(values, [b"2", b"1"]);
    let new = store.partition("c", "new").expect("partition");
    assert!(history(&new, "k").is_empty());
}

#[test]
fn a_version_that_leads_to_another_key_is_damage_and_ends_the_walk() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let store = open(&path, Mode::Append).expect("opened");
    let part = store.default_partition().expect("partition");
    part.put("k", "1").expect("stored");
    part.put("x", "1").expect("stored");
    let stranger = part.entry("x").expect("read").expect("there").version();
    part.put("k", "2").expect("stored");
    let newest = part.entry("k").expect("read").expect("there").version();
    assert_eq!(part.history("k").expect("listed").count(), 2);

    // Under a handle that is open: whoever opens the file anew finds the sum wrong.
    let file = std::fs::File::options().write(true).open(&path);
    let at = u64::from(newest) * 8 + 16;
    let place = u64::from(stranger).to_le_bytes();
    file.expect("opened")
        .write_all_at(&place[..6], at)
        .expect("written");
    let mut versions = part.history("k").expect("listed");
    let error = versions.next().expect("an answer").expect_err("damage");
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    assert!(versions.next().is_none());
}
