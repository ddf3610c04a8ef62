//! Names for what lost its own: partitions of a damaged store whose rows do not hold.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::rows::{COLLECTION, PARTITION, Row, RowValue, collection_key, partition_key};
use super::{CATALOG, Catalog};
use crate::error::Result;
use crate::log::Log;

/// Which names the rows that hold speak of, those of names that are gone too.
#[derive(Debug, Default)]
pub(crate) struct NamesFound {
    collections: HashSet<u32>,
    /// Partition -> collection.
    partitions: HashMap<u32, u32>,
}

impl NamesFound {
    /// Takes in a row that holds.
    pub(crate) fn note(&mut self, key: &[u8], value: &[u8]) {
        let Ok(RowValue { id, .. }) = RowValue::parse(value) else {
            return;
        };
        match key.split_first() {
            Some((&COLLECTION, _)) => {
                self.collections.insert(id);
            }
            Some((&PARTITION, rest)) => {
                let of = rest.first_chunk().map(|id| u32::from_le_bytes(*id));
                self.partitions.insert(id, of.unwrap_or_default());
            }
            _ => {}
        }
    }

    /// Whether a row said that there is, or was, a partition with this id.
    pub(crate) fn has(&self, partition: u32) -> bool {
        self.partitions.contains_key(&partition)
    }

    /// Rows that name the partitions `used` that no row names, and the collections that
    /// rows of partitions speak of: "lost-collection-3", and "partition-5" of "lost".
    pub(crate) fn missing(
        &self,
        catalog: &Catalog,
        log: &Arc<Log>,
        used: &BTreeSet<u32>,
    ) -> Result<Vec<Row>> {
        let row = |key: Vec<u8>, id: u32| Row {
            key,
            value: Some(RowValue::new(id).to_bytes()),
        };
        let mut rows = Vec::new();
        let of_partitions: BTreeSet<u32> = self.partitions.values().copied().collect();
        for &id in &of_partitions {
            if !self.collections.contains(&id) {
                catalog.next.raise_collection(id);
                let name = unused(catalog, log, &format!("lost-collection-{id}"))?;
                rows.push(row(collection_key(&name), id));
            }
        }
        let mut nameless = used.iter().filter(|&&id| id != CATALOG && !self.has(id));
        let mut next = nameless.next();
        if next.is_some() {
            let lost = catalog.next.collection();
            catalog.next.raise_collection(lost);
            rows.push(row(collection_key(&unused(catalog, log, "lost")?), lost));
            while let Some(&id) = next {
                catalog.next.raise_partition(id);
                rows.push(row(partition_key(lost, &format!("partition-{id}")), id));
                next = nameless.next();
            }
        }
        Ok(rows)
    }
}

/// `name`, or one like it that no collection has.
fn unused(catalog: &Catalog, log: &Arc<Log>, name: &str) -> Result<String> {
    let mut candidate = name.to_owned();
    let mut number = 2;
    while catalog.collection(log, &candidate)?.is_some() {
        candidate = format!("{name}-{number}");
        number += 1;
    }
    Ok(candidate)
}
