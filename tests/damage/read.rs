//! Reading all of a store in every way, and comparing it with what it has to show.

use std::collections::BTreeMap;

use arraylog::{Error, Result, Store};
use support::dump::{Content, Dump, content, dump};

use crate::fixture::Fixture;

/// What was found in a store that is damaged, or is not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Reads that were refused with a place.
    pub(crate) refused: u64,
    /// Commits at the end that are reported as torn.
    pub(crate) torn: u64,
}

/// By collection/partition and key.
type Map<'a> = BTreeMap<(&'a str, &'a [u8]), &'a Content>;

pub(crate) fn map(dump: &Dump) -> Map<'_> {
    let mut map = Map::new();
    for (name, entries) in dump {
        let entries = entries.iter();
        map.extend(entries.map(|(key, content)| ((name.as_str(), key.as_slice()), content)));
    }
    map
}

/// An error that names a place in the file; everything else is wrong.
pub(crate) fn place(fixture: &Fixture, error: &Error) -> Result<u64, String> {
    match error {
        Error::Corrupt { at, .. } if *at <= fixture.bytes.len() as u64 => Ok(*at),
        error => Err(format!("an error that names no place: {error}")),
    }
}

/// Reads everything of a file of `len` bytes; an error is what is wrong with the answers.
/// `past`: a snapshot and every past commit too.
pub(crate) fn read(
    fixture: &Fixture,
    opened: Result<Store>,
    len: usize,
    past: bool,
) -> Result<Found, String> {
    let mut found = Found::default();
    let store = match opened {
        Ok(store) => store,
        Err(error) => {
            place(fixture, &error)?;
            found.refused += 1;
            return Ok(found);
        }
    };
    let seqno = store.seqno();
    let known = |seqno: u64| fixture.states.iter().find(|(known, _)| *known == seqno);
    let Some((_, state)) = known(seqno) else {
        return Err(format!("a state of commit {seqno}, which there is not"));
    };
    let newest = fixture.states.last().map_or(0, |(seqno, _)| *seqno);
    if seqno < newest {
        // A cut between two commits leaves nothing that is torn.
        let is_told = len < fixture.bytes.len() || store.recovery().torn_bytes > 0;
        if seqno < fixture.durable || !is_told {
            return Err(format!("commit {seqno} of {newest} without a word"));
        }
        found.torn = newest - seqno;
    }
    let mut refuse = |error: &Error| place(fixture, error).map(|_| found.refused += 1);
    one_state(fixture, &store, state, &mut refuse)?;
    if !past {
        return Ok(found);
    }
    match store.snapshot() {
        Ok(snapshot) => compare("a snapshot", dump(&snapshot), state, &mut refuse)?,
        Err(error) => refuse(&error)?,
    }
    for (past, state) in &fixture.states {
        match store.at(*past) {
            Ok(snapshot) => compare("a past commit", dump(&snapshot), state, &mut refuse)?,
            // What is torn is not there any more.
            Err(Error::Invalid { .. }) if *past > seqno => {}
            Err(error) => refuse(&error)?,
        }
    }
    Ok(found)
}

type Refuse<'a> = &'a mut dyn FnMut(&Error) -> Result<(), String>;

fn compare<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: Result<T>,
    expected: &T,
    refuse: Refuse<'_>,
) -> Result<(), String> {
    match found {
        Ok(found) if found == *expected => Ok(()),
        Ok(found) => Err(format!("{what}: {found:?}, not {expected:?}")),
        Err(error) => refuse(&error),
    }
}

/// Every name, key, position and list.
fn one_state(
    fixture: &Fixture,
    store: &Store,
    state: &Dump,
    refuse: Refuse<'_>,
) -> Result<(), String> {
    let expected = map(state);
    for (collection, partition, key) in &fixture.used {
        let name = format!("{collection}/{partition}");
        let is_there = state.iter().any(|(known, _)| *known == name);
        let part = match store.existing_partition(collection, partition) {
            Ok(part) if is_there => part,
            Ok(_) => return Err(format!("partition {name}, which there is not")),
            Err(Error::NotFound { .. }) if !is_there => continue,
            Err(error) => {
                refuse(&error)?;
                continue;
            }
        };
        let entry = part.entry(key).and_then(|entry| {
            let content = |entry| content(&entry);
            entry.map(content).transpose()
        });
        let want = expected.get(&(name.as_str(), key.as_slice()));
        let want = want.map(|&content| content.clone());
        compare("an entry", entry, &want, &mut *refuse)?;
        if let None | Some(Content::Value(_)) = &want {
            let value = part.get(key).map(|value| value.map(|value| value.to_vec()));
            let want = want.map(|content| match content {
                Content::Value(value) => value,
                Content::Arrays(..) => Vec::new(),
            });
            compare("a value", value, &want, &mut *refuse)?;
        }
    }
    for (name, entries) in state {
        let (collection, partition) = name.split_once('/').unwrap_or_default();
        let part = match store.existing_partition(collection, partition) {
            Ok(part) => part,
            Err(error) => {
                refuse(&error)?;
                continue;
            }
        };
        for absent in ["absent", "key 999", ""] {
            let found = part.contains(absent);
            compare("an absent key", found, &false, &mut *refuse)?;
        }
        compare(
            "a length",
            part.len(),
            &(entries.len() as u64),
            &mut *refuse,
        )?;
        let keys: Vec<Vec<u8>> = entries.iter().map(|(key, _)| key.clone()).collect();
        let listed = part.keys().and_then(Iterator::collect);
        compare("the keys", listed, &keys, &mut *refuse)?;
        for nth in 0..=keys.len() {
            let entry = part
                .nth(nth as u64)
                .map(|entry| entry.map(|it| it.key().to_vec()));
            compare("a position", entry, &keys.get(nth).cloned(), &mut *refuse)?;
        }
    }
    compare("the list", dump(store), state, &mut *refuse)?;
    let mut collections: Vec<String> = Vec::new();
    for (name, _) in state {
        let collection = name.split_once('/').unwrap_or_default().0.to_owned();
        if !collections.contains(&collection) {
            collections.push(collection);
        }
    }
    let found = store.collections().map(|mut names| {
        names.sort();
        names
    });
    collections.sort();
    compare("the collections", found, &collections, refuse)
}
