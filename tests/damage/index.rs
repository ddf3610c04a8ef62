//! A flipped bit of a store whose index is in the file: the right answer or an error that
//! names a place, never a wrong value and never a key that is missing without an error.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arraylog::{Error, Mode, OpenOptions, Result, Store};
use rand::RngExt;

/// Offset of the first frame.
const LOG_START: usize = 16384;
/// Keys of the partition of which more than 1,024 are removed.
const BIG: u32 = 1500;

/// By partition and key.
type Map = BTreeMap<(&'static str, String), Vec<u8>>;

struct Fixture {
    _folder: tempfile::TempDir,
    path: PathBuf,
    bytes: Vec<u8>,
    /// The states that it may be in, the newest last.
    states: Vec<Map>,
    /// Every key that ever was.
    used: Map,
}

struct Making {
    store: Store,
    state: Map,
    used: Map,
}

impl Making {
    fn batch(
        &mut self,
        changes: impl IntoIterator<Item = (&'static str, String, Option<Vec<u8>>)>,
    ) {
        let batch = self.store.batch().expect("batch");
        for (name, key, value) in changes {
            let part = batch.partition("c", name).expect("partition");
            if let Some(value) = value {
                part.put(&key, &value).expect("staged");
                self.used.insert((name, key.clone()), Vec::new());
                self.state.insert((name, key), value);
            } else {
                part.remove(&key).expect("staged");
                self.state.remove(&(name, key));
            }
        }
        batch.commit().expect("committed");
    }

    fn put(&mut self, name: &'static str, keys: std::ops::Range<u32>, with: &str) {
        let change = |key: u32| {
            let value = format!("{with} {key} ").repeat(1 + key as usize % 9);
            (name, format!("key {key}"), Some(value.into_bytes()))
        };
        self.batch(keys.map(change).collect::<Vec<_>>());
    }

    fn remove(&mut self, name: &'static str, keys: std::ops::Range<u32>, step: usize) {
        let keys = keys.step_by(step);
        self.batch(
            keys.map(|key| (name, format!("key {key}"), None))
                .collect::<Vec<_>>(),
        );
    }
}

/// Several segments, some of them merged, few dead entries and many.
fn make(closed: bool) -> Fixture {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::CreateNew).expect("made");
    let (state, used) = (Map::new(), Map::new());
    let mut making = Making { store, state, used };
    let saved = |making: &Making| assert!(making.store.checkpoint().expect("saved"));
    making.put("a", 0..90, "first");
    making.put("big", 0..BIG, "b");
    making.put("b", 0..30, "other");
    saved(&making);
    making.put("a", 10..30, "second");
    making.remove("a", 40..50, 1);
    making.remove("big", 0..1100, 1);
    saved(&making);
    making.put("a", 100..115, "third");
    saved(&making);
    making.put("a", 0..12, "fourth");
    making.remove("b", 3..30, 9);
    saved(&making);
    let mut states = vec![making.state.clone()];
    if closed {
        making.store.close().expect("closed");
    } else {
        making.put("a", 60..70, "fifth");
        states.push(making.state.clone());
        making.remove("b", 1..3, 1);
        states.push(making.state.clone());
    }
    let bytes = std::fs::read(&path).expect("read");
    drop(making.store);
    std::fs::write(&path, &bytes).expect("written");
    Fixture {
        _folder: folder,
        path,
        bytes,
        states,
        used: making.used,
    }
}

fn open(path: &Path, options: &OpenOptions, copying: bool) -> Result<Store> {
    match copying {
        true => options.open(path),
        false => support::open_mapped(options, path),
    }
}

/// Everything, by every way of reading; they have to agree.
fn read(store: &Store, used: &Map) -> Result<Map> {
    let mut map = Map::new();
    for name in ["a", "b", "big"] {
        let part = store.existing_partition("c", name)?;
        for (_, key) in used.keys().filter(|(of, _)| *of == name) {
            if let Some(value) = part.get(key)? {
                map.insert((name, key.clone()), value.to_vec());
            }
        }
        assert_eq!(part.get("absent")?, None);
        let mut walked = 0;
        for entry in part.entries()? {
            let entry = entry?;
            let key = String::from_utf8(entry.key().to_vec()).expect("UTF-8");
            let value = entry.value()?.to_vec();
            assert_eq!(
                map.get(&(name, key)),
                Some(&value),
                "a walk agrees with get"
            );
            walked += 1;
        }
        let count = map.keys().filter(|(of, _)| *of == name).count() as u64;
        assert_eq!((walked, part.len()?), (count, count), "in {name}");
    }
    Ok(map)
}

#[derive(Debug, Default)]
struct Counts {
    reported: u32,
    healed: u32,
    passed_over: u32,
    right: u32,
}

fn is_damage(error: &Error, fixture: &Fixture, what: &str) {
    match error {
        Error::Corrupt { at, .. } => assert!(*at <= fixture.bytes.len() as u64, "{what}: {error}"),
        // The row that names it is gone with the commit, or its index does not show it.
        _ => panic!("{what}: {error}"),
    }
}

impl Fixture {
    fn flip(&self, file: &File, bit: usize, copying: bool, counts: &mut Counts) {
        let what = format!("bit {bit} of byte {} (copying: {copying})", bit / 8);
        let byte = self.bytes[bit / 8];
        let write = |byte: u8| file.write_all_at(&[byte], bit as u64 / 8).expect("written");
        write(byte ^ 1 << (bit % 8));
        let options = OpenOptions::new();
        let opened = open(&self.path, &options, copying);
        let store = opened.as_ref().ok();
        let passed_over = store.is_some_and(|store| !store.recovery().passed_over.is_empty());
        let found = opened.and_then(|store| read(&store, &self.used));
        match found {
            Ok(found) => {
                assert!(self.states.contains(&found), "{what}: another state");
                counts.right += 1;
                counts.passed_over += u32::from(passed_over);
            }
            Err(error) => {
                is_damage(&error, self, &what);
                counts.reported += 1;
                let scanned = open(&self.path, &options.scan(true), copying);
                match scanned.and_then(|store| read(&store, &self.used)) {
                    Ok(found) => {
                        assert!(self.states.contains(&found), "{what}: scanned");
                        counts.healed += 1;
                    }
                    Err(error) => is_damage(&error, self, &what),
                }
            }
        }
        write(byte);
    }

    /// Where segments start.
    fn segments(&self) -> Vec<usize> {
        let words = self.bytes.windows(4).enumerate();
        let found = words.filter(|(at, word)| at.is_multiple_of(64) && *word == b"ALIX");
        found.map(|(at, _)| at).collect()
    }
}

/// Flips some bits; says which seed repeats them, and what was found.
fn sampled(closed: bool) -> String {
    let fixture = make(closed);
    let segments = fixture.segments();
    assert!(segments.len() > 6, "{segments:?}");
    let file = File::options()
        .write(true)
        .open(&fixture.path)
        .expect("opens");
    let (mut rng, seed) = support::rng();
    let mut counts = Counts::default();
    let len = fixture.bytes.len();
    for round in 0..1200 {
        let byte = match round % 6 {
            // Somewhere.
            0 | 1 => rng.random_range(LOG_START..len),
            // In a segment, or right behind one.
            2 | 3 => {
                let at = segments[rng.random_range(0..segments.len())];
                (at + rng.random_range(0..3000)).min(len - 1)
            }
            // The newest roots and the checkpoint.
            4 => rng.random_range(len - 1500..len),
            // Slots and the live page.
            _ => [4096, 8192, 12288][rng.random_range(0..3)] + rng.random_range(0..64),
        };
        let bit = byte * 8 + rng.random_range(0..8);
        fixture.flip(&file, bit, round % 4 == 3, &mut counts);
    }
    assert!(counts.reported > 100 && counts.right > 100, "{counts:?}");
    assert!(counts.healed > 50, "{counts:?}");
    if closed {
        assert!(counts.passed_over > 10, "{counts:?}");
    }
    format!("seed {seed}: {counts:?}")
}

#[test]
fn a_flipped_bit_of_a_closed_store_is_an_error_or_without_effect() {
    println!("{}", sampled(true));
}

#[test]
fn a_flipped_bit_of_a_store_that_was_not_closed_is_an_error_or_without_effect() {
    println!("{}", sampled(false));
}

#[test]
fn the_kind_of_a_version_that_was_replaced_is_compared_before_it_counts() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::CreateNew).expect("made");
    let part = store.partition("c", "p").expect("partition");
    part.put("key", "the first value").expect("stored");
    assert!(store.checkpoint().expect("saved"));
    part.put("key", "the second value").expect("stored");
    let mut bytes = std::fs::read(&path).expect("read");
    drop((part, store));
    let value = b"keythe first".windows(12).next().expect("one");
    let key = bytes.windows(3).position(|part| part == &value[..3]);
    let key = key.expect("the key is in the file");
    // The kind stands 16 bytes before the key: put becomes tombstone.
    assert_eq!(bytes[key - 16], 1);
    bytes[key - 16] = 2;
    std::fs::write(&path, &bytes).expect("written");
    for copying in [false, true] {
        let opened = open(&path, &OpenOptions::new(), copying);
        let error = opened.and_then(|store| store.existing_partition("c", "p")?.len());
        match error {
            Err(Error::Corrupt { at, .. }) => assert_eq!(at as usize, key - 24),
            other => panic!("{other:?}"),
        }
    }
}
