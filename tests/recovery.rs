//! Opening a file that was cut, damaged or added to: the right answer or an error that
//! names a place in the file, never a wrong value, and never a change by reading.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arraylog::{ArraySpec, AttrValue, Attrs, Error, Mode, OpenOptions, Store};
use support::dump::{Dump, dump};

/// Offset of the first frame.
const LOG_START: usize = 16384;

/// A file, and what it held after each commit.
struct Fixture {
    bytes: Vec<u8>,
    /// By the offset at which each commit ends.
    states: BTreeMap<usize, Dump>,
}

impl Fixture {
    fn last(&self) -> &Dump {
        self.states.values().next_back().expect("states")
    }

    /// What the file holds when it is cut at `len`.
    fn before(&self, len: usize) -> &Dump {
        self.states
            .range(..=len)
            .next_back()
            .map(|(_, dump)| dump)
            .expect("the empty state")
    }
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut word = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
            word as u8
        })
        .collect()
}

/// Overwrites, removals, entries with masks and attributes, several partitions.
fn fill(store: &Store, mut committed: impl FnMut(&Store)) {
    let part = store.default_partition().expect("partition");
    let other = store.partition("über", "a/b").expect("partition");
    let mut attrs = Attrs::new();
    attrs.set("lat", AttrValue::Float64(f64::NAN));
    let numbers: Vec<i16> = (0..40).collect();
    let mask: Vec<u8> = (0..40).map(|i| u8::from(i % 3 == 0)).collect();
    let arrays = |text| {
        [
            (
                "masked",
                ArraySpec::from_slice(&numbers)
                    .dims(&["x"])
                    .missing(&mask)
                    .attr("units", AttrValue::Float64(1.5)),
            ),
            ("text", ArraySpec::string(text)),
            ("scalar", ArraySpec::scalar(7u8)),
        ]
    };
    let mut step = |result: arraylog::Result<()>| {
        result.expect("committed");
        committed(store);
    };
    step(part.put("a", "first"));
    step(part.put("b", noise(1, 300)));
    step(other.write("entry", &arrays("a text that is not inline"), &attrs));
    step(part.put("a", "second"));
    let batch = store.batch().expect("batch");
    let p = batch.partition("default", "default").expect("partition");
    p.put("c", "").expect("staged");
    p.put("c", "twice in a batch").expect("staged");
    p.remove("b").expect("staged");
    step(batch.commit().map(drop));
    step(other.write("entry", &arrays("ÿ"), &Attrs::new()));
    step(part.rename("c", "d", false));
    step(part.put("", noise(2, 1000)));
    step(other.remove("entry").map(drop));
    step(other.put("zeros", [0; 64]));
    step(part.put("b", "back"));
}

fn fill_wide(store: &Store, mut committed: impl FnMut(&Store)) {
    let part = store.default_partition().expect("partition");
    part.put("wide", noise(3, 70_000)).expect("stored");
    committed(store);
    let data = noise(4, 190_000);
    let arrays = [
        ("a", ArraySpec::from_slice(&data[..130_000])),
        ("b", ArraySpec::from_slice(&data[130_000..])),
    ];
    part.write("arrays", &arrays, &Attrs::new())
        .expect("written");
    committed(store);
    part.put("wide", noise(5, 131_072)).expect("stored");
    committed(store);
    part.put("small", "after").expect("stored");
    committed(store);
}

fn fixture(path: &Path, closed: bool, fill: impl Fn(&Store, &mut dyn FnMut(&Store))) -> Fixture {
    let store = support::open(path, Mode::CreateNew).expect("made");
    let mut states = BTreeMap::from([(LOG_START, Dump::new())]);
    fill(&store, &mut |store| {
        let end = store.info().expect("open").file_bytes as usize;
        states.insert(end, dump(store).expect("read"));
    });
    if closed {
        store.close().expect("closed");
    }
    drop(store);
    let bytes = std::fs::read(path).expect("read");
    // Closing a long log appends its index.
    let last = states.last_key_value().map(|(_, state)| state.clone());
    states.extend(last.map(|state| (bytes.len(), state)));
    Fixture { bytes, states }
}

fn small(path: &Path, closed: bool) -> Fixture {
    fixture(path, closed, |store, committed| fill(store, committed))
}

fn wide(path: &Path, closed: bool) -> Fixture {
    fixture(path, closed, |store, committed| fill_wide(store, committed))
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    (folder, path)
}

fn read_all(path: &Path) -> arraylog::Result<Dump> {
    dump(&OpenOptions::new().open(path)?)
}

/// An error that names a place inside a file of `len` bytes.
fn names_a_place(error: &Error, len: usize) -> bool {
    matches!(error, Error::Corrupt { at, .. } if *at <= len as u64)
}

#[test]
fn a_closed_file_that_is_cut_anywhere_is_refused_by_the_place() {
    let (_folder, path) = folder();
    let fixture = small(&path, true);
    assert_eq!(&read_all(&path).expect("whole"), fixture.last());
    let file = std::fs::File::options()
        .write(true)
        .open(&path)
        .expect("opens");
    for cut in (0..fixture.bytes.len()).rev() {
        file.set_len(cut as u64).expect("cut");
        match read_all(&path).expect_err("cut") {
            // Too short to tell what it was.
            Error::NotAStore { .. } if cut < 8 => {}
            error => assert!(names_a_place(&error, cut), "cut at {cut}: {error}"),
        }
        assert_eq!(
            std::fs::metadata(&path).expect("there").len(),
            cut as u64,
            "changed by reading"
        );
    }
}

#[test]
fn an_unsynced_file_that_is_cut_anywhere_holds_exactly_the_batches_before_the_cut() {
    for (fill, step) in [(small as fn(&Path, bool) -> Fixture, 1), (wide, 997)] {
        let (_folder, path) = folder();
        let fixture = fill(&path, false);
        let file = std::fs::File::options()
            .write(true)
            .open(&path)
            .expect("opens");
        for cut in (LOG_START..=fixture.bytes.len()).rev().step_by(step) {
            file.set_len(cut as u64).expect("cut");
            let found = read_all(&path).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            assert!(&found == fixture.before(cut), "cut at {cut}");
        }
    }
}

/// Flips one bit at a time of a closed file and reads everything.
fn flip(path: &Path, fixture: &Fixture, bits: impl Iterator<Item = usize>) -> (usize, usize) {
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .expect("opens");
    let (mut right, mut reported) = (0, 0);
    for bit in bits {
        let (at, mask) = (bit / 8, 1 << (bit % 8));
        let good = fixture.bytes[at];
        file.write_all_at(&[good ^ mask], at as u64)
            .expect("flipped");
        match read_all(path) {
            Ok(found) => {
                assert!(&found == fixture.last(), "bit {bit}: a wrong answer");
                right += 1;
            }
            Err(error) => {
                let inside = names_a_place(&error, fixture.bytes.len());
                assert!(inside, "bit {bit}: {error}");
                reported += 1;
            }
        }
        let mut now = [0];
        file.read_exact_at(&mut now, at as u64).expect("read");
        assert_eq!(now[0], good ^ mask, "bit {bit}: changed by reading");
        file.write_all_at(&[good], at as u64).expect("restored");
    }
    assert_eq!(std::fs::read(path).expect("read"), fixture.bytes);
    assert_eq!(&read_all(path).expect("restored"), fixture.last());
    (right, reported)
}

#[test]
fn every_flipped_bit_of_the_log_is_reported_or_harmless() {
    let (_folder, path) = folder();
    let fixture = small(&path, true);
    let (right, reported) = flip(&path, &fixture, LOG_START * 8..fixture.bytes.len() * 8);
    // Only padding has no sum.
    assert!(
        reported > right * 3,
        "{right} harmless, {reported} reported"
    );
}

#[test]
fn every_flipped_bit_of_the_header_is_reported_or_harmless() {
    let (_folder, path) = folder();
    let fixture = small(&path, true);
    let structures = [0..512, 4096..4160, 8192..8256, 12288..12352, 14336..14848];
    let bits = structures
        .into_iter()
        .flat_map(|bytes| bytes.start * 8..bytes.end * 8);
    let (right, reported) = flip(&path, &fixture, bits);
    // Each structure of the header stands twice, or is a hint.
    assert!(right > 0 && reported == 0, "{right}, {reported}");
}

#[test]
fn flipped_bits_of_wide_values_and_of_everything_around_them_are_reported_or_harmless() {
    let (_folder, path) = folder();
    let fixture = wide(&path, true);
    let mut payload = vec![false; fixture.bytes.len()];
    let noises = [
        noise(3, 70_000),
        noise(4, 190_000)[..130_000].to_vec(),
        noise(4, 190_000)[130_000..].to_vec(),
        noise(5, 131_072),
    ];
    for noise in noises {
        let at = fixture
            .bytes
            .windows(16)
            .position(|window| window == &noise[..16])
            .expect("stored");
        payload[at..at + noise.len()].fill(true);
    }
    let around = (LOG_START * 8..payload.len() * 8).filter(|bit| !payload[bit / 8]);
    flip(&path, &fixture, around);
    let values = (LOG_START * 8..payload.len() * 8).filter(|bit| payload[bit / 8]);
    let (right, reported) = flip(&path, &fixture, values.step_by(4999));
    // The first value was overwritten: nobody reads it.
    assert!(reported > 500, "{right} harmless, {reported} reported");
    assert!(right <= 70_000 * 8 / 4999 + 1, "{right} harmless");
}

/// What is appended to a closed file by a crash of something else.
fn tails() -> Vec<Vec<u8>> {
    let mut tails = Vec::new();
    for len in (1..=100).chain([4096, 70_001]) {
        tails.push(noise(len as u64, len));
        tails.push(vec![0; len]);
    }
    tails
}

#[test]
fn bytes_behind_the_log_are_passed_over_and_reported_and_stay() {
    let (_folder, path) = folder();
    let fixture = small(&path, true);
    for tail in tails() {
        let mut bytes = fixture.bytes.clone();
        bytes.extend(&tail);
        std::fs::write(&path, &bytes).expect("written");
        let store = support::open(&path, Mode::Read).expect("opens");
        assert_eq!(store.recovery().torn_bytes, tail.len() as u64);
        assert_eq!(store.recovery().torn_at, fixture.bytes.len() as u64);
        assert!(!store.recovery().clean);
        assert_eq!(&dump(&store).expect("read"), fixture.last());
        assert_eq!(std::fs::read(&path).expect("read"), bytes);
    }
}

#[test]
fn a_store_with_bytes_behind_its_log_takes_further_commits_which_survive() {
    let (_folder, path) = folder();
    let fixture = small(&path, true);
    for tail in tails() {
        let mut bytes = fixture.bytes.clone();
        bytes.extend(&tail);
        std::fs::write(&path, &bytes).expect("written");
        // Opened for writing and closed without a commit, then with one.
        for commits in 0..2u8 {
            let store = support::open(&path, Mode::ReadWrite)
                .unwrap_or_else(|error| panic!("{} bytes behind: {error}", tail.len()));
            let part = store.partition("new", "new").expect("partition");
            for number in 0..commits {
                part.put([number], "more").expect("stored");
            }
            store.close().expect("closed");
        }
        let store = support::open(&path, Mode::Read).expect("opens");
        assert!(store.recovery().clean, "{} bytes behind", tail.len());
        let mut found = dump(&store).expect("read");
        assert_eq!(found.pop().map(|(_, new)| new.len()), Some(1));
        assert_eq!(&found, fixture.last());
    }
}

#[test]
fn commits_after_a_torn_tail_survive_whatever_was_torn() {
    let (_folder, path) = folder();
    let fixture = small(&path, false);
    for cut in (LOG_START..fixture.bytes.len()).step_by(13) {
        std::fs::write(&path, &fixture.bytes[..cut]).expect("written");
        let store = support::open(&path, Mode::Append).expect("opens");
        let kept = dump(&store).expect("read");
        assert!(&kept == fixture.before(cut), "cut at {cut}");
        let part = store.partition("new", "new").expect("partition");
        part.put("a", noise(cut as u64, 500)).expect("stored");
        part.put("b", "more").expect("stored");
        drop((part, store));
        let mut found = read_all(&path).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert_eq!(found.pop().map(|(_, new)| new.len()), Some(2));
        assert!(found == kept, "cut at {cut}");
    }
}

#[test]
fn a_store_inside_a_value_is_never_taken_for_the_log() {
    let (_folder, path) = folder();
    // Frames of this very store, with its identity, at other offsets.
    let mut fixture = small(&path, false);
    let store = support::open(&path, Mode::Append).expect("opens");
    let part = store.default_partition().expect("partition");
    let inner = fixture.bytes.clone();
    part.put("inner", &inner).expect("stored");
    let end = store.info().expect("open").file_bytes as usize;
    fixture.states.insert(end, dump(&store).expect("read"));
    drop((part, store));
    fixture.bytes = std::fs::read(&path).expect("read");
    let file = std::fs::File::options()
        .write(true)
        .open(&path)
        .expect("opens");
    for cut in (inner.len()..=fixture.bytes.len()).rev().step_by(11) {
        file.set_len(cut as u64).expect("cut");
        let found = read_all(&path).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert!(&found == fixture.before(cut), "cut at {cut}");
    }
    // As a file of its own it is one.
    std::fs::write(&path, &inner).expect("written");
    assert!(&read_all(&path).expect("opens") == fixture.before(inner.len()));
}

#[test]
fn opening_and_reading_changes_no_byte_of_any_file() {
    let (_folder, path) = folder();
    for closed in [true, false] {
        let _ = std::fs::remove_file(&path);
        let fixture = wide(&path, closed);
        for cut in [fixture.bytes.len(), fixture.bytes.len() - 3] {
            std::fs::write(&path, &fixture.bytes[..cut]).expect("written");
            let before = support::fingerprint(&path).expect("read");
            for _ in 0..2 {
                let _ = support::open(&path, Mode::Read).and_then(|store| dump(&store));
                let _ = read_all(&path);
            }
            assert!(support::fingerprint(&path).expect("read") == before);
        }
    }
}

/// One that began in the background just before ends with the store, and one that ended
/// lacks what was committed since it began: neither may stand for the one at closing.
#[test]
fn closing_leaves_little_to_replay_whatever_checkpoint_is_under_way() {
    const BATCH: u32 = 2_000;
    for commits in 1..12 {
        let (_folder, path) = folder();
        let options = OpenOptions::new().mode(Mode::Append).replay_bound(1_000);
        let store = options.open(&path).expect("opens");
        for commit in 0..commits {
            let batch = store.batch().expect("batch");
            let keys = batch.partition("c", "p").expect("partition");
            for key in 0..BATCH {
                let key = format!("{commit}-{key}");
                keys.put(key, "value").expect("fits");
            }
            batch.commit().expect("committed");
        }
        store.close().expect("closed");
        let store = Store::options().open(&path).expect("opens again");
        let records = store.recovery().records;
        assert!(records < 700, "{records} replayed after {commits} commits");
        let part = store.partition("c", "p").expect("partition");
        assert_eq!(part.len().expect("a number"), u64::from(commits * BATCH));
    }
}
