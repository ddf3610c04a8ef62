//! What the project is made of: licences, and direct dependencies with their reasons.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Licences of which one has to be on offer. All let the result be used under MIT or Apache-2.0.
const LICENCES: [(&str, &str); 8] = [
    ("MIT", "the project's own"),
    ("Apache-2.0", "the project's own"),
    (
        "Apache-2.0 WITH LLVM-exception",
        "Apache-2.0 with more rights",
    ),
    ("BSD-2-Clause", "asks for the notice alone"),
    ("BSL-1.0", "asks for nothing in binaries"),
    ("Zlib", "asks that changes be marked"),
    ("Unlicense", "asks for nothing"),
    ("Unicode-3.0", "tables of Unicode; asks for the notice"),
];

/// Direct dependencies of what is shipped.
const DEPENDENCIES: [(&str, &str, &str); 29] = [
    (
        "arraylog",
        "arc-swap",
        "readers pin the index without a lock",
    ),
    (
        "arraylog",
        "bytes",
        "owned values for object stores and HTTP",
    ),
    ("arraylog", "crc32fast", "checksum of the fixed structures"),
    (
        "arraylog",
        "crossbeam-skiplist",
        "order among keys of crafted hashes",
    ),
    ("arraylog", "getrandom", "identity and seed of a new store"),
    ("arraylog", "libc", "locks, vectored writes, preallocation"),
    ("arraylog", "log", "what recovery passes over"),
    ("arraylog", "memmap2", "the mapping; 0.9.12 or later"),
    ("arraylog", "parking_lot", "the writer's lock"),
    ("arraylog", "smallvec", "shapes without the heap"),
    ("arraylog", "strsim", "names that one may have meant"),
    ("arraylog", "thiserror", "messages beside their fields"),
    ("arraylog", "xxhash-rust", "hashes of keys, sums of records"),
    (
        "arraylog",
        "zerocopy",
        "structures of the format as typed bytes",
    ),
    ("arraylog-cli", "arraylog", "the store"),
    ("arraylog-cli", "base64", "bytes in NDJSON"),
    ("arraylog-cli", "clap", "arguments"),
    ("arraylog-cli", "indicatif", "progress"),
    ("arraylog-cli", "memchr", "ends of lines"),
    ("arraylog-cli", "serde", "answers in JSON"),
    ("arraylog-cli", "serde_json", "answers in JSON"),
    ("arraylog-cli", "signal-hook", "interrupts"),
    ("arraylog-cli", "simd-json", "parses NDJSON"),
    ("arraylog-cli", "strsim", "names that one may have meant"),
    ("arraylog-python", "arraylog", "the store"),
    (
        "arraylog-python",
        "arraylog-cli",
        "the command line in the wheel",
    ),
    (
        "arraylog-python",
        "log",
        "what the engine says, to the logger of Python",
    ),
    ("arraylog-python", "numpy", "arrays of NumPy"),
    ("arraylog-python", "pyo3", "the face to Python"),
];

fn cargo(arguments: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo.args(arguments).current_dir(root).output();
    let output = output.expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

/// Whether an expression of licences offers one that is allowed.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace(['(', ')'], "").replace('/', " OR ");
    let one = |name: &str| LICENCES.iter().any(|(known, _)| *known == name.trim());
    let either = |part: &str| part.split(" OR ").any(one);
    expression.split(" AND ").all(either)
}

#[test]
fn licences_are_read_as_they_are_meant() {
    for good in ["MIT", "MIT/Apache-2.0", "(MIT OR GPL-3.0) AND Unicode-3.0"] {
        assert!(is_allowed(good), "{good}");
    }
    for bad in [
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "",
        "LGPL-2.1-or-later OR GPL-2.0",
    ] {
        assert!(!is_allowed(bad), "{bad}");
    }
}

#[test]
fn every_package_has_a_licence_that_is_allowed() {
    let list = cargo(&[
        "tree",
        "--workspace",
        "--edges",
        "all",
        "--prefix",
        "none",
        "--target",
        "all",
        "--locked",
        "--format",
        "{p}|{l}",
    ]);
    let lines: BTreeSet<&str> = list.lines().filter(|line| line.contains('|')).collect();
    assert!(lines.len() > 50, "{list}");
    for line in lines {
        let (package, licence) = line.split_once('|').expect("asked for");
        let licence = licence.trim_end_matches(" (*)");
        assert!(is_allowed(licence), "{package}: {licence:?}");
    }
}

#[test]
fn every_direct_dependency_of_what_is_shipped_has_a_reason() {
    for package in ["arraylog", "arraylog-cli", "arraylog-python"] {
        let tree = cargo(&[
            "tree",
            "--package",
            package,
            "--edges",
            "normal,build",
            "--depth",
            "1",
            "--prefix",
            "none",
            "--target",
            "all",
            "--locked",
            "--format",
            "{p}",
        ]);
        let name = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        let found: BTreeSet<String> = tree.lines().skip(1).map(name).collect();
        let pairs = DEPENDENCIES.iter().map(|&(of, name, _)| (of, name));
        let known = pairs
            .filter(|(of, _)| *of == package)
            .map(|(_, name)| name.to_owned());
        let known: BTreeSet<String> = known.collect();
        assert_eq!(found, known, "{package}");
    }
}
