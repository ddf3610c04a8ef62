//! `cp`, `mv` and `history`.

mod support;

use predicates::prelude::*;
use support::{Bench, answer, errors, program, text};

const LINES: &str = r#"{"entry": "a", "arrays": {"t": {"data": [1, null], "dims": ["x"]}}, "attrs": {"n": 1}}
{"entry": "b", "value": "plain"}
"#;

/// `get` of any key of the store at `name`.
fn get(bench: &Bench, name: &str, address: [&str; 3]) -> String {
    let mut get = program();
    get.arg("get").arg(bench.path(name)).args(address);
    text(&get.assert().success())
}

/// The line of an entry without its names.
fn content(line: &str) -> String {
    let at = line.find("\"arrays\"").expect("an entry of arrays");
    line[at..].to_owned()
}

#[test]
fn an_entry_is_copied_to_a_key_a_partition_and_a_store() {
    let bench = Bench::new();
    bench.ingest(LINES).success();
    let other = bench.path("other.alog");
    let other = other.to_str().expect("text");
    let source = content(&get(&bench, "store.alog", ["c", "p", "a"]));
    for (to, name, address) in [
        (&["k"][..], "store.alog", ["c", "p", "k"]),
        (&["q", "k"], "store.alog", ["c", "q", "k"]),
        (&["d", "q", "k"], "store.alog", ["d", "q", "k"]),
        (&[other, "d", "q", "k"], "other.alog", ["d", "q", "k"]),
    ] {
        bench
            .arraylog("cp", &["c", "p", "a", "--to"])
            .args(to)
            .assert()
            .success()
            .stdout("")
            .stderr(predicate::str::starts_with("copied 1 entry ("));
        assert_eq!(content(&get(&bench, name, address)), source, "{to:?}");
    }
    assert_eq!(get(&bench, "store.alog", ["c", "p", "b"]), "plain");
}

#[test]
fn what_is_in_the_way_stays_unless_forced_and_makes_the_exit_code_1() {
    let bench = Bench::new();
    bench.ingest(LINES).success();
    for command in ["cp", "mv"] {
        let refused = bench
            .arraylog(command, &["c", "p", "a", "--to", "b"])
            .assert()
            .code(1);
        assert!(errors(&refused).contains("expected no entry"), "{command}");
        assert_eq!(get(&bench, "store.alog", ["c", "p", "b"]), "plain");
    }
    bench
        .arraylog("mv", &["c", "p", "a", "--force", "--to", "b"])
        .assert()
        .success()
        .stderr("moved \"a\" of \"c\"/\"p\" to \"b\" of \"c\"/\"p\"\n");
    assert_eq!(bench.keys(), "b\n");
    bench
        .arraylog("cp", &["c", "p", "b", "--to", "b"])
        .assert()
        .code(2);
}

#[test]
fn an_absent_key_is_exit_code_1_and_makes_no_store() {
    let bench = Bench::new();
    bench.ingest(LINES).success();
    let other = bench.path("other.alog");
    for command in ["cp", "mv"] {
        bench
            .arraylog(command, &["c", "p", "absent", "--to"])
            .arg(&other)
            .args(["c", "p", "k"])
            .assert()
            .code(1)
            .stderr(predicate::str::contains("no key \"absent\""));
        assert!(!other.exists());
    }
    bench
        .arraylog("mv", &["c", "p", "a", "--to"])
        .arg(&other)
        .args(["c", "p", "k"])
        .assert()
        .success();
    assert_eq!(bench.keys(), "b\n");
    get(&bench, "other.alog", ["c", "p", "k"]);
}

#[test]
fn all_entries_of_a_partition_are_copied_in_their_order() {
    let bench = Bench::new();
    let large = "x".repeat(2 << 20);
    let mut lines: String = (0..2500)
        .map(|number| format!("{{\"entry\": \"k{number}\", \"value\": \"{number}\"}}\n"))
        .collect();
    lines += &format!("{{\"entry\": \"large\", \"value\": \"{large}\"}}\n");
    lines += "{\"entry\": \"last\", \"value\": \"1\"}\n";
    bench.ingest(&lines).success();
    let other = bench.path("other.alog");
    let copy = |args: &[&str]| {
        let mut copy = bench.arraylog("cp", &["c", "p", "--json"]);
        copy.args(args).arg("--to").arg(&other).args(["c", "p"]);
        copy.assert()
    };
    assert_eq!(answer(&copy(&[]).success())["copied"], 2502);
    let mut listed = program();
    listed.arg("ls").arg(&other).args(["c", "p"]);
    assert_eq!(text(&listed.assert().success()), bench.keys());
    assert_eq!(get(&bench, "other.alog", ["c", "p", "large"]), large);

    let refused = copy(&[]).code(1);
    assert_eq!(answer(&refused)["copied"], 0);
    assert!(errors(&refused).contains("conflict on key \"k0\""));
    assert_eq!(answer(&copy(&["--force"]).success())["copied"], 2502);

    bench
        .arraylog("cp", &["c", "p", "--to", "q"])
        .assert()
        .success()
        .stderr(predicate::str::contains("copied 2,502 entries ("));
    bench
        .arraylog("cp", &["c", "p", "--to", "c", "p"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("source and target are both"));
}

#[test]
fn a_history_lists_every_version_and_removals() {
    let bench = Bench::new();
    bench.ingest(LINES).success();
    let put = |value| bench.arraylog("put", &["c", "p", "a", "--value", value]);
    put("second").assert().success();
    bench.arraylog("rm", &["c", "p", "a"]).assert().success();
    let history = |args: &[&str]| bench.arraylog("history", &["c", "p"]).args(args).assert();
    let listed = text(&history(&["a"]).success());
    let kinds: Vec<&str> = listed
        .lines()
        .filter_map(|row| row.split_whitespace().nth(2))
        .collect();
    assert_eq!(kinds, ["kind", "removed", "value", "arrays"], "{listed}");
    let some = text(&history(&["a", "--limit", "1"]).success());
    assert_eq!(some.lines().count(), 2, "{some}");
    let json = text(&history(&["a", "--json"]).success());
    let first: serde_json::Value =
        serde_json::from_str(json.lines().nth(1).expect("three")).expect("JSON");
    assert_eq!(first["kind"], "value");
    assert_eq!(first["bytes_stored"], 6);
    assert!(first["version"].as_u64().is_some());
    let seqno = first["seqno"].as_u64().expect("a number").to_string();
    let at = ["c", "p", "a", "--at", &seqno];
    assert_eq!(
        text(&bench.arraylog("get", &at).assert().success()),
        "second"
    );
    history(&["absent"])
        .code(1)
        .stderr(predicate::str::contains("no key \"absent\""));
}
