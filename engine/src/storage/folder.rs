//! Files of a folder: making one, putting it in place.
#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "renameat2 has no safe face")
)]

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A new file beside `path` that nobody else has; removed again unless it is put in place.
#[derive(Debug)]
pub(crate) struct Unborn {
    pub(crate) file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Unborn {
    /// Makes `.NAME.init.<random>` in the folder of `target`.
    pub(crate) fn create(target: &Path, random: u64) -> io::Result<Self> {
        let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut own = std::ffi::OsString::from(".");
        own.push(name);
        own.push(format!(".init.{random:016x}"));
        let path = target.with_file_name(own);
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        let file = options.open(&path)?;
        Ok(Self {
            file,
            path,
            target: target.to_owned(),
        })
    }

    /// Gives the file its name, which must be free, and makes the name durable.
    pub(crate) fn place_new(self) -> io::Result<File> {
        rename_new(&self.path, &self.target)?;
        self.placed()
    }

    /// Gives the file its name, instead of what had it, and makes the name durable.
    pub(crate) fn place_over(self) -> io::Result<File> {
        fs::rename(&self.path, &self.target)?;
        self.placed()
    }

    fn placed(self) -> io::Result<File> {
        sync_folder(&self.target)?;
        self.file.try_clone()
    }
}

impl Drop for Unborn {
    fn drop(&mut self) {
        // After it was put in place there is no file of this name; before, it is ours.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes the names in the folder of `path` durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Renames unless `to` exists.
#[cfg(target_os = "linux")]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;

    let c_from = CString::new(from.as_os_str().as_bytes())?;
    let c_to = CString::new(to.as_os_str().as_bytes())?;
    // SAFETY: both paths are NUL-terminated strings that live through the call.
    let result = unsafe {
        libc::renameat2(
            libc::AT_FDCWD,
            c_from.as_ptr(),
            libc::AT_FDCWD,
            c_to.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // Some file systems do not know the flag.
        Some(libc::EINVAL | libc::ENOSYS) => link_new(from, to),
        _ => Err(error),
    }
}

/// Renames unless `to` exists.
#[cfg(not(target_os = "linux"))]
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    link_new(from, to)
}

fn link_new(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_never_takes_the_place_of_another() {
        let folder = tempfile::tempdir().expect("folder");
        let target = folder.path().join("a");
        fs::write(&target, "mine").expect("written");
        let unborn = Unborn::create(&target, 1).expect("created");
        let error = unborn.place_new().expect_err("exists");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&target).expect("read"), b"mine");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
        let unborn = Unborn::create(&target, 1).expect("created");
        unborn.place_over().expect("replaced");
        assert_eq!(fs::read(&target).expect("read"), b"");
    }
}
