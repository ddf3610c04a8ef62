//! What a compaction is asked for, and what it did.

use std::fmt;
use std::ops::ControlFlow;

use super::pace::Progress;

/// Which past commits a compaction keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Keep {
    /// None: of every key its newest version stays. Snapshots that are open in this
    /// process stay what they are all the same; they keep the old file.
    #[default]
    Nothing,
    /// Those from the commit with this number on, which [`Store::at`](crate::Store::at)
    /// then still opens. Of what is older the state at that commit is kept.
    Since(u64),
}

/// How to compact.
#[derive(Clone, Copy)]
#[must_use]
pub struct CompactOptions<'a> {
    pub(super) keep: Keep,
    pub(super) throttle: Option<u64>,
    pub(super) progress: Option<Progress<'a>>,
    pub(super) dictionaries: bool,
    pub(super) level: Option<u32>,
}

impl Default for CompactOptions<'_> {
    fn default() -> Self {
        Self {
            keep: Keep::default(),
            throttle: None,
            progress: None,
            dictionaries: true,
            level: None,
        }
    }
}

impl fmt::Debug for CompactOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keep, throttle, .. } = self;
        write!(f, "CompactOptions({keep:?}, throttle {throttle:?})")
    }
}

impl<'a> CompactOptions<'a> {
    /// No past commit is kept, and it goes as fast as it can.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which past commits are kept.
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// Whether small arrays, of 32 bytes to 16 KiB, whose codec is zstd, share a dictionary of
    /// their partition: the default. It is trained on a sample of them, and used if it saves
    /// one byte of 32 and more than its room; each array can still be read alone. Costs about
    /// two seconds of training for a partition, and decoding and encoding its arrays once; a
    /// dictionary that serves most of them stays, and what it encoded is copied. False: what
    /// is there stays as it is.
    pub fn dictionaries(mut self, dictionaries: bool) -> Self {
        self.dictionaries = dictionaries;
        self
    }

    /// The level of zstd, 1 to 22, by which the arrays that share a dictionary are encoded, in
    /// place of that of each: their blocks then say it, and reading them costs the same. What
    /// shares one already at another level is encoded anew. Higher levels take fewer bytes and
    /// more time, here alone: the short series of the benchmarks take a ninth less of the file
    /// at 19 than at 3, and some tenths of a millisecond for each KiB. Without effect if
    /// [`dictionaries`](Self::dictionaries) is false.
    /// `Error::Invalid`, by [`Store::compact`](crate::Store::compact), for any other level.
    pub fn level(mut self, level: u32) -> Self {
        self.level = Some(level);
        self
    }

    /// Copies at most so many bytes a second of what is there at the start. What is
    /// committed meanwhile follows as fast as it can, since it would never end otherwise.
    pub fn throttle(mut self, bytes_per_second: u64) -> Self {
        self.throttle = Some(bytes_per_second);
        self
    }

    /// Calls `progress` every 2 MiB or so, and 20 times a second while it is throttled,
    /// with the bytes that were copied and those that will be, as far as is known. `Break`
    /// cancels. It is not asked any more once writers wait for the last part.
    pub fn progress(mut self, progress: &'a dyn Fn(u64, u64) -> ControlFlow<()>) -> Self {
        self.progress = Some(progress);
        self
    }
}

/// What a compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compacted {
    /// Bytes by which the file is shorter. Views and snapshots from before may keep the
    /// old file for a while.
    pub freed_bytes: u64,
    /// Bytes of the file now.
    pub file_bytes: u64,
    /// Bytes of the records that were copied.
    pub copied_bytes: u64,
    /// Number of the generation that serves now.
    pub generation: u64,
}
