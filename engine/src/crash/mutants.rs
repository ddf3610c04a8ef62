//! Each rule of the protocol broken in turn: the crashes have to show it.
//!
//! What nobody finds is a check that the programme lacks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::enumerate::{Sweep, Violation, WORKLOADS, sweep};
use super::examine::Tally;
use super::workload::Base;
use crate::mutant::{Rule, with};

/// Every rule, in the order of `mutant.rs`.
const RULES: [Rule; 25] = [
    Rule::RecordSum,
    Rule::BlockSums,
    Rule::FrameSum,
    Rule::TakenBack,
    Rule::TakenBackDurably,
    Rule::SyncedCommit,
    Rule::ShownWhenDurable,
    Rule::DurableEndAfterSync,
    Rule::FailedSyncIsLast,
    Rule::NamedAfterSync,
    Rule::SlotsByTurns,
    Rule::SlotSum,
    Rule::DurableCheck,
    Rule::RunOfTheSystem,
    Rule::ReplayFromFrozen,
    Rule::Witness,
    Rule::LaterHeaders,
    Rule::Covered,
    Rule::CoveredDurably,
    Rule::CoverInsideFile,
    Rule::NewFileDurable,
    Rule::NewNameDurable,
    Rule::NewNameOrNothing,
    Rule::CommitsFollowed,
    Rule::HandlesGoOn,
];

/// The first thing that is wrong if a rule is broken.
fn first(base: &Base, rule: Rule) -> Option<Violation> {
    let this = Sweep {
        seed: 1,
        losses: 40,
        one_in: 12,
    };
    let mut tally = Tally::default();
    (0..WORKLOADS).find_map(|number| {
        let swept = AssertUnwindSafe(|| sweep(base, number, this, &mut tally));
        match with(Some(rule), || catch_unwind(swept)) {
            Ok(Ok(())) => None,
            Ok(Err(violation)) => Some(*violation),
            // A panic is no way to find damage, in a broken store either.
            Err(_) => panic!("{rule:?}: workload {number} panics"),
        }
    })
}

#[test]
fn each_broken_rule_is_found_out() {
    let base = Base::new(1);
    let mut alive = Vec::new();
    let only = std::env::var("ARRAYLOG_MUTANT").unwrap_or_default();
    for rule in RULES {
        if !format!("{rule:?}").contains(&only) { continue; }
        let start = std::time::Instant::now();
        match first(&base, rule) {
            Some(violation) => println!("{rule:?} ({:.1?}): {violation}", start.elapsed()),
            None => { println!("{rule:?} LIVES {:.1?}", start.elapsed()); alive.push(rule)},
        }
    }
    assert!(alive.is_empty(), "{alive:?}");
}
