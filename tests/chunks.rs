//! Chunked and encoded arrays, and changes of parts of entries.

use arraylog::{
    ArrayBytes, ArraySpec, Assignment, AttrValue, Attrs, DType, Entry, Error, Mask, Partition,
    Points, Selection, Span, Store,
};
use support::{append, read};

fn numbers(part: &Partition, key: &str, name: &str) -> Vec<i32> {
    let array = part.array(key, name).expect("there");
    let read = array.read().expect("read");
    read.view().as_slice::<i32>().expect("typed").to_vec()
}

fn sliced(part: &Partition, key: &str, name: &str, spans: &[(u64, u64, u64)]) -> Vec<i32> {
    let spans = spans
        .iter()
        .map(|&(start, step, count)| Span { start, step, count });
    let array = part.array(key, name).expect("there");
    let read = array.slice(&Selection::new(spans)).expect("read");
    read.view().as_slice::<i32>().expect("typed").to_vec()
}

fn grid(shape: &[u64]) -> Vec<i32> {
    (0..shape.iter().product::<u64>() as i32).collect()
}

fn entry(part: &Partition, key: &str) -> Entry {
    part.entry(key).expect("read").expect("there")
}

fn with_attr(name: &str, value: i64) -> Attrs {
    let mut attrs = Attrs::new();
    attrs.set(name, AttrValue::Int64(value));
    attrs
}

#[test]
fn a_chunked_array_reads_whole_and_in_part_before_and_after_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let shape = [10u64, 7];
    let data = grid(&shape);
    {
        let store = append(&path);
        let part = store.default_partition().expect("made");
        let spec = ArraySpec::from_slice(&data).shape(&shape).chunks(&[4, 3]);
        part.write("k", &[("t", spec)], &Attrs::new())
            .expect("stored");
        assert_eq!(numbers(&part, "k", "t"), data);
        assert_eq!(part.len().expect("counted"), 1, "chunks are no entries");
        store.close().expect("closed");
    }
    let store = read(&path);
    let part = store.default_partition().expect("there");
    assert_eq!(numbers(&part, "k", "t"), data);
    let array = part.array("k", "t").expect("there");
    assert_eq!(
        array.chunks().expect("read").expect("chunked").as_slice(),
        [4, 3]
    );
    let wanted: Vec<i32> = [1, 4, 7]
        .iter()
        .flat_map(|row| [row * 7 + 2, row * 7 + 4])
        .collect();
    assert_eq!(sliced(&part, "k", "t", &[(1, 3, 3), (2, 2, 2)]), wanted);
    // One chunk is lent.
    assert_eq!(
        sliced(&part, "k", "t", &[(0, 1, 4), (0, 1, 3)])[..3],
        [0, 1, 2]
    );
    let beyond = Selection::new([Span::range(0..11), Span::all(7)]);
    assert!(matches!(array.slice(&beyond), Err(Error::Shape { .. })));
}

#[test]
fn a_part_that_is_written_changes_what_it_covers_and_nothing_else() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let shape = [10u64, 7];
    let mut data = grid(&shape);
    let chunked = ArraySpec::from_slice(&data).shape(&shape).chunks(&[4, 3]);
    let plain = ArraySpec::from_slice(&data).shape(&shape);
    part.write("k", &[("t", chunked), ("p", plain)], &with_attr("a", 1))
        .expect("stored");
    let before = entry(&part, "k");
    let new = [-1, -2, -3, -4];
    let selection = Selection::new([
        Span {
            start: 3,
            step: 2,
            count: 2,
        },
        Span {
            start: 2,
            step: 1,
            count: 2,
        },
    ]);
    let spec = ArraySpec::from_slice(&new).shape(&[2, 2]);
    for name in ["t", "p"] {
        part.write_region("k", name, &selection, &spec)
            .expect("written");
    }
    let snapshot = store.snapshot().expect("taken");
    let old = data.clone();
    for (place, value) in [(23, -1), (24, -2), (37, -3), (38, -4)] {
        data[place] = value;
    }
    assert_eq!(numbers(&part, "k", "t"), data);
    assert_eq!(numbers(&part, "k", "p"), data);
    assert_ne!(entry(&part, "k").version(), before.version());
    // One version of an entry never changes.
    let kept = before.array("t").expect("there").read().expect("read");
    assert_eq!(kept.view().as_slice::<i32>().expect("typed"), old);
    let region = ArraySpec::from_slice(&[7]).shape(&[1, 1]);
    let corner = Selection::new([Span::range(9..10), Span::range(6..7)]);
    part.write_region("k", "t", &corner, &region)
        .expect("written");
    let there = snapshot.default_partition().expect("there");
    assert_eq!(numbers(&there, "k", "t"), data);
    data[69] = 7;
    assert_eq!(numbers(&part, "k", "t"), data);
    let attrs = entry(&part, "k").attrs().expect("read");
    assert_eq!(attrs.get("a"), Some(&AttrValue::Int64(1)));
}

#[test]
fn points_are_read_and_written_one_by_one_in_one_commit() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let shape = [10u64, 7];
    let mut data = grid(&shape);
    let chunked = ArraySpec::from_slice(&data).shape(&shape).chunks(&[4, 3]);
    let plain = ArraySpec::from_slice(&data).shape(&shape);
    let mut masked = ArraySpec::from_slice(&data).shape(&shape).chunks(&[4, 3]);
    masked.mask = Some(Mask::Missing(vec![0; 70].into()));
    let arrays = [("t", chunked), ("p", plain), ("m", masked)];
    part.write("k", &arrays, &Attrs::new()).expect("stored");
    // Rows 9, 0 and 9 again, of every third column.
    let columns = Selection::new([
        Span::all(0),
        Span {
            start: 0,
            step: 3,
            count: 3,
        },
    ]);
    let rows = Points::new(&columns, [0], vec![9, 0, 9]);
    assert_eq!(rows.shape().as_slice(), [3, 3]);
    assert_eq!((rows.count(), rows.size()), (3, 9));
    let places = Points::new(&Selection::all(&shape), [0, 1], vec![9, 6, 0, 0]);
    assert_eq!(places.shape().as_slice(), [2, 1]);
    let new = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(|value| -value);
    for (row, values) in [(9, &new[..3]), (0, &new[3..6]), (9, &new[6..])] {
        for (column, value) in [0, 3, 6].into_iter().zip(values) {
            data[row * 7 + column] = *value;
        }
    }
    for name in ["t", "p", "m"] {
        let before = entry(&part, "k").version();
        let spec = ArraySpec::from_slice(&new).shape(&[3, 3]);
        part.write_points("k", name, &rows, &spec).expect("written");
        assert_eq!(numbers(&part, "k", name), data, "the last of row 9 counts");
        assert_ne!(entry(&part, "k").version(), before);
        let taken = |points: &Points| {
            let array = part.array("k", name).expect("there");
            let taken = array.take(points).expect("read");
            assert_eq!(taken.shape(), points.shape().as_slice());
            taken.view().as_slice::<i32>().expect("typed").to_vec()
        };
        assert_eq!(taken(&rows), [-7, -8, -9, -4, -5, -6, -7, -8, -9]);
        assert_eq!(taken(&places), [-9, -4]);
        assert_eq!(taken(&Points::new(&columns, [0], Vec::new())), [0; 0]);
    }
    let mut gone = ArraySpec::from_slice(&[0, 1]).shape(&[2, 1]);
    gone.mask = Some(Mask::Missing(vec![1, 0].into()));
    part.write_points("k", "m", &places, &gone)
        .expect("written");
    let array = part.array("k", "m").expect("there");
    let taken = array.take(&places).expect("read");
    assert_eq!(taken.validity().expect("masked")[0] & 3, 2);
    let kept = array.into_elements().expect("read");
    let missing: Vec<usize> = (0..70)
        .filter(|at| kept.validity().expect("masked")[at / 8] >> (at % 8) & 1 == 0)
        .collect();
    assert_eq!(missing, [69]);

    let wrong = Points::new(&columns, [0], vec![10]);
    let one = ArraySpec::from_slice(&new[..3]).shape(&[1, 3]);
    let told = part.write_points("k", "t", &wrong, &one);
    assert!(matches!(&told, Err(Error::Shape { array, detail })
        if array == "t" && detail.contains("index 10 on axis 0, which has length 10")));
    let told = part.array("k", "t").expect("there").take(&wrong);
    assert!(matches!(told, Err(Error::Shape { .. })));
    let told = part.write_points("k", "t", &rows, &one);
    assert!(matches!(told, Err(Error::Shape { .. })));
    assert_eq!(numbers(&part, "k", "t"), data);
}

#[test]
fn an_array_grows_and_shrinks_along_any_axis_and_nothing_comes_back() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    for (key, chunks) in [("chunked", Some([2u64, 2])), ("plain", None)] {
        let mut spec = ArraySpec::from_slice(&[1, 2, 3, 4, 5, 6])
            .shape(&[2, 3])
            .fill_value(AttrValue::Int32(-9));
        if let Some(chunks) = chunks {
            spec = spec.chunks(&chunks);
        }
        part.write(key, &[("t", spec)], &Attrs::new())
            .expect("stored");
        let row = ArraySpec::from_slice(&[7, 8, 9]).shape(&[1, 3]);
        part.append(key, "t", 0, &row).expect("appended");
        assert_eq!(numbers(&part, key, "t"), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let column = ArraySpec::from_slice(&[10, 11, 12]).shape(&[3, 1]);
        part.append(key, "t", 1, &column).expect("appended");
        assert_eq!(
            numbers(&part, key, "t"),
            [1, 2, 3, 10, 4, 5, 6, 11, 7, 8, 9, 12]
        );
        part.resize(key, "t", &[1, 2]).expect("cut");
        assert_eq!(numbers(&part, key, "t"), [1, 2]);
        part.resize(key, "t", &[3, 3]).expect("grown");
        assert_eq!(
            numbers(&part, key, "t"),
            [1, 2, -9, -9, -9, -9, -9, -9, -9],
            "{key}"
        );
        let narrow = ArraySpec::from_slice(&[1, 2]).shape(&[1, 2]);
        assert!(matches!(
            part.append(key, "t", 0, &narrow),
            Err(Error::Shape { .. })
        ));
        assert!(matches!(
            part.resize(key, "t", &[3]),
            Err(Error::Shape { .. })
        ));
        let empty = part.resize(key, "t", &[0, 3]);
        empty.expect("emptied");
        assert_eq!(numbers(&part, key, "t"), Vec::<i32>::new());
    }
}

#[test]
fn chunks_of_an_array_that_was_replaced_or_removed_never_come_back() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let write = |value: i32, shape: &[u64]| {
        let data = vec![value; shape.iter().product::<u64>() as usize];
        let spec = ArraySpec::from_slice(&data).shape(shape).chunks(&[2]);
        part.write("k", &[("t", spec)], &Attrs::new())
            .expect("stored");
    };
    write(1, &[6]);
    // All fill value: no chunk is stored.
    write(0, &[6]);
    assert_eq!(numbers(&part, "k", "t"), [0; 6]);
    write(3, &[4]);
    part.remove("k").expect("removed");
    write(0, &[4]);
    assert_eq!(numbers(&part, "k", "t"), [0; 4]);
    part.write_region(
        "k",
        "t",
        &Selection::new([Span::range(1..2)]),
        &ArraySpec::from_slice(&[5]),
    )
    .expect("written");
    assert_eq!(numbers(&part, "k", "t"), [0, 5, 0, 0]);
}

#[test]
fn assigning_changes_what_is_named_and_keeps_the_rest_and_the_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    let part = store.default_partition().expect("made");
    let big = vec![1.5f32; 1 << 20];
    let mut attrs = with_attr("a", 1);
    attrs.set("b", AttrValue::String("kept".into()));
    let arrays = [
        ("big", ArraySpec::from_slice(&big).dims(&["x"])),
        ("small", ArraySpec::from_slice(&[1i32, 2])),
        ("gone", ArraySpec::scalar(7i32)),
    ];
    part.write("k", &arrays, &attrs).expect("stored");
    part.put("after", "v").expect("stored");
    let before = store.usage().expect("told").file_bytes;
    let changed = Assignment {
        arrays: &[
            ("small", ArraySpec::from_slice(&[3i32, 4, 5])),
            ("new", ArraySpec::string("x")),
        ],
        attrs: with_attr("a", 2),
        drop: &["gone"],
        rename: &[("big", "large")],
        ..Assignment::default()
    };
    part.assign("k", &changed).expect("changed");
    let written = store.usage().expect("told").file_bytes - before;
    assert!(
        written <= 1024,
        "{written} bytes for a small change of 4 MB"
    );
    let look = |part: &Partition| {
        let entry = entry(part, "k");
        let names: Vec<&str> = entry.names().collect();
        assert_eq!(names, ["large", "small", "new"]);
        assert_eq!(numbers(part, "k", "small"), [3, 4, 5]);
        let large = entry.array("large").expect("there").read().expect("read");
        assert_eq!(large.view().as_slice::<f32>().expect("typed"), big);
        assert_eq!(large.info().name, "large");
        let attrs = entry.attrs().expect("read");
        assert_eq!(attrs.get("a"), Some(&AttrValue::Int64(2)));
        assert_eq!(attrs.get("b"), Some(&AttrValue::String("kept".into())));
        assert!(entry.array("gone").is_err() && entry.array("big").is_err());
        let keys: Vec<_> = part
            .keys()
            .expect("listed")
            .map(|key| key.expect("read"))
            .collect();
        assert_eq!(
            keys,
            [b"k".to_vec(), b"after".to_vec()],
            "it keeps its place"
        );
        let nth = part.nth(0).expect("read").expect("there");
        assert_eq!(nth.version(), entry.version());
    };
    look(&part);
    // Many changes: a bounded chain, and the same entry.
    for number in 0..30i64 {
        let assignment = Assignment {
            attrs: with_attr("counter", number),
            ..Assignment::default()
        };
        part.assign("k", &assignment).expect("changed");
        assert_eq!(
            entry(&part, "k").attrs().expect("read").get("counter"),
            Some(&AttrValue::Int64(number))
        );
    }
    let drop = Assignment {
        drop_attrs: &["counter"],
        ..Assignment::default()
    };
    part.assign("k", &drop).expect("changed");
    look(&part);
    store.close().expect("closed");
    let store = append(&path);
    let part = store.default_partition().expect("there");
    look(&part);
    let before = entry(&part, "k");
    store
        .compact(&arraylog::CompactOptions::default())
        .expect("compacted");
    look(&part);
    assert_eq!(before.len(), 3, "views go on");
    part.assign(
        "k",
        &Assignment {
            attrs: with_attr("z", 1),
            ..Assignment::default()
        },
    )
    .expect("changed");
    assert_eq!(
        entry(&part, "k").attrs().expect("read").get("z"),
        Some(&AttrValue::Int64(1))
    );
    part.write("k", &[], &Attrs::new()).expect("replaced whole");
    assert!(
        entry(&part, "k").attrs().expect("read").is_empty(),
        "no amendment is left"
    );
}

#[test]
fn assignments_that_cannot_be_made_are_refused_by_name() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let arrays = [
        ("a", ArraySpec::from_slice(&[1i32, 2]).dims(&["x"])),
        ("b", ArraySpec::from_slice(&[1i32, 2]).dims(&["x"])),
    ];
    part.write("k", &arrays, &Attrs::new()).expect("stored");
    part.put("value", "v").expect("stored");
    let refused =
        |key: &str, assignment: Assignment<'_>| part.assign(key, &assignment).expect_err("refused");
    let absent = refused("none", Assignment::default());
    assert_eq!(absent.kind(), "not-found");
    let value = refused("value", Assignment::default());
    assert_eq!(value.kind(), "kind");
    let missing = refused(
        "k",
        Assignment {
            drop: &["c"],
            ..Assignment::default()
        },
    );
    assert_eq!(missing.kind(), "not-found");
    let attr = refused(
        "k",
        Assignment {
            drop_attrs: &["c"],
            ..Assignment::default()
        },
    );
    assert_eq!(attr.kind(), "not-found");
    let twice = refused(
        "k",
        Assignment {
            rename: &[("a", "b")],
            ..Assignment::default()
        },
    );
    assert_eq!(twice.kind(), "invalid");
    let other_size = ArraySpec::from_slice(&[1i32, 2, 3]).dims(&["x"]);
    let dims = refused(
        "k",
        Assignment {
            arrays: &[("c", other_size)],
            ..Assignment::default()
        },
    );
    assert_eq!(dims.kind(), "shape");
    assert!(dims.to_string().contains("\"x\""), "{dims}");
    let appended = part.append("k", "a", 0, &ArraySpec::from_slice(&[3i32]));
    assert_eq!(appended.expect_err("shared dim").kind(), "shape");
    let swapped = Assignment {
        rename: &[("a", "b"), ("b", "a")],
        ..Assignment::default()
    };
    part.assign("k", &swapped).expect("both at once");
    let names: Vec<String> = entry(&part, "k").names().map(str::to_owned).collect();
    assert_eq!(names, ["b", "a"]);
    let wrong = part.write_region(
        "k",
        "a",
        &Selection::new([Span::range(0..1)]),
        &ArraySpec::from_slice(&[1i64]),
    );
    assert_eq!(wrong.expect_err("another dtype").kind(), "dtype");
}

#[test]
fn compaction_keeps_the_chunks_of_live_arrays_and_no_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let store = append(&path);
    let part = store.default_partition().expect("made");
    let data = vec![3i32; 1 << 16];
    for number in 0..8 {
        let spec = ArraySpec::from_slice(&data).chunks(&[1 << 13]);
        part.write(format!("k{number}"), &[("t", spec)], &Attrs::new())
            .expect("stored");
    }
    part.write_region(
        "k1",
        "t",
        &Selection::new([Span::range(5..6)]),
        &ArraySpec::from_slice(&[-5]),
    )
    .expect("written");
    for number in 2..8 {
        part.remove(format!("k{number}")).expect("removed");
    }
    let before = store.usage().expect("told").file_bytes;
    store
        .compact(&arraylog::CompactOptions::default())
        .expect("compacted");
    let after = store.usage().expect("told").file_bytes;
    assert!(after < before / 3, "{before} to {after}");
    assert_eq!(numbers(&part, "k0", "t"), data);
    let mut changed = data.clone();
    changed[5] = -5;
    assert_eq!(numbers(&part, "k1", "t"), changed);
    store.close().expect("closed");
    let store = read(&path);
    let part = store.default_partition().expect("there");
    assert_eq!(numbers(&part, "k1", "t"), changed);
    let report = store
        .verify(&arraylog::VerifyOptions::default())
        .expect("verified");
    assert!(report.damage.is_empty(), "{:?}", report.damage);
}

#[test]
fn copies_and_renames_carry_chunks_and_amendments() {
    let store = Store::memory().expect("made");
    let other = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let second = store.partition("c", "second").expect("made");
    let data = grid(&[9]);
    let spec = ArraySpec::from_slice(&data).chunks(&[4]);
    part.write("k", &[("t", spec)], &Attrs::new())
        .expect("stored");
    part.assign(
        "k",
        &Assignment {
            attrs: with_attr("z", 1),
            ..Assignment::default()
        },
    )
    .expect("changed");
    let look = |part: &Partition, key: &str| {
        assert_eq!(numbers(part, key, "t"), data, "{key}");
        let attrs = entry(part, key).attrs().expect("read");
        assert_eq!(attrs.get("z"), Some(&AttrValue::Int64(1)), "{key}");
    };
    part.copy("k", &part, "copy", false).expect("copied");
    part.copy("k", &second, "there", false).expect("copied");
    let far = other.default_partition().expect("made");
    part.copy("k", &far, "far", false).expect("copied");
    part.rename("k", "renamed", false).expect("renamed");
    assert!(!part.contains("k").expect("read"));
    look(&part, "renamed");
    part.rename_to("renamed", &second, "moved", false)
        .expect("moved");
    look(&part, "copy");
    look(&second, "there");
    look(&second, "moved");
    look(&far, "far");
    // A copy has chunks of its own.
    part.write_region(
        "copy",
        "t",
        &Selection::new([Span::range(0..1)]),
        &ArraySpec::from_slice(&[-1]),
    )
    .expect("written");
    look(&second, "moved");
    let batch = store.batch().expect("made");
    let to = batch.partition("c", "second").expect("named");
    to.rename("moved", "again", false).expect("renamed");
    batch.commit().expect("committed");
    look(&second, "again");
}

#[test]
fn history_tells_amendments_and_past_commits_have_their_chunks() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let spec = ArraySpec::from_slice(&[1i32, 2, 3]).chunks(&[2]);
    part.write("k", &[("t", spec)], &Attrs::new())
        .expect("stored");
    let first = store.seqno();
    let one = Selection::new([Span::range(0..1)]);
    part.write_region("k", "t", &one, &ArraySpec::from_slice(&[9]))
        .expect("written");
    part.assign(
        "k",
        &Assignment {
            attrs: with_attr("z", 1),
            ..Assignment::default()
        },
    )
    .expect("changed");
    part.remove("k").expect("removed");
    let spec = ArraySpec::from_slice(&[4i32]);
    part.write("k", &[("t", spec)], &Attrs::new())
        .expect("stored");
    let versions: Vec<_> = part
        .history("k")
        .expect("made")
        .map(|v| v.expect("read"))
        .collect();
    let tell = |entry: &Option<Entry>| match entry {
        None => "removed".to_owned(),
        Some(entry) => {
            let read = entry.array("t").expect("there").read().expect("read");
            let numbers = read.view().as_slice::<i32>().expect("typed").to_vec();
            format!("{numbers:?} {}", entry.attrs().expect("read").len())
        }
    };
    let told: Vec<String> = versions
        .iter()
        .map(|version| tell(&version.entry))
        .collect();
    assert_eq!(
        told,
        [
            "[4] 0",
            "removed",
            "[9, 2, 3] 1",
            "[9, 2, 3] 0",
            "[1, 2, 3] 0"
        ]
    );
    let seqnos: Vec<u64> = versions.iter().map(|version| version.seqno).collect();
    assert!(
        seqnos.windows(2).all(|pair| pair[0] > pair[1]),
        "{seqnos:?}"
    );
    let then = store.at(first).expect("there");
    let there = then.default_partition().expect("there");
    assert_eq!(numbers(&there, "k", "t"), [1, 2, 3]);
}

#[test]
fn masks_and_texts_are_chunked_too() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let mut masked = ArraySpec::from_slice(&[1i32, 2, 3, 4, 5]).chunks(&[2]);
    masked.mask = Some(Mask::Missing(vec![0, 1, 0, 0, 1].into()));
    let texts = ArraySpec::strings(&["a", "", "ccc", "dd", "e"]).chunks(&[2]);
    part.write("k", &[("m", masked), ("s", texts)], &Attrs::new())
        .expect("stored");
    let entry = entry(&part, "k");
    let m = entry.array("m").expect("there").read().expect("read");
    assert_eq!(m.validity().map(|bits| bits.to_vec()), Some(vec![0b01101]));
    let some = Selection::new([Span {
        start: 1,
        step: 2,
        count: 2,
    }]);
    let m = entry.array("m").expect("there").slice(&some).expect("read");
    assert_eq!(m.view().as_slice::<i32>().expect("typed"), [2, 4]);
    assert_eq!(m.validity().map(|bits| bits.to_vec()), Some(vec![0b10]));
    let texts = |selection: &Selection| {
        let s = part
            .array("k", "s")
            .expect("there")
            .slice(selection)
            .expect("read");
        let items = (0..s.view().size()).map(|i| s.view().item(i).expect("there").to_vec());
        items
            .map(|item| String::from_utf8(item).expect("text"))
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(&Selection::all(&[5])), ["a", "", "ccc", "dd", "e"]);
    assert_eq!(texts(&some), ["", "dd"]);
    let new = ArraySpec::strings(&["long text", "x"]);
    part.write_region("k", "s", &some, &new).expect("written");
    assert_eq!(
        texts(&Selection::all(&[5])),
        ["a", "long text", "ccc", "x", "e"]
    );
    part.resize("k", "s", &[7]).expect("grown");
    assert_eq!(
        texts(&Selection::all(&[7])),
        ["a", "long text", "ccc", "x", "e", "", ""]
    );
    part.append("k", "m", 0, &ArraySpec::from_slice(&[6i32]))
        .expect("appended");
    part.resize("k", "m", &[8]).expect("grown");
    let m = part.array("k", "m").expect("there").read().expect("read");
    assert_eq!(
        m.validity().map(|bits| bits.to_vec()),
        Some(vec![0b0010_1101])
    );
    let unmasked = ArraySpec::from_slice(&[1i32, 2]);
    part.write("u", &[("t", unmasked)], &Attrs::new())
        .expect("stored");
    let refused = part.write_region(
        "u",
        "t",
        &Selection::all(&[2]),
        &ArraySpec::from_slice(&[1i32, 2]).missing(&[0, 1]),
    );
    assert_eq!(refused.expect_err("no mask").kind(), "dtype");
}

#[test]
fn chunks_that_do_not_fit_an_array_are_refused() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let refused = |spec: ArraySpec<'_>| {
        let written = part.write("k", &[("t", spec)], &Attrs::new());
        written.expect_err("refused").kind()
    };
    assert_eq!(refused(ArraySpec::scalar(1i32).auto_chunks()), "shape");
    assert_eq!(
        refused(ArraySpec::from_slice(&[1i32]).chunks(&[0])),
        "shape"
    );
    assert_eq!(
        refused(ArraySpec::from_slice(&[1i32]).chunks(&[1, 1])),
        "shape"
    );
    let empty = ArraySpec::new(DType::Int32, &[0, 3], &[]).chunks(&[2, 2]);
    part.write("k", &[("t", empty)], &Attrs::new())
        .expect("no element, no chunk");
    assert_eq!(numbers(&part, "k", "t"), Vec::<i32>::new());
    let bytes = ArraySpec::new(DType::Bytes, &[1], &[]);
    let bytes = ArraySpec {
        data: ArrayBytes::variable([&b"x"[..]]),
        ..bytes
    };
    part.write("b", &[("t", bytes.auto_chunks())], &Attrs::new())
        .expect("stored");
    let read = part.array("b", "t").expect("there").read().expect("read");
    assert_eq!(read.view().item(0).expect("there"), b"x");
}

#[test]
fn attributes_are_what_was_given_also_after_amendments_took_others_in() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let zero = |value: f64| -> Attrs {
        let mut attrs = Attrs::new();
        attrs.set("z", AttrValue::Float64(value));
        attrs
    };
    part.write("k", &[], &zero(0.0)).expect("stored");
    // Equal to what the whole entry has, and another value.
    for attrs in [zero(-0.0), with_attr("other", 1)] {
        let assignment = Assignment {
            attrs,
            ..Assignment::default()
        };
        part.assign("k", &assignment).expect("changed");
        match entry(&part, "k").attrs().expect("read").get("z") {
            Some(AttrValue::Float64(found)) => assert!(found.is_sign_negative()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_damaged_chunk_is_told_when_it_is_read_and_its_size_without() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let data = grid(&[40_000]);
    {
        let store = append(&path);
        let part = store.partition("c", "p").expect("made");
        let spec = ArraySpec::from_slice(&data).chunks(&[40_000]);
        part.write("k", &[("t", spec)], &Attrs::new())
            .expect("stored");
        store.close().expect("closed");
    }
    let mut bytes = std::fs::read(&path).expect("read");
    let needle: Vec<u8> = data[30_000..30_010]
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let at = bytes
        .windows(needle.len())
        .position(|window| window == needle)
        .expect("there");
    bytes[at] ^= 4;
    std::fs::write(&path, &bytes).expect("written");
    let store = read(&path);
    let part = store.partition("c", "p").expect("there");
    let array = part.array("k", "t").expect("there");
    let stored = array.nbytes_stored().expect("its head says it");
    assert!(stored >= 160_000);
    let stats = array.stats().expect("beside the head").expect("numbers");
    assert_eq!(stats.max, Some(AttrValue::Int32(39_999)));
    assert_eq!(array.read().expect_err("damaged").kind(), "corrupt");
    let report = store
        .verify(&arraylog::VerifyOptions::default())
        .expect("verified");
    let [damage] = report.damage.as_slice() else {
        panic!("{:?}", report.damage);
    };
    assert_eq!(damage.collection.as_deref(), Some("c"));
    assert_eq!(damage.partition.as_deref(), Some("p"));
    assert!(damage.detail.contains("chunk"), "{damage}");
}

#[test]
fn damage_in_an_encoded_array_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let mut state = 1u32;
    let noisy: Vec<u32> = (0..150_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 12
        })
        .collect();
    {
        let store = append(&path);
        let part = store.partition("c", "p").expect("made");
        let spec = || ArraySpec::from_slice(&noisy).codec("shuffle+lz4");
        part.write("k", &[("first", spec()), ("second", spec())], &Attrs::new())
            .expect("stored");
        let entry = entry(&part, "k");
        let stored = entry.array("second").expect("there").nbytes_stored();
        assert!(
            (300_000..590_000).contains(&stored.expect("told")),
            "encoded"
        );
        store.close().expect("closed");
    }
    let mut bytes = std::fs::read(&path).expect("read");
    // The end of the frame of the entry, far from the head of the block.
    let at = bytes.len() - 100_000;
    bytes[at] ^= 4;
    std::fs::write(&path, &bytes).expect("written");
    let report = read(&path)
        .verify(&arraylog::VerifyOptions::default())
        .expect("verified");
    let [damage] = report.damage.as_slice() else {
        panic!("{:?}", report.damage);
    };
    assert_eq!(damage.arrays, ["second"], "{damage}");
}
