//! Dead records that are none, and numbers of dead entries that are wrong.

use super::super::{Image, image_of};
use super::Forged;
use crate::Error;
use crate::error::Result;
use crate::format::checkpoint::Dead;
use crate::format::place;
use crate::open;
use crate::store::Store;

/// A partition of which more than 1,024 entries of a segment are dead; its keys.
fn with_dead_bits() -> (Forged, std::ops::Range<u32>) {
    let identity = open::new_identity(":memory:".as_ref()).expect("random");
    let (sim, store) = Image(open::header(&identity))
        .open(identity)
        .expect("opens");
    let batch = store.batch().expect("batch");
    for name in ["p", "q"] {
        let part = batch.partition("c", name).expect("partition");
        for key in 0..2500u32 {
            part.put(key.to_le_bytes(), key.to_le_bytes())
                .expect("staged");
        }
    }
    batch.commit().expect("committed");
    store.checkpoint().expect("saved");
    let part = store.partition("c", "p").expect("partition");
    let dead: Vec<_> = (0..1100u32).map(u32::to_le_bytes).collect();
    part.remove_many(&dead).expect("removed");
    store.checkpoint().expect("saved");
    store.close().expect("closed");
    let bytes = image_of(&sim).0;
    (Forged { bytes, identity }, 1100..2500)
}

fn keys_of(store: &Store) -> Result<Vec<u32>> {
    let part = store.existing_partition("c", "p")?;
    let mut keys = Vec::new();
    for key in 0..2500u32 {
        if let Some(value) = part.get(key.to_le_bytes())? {
            assert_eq!(*value, key.to_le_bytes());
            keys.push(key);
        }
    }
    assert_eq!(part.keys()?.collect::<Result<Vec<_>>>()?.len(), keys.len());
    Ok(keys)
}

#[test]
fn dead_records_that_are_none_are_refused_and_their_number_is_not_believed() {
    let (forged, keys) = with_dead_bits();
    let expected: Vec<u32> = keys.collect();
    let (found, root) = forged.root(1);
    let Dead::Bits { .. } = root.segments[0].dead else {
        panic!("{root:?}");
    };
    let change = |change: &dyn Fn(&mut u64, &mut u64, &mut u64)| {
        let mut changed = forged.clone();
        changed.change_root(1, |root| {
            if let Dead::Bits { place, sum, count } = &mut root.segments[0].dead {
                change(place, sum, count);
            }
        });
        changed
    };
    let segment = (root.segments[0].place, root.segments[0].sum);
    let wrong = [
        change(&|at, _, _| *at = place(found.at)),
        change(&|at, sum, _| (*at, *sum) = segment),
        change(&|at, _, _| *at = (1 << 48) - 1),
        change(&|_, sum, _| *sum ^= 1),
        change(&|_, _, count| *count = 2501),
    ];
    for (number, wrong) in wrong.iter().enumerate() {
        let (_, store) = Image(wrong.bytes.clone())
            .open(wrong.identity)
            .expect("opens");
        let refused = keys_of(&store).expect_err("refused");
        assert!(
            matches!(refused, Error::Corrupt { .. }),
            "{number}: {refused}"
        );
    }
    for count in [0, 1, 1099, 1101, 2500] {
        let wrong = change(&|_, _, found| *found = count);
        let (sim, store) = Image(wrong.bytes.clone())
            .open(wrong.identity)
            .expect("opens");
        assert_eq!(keys_of(&store).expect("read"), expected, "{count}");
        // What is saved next has all that there is.
        let part = store.partition("c", "p").expect("partition");
        part.remove(0u32.to_le_bytes()).expect("nothing there");
        part.put(2499u32.to_le_bytes(), 2499u32.to_le_bytes())
            .expect("stored");
        assert!(store.checkpoint().expect("saved"));
        assert_eq!(keys_of(&store).expect("read"), expected, "{count}, saved");
        let (_, again) = image_of(&sim).open(wrong.identity).expect("opens again");
        assert_eq!(keys_of(&again).expect("read"), expected, "{count}, again");
    }
}
