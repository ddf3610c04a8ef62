//! The fuzz targets on stable Rust: seeds, and inputs mutated from them.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test tells how much it tried")]

use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::fuzz::{TARGETS, Target, seed};
use support::torture::Torture;

/// Inputs of each target.
const INPUTS: u64 = 2000;
/// One input takes no longer, in a test build on a busy machine.
const LONGEST: Duration = Duration::from_secs(5);

/// Inputs to begin with.
fn corpus(&(name, _, is_file): &Target) -> Vec<Vec<u8>> {
    if is_file {
        return vec![seed().to_vec(), seed()[..16384].to_vec(), Vec::new()];
    }
    let lines = [
        r#"{"entry": "a", "value": "b"}"#,
        r#"{"entry": "a", "arrays": {"t": {"data": [1.5, null, 3], "dims": ["depth"]}}, "attrs": {"lat": 1.5}}"#,
        r#"{"defaults": {"collection": "c"}}"#,
        r#"{"entry": "a", "delete": true}"#,
    ];
    // Parts of a file are records, frames, rows, schemas and frames of entries.
    let log = &seed()[16384..];
    let mut corpus: Vec<Vec<u8>> = log.chunks(96).map(<[u8]>::to_vec).collect();
    if name == "ndjson" {
        corpus = lines.map(|line| line.as_bytes().to_vec()).to_vec();
    }
    if name == "codec" {
        corpus = arraylog::__fuzz::codec_seeds();
        corpus.push(b"shuffle+zstd:3".to_vec());
        corpus.push(b"mine:a=1".to_vec());
    }
    if name == "dictionary" {
        corpus = arraylog::__fuzz::dictionary_seeds();
    }
    if name == "attrs" || name == "entry" {
        // From every record on: the structures start somewhere in it.
        corpus.extend(log.windows(160).step_by(8).map(<[u8]>::to_vec));
    }
    corpus.push(vec![0; 64]);
    corpus
}

fn mutate(rng: &mut StdRng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = corpus[rng.random_range(0..corpus.len())].clone();
    for _ in 0..rng.random_range(1..8) {
        let len = bytes.len();
        if len == 0 {
            bytes.push(rng.random());
            continue;
        }
        // In a file most of what counts is behind the header pages.
        let from = if len > 16384 && rng.random_ratio(4, 5) {
            16384
        } else {
            0
        };
        let at = rng.random_range(from..len);
        match rng.random_range(0..9) {
            0 | 1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at] = rng.random(),
            3 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][rng.random_range(0..5)],
            4 => bytes.truncate(at),
            5 => bytes.insert(at, rng.random()),
            6 => {
                let n = rng.random_range(1..9).min(len - at);
                bytes[at..at + n].fill(0xFF);
            }
            7 => {
                let n = rng.random_range(1..64).min(len - at);
                let to = rng.random_range(from..=len - n);
                bytes.copy_within(at..at + n, to);
            }
            _ => {
                let other = &corpus[rng.random_range(0..corpus.len())];
                let n = rng.random_range(0..=other.len().min(64));
                let part = other[..n].to_vec();
                bytes.splice(at..(at + n).min(len), part);
            }
        }
    }
    bytes
}

/// Runs a target over its corpus and `inputs` more, or until `deadline`; how many it ran.
fn drive(target: &Target, inputs: u64, deadline: Option<Instant>, seed: u64) -> u64 {
    let (name, body, _) = *target;
    let corpus = corpus(target);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut ran = 0;
    let run = |input: &[u8]| {
        let begun = Instant::now();
        let outcome = catch_unwind(|| body(input));
        let took = begun.elapsed();
        if outcome.is_err() || took > LONGEST {
            let saved = std::env::temp_dir().join(format!("arraylog-fuzz-{name}"));
            let _ = std::fs::write(&saved, input);
            panic!(
                "{name}: {took:?}, seed {seed}; the input is in {}",
                saved.display()
            );
        }
    };
    for input in &corpus {
        run(input);
        ran += 1;
    }
    while ran < inputs + corpus.len() as u64 && deadline.is_none_or(|it| Instant::now() < it) {
        run(&mutate(&mut rng, &corpus));
        ran += 1;
    }
    ran
}

fn drive_named(name: &str) {
    let target = TARGETS.iter().find(|target| target.0 == name);
    let ran = drive(target.expect("a target"), INPUTS, None, 1);
    println!("{name}: {ran} inputs");
    assert!(ran > INPUTS);
}

macro_rules! targets {
    ($($test:ident $name:literal),+ $(,)?) => {
        $(#[test]
        fn $test() {
            drive_named($name);
        })+

        #[test]
        fn every_target_is_driven_here_and_by_libfuzzer() {
            let driven = [$($name),+];
            let names: Vec<&str> = TARGETS.iter().map(|target| target.0).collect();
            assert_eq!(names, driven);
            let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/Cargo.toml");
            let manifest = std::fs::read_to_string(manifest).expect("read");
            for name in names {
                assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            }
        }
    };
}

targets! {
    files_that_are_changed_are_read_or_refused "open",
    files_with_right_sums_that_are_changed_are_read_or_refused "repair",
    segments_that_are_changed_are_probed_or_refused "index",
    logs_that_are_changed_are_recovered_or_refused "recovery",
    any_bytes_are_a_record_or_a_defect "record",
    any_bytes_are_an_entry_or_a_defect "entry",
    any_bytes_are_attributes_or_a_defect "attrs",
    any_bytes_are_decoded_wholly_or_refused "codec",
    any_bytes_are_a_dictionary_or_refused "dictionary",
    any_bytes_are_lines_or_faults "ndjson",
    any_operations_leave_what_a_map_has "operations",
}

#[test]
#[ignore = "make torture-fuzz"]
fn torture_all_targets() {
    let torture = Torture::from_env();
    let mut all = 0;
    for (number, target) in TARGETS.iter().enumerate() {
        // Each its share of what is left.
        let now = Instant::now();
        let left = torture.deadline().saturating_duration_since(now);
        let deadline = now + left / (TARGETS.len() - number) as u32;
        // Each thread has a seed of its own.
        let ran: u64 = std::thread::scope(|scope| {
            let seeds = (0..torture.threads as u64).map(|own| torture.seed * 64 + own);
            let threads: Vec<_> = seeds
                .map(|seed| scope.spawn(move || drive(target, u64::MAX / 2, Some(deadline), seed)))
                .collect();
            let ran = threads.into_iter();
            ran.map(|thread| thread.join().expect("no panic")).sum()
        });
        println!("torture: fuzz {}: {ran} executions", target.0);
        all += ran;
    }
    println!(
        "torture: fuzz executions, none open: {all} (SEED={}; another one gives others) in {:.0?}",
        torture.seed,
        torture.took()
    );
}
