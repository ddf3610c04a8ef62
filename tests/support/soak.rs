//! A workload whose every state can be checked by itself, for readers beside a writer.

use std::error::Error;

use arraylog::{Partition, Snapshot, Store};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Keys that every batch overwrites with its number.
const HOT: u64 = 40;
/// Keys that a batch adds to `ring` and one that comes this many batches later removes.
const RING: u64 = 30;
/// Keys that every batch adds to `ring`.
const EACH: u64 = 10;
/// Keys that every batch adds to `grown`.
const GROWN: u64 = 5;

/// What a reader has seen so far.
#[derive(Debug, Default)]
pub struct Seen(u64);

impl Seen {
    /// Number of the newest batch.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0
    }

    fn later(&mut self, number: u64, how: &str) -> Outcome {
        if number < self.0 {
            return Err(format!("{how}: went back from {} to {number}", self.0).into());
        }
        self.0 = number;
        Ok(())
    }
}

fn value(number: u64) -> Vec<u8> {
    let times = 1 + (number % 40) as usize;
    number.to_le_bytes().repeat(times)
}

fn number(bytes: Option<impl AsRef<[u8]>>, what: &str) -> Outcome<u64> {
    let bytes = bytes.ok_or_else(|| format!("{what} is missing"))?;
    let bytes = bytes.as_ref();
    let first = bytes.first_chunk().ok_or("a short value")?;
    let number = u64::from_le_bytes(*first);
    if bytes != value(number) {
        return Err(format!("{what} holds no whole value of batch {number}").into());
    }
    Ok(number)
}

fn ring_key(number: u64, key: u64) -> String {
    format!("{number} {key}")
}

/// Commits batch `number`; the numbers follow each other from 1.
///
/// # Errors
///
/// Those of a batch.
pub fn commit(store: &Store, number: u64) -> arraylog::Result<()> {
    let batch = store.batch()?;
    let value = value(number);
    let hot = batch.partition("c", "hot")?;
    for key in 0..HOT {
        hot.put(key.to_le_bytes(), &value)?;
    }
    let ring = batch.partition("c", "ring")?;
    for key in 0..EACH {
        if number > RING {
            ring.remove(ring_key(number - RING, key))?;
        }
        ring.put(ring_key(number, key), &value)?;
    }
    let grown = batch.partition("c", "grown")?;
    for key in 0..GROWN {
        grown.put(ring_key(number, key), &value)?;
    }
    batch.commit()?;
    Ok(())
}

/// Looks at everything in every way; fails if something is torn, missing or older than
/// what was seen before.
///
/// # Errors
///
/// What is wrong, in words, or the error of a read.
pub fn look(store: &Store, seen: &mut Seen) -> Outcome {
    let hot = store.partition("c", "hot")?;
    for key in 0..HOT {
        let found = hot.get(key.to_le_bytes())?;
        seen.later(number(found, "a hot key")?, "get")?;
    }
    let keys: Vec<[u8; 8]> = (0..HOT).map(u64::to_le_bytes).collect();
    let many = hot.get_many(&keys)?;
    all_one(many.into_iter(), seen, "get_many")?;
    if let Ok(reader) = hot.reader() {
        let lent = keys.iter().map(|key| reader.get(key));
        let lent = lent.collect::<arraylog::Result<Vec<_>>>()?;
        all_one(lent.into_iter(), seen, "a reader")?;
    }
    walk(&hot, HOT, seen)?;
    // What was seen under one key is there in the others.
    let grown = store.partition("c", "grown")?;
    for batch in [1, seen.0 / 2 + 1, seen.0] {
        let found = grown.get(ring_key(batch, batch % GROWN))?;
        if number(found, "a grown key")? != batch {
            return Err(format!("another value under a key of batch {batch}").into());
        }
    }
    let ring = store.partition("c", "ring")?;
    if seen.0 > RING && ring.get(ring_key(seen.0 - RING, 3))?.is_some() {
        return Err("a key that was removed is back".into());
    }
    if ring.get("absent")?.is_some() {
        return Err("a key that never was".into());
    }
    let snapshot = store.snapshot()?;
    look_at(&snapshot, seen)?;
    if seen.0.is_multiple_of(16) {
        // A commit has one batch.
        let past = store.at(snapshot.seqno() / 2 + 1)?;
        look_at(&past, &mut Seen::default())?;
    }
    look_at(&snapshot, &mut Seen(0))
}

fn all_one(
    values: impl Iterator<Item = Option<impl AsRef<[u8]>>>,
    seen: &mut Seen,
    how: &str,
) -> Outcome {
    let mut first = None;
    for value in values {
        let number = number(value, "a hot key")?;
        if *first.get_or_insert(number) != number {
            return Err(format!("{how}: parts of two batches").into());
        }
    }
    first.map_or(Ok(()), |number| seen.later(number, how))
}

fn walk(part: &Partition, keys: u64, seen: &mut Seen) -> Outcome {
    let mut values = Vec::new();
    for entry in part.entries()? {
        values.push(Some(entry?.value()?));
    }
    if values.len() as u64 != keys {
        return Err(format!("a walk over {} of {keys} keys", values.len()).into());
    }
    all_one(values.into_iter(), seen, "a walk")
}

/// A snapshot is of one batch, in every way.
fn look_at(snapshot: &Snapshot, seen: &mut Seen) -> Outcome {
    let hot = snapshot.partition("c", "hot")?;
    walk(&hot, HOT, seen)?;
    let now = number(hot.get(0u64.to_le_bytes())?, "a hot key")?;
    if now != seen.0 {
        return Err(format!("a snapshot of batches {} and {now}", seen.0).into());
    }
    let ring = snapshot.partition("c", "ring")?;
    let expected = now.min(RING) * EACH;
    let mut newest = 0;
    let mut count = 0;
    for entry in ring.entries()? {
        let found = number(Some(entry?.value()?), "a key of the ring")?;
        if found > now || found + RING <= now {
            return Err(format!("batch {found} in a snapshot of {now}").into());
        }
        newest = newest.max(found);
        count += 1;
    }
    if (count, newest, ring.len()?) != (expected, now, expected) {
        return Err(format!("{count} keys up to {newest} in a snapshot of {now}").into());
    }
    if now > RING && ring.get(ring_key(now - RING, 0))?.is_some() {
        return Err(format!("a removed key in a snapshot of {now}").into());
    }
    number(ring.get(ring_key(now, EACH - 1))?, "a key of the ring")?;
    let grown = snapshot.partition("c", "grown")?;
    if grown.len()? != now * GROWN || grown.get(ring_key(now + 1, 0))?.is_some() {
        return Err(format!("{} grown keys in a snapshot of {now}", grown.len()?).into());
    }
    Ok(())
}
