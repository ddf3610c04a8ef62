//! A store: one file, opened.

use std::path::Path;
use std::sync::Arc;

use crate::arena::Pool;
use crate::batch::Batch;
use crate::catalog::{
    CATALOG, Catalog, Drafts, Interning, PartitionState, Resolved, Row, RowValue, check_name,
};
use crate::checkpoint::{Background, Start};
use crate::chunks::ArrayIds;
use crate::compaction::Automatic;
use crate::counters::Counters;
use crate::damage::Damage;
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::follow::Follower;
use crate::format::record::{MAX_KEY, RecordKind, key_hash};
use crate::format::{place, value_align};
use crate::generation::Shared;
use crate::index::Hash;
use crate::log::{Located, Log, Op, Replayed, Until, WriterGuard};
use crate::open;
use crate::options::{Durability, Mode, OpenOptions};
use crate::partition::Partition;
use crate::snapshot::check_kept;
use crate::staged::{Change, Sums, Target};

/// Name of the collection, and of its partition, that a plain key/value store uses.
pub const DEFAULT_NAME: &str = "default";

/// An open store. Cloning counts a reference; any thread may use it.
///
/// One writer at a time, in this process or another, and any number of readers. Without
/// [`close`](Self::close) a writer loses nothing but the flush to the device.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) shared: Arc<Shared>,
}

/// One generation of a store: an open file and what is known about it.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) log: Arc<Log>,
    pub(crate) catalog: Arc<Catalog>,
    /// Room for batches.
    pub(crate) pool: Arc<Pool>,
    pub(crate) array_ids: Arc<ArrayIds>,
    /// Checkpoints that are taken while others work.
    pub(crate) background: Background,
    pub(crate) automatic: Automatic,
    pub(crate) mode: Mode,
    /// Whether this is a snapshot, which shows nothing new.
    pub(crate) fixed: bool,
    /// If each lookup takes in what another process committed.
    pub(crate) follower: Option<Follower>,
    pub(crate) recovery: Recovery,
}

/// What opening found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recovery {
    /// Commits replayed.
    pub commits: u64,
    /// Records replayed.
    pub records: u64,
    /// Whether the last writer closed the store.
    pub clean: bool,
    /// Bytes after the last whole commit that were skipped (0 if none).
    pub torn_bytes: u64,
    /// Where they start.
    pub torn_at: u64,
    /// Seqno up to which a checkpoint saved the index; what follows was replayed. 0 if
    /// there was none, or none that could be used.
    pub checkpoint: u64,
    /// Why newer checkpoints were passed over, the newest first; usually none.
    pub passed_over: Vec<String>,
    /// What [`OpenOptions::open_degraded`] found damaged, in the order of the file. Large
    /// values are compared when they are read; [`Store::verify`] reads all.
    pub damage: Vec<Damage>,
}

impl Store {
    /// How to open a store: `Store::options().mode(Mode::Append).open("a.alog")`.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// A store in memory, gone with its last handle and view.
    pub fn memory() -> Result<Self> {
        open::memory(&OpenOptions::new())
    }

    /// Opens `log` by replaying it; `made` if this process has just made it.
    pub(crate) fn replayed(log: Log, options: &OpenOptions) -> Result<Self> {
        let log = Arc::new(log);
        if let Some(seqno) = options.at {
            check_kept(&log, seqno)?;
        }
        let start = Start::find(&log, options)?;
        let background = Background::new(options.replay_bound, start.slot, start.saved());
        let mut inner = Inner {
            log,
            catalog: Arc::new(start.catalog),
            pool: Arc::default(),
            array_ids: Arc::new(match options.fixed {
                Some(fixed) => ArrayIds::fixed(fixed.epoch.into()),
                None => ArrayIds::default(),
            }),
            background,
            automatic: Automatic::new(options.compact_when),
            mode: options.mode,
            fixed: false,
            follower: (options.follow && !options.mode.writes()).then(Follower::default),
            recovery: Recovery::default(),
        };
        let live = inner.log.live()?;
        let running = !options.mode.writes() && inner.log.has_running_writer(&live)?;
        let until = match options.at {
            Some(seqno) => Until::Seqno(seqno),
            None if running => Until::Published(live.published_end),
            None => Until::Content,
        };
        let mut replayed = inner.replay(until, false)?;
        if until == Until::Content {
            inner.log.heard_of(live.published_end);
        }
        if let Some(seqno) = options.at {
            inner.check_reached(seqno, running.then_some(live.published_end))?;
            // What follows is there.
            replayed.torn = 0;
        }
        replayed.indexed = start.indexed;
        replayed.unnamed = start.unnamed;
        if let Some(named) = start.named {
            // The one that was used: the next slot must not name what was passed over.
            (replayed.slot.checkpoint, replayed.slot.checkpoint_end) = named;
        }
        inner.recovery = Recovery {
            commits: replayed.commits,
            records: replayed.records,
            clean: live.is_closed() && replayed.torn == 0,
            torn_bytes: replayed.torn,
            torn_at: if replayed.torn == 0 {
                0
            } else {
                replayed.tip.end
            },
            checkpoint: start.seqno,
            passed_over: start.passed_over,
            damage: Vec::new(),
        };
        inner.report_recovery();
        inner.start(&replayed, options)?;
        Ok(Self::over(inner, options))
    }

    pub(crate) fn over(inner: Inner, options: &OpenOptions) -> Self {
        Self {
            shared: Shared::new(inner, options),
        }
    }

    /// How it was opened.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.inner().mode
    }

    /// Durability of commits that do not say otherwise.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.inner().log.durability()
    }

    /// Whether `close` was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner().log.is_closed()
    }

    /// Random identity of this generation of the file.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.inner().log.identity().store_id
    }

    /// Which rewrite of the file this is; 0 until it is compacted.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.inner().log.identity().generation
    }

    /// Number of the newest commit that this handle sees.
    #[must_use]
    pub fn seqno(&self) -> u64 {
        self.inner().log.seqno()
    }

    /// What this store has done since it was opened. Costs a look at each partition in use.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let inner = self.inner();
        let (log, catalog) = (&inner.log, &inner.catalog);
        let states = catalog.in_use();
        let segments = states.iter().map(|state| state.index.segment_count());
        let segments = segments.sum::<u64>() + catalog.index.segment_count();
        log.meter().read(segments)
    }

    /// Names of the collections in the order first written. Costs a walk over the names
    /// of the store.
    pub fn collections(&self) -> Result<Vec<String>> {
        let inner = self.inner();
        inner.check_open("list collections")?;
        inner.catalog.collections(&inner.log)
    }

    /// Names of the partitions of a collection in the order first written.
    /// `Error::NotFound` with the nearest name. Costs a walk over the names of the store.
    pub fn partitions(&self, collection: &str) -> Result<Vec<String>> {
        let inner = self.inner();
        let (log, catalog) = (&inner.log, &inner.catalog);
        inner.check_open("list partitions")?;
        catalog
            .partitions_of(log, collection)?
            .ok_or_else(|| catalog.no_collection(log, collection))
    }

    /// Whether there is such a collection. Costs one look-up, however many there are.
    pub fn has_collection(&self, collection: &str) -> Result<bool> {
        let inner = self.inner();
        inner.check_open("look for a collection")?;
        let found = inner.catalog.collection(&inner.log, collection)?;
        Ok(found.is_some())
    }

    /// Whether there is such a partition. Costs two look-ups, however many there are.
    pub fn has_partition(&self, collection: &str, partition: &str) -> Result<bool> {
        let inner = self.inner();
        let (log, catalog) = (&inner.log, &inner.catalog);
        inner.check_open("look for a partition")?;
        Ok(catalog.partition_row(log, collection, partition)?.is_some())
    }

    /// A partition; made by its first write if the store is writable, else
    /// `Error::NotFound` if it is not there. `Error::Invalid` for a name that is empty,
    /// longer than 255 bytes or holds NUL.
    pub fn partition(&self, collection: &str, partition: &str) -> Result<Partition> {
        let inner = self.inner();
        if !inner.mode.writes() {
            return self.existing_partition(collection, partition);
        }
        inner.log.check_open("open a partition")?;
        check_name("collection", collection)?;
        check_name("partition", partition)?;
        Ok(Partition::new(self, collection, partition))
    }

    /// A partition that exists, in any mode. `Error::NotFound` with the nearest name.
    pub fn existing_partition(&self, collection: &str, partition: &str) -> Result<Partition> {
        let found = Partition::new(self, collection, partition);
        let inner = self.inner();
        if found.state(&inner, "open a partition")?.is_none() {
            let (log, catalog) = (&inner.log, &inner.catalog);
            return Err(catalog.no_partition(log, collection, partition));
        }
        Ok(found)
    }

    /// The partition "default" of the collection "default": a plain key/value file.
    pub fn default_partition(&self) -> Result<Partition> {
        self.partition(DEFAULT_NAME, DEFAULT_NAME)
    }

    /// An empty batch. `Error::ReadOnly`, `Error::Forked`, `Error::Poisoned` tell at once
    /// that it could not be committed.
    pub fn batch(&self) -> Result<Batch> {
        self.on_newest(|inner| {
            inner.log.writer("start a batch")?;
            Ok(Batch::new(self, inner))
        })
    }

    /// Makes every commit so far durable. One flush of the device.
    pub fn sync(&self) -> Result<()> {
        self.on_newest(|inner| inner.log.writer("sync")?.sync())
    }

    /// Makes everything durable and closes. Values, entries and arrays go on working;
    /// store and partitions answer `Error::Closed`. Calling it again does nothing.
    pub fn close(&self) -> Result<()> {
        self.on_newest(|inner| {
            inner.checkpoint_at_close();
            let closed = inner.log.close();
            closed.and(inner.log.unlock())
        })
    }
}

impl OpenOptions {
    /// Opens by copying: each read is a system call and owns its bytes, whatever other
    /// programs do to the file.
    ///
    /// `Error::Io` (a missing file among it), `Error::NotAStore`, `Error::Version`,
    /// `Error::Corrupt` (the file is left untouched), `Error::Locked`. Starts from
    /// the newest checkpoint that holds and replays what follows it; from none, with a time
    /// that grows with the number of records and the bytes of values below 64 KiB.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Store> {
        open::file(path.as_ref(), self, true)
    }

    /// A store in memory, gone with its last handle and view. Of the options those count
    /// that do not speak of a file: `durability`, `verify`, `compact_when`.
    pub fn memory(&self) -> Result<Store> {
        open::memory(self)
    }

    /// Opens through a memory map: reads are views of the file. Errors and cost as those
    /// of [`open`](Self::open).
    ///
    /// # Safety
    ///
    /// While the store or any view of it lives, no other program may truncate the file
    /// or change its committed bytes; this crate never does. A file that is cut shorter
    /// ends the process when a view is touched, one that is changed breaks the promise
    /// that a lent slice stays as it is.
    #[expect(unsafe_code, reason = "the caller vouches for other programs")]
    pub unsafe fn open_mapped(&self, path: impl AsRef<Path>) -> Result<Store> {
        open::file(path.as_ref(), self, false)
    }
}

impl OpenOptions {
    /// Opens a damaged file for all that still holds: read-only, by copying, without its
    /// index, whatever else the options say. The file is not changed.
    ///
    /// Everything is compared with its checksum before it is given out. Reading what is
    /// damaged is `Error::Corrupt` that names the place; an older version of it is never
    /// given out instead. [`Recovery::damage`] lists what was found. Where that says that
    /// bytes are [unknown](crate::Part::Unknown) or [missing](crate::Part::Missing), a key
    /// that is not there may have been in them, and what is there may have been written
    /// again, or removed, in them. Partitions whose name is lost are "partition-5" of the
    /// collection "lost", collections "lost-collection-3".
    ///
    /// Shows one state: nothing is followed, and past commits cannot be opened. Reads the
    /// whole log but for values of 64 KiB and more. `Error::Io`, `Error::NotAStore`,
    /// `Error::Version`. Where both the first page and its copy are damaged each gives what
    /// the other lost; `Error::Corrupt` if they do not give the identity together: nothing
    /// can be compared without its seed, which is random and stands nowhere else.
    pub fn open_degraded(&self, path: impl AsRef<Path>) -> Result<Store> {
        open::degraded(path.as_ref(), self)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Views may keep the file open, and a checkpoint be under way; the writer's place is
        // free all the same. Nothing is flushed: that is what `close` is for.
        let _ = self.log.abandon();
    }
}

impl Inner {
    /// The hash of a key that can be stored.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> Result<Hash> {
        if key.len() > MAX_KEY {
            return Err(Error::Invalid {
                what: "key".to_owned(),
                detail: format!("a key has at most {MAX_KEY} bytes, this one {}", key.len()),
            });
        }
        Ok(Hash(key_hash(key, self.log.identity().seed)))
    }

    pub(crate) fn report_recovery(&self) {
        let Recovery {
            torn_bytes,
            torn_at,
            commits,
            records,
            checkpoint,
            ..
        } = self.recovery;
        log::debug!(
            "{}: {commits} commits with {records} records were replayed, from seqno {checkpoint} on",
            self.log.path().display()
        );
        if torn_bytes > 0 {
            log::warn!(
                "{}: {torn_bytes} bytes at offset {torn_at} belong to no whole commit and were skipped",
                self.log.path().display()
            );
        }
    }

    fn start(&mut self, replayed: &Replayed, options: &OpenOptions) -> Result<()> {
        if !self.mode.writes() {
            return Ok(());
        }
        let Some(log) = Arc::get_mut(&mut self.log) else {
            return Ok(());
        };
        let epoch = open::new_epoch(log.path(), options)?;
        log.start_writing(replayed, epoch, open::seconds_since_1970())
    }

    /// The entry that a reader sees at `key` now.
    pub(crate) fn entry(&self, partition: &PartitionState, key: &[u8]) -> Result<Option<Entry>> {
        let hash = self.hash(key)?;
        let end = place(self.log.published());
        let found = self
            .log
            .find(&partition.index, hash, key, end)?
            .filter(Located::is_live);
        found
            .map(|located| self.stored_entry(key, located, &partition.beside(end)))
            .transpose()
    }

    /// What the names of a handle lead to, if they lead to something.
    #[inline]
    pub(crate) fn resolve(&self, target: &Target) -> Result<Option<Resolved>> {
        let Target {
            collection,
            name,
            kept,
        } = target;
        self.catalog.resolve(&self.log, collection, name, kept)
    }

    /// Commits `changes`, with the schemas and partitions that they need, as one batch.
    pub(crate) fn commit(
        &self,
        mut writer: WriterGuard<'_>,
        changes: &[Change<'_>],
        interned: &[Interning],
        durability: Durability,
    ) -> Result<u64> {
        let mut drafts = Drafts::default();
        let committed = self
            .resolve_all(changes, &mut drafts)
            .and_then(|runs| self.append(&mut writer, &drafts.rows, &runs, interned, durability));
        self.settle(&drafts, &committed);
        let seqno = committed?;
        writer.shown()?;
        Ok(seqno)
    }

    /// Commits rows of the catalog as one batch.
    pub(crate) fn commit_rows(&self, writer: &mut WriterGuard<'_>, rows: &[Row]) -> Result<u64> {
        self.append(writer, rows, &[], &[], self.log.durability())
    }

    fn append(
        &self,
        writer: &mut WriterGuard<'_>,
        rows: &[Row],
        runs: &[Run<'_>],
        interned: &[Interning],
        durability: Durability,
    ) -> Result<u64> {
        let mut schemas = Vec::new();
        for interning in interned {
            if self.catalog.is_new(&self.log, interning)? {
                schemas.extend(interning.rows());
            }
        }
        let rows: Vec<_> = schemas.iter().chain(rows).collect();
        let values = rows
            .iter()
            .map(|row| row.value.as_deref().unwrap_or_default());
        let values: Vec<&[u8]> = values.collect();
        let sums: Vec<Sums> = values
            .iter()
            .map(|value| Sums::of(std::slice::from_ref(value), value.len() as u64))
            .collect();
        let mut ops = Vec::new();
        for ((row, value), sums) in rows.iter().zip(&values).zip(&sums) {
            ops.push(Op {
                index: &self.catalog.index,
                partition: CATALOG,
                kind: match row.value {
                    Some(_) => RecordKind::Put,
                    None => RecordKind::Tombstone,
                },
                key: &row.key,
                hash: self.hash(&row.key)?,
                value: sums.value(std::slice::from_ref(value), value.len() as u64),
                align: value_align(value.len() as u64, None),
            });
        }
        for (state, changes) in runs {
            for change in *changes {
                let of: &PartitionState = match change.side.and_then(|side| state.side(side)) {
                    None => state,
                    Some(side) => side,
                };
                ops.push(Op {
                    index: &of.index,
                    partition: of.id,
                    kind: change.kind,
                    key: change.key,
                    hash: change.hash,
                    value: change.value,
                    align: change.align(state.align()),
                });
            }
        }
        if ops.is_empty() {
            return Ok(self.log.seqno());
        }
        let seqno = writer.commit(&ops, durability)?;
        self.catalog.committed(interned);
        self.after_commit(writer);
        self.compact_if_due(writer);
        Ok(seqno)
    }

    /// The partitions of the changes, each with its changes that follow each other; those
    /// that are not there are drafted.
    fn resolve_all<'a>(
        &self,
        changes: &'a [Change<'a>],
        drafts: &mut Drafts<'a>,
    ) -> Result<Vec<Run<'a>>> {
        let mut runs = Vec::new();
        for run in changes.chunk_by(|a, b| std::ptr::eq(a.target, b.target)) {
            let Some(first) = run.first() else { continue };
            let names = (&*first.target.collection, &*first.target.name);
            let state = match self.resolve(first.target)? {
                Some(state) => Arc::clone(&state),
                None => match drafts.drafted(names.0, names.1) {
                    Some(state) => Arc::clone(state),
                    // The partition was dropped meanwhile, with all that these remove.
                    None if run.iter().all(Change::removes) => continue,
                    None => drafts.make_partition(
                        &self.catalog,
                        &self.log,
                        names,
                        RowValue::default(),
                    )?,
                },
            };
            for side in run.iter().filter_map(|change| change.side) {
                // Known to the partition from here on.
                self.catalog.side(&self.log, &state, side)?;
            }
            runs.push((state, run));
        }
        Ok(runs)
    }
}

/// Changes of one partition that follow each other.
type Run<'a> = (Arc<PartitionState>, &'a [Change<'a>]);
