//! Does operations to a store and to a model, and compares them.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use arraylog::{
    ArraySpec, Assignment, Attrs, CompactOptions, Condition, Error, Keep, Mode, OpenOptions,
    Partition, Selection, Snapshot, Span, Store, Value,
};

use crate::compare::{KEYS, compare, content, key, look};
use crate::model::{Content, Model, Name, State};

pub(crate) const NAMES: [Name; 4] = [("c", "p"), ("c", "q"), ("d", "p"), ("größe", "p/3")];

/// In memory where the system has such a folder: nothing here is about the device.
pub(crate) fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()),
        false => tempfile::tempdir(),
    };
    made.expect("a folder")
}

/// What was taken out of the store, and what it has to stay.
#[derive(Default)]
struct Held {
    values: Vec<(Value, Vec<u8>)>,
    snapshots: Vec<(Snapshot, State)>,
    /// A handle for reading, and what it has seen.
    reader: Option<(Store, State)>,
}

pub(crate) struct Run {
    path: PathBuf,
    pub(crate) store: Store,
    pub(crate) model: Model,
    held: Held,
    count: u64,
}

/// One operation: what, on which key, with what else.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) name: Name,
    pub(crate) key: u8,
    pub(crate) other: u8,
    pub(crate) more: u8,
}

/// Does a sequence of operations, each given by four bytes.
pub(crate) fn run(folder: &Path, sequence: &[[u8; 4]]) {
    let path = folder.join("a.alog");
    let store = support::open(&path, Mode::Replace).expect("made");
    let mut run = Run {
        path,
        store,
        model: Model::new(),
        held: Held::default(),
        count: 0,
    };
    for step in sequence {
        run.step(*step);
    }
    run.end();
}

impl Run {
    fn step(&mut self, [what, key, other, more]: [u8; 4]) {
        let step = Step {
            name: NAMES[usize::from(more) % NAMES.len()],
            key: key % KEYS,
            other: other % KEYS,
            more,
        };
        self.count += 1;
        match what {
            // What is least is what is shown of a sequence that fails.
            0 => self.listing(),
            1..60 => self.put(step),
            60..72 => self.put_if(step),
            72..79 => self.write(step),
            79..84 => self.change(step),
            84..110 => self.remove(step),
            110..140 => self.batch(step, other),
            140..155 => self.rename(step),
            155..170 => self.copy(step),
            170..172 => self.clear(step),
            172..178 => self.drop_partition(step),
            178..180 => self.drop_collection(step),
            180..185 => self.rename_partition(step),
            185..195 => drop(self.store.checkpoint().expect("saved")),
            195..205 => self.reopen(step),
            205..212 => self.compact(step),
            212..220 => self.snapshot(),
            220..230 => self.at(step),
            230..240 => self.history(step),
            240..246 => self.hold(step),
            246..252 => self.follow(step),
            _ => self.listing(),
        }
        assert_eq!(self.store.seqno(), self.model.seqno);
        look(&self.store, self.model.parts.get(&step.name), step);
    }

    fn part(&self, name: Name) -> Partition {
        self.store.partition(name.0, name.1).expect("a handle")
    }

    /// What is stored at an operation: no two are the same.
    pub(crate) fn value(&self, step: Step) -> Vec<u8> {
        let len = match step.more {
            248.. => 70_000,
            more => [0, 1, 8, 40, 40, 200, 200, 4000][usize::from(more / 32)],
        };
        let mut value = vec![step.more; len];
        let number = self.count.to_le_bytes();
        let shared = len.min(number.len());
        value[..shared].copy_from_slice(&number[..shared]);
        value
    }

    fn put(&mut self, step: Step) {
        let value = self.value(step);
        let part = self.part(step.name);
        part.put(key(step.key), &value).expect("stored");
        self.set(step.name, step.key, Content::Value(value));
    }

    /// Changes a part of an array, its length, or all of it, where the entry stands.
    fn change(&mut self, step: Step) {
        let part = self.part(step.name);
        let key = key(step.key);
        let new: Vec<i32> = (0..i32::from(step.more % 7))
            .map(|i| i - self.count as i32)
            .collect();
        let spec = ArraySpec::from_slice(&new);
        let mut numbers = match self
            .model
            .get(step.name, step.key)
            .map(|content| &**content)
        {
            Some(Content::Array(numbers)) => numbers.clone(),
            found => {
                let error = part.append(&key, "t", 0, &spec).expect_err("no array");
                let kind = if found.is_some() { "kind" } else { "not-found" };
                assert_eq!(error.kind(), kind);
                return;
            }
        };
        match step.other % 4 {
            0 => {
                let start = usize::from(step.more) % (numbers.len() + 1);
                let count = new.len().min(numbers.len() - start);
                let range = start..start + count;
                numbers[range.clone()].copy_from_slice(&new[..count]);
                let selection = Selection::new([Span::range(start as u64..range.end as u64)]);
                let new = ArraySpec::from_slice(&new[..count]);
                part.write_region(&key, "t", &selection, &new)
                    .expect("written");
            }
            1 => {
                part.append(&key, "t", 0, &spec).expect("appended");
                numbers.extend(&new);
            }
            2 => {
                let len = usize::from(step.more) % 40;
                part.resize(&key, "t", &[len as u64]).expect("resized");
                numbers.resize(len, 0);
            }
            _ => {
                let arrays = [("t", spec.chunks(&[2]))];
                let assignment = Assignment {
                    arrays: &arrays,
                    ..Assignment::default()
                };
                part.assign(&key, &assignment).expect("changed");
                numbers = new.clone();
            }
        }
        let seqno = self.model.next();
        let content = Rc::new(Content::Array(numbers));
        self.model.part(step.name).amend(seqno, step.key, content);
        self.model.commit();
    }

    fn set(&mut self, name: Name, key: u8, content: Content) {
        let seqno = self.model.next();
        self.model.part(name).set(seqno, key, Rc::new(content));
        self.model.commit();
    }

    /// A condition, and whether it holds.
    fn condition(&self, step: Step) -> (Condition, bool) {
        let there = self.model.has(step.name, step.key);
        let version = |number| {
            let entry = self.part(step.name).entry(key(number)).expect("read");
            entry.map(|entry| entry.version())
        };
        match step.other % 3 {
            0 => (Condition::Absent, !there),
            1 => match version(step.key) {
                Some(version) => (Condition::Version(version), true),
                None => (Condition::Version(u64::MAX.into()), false),
            },
            _ => match version(step.key + 1) {
                Some(version) => (Condition::Version(version), false),
                None => (Condition::Always, true),
            },
        }
    }

    fn put_if(&mut self, step: Step) {
        let (condition, holds) = self.condition(step);
        let (part, value) = (self.part(step.name), self.value(step));
        if step.more.is_multiple_of(3) {
            let removed = part.remove_if(key(step.key), condition);
            match removed {
                Ok(removed) => {
                    assert!(holds);
                    assert_eq!(removed, self.removed(step.name, step.key));
                }
                Err(Error::Conflict { .. }) => assert!(!holds),
                Err(error) => panic!("{error}"),
            }
            return;
        }
        match part.put_if(key(step.key), &value, condition) {
            Ok(()) => {
                assert!(holds);
                self.set(step.name, step.key, Content::Value(value));
            }
            Err(Error::Conflict { .. }) => assert!(!holds),
            Err(error) => panic!("{error}"),
        }
    }

    fn write(&mut self, step: Step) {
        let numbers: Vec<i32> = (0..i32::from(step.other) * 3)
            .chain([self.count as i32])
            .collect();
        let spec = ArraySpec::from_slice(&numbers);
        let array = [(
            "t",
            match step.more % 4 {
                0 => spec,
                1 => spec.codec("shuffle+lz4"),
                2 => spec.chunks(&[u64::from(step.more / 8) + 1]),
                _ => spec.chunks(&[3]).codec("zstd:1"),
            },
        )];
        let part = self.part(step.name);
        part.write(key(step.key), &array, &Attrs::new())
            .expect("written");
        self.set(step.name, step.key, Content::Array(numbers));
    }

    fn remove(&mut self, step: Step) {
        let removed = self.part(step.name).remove(key(step.key));
        let expected = self.removed(step.name, step.key);
        assert_eq!(removed.expect("removed"), expected);
    }

    /// A key is removed, in a commit if it was there.
    fn removed(&mut self, name: Name, key: u8) -> bool {
        let seqno = self.model.next();
        let parts = &mut self.model.parts;
        let removed = parts
            .get_mut(&name)
            .is_some_and(|part| part.remove(seqno, key));
        if removed {
            self.model.commit();
        }
        removed
    }

    /// Moves or copies in the model, at the next commit.
    pub(crate) fn moved(&mut self, from: (Name, u8), to: (Name, u8), stays: bool) {
        let seqno = self.model.next();
        let content = self.model.get(from.0, from.1).cloned().expect("there");
        self.model.part(to.0).set(seqno, to.1, content);
        if !stays {
            self.model.part(from.0).remove(seqno, from.1);
        }
    }

    fn rename(&mut self, step: Step) {
        let target = NAMES[usize::from(step.more / 4) % NAMES.len()];
        let overwrite = step.more >= 128;
        let (from, to) = ((step.name, step.key), (target, step.other));
        let (source, goal) = (self.part(step.name), self.part(target));
        let (has_old, has_new) = (self.model.has(from.0, from.1), self.model.has(to.0, to.1));
        match source.rename_to(key(from.1), &goal, key(to.1), overwrite) {
            Ok(()) => {
                assert!(has_old && (overwrite || !has_new || from == to));
                if from != to {
                    self.moved(from, to, false);
                    self.model.commit();
                }
            }
            Err(Error::NotFound { .. }) => assert!(!has_old),
            Err(Error::Conflict { .. }) => assert!(has_old && has_new && !overwrite),
            Err(error) => panic!("{error}"),
        }
    }

    fn copy(&mut self, step: Step) {
        let target = NAMES[usize::from(step.more / 4) % NAMES.len()];
        let overwrite = step.more >= 128;
        let (from, to) = ((step.name, step.key), (target, step.other));
        let (source, goal) = (self.part(step.name), self.part(target));
        let (has_old, has_new) = (self.model.has(from.0, from.1), self.model.has(to.0, to.1));
        match source.copy(key(from.1), &goal, key(to.1), overwrite) {
            Ok(()) => {
                assert!(from != to && has_old && (overwrite || !has_new));
                self.moved(from, to, true);
                self.model.commit();
            }
            Err(Error::Invalid { .. }) => assert!(from == to),
            Err(Error::NotFound { .. }) => assert!(!has_old),
            Err(Error::Conflict { .. }) => assert!(has_new && !overwrite),
            Err(error) => panic!("{error}"),
        }
    }

    fn clear(&mut self, step: Step) {
        let cleared = self.part(step.name).clear().expect("cleared");
        let seqno = self.model.next();
        let Some(part) = self.model.parts.get_mut(&step.name) else {
            return assert_eq!(cleared, 0);
        };
        assert_eq!(cleared, part.sequence.len() as u64);
        let keys: Vec<u8> = part.sequence.iter().map(|(key, _)| *key).collect();
        for key in &keys {
            part.remove(seqno, *key);
        }
        if !keys.is_empty() {
            self.model.commit();
        }
    }

    fn drop_partition(&mut self, step: Step) {
        let dropped = self.store.drop_partition(step.name.0, step.name.1);
        let there = self.model.parts.remove(&step.name).is_some();
        assert_eq!(dropped.expect("dropped"), there);
        if there {
            self.model.commit();
        }
    }

    fn drop_collection(&mut self, step: Step) {
        let there = self.store.has_collection(step.name.0).expect("asked");
        let dropped = self.store.drop_collection(step.name.0).expect("dropped");
        assert_eq!(dropped, there);
        self.model.parts.retain(|name, _| name.0 != step.name.0);
        if there {
            self.model.commit();
        }
    }

    fn rename_partition(&mut self, step: Step) {
        let new = NAMES[usize::from(step.other) % NAMES.len()];
        let (there, taken) = (
            self.model.parts.contains_key(&step.name),
            self.model.parts.contains_key(&new),
        );
        let renamed = self
            .store
            .rename_partition(step.name.0, step.name.1, new.0, new.1);
        match renamed {
            Ok(()) => {
                assert!(there && (!taken || new == step.name));
                if new != step.name {
                    let part = self.model.parts.remove(&step.name).expect("there");
                    self.model.parts.insert(new, part);
                    self.model.commit();
                }
            }
            Err(Error::NotFound { .. }) => assert!(!there),
            Err(Error::Conflict { .. }) => assert!(there && taken),
            Err(error) => panic!("{error}"),
        }
    }

    fn reopen(&mut self, step: Step) {
        if step.more.is_multiple_of(2) {
            self.store.close().expect("closed");
        }
        self.store = Store::memory().expect("memory");
        self.store = match step.more % 4 {
            0 | 1 => support::open(&self.path, Mode::ReadWrite).expect("opens"),
            _ => {
                let options = OpenOptions::new().mode(Mode::ReadWrite);
                options.open(&self.path).expect("opens")
            }
        };
        assert_eq!(self.store.recovery().torn_bytes, 0);
        self.listing();
    }

    fn compact(&mut self, step: Step) {
        let commits: Vec<u64> = self.model.past.keys().copied().collect();
        let since = commits[usize::from(step.more) % commits.len()];
        let keep = match step.other % 2 {
            0 => Keep::Nothing,
            _ => Keep::Since(since),
        };
        let options = CompactOptions::new().keep(keep);
        self.store.compact(&options).expect("compacted");
        self.model.compact(match keep {
            Keep::Since(since) => since,
            _ => self.model.seqno,
        });
        self.listing();
    }

    fn snapshot(&mut self) {
        if self.held.snapshots.len() < 4 {
            let snapshot = self.store.snapshot().expect("taken");
            self.held.snapshots.push((snapshot, self.model.state()));
        }
        for (snapshot, state) in &self.held.snapshots {
            compare(snapshot, state);
        }
    }

    fn at(&mut self, step: Step) {
        let seqno = u64::from(step.more) * (self.model.seqno + 2) / 256;
        match (self.store.at(seqno), self.model.past.get(&seqno)) {
            (Ok(snapshot), Some(state)) => {
                assert_eq!(snapshot.seqno(), seqno);
                compare(&snapshot, state);
            }
            (Err(Error::SnapshotGone { oldest, .. }), None) => {
                assert!(seqno < oldest && oldest == self.model.oldest());
            }
            (Err(Error::Invalid { .. }), None) => assert!(seqno > self.model.seqno),
            (found, expected) => panic!("at {seqno}: {found:?}, {expected:?}"),
        }
    }

    fn history(&mut self, step: Step) {
        for number in [step.key, step.other] {
            let found = self.part(step.name).history(key(number)).expect("listed");
            let found: Vec<_> = found
                .map(|version| {
                    let version = version.expect("read");
                    (version.seqno, version.entry.as_ref().map(content))
                })
                .collect();
            let part = self.model.parts.get(&step.name);
            let versions = part.into_iter().flat_map(|part| part.history(number));
            let (mut found, mut above) = (found.into_iter().peekable(), None);
            for version in versions {
                let expected = (version.seqno, version.content.as_deref().cloned());
                // Records of one batch lead to what was before it: those that are not the
                // last of their key in it may be passed over.
                let passed = above == Some(version.seqno) && found.peek() != Some(&expected);
                above = Some(version.seqno);
                if !passed {
                    assert_eq!(found.next(), Some(expected), "a version of {number}");
                }
            }
            assert_eq!(found.next(), None, "a version of {number}");
        }
    }

    /// Keeps a value.
    fn hold(&mut self, step: Step) {
        if let Some(Content::Value(bytes)) = self.model.get(step.name, step.key).map(|it| &**it) {
            let value = self.part(step.name).get(key(step.key)).expect("read");
            self.held
                .values
                .push((value.expect("there"), bytes.clone()));
        }
    }

    /// A reader stays where it was until it is told to follow.
    fn follow(&mut self, step: Step) {
        let state = self.model.state();
        let Some((reader, seen)) = &mut self.held.reader else {
            let reader = match step.more % 2 {
                0 => support::open(&self.path, Mode::Read),
                _ => OpenOptions::new().open(&self.path),
            };
            let reader = reader.expect("opens");
            compare(&reader, &state);
            self.held.reader = Some((reader, state));
            return;
        };
        compare(reader, seen);
        reader.refresh().expect("refreshed");
        compare(reader, &state);
        *seen = state;
    }

    fn listing(&self) {
        compare(&self.store, &self.model.state());
    }

    fn end(mut self) {
        self.listing();
        self.store.close().expect("closed");
        self.store = support::open(&self.path, Mode::Read).expect("opens");
        self.listing();
        for seqno in [self.model.oldest(), self.model.seqno] {
            let past = self.store.at(seqno).expect("kept");
            compare(&past, &self.model.past[&seqno]);
        }
        drop(self.store);
        let held = self.held;
        for (value, bytes) in &held.values {
            assert!(value[..] == bytes[..], "a value that was held");
        }
        for (snapshot, state) in &held.snapshots {
            compare(snapshot, state);
        }
        if let Some((reader, seen)) = &held.reader {
            compare(reader, seen);
        }
    }
}
