//! Interned schemas: each structure of entries is stored once.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use parking_lot::RwLock;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

use super::Catalog;
use super::rows::{Row, SCHEMA, SCHEMA_HASH, key};
use crate::array::{ArrayAttrs, Plan, Schema};
use crate::error::Result;
use crate::format::{Defect, record};
use crate::grid::Grid;
use crate::log::Log;

/// Schemas by id and by content. Those by id are read without a lock: they are on the
/// path of every array.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    by_id: Grid<Arc<Schema>>,
    interned: RwLock<Interned>,
}

#[derive(Debug, Default)]
struct Interned {
    ids: HashMap<Arc<[u8]>, Interning, BuildHasherDefault<SchemaHasher>>,
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
    /// Number of the catalog that said so.
    catalog: u64,
    /// Whether the store has it; else every commit that uses it brings it along.
    committed: bool,
}

impl Catalog {
    /// The schema with `id`.
    #[inline]
    pub(crate) fn schema(&self, log: &Arc<Log>, id: u32) -> Result<&Arc<Schema>> {
        match self.schemas.by_id.get(id) {
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
        let row = self.row(log, &key(SCHEMA, &[&id.to_le_bytes()]), u64::MAX)?;
        let row = row.ok_or_else(|| missing(log.published()))?;
        let bytes = row.value()?;
        let schema = Schema::parse(&bytes).map_err(|defect| row.corrupt(0, defect))?;
        self.schemas
            .by_id
            .set(id, Arc::new(schema))
            .ok_or_else(|| missing(log.published()))
    }

    /// The id of a schema; a new one if the store does not have it.
    fn intern(&self, log: &Arc<Log>, bytes: &[u8]) -> Result<Interning> {
        if let Some(interning) = self.schemas.interned.read().ids.get(bytes) {
            return Ok(interning.clone());
        }
        let stored = self.stored_schema(log, bytes)?;
        let mut interned = self.schemas.interned.write();
        if let Some(interning) = interned.ids.get(bytes) {
            return Ok(interning.clone());
        }
        let id = stored.unwrap_or_else(|| self.next.take_schema());
        let bytes: Arc<[u8]> = bytes.into();
        let interning = Interning {
            id,
            bytes: Arc::clone(&bytes),
            catalog: self.number.0,
            committed: stored.is_some(),
        };
        interned.ids.insert(bytes, interning.clone());
        Ok(interning)
    }

    /// The schema of a plan, if the store has it.
    pub(crate) fn known_schema(
        &self,
        log: &Arc<Log>,
        plan: &Plan<'_>,
    ) -> Result<Option<Interning>> {
        let id = self.stored_schema(log, plan.schema_bytes())?;
        id.map(|id| self.interning(log, id)).transpose()
    }

    /// The schema of a plan. Array attributes that differ from entry to entry are put
    /// into the entries, so that they do not make a schema for each.
    pub(crate) fn intern_plan(&self, log: &Arc<Log>, plan: &mut Plan<'_>) -> Result<Interning> {
        if let Some(interning) = self.schemas.interned.read().ids.get(plan.schema_bytes()) {
            return Ok(interning.clone());
        }
        if plan.has_array_attrs() {
            let mut interned = self.schemas.interned.write();
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
        let Some(row) = self.row(log, &key(SCHEMA_HASH, &[&hash]), u64::MAX)? else {
            return Ok(None);
        };
        let Some(id) = row.value()?.first_chunk().copied() else {
            return Ok(None);
        };
        let row = self.row(log, &key(SCHEMA, &[&id]), u64::MAX)?;
        let same = row
            .map(|row| row.value())
            .transpose()?
            .is_some_and(|stored| *stored == *bytes);
        Ok(same.then_some(u32::from_le_bytes(id)))
    }

    /// The schema with `id` that an entry of the store has.
    pub(crate) fn interning(&self, log: &Arc<Log>, id: u32) -> Result<Interning> {
        self.schema(log, id)?;
        let row = self.row(log, &key(SCHEMA, &[&id.to_le_bytes()]), u64::MAX)?;
        let bytes = row.map(|row| row.value()).transpose()?;
        Ok(Interning {
            id,
            bytes: bytes.as_deref().unwrap_or_default().into(),
            catalog: self.number.0,
            committed: true,
        })
    }

    /// Whether a commit that uses the schema has to bring it along.
    pub(crate) fn is_new(&self, log: &Arc<Log>, interning: &Interning) -> Result<bool> {
        if interning.catalog != self.number.0 {
            // Of another generation of the file. Ids are the same in all, but this one has
            // only the schemas that its entries use.
            let row = self.row(log, &key(SCHEMA, &[&interning.id.to_le_bytes()]), u64::MAX)?;
            return Ok(row.is_none());
        }
        let interned = self.schemas.interned.read();
        let now = interned.ids.get(&interning.bytes);
        Ok(!interning.committed && !now.is_some_and(|now| now.committed))
    }

    /// Notes that the store has these schemas.
    pub(crate) fn committed(&self, interned: &[Interning]) {
        let mut now = self.schemas.interned.write();
        for interning in interned {
            let known = now.ids.get_mut(&interning.bytes);
            if let Some(known) = known.filter(|known| known.id == interning.id) {
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
                value: Some(id.to_vec()),
            },
            Row {
                key: key(SCHEMA, &[&id]),
                value: Some(self.bytes.to_vec()),
            },
        ]
    }
}
