//! `usage`, `compact` and `backup`.

mod support;

use predicates::prelude::*;
use support::{Bench, answer, errors, program, text};

/// Values of 100 kB, each written twice.
fn bench() -> Bench {
    let bench = Bench::new();
    for round in 0..2 {
        let lines: String = (0..10)
            .map(|key| {
                let value = format!("{round}").repeat(100_000);
                format!("{{\"entry\": \"{key}\", \"value\": \"{value}\"}}\n")
            })
            .collect();
        bench.ingest(&lines).success();
    }
    bench
}

fn json(bench: &Bench, command: &str, args: &[&str]) -> serde_json::Value {
    let args = [args, &["--json"]].concat();
    answer(&bench.arraylog(command, &args).assert().success())
}

fn number(answer: &serde_json::Value, member: &str) -> u64 {
    answer[member].as_u64().expect("a number")
}

#[test]
fn usage_tells_what_compaction_frees_and_compact_frees_it() {
    let bench = bench();
    let before = json(&bench, "usage", &[]);
    let parts = ["live_bytes", "index_bytes", "dead_bytes", "header_bytes"];
    let sum: u64 = parts.iter().map(|part| number(&before, part)).sum();
    assert_eq!(sum, number(&before, "file_bytes"));
    assert!(number(&before, "reclaimable_bytes") > 900_000);
    assert!(before.get("frame_bytes").is_none());
    let counters = &before["counters"];
    assert!(number(counters, "records_compared") > 0, "{counters}");
    assert_eq!(
        (number(counters, "commits"), number(counters, "syncs")),
        (0, 0)
    );
    let segments = before["partitions"].as_array().expect("a list").iter();
    let segments: u64 = segments.map(|part| number(part, "segments")).sum();
    assert!(
        segments > 0 && number(counters, "segments") > segments,
        "and that of names"
    );
    let detailed = json(&bench, "usage", &["--detailed"]);
    for (answer, sampled) in [(&before, true), (&detailed, false)] {
        let part = &answer["partitions"][0];
        assert!(part["probes"].as_f64().is_some_and(|probes| probes >= 1.0));
        assert_eq!(part["probes_sampled"], sampled);
    }
    assert!(number(&detailed["partitions"][0], "dead_bytes") > 900_000);
    let shown = text(&bench.arraylog("usage", &[]).assert().success());
    assert!(shown.contains("compaction   would free about"), "{shown}");
    assert!(shown.contains("collection  partition  entries"), "{shown}");
    assert!(
        shown.contains("about 1.") && shown.contains("compared "),
        "{shown}"
    );
    let shown = text(&bench.arraylog("usage", &["--detailed"]).assert().success());
    assert!(!shown.contains("about 1."), "{shown}");

    let done = json(&bench, "compact", &[]);
    assert!(number(&done, "freed_bytes") > 900_000);
    assert_eq!(number(&done, "generation"), 1);
    let after = json(&bench, "usage", &[]);
    assert!(number(&after, "reclaimable_bytes") < 50_000);
    assert!(number(&after, "file_bytes") + 900_000 < number(&before, "file_bytes"));
    assert_eq!(bench.keys().lines().count(), 10);
}

#[test]
fn compact_says_what_it_freed_and_keeps_the_commits_that_were_asked_for() {
    let bench = bench();
    bench
        .arraylog("compact", &["--keep-since", "1"])
        .assert()
        .success()
        .stdout("")
        .stderr(predicate::str::starts_with("freed "));
    let old = ["c", "p", "3", "--at", "1"];
    let value = text(&bench.arraylog("get", &old).assert().success());
    assert!(value.starts_with("00"), "the first round");
    bench
        .arraylog("compact", &["-q"])
        .assert()
        .success()
        .stderr("");
    let gone = bench.arraylog("get", &old).assert().code(1);
    assert!(
        errors(&gone).contains("commit 1 is gone"),
        "{}",
        errors(&gone)
    );
    bench
        .arraylog("compact", &["-q", "--level", "19"])
        .assert()
        .success();
    let refused = bench.arraylog("compact", &["--level", "23"]).assert();
    let said = errors(&refused.failure());
    assert!(said.contains("is 1 to 22, this is 23"), "{said}");
    bench
        .arraylog("compact", &["--keep-since", "9"])
        .assert()
        .code(2);
}

#[test]
fn backup_copies_a_store_and_replaces_one_only_by_force() {
    let bench = bench();
    let target = bench.path("copy.alog");
    let to = target.to_str().expect("UTF-8");
    let done = json(&bench, "backup", &[to]);
    assert_eq!((number(&done, "entries"), number(&done, "seqno")), (10, 2));
    let length = std::fs::metadata(&target).expect("a file").len();
    assert_eq!(number(&done, "file_bytes"), length);
    let listed = program().arg("ls").arg(&target).args(["c", "p"]).assert();
    assert_eq!(text(&listed.success()), bench.keys());

    let again = bench.arraylog("backup", &[to]).assert().code(3);
    assert!(errors(&again).contains("exists"), "{}", errors(&again));
    bench
        .arraylog("backup", &[to, "--force"])
        .assert()
        .success()
        .stderr(predicate::str::starts_with(
            "copied 10 entries as of commit 2",
        ));
    let other = bench.file("text", "text");
    let other = other.to_str().expect("UTF-8");
    bench
        .arraylog("backup", &[other, "--force"])
        .assert()
        .code(3);
    let store = bench.store();
    let itself = store.to_str().expect("UTF-8");
    bench
        .arraylog("backup", &[itself, "--force"])
        .assert()
        .code(2);
}

#[test]
fn a_backup_is_of_the_commit_that_was_asked_for() {
    let bench = bench();
    let target = bench.path("copy.alog");
    let to = target.to_str().expect("UTF-8");
    let done = json(&bench, "backup", &[to, "--at", "1"]);
    assert_eq!(number(&done, "seqno"), 1);
    let value = program()
        .arg("get")
        .arg(&target)
        .args(["c", "p", "3"])
        .assert();
    assert!(text(&value.success()).starts_with("00"), "the first round");
}

#[test]
fn compact_makes_no_store() {
    let bench = Bench::new();
    bench.arraylog("compact", &[]).assert().code(3);
    assert!(!bench.store().exists());
}
