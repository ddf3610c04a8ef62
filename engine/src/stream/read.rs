//! Reading a value as a stream.

use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::record::{RecordKind, block_range};
use crate::log::{Located, Log, Stored};
use crate::partition::Partition;
use crate::value::Value;

/// A plain value as a stream: `Read`, `BufRead` and `Seek`.
///
/// Made by [`Partition::open_value`] or [`Value::reader`]. It is one version of the value,
/// whatever is written later, and goes on after the store was closed. A read gives at most
/// what is left of a block of 64 to 128 KiB. Its errors hold an [`Error`]: `Corrupt` if the
/// bytes do not have their checksum.
#[derive(Debug)]
pub struct ValueReader {
    source: Source,
    len: u64,
    at: u64,
}

#[derive(Debug)]
enum Source {
    /// Bytes that were verified as the store was asked to.
    Whole(Value),
    /// Bytes of the mapping, verified block by block.
    Mapped(Stored),
    /// Blocks that are read when they are asked for.
    Copied(Blocks),
}

#[derive(Debug)]
struct Blocks {
    log: Arc<Log>,
    located: Located,
    /// The block that is here, and its number.
    block: Vec<u8>,
    number: Option<u64>,
}

impl Partition {
    /// The plain value of `key` as a stream. `Error::Kind` if it holds arrays.
    ///
    /// Nothing of a large value is read, or compared with its checksums, before it is asked
    /// for: unlike [`get`](Self::get), which of a store whose reads copy needs memory for
    /// all of it, this needs that of one block.
    pub fn open_value(&self, key: impl AsRef<[u8]>) -> Result<Option<ValueReader>> {
        let key = key.as_ref();
        let inner = self.store().inner();
        let Some((located, beside)) = self.find(&inner, key)? else {
            return Ok(None);
        };
        let log = &inner.log;
        if located.head.kind != RecordKind::Put {
            // Says what is there instead.
            let value = inner.stored_entry(key, located, &beside)?.value()?;
            return Ok(Some(value.reader()));
        }
        let len = located.head.value_len();
        let source = if !located.head.wide {
            Source::Whole(Value::new(log.value(&located)?))
        } else if log.is_mapped() {
            Source::Mapped(Stored::new(log, located)?)
        } else {
            Source::Copied(Blocks {
                log: Arc::clone(log),
                located,
                block: Vec::new(),
                number: None,
            })
        };
        Ok(Some(ValueReader { source, len, at: 0 }))
    }
}

impl Value {
    /// These bytes as a stream. Costs a count of a reference.
    #[must_use]
    pub fn reader(&self) -> ValueReader {
        ValueReader {
            len: self.len() as u64,
            source: Source::Whole(self.clone()),
            at: 0,
        }
    }
}

impl ValueReader {
    /// Number of bytes of the value.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the next read starts; beyond the end nothing is left.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.at
    }

    /// The bytes from here to the end of the block, verified; none at the end of the value.
    fn rest(&mut self) -> Result<&[u8]> {
        if self.at >= self.len {
            return Ok(&[]);
        }
        let number = Log::block_of(self.len, self.at);
        let span = block_range(self.len, number);
        let rest = match &mut self.source {
            Source::Whole(value) => value.get(self.at as usize..),
            Source::Mapped(stored) => {
                let range = self.at as usize..span.end as usize;
                stored.verified(range.clone())?.get(range)
            }
            Source::Copied(blocks) => blocks
                .read(number)?
                .get(self.at.saturating_sub(span.start) as usize..),
        };
        Ok(rest.unwrap_or_default())
    }
}

impl Blocks {
    fn read(&mut self, number: u64) -> Result<&[u8]> {
        if self.number != Some(number) {
            // A block that could not be read is not taken for the one from before.
            self.number = None;
            self.log
                .read_block(&self.located, number, &mut self.block)?;
            self.number = Some(number);
        }
        Ok(&self.block)
    }
}

impl BufRead for ValueReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.rest().map_err(as_io)
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.at.saturating_add(amount as u64);
    }
}

impl Read for ValueReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

impl Seek for ValueReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(by) => (self.len, by),
            SeekFrom::Current(by) => (self.at, by),
        };
        let at = from.checked_add_signed(by).ok_or_else(|| {
            let said = format!("a position before the start of a value, {by} from {from}");
            io::Error::new(io::ErrorKind::InvalidInput, said)
        })?;
        self.at = at;
        Ok(at)
    }
}

/// The error of a stream that holds the error of the store.
pub(super) fn as_io(error: Error) -> io::Error {
    let kind = match &error {
        Error::Io { source, .. } | Error::NotCommitted { source, .. } => source.kind(),
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error)
}
