//! Crashes of stores that save their index: checkpoints, closings and openings in the
//! middle, merged segments, many dead entries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::test_runner::TestRng;
use rand::{Rng, RngExt};

use super::{Image, Map, Run, image_of, rng};
use crate::format::header::Identity;
use crate::open;
use crate::options::{Durability, OpenOptions};
use crate::storage::sim::{Fault, Sim};
use crate::store::Store;
use crate::{Batch, Error};

/// Names of partitions; keys start with them, so that one map holds all.
const NAMES: [&str; 4] = ["p", "q", "r", "big"];

/// Keys of "big", of which more than 1,024 go.
const BIG: u32 = 2600;

fn put(batch: &Batch, state: &mut Map, key: String, value: Vec<u8>) {
    let name = key.split('-').next().expect("a name");
    let part = batch.partition("c", name).expect("partition");
    part.put(&key, &value).expect("staged");
    state.insert(key.into_bytes(), value);
}

fn remove(batch: &Batch, state: &mut Map, key: &str) {
    let name = key.split('-').next().expect("a name");
    let part = batch.partition("c", name).expect("partition");
    part.remove(key).expect("staged");
    state.remove(key.as_bytes());
}

fn stage(batch: &Batch, state: &mut Map, rng: &mut impl Rng, number: usize, big: bool) {
    if big && number == 1 {
        for key in 0..BIG {
            put(batch, state, format!("big-{key}"), vec![1; 3]);
        }
        return;
    }
    if big && number == 4 {
        for key in 0..1100 {
            remove(batch, state, &format!("big-{}", key * 2));
        }
        return;
    }
    for _ in 0..rng.random_range(1..8) {
        let name = NAMES[rng.random_range(0..3)];
        let key = format!("{name}-{}", rng.random_range(0..30));
        if rng.random_bool(0.3) {
            remove(batch, state, &key);
        } else {
            let value = super::value(rng);
            put(batch, state, key, value);
        }
    }
}

fn reopened(sim: &Arc<Sim>, identity: Identity) -> Store {
    open::over_sim(Arc::clone(sim), identity, &OpenOptions::new()).expect("opens again")
}

/// A workload with checkpoints, closings and openings.
fn run_saved(seed: u64, commits: usize, big: bool) -> Run {
    let rng = &mut rng(seed);
    let identity = open::new_identity(":memory:".as_ref()).expect("random");
    let start = Image(open::header(&identity));
    let (sim, mut store) = start.open(identity).expect("opens");
    sim.journal().lock().recording = true;
    let (mut state, mut states, mut marks) = (Map::new(), vec![Map::new()], vec![(0, 0, 0)]);
    let calls = |sim: &Sim| sim.journal().lock().calls.len();
    for number in 1..=commits {
        let mut batch = store.batch().expect("batch");
        let synced = rng.random_bool(0.2);
        if synced {
            batch.set_durability(Durability::Synced);
        }
        stage(&batch, &mut state, rng, number, big);
        let before = calls(&sim);
        batch.commit().expect("committed");
        states.push(state.clone());
        let durable = marks.last().expect("one").1;
        // A batch without effect commits nothing, and hence syncs nothing.
        let synced = synced && calls(&sim) > before;
        marks.push((calls(&sim), if synced { number } else { durable }, number));
        match rng.random_range(0..10) {
            0..4 => {
                store.checkpoint().expect("saved");
            }
            4 => {
                store.close().expect("closed");
                store = reopened(&sim, identity);
            }
            // Dropped without closing, as by a kill.
            5 => store = reopened(&sim, identity),
            _ => continue,
        }
        let last = sim.journal().lock().calls.clone();
        let synced = last.iter().rposition(super::Call::is_sync);
        let durable = if synced.is_some_and(|at| at >= marks.last().expect("one").0) {
            number
        } else {
            marks.last().expect("one").1
        };
        marks.push((last.len(), durable, number));
    }
    let calls = sim.journal().lock().calls.clone();
    Run {
        identity,
        start,
        calls,
        states,
        marks,
    }
}

/// Whether every way of reading agrees on what a store holds, and says it.
fn contents(store: &Store, used: &BTreeSet<Vec<u8>>) -> Map {
    let mut map = Map::new();
    let mut lens = BTreeMap::new();
    for name in NAMES {
        if !store.has_partition("c", name).expect("looked up") {
            continue;
        }
        let part = store.partition("c", name).expect("partition");
        let mut entries = 0;
        for entry in part.entries().expect("walk") {
            let entry = entry.expect("whole");
            map.insert(entry.key().to_vec(), entry.value().expect("read").to_vec());
            entries += 1;
        }
        assert_eq!(part.len().expect("counted"), entries, "{name}");
        lens.insert(name, part);
    }
    for key in used {
        let name = String::from_utf8_lossy(key);
        let name = name.split('-').next().expect("a name");
        let found = lens.get(name).map(|part| part.get(key).expect("read"));
        let found = found.flatten().map(|value| value.to_vec());
        assert_eq!(
            found.as_ref(),
            map.get(key),
            "{}",
            String::from_utf8_lossy(key)
        );
    }
    for (name, part) in lens {
        assert_eq!(part.get(format!("{name}-absent")).expect("read"), None);
    }
    map
}

fn used(run: &Run) -> BTreeSet<Vec<u8>> {
    run.states
        .iter()
        .flat_map(|state| state.keys().cloned())
        .collect()
}

fn check(run: &Run, image: &Image, used: &BTreeSet<Vec<u8>>, calls: usize, what: &str) {
    let (durable, made) = run.bounds(calls);
    let (sim, store) = match image.open(run.identity) {
        Ok(opened) => opened,
        Err(error) => panic!("{what}: a crash is no damage: {error}"),
    };
    let passed_over = &store.recovery().passed_over;
    assert!(passed_over.is_empty(), "{what}: {passed_over:?}");
    let found = contents(&store, used);
    let allowed = &run.states[durable..=made];
    assert!(
        allowed.contains(&found),
        "{what}: no state between {durable} and {made}"
    );
    // And it goes on, saves, and opens again.
    let part = store.partition("c", "p").expect("partition");
    part.put("p-after", "crash").expect("stored");
    store.checkpoint().expect("saved");
    part.remove("p-after").expect("removed");
    let (_, again) = image_of(&sim).open(run.identity).expect("opens again");
    assert!(again.recovery().passed_over.is_empty(), "{what}");
    assert_eq!(contents(&again, used), found, "{what}, opened again");
}

#[test]
fn a_killed_writer_that_saves_its_index_loses_no_commit_that_returned() {
    for seed in 300..306 {
        let run = run_saved(seed, 24, seed % 3 == 0);
        let used = used(&run);
        for &(calls, _, made) in &run.marks {
            let (_, store) = run.image(calls, None).open(run.identity).expect("opens");
            assert!(store.recovery().passed_over.is_empty());
            assert_eq!(
                contents(&store, &used),
                run.states[made],
                "seed {seed}, {calls} calls"
            );
        }
    }
}

#[test]
fn a_power_loss_around_checkpoints_leaves_a_state_between_the_last_sync_and_the_last_commit() {
    let mut images = 0;
    for seed in 400..410 {
        let run = run_saved(seed, 12, false);
        let used = used(&run);
        for calls in 0..=run.calls.len() {
            for variant in 0..3 {
                let torn = &mut rng(seed * 1000 + variant);
                let image = run.image(calls, Some(torn));
                let what = format!("seed {seed}, {calls} calls, variant {variant}");
                check(&run, &image, &used, calls, &what);
                images += 1;
            }
        }
    }
    assert!(images > 500, "{images}");
}

#[test]
fn a_power_loss_with_many_dead_entries_leaves_a_state_of_its_own_time() {
    for seed in 500..503 {
        let run = run_saved(seed, 9, true);
        let used = used(&run);
        for calls in (0..=run.calls.len()).step_by(2) {
            let image = run.image(calls, Some(&mut rng(seed * 1000)));
            check(
                &run,
                &image,
                &used,
                calls,
                &format!("seed {seed}, {calls} calls"),
            );
        }
    }
}

#[test]
fn a_crash_inside_the_recovery_of_a_saved_index_changes_nothing() {
    for seed in 600..606 {
        let run = run_saved(seed, 12, false);
        let used = used(&run);
        let torn = run.image(run.calls.len() - 1, Some(&mut rng(seed)));
        let (header, log) = torn.0.split_at(crate::format::LOG_START as usize);
        let sim = Arc::new(Sim::new(header, log).expect("memory"));
        sim.journal().lock().recording = true;
        let expected = contents(&reopened(&sim, run.identity), &used);
        let recovery = sim.journal().lock().calls.clone();
        for variant in 0..10 {
            let mut image = torn.clone();
            let rng: &mut TestRng = &mut rng(seed * 100 + variant);
            for call in &recovery {
                if let super::Call::Write(at, bytes) = call {
                    image.write_torn(*at, bytes, rng);
                }
            }
            let (_, store) = image.open(run.identity).expect("opens");
            assert_eq!(contents(&store, &used), expected, "seed {seed}");
        }
    }
}

/// A disk full, or broken, at each call of a checkpoint.
#[test]
fn a_checkpoint_that_fails_leaves_the_store_as_it_was_and_the_next_one_works() {
    let mut failed = (0, 0);
    for errno in [libc::ENOSPC, libc::EIO] {
        for after in 0..16 {
            for partial in [0, 20, 700] {
                let identity = open::new_identity(":memory:".as_ref()).expect("random");
                let (sim, store) = Image(open::header(&identity))
                    .open(identity)
                    .expect("opens");
                let mut state = Map::new();
                let commit = |state: &mut Map, keys: std::ops::Range<u32>| {
                    let batch = store.batch().expect("batch");
                    for key in keys {
                        let name = NAMES[key as usize % 3];
                        if key % 5 == 4 {
                            remove(&batch, state, &format!("{name}-{}", key - 3));
                        } else {
                            put(
                                &batch,
                                state,
                                format!("{name}-{key}"),
                                key.to_le_bytes().into(),
                            );
                        }
                    }
                    batch.commit().expect("committed");
                };
                commit(&mut state, 0..300);
                store.checkpoint().expect("saved");
                commit(&mut state, 200..320);
                sim.journal().lock().fault = Some(Fault {
                    after,
                    partial,
                    errno,
                });
                let saved = store.checkpoint();
                sim.journal().lock().fault = None;
                let used: BTreeSet<Vec<u8>> = state.keys().cloned().collect();
                match saved {
                    Ok(saved) => assert!(saved),
                    Err(Error::CommitUnknown { .. }) => {
                        let refused = store.checkpoint().expect_err("poisoned");
                        assert!(matches!(refused, Error::Poisoned { .. }), "{refused}");
                        assert_eq!(contents(&store, &used), state, "reads go on");
                        failed.1 += 1;
                        continue;
                    }
                    Err(Error::NotCommitted { .. } | Error::Io { .. }) => failed.0 += 1,
                    Err(other) => panic!("{other}"),
                }
                let what = format!("{after} calls, {partial} bytes");
                assert_eq!(contents(&store, &used), state, "{what}");
                commit(&mut state, 310..330);
                let used: BTreeSet<Vec<u8>> = state.keys().cloned().collect();
                let (_, other) = image_of(&sim).open(identity).expect("opens");
                assert_eq!(contents(&other, &used), state, "{what}, opened");
                assert!(store.checkpoint().expect("saved"));
                assert_eq!(contents(&store, &used), state, "{what}, saved");
                store.close().expect("closed");
                let (_, other) = image_of(&sim).open(identity).expect("opens");
                assert!(other.recovery().passed_over.is_empty());
                assert_eq!(contents(&other, &used), state, "{what}, closed");
            }
        }
    }
    assert!(failed.0 > 20 && failed.1 > 2, "{failed:?}");
}

#[test]
fn a_snapshot_of_the_last_commit_before_a_checkpoint_has_all_of_it() {
    let identity = open::new_identity(":memory:".as_ref()).expect("random");
    let (_, store) = Image(open::header(&identity))
        .open(identity)
        .expect("opens");
    let part = store.partition("c", "p").expect("partition");
    for round in 0u32..3 {
        for key in 0u32..20 {
            part.put(key.to_le_bytes(), round.to_le_bytes())
                .expect("stored");
        }
        store.checkpoint().expect("saved");
    }
    for seqno in 0..=60 {
        let at = store.at(seqno).expect("opens");
        if seqno == 0 {
            assert!(!at.has_partition("c", "p").expect("looked up"));
            continue;
        }
        let part = at.partition("c", "p").expect("partition");
        assert_eq!(part.len().expect("counted"), seqno.min(20), "at {seqno}");
        for key in 0u32..20 {
            let found = part.get(key.to_le_bytes()).expect("read");
            // Commit number n writes key (n - 1) % 20 in round (n - 1) / 20.
            let round = (seqno + 19 - u64::from(key)) / 20;
            let expected = (round > 0).then(|| (round as u32 - 1).to_le_bytes());
            assert_eq!(
                found.as_deref(),
                expected.as_ref().map(|round| &round[..]),
                "at {seqno}"
            );
        }
    }
}
