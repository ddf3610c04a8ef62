//! Help, versions and exit codes of wrong arguments.

mod support;

use predicates::prelude::*;
use support::{Bench, program};

const COMMANDS: [&str; 16] = [
    "info",
    "ls",
    "get",
    "put",
    "rm",
    "attrs",
    "cp",
    "mv",
    "history",
    "ingest",
    "usage",
    "compact",
    "backup",
    "checkpoint",
    "verify",
    "salvage",
];

#[test]
fn every_command_has_help_on_stdout() {
    for command in COMMANDS {
        program()
            .args([command, "--help"])
            .assert()
            .success()
            .stdout(
                predicate::str::contains("Usage: arraylog ")
                    .and(predicate::str::contains("<STORE>")),
            )
            .stderr("");
    }
    let mut all = program().arg("--help").assert().success();
    for command in COMMANDS {
        all = all.stdout(predicate::str::contains(format!("  {command} ")));
    }
    all.stdout(predicate::str::contains("Exit codes: 0 done; 1 "));
}

#[test]
fn the_version_names_program_and_format() {
    let expected = format!("arraylog {} (format 0.7)\n", env!("CARGO_PKG_VERSION"));
    program()
        .arg("--version")
        .assert()
        .success()
        .stdout(expected.clone());
    program().arg("-V").assert().success().stdout(expected);
}

#[test]
fn wrong_arguments_are_usage_errors() {
    for args in [
        &[][..],
        &["frobnicate"],
        &["ls"],
        &["get", "s", "c", "p"],
        &["put", "s", "c", "p", "k"],
        &["put", "s", "c", "p", "k", "f", "--value", "x"],
        &["rm", "s", "c"],
        &["rm", "s", "c", "p"],
        &["rm", "s", "c", "p", "k", "--all"],
        &["cp", "s", "c", "p", "k"],
        &["cp", "s", "c", "p", "--to", "s", "c", "q", "k"],
        &["mv", "s", "c", "p", "--to", "q"],
        &["mv", "s", "c", "p", "k", "--to"],
        &["history", "s", "c", "p"],
        &["ingest", "s"],
        &["ingest", "s", "-", "-"],
        &["ingest", "s", "-", "--batch", "0"],
        &["ingest", "s", "-", "--atomic", "--skip-bad"],
        &["ingest", "s", "-", "--dtype", "x"],
        &["ingest", "s", "-", "--dtype", "x=float8"],
        &["info", "s", "--sample", "some"],
    ] {
        program()
            .args(args)
            .assert()
            .code(2)
            .stdout("")
            .stderr(predicate::str::is_empty().not());
    }
}

#[test]
fn a_misspelt_option_is_answered_with_the_right_one() {
    program()
        .args(["ingest", "s", "-", "--skip-bd"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("--skip-bad"));
}

#[test]
fn a_store_that_is_missing_is_an_io_error_and_is_not_made_by_reading() {
    let bench = Bench::new();
    for command in ["info", "ls"] {
        bench
            .arraylog(command, &[])
            .assert()
            .code(3)
            .stderr(predicate::str::contains("store.alog"));
    }
    bench.arraylog("get", &["c", "p", "k"]).assert().code(3);
    bench.arraylog("rm", &["c", "p", "k"]).assert().code(3);
    assert!(!bench.store().exists());
}

#[test]
fn a_file_that_is_no_store_is_refused_untouched() {
    let bench = Bench::new();
    let content = "this is not a store, and long enough to be read as one".repeat(1000);
    std::fs::write(bench.store(), &content).expect("a file");
    bench
        .arraylog("info", &[])
        .assert()
        .code(3)
        .stderr(predicate::str::contains("not an arraylog store"));
    bench
        .arraylog("put", &["c", "p", "k", "--value", "x"])
        .assert()
        .code(3);
    bench.ingest("").code(3);
    assert_eq!(
        std::fs::read_to_string(bench.store()).expect("the file"),
        content
    );
}

#[test]
fn a_store_that_another_writer_holds_is_exit_code_4() {
    let bench = Bench::new();
    let store = arraylog::OpenOptions::new()
        .mode(arraylog::Mode::Append)
        .open(bench.store());
    let store = store.expect("a store");
    bench
        .arraylog("put", &["c", "p", "k", "--value", "x"])
        .assert()
        .code(4)
        .stderr(predicate::str::contains("locked"));
    bench.ingest("").code(4);
    bench.arraylog("info", &[]).assert().success();
    store.close().expect("closed");
    bench
        .arraylog("put", &["c", "p", "k", "--value", "x"])
        .assert()
        .success();
}

#[test]
fn names_that_cannot_be_stored_are_usage_errors() {
    let bench = Bench::new();
    let long = "n".repeat(256);
    for name in ["", long.as_str()] {
        bench
            .arraylog("put", &[name, "p", "k", "--value", "x"])
            .assert()
            .code(2);
        bench
            .arraylog("put", &["c", name, "k", "--value", "x"])
            .assert()
            .code(2);
    }
    bench
        .arraylog("put", &["c/d é", "p.q", "k", "--value", "x"])
        .assert()
        .success();
}

#[test]
fn the_library_can_be_called_again_and_again() {
    let bench = Bench::new();
    let store = bench.store();
    let store = store.to_str().expect("a path");
    assert_eq!(
        arraylog_cli::run([
            "arraylog", "-q", "put", store, "c", "p", "k", "--value", "x"
        ]),
        0
    );
    assert_eq!(
        arraylog_cli::run(["arraylog", "-q", "rm", store, "c", "p", "k"]),
        0
    );
    assert_eq!(
        arraylog_cli::run(["arraylog", "-q", "rm", store, "c", "p", "k"]),
        1
    );
    assert_eq!(arraylog_cli::run(["arraylog", "rm"]), 2);
}
