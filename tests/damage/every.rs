//! Every bit flipped, every length.
//!
//! The answer has to be right, or an error that names the place; the file stays as it is.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arraylog::{OpenOptions, Store};
use support::dump::content;

use crate::fixture::{Fixture, Shape, make};
use crate::read::{map, place, read};

/// What was found in all.
#[derive(Debug, Default)]
struct Counts {
    opens: AtomicU64,
    refused: AtomicU64,
    right: AtomicU64,
    torn: AtomicU64,
}

impl Counts {
    fn line(&self) -> String {
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
            // Something that it once was, and the report says that something is missing.
            Ok(found) if lost || torn => {
                let was =
                    |(_, state)| map(state).get(&(name.as_str(), key)).copied() == found.as_ref();
                if !fixture.states.iter().map(|(n, s)| (n, s)).any(was) {
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

/// Does `work` for each of `count` numbers by threads, until `deadline`; how many were done.
fn for_each(
    count: usize,
    deadline: Option<Instant>,
    work: impl Fn(&mut dyn FnMut() -> Option<usize>) + Sync,
) -> usize {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                work(&mut || {
                    if deadline.is_some_and(|deadline| Instant::now() > deadline) {
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
        let first: Vec<&String> = all.iter().take(12).collect();
        assert!(all.is_empty(), "{} are wrong: {first:#?}", all.len());
    }
}

/// Flips the bits with these numbers, one at a time; how many were done.
fn flip(fixture: &Fixture, bits: &[usize], deadline: Option<Instant>, counts: &Counts) -> usize {
    // All of it where there is time.
    let past = |bit: usize| deadline.is_some() || bit.is_multiple_of(7);
    let folder = tempfile::tempdir().expect("folder");
    let number = AtomicUsize::new(0);
    let wrong = Wrong::default();
    let done = for_each(bits.len(), deadline, |next| {
        let own = number.fetch_add(1, Ordering::Relaxed);
        let copy = Copy::new(folder.path(), own, &fixture.bytes);
        while let Some(number) = next() {
            let bit = bits[number];
            let (at, byte) = (bit as u64 / 8, fixture.bytes[bit / 8]);
            let write = |byte: u8| copy.file.write_all_at(&[byte], at).expect("written");
            write(byte ^ 1 << (bit % 8));
            let copying = bit.is_multiple_of(11);
            let what = format!(
                "{:?}: bit {bit} of byte {at}, copying {copying}",
                fixture.shape
            );
            wrong.guard(&what, || {
                check(
                    fixture,
                    (&copy.path, fixture.bytes.len()),
                    (copying, past(bit)),
                    counts,
                )?;
                let mut expected = fixture.bytes.clone();
                expected[bit / 8] ^= 1 << (bit % 8);
                let is_same = std::fs::read(&copy.path).is_ok_and(|found| found == expected);
                is_same
                    .then_some(())
                    .ok_or_else(|| "the file changed".to_owned())
            });
            write(byte);
        }
    });
    wrong.assert_nothing();
    done
}

/// Cuts to each length in `lengths`; how many were done.
fn cut(fixture: &Fixture, lengths: &[usize], deadline: Option<Instant>, counts: &Counts) -> usize {
    let folder = tempfile::tempdir().expect("folder");
    let number = AtomicUsize::new(0);
    let wrong = Wrong::default();
    let done = for_each(lengths.len(), deadline, |next| {
        let own = number.fetch_add(1, Ordering::Relaxed);
        let path = folder.path().join(format!("{own}.alog"));
        while let Some(number) = next() {
            let len = lengths[number];
            std::fs::write(&path, &fixture.bytes[..len]).expect("written");
            let what = format!("{:?}: cut to {len} bytes", fixture.shape);
            wrong.guard(&what, || {
                // Nothing of a store is left, and nothing says that it was one.
                if len < 512 {
                    let error = OpenOptions::new().open(&path);
                    return match error {
                        Err(
                            arraylog::Error::NotAStore { .. } | arraylog::Error::Corrupt { .. },
                        ) => Ok(()),
                        other => Err(format!("{other:?}")),
                    };
                }
                check(fixture, (&path, len), (number % 8 == 0, true), counts)?;
                let is_same = std::fs::read(&path).is_ok_and(|found| found == fixture.bytes[..len]);
                is_same
                    .then_some(())
                    .ok_or_else(|| "the file changed".to_owned())
            });
        }
    });
    wrong.assert_nothing();
    done
}

fn fixture(shape: Shape) -> Fixture {
    let folder = tempfile::tempdir().expect("folder");
    make(folder.path(), shape)
}

/// Numbers below `count`, each once, spread by `seed`.
fn spread(count: usize, seed: u64) -> Vec<usize> {
    use rand::SeedableRng;
    use rand::seq::SliceRandom;
    let mut numbers: Vec<usize> = (0..count).collect();
    numbers.shuffle(&mut rand::rngs::StdRng::seed_from_u64(seed));
    numbers
}

#[test]
fn a_fixture_that_is_not_damaged_is_read_as_it_was_written() {
    for shape in [Shape::Closed, Shape::Compacted, Shape::Open] {
        let fixture = fixture(shape);
        let counts = Counts::default();
        let bit = fixture.bytes.len();
        assert_eq!(cut(&fixture, &[bit], None, &counts), 1);
        assert_eq!(counts.right.into_inner(), 1, "{shape:?}");
    }
}

#[test]
fn every_length_of_a_file_is_read_right_or_refused_with_the_place() {
    let fixture = fixture(Shape::Open);
    let lengths: Vec<usize> = (0..fixture.bytes.len()).collect();
    let counts = Counts::default();
    assert_eq!(cut(&fixture, &lengths, None, &counts), lengths.len());
    println!("{:?}: {}", fixture.shape, counts.line());
    assert!(counts.torn.into_inner() > 100, "some are torn tails");
}

#[test]
fn every_flipped_bit_of_the_structures_is_reported_or_without_effect() {
    let fixture = fixture(Shape::Open);
    let inside = |bit: &usize| fixture.structures.iter().any(|it| it.contains(&(bit / 8)));
    let all = spread(fixture.bytes.len() * 8, 7);
    let (mut bits, payload): (Vec<usize>, Vec<usize>) = all.into_iter().partition(inside);
    let structures = bits.len();
    bits.extend(payload.iter().take(4000));
    let start = Instant::now();
    let counts = Counts::default();
    assert_eq!(flip(&fixture, &bits, None, &counts), bits.len());
    println!(
        "{structures} bits of structures, 4000 others, {:?}: {}",
        start.elapsed(),
        counts.line()
    );
}

/// Minutes and seed of a run that may take long.
fn torture() -> (Instant, u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let minutes: u64 = number("MINUTES").unwrap_or(60);
    let deadline = Instant::now() + Duration::from_secs(minutes * 60);
    (deadline, number("SEED").unwrap_or(1))
}

#[test]
#[ignore = "make torture-damage"]
fn torture_every_bit_of_the_three_fixtures() {
    let (deadline, seed) = torture();
    let counts = Counts::default();
    let (mut done, mut all) = (0, 0);
    for (shape, left) in [(Shape::Closed, 3), (Shape::Compacted, 2), (Shape::Open, 1)] {
        let fixture = fixture(shape);
        let bits = spread(fixture.bytes.len() * 8, seed);
        // Each its share of what is left.
        let now = Instant::now();
        let until = now + deadline.saturating_duration_since(now) / left;
        done += flip(&fixture, &bits, Some(until), &counts);
        all += bits.len();
        println!("{shape:?}: {done} of {all} bits so far: {}", counts.line());
    }
    println!(
        "torture: bit flips: {done} of {all} (seed {seed}), 0 wrong: {}",
        counts.line()
    );
}

#[test]
#[ignore = "make torture-damage"]
fn torture_every_length_of_the_fixtures() {
    let (deadline, seed) = torture();
    let counts = Counts::default();
    let (mut done, mut all) = (0, 0);
    for shape in [Shape::Closed, Shape::Compacted, Shape::Open] {
        let fixture = fixture(shape);
        let lengths = spread(fixture.bytes.len(), seed);
        done += cut(&fixture, &lengths, Some(deadline), &counts);
        all += lengths.len();
    }
    println!(
        "torture: truncations: {done} of {all} (seed {seed}), 0 wrong: {}",
        counts.line()
    );
}
