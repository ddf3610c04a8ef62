//! Each rule of the protocol broken in turn: the crashes have to show it.
//!
//! What nobody finds is a check that the programme lacks.

use std::collections::BTreeMap;

use super::enumerate::{SHORT, Sweep, WORKLOADS, sweep, workload};
use super::examine::Tally;
use super::faults::fail_all;
use super::workload::{Base, Op};
use super::{creation, say, torture};
use crate::compaction::orders;
use crate::mutant::{Rule, with};

/// What shows that a rule is broken.
#[derive(Clone, Copy, Debug)]
enum By {
    /// A crash after so many steps of the last of these operations; 0: the store itself,
    /// without any crash.
    Crash(&'static [Op], usize),
    /// Likewise, of operations on arrays.
    Arrays(&'static [Op], usize),
    /// A crash after so many calls that make a file.
    Creation(usize),
    /// A call that fails.
    Fault(&'static str),
    /// Threads that take their turns in one of many orders.
    Orders,
}

/// Every rule, and what shows first that it is broken: of the short workloads, then of the
/// faults, of the orders of threads, then of the long workloads. Rules of arrays are looked
/// for among the workloads of these, those of making a file among the crashes of that.
const FOUND: [(Rule, By); 38] = {
    use By::{Arrays, Crash, Creation, Fault, Orders};
    use Op::{
        Batch, Checkpoint, Compact, Failed, Fold, Large, Overwrite, Region, Remove, Resize, Small,
        Sync,
    };
    [
        (Rule::RecordSum, Crash(&[Small], 1)),
        (Rule::BlockSums, Crash(&[Large], 2)),
        (Rule::FrameSum, Crash(&[Failed, Batch], 1)),
        (Rule::TakenBack, Crash(&[Small, Failed, Batch], 1)),
        (Rule::TakenBackDurably, Crash(&[Small, Failed, Batch], 1)),
        (Rule::SyncedCommit, Crash(&[Small], 2)),
        (Rule::ShownWhenDurable, Crash(&[Small], 0)),
        (Rule::DurableEndAfterSync, Crash(&[Small], 2)),
        (Rule::FailedSyncIsLast, Fault("[] then Small, call 1 fails")),
        (Rule::NamedAfterSync, Crash(&[Checkpoint], 12)),
        (
            Rule::SlotsByTurns,
            Crash(&[Small, Checkpoint, Checkpoint], 10),
        ),
        (Rule::SlotSum, Crash(&[Checkpoint, Overwrite], 2)),
        (Rule::DurableCheck, Crash(&[Large], 2)),
        (Rule::RunOfTheSystem, Crash(&[Checkpoint], 10)),
        (Rule::ReplayFromFrozen, Crash(&[Small, Checkpoint], 12)),
        (Rule::Witness, Crash(&[Sync], 1)),
        (Rule::LaterHeaders, Crash(&[Small, Batch], 3)),
        (Rule::Covered, Crash(&[Batch, Remove, Compact], 9)),
        (Rule::CoveredDurably, Crash(&[Small], 1)),
        (Rule::CoverInsideFile, Crash(&[Small], 1)),
        (Rule::NewFileDurable, Crash(&[Compact], 16)),
        (Rule::NewNameDurable, Crash(&[Small, Compact], 26)),
        (
            Rule::NewNameOrNothing,
            Fault("[] then Compact, call 15 fails"),
        ),
        (Rule::CommitsFollowed, Crash(&[Small, Compact], 0)),
        (Rule::RestUnderLock, Orders),
        (Rule::HandlesGoOn, Crash(&[Compact, Small], 3)),
        (Rule::HandlesBeforeWriters, Orders),
        (Rule::ChunksWithVersion, Arrays(&[Region], 2)),
        (Rule::ChunksBeforeVersion, Arrays(&[Region], 0)),
        (Rule::NewArrayId, Arrays(&[Op::Arrays, Op::Arrays], 0)),
        (Rule::CutOffEmptied, Arrays(&[Resize, Resize], 0)),
        (Rule::AmendmentBehindWhole, Arrays(&[Region, Op::Arrays], 0)),
        (Rule::TakenIn, Arrays(&[Fold], 0)),
        (Rule::SidesSaved, Arrays(&[Checkpoint], 10)),
        (Rule::ChunksCopiedFirst, Arrays(&[Compact], 0)),
        (Rule::AmendmentsFolded, Arrays(&[Compact], 0)),
        (Rule::NewStoreDurable, Creation(3)),
        (Rule::NewStoreNameDurable, Creation(4)),
    ]
};

/// What is wrong after the crashes of a workload, if something is, and where it starts. The
/// epoch of a compacted file is random, and with it which crashes are sampled: a workload is
/// looked at three times before nothing is said to be wrong.
fn crash(base: &Base, number: usize) -> Option<(String, String)> {
    (1..=3).find_map(|seed| crash_once(base, number, seed))
}

fn crash_once(base: &Base, number: usize, seed: u64) -> Option<(String, String)> {
    let this = Sweep {
        seed,
        losses: 40,
        one_in: 12,
    };
    let violation = sweep(base, number, this, &mut Tally::default()).err()?;
    let place = format!("{:?}, step {}", violation.ops, violation.steps);
    Some((place, violation.what))
}

/// What is wrong after a fault.
fn fault(base: &Base) -> Option<(String, String)> {
    let failed = fail_all(base, &mut BTreeMap::new(), &mut Tally::default());
    failed.err().map(|told| (told, String::new()))
}

/// Where something is wrong that depends on the turns of threads.
const ORDERS: &str = "an order of the steps of threads";

/// What is wrong in some order of the steps of compaction, a writer and readers.
fn orders() -> Option<(String, String)> {
    let what = orders::wrong(200)?;
    Some((ORDERS.to_owned(), what))
}

/// What is wrong after a crash while a file is made.
fn creation() -> Option<(String, String)> {
    let found = creation::sweep(1, 40, &mut 0).err()?;
    let (place, what) = found.split_once(": ").unwrap_or((&found, ""));
    Some((place.to_owned(), what.to_owned()))
}

/// The stores that workloads start from.
struct Bases {
    values: Base,
    arrays: Base,
}

impl Bases {
    fn new() -> Self {
        Self {
            values: Base::of_values(1),
            arrays: Base::of_arrays(1),
        }
    }

    /// The first of what may show that a rule is broken.
    fn first(&self, by: By) -> Option<(String, String)> {
        let Self { values, arrays } = self;
        match by {
            By::Creation(_) => creation(),
            By::Arrays(..) => (0..WORKLOADS).find_map(|number| crash(arrays, number)),
            _ => {
                let mut short = 0..SHORT;
                let mut long = SHORT..WORKLOADS;
                let first = short.find_map(|number| crash(values, number));
                first
                    .or_else(|| fault(values))
                    .or_else(orders)
                    .or_else(|| long.find_map(|number| crash(values, number)))
            }
        }
    }
}

impl By {
    /// How a report of it starts.
    fn place(self) -> String {
        match self {
            Self::Crash(ops, step) | Self::Arrays(ops, step) => format!("{ops:?}, step {step}"),
            Self::Creation(calls) => format!("call {calls}"),
            Self::Fault(site) => site.to_owned(),
            Self::Orders => ORDERS.to_owned(),
        }
    }

    fn look(self, bases: &Bases) -> Option<(String, String)> {
        let of = |base: &Base, ops: &[Op]| {
            let mut numbers = 0..WORKLOADS;
            let number = numbers.find(|number| workload(&base.ops, *number) == ops);
            crash(base, number.expect("of at most three operations"))
        };
        match self {
            Self::Crash(ops, _) => of(&bases.values, ops),
            Self::Arrays(ops, _) => of(&bases.arrays, ops),
            Self::Creation(_) => creation(),
            Self::Fault(_) => fault(&bases.values),
            Self::Orders => orders(),
        }
    }
}

fn assert_found(rule: Rule, by: By, found: Option<(String, String)>) {
    let Some((place, what)) = found else {
        panic!("{rule:?} is broken and nothing shows it");
    };
    say(format!("{rule:?} is broken: {place}: {what}"));
    assert!(place.starts_with(&by.place()), "{rule:?}: {place}");
}

#[test]
fn each_broken_rule_is_found_out_by_the_crash_that_is_named() {
    let bases = Bases::new();
    for (rule, by) in FOUND {
        let found = with(Some(rule), || by.look(&bases));
        assert_found(rule, by, found);
        // It is the rule that makes the difference.
        assert_eq!(by.look(&bases), None, "with every rule kept");
    }
}

#[test]
#[ignore = "make torture-mutants: two minutes"]
fn each_broken_rule_is_found_out_and_nothing_before_the_crash_that_is_named_shows_it() {
    let bases = Bases::new();
    let clock = torture::Clock::start();
    for (rule, by) in FOUND {
        let found = with(Some(rule), || bases.first(by));
        assert_found(rule, by, found);
    }
    clock.say(&format!("{} broken rules, all found out", FOUND.len()));
}
