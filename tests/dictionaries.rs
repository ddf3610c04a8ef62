//! Dictionaries: compaction has small arrays of a partition share what they have in common.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use arraylog::{
    ArraySpec, Assignment, AttrValue, Attrs, BackupOptions, CompactOptions, DType, Error, Mask,
    Mode, OpenOptions, Part, Partition, Store, VerifyOptions,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use support::dump::{Content, content};
use support::open;

const COUNT: usize = 3000;

/// What a dictionary of zstd starts with.
const MAGIC: [u8; 4] = [0x37, 0xA4, 0x30, 0xEC];

fn key(number: usize) -> String {
    format!("station-{number}")
}

/// Temperatures of one station, to a hundredth of a degree.
fn temperatures(number: usize, len: usize) -> Vec<f32> {
    let mut random = StdRng::seed_from_u64(number as u64);
    let mut now = random.random_range(-500..2500);
    let next = |_| {
        now += random.random_range(-8..=8);
        now as f32 / 100.0
    };
    (0..len).map(next).collect()
}

fn names(number: usize) -> (Vec<u64>, Vec<u8>) {
    let mut offsets = vec![0];
    let mut data = Vec::new();
    for at in 0..12 {
        let status = ["operational", "maintenance", "unknown"][(number + at) % 3];
        data.extend_from_slice(format!("observation {} {status}", number % 17 + at).as_bytes());
        offsets.push(data.len() as u64);
    }
    (offsets, data)
}

/// One entry: numbers, numbers with a mask, texts; a long array, one of another codec and
/// one without.
fn write(part: &Partition, number: usize) {
    let numbers = temperatures(number, 128);
    let few = temperatures(number + 7, 40);
    let missing: Vec<u8> = (0..40).map(|at| u8::from(at % 5 == 0)).collect();
    let mut masked = ArraySpec::from_slice(&few).codec("zstd:5");
    masked.mask = Some(Mask::Missing(missing.into()));
    let (offsets, data) = names(number);
    let mut texts = ArraySpec::new(DType::String, &[12], &[]).codec("zstd");
    texts.data = arraylog::ArrayBytes::Variable {
        offsets,
        data: data.into(),
    };
    let long = temperatures(number, 8000);
    let mut arrays = vec![
        ("t", ArraySpec::from_slice(&numbers).codec("shuffle+zstd:3")),
        ("masked", masked),
        ("texts", texts),
        ("other", ArraySpec::from_slice(&few).codec("lz4")),
        ("plain", ArraySpec::from_slice(&few)),
    ];
    if number.is_multiple_of(500) {
        arrays.push(("long", ArraySpec::from_slice(&long).codec("zstd:3")));
    }
    let mut attrs = Attrs::new();
    attrs.set("number", AttrValue::Int64(number as i64));
    part.write(key(number), &arrays, &attrs).expect("stored");
}

fn all(part: &Partition) -> Vec<(Vec<u8>, Content)> {
    let entries = part.entries().expect("a walk");
    entries
        .map(|entry| {
            let entry = entry.expect("read");
            (entry.key().to_vec(), content(&entry).expect("decoded"))
        })
        .collect()
}

fn compact(store: &Store) -> u64 {
    let options = CompactOptions::new();
    store.compact(&options).expect("compacted").file_bytes
}

/// How often a dictionary stands in a file.
fn dictionaries(path: &Path) -> Vec<usize> {
    let bytes = fs::read(path).expect("read");
    let found = bytes.windows(4).enumerate();
    let found = found.filter(|(_, window)| *window == MAGIC);
    found.map(|(at, _)| at).collect()
}

/// A new store with all entries, which share nothing yet.
fn written(path: &Path) -> (Store, Partition) {
    let store = open(path, Mode::Append).expect("opened");
    let part = store.partition("c", "p").expect("partition");
    (0..COUNT).for_each(|number| write(&part, number));
    (store, part)
}

/// A store whose partition has a dictionary.
fn shared(folder: &Path) -> (Store, Partition) {
    let path = folder.join("shared.alog");
    let (store, part) = written(&path);
    compact(&store);
    assert_eq!(dictionaries(&path).len(), 2);
    (store, part)
}

#[test]
fn small_arrays_share_after_compaction_and_are_what_they_were() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let (store, part) = written(&path);
    let before = all(&part);
    let alone = store.compact(&CompactOptions::new().dictionaries(false));
    let alone = alone.expect("compacted").file_bytes;
    assert_eq!(dictionaries(&path), [0usize; 0]);
    let together = compact(&store);
    assert!(together * 100 < alone * 95, "{together} of {alone} bytes");
    assert!(all(&part) == before);
    assert_eq!(damage(&store), []);
    let usage = store.usage().expect("told");
    assert!(usage.reclaimable_bytes < 4096, "{usage:?}");

    // What uses the dictionary stays as it is; what came later joins in.
    write(&part, COUNT);
    let again = compact(&store);
    assert!(again.abs_diff(together) < 16 << 10, "{again}, {together}");
    assert!(all(&part)[..COUNT] == before);
    store.close().expect("closed");
    drop(part);
    let store = open(&path, Mode::Read).expect("opened");
    let part = store.existing_partition("c", "p").expect("there");
    assert!(all(&part)[..COUNT] == before);
}

#[test]
fn what_has_nothing_in_common_gets_no_dictionary() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let store = open(&path, Mode::Append).expect("opened");
    let part = store.partition("c", "p").expect("partition");
    let mut random = StdRng::seed_from_u64(5);
    for number in 0..COUNT {
        let noise: Vec<u64> = (0..40).map(|_| random.random()).collect();
        let noise = ArraySpec::from_slice(&noise).codec("zstd:3");
        part.write(key(number), &[("t", noise)], &Attrs::new())
            .expect("stored");
    }
    let before = all(&part);
    compact(&store);
    assert_eq!(dictionaries(&path), [0usize; 0]);
    assert!(all(&part) == before);
    // Few entries do not pay for one either.
    let few = store.partition("c", "few").expect("partition");
    (0..20).for_each(|number| write(&few, number));
    compact(&store);
    assert_eq!(dictionaries(&path), [0usize; 0]);
}

#[test]
fn copies_renames_and_amendments_are_whole_without_the_dictionary_of_their_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, part) = shared(folder.path());
    let memory = Store::memory().expect("memory");
    let elsewhere = memory.partition("c", "p").expect("partition");
    let beside = store.partition("c", "beside").expect("partition");
    let of = |part: &Partition, key: &str| {
        let entry = part.entry(key).expect("read").expect("there");
        content(&entry).expect("decoded")
    };
    let wanted: Vec<Content> = (0..6).map(|number| of(&part, &key(number))).collect();
    part.copy(key(0), &beside, "copied", false).expect("copied");
    part.copy(key(0), &part, "copied", false).expect("copied");
    part.copy(key(0), &elsewhere, "copied", false)
        .expect("copied");
    part.rename(key(1), "renamed", false).expect("renamed");
    part.rename_to(key(2), &beside, "renamed", false)
        .expect("renamed");
    let batch = store.batch().expect("a batch");
    let staged = batch.partition("c", "p").expect("partition");
    staged.rename(key(3), "batched", false).expect("renamed");
    let entry = part.entry(key(4)).expect("read").expect("there");
    staged.copy("batch copied", &entry).expect("copied");
    let other = batch.partition("c", "beside").expect("partition");
    other.copy("batched", &entry).expect("copied");
    batch.commit().expect("committed");
    let check = || {
        assert!(of(&part, "copied") == wanted[0]);
        assert!(of(&beside, "copied") == wanted[0]);
        assert!(of(&elsewhere, "copied") == wanted[0]);
        assert!(of(&part, "renamed") == wanted[1]);
        assert!(of(&beside, "renamed") == wanted[2]);
        assert!(of(&part, "batched") == wanted[3]);
        assert!(of(&part, "batch copied") == wanted[4]);
        assert!(of(&beside, "batched") == wanted[4]);
    };
    check();
    compact(&store);
    check();

    // An attribute of an entry that shares.
    let mut changes = Assignment::default();
    changes.attrs.set("more", AttrValue::Bool(true));
    part.assign(key(5), &changes).expect("assigned");
    let amended = of(&part, &key(5));
    assert!(amended != wanted[5]);
    compact(&store);
    assert!(of(&part, &key(5)) == amended);
    check();

    // Without dictionaries for them what shares stays as it is.
    let options = CompactOptions::new().dictionaries(false);
    store.compact(&options).expect("compacted");
    assert_eq!(dictionaries(&folder.path().join("shared.alog")).len(), 2);
    check();
    // One that most do not need any more goes.
    for number in 0..COUNT {
        let plain = [number as u32; 9];
        let plain = ArraySpec::from_slice(&plain);
        part.write(key(number), &[("n", plain)], &Attrs::new())
            .expect("stored");
    }
    compact(&store);
    assert_eq!(
        dictionaries(&folder.path().join("shared.alog")),
        [0usize; 0]
    );
    check();
}

#[test]
fn the_id_of_a_dictionary_takes_two_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let _store = shared(folder.path());
    let bytes = fs::read(folder.path().join("shared.alog")).expect("read");
    for at in dictionaries(&folder.path().join("shared.alog")) {
        let id = bytes[at + 4..at + 8].try_into().expect("four bytes");
        let id = u32::from_le_bytes(id);
        assert!((32_768..65_536).contains(&id), "{id}");
    }
}

/// How many arrays of a file are encoded at a level.
fn at_level(path: &Path, level: u32) -> usize {
    let bytes = fs::read(path).expect("read");
    let text = format!("zstd:{level}");
    let found = bytes.windows(text.len());
    found.filter(|window| *window == text.as_bytes()).count()
}

#[test]
fn compaction_encodes_what_shares_at_the_level_that_it_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let (store, part) = written(&path);
    let before = all(&part);
    for level in [0, 23, u32::MAX] {
        let options = CompactOptions::new().level(level);
        let refused = store.compact(&options).expect_err("no such level");
        let said = refused.to_string();
        assert_eq!(refused.kind(), "invalid", "{said}");
        assert!(
            said.contains(&format!("is 1 to 22, this is {level}")),
            "{said}"
        );
    }
    assert_eq!(store.generation(), 0);
    let compacted = |options: CompactOptions<'_>| {
        let done = store.compact(&options).expect("compacted");
        assert!(all(&part) == before);
        assert_eq!(damage(&store), []);
        done.file_bytes
    };
    // Without effect.
    compacted(CompactOptions::new().dictionaries(false).level(19));
    assert_eq!((at_level(&path, 19), dictionaries(&path).len()), (0, 0));

    let usual = compacted(CompactOptions::new());
    assert_eq!(at_level(&path, 19), 0);
    let dense = compacted(CompactOptions::new().level(19));
    let encoded = at_level(&path, 19);
    // Three small arrays an entry, of which some do not become smaller.
    assert!((2 * COUNT..=3 * COUNT).contains(&encoded), "{encoded}");
    assert!(dense < usual, "{dense} of {usual} bytes");
    assert_eq!(dictionaries(&path).len(), 2);
    // The codec of the array is what it was, for those that write it anew.
    let entry = part.entry(key(7)).expect("read").expect("there");
    let array = entry.array("t").expect("there");
    assert_eq!(array.info().codec.as_deref(), Some("shuffle+zstd:3"));
    // What is at that level is copied, and stays where none is asked for.
    for options in [CompactOptions::new().level(19), CompactOptions::new()] {
        let again = compacted(options);
        assert!(again.abs_diff(dense) < 4096, "{again}, {dense}");
        assert_eq!(at_level(&path, 19), encoded);
    }
    compacted(CompactOptions::new().level(1));
    assert_eq!(at_level(&path, 19), 0);
}

#[test]
fn snapshots_and_backups_keep_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, part) = shared(folder.path());
    let before = all(&part);
    let snapshot = store.snapshot().expect("taken");
    let seqno = snapshot.seqno();
    let target = folder.path().join("backup.alog");
    store
        .backup(&target, &BackupOptions::new())
        .expect("backed up");
    part.remove(key(0)).expect("removed");
    let backup = open(&target, Mode::Read).expect("opened");
    assert!(all(&backup.existing_partition("c", "p").expect("there")) == before);
    assert_eq!(dictionaries(&target).len(), 2);
    let keep = CompactOptions::new().keep(arraylog::Keep::Since(seqno));
    store.compact(&keep).expect("compacted");
    let past = store.at(seqno).expect("opened");
    assert!(all(&past.existing_partition("c", "p").expect("there")) == before);
    assert!(all(&snapshot.existing_partition("c", "p").expect("there")) == before);
    assert!(all(&part)[..] == before[1..]);
}

/// What is damaged of a store.
fn damage(store: &Store) -> Vec<Part> {
    let verified = store.verify(&VerifyOptions::new()).expect("verified");
    verified.damage.iter().map(|damage| damage.part).collect()
}

/// Changes one byte of a file.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("read");
    bytes[at] ^= 0x10;
    fs::write(path, bytes).expect("written");
}

#[test]
fn one_damaged_copy_costs_nothing_and_two_cost_what_needs_them_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, part) = shared(folder.path());
    let before = all(&part);
    store.close().expect("closed");
    let path = folder.path().join("shared.alog");
    let [first, second] = dictionaries(&path)[..] else {
        panic!("two copies");
    };
    flip(&path, first + 100);
    let store = open(&path, Mode::Read).expect("opened");
    assert!(all(&store.existing_partition("c", "p").expect("there")) == before);
    // Nothing is lost by it.
    assert_eq!(damage(&store), [Part::Copy]);
    drop(store);

    flip(&path, second + 100);
    let store = open(&path, Mode::ReadWrite).expect("opened");
    let part = store.existing_partition("c", "p").expect("there");
    let entry = part.entry(key(0)).expect("read").expect("there");
    let damaged = content(&entry).expect_err("its dictionary is damaged");
    assert!(matches!(damaged, Error::Corrupt { .. }), "{damaged}");
    assert_eq!(damage(&store), [Part::Entry, Part::Entry]);
    // What does not need it is there.
    let plain = entry.array("plain").expect("there");
    plain.read().expect("read");
    let refused = store.compact(&CompactOptions::new()).expect_err("damaged");
    assert!(
        matches!(refused, Error::Corrupt { .. } | Error::Damaged { .. }),
        "{refused}"
    );
    drop(store);
    let store = OpenOptions::new()
        .open_degraded(&path)
        .expect("pieced together");
    let target = folder.path().join("salvaged.alog");
    let done = store
        .salvage(&target, &BackupOptions::new())
        .expect("salvaged");
    assert_eq!((done.entries, done.partial), (COUNT as u64, COUNT as u64));
    let salvaged = open(&target, Mode::Read).expect("opened");
    let part = salvaged.existing_partition("c", "p").expect("there");
    for number in 0..COUNT {
        let entry = part.entry(key(number)).expect("read").expect("there");
        for name in ["plain", "other"] {
            let array = entry.array(name).expect("there");
            array.read().expect("read");
        }
        let lost = entry.array("t").expect_err("left behind");
        assert!(matches!(lost, Error::NotFound { .. }), "{lost}");
    }
}

#[test]
fn damage_behind_the_dictionary_does_not_take_it_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, part) = shared(folder.path());
    let before = all(&part);
    store.close().expect("closed");
    let path = folder.path().join("shared.alog");
    let bytes = fs::read(&path).expect("read");
    // The head of the record of one entry, behind both copies and before most of the others:
    // nothing tells whose it was.
    let end = *dictionaries(&path).last().expect("two copies");
    let key = b"station-100";
    let at = bytes[end..].windows(key.len()).position(|it| it == key);
    flip(&path, end + at.expect("there") - 16);
    let store = OpenOptions::new()
        .open_degraded(&path)
        .expect("pieced together");
    let part = store.existing_partition("c", "p").expect("there");
    assert_eq!(store.recovery().damage.len(), 1);
    // From the end: the first that is read has the damage before it.
    let others = before.into_iter().rev().filter(|(wanted, _)| wanted != key);
    for (wanted, whole) in others {
        let entry = part.entry(&wanted).expect("read").expect("there");
        assert!(content(&entry).expect("decoded") == whole);
    }
}
