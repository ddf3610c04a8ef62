//! Many keys of one hash.

use std::cell::Cell;
use std::cmp::Ordering;
use std::convert::Infallible;

use zerocopy::IntoBytes;

use super::super::overflow::COMPARED;
use super::super::{ATTENTION, Checked, Fault, Hash, PartitionIndex, Records};

/// Records of which that at place p, and at its overwrites, has the key `p % count`.
struct Crowd {
    count: u64,
    key: u64,
    looked_at: Cell<u32>,
}

impl Crowd {
    fn new(count: u64, key: u64) -> Self {
        let looked_at = Cell::new(0);
        Self {
            count,
            key,
            looked_at,
        }
    }
}

impl Records for &Crowd {
    type Error = Infallible;

    fn key(&self) -> &[u8] {
        self.key.as_bytes()
    }

    fn fault(&self, fault: Fault) -> Infallible {
        panic!("{fault:?}")
    }

    fn has_key(&self, place: u64) -> bool {
        self.looked_at.set(self.looked_at.get() + 1);
        place % self.count == self.key
    }

    fn check(&self, _place: u64) -> Result<Checked, Infallible> {
        let (hash, partition) = (HASH, 7);
        Ok(Checked { hash, partition })
    }

    fn compare(&self, place: u64) -> Result<Ordering, Infallible> {
        Ok(self.key.cmp(&(place % self.count)))
    }
}

const HASH: Hash = Hash(42 << 32 | 7);

fn insert(index: &PartitionIndex, count: u64, place: u64, previous: u64, tombstone: bool) {
    index.reserve(1, place);
    let records = &Crowd::new(count, place % count);
    let pinned = index.newest();
    let Ok(found) = pinned.find_for_writer(HASH, &records);
    assert_eq!(found, previous);
    index
        .insert(&pinned, HASH, place, tombstone, previous, &records)
        .expect("whole");
}

/// Finds as a reader does, within the bounds; 0 = none.
fn find(index: &PartitionIndex, count: u64, key: u64) -> u64 {
    let records = &Crowd::new(count, key);
    let before = COMPARED.get();
    let pinned = index.newest();
    let mut place = pinned.find(HASH, u64::MAX, &records);
    if place & ATTENTION != 0 {
        records.looked_at.set(0);
        let Ok(checked) = pinned.find_checked(HASH, u64::MAX, &records);
        place = checked;
    }
    // Sixteen groups of eight slots, and the way down the overflow.
    assert!(records.looked_at.get() <= 16 * 8);
    let compared = COMPARED.get() - before;
    assert!(compared <= count.ilog2() + 2, "{compared}");
    place
}

#[test]
fn a_hundred_thousand_keys_of_one_hash_grow_in_memory_with_bounded_probes() {
    let count = 100_000;
    let index = PartitionIndex::default();
    for place in count..2 * count {
        insert(&index, count, place, 0, false);
    }
    for key in 0..count {
        assert_eq!(find(&index, count, key), count + key);
    }
    // Overwritten and removed, in groups and in the overflow alike.
    for (number, key) in (0..count).step_by(97).enumerate() {
        let place = 2 * count + key;
        insert(&index, count, place, count + key, number % 3 == 0);
        assert_eq!(find(&index, count, key), place);
    }
    assert_eq!(find(&index, count + 1, count), 0);
}
