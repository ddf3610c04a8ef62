//! One writer and eight reader processes, with checkpoints and compactions meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arraylog::{CompactOptions, Mode};
use support::crowd::{Reader, commit};
use support::process::Actor;
use support::torture::Torture;

const READERS: usize = 8;

/// What there was.
#[derive(Debug, Default)]
struct Tally {
    batches: u64,
    looks: u64,
    /// States that readers held from then on to the end.
    held: u64,
    checkpoints: u64,
    compactions: u64,
}

/// Commits so many batches beside the readers, or as many as there is time for.
fn crowd(batches: u64, torture: Torture) -> Tally {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    commit(&store, 1).expect("committed");
    let name = path.to_str().expect("UTF-8");
    let mut readers: Vec<Actor> = (0..READERS)
        .map(|number| {
            let words = ["crowd", name, &number.to_string()];
            Actor::start(env!("CARGO_BIN_EXE_actor"), &words).expect("started")
        })
        .collect();
    for reader in &mut readers {
        assert_eq!(reader.line().expect("read").as_deref(), Some("reads"));
    }
    let (mut tally, stop) = (Tally::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let maintenance = scope.spawn(|| {
            let (mut checkpoints, mut compactions) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                store.checkpoint().expect("saved");
                checkpoints += 1;
                if checkpoints % 4 == 0 {
                    store.compact(&CompactOptions::new()).expect("compacted");
                    compactions += 1;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            (checkpoints, compactions)
        });
        let mut own = Reader::default();
        for number in 2..=batches {
            commit(&store, number).expect("committed");
            tally.batches = number;
            if number % 1000 == 0 {
                own.look(&store).expect("right");
                if maintenance.is_finished() || torture.left().is_zero() {
                    break;
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        (tally.checkpoints, tally.compactions) = maintenance.join().expect("no panic");
        own.compare_held().expect("right");
    });
    for (number, reader) in readers.into_iter().enumerate() {
        let lines = reader.finish();
        let lines = lines.unwrap_or_else(|error| panic!("reader {number}: {error}"));
        let numbers = lines.last().expect("a line").split(' ');
        let numbers: Vec<u64> = numbers.flat_map(str::parse).collect();
        let [newest, looks, held, generation] = *numbers else {
            panic!("reader {number}: {lines:?}")
        };
        assert_eq!(newest, tally.batches, "reader {number}");
        assert_eq!(generation, store.generation(), "reader {number}");
        tally.looks += looks;
        tally.held += held;
    }
    store.close().expect("closed");
    tally
}

#[test]
fn eight_reader_processes_see_whole_batches_in_order_and_keep_what_they_hold() {
    let tally = crowd(20_000, Torture::from_env());
    println!("{tally:?}");
    assert_eq!(tally.batches, 20_000);
    assert!(tally.compactions > 0 && tally.looks > 200, "{tally:?}");
    assert!(tally.held >= 2 * READERS as u64, "{tally:?}");
}

#[test]
#[ignore = "make torture-processes: some minutes"]
fn torture_a_million_batches_beside_eight_reader_processes() {
    let torture = Torture::from_env();
    let tally = crowd(1_000_000, torture);
    torture.say(&format!("{tally:?}, {READERS} readers"));
}
