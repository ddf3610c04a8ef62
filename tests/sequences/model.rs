//! What a store holds, as plain collections: its partitions, their pasts, and the versions
//! of every key.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// What an entry holds.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Value(Vec<u8>),
    /// Of one array.
    Array(Vec<i32>),
}

/// Not all of it: values are long.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(bytes) => {
                write!(f, "{} bytes {:?}...", bytes.len(), bytes.first_chunk::<8>())
            }
            Self::Array(numbers) => write!(f, "{} numbers to {:?}", numbers.len(), numbers.last()),
        }
    }
}

/// A collection and a partition of it.
pub(crate) type Name = (&'static str, &'static str);

/// Keys in the order of their latest write.
pub(crate) type Sequence = Vec<(u8, Rc<Content>)>;

/// All partitions.
pub(crate) type State = BTreeMap<Name, Sequence>;

/// A version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) seqno: u64,
    /// `None`: removed.
    pub(crate) content: Option<Rc<Content>>,
}

/// A partition from its first entry until it is dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    pub(crate) sequence: Sequence,
    /// Oldest first.
    versions: BTreeMap<u8, Vec<Version>>,
}

impl Part {
    pub(crate) fn get(&self, key: u8) -> Option<&Rc<Content>> {
        let found = self.sequence.iter().find(|(other, _)| *other == key);
        found.map(|(_, content)| content)
    }

    pub(crate) fn has(&self, key: u8) -> bool {
        self.get(key).is_some()
    }

    /// Newest first.
    pub(crate) fn history(&self, key: u8) -> impl Iterator<Item = &Version> {
        self.versions.get(&key).into_iter().flatten().rev()
    }

    /// Puts an entry to the end of the order.
    pub(crate) fn set(&mut self, seqno: u64, key: u8, content: Rc<Content>) {
        self.sequence.retain(|(other, _)| *other != key);
        self.sequence.push((key, Rc::clone(&content)));
        self.note(seqno, key, Some(content));
    }

    /// Changes an entry in its place in the order.
    pub(crate) fn amend(&mut self, seqno: u64, key: u8, content: Rc<Content>) {
        for (other, place) in &mut self.sequence {
            if *other == key {
                *place = Rc::clone(&content);
            }
        }
        self.note(seqno, key, Some(content));
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, seqno: u64, key: u8) -> bool {
        let there = self.has(key);
        if there {
            self.sequence.retain(|(other, _)| *other != key);
            self.note(seqno, key, None);
        }
        there
    }

    fn note(&mut self, seqno: u64, key: u8, content: Option<Rc<Content>>) {
        let versions = self.versions.entry(key).or_default();
        versions.push(Version { seqno, content });
    }

    /// What a compaction leaves that keeps the state at a commit, and what came after it.
    fn compact(&mut self, since: u64) {
        for versions in self.versions.values_mut() {
            let later = versions.partition_point(|version| version.seqno <= since);
            let mut kept = versions.split_off(later);
            if let Some(mut base) = versions.pop().filter(|base| base.content.is_some()) {
                base.seqno = since;
                kept.insert(0, base);
            }
            *versions = kept;
        }
    }
}

/// A store.
#[derive(Debug)]
pub(crate) struct Model {
    /// Number of the newest commit.
    pub(crate) seqno: u64,
    pub(crate) parts: BTreeMap<Name, Part>,
    /// The states after commits that can be opened.
    pub(crate) past: BTreeMap<u64, State>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            seqno: 0,
            parts: BTreeMap::new(),
            past: BTreeMap::from([(0, State::new())]),
        }
    }

    /// Number of the next commit.
    pub(crate) fn next(&self) -> u64 {
        self.seqno + 1
    }

    /// A partition, which is made if it is not there.
    pub(crate) fn part(&mut self, name: Name) -> &mut Part {
        self.parts.entry(name).or_default()
    }

    pub(crate) fn has(&self, name: Name, key: u8) -> bool {
        self.parts.get(&name).is_some_and(|part| part.has(key))
    }

    pub(crate) fn get(&self, name: Name, key: u8) -> Option<&Rc<Content>> {
        self.parts.get(&name)?.get(key)
    }

    pub(crate) fn state(&self) -> State {
        let parts = self.parts.iter();
        parts
            .map(|(name, part)| (*name, part.sequence.clone()))
            .collect()
    }

    /// What was changed is a commit.
    pub(crate) fn commit(&mut self) {
        self.seqno += 1;
        self.past.insert(self.seqno, self.state());
    }

    /// Oldest commit that can be opened.
    pub(crate) fn oldest(&self) -> u64 {
        self.past.keys().next().copied().unwrap_or_default()
    }

    /// A compaction that keeps the commits from `since` on.
    pub(crate) fn compact(&mut self, since: u64) {
        let since = since.max(self.oldest());
        self.past = self.past.split_off(&since);
        for part in self.parts.values_mut() {
            part.compact(since);
        }
    }
}
