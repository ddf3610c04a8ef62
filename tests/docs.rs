//! The pages of the crate say what is there: tests, files and bytes that they name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all tests in the sources below `folder`.
fn tests_below(folder: &Path, names: &mut BTreeSet<String>) {
    for file in std::fs::read_dir(folder).expect("a folder") {
        let path = file.expect("listed").path();
        if path.is_dir() {
            tests_below(&path, names);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            names.extend(tests_in(&std::fs::read_to_string(&path).expect("text")));
        }
    }
}

/// The functions that follow `#[test]`.
fn tests_in(text: &str) -> Vec<String> {
    let after = text.split("#[test]").skip(1);
    let name = |text: &str| {
        let (_, rest) = text.split_once("fn ")?;
        Some(rest.split_once('(')?.0.to_owned())
    };
    after.filter_map(name).collect()
}

/// What stands between backticks in `text`.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_promise_names_tests_that_exist() {
    let mut tests = BTreeSet::new();
    tests_below(&root().join("engine/src"), &mut tests);
    tests_below(&root().join("tests"), &mut tests);
    tests_below(&root().join("tools/tests"), &mut tests);
    let page = read("engine/docs/durability.md");
    let (_, section) = page.split_once("\n## Promises\n").expect("promises");
    let (section, _) = section.split_once("\n## ").expect("their end");
    let mut promises = 0;
    for line in section.lines().filter(|line| line.starts_with("| ")) {
        let Some((_, holders)) = line.trim_end_matches([' ', '|']).rsplit_once(" | ") else {
            continue;
        };
        if holders == "held by" {
            continue;
        }
        let named: Vec<&str> = quoted(holders).collect();
        assert!(!named.is_empty(), "no test: {line}");
        for name in named {
            assert!(tests.contains(name), "no test is called `{name}`");
        }
        promises += 1;
    }
    assert!(promises >= 15, "{promises} promises");
}

#[test]
fn the_hex_dump_of_the_format_page_is_the_golden_file() {
    let page = read("engine/docs/format.md");
    let (_, dump) = page.split_once("```hexdump\n").expect("a dump");
    let (dump, _) = dump.split_once("```").expect("its end");
    let bytes = std::fs::read(root().join("tests/fixtures/0.7/one.alog")).expect("read");
    let mut shown = vec![0; bytes.len()];
    for line in dump.lines().filter(|line| !line.trim().is_empty()) {
        let (at, rest) = line.trim().split_once("  ").expect("an offset");
        let hex = rest.split("   ").next().expect("bytes");
        let at: usize = at.parse().expect("a decimal offset");
        for (number, byte) in hex.split_whitespace().enumerate() {
            shown[at + number] = u8::from_str_radix(byte, 16).expect("a byte");
        }
    }
    // What the dump leaves out is zeros.
    let differs = shown.iter().zip(&bytes).position(|(a, b)| a != b);
    assert_eq!(differs, None, "first byte that the page has wrong");
}

#[test]
fn the_pages_describe_the_version_that_this_build_writes() {
    let store = arraylog::Store::memory().expect("memory");
    let version = store.info().expect("open").format;
    assert_eq!(version, arraylog::FORMAT_VERSION);
    for page in ["engine/docs/format.md", "CHANGELOG.md"] {
        let said = format!("format {version}");
        assert!(read(page).to_lowercase().contains(&said), "{page}: {said}");
    }
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let mut links = 0;
    for page in [
        "engine/README.md",
        "engine/docs/format.md",
        "engine/docs/entry.md",
        "engine/docs/durability.md",
        "engine/docs/design.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ] {
        let text = read(page);
        for target in text.split("](").skip(1) {
            let target = target.split([')', '#']).next().expect("a target");
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let folder = root().join(page).parent().expect("a folder").to_owned();
            assert!(folder.join(target).exists(), "{page}: {target}");
            links += 1;
        }
    }
    assert!(links > 5, "{links} links");
}
