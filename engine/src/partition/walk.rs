//! Walking over all keys.

use std::sync::Arc;

use arc_swap::Guard;

use super::Partition;
use crate::entry::Entry;
use crate::error::Result;
use crate::index::{Cursor, Pinned};
use crate::log::{Located, Log};
use crate::store::Inner;

impl Partition {
    pub(super) fn walk(&self, inner: &Inner) -> Result<Walk> {
        let (pinned, end) = self.pin(inner, "list keys")?;
        Ok(Walk {
            log: Arc::clone(&inner.log),
            pinned,
            cursor: Cursor::default(),
            end,
        })
    }

    /// Keys in the order of their latest whole write, as of this call. Costs a read of
    /// each record's head.
    pub fn keys(&self) -> Result<Keys> {
        Ok(Keys(self.walk(&self.inner())?))
    }

    /// Entries in that order, as of this call.
    pub fn entries(&self) -> Result<Entries> {
        let inner = Guard::into_inner(self.inner());
        Ok(Entries {
            walk: self.walk(&inner)?,
            inner,
        })
    }
}

/// The records that a reader saw at one moment, in log order.
#[derive(Debug)]
pub(super) struct Walk {
    log: Arc<Log>,
    pinned: Option<Pinned>,
    cursor: Cursor,
    end: u64,
}

impl Walk {
    pub(super) fn next(&mut self) -> Option<Result<(Located, Vec<u8>)>> {
        let pinned = self.pinned.as_ref()?;
        let next = pinned.next(&mut self.cursor, self.end, &self.log.keyed(&[]));
        let record = next.transpose()?.and_then(|place| {
            let at = crate::format::offset(place);
            let (head, key) = self.log.head_and_key(at)?;
            Ok((Located { at, head }, key))
        });
        Some(record)
    }
}

/// Iterator over keys.
#[derive(Debug)]
pub struct Keys(Walk);

impl Iterator for Keys {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|record| record.map(|(_, key)| key))
    }
}

/// Iterator over entries.
#[derive(Debug)]
pub struct Entries {
    walk: Walk,
    inner: Arc<Inner>,
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.walk.next()?;
        Some(record.and_then(|(located, key)| self.inner.stored_entry(&key, located)))
    }
}
