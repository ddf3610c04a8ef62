//! Changes of parts of entries in batches.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Barrier;

use arraylog::{
    ArraySpec, Assignment, AttrValue, Attrs, Batch, BatchPartition, CompactOptions, Entry, Error,
    Partition, Selection, Span, Store, VerifyOptions,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::{append, read};

/// Writes to the default partition in a batch, which is committed.
fn committed(store: &Store, fill: impl FnOnce(&BatchPartition<'_>)) -> arraylog::Result<u64> {
    let batch = store.batch().expect("a batch");
    fill(&here(&batch));
    batch.commit()
}

fn here(batch: &Batch) -> BatchPartition<'_> {
    batch.partition("default", "default").expect("a partition")
}

fn numbers(part: &Partition, key: &str, name: &str) -> Vec<i32> {
    let array = part.array(key, name).expect("there");
    let read = array.read().expect("read");
    read.view().as_slice::<i32>().expect("typed").to_vec()
}

fn entry(part: &Partition, key: &str) -> Entry {
    part.entry(key).expect("read").expect("there")
}

fn attrs(pairs: &[(&str, i64)]) -> Attrs {
    let mut attrs = Attrs::new();
    for &(name, value) in pairs {
        attrs.set(name, AttrValue::Int64(value));
    }
    attrs
}

fn at(range: std::ops::Range<u64>) -> Selection {
    Selection::new([Span::range(range)])
}

#[test]
fn changes_of_parts_are_seen_with_the_commit_and_after_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    let part = store.default_partition().expect("made");
    let data: Vec<i32> = (0..100).collect();
    let arrays = [
        ("t", ArraySpec::from_slice(&data).chunks(&[10])),
        ("p", ArraySpec::from_slice(&data)),
    ];
    part.write("first", &arrays, &attrs(&[("a", 1)]))
        .expect("stored");
    part.put("last", "").expect("stored");
    let before = entry(&part, "first");
    let batch = store.batch().expect("a batch");
    let staged = here(&batch);
    for name in ["t", "p"] {
        let new = [-1, -2];
        staged
            .write_region("first", name, &at(9..11), &ArraySpec::from_slice(&new))
            .expect("staged");
        staged
            .append("first", name, 0, &ArraySpec::from_slice(&[7, 8, 9]))
            .expect("staged");
    }
    staged.resize("first", "p", &[12]).expect("staged");
    let added = [5i32];
    let assignment = Assignment {
        arrays: &[("new", ArraySpec::from_slice(&added))],
        attrs: attrs(&[("b", 2)]),
        drop_attrs: &["a"],
        ..Assignment::default()
    };
    staged.assign("first", &assignment).expect("staged");
    assert_eq!(numbers(&part, "first", "t"), data, "not before the commit");
    assert_eq!(entry(&part, "first").version(), before.version());
    let seqno = batch.commit().expect("committed");
    assert_eq!(seqno, store.seqno());

    let mut t = data.clone();
    (t[9], t[10]) = (-1, -2);
    t.extend([7, 8, 9]);
    let check = |store: &Store| {
        let part = store.default_partition().expect("there");
        assert_eq!(numbers(&part, "first", "t"), t);
        assert_eq!(numbers(&part, "first", "p"), t[..12]);
        let found = entry(&part, "first");
        assert_eq!(found.names().collect::<Vec<_>>(), ["t", "p", "new"]);
        let now = found.attrs().expect("read");
        assert_eq!(now, attrs(&[("b", 2)]));
        let keys: Vec<_> = part
            .keys()
            .expect("listed")
            .map(|key| key.expect("read"))
            .collect();
        assert_eq!(keys, [&b"first"[..], b"last"], "it keeps its place");
        let versions = part.history("first").expect("listed");
        let seqnos: Vec<u64> = versions
            .map(|version| version.expect("read").seqno)
            .collect();
        assert_eq!(seqnos, [seqno, 1], "one version a commit");
    };
    check(&store);
    // A version never changes.
    let old = before.array("t").expect("there").read().expect("read");
    assert_eq!(old.view().as_slice::<i32>().expect("typed"), data);
    store.close().expect("closed");
    let store = read(&path);
    check(&store);
    let report = store.verify(&VerifyOptions::default()).expect("verified");
    assert!(report.damage.is_empty(), "{:?}", report.damage);
}

#[test]
fn an_abandoned_batch_leaves_nothing() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let data = [1i32, 2, 3];
    part.write(
        "k",
        &[("t", ArraySpec::from_slice(&data).chunks(&[2]))],
        &Attrs::new(),
    )
    .expect("stored");
    let (version, seqno) = (entry(&part, "k").version(), store.seqno());
    let batch = store.batch().expect("a batch");
    here(&batch)
        .append("k", "t", 0, &ArraySpec::from_slice(&[4]))
        .expect("staged");
    here(&batch).resize("k", "t", &[1]).expect("staged");
    drop(batch);
    assert_eq!(numbers(&part, "k", "t"), data);
    assert_eq!(
        (entry(&part, "k").version(), store.seqno()),
        (version, seqno)
    );
}

#[test]
fn a_region_costs_the_chunks_that_it_touches_each_of_them_once() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let data = vec![1i32; 1000];
    part.write(
        "k",
        &[("t", ArraySpec::from_slice(&data).chunks(&[10]))],
        &Attrs::new(),
    )
    .expect("stored");
    let before = store.counters().operations;
    committed(&store, |staged| {
        for place in 0..30 {
            let new = [place as i32];
            let data = ArraySpec::from_slice(&new);
            staged
                .write_region("k", "t", &at(place..place + 1), &data)
                .expect("staged");
            // And again.
            staged
                .write_region("k", "t", &at(place..place + 1), &data)
                .expect("staged");
        }
    })
    .expect("committed");
    let rows_and_schema = 2;
    let operations = store.counters().operations - before;
    assert!(
        (4..=4 + rows_and_schema).contains(&operations),
        "three chunks and one amendment: {operations}"
    );
    let expected: Vec<i32> = (0..30).chain([1; 970]).collect();
    assert_eq!(numbers(&part, "k", "t"), expected);
}

#[test]
fn arrays_that_share_a_dim_grow_together_in_a_batch_and_are_refused_apart() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let (time, t) = ([0i32, 1], [1i32, 2, 3, 4]);
    let arrays = [
        ("time", ArraySpec::from_slice(&time).dims(&["time"])),
        (
            "t",
            ArraySpec::from_slice(&t)
                .shape(&[2, 2])
                .dims(&["time", "x"])
                .chunks(&[1, 2]),
        ),
    ];
    part.write("k", &arrays, &Attrs::new()).expect("stored");
    let row = [5i32, 6];
    let row = ArraySpec::from_slice(&row).shape(&[1, 2]);
    let moment = ArraySpec::from_slice(&[2i32]);
    let alone = part.append("k", "time", 0, &moment);
    assert_eq!(alone.expect_err("outside of a batch").kind(), "shape");
    for _ in 0..3 {
        committed(&store, |staged| {
            for _ in 0..2 {
                staged.append("k", "time", 0, &moment).expect("staged");
                staged.append("k", "t", 0, &row).expect("staged");
            }
            assert_eq!(
                staged.described("k", "t").expect("told").1[0],
                staged.described("k", "time").expect("told").1[0]
            );
        })
        .expect("committed");
    }
    let grown = (entry(&part, "k"), store.seqno());
    assert_eq!(grown.0.array("time").expect("there").shape(), [8]);
    assert_eq!(grown.0.array("t").expect("there").shape(), [8, 2]);

    let apart = committed(&store, |staged| {
        staged.put("other", "value").expect("staged");
        staged.append("k", "time", 0, &moment).expect("staged");
    });
    let error = apart.expect_err("one of two");
    assert_eq!(error.kind(), "shape");
    let text = error.to_string();
    for part in ["\"k\"", "\"time\"", "size 8", "9", "\"t\""] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        part.get("other").expect("read").is_none(),
        "nothing is stored"
    );
    assert_eq!(
        (entry(&part, "k").version(), store.seqno()),
        (grown.0.version(), grown.1)
    );

    // Of an entry that the batch itself writes too, and of one that it renames halfway.
    let apart = committed(&store, |staged| {
        staged.write("new", &arrays, &Attrs::new()).expect("staged");
        staged.resize("new", "t", &[3, 2]).expect("staged");
    });
    assert_eq!(apart.expect_err("one of two").kind(), "shape");
    committed(&store, |staged| {
        staged.append("k", "time", 0, &moment).expect("staged");
        staged.rename("k", "l", false).expect("staged");
        staged.append("l", "t", 0, &row).expect("staged");
        staged.write("new", &arrays, &Attrs::new()).expect("staged");
        staged.resize("new", "t", &[3, 2]).expect("staged");
        staged.resize("new", "time", &[3]).expect("staged");
    })
    .expect("committed");
    assert!(!part.contains("k").expect("read"));
    assert_eq!(numbers(&part, "l", "t")[14..], [5, 6, 5, 6]);
    assert_eq!(numbers(&part, "l", "time"), [0, 1, 2, 2, 2, 2, 2, 2, 2]);
    assert_eq!(numbers(&part, "new", "t"), [1, 2, 3, 4, 0, 0]);
    // One array cannot have two sizes of one dim, ever.
    let square = ArraySpec::from_slice(&t).shape(&[1, 4]).dims(&["x", "x"]);
    let batch = store.batch().expect("a batch");
    let assignment = Assignment {
        arrays: &[("s", square)],
        ..Assignment::default()
    };
    let refused = here(&batch).assign("new", &assignment);
    assert_eq!(refused.expect_err("two sizes").kind(), "shape");
}

#[test]
fn a_change_that_is_refused_leaves_the_batch_as_it_was() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let data = [1i32, 2, 3];
    let spec = || ArraySpec::from_slice(&data).chunks(&[2]);
    part.write("k", &[("t", spec())], &Attrs::new())
        .expect("stored");
    part.write("gone", &[("t", spec())], &Attrs::new())
        .expect("stored");
    part.put("value", "v").expect("stored");
    let batch = store.batch().expect("a batch");
    let staged = here(&batch);
    staged.append("k", "t", 0, &spec()).expect("staged");
    staged.remove("gone").expect("staged");
    staged.put("put", "v").expect("staged");
    let len = batch.len();
    let one = ArraySpec::from_slice(&[9i32]);
    let long = [9i64];
    let refused = [
        ("not-found", staged.append("none", "t", 0, &one)),
        ("not-found", staged.append("gone", "t", 0, &one)),
        ("not-found", staged.resize("k", "u", &[1])),
        ("kind", staged.append("value", "t", 0, &one)),
        ("kind", staged.append("put", "t", 0, &one)),
        ("kind", staged.assign("put", &Assignment::default())),
        ("shape", staged.append("k", "t", 1, &one)),
        ("shape", staged.write_region("k", "t", &at(6..7), &one)),
        ("shape", staged.write_region("k", "t", &at(0..2), &one)),
        ("shape", staged.resize("k", "t", &[1, 1])),
        (
            "dtype",
            staged.append("k", "t", 0, &ArraySpec::from_slice(&long)),
        ),
        (
            "not-found",
            staged.assign(
                "k",
                &Assignment {
                    drop: &["u"],
                    ..Assignment::default()
                },
            ),
        ),
        ("invalid", staged.resize(vec![0; 70_000], "t", &[1])),
    ];
    for (number, (kind, refused)) in refused.into_iter().enumerate() {
        assert_eq!(refused.expect_err("refused").kind(), kind, "{number}");
    }
    assert_eq!(batch.len(), len, "nothing is staged");
    staged
        .write_region("k", "t", &at(5..6), &one)
        .expect("it goes on");
    batch.commit().expect("committed");
    assert_eq!(numbers(&part, "k", "t"), [1, 2, 3, 1, 2, 9]);
    assert!(!part.contains("gone").expect("read"));
}

#[test]
fn what_others_change_meanwhile_is_not_undone_and_nothing_is_lost_without_a_word() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let data = [1i32, 2, 3, 4];
    let one = ArraySpec::from_slice(&[9i32]);
    type Step = Box<dyn Fn(&Partition)>;
    let steps: [(&str, Step); 4] = [
        ("region", {
            Box::new(|part| {
                let new = [7];
                part.write_region("k", "t", &at(3..4), &ArraySpec::from_slice(&new))
                    .expect("written");
            })
        }),
        (
            "write",
            Box::new(|part| {
                let new = [5i32; 4];
                part.write("k", &[("t", ArraySpec::from_slice(&new))], &Attrs::new())
                    .expect("written");
            }),
        ),
        (
            "remove",
            Box::new(|part| assert!(part.remove("k").expect("removed"))),
        ),
        (
            "drop",
            Box::new(|part| {
                let store = part.store();
                assert!(store.drop_partition("default", "default").expect("dropped"));
            }),
        ),
    ];
    for (name, step) in steps {
        for (call, moved) in [(false, false), (true, false), (false, true)] {
            let spec = ArraySpec::from_slice(&data).chunks(&[2]);
            part.write("k", &[("t", spec)], &Attrs::new())
                .expect("stored");
            let batch = store.batch().expect("a batch");
            let staged = here(&batch);
            staged.put("other", "v").expect("staged");
            staged
                .write_region("k", "t", &at(0..1), &one)
                .expect("staged");
            if moved {
                staged.rename("k", "new", false).expect("staged");
                staged
                    .write_region("new", "t", &at(1..2), &one)
                    .expect("staged");
            }
            step(&part);
            let left = part
                .entry("k")
                .expect("read")
                .map(|_| numbers(&part, "k", "t"));
            if call {
                let again = staged.write_region("k", "t", &at(1..2), &one);
                let error = again.expect_err("changed meanwhile");
                assert!(matches!(error, Error::Conflict { .. }), "{name}: {error}");
            }
            let error = batch.commit().expect_err("changed meanwhile");
            assert!(matches!(error, Error::Conflict { .. }), "{name}: {error}");
            let found = part
                .entry("k")
                .expect("read")
                .map(|_| numbers(&part, "k", "t"));
            assert_eq!(found, left, "{name}");
            assert!(
                !part.contains("other").expect("read"),
                "{name}: all or nothing"
            );
        }
    }
    // Who writes it whole after all does not care.
    part.write("k", &[("t", ArraySpec::from_slice(&data))], &Attrs::new())
        .expect("stored");
    committed(&store, |staged| {
        staged.append("k", "t", 0, &one).expect("staged");
        part.append("k", "t", 0, &one).expect("outside");
        staged.put("k", "whole").expect("staged");
    })
    .expect("committed");
    assert_eq!(part.get("k").expect("read").expect("there")[..], *b"whole");
}

#[test]
fn a_compaction_between_a_change_and_its_commit_is_a_conflict() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = append(&folder.path().join("a.alog"));
    let part = store.default_partition().expect("made");
    let data = [1i32, 2, 3, 4];
    let spec = || ArraySpec::from_slice(&data).chunks(&[2]);
    part.write("k", &[("t", spec())], &Attrs::new())
        .expect("stored");
    let batch = store.batch().expect("a batch");
    let staged = here(&batch);
    staged.resize("k", "t", &[3]).expect("staged");
    store
        .compact(&CompactOptions::default())
        .expect("compacted");
    let again = staged.resize("k", "t", &[2]);
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    assert!(matches!(batch.commit(), Err(Error::Conflict { .. })));
    assert_eq!(numbers(&part, "k", "t"), data);
    // One that the batch itself wrote is nobody else's.
    let batch = store.batch().expect("a batch");
    let staged = here(&batch);
    staged
        .write("k", &[("t", spec())], &Attrs::new())
        .expect("staged");
    staged.resize("k", "t", &[3]).expect("staged");
    store
        .compact(&CompactOptions::default())
        .expect("compacted");
    staged.append("k", "t", 0, &spec()).expect("staged");
    batch.commit().expect("committed");
    assert_eq!(numbers(&part, "k", "t"), [1, 2, 3, 1, 2, 3, 4]);
    store
        .compact(&CompactOptions::default())
        .expect("compacted");
    assert_eq!(numbers(&part, "k", "t"), [1, 2, 3, 1, 2, 3, 4]);
}

#[test]
fn threads_that_fill_one_batch_change_one_array_together() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let zeros = [0i32; 64];
    let arrays = [
        ("t", ArraySpec::from_slice(&zeros).chunks(&[16])),
        ("n", ArraySpec::from_slice(&zeros[..0])),
        ("r", ArraySpec::from_slice(&zeros).chunks(&[4])),
    ];
    part.write("k", &arrays, &Attrs::new()).expect("stored");
    let batch = store.batch().expect("a batch");
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (batch, barrier) = (&batch, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let staged = here(batch);
                for turn in 0..16 {
                    let place = turn * 4 + thread;
                    let number = [place as i32 + 1];
                    let data = ArraySpec::from_slice(&number);
                    staged
                        .write_region("k", "t", &at(place..place + 1), &data)
                        .expect("staged");
                    staged.append("k", "n", 0, &data).expect("staged");
                    // The first chunk has another extent each time.
                    match thread % 2 {
                        0 => staged.resize("k", "r", &[1 + turn % 7]),
                        _ => staged.write_region("k", "r", &at(0..1), &data),
                    }
                    .expect("staged");
                }
            });
        }
    });
    batch.commit().expect("committed");
    let all: Vec<i32> = (1..=64).collect();
    assert_eq!(numbers(&part, "k", "t"), all);
    let mut appended = numbers(&part, "k", "n");
    appended.sort_unstable();
    assert_eq!(appended, all);
}

#[test]
fn a_batch_above_its_memory_changes_parts_that_wait_in_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = append(&folder.path().join("a.alog"));
    let part = store.default_partition().expect("made");
    let data = vec![1i32; 1 << 16];
    part.write(
        "k",
        &[("t", ArraySpec::from_slice(&data).chunks(&[1 << 14]))],
        &Attrs::new(),
    )
    .expect("stored");
    let large = vec![7u8; 70 << 20];
    committed(&store, |staged| {
        let start = [2i32];
        staged
            .write_region("k", "t", &at(0..1), &ArraySpec::from_slice(&start))
            .expect("staged");
        staged.put("large", &large).expect("staged");
        for place in 1..5 {
            staged
                .write_region(
                    "k",
                    "t",
                    &at(place..place + 1),
                    &ArraySpec::from_slice(&start),
                )
                .expect("staged");
        }
        staged
            .append("k", "t", 0, &ArraySpec::from_slice(&data))
            .expect("staged");
        staged.resize("k", "t", &[(1 << 16) + 2]).expect("staged");
    })
    .expect("committed");
    let mut expected = data.clone();
    expected[..5].fill(2);
    expected.extend([1, 1]);
    assert!(numbers(&part, "k", "t") == expected);
    assert_eq!(
        part.get("large").expect("read").expect("there").len(),
        large.len()
    );
}

#[test]
fn what_a_condition_asks_of_a_changed_entry_is_decided_by_the_batch() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let data = [1i32];
    let spec = || ArraySpec::from_slice(&data);
    part.write("k", &[("t", spec())], &Attrs::new())
        .expect("stored");
    let version = arraylog::Condition::Version(entry(&part, "k").version());
    committed(&store, |staged| {
        staged.require("k", version).expect("before the change");
        staged.append("k", "t", 0, &spec()).expect("staged");
        for condition in [version, arraylog::Condition::Absent] {
            let refused = staged.put_if("k", "v", condition);
            assert!(
                matches!(refused, Err(Error::Conflict { .. })),
                "{refused:?}"
            );
        }
        assert!(matches!(staged.rename("k", "k", false), Ok(())));
        staged.put("taken", "").expect("staged");
        assert!(matches!(
            staged.rename("k", "taken", false),
            Err(Error::Conflict { .. })
        ));
    })
    .expect("committed");
    assert_eq!(numbers(&part, "k", "t"), [1, 1]);
    committed(&store, |staged| {
        staged.append("k", "t", 0, &spec()).expect("staged");
        assert!(staged.remove("k").expect("staged"));
        assert!(!staged.remove("k").expect("staged"));
    })
    .expect("committed");
    assert!(!part.contains("k").expect("read"));
}

/// One of the verbs on few keys, on a batch or outside.
enum Verbs<'a> {
    Alone(&'a Partition),
    Batch(BatchPartition<'a>),
}

impl Verbs<'_> {
    /// The same for the same random numbers; what it answers in one word.
    fn step(&self, random: &mut StdRng) -> String {
        let key = format!("k{}", random.random_range(0..3u8));
        let name = ["a", "b", "c"][random.random_range(0..3)];
        let numbers: Vec<i32> = (0..random.random_range(0..7))
            .map(|_| random.random())
            .collect();
        let spec = ArraySpec::from_slice(&numbers);
        let spec = match random.random_range(0..4u8) {
            0 => spec,
            1 => spec.chunks(&[2]),
            2 => spec.codec("zstd:1"),
            _ => spec.chunks(&[3]).codec("shuffle+lz4"),
        };
        let plain = ArraySpec::from_slice(&numbers);
        let (start, len) = (random.random_range(0..6u64), numbers.len() as u64);
        let selection = at(start..start + len);
        let number = random.random_range(0..100i64);
        let (one, other) = (
            ["a", "b", "c"][number as usize % 3],
            ["x", "b", "a"][number as usize / 3 % 3],
        );
        let values = attrs(&[(one, number)]);
        let new = format!("k{}", random.random_range(0..3u8));
        let done = match (random.random_range(0..12u8), self) {
            (0, Self::Alone(part)) => {
                part.write(&key, &[(one, spec.clone()), ("y", spec)], &values)
            }
            (0, Self::Batch(part)) => {
                part.write(&key, &[(one, spec.clone()), ("y", spec)], &values)
            }
            (1, Self::Alone(part)) => part.rename(&key, &new, number < 50),
            (1, Self::Batch(part)) => part.rename(&key, &new, number < 50),
            (2, Self::Alone(part)) => part.remove(&key).map(drop),
            (2, Self::Batch(part)) => part.remove(&key).map(drop),
            (3, Self::Alone(part)) => part.put(&key, new),
            (3, Self::Batch(part)) => part.put(&key, new),
            (4 | 5, _) => {
                let assignment = Assignment {
                    arrays: &[(name, spec)],
                    attrs: values,
                    ..Assignment::default()
                };
                self.assign(&key, &assignment)
            }
            (6, _) => {
                let assignment = Assignment {
                    drop: &[name],
                    drop_attrs: if number < 20 { &["a"] } else { &[] },
                    ..Assignment::default()
                };
                self.assign(&key, &assignment)
            }
            (7, _) => {
                let rename = [(one, other)];
                let assignment = Assignment {
                    rename: &rename,
                    attrs: values,
                    ..Assignment::default()
                };
                self.assign(&key, &assignment)
            }
            (8 | 9, Self::Alone(part)) => part.write_region(&key, name, &selection, &plain),
            (8 | 9, Self::Batch(part)) => part.write_region(&key, name, &selection, &plain),
            (10, Self::Alone(part)) => part.append(&key, name, 0, &plain),
            (10, Self::Batch(part)) => part.append(&key, name, 0, &plain),
            (_, Self::Alone(part)) => part.resize(&key, name, &[len + start]),
            (_, Self::Batch(part)) => part.resize(&key, name, &[len + start]),
        };
        done.map_or_else(|error| error.kind().to_owned(), |()| "done".to_owned())
    }

    fn assign(&self, key: &str, assignment: &Assignment<'_>) -> arraylog::Result<()> {
        match self {
            Self::Alone(part) => part.assign(key, assignment),
            Self::Batch(part) => part.assign(key, assignment),
        }
    }
}

/// All that a partition holds, in its order.
fn all(part: &Partition) -> Vec<String> {
    let entries = part.entries().expect("listed");
    entries
        .map(|entry| {
            let entry = entry.expect("read");
            let key = String::from_utf8_lossy(entry.key()).into_owned();
            let Ok(_) = entry.value() else {
                let arrays: Vec<String> = entry
                    .names()
                    .map(|name| {
                        let array = entry.array(name).expect("there");
                        let chunks = array.chunks().expect("read");
                        let read = array.read().expect("read");
                        let numbers = read.view().as_slice::<i32>().expect("typed").to_vec();
                        format!("{name} {chunks:?} {:?} {numbers:?}", array.info().codec)
                    })
                    .collect();
                return format!("{key}: {arrays:?} {:?}", entry.attrs().expect("read"));
            };
            format!("{key}: {:?}", entry.value().expect("read"))
        })
        .collect()
}

#[test]
fn a_batch_leaves_what_the_same_calls_outside_of_one_leave() {
    let (mut done, mut refused) = (0, 0);
    for seed in 0..300 {
        let folder = tempfile::tempdir().expect("a folder");
        let stores = [
            Store::memory().expect("made"),
            append(&folder.path().join("a.alog")),
        ];
        let [alone, batched] = stores
            .each_ref()
            .map(|store| store.default_partition().expect("made"));
        let mut random = StdRng::seed_from_u64(seed);
        let mut twin = StdRng::seed_from_u64(seed);
        for round in 0..4 {
            let batch = stores[1].batch().expect("a batch");
            for step in 0..12 {
                let expected = Verbs::Alone(&alone).step(&mut random);
                let found = Verbs::Batch(here(&batch)).step(&mut twin);
                assert_eq!(found, expected, "seed {seed}, round {round}, step {step}");
                match found == "done" {
                    true => done += 1,
                    false => refused += 1,
                }
            }
            batch.commit().expect("committed");
            assert_eq!(all(&batched), all(&alone), "seed {seed}, round {round}");
        }
        let expected = all(&alone);
        if seed % 10 == 0 {
            stores[1]
                .compact(&CompactOptions::default())
                .expect("compacted");
            assert_eq!(all(&batched), expected, "seed {seed}, compacted");
        }
        let report = stores[1]
            .verify(&VerifyOptions::default())
            .expect("verified");
        assert!(report.damage.is_empty(), "seed {seed}: {:?}", report.damage);
        stores[1].close().expect("closed");
        let reopened = read(&folder.path().join("a.alog"));
        if let Ok(part) = reopened.default_partition() {
            assert_eq!(all(&part), expected, "seed {seed}, reopened");
        }
    }
    assert!(
        done > 5000 && refused > 1000,
        "{done} done, {refused} refused"
    );
}
