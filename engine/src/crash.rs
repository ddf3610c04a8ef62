//! Tests: what is left after a crash, a full disk, a failed sync.
//!
//! A workload runs on a simulated disk that writes down its calls. A crash image is the
//! disk after some of them: everything before the last sync, and of what came after any
//! subset of 512-byte sectors; where these are more than six, a sample of the subsets. Each
//! image is opened by the real code, and must hold the state after some number of commits, at
//! least those that were acknowledged as durable.
//!
//! `enumerate` has every workload of up to three operations of a set (`workload`: one of
//! values, one of arrays), with every crash (`disk`) and what is found then (`examine`,
//! `state`); `creation` has the crashes while a file is made; `mutants` breaks the rules that
//! it is to hold; `faults` and `calls` have each call fail. Here and in `checkpoints` are
//! longer workloads by chance, in `forged` files that no crash leaves.

mod calls;
mod checkpoints;
mod creation;
mod disk;
mod enumerate;
mod examine;
mod faults;
mod forged;
mod installed;
mod ledger;
mod mutants;
mod state;
mod torture;
mod workload;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::{Rng, RngExt};

use crate::format::LOG_START;
use crate::format::header::Identity;
use crate::open;
use crate::options::{Durability, OpenOptions};
use crate::storage::sim::{Call, Fault, Sim};
use crate::store::Store;
use crate::{Error, Mode};

const SECTOR: usize = 512;

pub(crate) type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Generator of numbers that a seed repeats.
pub(crate) fn rng(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(
        Config::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, &bytes),
    )
    .new_rng()
}

/// Tells whoever runs the tests with `--nocapture`.
pub(crate) fn say(line: String) {
    println!("{line}");
}

/// A disk as bytes.
#[derive(Clone)]
pub(crate) struct Image(pub(crate) Vec<u8>);

impl Image {
    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) {
        let end = at as usize + bytes.len();
        if self.0.len() < end {
            self.0.resize(end, 0);
        }
        self.0[at as usize..end].copy_from_slice(bytes);
    }

    /// Writes some of the sectors of `bytes` only.
    pub(crate) fn write_torn(&mut self, at: u64, bytes: &[u8], rng: &mut impl Rng) {
        let mut from = 0;
        while from < bytes.len() {
            let to = bytes
                .len()
                .min(from + SECTOR - (at as usize + from) % SECTOR);
            match rng.random_range(0..4) {
                0 => {}
                1 => {
                    let cut = rng.random_range(from..=to);
                    self.write(at + from as u64, &bytes[from..cut]);
                }
                _ => self.write(at + from as u64, &bytes[from..to]),
            }
            from = to;
        }
    }

    /// What of a write later calls put on the device.
    fn write_synced<'a>(&mut self, at: u64, bytes: &[u8], later: impl Iterator<Item = &'a Call>) {
        let end = at + bytes.len() as u64;
        for call in later {
            if let Call::SyncRange(range) = call {
                let (from, to) = (range.start.clamp(at, end), range.end.clamp(at, end));
                if from < to {
                    self.write(from, &bytes[(from - at) as usize..(to - at) as usize]);
                }
            }
        }
    }

    /// This disk after `calls`, of which those since the last sync may be torn.
    pub(crate) fn after(&self, calls: &[Call], torn: Option<&mut TestRng>) -> Self {
        let synced = calls
            .iter()
            .rposition(|call| *call == Call::Sync)
            .map_or(0, |at| at + 1);
        let mut image = self.clone();
        let mut rng = torn;
        for (number, call) in calls.iter().enumerate() {
            match (call, &mut rng) {
                (Call::Write(at, bytes), Some(rng)) if number >= synced => {
                    image.write_torn(*at, bytes, rng);
                    image.write_synced(*at, bytes, calls.iter().skip(number));
                }
                (Call::Write(at, bytes), _) => image.write(*at, bytes),
                (Call::Sync | Call::SyncRange(_), _) => {}
            }
        }
        image
    }

    pub(crate) fn open(&self, identity: Identity) -> Result<(Arc<Sim>, Store), Error> {
        let (header, log) = self.0.split_at(LOG_START as usize);
        let sim = Arc::new(Sim::new(header, log).expect("memory"));
        let store = open::over_sim(Arc::clone(&sim), identity, &OpenOptions::new())?;
        Ok((sim, store))
    }
}

pub(crate) fn contents(store: &Store) -> Map {
    let mut map = Map::new();
    for info in store.info().expect("open").partitions {
        let part = store
            .partition(&info.collection, &info.name)
            .expect("partition");
        for entry in part.entries().expect("walk") {
            let entry = entry.expect("whole");
            let value = entry.value().expect("whole").to_vec();
            let again = part.get(entry.key()).expect("read").expect("there");
            assert_eq!(*again, *value);
            map.insert(entry.key().to_vec(), value);
        }
        assert!(part.len().expect("counted") as usize <= map.len());
    }
    map
}

/// A run of a workload: the disk at its start, its calls, and the states it went through.
struct Run {
    identity: Identity,
    start: Image,
    calls: Vec<Call>,
    /// State after each commit.
    states: Vec<Map>,
    /// After so many calls so many commits were durable, and so many made.
    marks: Vec<(usize, usize, usize)>,
}

fn value(rng: &mut impl Rng) -> Vec<u8> {
    let len = match rng.random_range(0..10) {
        0 => 0,
        1..6 => rng.random_range(1..200),
        6..9 => rng.random_range(200..9000),
        _ => rng.random_range(60_000..200_000),
    };
    let mut bytes = vec![0; len];
    // Zeros too: they look like what was never written.
    if rng.random_bool(0.8) {
        rng.fill_bytes(&mut bytes);
    }
    bytes
}

fn run(seed: u64, commits: usize) -> Run {
    let rng = &mut rng(seed);
    let identity = open::new_identity(":memory:".as_ref()).expect("random");
    let start = Image(open::header(&identity));
    let (sim, store) = start.open(identity).expect("opens");
    sim.journal().lock().recording = true;
    let (mut state, mut states, mut marks) = (Map::new(), vec![Map::new()], vec![(0, 0, 0)]);
    for number in 1..=commits {
        let mut batch = store.batch().expect("batch");
        let durability = if rng.random_bool(0.3) {
            Durability::Synced
        } else {
            Durability::Buffered
        };
        batch.set_durability(durability);
        for _ in 0..rng.random_range(1..6) {
            let partition = ["p", "q"][rng.random_range(0..2)];
            let part = batch.partition("c", partition).expect("partition");
            let key = format!("{partition}-{}", rng.random_range(0..12));
            if rng.random_bool(0.25) {
                part.remove(&key).expect("staged");
                state.remove(key.as_bytes());
            } else {
                let value = value(rng);
                part.put(&key, &value).expect("staged");
                state.insert(key.into_bytes(), value);
            }
        }
        batch.commit().expect("committed");
        states.push(state.clone());
        let calls = sim.journal().lock().calls.len();
        let before = *marks.last().expect("one");
        // A batch without effect commits nothing, and hence syncs nothing.
        let synced = durability == Durability::Synced && calls > before.0;
        marks.push((calls, if synced { number } else { before.1 }, number));
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

impl Run {
    /// The image after `calls` calls, of which those since the last sync may be torn.
    fn image(&self, calls: usize, torn: Option<&mut TestRng>) -> Image {
        self.start.after(&self.calls[..calls], torn)
    }

    /// Commits that were durable, and made, after `calls` calls.
    fn bounds(&self, calls: usize) -> (usize, usize) {
        let durable = self
            .marks
            .iter()
            .rev()
            .find(|mark| mark.0 <= calls)
            .expect("one")
            .1;
        let made = self
            .marks
            .iter()
            .find(|mark| mark.0 >= calls)
            .map_or(0, |mark| mark.2);
        (durable, made)
    }

    fn check(&self, image: &Image, calls: usize, what: &str) {
        let (durable, made) = self.bounds(calls);
        let (_, store) = match image.open(self.identity) {
            Ok(opened) => opened,
            Err(error) => panic!("{what}: a crash is no damage: {error}"),
        };
        let found = contents(&store);
        let allowed = &self.states[durable..=made];
        assert!(
            allowed.contains(&found),
            "{what}: no state between {durable} and {made}"
        );
        // And it goes on: what is committed from here on survives another opening.
        let part = store.partition("c", "after").expect("partition");
        part.put("after", "crash").expect("stored");
        assert_eq!(
            part.get("after").expect("read").as_deref(),
            Some(&b"crash"[..])
        );
    }
}

#[test]
fn a_killed_writer_loses_no_commit_that_returned() {
    for seed in 0..8 {
        let run = run(seed, 12);
        for &(calls, _, made) in &run.marks {
            let (_, store) = run.image(calls, None).open(run.identity).expect("opens");
            assert_eq!(
                contents(&store),
                run.states[made],
                "seed {seed}, {calls} calls"
            );
        }
    }
}

#[test]
fn a_power_loss_leaves_a_state_between_the_last_sync_and_the_last_commit() {
    let mut images = 0;
    for seed in 100..112 {
        let run = run(seed, 10);
        for calls in 0..=run.calls.len() {
            for variant in 0..6 {
                let torn = &mut rng(seed * 1000 + variant);
                let image = run.image(calls, Some(torn));
                run.check(
                    &image,
                    calls,
                    &format!("seed {seed}, {calls} calls, variant {variant}"),
                );
                images += 1;
            }
        }
    }
    assert!(images > 1000, "{images}");
}

#[test]
fn a_crash_inside_recovery_changes_nothing() {
    for seed in 200..206 {
        let run = run(seed, 8);
        let calls = run.calls.len();
        let torn = run.image(calls, Some(&mut rng(seed)));
        let (header, log) = torn.0.split_at(LOG_START as usize);
        let sim = Arc::new(Sim::new(header, log).expect("memory"));
        sim.journal().lock().recording = true;
        let store = open::over_sim(Arc::clone(&sim), run.identity, &OpenOptions::new());
        let expected = contents(&store.expect("opens"));
        let recovery = sim.journal().lock().calls.clone();
        for variant in 0..10 {
            let mut image = torn.clone();
            for call in &recovery {
                if let Call::Write(at, bytes) = call {
                    image.write_torn(*at, bytes, &mut rng(seed * 100 + variant));
                }
            }
            let (_, store) = image.open(run.identity).expect("opens");
            assert_eq!(contents(&store), expected, "seed {seed}");
        }
    }
}

#[test]
fn a_torn_tail_of_any_length_is_covered_and_the_store_can_be_closed_and_opened_again() {
    let run = run(3, 4);
    let reopens = |image: &Image, what: &str| {
        let (sim, store) = image.open(run.identity).expect("opens");
        store.close().expect("closed");
        let (_, again) = image_of(&sim).open(run.identity).expect("opens again");
        assert_eq!(contents(&again), run.states[4], "{what}");
    };
    for len in 1..=100 {
        let mut image = run.image(run.calls.len(), None);
        let at = image.0.len();
        image.0.resize(at + len, 0xA5);
        let (sim, store) = image.open(run.identity).expect("opens");
        assert_eq!(store.recovery().torn_bytes, len as u64);
        reopens(&image, &format!("{len} bytes"));
        // And if that opening was killed after its first write.
        image.write(at as u64, &image_of(&sim).0[at..][..40]);
        reopens(
            &image,
            &format!("{len} bytes, header of the covering frame"),
        );
    }
}

#[test]
fn every_cut_of_an_unsynced_log_leaves_whole_commits() {
    let run = run(7, 8);
    let image = run.image(run.calls.len(), None);
    let mut cuts = 0;
    for cut in (LOG_START as usize..image.0.len()).step_by(97) {
        let cut_image = Image(image.0[..cut].to_vec());
        // Damage, not a torn tail, where a header vouches for bytes that are gone.
        if let Ok((_, store)) = cut_image.open(run.identity) {
            assert!(run.states.contains(&contents(&store)), "cut at {cut}");
            cuts += 1;
        }
    }
    assert!(cuts > 10, "{cuts}");
}

#[test]
fn a_flipped_bit_is_reported_or_without_effect() {
    let run = run(11, 6);
    let mut image = run.image(run.calls.len(), None);
    let (_, store) = image.open(run.identity).expect("opens");
    let expected = contents(&store);
    let end = store.info().expect("open").file_bytes as usize;
    let mut random = rng(11);
    let (mut reported, mut torn) = (0, 0);
    for _ in 0..4000 {
        let bit = random.random_range(LOG_START as usize * 8..end * 8);
        image.0[bit / 8] ^= 1 << (bit % 8);
        match image.open(run.identity) {
            Err(Error::Corrupt { at, .. }) => {
                assert!((LOG_START..=end as u64).contains(&at));
                reported += 1;
            }
            Err(other) => panic!("bit {bit}: {other}"),
            Ok((_, store)) => match read_all(&store) {
                Err(Error::Corrupt { .. }) => reported += 1,
                Err(other) => panic!("bit {bit}: {other}"),
                // Nobody says that the last commits were durable: they count as torn.
                Ok(found) if found != expected => {
                    assert!(
                        run.states.contains(&found),
                        "bit {bit}: a state that never was"
                    );
                    torn += 1;
                }
                Ok(_) => {}
            },
        }
        image.0[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(
        reported > 100 && torn > 0,
        "{reported} reported, {torn} torn"
    );
}

fn read_all(store: &Store) -> Result<Map, Error> {
    let mut map = Map::new();
    for info in store.info()?.partitions {
        let part = store.partition(&info.collection, &info.name)?;
        for entry in part.entries()? {
            let entry = entry?;
            map.insert(entry.key().to_vec(), entry.value()?.to_vec());
        }
    }
    Ok(map)
}

/// A disk full, or broken, at each call of a commit.
#[test]
fn a_commit_that_fails_leaves_nothing_behind_and_the_next_one_works() {
    for len in [10, 5000, 100_000, 3 << 20] {
        for after in 0..4 {
            for partial in [0, 20, 39, 4000] {
                let identity = open::new_identity(":memory:".as_ref()).expect("random");
                let (sim, store) = Image(open::header(&identity))
                    .open(identity)
                    .expect("opens");
                let part = store.partition("c", "p").expect("partition");
                part.put("before", "1").expect("stored");
                let fault = Fault {
                    after,
                    partial,
                    errno: libc::ENOSPC,
                };
                sim.journal().lock().fault = Some(fault);
                let value = vec![1; len];
                match part.put("key", &value) {
                    // The commit made fewer calls.
                    Ok(()) => continue,
                    Err(Error::NotCommitted { source, .. }) => {
                        assert_eq!(source.raw_os_error(), Some(libc::ENOSPC));
                    }
                    Err(other) => panic!("{other}"),
                }
                assert_eq!(part.get("key").expect("read"), None);
                assert_eq!(part.len().expect("counted"), 1);
                part.put("after", "2").expect("stored");
                let image = image_of(&sim);
                let (_, again) = image.open(identity).expect("opens");
                let found = contents(&again);
                assert_eq!(found.keys().collect::<Vec<_>>(), [&b"after"[..], b"before"]);
            }
        }
    }
}

pub(crate) fn image_of(sim: &Sim) -> Image {
    use crate::storage::Storage;
    let mut bytes = vec![0; sim.len().expect("length") as usize];
    let (header, log) = bytes.split_at_mut(LOG_START as usize);
    sim.read_at(header, 0).expect("read");
    sim.read_at(log, LOG_START).expect("read");
    Image(bytes)
}

#[test]
fn a_failed_sync_stops_writing_and_says_that_the_commit_is_unknown() {
    let identity = open::new_identity(":memory:".as_ref()).expect("random");
    let (sim, store) = Image(open::header(&identity))
        .open(identity)
        .expect("opens");
    let part = store.partition("c", "p").expect("partition");
    part.put("before", "1").expect("stored");
    let mut batch = store.batch().expect("batch");
    batch.set_durability(Durability::Synced);
    batch
        .partition("c", "p")
        .expect("partition")
        .put("key", "2")
        .expect("staged");
    // The write succeeds, the sync does not.
    sim.journal().lock().fault = Some(Fault {
        after: 1,
        partial: 0,
        errno: libc::EIO,
    });
    match batch.commit() {
        Err(Error::CommitUnknown { source, .. }) => {
            assert_eq!(source.raw_os_error(), Some(libc::EIO));
        }
        other => panic!("{other:?}"),
    }
    for refused in [
        part.put("key", "3"),
        store.sync(),
        store.batch().map(drop),
        store.close(),
    ] {
        assert!(
            matches!(refused, Err(Error::Poisoned { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(store.mode(), Mode::Append);
    let (_, again) = image_of(&sim).open(identity).expect("opens");
    let part = again.partition("c", "p").expect("partition");
    assert_eq!(
        part.get("before").expect("read").as_deref(),
        Some(&b"1"[..])
    );
}

/// A store on a simulated disk with entries that were overwritten.
fn overwritten() -> (Identity, Arc<Sim>, Store) {
    let identity = open::new_identity(":memory:".as_ref()).expect("random");
    let (sim, store) = Image(open::header(&identity))
        .open(identity)
        .expect("opens");
    let part = store.partition("c", "p").expect("partition");
    for round in 0..3u8 {
        for number in 0..40u8 {
            let len = usize::from(number) * 2000;
            part.put([number], vec![round; len]).expect("stored");
        }
    }
    (identity, sim, store)
}

#[test]
fn a_compaction_that_fails_at_any_call_leaves_the_store_and_the_next_one_works() {
    let mut failed = 0;
    for after in 0.. {
        let (identity, sim, store) = overwritten();
        let before = contents(&store);
        sim.journal().lock().successor_fault = Some(Fault {
            after,
            partial: after % 3 * 20,
            errno: libc::ENOSPC,
        });
        let done = store.compact(&crate::CompactOptions::new());
        assert_eq!(contents(&store), before);
        match done {
            // It made fewer calls.
            Ok(_) => break,
            Err(Error::Io { source, .. }) => {
                assert_eq!(source.raw_os_error(), Some(libc::ENOSPC));
            }
            Err(other) => panic!("call {after}: {other}"),
        }
        failed += 1;
        assert_eq!(store.generation(), 0);
        let part = store.partition("c", "p").expect("partition");
        part.put("after", "1").expect("stored");
        let (_, again) = image_of(&sim).open(identity).expect("opens");
        assert_eq!(contents(&again), contents(&store));
        store
            .compact(&crate::CompactOptions::new())
            .expect("compacted");
        assert_eq!(contents(&store), contents(&again));
    }
    assert!(failed > 5, "{failed} calls");
}

#[test]
fn all_of_a_compacted_file_is_on_the_device_before_it_has_its_name() {
    let (_, sim, store) = overwritten();
    sim.journal().lock().recording = true;
    store
        .compact(&crate::CompactOptions::new())
        .expect("compacted");
    let next = sim.journal().lock().successor.clone().expect("made");
    let calls = next.journal().lock().calls.clone();
    assert_eq!(calls.last(), Some(&Call::Sync));
    // Of the old disk nothing is written but the slot that names the new generation.
    let writes = sim.journal().lock().calls.clone();
    assert!(
        matches!(writes.as_slice(), [Call::Write(4096 | 8192, _)]),
        "{writes:?}"
    );
    let identity = *store.inner().log.identity();
    let (_, again) = image_of(&next).open(identity).expect("opens");
    assert_eq!(contents(&again), contents(&store));
}
