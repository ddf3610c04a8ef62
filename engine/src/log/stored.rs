//! A record whose value is kept.

use std::ops::Range;
use std::sync::Arc;

use super::{Located, Log};
use crate::error::{Error, Result};
use crate::format::Defect;
use crate::storage::Bytes;

/// The value of one record, kept: readable after the store was closed.
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

    /// The record.
    pub(crate) fn located(&self) -> &Located {
        &self.located
    }

    /// The log.
    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// The whole value, verified.
    pub(crate) fn value(&self) -> Result<Bytes> {
        let all = 0..self.located.head.value_len();
        self.log.verify_kept(&self.located, all, &self.bytes)?;
        Ok(self.bytes.clone())
    }

    /// The whole value, of which `range` is verified.
    pub(crate) fn verified(&self, range: Range<usize>) -> Result<&Bytes> {
        let range = range.start as u64..range.end as u64;
        self.log.verify_kept(&self.located, range, &self.bytes)?;
        Ok(&self.bytes)
    }

    /// The part `range` of the value, verified, in place of the record.
    pub(crate) fn into_verified(self, range: Range<usize>) -> Result<Bytes> {
        let Self {
            log,
            located,
            bytes,
        } = self;
        log.verify_kept(&located, range.start as u64..range.end as u64, &bytes)?;
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
