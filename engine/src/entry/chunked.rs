//! Which chunks belong to something.

use std::collections::HashSet;

use super::{Array, Entry, Source};
use crate::array::{ArrayId, array_of_key};
use crate::catalog::{Beside, PartitionState, Side};
use crate::chunks::is_dictionary;
use crate::error::{Error, Result};
use crate::format::record::{RecordKind, key_hash};
use crate::format::{offset, place};
use crate::index::{Hash, Pinned};
use crate::log::{Located, Stored, Walk};

/// Takes an entry and its chunked arrays.
type Visit<'v> = &'v mut dyn FnMut(&Entry, &[(Array, ArrayId)]) -> Result<()>;

impl Entry {
    /// The arrays that are chunked.
    pub(crate) fn chunked(&self) -> Result<Vec<(Array, ArrayId)>> {
        let mut chunked = Vec::new();
        for position in 0..self.len() {
            let array = self.array_at(position)?;
            if let Some(chunks) = array.cut()? {
                chunked.push((array, chunks.id));
            }
        }
        Ok(chunked)
    }
}

impl Source<'_> {
    /// Gives `visit` each entry of a partition that has chunked arrays, with these. Damage,
    /// also what `visit` answers, is passed over: the first of it is given back.
    ///
    /// Costs a read of the head of each entry.
    pub(crate) fn chunked_arrays(
        self,
        entries: Pinned,
        beside: &Beside,
        visit: Visit<'_>,
    ) -> Result<Option<Error>> {
        let log = self.log;
        let mut of_entry = |at: u64| -> Result<()> {
            let (head, key) = log.head_and_key(at)?;
            if head.kind != RecordKind::Entry {
                return Ok(());
            }
            let located = Located { at, head };
            if beside.amendments.is_none() {
                let schema = self.schema(&Stored::new(log, located)?)?;
                if !schema.fields.iter().any(|info| info.chunked) {
                    return Ok(());
                }
            }
            let entry = self.entry(&key, located, beside)?;
            match entry.chunked()?.as_slice() {
                [] => Ok(()),
                chunked => visit(&entry, chunked),
            }
        };
        let mut walk = Walk::uncompared(Some(entries), beside.end);
        let mut damage = None;
        loop {
            match walk
                .next(log)
                .map(|found| found.and_then(|found| of_entry(offset(found))))
            {
                None => return Ok(damage),
                Some(Err(error @ Error::Corrupt { .. })) => {
                    damage.get_or_insert(error);
                }
                Some(read) => read?,
            }
        }
    }

    /// Bytes of the records beside the entries of a partition that a compaction would keep:
    /// chunks of arrays that entries have, dictionaries, and amendments of entries that are
    /// there and were not written whole since. `None` if what says so is damaged.
    ///
    /// The indexes count the newest of each key, also after the array or the entry is gone:
    /// nothing is looked at one by one when these are removed. Costs a read of the head of
    /// each entry, chunk and amendment.
    pub(crate) fn live_bytes_beside(self, state: &PartitionState) -> Result<Option<u64>> {
        let mut bytes = 0u64;
        // Before the entries, so that what is written meanwhile is not taken for dead.
        if let Some(chunks) = self.walk_of(state, Side::Chunks) {
            let mut arrays = HashSet::new();
            let (entries, end) = state.index.pin(|| place(self.log.published()));
            let damage = self.chunked_arrays(entries, &state.beside(end), &mut |_, chunked| {
                arrays.extend(chunked.iter().map(|(_, id)| *id));
                Ok(())
            })?;
            let live = self.live_bytes_of(chunks, &|key, _| {
                let array = array_of_key(key);
                Ok(is_dictionary(key) || array.is_some_and(|array| arrays.contains(&array)))
            })?;
            match live {
                Some(live) if damage.is_none() => bytes = bytes.saturating_add(live),
                _ => return Ok(None),
            }
        }
        let Some(amendments) = self.walk_of(state, Side::Amendments) else {
            return Ok(Some(bytes));
        };
        let live = self.live_bytes_of(amendments, &|key, amendment| {
            let hash = Hash(key_hash(key, self.log.identity().seed));
            let whole = self.log.find(&state.index, hash, key, u64::MAX)?;
            let whole = whole.filter(Located::is_live);
            Ok(whole.is_some_and(|whole| whole.place() < amendment.place()))
        })?;
        Ok(live.map(|live| bytes.saturating_add(live)))
    }

    /// A walk over the newest records of a side, if it has any.
    fn walk_of(self, state: &PartitionState, side: Side) -> Option<Walk> {
        let published = || place(self.log.published());
        let (pinned, end) = state.side(side)?.index.pin(published);
        Some(Walk::uncompared(Some(pinned), end))
    }

    /// Bytes of the records of a walk that are live. `None` if one is damaged.
    fn live_bytes_of(
        self,
        mut walk: Walk,
        is_live: &dyn Fn(&[u8], &Located) -> Result<bool>,
    ) -> Result<Option<u64>> {
        let log = self.log;
        let mut bytes = 0u64;
        let mut of_record = |at: u64| -> Result<()> {
            let (head, key) = log.head_and_key(at)?;
            let located = Located { at, head };
            if is_live(&key, &located)? {
                bytes = bytes.saturating_add(located.live_bytes().unwrap_or_default());
            }
            Ok(())
        };
        loop {
            match walk
                .next(log)
                .map(|found| found.and_then(|found| of_record(offset(found))))
            {
                None => break,
                Some(Err(Error::Corrupt { .. })) => return Ok(None),
                Some(read) => read?,
            }
        }
        Ok(Some(bytes))
    }
}
