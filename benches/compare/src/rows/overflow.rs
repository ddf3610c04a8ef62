//! Keys that were made to have one hash.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use arraylog::{Mode, OpenOptions, Store, Verify};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::lookup::measure_in_turn;
use crate::peers::{self, PLACE};
use crate::row::{Comparison, Figure, Row};
use crate::task::{Answer, Task};

const COUNT: usize = 100_000;
/// What is in memory alone is a tenth: there a put costs as much as there are keys, and
/// the whole of it minutes.
const UNCLOSED: usize = COUNT / 10;
const BATCH: usize = 1_000;
const LOOKUPS: usize = 10_000;

/// Seed of the store, which otherwise nobody knows who has no file of it.
const SEED: u64 = 0x5EED;

/// The first number of the secret of XXH3. A key of 32 bytes is hashed in two halves; in
/// the first, one number plus this and the seed is a factor by which the other one is
/// multiplied. Where the factor is nothing, the other number changes nothing.
const SECRET: u64 = 0xBE4B_A423_396C_FEB8;

/// What a lookup may take, in µs.
const TIME: f64 = 50.0;

pub(super) const ROW: Row = Row {
    name: "overflow",
    title: "Lookups among 100,000 keys made to have one hash, in random order, of a store with \
            a seed that is known: opened anew; of 10,000, straight after the writes (-unclosed)",
    engines: &["arraylog", "arraylog-unclosed"],
    figures: &[
        Figure::time("hit", "µs"),
        Figure::time("miss", "µs, keys of the same hash"),
        Figure::time("put", "µs a key"),
    ],
    comparisons: &[
        Comparison::within(("arraylog", "hit"), TIME),
        Comparison::within(("arraylog", "miss"), TIME),
        Comparison::within(("arraylog-unclosed", "hit"), TIME),
        Comparison::within(("arraylog-unclosed", "miss"), TIME),
    ],
    prepare: None,
    measure,
    needs_python: false,
};

fn measure(task: &Task) -> Result<Answer> {
    let path = task.folder.join("data");
    let closes = task.engine == "arraylog";
    let count = task.scaled(if closes { COUNT } else { UNCLOSED });
    let mut answer = Answer::default();
    let options = OpenOptions::new().mode(Mode::CreateNew);
    let options = arraylog::__test::fixed(options, [1; 16], [2; 16], SEED, 1);
    let mut store = peers::open_mapped(&options, &path)?;
    answer.set("put", fill(&store, count, closes)?);
    if closes {
        store.close()?;
        store = peers::open_for_reading(&path, Verify::First)?;
    }
    let partition = peers::partition(&store)?;
    let reader = partition.reader()?;
    let mut random = fastrand::Rng::with_seed(task.seed);
    let numbers: Vec<usize> = (0..LOOKUPS).map(|_| random.usize(..count)).collect();
    measure_in_turn(&mut answer, &["hit", "miss"], |figure| {
        // The first beyond those that are there.
        let beyond = if figure == "hit" { 0 } else { count };
        let start = Instant::now();
        for &number in &numbers {
            let found = reader.get(key(number + beyond))?;
            ensure!(
                found.is_some() == (beyond == 0),
                "key {number} is not as it was written"
            );
        }
        Ok(start.elapsed().as_secs_f64() * 1e6 / LOOKUPS as f64)
    })?;
    Ok(answer)
}

/// Puts `count` keys of one hash; µs a key. With `checkpoints` one is taken after each
/// batch.
fn fill(store: &Store, count: usize, checkpoints: bool) -> Result<f64> {
    let hash = xxh3_64_with_seed(&key(0), SEED);
    let start = Instant::now();
    for first in (0..count).step_by(BATCH) {
        let batch = store.batch()?;
        let partition = batch.partition(PLACE.0, PLACE.1)?;
        for number in first..(first + BATCH).min(count) {
            let key = key(number);
            let found = xxh3_64_with_seed(&key, SEED);
            ensure!(found == hash, "key {number} has another hash");
            partition.put(key, b"value")?;
        }
        batch.commit().context("cannot commit keys of one hash")?;
        if checkpoints {
            store.checkpoint()?;
        }
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / count as f64)
}

/// The key `number` of those that have one hash.
fn key(number: usize) -> [u8; 32] {
    let mut key = [0; 32];
    let parts = [SECRET.wrapping_add(SEED), number as u64];
    for (place, part) in key.chunks_exact_mut(8).zip(parts) {
        place.copy_from_slice(&part.to_le_bytes());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_differ_have_one_hash() {
        assert_ne!(key(1), key(2));
        assert_eq!(
            xxh3_64_with_seed(&key(1), SEED),
            xxh3_64_with_seed(&key(2), SEED)
        );
        assert_ne!(
            xxh3_64_with_seed(&key(1), SEED),
            xxh3_64_with_seed(&key(2), SEED + 1)
        );
    }
}
