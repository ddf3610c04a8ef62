//! Stores larger than memory: lookups, scans and compaction of files whose pages the kernel
//! has let go of, with little memory of the process's own, and with a limit on all of it
//! where the system lets one be set.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "a test tells what it skips")]

use std::path::Path;

use support::large::{build, drop_pages};
use support::process::Actor;
use support::torture::Torture;

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");
const MIB: u64 = 1 << 20;

/// What is asked of a process: its store, the keys of that, and its memory.
struct Task<'a> {
    path: &'a Path,
    keys: u64,
    mapped: bool,
    lookups: u64,
    seed: u64,
    own_mib: u64,
}

impl Task<'_> {
    fn words(&self) -> Vec<String> {
        let how = if self.mapped { "mapped" } else { "copying" };
        let path = self.path.to_str().expect("UTF-8").to_owned();
        let numbers = [self.lookups, self.seed, self.own_mib].map(|number| number.to_string());
        let words = [
            "cold".to_owned(),
            path,
            self.keys.to_string(),
            how.to_owned(),
        ];
        words.into_iter().chain(numbers).collect()
    }

    /// What it answered, compared with what there is.
    fn check(&self, actor: Actor) -> [u64; 5] {
        let said = actor.finish().expect("reads all");
        let numbers = said.last().expect("a line").split(' ');
        let numbers: Vec<u64> = numbers.flat_map(str::parse).collect();
        let numbers: [u64; 5] = numbers.try_into().expect("five numbers");
        let [lookups, scanned, before, after, kept] = numbers;
        assert_eq!(lookups, self.lookups);
        assert_eq!(scanned, self.keys - self.keys / 7);
        assert!(
            before > self.own_mib * MIB,
            "{before} bytes fit into memory"
        );
        assert!(after <= before);
        assert!(kept <= 10, "the kernel kept {kept} % of the pages");
        numbers
    }

    fn run(&self) -> [u64; 5] {
        let words = self.words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.check(Actor::start(ACTOR, &words).expect("started"))
    }

    /// With a limit on pages of files, too.
    fn run_limited(&self, bytes: u64) -> Option<[u64; 5]> {
        let words = self.words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match Actor::start_limited(ACTOR, bytes, &words).expect("started") {
            Ok(actor) => Some(self.check(actor)),
            Err(why) => {
                println!("skipped: no limit on memory that counts pages of files: {why}");
                None
            }
        }
    }
}

/// Whether the file system of the temporary folder lets go of pages.
fn can_drop(path: &Path) -> bool {
    let kept = drop_pages(path).expect("asked");
    if kept > 0.1 {
        println!(
            "skipped: the kernel keeps {:.0} % of the pages of a file here",
            kept * 100.0
        );
    }
    kept <= 0.1
}

#[test]
fn a_store_whose_pages_are_gone_is_read_scanned_and_compacted_with_less_memory_than_it_has() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let keys = build(&path, 64 * MIB).expect("made");
    if !can_drop(&path) {
        return;
    }
    for mapped in [true, false] {
        let task = Task {
            path: &path,
            keys,
            mapped,
            lookups: 500,
            seed: 1,
            own_mib: 24,
        };
        task.run();
    }
}

#[test]
fn a_store_larger_than_a_limit_on_memory_is_read_scanned_and_compacted() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let keys = build(&path, 160 * MIB).expect("made");
    if !can_drop(&path) {
        return;
    }
    let task = Task {
        path: &path,
        keys,
        mapped: true,
        lookups: 500,
        seed: 1,
        own_mib: 32,
    };
    task.run_limited(64 * MIB);
}

#[test]
#[ignore = "make torture-memory: some minutes and GIB= of disk, twice"]
fn torture_a_store_larger_than_memory() {
    let torture = Torture::from_env();
    let gib = std::env::var("GIB").ok().and_then(|gib| gib.parse().ok());
    let gib: u64 = gib.unwrap_or(4);
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let keys = build(&path, gib << 30).expect("made");
    if !can_drop(&path) {
        return;
    }
    for mapped in [true, false] {
        if torture.left().is_zero() {
            torture.say("the time is over");
            return;
        }
        let task = Task {
            path: &path,
            keys,
            mapped,
            lookups: 20_000,
            seed: torture.seed,
            own_mib: 64,
        };
        let limited = task.run_limited(128 * MIB);
        let limit = match limited {
            Some(_) => "with 128 MiB of memory in all",
            None => "with 64 MiB of its own memory",
        };
        let [lookups, scanned, before, after, kept] = limited.unwrap_or_else(|| task.run());
        torture.say(&format!(
            "{lookups} lookups, {scanned} entries scanned, {before} bytes compacted to {after}, \
             at most {kept} % kept by the kernel, {limit}, mapped: {mapped}"
        ));
    }
}
