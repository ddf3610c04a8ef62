//! Writing a value from a source.

use std::io::{self, Read, Write};

use super::Spool;
use crate::arena::Gathered;
use crate::batch::{Batch, BatchPartition};
use crate::condition::Condition;
use crate::error::{Error, Result, describe_key};
use crate::format::record::RecordKind;
use crate::index::Hash;
use crate::partition::Partition;
use crate::staged::{Change, Sums};
use crate::store::Store;

/// What a write is called in errors.
const ACTION: &str = "store a value";

impl Store {
    /// An empty [`Spool`], for a value that comes bit by bit. `Error::ReadOnly`,
    /// `Error::Closed`, `Error::Forked`, `Error::Poisoned` tell at once that nothing could
    /// be committed.
    pub fn spool(&self) -> Result<Spool> {
        self.on_newest(|inner| {
            inner.log.writer(ACTION)?;
            Ok(Spool::new(inner.log.path()))
        })
    }
}

impl Partition {
    /// Stores what `source` gives until its end as a plain value, of a length that nobody
    /// has to know, in bounded memory; how many bytes. Replaces the whole entry.
    ///
    /// The source is read to its end first (see [`Spool`]), and committed then: nobody
    /// waits for it, and the value lies in one piece as if it had come by
    /// [`put`](Self::put). A read that was interrupted is repeated. `Error::Source` if the
    /// source fails, `Error::NotCommitted` if there is no room for it; then nothing is left
    /// behind. Other errors as those of `put`.
    pub fn put_from(&self, key: impl AsRef<[u8]>, mut source: impl Read) -> Result<u64> {
        let key = key.as_ref();
        self.store().inner().hash(key)?;
        let mut spool = self.store().spool()?;
        pour(&mut source, &mut spool, key)?;
        self.put_spool(key, spool)
    }

    /// Stores what was gathered in `spool` as a plain value; how many bytes. Replaces the
    /// whole entry. Errors as those of [`put`](Self::put).
    pub fn put_spool(&self, key: impl AsRef<[u8]>, spool: Spool) -> Result<u64> {
        let key = key.as_ref();
        let hash = self.store().inner().hash(key)?;
        let (value, sums) = spool.end()?;
        self.put_gathered(key, hash, (&value, &sums), Condition::Always)
    }

    /// As [`put_spool`](Self::put_spool), if `condition` holds; else `Error::Conflict`.
    pub fn put_spool_if(
        &self,
        key: impl AsRef<[u8]>,
        spool: Spool,
        condition: Condition,
    ) -> Result<u64> {
        let key = key.as_ref();
        let hash = self.store().inner().hash(key)?;
        let (value, sums) = spool.end()?;
        self.put_gathered(key, hash, (&value, &sums), condition)
    }

    fn put_gathered(
        &self,
        key: &[u8],
        hash: Hash,
        (value, sums): (&Gathered, &Sums),
        condition: Condition,
    ) -> Result<u64> {
        let bytes = value.bytes();
        let len = bytes.len() as u64;
        self.store().on_newest(|inner| {
            let change = Change {
                target: &self.target,
                side: None,
                kind: RecordKind::Put,
                key,
                hash,
                value: sums.value(std::slice::from_ref(&bytes), len),
            };
            let mut writer = inner.log.writer(ACTION)?;
            self.check(inner, &mut writer, ACTION, hash, key, condition)?;
            inner.commit(writer, &[change], &[], inner.log.durability())?;
            Ok(len)
        })
    }

    /// A writer of the plain value of `key`, which is stored by
    /// [`finish`](StreamWriter::finish) and replaces the whole entry then. Errors as those
    /// of [`Store::spool`], and `Error::Invalid` for a key above 65,535 bytes.
    pub fn writer(&self, key: impl AsRef<[u8]>) -> Result<StreamWriter> {
        let key = key.as_ref();
        self.store().inner().hash(key)?;
        Ok(StreamWriter {
            spool: self.store().spool()?,
            partition: self.clone(),
            key: key.to_vec(),
        })
    }
}

/// Writes one value, of a length that nobody has to know, in bounded memory.
///
/// What is written waits in a [`Spool`]; [`finish`](Self::finish) stores it. Dropped
/// before, nothing is stored and nothing is left behind.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::io::Write;
///
/// let part = arraylog::Store::memory()?.default_partition()?;
/// let mut writer = part.writer("log")?;
/// for number in 0..1000 {
///     writeln!(writer, "line {number}")?;
/// }
/// assert!(part.get("log")?.is_none()); // not before it is finished
/// assert_eq!(writer.finish()?, 8890);
/// assert_eq!(part.get("log")?.map(|value| value.len()), Some(8890));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing is stored before `finish`"]
pub struct StreamWriter {
    partition: Partition,
    key: Vec<u8>,
    spool: Spool,
}

impl StreamWriter {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Number of bytes so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.spool.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spool.is_empty()
    }

    /// Stores the value; how many bytes. `Error::NotCommitted` if a write failed before or
    /// the disk is full; other errors as those of [`Partition::put`].
    pub fn finish(self) -> Result<u64> {
        self.partition.put_spool(&self.key, self.spool)
    }
}

impl Write for StreamWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.spool.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.spool.flush()
    }
}

impl Batch {
    /// As [`Store::spool`], for a value of this batch.
    pub fn spool(&self) -> Result<Spool> {
        self.store.spool()
    }

    /// The error of a call that found no room for what it was given.
    pub(crate) fn no_room(&self, source: io::Error) -> Error {
        Error::io("keep a batch in a temporary file for", self.store.path())(source)
    }
}

impl BatchPartition<'_> {
    /// As [`Partition::put_from`], at the commit. `Error::Source` and `Error::NotCommitted`
    /// leave the batch as it was.
    pub fn put_from(&self, key: impl AsRef<[u8]>, mut source: impl Read) -> Result<u64> {
        let key = key.as_ref();
        self.batch.store.inner().hash(key)?;
        let mut spool = self.batch.spool()?;
        pour(&mut source, &mut spool, key)?;
        self.put_spool(key, spool)
    }

    /// Stores what was gathered in `spool` as a plain value at the commit; how many bytes.
    /// Replaces the whole entry. Errors as those of [`put`](Self::put).
    pub fn put_spool(&self, key: impl AsRef<[u8]>, spool: Spool) -> Result<u64> {
        self.put_spool_if(key, spool, Condition::Always)
    }

    /// As [`put_spool`](Self::put_spool), if `condition` holds at the commit.
    pub fn put_spool_if(
        &self,
        key: impl AsRef<[u8]>,
        spool: Spool,
        condition: Condition,
    ) -> Result<u64> {
        let key = key.as_ref();
        let hash = self.batch.store.inner().hash(key)?;
        let (value, sums) = spool.end()?;
        let len = value.bytes().len() as u64;
        let mut staged = self.batch.staged.lock();
        staged.require(self.target, hash, key, condition)?;
        let pushed = staged.push_gathered(self.target, hash, key, value, sums);
        pushed.map_err(|source| self.batch.no_room(source))?;
        Ok(len)
    }
}

/// Reads `source` to its end.
fn pour(source: &mut impl Read, spool: &mut Spool, key: &[u8]) -> Result<()> {
    let failed = |read, source| Error::Source {
        key: describe_key(key),
        read,
        source,
    };
    loop {
        let read = spool.len();
        let room = spool.room()?;
        let most = room.len();
        match source.read(room) {
            Ok(0) => return Ok(()),
            Ok(len) if len <= most => spool.took(len),
            Ok(len) => {
                let said = format!("it says that it read {len} bytes where {most} have room");
                return Err(failed(
                    read,
                    io::Error::new(io::ErrorKind::InvalidData, said),
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(read, error)),
        }
    }
}
