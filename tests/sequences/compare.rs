//! Compares a store with a model.

use std::collections::BTreeSet;

use arraylog::{Entry, Kind, Store};

use crate::model::{Content, Part, Sequence, State};
use crate::run::Step;

/// Few, so that they meet.
pub(crate) const KEYS: u8 = 12;

/// Bytes of a key: one is empty, one is long.
pub(crate) fn key(number: u8) -> Vec<u8> {
    match number % KEYS {
        0 => Vec::new(),
        1 => vec![b'k'; 300],
        number => format!("key {number}").into_bytes(),
    }
}

/// What the store holds.
pub(crate) fn content(entry: &Entry) -> Content {
    match entry.kind() {
        Kind::Value => Content::Value(entry.value().expect("read").to_vec()),
        Kind::Arrays => {
            let array = entry.array("t").expect("there");
            Content::Array(
                array
                    .read()
                    .expect("read")
                    .view()
                    .as_slice::<i32>()
                    .expect("integers")
                    .to_vec(),
            )
        }
    }
}

/// One key and one position of a partition.
pub(crate) fn look(store: &Store, part: Option<&Part>, step: Step) {
    let handle = store.partition(step.name.0, step.name.1).expect("a handle");
    let nothing = Sequence::new();
    let sequence = part.map_or(&nothing, |part| &part.sequence);
    let expected = sequence.iter().find(|(key, _)| *key == step.key);
    let Some(part) = part else {
        let found = handle.entry(key(step.key)).expect("read");
        return assert!(found.is_none());
    };
    let found = handle.entry(key(step.key)).expect("read");
    assert_eq!(
        found.as_ref().map(content).as_ref(),
        part.get(step.key).map(|it| &**it)
    );
    assert_eq!(
        handle.contains(key(step.key)).expect("read"),
        expected.is_some()
    );
    assert_eq!(handle.len().expect("counted"), sequence.len() as u64);
    let nth = usize::from(step.other);
    let found = handle.nth(nth as u64).expect("read");
    let expected = sequence.get(nth);
    assert_eq!(found.is_some(), expected.is_some(), "position {nth}");
    if let (Some(found), Some((number, expected))) = (found, expected) {
        assert_eq!(found.key(), key(*number), "position {nth}");
        assert_eq!(content(&found), **expected);
    }
}

/// A store, or what is fixed of it, against all that it has to hold.
pub(crate) fn compare(store: &Store, state: &State) {
    let mut listed = BTreeSet::new();
    for collection in store.collections().expect("listed") {
        for partition in store.partitions(&collection).expect("listed") {
            listed.insert((collection.clone(), partition));
        }
    }
    let names = state
        .keys()
        .map(|(c, p)| ((*c).to_owned(), (*p).to_owned()));
    assert!(listed.into_iter().eq(names), "names");
    for (name, sequence) in state {
        let part = store.existing_partition(name.0, name.1).expect("there");
        assert_eq!(part.len().expect("counted"), sequence.len() as u64);
        let mut walked = 0;
        for (entry, (number, expected)) in part.entries().expect("listed").zip(sequence) {
            let entry = entry.expect("read");
            assert_eq!(entry.key(), key(*number), "position {walked}");
            assert_eq!(content(&entry), **expected, "key {number}");
            walked += 1;
        }
        assert_eq!(walked, sequence.len());
        for number in 0..KEYS {
            let expected = sequence.iter().any(|(other, _)| *other == number);
            assert_eq!(part.contains(key(number)).expect("read"), expected);
        }
    }
}
