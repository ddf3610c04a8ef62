//! Collections and partitions that a commit makes.

use std::collections::HashMap;
use std::sync::Arc;

use super::rows::{Row, RowValue, collection_key, partition_key};
use super::sides::FIRST_SIDE;
use super::{Catalog, PartitionState};
use crate::error::{Error, Result};
use crate::log::Log;

/// What a commit makes, and the rows that do. Made and used under the writer's lock.
#[derive(Debug, Default)]
pub(crate) struct Drafts<'a> {
    /// Rows of new collections and partitions, in the order in which they need each other.
    pub(crate) rows: Vec<Row>,
    collections: HashMap<&'a str, u32>,
    partitions: HashMap<(&'a str, &'a str), Arc<PartitionState>>,
}

impl<'a> Drafts<'a> {
    /// The id of a collection, which is made if it is not there.
    pub(crate) fn collection(
        &mut self,
        catalog: &Catalog,
        log: &Arc<Log>,
        name: &'a str,
    ) -> Result<u32> {
        if let Some(&id) = self.collections.get(name) {
            return Ok(id);
        }
        if let Some(id) = catalog.collection(log, name)? {
            return Ok(id);
        }
        self.make_collection(catalog, name, RowValue::default())
    }

    /// Makes a collection that is not there; `value` says all but its id.
    pub(crate) fn make_collection(
        &mut self,
        catalog: &Catalog,
        name: &'a str,
        mut value: RowValue,
    ) -> Result<u32> {
        let id = free(
            "collections",
            catalog.next.collection(),
            self.collections.len(),
        )?;
        value.id = id;
        self.rows.push(Row {
            key: collection_key(name),
            value: Some(value.to_bytes()),
        });
        self.collections.insert(name, id);
        Ok(id)
    }

    /// A partition that these drafts make.
    pub(crate) fn drafted(
        &self,
        collection: &'a str,
        name: &'a str,
    ) -> Option<&Arc<PartitionState>> {
        self.partitions.get(&(collection, name))
    }

    /// Makes a partition that is not there; `value` says all but its id.
    ///
    /// Its state is in use from here on, so that whoever finds the row, once it is
    /// published, finds the index that the commit filled.
    pub(crate) fn make_partition(
        &mut self,
        catalog: &Catalog,
        log: &Arc<Log>,
        (collection, name): (&'a str, &'a str),
        mut value: RowValue,
    ) -> Result<Arc<PartitionState>> {
        let collection_id = self.collection(catalog, log, collection)?;
        let id = free(
            "partitions",
            catalog.next.partition(),
            self.partitions.len(),
        )?;
        value.id = id;
        let state = catalog.state(log, id)?;
        let defaults = value.array_defaults().ok();
        state.note(collection_id, value.align().unwrap_or_default(), defaults);
        self.rows.push(Row {
            key: partition_key(collection_id, name),
            value: Some(value.to_bytes()),
        });
        self.partitions
            .insert((collection, name), Arc::clone(&state));
        Ok(state)
    }

    /// Gives their ids out for good, after the commit.
    pub(crate) fn adopt(&self, catalog: &Catalog) {
        let collections = self.collections.values();
        collections.for_each(|&id| catalog.next.raise_collection(id));
        let partitions = self.partitions.values();
        partitions.for_each(|state| catalog.next.raise_partition(state.id));
    }

    /// Forgets them, after a commit that failed.
    pub(crate) fn abandon(&self, catalog: &Catalog) {
        let partitions = self.partitions.values();
        partitions.for_each(|state| catalog.forget_partition(state.id));
    }
}

/// The id after `drafted` others from `next` on.
fn free(what: &str, next: u32, drafted: usize) -> Result<u32> {
    let id = u32::try_from(drafted)
        .ok()
        .and_then(|drafted| next.checked_add(drafted));
    id.filter(|&id| id < FIRST_SIDE)
        .ok_or_else(|| Error::Invalid {
            what: what.to_owned(),
            detail: format!(
                "a store makes at most {} of them in its life, and has",
                FIRST_SIDE - 1
            ),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_makes_up_to_2_to_the_30_partitions_less_one() {
        let last = FIRST_SIDE - 1;
        assert_eq!(free("partitions", last, 0).expect("the last"), last);
        assert_eq!(free("partitions", last - 3, 3).expect("the last"), last);
        for (next, drafted) in [(FIRST_SIDE, 0), (last, 1), (1, usize::MAX)] {
            let refused = free("partitions", next, drafted);
            assert!(matches!(refused, Err(Error::Invalid { .. })));
        }
    }
}
