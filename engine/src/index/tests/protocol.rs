//! The protocol between one writer and its readers, run in many orders of their steps:
//! insert, mark what was superseded, publish; with growth, freezing and installing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::super::atomics::{AtomicU64, WATCHED, point};
use super::{
    ATTENTION, Cursor, Fault, Hash, Keyed, Log, Merge, PartitionIndex, Segment, Window, source,
};
use std::sync::atomic::Ordering;

/// In which order a commit takes its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Words, marks, end.
    Right,
    /// Marks, words, end. A mark tells where its entry was superseded, so that readers who
    /// do not see that place yet pass over the mark: this is right as well.
    MarksFirst,
    /// End, words, marks.
    EndFirst,
    /// Words, end, marks.
    MarksLast,
    /// Right, but a reader takes its end after it pinned the segments.
    PinFirst,
}

fn hash(key: u8) -> Hash {
    Hash(u64::from(key % 3) << 62 | u64::from(key % 5))
}

/// Commits: keys, and whether they are removed.
const COMMITS: [&[(u8, bool)]; 6] = [
    &[(0, false), (1, false), (2, false), (3, false), (4, false)],
    &[(0, false), (1, true), (5, false)],
    &[(1, false), (0, true), (6, false), (7, false), (2, false)],
    &[(0, false), (3, true), (8, false)],
    &[(3, false), (4, false), (5, true), (0, false)],
    &[(9, false), (2, true), (4, true)],
];

/// What there is to know beforehand: all records, and the state at each end.
struct Plan {
    log: Log,
    /// First place of each commit.
    starts: Vec<u64>,
    /// State of the map, by the end of a commit.
    states: BTreeMap<u64, BTreeMap<u8, u64>>,
}

fn plan() -> Plan {
    let (mut place, mut state) = (1, BTreeMap::new());
    let mut newest: BTreeMap<u8, u64> = BTreeMap::new();
    let (mut log, mut starts) = (Log(BTreeMap::new(), hash), Vec::new());
    let mut states = BTreeMap::from([(1, BTreeMap::new())]);
    for commit in COMMITS {
        starts.push(place);
        let before = newest.clone();
        for &(key, tombstone) in commit {
            let previous = before.get(&key).copied().unwrap_or(0);
            log.0.insert(place, (key, previous, tombstone));
            newest.insert(key, place);
            match tombstone {
                true => state.remove(&key),
                false => state.insert(key, place),
            };
            place += 1;
        }
        states.insert(place, state.clone());
    }
    starts.push(place);
    Plan {
        log,
        starts,
        states,
    }
}

struct Shared {
    plan: Plan,
    index: PartitionIndex,
    published: AtomicU64,
}

impl Shared {
    fn published(&self) -> u64 {
        let end = self.published.load(Ordering::Acquire);
        point();
        end
    }

    fn commit(&self, number: usize, order: Order) {
        let (first, end) = (self.plan.starts[number], self.plan.starts[number + 1]);
        let publish = || self.published.store(end, Ordering::Release);
        if order == Order::EndFirst {
            publish();
        }
        let mut marks = Vec::new();
        for place in first..end {
            let (key, previous, tombstone) = self.plan.log.0[&place];
            self.index.reserve(1, first);
            let pinned = self.index.newest();
            if order == Order::MarksFirst && previous != 0 {
                self.index.replace(previous, place).expect("whole");
            }
            let told = match order {
                Order::MarksLast => {
                    marks.push((previous, place));
                    0
                }
                _ => previous,
            };
            let keyed = Keyed(&self.plan.log, key);
            self.index
                .insert(&pinned, hash(key), place, tombstone, told, &keyed)
                .expect("whole");
        }
        if order != Order::EndFirst {
            publish();
        }
        for (previous, place) in marks.into_iter().filter(|&(previous, _)| previous != 0) {
            self.index.replace(previous, place).expect("whole");
        }
    }

    /// A checkpoint, in the middle of which a commit may come.
    fn checkpoint(&self, fails: bool, between: impl FnOnce()) {
        let end = self.published();
        let frozen = self.index.freeze(end, Merge::Shorter(2));
        between();
        let log = &self.plan.log;
        let compare = |a, b| Ok::<_, Fault>(log.0[&a].0.cmp(&log.0[&b].0));
        let packed = frozen.pack(
            7,
            end,
            (0, end * 8),
            &HashSet::new(),
            |fault| fault,
            compare,
        );
        let packed = packed.expect("whole");
        if fails {
            return self.index.thaw(self.published());
        }
        let new = Segment::open(source(&packed, end)).expect("opens");
        self.index.install(&frozen, vec![new], end).expect("whole");
    }

    fn write(&self, order: Order) {
        self.commit(1, order);
        self.checkpoint(false, || self.commit(2, order));
        self.commit(3, order);
        self.checkpoint(true, || self.commit(4, order));
        self.commit(5, order);
    }

    fn read(&self, order: Order) {
        let (pinned, mut end) = self.index.pin(|| self.published());
        if order == Order::PinFirst {
            // Others get far in between.
            (0..300).for_each(|_| point());
            end = self.published();
        }
        let (log, state) = (&self.plan.log, &self.plan.states[&end]);
        for key in 0..10 {
            let keyed = Keyed(log, key);
            let mut place = pinned.find(hash(key), end, &keyed);
            if place & ATTENTION != 0 {
                let Ok(checked) = pinned.find_checked(hash(key), end, &keyed);
                place = checked;
            }
            while place >= end {
                place = log.0[&place].1;
            }
            let live = Some(place).filter(|&place| place != 0 && !log.0[&place].2);
            assert_eq!(live, state.get(&key).copied(), "key {key} at {end}");
        }
        let (mut cursor, mut walked) = (Cursor::default(), Vec::new());
        loop {
            let mut window = Window::new();
            let Ok(()) = pinned.next(&mut cursor, end, &Keyed(log, 0), &mut window);
            if window.places().is_empty() {
                break;
            }
            walked.extend_from_slice(window.places());
        }
        let mut expected: Vec<u64> = state.values().copied().collect();
        expected.sort_unstable();
        assert_eq!(walked, expected, "a walk at {end}");
    }
}

/// Whether every one of so many orders of steps is right.
fn holds(order: Order, orders: usize) -> bool {
    let run = move || {
        let shared = Arc::new(Shared {
            plan: plan(),
            index: PartitionIndex::default(),
            published: AtomicU64::new(1),
        });
        shared.commit(0, Order::Right);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                shuttle::thread::spawn(move || (0..3).for_each(|_| shared.read(order)))
            })
            .collect();
        shared.write(order);
        readers
            .into_iter()
            .for_each(|reader| reader.join().expect("right"));
        shared.read(order);
    };
    WATCHED.set(true);
    let result = crate::turns::run(orders, run);
    WATCHED.set(false);
    result.is_ok()
}

#[test]
fn readers_see_exactly_the_state_of_their_end_in_every_order_of_steps() {
    assert!(holds(Order::Right, 400));
    assert!(holds(Order::MarksFirst, 100));
}

#[test]
fn a_commit_that_takes_its_steps_in_a_wrong_order_is_found_out() {
    for order in [Order::EndFirst, Order::MarksLast, Order::PinFirst] {
        assert!(!holds(order, 1000), "{order:?}");
    }
}
