//! What a store holds, for people.

use crate::catalog::Listed;
use crate::error::Result;
use crate::format::FORMAT_VERSION;
use crate::store::Store;

/// Sizes and counts of a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Info {
    /// Format version, "0.2".
    pub format: String,
    /// Bytes of the file up to the end of the last commit.
    pub file_bytes: u64,
    /// Number of the newest commit.
    pub seqno: u64,
    /// Each partition in the order first written.
    pub partitions: Vec<PartitionInfo>,
}

/// Counts of a partition.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PartitionInfo {
    /// Its collection.
    pub collection: String,
    /// Its name.
    pub name: String,
    /// Number of entries.
    pub entries: u64,
}

impl Store {
    /// Sizes and counts, for people.
    pub fn info(&self) -> Result<Info> {
        let inner = self.inner();
        let (log, catalog) = (&inner.log, &inner.catalog);
        inner.check_open("describe a store")?;
        let listed = catalog.partitions(log)?;
        let info = |listed: Listed| {
            Ok(PartitionInfo {
                collection: listed.collection.to_string(),
                name: listed.name,
                entries: catalog.state(log, listed.id)?.index.len(),
            })
        };
        let partitions: Result<Vec<_>> = listed.into_iter().map(info).collect();
        Ok(Info {
            format: FORMAT_VERSION.to_owned(),
            file_bytes: log.published(),
            seqno: log.seqno(),
            partitions: partitions?,
        })
    }
}
