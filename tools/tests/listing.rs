//! `ls` and `info` at every level.

mod support;

use predicates::prelude::*;
use support::{Bench, answer, text};

const LINES: &str = r#"{"entry": "a", "arrays": {"t": {"dtype": "float32", "data": [[1, 2]], "dims": ["x", null], "attrs": {"units": "K"}, "fill_value": -1}, "n": 1}, "attrs": {"lat": 1.5}}
{"entry": "b", "arrays": {"t": [null, 1.5]}}
{"entry": "v\n", "value": "plain"}
{"entry": "z", "collection": "d", "partition": "q", "value": ""}
"#;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.ingest(LINES).success();
    bench
}

fn ls(bench: &Bench, args: &[&str]) -> String {
    text(&bench.arraylog("ls", args).assert().success())
}

#[test]
fn ls_lists_one_level_by_the_depth_of_the_address() {
    let bench = bench();
    assert_eq!(ls(&bench, &[]), "c\nd\n");
    assert_eq!(ls(&bench, &["c"]), "p\n");
    assert_eq!(ls(&bench, &["c", "p"]), "a\nb\nv\\n\n");
    assert_eq!(ls(&bench, &["c", "p", "a"]), "t\nn\n");
    assert_eq!(ls(&bench, &["c", "p", "--io", "read"]), "a\nb\nv\\n\n");
}

#[test]
fn ls_long_is_a_table() {
    let bench = bench();
    assert_eq!(
        ls(&bench, &["-l"]),
        "collection  partitions  entries\nc                    1        3\nd                    1        1\n"
    );
    assert_eq!(
        ls(&bench, &["c", "-l"]),
        "partition  entries\np                3\n"
    );
    let keys = ls(&bench, &["c", "p", "-l"]);
    assert!(
        keys.starts_with("key  kind    arrays  bytes\na    arrays       2"),
        "{keys}"
    );
    assert!(keys.contains("v\\n  value        0      5"), "{keys}");
    assert_eq!(
        ls(&bench, &["c", "p", "a", "-l"]),
        "array  dtype    shape   bytes  dims  masked  chunks  codec\nt      float32  (1, 2)      8  x, -\nn      int64    ()          8\n"
    );
}

#[test]
fn ls_json_is_one_object_a_line() {
    let bench = bench();
    assert_eq!(
        ls(&bench, &["--json"]),
        "{\"collection\":\"c\",\"partitions\":1,\"entries\":3}\n{\"collection\":\"d\",\"partitions\":1,\"entries\":1}\n"
    );
    assert_eq!(
        ls(&bench, &["c", "--json"]),
        "{\"collection\":\"c\",\"partition\":\"p\",\"entries\":3}\n"
    );
    assert_eq!(
        ls(&bench, &["c", "p", "--json"]),
        "{\"key\":\"a\"}\n{\"key\":\"b\"}\n{\"key\":\"v\\n\"}\n"
    );
    assert!(
        ls(&bench, &["c", "p", "--json", "-l"])
            .starts_with("{\"key\":\"a\",\"kind\":\"arrays\",\"arrays\":2,\"bytes_stored\":")
    );
    assert_eq!(
        ls(&bench, &["c", "p", "b", "--json"]),
        "{\"array\":\"t\",\"dtype\":\"float64\",\"shape\":[2],\"dims\":[null],\"masked\":true,\"bytes\":16,\"codec\":null,\"chunks\":null}\n"
    );
}

const STATS: &str = r#"{"entry": "s", "arrays": {"f": {"dtype": "float32", "data": [1.5, null, "NaN", -1, 3, -2.5], "fill_value": -1}, "c": {"dtype": "complex64", "data": [[1, 2]]}, "s": ["b", "a\t"], "e": {"dtype": "int8", "data": []}, "big": {"dtype": "int16", "data": [DATA]}}}"#;

/// With an array that has its statistics in the file, and those that have not.
fn stats_bench() -> Bench {
    let bench = Bench::new();
    let numbers: Vec<String> = (0..300).map(|n| (n - 7).to_string()).collect();
    let lines = STATS.replace("DATA", &numbers.join(", "));
    bench.ingest(&lines).success();
    bench
}

#[test]
fn ls_stats_is_a_table_of_counts_and_bounds() {
    let bench = stats_bench();
    assert_eq!(
        ls(&bench, &["c", "p", "s", "--stats"]),
        "array  elements  nulls  nans  fills  min    max\n\
         f             6      1     1      1  -2.5   3.0\n\
         c             1      -     -      -  -      -\n\
         s             2      0     0      0  \"a\\t\"  \"b\"\n\
         e             0      0     0      0  -      -\n\
         big         300      0     0      0  -7     292\n"
    );
    let long = ls(&bench, &["c", "p", "s", "--stats", "-l", "--limit", "1"]);
    assert_eq!(
        long,
        "array  dtype    shape  bytes  dims  masked  chunks  codec  elements  nulls  nans  fills  min   max\n\
         f      float32  (6,)      24        masked                        6      1     1      1  -2.5  3.0\n"
    );
}

#[test]
fn ls_stats_json_has_them_beside_what_an_array_is() {
    let bench = stats_bench();
    let text = ls(&bench, &["c", "p", "s", "--stats", "--json"]);
    let lines = text.lines().map(serde_json::from_str);
    let lines: Vec<serde_json::Value> = lines.collect::<Result<_, _>>().expect("JSON");
    assert_eq!(
        lines[0]["stats"].to_string(),
        r#"{"count":6,"fills":1,"max":3.0,"max_exact":true,"min":-2.5,"min_exact":true,"nans":1,"nulls":1}"#
    );
    assert_eq!(
        (&lines[0]["array"], &lines[0]["bytes"]),
        (&"f".into(), &24.into())
    );
    assert!(lines[1]["stats"].is_null());
    assert_eq!(lines[2]["stats"]["min"], "a\t");
    assert!(lines[3]["stats"]["min"].is_null() && lines[3]["stats"]["max"].is_null());
    assert_eq!(
        (&lines[4]["stats"]["min"], &lines[4]["stats"]["count"]),
        (&(-7).into(), &300.into())
    );
}

#[test]
fn ls_stats_of_long_texts_says_that_a_bound_is_no_element() {
    let bench = Bench::new();
    let long = "x".repeat(100);
    bench
        .ingest(&format!(
            r#"{{"entry": "s", "arrays": {{"t": ["{long}"]}}}}"#
        ))
        .success();
    let start = "x".repeat(64);
    let table = ls(&bench, &["c", "p", "s", "--stats"]);
    assert!(table.contains(&format!("  >=\"{start}\"  <=\"")), "{table}");
    let answer = ls(&bench, &["c", "p", "s", "--stats", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    let stats = &answer["stats"];
    assert_eq!(
        (&stats["min_exact"], &stats["max_exact"]),
        (&false.into(), &false.into())
    );
}

#[test]
fn ls_stats_are_of_the_arrays_of_an_entry_alone() {
    let bench = stats_bench();
    let refused = bench.arraylog("ls", &["c", "p", "--stats"]).assert();
    refused.code(2).stderr(predicate::str::contains("<KEY>"));
}

#[test]
fn ls_stops_at_the_limit() {
    let bench = bench();
    assert_eq!(ls(&bench, &["c", "p", "--limit", "2"]), "a\nb\n");
    assert_eq!(ls(&bench, &["c", "p", "--limit", "0"]), "");
    assert_eq!(ls(&bench, &["--limit", "1", "--json"]).lines().count(), 1);
}

#[test]
fn what_is_absent_is_exit_code_1() {
    let bench = bench();
    for (args, message) in [
        (&["cc"][..], "no collection \"cc\""),
        (&["c", "pp"], "no partition \"pp\""),
        (&["c", "p", "aa"], "no key \"aa\""),
    ] {
        for command in ["ls", "info"] {
            bench
                .arraylog(command, args)
                .assert()
                .code(1)
                .stdout("")
                .stderr(predicate::str::contains(message));
        }
    }
    bench
        .arraylog("info", &["c", "p", "a", "tt"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("no array \"tt\""));
    bench
        .arraylog("ls", &["c", "p", "v\n"])
        .assert()
        .code(3)
        .stderr(predicate::str::contains("holds a value"));
}

#[test]
fn info_of_a_store_counts_its_partitions() {
    let bench = bench();
    let report = answer(&bench.arraylog("info", &["--json"]).assert().success());
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["format"], "0.7");
    assert_eq!(
        (&report["collections"], &report["entries"]),
        (&2.into(), &4.into())
    );
    assert_eq!(report["recovery"]["torn_bytes"], 0);
    assert_eq!(report["partitions"][0]["entries"], 3);
    let bytes = report["bytes"].as_u64().expect("a size");
    assert!(bytes > 0 && bytes <= std::fs::metadata(bench.store()).expect("the store").len());
    let text = text(&bench.arraylog("info", &[]).assert().success());
    assert!(text.contains("format       0.7\n"), "{text}");
    assert!(
        text.contains("\ncollection  partition  entries\nc           p                3\n"),
        "{text}"
    );
}

#[test]
fn info_of_a_collection_counts_its_own_partitions() {
    let bench = bench();
    let report = answer(&bench.arraylog("info", &["d", "--json"]).assert().success());
    assert_eq!(
        (&report["entries"], &report["partitions"][0]["partition"]),
        (&1.into(), &"q".into())
    );
    bench
        .arraylog("info", &["d"])
        .assert()
        .success()
        .stdout(predicate::str::contains("entries      1\n"));
}

#[test]
fn info_of_a_partition_shows_names_with_more_than_one_form() {
    let bench = bench();
    let report = answer(
        &bench
            .arraylog("info", &["c", "p", "--json"])
            .assert()
            .success(),
    );
    assert_eq!(
        (&report["sampled"], &report["sampled_values"]),
        (&3.into(), &1.into())
    );
    assert_eq!(report["drift"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["drift"][0]["array"], "t");
    assert_eq!(report["drift"][0]["variants"][1]["masked"], true);
    assert_eq!(report["drift"][0]["variants"][1]["first_key"], "b");
    let report = answer(
        &bench
            .arraylog("info", &["c", "p", "--json", "--sample", "1"])
            .assert()
            .success(),
    );
    assert_eq!(
        (&report["sampled"], report["drift"].as_array().map(Vec::len)),
        (&1.into(), Some(0))
    );
    let text = text(
        &bench
            .arraylog("info", &["c", "p", "--sample", "all"])
            .assert()
            .success(),
    );
    assert!(text.contains("arrays with more than one form:\narray  dtype    rank  masked  entries  first\nt      float32     2                1  a\nt      float64     1  masked        1  b\n"), "{text}");
}

#[test]
fn info_of_an_entry_lists_arrays_and_attributes() {
    let bench = bench();
    let report = answer(
        &bench
            .arraylog("info", &["c", "p", "a", "--json"])
            .assert()
            .success(),
    );
    assert_eq!(
        (&report["key"], &report["kind"]),
        (&"a".into(), &"arrays".into())
    );
    assert_eq!(report["attrs"]["lat"], 1.5);
    assert_eq!(report["arrays"][0]["shape"], serde_json::json!([1, 2]));
    assert_eq!(report["arrays"][0]["dims"], serde_json::json!(["x", null]));
    assert_eq!(report["arrays"][0]["fill_value"], -1.0);
    assert_eq!(report["arrays"][0]["attrs"]["units"], "K");
    let text = text(&bench.arraylog("info", &["c", "p", "a"]).assert().success());
    assert!(text.contains("attrs        {\"lat\": 1.5}\n"), "{text}");
    assert!(
        text.contains(
            "t      float32  (1, 2)      8  x, -                              8   1.00\n"
        ),
        "{text}"
    );
    let report = answer(
        &bench
            .arraylog("info", &["c", "p", "v\n", "--json"])
            .assert()
            .success(),
    );
    assert_eq!(
        (&report["kind"], report["arrays"].as_array().map(Vec::len)),
        (&"value".into(), Some(0))
    );
}

#[test]
fn info_of_an_array_describes_it() {
    let bench = bench();
    let report = answer(
        &bench
            .arraylog("info", &["c", "p", "a", "t", "--json"])
            .assert()
            .success(),
    );
    assert_eq!(
        (
            &report["schema_version"],
            &report["dtype"],
            &report["bytes"]
        ),
        (&1.into(), &"float32".into(), &8.into())
    );
    let text = text(
        &bench
            .arraylog("info", &["c", "p", "a", "t"])
            .assert()
            .success(),
    );
    assert!(
        text.contains("shape        (1, 2)\n") && text.contains("fill value   -1.0\n"),
        "{text}"
    );
}
