//! One attribute of an entry, and of many.

use std::sync::Arc;

use super::{Entry, Source, head};
use crate::array::{self, AttrPlace, AttrValue, Schema};
use crate::catalog::Beside;
use crate::error::Result;
use crate::format::record::RecordKind;
use crate::log::{Located, Stored};

impl Entry {
    /// The attribute called `name`; `None` if the entry has none of that name, as a plain
    /// value. `Error::Corrupt`.
    ///
    /// As [`attrs`](Self::attrs) without reading the others, or any block of 64 KiB that has
    /// arrays alone.
    pub fn attr(&self, name: &str) -> Result<Option<AttrValue>> {
        let Some(schema) = &self.schema else {
            return Ok(None);
        };
        if let Some(amended) = &self.amended {
            for (layer, changes) in amended.newest_first() {
                if let Some(value) = named(&layer.stored, &layer.schema, name)? {
                    return Ok(Some(value));
                }
                if changes.dropped_attrs.iter().any(|dropped| dropped == name) {
                    return Ok(None);
                }
            }
        }
        named(&self.stored, schema, name)
    }
}

/// One attribute of entry after entry: those of a partition tend to share their schema.
#[derive(Debug)]
pub(crate) struct AttrFinder {
    name: String,
    /// The schema of the entry before, and the number of the attribute in it.
    last: Option<(Arc<Schema>, Option<usize>)>,
}

impl AttrFinder {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            last: None,
        }
    }

    /// The attribute of the entry of a record, with what stands beside it.
    pub(crate) fn find(
        &mut self,
        source: Source<'_>,
        key: &[u8],
        located: Located,
        beside: &Beside,
    ) -> Result<Option<AttrValue>> {
        if located.head.kind != RecordKind::Entry {
            return Ok(None);
        }
        if beside.amendments.is_some() {
            return source.entry(key, located, beside)?.attr(&self.name);
        }
        let stored = Stored::new(source.log, located)?;
        let schema = source.schema(&stored)?;
        let number = match &self.last {
            Some((same, number)) if Arc::ptr_eq(same, schema) => *number,
            _ => {
                let number = schema.attr_position(&self.name);
                self.last = Some((Arc::clone(schema), number));
                number
            }
        };
        match number {
            Some(number) => numbered(&stored, schema, number),
            None => Ok(None),
        }
    }
}

fn named(stored: &Stored, schema: &Schema, name: &str) -> Result<Option<AttrValue>> {
    match schema.attr_position(name) {
        Some(number) => numbered(stored, schema, number),
        None => Ok(None),
    }
}

/// Attribute `number` of the schema, as the frame has it.
fn numbered(stored: &Stored, schema: &Schema, number: usize) -> Result<Option<AttrValue>> {
    let corrupt = |defect| stored.corrupt(0, defect);
    let frame = head(stored, schema)?;
    let found = array::entry_attr(schema, frame, number).map_err(corrupt)?;
    let value = match found {
        None => return Ok(None),
        Some(AttrPlace::Value(value)) => value,
        Some(AttrPlace::Scalar(dtype, place)) => {
            let bytes = stored.verified(place.clone())?;
            let bytes = bytes.get(place).unwrap_or_default();
            array::decode_scalar(dtype, bytes).map_err(corrupt)?
        }
    };
    Ok(Some(value))
}
