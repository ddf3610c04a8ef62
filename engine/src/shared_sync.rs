//! Tests: threads whose commits share a sync of the device.

use std::sync::Arc;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use rand::RngExt;

use crate::crash::{Image, contents, image_of, rng};
use crate::format::header::Identity;
use crate::open;
use crate::options::{Durability, OpenOptions};
use crate::storage::sim::{Call, Sim};
use crate::store::Store;
use crate::{Condition, Error};

const THREADS: usize = 8;

/// An empty store whose commits are durable, on a disk whose syncs take `pause`.
fn store(pause: Duration) -> (Identity, Arc<Sim>, Store) {
    let identity = open::new_identity(":memory:".as_ref()).expect("random");
    let sim = Sim::new(&open::header(&identity), &[]).expect("memory");
    let sim = Arc::new(sim);
    let options = OpenOptions::new().durability(Durability::Synced);
    let store = open::over_sim(Arc::clone(&sim), identity, &options).expect("opens");
    // Made before anything is counted.
    store
        .default_partition()
        .and_then(|part| part.put("first", ""))
        .expect("stored");
    sim.journal().lock().pause = pause;
    sim.journal().lock().recording = true;
    (identity, sim, store)
}

fn syncs(sim: &Sim) -> usize {
    let journal = sim.journal().lock();
    journal.calls.iter().filter(|&call| call.is_sync()).count()
}

/// Waits until a sync is under way.
fn wait_for_sync(sim: &Sim) {
    let start = Instant::now();
    while sim.journal().lock().syncing == 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "no sync");
        thread::yield_now();
    }
}

#[test]
fn eight_threads_share_syncs_and_each_commit_is_durable_when_it_returns() {
    const EACH: usize = 20;
    let (identity, sim, store) = store(Duration::from_millis(2));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, sim) = (&store, &sim);
            scope.spawn(move || {
                let part = store.default_partition().expect("partition");
                for number in 0..EACH {
                    let key = format!("{thread} {number}");
                    part.put(&key, &key).expect("stored");
                    assert!(part.contains(&key).expect("read"), "not seen by its writer");
                    // Its frame stands before the last sync.
                    let journal = sim.journal().lock();
                    let last = journal.calls.iter().rposition(Call::is_sync);
                    let held = |call: &Call| match call {
                        Call::Write(_, bytes) => {
                            bytes.windows(key.len()).any(|part| part == key.as_bytes())
                        }
                        _ => false,
                    };
                    let written = journal.calls.iter().position(held);
                    assert!(written.expect("written") < last.expect("synced"));
                }
            });
        }
    });
    let (syncs, commits) = (syncs(&sim), THREADS * EACH);
    assert!(syncs * 3 < commits, "{syncs} syncs for {commits} commits");
    assert_eq!(store.counters().syncs as usize, syncs + 1);
    assert_eq!(store.counters().commits as usize, commits + 1);
    let part = store.default_partition().expect("partition");
    assert_eq!(part.len().expect("counted") as usize, commits + 1);
    let (_, again) = image_of(&sim).open(identity).expect("opens");
    assert_eq!(contents(&again).len(), commits + 1);
}

#[test]
fn a_thread_alone_pays_one_write_and_one_sync_for_each_commit() {
    let (_, sim, store) = store(Duration::ZERO);
    let part = store.default_partition().expect("partition");
    for number in 0..10u32 {
        let before = sim.journal().lock().calls.len();
        part.put("key", number.to_le_bytes()).expect("stored");
        let journal = sim.journal().lock();
        let calls = &journal.calls[before..];
        assert!(
            matches!(calls, [Call::Write(..), Call::SyncRange(_)]),
            "{} calls",
            calls.len()
        );
    }
}

#[test]
fn nothing_is_seen_before_it_is_durable_nor_is_what_was_committed_behind_it() {
    let (_, sim, store) = store(Duration::from_millis(300));
    let part = store.default_partition().expect("partition");
    let seqno = store.seqno();
    thread::scope(|scope| {
        scope.spawn(|| part.put("synced", "1").expect("stored"));
        wait_for_sync(&sim);
        let buffered = scope.spawn(|| {
            let mut batch = store.batch().expect("batch");
            batch.set_durability(Durability::Buffered);
            let staged = batch.partition("default", "default").expect("partition");
            staged.put("buffered", "2").expect("staged");
            batch.commit().expect("committed")
        });
        // Both were appended, and a sync is under way.
        let start = Instant::now();
        while store.counters().commits < 3 && start.elapsed() < Duration::from_millis(200) {
            thread::yield_now();
        }
        if sim.journal().lock().syncing == 1 && syncs(&sim) == 1 {
            for key in ["synced", "buffered"] {
                assert_eq!(part.get(key).expect("read"), None, "{key}");
            }
            assert_eq!(part.len().expect("counted"), 1);
            assert_eq!(part.keys().expect("walk").count(), 1);
            let snapshot = store.snapshot().expect("snapshot");
            let fixed = snapshot.default_partition().expect("partition");
            assert_eq!(
                (snapshot.seqno(), fixed.len().expect("counted")),
                (seqno, 1)
            );
            assert_eq!(sim.live_end(), store.info().expect("open").file_bytes);
        }
        assert_eq!(buffered.join().expect("no panic"), seqno + 2);
        assert!(part.contains("synced").expect("read"));
    });
    assert_eq!(part.len().expect("counted"), 3);
    assert_eq!(store.seqno(), seqno + 2);
    // The sync of the first covered the second, or needed not to.
    assert_eq!(syncs(&sim), 1);
}

#[test]
fn a_failed_sync_refuses_all_that_wait_for_it_and_shows_none_of_them() {
    let (identity, sim, store) = store(Duration::from_millis(50));
    let part = store.default_partition().expect("partition");
    sim.journal().lock().failing_sync = Some(libc::EIO);
    let start = Barrier::new(THREADS);
    let refused = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (part, start) = (&part, &start);
                scope.spawn(move || {
                    start.wait();
                    part.put(format!("{thread}"), "lost")
                })
            })
            .collect();
        let results = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        results.collect::<Vec<_>>()
    });
    let mut unknown = 0;
    for result in refused {
        match result {
            Err(Error::CommitUnknown { source, .. }) => {
                assert_eq!(source.raw_os_error(), Some(libc::EIO));
                unknown += 1;
            }
            // Came after it.
            Err(Error::Poisoned { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(unknown >= 2, "{unknown} waited");
    assert_eq!(part.len().expect("counted"), 1);
    let keys: Result<Vec<_>, _> = part.keys().expect("walk").collect();
    assert_eq!(keys.expect("walked"), [b"first"]);
    for refused in [part.put("key", "3"), store.sync(), store.close()] {
        assert!(matches!(refused, Err(Error::Poisoned { .. })));
    }
    // The device is not asked again: it would answer that all is well.
    assert_eq!(syncs(&sim), 1);
    let (_, again) = image_of(&sim).open(identity).expect("opens");
    assert!(contents(&again).contains_key(&b"first"[..]));
}

#[test]
fn who_is_refused_can_read_what_stands_in_the_way() {
    let (_, sim, store) = store(Duration::from_millis(50));
    let part = store.default_partition().expect("partition");
    thread::scope(|scope| {
        scope.spawn(|| part.put_if("owner", "a", Condition::Absent).expect("first"));
        wait_for_sync(&sim);
        let lost = part.put_if("owner", "b", Condition::Absent);
        assert!(matches!(lost, Err(Error::Conflict { .. })), "{lost:?}");
        assert_eq!(part.get("owner").expect("read").as_deref(), Some(&b"a"[..]));
    });
    thread::scope(|scope| {
        scope.spawn(|| assert!(part.remove("owner").expect("removed")));
        wait_for_sync(&sim);
        assert!(!part.remove("owner").expect("nothing there"));
        assert!(!part.contains("owner").expect("read"));
    });
}

/// Every kind of commit at once: shared and buffered, to partitions that are there and new
/// ones, with checkpoints, and a reader who counts.
fn crowd(store: &Store, sim: &Sim, seed: u64) -> Vec<(String, usize)> {
    let done = std::sync::atomic::AtomicUsize::new(0);
    let mut returned = Vec::new();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..6)
            .map(|thread| {
                let done = &done;
                scope.spawn(move || {
                    let rng = &mut rng(seed * 100 + thread);
                    let mut durable = Vec::new();
                    for number in 0..12 {
                        let mut batch = store.batch().expect("batch");
                        let synced = rng.random_bool(0.6);
                        if !synced {
                            batch.set_durability(Durability::Buffered);
                        }
                        let name = match rng.random_range(0..4) {
                            0 => format!("p {thread} {number}"),
                            _ => "default".to_owned(),
                        };
                        let part = batch.partition("default", &name).expect("partition");
                        let key = format!("{thread} {number}");
                        part.put(&key, vec![7; rng.random_range(0..3000)])
                            .expect("staged");
                        part.put("shared", &key).expect("staged");
                        batch.commit().expect("committed");
                        if synced {
                            durable.push((key, sim.journal().lock().calls.len()));
                        }
                    }
                    done.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
                    durable
                })
            })
            .collect();
        scope.spawn(|| {
            let part = store.default_partition().expect("partition");
            let mut newest = 0;
            while done.load(std::sync::atomic::Ordering::Acquire) < 6 {
                store.checkpoint().expect("saved");
                let walked = part.keys().expect("walk").count();
                assert!(walked >= newest, "{walked} keys, {newest} before");
                newest = walked;
                thread::sleep(Duration::from_millis(3));
            }
        });
        for writer in writers {
            returned.extend(writer.join().expect("no panic"));
        }
    });
    returned
}

#[test]
fn what_returned_survives_a_loss_of_power_whoever_synced_for_it() {
    for seed in 0..4 {
        let (identity, sim, store) = store(Duration::from_micros(300));
        // What the disk held when it began to write down its calls.
        let start = image_of(&sim);
        let returned = crowd(&store, &sim, seed);
        let calls = sim.journal().lock().calls.clone();
        let live = contents(&store);
        let part = store.default_partition().expect("partition");
        let (len, walked) = (part.len(), part.keys().expect("walk").count());
        assert_eq!(len.expect("counted") as usize, walked);
        let (_, again) = image_of(&sim).open(identity).expect("opens");
        assert_eq!(contents(&again), live, "seed {seed}");
        let part = again.default_partition().expect("partition");
        assert_eq!(part.len().expect("counted") as usize, walked);
        let rng = &mut rng(seed);
        for _ in 0..60 {
            let at = rng.random_range(0..=calls.len());
            let image: Image = start.after(&calls[..at], Some(rng));
            let (_, store) = image.open(identity).expect("a crash is no damage");
            let found = contents(&store);
            for (key, _) in returned.iter().filter(|(_, made)| *made <= at) {
                assert!(
                    found.contains_key(key.as_bytes()),
                    "seed {seed}, {at}: {key}"
                );
            }
        }
    }
}

#[test]
fn closing_makes_durable_what_waits() {
    let (identity, sim, store) = store(Duration::from_millis(100));
    let part = store.default_partition().expect("partition");
    thread::scope(|scope| {
        scope.spawn(|| part.put("waits", "1").expect("durable"));
        wait_for_sync(&sim);
        let late = scope.spawn(|| part.put("late", "2"));
        thread::sleep(Duration::from_millis(20));
        store.close().expect("closed");
        match late.join().expect("no panic") {
            Ok(()) | Err(Error::Closed { .. }) => {}
            other => panic!("{other:?}"),
        }
    });
    let (_, again) = image_of(&sim).open(identity).expect("opens");
    assert!(contents(&again).contains_key(&b"waits"[..]));
}
