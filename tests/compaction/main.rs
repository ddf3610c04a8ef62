//! Compaction: what it keeps, who goes on, and what an interruption leaves.

mod keeps;
mod large;
mod meanwhile;
mod others;
mod refused;
mod room;

use std::path::{Path, PathBuf};

use arraylog::{
    ArraySpec, AttrValue, Attrs, CompactOptions, Compacted, Mode, OpenOptions, PartitionOptions,
    Store,
};

const ACTOR: &str = env!("CARGO_BIN_EXE_actor");

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    (folder, path)
}

fn compact(store: &Store) -> Compacted {
    store.compact(&CompactOptions::new()).expect("compacted")
}

/// The store at `path`, with an entry of partition c/`part` damaged, opened by either kind
/// of reads; what its compaction says, which leaves all as it was.
fn refused_as_damaged(path: &Path, part: &str, copying: bool) -> (Store, String) {
    let options = OpenOptions::new().mode(Mode::ReadWrite);
    let store = match copying {
        true => options.open(path).expect("opens"),
        false => support::open_mapped(&options, path).expect("opens"),
    };
    let error = store.compact(&CompactOptions::new()).expect_err("damaged");
    assert_eq!(error.kind(), "damaged", "{error}");
    let said = error.to_string();
    assert!(said.contains(&format!("\"c\"/{part:?}")), "{said}");
    assert_eq!((store.generation(), others(path)), (0, Vec::new()));
    (store, said)
}

fn len(path: &Path) -> u64 {
    std::fs::metadata(path).expect("there").len()
}

/// Names in the folder of the store but that of the store.
fn others(path: &Path) -> Vec<String> {
    let listed = std::fs::read_dir(path.parent().expect("folder")).expect("listed");
    let names = listed.map(|file| {
        file.expect("listed")
            .file_name()
            .into_string()
            .expect("UTF-8")
    });
    names
        .filter(|name| Some(name.as_str()) != path.file_name().and_then(|name| name.to_str()))
        .collect()
}

fn attrs(name: &str, value: i64) -> Attrs {
    [(name, AttrValue::Int64(value))].into_iter().collect()
}

/// Values small and large, arrays of two schemas, attributes, overwritten and removed
/// entries, partitions dropped, renamed, moved, and with an alignment.
fn fill(store: &Store) {
    store.set_attrs(&attrs("store", 1)).expect("set");
    store
        .set_collection_attrs("c", &attrs("collection", 2))
        .expect("set");
    let aligned = PartitionOptions::new().align(1 << 13);
    store
        .create_partition("c", "aligned", &aligned)
        .expect("created");
    for name in ["p", "q", "aligned", "gone", "old name"] {
        let part = store.partition("c", name).expect("a partition");
        for round in 0..3 {
            for number in 0..50u32 {
                part.put(format!("key {number}"), vec![round; number as usize * 20])
                    .expect("stored");
            }
            part.put("wide", vec![round; 200_000]).expect("stored");
        }
        for number in 0..10u32 {
            part.remove(format!("key {number}")).expect("removed");
        }
        let data = [1.5f32; 300];
        let array = ArraySpec::from_slice(&data).dims(&["x"]);
        part.write("arrays", &[("t", array)], &attrs("lat", 3))
            .expect("stored");
        part.set_attrs(&attrs(name, 4)).expect("set");
    }
    let dropped = store.partition("dropped", "p").expect("a partition");
    let odd = [1u8];
    let array = ArraySpec::from_slice(&odd);
    dropped
        .write("k", &[("only here", array)], &Attrs::new())
        .expect("stored");
    assert!(store.drop_partition("c", "gone").expect("dropped"));
    assert!(store.drop_collection("dropped").expect("dropped"));
    store
        .rename_partition("c", "old name", "d", "new name")
        .expect("renamed");
}

fn stores() -> Vec<(&'static str, tempfile::TempDir, Store)> {
    let (mapped_folder, mapped) = folder();
    let (copied_folder, copied) = folder();
    let (unused, _) = folder();
    let copying = OpenOptions::new().mode(Mode::Append).open(&copied);
    vec![
        (
            "mapped",
            mapped_folder,
            support::open(&mapped, Mode::Append).expect("opens"),
        ),
        ("copying", copied_folder, copying.expect("opens")),
        ("memory", unused, Store::memory().expect("made")),
    ]
}

fn arraylog_generation(path: &Path) -> u64 {
    support::open(path, Mode::Read).expect("opens").generation()
}
