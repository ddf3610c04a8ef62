//! A new index that cannot take the place of the old one.

use std::io::IoSlice;
use std::sync::Arc;

use super::Image;
use crate::storage::Storage as _;
use crate::storage::sim::Event;
use crate::{Error, open};

const KEYS: u32 = 7000;

/// A checkpoint during which a key is overwritten, and, if `damaged`, the new segment too
/// before it serves: noting the overwritten key in it then finds a sum that is wrong.
fn checkpoint(damaged: bool) {
    let identity = open::new_identity(":memory:".as_ref()).expect("random");
    let opened = Image(open::header(&identity)).open(identity);
    let (sim, store) = opened.expect("opens");
    let part = store.partition("c", "p").expect("partition");
    // The first block of a segment, of 64 KiB, is compared before; this has two.
    let batch = store.batch().expect("batch");
    let staged = batch.partition("c", "p").expect("partition");
    for number in 0..KEYS {
        staged.put(number.to_le_bytes(), "old").expect("staged");
    }
    batch.commit().expect("stored");
    let key = 7u32.to_le_bytes();
    let (disk, writes) = (Arc::clone(&sim), part.clone());
    sim.journal().lock().filled = Some(Event::new(move |written| {
        writes.put(key, "new").expect("stored meanwhile");
        if damaged {
            // The last words of the segment: bits of the hashes of its keys.
            let at = written.end - 16;
            disk.fill(&[IoSlice::new(&[0x5A; 8])], at).expect("written");
        }
    }));
    let saved = store.checkpoint();
    assert!(
        sim.journal().lock().filled.is_none(),
        "a segment was written"
    );
    let answers = || {
        let found = part.get(key).expect("read");
        assert_eq!(found.as_deref(), Some(&b"new"[..]));
        assert_eq!(part.len().expect("counted"), u64::from(KEYS));
    };
    if !damaged {
        assert!(saved.expect("saved"));
        answers();
        return part.put("more", "").expect("stored");
    }
    let error = saved.expect_err("damaged");
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    // Of what has new segments and what has none no later checkpoint may be made.
    let refused = [
        part.put("more", "").expect_err("poisoned"),
        store.checkpoint().expect_err("poisoned"),
        store.sync().expect_err("poisoned"),
    ];
    for error in refused {
        assert!(matches!(error, Error::Poisoned { .. }), "{error}");
    }
    // Reads go on, and what was committed is found by whoever opens the file.
    answers();
    drop(part);
    drop(store);
    let (_, store) = super::image_of(&sim).open(identity).expect("opens");
    assert_eq!(store.recovery().checkpoint, 0);
    let part = store.partition("c", "p").expect("there");
    let found = part.get(key).expect("read");
    assert_eq!(found.as_deref(), Some(&b"new"[..]));
    assert_eq!(part.len().expect("counted"), u64::from(KEYS));
}

#[test]
fn an_index_that_cannot_be_installed_ends_writing() {
    checkpoint(true);
}

#[test]
fn an_index_is_installed_when_keys_in_it_were_overwritten_meanwhile() {
    checkpoint(false);
}
