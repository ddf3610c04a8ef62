//! Rules of the protocol, which a test can break one at a time.
//!
//! A suite of crashes that no broken store fails proves nothing. So the code that keeps a
//! rule asks here whether it is to keep it; `crash/mutants.rs` breaks each rule in turn and
//! holds that the suite finds out. Outside of tests the answer is a constant and costs
//! nothing.

/// A rule, named by what is so as long as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A record counts only if its sum holds.
    RecordSum,
    /// A wide record beyond the witness counts only if its blocks have their sums.
    BlockSums,
    /// A frame counts only if it has the records that its header says.
    FrameSum,
    /// The header of a frame that could not be written whole is overwritten.
    TakenBack,
    /// So durably, if the frame has more than a page.
    TakenBackDurably,
    /// A synced commit returns after a sync.
    SyncedCommit,
    /// A synced commit is shown after the sync.
    ShownWhenDurable,
    /// A durable end is told after the sync that covers it.
    DurableEndAfterSync,
    /// Nothing is written after a failed sync.
    FailedSyncIsLast,
    /// A slot names a checkpoint after a sync of it.
    NamedAfterSync,
    /// Slots are written by turns.
    SlotsByTurns,
    /// A slot counts only if its sum holds.
    SlotSum,
    /// A durable end of the live page counts only if its check holds.
    DurableCheck,
    /// A checkpoint that no slot names counts in the run of the system that wrote it.
    RunOfTheSystem,
    /// Replay starts where the index was frozen.
    ReplayFromFrozen,
    /// Frames before a durable end are never passed over.
    Witness,
    /// Nor are those of which a later header says that they were durable.
    LaterHeaders,
    /// What a crash left is covered before anything is written behind it.
    Covered,
    /// Durably.
    CoveredDurably,
    /// A frame that covers it ends inside the file.
    CoverInsideFile,
    /// A compacted file is on the device before it takes the name.
    NewFileDurable,
    /// The new name is durable before anybody writes to the new file.
    NewNameDurable,
    /// Nobody writes to it if that fails.
    NewNameOrNothing,
    /// Commits that come while a file is compacted are copied too.
    CommitsFollowed,
    /// The last of them while nobody can commit.
    RestUnderLock,
    /// Handles go on with the new file.
    HandlesGoOn,
    /// Before anybody commits again.
    HandlesBeforeWriters,
    /// A version of an entry is committed together with its chunks.
    ChunksWithVersion,
    /// Behind them.
    ChunksBeforeVersion,
    /// No two definitions of chunked arrays have one id.
    NewArrayId,
    /// A chunk that is cut off is emptied.
    CutOffEmptied,
    /// An amendment counts only behind the newest whole version.
    AmendmentBehindWhole,
    /// Amendments count no more when a later one has taken them in.
    TakenIn,
    /// What stands beside the entries of a partition has the index that a checkpoint saved.
    SidesSaved,
    /// Compaction copies chunks before the entries that have them.
    ChunksCopiedFirst,
    /// It folds amendments into their entries.
    AmendmentsFolded,
    /// A new store is on the device before it has its name.
    NewStoreDurable,
    /// Its name is durable before anybody writes to it.
    NewStoreNameDurable,
}

/// Whether a test breaks this rule.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn broken(_: Rule) -> bool {
    false
}

#[cfg(test)]
pub(crate) use test::{broken, with};

#[cfg(test)]
mod test {
    use std::cell::Cell;

    use super::Rule;

    thread_local! {
        static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
    }

    /// Whether the test on this thread breaks this rule.
    pub(crate) fn broken(rule: Rule) -> bool {
        BROKEN.get() == Some(rule)
    }

    /// Does `work` with a rule broken on this thread.
    pub(crate) fn with<T>(rule: Option<Rule>, work: impl FnOnce() -> T) -> T {
        let before = BROKEN.replace(rule);
        let done = work();
        BROKEN.set(before);
        done
    }
}
