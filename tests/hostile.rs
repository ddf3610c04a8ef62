//! Files from strangers: lengths, cycles, shapes and depths made to hurt, with every checksum
//! right. An answer or an error within 5 s for each MiB, and at most 64 MiB and twice the file
//! of memory, which the system enforces.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use arraylog::{ArraySpec, AttrValue, Attrs, Mode, Store};

const LOG_START: usize = 16384;

/// A store of one identity, so that nothing is left to chance.
fn create(path: &Path) -> Store {
    let options = Store::options().mode(Mode::CreateNew);
    let ids = (*b"from a stranger.", *b"lineage unknown.");
    let options = arraylog::__test::fixed(options, ids.0, ids.1, 5, 1);
    options.open(path).expect("made")
}

fn honest(path: &Path) -> Vec<u8> {
    let store = create(path);
    let part = store.partition("c", "p").expect("partition");
    for round in 0..3 {
        for key in 0..30 {
            part.put(format!("key {key}"), format!("value {key} {round}"))
                .expect("stored");
        }
        store.checkpoint().expect("saved");
    }
    let data = vec![1.5f64; 20_000];
    let mut attrs = Attrs::new();
    attrs.set("note", AttrValue::from("text"));
    let arrays = [
        ("large", ArraySpec::from_slice(&data)),
        ("names", ArraySpec::strings(&["one", "two", "three"])),
        ("small", ArraySpec::from_slice(&data[..8]).missing(&[0; 8])),
    ];
    part.write("entry", &arrays, &attrs).expect("stored");
    store.close().expect("closed");
    drop((part, store));
    let bytes = std::fs::read(path).expect("read");
    std::fs::remove_file(path).expect("removed");
    bytes
}

fn word(bytes: &mut [u8], at: usize, with: u64) {
    bytes[at..at + 8].copy_from_slice(&with.to_le_bytes());
}

/// Files with a name for what is wrong with each.
fn crafted(honest: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut Vec<u8>), repair: bool| {
        let mut bytes = honest.to_vec();
        change(&mut bytes);
        if repair {
            arraylog::__fuzz::repair(&mut bytes);
        }
        files.push((what, bytes));
    };
    add("nothing".into(), &|_| (), true);
    let far = [
        0,
        8,
        16384,
        16392,
        1 << 20,
        1 << 40,
        (1 << 47) - 8,
        !7,
        u64::MAX,
    ];
    // Slots and the live page lead nowhere, back, to themselves.
    for to in far {
        for (name, at) in [
            ("checkpoint", 16),
            ("checkpoint end", 24),
            ("durable end", 32),
        ] {
            let change = |bytes: &mut Vec<u8>| {
                for slot in [4096, 8192] {
                    word(bytes, slot + at, to);
                }
            };
            add(format!("slots whose {name} is {to}"), &change, true);
        }
        for at in (0..88).step_by(8) {
            let change = |bytes: &mut Vec<u8>| word(bytes, 12288 + at, to);
            add(
                format!("word {at} of the live page is {to}"),
                &change,
                false,
            );
        }
    }
    // Every word of the log, one in a while, says something enormous.
    for (number, at) in (LOG_START..honest.len() - 8).step_by(8).enumerate() {
        let dense = at < LOG_START + 4096 || honest.len() - at < 4096;
        if dense || number % 64 == 0 {
            let to = [u64::MAX, 1 << 47, 0x7FFF_FFFF, 0x00FF_FFFF_FFFF_FFFF][number % 4];
            add(
                format!("{to:#x} at {at}"),
                &|bytes| word(bytes, at, to),
                true,
            );
        }
    }
    // The second record over the first, and the other way: cycles of versions and names.
    for step in [64, 128, 1024, 4096] {
        let change = |bytes: &mut Vec<u8>| {
            let end = bytes.len();
            bytes.copy_within(LOG_START..end - step, LOG_START + step);
        };
        add(
            format!("a log that comes again after {step} bytes"),
            &change,
            true,
        );
    }
    files.extend(large(honest));
    files
}

/// Files of a MiB, which cost what grows with more than their length dearly.
fn large(honest: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut filled = |what: &str, unit: &[u8]| {
        let mut bytes = honest[..LOG_START].to_vec();
        // It was durable once: everything is looked through for what is left.
        while bytes.len() < 1 << 20 {
            bytes.extend_from_slice(unit);
        }
        let end = bytes.len() as u64 & !7;
        for slot in [4096, 8192] {
            word(&mut bytes, slot + 32, end);
        }
        arraylog::__fuzz::repair(&mut bytes);
        files.push((what.to_owned(), bytes));
    };
    filled("zeros", &[0; 64]);
    filled("magic numbers of frames", &[0x0F, 0xA1, 1, 0, 0, 0, 0, 0]);
    // Heads of records of the longest keys, one at every place, each to be hashed.
    filled("heads of records", &[1, 0, 0xFF, 0x0F, 1, 0, 0, 0]);
    filled("heads of wide records", &[1, 1, 0xFF, 0x0F, 0, 0, 1, 0]);
    filled("empty frames", &{
        let mut frame = [0; 40];
        frame[..4].copy_from_slice(&[0x0F, 0xA1, 2, 0]);
        frame
    });
    files
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    (folder, path)
}

/// Has another process read it in every way with little memory; how long that took.
fn read_elsewhere(path: &Path) -> (String, bool, Duration) {
    let begun = Instant::now();
    let mut actor = Command::new(env!("CARGO_BIN_EXE_actor"));
    // Printing where memory ran out takes memory.
    actor.env("RUST_BACKTRACE", "0");
    let output = actor.arg("bounded-read").arg(path).output().expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (said, output.status.success(), begun.elapsed())
}

#[test]
fn a_file_from_a_stranger_costs_bounded_time_and_memory_and_is_left_as_it_is() {
    let (folder, path) = folder();
    let honest = honest(&path);
    let files = crafted(&honest);
    assert!(files.len() > 900, "{} files", files.len());
    // A few in each process: starting one costs more than most files.
    for (number, chunk) in files.chunks(40).enumerate() {
        let inside = folder.path().join(format!("{number}"));
        std::fs::create_dir(&inside).expect("made");
        for (position, (_, bytes)) in chunk.iter().enumerate() {
            std::fs::write(inside.join(format!("{position:03}")), bytes).expect("written");
        }
        let (said, fine, took) = read_elsewhere(&inside);
        let names: Vec<_> = chunk.iter().map(|it| &it.0).enumerate().collect();
        assert!(fine, "{said}\nof {names:?}");
        assert!(took < Duration::from_secs(400), "{took:?}");
        for (position, (what, bytes)) in chunk.iter().enumerate() {
            let found = std::fs::read(inside.join(format!("{position:03}"))).expect("read");
            assert!(found == *bytes, "{what}: the file changed");
        }
        std::fs::remove_dir_all(&inside).expect("removed");
    }
}

#[test]
fn attributes_that_are_deep_are_refused_without_a_deep_stack() {
    // Lists in lists, as deep as bytes allow; a thread with little stack reads them.
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    let read = thread.spawn(|| {
        for tag in 0..=255u8 {
            for length in [1u32, 0xFF, 1 << 16] {
                let unit = [&[tag][..], &length.to_le_bytes()].concat();
                arraylog::__fuzz::attrs(&unit.repeat(20_000));
                arraylog::__fuzz::entry(&unit.repeat(13_000));
                arraylog::__fuzz::attrs(&[tag].repeat(100_000));
            }
        }
    });
    read.expect("a thread")
        .join()
        .expect("no overflow of the stack");
    let deep = format!(
        "{{\"entry\": \"a\", \"attrs\": {}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    arraylog_cli::__fuzz::ndjson(deep.as_bytes());
}
