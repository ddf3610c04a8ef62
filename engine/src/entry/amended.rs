//! An entry with its amendments: whole versions are layer 0, amendments those above.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Array, Entry, Parts, Stays};
use crate::array::{self, Attrs, Changes, Schema};
use crate::catalog::Beside;
use crate::chunks::{ChunkIndex, StagedChunks};
use crate::error::{Error, Result};
use crate::format::Defect;
use crate::format::record::key_hash;
use crate::index::Hash;
use crate::log::{Located, Log, Stored};
use crate::mutant::{Rule, broken};

/// A frame and its schema.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) stored: Stored,
    pub(crate) schema: Arc<Schema>,
}

/// An array of an amended entry.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// 0: the whole entry; else that of an amendment, from 1.
    pub(crate) layer: usize,
    /// Number in the schema of the layer.
    pub(crate) field: usize,
    /// Number in the whole entry of the array whose place it has.
    pub(crate) origin: Option<usize>,
    pub(crate) name: Arc<str>,
}

/// What amendments make of an entry.
#[derive(Debug)]
pub(crate) struct Amended {
    /// From the oldest.
    pub(crate) layers: Vec<Layer>,
    /// In their order.
    pub(crate) fields: Vec<Field>,
    by_name: HashMap<Arc<str>, usize>,
    changes: Vec<Changes>,
}

impl Layer {
    /// What it changes. `Error::Corrupt` if it is no amendment.
    pub(crate) fn changes(&self) -> Result<Changes> {
        let frame = super::head(&self.stored, &self.schema)?;
        let changes = array::changes(&self.schema, frame);
        let changes = changes.map_err(|defect| self.stored.corrupt(0, defect))?;
        changes.ok_or_else(|| {
            let defect = Defect::Field {
                what: "flags of the frame of an amendment",
                found: 0,
                expected: "8 among them",
            };
            self.stored.corrupt(4, defect)
        })
    }

    /// The arrays of its schema that it has.
    pub(super) fn present(&self) -> Result<Vec<u32>> {
        super::present(&self.stored, &self.schema)
    }

    /// What it brings, to be written again in the same partition.
    pub(crate) fn parts(&self) -> Result<Parts> {
        let mut arrays = Vec::new();
        for field in self.present()? {
            let stored = self.stored.clone();
            let array = Array::locate(stored, &self.schema, field as usize, None)?;
            if let Some(array) = array {
                let elements = array.stored_elements(Stays::All)?;
                arrays.push((array, elements));
            }
        }
        Ok(Parts {
            arrays,
            attrs: self.attrs()?,
        })
    }

    fn attrs(&self) -> Result<Attrs> {
        let frame = self.stored.value()?;
        let attrs = array::entry_attrs(&self.schema, &frame);
        attrs.map_err(|defect| self.stored.corrupt(0, defect))
    }
}

impl Entry {
    /// This version with what a batch lays over it: a change of it, and chunks.
    pub(crate) fn under(&self, layer: Option<&Layer>, chunks: &Arc<StagedChunks>) -> Result<Self> {
        let mut entry = self.clone();
        let below = self.chunks.as_ref();
        entry.chunks = Some(ChunkIndex::laid_over(self.stored.log(), below, chunks));
        if let (Some(layer), Some(schema)) = (layer, &self.schema) {
            let whole = Layer {
                stored: self.stored.clone(),
                schema: Arc::clone(schema),
            };
            let stored = self.amended.iter().flat_map(|amended| &amended.layers);
            let layers = stored.chain([layer]).cloned().collect();
            entry.amended = Some(Arc::new(Amended::new(&whole, &self.fields, layers)?));
        }
        Ok(entry)
    }
}

impl Amended {
    /// Lays amendments, from the oldest, over an entry that has the arrays `base`.
    pub(super) fn new(whole: &Layer, base: &[u32], layers: Vec<Layer>) -> Result<Self> {
        let name = |layer: &Layer, field: u32| -> Arc<str> {
            let info = layer.schema.fields.get(field as usize);
            info.map_or("", |info| info.name.as_str()).into()
        };
        let mut fields: Vec<Field> = base
            .iter()
            .map(|&field| Field {
                layer: 0,
                field: field as usize,
                origin: Some(field as usize),
                name: name(whole, field),
            })
            .collect();
        let mut all = Vec::with_capacity(layers.len());
        for (number, layer) in layers.iter().enumerate() {
            let changes = layer.changes()?;
            if !changes.dropped.is_empty() {
                fields.retain(|field| !changes.dropped.iter().any(|name| **name == *field.name));
            }
            for field in &mut fields {
                let renamed = changes.renamed.iter();
                let mut renamed = renamed.filter(|(from, _)| **from == *field.name);
                if let Some((_, to)) = renamed.next() {
                    field.name = to.as_str().into();
                }
            }
            for brought in layer.present()? {
                let new = Field {
                    layer: number.saturating_add(1),
                    field: brought as usize,
                    origin: None,
                    name: name(layer, brought),
                };
                match fields.iter_mut().find(|field| field.name == new.name) {
                    Some(field) => {
                        let origin = field.origin;
                        *field = Field { origin, ..new };
                    }
                    None => fields.push(new),
                }
            }
            all.push(changes);
        }
        let named = fields.iter().enumerate();
        let by_name: HashMap<_, _> = named
            .map(|(number, field)| (Arc::clone(&field.name), number))
            .collect();
        if by_name.len() != fields.len() {
            let last = layers.last().unwrap_or(whole);
            let defect = Defect::Field {
                what: "arrays of an amended entry of which two have one name",
                found: fields.len() as u64,
                expected: "a name for each",
            };
            return Err(last.stored.corrupt(0, defect));
        }
        Ok(Self {
            layers,
            fields,
            by_name,
            changes: all,
        })
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The newest amendment.
    pub(super) fn newest(&self) -> Option<&Layer> {
        self.layers.last()
    }

    /// The amendments and what each changes, from the newest.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = (&Layer, &Changes)> {
        self.layers.iter().zip(&self.changes).rev()
    }

    /// The attributes, those of the whole entry given.
    pub(super) fn attrs(&self, mut attrs: Attrs) -> Result<Attrs> {
        for (layer, changes) in self.layers.iter().zip(&self.changes) {
            for name in &changes.dropped_attrs {
                attrs.remove(name);
            }
            for (name, value) in layer.attrs()?.iter() {
                attrs.set(name, value.clone());
            }
        }
        Ok(attrs)
    }

    /// Bytes of the amendments.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = self.layers.iter();
        bytes
            .map(|layer| layer.stored.located().head.value_len())
            .sum()
    }
}

impl Beside {
    /// The newest amendment of an entry, if it has one: behind its newest whole version.
    #[inline]
    pub(crate) fn newest_amendment(
        &self,
        log: &Arc<Log>,
        key: &[u8],
        whole: &Located,
    ) -> Result<Option<Located>> {
        match &self.amendments {
            None => Ok(None),
            Some(_) => {
                let newest = self.newest_of(log, key)?;
                let counts = |located: &Located| {
                    located.place() > whole.place() || broken(Rule::AmendmentBehindWhole)
                };
                Ok(newest.filter(counts))
            }
        }
    }

    /// The newest amendment of a key, whatever it amends.
    pub(crate) fn newest_of(&self, log: &Arc<Log>, key: &[u8]) -> Result<Option<Located>> {
        let Some(pinned) = &self.amendments else {
            return Ok(None);
        };
        let hash = Hash(key_hash(key, log.identity().seed));
        let place = log.find_place(pinned, hash, &log.keyed(key), self.end)?;
        log.seen(place, key, self.end)
    }

    /// The amendment before another one of the same key.
    pub(crate) fn amendment_before(
        &self,
        log: &Arc<Log>,
        key: &[u8],
        after: &Stored,
    ) -> Result<Located> {
        let place = after.located().head.previous;
        // Versions lead backwards, so that damage cannot make a circle.
        let leads_back = place < after.located().place();
        if !leads_back || !log.record_has_key(log.lender(), place, key) {
            return Err(broken_chain(after));
        }
        // The index leads to the newest one alone, and compared that.
        log.check_unless_trusted(place)?;
        log.locate(place)
    }
}

/// An error for an amendment that a file has and that leads nowhere.
pub(super) fn broken_chain(stored: &Stored) -> Error {
    let defect = Defect::Field {
        what: "the amendment before an amendment, place",
        found: stored.located().head.previous,
        expected: "that of one of the same entry behind the newest whole one",
    };
    stored.corrupt(0, defect)
}
