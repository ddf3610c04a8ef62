//! From a record to its entry.

use std::sync::Arc;

use super::amended::broken_chain;
use super::{Entry, Layer};
use crate::array::Schema;
use crate::catalog::{Beside, Catalog, PartitionState, Side};
use crate::condition::Version;
use crate::error::{Error, Result};
use crate::format::record::RecordKind;
use crate::index::Hash;
use crate::log::{Located, Log, Stored, WriterGuard};
use crate::mutant::{Rule, broken};
use crate::store::Inner;

/// Most amendments of an entry that a reader follows; a writer makes fewer.
const MOST_AMENDMENTS: usize = 64;

/// A log and what its names and schemas are: what entries are read from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) log: &'a Arc<Log>,
    pub(crate) catalog: &'a Catalog,
}

impl<'a> Source<'a> {
    /// The entry of a record, with what stands beside it.
    pub(crate) fn entry(self, key: &[u8], located: Located, beside: &Beside) -> Result<Entry> {
        let stored = Stored::new(self.log, located)?;
        if located.head.kind != RecordKind::Entry {
            return Entry::new(key, stored, None, Vec::new(), None);
        }
        let schema = Arc::clone(self.schema(&stored)?);
        let amendments = self.amendments(key, &located, beside)?;
        let newest = amendments.last().map(|layer| *layer.stored.located());
        let version = newest.unwrap_or(located).place();
        let chunks = beside.chunks(self.log, version);
        Entry::new(key, stored, Some(schema), amendments, chunks)
    }

    /// The amendments of the entry whose newest whole version is `whole`, from the oldest:
    /// those that stand behind it in the log.
    fn amendments(self, key: &[u8], whole: &Located, beside: &Beside) -> Result<Vec<Layer>> {
        let mut layers = Vec::new();
        let mut next = beside.newest_amendment(self.log, key, whole)?;
        while let Some(located) = next {
            let stored = Stored::new(self.log, located)?;
            if located.head.kind != RecordKind::Amendment || layers.len() > MOST_AMENDMENTS {
                return Err(broken_chain(&stored));
            }
            let schema = Arc::clone(self.schema(&stored)?);
            let layer = Layer { stored, schema };
            let is_first = layer.changes()?.fresh && !broken(Rule::TakenIn);
            let before = located.head.previous;
            next = match !is_first && before > whole.place() {
                true => Some(beside.amendment_before(self.log, key, &layer.stored)?),
                false => None,
            };
            layers.push(layer);
        }
        layers.reverse();
        Ok(layers)
    }

    /// The schema of an entry of arrays.
    #[inline]
    pub(crate) fn schema(self, stored: &Stored) -> Result<&'a Arc<Schema>> {
        let frame = stored.verified(0..4)?;
        let id = crate::array::schema_id(frame).map_err(|defect| stored.corrupt(0, defect))?;
        let schema = self.catalog.schema(self.log, id);
        schema.map_err(|error| match error {
            // That there is none has no place; the entry that asks for it has.
            Error::Corrupt { at, defect, .. } if at >= self.log.published() => {
                stored.corrupt(0, defect)
            }
            other => other,
        })
    }
}

impl Inner {
    /// Where entries are read from.
    pub(crate) fn source(&self) -> Source<'_> {
        Source {
            log: &self.log,
            catalog: &self.catalog,
        }
    }

    /// The entry of a record, with what stands beside it.
    pub(crate) fn stored_entry(
        &self,
        key: &[u8],
        located: Located,
        beside: &Beside,
    ) -> Result<Entry> {
        self.source().entry(key, located, beside)
    }

    /// The newest version of `key`, for the writer: that of its newest amendment, if it was
    /// amended.
    pub(crate) fn version(
        &self,
        writer: &WriterGuard<'_>,
        partition: &PartitionState,
        hash: Hash,
        key: &[u8],
    ) -> Result<Option<Version>> {
        let Some(whole) = writer.find(&partition.index, hash, key)? else {
            return Ok(None);
        };
        let amendment = match partition.side(Side::Amendments) {
            Some(side) => writer.find(&side.index, hash, key)?,
            None => None,
        };
        let amendment = amendment.filter(|located| located.place() > whole.place());
        Ok(Some(Version::of(&self.log, &amendment.unwrap_or(whole))))
    }

    /// The schema of an entry of arrays.
    #[inline]
    pub(crate) fn schema(&self, stored: &Stored) -> Result<&Arc<Schema>> {
        self.source().schema(stored)
    }
}
