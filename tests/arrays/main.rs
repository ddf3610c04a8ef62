//! Arrays of every dtype, codec and layout, by property: what is read of one, whole and in
//! part, before and after changes, is what an array in memory has.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod family;
mod plan;
mod state;

use arraylog::{Attrs, DEFAULT_NAME, Elements, Selection, Store};
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use support::torture::Torture;

use crate::family::{Family, families};
use crate::plan::{Change, LAYOUTS, Layout, Plan};
use crate::state::State;

/// Cases of each dtype, codec and layout: parts that are read, or changes of each kind.
const CASES: u64 = 300;

/// Plans of one runner; it has its seed.
const SHARE: u32 = 25;

/// Fails unless these are the elements, bit by bit, and their mask.
fn compare(found: &Elements, state: &State, family: &Family, fill: bool) {
    assert_eq!(found.shape(), state.shape);
    let wanted = state.numbers.iter().map(|&it| family.element(it, fill));
    match family.dtype.item_size() {
        Some(_) => {
            let wanted = wanted.collect::<Vec<_>>().concat();
            assert!(
                **found.data() == *wanted,
                "{:?} is {wanted:?}",
                found.data()
            );
        }
        None => {
            let view = found.view();
            for (at, wanted) in wanted.enumerate() {
                assert_eq!(view.item(at as u64).expect("there"), &*wanted, "at {at}");
            }
        }
    }
    let bits = found.validity();
    assert_eq!(bits.is_some(), state.missing.is_some());
    if let (Some(bits), Some(missing)) = (bits, &state.missing) {
        for (at, &missing) in missing.iter().enumerate() {
            assert_eq!(bits[at / 8] >> (at % 8) & 1, 1 - missing, "mask at {at}");
        }
    }
}

/// Writes, changes and reads an array of each family.
fn check(families: &[Family], plan: &Plan) {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let batch = store.batch().expect("a batch");
    let staged = batch
        .partition(DEFAULT_NAME, DEFAULT_NAME)
        .expect("a partition");
    for (number, family) in families.iter().enumerate() {
        let arrays = [("t", family.spec(plan))];
        staged
            .write(number.to_string(), &arrays, &Attrs::new())
            .unwrap_or_else(|error| panic!("{family:?}: {error}"));
    }
    batch.commit().expect("committed");
    for (number, family) in families.iter().enumerate() {
        let key = number.to_string();
        let run = || {
            let read = || {
                let array = part.array(&key, "t").expect("there");
                array.read().expect("read")
            };
            compare(&read(), &plan.first, family, plan.fill);
            for (change, after) in &plan.changes {
                let done = match change {
                    Change::Write(spans, data) => {
                        let selection = Selection::new(spans.iter().copied());
                        part.write_region(&key, "t", &selection, &family.data(data, plan.fill))
                    }
                    Change::Append(axis, data) => {
                        part.append(&key, "t", *axis, &family.data(data, plan.fill))
                    }
                    Change::Resize => part.resize(&key, "t", &after.shape),
                };
                done.expect("changed");
                compare(&read(), after, family, plan.fill);
            }
            let array = part.array(&key, "t").expect("there");
            let codec = array.info().codec.as_deref();
            assert_eq!(codec, family.codec.filter(|_| !array.shape().is_empty()));
            let chunks = array.chunks().expect("read");
            assert_eq!(chunks.as_deref(), plan.chunks.as_deref());
            for (spans, wanted) in &plan.slices {
                let selection = Selection::new(spans.iter().copied());
                let found = array.slice(&selection).expect("read");
                compare(&found, wanted, family, plan.fill);
            }
            let stats = array.stats().expect("read");
            assert_eq!(stats, read().view().stats(), "of the file and found anew");
        };
        let run = std::panic::AssertUnwindSafe(run);
        if let Err(cause) = std::panic::catch_unwind(run) {
            let cause = cause.downcast_ref::<String>().cloned();
            let (dtype, codec) = (family.dtype, family.codec);
            panic!("{dtype}, codec {codec:?}: {}", cause.unwrap_or_default());
        }
    }
}

/// Runs some plans; fails with the smallest one found that goes wrong.
fn share(layout: Layout, seed: u64, plans: u32) {
    let config = Config {
        cases: plans,
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let families = families();
    let outcome = TestRunner::new_with_rng(config, random).run(&plan::plan(layout), |plan| {
        check(&families, &plan);
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, plan)) => {
            panic!("{layout:?}, seed {seed}: {reason}, by {plan:?}")
        }
        Err(error) => panic!("{layout:?}, seed {seed}: {error}"),
    }
}

/// Runs plans of a layout until there were so many cases or the time is over; how many
/// there were.
fn cases(layout: Layout, torture: Torture, threads: u64, cases: u64) -> u64 {
    let each = u64::from(SHARE) * layout.cases();
    let count = cases.div_ceil(each);
    std::thread::scope(|scope| {
        let work = |thread| {
            let mut done = 0;
            for number in (thread..count).step_by(threads as usize) {
                if torture.left().is_zero() {
                    break;
                }
                share(layout, torture.seed.wrapping_add(number), SHARE);
                done += each;
            }
            done
        };
        let running: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        let done = running.into_iter().map(|thread| thread.join());
        done.map(|done| done.expect("as in memory")).sum()
    })
}

fn hold(layout: Layout) {
    assert!(cases(layout, Torture::from_env(), 1, CASES) >= CASES);
}

#[test]
fn parts_of_arrays_in_one_piece_are_what_they_are_in_memory() {
    hold(Layout::Whole);
}

#[test]
fn parts_of_arrays_in_chunks_are_what_they_are_in_memory() {
    hold(Layout::Chunked);
}

#[test]
fn parts_of_chunks_that_were_never_written_are_the_fill_value() {
    hold(Layout::Sparse);
}

#[test]
fn arrays_in_one_piece_are_written_appended_to_and_resized_as_in_memory() {
    hold(Layout::AmendedWhole);
}

#[test]
fn arrays_in_chunks_are_written_appended_to_and_resized_as_in_memory() {
    hold(Layout::AmendedChunked);
}

#[test]
fn arrays_without_axes_and_with_as_many_as_there_may_be() {
    let families = families();
    for masked in [false, true] {
        check(&families, &Plan::of_shape(&[], None, masked));
        let mut shape = vec![1; 32];
        for axis in [0, 3, 30] {
            shape[axis] = 3;
        }
        let mut chunks = shape.clone();
        chunks[3] = 2;
        for chunks in [None, Some(chunks)] {
            check(&families, &Plan::of_shape(&shape, chunks.clone(), masked));
            shape[31] = 0;
            check(&families, &Plan::of_shape(&shape, chunks, masked));
            shape[31] = 1;
        }
    }
}

#[test]
#[ignore = "make torture-arrays: some minutes"]
fn torture_twenty_thousand_cases_of_each_dtype_codec_and_layout() {
    let torture = Torture::from_env();
    let families = families().len();
    for layout in LAYOUTS {
        let done = cases(layout, torture, torture.threads as u64, 20_000);
        torture.say(&format!(
            "{done} cases of each of {families} families, layout {layout:?}"
        ));
    }
}
