//! Ids of chunked arrays.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::array::ArrayId;
use crate::error::Result;
use crate::mutant::{Rule, broken};
use crate::open::fill_random;

/// Gives out ids: eight random bytes of this opening for writing, and a count. So none is
/// given twice, by this store or by one that entries are copied from, and nothing has to be
/// kept in the file for it.
#[derive(Debug, Default)]
pub(crate) struct ArrayIds {
    opening: OnceLock<u64>,
    given: AtomicU64,
}

impl ArrayIds {
    /// With these bytes for random ones, so that the same writes give the same bytes.
    pub(crate) fn fixed(opening: u64) -> Self {
        Self {
            opening: opening.into(),
            given: AtomicU64::new(0),
        }
    }

    /// An id that no array has.
    pub(crate) fn next(&self, path: &Path) -> Result<ArrayId> {
        let opening = match self.opening.get() {
            Some(&opening) => opening,
            None => {
                let mut random = [0; 8];
                fill_random(&mut random, path)?;
                *self.opening.get_or_init(|| u64::from_le_bytes(random))
            }
        };
        let count = self.given.fetch_add(1, Ordering::Relaxed);
        if broken(Rule::NewArrayId) {
            // Every entry of three arrays has those of the one before.
            return Ok([count as u8 % 3; 16]);
        }
        let mut id = ArrayId::default();
        let halves = [opening.to_le_bytes(), count.to_le_bytes()];
        for (place, byte) in id.iter_mut().zip(halves.as_flattened()) {
            *place = *byte;
        }
        Ok(id)
    }
}
