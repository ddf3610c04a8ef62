//! Names: from them to partitions, and lists of them.

use std::collections::HashMap;
use std::sync::Arc;

use super::rows::{COLLECTION, PARTITION, collection_key, partition_key};
use super::{Catalog, PartitionState, RowValue, name_id, parse};
use crate::error::{Error, Result, What, nearest};
use crate::format::{Defect, offset, place};
use crate::log::{Located, Log, Stored, Walk};

/// Rows that are compared with a name that is not there.
const MAX_COMPARED: usize = 10_000;

/// A partition in a list.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) id: u32,
    pub(crate) collection: Arc<str>,
    pub(crate) name: String,
}

impl Catalog {
    /// The partition with these names.
    pub(crate) fn find(
        &self,
        log: &Arc<Log>,
        collection: &str,
        name: &str,
    ) -> Result<Option<Arc<PartitionState>>> {
        let end = place(log.published());
        let Some(collection) = self.collection_at(log, collection, end)? else {
            return Ok(None);
        };
        let Some(row) = self.row(log, &partition_key(collection, name), end)? else {
            return Ok(None);
        };
        let state = self.state(log, name_id(&row)?)?;
        let value = parse(&row)?;
        let corrupt = |defect| row.corrupt(0, defect);
        let align = value.align().map_err(corrupt)?;
        let defaults = value.array_defaults().map_err(corrupt)?;
        state.note(collection, align, Some(defaults));
        Ok(Some(state))
    }

    /// The id of a collection, as published.
    pub(crate) fn collection(&self, log: &Arc<Log>, name: &str) -> Result<Option<u32>> {
        self.collection_at(log, name, place(log.published()))
    }

    fn collection_at(&self, log: &Arc<Log>, name: &str, end: u64) -> Result<Option<u32>> {
        let row = self.row(log, &collection_key(name), end)?;
        row.map(|row| name_id(&row)).transpose()
    }

    /// The row of a partition, as published: its key and value.
    pub(crate) fn partition_row(
        &self,
        log: &Arc<Log>,
        collection: &str,
        name: &str,
    ) -> Result<Option<(Vec<u8>, RowValue)>> {
        let end = place(log.published());
        let Some(collection) = self.collection_at(log, collection, end)? else {
            return Ok(None);
        };
        let key = partition_key(collection, name);
        let value = self.row_value_at(log, &key, end)?;
        Ok(value.map(|value| (key, value)))
    }

    /// The error of names that lead nowhere, with the nearest name that does. Compares
    /// the names of one level, [`MAX_COMPARED`] rows at most.
    pub(crate) fn no_partition(&self, log: &Arc<Log>, collection: &str, name: &str) -> Error {
        let hint = match self.names_near(log, Some(collection)) {
            Err(error) => return error,
            Ok(None) => return self.no_collection(log, collection),
            Ok(Some(names)) => nearest(name, names.iter().map(String::as_str)),
        };
        Error::NotFound {
            what: What::Partition,
            name: name.to_owned(),
            hint,
        }
    }

    /// As [`Catalog::no_partition`], for the name of a collection.
    pub(crate) fn no_collection(&self, log: &Arc<Log>, name: &str) -> Error {
        let names = match self.names_near(log, None) {
            Err(error) => return error,
            Ok(names) => names.unwrap_or_default(),
        };
        Error::NotFound {
            what: What::Collection,
            name: name.to_owned(),
            hint: nearest(name, names.iter().map(String::as_str)),
        }
    }

    /// Some names of collections, or of partitions of a collection that is there.
    fn names_near(&self, log: &Arc<Log>, of: Option<&str>) -> Result<Option<Vec<String>>> {
        let mut rows = self.rows(log);
        let of = match of {
            None => None,
            Some(name) => match self.collection_at(log, name, rows.end)? {
                None => return Ok(None),
                id => id,
            },
        };
        let mut names = Vec::new();
        for _ in 0..MAX_COMPARED {
            let Some(row) = rows.next()? else { break };
            match (of, row.kind) {
                (None, COLLECTION) => names.push(row.name),
                (Some(id), PARTITION) if row.collection == id => names.push(row.name),
                _ => {}
            }
        }
        Ok(Some(names))
    }

    /// Names of the collections, in the order first written. Costs a walk over the
    /// catalog.
    pub(crate) fn collections(&self, log: &Arc<Log>) -> Result<Vec<String>> {
        let mut rows = self.rows(log);
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            if row.kind == COLLECTION {
                found.push((rows.id(&row)?, row.name));
            }
        }
        Ok(by_id(found))
    }

    /// Names of the partitions of a collection, in the order first written; `None` if
    /// there is no such collection. Costs a walk over the catalog.
    pub(crate) fn partitions_of(
        &self,
        log: &Arc<Log>,
        collection: &str,
    ) -> Result<Option<Vec<String>>> {
        let mut rows = self.rows(log);
        let Some(id) = self.collection_at(log, collection, rows.end)? else {
            return Ok(None);
        };
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            if row.kind == PARTITION && row.collection == id {
                found.push((rows.id(&row)?, row.name));
            }
        }
        Ok(Some(by_id(found)))
    }

    /// All partitions, in the order first written. Costs a walk over the catalog.
    pub(crate) fn partitions(&self, log: &Arc<Log>) -> Result<Vec<Listed>> {
        let mut rows = self.rows(log);
        let mut collections: HashMap<u32, Arc<str>> = HashMap::new();
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let id = rows.id(&row)?;
            if row.kind == COLLECTION {
                collections.insert(id, row.name.into());
            } else {
                found.push((id, row));
            }
        }
        found.sort_by_key(|(id, _)| *id);
        // The rest is of collections that were dropped.
        let listed = found.into_iter().filter_map(|(id, row)| {
            let collection = Arc::clone(collections.get(&row.collection)?);
            let name = row.name;
            Some(Listed {
                id,
                collection,
                name,
            })
        });
        Ok(listed.collect())
    }

    fn rows<'a>(&self, log: &'a Arc<Log>) -> Rows<'a> {
        let (pinned, end) = self.index.pin(|| place(log.published()));
        Rows {
            log,
            walk: Walk::new(Some(pinned), end),
            end,
        }
    }
}

/// A walk over the rows of names, in log order, as published when it began.
struct Rows<'a> {
    log: &'a Arc<Log>,
    walk: Walk,
    end: u64,
}

struct NameRow {
    located: Located,
    kind: u8,
    /// Of a partition: the id of its collection.
    collection: u32,
    name: String,
}

impl Rows<'_> {
    fn next(&mut self) -> Result<Option<NameRow>> {
        while let Some(place) = self.walk.next(self.log) {
            let at = offset(place?);
            let (head, key) = self.log.head_and_key(at)?;
            let Some((&kind, rest)) = key.split_first() else {
                continue;
            };
            let (collection, name) = match (kind, rest.split_first_chunk()) {
                (COLLECTION, _) => (0, rest),
                (PARTITION, Some((id, name))) => (u32::from_le_bytes(*id), name),
                _ => continue,
            };
            let name = std::str::from_utf8(name);
            let name =
                name.map_err(|_| self.log.corrupt(at, Defect::NotUtf8 { what: "a name" }))?;
            return Ok(Some(NameRow {
                located: Located { at, head },
                kind,
                collection,
                name: name.to_owned(),
            }));
        }
        Ok(None)
    }

    fn id(&self, row: &NameRow) -> Result<u32> {
        name_id(&Stored::new(self.log, row.located)?)
    }
}

/// The order of ids is that of the first writes, which a row that is written again for
/// its attributes, or under another name, does not change.
fn by_id(mut found: Vec<(u32, String)>) -> Vec<String> {
    found.sort_by_key(|(id, _)| *id);
    found.into_iter().map(|(_, name)| name).collect()
}
