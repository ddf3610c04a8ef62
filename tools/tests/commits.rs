//! `--at`, `checkpoint`, and what `info` says of opening.

mod support;

use predicates::prelude::*;
use support::{Bench, answer, errors, text};

/// Three commits: a and b, then a again and c, then b removed.
fn bench() -> Bench {
    let bench = Bench::new();
    bench
        .ingest(
            r#"{"entry": "a", "value": "1"}
{"entry": "b", "arrays": {"t": [1.5]}, "attrs": {"n": 1}}
"#,
        )
        .success();
    bench
        .ingest(
            r#"{"entry": "a", "value": "2"}
{"entry": "c", "value": "2"}
"#,
        )
        .success();
    bench.arraylog("rm", &["c", "p", "b"]).assert().success();
    bench
}

fn read(bench: &Bench, command: &str, args: &[&str]) -> String {
    text(&bench.arraylog(command, args).assert().success())
}

#[test]
fn every_reading_command_shows_an_earlier_commit() {
    let bench = bench();
    assert_eq!(bench.keys(), "a\nc\n");
    for io in ["mmap", "read"] {
        let at = ["--at", "1", "--io", io];
        let with = |args: &[&'static str]| [args, &at].concat();
        assert_eq!(read(&bench, "ls", &with(&["c", "p"])), "a\nb\n");
        assert_eq!(read(&bench, "get", &with(&["c", "p", "a"])), "1");
        assert_eq!(
            read(&bench, "attrs", &with(&["c", "p", "b"])),
            "name  value\nn     1\n"
        );
        let versions = read(&bench, "history", &with(&["c", "p", "a", "--json"]));
        assert_eq!(versions.lines().count(), 1);
        let info = answer(
            &bench
                .arraylog("info", &with(&["--json"]))
                .assert()
                .success(),
        );
        assert_eq!((&info["seqno"], &info["entries"]), (&1.into(), &2.into()));
    }
    assert_eq!(read(&bench, "ls", &["c", "p", "--at", "3"]), "a\nc\n");
    assert_eq!(read(&bench, "ls", &["--at", "0"]), "");
}

#[test]
fn a_commit_that_is_not_there_is_a_usage_error_with_the_newest() {
    let bench = bench();
    let assert = bench.arraylog("ls", &["--at", "4"]).assert().code(2);
    assert!(
        errors(&assert).contains("newest commit"),
        "{}",
        errors(&assert)
    );
    bench.arraylog("ls", &["--at", "x"]).assert().code(2);
    bench.arraylog("ls", &["--at", "3"]).assert().success();
}

#[test]
fn cp_brings_back_what_was_there() {
    let bench = bench();
    bench
        .arraylog("cp", &["c", "p", "b", "--at", "1", "--to", "b"])
        .assert()
        .success();
    let back = read(&bench, "get", &["c", "p", "b", "t"]);
    assert!(back.contains("1.5"), "{back}");
    // What is there is not replaced without being asked.
    let again = ["c", "p", "a", "--at", "1", "--to", "a"];
    bench.arraylog("cp", &again).assert().code(1);
    let forced = [&again[..], &["--force"]].concat();
    bench.arraylog("cp", &forced).assert().success();
    assert_eq!(read(&bench, "get", &["c", "p", "a"]), "1");
    // All of a partition, over itself too, and to another store.
    let whole = ["c", "p", "--at", "2", "--force", "--to", "p"];
    bench.arraylog("cp", &whole).assert().success();
    assert_eq!(read(&bench, "get", &["c", "p", "a"]), "2");
    let other = bench.path("other.alog");
    let target = other.to_str().expect("UTF-8");
    let away = ["c", "p", "--at", "1", "--to", target, "c", "p"];
    bench.arraylog("cp", &away).assert().success();
    support::program()
        .arg("ls")
        .arg(&other)
        .args(["c", "p"])
        .assert()
        .success()
        .stdout("a\nb\n");
}

#[test]
fn checkpoint_saves_the_index_and_info_tells() {
    let bench = bench();
    let before = answer(&bench.arraylog("info", &["--json"]).assert().success());
    assert_eq!(before["recovery"]["checkpoint"], 0);
    assert!(before["recovery"]["replayed_records"].as_u64() >= Some(5));
    let saved = answer(&bench.arraylog("checkpoint", &["--json"]).assert().success());
    assert_eq!(
        (&saved["saved"], &saved["seqno"]),
        (&true.into(), &3.into())
    );
    bench
        .arraylog("checkpoint", &[])
        .assert()
        .success()
        .stdout("")
        .stderr(predicate::str::contains("saved already, up to commit 3"));
    let after = answer(&bench.arraylog("info", &["--json"]).assert().success());
    assert_eq!(after["recovery"]["checkpoint"], 3);
    assert_eq!(after["recovery"]["replayed_records"], 0);
    assert_eq!(after["recovery"]["passed_over"], serde_json::json!([]));
    let shown = read(&bench, "info", &[]);
    assert!(
        shown.contains("index        saved at commit 3; read 0 records in 0 commits\n"),
        "{shown}"
    );
}

#[test]
fn checkpoint_makes_no_store() {
    let bench = Bench::new();
    bench.arraylog("checkpoint", &[]).assert().code(3);
    assert!(!bench.store().exists());
    bench
        .ingest("{\"entry\": \"a\", \"value\": \"1\"}\n")
        .success();
    bench.arraylog("checkpoint", &[]).assert().success();
}

#[test]
fn info_says_why_a_checkpoint_was_passed_over() {
    let bench = bench();
    bench.arraylog("checkpoint", &[]).assert().success();
    let mut bytes = std::fs::read(bench.store()).expect("read");
    // The checkpoint is the last of the log; its record ends with what it is about.
    let end = bytes.iter().rposition(|&byte| byte != 0).expect("bytes");
    bytes[end - 8] ^= 0xff;
    std::fs::write(bench.store(), bytes).expect("written");
    let info = answer(&bench.arraylog("info", &["--json"]).assert().success());
    assert_eq!(info["recovery"]["checkpoint"], 0);
    let reasons = info["recovery"]["passed_over"].as_array().expect("a list");
    assert_eq!(reasons.len(), 1, "{info}");
    let shown = read(&bench, "info", &[]);
    assert!(shown.contains("passed over  corrupt data in"), "{shown}");
    assert_eq!(bench.keys(), "a\nc\n");
    assert_eq!(read(&bench, "ls", &["c", "p", "--at", "1"]), "a\nb\n");
}
