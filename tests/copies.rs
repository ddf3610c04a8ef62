//! Copies and renames of keys, within a store and between stores.

use arraylog::{
    ArraySpec, AttrValue, Attrs, DType, Error, Mask, Mode, OpenOptions, Partition, Store,
};
use support::open;

/// Attributes with one of them.
fn attrs(name: &str, value: AttrValue) -> Attrs {
    let mut attrs = Attrs::new();
    attrs.set(name, value);
    attrs
}

/// Stores one entry of each kind.
fn fill(part: &Partition) {
    part.put("small", "value").expect("stored");
    let large: Vec<u8> = (0..300_000u32).map(|number| (number % 251) as u8).collect();
    part.put("large", &large).expect("stored");
    let grid: Vec<f64> = (0..40_000).map(f64::from).collect();
    let mut masked = ArraySpec::new(DType::Int16, &[3], &[1, 0, 2, 0, 3, 0]);
    masked.mask = Some(Mask::Missing(vec![0, 1, 0].into()));
    masked.attrs = attrs("units", AttrValue::String("m".into()));
    let mut texts = ArraySpec::new(DType::String, &[2], &[]);
    texts.data = arraylog::ArrayBytes::Variable {
        offsets: vec![0, 3, 5],
        data: b"abcde"[..].into(),
    };
    let arrays = [
        ("grid", ArraySpec::from_slice(&grid).dims(&["x"])),
        ("masked", masked),
        ("texts", texts),
    ];
    part.write("arrays", &arrays, &attrs("lat", AttrValue::Float64(1.5)))
        .expect("stored");
    part.write("bare", &[], &attrs("only", AttrValue::Int64(1)))
        .expect("stored");
}

/// Everything that an entry holds, as text.
fn content(part: &Partition, key: &str) -> String {
    let entry = part.entry(key).expect("read").expect("there");
    if let Ok(value) = entry.value() {
        return format!("{:?}", value.to_vec());
    }
    let arrays = (0..entry.len()).map(|at| {
        let array = entry.array_at(at).expect("array");
        let array = array.read().expect("read");
        let validity = array.validity().map(|bits| bits.to_vec());
        let spec = array.to_spec();
        format!("{spec:?} {validity:?} {:?}", array.info())
    });
    let arrays: Vec<String> = arrays.collect();
    format!("{arrays:?} {:?}", entry.attrs().expect("attributes"))
}

const KEYS: [&str; 4] = ["small", "large", "arrays", "bare"];

#[test]
fn a_copy_holds_what_its_source_holds_within_and_between_partitions_and_stores() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = open(&folder.path().join("a.alog"), Mode::Append).expect("opened");
    let other = open(&folder.path().join("b.alog"), Mode::Append).expect("opened");
    let memory = Store::memory().expect("memory");
    let part = source.partition("c", "p").expect("partition");
    fill(&part);
    // Ids of schemas differ between the stores.
    let occupied = other.partition("c", "p").expect("partition");
    occupied
        .write("x", &[("t", ArraySpec::from_slice(&[1u8]))], &Attrs::new())
        .expect("stored");
    let targets = [
        part.clone(),
        source.partition("c", "q").expect("partition"),
        other.partition("c", "p").expect("partition"),
        memory.partition("d", "new").expect("partition"),
    ];
    for target in &targets {
        for key in KEYS {
            let new = format!("copy of {key}");
            part.copy(key, target, &new, false).expect("copied");
            assert_eq!(content(target, &new), content(&part, key), "{key}");
        }
    }
    for store in [source, other] {
        store.close().expect("closed");
    }
    let other = open(&folder.path().join("b.alog"), Mode::Read).expect("opened");
    let copied = other.partition("c", "p").expect("partition");
    for key in KEYS {
        let new = format!("copy of {key}");
        assert_eq!(content(&copied, &new), content(&targets[3], &new), "{key}");
    }
}

#[test]
fn a_source_whose_reads_copy_is_copied_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let options = OpenOptions::new().mode(Mode::Append);
    let source = options.open(&path).expect("opened");
    let part = source.partition("c", "p").expect("partition");
    fill(&part);
    let memory = Store::memory().expect("memory");
    let target = memory.partition("c", "p").expect("partition");
    for key in KEYS {
        part.copy(key, &target, key, false).expect("copied");
        part.copy(key, &part, format!("{key} again"), false)
            .expect("copied");
        assert_eq!(content(&target, key), content(&part, key), "{key}");
    }
}

#[test]
fn a_copy_replaces_an_entry_only_if_it_is_told_to() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    fill(&part);
    let before = content(&part, "small");
    let error = part
        .copy("arrays", &part, "small", false)
        .expect_err("there is one");
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(content(&part, "small"), before);
    part.copy("arrays", &part, "small", true).expect("copied");
    assert_eq!(content(&part, "small"), content(&part, "arrays"));
    let error = part
        .copy("absent", &part, "new", false)
        .expect_err("absent");
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[test]
fn a_copy_onto_itself_is_refused_through_any_handle_and_one_beside_it_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let store = open(&path, Mode::Append).expect("opened");
    let part = store.partition("c", "p").expect("partition");
    part.put("k", "v").expect("stored");
    let again = store.partition("c", "p").expect("partition");
    let reader = open(&folder.path().join("./a.alog"), Mode::Read).expect("opened");
    let read = reader.partition("c", "p").expect("partition");
    for (source, target) in [(&part, &part), (&part, &again), (&read, &part)] {
        let error = source.copy("k", target, "k", true).expect_err("itself");
        assert_eq!(error.kind(), "invalid");
        assert!(error.to_string().contains("\"c\"/\"p\""), "{error}");
    }
    let seqno = store.seqno();
    read.copy("k", &part, "l", false).expect("another key");
    let other = store.partition("c", "q").expect("partition");
    part.copy("k", &other, "k", false)
        .expect("another partition");
    assert_eq!(store.seqno(), seqno + 2);

    // A file that was copied has the same identity and is another store.
    store.close().expect("closed");
    let copied = folder.path().join("copy.alog");
    std::fs::copy(&path, &copied).expect("copied");
    let copy = open(&copied, Mode::ReadWrite).expect("opened");
    let target = copy.partition("c", "p").expect("partition");
    read.copy("k", &target, "k", true).expect("another file");
}

#[test]
fn a_rename_goes_to_another_partition_in_one_commit() {
    let store = Store::memory().expect("memory");
    let part = store.partition("c", "p").expect("partition");
    let target = store.partition("c", "new").expect("partition");
    fill(&part);
    let (seqno, before) = (store.seqno(), content(&part, "arrays"));
    part.rename_to("arrays", &target, "moved", false)
        .expect("renamed");
    assert_eq!(store.seqno(), seqno + 1);
    assert_eq!(content(&target, "moved"), before);
    assert!(!part.contains("arrays").expect("read"));

    target.put("taken", "1").expect("stored");
    let error = part
        .rename_to("small", &target, "taken", false)
        .expect_err("there is one");
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert!(part.contains("small").expect("read"));
    part.rename_to("small", &target, "taken", true)
        .expect("overwritten");
    assert_eq!(content(&target, "taken"), format!("{:?}", b"value"));
    let error = part.rename_to("small", &target, "x", false);
    assert!(matches!(error, Err(Error::NotFound { .. })), "{error:?}");
    // To itself, through another handle: nothing changes.
    let again = store.partition("c", "p").expect("partition");
    let seqno = store.seqno();
    part.rename_to("large", &again, "large", false)
        .expect("nothing to do");
    assert_eq!(store.seqno(), seqno);
}

#[test]
fn a_rename_between_stores_copies_and_removes() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("a.alog"), Mode::Append).expect("opened");
    let part = store.partition("c", "p").expect("partition");
    fill(&part);
    let memory = Store::memory().expect("memory");
    let target = memory.partition("c", "p").expect("partition");
    let before = content(&part, "arrays");
    part.rename_to("arrays", &target, "arrays", false)
        .expect("renamed");
    assert_eq!(content(&target, "arrays"), before);
    assert!(!part.contains("arrays").expect("read"));
    store.close().expect("closed");

    // What cannot be removed is not copied either.
    let reader = open(&folder.path().join("a.alog"), Mode::Read).expect("opened");
    let read = reader.partition("c", "p").expect("partition");
    let error = read
        .rename_to("small", &target, "small", false)
        .expect_err("read-only");
    assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
    assert!(!target.contains("small").expect("read"));
}
