//! Compaction beside commits and reads, and how it ends.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arraylog::{CompactOptions, Mode, OpenOptions, Store};
use support::dump::dump;

use super::*;

#[test]
fn commits_and_reads_go_on_during_compaction_and_none_is_lost() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    let follower = support::open(&path, Mode::Read).expect("opens");
    let copying = OpenOptions::new().open(&path).expect("opens");
    let (done, committed) = (AtomicBool::new(false), AtomicU64::new(0));
    let value = |key: u64, round: u64| {
        let mut value = [key.to_le_bytes(), round.to_le_bytes()].concat();
        value.resize(16 + (key as usize % 5) * 3000, round as u8);
        value
    };
    const KEYS: u64 = 300;
    let check = |store: &Store| {
        let part = store.partition("c", "p").expect("there");
        let reader = part.entries().expect("listed");
        let mut count = 0;
        for entry in reader {
            let entry = entry.expect("read");
            let found = entry.value().expect("a value");
            let key = u64::from_le_bytes(entry.key().try_into().expect("eight bytes"));
            let round = u64::from_le_bytes(found[8..16].try_into().expect("eight bytes"));
            assert!(found[..] == value(key, round));
            count += 1;
        }
        assert!(count == KEYS);
    };
    let part = store.partition("c", "p").expect("a partition");
    for key in 0..KEYS {
        part.put(key.to_le_bytes(), value(key, 0)).expect("stored");
    }
    follower.refresh().expect("refreshed");
    copying.refresh().expect("refreshed");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 1;
            while !done.load(Ordering::Relaxed) {
                let batch = store.batch().expect("a batch");
                let staged = batch.partition("c", "p").expect("a partition");
                for key in 0..3 {
                    let key = (round * 7 + key * 101) % KEYS;
                    staged
                        .put(key.to_le_bytes(), value(key, round))
                        .expect("staged");
                }
                batch.commit().expect("committed");
                part.put(5u64.to_le_bytes(), value(5, round))
                    .expect("stored");
                committed.store(round, Ordering::Release);
                round += 1;
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                check(&store);
                let before = committed.load(Ordering::Acquire);
                let found = part.get(5u64.to_le_bytes()).expect("read").expect("there");
                let found = u64::from_le_bytes(found[8..16].try_into().expect("eight bytes"));
                assert!(found >= before, "{found} after {before}");
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for store in [&follower, &copying] {
                    let before = committed.load(Ordering::Acquire);
                    store.refresh().expect("refreshed");
                    check(store);
                    let part = store.partition("c", "p").expect("there");
                    let found = part.get(5u64.to_le_bytes()).expect("read").expect("there");
                    let found = u64::from_le_bytes(found[8..16].try_into().expect("eight bytes"));
                    assert!(found >= before, "{found} after {before}");
                }
            }
        });
        let start = Instant::now();
        let mut generation = 0;
        while start.elapsed() < Duration::from_secs(2) {
            generation = compact(&store).generation;
        }
        done.store(true, Ordering::Relaxed);
        assert!(generation > 1, "{generation} compactions");
    });
    let expected = dump(&store).expect("read");
    for store in [&follower, &copying] {
        store.refresh().expect("refreshed");
        assert!(dump(store).expect("read") == expected);
        assert_eq!(store.generation(), arraylog_generation(&path));
    }
    drop(part);
    store.close().expect("closed");
    assert!(dump(&support::open(&path, Mode::Read).expect("opens")).expect("read") == expected);
}

#[test]
fn a_cancelled_compaction_leaves_the_store_and_nothing_beside_it() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    let part = store.default_partition().expect("a partition");
    for number in 0..20u32 {
        part.put(number.to_le_bytes(), vec![1; 1 << 20])
            .expect("stored");
    }
    let before = dump(&store).expect("read");
    let calls = Cell::new(0);
    let progress = |done: u64, total: u64| {
        assert!(done <= total);
        calls.set(calls.get() + 1);
        match calls.get() {
            5 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let options = CompactOptions::new().progress(&progress);
    let error = store.compact(&options).expect_err("cancelled");
    assert_eq!((error.kind(), calls.get()), ("cancelled", 5));
    assert_eq!(others(&path), Vec::<String>::new());
    assert_eq!(store.generation(), 0);
    part.put("more", "1").expect("stored");
    part.remove("more").expect("removed");
    assert!(dump(&store).expect("read") == before);
    store.compact(&options).expect("compacted");
    assert!(dump(&store).expect("read") == before);
}

#[test]
fn a_throttled_compaction_takes_its_time() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("a partition");
    part.put("k", vec![1; 1 << 20]).expect("stored");
    let start = Instant::now();
    let options = CompactOptions::new().throttle(4 << 20);
    store.compact(&options).expect("compacted");
    assert!(start.elapsed() >= Duration::from_millis(250));
}

#[test]
fn a_store_that_was_told_to_is_compacted_by_itself_and_others_are_not() {
    for automatic in [true, false] {
        let (_folder, path) = folder();
        let options = OpenOptions::new().mode(Mode::Append);
        let options = match automatic {
            true => options.compact_when(0.5, 1 << 20),
            false => options,
        };
        let store = support::open_mapped(&options, &path).expect("opens");
        let part = store.default_partition().expect("a partition");
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(if automatic { 60 } else { 1 }) {
            for _ in 0..100 {
                part.put("k", vec![1; 10_000]).expect("stored");
            }
            if store.generation() > 1 {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(store.generation() > 1, automatic);
        assert_eq!(
            part.get("k").expect("read").map(|value| value.len()),
            Some(10_000)
        );
        store.close().expect("closed");
    }
}

#[test]
fn compactions_exclude_each_other_and_closing_ends_one() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    fill(&store);
    let before = dump(&store).expect("read");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                compact(&store);
            });
        }
    });
    assert_eq!(store.generation(), 2);
    let progress = |_, _| {
        store.close().expect("closed");
        ControlFlow::Continue(())
    };
    let options = CompactOptions::new().progress(&progress);
    let error = store.compact(&options).expect_err("closed meanwhile");
    assert_eq!(error.kind(), "closed");
    assert_eq!(others(&path), Vec::<String>::new());
    let store = support::open(&path, Mode::Read).expect("opens");
    assert!(store.recovery().clean && store.generation() == 2);
    assert!(dump(&store).expect("read") == before);
}

#[test]
fn writers_that_outrun_the_copy_do_not_keep_compaction_from_its_end() {
    // In memory, where nothing waits for a disk.
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("a partition");
    part.put("k", vec![1; 200_000]).expect("stored");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Bounded, should it fail; a hundred times as fast as the throttle, while the
            // machine is left to the copy at times.
            for _ in 0..40_000 {
                part.put("k", vec![2; 20_000]).expect("stored");
                if done.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_micros(20));
            }
            panic!("outrun for 800 MB");
        });
        // The first copy is so slow that much is written meanwhile.
        let options = CompactOptions::new().throttle(4 << 20);
        let compacted = store.compact(&options).expect("compacted");
        done.store(true, Ordering::Relaxed);
        assert_eq!(compacted.generation, 1);
    });
    let seqno = store.seqno();
    compact(&store);
    assert_eq!((store.seqno(), part.len().expect("counted")), (seqno, 1));
    assert!(store.info().expect("told").file_bytes < 1 << 20);
}
