//! `verify` and `salvage`.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use predicates::str::contains;
use support::Bench;

fn damaged() -> (Bench, usize) {
    let bench = Bench::new();
    let lines: String = (0..30)
        .map(|n| format!("{{\"entry\": \"k{n}\", \"value\": \"some value number {n}\"}}\n"))
        .collect();
    bench.ingest(&lines).success();
    let mut bytes = std::fs::read(bench.store()).expect("read");
    let needle = b"number 17";
    let found = bytes.windows(needle.len()).position(|part| part == needle);
    let at = found.expect("the value is in the file");
    bytes[at] ^= 1;
    std::fs::write(bench.store(), bytes).expect("written");
    (bench, at)
}

#[test]
fn verify_exits_with_1_on_damage_and_names_the_entry_and_with_0_without() {
    let (bench, _) = damaged();
    let verify = || bench.arraylog("verify", &[]).assert();
    verify()
        .code(1)
        .stdout(contains("entry in \"c\"/\"p\", key \"k17\""))
        .stderr(contains("damaged in 1 place"));
    let json = bench
        .arraylog("verify", &["--json", "--threads", "2"])
        .assert();
    json.code(1)
        .stdout(contains("\"sound\":false"))
        .stdout(contains("\"key\":\"k17\""));
    let sound = Bench::new();
    sound
        .ingest("{\"entry\": \"a\", \"value\": \"b\"}\n")
        .success();
    let verified = sound.arraylog("verify", &[]).assert();
    verified.success().stdout("").stderr(contains("is sound"));
}

#[test]
fn verify_names_what_is_wrong_with_header_pages_and_with_an_index_whose_sums_hold() {
    let bench = Bench::new();
    let lines: String = (0..30)
        .map(|n| {
            format!(
                "{{\"entry\": \"k{n}\", \"value\": \"{}\"}}\n",
                "x".repeat(900)
            )
        })
        .collect();
    bench.ingest(&lines).success();
    bench.arraylog("checkpoint", &[]).assert().success();
    let mut bytes = std::fs::read(bench.store()).expect("read");
    // The number of keys in the root of partition 1: behind kind, length of the key, key.
    let head = [6, 0, 5, 0, 0, 0, 0, 0];
    let is_root =
        |at: &usize| bytes[*at..].starts_with(&head) && bytes[at + 16..][..5] == [3, 1, 0, 0, 0];
    let root = (0..bytes.len() - 24).rev().find(is_root).expect("a root") + 24;
    bytes[root] += 1;
    arraylog::__fuzz::repair(&mut bytes);
    bytes[5000] = 1;
    std::fs::write(bench.store(), bytes).expect("written");
    bench
        .arraylog("verify", &[])
        .assert()
        .code(1)
        .stdout(contains(
            "5000..5001: header: padding of a header page is 0x01",
        ))
        .stdout(contains(
            "index in \"c\"/\"p\": the index has 30 entries and counts 31",
        ))
        .stderr(contains("damaged in 2 places"));
}

#[test]
fn salvage_copies_the_rest_exits_with_1_and_says_what_it_left() {
    let (bench, _) = damaged();
    let copy = bench.path("copy.alog");
    let to = copy.to_str().expect("a path of text");
    let before = std::fs::read(bench.store()).expect("read");
    let salvage = |more: &[&str]| {
        let mut salvage = bench.arraylog("salvage", &["--to", to]);
        salvage.args(more).assert()
    };
    salvage(&[])
        .code(1)
        .stdout(contains("key \"k17\""))
        .stderr(contains("copied 29 entries"));
    salvage(&[]).code(3);
    salvage(&["--force", "--json"])
        .code(1)
        .stdout(contains("\"entries\":29"));
    assert!(std::fs::read(bench.store()).expect("read") == before);
    std::fs::rename(&copy, bench.store()).expect("renamed");
    bench.arraylog("verify", &[]).assert().success();
    assert_eq!(bench.keys().lines().count(), 29);
}

#[test]
fn a_store_without_damage_is_salvaged_whole() {
    let bench = Bench::new();
    bench
        .ingest("{\"entry\": \"a\", \"value\": \"b\"}\n")
        .success();
    let copy = bench.path("copy.alog");
    let to = copy.to_str().expect("a path of text");
    let salvaged = bench.arraylog("salvage", &["--to", to]).assert();
    salvaged
        .success()
        .stdout("")
        .stderr(contains("copied 1 entry"));
}
