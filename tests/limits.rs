//! The largest and the smallest that is taken, and the first that is not.

use std::time::Instant;

use arraylog::{ArraySpec, AttrValue, Attrs, DType, Error, Mode, Store};

fn invalid<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(error @ (Error::Invalid { .. } | Error::Shape { .. } | Error::DType { .. })) => {
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_of_0_to_65_535_bytes_are_taken_and_longer_ones_refused_with_their_length() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    let keys = [0, 1, 65_534, 65_535].map(|len| vec![0; len]);
    for key in &keys {
        part.put(key, key).expect("stored");
    }
    let long = vec![0; 65_536];
    part.put("short", "").expect("stored");
    let batch = store.batch().expect("batch");
    let staged = batch.partition("default", "default").expect("partition");
    for said in [
        invalid(part.put(&long, "")),
        invalid(part.write(&long, &[], &Attrs::new())),
        invalid(part.get(&long)),
        invalid(part.remove(&long)),
        invalid(part.rename("short", &long, false)),
        invalid(part.rename(&long, "new", false)),
        invalid(staged.put(&long, "")),
        invalid(staged.remove(&long)),
        invalid(staged.rename("short", &long, true)),
    ] {
        assert!(said.contains("65535") && said.contains("65536"), "{said}");
    }
    assert!(batch.is_empty());
    assert_eq!(part.len().expect("counted"), 5);
    store.close().expect("closed");
    let store = support::open(&path, Mode::Read).expect("opens");
    let part = store.default_partition().expect("partition");
    for key in &keys {
        assert_eq!(part.get(key).expect("read").as_deref(), Some(&**key));
    }
}

#[test]
fn empty_values_zeros_and_entries_without_arrays_are_kept_as_they_are() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    let lens = [
        0,
        1,
        7,
        8,
        4096,
        65_535,
        65_536,
        65_537,
        131_071,
        131_072,
        2 << 20,
    ];
    for len in lens {
        part.put(format!("{len}"), vec![0; len]).expect("stored");
    }
    part.write("none", &[], &Attrs::new()).expect("written");
    drop((part, store));
    for mode in [Mode::ReadWrite, Mode::Read] {
        let store = support::open(&path, mode).expect("opens");
        assert_eq!(store.recovery().torn_bytes, 0);
        let part = store.default_partition().expect("partition");
        for len in lens {
            let value = part.get(format!("{len}")).expect("read").expect("there");
            assert_eq!(&*value, vec![0; len]);
        }
        let entry = part.entry("none").expect("read").expect("there");
        assert!(entry.is_empty() && entry.attrs().expect("read").is_empty());
        store.close().expect("closed");
    }
}

#[test]
fn names_of_1_to_255_bytes_of_any_character_are_taken_and_others_refused() {
    let store = Store::memory().expect("memory");
    let long = "ß".repeat(127);
    for name in ["a", "a/b\\c", "..", " ", "\n", "größe", long.as_str()] {
        let part = store.partition(name, name).expect("a name");
        part.put("key", name).expect("stored");
        assert_eq!(store.partitions(name).expect("listed"), [name]);
    }
    let batch = store.batch().expect("batch");
    for name in ["", "a\0b", &"ß".repeat(128)] {
        invalid(store.partition(name, "a"));
        invalid(store.partition("a", name));
        invalid(batch.partition(name, "a"));
        invalid(batch.partition("a", name));
    }
    assert_eq!(store.collections().expect("listed").len(), 7);
}

#[test]
fn twenty_thousand_partitions_are_made_in_one_batch_or_in_many_and_found_again() {
    const COUNT: u32 = 20_000;
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    let start = Instant::now();
    let batch = store.batch().expect("batch");
    for number in 0..COUNT / 2 {
        let part = batch.partition("c", &number.to_string());
        let part = part.expect("partition");
        part.put("key", number.to_le_bytes()).expect("staged");
    }
    batch.commit().expect("committed");
    for number in COUNT / 2..COUNT {
        let part = store.partition("c", &number.to_string());
        let part = part.expect("partition");
        part.put("key", number.to_le_bytes()).expect("stored");
    }
    println!("made in {:?}", start.elapsed());
    let check = |store: &Store| {
        assert_eq!(store.partitions("c").expect("listed").len(), COUNT as usize);
        for number in (0..COUNT).step_by(7) {
            let part = store.existing_partition("c", &number.to_string());
            let part = part.expect("there");
            assert_eq!(part.len().expect("counted"), 1);
            let value = part.get("key").expect("read");
            assert_eq!(value.as_deref(), Some(&number.to_le_bytes()[..]));
        }
    };
    check(&store);
    store.close().expect("closed");
    check(&support::open(&path, Mode::Read).expect("opens"));
}

#[test]
fn an_entry_has_up_to_65_535_arrays() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    let names: Vec<String> = (0..65_536)
        .map(|number| format!("array {number}"))
        .collect();
    let arrays: Vec<(&str, ArraySpec<'_>)> = names
        .iter()
        .zip(0i32..)
        .map(|(name, number)| (name.as_str(), ArraySpec::scalar(number)))
        .collect();
    invalid(part.write("many", &arrays, &Attrs::new()));
    part.write("many", &arrays[..65_535], &Attrs::new())
        .expect("written");
    let entry = part.entry("many").expect("read").expect("there");
    assert_eq!(entry.len(), 65_535);
    assert!(entry.names().eq(&names[..65_535]));
    for number in [0, 1, 32_768, 65_534] {
        let array = entry.array(&names[number]).expect("array");
        let found = array
            .read()
            .expect("read")
            .view()
            .as_slice::<i32>()
            .expect("typed")
            .to_vec();
        assert_eq!(found, [number as i32]);
    }
    assert!(matches!(
        entry.array("array 65535"),
        Err(Error::NotFound { .. })
    ));
}

#[test]
fn an_array_has_up_to_32_axes() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    let data = [1.5f32];
    let shape = [1u64; 33];
    let array = |rank: usize| ArraySpec::from_slice(&data).shape(&shape[..rank]);
    part.write("most", &[("a", array(32))], &Attrs::new())
        .expect("written");
    let entry = part.entry("most").expect("read").expect("there");
    let found = entry.array("a").expect("array");
    assert_eq!(found.shape(), &shape[..32]);
    let said = invalid(part.write("more", &[("a", array(33))], &Attrs::new()));
    assert!(said.contains("32") && said.contains("33"), "{said}");
}

#[test]
fn names_of_arrays_and_dims_have_up_to_255_bytes_and_those_of_attributes_65_535() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    let data = [1u8];
    let array = || ArraySpec::from_slice(&data);
    let (fits, long) = ("n".repeat(255), "n".repeat(256));
    let attrs = |len: usize| {
        let mut attrs = Attrs::new();
        attrs.set("a".repeat(len), AttrValue::Bool(true));
        attrs
    };
    let none = Attrs::new();
    part.write(
        "a",
        &[("", array()), (&fits, array().dims(&[&fits]))],
        &none,
    )
    .expect("written");
    part.write("b", &[], &attrs(65_535)).expect("written");
    let entry = part.entry("b").expect("read").expect("there");
    assert_eq!(entry.attrs().expect("read"), attrs(65_535));
    for said in [
        invalid(part.write("c", &[(&long, array())], &none)),
        invalid(part.write("c", &[("a", array().dims(&[&long]))], &none)),
        invalid(part.write("c", &[], &attrs(65_536))),
    ] {
        assert!(said.contains("256") || said.contains("65536"), "{said}");
    }
    invalid(part.write("c", &[], &attrs(0)));
    assert!(!part.contains("c").expect("read"));
}

#[test]
fn an_entry_has_up_to_65_535_attributes_and_lists_are_32_deep() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    let mut many = Attrs::with_capacity(65_535);
    for number in 0..65_535u32 {
        many.set(format!("{number}"), AttrValue::UInt32(number));
    }
    part.write("many", &[], &many).expect("written");
    let entry = part.entry("many").expect("read").expect("there");
    assert_eq!(entry.attrs().expect("read").len(), 65_535);
    many.set("one more", AttrValue::None);
    invalid(part.write("more", &[], &many));
    let deep = |depth: usize| {
        let nest = |value, _| AttrValue::List(vec![value]);
        let mut attrs = Attrs::new();
        attrs.set("deep", (0..depth).fold(AttrValue::None, nest));
        attrs
    };
    part.write("deep", &[], &deep(32)).expect("written");
    let entry = part.entry("deep").expect("read").expect("there");
    assert_eq!(entry.attrs().expect("read"), deep(32));
    invalid(part.write("deeper", &[], &deep(33)));
}

#[test]
fn an_array_without_elements_spans_up_to_2_to_the_63_bytes_less_one() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    let most = i64::MAX as u64;
    let array = |axis: u64| ArraySpec::new(DType::UInt8, &[0, axis], &[]);
    part.write("most", &[("a", array(most))], &Attrs::new())
        .expect("written");
    let entry = part.entry("most").expect("read").expect("there");
    assert_eq!(entry.array("a").expect("array").shape(), [0, most]);
    invalid(part.write("more", &[("a", array(most + 1))], &Attrs::new()));
    let wide = |len: u32| ArraySpec::new(DType::FixedBytes(len), &[0], &[]);
    part.write("wide", &[("a", wide(i32::MAX as u32))], &Attrs::new())
        .expect("written");
    invalid(part.write("wider", &[("a", wide(1 << 31))], &Attrs::new()));
}

/// The format has no limit of its own; what a batch needs is memory for its keys.
#[test]
fn a_batch_of_two_hundred_thousand_operations_is_one_commit() {
    const COUNT: u32 = 200_000;
    let store = Store::memory().expect("memory");
    let batch = store.batch().expect("batch");
    let staged = batch.partition("c", "p").expect("partition");
    for number in 0..COUNT {
        staged.put(number.to_le_bytes(), "").expect("staged");
    }
    assert_eq!(batch.commit().expect("committed"), 1);
    let part = store.partition("c", "p").expect("there");
    assert_eq!(part.len().expect("counted"), u64::from(COUNT));
}
