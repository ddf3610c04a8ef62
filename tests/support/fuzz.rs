//! The bodies of the fuzz targets: functions of bytes that must not panic, must not hang,
//! and whose assertions must hold. [`TARGETS`] has them all; `tests/fuzz.rs` drives them on
//! stable Rust, the package in `tests/fuzz` with libFuzzer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use arraylog::{
    ArraySpec, AttrValue, Attrs, BackupOptions, CompactOptions, Mode, OpenOptions, Store, Verify,
    VerifyOptions,
};

use crate::dump::dump;
use crate::open_mapped;

/// A target: its name, its body, and whether its bytes are a file.
pub type Target = (&'static str, fn(&[u8]), bool);

/// All targets.
pub const TARGETS: [Target; 11] = [
    ("open", open, true),
    ("repair", repair, true),
    ("index", index, false),
    ("recovery", recovery, false),
    ("record", arraylog::__fuzz::record, false),
    ("entry", arraylog::__fuzz::entry, false),
    ("attrs", arraylog::__fuzz::attrs, false),
    ("codec", arraylog::__fuzz::codec, false),
    ("dictionary", arraylog::__fuzz::dictionary, false),
    ("ndjson", arraylog_cli::__fuzz::ndjson, false),
    ("operations", operations, false),
];

/// A file of this thread.
fn path(name: &str) -> PathBuf {
    thread_local! {
        static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
    }
    FOLDER.with(|folder| {
        let mut folder = folder.borrow_mut();
        let folder = folder.get_or_insert_with(|| {
            // In memory where there is such a folder: files come and go by the thousand.
            let there = PathBuf::from("/dev/shm");
            let made = tempfile::tempdir_in(there).or_else(|_| tempfile::tempdir());
            made.unwrap_or_else(|error| unreachable!("a folder for the test: {error}"))
        });
        folder.path().join(name)
    })
}

fn put(bytes: &[u8]) -> PathBuf {
    let path = path("a.alog");
    let written = std::fs::write(&path, bytes);
    assert!(written.is_ok(), "{written:?}");
    path
}

/// Opens a file in every way and reads all of it; it stays as it is.
pub fn open(bytes: &[u8]) {
    let path = put(bytes);
    for (copying, scan) in [(false, false), (true, false), (false, true)] {
        let options = OpenOptions::new().scan(scan);
        let opened = match copying {
            true => options.open(&path),
            false => open_mapped(&options, &path),
        };
        if let Ok(store) = opened {
            let _ = dump(&store);
            let _ = store.verify(&VerifyOptions::new().threads(1));
            let newest = store.seqno();
            for seqno in newest.saturating_sub(2)..=newest {
                let _ = store.at(seqno).map(|snapshot| dump(&snapshot));
            }
        }
    }
    if let Ok(store) = OpenOptions::new().open_degraded(&path) {
        let _ = dump(&store);
        let _ = store.verify(&VerifyOptions::new().threads(1));
        let copy = self::path("b.alog");
        let options = BackupOptions::new().replace(true);
        if store.salvage(&copy, &options).is_ok() {
            // Entries that contradict themselves although their sums hold come along.
            let copy = OpenOptions::new().open(&copy);
            let verified = copy.and_then(|copy| copy.verify(&VerifyOptions::new().threads(1)));
            let sound = verified.is_ok_and(|verified| verified.is_sound());
            assert!(sound, "what was salvaged is sound");
        }
    }
    assert!(
        std::fs::read(&path).is_ok_and(|found| found == bytes),
        "the file is as it was"
    );
}

/// As [`open`], of a file whose checksums are made right first, so that it gets deep.
pub fn repair(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    arraylog::__fuzz::repair(&mut bytes);
    open(&bytes);
}

/// A store with an index of several segments, and a tail that was never synced.
pub fn seed() -> &'static [u8] {
    static SEED: OnceLock<Vec<u8>> = OnceLock::new();
    SEED.get_or_init(|| {
        let folder = tempfile::tempdir();
        let made = folder.map_err(Into::into).and_then(|folder| {
            let path = folder.path().join("seed.alog");
            let store = OpenOptions::new().mode(Mode::CreateNew);
            let ids = (*b"seed of fuzzing.", *b"lineage of seeds");
            let store = arraylog::__test::fixed(store, ids.0, ids.1, 7, 1).open(&path)?;
            fill(&store)?;
            Ok::<_, Box<dyn std::error::Error>>(std::fs::read(&path)?)
        });
        made.unwrap_or_else(|error| unreachable!("a store in memory: {error}"))
    })
}

fn fill(store: &Store) -> arraylog::Result<()> {
    let part = store.partition("c", "p")?;
    for round in 0..3u32 {
        for key in 0..40 {
            part.put(
                format!("key {}", key * (round + 1)),
                format!("value {round}"),
            )?;
        }
        store.checkpoint()?;
    }
    let arrays = [
        (
            "temperature",
            ArraySpec::from_slice(&[1.5f32, 2.5, 3.5])
                .dims(&["depth"])
                .missing(&[0, 1, 0]),
        ),
        ("name", ArraySpec::string("a text of some length")),
        ("names", ArraySpec::strings(&["one", "two"])),
    ];
    let mut attrs = Attrs::new();
    attrs.set("lat", AttrValue::Float64(1.5));
    store.partition("c", "q")?.write("entry", &arrays, &attrs)?;
    part.remove("key 3")?;
    store.sync()?;
    part.put("never synced", "or not")
}

/// Changes of bytes: an offset of two bytes and a byte, again and again.
fn edited(bytes: &[u8], mut at: impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut file = seed().to_vec();
    for change in bytes.as_chunks::<3>().0 {
        let [low, high, with] = *change;
        let place = at(usize::from(u16::from_le_bytes([low, high])));
        if let Some(byte) = file.get_mut(place) {
            *byte ^= with;
        }
    }
    file
}

/// Where the segments of the index of the seed lie.
fn segments() -> &'static [usize] {
    static SEGMENTS: OnceLock<Vec<usize>> = OnceLock::new();
    SEGMENTS.get_or_init(|| {
        let path = put(seed());
        let found = OpenOptions::new().open(&path).and_then(|store| {
            let found = arraylog::__test::segments(&store)?;
            Ok(found.into_iter().flatten().map(|at| at as usize).collect())
        });
        found.unwrap_or_else(|error| unreachable!("the seed opens: {error}"))
    })
}

/// Probes segments of an index that are changed and, by wish, not compared.
pub fn index(bytes: &[u8]) {
    let places = segments();
    let file = edited(bytes, |at| {
        places.get(at % places.len()).copied().unwrap_or(0)
    });
    let path = put(&file);
    for verify in [Verify::Never, Verify::First] {
        let options = OpenOptions::new().verify(verify);
        let Ok(store) = open_mapped(&options, &path) else {
            continue;
        };
        let Ok(part) = store.existing_partition("c", "p") else {
            continue;
        };
        for key in 0..130 {
            let key = format!("key {key}");
            if let Ok(Some(value)) = part.get(&key) {
                assert!(
                    value.starts_with(b"value ") || verify == Verify::Never,
                    "{key}"
                );
            }
        }
        let _ = (part.len(), part.nth(0), part.nth(50), part.nth(u64::MAX));
        let _ = part.keys().map(|keys| keys.take(10_000).count());
    }
}

/// Opens a store for writing whose log was changed or cut; writes, closes and reads again.
pub fn recovery(bytes: &[u8]) {
    let Some((cut, changes)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    const LOG_START: usize = 16384;
    let mut file = edited(changes, |at| LOG_START + at);
    let cut = usize::from(u16::from_le_bytes(*cut));
    if cut % 3 == 0 {
        file.truncate(LOG_START + cut % file.len().saturating_sub(LOG_START).max(1));
    }
    let path = put(&file);
    let options = OpenOptions::new().mode(Mode::ReadWrite).lock(false);
    let Ok(store) = options.open(&path) else {
        assert!(
            std::fs::read(&path).is_ok_and(|found| found == file),
            "refused and changed"
        );
        return;
    };
    let written = store
        .default_partition()
        .and_then(|part| part.put("new", "value"));
    if written.and_then(|()| store.close()).is_ok() {
        let again = OpenOptions::new().open(&path);
        let value = again.and_then(|store| store.default_partition()?.get("new"));
        let value = value.map(|value| value.map(|value| value.to_vec()));
        assert!(
            matches!(&value, Ok(Some(value)) if value == b"value"),
            "{value:?}"
        );
    }
}

/// Operations on a store and on a map: both hold the same, also after opening again.
pub fn operations(bytes: &[u8]) {
    let path = path("operations.alog");
    let options = OpenOptions::new().mode(Mode::Replace).lock(false);
    let outcome = options.open(&path).and_then(|mut store| {
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for operation in bytes.as_chunks::<3>().0.iter().take(60) {
            let [what, key, len] = *operation;
            let (key, value) = (vec![key % 16], vec![len; usize::from(len) * 3]);
            let part = store.default_partition()?;
            match what % 9 {
                0..=2 => {
                    part.put(&key, &value)?;
                    model.insert(key, value);
                }
                3 => assert_eq!(part.remove(&key)?, model.remove(&key).is_some()),
                4 => {
                    let batch = store.batch()?;
                    let staged = batch.partition("default", "default")?;
                    staged.put(&key, &value)?;
                    staged.put("both", &value)?;
                    batch.commit()?;
                    model.insert(key, value.clone());
                    model.insert(b"both".to_vec(), value);
                }
                5 => drop(store.checkpoint()?),
                6 => drop(store.compact(&CompactOptions::new())?),
                7 => {
                    if len % 2 == 0 {
                        store.close()?;
                    }
                    drop((part, store));
                    let options = OpenOptions::new().mode(Mode::ReadWrite).lock(false);
                    store = options.open(&path)?;
                }
                _ => {
                    let found = part.get(&key)?.map(|value| value.to_vec());
                    assert_eq!(found.as_ref(), model.get(&key));
                }
            }
        }
        let part = store.default_partition()?;
        assert_eq!(part.len()?, model.len() as u64);
        for (key, value) in &model {
            let found = part.get(key)?;
            assert_eq!(found.as_deref(), Some(value.as_slice()));
        }
        assert!(store.verify(&VerifyOptions::new().threads(1))?.is_sound());
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}
