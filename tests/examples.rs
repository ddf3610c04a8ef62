//! The examples of the crate run, and stay short enough to be read at a glance.

use std::path::{Path, PathBuf};
use std::process::Command;

const MOST_LINES: usize = 40;

fn sources() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/examples");
    let files = std::fs::read_dir(folder).expect("the folder of examples");
    let files = files.map(|file| file.expect("listed").path());
    files
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect()
}

/// The program of an example. A `cargo test` of the whole workspace has built it already;
/// one of this package alone may find none, or one of an older source.
fn program(source: &Path) -> PathBuf {
    let tests = std::env::current_exe().expect("this program");
    let profile = tests.ancestors().nth(2).expect("the folder of the profile");
    let name = source.file_stem().expect("a name");
    let program = profile.join("examples").join(name);
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    if changed(&program).is_ok_and(|built| changed(source).is_ok_and(|at| at <= built)) {
        return program;
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "arraylog", "--example"]);
    cargo.arg(name).args(["--features", "ndarray"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let built = cargo.status().expect("cargo runs");
    assert!(built.success(), "{} does not build", source.display());
    program
}

#[test]
fn every_example_runs_to_its_end() {
    let sources = sources();
    assert!(sources.len() >= 5, "{sources:?}");
    for source in sources {
        let output = Command::new(program(&source)).output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", source.display());
    }
}

#[test]
fn no_example_is_longer_than_40_lines() {
    for source in sources() {
        let text = std::fs::read_to_string(&source).expect("read");
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{}: {lines} lines", source.display());
    }
}
