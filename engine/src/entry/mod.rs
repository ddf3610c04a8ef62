//! One version of an entry.

mod amended;
mod array;
mod attr;
mod chunked;
mod elements;
mod source;

use std::sync::Arc;

use crate::array::{ArraySpec, Attrs, Schema};
use crate::chunks::ChunkIndex;
use crate::condition::Version;
use crate::error::{Error, Result, What, describe_key, nearest};
use crate::format::record::RecordKind;
use crate::log::{Log, Stored};
use crate::storage::Bytes;
use crate::value::Value;

pub use array::Array;
pub use elements::Elements;

pub(crate) use amended::Layer;
pub(crate) use attr::AttrFinder;
pub(crate) use elements::Described;
pub(crate) use source::Source;

use amended::Amended;
use array::StoredElements;

/// What of an entry stays as it is stored when it is written again; the rest is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stays {
    /// Blocks of encoded arrays: in another partition.
    Blocks,
    /// Chunked arrays keep their chunks too: in the same partition.
    All,
    /// As `All`, but for what is short enough to share a dictionary.
    Long,
}

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Plain bytes.
    Value,
    /// Named arrays and attributes.
    Arrays,
}

/// One version of an entry: never changes, usable after the store was closed.
///
/// Making one costs a reference to the mapping; nothing of the value is read before
/// it is asked for, and only what is asked for is compared with its checksums.
#[derive(Clone, Debug)]
pub struct Entry {
    key: Arc<[u8]>,
    stored: Stored,
    /// `None` for a plain value.
    schema: Option<Arc<Schema>>,
    /// The arrays of the schema that this entry has, in order.
    fields: Arc<[u32]>,
    /// If it was amended: what its arrays are then.
    amended: Option<Arc<Amended>>,
    /// Where chunks are, if the partition has any.
    chunks: Option<ChunkIndex>,
}

impl Entry {
    pub(crate) fn new(
        key: &[u8],
        stored: Stored,
        schema: Option<Arc<Schema>>,
        amendments: Vec<Layer>,
        chunks: Option<ChunkIndex>,
    ) -> Result<Self> {
        let mut entry = Self {
            key: key.into(),
            stored,
            schema,
            fields: Arc::default(),
            amended: None,
            chunks,
        };
        if let Some(schema) = &entry.schema {
            let fields = present(&entry.stored, schema)?;
            if !amendments.is_empty() {
                let whole = Layer {
                    stored: entry.stored.clone(),
                    schema: Arc::clone(schema),
                };
                entry.amended = Some(Arc::new(Amended::new(&whole, &fields, amendments)?));
            }
            entry.fields = fields.into();
        }
        Ok(entry)
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Identifies this version among those of its key, for
    /// [`Condition::Version`](crate::Condition).
    #[must_use]
    pub fn version(&self) -> Version {
        let newest = self.amended.as_ref().and_then(|amended| amended.newest());
        let newest = newest.map_or(&self.stored, |layer| &layer.stored);
        Version::of(newest.log(), newest.located())
    }

    /// What the entry holds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.schema.is_some() {
            Kind::Arrays
        } else {
            Kind::Value
        }
    }

    /// The bytes of a plain value. `Error::Kind` if it holds arrays, `Error::Corrupt`.
    pub fn value(&self) -> Result<Value> {
        if self.schema.is_some() {
            return Err(self.kind_error("a value"));
        }
        self.stored.value().map(Value::new)
    }

    /// Names of the arrays in the order written; none for a value.
    pub fn names(&self) -> impl Iterator<Item = &str> + '_ {
        (0..self.len()).filter_map(|position| self.name_at(position))
    }

    fn name_at(&self, position: usize) -> Option<&str> {
        if let Some(amended) = &self.amended {
            return amended.fields.get(position).map(|field| &*field.name);
        }
        let field = *self.fields.get(position)?;
        let info = self.schema.as_ref()?.fields.get(field as usize)?;
        Some(&info.name)
    }

    /// Number of arrays.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.amended {
            Some(amended) => amended.fields.len(),
            None => self.fields.len(),
        }
    }

    /// Whether there is no array.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The array called `name`: what it is and where its elements are, of which nothing is
    /// read. `Error::NotFound` with the nearest name, `Error::Kind` for a plain value,
    /// `Error::Corrupt`.
    pub fn array(&self, name: &str) -> Result<Array> {
        let Some(schema) = &self.schema else {
            return Err(self.kind_error("arrays"));
        };
        let found = match &self.amended {
            Some(amended) => match amended.position(name) {
                Some(position) => self.amended_array(amended, position)?,
                None => None,
            },
            None => match schema.position(name) {
                Some(field) => self.locate(&self.stored, schema, field)?,
                None => None,
            },
        };
        found.ok_or_else(|| self.no_array(name))
    }

    fn no_array(&self, name: &str) -> Error {
        let hint = nearest(name, self.names());
        Error::NotFound {
            what: What::Array,
            name: name.to_owned(),
            hint,
        }
    }

    /// The array at `position` in the order written.
    pub fn array_at(&self, position: usize) -> Result<Array> {
        let Some(schema) = &self.schema else {
            return Err(self.kind_error("arrays"));
        };
        let found = match &self.amended {
            Some(amended) => self.amended_array(amended, position)?,
            None => match self.fields.get(position) {
                Some(&field) => self.locate(&self.stored, schema, field as usize)?,
                None => None,
            },
        };
        found.ok_or_else(|| self.no_array(&format!("number {position}")))
    }

    fn locate(&self, stored: &Stored, schema: &Arc<Schema>, field: usize) -> Result<Option<Array>> {
        Array::locate(stored.clone(), schema, field, self.chunks.clone())
    }

    fn amended_array(&self, amended: &Amended, position: usize) -> Result<Option<Array>> {
        let Some(found) = amended.fields.get(position) else {
            return Ok(None);
        };
        let above = found.layer.checked_sub(1);
        let (stored, schema) = match above.and_then(|layer| amended.layers.get(layer)) {
            Some(layer) => (&layer.stored, &layer.schema),
            None => match &self.schema {
                Some(schema) => (&self.stored, schema),
                None => return Ok(None),
            },
        };
        let array = self.locate(stored, schema, found.field)?;
        Ok(array.map(|array| match array.info().name == *found.name {
            true => array,
            false => array.renamed(&found.name),
        }))
    }

    /// Attributes of the entry; none for a plain value.
    pub fn attrs(&self) -> Result<Attrs> {
        let Some(schema) = &self.schema else {
            return Ok(Attrs::new());
        };
        // Texts among them lie behind the head.
        let frame = self.stored.value()?;
        let attrs = crate::array::entry_attrs(schema, &frame);
        let attrs = attrs.map_err(|defect| self.stored.corrupt(0, defect))?;
        match &self.amended {
            Some(amended) => amended.attrs(attrs),
            None => Ok(attrs),
        }
    }

    /// The attributes that are not damaged, and the names of the others: for an entry of
    /// which a part is. `Error::Corrupt` if its head is.
    pub(crate) fn sound_attrs(&self) -> Result<(Attrs, Vec<String>)> {
        let Some(schema) = &self.schema else {
            return Ok((Attrs::new(), Vec::new()));
        };
        let corrupt = |defect| self.stored.corrupt(0, defect);
        let frame = head(&self.stored, schema)?;
        let mut damaged = Vec::new();
        for (name, place) in crate::array::entry_attr_places(schema, frame).map_err(corrupt)? {
            match self.stored.verified(place) {
                Err(Error::Corrupt { .. }) => damaged.push(name),
                verified => drop(verified?),
            }
        }
        let attrs = crate::array::entry_attrs_but(schema, frame, &damaged).map_err(corrupt)?;
        match &self.amended {
            Some(amended) => Ok((amended.attrs(attrs)?, damaged)),
            None => Ok((attrs, damaged)),
        }
    }

    /// Bytes of the value, and of its amendments, in the file; those of chunks are told by
    /// their arrays.
    #[must_use]
    pub fn nbytes_stored(&self) -> u64 {
        let whole = self.stored.located().head.value_len();
        let amended = self.amended.as_ref().map_or(0, |amended| amended.bytes());
        whole.saturating_add(amended)
    }

    /// Whether this entry lies in the file of `log`.
    pub(crate) fn is_of(&self, log: &Arc<Log>) -> bool {
        Arc::ptr_eq(self.stored.log(), log)
    }

    /// Whether its record alone says all of it: it was not amended, no array of it is
    /// chunked, and none needs a dictionary.
    pub(crate) fn is_one_record(&self) -> Result<bool> {
        let schema = self.schema.as_deref();
        let chunked = schema.is_some_and(|schema| schema.fields.iter().any(|info| info.chunked));
        Ok(self.amended.is_none() && !chunked && !self.shares_dictionary()?)
    }

    /// Whether an array of the whole entry, without its amendments, needs the dictionary of
    /// the partition.
    pub(crate) fn shares_dictionary(&self) -> Result<bool> {
        // What has one has records beside its entries.
        if self.schema.is_none() || self.chunks.is_none() {
            return Ok(false);
        }
        shares_dictionary(&self.stored)
    }

    pub(crate) fn is_amended(&self) -> bool {
        self.amended.is_some()
    }

    /// Kind and bytes of the record, which is all of the entry if
    /// [`is_one_record`](Self::is_one_record).
    pub(crate) fn record(&self) -> Result<(RecordKind, Bytes)> {
        Ok((self.stored.located().head.kind, self.stored.value()?))
    }

    /// Fails if it needs the dictionary of the partition and that cannot be read.
    pub(crate) fn check_dictionary(&self) -> Result<()> {
        match &self.chunks {
            Some(chunks) if self.shares_dictionary()? => {
                let partition = self.stored.located().head.partition;
                chunks.dictionary(partition).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// The arrays and attributes, for writing them elsewhere; `None` for a value.
    pub(crate) fn parts(&self, stays: Stays) -> Result<Option<Parts>> {
        if self.schema.is_none() {
            return Ok(None);
        }
        let part = |position| -> Result<(Array, StoredElements)> {
            let array = self.array_at(position)?;
            let elements = array.stored_elements(stays)?;
            Ok((array, elements))
        };
        let arrays: Result<Vec<_>> = (0..self.len()).map(part).collect();
        Ok(Some(Parts {
            arrays: arrays?,
            attrs: self.attrs()?,
        }))
    }

    /// Whether the next amendment has to take in those before: they have at most `bytes`, or
    /// are as many as `most`.
    pub(crate) fn takes_in(&self, most: usize, bytes: u64) -> bool {
        let amended = self.amended.as_ref();
        amended.is_some_and(|amended| amended.layers.len() >= most || amended.bytes() <= bytes)
    }

    /// The arrays and attributes that amendments brought and that are still there.
    pub(crate) fn amendment_parts(&self) -> Result<Parts> {
        let mut arrays = Vec::new();
        if let Some(amended) = &self.amended {
            for (position, field) in amended.fields.iter().enumerate() {
                if field.layer > 0 {
                    let array = self.array_at(position)?;
                    let elements = array.stored_elements(Stays::All)?;
                    arrays.push((array, elements));
                }
            }
        }
        let attrs = match &self.amended {
            Some(amended) => amended.attrs(Attrs::new())?,
            None => Attrs::new(),
        };
        Ok(Parts { arrays, attrs })
    }

    /// The arrays of the whole entry by name: what each, or what has its place, is called
    /// now, if it is still there.
    pub(crate) fn origins(&self) -> Vec<(String, Option<String>)> {
        let (Some(schema), Some(amended)) = (&self.schema, &self.amended) else {
            let names = self.names().map(str::to_owned);
            return names.map(|name| (name.clone(), Some(name))).collect();
        };
        let now = |origin: u32| {
            let mut fields = amended.fields.iter();
            let field = fields.find(|field| field.origin == Some(origin as usize))?;
            Some(field.name.to_string())
        };
        let whole = self.fields.iter().filter_map(|&field| {
            let info = schema.fields.get(field as usize)?;
            Some((info.name.clone(), now(field)))
        });
        whole.collect()
    }

    /// The attributes of the whole entry, without amendments.
    pub(crate) fn whole_attrs(&self) -> Result<Attrs> {
        let whole = Self {
            amended: None,
            ..self.clone()
        };
        whole.attrs()
    }

    /// One array for writing it elsewhere.
    pub(crate) fn part_at(&self, position: usize) -> Result<PartOf> {
        let array = self.array_at(position)?;
        let elements = array.stored_elements(Stays::Blocks)?;
        Ok((array, elements))
    }

    fn kind_error(&self, expected: &'static str) -> Error {
        let found = match &self.schema {
            None => format!("a value of {} bytes", self.nbytes_stored()),
            Some(_) if self.is_empty() => "attributes and no array".to_owned(),
            Some(_) => {
                let names: Vec<&str> = self.names().take(8).collect();
                let more = self.len().saturating_sub(names.len());
                let more = if more > 0 {
                    format!(" and {more} more")
                } else {
                    String::new()
                };
                format!("arrays {}{more}", names.join(", "))
            }
        };
        Error::Kind {
            key: describe_key(&self.key),
            expected,
            found,
        }
    }
}

/// The frame of an entry, of which everything before the bodies is verified.
fn head<'a>(stored: &'a Stored, schema: &Schema) -> Result<&'a [u8]> {
    let corrupt = |defect| stored.corrupt(0, defect);
    if !stored.located().head.wide {
        return Ok(stored.verified(0..0)?);
    }
    // The fixed part says how long the extra part is, which follows it.
    let fixed = stored.verified(0..crate::array::FRAME_HEADER)?;
    let fixed = crate::array::fixed_end(schema, fixed).map_err(corrupt)?;
    let frame = stored.verified(0..fixed)?;
    let end = crate::array::head_end(schema, frame).map_err(corrupt)?;
    Ok(stored.verified(0..end)?)
}

/// Whether the record of an entry needs the dictionary of its partition.
pub(crate) fn shares_dictionary(stored: &Stored) -> Result<bool> {
    let frame = stored.verified(0..crate::array::FRAME_HEADER)?;
    let shares = crate::array::shares_dictionary(frame);
    shares.map_err(|defect| stored.corrupt(0, defect))
}

/// The arrays of the schema that an entry has.
fn present(stored: &Stored, schema: &Schema) -> Result<Vec<u32>> {
    let frame = head(stored, schema)?;
    let mut fields = Vec::new();
    for field in 0..schema.fields.len() {
        let here = crate::array::is_present(schema, frame, field);
        if here.map_err(|defect| stored.corrupt(0, defect))? {
            fields.push(field as u32);
        }
    }
    Ok(fields)
}

/// An array and its elements, for another entry.
pub(crate) type PartOf = (Array, StoredElements);

/// Arrays and attributes of an entry that is written again, here or elsewhere.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) arrays: Vec<PartOf>,
    pub(crate) attrs: Attrs,
}

impl Parts {
    pub(crate) fn specs(&self) -> Vec<(&str, ArraySpec<'_>)> {
        let arrays = self.arrays.iter();
        arrays
            .map(|(array, elements)| (array.info().name.as_str(), array.stored_spec(elements)))
            .collect()
    }
}
