//! One writer and many readers in one process: every read sees whole batches only.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arraylog::{Mode, Partition, Store};

/// Keys that every batch overwrites with its number.
const HOT: u32 = 50;
/// Keys that every batch adds to `churn`, instead of those of the batch before.
const CHURN: u32 = 10;
/// Keys that every batch adds to `grown`.
const GROWN: u64 = 7;

const TIME: Duration = Duration::from_secs(5);

/// The value of batch `number`: the number, again and again, of changing length.
fn value(number: u64) -> Vec<u8> {
    let times = 1 + (number % 40) as usize;
    number.to_le_bytes().repeat(times)
}

/// The number of the batch that wrote `value`.
fn number(value: &[u8]) -> u64 {
    let number = u64::from_le_bytes(value[..8].try_into().expect("eight bytes"));
    assert_eq!(value, self::value(number), "a value of two batches");
    number
}

struct Parts {
    hot: Partition,
    churn: Partition,
    grown: Partition,
}

impl Parts {
    fn new(store: &Store) -> Self {
        let part = |name| store.partition("c", name).expect("partition");
        Self {
            hot: part("hot"),
            churn: part("churn"),
            grown: part("grown"),
        }
    }
}

fn commit(store: &Store, number: u64) {
    let batch = store.batch().expect("batch");
    let [hot, churn, grown] =
        ["hot", "churn", "grown"].map(|name| batch.partition("c", name).expect("partition"));
    let value = value(number);
    // The partitions in turn, so that their tables grow in the middle of a batch.
    for key in 0..HOT {
        hot.put(key.to_le_bytes(), &value).expect("staged");
        if key < CHURN {
            if number > 1 {
                let old = format!("{} {key}", number - 1);
                assert!(churn.remove(old).expect("staged"));
            }
            churn
                .put(format!("{number} {key}"), &value)
                .expect("staged");
        }
        if u64::from(key) < GROWN {
            grown
                .put(format!("{number} {key}"), &value)
                .expect("staged");
        }
    }
    batch.commit().expect("committed");
}

/// A reader that lends sees one number under every hot key.
fn lends_one_state(parts: &Parts, last: u64) -> u64 {
    let reader = parts.hot.reader().expect("mapped");
    let seen = |key: u32| {
        let value = reader.get(key.to_le_bytes()).expect("read");
        number(value.expect("never missing"))
    };
    let first = seen(0);
    (1..HOT).for_each(|key| assert_eq!(seen(key), first, "key {key}"));
    assert!(first >= last, "went back from {last} to {first}");
    first
}

/// A walk sees every key once, with one number.
fn walks_one_state(part: &Partition, keys: u32, last: u64) -> u64 {
    let entries: Vec<_> = part
        .entries()
        .expect("listed")
        .map(|entry| entry.expect("read"))
        .collect();
    let first = number(&entries[0].value().expect("value"));
    assert_eq!(entries.len() as u32, keys, "at batch {first}");
    for entry in entries {
        assert_eq!(number(&entry.value().expect("value")), first);
    }
    assert!(first >= last, "went back from {last} to {first}");
    first
}

fn counts_whole_batches(parts: &Parts, last: u64) -> u64 {
    assert_eq!(parts.hot.len().expect("counted"), u64::from(HOT));
    assert_eq!(parts.churn.len().expect("counted"), u64::from(CHURN));
    let grown = parts.grown.len().expect("counted");
    assert_eq!(grown % GROWN, 0, "a part of a batch is counted");
    assert!(grown >= last, "went back from {last} to {grown}");
    grown
}

fn gets_what_is_there(parts: &Parts, last: u64) -> u64 {
    let key = (last % u64::from(HOT)) as u32;
    let value = parts.hot.get(key.to_le_bytes()).expect("read");
    let first = number(&value.expect("never missing"));
    // Whatever was seen under one key, the batch that wrote it is there whole.
    for key in 0..GROWN {
        let value = parts.grown.get(format!("{first} {key}")).expect("read");
        assert_eq!(number(&value.expect("never missing")), first);
    }
    assert!(parts.grown.contains("1 0").expect("read"));
    first
}

fn run(store: &Store, time: Duration) -> (u64, u64) {
    commit(store, 1);
    let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    let read = |check: fn(&Parts, u64) -> u64| {
        let parts = Parts::new(store);
        let mut last = 0;
        while !stop.load(Ordering::Relaxed) {
            last = check(&parts, last);
            rounds.fetch_add(1, Ordering::Relaxed);
        }
    };
    let commits = thread::scope(|scope| {
        let checks: [fn(&Parts, u64) -> u64; 4] = [
            lends_one_state,
            |parts, last| walks_one_state(&parts.hot, HOT, last),
            |parts, last| walks_one_state(&parts.churn, CHURN, last),
            |parts, last| {
                gets_what_is_there(parts, last);
                counts_whole_batches(parts, last)
            },
        ];
        let readers: Vec<_> = checks
            .into_iter()
            .map(|check| scope.spawn(move || read(check)))
            .collect();
        let start = Instant::now();
        let mut number = 1;
        while start.elapsed() < time && !readers.iter().any(|reader| reader.is_finished()) {
            number += 1;
            commit(store, number);
        }
        stop.store(true, Ordering::Relaxed);
        number
    });
    (commits, rounds.into_inner())
}

#[test]
fn readers_beside_a_writer_see_whole_batches_only() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    let (commits, rounds) = run(&store, TIME);
    println!("{commits} commits, {rounds} rounds of reading");
    assert!(commits > 100 && rounds > 1000);
    store.close().expect("closed");
    let store = support::open(&path, Mode::Read).expect("opens");
    let parts = Parts::new(&store);
    assert_eq!(lends_one_state(&parts, 0), commits);
    assert_eq!(walks_one_state(&parts.churn, CHURN, 0), commits);
    assert_eq!(counts_whole_batches(&parts, 0), commits * GROWN);
}

#[test]
fn readers_beside_a_writer_in_memory_see_whole_batches_only() {
    let store = Store::memory().expect("memory");
    let (commits, rounds) = run(&store, TIME / 5);
    println!("{commits} commits, {rounds} rounds of reading");
    assert!(commits > 100 && rounds > 1000);
}

#[test]
fn a_handle_that_follows_sees_whole_batches_only() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    commit(&store, 1);
    let following = support::open(&path, Mode::Read).expect("opens");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                following.refresh().expect("refreshed");
            }
        });
        let reader = scope.spawn(|| {
            let parts = Parts::new(&following);
            let (mut hot, mut churn, mut grown) = (0, 0, 0);
            while !stop.load(Ordering::Relaxed) {
                hot = lends_one_state(&parts, hot);
                hot = walks_one_state(&parts.hot, HOT, hot);
                churn = walks_one_state(&parts.churn, CHURN, churn);
                grown = counts_whole_batches(&parts, grown);
                gets_what_is_there(&parts, hot);
            }
            hot
        });
        let start = Instant::now();
        let mut number = 1;
        while start.elapsed() < TIME / 2 && !reader.is_finished() {
            number += 1;
            commit(&store, number);
        }
        stop.store(true, Ordering::Relaxed);
        assert!(reader.join().expect("no panic") > 1);
    });
}

#[test]
fn commits_of_many_threads_are_all_stored_in_some_order() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    thread::scope(|scope| {
        for writer in 0..4u32 {
            let store = &store;
            scope.spawn(move || {
                let part = store
                    .partition("c", &format!("{}", writer % 3))
                    .expect("partition");
                for i in 0..500u32 {
                    let key = [writer.to_le_bytes(), i.to_le_bytes()].concat();
                    part.put(&key, &key).expect("stored");
                    assert_eq!(part.get(&key).expect("read").as_deref(), Some(&*key));
                }
            });
        }
    });
    assert_eq!(store.seqno(), 2000);
    store.close().expect("closed");
    let store = support::open(&path, Mode::Read).expect("opens");
    let mut names = store.partitions("c").expect("listed");
    names.sort();
    assert_eq!(names, ["0", "1", "2"]);
    let len = |name| store.partition("c", name).expect("there").len();
    assert_eq!(
        ["0", "1", "2"].map(|name| len(name).expect("counted")),
        [1000, 500, 500]
    );
}

#[test]
fn a_closed_store_can_be_opened_at_once_whatever_its_other_threads_do() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    for _ in 0..20 {
        let store = support::open(&path, Mode::Append).expect("opens");
        let part = store.default_partition().expect("open");
        thread::scope(|scope| {
            let writing = || {
                while part.put("key", "value").is_ok() {}
            };
            scope.spawn(writing);
            scope.spawn(writing);
            thread::sleep(Duration::from_millis(1));
            store.close().expect("closed");
            let again = support::open(&path, Mode::Append).expect("opens again");
            again.close().expect("closed");
        });
    }
}
