//! `ingest`: commits, bad lines, going on, summaries.

mod support;

use predicates::prelude::*;
use support::{Bench, answer, errors, text};

fn value(key: usize) -> String {
    format!("{{\"entry\": \"k{key}\", \"value\": \"v\"}}\n")
}

fn values(keys: std::ops::Range<usize>) -> String {
    keys.map(value).collect()
}

#[test]
fn lines_come_from_files_and_stdin_as_if_they_were_one() {
    let bench = Bench::new();
    let a = bench.file("a.ndjson", "{\"defaults\": {\"collection\": \"c\", \"partition\": \"p\"}}\n{\"entry\": \"a\", \"value\": \"\"}");
    let b = bench.file(
        "b.ndjson",
        "\u{feff}{\"entry\": \"b\", \"value\": \"\"}\r\n\r\n   \n",
    );
    bench
        .arraylog("ingest", &[])
        .args([&a, &b])
        .arg("-")
        .write_stdin("{\"entry\": \"s\", \"value\": \"\"}")
        .assert()
        .success()
        .stdout("")
        .stderr(predicate::str::contains("stored 0 entries, 3 values"));
    assert_eq!(bench.keys(), "a\nb\ns\n");
}

#[test]
fn an_empty_input_makes_an_empty_store() {
    let bench = Bench::new();
    bench.ingest("").success();
    bench.arraylog("ls", &[]).assert().success().stdout("");
}

#[test]
fn a_bad_line_stops_the_run_and_nothing_of_its_commit_is_stored() {
    let bench = Bench::new();
    let lines = format!(
        "{}{{\"entry\": \"x\", \"vlaue\": \"\"}}\n{}",
        values(0..25),
        values(25..30)
    );
    let assert = bench
        .ingest_with(&lines, &["--batch", "10"])
        .code(3)
        .stdout("");
    let message = errors(&assert);
    assert!(
        message
            .contains("line 26, column 16: member `vlaue`: unknown member; did you mean `value`?"),
        "{message}"
    );
    assert!(
        message.contains("lines 1 to 20 are stored; fix line 26 and run again with --resume 21"),
        "{message}"
    );
    assert_eq!(bench.keys().lines().count(), 20);
}

#[test]
fn a_run_goes_on_from_the_line_that_the_message_names() {
    let bench = Bench::new();
    let defaults =
        "{\"defaults\": {\"partition\": \"p\", \"arrays\": {\"x\": {\"dtype\": \"int8\"}}}}\n";
    let lines = |last: &str| {
        format!(
            "{defaults}{}{last}\n{{\"entry\": \"y\", \"arrays\": {{\"x\": 1}}}}\n",
            values(0..10)
        )
    };
    bench
        .ingest_with(&lines("{"), &["--batch", "5"])
        .code(3)
        .stderr(predicate::str::contains("--resume 12"));
    bench
        .ingest_with(
            &lines("{\"entry\": \"z\", \"value\": \"\"}"),
            &["--resume", "12"],
        )
        .success()
        .stderr(predicate::str::contains("stored 1 entry, 1 value,"));
    assert_eq!(bench.keys().lines().count(), 12);
    bench
        .get(&["y", "x"])
        .success()
        .stdout("{\"dtype\": \"int8\", \"data\": 1}\n");
    bench
        .ingest_with(&lines("{"), &["--from-line", "13"])
        .success();
}

#[test]
fn a_bad_line_of_the_first_commit_leaves_nothing() {
    let bench = Bench::new();
    bench
        .ingest(&format!("{}{{}}\n", value(1)))
        .code(3)
        .stderr(predicate::str::contains(
            "nothing is stored; fix line 2 and run again",
        ));
    assert_eq!(text(&bench.arraylog("ls", &[]).assert().success()), "");
}

#[test]
fn several_files_name_the_file_and_its_line() {
    let bench = Bench::new();
    let a = bench.file("a.ndjson", values(0..3));
    let b = bench.file("b.ndjson", format!("{}[]\n", value(9)));
    bench
        .arraylog("ingest", &["--collection", "c", "--partition", "p"])
        .args([&a, &b])
        .assert()
        .code(3)
        .stderr(
            predicate::str::contains("line 5 (`").and(predicate::str::contains(
                "b.ndjson` line 2), column 1: expected an object, found a list of 0",
            )),
        );
}

#[test]
fn skip_bad_stores_the_good_lines_and_reports_the_first_bad_ones() {
    let bench = Bench::new();
    let lines: String = (0..50)
        .map(|i| {
            if i % 2 == 0 {
                value(i)
            } else {
                "nonsense\n".to_owned()
            }
        })
        .collect();
    let assert = bench
        .ingest_with(&lines, &["--skip-bad", "--batch", "7"])
        .code(1);
    let message = errors(&assert);
    assert_eq!(
        message.matches("expected a JSON value").count(),
        20,
        "{message}"
    );
    assert!(message.contains("and 5 more bad lines"), "{message}");
    assert!(
        message.contains("25 bad lines were not stored"),
        "{message}"
    );
    assert_eq!(bench.keys().lines().count(), 25);
    let clean = Bench::new();
    clean.ingest_with(&values(0..5), &["--skip-bad"]).success();
}

#[test]
fn atomic_stores_all_lines_or_none() {
    let bench = Bench::new();
    let bad = format!("{}{{}}\n", values(0..3000));
    bench
        .ingest_with(&bad, &["--atomic"])
        .code(3)
        .stderr(predicate::str::contains(
            "nothing is stored (--atomic); fix line 3,001",
        ));
    assert_eq!(text(&bench.arraylog("ls", &[]).assert().success()), "");
    bench.ingest_with(&values(0..3000), &["--atomic"]).success();
    assert_eq!(
        answer(&bench.arraylog("info", &["--json"]).assert().success())["entries"],
        3000
    );
}

#[test]
fn what_the_store_refuses_is_a_bad_line_too() {
    let bench = Bench::new();
    let lines = format!(
        "{}{}{}",
        "{\"entry\": \"a\", \"arrays\": {\"x\": {\"data\": [1, 2], \"dims\": [\"t\"]}, \"y\": {\"data\": [1], \"dims\": [\"t\"]}}}\n",
        "{\"entry\": \"b\", \"collection\": \"\", \"value\": \"\"}\n",
        value(1)
    );
    let assert = bench.ingest_with(&lines, &["--skip-bad"]).code(1);
    let message = errors(&assert);
    assert!(message.contains("line 1, column "), "{message}");
    assert!(message.contains("member `arrays."), "{message}");
    assert!(message.contains("line 2, column 1: "), "{message}");
    assert_eq!(bench.keys(), "k1\n");
}

#[test]
fn deletes_of_absent_keys_are_counted_and_no_error() {
    let bench = Bench::new();
    let lines = "{\"entry\": \"a\", \"value\": \"\"}\n{\"entry\": \"a\", \"delete\": true}\n{\"entry\": \"a\", \"delete\": true}\n";
    bench
        .ingest(lines)
        .success()
        .stderr(predicate::str::contains(
            "stored 0 entries, 1 value, 2 deletes (1 absent)",
        ));
    assert_eq!(bench.keys(), "");
}

#[test]
fn the_last_line_of_a_key_wins_and_keys_written_again_are_counted() {
    let bench = Bench::new();
    let lines = "{\"entry\": \"a\", \"value\": \"1\"}\n{\"entry\": \"b\", \"value\": \"\"}\n{\"entry\": \"a\", \"value\": \"2\"}\n{\"entry\": \"a\", \"value\": \"3\"}\n{\"entry\": \"a\", \"partition\": \"q\", \"value\": \"\"}\n";
    bench
        .ingest(lines)
        .success()
        .stderr(predicate::str::contains("; 1 key written more than once"));
    bench.get(&["a"]).success().stdout("3");
}

#[test]
fn forms_that_drift_are_reported_with_the_flag_that_prevents_it() {
    let bench = Bench::new();
    let lines = "{\"entry\": \"a\", \"arrays\": {\"t\": [1, 2], \"same\": 1}}\n{\"entry\": \"b\", \"arrays\": {\"t\": [1.5], \"same\": 2}}\n{\"entry\": \"c\", \"arrays\": {\"t\": [null, 0.5]}}\n";
    let assert = bench.ingest(lines).success();
    let message = errors(&assert);
    assert!(message.contains("array \"t\" of collection \"c\" has several forms: int64 rank 1: 1 from line 1; float64 rank 1: 1 from line 2; float64 rank 1 masked: 1 from line 3"), "{message}");
    assert!(message.contains("--dtype t=float64"), "{message}");
    assert!(!message.contains("\"same\""), "{message}");
    let again = Bench::new();
    let assert = again
        .ingest_with(lines, &["--dtype", "t=float64", "--null", "nan"])
        .success();
    assert!(!errors(&assert).contains("several forms"));
}

#[test]
fn the_summary_can_be_json_on_stdout() {
    let bench = Bench::new();
    let lines = format!(
        "{}{{\"entry\": \"a\", \"arrays\": {{\"x\": 1}}}}\n{{\"entry\": \"b\", \"arrays\": {{\"x\": 1.5}}}}\nnope\n",
        values(0..3)
    );
    let assert = bench.ingest_with(&lines, &["--json", "--skip-bad"]).code(1);
    let report = answer(&assert);
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["complete"], true);
    assert_eq!(
        (&report["entries"], &report["values"]),
        (&2.into(), &3.into())
    );
    assert_eq!(report["stored_through_line"], 6);
    assert_eq!(report["bytes"], lines.len());
    assert_eq!(report["bad_lines"][0]["line"], 6);
    assert_eq!(report["bad_lines"][0]["column"], 1);
    assert_eq!(report["drift"][0]["variants"][1]["dtype"], "float64");
    let assert = bench.ingest_with("nope\n", &["--json"]).code(3);
    assert_eq!(answer(&assert)["complete"], false);
}

#[test]
fn bare_nan_and_null_as_nan_are_flags() {
    let bench = Bench::new();
    let line = "{\"entry\": \"a\", \"arrays\": {\"x\": [NaN, null, 1]}}\n";
    bench
        .ingest(line)
        .code(3)
        .stderr(predicate::str::contains("pass --allow-nan"));
    bench
        .ingest_with(
            line,
            &["--allow-nan", "--null", "nan", "--dtype", "x=float32"],
        )
        .success();
    bench
        .get(&["a", "x"])
        .success()
        .stdout("{\"dtype\": \"float32\", \"dims\": [null], \"data\": [\"NaN\", \"NaN\", 1.0]}\n");
}

#[test]
fn synced_stores_alike() {
    let bench = Bench::new();
    bench
        .ingest_with(&values(0..5), &["--durability", "synced"])
        .success();
    assert_eq!(bench.keys().lines().count(), 5);
}

#[test]
fn quiet_says_nothing_and_no_bar_is_drawn_without_a_terminal() {
    let bench = Bench::new();
    bench
        .ingest_with(&values(0..5), &["--quiet"])
        .success()
        .stdout("")
        .stderr("");
    let assert = bench.ingest(&values(0..5)).success();
    assert_eq!(errors(&assert).lines().count(), 2);
}

#[test]
fn an_input_that_cannot_be_read_is_an_io_error_and_makes_no_store() {
    let bench = Bench::new();
    bench
        .arraylog("ingest", &["missing.ndjson"])
        .assert()
        .code(3)
        .stderr(predicate::str::contains("missing.ndjson"));
    assert!(!bench.store().exists());
    let folder = bench.path("folder");
    std::fs::create_dir(&folder).expect("a folder");
    bench.arraylog("ingest", &[]).arg(&folder).assert().code(3);
}

#[test]
fn bytes_that_are_not_utf8_are_a_bad_line_with_a_column() {
    let bench = Bench::new();
    let file = bench.file("a", b"{\"entry\": \"\xff\", \"value\": \"\"}\n");
    bench
        .arraylog("ingest", &["--collection", "c", "--partition", "p"])
        .arg(&file)
        .assert()
        .code(3)
        .stderr(predicate::str::contains(
            "line 1, column 12: bytes that are not UTF-8",
        ));
}

#[cfg(unix)]
#[test]
fn sigint_ends_between_lines_and_says_what_is_stored() {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};
    let bench = Bench::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_arraylog"))
        .arg("ingest")
        .arg(bench.store())
        .args([
            "-",
            "--collection",
            "c",
            "--partition",
            "p",
            "--batch",
            "10",
        ])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(values(0..25).as_bytes()).expect("lines");
    // The reader waits for more: it has committed 20 lines once these are there.
    let reads = || {
        let listed = bench.arraylog("ls", &["c", "p"]).output().expect("a list");
        String::from_utf8_lossy(&listed.stdout).lines().count()
    };
    let begin = std::time::Instant::now();
    while reads() < 20 {
        assert!(begin.elapsed().as_secs() < 60, "the lines were not stored");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let signalled = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(signalled.expect("kill").success());
    let mut message = String::new();
    child
        .stderr
        .take()
        .expect("its messages")
        .read_to_string(&mut message)
        .expect("text");
    assert_eq!(
        child.wait().expect("its end").code(),
        Some(130),
        "{message}"
    );
    assert!(
        message.contains("lines 1 to 20 are stored; to go on, run again with --resume 21"),
        "{message}"
    );
    drop(input);
    assert_eq!(bench.keys().lines().count(), 20);
}
