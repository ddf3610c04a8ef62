//! A workload whose state is known by the number of its newest batch, however many there
//! were: for many readers beside a writer that goes on for long.

use std::error::Error as StdError;

use arraylog::{Error, Partition, Snapshot, Store, Value};

type Outcome<T = ()> = Result<T, Box<dyn StdError>>;

/// Keys of `hot`, which every batch overwrites with its number.
const HOT: u64 = 6;
/// Keys of `ring`: a batch adds one and removes the one that came so many batches before.
const RING: u64 = 40;

/// What a key is given by a batch.
fn value(number: u64, key: u64) -> Vec<u8> {
    // Some are blocks of their own.
    let long = key == 0 && number.is_multiple_of(512);
    let times = if long {
        9000
    } else {
        1 + (number + key * 7) % 30
    };
    number.to_le_bytes().repeat(times as usize)
}

/// Commits batch `number`; the numbers follow each other from 1, one a commit.
///
/// # Errors
///
/// Those of a batch.
pub fn commit(store: &Store, number: u64) -> arraylog::Result<()> {
    let batch = store.batch()?;
    let hot = batch.partition("c", "hot")?;
    for key in 0..HOT {
        hot.put(key.to_le_bytes(), value(number, key))?;
    }
    let ring = batch.partition("c", "ring")?;
    if number > RING {
        ring.remove((number - RING).to_le_bytes())?;
    }
    ring.put(number.to_le_bytes(), value(number, HOT))?;
    batch.commit().map(drop)
}

/// The number of the batch that a value is of, all of it.
fn number(found: Option<impl AsRef<[u8]>>, key: u64) -> Outcome<u64> {
    let found = found.ok_or_else(|| format!("key {key} is missing"))?;
    let found = found.as_ref();
    let first = found.first_chunk().ok_or("a short value")?;
    let number = u64::from_le_bytes(*first);
    if found != value(number, key) {
        return Err(format!("key {key} holds no whole value of batch {number}").into());
    }
    Ok(number)
}

fn equal(found: u64, expected: u64, what: &str) -> Outcome {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found} and not {expected}").into()),
    }
}

/// One reader: what it has seen, and what it holds until its end.
#[derive(Debug, Default)]
pub struct Reader {
    newest: u64,
    looks: u64,
    held: Vec<Held>,
}

/// Taken out of the store after a batch.
#[derive(Debug)]
struct Held {
    number: u64,
    values: Vec<Value>,
    snapshot: Snapshot,
}

impl Reader {
    /// Number of the newest batch that was seen.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// How many states were looked at.
    #[must_use]
    pub fn looks(&self) -> u64 {
        self.looks
    }

    fn later(&mut self, number: u64, how: &str) -> Outcome {
        if number < self.newest {
            return Err(format!("{how} went back from {} to {number}", self.newest).into());
        }
        self.newest = number;
        Ok(())
    }

    /// Looks at the state of the store, and by single lookups at what comes after it, if the
    /// handle follows.
    ///
    /// # Errors
    ///
    /// What is wrong, in words, or the error of a read.
    pub fn look(&mut self, store: &Store) -> Outcome {
        let snapshot = store.snapshot()?;
        self.later(snapshot.seqno(), "a snapshot")?;
        state(&snapshot, self.newest)?;
        let hot = store.partition("c", "hot")?;
        for key in 0..HOT {
            self.later(number(hot.get(key.to_le_bytes())?, key)?, "a lookup")?;
        }
        if self.looks.is_multiple_of(16) {
            past(store, snapshot.seqno().saturating_sub(RING / 2).max(1))?;
        }
        self.looks += 1;
        // The first state, and then one each time as many more were seen.
        if self.looks.is_power_of_two() {
            self.hold(snapshot)?;
        }
        Ok(())
    }

    fn hold(&mut self, snapshot: Snapshot) -> Outcome {
        let hot = snapshot.partition("c", "hot")?;
        let values = (0..HOT).map(|key| hot.get(key.to_le_bytes()));
        let values: arraylog::Result<Option<Vec<Value>>> = values.collect();
        let values = values?.ok_or("a key is missing")?;
        self.held.push(Held {
            number: snapshot.seqno(),
            values,
            snapshot,
        });
        Ok(())
    }

    /// Looks at all that was taken out; how many states that is.
    ///
    /// # Errors
    ///
    /// What is wrong, in words, or the error of a read.
    pub fn compare_held(&self) -> Outcome<usize> {
        for held in &self.held {
            for (key, value) in (0..).zip(&held.values) {
                equal(number(Some(value), key)?, held.number, "a view")?;
            }
            state(&held.snapshot, held.number)?;
        }
        Ok(self.held.len())
    }
}

/// An earlier state, if no compaction took it.
fn past(store: &Store, seqno: u64) -> Outcome {
    match store.at(seqno) {
        Ok(snapshot) => state(&snapshot, seqno),
        Err(Error::SnapshotGone { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// All of the state after a batch: values, order and positions.
fn state(snapshot: &Snapshot, newest: u64) -> Outcome {
    equal(snapshot.seqno(), newest, "the commit of a snapshot")?;
    let hot = snapshot.partition("c", "hot")?;
    for key in 0..HOT {
        let found = number(hot.get(key.to_le_bytes())?, key)?;
        equal(found, newest, "a hot key of a snapshot")?;
    }
    equal(hot.len()?, HOT, "the number of hot keys")?;
    ring(&snapshot.partition("c", "ring")?, newest)
}

fn ring(ring: &Partition, newest: u64) -> Outcome {
    let (first, count) = (newest.saturating_sub(RING) + 1, newest.min(RING));
    equal(ring.len()?, count, "the number of keys of the ring")?;
    let mut expected = first..=newest;
    for entry in ring.entries()? {
        let next = expected.next().ok_or("the ring is too long")?;
        equal(
            number(Some(entry?.value()?), HOT)?,
            next,
            "the ring in order",
        )?;
    }
    if expected.next().is_some() {
        return Err("the ring is too short".into());
    }
    for nth in [0, count / 2, count - 1] {
        let entry = ring.nth(nth)?.ok_or("a position is empty")?;
        equal(
            number(Some(entry.value()?), HOT)?,
            first + nth,
            "a position",
        )?;
    }
    let beyond = [
        ring.nth(count)?.is_some(),
        ring.contains((newest + 1).to_le_bytes())?,
    ];
    let removed = first > 1 && ring.contains((first - 1).to_le_bytes())?;
    match beyond == [false; 2] && !removed {
        true => Ok(()),
        false => Err(format!("more than there was after batch {newest}").into()),
    }
}
