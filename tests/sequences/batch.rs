//! Batches of a sequence.

use std::rc::Rc;

use arraylog::{Condition, Error};

use crate::compare::{KEYS, key};
use crate::model::Content;
use crate::run::{NAMES, Run, Step};

impl Run {
    /// Some puts, removals and renames in one commit, which a tenth is given up of, and
    /// some have a condition that fails.
    pub(crate) fn batch(&mut self, step: Step, count: u8) {
        let batch = self.store.batch().expect("a batch");
        let before = self.model.parts.clone();
        let (seqno, mut changes) = (self.model.next(), 0);
        for number in 0..=count % 8 {
            let name = NAMES[usize::from(step.more.wrapping_add(number) / 3) % NAMES.len()];
            let part = batch.partition(name.0, name.1).expect("a partition");
            let own = (step.key + number * 5) % KEYS;
            let there = self.model.has(name, own);
            match (step.more ^ number) % 8 {
                0..4 => {
                    let value = self.value(step);
                    part.put(key(own), &value).expect("staged");
                    let value = Rc::new(Content::Value(value));
                    self.model.part(name).set(seqno, own, value);
                    changes += 1;
                }
                4 | 5 => {
                    let removed = part.remove(key(own)).expect("staged");
                    assert_eq!(removed, there);
                    if removed {
                        self.model.part(name).remove(seqno, own);
                        changes += 1;
                    }
                }
                _ => {
                    let new = (own + 1 + number) % KEYS;
                    let (taken, overwrite) = (self.model.has(name, new), number % 2 == 0);
                    match part.rename(key(own), key(new), overwrite) {
                        Ok(()) => {
                            assert!(there && (overwrite || !taken));
                            self.moved((name, own), (name, new), false);
                            changes += 1;
                        }
                        Err(Error::NotFound { .. }) => assert!(!there),
                        Err(Error::Conflict { .. }) => assert!(taken && !overwrite),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
        // Asks for a key that nothing of the batch touches.
        let untouched = NAMES[3];
        let fails = step.more.is_multiple_of(7)
            && self.model.parts.get(&untouched).map(|part| &part.sequence)
                == before.get(&untouched).map(|part| &part.sequence);
        if fails {
            let part = batch.partition(untouched.0, untouched.1).expect("there");
            let condition = match self.model.has(untouched, step.key) {
                true => Condition::Absent,
                false => Condition::Version(u64::MAX.into()),
            };
            match part.require(key(step.key), condition) {
                Ok(()) => assert!(matches!(batch.commit(), Err(Error::Conflict { .. }))),
                Err(Error::Conflict { .. }) => drop(batch),
                Err(error) => panic!("{error}"),
            }
            self.model.parts = before;
        } else if step.more.is_multiple_of(10) {
            drop(batch);
            self.model.parts = before;
        } else {
            batch.commit().expect("committed");
            if changes > 0 {
                self.model.commit();
            }
        }
    }
}
