//! Entrances for fuzzing what no public call reaches with bytes alone.

use crate::array::{
    self, BlockPlace, ChunkGrid, Chunks, Content, DType, Schema, Selection, Storage, TimeUnit,
};
use crate::catalog::RowValue;
use crate::codec::{Dictionary, Elements, Failure, Pipeline};
use crate::format::LOG_START;
use crate::format::frame::{FrameHeader, HEADER_LEN, first_predecessor, frame_sum};
use crate::format::header::{IDENTITY_COPY, IDENTITY_LEN, Live, SLOT_LEN, SLOTS, Slot};
use crate::format::record::{self, Head};

/// Frames, records, header pages and rows of names: any bytes give an answer.
pub fn record(bytes: &[u8]) {
    let id = [7; 16];
    for at in [LOG_START, 0, u64::MAX - 7] {
        let _ = FrameHeader::parse(bytes, &id, at);
        let _ = Slot::parse(bytes, &id, at);
        if let Ok(head) = Head::parse(bytes, at) {
            // Every part can be computed, in order, without overflow.
            let table = head.table_range().unwrap_or_default();
            assert!(head.key_range().end <= table.start);
            assert!(table.end <= head.value_range().start);
            assert!(head.value_range().end <= head.end());
            let mut again = vec![0; record::HEAD_LEN as usize + 8];
            head.write(&mut again);
            let _ = Head::parse(&again, at);
        }
    }
    let _ = crate::format::checkpoint::Checkpoint::parse(bytes);
    let _ = crate::format::checkpoint::Root::parse(bytes);
    if let Ok(row) = RowValue::parse(bytes) {
        assert_eq!(row.to_bytes(), bytes);
        let _ = (row.attrs(), row.align());
    }
    let mut words = [0; crate::format::header::LIVE_WORDS];
    for (word, part) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*part);
    }
    let _ = Live::from_words(words).trusted_durable_end(&id);
}

/// The frame of an entry, behind the schema that its first two bytes give the length of.
pub fn entry(bytes: &[u8]) {
    let Some((len, rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let at = usize::from(u16::from_le_bytes(*len)).min(rest.len());
    let (schema, frame) = rest.split_at(at);
    let Ok(schema) = Schema::parse(schema) else {
        return;
    };
    let _ = array::schema_id(frame);
    let _ = array::fixed_end(&schema, frame);
    let _ = array::head_end(&schema, frame);
    let _ = array::entry_attrs(&schema, frame);
    let _ = array::entry_attr_places(&schema, frame);
    for field in 0..schema.fields.len() {
        let _ = array::is_present(&schema, frame, field);
        let _ = array::array_attrs(&schema, frame, field);
        if let Ok(Some(place)) = array::locate(&schema, frame, field) {
            look_at(&schema, frame, field, &place);
        }
    }
    let _ = array::changes(&schema, frame);
}

/// The elements of an array, whose place was found.
fn look_at(schema: &Schema, frame: &[u8], field: usize, place: &array::FieldPlace) {
    match &place.storage {
        Storage::Plain(plain) => {
            assert!(plain.parts().all(|part| frame.get(part.clone()).is_some()));
        }
        Storage::Chunks(at) => {
            let descriptor = frame.get(at.clone()).unwrap_or_default();
            if let Ok(chunks) = Chunks::parse(descriptor, place.shape.len())
                && let Ok(grid) = ChunkGrid::new(&place.shape, &chunks.shape)
            {
                let all = Selection::all(&place.shape);
                for touched in grid.touched(&all).take(100) {
                    assert_eq!(touched.coords.len(), place.shape.len());
                }
            }
        }
        Storage::Block(at) => {
            let Some(info) = schema.fields.get(field) else {
                return;
            };
            let lengths = place.shape.iter();
            let content = Content {
                dtype: info.dtype,
                elements: lengths.fold(1, |size, length| size.saturating_mul(*length)),
                masked: place.masked,
            };
            block_of(frame.get(*at..).unwrap_or_default(), content);
        }
    }
}

/// A block of unknown bytes.
fn block_of(block: &[u8], content: Content) {
    let Ok(place) = BlockPlace::parse(block, block.len(), content) else {
        return;
    };
    assert!(place.len() <= block.len() || place.empty);
    let stored = block.get(place.stored.clone()).unwrap_or_default();
    if let Ok(Some(codec)) = place.pipeline(block)
        && place.decoded <= codec.most_decoded(stored.len() as u64).min(1 << 20)
    {
        let mut out = vec![0; place.decoded as usize];
        let dtype = content.dtype;
        let _ = codec.decode(stored, crate::codec::Elements { dtype }, &mut out);
    }
    let _ = place.texts(stored, content.elements);
}

/// A chunk as it stands in a file: dtype and number of elements, then the block.
pub fn block(bytes: &[u8]) {
    let Some(([code, masked], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let Some((elements, block)) = rest.split_first_chunk() else {
        return;
    };
    let Some(dtype) = array::plain_dtype(*code) else {
        return;
    };
    let content = Content {
        dtype,
        elements: u16::from_le_bytes(*elements).into(),
        masked: masked & 1 != 0,
    };
    block_of(block, content);
}

/// Attributes: what can be read is written again and reads back as the same.
pub fn attrs(bytes: &[u8]) {
    if let Ok(attrs) = array::decode_attrs(bytes)
        && let Ok(again) = array::encode_attrs(&attrs, "a test")
    {
        let read = array::decode_attrs(&again).map(|read| format!("{read:?}"));
        assert_eq!(read, Ok(format!("{attrs:?}")));
    }
}

/// Pipelines and dtypes that [`codec`] tries; those that this build lacks among them.
const PIPELINES: [&str; 8] = [
    "none",
    "shuffle",
    "lz4",
    "shuffle+lz4",
    "zstd:1",
    "pco:8",
    "snappy",
    "shuffle+brotli:5",
];
const DTYPES: [DType; 8] = [
    DType::UInt8,
    DType::Float16,
    DType::Float32,
    DType::Int64,
    DType::Complex128,
    DType::DateTime64(TimeUnit::Second),
    DType::FixedBytes(3),
    DType::String,
];
/// What `codec` takes before the encoded bytes: pipeline, dtype, how many bytes they give.
const CODEC_HEAD: usize = 4;

fn choice<T: Copy, const N: usize>(of: [T; N], number: u8) -> T {
    #[expect(clippy::indexing_slicing, reason = "the remainder is a place in it")]
    of[usize::from(number) % N]
}

/// Encoded bytes: they fill what they are to fill or are refused. As elements they come back
/// as they were, and as the text of a pipeline they are one that writes the same text.
pub fn codec(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Pipeline::parse(text);
        if let Ok(pipeline) = Pipeline::stored(text) {
            assert_eq!(pipeline.to_string(), text);
        }
    }
    let Some((&[pipeline, dtype, low, high], rest)) = bytes.split_first_chunk::<CODEC_HEAD>()
    else {
        return;
    };
    let elements = Elements {
        dtype: choice(DTYPES, dtype),
    };
    let Ok(pipeline) = Pipeline::stored(choice(PIPELINES, pipeline)) else {
        return;
    };
    let mut out = vec![0; usize::from(u16::from_le_bytes([low, high]))];
    if pipeline.decode(rest, elements, &mut out).is_ok() {
        assert!(pipeline.most_decoded(rest.len() as u64) >= out.len() as u64);
    }
    let whole = rest.len() - rest.len() % elements.item_size().max(1);
    let data = rest.get(..whole).unwrap_or_default();
    let mut encoded = Vec::new();
    if pipeline.encode(data, elements, &mut encoded).is_ok() {
        let mut again = vec![0; data.len()];
        let decoded = pipeline.decode(&encoded, elements, &mut again);
        assert_eq!((decoded, &*again), (Ok::<(), Failure>(()), data));
    }
}

/// Inputs of [`codec`] that decode, one for each pipeline of this build and dtype it takes.
pub fn codec_seeds() -> Vec<Vec<u8>> {
    let data: Vec<u8> = (0..96u16).flat_map(|it| (it / 3).to_le_bytes()).collect();
    let mut seeds = Vec::new();
    for pipeline in 0..8 {
        for dtype in 0..8 {
            let [low, high] = (data.len() as u16).to_le_bytes();
            let mut seed = vec![pipeline, dtype, low, high];
            let elements = Elements {
                dtype: choice(DTYPES, dtype),
            };
            let pipeline = Pipeline::stored(choice(PIPELINES, pipeline));
            if pipeline.is_ok_and(|it| it.encode(&data, elements, &mut seed).is_ok()) {
                seeds.push(seed);
            }
        }
    }
    seeds
}

/// Pipelines that take a dictionary.
const SHARING: [&str; 2] = ["zstd:3", "shuffle+zstd:1"];

/// A dictionary of unknown bytes: what is decoded with it fills what it is to fill or is
/// refused, and what is encoded with it comes back as it was.
pub fn dictionary(bytes: &[u8]) {
    let Some((&[pipeline, dtype, low, high], rest)) = bytes.split_first_chunk::<CODEC_HEAD>()
    else {
        return;
    };
    let elements = Elements {
        dtype: choice(DTYPES, dtype),
    };
    let Ok(pipeline) = Pipeline::stored(choice(SHARING, pipeline)) else {
        return;
    };
    let len = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
    let (dictionary, data) = rest.split_at(len);
    let dictionary = &Dictionary::new(dictionary);
    let mut out = vec![0; 4096];
    let _ = pipeline.decode_with(data, elements, Some(dictionary), &mut out);
    let whole = data.len() - data.len() % elements.item_size().max(1);
    let data = data.get(..whole).unwrap_or_default();
    let mut encoded = Vec::new();
    let encoding = pipeline.encode_with(data, elements, Some(dictionary), &mut encoded);
    if encoding.is_ok() {
        let mut again = vec![0; data.len()];
        let decoded = pipeline.decode_with(&encoded, elements, Some(dictionary), &mut again);
        assert_eq!((decoded, &*again), (Ok::<(), Failure>(()), data));
    }
}

/// Inputs of [`dictionary`]: trained ones, before what was encoded with them.
pub fn dictionary_seeds() -> Vec<Vec<u8>> {
    let sample = |number: u32| -> Vec<u8> {
        let words = (0..40u32).map(|at| (at / 3).wrapping_mul(number % 7));
        words.flat_map(u32::to_le_bytes).collect()
    };
    let mut samples = crate::codec::Samples::default();
    (0..200).for_each(|number| samples.push(&sample(number)));
    let Some(dictionary) = Dictionary::train(&samples, 1024) else {
        return Vec::new();
    };
    let mut seeds = Vec::new();
    for pipeline in 0..2 {
        for dtype in 0..8 {
            let [low, high] = (dictionary.bytes().len() as u16).to_le_bytes();
            let mut seed = vec![pipeline, dtype, low, high];
            seed.extend_from_slice(dictionary.bytes());
            let elements = Elements {
                dtype: choice(DTYPES, dtype),
            };
            let codec = Pipeline::stored(choice(SHARING, pipeline));
            let sample = sample(dtype.into());
            if codec.is_ok_and(|it| {
                let encoding = it.encode_with(&sample, elements, Some(&dictionary), &mut seed);
                encoding.is_ok()
            }) {
                seeds.push(seed);
            }
        }
    }
    seeds
}

/// Gives a file that was changed the checksums that it then has, as far as its lengths lead.
pub fn repair(bytes: &mut [u8]) {
    let Some(first) = bytes.get(..IDENTITY_LEN).map(<[u8]>::to_vec) else {
        return;
    };
    for at in [0, IDENTITY_COPY as usize] {
        let Some(page) = bytes.get_mut(at..at + IDENTITY_LEN) else {
            return;
        };
        let (covered, crc) = page.split_at_mut(508);
        crc.copy_from_slice(&crc32fast::hash(covered).to_le_bytes());
    }
    let part = |at: usize| first.get(at..).and_then(|rest| rest.first_chunk().copied());
    let (Some(id), Some(seed)) = (part(16), first.get(56..64)) else {
        return;
    };
    let seed = u64::from_le_bytes(seed.try_into().unwrap_or_default());
    for at in SLOTS {
        let place = at as usize..at as usize + SLOT_LEN;
        if let Some((covered, crc)) = bytes
            .get_mut(place)
            .and_then(|it| it.split_at_mut_checked(60))
        {
            crc.copy_from_slice(&crc_of(&id, at, &[covered]).to_le_bytes());
        }
    }
    let (mut at, mut before) = (LOG_START, first_predecessor(&id));
    while let Some((header, body)) = bytes
        .get_mut(at as usize..)
        .and_then(|rest| rest.split_at_mut_checked(HEADER_LEN as usize))
    {
        let word = |from: usize| {
            let word = header.get(from..from + 8).unwrap_or_default();
            u64::from_le_bytes(word.try_into().unwrap_or_default())
        };
        let (seqno, length_epoch) = (word(8), word(16));
        let len = length_epoch & ((1 << 48) - 1);
        let is_space = header.get(2) == Some(&2);
        let Some(body) = body.get_mut(..len as usize) else {
            return;
        };
        let mut sums = repair_records(body, seed, at + HEADER_LEN);
        if is_space {
            sums.clear();
        }
        before = frame_sum(&sums, before, seqno, (length_epoch >> 48) as u16);
        let [a, b, c, d, e, f, g, h] = before.to_le_bytes();
        if let Some(sum) = header.get_mut(32..40) {
            sum.copy_from_slice(&[a, b, c, d, e, f, g, h]);
        }
        let covered = [
            header.get(..4).unwrap_or_default(),
            header.get(8..).unwrap_or_default(),
        ];
        let crc = crc_of(&id, at, &covered).to_le_bytes();
        if let Some(place) = header.get_mut(4..8) {
            place.copy_from_slice(&crc);
        }
        at = at.saturating_add(HEADER_LEN).saturating_add(len);
    }
}

fn crc_of(id: &[u8; 16], at: u64, covered: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(id);
    hasher.update(&at.to_le_bytes());
    covered.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

/// The sums of the records in `body`, which starts at offset `at`.
fn repair_records(body: &mut [u8], seed: u64, at: u64) -> Vec<u8> {
    let (mut sums, mut from) = (Vec::new(), 0u64);
    while let Some(rest) = body
        .get_mut(from as usize..)
        .filter(|rest| !rest.is_empty())
    {
        let own = at + from;
        let Ok(head) = Head::parse(rest, own) else {
            return sums;
        };
        let Some(record) = rest.get_mut(..head.end() as usize) else {
            return sums;
        };
        let usize_range = |range: std::ops::Range<u64>| range.start as usize..range.end as usize;
        let value = record
            .get(usize_range(head.value_range()))
            .unwrap_or_default()
            .to_vec();
        if head.wide {
            let table = usize_range(head.table_range().unwrap_or_default());
            let sums = (0..record::block_count(head.value_len())).flat_map(|block| {
                let span = usize_range(record::block_range(head.value_len(), block));
                record::value_hash(value.get(span).unwrap_or_default()).to_le_bytes()
            });
            let sums: Vec<u8> = sums.collect();
            if let Some(table) = record.get_mut(table).filter(|it| it.len() == sums.len()) {
                table.copy_from_slice(&sums);
            }
        }
        let hashed = record
            .get(8..head.hashed_end() as usize)
            .unwrap_or_default();
        let mut sum = record::head_hash(hashed, seed, own);
        if !head.wide {
            sum = sum.wrapping_add(record::value_hash(&value));
        }
        if let Some(place) = record.first_chunk_mut() {
            *place = sum.to_le_bytes();
        }
        sums.extend(sum.to_le_bytes());
        from += head.end();
    }
    sums
}
