//! What a write asks of the version that it replaces.

use std::fmt;

use crate::error::{Error, Result, describe_key};
use crate::log::{Located, Log};

/// Bits of the place of a record; the generation has those above.
const PLACE_BITS: u32 = 48;

/// Identifies one version of an entry: the place of its record and the generation of
/// the file that has it.
///
/// Grows with every write of a key until the file is compacted. A version of an earlier
/// generation is equal to none of this one. (The generation is kept modulo 65,536: a
/// version that is kept over exactly as many compactions might name another record.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(u64);

impl Version {
    fn new(generation: u64, place: u64) -> Self {
        Self(generation << PLACE_BITS | place)
    }

    /// The version that the record `located` of `log` is.
    #[inline]
    pub(crate) fn of(log: &Log, located: &Located) -> Self {
        Self::new(log.identity().generation, located.place())
    }
}

/// For programs that keep a version as a number, such as an ETag.
impl From<Version> for u64 {
    fn from(version: Version) -> Self {
        version.0
    }
}

/// A number that never was a version is equal to none.
impl From<u64> for Version {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What has to be at a key for a write of it to go ahead.
///
/// It is compared under the writer's lock, inside the commit: of several threads that
/// ask for the same, one goes ahead and the others get `Error::Conflict`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// Anything.
    #[default]
    Always,
    /// Nothing: put-if-absent.
    Absent,
    /// This version: replace-if-version.
    Version(Version),
}

impl Condition {
    /// `Absent` unless what is there may be overwritten.
    pub(crate) fn overwriting(overwrite: bool) -> Self {
        match overwrite {
            true => Self::Always,
            false => Self::Absent,
        }
    }

    /// Fails unless `found`, the version at `key`, is the expected one.
    pub(crate) fn check(self, key: &[u8], found: Option<Version>) -> Result<()> {
        let holds = match self {
            Self::Always => true,
            Self::Absent => found.is_none(),
            Self::Version(version) => found == Some(version),
        };
        if holds {
            return Ok(());
        }
        let found = found.map_or_else(|| NO_ENTRY.to_owned(), |found| format!("version {found}"));
        Err(self.conflict(key, found))
    }

    /// The error of a write to `key` where something else is found.
    pub(crate) fn conflict(self, key: &[u8], found: impl Into<String>) -> Error {
        let expected = match self {
            Self::Always => "anything".to_owned(),
            Self::Absent => NO_ENTRY.to_owned(),
            Self::Version(version) => format!("version {version}"),
        };
        Error::Conflict {
            key: describe_key(key),
            expected,
            found: found.into(),
        }
    }
}

const NO_ENTRY: &str = "no entry";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_another_generation_is_never_the_same() {
        let version = Version::new(0, 7);
        assert_eq!(u64::from(version), 7);
        assert_eq!(Version::from(7), version);
        for generation in 1..65_536 {
            assert_ne!(Version::new(generation, 7), version, "{generation}");
        }
        let old = Condition::Version(version);
        assert!(old.check(b"k", Some(Version::new(1, 7))).is_err());
        assert!(old.check(b"k", Some(version)).is_ok());
    }

    #[test]
    fn a_conflict_names_key_and_both_sides() {
        let condition = Condition::Version(Version::from(7));
        let error = condition.check(b"k", None).expect_err("absent");
        assert_eq!(
            error.to_string(),
            "conflict on key \"k\": expected version 7, found no entry"
        );
        let error = Condition::Absent.check(b"k", Some(Version::from(9)));
        assert_eq!(
            error.expect_err("there").to_string(),
            "conflict on key \"k\": expected no entry, found version 9"
        );
        assert!(Condition::Always.check(b"k", None).is_ok());
        assert!(Condition::Absent.check(b"k", None).is_ok());
    }
}
