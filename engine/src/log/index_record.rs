//! Records of the index: their values are in pieces, and are not written with the rest.

use super::wide_blocks;
use crate::format::record::{self, Head};

/// The bytes of a record before its value, with its sum; fills in the sum of `head`.
pub(super) fn before_value(
    head: &mut Head,
    key: &[u8],
    pieces: &[&[u8]],
    seed: u64,
    at: u64,
) -> Vec<u8> {
    let value = head.value_range();
    let mut bytes = vec![0; value.start as usize];
    head.write(&mut bytes);
    let mut put = |at: u64, part: &[u8]| {
        let at = at as usize;
        if let Some(place) = bytes.get_mut(at..at.saturating_add(part.len())) {
            place.copy_from_slice(part);
        }
    };
    put(head.key_range().start, key);
    let mut value_hash = 0;
    if head.wide {
        let table = head.table_range().unwrap_or_default();
        let sums = wide_blocks(pieces, head.value_len());
        for (at, sum) in (table.start..).step_by(8).zip(sums) {
            put(at, &sum.to_le_bytes());
        }
    } else {
        value_hash = record::value_hash(&pieces.concat());
    }
    let hashed = bytes.get(8..head.hashed_end() as usize).unwrap_or_default();
    head.sum = record::head_hash(hashed, seed, at).wrapping_add(value_hash);
    if let Some(sum) = bytes.first_chunk_mut() {
        *sum = head.sum.to_le_bytes();
    }
    bytes
}
