//! Media that take no writes, and disks that are full.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use arraylog::{CompactOptions, Mode, Store};
use support::process::Actor;

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    (folder, path)
}

fn line(actor: &mut Actor) -> String {
    actor.line().expect("read").expect("a line")
}

/// Writes while `actor` reads what it may not write to, of which the system says `denied`.
fn is_read_and_followed(writer: &Store, mut actor: Actor, denied: &str) {
    let part = writer.default_partition().expect("a partition");
    let mut says = |expected: &str| {
        actor.sign().expect("told");
        assert_eq!(line(&mut actor), expected);
    };
    says("first 1 1 1");
    part.put("key", "second").expect("stored");
    part.put("more", "").expect("stored");
    says("second 2 2 2");
    writer.compact(&CompactOptions::new()).expect("compacted");
    part.put("key", "third").expect("stored");
    says("third 2 2 2");
    assert_eq!(line(&mut actor), "first", "the snapshot");
    for _ in 0..3 {
        let said = line(&mut actor);
        assert!(said.starts_with("io: ") && said.ends_with(denied), "{said}");
    }
    assert_eq!(actor.finish().expect("ends well"), Vec::<String>::new());
}

fn writer(path: &Path) -> Store {
    let writer = support::open(path, Mode::Append).expect("made");
    let part = writer.default_partition().expect("a partition");
    part.put("key", "first").expect("stored");
    writer
}

#[test]
fn a_store_on_a_read_only_mount_is_read_and_followed_and_not_opened_for_writing() {
    let (folder, path) = folder();
    let writer = writer(&path);
    let mounts = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0""#;
    let words = ["read-only", path.to_str().expect("UTF-8")];
    let actor = Actor::start_mounted(ACTOR, mounts, folder.path(), &words).expect("started");
    let Some(mut actor) = actor else {
        println!("skipped: needs a mount name space");
        return;
    };
    assert_eq!(line(&mut actor), "open");
    is_read_and_followed(&writer, actor, "ReadOnlyFilesystem");
}

#[test]
fn a_store_that_one_may_not_write_to_is_read_and_followed_and_not_opened_for_writing() {
    let (folder, path) = folder();
    let writer = writer(&path);
    for (path, mode) in [(&path, 0o444), (&folder.path().to_owned(), 0o555)] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("allowed");
    }
    let words = ["read-only-unprivileged", path.to_str().expect("UTF-8")];
    let mut actor = Actor::start(ACTOR, &words).expect("started");
    let skipped = "skipped: needs the superuser and a program that others may run";
    match actor.line().expect("read").as_deref() {
        Some("open") => is_read_and_followed(&writer, actor, "PermissionDenied"),
        Some("kept") => println!("{skipped}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_disk_refuses_streams_and_batches_and_takes_what_fits() {
    let (folder, path) = folder();
    let mounts = r#"mount -t tmpfs -o size=16m none "$0""#;
    let words = ["small-disk", path.to_str().expect("UTF-8")];
    let actor = Actor::start_mounted(ACTOR, mounts, folder.path(), &words).expect("started");
    let Some(mut actor) = actor else {
        println!("skipped: needs a mount name space");
        return;
    };
    for _ in 0..2 {
        let said = line(&mut actor);
        assert!(said.starts_with("not-committed: "), "{said}");
        assert!(said.contains("No space left"), "{said}");
    }
    let said = line(&mut actor);
    let expected = "io: cannot keep a batch in a temporary file for";
    assert!(
        said.starts_with(expected) && said.contains("No space left"),
        "{said}"
    );
    let staged: usize = line(&mut actor).parse().expect("a number");
    assert!(
        (16..20).contains(&staged),
        "64 MiB in memory, and some on the disk: {staged}"
    );
    let said = line(&mut actor);
    assert!(said.starts_with("not-committed: "), "{said}");
    assert_eq!(line(&mut actor), "before streamed after");
    assert_eq!(line(&mut actor), "1", "no file is left beside the store");
    actor.finish().expect("ends well");
}
