//! Numbered batches, each of which tells whether it is there whole.

use std::error::Error;

use arraylog::{Durability, Store};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Keys that every batch overwrites with its number.
const HOT: u8 = 10;

/// Bytes behind the number in the last of these: none, several pages, blocks, a few.
const MORE: [usize; 4] = [0, 5000, 70_000, 300];

/// Commits batch `number`; the numbers follow each other from 0.
///
/// # Errors
///
/// Those of a batch.
pub fn commit(store: &Store, number: u64, durability: Durability) -> arraylog::Result<()> {
    let mut batch = store.batch()?;
    batch.set_durability(durability);
    let part = batch.partition("numbered", "batches")?;
    for key in 0..HOT - 1 {
        part.put([key], number.to_le_bytes())?;
    }
    let mut value = number.to_le_bytes().to_vec();
    let more = MORE.get(number as usize % MORE.len());
    value.resize(8 + more.copied().unwrap_or_default(), number as u8);
    part.put([HOT - 1], &value)?;
    part.put(format!("batch {number}"), number.to_le_bytes())?;
    batch.commit().map(drop)
}

/// The newest batch, of which all is there, as of each before; `None` if there is none.
///
/// # Errors
///
/// What is missing or too much, in words, or the error of a read.
pub fn newest(store: &Store) -> Outcome<Option<u64>> {
    if !store.has_partition("numbered", "batches")? {
        return Ok(None);
    }
    let part = store.existing_partition("numbered", "batches")?;
    let mut newest = None;
    for key in 0..HOT {
        let value = part.get([key])?.ok_or("a key of every batch is missing")?;
        let (number, more) = value.split_first_chunk().ok_or("a short value")?;
        let number = u64::from_le_bytes(*number);
        if *newest.get_or_insert(number) != number {
            return Err(format!("parts of batches {newest:?} and {number}").into());
        }
        let len = MORE
            .get(number as usize % MORE.len())
            .filter(|_| key == HOT - 1);
        if more.len() != len.copied().unwrap_or_default() {
            return Err(format!("a value of batch {number} has {} bytes", more.len()).into());
        }
        if more.iter().any(|&byte| byte != number as u8) {
            return Err(format!("another value in batch {number}").into());
        }
    }
    let newest = newest.ok_or("no keys")?;
    let count = part.len()?;
    if count != u64::from(HOT) + newest + 1 {
        return Err(format!("{count} keys after batch {newest}").into());
    }
    for number in 0..=newest {
        let value = part.get(format!("batch {number}"))?;
        if value.as_deref() != Some(&number.to_le_bytes()[..]) {
            return Err(format!("batch {number} of {newest} is missing").into());
        }
    }
    Ok(Some(newest))
}
