//! Writers that are killed at any moment: what they had said is there, whole, and nothing
//! else.

use std::path::Path;
use std::time::{Duration, Instant};

use arraylog::Mode;
use rand::RngExt;
use rand::rngs::StdRng;
use support::batches::newest;
use support::process::Actor;

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

/// After so many kills a new store is begun.
const FRESH: u64 = 25;

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    kills: u64,
    /// Before the first batch was said.
    early: u64,
    batches: u64,
    generations: u64,
    /// Kills that left something beside the store.
    leftovers: u64,
    torn: u64,
}

fn numbers(lines: &[String]) -> Option<u64> {
    lines.last().map(|line| line.parse().expect("a number"))
}

/// Kills a writer of one of two kinds, and compares what is left with what it had said.
fn kill(path: &Path, next: &mut u64, rng: &mut StdRng, seen: &mut Seen) {
    let from = next.to_string();
    let path_word = path.to_str().expect("UTF-8");
    let words = match rng.random_range(0..3) {
        0 => vec!["batches", path_word, &from, "50"],
        _ => vec!["everything", path_word, &from],
    };
    let mut writer = Actor::start(ACTOR, &words).expect("started");
    // One in four somewhere in making or opening the store.
    let early = rng.random_range(0..4) == 0;
    let said = match early {
        true => None,
        false => writer.line().expect("read"),
    };
    assert!(early || said.is_some(), "{words:?} ended by itself");
    let pause = if early { 6_000 } else { 40_000 };
    std::thread::sleep(Duration::from_micros(rng.random_range(0..pause)));
    let lines = writer.kill().expect("killed");
    let said = numbers(&lines).or(said.map(|line| line.parse().expect("a number")));
    // What was there before it started was said by another one.
    let said = said.or(next.checked_sub(1));
    let folder = path.parent().expect("folder");
    let beside = std::fs::read_dir(folder).expect("listed").count();
    seen.leftovers += u64::from(beside > usize::from(path.exists()));
    seen.early += u64::from(early);
    seen.kills += 1;
    if !path.exists() {
        assert_eq!(said, None, "the store is gone");
        return;
    }
    let mut found = None;
    for mode in [Mode::Read, Mode::ReadWrite, Mode::Read] {
        let store = support::open(path, mode).expect("opens");
        found = newest(&store).unwrap_or_else(|wrong| panic!("{words:?}, {mode:?}: {wrong}"));
        // The last commit may have been done and not yet said.
        let least = said.map_or(0, |said| said + 1);
        let count = found.map_or(0, |newest| newest + 1);
        assert!(
            (least..=least + 1).contains(&count),
            "{words:?}, {mode:?}: {count} batches, {least} were said"
        );
        assert_eq!(store.seqno(), count);
        seen.torn += u64::from(store.recovery().torn_bytes > 0);
        seen.generations = seen.generations.max(store.generation());
    }
    let count = found.map_or(0, |newest| newest + 1);
    seen.batches += count - *next;
    *next = count;
}

/// Kills writers until there were so many or the time is over.
fn kill_often(kills: u64, until: Instant, rng: &mut StdRng) -> Seen {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let mut next = 0;
    let mut seen = Seen::default();
    while seen.kills < kills && Instant::now() < until {
        if seen.kills.is_multiple_of(FRESH) {
            let _ = std::fs::remove_file(&path);
            next = 0;
        }
        kill(&path, &mut next, rng, &mut seen);
    }
    seen
}

#[test]
fn every_acknowledged_batch_survives_a_kill_and_no_half_one_does() {
    // It repeats the operations, though not the moments.
    let (mut rng, seed) = support::rng();
    println!("seed {seed}");
    let seen = kill_often(50, Instant::now() + Duration::from_secs(600), &mut rng);
    assert_eq!(seen.kills, 50);
    assert!(seen.batches > 50 && seen.generations > 0, "{seen:?}");
}

#[test]
#[ignore = "make torture-kills: some minutes"]
fn two_thousand_kills_lose_no_batch_that_was_said() {
    let minutes = std::env::var("MINUTES").ok();
    let minutes = minutes
        .and_then(|minutes| minutes.parse().ok())
        .unwrap_or(60);
    let start = Instant::now();
    let (mut rng, seed) = support::rng();
    let seen = kill_often(2000, start + Duration::from_secs(60 * minutes), &mut rng);
    println!("torture: {seen:?}, seed {seed}, in {:.0?}", start.elapsed());
}
