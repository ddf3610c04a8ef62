//! The long runs of `make torture-damage`: every bit of the three fixtures, every length of
//! them and of stores that a seed makes. The order is that of `SEED`, from `FROM` on.

use support::torture::Torture;

use crate::every::{Counts, Extent, cut, fixtures, flip, spread};
use crate::fixture::generated;

/// Truncated files that are opened, with those of the fixtures.
const CUTS: usize = 500_000;

fn extent(torture: &Torture) -> Extent {
    Extent {
        threads: torture.threads,
        deadline: Some(torture.deadline()),
        full: 1,
    }
}

/// What runs before did not do.
fn rest<'a>(all: &'a [(usize, usize)], torture: &Torture) -> &'a [(usize, usize)] {
    all.get(torture.from..).unwrap_or_default()
}

#[test]
#[ignore = "make torture-bits"]
fn torture_every_bit_of_the_three_fixtures() {
    let torture = Torture::from_env();
    let fixtures = fixtures();
    let bits = fixtures.iter().map(|fixture| fixture.bytes.len() * 8);
    let bits = spread(bits, torture.seed);
    let counts = Counts::default();
    let done = flip(&fixtures, rest(&bits, &torture), extent(&torture), &counts);
    println!(
        "torture: bit flips, 0 wrong: {}: {}",
        torture.covered(done, bits.len()),
        counts.line()
    );
}

#[test]
#[ignore = "make torture-truncations"]
fn torture_every_length_of_the_fixtures_and_of_generated_stores() {
    let torture = Torture::from_env();
    let mut stores = fixtures();
    let mut count: usize = stores.iter().map(|store| store.bytes.len()).sum();
    let of_fixtures = count;
    let folder = tempfile::tempdir().expect("folder");
    while count < CUTS {
        let store = generated(folder.path(), torture.seed + stores.len() as u64);
        count += store.bytes.len();
        stores.push(store);
    }
    let lengths = |stores: &[crate::fixture::Fixture]| -> Vec<usize> {
        stores.iter().map(|store| store.bytes.len()).collect()
    };
    // The fixtures first, whatever time there is.
    let (fixed, more) = stores.split_at(3);
    let mut cuts = spread(lengths(fixed).into_iter(), torture.seed);
    let of_more = spread(lengths(more).into_iter(), torture.seed).into_iter();
    cuts.extend(of_more.map(|(of, len)| (of + 3, len)));
    let counts = Counts::default();
    let done = cut(&stores, rest(&cuts, &torture), extent(&torture), &counts);
    println!(
        "torture: truncations, 0 wrong: {}, the first {of_fixtures} of the fixtures, the others \
         of {} generated stores: {}",
        torture.covered(done, cuts.len()),
        stores.len() - 3,
        counts.line()
    );
}
