//! Which module of the engine may use which: the architecture, as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Modules that use each other, and what they may use of the layers before them.
type Layer = (&'static [&'static str], &'static [&'static str]);

/// Every top-level module, lowest first.
///
/// Those of the last layer are one object seen from six sides: a store lends partitions
/// and batches, these commit through the store, by streams too, and entries are what they
/// give out.
const LAYERS: [Layer; 18] = [
    (&["mutant"], &[]),
    (&["turns"], &[]),
    (&["format"], &["mutant"]),
    (&["error"], &["format"]),
    (&["options"], &[]),
    (&["grid"], &[]),
    (&["counters"], &[]),
    (&["storage"], &["mutant", "turns", "format", "options"]),
    (&["arena"], &["storage"]),
    (&["value"], &["error", "storage"]),
    (&["decoded"], &["value"]),
    (&["index"], &["format", "storage"]),
    (
        &["log"],
        &[
            "mutant", "turns", "format", "error", "options", "counters", "storage", "decoded",
            "index",
        ],
    ),
    (&["array", "codec"], &["format", "error"]),
    (
        &["catalog"],
        &["mutant", "format", "error", "grid", "index", "log", "array"],
    ),
    (&["condition"], &["error", "log"]),
    (
        &["staged"],
        &[
            "format",
            "error",
            "arena",
            "index",
            "log",
            "array",
            "catalog",
            "condition",
        ],
    ),
    (
        &[
            "entry",
            "chunks",
            "partition",
            "batch",
            "stream",
            "checkpoint",
            "follow",
            "compaction",
            "damage",
            "fuzz",
            "generation",
            "snapshot",
            "info",
            "usage",
            "names",
            "attributes",
            "open",
            "store",
        ],
        &[
            "mutant",
            "turns",
            "format",
            "error",
            "options",
            "counters",
            "storage",
            "value",
            "decoded",
            "index",
            "log",
            "array",
            "codec",
            "catalog",
            "condition",
            "staged",
            "arena",
        ],
    ),
];

/// Modules that exist for tests alone and may use all.
const TEST_ONLY: [&str; 2] = ["crash", "shared_sync"];

/// Longest file of the engine.
const MOST_LINES: usize = 600;

/// What only code for one system says.
const SYSTEMS: [&str; 6] = [
    "libc::",
    "windows_sys::",
    "std::os::",
    "target_os",
    "cfg(unix",
    "cfg(windows",
];

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the workspace").to_owned()
}

/// Paths and texts of all files below `folder` with this ending.
fn files(folder: &Path, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).expect("a folder") {
        let path = file.expect("listed").path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|has| has == ending) {
            let text = std::fs::read_to_string(&path).expect("text");
            found.push((path, text));
        }
    }
    found
}

fn engine() -> Vec<(PathBuf, String)> {
    let found = files(&root().join("engine/src"), "rs");
    assert!(found.len() > 30, "{} files", found.len());
    found
}

/// The top-level module that a file belongs to.
fn module(path: &Path) -> String {
    let inside = path
        .strip_prefix(root().join("engine/src"))
        .expect("inside");
    let first = inside.components().next().expect("a name").as_os_str();
    let name = first.to_str().expect("a name of ASCII");
    name.strip_suffix(".rs").unwrap_or(name).to_owned()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || TEST_ONLY.contains(&module(path).as_str())
}

/// The text without comments and without modules of tests.
fn code(text: &str) -> String {
    let lines = text.lines();
    let kept = lines.map(|line| line.split("//").next().unwrap_or_default());
    let mut text = kept.collect::<Vec<_>>().join("\n") + "\n";
    while let Some(start) = text.find("\nmod tests {\n") {
        // Formatted code: nothing else ends at the first column.
        let end = text[start..].find("\n}\n").expect("the end of the tests");
        text.replace_range(start..start + end + 3, "\n");
    }
    text
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The names that follow each `crate::`, those in braces too.
fn names_used(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        let rest = &code[at + start.len()..];
        let paths = rest.strip_prefix('{').map_or(vec![rest], listed);
        let firsts = paths
            .iter()
            .map(|path| path.trim().split(|letter| !is_word(letter)));
        names.extend(
            firsts
                .filter_map(|mut parts| parts.next())
                .map(str::to_owned),
        );
    }
    names.remove("");
    names
}

/// The paths of a list in braces, whose first brace is left out.
fn listed(list: &str) -> Vec<&str> {
    let (mut paths, mut from, mut depth) = (Vec::new(), 0, 0);
    for (at, letter) in list.char_indices() {
        match (letter, depth) {
            ('{', _) => depth += 1,
            ('}' | ',', 0) => {
                paths.push(&list[from..at]);
                from = at + 1;
                if letter == '}' {
                    break;
                }
            }
            ('}', _) => depth -= 1,
            _ => {}
        }
    }
    paths
}

/// What `lib.rs` gives out at the root of the crate: name -> module.
fn exports(text: &str) -> BTreeMap<String, String> {
    let mut exports = BTreeMap::new();
    for line in code(text).split(';') {
        let Some((module, names)) = line
            .trim()
            .strip_prefix("pub use ")
            .and_then(|path| path.split_once("::"))
        else {
            continue;
        };
        for name in names.trim_matches(['{', '}', ' ', '\n']).split(',') {
            exports.insert(name.trim().to_owned(), module.to_owned());
        }
    }
    exports
}

/// Module -> modules that it uses, itself left out.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let files = engine();
    let lib = files.iter().find(|(path, _)| path.ends_with("src/lib.rs"));
    let exports = exports(&lib.expect("lib.rs").1);
    assert_eq!(exports.get("Error").map(String::as_str), Some("error"));
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in files.iter().filter(|(path, _)| !is_test(path)) {
        let own = module(path);
        let used = names_used(&code(text)).into_iter();
        let used = used.map(|name| exports.get(&name).cloned().unwrap_or(name));
        let used = used.filter(|name| *name != own);
        uses.entry(own.clone()).or_default().extend(used);
    }
    uses.remove("lib");
    uses
}

#[test]
fn every_module_uses_only_what_the_table_allows_it() {
    for (module, used) in uses() {
        let layer = LAYERS
            .iter()
            .find(|layer| layer.0.contains(&module.as_str()));
        let (together, below) = layer.unwrap_or_else(|| panic!("`{module}` has no place"));
        for name in used {
            let name = name.as_str();
            let allowed = together.contains(&name) || below.contains(&name);
            assert!(allowed, "`{module}` may not use `{name}`");
        }
    }
}

#[test]
fn the_table_leads_downwards_and_allows_nothing_that_nobody_uses() {
    let uses = uses();
    let mut lower: Vec<&str> = Vec::new();
    for (together, below) in LAYERS {
        for name in below {
            assert!(lower.contains(name), "{together:?}: `{name}` stands above");
            let used = together.iter().any(|module| uses[*module].contains(*name));
            assert!(used, "none of {together:?} uses `{name}`");
        }
        lower.extend(together);
    }
    assert_eq!(lower.len(), uses.len(), "{lower:?}");
}

#[test]
fn names_are_found_in_every_way_of_writing_them() {
    let text = "use crate::a::{self, B};\nuse crate::{c, d::E, F};\nfn f(x: crate::g::H) {}\n\
                use crate::{\n    i::{j, k},\n    l,\n};";
    let found: Vec<String> = names_used(text).into_iter().collect();
    assert_eq!(found, ["F", "a", "c", "d", "g", "i", "l"]);
}

#[test]
fn unsafe_code_has_two_rooms_and_one_door() {
    let mut rooms = BTreeSet::new();
    for (path, text) in engine().iter().filter(|(path, _)| !is_test(path)) {
        let text = code(text).replace("pub unsafe fn open_mapped(", "");
        if text
            .split(|letter| !is_word(letter))
            .any(|word| word == "unsafe")
        {
            rooms.insert(module(path));
        }
    }
    let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
    assert_eq!(rooms, ["index", "storage"]);
}

#[test]
fn unsafe_code_of_the_python_face_is_the_memory_of_two_interfaces() {
    let found = files(&root().join("py/src"), "rs");
    let has_unsafe = |text: &str| {
        code(text)
            .split(|c| !is_word(c))
            .any(|word| word == "unsafe")
    };
    let mut names: Vec<_> = found.iter().filter(|(_, text)| has_unsafe(text)).collect();
    names.sort();
    let names: Vec<_> = names
        .iter()
        .filter_map(|(path, _)| path.file_name())
        .collect();
    // Structs of raw pointers: those of Arrow, and those of Python's buffers and NumPy.
    assert_eq!(names, ["arrow.rs", "buffer.rs"]);
}

#[test]
fn no_file_is_longer_than_600_lines() {
    for (path, text) in engine() {
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{}: {lines} lines", path.display());
    }
}

#[test]
fn the_faces_use_the_public_interface_alone() {
    let mut seen = 0;
    for folder in ["py/src", "tools/src", "engine/examples"] {
        for (path, text) in files(&root().join(folder), "rs") {
            seen += 1;
            for hidden in ["__bench", "__test", "arraylog::__fuzz"] {
                assert!(!text.contains(hidden), "{}: {hidden}", path.display());
            }
        }
    }
    assert!(seen > 5, "{seen} files");
}

/// What cargo says, without the network if it can.
fn cargo(arguments: &[&str]) -> String {
    let run = |offline: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).args(offline).current_dir(root());
        cargo.output().expect("cargo runs")
    };
    let mut output = run(&["--offline"]);
    if !output.status.success() {
        output = run(&[]);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_engine_without_features_needs_no_c_compiler() {
    let tree = cargo(&[
        "tree",
        "--package",
        "arraylog",
        "--no-default-features",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
    ]);
    let names: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(names.contains("memmap2"), "{tree}");
    for builder in ["cc", "cmake", "bindgen"] {
        assert!(!names.contains(builder), "{builder}:\n{tree}");
    }
}

#[test]
fn the_packaged_crate_has_the_pages_that_it_refers_to() {
    let list = cargo(&[
        "package",
        "--package",
        "arraylog",
        "--list",
        "--allow-dirty",
    ]);
    let has = |path: &str| list.lines().any(|line| line == path);
    for path in [
        "README.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "docs/format.md",
        "docs/entry.md",
        "docs/durability.md",
        "docs/design.md",
        "examples/values.rs",
    ] {
        assert!(has(path), "{path}:\n{list}");
    }
}

#[test]
fn what_systems_do_differently_is_known_in_storage_alone() {
    let mut inside = 0;
    for (path, text) in engine().into_iter().filter(|(path, _)| !is_test(path)) {
        let code = code(&text);
        let said = SYSTEMS.iter().filter(|word| code.contains(**word));
        let said: Vec<_> = said.collect();
        match module(&path) == "storage" {
            true => inside += said.len(),
            false => assert!(said.is_empty(), "{}: {said:?}", path.display()),
        }
    }
    assert!(inside > 10);
}
