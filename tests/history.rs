//! The versions of a key.

use std::os::unix::fs::FileExt;

use arraylog::{ArraySpec, Attrs, Error, Kind, Mode, Partition, Store};
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
