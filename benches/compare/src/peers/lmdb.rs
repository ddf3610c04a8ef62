//! LMDB through heed.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result};
use arraylog_benches::leading;
use heed::types::Bytes;
use heed::{CompactionOption, Database, Env, EnvFlags, EnvOpenOptions, PutFlags, RoTxn, WithTls};

use crate::ingest::{Load, Sink};
use crate::lookup::Lookups;
use crate::task::Answer;

/// Address space reserved for the mapping: more than any row needs.
const MAP_SIZE: usize = 16 << 30;

/// An LMDB environment with one database, without a sync at each commit.
pub(crate) struct Lmdb {
    env: Env,
    database: Database<Bytes, Bytes>,
    flags: PutFlags,
}

impl Lmdb {
    /// Makes or opens the environment in `folder`.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_SIZE);
        allow_no_sync(&mut options);
        let env = open(&options, folder)?;
        let mut transaction = env.write_txn()?;
        let database = env.create_database(&mut transaction, None)?;
        transaction.commit()?;
        Ok(Self {
            env,
            database,
            flags: PutFlags::empty(),
        })
    }

    /// Tells LMDB that keys come in order: it then fills its pages and does not
    /// search the tree.
    pub(crate) fn appending(mut self) -> Self {
        self.flags = PutFlags::APPEND;
        self
    }

    /// Copies the database into `file` without the pages that nothing uses.
    pub(crate) fn compact_into(&self, file: &mut File) -> Result<()> {
        Ok(self.env.copy_to_file(file, CompactionOption::Enabled)?)
    }

    /// Lookups in one read transaction.
    pub(crate) fn measure(&self, lookups: &Lookups, answer: &mut Answer) -> Result<()> {
        let reading = self.reading()?;
        lookups.measure(answer, |key| Ok(reading.get(key)?.map(leading)))
    }

    /// A read transaction.
    pub(crate) fn reading(&self) -> Result<Reading<'_>> {
        Ok(Reading {
            transaction: self.env.read_txn()?,
            database: self.database,
        })
    }
}

/// A read transaction, which lends values.
pub(crate) struct Reading<'e> {
    transaction: RoTxn<'e, WithTls>,
    database: Database<Bytes, Bytes>,
}

impl Reading<'_> {
    /// The value of `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<&[u8]>> {
        Ok(self.database.get(&self.transaction, key)?)
    }
}

impl Sink for Lmdb {
    fn commit(&mut self, load: &Load, range: Range<usize>) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        for (key, value) in load.entries(range) {
            self.database
                .put_with_flags(&mut transaction, self.flags, key, value)?;
        }
        Ok(transaction.commit()?)
    }

    fn sync(&mut self) -> Result<()> {
        Ok(self.env.force_sync()?)
    }

    fn close(self) -> Result<()> {
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}

/// LMDB's own version.
pub(crate) fn version() -> String {
    let version = heed::lmdb_version();
    format!("{}.{}.{}", version.major, version.minor, version.patch)
}

#[expect(
    unsafe_code,
    reason = "heed leaves the care for the flags to its caller"
)]
fn allow_no_sync(options: &mut EnvOpenOptions<WithTls>) {
    // SAFETY: after a loss of power the environment may be damaged; it is
    // thrown away with the run.
    unsafe { options.flags(EnvFlags::NO_SYNC) };
}

#[expect(unsafe_code, reason = "opening by mapping")]
fn open(options: &EnvOpenOptions<WithTls>, folder: &Path) -> Result<Env> {
    std::fs::create_dir_all(folder)?;
    // SAFETY: the folder was made by this run for this process, which opens the
    // environment once.
    let env = unsafe { options.open(folder) };
    env.with_context(|| format!("cannot open LMDB in {}", folder.display()))
}
