//! `put`, `get` and `rm` of plain values.

mod support;

use predicates::prelude::*;
use support::Bench;

#[test]
fn a_value_comes_back_byte_for_byte_from_file_stdin_and_text() {
    let bench = Bench::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let file = bench.file("value", &bytes);
    bench
        .arraylog("put", &["c", "p", "file"])
        .arg(&file)
        .assert()
        .success()
        .stdout("");
    bench
        .arraylog("put", &["c", "p", "stdin", "-"])
        .write_stdin(bytes.clone())
        .assert()
        .success();
    bench
        .arraylog("put", &["c", "p", "text", "--value", "héllo"])
        .assert()
        .success();
    bench
        .arraylog("put", &["c", "p", "empty", "--value", ""])
        .assert()
        .success();
    bench.get(&["file"]).success().stdout(bytes.clone());
    bench.get(&["stdin"]).success().stdout(bytes.clone());
    bench.get(&["text"]).success().stdout("héllo");
    bench.get(&["empty"]).success().stdout("");
    bench.get(&["file", "--io", "read"]).success().stdout(bytes);
}

#[test]
fn put_replaces_and_says_what_it_stored_unless_quiet() {
    let bench = Bench::new();
    let put = |value: &str| bench.arraylog("put", &["c", "p", "k", "--value", value]);
    put("one")
        .assert()
        .success()
        .stderr("stored 3 B under \"k\"\n");
    put("two!").arg("--quiet").assert().success().stderr("");
    bench.get(&["k"]).success().stdout("two!");
}

#[test]
fn a_value_can_go_to_a_file_but_not_to_the_store() {
    let bench = Bench::new();
    bench
        .arraylog("put", &["c", "p", "k", "--value", "x"])
        .assert()
        .success();
    let target = bench.path("out");
    bench
        .get(&["k", "-o", target.to_str().expect("a path")])
        .success()
        .stdout("");
    assert_eq!(std::fs::read(&target).expect("the file"), b"x");
    let before = std::fs::read(bench.store()).expect("the store");
    bench
        .get(&["k", "-o", bench.store().to_str().expect("a path")])
        .code(2);
    assert_eq!(std::fs::read(bench.store()).expect("the store"), before);
}

#[test]
fn what_is_absent_is_exit_code_1() {
    let bench = Bench::new();
    bench
        .arraylog("put", &["c", "p", "key-1", "--value", "x"])
        .assert()
        .success();
    bench
        .get(&["key-2"])
        .code(1)
        .stdout("")
        .stderr("arraylog: no key \"key-2\"\n");
    bench
        .arraylog("get", &["c", "q", "k"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("no partition"));
    bench
        .arraylog("get", &["d", "p", "k"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("no collection"));
    bench.arraylog("rm", &["c", "q", "k"]).assert().code(1);
}

#[test]
fn a_value_is_not_an_array() {
    let bench = Bench::new();
    bench
        .arraylog("put", &["c", "p", "k", "--value", "x"])
        .assert()
        .success();
    bench
        .get(&["k", "t"])
        .code(3)
        .stderr(predicate::str::contains("holds"));
    bench.get(&["k", "--format", "npy"]).code(2);
    bench.get(&["k", "--format", "json"]).success().stdout(
        "{\"collection\": \"c\", \"partition\": \"p\", \"entry\": \"k\", \"value\": \"x\"}\n",
    );
}

#[test]
fn rm_names_the_keys_that_were_absent_and_removes_the_others() {
    let bench = Bench::new();
    for key in ["a", "b"] {
        bench
            .arraylog("put", &["c", "p", key, "--value", "x"])
            .assert()
            .success();
    }
    bench
        .arraylog("rm", &["c", "p", "a", "gone", "b"])
        .assert()
        .code(1)
        .stderr("removed 2 entries\narraylog: no key \"gone\"\n");
    assert_eq!(bench.keys(), "");
    bench
        .arraylog("rm", &["c", "p", "a", "--ignore-missing"])
        .assert()
        .success();
}

#[test]
fn a_key_that_starts_with_a_dash_follows_two() {
    let bench = Bench::new();
    bench
        .arraylog("put", &["--value", "x", "--", "c", "p", "-k"])
        .assert()
        .success();
    bench.get(&["--", "-k"]).success().stdout("x");
}

#[cfg(unix)]
#[test]
fn a_key_that_is_not_utf8_comes_and_goes_as_bytes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let bench = Bench::new();
    let key = OsStr::from_bytes(b"\xff/k");
    bench
        .arraylog("put", &["c", "p"])
        .arg(key)
        .args(["--value", "x"])
        .assert()
        .success();
    bench
        .arraylog("get", &["c", "p"])
        .arg(key)
        .assert()
        .success()
        .stdout("x");
    assert_eq!(bench.keys(), "\\xff/k\n");
    bench
        .arraylog("ls", &["c", "p", "--json"])
        .assert()
        .success()
        .stdout("{\"key\":\"\\\\xff/k\",\"key_b64\":\"/y9r\"}\n");
    bench
        .arraylog("rm", &["c", "p"])
        .arg(key)
        .assert()
        .success();
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_early_ends_the_command_quietly() {
    use std::process::{Command, Stdio};
    let bench = Bench::new();
    let big = bench.file("big", vec![b'x'; 8 << 20]);
    bench
        .arraylog("put", &["c", "p", "k"])
        .arg(&big)
        .assert()
        .success();
    let mut child = Command::new(env!("CARGO_BIN_EXE_arraylog"))
        .arg("get")
        .arg(bench.store())
        .args(["c", "p", "k"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("its end");
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}
