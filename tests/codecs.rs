//! Encoded arrays in a store, against plain copies of what was written.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fmt::Debug;
use std::sync::Arc;

use arraylog::codec::{self, Codec, Elements};
use arraylog::{ArraySpec, Attrs, CompactOptions, DType, Error, Mode, Selection, Span, Store};
use proptest::prelude::*;

/// A codec of one's own: every byte the other way round, and one more.
#[derive(Debug)]
struct Turned;

impl Codec for Turned {
    fn name(&self) -> &str {
        "turned"
    }

    fn encode(
        &self,
        data: &[u8],
        parameters: &str,
        _elements: Elements,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        if parameters == "broken" {
            return Err("it is broken".to_owned());
        }
        // Half of what it gets, if that comes in pairs.
        let pairs = data.chunks(2).all(|pair| pair.first() == pair.last());
        let step = if pairs && data.len().is_multiple_of(2) {
            2
        } else {
            1
        };
        out.push(step);
        out.extend(data.iter().step_by(step.into()).map(|byte| !byte));
        Ok(())
    }

    fn decode(
        &self,
        data: &[u8],
        _parameters: &str,
        _elements: Elements,
        out: &mut [u8],
    ) -> Result<(), String> {
        let (&step, bytes) = data.split_first().ok_or("nothing")?;
        for (number, place) in out.iter_mut().enumerate() {
            let byte = bytes.get(number / usize::from(step)).ok_or("too short")?;
            *place = !byte;
        }
        Ok(())
    }
}

const CODECS: [&str; 8] = [
    "none",
    "shuffle",
    "lz4",
    "zstd:1",
    "shuffle+lz4",
    "shuffle+zstd:3",
    "pco:4",
    "turned",
];

const DTYPES: [DType; 9] = [
    DType::Int8,
    DType::UInt16,
    DType::Int32,
    DType::Int64,
    DType::Float16,
    DType::Float32,
    DType::Float64,
    DType::Bool,
    DType::Complex64,
];

#[derive(Clone, Debug)]
struct Case {
    dtype: DType,
    codec: &'static str,
    shape: Vec<u64>,
    chunks: Option<Vec<u64>>,
    masked: bool,
    spans: Vec<Span>,
    seed: u8,
}

fn span(length: u64) -> impl Strategy<Value = Span> {
    (0..=length, 1u64..4).prop_flat_map(move |(start, step)| {
        let most = (length - start).div_ceil(step);
        (0..=most).prop_map(move |count| Span { start, step, count })
    })
}

fn case() -> impl Strategy<Value = Case> {
    let axes = prop::collection::vec((0u64..14, 1u64..9), 1..4);
    (
        prop::sample::select(DTYPES.to_vec()),
        prop::sample::select(CODECS.to_vec()),
        axes,
        any::<bool>(),
        any::<bool>(),
        any::<u8>(),
    )
        .prop_flat_map(|(dtype, codec, axes, chunked, masked, seed)| {
            let shape: Vec<u64> = axes.iter().map(|axis| axis.0).collect();
            let chunks = chunked.then(|| axes.iter().map(|axis| axis.1).collect::<Vec<u64>>());
            let spans: Vec<_> = shape.iter().map(|&length| span(length)).collect();
            spans.prop_map(move |spans| Case {
                dtype,
                codec,
                shape: shape.clone(),
                chunks: chunks.clone(),
                masked,
                spans,
                seed,
            })
        })
}

/// Numbers in C order of what is selected.
fn selected(shape: &[u64], spans: &[Span]) -> Vec<usize> {
    let mut numbers = vec![0u64];
    for (&length, span) in shape.iter().zip(spans) {
        numbers = numbers
            .iter()
            .flat_map(|number| {
                (0..span.count).map(move |i| number * length + span.start + i * span.step)
            })
            .collect();
    }
    numbers.into_iter().map(|number| number as usize).collect()
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    let item = case.dtype.item_size().expect("of fixed width");
    let size: u64 = case.shape.iter().product();
    let bytes: Vec<u8> = (0..size as usize * item)
        .map(|at| match case.dtype {
            DType::Bool => (at as u8 ^ case.seed) & 1,
            _ => ((at / 40) as u8).wrapping_add(case.seed),
        })
        .collect();
    let missing: Vec<u8> = (0..size).map(|at| u8::from(at % 3 == 1)).collect();
    let mut spec = ArraySpec::new(case.dtype, &case.shape, &bytes).codec(case.codec);
    if let Some(chunks) = &case.chunks {
        spec = spec.chunks(chunks);
    }
    if case.masked {
        spec = spec.missing(&missing);
    }
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let refused =
        case.codec.starts_with("pco") && matches!(case.dtype, DType::Bool | DType::Complex64);
    let written = part.write("k", &[("t", spec)], &Attrs::new());
    if refused {
        prop_assert_eq!(written.expect_err("no numbers for pco").kind(), "dtype");
        return Ok(());
    }
    written.expect("stored");
    let array = part.array("k", "t").expect("there");
    let all: Vec<usize> = (0..size as usize).collect();
    let some = selected(&case.shape, &case.spans);
    let selection = Selection::new(case.spans.iter().copied());
    for (numbers, read) in [
        (all, array.read().expect("read")),
        (some, array.slice(&selection).expect("read")),
    ] {
        let wanted: Vec<u8> = numbers
            .iter()
            .flat_map(|&number| bytes[number * item..][..item].to_vec())
            .collect();
        prop_assert_eq!(&**read.data(), wanted.as_slice());
        prop_assert_eq!(read.validity().is_some(), case.masked);
        if let Some(bits) = read.validity() {
            for (at, &number) in numbers.iter().enumerate() {
                let present = bits[at / 8] >> (at % 8) & 1;
                prop_assert_eq!(present, 1 - missing[number]);
            }
        }
    }
    let stats = array.stats().expect("read");
    let again = array.read().expect("read").view().stats();
    prop_assert_eq!(stats, again, "of the file and found anew");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("ARRAYLOG_TEST_EXAMPLES").ok().and_then(|n| n.parse().ok()).unwrap_or(1500)
    ))]

    #[test]
    fn what_is_read_is_what_was_written_whatever_codec_chunks_and_mask(case in case()) {
        codec::register(Arc::new(Turned)).expect("a name of its own");
        check(&case)?;
    }
}

fn refused(spec: ArraySpec<'_>) -> Error {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let written = part.write("k", &[("temperature", spec)], &Attrs::new());
    let error = written.expect_err("refused");
    assert!(!part.contains("k").expect("read"), "nothing is stored");
    error
}

fn says(error: impl Debug + std::fmt::Display, parts: &[&str]) {
    for part in parts {
        assert!(error.to_string().contains(part), "{error}: {part}");
    }
}

#[test]
fn a_codec_that_cannot_be_used_is_refused_with_the_array() {
    let numbers = [1i32; 100];
    let spec = || ArraySpec::from_slice(&numbers);
    let unknown = refused(spec().codec("zsdt:3"));
    assert_eq!(unknown.kind(), "invalid");
    says(unknown, &["zsdt", "temperature", "zstd"]);
    says(refused(spec().codec("zstd:99")), &["99", "22"]);
    codec::register(Arc::new(Turned)).expect("a name of its own");
    says(
        refused(spec().codec("turned:broken")),
        &["turned", "it is broken", "temperature"],
    );
    assert_eq!(
        codec::register(Arc::new(Turned)).map_err(|error| error.kind()),
        Ok(())
    );
}

#[test]
fn encoding_takes_less_room_and_what_does_not_shrink_stands_as_it_is() {
    let store = Store::memory().expect("made");
    let part = store.default_partition().expect("made");
    let smooth: Vec<f32> = (0..50_000).map(|i| (i / 100) as f32).collect();
    let mut state = 1u32;
    let noise: Vec<u32> = (0..50_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state ^ state >> 15
        })
        .collect();
    let arrays = [
        (
            "smooth",
            ArraySpec::from_slice(&smooth).codec("shuffle+zstd:3"),
        ),
        (
            "chunked",
            ArraySpec::from_slice(&smooth).codec("lz4").chunks(&[9_000]),
        ),
        ("noise", ArraySpec::from_slice(&noise).codec("lz4")),
        (
            "noise chunked",
            ArraySpec::from_slice(&noise).codec("lz4").chunks(&[50_000]),
        ),
    ];
    part.write("k", &arrays, &Attrs::new()).expect("stored");
    let entry = part.entry("k").expect("read").expect("there");
    let stored = |name: &str| {
        entry
            .array(name)
            .expect("there")
            .nbytes_stored()
            .expect("told")
    };
    assert!(stored("smooth") < 20_000, "{}", stored("smooth"));
    assert!(stored("chunked") < 60_000, "{}", stored("chunked"));
    assert_eq!(stored("noise"), 200_000, "no block around it");
    assert!((200_000..200_200).contains(&stored("noise chunked")));
    // Both are lent: the same bytes each time.
    for name in ["noise", "noise chunked"] {
        let read = || entry.array(name).expect("there").read().expect("read");
        let (first, second) = (read(), read());
        assert_eq!(first.data().as_ptr(), second.data().as_ptr(), "{name}");
        assert_eq!(first.data().as_ptr() as usize % 64, 0, "{name}");
        assert_eq!(first.view().as_slice::<u32>().expect("typed"), noise);
    }
}

/// Bytes of the records of the partition.
fn live(store: &Store) -> u64 {
    let usage = store.detailed_usage().expect("told");
    let found = usage.partitions.iter().find(|part| part.name == "packed");
    found.map_or(0, |part| part.live_bytes)
}

#[test]
fn what_lends_nothing_is_packed_and_what_lends_keeps_its_alignment() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("opened");
    let part = store.partition("c", "packed").expect("partition");
    let ramp = |number: u32| -> Vec<u32> { (0..256).map(|at| number + at / 9).collect() };
    let mut expected = 0;
    for number in 0..100 {
        let key = format!("station-{number:06}");
        let ramp = ramp(number);
        let array = [("t", ArraySpec::from_slice(&ramp).codec("lz4"))];
        part.write(&key, &array, &Attrs::new()).expect("stored");
        let entry = part.entry(&key).expect("read").expect("there");
        let block = entry.array("t").expect("there").nbytes_stored();
        let block = block.expect("told");
        // Head with size of the dim, presence and slot.
        assert_eq!(entry.nbytes_stored(), 24 + block);
        // Head and key of the record.
        expected += 24 + 16 + (24 + block).next_multiple_of(8);
    }
    assert_eq!(live(&store), expected);
    let before = live(&store);
    let long: Vec<u32> = (0..4 * 256).map(|at| at / 9).collect();
    let chunked = ArraySpec::from_slice(&long).codec("lz4").chunks(&[256]);
    part.write("chunked", &[("t", chunked)], &Attrs::new())
        .expect("stored");
    let entry = part.entry("chunked").expect("read").expect("there");
    let array = entry.array("t").expect("there");
    let blocks = array.nbytes_stored().expect("told");
    let records = live(&store) - before;
    let of_entry = 24 + 8 + entry.nbytes_stored();
    let of_chunks = 4 * (24 + 24 + 7) + blocks;
    assert!(records <= of_entry + of_chunks, "{records}, {blocks}");

    // One that is lent stands beside one that is encoded, whatever becomes of the entry.
    let noise: Vec<u64> = (1..90u64)
        .map(|at| at.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .collect();
    for shift in 0..9 {
        let ramp = ramp(shift);
        let arrays = [
            ("coded", ArraySpec::from_slice(&ramp[..200]).codec("lz4")),
            ("lent", ArraySpec::from_slice(&noise)),
        ];
        let key = "x".repeat(shift as usize);
        part.write(&key, &arrays, &Attrs::new()).expect("stored");
    }
    let check = |key: &str| {
        let entry = part.entry(key).expect("read").expect("there");
        let read = entry.array("lent").expect("there").read().expect("read");
        assert_eq!(read.data().as_ptr() as usize % 64, 0, "{key}");
        assert_eq!(read.view().as_slice::<u64>().expect("typed"), noise);
    };
    (0..9).for_each(|shift| check(&"x".repeat(shift)));
    part.rename("xx", "renamed", false).expect("renamed");
    part.copy("xxx", &part, "copied", false).expect("copied");
    let batch = store.batch().expect("a batch");
    let staged = batch.partition("c", "packed").expect("partition");
    staged.rename("xxxx", "batched", false).expect("renamed");
    batch.commit().expect("committed");
    for key in ["renamed", "copied", "batched"] {
        check(key);
    }
    store.compact(&CompactOptions::new()).expect("compacted");
    for key in ["", "x", "renamed", "copied", "batched"] {
        check(key);
    }
}
