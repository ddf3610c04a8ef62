//! Lookups of many keys give what a loop over single ones gives.

use arraylog::{ArraySpec, Attrs, Error, Mode, OpenOptions, Partition, Store};
use proptest::prelude::*;
use support::open;

/// What happens to a key.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, usize),
    Write(u8),
    Remove(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0u8..60;
    prop_oneof![
        6 => (key.clone(), prop_oneof![0usize..200, 60_000usize..70_000]).prop_map(|(key, len)| Step::Put(key, len)),
        1 => key.clone().prop_map(Step::Write),
        2 => key.prop_map(Step::Remove),
    ]
}

fn name(key: u8) -> Vec<u8> {
    vec![b'k'; usize::from(key % 50)]
        .into_iter()
        .chain([key])
        .collect()
}

fn apply(part: &Partition, steps: &[Step]) {
    for step in steps {
        match *step {
            Step::Put(key, len) => {
                let value = vec![key; len];
                part.put(name(key), value).expect("stored");
            }
            Step::Write(key) => {
                let array = ArraySpec::from_slice(std::slice::from_ref(&key));
                let arrays = [("t", array)];
                part.write(name(key), &arrays, &Attrs::new())
                    .expect("stored");
            }
            Step::Remove(key) => {
                part.remove(name(key)).expect("removed");
            }
        }
    }
}

fn same(part: &Partition, keys: &[Vec<u8>]) {
    let entries = part.entry_many(keys).expect("read");
    let versions: Vec<_> = entries
        .iter()
        .flatten()
        .map(|entry| entry.version())
        .collect();
    let single = keys.iter().filter_map(|key| part.entry(key).expect("read"));
    let expected: Vec<_> = single.map(|entry| entry.version()).collect();
    assert_eq!(versions, expected);
    assert_eq!(entries.len(), keys.len());
    for (key, entry) in keys.iter().zip(&entries) {
        assert_eq!(
            entry.is_some(),
            part.contains(key).expect("read"),
            "{key:?}"
        );
        assert!(entry.as_ref().is_none_or(|entry| entry.key() == key));
    }
    // Values and arrays refuse each other.
    let is_value = |key: &&Vec<u8>| part.get(key).is_ok();
    let values: Vec<&Vec<u8>> = keys.iter().filter(is_value).collect();
    let arrays: Vec<&Vec<u8>> = keys.iter().filter(|key| !is_value(key)).collect();
    let expected: Vec<Option<Vec<u8>>> = values
        .iter()
        .map(|key| part.get(key).expect("read").map(|value| value.to_vec()))
        .collect();
    let found = part.get_many(&values).expect("read");
    let found: Vec<_> = found.iter().map(|value| value.as_deref()).collect();
    assert_eq!(
        found,
        expected.iter().map(Option::as_deref).collect::<Vec<_>>()
    );
    if let Ok(reader) = part.reader() {
        assert_eq!(reader.get_many(&values).expect("read"), found);
    }
    let found = part.array_many(&arrays, "t").expect("read");
    for (key, array) in arrays.iter().zip(found) {
        let array = array.expect("there");
        let expected = part.array(key, "t").expect("read");
        assert_eq!(
            **array.read().expect("read").data(),
            **expected.read().expect("read").data()
        );
    }
    if let Some(first) = arrays.first() {
        let error = part.get_many(keys).expect_err("arrays");
        let text = String::from_utf8_lossy(first).into_owned();
        assert!(matches!(error, Error::Kind { key, .. } if key == text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn many_keys_give_what_a_loop_gives(
        first in proptest::collection::vec(step(), 0..100),
        then in proptest::collection::vec(step(), 0..60),
        keys in proptest::collection::vec(0u8..70, 0..100),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.alog");
        let keys: Vec<Vec<u8>> = keys.into_iter().map(name).collect();
        let store = open(&path, Mode::Append).expect("opened");
        let part = store.default_partition().expect("partition");
        apply(&part, &first);
        same(&part, &keys);
        store.close().expect("closed");
        // A frozen segment and a growing one, mapped and copied.
        let store = open(&path, Mode::ReadWrite).expect("opened");
        let part = store.default_partition().expect("partition");
        apply(&part, &then);
        same(&part, &keys);
        store.close().expect("closed");
        let store = OpenOptions::new().mode(Mode::ReadWrite).open(&path).expect("opened");
        same(&store.default_partition().expect("partition"), &keys);
    }
}

#[test]
fn a_reader_sees_many_keys_as_they_were_when_it_was_made() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    let keys: Vec<[u8; 4]> = (0..100u32).map(u32::to_le_bytes).collect();
    for key in &keys {
        part.put(key, "old").expect("stored");
    }
    let reader = part.reader().expect("mapped");
    for key in &keys[..50] {
        part.put(key, "new").expect("stored");
    }
    part.remove_many(&keys[50..]).expect("removed");
    let mut seen = 0;
    let visited = reader.visit(&keys, |value| {
        seen += 1;
        assert_eq!(value, Some(&b"old"[..]));
    });
    visited.expect("read");
    assert_eq!(seen, keys.len());
    let now = part.get_many(&keys).expect("read");
    assert!(
        now[..50]
            .iter()
            .all(|value| value.as_deref() == Some(b"new"))
    );
    assert!(now[50..].iter().all(Option::is_none));
}

#[test]
fn a_partition_that_no_write_made_has_none_of_many_keys() {
    let store = Store::memory().expect("memory");
    let part = store.partition("c", "new").expect("partition");
    assert_eq!(part.get_many(&["a", "b"]).expect("read").len(), 2);
    let reader = part.reader().expect("mapped");
    assert_eq!(reader.get_many(&["a"]).expect("read"), [None]);
    assert!(part.get_many(&[vec![0; 65_536]]).is_err());
}
