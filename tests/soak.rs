//! One writer, many readers and another process, for a while: batches, overwrites,
//! removals, growth and checkpoints, and nobody sees a torn, missing or stale value.
//!
//! `ARRAYLOG_SOAK_SECONDS` says for how long (default: 20).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arraylog::{Mode, OpenOptions};
use support::process::Actor;
use support::soak::{self, Seen};

fn time() -> Duration {
    let given = std::env::var("ARRAYLOG_SOAK_SECONDS").ok();
    let seconds = given.and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20))
}

#[test]
fn readers_and_a_follower_beside_a_writer_see_whole_batches_that_never_go_back() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    // Checkpoints in the background, too, and many.
    let options = OpenOptions::new().mode(Mode::Append).replay_bound(20_000);
    let store = support::open_mapped(&options, &path).expect("made");
    soak::commit(&store, 1).expect("committed");
    let name = path.to_str().expect("a path in UTF-8");
    let mut follower = Actor::start(env!("CARGO_BIN_EXE_actor"), &["soak", name]).expect("started");
    assert_eq!(follower.line().expect("read").as_deref(), Some("follows"));
    let (stop, rounds, copied) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(1));
    let read = || {
        let mut seen = Seen::default();
        while !stop.load(Ordering::Relaxed) {
            soak::look(&store, &mut seen).unwrap_or_else(|error| panic!("{error}"));
            rounds.fetch_add(1, Ordering::Relaxed);
        }
    };
    let number = thread::scope(|scope| {
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(read)).collect();
        // A handle of this process that copies and follows.
        let copying = scope.spawn(|| {
            let copying = OpenOptions::new().open(&path).expect("opens");
            let mut seen = Seen::default();
            while !stop.load(Ordering::Relaxed) {
                copying.refresh().expect("refreshed");
                soak::look(&copying, &mut seen).unwrap_or_else(|error| panic!("{error}"));
                copied.store(seen.number(), Ordering::Relaxed);
            }
        });
        let (start, mut number) = (Instant::now(), 1);
        let fails = || readers.iter().any(|reader| reader.is_finished()) || copying.is_finished();
        while start.elapsed() < time() && !fails() {
            // Who reads by system calls is slower than a writer that never pauses.
            if number > copied.load(Ordering::Relaxed) + 2000 {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            number += 1;
            soak::commit(&store, number).expect("committed");
            if number % 200 == 0 {
                store.checkpoint().expect("saved");
            }
        }
        stop.store(true, Ordering::Relaxed);
        number
    });
    let rounds = rounds.into_inner();
    let lines = follower.finish().expect("the follower saw nothing wrong");
    println!("{number} commits, {rounds} rounds of reading, the follower: {lines:?}");
    assert!(number > 100 && rounds > 20);
    store.close().expect("closed");
    let store = support::open(&path, Mode::Read).expect("opens");
    assert!(store.recovery().passed_over.is_empty());
    let mut seen = Seen::default();
    soak::look(&store, &mut seen).expect("whole");
    assert_eq!(seen.number(), number);
}
