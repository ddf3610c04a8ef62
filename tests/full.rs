//! Disks without room, and files that may not grow.

use support::process::Actor;

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

fn said(words: &[&str]) -> Vec<String> {
    let actor = Actor::start(ACTOR, words).expect("started");
    actor.finish().expect("it ends well")
}

/// How often something was refused, or why it was skipped.
fn refused(words: &[&str]) -> Result<u64, String> {
    let last = said(words).pop().expect("a line");
    match last.strip_prefix("skipped: ") {
        Some(why) => Err(why.to_owned()),
        None => Ok(last.parse().expect("a number")),
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_grow_refuses_what_is_too_much_and_keeps_the_rest() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let words = ["short-files", path.to_str().expect("UTF-8"), "0", "100000"];
    let refused = refused(&words).expect("every system can do this");
    assert!(refused > 100, "{refused} refusals");
}

#[test]
fn a_file_system_without_room_refuses_what_is_too_much_and_keeps_the_rest() {
    let folder = tempfile::tempdir().expect("folder");
    let words = ["full-tmpfs", folder.path().to_str().expect("UTF-8")];
    match refused(&words) {
        Ok(refused) => assert!(refused > 100, "{refused} refusals"),
        Err(why) => println!("skipped: {why}"),
    }
}
