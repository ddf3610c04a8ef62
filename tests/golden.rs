//! The golden files of format 0.7: what they hold, and that the same writes give the
//! same bytes. If a test fails here, the format changed: that needs another version and
//! another folder of golden files beside this one.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use arraylog::{
    ArrayBytes, ArraySpec, Assignment, AttrArray, AttrValue, Attrs, CompactOptions, DType,
    Durability, Entry, Error, Keep, Mask, Mode, Partition, Result, Selection, Span, Store,
    TimeUnit,
};

/// Where the frames start.
const LOG_START: usize = 16384;
/// Process and time of the writer in the live page: hints, different in every run.
const HINTS: std::ops::Range<usize> = 12288 + 48..12288 + 64;

fn golden(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/0.7");
    folder.join(name)
}

/// A new store with the identity of the golden files.
fn create(path: &Path) -> Store {
    let options = Store::options().mode(Mode::CreateNew);
    let (store_id, lineage_id) = (*b"golden store id.", *b"golden lineage..");
    let options = arraylog::__test::fixed(options, store_id, lineage_id, 0x5EED, 0xE70C);
    options.open(path).expect("made")
}

type Write = fn(&Store) -> Result<()>;

/// The bytes that `write` gives, without the hints.
fn bytes_of(write: Write) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = create(&path);
    write(&store).expect("written");
    store.close().expect("closed");
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[HINTS].fill(0);
    bytes
}

/// One value.
fn write_one(store: &Store) -> Result<()> {
    store.default_partition()?.put("k", "v")
}

/// Everything that a file of this version can hold.
fn write_all(store: &Store) -> Result<()> {
    let plain = store.default_partition()?;
    plain.put("plain", "first")?;
    plain.put("plain", "second")?;
    plain.put("gone", "soon")?;
    assert!(plain.remove("gone")?);
    plain.put("", "")?;
    plain.put("wide", wide())?;
    assert!(store.checkpoint()?);
    let argo = store.partition("argo", "2024-01")?;
    argo.write("float-42", &arrays(), &attrs())?;
    store.sync()?;
    let mut batch = store.batch()?;
    batch.set_durability(Durability::Synced);
    let (argo, plain) = (
        batch.partition("argo", "2024-01")?,
        batch.partition("default", "default")?,
    );
    plain.put("twice", "1")?;
    argo.write("float-43", &arrays(), &attrs())?;
    plain.put("twice", "2")?;
    batch.commit()?;
    write_parts(store)
}

/// Chunks, blocks and amendments.
fn write_parts(store: &Store) -> Result<()> {
    let grids = store.partition("argo", "grids")?;
    let numbers: Vec<i32> = (0..200).map(|i| i / 9).collect();
    let grid = || ArraySpec::from_slice(&numbers).shape(&[10, 20]);
    let mut masked = grid();
    masked.mask = Some(Mask::Missing(
        (0..200)
            .map(|i| u8::from(i % 3 == 0))
            .collect::<Vec<u8>>()
            .into(),
    ));
    let texts = ["a", "", "longer than a slot"];
    let arrays = [
        (
            "chunked",
            grid().chunks(&[4, 20]).codec("lz4").dims(&["y", "x"]),
        ),
        ("coded", masked.codec("shuffle+lz4")),
        ("texts", ArraySpec::strings(&texts).chunks(&[2])),
        ("plain", grid()),
    ];
    grids.write("grid", &arrays, &attrs())?;
    let row = Selection::new([Span::range(3..5), Span::range(0..1)]);
    grids.write_region(
        "grid",
        "chunked",
        &row,
        &ArraySpec::from_slice(&[-1, -2]).shape(&[2, 1]),
    )?;
    let mut more = Attrs::new();
    more.set("qc", AttrValue::Int8(1));
    grids.assign(
        "grid",
        &Assignment {
            arrays: &[("flag", ArraySpec::scalar(3u8))],
            attrs: more,
            drop: &["texts"],
            rename: &[("plain", "renamed")],
            ..Assignment::default()
        },
    )
}

/// What is left of these.
fn check_parts(store: &Store) -> Result<()> {
    let entry = store
        .partition("argo", "grids")?
        .entry("grid")?
        .expect("there");
    let names: Vec<&str> = entry.names().collect();
    assert_eq!(names, ["chunked", "coded", "renamed", "flag"]);
    let mut numbers: Vec<i32> = (0..200).map(|i| i / 9).collect();
    for name in ["coded", "renamed"] {
        let read = entry.array(name)?.read()?;
        assert_eq!(read.view().as_slice::<i32>()?, numbers, "{name}");
    }
    let coded = entry.array("coded")?;
    assert!(coded.is_masked() && coded.nbytes_stored()? < 400, "encoded");
    (numbers[60], numbers[80]) = (-1, -2);
    let chunked = entry.array("chunked")?;
    assert_eq!(chunked.read()?.view().as_slice::<i32>()?, numbers);
    assert_eq!(chunked.chunks()?.expect("chunked").as_slice(), [4, 20]);
    assert_eq!(chunked.info().codec.as_deref(), Some("lz4"));
    let stats = chunked.stats()?.expect("of numbers");
    assert_eq!(
        (stats.min, stats.max),
        (Some(AttrValue::Int32(-2)), Some(AttrValue::Int32(22)))
    );
    assert_eq!(entry.attrs()?.get("qc"), Some(&AttrValue::Int8(1)));
    Ok(())
}

/// A file that was compacted: what it copied, commits that it kept, and one since.
fn write_compacted(store: &Store) -> Result<()> {
    write_all(store)?;
    let plain = store.default_partition()?;
    // Schemas, names and entries that nothing leads to any more.
    assert!(store.drop_partition("argo", "2024-01")?);
    store
        .partition("argo", "2024-02")?
        .write("float-44", &arrays(), &attrs())?;
    let kept = store.seqno();
    plain.put("plain", "third")?;
    assert!(plain.remove("twice")?);
    store.compact(&CompactOptions::new().keep(Keep::Since(kept)))?;
    plain.put("since", "compaction")
}

/// Two blocks, of which the second takes the remainder.
fn wide() -> Vec<u8> {
    pattern(2 * 65536 + 5)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
}

fn owned(dtype: DType, shape: &[u64], bytes: Vec<u8>) -> ArraySpec<'static> {
    let mut spec = ArraySpec::new(dtype, shape, &[]);
    spec.data = ArrayBytes::Fixed(bytes.into());
    spec
}

fn utf32(text: &str) -> Vec<u8> {
    let letters = text.chars().map(|letter| (letter as u32).to_le_bytes());
    letters.flatten().collect()
}

/// One array of each dtype, and one of each kind of place in an entry.
fn arrays() -> Vec<(&'static str, ArraySpec<'static>)> {
    let number = |dtype: DType| {
        let bytes = pattern(3 * dtype.item_size().unwrap_or(0));
        owned(dtype, &[3], bytes).dims(&["x"])
    };
    let (second, milli) = (TimeUnit::Second, TimeUnit::Millisecond);
    vec![
        ("bool", owned(DType::Bool, &[3], vec![1, 0, 1]).dims(&["x"])),
        ("int8", number(DType::Int8)),
        ("int16", number(DType::Int16)),
        ("int32", number(DType::Int32)),
        ("int64", number(DType::Int64)),
        ("uint8", number(DType::UInt8)),
        ("uint16", number(DType::UInt16)),
        ("uint32", number(DType::UInt32)),
        ("uint64", number(DType::UInt64)),
        ("float16", number(DType::Float16)),
        ("float32", number(DType::Float32)),
        ("float64", number(DType::Float64)),
        ("complex64", number(DType::Complex64)),
        ("complex128", number(DType::Complex128)),
        ("datetime64", number(DType::DateTime64(second))),
        ("timedelta64", number(DType::TimeDelta64(milli))),
        (
            "S5",
            owned(DType::FixedBytes(5), &[2], b"abc\0\0defgh".to_vec()),
        ),
        ("U2", owned(DType::FixedString(2), &[2], utf32("a\0Ωß"))),
        (
            "strings",
            ArraySpec::strings(&["", "Ω", "salinity"]).dims(&["x"]),
        ),
        ("short", ArraySpec::string("hi")),
        ("text", ArraySpec::string("more than seven bytes")),
        ("scalar", ArraySpec::scalar(-7i16)),
        ("missing", ArraySpec::scalar(1.5f64).missing(&[1])),
        (
            "inline",
            owned(DType::UInt8, &[4], pattern(4)).missing(&[0, 1, 0, 0]),
        ),
        ("none", owned(DType::Float32, &[2, 0, 3], Vec::new())),
        ("matrix", owned(DType::Float64, &[16, 8], pattern(1024))),
        (
            "masked",
            owned(DType::Float32, &[100], pattern(400))
                .dims(&["depth"])
                .missing(&MISSING)
                .fill_value(AttrValue::Float32(-1.0))
                .attr("units", AttrValue::from("degC")),
        ),
    ]
}

const MISSING: [u8; 100] = {
    let mut missing = [0; 100];
    missing[0] = 1;
    missing[9] = 1;
    missing[99] = 1;
    missing
};

/// Validity bits of the arrays that are masked.
fn validity(name: &str) -> Option<Vec<u8>> {
    match name {
        "missing" => Some(vec![0]),
        "inline" => Some(vec![0b1101]),
        "masked" => {
            let mut bits = vec![0xFF; 13];
            (bits[0], bits[1], bits[12]) = (0xFE, 0xFD, 0x07);
            Some(bits)
        }
        _ => None,
    }
}

fn attrs() -> Attrs {
    let mut inner = Attrs::new();
    inner.set("k", AttrValue::UInt8(1));
    let typed = AttrArray {
        dtype: DType::Int16,
        len: 2,
        data: vec![1, 0, 2, 0],
        offsets: Vec::new(),
    };
    let mut attrs = Attrs::new();
    attrs.set("lat", AttrValue::Float64(1.5));
    attrs.set("platform", AttrValue::from("6902746"));
    attrs.set("at", AttrValue::DateTime64(0, TimeUnit::Day));
    attrs.set("none", AttrValue::None);
    attrs.set("list", AttrValue::List(vec![true.into(), 2u8.into()]));
    attrs.set("map", AttrValue::Map(inner));
    attrs.set("array", AttrValue::Array(typed));
    attrs
}

/// Elements of an array as they are given, or stored.
fn elements(spec: &ArraySpec<'_>) -> (Vec<u64>, Vec<u8>) {
    match &spec.data {
        ArrayBytes::Fixed(data) => (Vec::new(), data.to_vec()),
        ArrayBytes::Variable { offsets, data } => (offsets.clone(), data.to_vec()),
        ArrayBytes::Stored(_) => panic!("elements were read"),
    }
}

fn check_entry(entry: &Entry) {
    assert_eq!(entry.attrs().expect("attrs"), attrs());
    let arrays = arrays();
    let names: Vec<&str> = arrays.iter().map(|(name, _)| *name).collect();
    assert_eq!(entry.names().collect::<Vec<_>>(), names);
    for (name, expected) in arrays {
        let array = entry.array(name).expect(name);
        let read = array.read().expect("read");
        let found = read.to_spec();
        assert_eq!(found.dtype, expected.dtype, "{name}");
        assert_eq!(found.shape, expected.shape, "{name}");
        let unnamed = vec![None; expected.shape.len()];
        let dims = Some(expected.dims.clone()).filter(|dims| !dims.is_empty());
        assert_eq!(found.dims, dims.unwrap_or(unnamed), "{name}");
        assert_eq!(elements(&found), elements(&expected), "{name}");
        assert_eq!(read.validity().map(|bits| bits.to_vec()), validity(name));
        assert_eq!(found.fill_value, expected.fill_value, "{name}");
        assert_eq!(found.attrs, expected.attrs, "{name}");
    }
}

fn keys(part: &Partition) -> Vec<Vec<u8>> {
    let keys: Result<Vec<_>> = part.keys().expect("keys").collect();
    keys.expect("read")
}

fn check_all(store: &Store) {
    assert!(store.recovery().clean);
    assert_eq!((store.id(), store.generation()), (*b"golden store id.", 0));
    assert_eq!((store.seqno(), store.recovery().records), (11, 25));
    assert_eq!(store.collections().expect("listed"), ["default", "argo"]);
    check_parts(store).expect("read");
    let plain = store.default_partition().expect("partition");
    assert_eq!(keys(&plain), [&b"plain"[..], b"", b"wide", b"twice"]);
    let value = |key: &str| plain.get(key).expect("read").map(|value| value.to_vec());
    assert_eq!(value("plain"), Some(b"second".to_vec()));
    assert_eq!(value("gone"), None);
    assert_eq!(value(""), Some(Vec::new()));
    assert_eq!(value("twice"), Some(b"2".to_vec()));
    assert_eq!(value("wide"), Some(wide()));
    let argo = store.partition("argo", "2024-01").expect("partition");
    assert_eq!(keys(&argo), [b"float-42", b"float-43"]);
    for key in ["float-42", "float-43"] {
        check_entry(&argo.entry(key).expect("read").expect("there"));
    }
}

fn check_compacted(store: &Store) {
    assert!(store.recovery().clean);
    assert_eq!((store.id(), store.generation()), (*b"holden store id.", 1));
    assert_eq!(store.seqno(), 16);
    check_parts(store).expect("read");
    assert_eq!(
        store.partitions("argo").expect("listed"),
        ["grids", "2024-02"]
    );
    let plain = store.default_partition().expect("partition");
    assert_eq!(keys(&plain), [&b""[..], b"wide", b"plain", b"since"]);
    assert_eq!(
        plain.get("wide").expect("read").as_deref(),
        Some(&wide()[..])
    );
    let argo = store.partition("argo", "2024-02").expect("partition");
    assert_eq!(keys(&argo), [b"float-44"]);
    check_entry(&argo.entry("float-44").expect("read").expect("there"));
    let history = |key: &str| -> Vec<(u64, Option<Vec<u8>>)> {
        let versions = plain.history(key).expect("listed");
        let value = |entry: Entry| entry.value().expect("a value").to_vec();
        let versions = versions.map(|version| version.expect("read"));
        let versions = versions.map(|version| (version.seqno, version.entry.map(value)));
        versions.collect()
    };
    let value = |text: &str| Some(text.as_bytes().to_vec());
    assert_eq!(
        history("plain"),
        [(14, value("third")), (13, value("second"))]
    );
    assert_eq!(history("twice"), [(15, None), (13, value("2"))]);
    let kept = store.at(13).expect("kept");
    let fixed = kept.default_partition().expect("partition");
    assert_eq!(keys(&fixed), [&b"plain"[..], b"", b"wide", b"twice"]);
    let gone = store.at(12).expect_err("compacted");
    assert!(matches!(gone, Error::SnapshotGone { .. }), "{gone}");
}

#[test]
fn the_golden_file_of_a_compacted_store_reads_back_mapped_and_copied_and_by_its_log() {
    let path = golden("compacted.alog");
    check_compacted(&support::open(&path, Mode::Read).expect("opens"));
    check_compacted(&Store::options().open(&path).expect("opens"));
    check_compacted(&Store::options().scan(true).open(&path).expect("opens"));
}

#[test]
fn the_golden_file_reads_back_as_it_was_written_mapped_and_copied() {
    check_all(&support::open(&golden("all.alog"), Mode::Read).expect("opens"));
    check_all(&Store::options().open(golden("all.alog")).expect("opens"));
}

/// The golden files, and what makes each.
const FILES: [(&str, Write); 3] = [
    ("one.alog", write_one),
    ("all.alog", write_all),
    ("compacted.alog", write_compacted),
];

#[test]
fn the_same_writes_with_the_same_identity_give_the_golden_bytes() {
    for (name, write) in FILES {
        let (found, expected) = (bytes_of(write), std::fs::read(golden(name)).expect(name));
        let differs = found.iter().zip(&expected).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{name}: first byte that differs");
        assert_eq!(found.len(), expected.len(), "{name}: bytes");
    }
}

/// A file whose partition has a dictionary. Its bytes follow from what the codec's library
/// trains, which is no part of the format.
const SHARED: (&str, Write) = ("shared.alog", write_shared);

const STATIONS: u16 = 120;

/// Texts of an entry, many of which are those of others.
fn texts(number: u16) -> Vec<String> {
    let text = |at| {
        format!(
            "station {} in the bay of {number}, operational",
            at * 7 % 11
        )
    };
    (0..8).map(text).collect()
}

fn write_shared(store: &Store) -> Result<()> {
    let part = store.partition("argo", "stations")?;
    for number in 0..STATIONS {
        let texts = texts(number);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let spec = ArraySpec::strings(&texts).codec("zstd:3");
        part.write(format!("{number}"), &[("names", spec)], &Attrs::new())?;
    }
    store.compact(&CompactOptions::new())?;
    Ok(())
}

#[test]
fn the_golden_file_with_a_dictionary_reads_back() {
    let path = golden("shared.alog");
    let bytes = std::fs::read(&path).expect("read");
    let keys = bytes
        .windows(12)
        .filter(|it| it.starts_with(b"dictionary "));
    assert_eq!(keys.count(), 2);
    for options in [Store::options(), Store::options().scan(true)] {
        let store = options.open(&path).expect("opens");
        let part = store.partition("argo", "stations").expect("partition");
        for number in 0..STATIONS {
            let entry = part.entry(format!("{number}")).expect("read");
            let array = entry.expect("there").array("names").expect("there");
            let stored = array.nbytes_stored().expect("told");
            assert!(stored < 256, "{number}: {stored}");
            let read = array.read().expect("decoded");
            for (at, text) in (0..).zip(texts(number)) {
                assert_eq!(read.view().item(at).expect("there"), text.as_bytes());
            }
        }
    }
}

#[test]
#[ignore = "makes the golden files that are missing; never replaces one"]
fn make_the_golden_files() {
    for (name, write) in FILES.into_iter().chain([SHARED]) {
        let path = golden(name);
        if path.exists() {
            println!("{name} is there and stays");
            continue;
        }
        let folder = path.parent().expect("a folder");
        std::fs::create_dir_all(folder).expect("made");
        std::fs::write(&path, bytes_of(write)).expect("written");
    }
}

/// `Put b"k" -> b"v2"` as the second commit of `one.alog`, byte for byte.
#[rustfmt::skip]
const FRAME: [u8; 80] = [
    0x0f, 0xa1, 0x01, 0x00, 0x94, 0x4a, 0x24, 0xfd, // magic, batch, flags, CRC
    0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // seqno 2
    0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0xe7, // body of 40 bytes, epoch
    0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // durable end 16384
    0xf2, 0x70, 0x18, 0x22, 0x95, 0x45, 0xda, 0xcd, // frame sum
    0xb5, 0x87, 0x5b, 0xcc, 0x2c, 0x78, 0x3b, 0x8f, // record: sum
    0x01, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, // put, flags, key of 1 byte, partition 1
    0x10, 0x08, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, // previous at place 2064, value of 2 bytes
    0x6b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // key
    0x76, 0x32, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // value
];

#[test]
fn a_frame_of_one_record_has_these_bytes() {
    let bytes = bytes_of(|store| {
        write_one(store)?;
        store.default_partition()?.put("k", "v2")
    });
    let at = std::fs::metadata(golden("one.alog")).expect("there").len() as usize;
    assert_eq!(bytes[at..], FRAME, "{:02x?}", &bytes[at..]);
}

/// A copy of a golden file, changed.
fn copy(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join(name);
    let mut bytes = std::fs::read(golden(name)).expect("read");
    change(&mut bytes);
    std::fs::write(&path, bytes).expect("written");
    (folder, path)
}

#[test]
fn a_file_of_another_version_is_refused_by_name_and_left_alone() {
    for (version, said) in [
        ([0, 0, 1, 0], "0.1"),
        ([0, 0, 2, 0], "0.2"),
        ([1, 0, 0, 0], "1.0"),
    ] {
        let (_folder, path) = copy("one.alog", |bytes| {
            bytes[8..12].copy_from_slice(&version);
            let crc = crc32fast::hash(&bytes[..508]);
            bytes[508..512].copy_from_slice(&crc.to_le_bytes());
        });
        let before = std::fs::read(&path).expect("read");
        for mode in [Mode::Read, Mode::ReadWrite, Mode::Append] {
            match Store::options().mode(mode).open(&path) {
                Err(Error::Version {
                    found, supported, ..
                }) => assert_eq!(
                    (found.as_str(), supported.as_str()),
                    (said, arraylog::FORMAT_VERSION)
                ),
                other => panic!("{mode:?}: {other:?}"),
            }
        }
        assert_eq!(std::fs::read(&path).expect("read"), before);
    }
}

#[test]
fn a_flipped_bit_in_the_log_of_a_closed_store_is_reported_and_never_shortens_it() {
    let end = std::fs::metadata(golden("one.alog")).expect("there").len() as usize;
    let (_folder, path) = copy("one.alog", |_| ());
    let good = std::fs::read(&path).expect("read");
    let mut padding = 0;
    for bit in LOG_START * 8..end * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, bytes).expect("written");
        match Store::options().open(&path) {
            Err(Error::Corrupt { at, defect, .. }) => {
                let inside = (LOG_START..end).contains(&(at as usize));
                assert!(inside, "bit {bit}: {defect} at {at}");
            }
            Err(other) => panic!("bit {bit}: {other}"),
            Ok(store) => {
                let part = store.default_partition().expect("partition");
                assert_eq!(part.get("k").expect("read").as_deref(), Some(&b"v"[..]));
                padding += 1;
            }
        }
    }
    // 26 bytes of zeros between the parts of the three records.
    assert_eq!(padding, 26 * 8);
}

#[test]
fn a_damaged_first_page_is_read_from_its_copy() {
    let (_folder, path) = copy("all.alog", |bytes| bytes[16..40].fill(0xEE));
    check_all(&Store::options().open(&path).expect("opens"));
}
