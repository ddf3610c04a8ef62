//! What belongs to a store, a collection or a partition: attributes and defaults.

use arraylog::{
    ArraySpec, Assignment, AttrValue, Attrs, Chunking, CompactOptions, PartitionOptions, Selection,
    Span, Store,
};
use support::{append, here_and_reopened, read};

#[test]
fn values_and_entries_of_an_aligned_partition_start_at_its_multiples() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    let options = PartitionOptions::new().align(16_384);
    let part = store.create_partition("c", "p", &options).expect("made");
    let lens = [0usize, 255, 256, 5000, 65_535, 65_536, 200_000, 1 << 20];
    let value = |len: usize| -> Vec<u8> { (0..len).map(|at| (at * 7 + len) as u8).collect() };
    let batch = store.batch().expect("begun");
    let staged = batch.partition("c", "p").expect("partition");
    for len in lens {
        part.put(format!("put {len}"), value(len)).expect("stored");
        staged
            .put(format!("batch {len}"), value(len))
            .expect("staged");
    }
    batch.commit().expect("committed");
    let array: Vec<f64> = (0..500u16).map(f64::from).collect();
    let arrays = [("x", ArraySpec::from_slice(&array))];
    part.write("arrays", &arrays, &Attrs::new())
        .expect("stored");
    let batch = store.batch().expect("begun");
    let staged = batch.partition("c", "p").expect("partition");
    staged
        .write("staged", &arrays, &Attrs::new())
        .expect("staged");
    batch.commit().expect("committed");
    here_and_reopened(store, &path, |store| {
        let part = store.existing_partition("c", "p").expect("there");
        for (verb, len) in lens.iter().flat_map(|len| [("put", len), ("batch", len)]) {
            let found = part.get(format!("{verb} {len}")).expect("read");
            let found = found.expect("there");
            assert_eq!(&*found, value(*len), "{verb} {len}");
        }
        let file = std::fs::read(&path).expect("read");
        for len in lens.into_iter().filter(|&len| len >= 256) {
            let value = value(len);
            let starts = (0..file.len()).step_by(16_384);
            let found = starts.filter(|&at| file[at..].starts_with(&value)).count();
            assert!(found >= 2, "{len}: {found}");
        }
        for key in ["arrays", "staged"] {
            let found = part.array(key, "x").expect("there");
            assert_eq!(
                found
                    .read()
                    .expect("read")
                    .view()
                    .as_slice::<f64>()
                    .expect("typed"),
                array
            );
        }
        let elements: Vec<u8> = array.iter().flat_map(|x| x.to_le_bytes()).collect();
        let mut starts = (0..file.len()).step_by(16_384);
        assert!(starts.any(|at| file[at..].starts_with(&elements)));
        assert!(starts.any(|at| file[at..].starts_with(&elements)));
    });
}

#[test]
fn a_damaged_value_of_an_aligned_partition_is_found_beside_others_that_were_read() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    let options = PartitionOptions::new().align(1024);
    let part = store.create_partition("c", "p", &options).expect("made");
    for key in [1u8, 2] {
        part.put([key], vec![key; 700]).expect("stored");
    }
    store.close().expect("closed");
    drop((part, store));
    let store = read(&path);
    let part = store.existing_partition("c", "p").expect("there");
    assert_eq!(part.get([1]).expect("read").expect("there").len(), 700);
    let file = std::fs::read(&path).expect("read");
    let second = file.windows(700).position(|bytes| *bytes == [2; 700]);
    let at = second.expect("there") + 9;
    // In place, under the mapping: no bytes that are lent are touched.
    let file = std::fs::OpenOptions::new().write(true).open(&path);
    std::os::unix::fs::FileExt::write_at(&file.expect("opens"), &[3], at as u64).expect("damaged");
    let error = part.get([2]).expect_err("damaged");
    assert_eq!(error.kind(), "corrupt");
    assert_eq!(part.get([1]).expect("read").expect("there").len(), 700);
}

#[test]
fn alignments_codecs_and_chunks_that_cannot_be_are_refused_by_name() {
    let store = Store::memory().expect("memory");
    let options = PartitionOptions::new;
    for align in [0, 1, 4, 12, 4097, 1 << 31, u64::MAX] {
        let refused = store.create_partition("c", "p", &options().align(align));
        let error = refused.expect_err("refused");
        assert_eq!(error.kind(), "invalid");
        assert!(error.to_string().contains(&align.to_string()), "{error}");
    }
    let refused = store.create_partition("c", "p", &options().codec("zstd:99"));
    let error = refused.expect_err("refused");
    assert_eq!(error.kind(), "invalid");
    assert!(error.to_string().contains("\"p\""), "{error}");
    let chunks = Chunking::Shape(vec![4, 0]);
    let refused = store.create_partition("c", "p", &options().chunks(chunks));
    let error = refused.expect_err("refused");
    assert_eq!(error.kind(), "invalid");
    assert!(error.to_string().contains("[4, 0]"), "{error}");
    assert_eq!(store.collections().expect("listed"), [""; 0]);
    for align in [8, 1 << 30] {
        let name = format!("p{align}");
        let options = options().align(align).codec("none");
        store.create_partition("c", &name, &options).expect("made");
    }
}

#[test]
fn a_partition_that_exists_is_taken_if_it_may_and_has_the_same_alignment() {
    let store = Store::memory().expect("memory");
    let options = PartitionOptions::new().exist_ok(true);
    let attrs: Attrs = [("a", AttrValue::Int64(1))].into_iter().collect();
    let first = options.clone().align(64).attrs(attrs.clone());
    let made = store.create_partition("c", "p", &first).expect("made");
    made.put("k", "1").expect("stored");
    let seqno = store.seqno();
    for same in [&first, &options] {
        let found = store.create_partition("c", "p", same).expect("taken");
        assert_eq!(found.len().expect("counted"), 1);
        assert_eq!(found.attrs().expect("read"), attrs);
    }
    let other = store.create_partition("c", "p", &options.align(128));
    let error = other.expect_err("refused");
    assert_eq!(error.kind(), "conflict");
    assert!(error.to_string().contains("128") && error.to_string().contains("64"));
    assert_eq!(store.seqno(), seqno);
}

#[test]
fn attributes_of_store_collections_and_partitions_come_back_exactly() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    let attrs: Attrs = [
        ("none", AttrValue::None),
        ("bool", AttrValue::Bool(true)),
        ("i8", AttrValue::Int8(-1)),
        ("u64", AttrValue::UInt64(u64::MAX)),
        ("f32", AttrValue::Float32(0.1)),
        ("text", AttrValue::String("Ω".repeat(40_000))),
        ("bytes", AttrValue::Bytes(vec![0, 255])),
        (
            "list",
            AttrValue::List(vec![AttrValue::Int64(1), AttrValue::None]),
        ),
        (
            "map",
            AttrValue::Map([("", AttrValue::Float64(2.5))].into_iter().collect()),
        ),
    ]
    .into_iter()
    .collect();
    let part = store.partition("new", "p").expect("partition");
    assert_eq!(store.attrs().expect("read"), Attrs::new());
    assert_eq!(part.attrs().expect("read"), Attrs::new());
    store.set_attrs(&attrs).expect("set");
    part.set_attrs(&attrs).expect("set, and made");
    store
        .set_collection_attrs("alone", &attrs)
        .expect("set, and made");
    store.set_collection_attrs("new", &attrs).expect("set");
    // Nothing changes, nothing is committed.
    let seqno = store.seqno();
    store.set_attrs(&attrs).expect("set");
    part.update_attrs(|_| ()).expect("set");
    assert_eq!(store.seqno(), seqno);
    part.put("k", "1").expect("stored");
    let mut fewer = attrs.clone();
    assert_eq!(fewer.remove("bool"), Some(AttrValue::Bool(true)));
    assert_eq!(fewer.remove("bool"), None);
    part.update_attrs(|attrs| drop(attrs.remove("bool")))
        .expect("set");
    here_and_reopened(store, &path, |store| {
        assert_eq!(store.attrs().expect("read"), attrs);
        assert_eq!(store.collection_attrs("alone").expect("read"), attrs);
        assert_eq!(store.collection_attrs("new").expect("read"), attrs);
        assert_eq!(store.partitions("alone").expect("listed"), [""; 0]);
        let part = store.existing_partition("new", "p").expect("there");
        assert_eq!(part.attrs().expect("read"), fewer);
        assert_eq!(part.len().expect("counted"), 1);
        assert_eq!(store.collections().expect("listed"), ["new", "alone"]);
    });
}

#[test]
fn attributes_that_cannot_be_stored_are_refused_by_name_and_change_nothing() {
    let store = Store::memory().expect("memory");
    let nameless: Attrs = [("", AttrValue::None)].into_iter().collect();
    let error = store.set_attrs(&nameless).expect_err("refused").to_string();
    assert!(error.contains("the store"), "{error}");
    let refused = store.set_collection_attrs("c", &nameless);
    let error = refused.expect_err("refused").to_string();
    assert!(error.contains("collection \"c\""), "{error}");
    let options = PartitionOptions::new().attrs(nameless.clone());
    let refused = store.create_partition("c", "p", &options);
    assert_eq!(refused.expect_err("refused").kind(), "invalid");
    assert_eq!(store.collections().expect("listed"), [""; 0]);
    assert_eq!(store.seqno(), 0);
}

#[test]
fn changes_of_attributes_from_many_threads_are_all_kept() {
    let store = Store::memory().expect("memory");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..50 {
                    let name = format!("{thread}/{number}");
                    let value = AttrValue::Int64(number);
                    let changed = store.update_attrs(|attrs| {
                        attrs.set(name, value);
                    });
                    changed.expect("set");
                }
            });
        }
    });
    assert_eq!(store.attrs().expect("read").len(), 200);
}

#[test]
fn arrays_that_do_not_say_it_get_the_codec_and_the_chunks_of_their_partition() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    let options = PartitionOptions::new()
        .codec("shuffle+lz4")
        .chunks(Chunking::Shape(vec![10, 10]));
    store.create_partition("c", "p", &options).expect("made");
    let numbers: Vec<i32> = (0..400).collect();
    let grid = || ArraySpec::from_slice(&numbers).shape(&[20, 20]);
    let arrays = [
        ("grid", grid()),
        ("own", grid().codec("none").chunks(&[20, 20])),
        ("line", ArraySpec::from_slice(&numbers)),
        (
            "small",
            ArraySpec::from_slice(&numbers[..100]).shape(&[10, 10]),
        ),
        ("scalar", ArraySpec::scalar(7i32)),
    ];
    let check = |store: &Store, key: &str| {
        let part = store.partition("c", "p").expect("there");
        let entry = part.entry(key).expect("read").expect("there");
        let told = |name: &str| {
            let array = entry.array(name).expect("there");
            let chunks = array
                .chunks()
                .expect("read")
                .map(|lengths| lengths.to_vec());
            (array.info().codec.clone(), chunks)
        };
        let codec = Some("shuffle+lz4".to_owned());
        assert_eq!(told("grid"), (codec.clone(), Some(vec![10, 10])));
        assert_eq!(told("own"), (None, Some(vec![20, 20])));
        assert_eq!(told("line"), (codec.clone(), None));
        assert_eq!(told("small"), (codec, None));
        assert_eq!(told("scalar"), (None, None));
        let read = entry.array("grid").expect("there").read().expect("read");
        assert_eq!(read.view().as_slice::<i32>().expect("typed"), numbers);
    };
    let part = store.partition("c", "p").expect("there");
    part.write("k", &arrays, &Attrs::new()).expect("stored");
    let batch = store.batch().expect("begun");
    let staged = batch.partition("c", "p").expect("named");
    staged.write("b", &arrays, &Attrs::new()).expect("staged");
    batch.commit().expect("committed");
    check(&store, "k");
    check(&store, "b");
    store
        .compact(&CompactOptions::default())
        .expect("compacted");
    part.write("after", &arrays, &Attrs::new()).expect("stored");
    check(&store, "after");
    store.close().expect("closed");
    let store = append(&path);
    let part = store.partition("c", "p").expect("there");
    part.write("again", &arrays, &Attrs::new()).expect("stored");
    for key in ["k", "b", "after", "again"] {
        check(&store, key);
    }
    // What an array says of itself stays through changes of its entry.
    let one = Selection::new([Span::range(0..1), Span::range(0..1)]);
    let seven = ArraySpec::from_slice(&[7i32]).shape(&[1, 1]);
    let plain = [(
        "plain",
        ArraySpec::from_slice(&numbers[..64])
            .shape(&[8, 8])
            .codec("none"),
    )];
    part.write("n", &plain, &Attrs::new()).expect("stored");
    part.write_region("n", "plain", &one, &seven)
        .expect("written");
    let added = Assignment {
        arrays: &[("new", grid())],
        ..Assignment::default()
    };
    part.assign("n", &added).expect("changed");
    part.rename("n", "m", false).expect("renamed");
    let entry = part.entry("m").expect("read").expect("there");
    assert_eq!(entry.array("plain").expect("there").info().codec, None);
    let new = entry.array("new").expect("there");
    assert_eq!(new.info().codec.as_deref(), Some("shuffle+lz4"));
    assert!(new.info().chunked);
    let same = options.clone().exist_ok(true);
    store
        .create_partition("c", "p", &same)
        .expect("it has them");
    let other = PartitionOptions::new().codec("lz4").exist_ok(true);
    let refused = store.create_partition("c", "p", &other);
    assert_eq!(refused.expect_err("it has another").kind(), "conflict");
}
