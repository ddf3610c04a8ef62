//! What a store promises to one program: put, get, remove, survive reopening.

use arraylog::{
    ArraySpec, AttrValue, Attrs, Durability, Error, Kind, Mode, OpenOptions, Store, What,
};
use support::{append, read};

#[test]
fn values_survive_closing_and_reopening() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    let part = store.default_partition().expect("partition");
    part.put("key", "value").expect("stored");
    part.put("", "").expect("stored");
    part.put("zeros", [0; 8]).expect("stored");
    part.put("long", vec![7; 200_000]).expect("stored");
    assert_eq!(
        part.get("key").expect("read").as_deref(),
        Some(&b"value"[..])
    );
    assert!(part.remove("zeros").expect("removed"));
    assert!(!part.remove("zeros").expect("removed"));
    store.close().expect("closed");
    let part = read(&path).default_partition().expect("partition");
    assert_eq!(
        part.get("key").expect("read").as_deref(),
        Some(&b"value"[..])
    );
    assert_eq!(part.get("").expect("read").as_deref(), Some(&b""[..]));
    assert_eq!(part.get("zeros").expect("read"), None);
    assert_eq!(
        part.get("long").expect("read").as_deref(),
        Some(&[7; 200_000][..])
    );
    assert_eq!(part.len().expect("counted"), 3);
}

#[test]
fn an_unclosed_writer_loses_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    store
        .default_partition()
        .expect("partition")
        .put("key", "value")
        .expect("stored");
    drop(store);
    let store = read(&path);
    assert!(!store.recovery().clean);
    let part = store.default_partition().expect("partition");
    assert_eq!(
        part.get("key").expect("read").as_deref(),
        Some(&b"value"[..])
    );
}

#[test]
fn an_entry_keeps_arrays_dims_masks_and_attributes() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    let part = store.partition("argo", "2024-01").expect("partition");
    let depth: Vec<f32> = (0..300u16).map(f32::from).collect();
    let mut attrs = Attrs::new();
    attrs.set("lat", AttrValue::Float64(1.5));
    let mask: Vec<u8> = (0..300).map(|i| u8::from(i % 3 == 0)).collect();
    part.write(
        "float-42",
        &[
            ("depth", ArraySpec::from_slice(&depth).dims(&["depth"])),
            (
                "masked",
                ArraySpec::from_slice(&depth)
                    .dims(&["depth"])
                    .missing(&mask),
            ),
            ("platform", ArraySpec::string("6902746")),
            ("n", ArraySpec::scalar(3i64)),
        ],
        &attrs,
    )
    .expect("written");
    store.close().expect("closed");
    let entry = read(&path)
        .partition("argo", "2024-01")
        .expect("partition")
        .entry("float-42")
        .expect("read")
        .expect("there");
    assert_eq!(entry.kind(), Kind::Arrays);
    assert_eq!(
        entry.names().collect::<Vec<_>>(),
        ["depth", "masked", "platform", "n"]
    );
    let array = entry.array("depth").expect("array");
    assert_eq!(
        array
            .read()
            .expect("read")
            .view()
            .as_slice::<f32>()
            .expect("typed"),
        depth
    );
    assert_eq!(array.info().dims, [Some("depth".to_owned())]);
    assert!(!array.is_masked());
    let validity = entry.array("masked").expect("array");
    let validity = validity
        .read()
        .expect("read")
        .validity()
        .expect("masked")
        .clone();
    for (i, &missing) in mask.iter().enumerate() {
        assert_eq!(validity[i / 8] >> (i % 8) & 1, 1 - missing);
    }
    assert_eq!(
        entry
            .array("platform")
            .expect("array")
            .read()
            .expect("read")
            .view()
            .item(0)
            .expect("text"),
        b"6902746"
    );
    assert_eq!(entry.attrs().expect("attrs"), attrs);
    match entry.array("dept") {
        Err(Error::NotFound {
            what: What::Array,
            hint,
            ..
        }) => {
            assert_eq!(hint.as_deref(), Some("depth"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn large_arrays_come_back_whole() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    let part = store.default_partition().expect("partition");
    let data: Vec<f64> = (0..600_000u32).map(f64::from).collect();
    let arrays = [
        ("a", ArraySpec::from_slice(&data)),
        ("b", ArraySpec::from_slice(&data[7..])),
    ];
    part.write("big", &arrays, &Attrs::new()).expect("written");
    store.close().expect("closed");
    let entry = read(&path)
        .default_partition()
        .expect("partition")
        .entry("big");
    let entry = entry.expect("read").expect("there");
    assert_eq!(
        entry
            .array("a")
            .expect("array")
            .read()
            .expect("read")
            .view()
            .as_slice::<f64>()
            .expect("typed"),
        data
    );
    let b = entry.array("b").expect("array");
    assert_eq!(
        b.read()
            .expect("read")
            .view()
            .as_slice::<f64>()
            .expect("typed"),
        &data[7..]
    );
    assert_eq!(b.read().expect("read").data().as_ptr() as usize % 4096, 0);
}

#[test]
fn views_outlive_the_store_and_every_later_write() {
    let folder = tempfile::tempdir().expect("folder");
    let store = append(&folder.path().join("a.alog"));
    let part = store.default_partition().expect("partition");
    part.put("key", "first").expect("stored");
    let view = part.get("key").expect("read").expect("there");
    part.put("key", "second").expect("stored");
    part.remove("key").expect("removed");
    store.close().expect("closed");
    drop((part, store));
    assert_eq!(&*view, b"first");
}

#[test]
fn a_batch_is_seen_whole_or_not_at_all() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    part.put("old", "1").expect("stored");
    let batch = store.batch().expect("batch");
    let p = batch.partition("default", "default").expect("partition");
    p.put("a", "1").expect("staged");
    p.put("a", "2").expect("staged");
    assert!(p.remove("old").expect("staged"));
    assert!(!p.remove("old").expect("staged"));
    p.rename("a", "b", false).expect("staged");
    let other = batch.partition("other", "new").expect("partition");
    other.put("c", "3").expect("staged");
    assert_eq!(part.len().expect("counted"), 1);
    assert!(store.partitions("other").is_err());
    drop(
        store
            .batch()
            .expect("batch")
            .partition("x", "y")
            .expect("partition")
            .put("k", "v"),
    );
    batch.commit().expect("committed");
    assert_eq!(part.len().expect("counted"), 1);
    assert_eq!(part.get("a").expect("read"), None);
    assert_eq!(part.get("b").expect("read").as_deref(), Some(&b"2"[..]));
    assert_eq!(store.collections().expect("listed"), ["default", "other"]);
}

#[test]
fn a_refused_call_leaves_nothing_of_it_in_the_batch() {
    let store = Store::memory().expect("opens");
    let batch = store.batch().expect("begun");
    let other = batch.partition("refused", "p").expect("partition");
    let part = batch.partition("c", "p").expect("partition");
    part.put("first", "1").expect("staged");
    let long = vec![b'k'; 65_536];
    let bare = [("", ArraySpec::from_slice(&[1_u8, 2]))];
    let nul = [("a\0", ArraySpec::from_slice(&[1_u8, 2]))];
    let attrs = Attrs::new();
    for target in [&other, &part] {
        for refused in [
            target.put(&long, "value"),
            target.write(&long, &bare, &attrs),
            target.write("first", &nul, &attrs),
            target.remove(&long).map(drop),
            target.rename("first", &long, true),
            target.rename("absent", "new", true),
        ] {
            refused.expect_err("refused");
        }
    }
    assert_eq!(batch.len(), 1);
    part.write("last", &bare, &attrs).expect("staged");
    batch.commit().expect("committed");
    let info = store.info().expect("open").partitions;
    let names: Vec<_> = info.iter().map(|part| &*part.collection).collect();
    assert_eq!(names, ["c"]);
    let part = store.partition("c", "p").expect("partition");
    let keys = part.keys().expect("listed");
    let keys: Vec<_> = keys.map(|key| key.expect("read")).collect();
    assert_eq!(keys, [b"first", &b"last"[..]]);
    assert_eq!(part.get("first").expect("read").as_deref(), Some(&b"1"[..]));
}

#[test]
fn order_is_that_of_the_latest_write_and_a_walk_is_fixed() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    for key in ["a", "b", "c", "d"] {
        part.put(key, key).expect("stored");
    }
    part.put("b", "again").expect("stored");
    part.remove("c").expect("removed");
    let keys = part.keys().expect("keys");
    part.put("e", "e").expect("stored");
    part.clear().expect("cleared");
    let keys: Result<Vec<_>, _> = keys.collect();
    assert_eq!(keys.expect("read"), [b"a", b"d", b"b"]);
    assert_eq!(part.len().expect("counted"), 0);
}

#[test]
fn copying_reads_give_the_same_bytes() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = OpenOptions::new()
        .mode(Mode::Append)
        .durability(Durability::Synced)
        .open(&path)
        .expect("opens");
    let part = store.default_partition().expect("partition");
    part.put("small", "value").expect("stored");
    part.put("large", vec![9; 1 << 20]).expect("stored");
    part.put("small", "value 2").expect("stored");
    let key = "k".repeat(65_535);
    part.put(&key, "long key").expect("stored");
    assert_eq!(
        part.get("small").expect("read").as_deref(),
        Some(&b"value 2"[..])
    );
    assert_eq!(
        part.get("large").expect("read").as_deref(),
        Some(&[9; 1 << 20][..])
    );
    assert_eq!(
        part.get(&key).expect("read").as_deref(),
        Some(&b"long key"[..])
    );
    assert!(part.reader().is_err());
}

#[test]
fn a_reader_in_another_handle_follows_by_refresh() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    let part = store.partition("c", "p").expect("partition");
    part.put("a", "1").expect("stored");
    let reader = read(&path);
    let seen = reader.partition("c", "p").expect("partition");
    assert!(!reader.refresh().expect("refreshed"));
    part.put("a", "2").expect("stored");
    part.put("b", "2").expect("stored");
    store
        .partition("c", "q")
        .expect("partition")
        .put("x", "y")
        .expect("stored");
    assert_eq!(seen.get("a").expect("read").as_deref(), Some(&b"1"[..]));
    assert_eq!(seen.len().expect("counted"), 1);
    assert!(reader.refresh().expect("refreshed"));
    assert_eq!(seen.get("a").expect("read").as_deref(), Some(&b"2"[..]));
    assert_eq!(seen.len().expect("counted"), 2);
    assert_eq!(reader.partitions("c").expect("listed"), ["p", "q"]);
}

#[test]
fn a_batch_that_removes_and_stores_again_counts_the_same_after_reopening() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    let part = store.default_partition().expect("partition");
    part.put("key", "old").expect("stored");
    let batch = store.batch().expect("batch");
    let staged = batch.partition("default", "default").expect("partition");
    assert!(staged.remove("key").expect("staged"));
    // Enough for the table to grow in between.
    for number in 0..100u8 {
        staged.put([number], "other").expect("staged");
    }
    staged.put("key", "new").expect("staged");
    batch.commit().expect("committed");
    assert_eq!(part.len().expect("counted"), 101);
    drop((part, store));
    let part = read(&path).default_partition().expect("partition");
    assert_eq!(part.len().expect("counted"), 101);
    assert_eq!(part.keys().expect("listed").count(), 101);
}
