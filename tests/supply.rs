//! What the project is made of: licences, sources, and direct dependencies with their
//! reasons. What the wheel and its environment are made of is held by
//! tests/python/test_supply.py.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Licences of which one has to be on offer. All let the result be used under MIT or Apache-2.0.
const LICENCES: [(&str, &str); 9] = [
    ("MIT", "the project's own"),
    ("Apache-2.0", "the project's own"),
    (
        "Apache-2.0 WITH LLVM-exception",
        "Apache-2.0 with more rights",
    ),
    ("BSD-2-Clause", "asks for the notice alone"),
    (
        "BSD-3-Clause",
        "asks for the notice, and that names are not used for praise",
    ),
    ("BSL-1.0", "asks for nothing in binaries"),
    ("Zlib", "asks that changes be marked"),
    ("Unlicense", "asks for nothing"),
    ("Unicode-3.0", "tables of Unicode; asks for the notice"),
];

/// Direct dependencies of what is shipped.
const DEPENDENCIES: [(&str, &str, &str); 38] = [
    (
        "arraylog",
        "arc-swap",
        "readers pin the index without a lock",
    ),
    ("arraylog", "brotli", "a codec, off by default"),
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
    ("arraylog", "half", "floats of 16 bits for pco"),
    ("arraylog", "libc", "locks, vectored writes, preallocation"),
    ("arraylog", "log", "what recovery passes over"),
    ("arraylog", "lz4_flex", "a codec"),
    ("arraylog", "memmap2", "the mapping; 0.9.12 or later"),
    (
        "arraylog",
        "ndarray",
        "arrays with axes in Rust, off by default",
    ),
    ("arraylog", "parking_lot", "the writer's lock"),
    ("arraylog", "pco", "a codec of numbers"),
    (
        "arraylog",
        "quick_cache",
        "which decoded chunks stay in memory",
    ),
    ("arraylog", "smallvec", "shapes without the heap"),
    ("arraylog", "snap", "a codec, off by default"),
    ("arraylog", "strsim", "names that one may have meant"),
    ("arraylog", "thiserror", "messages beside their fields"),
    ("arraylog", "windows-sys", "locks of Windows"),
    ("arraylog", "xxhash-rust", "hashes of keys, sums of records"),
    (
        "arraylog",
        "zerocopy",
        "structures of the format as typed bytes",
    ),
    ("arraylog", "zstd-safe", "a codec; C code"),
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

/// What Cargo knows of the packages: of this project and of all that it is built from, with
/// the tests, for every system.
fn metadata() -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(env!("CARGO"));
    let asked = cargo.args([
        "metadata",
        "--format-version",
        "1",
        "--locked",
        "--all-features",
    ]);
    let output = asked.current_dir(root).output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn packages(metadata: &Value) -> &[Value] {
    metadata["packages"].as_array().expect("a list")
}

fn text<'a>(of: &'a Value, field: &str) -> &'a str {
    of[field].as_str().unwrap_or_default()
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
    let metadata = metadata();
    let packages = packages(&metadata);
    assert!(packages.len() > 50, "{} packages", packages.len());
    for package in packages {
        let licence = text(package, "license");
        assert!(is_allowed(licence), "{}: {licence:?}", package["id"]);
    }
    // None is there without need.
    for (licence, _) in LICENCES {
        let uses = |package: &Value| text(package, "license").contains(licence);
        assert!(packages.iter().any(uses), "nothing has {licence}");
    }
}

#[test]
fn every_package_is_of_this_project_or_of_the_registry() {
    let metadata = metadata();
    let members = metadata["workspace_members"].as_array().expect("a list");
    for package in packages(&metadata) {
        let own = members.contains(&package["id"]);
        let source = text(package, "source");
        assert!(
            own && source.is_empty() || source.starts_with("registry+"),
            "{}: {source:?}",
            package["id"]
        );
    }
}

#[test]
fn every_direct_dependency_of_what_is_shipped_has_a_reason() {
    let metadata = metadata();
    for name in ["arraylog", "arraylog-cli", "arraylog-python"] {
        let mut all = packages(&metadata).iter();
        let package = all.find(|package| text(package, "name") == name);
        let package = package.expect("of the workspace");
        let dependencies = package["dependencies"].as_array().expect("a list");
        // Those of tests are no part of what is shipped.
        let shipped = dependencies.iter().filter(|it| text(it, "kind") != "dev");
        let found: BTreeSet<&str> = shipped.map(|it| text(it, "name")).collect();
        let known = DEPENDENCIES.iter().filter(|(of, ..)| *of == name);
        let known: BTreeSet<&str> = known.map(|(_, name, _)| *name).collect();
        assert_eq!(found, known, "{name}");
    }
    let reasons = DEPENDENCIES.iter().map(|(.., reason)| reason);
    assert!(reasons.into_iter().all(|reason| !reason.is_empty()));
}
