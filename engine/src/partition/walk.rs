//! Walking over all keys.

use std::sync::Arc;

use arc_swap::Guard;

use super::Partition;
use crate::catalog::Beside;
use crate::entry::Entry;
use crate::error::Result;
use crate::log::{Located, Log, Walk};
use crate::store::Inner;

impl Partition {
    pub(super) fn records(&self, inner: &Inner) -> Result<Records> {
        let (pinned, end) = self.pin(inner, "list keys")?;
        let (pinned, beside) = pinned.unzip();
        Ok(Records {
            log: Arc::clone(&inner.log),
            walk: Walk::new(pinned, end),
            beside,
        })
    }

    /// Keys in the order of their latest whole write, as of this call. Costs a read of
    /// each record's head.
    pub fn keys(&self) -> Result<Keys> {
        Ok(Keys(self.records(&self.inner())?))
    }

    /// Entries in that order, as of this call.
    pub fn entries(&self) -> Result<Entries> {
        let inner = Guard::into_inner(self.inner());
        Ok(Entries {
            records: self.records(&inner)?,
            inner,
        })
    }
}

/// The records that a reader saw at one moment, in log order.
#[derive(Debug)]
pub(super) struct Records {
    log: Arc<Log>,
    walk: Walk,
    /// `None`: there is no record.
    beside: Option<Beside>,
}

impl Records {
    /// What stands beside the records; `None`: there is no record.
    pub(super) fn beside(&self) -> Option<&Beside> {
        self.beside.as_ref()
    }

    pub(super) fn next(&mut self) -> Option<Result<(Located, Vec<u8>)>> {
        let place = match self.walk.next(&self.log)? {
            Ok(place) => place,
            Err(error) => return Some(Err(error)),
        };
        let at = crate::format::offset(place);
        let record = self.log.head_and_key(at);
        Some(record.map(|(head, key)| (Located { at, head }, key.into_owned())))
    }
}

/// Iterator over keys.
#[derive(Debug)]
pub struct Keys(Records);

impl Iterator for Keys {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|record| record.map(|(_, key)| key))
    }
}

/// Iterator over entries.
#[derive(Debug)]
pub struct Entries {
    records: Records,
    inner: Arc<Inner>,
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.records.next()?;
        let beside = self.records.beside()?;
        Some(record.and_then(|(located, key)| self.inner.stored_entry(&key, located, beside)))
    }
}
