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

/// How a store will be read, for the system's cache of the file. It changes what reads
/// cost, never what they give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Advice {
    /// As the system does by itself: reads ahead a little.
    #[default]
    Normal,
    /// Here and there: nothing is read ahead.
    Random,
    /// From the start to the end: much is read ahead.
    Sequential,
    /// All of it, soon: reading starts now.
    WillNeed,
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

/// Bytes of decoded chunks that are kept unless another number is asked for: a few large
/// ones, or the rows of chunks that a slice of an array of three axes goes through.
const CHUNK_CACHE: u64 = 32 << 20;

/// How to open a store.
#[derive(Clone, Debug)]
#[must_use]
pub struct OpenOptions {
    pub(crate) mode: Mode,
    pub(crate) durability: Durability,
    pub(crate) verify: Verify,
    pub(crate) lock: bool,
    pub(crate) replay_bound: u64,
    pub(crate) scan: bool,
    pub(crate) follow: bool,
    pub(crate) at: Option<u64>,
    pub(crate) compact_when: Option<CompactWhen>,
    pub(crate) chunk_cache: u64,
    pub(crate) fixed: Option<Fixed>,
}

/// When a store is compacted without being asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompactWhen {
    /// Part of the file that it would free, from 0 to 1.
    pub(crate) dead_share: f64,
    /// Bytes of a file that is worth it.
    pub(crate) least_bytes: u64,
}

/// What is random in a store, given: the same writes then give the same bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed {
    pub(crate) store_id: [u8; 16],
    pub(crate) lineage_id: [u8; 16],
    pub(crate) seed: u64,
    /// Of this opening for writing.
    pub(crate) epoch: u16,
}

impl Fixed {
    /// The id of the file after so many compactions: each has its own.
    pub(crate) fn id_of(&self, generation: u64) -> [u8; 16] {
        let id = u128::from_le_bytes(self.store_id);
        id.wrapping_add(generation.into()).to_le_bytes()
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            durability: Durability::default(),
            verify: Verify::default(),
            // Two writers would overwrite each other's commits.
            lock: true,
            // Milliseconds of replay, and few enough checkpoints that a small store is
            // not busy with them.
            replay_bound: 1 << 16,
            scan: false,
            follow: false,
            at: None,
            compact_when: None,
            chunk_cache: CHUNK_CACHE,
            fixed: None,
        }
    }
}

impl OpenOptions {
    /// Mode `Read`, `Buffered`, verifying at first touch, with the writer's lock.
    pub fn new() -> Self {
        Self::default()
    }

    /// What may exist, and what may be done.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Durability of commits that do not say otherwise.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// When checksums of values are compared.
    pub fn verify(mut self, verify: Verify) -> Self {
        self.verify = verify;
        self
    }

    /// Whether a writer locks the file. Without the lock nothing keeps a second writer
    /// away, which would destroy commits; for file systems that have no locks.
    pub fn lock(mut self, lock: bool) -> Self {
        self.lock = lock;
        self
    }

    /// Takes a checkpoint when more than `records`, and more than a quarter of all, would
    /// have to be replayed after an unclean stop, or more than a gibibyte (default: 65,536
    /// records). `u64::MAX` leaves it to the gibibyte.
    pub fn replay_bound(mut self, records: u64) -> Self {
        self.replay_bound = records;
        self
    }

    /// Compacts in a thread of its own, as by `Store::compact` without options, when that
    /// would free at least `dead_share` (from 0 to 1) of a file of at least `least_bytes`
    /// bytes. Off by default. It is looked at when a commit has made the log an eighth
    /// longer than the last time, which opens the index of every partition. Past commits
    /// are gone then. Opening answers `Error::Invalid` for another share.
    pub fn compact_when(mut self, dead_share: f64, least_bytes: u64) -> Self {
        self.compact_when = Some(CompactWhen {
            dead_share,
            least_bytes,
        });
        self
    }

    /// Keeps at most so many bytes of decoded chunks in memory (default: 32 MiB; 0: none).
    /// A chunk of an array with a codec is kept when a part of it was read, so that reading
    /// such an array row by row decodes each chunk once. Memory is taken as chunks are
    /// read, and given back with the store. What is lent stays valid.
    pub fn chunk_cache(mut self, bytes: u64) -> Self {
        self.chunk_cache = bytes;
        self
    }

    /// Reads the whole log instead of the index that the file has: for a file whose index
    /// is damaged.
    pub fn scan(mut self, scan: bool) -> Self {
        self.scan = scan;
        self
    }

    /// Has every lookup, list, walk and count see what another process has committed by
    /// then, as if [`Store::refresh`](crate::Store::refresh) stood before it. For a store
    /// that is opened for reading; a writer has no others to follow. Where the file was
    /// compacted a lookup goes on with the new one, which costs an opening, and where the
    /// path was given to another store it answers `Error::Replaced`; what other programs do
    /// to the path, `refresh` alone notices. Costs two loads where nothing happened, and two
    /// calls of the system where reads copy. Walks, readers and snapshots stay as they were
    /// made.
    pub fn follow(mut self, follow: bool) -> Self {
        self.follow = follow;
        self
    }

    /// Shows the store as it was after the commit `seqno`, until
    /// [`refresh`](crate::Store::refresh) moves on; for mode `Read` alone. Opening then
    /// replays what follows the newest checkpoint before it, and answers what
    /// [`Store::at`](crate::Store::at) answers for a commit that is not there.
    pub fn at(mut self, seqno: u64) -> Self {
        self.at = Some(seqno);
        self
    }
}
