//! Files of a folder: making one, putting it in place.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{WriterLock, calls, system};
use crate::mutant::{Rule, broken};

/// What a file that has no name yet is for; part of the name that it has meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A new store.
    Init,
    /// The next generation of a store.
    Compact,
}

impl Purpose {
    const ALL: [Self; 2] = [Self::Init, Self::Compact];

    fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Compact => "compact",
        }
    }

    /// What the names of such files beside `target` start with.
    fn prefix(self, target: &Path) -> io::Result<OsString> {
        let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(format!(".{}.", self.name()));
        Ok(prefix)
    }
}

/// A new file beside `path` that nobody else has; removed again unless it is put in place.
#[derive(Debug)]
pub(crate) struct Unborn {
    pub(crate) file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Unborn {
    /// Makes `.NAME.PURPOSE.<random>` in the folder of `target`.
    pub(crate) fn create(target: &Path, purpose: Purpose, random: u64) -> io::Result<Self> {
        let mut own = purpose.prefix(target)?;
        own.push(format!("{random:016x}"));
        let path = target.with_file_name(own);
        let file = calls::create(&path)?;
        Ok(Self {
            file,
            path,
            target: target.to_owned(),
        })
    }

    /// The name that the file has meanwhile.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, which must be free, and makes the name durable.
    pub(crate) fn place_new(self) -> io::Result<File> {
        calls::rename_new(&self.path, &self.target)?;
        self.placed()
    }

    /// Gives the file its name, instead of what had it, and makes the name durable.
    pub(crate) fn place_over(self) -> io::Result<File> {
        self.take_name()?;
        self.placed()
    }

    /// Gives the file its name, instead of what had it.
    pub(super) fn take_name(&self) -> io::Result<()> {
        calls::rename(&self.path, &self.target)
    }

    /// Makes the name durable.
    pub(super) fn sync_folder(&self) -> io::Result<()> {
        sync_folder(&self.target)
    }

    fn placed(self) -> io::Result<File> {
        if !broken(Rule::NewStoreNameDurable) {
            self.sync_folder()?;
        }
        self.file.try_clone()
    }
}

impl Drop for Unborn {
    fn drop(&mut self) {
        // After it was put in place there is no file of this name; before, it is ours.
        let _ = fs::remove_file(&self.path);
    }
}

/// An empty file that is older than this has lost its owner, who locks it at once.
const FOUNDLING: Duration = Duration::from_secs(60);

/// Removes what killed programs left beside `target`: files that were to take its name and
/// that no process holds. How many; what cannot be asked or removed stays.
pub(crate) fn remove_leftovers(target: &Path) -> usize {
    let Ok(listed) = fs::read_dir(folder_of(target)) else {
        return 0;
    };
    let prefixes = Purpose::ALL.map(|purpose| purpose.prefix(target).unwrap_or_default());
    let is_one = |name: &[u8]| {
        prefixes.iter().any(|prefix| {
            let rest = name.strip_prefix(prefix.as_encoded_bytes());
            rest.is_some_and(|rest| rest.len() == 16 && rest.iter().all(u8::is_ascii_hexdigit))
        })
    };
    let names = listed.filter_map(|file| Some(file.ok()?.file_name()));
    let leftovers = names.filter(|name| is_one(name.as_encoded_bytes()));
    leftovers
        .filter(|name| remove_unheld(&target.with_file_name(name), target).unwrap_or(false))
        .count()
}

/// Removes the file unless somebody holds it. Of the store at `target`, which the caller
/// holds, it may be a second name.
fn remove_unheld(path: &Path, target: &Path) -> io::Result<bool> {
    // A link is not ours, and whoever makes such a file locks it before its first byte: an
    // empty one that is new may have an owner.
    let metadata = fs::symlink_metadata(path)?;
    let age = metadata
        .modified()
        .map(|since| since.elapsed().unwrap_or_default());
    let is_new = metadata.len() == 0 && age? < FOUNDLING;
    if !metadata.is_file() || is_new {
        return Ok(false);
    }
    let file = File::options().read(true).write(true).open(path)?;
    if !system::same(&file, target).unwrap_or(false) && !WriterLock::take(&file)? {
        return Ok(false);
    }
    fs::remove_file(path)?;
    Ok(true)
}

/// Makes the names in the folder of `path` durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    calls::sync_folder(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_never_takes_the_place_of_another() {
        let folder = tempfile::tempdir().expect("folder");
        let target = folder.path().join("a");
        fs::write(&target, "mine").expect("written");
        let unborn = Unborn::create(&target, Purpose::Init, 1).expect("created");
        let error = unborn.place_new().expect_err("exists");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&target).expect("read"), b"mine");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
        let unborn = Unborn::create(&target, Purpose::Init, 1).expect("created");
        unborn.place_over().expect("replaced");
        assert_eq!(fs::read(&target).expect("read"), b"");
    }
}
