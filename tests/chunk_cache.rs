//! Decoded chunks that stay in memory: how often a codec is asked, and that what comes out is
//! what was written.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arraylog::codec::{self, Codec, Elements};
use arraylog::{ArraySpec, Attrs, Mode, OpenOptions, Partition, Selection, Span, Store};

/// Stores half of pairs of equal bytes, and counts what it decodes.
#[derive(Debug)]
struct Counting {
    name: String,
    decoded: Arc<AtomicUsize>,
}

impl Codec for Counting {
    fn name(&self) -> &str {
        &self.name
    }

    fn encode(&self, data: &[u8], _: &str, _: Elements, out: &mut Vec<u8>) -> Result<(), String> {
        out.extend(data.iter().step_by(2));
        Ok(())
    }

    fn decode(&self, data: &[u8], _: &str, _: Elements, out: &mut [u8]) -> Result<(), String> {
        self.decoded.fetch_add(1, Ordering::Relaxed);
        for (pair, byte) in out.chunks_mut(2).zip(data) {
            pair.fill(*byte);
        }
        Ok(())
    }
}

/// A codec that others do not count with.
fn counting(name: &str) -> Arc<AtomicUsize> {
    let decoded = Arc::new(AtomicUsize::new(0));
    codec::register(Arc::new(Counting {
        name: name.to_owned(),
        decoded: Arc::clone(&decoded),
    }))
    .expect("a free name");
    decoded
}

/// A number whose bytes come in pairs.
fn number(of: usize) -> u32 {
    let (low, high) = (of as u32 % 251, of as u32 / 251 % 251);
    (low | low << 8) | (high | high << 8) << 16
}

const ROWS: usize = 64;
const COLUMNS: usize = 500;

/// 64 rows in chunks of 16, 32,000 bytes each.
fn write(part: &Partition, codec: &str, first: usize) {
    let numbers: Vec<u32> = (first..first + ROWS * COLUMNS).map(number).collect();
    let spec = ArraySpec::from_slice(&numbers)
        .shape(&[ROWS as u64, COLUMNS as u64])
        .chunks(&[16, COLUMNS as u64])
        .codec(codec);
    let written = part.write("k", &[("a", spec)], &Attrs::new());
    written.expect("written");
}

fn row(part: &Partition, row: usize) -> Vec<u32> {
    let row = row as u64;
    let spans = [Span::range(row..row + 1), Span::range(0..COLUMNS as u64)];
    let array = part.array("k", "a").expect("there");
    let read = array.slice(&Selection::new(spans)).expect("read");
    read.view().as_slice::<u32>().expect("typed").to_vec()
}

fn expected(first: usize, row: usize) -> Vec<u32> {
    let from = first + row * COLUMNS;
    (from..from + COLUMNS).map(number).collect()
}

fn partition(options: &OpenOptions) -> (Store, Partition) {
    let store = options.memory().expect("a store");
    let part = store.partition("c", "p").expect("a partition");
    (store, part)
}

#[test]
fn row_by_row_each_chunk_is_decoded_once() {
    let decoded = counting("counted-rows");
    let (_store, part) = partition(&OpenOptions::new().mode(Mode::Append));
    write(&part, "counted-rows", 0);
    for pass in 0..2 {
        for number in 0..ROWS {
            assert_eq!(
                row(&part, number),
                expected(0, number),
                "{pass}: row {number}"
            );
        }
    }
    assert_eq!(decoded.load(Ordering::Relaxed), 4);
}

#[test]
fn of_several_chunks_those_that_are_read_whole_are_decoded_again() {
    let decoded = counting("counted-several");
    let (_store, part) = partition(&OpenOptions::new().mode(Mode::Append));
    write(&part, "counted-several", 0);
    let spans = [Span::range(10..40), Span::range(0..COLUMNS as u64)];
    let rows: Vec<u32> = (10..40).flat_map(|row| expected(0, row)).collect();
    // Parts of the first and the third one, and the second.
    for total in [3, 4, 5] {
        let array = part.array("k", "a").expect("there");
        let read = array.slice(&Selection::new(spans)).expect("read");
        assert_eq!(read.view().as_slice::<u32>().expect("typed"), rows);
        assert_eq!(decoded.load(Ordering::Relaxed), total);
    }
}

#[test]
fn without_room_every_read_decodes() {
    for (name, room) in [("counted-none", 0), ("counted-small", 32_000)] {
        let decoded = counting(name);
        let (_store, part) = partition(&OpenOptions::new().mode(Mode::Append).chunk_cache(room));
        write(&part, name, 0);
        for number in 0..ROWS {
            assert_eq!(row(&part, number), expected(0, number));
        }
        assert_eq!(decoded.load(Ordering::Relaxed), ROWS, "{room} bytes");
    }
}

#[test]
fn whole_chunks_leave_the_room_to_parts() {
    let decoded = counting("counted-whole");
    // Room for one.
    let options = OpenOptions::new().mode(Mode::Append).chunk_cache(40_000);
    let (_store, part) = partition(&options);
    write(&part, "counted-whole", 0);
    row(&part, 0);
    let array = part.array("k", "a").expect("there");
    let whole = array.read().expect("read");
    let whole = whole.view().as_slice::<u32>().expect("typed").to_vec();
    assert_eq!(whole.len(), ROWS * COLUMNS);
    assert_eq!(decoded.load(Ordering::Relaxed), 1 + 4);
    assert_eq!(row(&part, 3), expected(0, 3));
    assert_eq!(decoded.load(Ordering::Relaxed), 1 + 4);
}

#[test]
fn what_is_written_again_is_read_anew_and_old_versions_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    counting("counted-again");
    let options = OpenOptions::new().mode(Mode::CreateNew);
    let store = options.open(folder.path().join("s")).expect("a store");
    let part = store.partition("c", "p").expect("a partition");
    write(&part, "counted-again", 0);
    assert_eq!(row(&part, 20), expected(0, 20));
    let snapshot = store.snapshot().expect("a snapshot");
    let before = snapshot.partition("c", "p").expect("there");

    // One chunk of four.
    let ones = [number(77); COLUMNS];
    let spec = ArraySpec::from_slice(&ones).shape(&[1, COLUMNS as u64]);
    let spans = [Span::range(20..21), Span::range(0..COLUMNS as u64)];
    part.write_region("k", "a", &Selection::new(spans), &spec)
        .expect("written");
    assert_eq!(row(&part, 20), ones);
    assert_eq!(row(&part, 21), expected(0, 21));
    let old = before.array("k", "a").expect("there");
    let old = old.slice(&Selection::new(spans)).expect("read");
    assert_eq!(
        old.view().as_slice::<u32>().expect("typed"),
        expected(0, 20)
    );

    // All of it, then another file.
    write(&part, "counted-again", 9);
    assert_eq!(row(&part, 20), expected(9, 20));
    store
        .compact(&arraylog::CompactOptions::new())
        .expect("compacted");
    for number in 0..ROWS {
        assert_eq!(row(&part, number), expected(9, number));
    }
}

#[test]
fn masks_and_texts_come_out_as_they_went_in() {
    let (_store, part) = partition(&OpenOptions::new().mode(Mode::Append));
    let numbers: Vec<f32> = (0..4000).map(|at| (at / 7) as f32).collect();
    let missing: Vec<u8> = (0..4000).map(|at| u8::from(at % 3 == 0)).collect();
    let texts: Vec<String> = (0..4000).map(|at| format!("text {}", at / 5)).collect();
    let masked = ArraySpec::from_slice(&numbers)
        .missing(&missing)
        .chunks(&[500])
        .codec("zstd:3");
    let names = ArraySpec::strings(&texts).chunks(&[500]).codec("zstd:3");
    part.write("k", &[("m", masked), ("t", names)], &Attrs::new())
        .expect("written");
    for pass in 0..2 {
        for start in (0..3990).step_by(97) {
            let part_of = Selection::new([Span::range(start..start + 10)]);
            let range = start as usize..start as usize + 10;
            let read = part.array("k", "m").expect("there").slice(&part_of);
            let read = read.expect("read");
            assert_eq!(
                read.view().as_slice::<f32>().expect("typed"),
                &numbers[range.clone()]
            );
            let present = read.view().validity().expect("a mask").to_vec();
            for (at, number) in range.clone().enumerate() {
                let is_missing = present[at / 8] >> (at % 8) & 1 == 0;
                assert_eq!(is_missing, missing[number] == 1, "{pass}");
            }
            let read = part.array("k", "t").expect("there").slice(&part_of);
            let read = read.expect("read");
            for (at, number) in range.enumerate() {
                let found = read.view().item(at as u64).expect("inside").to_vec();
                assert_eq!(found, texts[number].as_bytes(), "{pass}");
            }
        }
    }
}
