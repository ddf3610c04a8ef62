//! Which chunks belong to something.

use super::{Array, Entry, Source};
use crate::array::ArrayId;
use crate::catalog::PartitionState;
use crate::error::{Error, Result};
use crate::format::record::RecordKind;
use crate::format::{offset, place};
use crate::log::{Located, Stored, Walk};

impl Source<'_> {
    /// Gives `visit` each chunked array of the entries of a partition, as they are now;
    /// whether all of them could be read: what is damaged is passed over.
    ///
    /// Costs a read of the head of each entry.
    pub(crate) fn chunked_arrays(
        self,
        state: &PartitionState,
        visit: &mut dyn FnMut(&Entry, &Array, ArrayId),
    ) -> Result<bool> {
        let log = self.log;
        let (pinned, end) = state.index.pin(|| place(log.published()));
        let beside = state.beside(end);
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
            let entry = self.entry(&key, located, &beside)?;
            for position in 0..entry.len() {
                let array = entry.array_at(position)?;
                if let Some(chunks) = array.cut()? {
                    visit(&entry, &array, chunks.id);
                }
            }
            Ok(())
        };
        let mut walk = Walk::uncompared(Some(pinned), end);
        let mut whole = true;
        loop {
            match walk
                .next(log)
                .map(|found| found.and_then(|found| of_entry(offset(found))))
            {
                None => return Ok(whole),
                Some(Err(Error::Corrupt { .. })) => whole = false,
                Some(read) => read?,
            }
        }
    }
}
