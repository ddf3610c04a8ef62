//! Every bit flipped, every length: what `make test` does of it, and how it is done. The
//! answer has to be right, or an error that names the place; the file stays as it is.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use arraylog::{OpenOptions, Store};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use support::dump::content;

use crate::fixture::{Fixture, Shape, make};
use crate::read::{map, place, read};

/// What was found in all.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    opens: AtomicU64,
    refused: AtomicU64,
    right: AtomicU64,
    torn: AtomicU64,
}

impl Counts {
    pub(crate) fn line(&self) -> String {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        format!(
            "{} opens: {} right, {} with an error that names the place, {} with a torn tail",
            count(&self.opens),
            count(&self.right),
            count(&self.refused),
            count(&self.torn)
        )
    }
}

fn open(path: &Path, copying: bool) -> arraylog::Result<Store> {
    match copying {
        true => OpenOptions::new().open(path),
        false => support::open_mapped(&OpenOptions::new(), path),
    }
}

/// One damaged file, read in full: normally and, if something was refused, as far as it
/// holds.
fn check(
    fixture: &Fixture,
    (path, len): (&Path, usize),
    (copying, past): (bool, bool),
    counts: &Counts,
) -> Result<(), String> {
    let found = read(fixture, open(path, copying), len, past)?;
    counts.opens.fetch_add(1, Ordering::Relaxed);
    let kind = match (found.refused, found.torn) {
        (0, 0) => &counts.right,
        (0, _) => &counts.torn,
        _ => &counts.refused,
    };
    kind.fetch_add(1, Ordering::Relaxed);
    if found.refused > 0 && past {
        degraded(fixture, path)?;
    }
    Ok(())
}

/// What holds is right; what is missing is told.
fn degraded(fixture: &Fixture, path: &Path) -> Result<(), String> {
    let store = match OpenOptions::new().open_degraded(path) {
        Ok(store) => store,
        // Shorter than the header.
        Err(error) => return place(fixture, &error).map(drop),
    };
    let damage = &store.recovery().damage;
    let lost = damage.iter().any(|damage| damage.part.is_loss());
    let torn = store.recovery().torn_bytes > 0;
    let expected = map(fixture.newest());
    for (collection, partition, key) in &fixture.used {
        let name = format!("{collection}/{partition}");
        let want = expected.get(&(name.as_str(), key.as_slice())).copied();
        let found = store
            .existing_partition(collection, partition)
            .and_then(|part| part.entry(key))
            .and_then(|entry| entry.map(|entry| content(&entry)).transpose());
        match found {
            Ok(found) if found.as_ref() == want => {}
            // Nothing, or something that was written under it once, and the report says that
            // something is missing.
            Ok(None) if lost || torn => {}
            Ok(Some(found)) if lost || torn => {
                if !fixture.was(&name, key, &found) {
                    return Err(format!("degraded: {name} {key:?}: never {found:?}"));
                }
            }
            Ok(found) => {
                return Err(format!(
                    "degraded: {name} {key:?}: {found:?}, not {want:?}; told: {damage:?}"
                ));
            }
            Err(arraylog::Error::NotFound { .. }) if lost || torn => {}
            Err(error) => drop(place(fixture, &error)?),
        }
    }
    Ok(())
}

/// A file to be damaged, of each thread its own.
struct Copy {
    path: PathBuf,
    file: File,
}

impl Copy {
    fn new(folder: &Path, number: usize, bytes: &[u8]) -> Self {
        let path = folder.join(format!("{number}.alog"));
        std::fs::write(&path, bytes).expect("written");
        let file = File::options().write(true).open(&path).expect("opens");
        Self { path, file }
    }
}

/// How much of something is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) threads: usize,
    pub(crate) deadline: Option<Instant>,
    /// Of how many flips one is looked at in full: earlier commits and the opening of what
    /// is damaged too.
    pub(crate) full: usize,
}

impl Extent {
    /// All, by all processors, one in seven in full.
    fn sampled() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            deadline: None,
            full: 7,
        }
    }
}

/// Does `work` for each of `count` numbers in order by threads, until the deadline; how many
/// were done.
fn for_each(
    count: usize,
    extent: Extent,
    work: impl Fn(&mut dyn FnMut() -> Option<usize>) + Sync,
) -> usize {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..extent.threads {
            scope.spawn(|| {
                work(&mut || {
                    let is_late = |deadline| Instant::now() > deadline;
                    if extent.deadline.is_some_and(is_late) {
                        return None;
                    }
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let number = (number < count).then_some(number);
                    done.fetch_add(usize::from(number.is_some()), Ordering::Relaxed);
                    number
                });
            });
        }
    });
    done.into_inner()
}

/// What went wrong, of all threads.
#[derive(Default)]
struct Wrong(Mutex<Vec<String>>);

impl Wrong {
    /// Runs `check`; a panic is wrong too.
    fn guard(&self, what: &str, check: impl FnOnce() -> Result<(), String>) {
        let outcome = catch_unwind(AssertUnwindSafe(check));
        let outcome = outcome.unwrap_or_else(|_| Err("a panic".to_owned()));
        if let Err(wrong) = outcome {
            let mut all = self.0.lock().expect("not poisoned");
            all.push(format!("{what}: {wrong}"));
        }
    }

    fn assert_nothing(self) {
        let all = self.0.into_inner().expect("not poisoned");
        // Of each the start: contents are long.
        let start = |wrong: &String| wrong.chars().take(200).collect();
        let first: Vec<String> = all.iter().take(40).map(start).collect();
        assert!(all.is_empty(), "{} are wrong: {first:#?}", all.len());
    }
}

/// Flips bits, each given by the number of its fixture and its own, one at a time; how many
/// were done.
pub(crate) fn flip(
    fixtures: &[Fixture],
    bits: &[(usize, usize)],
    extent: Extent,
    counts: &Counts,
) -> usize {
    let folder = tempfile::tempdir().expect("folder");
    let number = AtomicUsize::new(0);
    let wrong = Wrong::default();
    let done = for_each(bits.len(), extent, |next| {
        let copies: Vec<Copy> = fixtures
            .iter()
            .map(|fixture| {
                let own = number.fetch_add(1, Ordering::Relaxed);
                Copy::new(folder.path(), own, &fixture.bytes)
            })
            .collect();
        while let Some(number) = next() {
            let (of, bit) = bits[number];
            let (fixture, copy) = (&fixtures[of], &copies[of]);
            let (at, byte) = (bit as u64 / 8, fixture.bytes[bit / 8]);
            let write = |byte: u8| copy.file.write_all_at(&[byte], at).expect("written");
            write(byte ^ 1 << (bit % 8));
            let copying = bit.is_multiple_of(11);
            let what = format!(
                "{:?}: bit {bit} of byte {at}, copying {copying}",
                fixture.shape
            );
            wrong.guard(&what, || {
                let len = fixture.bytes.len();
                let full = bit.is_multiple_of(extent.full);
                check(fixture, (&copy.path, len), (copying, full), counts)?;
                let mut expected = fixture.bytes.clone();
                expected[bit / 8] ^= 1 << (bit % 8);
                is_still(&copy.path, &expected)
            });
            write(byte);
        }
    });
    wrong.assert_nothing();
    done
}

/// Cuts to lengths, each given with the number of its fixture; how many were done.
pub(crate) fn cut(
    fixtures: &[Fixture],
    lengths: &[(usize, usize)],
    extent: Extent,
    counts: &Counts,
) -> usize {
    let folder = tempfile::tempdir().expect("folder");
    let number = AtomicUsize::new(0);
    let wrong = Wrong::default();
    let done = for_each(lengths.len(), extent, |next| {
        let own = number.fetch_add(1, Ordering::Relaxed);
        let path = folder.path().join(format!("{own}.alog"));
        while let Some(number) = next() {
            let (of, len) = lengths[number];
            let fixture = &fixtures[of];
            std::fs::write(&path, &fixture.bytes[..len]).expect("written");
            let what = format!("{:?}: cut to {len} bytes", fixture.shape);
            wrong.guard(&what, || {
                // Nothing of a store is left, and nothing says that it was one.
                if len < 512 {
                    counts.opens.fetch_add(1, Ordering::Relaxed);
                    counts.refused.fetch_add(1, Ordering::Relaxed);
                    let error = OpenOptions::new().open(&path);
                    return match error {
                        Err(
                            arraylog::Error::NotAStore { .. } | arraylog::Error::Corrupt { .. },
                        ) => Ok(()),
                        other => Err(format!("{other:?}")),
                    };
                }
                check(fixture, (&path, len), (number % 8 == 0, true), counts)?;
                is_still(&path, &fixture.bytes[..len])
            });
        }
    });
    wrong.assert_nothing();
    done
}

/// Fails if the file is not as it was.
fn is_still(path: &Path, bytes: &[u8]) -> Result<(), String> {
    match std::fs::read(path).is_ok_and(|found| found == bytes) {
        true => Ok(()),
        false => Err("the file changed".to_owned()),
    }
}

pub(crate) fn fixture(shape: Shape) -> Fixture {
    let folder = tempfile::tempdir().expect("folder");
    make(folder.path(), shape)
}

/// The numbers below the count of each fixture, each once, spread by `seed`.
pub(crate) fn spread(counts: impl Iterator<Item = usize>, seed: u64) -> Vec<(usize, usize)> {
    let numbers = counts.enumerate();
    let numbers = numbers.flat_map(|(of, count)| (0..count).map(move |number| (of, number)));
    let mut numbers: Vec<(usize, usize)> = numbers.collect();
    numbers.shuffle(&mut StdRng::seed_from_u64(seed));
    numbers
}

/// The three fixtures.
pub(crate) fn fixtures() -> Vec<Fixture> {
    [Shape::Closed, Shape::Compacted, Shape::Open]
        .map(fixture)
        .into()
}

#[test]
fn a_fixture_that_is_not_damaged_is_read_as_it_was_written() {
    let fixtures = fixtures();
    let whole = fixtures.iter().map(|fixture| fixture.bytes.len());
    let whole: Vec<(usize, usize)> = whole.enumerate().collect();
    let counts = Counts::default();
    assert_eq!(cut(&fixtures, &whole, Extent::sampled(), &counts), 3);
    assert_eq!(counts.right.into_inner(), 3);
}

#[test]
fn every_length_of_a_file_is_read_right_or_refused_with_the_place() {
    let fixtures = [fixture(Shape::Open)];
    let lengths: Vec<_> = (0..fixtures[0].bytes.len()).map(|len| (0, len)).collect();
    let counts = Counts::default();
    let done = cut(&fixtures, &lengths, Extent::sampled(), &counts);
    assert_eq!(done, lengths.len());
    println!("{}", counts.line());
    assert!(counts.torn.into_inner() > 100, "some are torn tails");
}

#[test]
fn every_flipped_bit_of_the_structures_is_reported_or_without_effect() {
    let fixtures = [fixture(Shape::Open)];
    let structures = &fixtures[0].structures;
    let inside = |(_, bit): &(usize, usize)| structures.iter().any(|it| it.contains(&(bit / 8)));
    let all = spread([fixtures[0].bytes.len() * 8].into_iter(), 7);
    let (mut bits, payload): (Vec<_>, Vec<_>) = all.into_iter().partition(inside);
    let structures = bits.len();
    bits.extend(payload.iter().take(4000));
    let start = Instant::now();
    let counts = Counts::default();
    assert_eq!(
        flip(&fixtures, &bits, Extent::sampled(), &counts),
        bits.len()
    );
    println!(
        "{structures} bits of structures, 4000 others, {:?}: {}",
        start.elapsed(),
        counts.line()
    );
}

#[test]
fn flipped_bits_of_closed_and_compacted_stores_are_reported_or_without_effect() {
    let fixtures = [fixture(Shape::Closed), fixture(Shape::Compacted)];
    let bits = fixtures.iter().map(|fixture| fixture.bytes.len() * 8);
    let bits = spread(bits, 5);
    let counts = Counts::default();
    // Each in full, with the earlier commits.
    let extent = Extent {
        full: 1,
        ..Extent::sampled()
    };
    assert_eq!(flip(&fixtures, &bits[..2500], extent, &counts), 2500);
    println!("{}", counts.line());
}

#[test]
fn a_damaged_frame_of_what_was_copied_is_an_error_at_the_oldest_commit_too() {
    let fixture = fixture(Shape::Compacted);
    let folder = tempfile::tempdir().expect("folder");
    let copy = Copy::new(folder.path(), 0, &fixture.bytes);
    let (oldest, held) = &fixture.states[0];
    assert!(!held.is_empty());
    let options = OpenOptions::new().scan(true).at(*oldest);
    let opened = options.open(&copy.path).expect("opens");
    assert_eq!(support::dump::dump(&opened).expect("read"), *held);
    drop(opened);
    // The header of the first frame.
    for at in 16384..16424 {
        let byte = fixture.bytes[at as usize];
        let write = |byte: u8| copy.file.write_all_at(&[byte], at).expect("written");
        write(byte ^ 4);
        let error = options.open(&copy.path).expect_err("damaged");
        assert_eq!(place(&fixture, &error), Ok(16384), "byte {at}");
        write(byte);
    }
}

#[test]
fn an_entry_that_a_flipped_bit_makes_a_chunk_of_is_lost_and_not_absent() {
    let fixtures = [fixture(Shape::Open)];
    let bytes = &fixtures[0].bytes;
    // The head of a record: key of 7 bytes, partition 3; its key follows two words later.
    let head = [3, 0, 7, 0, 3, 0, 0, 0];
    let heads = (0..bytes.len() - 31)
        .filter(|&at| bytes[at..].starts_with(&head) && bytes[at + 16..].starts_with(b"float-"));
    let bits: Vec<_> = heads.map(|at| (0, (at + 7) * 8 + 7)).collect();
    assert!(bits.len() >= 7, "{}", bits.len());
    let counts = Counts::default();
    let done = flip(&fixtures, &bits, Extent::sampled(), &counts);
    assert_eq!(done, bits.len());
}
