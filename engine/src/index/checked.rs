//! Whether a slot leads to a record that it may lead to.

use super::{Fault, Hash, place_of};
use crate::format::Defect;

/// What a record is that was compared with its sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// The hash of its key.
    pub(crate) hash: Hash,
    /// Its partition.
    pub(crate) partition: u32,
}

impl Checked {
    /// The fault of a segment of `partition` whose slot at offset `at` holds `word` and
    /// leads here, unless it may. Segments have sums of their own: this finds those that
    /// were made with wrong slots.
    pub(super) fn fits(&self, word: u64, partition: u32, at: u64) -> Result<(), Fault> {
        if self.partition == partition && self.hash.word(place_of(word)) == word {
            return Ok(());
        }
        let defect = Defect::Field {
            what: "a slot of the index",
            found: word,
            expected: "the hash and the place of a record of its partition",
        };
        Err(Fault { at, defect })
    }
}
