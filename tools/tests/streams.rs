//! `put` and `get` of values that go through the program block by block.

mod support;

use predicates::prelude::*;
use support::Bench;

fn pattern(len: u32) -> Vec<u8> {
    (0..len)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8)
        .collect()
}

#[test]
fn a_long_value_comes_back_by_both_ways_of_reading() {
    let bench = Bench::new();
    let bytes = pattern(5_000_000);
    let file = bench.file("value", &bytes);
    bench
        .arraylog("put", &["c", "p", "file"])
        .arg(&file)
        .assert()
        .success()
        .stdout("")
        .stderr("stored 4.8 MiB under \"file\"\n");
    bench
        .arraylog("put", &["c", "p", "stdin", "-"])
        .write_stdin(bytes.clone())
        .assert()
        .success();
    for key in ["file", "stdin"] {
        for io in ["mmap", "read"] {
            bench
                .get(&[key, "--io", io])
                .success()
                .stdout(bytes.clone());
            let target = bench.path("out");
            let path = target.to_str().expect("a path");
            bench
                .get(&[key, "--io", io, "-o", path])
                .success()
                .stdout("");
            assert!(std::fs::read(&target).expect("the file") == bytes);
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_makes_no_store() {
    let bench = Bench::new();
    for file in [bench.path("missing"), bench.path("")] {
        bench
            .arraylog("put", &["c", "p", "k"])
            .arg(file)
            .assert()
            .code(3)
            .stderr(predicate::str::contains("cannot"));
    }
    assert!(!bench.store().exists());
}

#[test]
fn a_damaged_value_ends_the_command_with_the_place_of_the_damage() {
    let bench = Bench::new();
    let bytes = pattern(300_000);
    let file = bench.file("value", &bytes);
    bench
        .arraylog("put", &["c", "p", "k"])
        .arg(&file)
        .assert()
        .success();
    let mut raw = std::fs::read(bench.store()).expect("the store");
    let start = raw.windows(64).position(|found| found == &bytes[..64]);
    raw[start.expect("the value") + 200_000] ^= 1;
    std::fs::write(bench.store(), raw).expect("written");
    for io in ["mmap", "read"] {
        bench
            .get(&["k", "--io", io])
            .code(3)
            .stderr(predicate::str::contains("corrupt data"));
    }
}
