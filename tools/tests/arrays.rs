//! `get` of entries and arrays: what comes out is what `ingest` takes in.

mod support;

use predicates::prelude::*;
use support::{Bench, example, text};

/// One array of each dtype, with a mask, an empty axis, dims, a fill value and attributes.
const ENTRY: &str = r#"{"collection": "c", "partition": "p", "entry": "all", "arrays": {
    "bool": [true, false], "i8": {"dtype": "int8", "data": [[1, -2]]}, "u64": {"dtype": "uint64", "data": 18446744073709551615},
    "f16": {"dtype": "float16", "data": [0.1, 65500.0, "NaN"]}, "f32": {"dtype": "float32", "data": [0.1, 1e30, -0.0, "-Infinity"]},
    "f64": [0.1, 1e300, 5e-324], "c64": {"dtype": "complex64", "data": [[1.5, -2.0], null]}, "c128": {"dtype": "complex128", "data": [0.1, "NaN"]},
    "day": {"dtype": "datetime64[D]", "data": ["2024-02-29", "NaT"]}, "ns": {"dtype": "datetime64[ns]", "data": "1969-12-31T23:59:59.000000001"},
    "span": {"dtype": "timedelta64[ms]", "data": [-5, "NaT"]}, "text": ["a\n\"b\"", null, "é"], "raw": {"dtype": "bytes", "data": ["AAE=", ""]},
    "s3": {"dtype": "S3", "data": ["AAE=", ""]}, "u2": {"dtype": "U2", "data": ["é", "zz"]},
    "bf": {"dtype": "bfloat16", "data": [[0.1, null]], "fill_value": -1.5, "attrs": {"q": {"$dtype": "float8_e5m2", "$data": [1, "Infinity"]}}},
    "e4": {"dtype": "float8_e4m3fn", "data": [448, "NaN"]}, "e5": {"dtype": "float8_e5m2", "data": 1},
    "empty": {"dtype": "int16", "shape": [0, 3], "data": []}, "whole": {"dtype": "int16", "data": [1, 2], "mask": [false, false]},
    "": {"dtype": "float32", "data": [[1.0, null]], "dims": ["t", null], "fill_value": -1.0, "attrs": {"units": "K", "q": {"$dtype": "int8", "$data": [1, 2]}}}},
    "attrs": {"n": null, "l": [1, "x", {"$dtype": "float32", "$data": 0.1}], "m": {"$$d": 1, "": 2, "z": {"$dtype": "datetime64[s]", "$data": "2024-01-01T00:00:00"}}, "f": 1.0, "inf": {"$dtype": "float", "$data": "Infinity"},
        "i64": {"$dtype": "int64", "$data": 1}, "u64": 18446744073709551615, "f64": {"$dtype": "float64", "$data": "Infinity"}, "yes": {"$dtype": "bool", "$data": true}, "pair": {"$dtype": "complex", "$data": [1.5, "NaN"]},
        "c128": {"$dtype": "complex128", "$data": [1.5, "NaN"]}, "s2": {"$dtype": "S2", "$data": "AA=="}, "u2": {"$dtype": "U2", "$data": "é"}}}"#;

fn one_line(text: &str) -> String {
    format!(
        "{}\n",
        text.split('\n')
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ")
    )
}

#[test]
fn an_entry_that_was_exported_and_ingested_is_exported_alike() {
    let (first, second) = (Bench::new(), Bench::new());
    first.ingest(&one_line(ENTRY)).success();
    let line = text(&first.get(&["all"]).success());
    assert_eq!(line.lines().count(), 1);
    second.ingest(&line).success();
    assert_eq!(text(&second.get(&["all"]).success()), line);
}

#[test]
fn an_export_states_what_was_stored() {
    let bench = Bench::new();
    bench.ingest(&one_line(ENTRY)).success();
    let line = text(&bench.get(&["all"]).success());
    for part in [
        r#""bool": {"dtype": "bool", "dims": [null], "data": [true, false]}"#,
        r#""i8": {"dtype": "int8", "dims": [null, null], "data": [[1, -2]]}"#,
        r#""u64": {"dtype": "uint64", "data": 18446744073709551615}"#,
        r#""f16": {"dtype": "float16", "dims": [null], "data": [0.1, 65500.0, "NaN"]}"#,
        r#""f32": {"dtype": "float32", "dims": [null], "data": [0.1, 1e30, -0.0, "-Infinity"]}"#,
        r#""f64": {"dtype": "float64", "dims": [null], "data": [0.1, 1e300, 5e-324]}"#,
        r#""c64": {"dtype": "complex64", "dims": [null], "data": [[1.5, -2.0], null]}"#,
        r#""c128": {"dtype": "complex128", "data": [0.1, "NaN"]}"#,
        r#""day": {"dtype": "datetime64[D]", "dims": [null], "data": ["2024-02-29", "NaT"]}"#,
        r#""ns": {"dtype": "datetime64[ns]", "data": "1969-12-31T23:59:59.000000001"}"#,
        r#""span": {"dtype": "timedelta64[ms]", "dims": [null], "data": [-5, "NaT"]}"#,
        r#""text": {"dtype": "string", "dims": [null], "data": ["a\n\"b\"", null, "é"]}"#,
        r#""raw": {"dtype": "bytes", "dims": [null], "data": ["AAE=", ""]}"#,
        r#""s3": {"dtype": "S3", "dims": [null], "data": ["AAE=", ""]}"#,
        r#""u2": {"dtype": "U2", "dims": [null], "data": ["é", "zz"]}"#,
        r#""bf": {"dtype": "bfloat16", "dims": [null, null], "shape": [1, 2], "data_b64": "zT0AAA==", "mask": [[false, true]], "fill_value": -1.5, "attrs": {"q": {"$dtype": "float8_e5m2", "$data": [1.0, "Infinity"]}}}"#,
        r#""e4": {"dtype": "float8_e4m3fn", "dims": [null], "shape": [2], "data_b64": "fn8="}"#,
        r#""e5": {"dtype": "float8_e5m2", "shape": [], "data_b64": "PA=="}"#,
        r#""empty": {"dtype": "int16", "dims": [null, null], "shape": [0, 3], "data": []}"#,
        r#""whole": {"dtype": "int16", "dims": [null], "data": [1, 2], "mask": [false, false]}"#,
        r#""": {"dtype": "float32", "dims": ["t", null], "data": [[1.0, null]], "fill_value": -1.0, "attrs": {"units": "K", "q": {"$dtype": "int8", "$data": [1, 2]}}}"#,
        r#""l": [1, "x", {"$dtype": "float32", "$data": 0.1}]"#,
        r#""m": {"$$d": 1, "": 2, "z": {"$dtype": "datetime64[s]", "$data": "2024-01-01T00:00:00"}}"#,
        r#""f": 1.0, "inf": {"$dtype": "float", "$data": "Infinity"}, "i64": {"$dtype": "int64", "$data": 1}, "u64": 18446744073709551615"#,
        r#""f64": {"$dtype": "float64", "$data": "Infinity"}, "yes": {"$dtype": "bool", "$data": true}"#,
        r#""pair": {"$dtype": "complex", "$data": [1.5, "NaN"]}, "c128": {"$dtype": "complex128", "$data": [1.5, "NaN"]}"#,
        // Zeros fill an element of fixed width and are not part of it.
        r#""s2": {"$dtype": "S2", "$data": ""}, "u2": {"$dtype": "U2", "$data": "é"}"#,
    ] {
        assert!(line.contains(part), "{part}\nin {line}");
    }
}

#[test]
fn an_array_is_json_raw_bytes_or_npy() {
    let bench = Bench::new();
    bench.ingest(&one_line(ENTRY)).success();
    bench
        .get(&["all", "i8"])
        .success()
        .stdout("{\"dtype\": \"int8\", \"dims\": [null, null], \"data\": [[1, -2]]}\n");
    bench
        .get(&["all", "i8", "--format", "raw"])
        .success()
        .stdout(&b"\x01\xfe"[..]);
    let npy = bench
        .get(&["all", "i8", "--format", "npy"])
        .success()
        .get_output()
        .stdout
        .clone();
    assert_eq!(npy.get(..8), Some(&b"\x93NUMPY\x01\x00"[..]));
    assert_eq!(npy.get(128..), Some(&b"\x01\xfe"[..]));
    let header = String::from_utf8_lossy(npy.get(10..128).expect("a header")).into_owned();
    assert!(
        header.starts_with("{'descr': '|i1', 'fortran_order': False, 'shape': (1, 2), }"),
        "{header}"
    );
    bench.get(&["all", "whole", "--format", "npy"]).success();
    bench.get(&["all", "", "--format", "json"]).success();
}

#[test]
fn what_a_format_cannot_say_is_refused_with_advice() {
    let bench = Bench::new();
    bench.ingest(&one_line(ENTRY)).success();
    let advice = || predicate::str::contains("--format json");
    bench
        .get(&["all", "text", "--format", "npy"])
        .code(2)
        .stderr(advice())
        .stdout("");
    bench
        .get(&["all", "bf", "--format", "npy"])
        .code(2)
        .stderr(predicate::str::contains("bfloat16").and(advice()))
        .stdout("");
    bench
        .get(&["all", "text", "--format", "raw"])
        .code(2)
        .stderr(advice());
    bench
        .get(&["all", "c64", "--format", "npy"])
        .code(2)
        .stderr(predicate::str::contains("missing elements"));
    bench
        .get(&["all", "--format", "npy"])
        .code(2)
        .stderr(predicate::str::contains("name one array"));
    bench
        .get(&["all", "f63"])
        .code(1)
        .stderr(predicate::str::contains("did you mean \"f64\"?"));
}

#[test]
fn the_example_is_stored_as_it_says() {
    let bench = Bench::new();
    let mut ingest = bench.arraylog("ingest", &[]);
    ingest
        .arg(example("floats.ndjson"))
        .assert()
        .success()
        .stderr(
            predicate::str::contains(
                "stored 5 entries, 2 values, 1 delete (0 absent); 0 keys written more than once",
            )
            .and(predicate::str::contains("read 10 lines")),
        );
    let get = |args: &[&str]| {
        text(
            &bench
                .arraylog("get", &["argo", "2024-01"])
                .args(args)
                .assert()
                .success(),
        )
    };
    assert_eq!(get(&["readme"]), "plain text");
    assert_eq!(
        get(&["float-42", "temperature"]),
        "{\"dtype\": \"float32\", \"dims\": [\"depth\"], \"data\": [12.0, null, 11.5], \"attrs\": {\"units\": \"degC\"}}\n"
    );
    assert_eq!(
        get(&["grid", "t"]),
        "{\"dtype\": \"float32\", \"dims\": [\"y\", \"x\"], \"data\": [[1.0, 2.0]]}\n"
    );
    bench
        .arraylog("get", &["argo", "2024-01", "float-41"])
        .assert()
        .code(1);
}
