//! Batches of a sequence.

use std::rc::Rc;

use arraylog::{ArraySpec, Assignment, Attrs, BatchPartition, Condition, Error, Selection, Span};

use crate::compare::{KEYS, key};
use crate::model::{Content, Name};
use crate::run::{NAMES, Run, Step};

impl Run {
    /// Some puts, writes, changes of parts, removals and renames in one commit, which a tenth
    /// is given up of, and some have a condition that fails.
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
                3 => {
                    let numbers: Vec<i32> = (0..i32::from(step.other)).collect();
                    let spec = ArraySpec::from_slice(&numbers).chunks(&[5]);
                    part.write(key(own), &[("t", spec)], &Attrs::new())
                        .expect("staged");
                    let content = Rc::new(Content::Array(numbers));
                    self.model.part(name).set(seqno, own, content);
                    changes += 1;
                }
                7 => changes += u32::from(self.change_in(&part, (name, own), step)),
                0..3 => {
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

    /// Changes a part of an entry in a batch, if there is one; whether it did.
    fn change_in(
        &mut self,
        part: &BatchPartition<'_>,
        (name, own): (Name, u8),
        step: Step,
    ) -> bool {
        let new: Vec<i32> = (0..i32::from(step.key % 5)).map(|number| -number).collect();
        let spec = ArraySpec::from_slice(&new);
        let mut numbers = match self.model.get(name, own).map(|content| &**content) {
            Some(Content::Array(numbers)) => numbers.clone(),
            found => {
                let error = part.append(key(own), "t", 0, &spec).expect_err("no array");
                let kind = if found.is_some() { "kind" } else { "not-found" };
                assert_eq!(error.kind(), kind);
                return false;
            }
        };
        match step.other % 4 {
            0 => {
                let start = usize::from(step.more) % (numbers.len() + 1);
                let count = new.len().min(numbers.len() - start);
                let range = start..start + count;
                numbers[range.clone()].copy_from_slice(&new[..count]);
                let selection = Selection::new([Span::range(range.start as u64..range.end as u64)]);
                let new = ArraySpec::from_slice(&new[..count]);
                part.write_region(key(own), "t", &selection, &new)
                    .expect("staged");
            }
            1 => {
                part.append(key(own), "t", 0, &spec).expect("staged");
                numbers.extend(&new);
            }
            2 => {
                let len = usize::from(step.more) % 40;
                part.resize(key(own), "t", &[len as u64]).expect("staged");
                numbers.resize(len, 0);
            }
            _ => {
                let arrays = [("t", spec.chunks(&[2]))];
                let assignment = Assignment {
                    arrays: &arrays,
                    ..Assignment::default()
                };
                part.assign(key(own), &assignment).expect("staged");
                numbers = new.clone();
            }
        }
        let seqno = self.model.next();
        let content = Rc::new(Content::Array(numbers));
        self.model.part(name).amend(seqno, own, content);
        true
    }
}
