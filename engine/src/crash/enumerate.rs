//! Every workload of up to three operations, with a crash at every call.
//!
//! A workload is run once. At each step of its last operation (what comes before is the
//! last operation of a shorter one) the folder is put together as a kill leaves it, and as
//! losses of power do, and the real code opens what is found.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::disk::{Disk, Found};
use super::examine::{Allowed, Care, Tally, damage, examine, is_moment};
use super::workload::{ARRAYS, Base, COUNT, Op, Ops, VALUES, run};
use super::{rng, say, torture};

/// Workloads of one and two operations of a set.
pub(super) const SHORT: usize = COUNT + COUNT * COUNT;

/// Workloads of one, two and three.
pub(super) const WORKLOADS: usize = SHORT + COUNT * COUNT * COUNT;

/// How far a sweep goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep {
    pub(super) seed: u64,
    /// Losses of power at each moment, at most.
    pub(super) losses: usize,
    /// Of so many images one is examined with crashes in its recovery and after it.
    pub(super) one_in: u32,
}

/// A crash after which something was wrong.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) ops: Vec<Op>,
    /// Steps of the last operation that were done.
    pub(super) steps: usize,
    pub(super) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, step {}: {}", self.ops, self.steps, self.what)
    }
}

/// The operations of workload `number` of a set; short ones come first.
pub(super) fn workload(ops: &Ops, number: usize) -> Vec<Op> {
    let (mut number, mut len, mut count) = (number, 1, ops.len());
    while number >= count {
        number -= count;
        (len, count) = (len + 1, count * ops.len());
    }
    let digit = |at| ops[number / ops.len().pow(at) % ops.len()];
    (0..len).rev().map(digit).collect()
}

/// Goes through the crashes of one workload.
pub(super) fn sweep(
    base: &Base,
    number: usize,
    sweep: Sweep,
    tally: &mut Tally,
) -> Result<(), Box<Violation>> {
    let ops = workload(&base.ops, number);
    let violation = |steps: usize, what: String| {
        Box::new(Violation {
            ops: ops.clone(),
            steps,
            what,
        })
    };
    let run = run(base, &ops).map_err(|what| violation(0, what))?;
    let mut rng = rng(sweep.seed ^ (number as u64) << 32);
    let mut disk = Disk::of(run.start.clone());
    let mut seen = HashSet::new();
    tally.workloads += 1;
    for steps in 0..=run.steps.len() {
        if let Some(step) = steps.checked_sub(1).and_then(|last| run.steps.get(last)) {
            disk.apply(step);
        }
        let is_end = steps == run.steps.len();
        if steps < run.last || !(is_end || is_moment(&run.steps[steps])) {
            continue;
        }
        tally.boundaries += 1;
        let mark = run.mark(steps);
        let mut check = |found: &Found, least: usize, what: &dyn Fn() -> String| {
            let key = (found.fingerprint(), found.same_boot, least, mark.begun);
            if !seen.insert(key) {
                return Ok(());
            }
            tally.images += 1;
            let care = Care {
                again: 2,
                depth: 3,
                one_in: sweep.one_in,
            };
            let allowed = Allowed {
                states: &run.states[least..=mark.begun],
                saved: mark.saved,
            };
            examine(found, allowed, care, &mut rng, tally)
                .map_err(|error| violation(steps - run.last, format!("{}: {error}", what())))
        };
        check(&disk.killed(), mark.returned, &|| "killed".to_owned())?;
        let names: Vec<usize> = disk.names().collect();
        for file in names {
            let losses = disk.losses(
                file,
                &mut super::rng(sweep.seed ^ steps as u64),
                sweep.losses,
            );
            for loss in losses {
                let what = || format!("file {file}, {}", loss.describe());
                check(&disk.after(file, &loss), mark.durable, &what)?;
            }
        }
        if is_end {
            let allowed = Allowed {
                states: &run.states[mark.returned..],
                saved: 0,
            };
            damage(&disk.killed(), allowed, &mut rng, tally)
                .map_err(|error| violation(steps - run.last, error))?;
        }
    }
    Ok(())
}

/// Sweeps over all workloads of a set with two threads, again and again with other losses
/// until `images` were examined or the time is over; what was examined, and what was wrong.
pub(super) fn sweep_all(
    base: &Base,
    first: Sweep,
    images: u64,
    time: Duration,
    threads: usize,
) -> (Tally, Vec<Violation>) {
    let (next, count) = (AtomicUsize::new(0), AtomicU64::new(0));
    let (total, violations) = (Mutex::new(Tally::default()), Mutex::new(Vec::new()));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while count.load(Ordering::Relaxed) < images && start.elapsed() < time {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let round = (number / WORKLOADS) as u64;
                    let this = Sweep {
                        seed: first.seed.wrapping_add(round << 48),
                        ..first
                    };
                    let mut tally = Tally::default();
                    if let Err(violation) = sweep(base, number % WORKLOADS, this, &mut tally) {
                        violations.lock().push(*violation);
                    }
                    count.fetch_add(tally.all(), Ordering::Relaxed);
                    total.lock().add(&tally);
                }
            });
        }
    });
    (total.into_inner(), violations.into_inner())
}

fn assert_none(violations: &[Violation]) {
    let told: Vec<String> = violations
        .iter()
        .take(10)
        .map(ToString::to_string)
        .collect();
    assert!(
        told.is_empty(),
        "{} violations:\n{}",
        violations.len(),
        told.join("\n")
    );
}

#[test]
fn workloads_are_numbered_and_short_ones_come_first() {
    for ops in [VALUES, ARRAYS] {
        assert_eq!(workload(&ops, 0), [ops[0]]);
        assert_eq!(workload(&ops, 12), [ops[0], ops[0]]);
        assert_eq!(workload(&ops, WORKLOADS - 1), [ops[11]; 3]);
        let all: HashSet<String> = (0..WORKLOADS)
            .map(|n| format!("{:?}", workload(&ops, n)))
            .collect();
        assert_eq!(all.len(), 1884);
    }
}

/// Each workload of a set once and more, up to so many images.
fn sweep_once(base: &Base, images: u64) {
    let sweep = Sweep {
        seed: 1,
        losses: 12,
        one_in: 48,
    };
    let (tally, violations) = sweep_all(base, sweep, images, Duration::MAX, 2);
    say(format!("{} images: {tally:?}", tally.all()));
    assert_none(&violations);
    assert!(tally.workloads >= WORKLOADS as u64, "{tally:?}");
}

#[test]
fn a_crash_at_any_call_of_any_three_operations_leaves_a_state_that_may_be_there() {
    sweep_once(&Base::of_values(1), 200_000);
}

#[test]
fn a_crash_at_any_call_of_any_three_changes_of_arrays_leaves_each_array_as_before_or_after() {
    sweep_once(&Base::of_arrays(1), 230_000);
}

#[test]
#[ignore = "make torture-crash: some minutes"]
fn five_million_crashes_leave_states_that_may_be_there() {
    let (seed, clock) = (torture::seed(), torture::Clock::start());
    let sweep = Sweep {
        seed,
        losses: 48,
        one_in: 48,
    };
    let threads = torture::threads();
    let mut wrong = Vec::new();
    // Half of them of each set, and half of the time.
    for (what, base, share) in [
        ("values", Base::of_values(seed), 2),
        ("arrays", Base::of_arrays(seed), 1),
    ] {
        let time = clock.left() / share;
        let (tally, violations) = sweep_all(&base, sweep, 2_500_000, time, threads);
        let done = format!(
            "{} crash images of {what}, {} violations",
            tally.all(),
            violations.len()
        );
        clock.say(&format!("{done}, seed {seed}: {tally:?}"));
        wrong.extend(violations);
    }
    assert_none(&wrong);
}
