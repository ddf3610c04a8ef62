//! Stores of more than one load: a thread of its own reads while another one writes.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::ops::ControlFlow;

use arraylog::{BackupOptions, CompactOptions, Mode, OpenOptions, Store};
use support::dump::dump;

use super::*;

const PARTS: [&str; 3] = ["p", "q", "r"];
const EACH: u32 = 1500;
const LEN: usize = 17_000;

/// 76 MB in three partitions, of which a third is removed.
fn fill_much(store: &Store) {
    for (part, name) in (0u8..).zip(PARTS) {
        let part_of = store.partition("c", name).expect("a partition");
        for number in 0..EACH {
            let mut value = vec![part; LEN];
            value[..4].copy_from_slice(&number.to_le_bytes());
            part_of.put(number.to_le_bytes(), value).expect("stored");
        }
        for number in (0..EACH).step_by(3) {
            part_of.remove(number.to_le_bytes()).expect("removed");
        }
    }
}

/// The keys of a partition in their order.
fn keys(store: &Store, name: &str) -> Vec<Vec<u8>> {
    let part = store.partition("c", name).expect("there");
    let keys = part.keys().expect("listed").map(|key| key.expect("read"));
    keys.map(|key| key.to_vec()).collect()
}

#[test]
fn a_large_store_is_copied_whole_and_in_order() {
    for (kind, folder, store) in stores() {
        fill_much(&store);
        let (before, order) = (dump(&store).expect("read"), keys(&store, "q"));
        let asked = Cell::new(0);
        let last = Cell::new(0);
        let progress = |done, all| {
            assert!(done >= last.get() && done <= all, "{done} of {all}");
            last.set(done);
            asked.set(asked.get() + 1);
            ControlFlow::Continue(())
        };
        let options = CompactOptions::new().progress(&progress);
        let done = store.compact(&options).expect("compacted");
        assert!(asked.get() > 20, "{kind}: asked {} times", asked.get());
        assert!(done.copied_bytes > 50_000_000, "{kind}: {done:?}");
        assert!(dump(&store).expect("read") == before, "{kind}");
        assert!(keys(&store, "q") == order, "{kind}");
        let target = folder.path().join("backup");
        let backup = store.backup(&target, &BackupOptions::new());
        let backup = backup.expect("backed up");
        assert_eq!(backup.entries, 3 * u64::from(EACH) * 2 / 3, "{kind}");
    }
}

#[test]
fn a_large_copy_that_is_cancelled_or_meets_damage_ends_and_leaves_the_store() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    fill_much(&store);
    let before = dump(&store).expect("read");
    for after in [1, 5] {
        let asked = Cell::new(0);
        let cancel = |_, _| {
            asked.set(asked.get() + 1);
            match asked.get() > after {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let options = CompactOptions::new().progress(&cancel);
        let error = store.compact(&options).expect_err("cancelled");
        assert_eq!(error.kind(), "cancelled");
        assert_eq!((store.generation(), others(&path)), (0, Vec::new()));
    }
    assert!(dump(&store).expect("read") == before);
    store.close().expect("closed");
    drop(store);
    let mut bytes = std::fs::read(&path).expect("read");
    let mut value = vec![1u8; 100];
    value[..4].copy_from_slice(&700u32.to_le_bytes());
    let at = bytes.windows(100).position(|window| window == value);
    bytes[at.expect("stored") + 9000] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    for copying in [false, true] {
        let (store, _) = refused_as_damaged(&path, "q", copying);
        let part = store.partition("c", "q").expect("there");
        assert!(part.get(701u32.to_le_bytes()).expect("read").is_some());
    }
}

#[test]
fn a_loss_of_power_after_a_compaction_costs_no_replay_of_what_was_copied() {
    let (folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("opens");
    let part = store.partition("c", "p").expect("a partition");
    for number in 0..2000u32 {
        part.put(number.to_le_bytes(), [7; 100]).expect("stored");
    }
    compact(&store);
    // What a loss of power leaves: no word of the live page holds.
    let lost = |name: &str| {
        let left = folder.path().join(name);
        let mut bytes = std::fs::read(&path).expect("read");
        bytes[12288..][..88].fill(0);
        std::fs::write(&left, &bytes).expect("written");
        let again = OpenOptions::new().open(&left).expect("opens");
        let part = again.partition("c", "p").expect("there");
        assert_eq!(
            part.get(5u32.to_le_bytes()).expect("read").as_deref(),
            Some(&[7; 100][..])
        );
        let len = part.len().expect("counted");
        (again.recovery().records, again.recovery().checkpoint, len)
    };
    assert_eq!(lost("at once"), (0, store.seqno(), 2000));
    let compacted = store.seqno();
    part.put("later", "1").expect("stored");
    assert_eq!(lost("later"), (1, compacted, 2001));
}
