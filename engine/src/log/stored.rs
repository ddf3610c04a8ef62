//! A record whose value is kept.

use std::ops::Range;
use std::sync::Arc;

use super::{Located, Log};
use crate::error::{Error, Result};
use crate::format::record::{Head, MAX_VALUE, RecordKind};
use crate::format::{Defect, value_align};
use crate::storage::Bytes;

/// Where no record is: the first page has the header of the file.
const NOWHERE: u64 = 0;

/// The value of one record, kept: readable after the store was closed. Or one that no record
/// has yet.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    log: Arc<Log>,
    located: Located,
    bytes: Bytes,
}

impl Stored {
    /// The value of `located`, not verified yet.
    pub(crate) fn new(log: &Arc<Log>, located: Located) -> Result<Self> {
        let bytes = log.bytes(&located)?;
        Ok(Self {
            log: Arc::clone(log),
            located,
            bytes,
        })
    }

    /// A value that waits for its commit, to be read as one of `log`.
    pub(crate) fn waiting(log: &Arc<Log>, kind: RecordKind, bytes: Bytes) -> Result<Self> {
        let len = bytes.len() as u64;
        let head = Head::lay_out(NOWHERE, kind, 0, 0, len, value_align(len, None));
        let head = head.ok_or_else(|| Error::Invalid {
            what: "value".to_owned(),
            detail: format!("a value has at most {MAX_VALUE} bytes, this one {len}"),
        })?;
        Ok(Self {
            log: Arc::clone(log),
            located: Located { at: NOWHERE, head },
            bytes,
        })
    }

    /// Fails unless `range` of the value has its sum. What no record has yet has none.
    #[inline]
    fn verify(&self, range: Range<u64>) -> Result<()> {
        match self.located.at {
            NOWHERE => Ok(()),
            _ => self.log.verify_kept(&self.located, range, &self.bytes),
        }
    }

    /// The record.
    pub(crate) fn located(&self) -> &Located {
        &self.located
    }

    /// Where the record is, which no other of the log has; `None`: there is none yet.
    pub(crate) fn place(&self) -> Option<u64> {
        (self.located.at != NOWHERE).then_some(self.located.at)
    }

    /// The log.
    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// The whole value, verified.
    pub(crate) fn value(&self) -> Result<Bytes> {
        let all = 0..self.located.head.value_len();
        self.verify(all)?;
        Ok(self.bytes.clone())
    }

    /// The whole value, of which `range` is verified.
    pub(crate) fn verified(&self, range: Range<usize>) -> Result<&Bytes> {
        let range = range.start as u64..range.end as u64;
        self.verify(range)?;
        Ok(&self.bytes)
    }

    /// The part `range` of the value, verified, in place of the record.
    pub(crate) fn into_verified(self, range: Range<usize>) -> Result<Bytes> {
        self.verify(range.start as u64..range.end as u64)?;
        let Self {
            log,
            located,
            bytes,
        } = self;
        let need = range.end as u64;
        bytes.into_slice(range).ok_or_else(|| {
            let defect = Defect::Truncated {
                what: "a value",
                need,
                have: located.head.value_len(),
            };
            log.corrupt(located.value().start, defect)
        })
    }

    /// A defect at `at` of the value, as an error that names the place.
    pub(crate) fn corrupt(&self, at: usize, defect: Defect) -> Error {
        self.log
            .corrupt(self.located.value().start.saturating_add(at as u64), defect)
    }
}
