//! What `verify` says of a file whose checksums hold, and of header pages that have none.

use std::path::Path;

use arraylog::{
    ArraySpec, Assignment, Attrs, Damage, Mode, OpenOptions, Part, Partition, Selection, Span,
    Verification, VerifyOptions,
};

use crate::every::fixtures;

/// A closed store with a segment of which one entry is dead: replaced by one in another
/// segment, or removed.
fn bytes(folder: &Path, removed: bool) -> Vec<u8> {
    let path = folder.join("a.alog");
    let store = support::open(&path, Mode::CreateNew).expect("made");
    let part = store.partition("argo", "2024").expect("partition");
    for key in 0..40 {
        part.put(format!("key {key}"), "the first").expect("stored");
    }
    part.remove("key 39").expect("removed");
    assert!(store.checkpoint().expect("saved"));
    match removed {
        true => assert!(part.remove("key 3").expect("removed")),
        false => part.put("key 3", "second").expect("stored"),
    }
    assert!(store.checkpoint().expect("saved"));
    store.close().expect("closed");
    std::fs::read(&path).expect("read")
}

/// Where the value of the newest root of partition 1 starts.
fn root(bytes: &[u8]) -> usize {
    // Kind, flags, length of the key and partition; the key.
    let head = [6, 0, 5, 0, 0, 0, 0, 0];
    let key = [3, 1, 0, 0, 0];
    let is_root =
        |at: &usize| bytes[*at..].starts_with(&head) && bytes[at + 16..].starts_with(&key);
    let found = (0..bytes.len() - 24).rev().find(is_root);
    found.expect("a root") + 24
}

fn verify(path: &Path) -> Verification {
    let verified = OpenOptions::new().open(path).and_then(|store| {
        let copied = store.verify(&VerifyOptions::new().threads(2))?;
        let mapped = support::open_mapped(&OpenOptions::new(), path)?;
        let mapped = mapped.verify(&VerifyOptions::new().threads(1))?;
        assert_eq!(mapped.damage, copied.damage);
        Ok(copied)
    });
    verified.expect("verified")
}

/// Changes the newest root, gives the file the sums that it then has, and verifies it.
fn with_root(removed: bool, change: impl Fn(&mut [u8])) -> Vec<Damage> {
    let folder = tempfile::tempdir().expect("folder");
    let mut bytes = bytes(folder.path(), removed);
    let at = root(&bytes);
    change(&mut bytes[at..]);
    arraylog::__fuzz::repair(&mut bytes);
    let path = folder.path().join("b.alog");
    std::fs::write(&path, &bytes).expect("written");
    let damage = verify(&path).damage;
    for hit in &damage {
        let names = (hit.collection.as_deref(), hit.partition.as_deref());
        assert_eq!(names, (Some("argo"), Some("2024")), "{hit}");
        assert_eq!(hit.part, Part::Index, "{hit}");
        assert!(hit.at > 16384 && hit.at < bytes.len() as u64, "{hit}");
    }
    damage
}

#[test]
fn an_index_that_agrees_with_its_log_is_sound() {
    for removed in [false, true] {
        assert_eq!(with_root(removed, |_| {}), []);
    }
    for fixture in fixtures() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.alog");
        std::fs::write(&path, &fixture.bytes).expect("written");
        assert_eq!(verify(&path).damage, [], "{:?}", fixture.shape);
    }
}

#[test]
fn an_index_that_lacks_a_key_or_leads_to_an_older_version_is_reported_with_the_place() {
    for removed in [false, true] {
        // The entry before the one that is dead is said to be dead.
        let damage = with_root(removed, |root| {
            let segments = usize::from(root[16]);
            let listed = root[24 + segments * 48..].first_chunk_mut();
            let dead = listed.expect("a dead entry");
            assert_eq!(u32::from_le_bytes(*dead), 3);
            *dead = 2u32.to_le_bytes();
        });
        let stale = match removed {
            true => "of a key that is removed here",
            false => "of this key, not to this one",
        };
        let expected = [("key 2", "the index lacks this key"), ("key 3", stale)];
        assert!(damage.len() >= 2, "{damage:#?}");
        for (hit, (key, detail)) in damage.iter().zip(expected) {
            assert_eq!(hit.key.as_deref(), Some(key.as_bytes()), "{hit}");
            assert!(hit.detail.ends_with(detail), "{hit}");
        }
    }
}

#[test]
fn an_index_that_counts_wrong_is_reported_with_the_place() {
    for (at, said) in [(0, "counts 40 of"), (8, "counts 39 of")] {
        let damage = with_root(false, |root| root[at] += 1);
        assert_eq!(damage.len(), 1, "{damage:#?}");
        assert!(damage[0].detail.contains(said), "{}", damage[0]);
    }
}

#[test]
fn padding_and_words_of_the_header_pages_that_promise_something_are_looked_at() {
    let folder = tempfile::tempdir().expect("folder");
    let bytes = bytes(folder.path(), false);
    let path = folder.path().join("b.alog");
    let live = 12288;
    for at in [
        // Padding of the identity, of the slots, of the live page, behind the copy.
        512,
        4095,
        4160,
        8191,
        8256,
        12287,
        live + 88,
        live + 2047,
        live + 2560,
        16383,
        // Published end, seqno, durable end and its check, newest slot, state.
        live,
        live + 8,
        live + 16,
        live + 24,
        live + 32,
        live + 41,
        // Identity, its copy, slots.
        20,
        live + 2048 + 60,
        4100,
        8200,
    ] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&path, &damaged).expect("written");
        let damage = verify(&path).damage;
        let hits: Vec<&Damage> = damage
            .iter()
            .filter(|hit| hit.part == Part::Header && (hit.at..hit.end).contains(&(at as u64)))
            .collect();
        assert_eq!(hits.len(), 1, "byte {at}: {damage:#?}");
    }
    // Who wrote it, and when, is a hint for messages.
    for at in [live + 48, live + 56] {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        std::fs::write(&path, &changed).expect("written");
        assert_eq!(verify(&path).damage, [], "byte {at}");
    }
}

#[test]
fn a_store_of_which_both_identity_pages_are_damaged_is_opened_as_far_as_they_give_it_together() {
    let folder = tempfile::tempdir().expect("folder");
    let bytes = bytes(folder.path(), false);
    let path = folder.path().join("b.alog");
    let copy = 12288 + 2048;
    // Parts of the id and the seed here, others there; magic and zeros in both.
    for (first, second) in [
        (&[16, 58][..], &[copy + 20, copy + 510][..]),
        (&[0, 1, 2, 400], &[copy, copy + 62]),
    ] {
        let mut damaged = bytes.clone();
        first
            .iter()
            .chain(second)
            .for_each(|&at| damaged[at] ^= 0xFF);
        std::fs::write(&path, &damaged).expect("written");
        assert!(OpenOptions::new().open(&path).is_err(), "not unasked");
        let store = OpenOptions::new()
            .open_degraded(&path)
            .expect("pieced together");
        let part = store.existing_partition("argo", "2024").expect("there");
        assert_eq!(part.len().expect("read"), 39);
        let found = part.get("key 3").expect("read");
        assert_eq!(found.as_deref(), Some(&b"second"[..]));
        let verified = store.verify(&VerifyOptions::new()).expect("verified");
        assert!(
            verified.damage.iter().all(|hit| hit.part == Part::Header),
            "{verified:#?}"
        );
        let salvaged = folder.path().join("salvaged.alog");
        let options = arraylog::BackupOptions::new().replace(true);
        let done = store.salvage(&salvaged, &options).expect("salvaged");
        assert_eq!(done.entries, 39);
        assert_eq!(std::fs::read(&path).expect("read"), damaged);
    }
    // The same bytes of both, of the seed: nothing else has it.
    let mut damaged = bytes.clone();
    [56, 57, copy + 56, copy + 57]
        .iter()
        .for_each(|&at| damaged[at] ^= 0xFF);
    std::fs::write(&path, &damaged).expect("written");
    let error = OpenOptions::new()
        .open_degraded(&path)
        .expect_err("refused");
    assert!(
        error
            .to_string()
            .contains("the identity of the store is lost"),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).expect("read"), damaged);
}

/// Numbers of which no two stretches of two are alike in any of the arrays.
fn numbers(start: u64, count: u64) -> Vec<u64> {
    let number = |i: u64| (start + i).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (0..count).map(number).collect()
}

fn write_chunked(part: &Partition, key: &str, start: u64) {
    // Chunks of one block and less, and of several.
    let (small, wide) = (numbers(start, 100), numbers(start + 1000, 60_000));
    let arrays = [
        ("small", ArraySpec::from_slice(&small).chunks(&[40])),
        ("wide", ArraySpec::from_slice(&wide).chunks(&[20_000])),
    ];
    let written = part.write(key, &arrays, &Attrs::new());
    written.expect("written");
}

/// What `verify` says when the number `of` in the file is another one.
fn with_number(bytes: &[u8], of: u64, folder: &Path) -> Damage {
    let number = numbers(of, 1)[0].to_le_bytes();
    let at = bytes.windows(8).position(|window| window == number);
    let mut bytes = bytes.to_vec();
    bytes[at.expect("in the file")] ^= 1;
    let path = folder.join("b.alog");
    std::fs::write(&path, &bytes).expect("written");
    let mut damage = verify(&path).damage;
    assert_eq!(damage.len(), 1, "{damage:?}");
    damage.remove(0)
}

#[test]
fn damage_of_a_chunk_names_the_entry_and_the_array_that_it_belongs_to() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::CreateNew).expect("made");
    let part = store.partition("argo", "2024").expect("partition");
    for (key, start) in [
        ("a", 0),
        ("gone", 100_000),
        ("b", 200_000),
        ("again", 300_000),
    ] {
        write_chunked(&part, key, start);
    }
    part.remove("gone").expect("removed");
    write_chunked(&part, "again", 400_000);
    let renamed = Assignment {
        rename: &[("wide", "broad")],
        ..Assignment::default()
    };
    part.assign("b", &renamed).expect("amended");
    store.close().expect("closed");
    let bytes = std::fs::read(&path).expect("read");

    let small = 50;
    let wide = 1000 + 35_000;
    for (start, key, arrays) in [
        (0, "a", ["small", "wide"]),
        (200_000, "b", ["small", "broad"]),
        (400_000, "again", ["small", "wide"]),
    ] {
        for (number, array) in [small, wide].into_iter().zip(arrays) {
            let hit = with_number(&bytes, start + number, folder.path());
            assert_eq!(hit.part, Part::Entry, "{hit}");
            assert_eq!(hit.key.as_deref(), Some(key.as_bytes()), "{hit}");
            assert_eq!(hit.arrays, [array], "{hit}");
            assert_eq!(hit.partition.as_deref(), Some("2024"));
            assert!(hit.detail.starts_with("a chunk of an array: "), "{hit}");
        }
    }
    // What no entry has any more is no loss.
    for start in [100_000, 300_000] {
        for number in [small, wide] {
            let hit = with_number(&bytes, start + number, folder.path());
            assert_eq!((hit.part, hit.key.as_deref()), (Part::Older, None), "{hit}");
            assert!(hit.arrays.is_empty() && !hit.part.is_loss());
        }
    }
}

#[test]
fn damage_of_a_chunk_that_was_written_again_is_that_of_an_older_version() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::CreateNew).expect("made");
    let part = store.partition("argo", "2024").expect("partition");
    write_chunked(&part, "a", 0);
    let other = numbers(900_000, 40);
    let spec = ArraySpec::from_slice(&other);
    let middle = Selection::new([Span::range(40..80)]);
    let written = part.write_region("a", "small", &middle, &spec);
    written.expect("written");
    store.close().expect("closed");
    let bytes = std::fs::read(&path).expect("read");
    for (number, part) in [(50, Part::Older), (900_010, Part::Entry)] {
        let hit = with_number(&bytes, number, folder.path());
        assert_eq!(
            (hit.part, hit.arrays.as_slice()),
            (part, &["small".to_owned()][..]),
            "{hit}"
        );
        assert_eq!(hit.key.as_deref(), Some(&b"a"[..]));
    }
}
