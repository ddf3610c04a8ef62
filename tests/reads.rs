//! What reads promise: when they compare checksums, what they lend, and for how long.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arraylog::{ArraySpec, Attrs, Error, Mode, OpenOptions, Store, Verify};

const BLOCK: usize = 65_536;

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    (folder, path)
}

/// Bytes of which no two stretches of eight are alike.
fn pattern(len: usize) -> Vec<u8> {
    let word = |i: usize| (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
    (0..len.div_ceil(8)).flat_map(word).take(len).collect()
}

/// The offset of `bytes` in the file.
fn offset_of(path: &Path, bytes: &[u8]) -> usize {
    let file = std::fs::read(path).expect("read");
    let found = file.windows(bytes.len()).position(|window| window == bytes);
    found.expect("in the file")
}

/// Flips a bit of the byte at offset `at`.
fn damage(path: &Path, at: usize) {
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .expect("opens");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).expect("read");
    file.write_all_at(&[byte[0] ^ 4], at as u64)
        .expect("written");
}

fn reading(path: &Path, verify: Verify) -> Store {
    support::open_mapped(&OpenOptions::new().verify(verify), path).expect("opens")
}

fn corrupt_at<T: std::fmt::Debug>(result: Result<T, Error>) -> u64 {
    match result {
        Err(Error::Corrupt { at, .. }) => at,
        other => panic!("{other:?}"),
    }
}

/// A closed store with a value of three blocks and more; the offset of the value.
fn wide_value(path: &Path, value: &[u8]) -> usize {
    let store = support::open(path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    part.put("wide", value).expect("stored");
    part.put("small", "whole").expect("stored");
    store.close().expect("closed");
    offset_of(path, &value[..64])
}

#[test]
fn a_damaged_block_is_an_error_that_names_it_unless_verification_is_off() {
    let (_folder, path) = folder();
    let value = pattern(4 * BLOCK + 100);
    let start = wide_value(&path, &value);
    // The last block takes the remainder.
    for (damaged, block) in [
        (0, 0),
        (BLOCK - 1, 0),
        (BLOCK, 1),
        (3 * BLOCK, 3),
        (4 * BLOCK, 3),
        (4 * BLOCK + 99, 3),
    ] {
        damage(&path, start + damaged);
        let expected = (start + block * BLOCK) as u64;
        for verify in [Verify::First, Verify::Always] {
            let part = reading(&path, verify).default_partition().expect("open");
            for _ in 0..2 {
                assert_eq!(corrupt_at(part.get("wide")), expected, "{damaged}");
                let reader = part.reader().expect("mapped");
                assert_eq!(corrupt_at(reader.get("wide")), expected, "{damaged}");
            }
            assert_eq!(
                part.get("small").expect("whole").as_deref(),
                Some(&b"whole"[..])
            );
            let copying = OpenOptions::new().verify(verify).open(&path);
            let part = copying.expect("opens").default_partition().expect("open");
            assert_eq!(corrupt_at(part.get("wide")), expected, "{damaged}");
        }
        let never = reading(&path, Verify::Never);
        let part = never.default_partition().expect("partition");
        let found = part.get("wide").expect("read").expect("there");
        assert_eq!(found[damaged], value[damaged] ^ 4);
        damage(&path, start + damaged);
        let part = reading(&path, Verify::First)
            .default_partition()
            .expect("open");
        assert_eq!(part.get("wide").expect("whole").as_deref(), Some(&*value));
    }
}

#[test]
fn a_block_is_compared_at_first_touch_and_with_always_at_every_one() {
    let (_folder, path) = folder();
    let value = pattern(2 * BLOCK);
    let start = wide_value(&path, &value);
    let (first, always) = (
        reading(&path, Verify::First),
        reading(&path, Verify::Always),
    );
    let parts = [&first, &always].map(|store| store.default_partition().expect("partition"));
    for part in &parts {
        part.get("wide").expect("whole").expect("there");
    }
    damage(&path, start + 7);
    let [first, always] = parts.map(|part| part.get("wide"));
    assert_eq!(
        first.expect("compared before").expect("there")[7],
        value[7] ^ 4
    );
    assert_eq!(corrupt_at(always), start as u64);
}

#[test]
fn an_array_is_compared_wherever_it_lies_in_its_entry_and_its_neighbours_stay_readable() {
    let (_folder, path) = folder();
    let data = pattern(190_000);
    let cuts = [0, 100, 66_000, 131_000, 150_000, 190_000];
    let names = ["a", "b", "c", "d", "e"];
    let store = support::open(&path, Mode::Append).expect("made");
    let arrays: Vec<(&str, ArraySpec<'_>)> = names
        .into_iter()
        .zip(cuts.windows(2))
        .map(|(name, cut)| (name, ArraySpec::from_slice(&data[cut[0]..cut[1]])))
        .collect();
    let part = store.default_partition().expect("partition");
    part.write("entry", &arrays, &Attrs::new()).expect("stored");
    store.close().expect("closed");
    drop((part, store));
    for (name, cut) in names.into_iter().zip(cuts.windows(2)) {
        let start = offset_of(&path, &data[cut[0]..cut[0] + 64]);
        for at in [start, start + (cut[1] - cut[0]) - 1] {
            damage(&path, at);
            for verify in [Verify::First, Verify::Always] {
                let part = reading(&path, verify).default_partition().expect("open");
                let named = corrupt_at(part.array("entry", name).and_then(|array| array.read()));
                assert!(named <= at as u64, "{name}: {named}, damaged at {at}");
                assert!(at as u64 - named < 2 * BLOCK as u64, "{name}: {named}");
            }
            damage(&path, at);
        }
        let part = reading(&path, Verify::First)
            .default_partition()
            .expect("open");
        let array = part.array("entry", name).expect("whole");
        assert_eq!(&**array.read().expect("read").data(), &data[cut[0]..cut[1]]);
    }
    // The last bytes lie in another block than the first array.
    damage(&path, offset_of(&path, &data[190_000 - 64..]));
    let part = reading(&path, Verify::First)
        .default_partition()
        .expect("open");
    assert_eq!(
        &**part
            .array("entry", "a")
            .expect("whole")
            .read()
            .expect("read")
            .data(),
        &data[..100]
    );
    corrupt_at(part.array("entry", "e").and_then(|array| array.read()));
}

#[test]
fn small_values_are_compared_when_the_file_is_opened() {
    let (_folder, path) = folder();
    let value = pattern(1000);
    let start = wide_value(&path, &value);
    damage(&path, start + 999);
    for verify in [Verify::First, Verify::Always, Verify::Never] {
        let opened = support::open_mapped(&OpenOptions::new().verify(verify), &path);
        assert!((corrupt_at(opened) as usize) < start);
    }
    damage(&path, start + 999);
    reading(&path, Verify::First);
}

#[test]
fn slices_of_values_share_the_bytes_and_end_where_the_value_ends() {
    let (_folder, path) = folder();
    let value = pattern(1000);
    wide_value(&path, &value);
    let part = reading(&path, Verify::First)
        .default_partition()
        .expect("open");
    let whole = part.get("wide").expect("read").expect("there");
    let slice = whole.slice(10..20).expect("inside");
    assert_eq!(slice.as_ptr(), whole[10..].as_ptr());
    assert_eq!(&*slice, &value[10..20]);
    assert_eq!(&*slice.slice(9..10).expect("inside"), &value[19..20]);
    assert_eq!(whole.slice(1000..1000).map(|slice| slice.len()), Some(0));
    assert!(whole.slice(0..1001).is_none());
    assert!(slice.slice(0..11).is_none());
    #[expect(clippy::reversed_empty_ranges, reason = "what a caller may get wrong")]
    let reversed = whole.slice(2..1);
    assert!(reversed.is_none());
}

#[test]
fn values_entries_arrays_and_walks_work_after_the_store_was_closed_and_dropped() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    let numbers: Vec<f64> = (0..20_000u32).map(f64::from).collect();
    part.put("value", pattern(300)).expect("stored");
    let arrays = [("x", ArraySpec::from_slice(&numbers))];
    part.write("entry", &arrays, &Attrs::new()).expect("stored");
    let value = part.get("value").expect("read").expect("there");
    let entry = part.entry("entry").expect("read").expect("there");
    let array = entry.array("x").expect("array");
    let keys = part.keys().expect("listed");
    store.close().expect("closed");
    assert!(matches!(part.get("value"), Err(Error::Closed { .. })));
    drop((part, store));
    let bytes: &[u8] = &value;
    assert_eq!(bytes, pattern(300));
    assert_eq!(
        array
            .read()
            .expect("read")
            .view()
            .as_slice::<f64>()
            .expect("typed"),
        numbers
    );
    // An array that was not touched before.
    let again = entry.array("x").expect("array");
    assert_eq!(
        again
            .read()
            .expect("read")
            .view()
            .as_slice::<f64>()
            .expect("typed"),
        numbers
    );
    assert_eq!(keys.count(), 2);
}

#[test]
fn a_reader_sees_one_state_while_writes_removes_and_growth_go_on() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    for key in 0..50u32 {
        part.put(key.to_le_bytes(), [1; 100]).expect("stored");
    }
    let reader = part.reader().expect("mapped");
    let (keys, entries) = (part.keys().expect("keys"), part.entries().expect("entries"));
    for round in 2..40u8 {
        for key in 0..50u32 {
            part.put(key.to_le_bytes(), [round; 100]).expect("stored");
        }
        part.remove(u32::from(round).to_le_bytes())
            .expect("removed");
        part.put([round], "new").expect("stored");
    }
    part.clear().expect("cleared");
    for key in 0..50u32 {
        let seen = reader.get(key.to_le_bytes()).expect("read");
        assert_eq!(seen, Some(&[1; 100][..]), "{key}");
    }
    assert_eq!(reader.get([2]).expect("read"), None);
    let keys: Vec<Vec<u8>> = keys.map(|key| key.expect("read")).collect();
    let expected: Vec<Vec<u8>> = (0..50u32).map(|key| key.to_le_bytes().to_vec()).collect();
    assert_eq!(keys, expected);
    for entry in entries {
        let value = entry.expect("read").value().expect("value");
        assert_eq!(&*value, [1; 100]);
    }
    let now = part.reader().expect("mapped");
    assert_eq!(now.get(1u32.to_le_bytes()).expect("read"), None);
}

/// The address ranges at which the file is mapped.
fn mappings(path: &Path) -> Vec<(usize, usize)> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    let path = std::fs::canonicalize(path).expect("there");
    let range = |line: &str| {
        let (from, to) = line.split(' ').next()?.split_once('-')?;
        let parse = |text| usize::from_str_radix(text, 16).ok();
        Some((parse(from)?, parse(to)?))
    };
    let of_file = |line: &&str| line.ends_with(path.to_str().expect("UTF-8"));
    maps.lines().filter(of_file).filter_map(range).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn values_and_arrays_lie_aligned_inside_the_mapping_of_the_file() {
    let (_folder, path) = folder();
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    let alignments = [(8, 8), (255, 8), (256, 64), (70_000, 64), (1 << 20, 4096)];
    for (len, _) in alignments {
        part.put("shift", "x").expect("stored");
        let data = pattern(len);
        part.put(format!("value {len}"), &data).expect("stored");
        let arrays = [
            ("n", ArraySpec::scalar(1u8)),
            ("x", ArraySpec::from_slice(&data)),
        ];
        part.write(format!("entry {len}"), &arrays, &Attrs::new())
            .expect("stored");
    }
    let reader = reading(&path, Verify::First);
    let copying = OpenOptions::new().open(&path).expect("opens");
    for (store, mapped) in [(&store, true), (&reader, true), (&copying, false)] {
        let part = store.default_partition().expect("partition");
        for (len, alignment) in alignments {
            let value = part.get(format!("value {len}")).expect("read");
            let value = value.expect("there");
            let array = part.array(format!("entry {len}"), "x").expect("array");
            assert_eq!(&*value, &**array.read().expect("read").data());
            for bytes in [&*value, &**array.read().expect("read").data()] {
                let at = bytes.as_ptr() as usize;
                let inside = mappings(&path)
                    .iter()
                    .any(|&(from, to)| at >= from && at + len <= to);
                assert_eq!(inside, mapped, "{len}");
                // Of 8 bytes, an array lies inline, as its number of bytes asks for.
                assert!(!mapped || at.is_multiple_of(alignment), "{len} at {at:#x}");
            }
        }
    }
    let part = reader.default_partition().expect("partition");
    let lent = part.reader().expect("mapped");
    let lent = lent.get("value 255").expect("read").expect("there");
    let value = part.get("value 255").expect("read").expect("there");
    assert_eq!(lent.as_ptr(), value.as_ptr());
}

/// Keys and values that a reader lends, in their order.
fn scanned(store: &Store) -> arraylog::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let reader = store.default_partition()?.reader()?;
    let mut found = Vec::new();
    reader.scan(|key, value| found.push((key.to_vec(), value.to_vec())))?;
    Ok(found)
}

#[test]
fn a_scan_gives_each_value_once_in_order_at_first_touch_and_when_all_was_compared() {
    let (_folder, path) = folder();
    let options = Store::options().mode(Mode::CreateNew);
    let store = support::open_mapped(&options, &path).expect("made");
    let part = store.default_partition().expect("partition");
    let mut expected = Vec::new();
    let mut put = |key: String, value: Vec<u8>| {
        part.put(&key, &value).expect("stored");
        expected.push((key.into_bytes(), value));
    };
    // Two segments and what is in memory, none of a length that windows divide.
    for (number, count) in [(0, 901), (1, 47), (2, 13)] {
        for key in 0..count {
            put(format!("{number} {key}"), pattern(key % 90));
        }
        put(format!("wide {number}"), pattern(2 * BLOCK));
        if number < 2 {
            assert!(store.checkpoint().expect("saved"));
        }
    }
    assert_eq!(store.usage().expect("told").partitions[0].segments, 2);
    assert_eq!(scanned(&store).expect("whole"), expected);
    // Arrays are passed over.
    let arrays = [("a", ArraySpec::from_slice(&[1.0f32, 2.0]))];
    part.write("arrays", &arrays, &Attrs::new())
        .expect("stored");
    // What is removed and replaced leaves its place.
    assert!(part.remove("0 5").expect("removed"));
    part.put("1 7", "again").expect("stored");
    store.close().expect("closed");
    let changed = |entry: &(Vec<u8>, Vec<u8>)| entry.0 == b"0 5" || entry.0 == b"1 7";
    expected.retain(|entry| !changed(entry));
    expected.push((b"1 7".to_vec(), b"again".to_vec()));
    for verify in [Verify::First, Verify::Always, Verify::Never] {
        let options = Store::options().verify(verify);
        let store = support::open_mapped(&options, &path).expect("opens");
        for _ in 0..3 {
            assert_eq!(scanned(&store).expect("whole"), expected, "{verify:?}");
        }
    }
    damage(&path, offset_of(&path, &pattern(89)));
    let store = support::open_mapped(&Store::options(), &path).expect("opens");
    for _ in 0..2 {
        assert!(matches!(scanned(&store), Err(Error::Corrupt { .. })));
    }
}
