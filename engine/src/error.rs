//! What can go wrong, with the place and what was expected.

use std::io;
use std::path::{Path, PathBuf};

use crate::format::Defect;

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a name in [`Error::NotFound`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A collection of the store.
    Collection,
    /// A partition of a collection.
    Partition,
    /// A key of a partition.
    Key,
    /// A named array of an entry.
    Array,
    /// An attribute of an entry.
    Attribute,
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Collection => "collection",
            Self::Partition => "partition",
            Self::Key => "key",
            Self::Array => "array",
            Self::Attribute => "attribute",
        })
    }
}

/// Everything that a store can refuse or fail to do.
///
/// The cause of an error, where there is one, is its
/// [`source`](std::error::Error::source) and is not repeated in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried, as a verb phrase: "open", "read the header of".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is not an arraylog store; it was not touched.
    #[error("`{}` is not an arraylog store: {reason}", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// The file has a format version, or needs a feature, that this build does not read.
    #[error("`{}` has format {found}; this build reads {supported}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Version (and unknown features) of the file.
        found: String,
        /// Version that this build reads and writes.
        supported: String,
    },
    /// Bytes of the file contradict the format or their checksum.
    #[error("corrupt data in `{}` at offset {at}: {defect}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// First byte of the structure that is wrong.
        at: u64,
        /// What is wrong with it.
        defect: Defect,
    },
    /// Another handle, here or in another process, writes to this file.
    #[error("`{}` is locked for writing: {holder}", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// Who holds the lock, as far as is known.
        holder: String,
    },
    /// A write to a store that was opened for reading.
    #[error("cannot {action}: `{}` is open for reading only (mode \"r\" or a snapshot)", path.display())]
    ReadOnly {
        /// The write.
        action: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The store was closed.
    #[error("cannot {action}: the store `{}` is closed", path.display())]
    Closed {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A write in a process forked from the one that opened the store.
    #[error(
        "cannot write to `{}` in process {pid}: it was opened by process {owner}, from which this one was forked; open it anew here",
        path.display()
    )]
    Forked {
        /// The file.
        path: PathBuf,
        /// Process that opened the store.
        owner: u32,
        /// This process.
        pid: u32,
    },
    /// A commit that is no longer in the file.
    #[error("commit {seqno} is gone from `{}`: compaction kept what there was from commit {oldest} on", path.display())]
    SnapshotGone {
        /// The file.
        path: PathBuf,
        /// The commit that was asked for.
        seqno: u64,
        /// The oldest commit that can be opened.
        oldest: u64,
    },
    /// The path of a store that is open for reading names something else now, and not the
    /// next generation of the store. What is held stays readable.
    #[error("the store at `{}` was replaced: {detail}", path.display())]
    Replaced {
        /// The path.
        path: PathBuf,
        /// What is there now.
        detail: String,
    },
    /// An entry cannot be read, and so not be copied by compaction or backup; the file was
    /// left as it is.
    #[error("cannot copy key {key:?} of {partition}: it is damaged")]
    Damaged {
        /// The key.
        key: String,
        /// Collection and partition, with a slash between them.
        partition: String,
        /// What is wrong, and where.
        source: Box<Error>,
    },
    /// The caller asked to stop; nothing was changed.
    #[error("cannot {action} `{}`: it was cancelled", path.display())]
    Cancelled {
        /// What was cancelled.
        action: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// An earlier sync failed; what reached the device is not known, so writing stopped.
    #[error("`{}` takes no more writes: an earlier sync failed; reopen it to go on", path.display())]
    Poisoned {
        /// The file.
        path: PathBuf,
        /// The first failure.
        source: io::Error,
    },
    /// The commit failed and left nothing behind; the store goes on.
    #[error("nothing was committed to `{}`", path.display())]
    NotCommitted {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The sync of a commit failed, or its write did and could not be taken back: it may or
    /// may not be there when the store is opened again.
    #[error("it is not known whether the commit to `{}` is on the device", path.display())]
    CommitUnknown {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The source of a value failed; nothing was stored.
    #[error("the source of the value of key {key:?} failed after {read} bytes; nothing was stored")]
    Source {
        /// The key.
        key: String,
        /// Bytes that it had given.
        read: u64,
        /// Its answer.
        source: io::Error,
    },
    /// Something that was asked for by name is not there.
    #[error("no {what} {name:?}{}", hint.as_ref().map(|h| format!("; did you mean {h:?}?")).unwrap_or_default())]
    NotFound {
        /// What was looked for.
        what: What,
        /// Its name.
        name: String,
        /// The nearest name that exists.
        hint: Option<String>,
    },
    /// A value was asked for and the entry holds arrays, or the other way round.
    #[error("entry {key:?} holds {found}, not {expected}")]
    Kind {
        /// The entry.
        key: String,
        /// What was asked for: "a value" or "arrays".
        expected: &'static str,
        /// What is there: "a value of 5 bytes", "arrays temperature, salinity".
        found: String,
    },
    /// An array has a dtype that cannot be stored or is not the one asked for.
    #[error("array {array:?}: {detail}")]
    DType {
        /// The array.
        array: String,
        /// What was expected and what was found.
        detail: String,
    },
    /// Shape, dims, mask or length of an array do not fit together.
    #[error("array {array:?}: {detail}")]
    Shape {
        /// The array.
        array: String,
        /// What was expected and what was found.
        detail: String,
    },
    /// A name or key that cannot be stored, or a value beyond a limit.
    #[error("{what}: {detail}")]
    Invalid {
        /// What was given: "collection name", "key", "attribute `lat`".
        what: String,
        /// The rule and what was found.
        detail: String,
    },
    /// An array is encoded by a codec that this build does not have.
    #[error(
        "array {array:?} has codec {codec:?}, which is not here: build arraylog with the cargo \
         feature of this name, or register a codec of this name"
    )]
    CodecUnavailable {
        /// Name of the codec, without level or parameters.
        codec: String,
        /// The array.
        array: String,
    },
    /// Something that this version does not do.
    #[error("{what} is not supported by this version")]
    Unsupported {
        /// What was asked for, by name: "codec \"zstd\" of partition \"a\"".
        what: String,
    },
    /// The entry that a conditional write expected is not the one that is there.
    #[error("conflict on key {key:?}: expected {expected}, found {found}")]
    Conflict {
        /// The key.
        key: String,
        /// The condition.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl Error {
    /// A stable name of the kind of error, for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::NotAStore { .. } => "not-a-store",
            Self::Version { .. } => "version",
            Self::Corrupt { .. } => "corrupt",
            Self::Locked { .. } => "locked",
            Self::ReadOnly { .. } => "read-only",
            Self::Closed { .. } => "closed",
            Self::Forked { .. } => "forked",
            Self::Poisoned { .. } => "poisoned",
            Self::SnapshotGone { .. } => "snapshot-gone",
            Self::Replaced { .. } => "replaced",
            Self::Damaged { .. } => "damaged",
            Self::Cancelled { .. } => "cancelled",
            Self::NotCommitted { .. } => "not-committed",
            Self::CommitUnknown { .. } => "commit-unknown",
            Self::Source { .. } => "source",
            Self::NotFound { .. } => "not-found",
            Self::Kind { .. } => "kind",
            Self::DType { .. } => "dtype",
            Self::Shape { .. } => "shape",
            Self::Invalid { .. } => "invalid",
            Self::Unsupported { .. } => "unsupported",
            Self::Conflict { .. } => "conflict",
            Self::CodecUnavailable { .. } => "codec-unavailable",
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// A key as people read it.
pub(crate) fn describe_key(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

/// There is no such key.
pub(crate) fn no_key(key: &[u8]) -> Error {
    Error::NotFound {
        what: What::Key,
        name: describe_key(key),
        hint: None,
    }
}

/// The name that one may have meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    // A third of the letters wrong is another name, not a slip.
    let near = |distance: usize, candidate: &str| distance * 3 <= name.len().max(candidate.len());
    // The lengths alone tell most of them apart, where a distance costs their product.
    let candidates = candidates.filter(|candidate| {
        let (letters, others) = (name.chars().count(), candidate.chars().count());
        near(letters.abs_diff(others), candidate)
    });
    let scored =
        candidates.map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate));
    let best = scored.min_by_key(|&(distance, _)| distance);
    best.filter(|&(distance, candidate)| near(distance, candidate))
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let names = ["temperature", "salinity"];
        assert_eq!(
            nearest("temprature", names.into_iter()).as_deref(),
            Some("temperature")
        );
        assert_eq!(nearest("pressure", names.into_iter()), None);
    }
}
