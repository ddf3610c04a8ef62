//! Who the store in a file is.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::error::{Error, Result};
use crate::format::header::{IDENTITY_COPY, IDENTITY_LEN, Identity, IdentityError};
use crate::format::{Defect, FORMAT_VERSION, pieced};
use crate::storage::system;

/// The bytes of an identity, and how many of them the file has.
fn read(file: &File, path: &Path, at: u64) -> Result<([u8; IDENTITY_LEN], usize)> {
    let mut bytes = [0; IDENTITY_LEN];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match system::read_at(file, rest, at + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read the header of", path)(error)),
        }
    }
    Ok((bytes, filled))
}

/// As [`identity`]; if the copy is damaged too, what both of them give together.
pub(super) fn pieced_identity(file: &File, path: &Path) -> Result<Identity> {
    let refused = match identity(file, path) {
        Err(error @ (Error::Corrupt { .. } | Error::NotAStore { .. })) => error,
        found => return found,
    };
    let pages = [read(file, path, 0)?.0, read(file, path, IDENTITY_COPY)?.0];
    if let Some(identity) = pieced::identity(&pages) {
        log::warn!(
            "{}: both copies of the identity are damaged; it was pieced together",
            path.display()
        );
        return Ok(identity);
    }
    match refused {
        Error::Corrupt { path, at, .. } => Err(Error::Corrupt {
            path,
            at,
            defect: Defect::Lost {
                what: "the identity of the store",
                because: "both copies are damaged and do not give it together, and the random \
                    seed that every sum of a record is made with stands nowhere else",
            },
        }),
        other => Err(other),
    }
}

/// Who the store in `file` is, from the first page or, if that is damaged, its copy.
pub(super) fn identity(file: &File, path: &Path) -> Result<Identity> {
    let (bytes, len) = read(file, path, 0)?;
    let first = match Identity::parse(bytes.get(..len).unwrap_or_default()) {
        Ok(identity) => return Ok(identity),
        Err(error) => error,
    };
    if let IdentityError::Version(found) = first {
        return Err(version(path, found));
    }
    let (copy, copy_len) = read(file, path, IDENTITY_COPY)?;
    if let Ok(identity) = Identity::parse(copy.get(..copy_len).unwrap_or_default()) {
        log::warn!(
            "{}: the first page is damaged; its copy was used",
            path.display()
        );
        return Ok(identity);
    }
    match first {
        IdentityError::Damaged(defect) => Err(Error::Corrupt {
            path: path.to_owned(),
            at: 0,
            defect,
        }),
        _ if len == 0 => Err(not_a_store(path, "an empty file".to_owned())),
        _ => {
            let start: Vec<String> = bytes
                .iter()
                .take(len.min(8))
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let reason = format!(
                "it starts with {}, not with 89 41 4c 47 0d 0a 1a 0a",
                start.join(" ")
            );
            Err(not_a_store(path, reason))
        }
    }
}

pub(super) fn version(path: &Path, found: String) -> Error {
    Error::Version {
        path: path.to_owned(),
        found,
        supported: FORMAT_VERSION.to_owned(),
    }
}

pub(super) fn not_a_store(path: &Path, reason: String) -> Error {
    Error::NotAStore {
        path: path.to_owned(),
        reason,
    }
}
