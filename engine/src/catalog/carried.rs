//! What another generation of the file takes over.

use std::collections::HashSet;
use std::sync::Arc;

use super::rows::{COLLECTION, PARTITION, SCHEMA, SCHEMA_HASH};
use super::{CATALOG, Catalog, NextIds, name_id};
use crate::error::Result;
use crate::format::checkpoint::ROOT_KEY;
use crate::format::{offset, place};
use crate::log::{Located, Log, Stored, Walk};

impl Catalog {
    /// The empty catalog of the next generation of a file, which gives out ids in common
    /// with this one.
    pub(crate) fn next_generation(&self) -> Self {
        Self {
            next: Arc::clone(&self.next),
            ..Self::default()
        }
    }

    /// The empty catalog of a copy, which goes its own way.
    pub(crate) fn of_a_copy(&self) -> Self {
        Self {
            next: Arc::new(NextIds::saved(&self.next.to_saved())),
            ..Self::default()
        }
    }

    /// The rows that are worth keeping, in log order, with their keys: all but schemas,
    /// which come with the entries that use them, roots of indexes, and partitions of
    /// collections that were dropped. Memory: some 100 bytes a name.
    pub(crate) fn rows_of_names(&self, log: &Arc<Log>) -> Result<Vec<(Located, Vec<u8>)>> {
        let (pinned, end) = self.index.pin(|| place(log.published()));
        let mut walk = Walk::new(Some(pinned), end);
        let mut rows = Vec::new();
        let mut collections = HashSet::new();
        while let Some(found) = walk.next(log) {
            let at = offset(found?);
            let (head, key) = log.head_and_key(at)?;
            let located = Located { at, head };
            match key.first() {
                Some(&(SCHEMA | SCHEMA_HASH | ROOT_KEY)) => continue,
                Some(&COLLECTION) => {
                    collections.insert(name_id(&Stored::new(log, located)?)?.to_le_bytes());
                }
                _ => {}
            }
            rows.push((located, key.into_owned()));
        }
        let is_kept = |(_, key): &(Located, Vec<u8>)| match key.split_first() {
            Some((&PARTITION, rest)) => rest
                .first_chunk()
                .is_some_and(|collection| collections.contains(collection)),
            _ => true,
        };
        rows.retain(is_kept);
        Ok(rows)
    }

    /// The id of the schema that a row makes known, if it is such a row.
    pub(crate) fn schema_of_row(partition: u32, key: &[u8]) -> Option<u32> {
        let (&kind, rest) = key.split_first()?;
        let id = rest.first_chunk().filter(|_| rest.len() == 4)?;
        (partition == CATALOG && kind == SCHEMA).then_some(u32::from_le_bytes(*id))
    }
}
