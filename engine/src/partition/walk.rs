//! Walking over all keys.

use std::sync::Arc;

use super::Partition;
use crate::entry::Entry;
use crate::error::Result;
use crate::index::{Cursor, Pinned};
use crate::log::{Located, Log};

impl Partition {
    fn walk(&self) -> Result<Walk> {
        let (pinned, end) = self.pin("list keys")?;
        Ok(Walk {
            log: Arc::clone(&self.inner().log),
            pinned,
            cursor: Cursor::default(),
            end,
        })
    }

    /// Keys in the order of their latest whole write, as of this call. Costs a read of
    /// each record's head.
    pub fn keys(&self) -> Result<Keys> {
        Ok(Keys(self.walk()?))
    }

    /// Entries in that order, as of this call.
    pub fn entries(&self) -> Result<Entries> {
        Ok(Entries {
            walk: self.walk()?,
            partition: self.clone(),
        })
    }
}

/// The records that a reader saw at one moment, in log order.
#[derive(Debug)]
struct Walk {
    log: Arc<Log>,
    pinned: Option<Pinned>,
    cursor: Cursor,
    end: u64,
}

impl Walk {
    fn next(&mut self) -> Option<Result<(Located, Vec<u8>)>> {
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
    partition: Partition,
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.walk.next()?;
        Some(record.and_then(|(located, key)| self.partition.stored_entry(&key, located)))
    }
}
