//! Crashes while a file is made: what the name of the store leads to then, and what becomes
//! of it.
//!
//! A real file is made, and its calls are written down. After each of them the folder is put
//! together as a kill leaves it, and as losses of power do: any of the sectors of the new file
//! since its sync, any of the names since that of the folder, and beside it, or under its
//! name, what was there before. The real code opens that.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::test_runner::TestRng;
use tempfile::TempDir;

use super::disk::Content;
use super::{rng, say};
use crate::Error;
use crate::format::LOG_START;
use crate::format::header::{IDENTITY_COPY, LIVE, SLOTS};
use crate::open;
use crate::options::{Durability, Mode, OpenOptions};
use crate::storage::{Creation, Done, FileStorage, faults};
use crate::store::Store;

/// The name of the store.
const NAME: &str = "a.alog";

/// The name that a file has before.
const OWN: &str = ".a.alog.init.00000000000000aa";

/// What has the name before.
#[derive(Clone, Debug)]
enum Older {
    Nothing,
    Empty,
    /// A store with one value, which may have told its readers already that it is replaced.
    Store(Vec<u8>),
}

/// What the names of a folder lead to.
#[derive(Clone, Debug)]
struct Names {
    /// Whether the new file has the name of the store.
    named: bool,
    /// Whether it has, or still has, its own.
    own: bool,
}

/// A folder after some calls.
#[derive(Clone, Debug, Default)]
struct Folder {
    file: Content,
    /// Changes of names since they were durable, and those before.
    pending: Vec<Done>,
    durable: Vec<Done>,
}

impl Names {
    fn after<'a>(changes: impl Iterator<Item = &'a Done>) -> Self {
        let mut names = Self {
            named: false,
            own: false,
        };
        for change in changes {
            match change {
                Done::Created => names.own = true,
                Done::Renamed => (names.named, names.own) = (true, false),
                Done::Linked => names.named = true,
                _ => names.own = false,
            }
        }
        names
    }
}

impl Folder {
    fn apply(&mut self, call: &Done) {
        match call {
            Done::Written(at, bytes) => self.file.write(*at, bytes),
            Done::Synced => self.file.sync(),
            Done::FolderSynced => self.durable.append(&mut self.pending),
            name => self.pending.push(name.clone()),
        }
    }

    /// What the names may lead to after a loss of power: any of their changes may be there.
    fn names(&self) -> impl Iterator<Item = Names> {
        (0..1u32 << self.pending.len()).map(|subset| {
            let pending = self.pending.iter().enumerate();
            let kept = pending.filter(move |(number, _)| subset >> number & 1 == 1);
            Names::after(self.durable.iter().chain(kept.map(|(_, change)| change)))
        })
    }
}

/// A folder in memory, where there is one.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("folder")
}

fn open(path: &Path, mode: Mode) -> Result<Store, Error> {
    OpenOptions::new().mode(mode).open(path)
}

/// The bytes of a store of one value, before it was replaced and after.
fn older() -> [Vec<u8>; 2] {
    let folder = folder();
    let (path, kept) = (folder.path().join(NAME), folder.path().join("kept"));
    let store = open(&path, Mode::Append).expect("made");
    let part = store.partition("c", "p").expect("partition");
    part.put("older", "value").expect("stored");
    store.close().expect("closed");
    fs::hard_link(&path, &kept).expect("linked");
    let before = fs::read(&kept).expect("read");
    drop(open(&path, Mode::Replace).expect("replaced"));
    let after = fs::read(&kept).expect("read");
    assert_ne!(before, after, "its readers are told");
    [before, after]
}

/// The calls that make a file over what there was.
fn calls(older: &Older) -> Vec<Done> {
    let folder = folder();
    let path = folder.path().join(NAME);
    older.lay(&path);
    let identity = open::new_identity(&path).expect("random");
    let creation = match older {
        Older::Nothing => Creation::New,
        Older::Empty | Older::Store(_) => Creation::Over,
    };
    let header = open::header(&identity);
    let make = || FileStorage::create(&path, &header, 1, creation, true);
    let (made, calls) = faults::recording(make);
    made.expect("made");
    calls
}

impl Older {
    fn lay(&self, path: &Path) {
        match self {
            Self::Nothing => {}
            Self::Empty => fs::write(path, "").expect("written"),
            Self::Store(bytes) => fs::write(path, bytes).expect("written"),
        }
    }
}

/// Whether a store holds what it should: nothing, or the value of the older one.
fn holds(store: &Store, is_older: bool) -> Result<(), String> {
    let there = store.has_partition("c", "p").map_err(told)?;
    if there != is_older {
        return Err(format!("partition \"p\" is there: {there}"));
    }
    if !is_older {
        return Ok(());
    }
    let part = store.partition("c", "p").map_err(told)?;
    match part.get("older").map_err(told)?.as_deref() {
        Some(b"value") => Ok(()),
        found => Err(format!("the older value is {found:?}")),
    }
}

fn told(error: Error) -> String {
    error.to_string()
}

/// Opens what is there and goes on with it. `own`: what the new file has left under its first
/// name.
fn examine(path: &Path, older: &Older, is_new: bool, own: Option<&PathBuf>) -> Result<(), String> {
    let is_older = !is_new && matches!(older, Older::Store(_));
    let reading = open(path, Mode::Read);
    match (reading, older) {
        (Ok(store), _) if is_new || is_older => holds(&store, is_older)?,
        (Err(Error::Io { source, .. }), Older::Nothing)
            if !is_new && source.kind() == std::io::ErrorKind::NotFound => {}
        (Err(Error::NotAStore { .. }), Older::Empty) if !is_new => {}
        (Ok(_), _) => return Err("a reader opens what is no store".to_owned()),
        (Err(error), _) => return Err(format!("reading: {error}")),
    }
    // Where there is a store, none is made.
    if is_new || is_older {
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        match open(path, Mode::CreateNew) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
            }
            other => return Err(format!("a new one: {:?}", other.map(drop))),
        }
        if fs::read(path).ok() != Some(bytes) {
            return Err("a new one that was refused changed the file".to_owned());
        }
    }
    let store = open(path, Mode::Append).map_err(|error| format!("writing: {error}"))?;
    holds(&store, is_older)?;
    // A file that nobody holds is gone, but an empty one, which may have an owner.
    if let Some(own) = own.filter(|own| own.exists())
        && fs::metadata(own).is_ok_and(|metadata| metadata.len() > 0)
    {
        return Err("what was left beside it stays".to_owned());
    }
    let put = || {
        let mut batch = store.batch()?;
        batch.set_durability(Durability::Synced);
        batch.partition("c", "q")?.put("new", "value")?;
        batch.commit()?;
        store.close()
    };
    put().map_err(|error| format!("going on: {error}"))?;
    let again = open(path, Mode::Read).map_err(|error| format!("opening again: {error}"))?;
    holds(&again, is_older)?;
    let part = again.partition("c", "q").map_err(told)?;
    match part.get("new").map_err(told)?.as_deref() {
        Some(b"value") => Ok(()),
        found => Err(format!("what was committed then is {found:?}")),
    }
}

/// All crashes after some calls. An error: what is wrong.
fn crashes(
    folder: &Folder,
    older: &Older,
    has_returned: bool,
    (losses, rng): (usize, &mut TestRng),
    images: &mut u64,
) -> Result<(), String> {
    let all = folder.durable.iter().chain(&folder.pending);
    let killed = (Names::after(all), folder.file.killed(), "killed".to_owned());
    let mut found = vec![killed];
    for names in folder.names() {
        // The bytes of a file that no name leads to do not matter.
        let most = if names.named { losses } else { 4 };
        for loss in folder.file.losses(rng, most) {
            let bytes = folder.file.after(&loss);
            found.push((names.clone(), bytes, loss.describe()));
        }
    }
    for (names, bytes, what) in found {
        let place = self::folder();
        let (path, own) = (place.path().join(NAME), place.path().join(OWN));
        match names.named {
            true => fs::write(&path, &bytes).expect("written"),
            false => older.lay(&path),
        }
        match (names.own, names.named) {
            (false, _) => {}
            (true, true) => fs::hard_link(&path, &own).expect("linked"),
            (true, false) => fs::write(&own, &bytes).expect("written"),
        }
        *images += 1;
        if has_returned && !names.named {
            return Err(format!(
                "{what}: it was made, and the name does not lead to it"
            ));
        }
        let own = (names.own && !names.named).then_some(&own);
        examine(&path, older, names.named, own).map_err(|error| format!("{what}: {error}"))?;
    }
    Ok(())
}

/// All crashes of making a file where nothing is, over an empty file, and over a store. An
/// error names the first call after which something was wrong.
pub(super) fn sweep(seed: u64, losses: usize, images: &mut u64) -> Result<(), String> {
    let [before, after] = older();
    let all = [
        (Older::Nothing, Older::Nothing),
        (Older::Empty, Older::Empty),
        (Older::Store(before.clone()), Older::Store(before.clone())),
        // Its readers are told when the new one has the name, which may be lost again.
        (Older::Store(before), Older::Store(after)),
    ];
    let mut rng = rng(seed);
    for (older, left) in &all {
        let calls = calls(older);
        let mut folder = Folder::default();
        for number in 0..=calls.len() {
            if let Some(call) = number.checked_sub(1).and_then(|last| calls.get(last)) {
                folder.apply(call);
            }
            let has_returned = number == calls.len();
            let loss = (losses, &mut rng);
            crashes(&folder, left, has_returned, loss, images)
                .map_err(|error| format!("call {number}: {error}"))?;
        }
    }
    Ok(())
}

#[test]
fn a_crash_at_any_call_that_makes_a_file_leaves_what_was_there_or_an_empty_store() {
    let mut images = 0;
    if let Err(error) = sweep(1, 40, &mut images) {
        panic!("{error}");
    }
    say(format!("{images} images of a file that is made"));
    assert!(images > 60, "{images}");
}

#[test]
fn a_file_is_made_by_a_write_a_sync_a_name_and_the_sync_of_that() {
    let calls = calls(&Older::Nothing);
    let kinds: Vec<String> = calls.iter().map(|call| format!("{call:?}")).collect();
    let kinds = kinds
        .iter()
        .map(|call| call.split('(').next().unwrap_or_default());
    let kinds: Vec<&str> = kinds.collect();
    assert_eq!(
        kinds,
        ["Created", "Written", "Synced", "Renamed", "FolderSynced"]
    );
}

/// No crash leaves this under the name of a store, but a copy that ended early may.
#[test]
fn a_file_with_a_part_of_its_header_is_refused_by_reason_or_is_an_empty_store() {
    let identity = open::new_identity(NAME.as_ref()).expect("random");
    let header = open::header(&identity);
    let mut content = Content::default();
    content.write(0, &header);
    let mut rng = rng(5);
    let mut found: Vec<Vec<u8>> = Vec::new();
    for loss in content.losses(&mut rng, 300) {
        found.push(content.after(&loss));
    }
    for at in [0, IDENTITY_COPY, SLOTS[0], SLOTS[1], LIVE, LOG_START] {
        for cut in [at, at + 1, at + 60, at + 511, at + 512] {
            found.push(header[..header.len().min(cut as usize)].to_vec());
        }
    }
    let (mut opened, mut refused) = (0, 0);
    for bytes in found {
        let place = folder();
        let path = place.path().join(NAME);
        for mode in [Mode::Read, Mode::Append] {
            fs::write(&path, &bytes).expect("written");
            match open(&path, mode) {
                Ok(store) => {
                    holds(&store, false).expect("nothing");
                    opened += 1;
                }
                Err(Error::NotAStore { .. } | Error::Corrupt { .. }) => {
                    assert_eq!(fs::read(&path).expect("read"), bytes, "it is left alone");
                    refused += 1;
                }
                Err(other) => panic!("{mode:?} of {} bytes: {other}", bytes.len()),
            }
        }
        // And it can be replaced.
        let replaced = open(&path, Mode::Replace);
        if let Err(error) = &replaced {
            assert!(
                matches!(error, Error::NotAStore { .. }) && !bytes.is_empty(),
                "{error}"
            );
        }
    }
    assert!(
        opened > 20 && refused > 20,
        "{opened} opened, {refused} refused"
    );
}

/// Where a file can be given no name that has to be free but by a second one, a crash leaves
/// both.
#[test]
fn a_second_name_of_a_store_goes_at_the_next_opening_for_writing() {
    let place = folder();
    let (path, own) = (place.path().join(NAME), place.path().join(OWN));
    open(&path, Mode::Append)
        .expect("made")
        .close()
        .expect("closed");
    fs::hard_link(&path, &own).expect("linked");
    let store = open(&path, Mode::Append).expect("opened");
    assert!(
        !own.exists(),
        "it is one file, which the writer holds itself"
    );
    let part = store.partition("c", "p").expect("partition");
    part.put("k", "v").expect("stored");
    store.close().expect("closed");
    let again = open(&path, Mode::Read).expect("opened");
    assert_eq!(again.seqno(), 1);
}
