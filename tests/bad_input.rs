//! What is refused, with which error, and that nothing was done to what was refused.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::Duration;

use arraylog::{ArraySpec, Attrs, Error, Mode, OpenOptions, Store, What};
use support::process::Actor;

const MODES: [Mode; 5] = [
    Mode::Read,
    Mode::ReadWrite,
    Mode::Append,
    Mode::Replace,
    Mode::CreateNew,
];
/// Where the identity and its copy stand.
const IDENTITIES: [usize; 2] = [0, 12288 + 2048];

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    (folder, path)
}

/// Opens in both ways; the errors.
fn refused(path: &Path, mode: Mode) -> [Error; 2] {
    let copying = OpenOptions::new().mode(mode).open(path);
    let mapped = support::open(path, mode);
    [mapped, copying].map(|opened| opened.expect_err("refused"))
}

/// A closed store with `key` -> `value`.
fn make(path: &Path) {
    let store = support::open(path, Mode::CreateNew).expect("made");
    let part = store.default_partition().expect("partition");
    part.put("key", "value").expect("stored");
    store.close().expect("closed");
}

fn value_of(path: &Path) -> Vec<u8> {
    let store = support::open(path, Mode::Read).expect("opens");
    let part = store.default_partition().expect("partition");
    part.get("key").expect("read").expect("there").to_vec()
}

/// Changes the identity and its copy, and gives each the checksum that it then has.
fn change_identity(path: &Path, at: usize, with: &[u8]) {
    let mut bytes = std::fs::read(path).expect("read");
    for start in IDENTITIES {
        bytes[start + at..start + at + with.len()].copy_from_slice(with);
        let sum = crc32fast::hash(&bytes[start..start + 508]);
        bytes[start + 508..start + 512].copy_from_slice(&sum.to_le_bytes());
    }
    std::fs::write(path, bytes).expect("written");
}

fn io_kind(error: &Error) -> Option<std::io::ErrorKind> {
    match error {
        Error::Io { source, .. } => Some(source.kind()),
        _ => None,
    }
}

#[test]
fn files_that_are_no_stores_are_refused_untouched_in_every_mode() {
    let (_folder, path) = folder();
    make(&path);
    let mut wrong_magic = std::fs::read(&path).expect("read");
    for start in IDENTITIES {
        wrong_magic[start + 1] ^= 1;
    }
    let foreign: [&[u8]; 5] = [
        b"a",
        b"\x89ALG\r\n\n",
        b"station,depth,temperature\n42,10,7.5\n",
        &[0; 20_000],
        &wrong_magic,
    ];
    for bytes in foreign {
        std::fs::write(&path, bytes).expect("written");
        let before = support::fingerprint(&path).expect("read");
        for mode in MODES {
            for error in refused(&path, mode) {
                match mode {
                    Mode::CreateNew => {
                        assert_eq!(io_kind(&error), Some(std::io::ErrorKind::AlreadyExists));
                    }
                    _ => assert!(
                        matches!(error, Error::NotAStore { .. }),
                        "{mode:?}: {error}"
                    ),
                }
            }
            assert!(support::fingerprint(&path).expect("read") == before);
        }
    }
    std::fs::write(&path, foreign[2]).expect("written");
    let said = refused(&path, Mode::Read)[0].to_string();
    assert!(said.contains("starts with 73 74 61 74"), "{said}");
}

#[test]
fn a_store_from_the_future_is_refused_untouched_and_both_versions_are_named() {
    let (_folder, path) = folder();
    make(&path);
    let written = std::fs::read(&path).expect("read");
    change_identity(&path, 10, &99u16.to_le_bytes());
    let before = support::fingerprint(&path).expect("read");
    for mode in [Mode::Read, Mode::ReadWrite, Mode::Append] {
        for error in refused(&path, mode) {
            match &error {
                Error::Version {
                    found, supported, ..
                } => assert_eq!((&**found, &**supported), ("0.99", arraylog::FORMAT_VERSION)),
                _ => panic!("{error}"),
            }
        }
    }
    assert!(support::fingerprint(&path).expect("read") == before);
    change_identity(&path, 10, &written[10..12]);
    assert_eq!(value_of(&path), b"value");
}

#[test]
fn unknown_features_are_refused_to_those_whom_they_concern() {
    let (_folder, path) = folder();
    make(&path);
    let unknown = 4u64.to_le_bytes();
    let (incompatible, read_only, compatible) = (72, 80, 88);
    change_identity(&path, incompatible, &unknown);
    for error in refused(&path, Mode::Read) {
        assert!(matches!(error, Error::Version { .. }), "{error}");
        assert!(error.to_string().contains("0x4"), "{error}");
    }
    change_identity(&path, incompatible, &[0; 8]);
    change_identity(&path, read_only, &unknown);
    assert_eq!(value_of(&path), b"value");
    let before = support::fingerprint(&path).expect("read");
    for mode in [Mode::ReadWrite, Mode::Append] {
        for error in refused(&path, mode) {
            assert!(matches!(error, Error::Version { .. }), "{mode:?}: {error}");
            assert!(error.to_string().contains("0x4"), "{error}");
        }
    }
    assert!(support::fingerprint(&path).expect("read") == before);
    change_identity(&path, read_only, &[0; 8]);
    change_identity(&path, compatible, &unknown);
    support::open(&path, Mode::ReadWrite).expect("concerns nobody");
}

#[test]
fn a_damaged_identity_is_taken_from_its_copy_and_two_damaged_ones_are_corrupt() {
    let (_folder, path) = folder();
    make(&path);
    let good = std::fs::read(&path).expect("read");
    for [first, second] in [IDENTITIES, [IDENTITIES[1], IDENTITIES[0]]] {
        let mut bytes = good.clone();
        bytes[first..first + 512].fill(0xAA);
        std::fs::write(&path, &bytes).expect("written");
        assert_eq!(value_of(&path), b"value");
        bytes[second + 20] ^= 1;
        std::fs::write(&path, &bytes).expect("written");
        for error in refused(&path, Mode::ReadWrite) {
            match error {
                // With its magic a store, without it anything.
                Error::Corrupt { at: 0, .. } => assert_eq!(second, 0),
                Error::NotAStore { .. } => assert_eq!(first, 0),
                _ => panic!("{error}"),
            }
        }
        assert_eq!(std::fs::read(&path).expect("read"), bytes);
    }
}

#[test]
fn a_truncated_store_is_corrupt_and_stays_as_it_is() {
    let (_folder, path) = folder();
    make(&path);
    let good = std::fs::read(&path).expect("read");
    for len in [8, 511, 512, 4096, 16_383, 16_384, good.len() - 1] {
        std::fs::write(&path, &good[..len]).expect("written");
        let before = support::fingerprint(&path).expect("read");
        for mode in [Mode::Read, Mode::ReadWrite, Mode::Append] {
            for error in refused(&path, mode) {
                match error {
                    Error::Corrupt { at, .. } => assert!(at <= len as u64, "{len}"),
                    _ => panic!("{len}: {error}"),
                }
            }
        }
        assert!(support::fingerprint(&path).expect("read") == before);
    }
}

#[test]
fn an_empty_file_becomes_a_store_only_in_the_modes_that_make_one() {
    let (_folder, path) = folder();
    for mode in MODES {
        std::fs::write(&path, "").expect("written");
        let opened = support::open(&path, mode);
        match mode {
            Mode::Append | Mode::Replace => {
                let part = opened.expect("made").default_partition().expect("open");
                part.put("key", "value").expect("stored");
                drop(part);
                assert_eq!(value_of(&path), b"value");
                continue;
            }
            Mode::CreateNew => {
                let error = opened.expect_err("exists");
                assert_eq!(io_kind(&error), Some(std::io::ErrorKind::AlreadyExists));
            }
            Mode::Read | Mode::ReadWrite => {
                let error = opened.expect_err("refused").to_string();
                assert!(error.contains("an empty file"), "{error}");
            }
        }
        assert_eq!(std::fs::read(&path).expect("there"), b"");
    }
}

/// Opens one file from several threads at once, in a mode that may make it; how many
/// got a store while all that got one kept it.
fn open_at_once(path: &Path, mode: Mode) -> usize {
    let barrier = Barrier::new(3);
    std::thread::scope(|scope| {
        let open = || {
            barrier.wait();
            let opened = support::open(path, mode);
            barrier.wait();
            match opened {
                Err(Error::Locked { .. }) => 0,
                opened => opened.map(|_| 1).expect("opened or locked"),
            }
        };
        let threads = [scope.spawn(open), scope.spawn(open), scope.spawn(open)];
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum()
    })
}

#[test]
fn of_many_that_make_or_replace_a_store_at_once_one_gets_it() {
    let (folder, path) = folder();
    for round in 0..30 {
        for mode in [Mode::Append, Mode::Replace] {
            std::fs::write(&path, "").expect("emptied");
            assert_eq!(open_at_once(&path, mode), 1, "{round}: {mode:?}, empty");
            assert_eq!(open_at_once(&path, mode), 1, "{round}: {mode:?}, a store");
            std::fs::remove_file(&path).expect("removed");
            assert_eq!(open_at_once(&path, mode), 1, "{round}: {mode:?}, missing");
        }
    }
    let left = std::fs::read_dir(folder.path()).expect("listed").count();
    assert_eq!(left, 1, "files left behind");
}

#[test]
fn a_directory_a_missing_file_and_a_missing_folder_are_errors_of_the_system() {
    let (folder, path) = folder();
    for mode in MODES {
        for error in refused(folder.path(), mode) {
            assert_eq!(error.kind(), "io", "{mode:?}: {error}");
            assert!(
                error
                    .to_string()
                    .contains(folder.path().to_str().expect("UTF-8"))
            );
        }
        let missing = folder.path().join("none").join("a.alog");
        for error in refused(&missing, mode) {
            assert_eq!(
                io_kind(&error),
                Some(std::io::ErrorKind::NotFound),
                "{mode:?}"
            );
        }
    }
    for mode in [Mode::Read, Mode::ReadWrite] {
        for error in refused(&path, mode) {
            assert_eq!(
                io_kind(&error),
                Some(std::io::ErrorKind::NotFound),
                "{mode:?}"
            );
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 0);
    for mode in [Mode::Append, Mode::Replace, Mode::CreateNew] {
        support::open(&path, mode).expect("made");
        std::fs::remove_file(&path).expect("there");
    }
}

#[test]
fn what_is_no_regular_file_is_no_store_in_any_mode_and_is_not_waited_for() {
    let (_folder, path) = folder();
    let pipe = path.with_extension("pipe");
    let socket = path.with_extension("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    let mut others = vec![
        (socket, "a socket, not a regular file"),
        ("/dev/null".into(), "a character device, not a regular file"),
    ];
    if made.is_ok_and(|status| status.success()) {
        others.push((pipe, "a named pipe, not a regular file"));
    } else {
        println!("skipped: named pipes, no mkfifo");
    }
    for (path, reason) in others {
        let modes = [Mode::Read, Mode::ReadWrite, Mode::Append, Mode::Replace];
        let (done, outcome) = std::sync::mpsc::channel();
        let opened = path.clone();
        std::thread::spawn(move || {
            let errors = modes.map(|mode| refused(&opened, mode));
            done.send(errors).expect("waited for");
        });
        let errors = outcome.recv_timeout(Duration::from_secs(30));
        for error in errors.expect("waits for the other end").iter().flatten() {
            assert!(matches!(error, Error::NotAStore { .. }), "{error}");
            assert!(error.to_string().contains(reason), "{error}");
        }
        let error = support::open(&path, Mode::CreateNew).expect_err("it is there");
        assert_eq!(io_kind(&error), Some(std::io::ErrorKind::AlreadyExists));
    }
}

/// What another user hears who opens `path`; `None` where this user is not the
/// superuser, who alone may do as another.
fn as_nobody(path: &Path, mode: &str) -> Option<String> {
    let words = ["try-unprivileged", path.to_str().expect("UTF-8"), mode];
    let actor = Actor::start(env!("CARGO_BIN_EXE_actor"), &words).ok()?;
    let said = actor.finish().ok()?;
    said.last().filter(|_| said[0] != "kept").cloned()
}

#[test]
fn without_permission_opening_is_an_error_of_the_system_and_nothing_is_made() {
    let (folder, path) = folder();
    make(&path);
    let allow = |path: &Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("allowed");
    };
    allow(folder.path(), 0o755);
    allow(&path, 0o644);
    let Some(said) = as_nobody(&path, "r") else {
        println!("skipped: needs the superuser and a program that others may run");
        return;
    };
    assert_eq!(said, "opened");
    let before = support::fingerprint(&path).expect("read");
    let new = folder.path().join("new.alog");
    let denied = |path, mode| {
        let said = as_nobody(path, mode).expect("as before");
        assert!(
            said.starts_with("io: ") && said.ends_with("PermissionDenied"),
            "{mode}: {said}"
        );
    };
    ["r+", "a", "w"]
        .into_iter()
        .for_each(|mode| denied(&path, mode));
    ["a", "w", "x"]
        .into_iter()
        .for_each(|mode| denied(&new, mode));
    allow(&path, 0o600);
    denied(&path, "r");
    assert!(support::fingerprint(&path).expect("read") == before);
    assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1);
}

#[test]
fn a_second_writer_is_refused_until_the_first_one_closes() {
    let (_folder, path) = folder();
    let first = support::open(&path, Mode::Append).expect("made");
    for mode in [Mode::ReadWrite, Mode::Append, Mode::Replace] {
        for error in refused(&path, mode) {
            assert!(matches!(error, Error::Locked { .. }), "{mode:?}: {error}");
        }
    }
    first.close().expect("closed");
    support::open(&path, Mode::ReadWrite).expect("free");
}

#[test]
fn a_store_that_is_replaced_keeps_its_readers_and_its_links() {
    let (folder, path) = folder();
    make(&path);
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).expect("linked");
    let old = support::open(&path, Mode::Read).expect("opens");
    let new = support::open(&link, Mode::Replace).expect("replaced");
    let part = new.default_partition().expect("partition");
    assert!(part.is_empty().expect("counted"));
    part.put("key", "new").expect("stored");
    let part = old.default_partition().expect("partition");
    assert_eq!(
        part.get("key").expect("read").as_deref(),
        Some(&b"value"[..])
    );
    let error = old.refresh().expect_err("another store");
    assert_eq!(error.kind(), "replaced");
    assert_eq!(
        part.get("key").expect("read").as_deref(),
        Some(&b"value"[..])
    );
    assert_ne!(old.id(), new.id());
    assert_eq!(value_of(&path), b"new");
    assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 2);
}

#[test]
fn a_closed_store_answers_closed_to_everything_but_close() {
    let (_folder, path) = folder();
    for store in [
        support::open(&path, Mode::Append).expect("made"),
        Store::memory().expect("memory"),
    ] {
        let part = store.default_partition().expect("partition");
        part.put("key", "value").expect("stored");
        let batch = store.batch().expect("batch");
        let staged = batch.partition("default", "default").expect("partition");
        staged.put("more", "value").expect("staged");
        assert!(!store.is_closed());
        store.close().expect("closed");
        store.close().expect("closed before");
        assert!(store.is_closed());
        let answers = [
            part.get("key").map(drop),
            part.entry("key").map(drop),
            part.array("key", "x").map(drop),
            part.contains("key").map(drop),
            part.len().map(drop),
            part.is_empty().map(drop),
            part.keys().map(drop),
            part.entries().map(drop),
            part.reader().map(drop),
            part.put("key", "value"),
            part.write("key", &[], &Attrs::new()),
            part.remove("key").map(drop),
            part.rename("key", "new", false),
            part.clear().map(drop),
            store.batch().map(drop),
            store.sync(),
            store.refresh().map(drop),
            store.info().map(drop),
            store.collections().map(drop),
            store.partitions("default").map(drop),
            store.partition("default", "default").map(drop),
            store.existing_partition("default", "default").map(drop),
            staged.remove("key").map(drop),
            batch.commit().map(drop),
        ];
        for (number, answer) in answers.into_iter().enumerate() {
            assert!(
                matches!(answer, Err(Error::Closed { .. })),
                "{number}: {answer:?}"
            );
        }
    }
    assert_eq!(value_of(&path), b"value");
}

#[test]
fn a_store_that_is_open_for_reading_refuses_every_write_by_name() {
    let (_folder, path) = folder();
    make(&path);
    let before = support::fingerprint(&path).expect("read");
    let store = support::open(&path, Mode::Read).expect("opens");
    let part = store.default_partition().expect("partition");
    let answers = [
        part.put("key", "new"),
        part.write("key", &[], &Attrs::new()),
        part.remove("key").map(drop),
        part.rename("key", "new", false),
        part.clear().map(drop),
        store.batch().map(drop),
        store.sync(),
    ];
    for answer in answers {
        assert!(matches!(answer, Err(Error::ReadOnly { .. })), "{answer:?}");
    }
    store.close().expect("closed");
    assert!(support::fingerprint(&path).expect("read") == before);
}

fn not_found(error: Error) -> (What, String, Option<String>) {
    match error {
        Error::NotFound { what, name, hint } => (what, name, hint),
        _ => panic!("{error}"),
    }
}

#[test]
fn what_is_not_there_is_named_with_the_nearest_name() {
    let (_folder, path) = folder();
    make(&path);
    let store = support::open(&path, Mode::ReadWrite).expect("opens");
    let part = store.partition("argo", "2024-01").expect("partition");
    let arrays = [("temperature", ArraySpec::scalar(1.5f32))];
    part.write("float-42", &arrays, &Attrs::new())
        .expect("written");
    let reading = support::open(&path, Mode::Read).expect("opens");
    let partition = |collection, name| {
        let error = reading.partition(collection, name).expect_err("absent");
        not_found(error)
    };
    let hint = |hint: &str| Some(hint.to_owned());
    assert_eq!(
        partition("argos", "2024-01"),
        (What::Collection, "argos".to_owned(), hint("argo"))
    );
    assert_eq!(
        partition("argo", "2024-02"),
        (What::Partition, "2024-02".to_owned(), hint("2024-01"))
    );
    assert_eq!(partition("", "x").2, None);
    let error = store.partitions("defualt").expect_err("absent");
    assert_eq!(not_found(error).2, hint("default"));
    let error = part.array("float-42", "temprature").expect_err("absent");
    assert_eq!(
        not_found(error),
        (What::Array, "temprature".to_owned(), hint("temperature"))
    );
    let error = part.array("float-43", "temperature").expect_err("absent");
    assert_eq!(not_found(error), (What::Key, "float-43".to_owned(), None));
    let error = part.rename("float-43", "x", true).expect_err("absent");
    assert_eq!(not_found(error).0, What::Key);
    // Asking makes nothing.
    store.partition("new", "new").expect("not made yet");
    assert_eq!(store.collections().expect("listed"), ["default", "argo"]);
}

#[test]
fn an_entry_of_the_other_kind_is_refused_with_what_is_there() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    part.put("value", "12345").expect("stored");
    let arrays = [("x", ArraySpec::scalar(1u8))];
    part.write("arrays", &arrays, &Attrs::new())
        .expect("written");
    for error in [
        part.get("arrays").map(drop),
        part.reader().expect("mapped").get("arrays").map(drop),
    ] {
        let error = error.expect_err("arrays");
        assert!(matches!(error, Error::Kind { .. }), "{error}");
        assert!(error.to_string().contains("\"arrays\" holds arrays"));
    }
    let error = part.array("value", "x").expect_err("a value");
    assert!(error.to_string().contains("a value of 5 bytes"), "{error}");
    assert_eq!(part.array("arrays", "x").expect("array").shape(), [0u64; 0]);
}

#[test]
fn renaming_onto_another_key_is_a_conflict_unless_it_may_be_replaced() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    part.put("a", "1").expect("stored");
    part.put("b", "2").expect("stored");
    let error = part.rename("a", "b", false).expect_err("taken");
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    let batch = store.batch().expect("batch");
    let staged = batch.partition("default", "default").expect("partition");
    let error = staged.rename("a", "b", false).expect_err("taken");
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(part.get("b").expect("read").as_deref(), Some(&b"2"[..]));
    part.rename("a", "b", true).expect("replaced");
    assert_eq!(part.get("b").expect("read").as_deref(), Some(&b"1"[..]));
    assert_eq!(part.len().expect("counted"), 1);
}
