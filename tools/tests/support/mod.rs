//! What the tests of the commands share: a folder and the program.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use assert_cmd::assert::Assert;

/// A folder that goes away with the test, and a store in it.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store.alog")
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// `arraylog COMMAND STORE ARGS`.
    pub(crate) fn arraylog(&self, command: &str, args: &[&str]) -> Command {
        let mut program = program();
        program.arg(command).arg(self.store()).args(args);
        program
    }

    /// Ingests lines into collection c, partition p.
    pub(crate) fn ingest(&self, lines: &str) -> Assert {
        self.ingest_with(lines, &[])
    }

    pub(crate) fn ingest_with(&self, lines: &str, args: &[&str]) -> Assert {
        let mut program = self.arraylog("ingest", &["-", "--collection", "c", "--partition", "p"]);
        program.args(args).write_stdin(lines).assert()
    }

    /// `get` of a key of c/p.
    pub(crate) fn get(&self, args: &[&str]) -> Assert {
        self.arraylog("get", &["c", "p"]).args(args).assert()
    }

    /// Keys of c/p, one a line.
    pub(crate) fn keys(&self) -> String {
        text(&self.arraylog("ls", &["c", "p"]).assert().success())
    }
}

pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_arraylog"))
}

/// What went to stdout.
pub(crate) fn text(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).expect("UTF-8")
}

/// What went to stderr.
pub(crate) fn errors(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).expect("UTF-8")
}

/// What went to stdout, as JSON.
pub(crate) fn answer(assert: &Assert) -> serde_json::Value {
    serde_json::from_str(&text(assert)).expect("JSON")
}

/// The examples of this package.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}
