//! How a store is opened and how sure a commit is.

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// In the kernel when the call returns: survives the end of the process,
    /// by any signal, but not a loss of power. The default, made for ingestion.
    #[default]
    Buffered,
    /// On the device when the call returns. Costs one device flush per commit.
    Synced,
}

/// When the checksum of a value is compared with its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// The first time that a process touches it (large values: each block of 64 KiB).
    #[default]
    First,
    /// At every read.
    Always,
    /// Not when it is read. Opening still checks what it replays.
    Never,
}

/// What may exist before opening, and what may be done after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// `r`: must exist; reading only. Writes nothing and takes no lock.
    #[default]
    Read,
    /// `r+`: must exist; reading and writing.
    ReadWrite,
    /// `a`: made if it is missing or empty; reading and writing.
    Append,
    /// `w`: a new store, put in the place of an old *store* if there is one.
    Replace,
    /// `x`: a new store; must not exist.
    CreateNew,
}

impl Mode {
    /// Whether a store opened so takes writes.
    #[must_use]
    pub fn writes(self) -> bool {
        self != Self::Read
    }
}
