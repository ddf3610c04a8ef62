//! Names of collections and partitions, and interned schemas: entries of partition 0.
//!
//! | key                                | value                       |
//! |------------------------------------|-----------------------------|
//! | 01, collection name                | id u32                      |
//! | 02, collection id u32, name        | partition id u32            |
//! | 04, XXH3-128 of a schema           | id u32 of the schema        |
//! | 05, schema id u32                  | the schema                  |
//!
//! Being entries, they are committed, recovered and indexed like all others; what a
//! commit needs stands in its own batch. Integers are little-endian. Values may be
//! longer: what follows the id is left to later versions. Ids are not used twice.
//!
//! Partitions are kept by name and id behind a lock that handles take once, when they
//! find their partition. Schemas by id are read without a lock: they are on the path
//! of every array.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use parking_lot::RwLock;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

use crate::array::{ArrayAttrs, Plan, Schema};
use crate::error::{Error, Result, What};
use crate::format::{Defect, record};
use crate::grid::Grid;
use crate::index::{Hash, PartitionIndex};
use crate::log::{Found, Located, Log, Stored};

/// Id of the partition that holds the catalog.
pub(crate) const CATALOG: u32 = 0;

const COLLECTION: u8 = 1;
const PARTITION: u8 = 2;
const SCHEMA_HASH: u8 = 4;
const SCHEMA: u8 = 5;

/// Longest name of a collection or partition, in bytes of UTF-8.
const MAX_NAME: usize = 255;

/// What the catalog knows, in memory.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// Index of partition 0.
    pub(crate) index: PartitionIndex,
    names: RwLock<Names>,
    schemas: Grid<Arc<Schema>>,
    interned: RwLock<Interned>,
}

/// A partition of the store.
#[derive(Debug)]
pub(crate) struct PartitionState {
    pub(crate) id: u32,
    pub(crate) collection: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) index: PartitionIndex,
}

#[derive(Debug, Default)]
struct Names {
    collections: HashMap<Arc<str>, u32>,
    collection_names: BTreeMap<u32, Arc<str>>,
    partitions: HashMap<(u32, Arc<str>), u32>,
    by_id: BTreeMap<u32, Arc<PartitionState>>,
}

#[derive(Debug, Default)]
struct Interned {
    ids: HashMap<Arc<[u8]>, Interning, BuildHasherDefault<SchemaHasher>>,
    next: u32,
    /// Schemas seen by this process that differ in array attributes only.
    variants: HashMap<u64, u32>,
}

/// Hashes whole schemas, of a kilobyte or so for each entry that is written,
/// several times as fast as the default.
#[derive(Default)]
struct SchemaHasher(u64);

impl Hasher for SchemaHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    // The length, which comes first.
    fn write_usize(&mut self, length: usize) {
        self.0 ^= length as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Schemas that differ in array attributes only, before these go into the entries.
const MAX_VARIANTS: u32 = 16;

/// A schema that has an id.
#[derive(Clone, Debug)]
pub(crate) struct Interning {
    pub(crate) id: u32,
    pub(crate) bytes: Arc<[u8]>,
    /// Whether the store has it; else every commit that uses it brings it along.
    committed: bool,
}

/// A key of partition 0 and its value.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

fn key(kind: u8, rest: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    rest.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// Fails unless `name` can name a collection or partition.
pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    let detail = if name.is_empty() {
        "a name is not empty".to_owned()
    } else if name.len() > MAX_NAME {
        format!(
            "a name has at most {MAX_NAME} bytes, this one {}",
            name.len()
        )
    } else if let Some(at) = name.find('\0') {
        format!("a name has no NUL, this one has it at byte {at}")
    } else {
        return Ok(());
    };
    Err(Error::Invalid {
        what: format!("{what} name {name:?}"),
        detail,
    })
}

impl Catalog {
    /// Takes in a record of partition 0 that was replayed.
    pub(crate) fn take(&self, log: &Arc<Log>, found: &Found<'_>) -> Result<()> {
        let Some((&kind, rest)) = found.key.split_first() else {
            return Ok(());
        };
        if !matches!(kind, COLLECTION | PARTITION | SCHEMA) {
            return Ok(());
        }
        let place = found.at;
        let defect = |what| {
            log.corrupt(
                place,
                Defect::Truncated {
                    what,
                    need: 4,
                    have: rest.len() as u64,
                },
            )
        };
        if kind == SCHEMA {
            let id = rest
                .first_chunk()
                .ok_or_else(|| defect("the key of a schema"))?;
            let mut interned = self.interned.write();
            interned.next = interned.next.max(u32::from_le_bytes(*id).saturating_add(1));
            return Ok(());
        }
        let stored = Stored::new(
            log,
            Located {
                at: found.at,
                head: found.head,
            },
        )?;
        let value = stored.value()?;
        let id = value
            .first_chunk()
            .ok_or_else(|| defect("the id of a name"))?;
        let id = u32::from_le_bytes(*id);
        if id == CATALOG {
            let what = "the id of a name";
            let expected = "1 or more";
            let found = id.into();
            return Err(log.corrupt(
                place,
                Defect::Field {
                    what,
                    found,
                    expected,
                },
            ));
        }
        let text = |bytes| {
            std::str::from_utf8(bytes)
                .map_err(|_| log.corrupt(place, Defect::NotUtf8 { what: "a name" }))
        };
        if kind == COLLECTION {
            self.names.write().add_collection(text(rest)?, id);
            return Ok(());
        }
        let (collection, name) = rest
            .split_first_chunk()
            .ok_or_else(|| defect("the key of a partition"))?;
        let collection = u32::from_le_bytes(*collection);
        let added = self
            .names
            .write()
            .add_partition(collection, text(name)?, id);
        added.ok_or_else(|| {
            let expected = "the id of a collection that stands before";
            let what = "the collection of a partition";
            log.corrupt(
                place,
                Defect::Field {
                    what,
                    found: collection.into(),
                    expected,
                },
            )
        })?;
        Ok(())
    }

    /// The partition with `id`.
    pub(crate) fn by_id(&self, id: u32) -> Option<Arc<PartitionState>> {
        self.names.read().by_id.get(&id).cloned()
    }

    /// The partition with these names.
    pub(crate) fn find(&self, collection: &str, name: &str) -> Option<Arc<PartitionState>> {
        self.names.read().find(collection, name)
    }

    /// A partition that has to be there.
    pub(crate) fn get(&self, collection: &str, name: &str) -> Result<Arc<PartitionState>> {
        let names = self.names.read();
        if let Some(found) = names.find(collection, name) {
            return Ok(found);
        }
        let (what, looked_for, candidates) = if names.collections.contains_key(collection) {
            (What::Partition, name, names.partitions_of(collection))
        } else {
            (
                What::Collection,
                collection,
                names.collection_names.values().cloned().collect(),
            )
        };
        let hint = nearest(looked_for, candidates.iter().map(|name| &**name));
        Err(Error::NotFound {
            what,
            name: looked_for.to_owned(),
            hint,
        })
    }

    /// Names of the collections, in the order first written.
    pub(crate) fn collections(&self) -> Vec<String> {
        let names = self.names.read();
        names
            .collection_names
            .values()
            .map(|name| name.to_string())
            .collect()
    }

    /// All partitions, in the order first written.
    pub(crate) fn partitions(&self) -> Vec<Arc<PartitionState>> {
        self.names.read().by_id.values().cloned().collect()
    }

    /// A partition that does not exist yet, and the rows that make it. It is known
    /// once [`Catalog::adopt`] was called, after the commit. Under the writer's lock.
    pub(crate) fn draft(&self, drafts: &[Draft], collection: &str, name: &str) -> Draft {
        let names = self.names.read();
        let mut rows = Vec::new();
        let drafted = drafts
            .iter()
            .find(|draft| &*draft.state.collection == collection);
        let known = names.collections.get(collection).copied();
        let collection_id = known
            .or(drafted.map(|draft| draft.collection_id))
            .unwrap_or_else(|| {
                let last = drafts.iter().map(|draft| draft.collection_id);
                let known = names.collection_names.last_key_value().map(|(id, _)| *id);
                let id = last.chain(known).max().unwrap_or(0).saturating_add(1);
                let value = id.to_le_bytes().to_vec();
                rows.push(Row {
                    key: key(COLLECTION, &[collection.as_bytes()]),
                    value,
                });
                id
            });
        // Ids ascend, in the order of the drafts too.
        let drafted = drafts.last().map(|draft| draft.state.id);
        let known = names.by_id.last_key_value().map(|(id, _)| *id);
        let last = drafted.or(known).unwrap_or(CATALOG);
        let id = last.saturating_add(1);
        rows.push(Row {
            key: key(PARTITION, &[&collection_id.to_le_bytes(), name.as_bytes()]),
            value: id.to_le_bytes().to_vec(),
        });
        let state = PartitionState {
            id,
            collection: collection.into(),
            name: name.into(),
            index: PartitionIndex::default(),
        };
        Draft {
            state: Arc::new(state),
            collection_id,
            rows,
        }
    }

    /// Knows partitions whose rows were committed.
    pub(crate) fn adopt(&self, drafts: Vec<Draft>) {
        let mut names = self.names.write();
        for Draft {
            state,
            collection_id,
            ..
        } in drafts
        {
            names.add_collection(&state.collection, collection_id);
            names.insert(collection_id, state);
        }
    }

    /// The schema with `id`.
    #[inline]
    pub(crate) fn schema(&self, log: &Arc<Log>, id: u32) -> Result<&Arc<Schema>> {
        match self.schemas.get(id) {
            Some(schema) => Ok(schema),
            None => self.load_schema(log, id),
        }
    }

    #[cold]
    fn load_schema(&self, log: &Arc<Log>, id: u32) -> Result<&Arc<Schema>> {
        let missing = |at| {
            let expected = "the id of a schema of this store";
            log.corrupt(
                at,
                Defect::Field {
                    what: "the schema id",
                    found: id.into(),
                    expected,
                },
            )
        };
        // The table of schemas has room up to the highest id: a store cannot have more
        // schemas than it has records.
        if u64::from(id) > log.published() / record::HEAD_LEN {
            return Err(missing(log.published()));
        }
        let row = self.row(log, &key(SCHEMA, &[&id.to_le_bytes()]))?;
        let row = row.ok_or_else(|| missing(log.published()))?;
        let bytes = row.value()?;
        let schema = Schema::parse(&bytes).map_err(|defect| row.corrupt(0, defect))?;
        self.schemas
            .set(id, Arc::new(schema))
            .ok_or_else(|| missing(log.published()))
    }

    /// The newest version of a row.
    fn row(&self, log: &Arc<Log>, key: &[u8]) -> Result<Option<Stored>> {
        let hash = Hash(record::key_hash(key, log.identity().seed));
        let found = log
            .find(&self.index, hash, key, u64::MAX)?
            .filter(Located::is_live);
        found.map(|located| Stored::new(log, located)).transpose()
    }

    /// The id of a schema; a new one if the store does not have it.
    fn intern(&self, log: &Arc<Log>, bytes: &[u8]) -> Result<Interning> {
        if let Some(interning) = self.interned.read().ids.get(bytes) {
            return Ok(interning.clone());
        }
        let stored = self.stored_schema(log, bytes)?;
        let mut interned = self.interned.write();
        if let Some(interning) = interned.ids.get(bytes) {
            return Ok(interning.clone());
        }
        let id = stored.unwrap_or(interned.next);
        interned.next = interned.next.max(id.saturating_add(1));
        let bytes: Arc<[u8]> = bytes.into();
        let interning = Interning {
            id,
            bytes: Arc::clone(&bytes),
            committed: stored.is_some(),
        };
        interned.ids.insert(bytes, interning.clone());
        Ok(interning)
    }

    /// The schema of a plan. Array attributes that differ from entry to entry are put
    /// into the entries, so that they do not make a schema for each.
    pub(crate) fn intern_plan(&self, log: &Arc<Log>, plan: &mut Plan<'_>) -> Result<Interning> {
        if let Some(interning) = self.interned.read().ids.get(plan.schema_bytes()) {
            return Ok(interning.clone());
        }
        if plan.has_array_attrs() {
            let mut interned = self.interned.write();
            let variants = interned.variants.entry(plan.skeleton_hash()).or_insert(0);
            if *variants >= MAX_VARIANTS {
                plan.put_array_attrs(ArrayAttrs::InFrame);
            } else {
                *variants += 1;
            }
        }
        self.intern(log, plan.schema_bytes())
    }

    /// The id under which the store has a schema. Its hash finds it, its bytes decide.
    fn stored_schema(&self, log: &Arc<Log>, bytes: &[u8]) -> Result<Option<u32>> {
        let hash = xxh3_128(bytes).to_le_bytes();
        let Some(row) = self.row(log, &key(SCHEMA_HASH, &[&hash]))? else {
            return Ok(None);
        };
        let Some(id) = row.value()?.first_chunk().copied() else {
            return Ok(None);
        };
        let row = self.row(log, &key(SCHEMA, &[&id]))?;
        let same = row
            .map(|row| row.value())
            .transpose()?
            .is_some_and(|stored| *stored == *bytes);
        Ok(same.then_some(u32::from_le_bytes(id)))
    }

    /// Whether a commit that uses the schema has to bring it along.
    pub(crate) fn is_new(&self, interning: &Interning) -> bool {
        !interning.committed
            && !self
                .interned
                .read()
                .ids
                .get(&interning.bytes)
                .is_some_and(|now| now.committed)
    }

    /// Notes that the store has these schemas.
    pub(crate) fn committed(&self, interned: &[Interning]) {
        let mut now = self.interned.write();
        for interning in interned {
            if let Some(known) = now.ids.get_mut(&interning.bytes) {
                known.committed = true;
            }
        }
    }
}

impl Interning {
    /// The rows that make the schema known.
    pub(crate) fn rows(&self) -> [Row; 2] {
        let id = self.id.to_le_bytes();
        let hash = xxh3_128(&self.bytes).to_le_bytes();
        [
            Row {
                key: key(SCHEMA_HASH, &[&hash]),
                value: id.to_vec(),
            },
            Row {
                key: key(SCHEMA, &[&id]),
                value: self.bytes.to_vec(),
            },
        ]
    }
}

/// A partition that a commit makes.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) state: Arc<PartitionState>,
    pub(crate) rows: Vec<Row>,
    collection_id: u32,
}

impl Names {
    fn find(&self, collection: &str, name: &str) -> Option<Arc<PartitionState>> {
        let collection = self.collections.get(collection)?;
        // A borrowed pair is no key of the map; the copy is made once per handle.
        let id = self.partitions.get(&(*collection, Arc::from(name)))?;
        self.by_id.get(id).cloned()
    }

    fn partitions_of(&self, collection: &str) -> Vec<Arc<str>> {
        let of = |state: &&Arc<PartitionState>| &*state.collection == collection;
        self.by_id
            .values()
            .filter(of)
            .map(|state| Arc::clone(&state.name))
            .collect()
    }

    fn add_collection(&mut self, name: &str, id: u32) {
        let name: Arc<str> = name.into();
        self.collections.insert(Arc::clone(&name), id);
        self.collection_names.insert(id, name);
    }

    fn add_partition(&mut self, collection: u32, name: &str, id: u32) -> Option<()> {
        let state = PartitionState {
            id,
            collection: Arc::clone(self.collection_names.get(&collection)?),
            name: name.into(),
            index: PartitionIndex::default(),
        };
        self.insert(collection, Arc::new(state));
        Some(())
    }

    fn insert(&mut self, collection: u32, state: Arc<PartitionState>) {
        self.partitions
            .insert((collection, Arc::clone(&state.name)), state.id);
        self.by_id.entry(state.id).or_insert(state);
    }
}

/// The name that one may have meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let scored =
        candidates.map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate));
    let best = scored.min_by_key(|&(distance, _)| distance);
    // A third of the letters wrong is another name, not a slip.
    best.filter(|&(distance, candidate)| distance * 3 <= name.len().max(candidate.len()))
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_1_to_255_bytes_are_taken_and_others_refused_with_the_number() {
        for name in ["a", "a/b", "Ω", &"x".repeat(255)] {
            check_name("collection", name).expect("taken");
        }
        for (name, said) in [("", "empty"), (&"x".repeat(256), "256"), ("a\0b", "byte 1")] {
            let error = check_name("partition", name)
                .expect_err("refused")
                .to_string();
            assert!(
                error.contains(said) && error.contains("partition"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let names = ["temperature", "salinity"];
        assert_eq!(
            nearest("temprature", names.into_iter()).as_deref(),
            Some("temperature")
        );
        assert_eq!(nearest("pressure", names.into_iter()), None);
    }
}
