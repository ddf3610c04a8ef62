//! Sequences of operations by property: whatever they are, a store holds what plain
//! collections hold, and so does everything that was taken out of it.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod batch;
mod compare;
mod model;
mod run;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use support::torture::Torture;

/// Operations of a sequence.
const LENGTH: usize = 100;

/// Sequences of one runner; it has its seed.
const SHARE: u32 = 250;

/// Runs some sequences; fails with the shortest one found on which the store differs.
fn share(seed: u64, sequences: u32) {
    let config = Config {
        cases: sequences,
        failure_persistence: None,
        max_shrink_iters: 5000,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let folder = run::folder();
    let outcome = TestRunner::new_with_rng(config, random).run(
        &vec(any::<[u8; 4]>(), LENGTH..=LENGTH),
        |sequence| {
            run::run(folder.path(), &sequence);
            Ok(())
        },
    );
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, sequence)) => {
            let steps: Vec<_> = sequence.iter().filter(|step| **step != [0; 4]).collect();
            panic!("seed {seed}: {reason}, after {steps:?}")
        }
        Err(error) => panic!("seed {seed}: {error}"),
    }
}

/// Runs sequences until there were so many or the time is over; how many there were.
fn shares(torture: Torture, sequences: u64) -> u64 {
    let (seed, threads) = (torture.seed, torture.threads as u64);
    let count = sequences.div_ceil(u64::from(SHARE));
    std::thread::scope(|scope| {
        let work = |thread| {
            let mut done = 0;
            for number in (thread..count).step_by(threads as usize) {
                if torture.left().is_zero() {
                    break;
                }
                share(seed.wrapping_add(number), SHARE);
                done += u64::from(SHARE);
            }
            done
        };
        let running: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        let done = running.into_iter().map(|thread| thread.join());
        done.map(|done| done.expect("the store is the model")).sum()
    })
}

#[test]
fn a_thousand_sequences_of_a_hundred_operations_leave_what_plain_collections_have() {
    assert_eq!(shares(Torture::from_env(), 1000), 1000);
}

#[test]
#[ignore = "make torture-model: some minutes"]
fn torture_a_hundred_thousand_sequences() {
    let torture = Torture::from_env();
    let done = shares(torture, 100_000);
    torture.say(&format!("{done} sequences of {LENGTH} operations"));
}
