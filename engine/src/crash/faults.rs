//! Every call of every operation failing in every way, and a loss of power after it.
//!
//! What a failed call means is decided by the error that the caller is given: after
//! `NotCommitted` nothing happened and the store goes on, after a failed sync nothing is
//! written any more. Then the power goes, and what is found is compared as ever.

use std::collections::BTreeMap;
use std::fmt;

use super::disk::Disk;
use super::enumerate::{SHORT, workload};
use super::examine::{Allowed, Care, Tally, examine, held};
use super::workload::{ARRAYS, Base, Op, Player};
use super::{rng, say, torture};
use crate::Error;
use crate::storage::sim::watch::{Failing, Kind};

/// Why calls fail. Interrupted calls and short writes are repeated below the simulated disk;
/// `calls.rs` has those.
pub(super) const REASONS: [i32; 4] = [libc::ENOSPC, libc::EIO, libc::EFBIG, libc::EDQUOT];

/// Bytes of a failing write that are written all the same, from its end if below 0.
const PARTS: [isize; 4] = [0, 41, -16, isize::MAX];

/// What stands before the operation on values whose call fails.
const BEFORE: [&[Op]; 6] = [
    &[],
    &[Op::Buffered],
    &[Op::Batch],
    &[Op::Remove, Op::Large],
    &[Op::Small, Op::Checkpoint, Op::Overwrite],
    &[Op::Compact, Op::Stream],
];

/// Likewise, on arrays.
const BEFORE_ARRAYS: [&[Op]; 6] = [
    &[],
    &[Op::Region],
    &[Op::Arrays],
    &[Op::Resize, Op::Append],
    &[Op::Assign, Op::Checkpoint, Op::Region],
    &[Op::Compact, Op::Fold],
];

/// How many calls of each kind failed.
type Kinds = BTreeMap<&'static str, u64>;

/// A call that fails.
#[derive(Clone, Copy, Debug)]
struct Site<'a> {
    before: &'a [Op],
    op: Op,
    failing: Failing,
}

impl fmt::Display for Site<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Site {
            before,
            op,
            failing,
        } = self;
        let Failing {
            after,
            partial,
            errno,
            lasting,
        } = failing;
        let and = if *lasting { " and those behind it" } else { "" };
        write!(
            f,
            "{before:?} then {op:?}, call {after}{and} fails with {errno} after {partial} bytes"
        )
    }
}

/// Has the call at `site` fail; its kind, or `None` if there are not so many calls.
fn fail(base: &Base, site: Site<'_>, seed: u64, tally: &mut Tally) -> Result<Option<Kind>, String> {
    let mut player = Player::new(base);
    for op in site.before {
        player.play(*op).map_err(|error| error.to_string())?;
    }
    player.watch.fail(site.failing);
    let played = player.play(site.op);
    let Some(kind) = player.watch.recover() else {
        return played.map(|()| None).map_err(|error| error.to_string());
    };
    let stopped = match &played {
        Ok(()) => false,
        Err(Error::CommitUnknown { .. }) => true,
        // Of the checkpoint before closing.
        Err(Error::Poisoned { .. }) if site.op == Op::Reopen => kind == Kind::Sync,
        Err(Error::NotCommitted { .. } | Error::Io { .. }) => kind == Kind::FolderSync,
        Err(other) => return Err(format!("{kind:?} failed: {other}")),
    };
    if kind == Kind::Sync && played.is_ok() {
        return Err("a failed sync was not told".to_owned());
    }
    if !stopped && !player.store.is_closed() {
        player.check()?;
    }
    let next: &[Op] = match base.ops {
        ARRAYS => &[Op::Region, Op::Small],
        _ => &[Op::Small],
    };
    for op in next {
        match player.play(*op) {
            Ok(()) if stopped => return Err(format!("{kind:?} failed, and writing goes on")),
            Ok(()) => player.check()?,
            // A write that could not be taken back stops writing, too.
            Err(Error::Poisoned { .. }) if stopped || site.failing.lasting => {
                held(&player.store)?;
            }
            // It was closing that failed.
            Err(Error::Closed { .. }) if site.op == Op::Reopen => {}
            Err(other) => return Err(format!("after {kind:?} failed: {other}")),
        }
    }
    crash(base, &player, seed, tally)?;
    player
        .reopen()
        .map_err(|error| format!("opening again: {error}"))?;
    held(&player.store)?;
    Ok(Some(kind))
}

/// A loss of power now.
fn crash(base: &Base, player: &Player, seed: u64, tally: &mut Tally) -> Result<(), String> {
    let (states, marks) = player.ledger.taken();
    let mark = *marks.last().expect("one");
    let allowed = Allowed {
        states: &states[mark.durable..=mark.begun],
        saved: 0,
    };
    let mut disk = Disk::of(base.bytes.clone());
    player
        .watch
        .since(0, |steps| steps.iter().for_each(|step| disk.apply(step)));
    let rng = &mut rng(seed);
    let care = Care {
        again: 0,
        depth: 0,
        one_in: 1,
    };
    let names: Vec<usize> = disk.names().collect();
    for file in names {
        for loss in disk.losses(file, rng, 4) {
            tally.images += 1;
            let found = disk.after(file, &loss);
            examine(&found, allowed, care, rng, tally)
                .map_err(|error| format!("{}: {error}", loss.describe()))?;
        }
    }
    Ok(())
}

/// Has each call of each operation fail once for each reason; how many there were of each
/// kind. An error names the first that was taken wrongly.
pub(super) fn fail_each(
    base: &Base,
    before: &[Op],
    seed: u64,
    kinds: &mut Kinds,
    tally: &mut Tally,
) -> Result<(), String> {
    let refused = [Op::Failed, Op::Refused];
    for op in base.ops.into_iter().filter(|op| !refused.contains(op)) {
        'calls: for after in 0.. {
            for failing in failings(after) {
                let site = Site {
                    before,
                    op,
                    failing,
                };
                let kind = fail(base, site, seed, tally);
                match kind.map_err(|error| format!("{site}: {error}"))? {
                    Some(kind) => *kinds.entry(kind.name()).or_default() += 1,
                    None => break 'calls,
                }
            }
        }
    }
    Ok(())
}

/// The ways in which one call can fail.
fn failings(after: usize) -> impl Iterator<Item = Failing> {
    let parts = PARTS.into_iter();
    let once = parts.flat_map(move |partial| {
        REASONS.map(|errno| Failing {
            after,
            partial,
            errno,
            lasting: false,
        })
    });
    let lasting = PARTS.map(|partial| Failing {
        after,
        partial,
        errno: libc::EIO,
        lasting: true,
    });
    once.chain(lasting)
}

/// As [`fail_each`], after a few operations, of which the first failure is told.
pub(super) fn fail_all(base: &Base, kinds: &mut Kinds, tally: &mut Tally) -> Result<(), String> {
    let before = match base.ops {
        ARRAYS => BEFORE_ARRAYS,
        _ => BEFORE,
    };
    let mut each = before.into_iter();
    each.try_for_each(|before| fail_each(base, before, 1, kinds, tally))
}

/// Has the calls of a set fail; each kind does.
fn all_may_fail(base: &Base) {
    let mut tally = Tally::default();
    let mut kinds = Kinds::new();
    if let Err(error) = fail_all(base, &mut kinds, &mut tally) {
        panic!("{error}");
    }
    let faults: u64 = kinds.values().sum();
    say(format!(
        "{faults} faults, {} images: {kinds:?}",
        tally.all()
    ));
    let failed: Vec<&str> = kinds.keys().copied().collect();
    assert_eq!(
        failed,
        [
            "allocate",
            "fill",
            "folder sync",
            "make",
            "rename",
            "sync",
            "write"
        ]
    );
}

#[test]
fn each_call_of_each_operation_may_fail_and_the_error_says_what_holds() {
    all_may_fail(&Base::of_values(1));
}

#[test]
fn each_call_of_each_change_of_arrays_may_fail_and_the_error_says_what_holds() {
    all_may_fail(&Base::of_arrays(1));
}

#[test]
#[ignore = "make torture-faults: two minutes"]
fn twenty_thousand_failed_calls_leave_what_their_errors_say() {
    let (seed, clock) = (torture::seed(), torture::Clock::start());
    let (mut tally, mut kinds) = (Tally::default(), Kinds::new());
    let bases = [Base::of_values(seed), Base::of_arrays(seed)];
    // After up to two operations, the short ones first.
    for number in 0..SHORT {
        if clock.left().is_zero() {
            break;
        }
        for base in &bases {
            let before = workload(&base.ops, number);
            if let Err(error) = fail_each(base, &before, seed, &mut kinds, &mut tally) {
                panic!("seed {seed}: {error}");
            }
        }
    }
    let faults: u64 = kinds.values().sum();
    let images = tally.all();
    clock.say(&format!(
        "{faults} faults, {images} images, seed {seed}: {kinds:?}"
    ));
}
