//! Test: compaction, a writer and readers in many orders of their steps: the copy, the last
//! part of it under the writer's lock, the new name, the handles that go on, and the end of
//! the old file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shuttle::thread::spawn;

use super::{CompactOptions, Keep};
use crate::store::Store;
use crate::turns::{in_orders, point};
use crate::value::Value;

/// Keys that every batch overwrites with its number.
const HOT: u8 = 3;
/// Batches before, and while, the store is compacted.
const BEFORE: u64 = 3;
const BATCHES: u64 = 9;
/// Looks of a reader.
const LOOKS: u64 = 4;

/// A store, and how many batches have returned.
struct Model {
    store: Store,
    said: AtomicU64,
}

/// The number in a value.
fn number(value: Option<&Value>) -> u64 {
    let value = value.expect("there");
    u64::from_le_bytes(value[..].try_into().expect("eight bytes"))
}

impl Model {
    fn commit(&self, batch: u64) {
        let staged = self.store.batch().expect("a batch");
        let part = staged.partition("c", "p").expect("a partition");
        for key in 0..HOT {
            part.put([key], batch.to_le_bytes()).expect("staged");
        }
        // One goes and one comes.
        part.remove(format!("{}", batch - 1)).expect("staged");
        part.put(format!("{batch}"), batch.to_le_bytes())
            .expect("staged");
        assert_eq!(staged.commit().expect("committed"), batch);
        self.said.store(batch, Ordering::Release);
        point();
    }

    /// All of one moment; the number of its newest batch.
    fn look(&self, store: &Store) -> u64 {
        let part = store.existing_partition("c", "p").expect("there");
        let batch = store.seqno();
        for key in 0..HOT {
            let found = part.get([key]).expect("read");
            assert_eq!(number(found.as_ref()), batch, "key {key}");
        }
        assert_eq!(part.len().expect("counted"), u64::from(HOT) + 1);
        let last = part.nth(u64::from(HOT)).expect("read").expect("there");
        assert_eq!(last.key(), format!("{batch}").as_bytes());
        batch
    }

    fn read(&self) {
        let mut held = Vec::new();
        let mut newest = 0;
        for _ in 0..LOOKS {
            let said = self.said.load(Ordering::Acquire);
            point();
            let part = self.store.existing_partition("c", "p").expect("there");
            let value = part.get([0]).expect("read");
            let found = number(value.as_ref());
            assert!(found >= said.max(newest), "{found} after {said}, {newest}");
            let snapshot = self.store.snapshot().expect("taken");
            newest = self.look(&snapshot);
            assert!(newest >= found, "a snapshot of {newest} after {found}");
            held.push((value, found, snapshot, newest));
            point();
        }
        // What was taken out stays, whatever serves by now.
        for (value, found, snapshot, seen) in held {
            assert_eq!(number(value.as_ref()), found);
            assert_eq!(self.look(&snapshot), seen);
        }
    }

    fn compact(&self, keep: Keep) {
        let options = CompactOptions::new().keep(keep);
        self.store.compact(&options).expect("compacted");
    }
}

/// Two compactions, the second of which keeps a past commit, beside a writer and two
/// readers.
fn model() {
    let model = Arc::new(Model {
        store: Store::memory().expect("memory"),
        said: AtomicU64::new(0),
    });
    let first = model.store.generation();
    (1..=BEFORE).for_each(|batch| model.commit(batch));
    let run = |work: fn(&Model)| {
        let model = Arc::clone(&model);
        spawn(move || work(&model))
    };
    let threads = [
        run(|model| (BEFORE + 1..=BATCHES).for_each(|batch| model.commit(batch))),
        run(|model| {
            model.compact(Keep::Nothing);
            model.compact(Keep::Since(model.store.seqno()));
        }),
        run(Model::read),
        run(Model::read),
    ];
    for thread in threads {
        thread.join().expect("right");
    }
    assert_eq!(model.look(&model.store), BATCHES);
    assert_eq!(model.store.generation(), first + 2);
}

/// What is wrong in one of so many orders.
pub(crate) fn wrong(orders: usize) -> Option<String> {
    in_orders(orders, model).err()
}

#[test]
fn no_order_of_steps_of_a_compaction_loses_a_commit_or_shows_a_mixture() {
    assert_eq!(wrong(300), None);
}
