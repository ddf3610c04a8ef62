#![expect(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]
mod attrs;
mod blocks;
mod dtype;
mod golden;
mod hostile;
mod limits;
mod roundtrip;
mod size;

use std::borrow::Cow;

use zerocopy::IntoBytes;

use super::cursor::Cursor;
use super::encoding::{decode_map, encode_map};
use super::pieces::Pieces;
use super::*;
use crate::{Defect, Result};

/// The map of `attrs`.
fn encode_attrs(attrs: &Attrs) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    encode_map(attrs, &mut out, 0).map_err(|fault| fault.of("the entry"))?;
    Ok(out)
}

/// The attributes of which `bytes` are the map.
fn decode_attrs(bytes: &[u8]) -> Result<Attrs, Defect> {
    let mut from = Cursor::new("attributes", bytes);
    let attrs = decode_map(&mut from, 0)?;
    from.end()?;
    Ok(attrs)
}

/// Every dtype, with a width or unit where it has one.
fn all_dtypes() -> Vec<DType> {
    use TimeUnit::*;
    let mut all = vec![
        DType::Bool,
        DType::Int8,
        DType::Int16,
        DType::Int32,
        DType::Int64,
        DType::UInt8,
        DType::UInt16,
        DType::UInt32,
        DType::UInt64,
        DType::Float16,
        DType::BFloat16,
        DType::Float8E4M3,
        DType::Float8E5M2,
        DType::Float32,
        DType::Float64,
        DType::Complex64,
        DType::Complex128,
        DType::String,
        DType::Bytes,
    ];
    let units = [
        Year,
        Month,
        Week,
        Day,
        Hour,
        Minute,
        Second,
        Millisecond,
        Microsecond,
        Nanosecond,
        Picosecond,
        Femtosecond,
        Attosecond,
    ];
    all.extend(units.map(DType::DateTime64));
    all.extend(units.map(DType::TimeDelta64));
    all.extend([0, 1, 5, 8, 16, 300].map(DType::FixedBytes));
    all.extend([0, 1, 2, 4, 7].map(DType::FixedString));
    all
}

/// Bytes that repeat late and hit every value.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..len)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        })
        .collect()
}

/// An array of `dtype` and `shape` with some content.
fn sample(dtype: DType, shape: &[u64]) -> ArraySpec<'static> {
    let count = shape.iter().product::<u64>() as usize;
    let data = match dtype.item_size() {
        Some(width) => {
            let mut bytes = noise(count * width);
            if dtype == DType::Bool {
                bytes.iter_mut().for_each(|byte| *byte &= 1);
            }
            ArrayBytes::Fixed(Cow::Owned(bytes))
        }
        None => {
            let texts: Vec<_> = (0..count).map(|i| "\u{e9}x".repeat(i * 7 % 5)).collect();
            ArrayBytes::variable(texts.iter().map(|text| text.as_bytes()))
        }
    };
    ArraySpec {
        data,
        ..ArraySpec::new(dtype, shape, &[])
    }
}

/// Every third element is missing.
fn masked(spec: ArraySpec<'static>) -> ArraySpec<'static> {
    let count = spec.shape.iter().product::<u64>();
    let missing = (0..count).map(|i| u8::from(i % 3 == 0)).collect();
    ArraySpec {
        mask: Some(Mask::Missing(Cow::Owned(missing))),
        ..spec
    }
}

/// Bytes at an address that suits every dtype, as the store lends them.
struct Aligned {
    words: Vec<u128>,
    len: usize,
}

impl Aligned {
    fn new(bytes: &[u8]) -> Self {
        let mut words = vec![0_u128; bytes.len().div_ceil(16)];
        words.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        Self {
            words,
            len: bytes.len(),
        }
    }
}

impl std::ops::Deref for Aligned {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.words.as_bytes()[..self.len]
    }
}

fn join(pieces: &Pieces<'_>) -> Vec<u8> {
    assert!(
        pieces.parts.iter().all(|part| !part.is_empty()),
        "no part is empty"
    );
    let bytes = pieces.parts.concat();
    assert_eq!(
        bytes.len() as u64,
        pieces.len,
        "the length is that of the parts"
    );
    bytes
}

/// Writes an entry and parses its schema.
fn stored(arrays: &[(&str, ArraySpec<'_>)], attrs: &Attrs) -> (Schema, Aligned) {
    let plan = plan(arrays, attrs).unwrap();
    let schema = Schema::parse(plan.schema_bytes()).unwrap();
    (schema, Aligned::new(&join(&plan.pieces(7))))
}

/// The view of a field, with its shape in `place`.
fn view<'a>(
    schema: &'a Schema,
    frame: &'a [u8],
    place: &'a FieldPlace,
    field: usize,
) -> ArrayView<'a> {
    ArrayView::new(
        &schema.fields[field],
        &place.shape,
        &frame[place.plain().data.clone()],
        place.plain().offsets.clone().map(|range| &frame[range]),
        place.plain().validity.clone().map(|range| &frame[range]),
    )
}

/// Fails unless array `field` of the frame is `spec`.
fn assert_same(schema: &Schema, frame: &[u8], field: usize, name: &str, spec: &ArraySpec<'_>) {
    let place = locate(schema, frame, field).unwrap().unwrap();
    let found = view(schema, frame, &place, field);
    let what = format!("array {name:?} of {} {:?}", spec.dtype, spec.shape);
    assert_eq!(found.info().name, name, "{what}");
    assert_eq!(found.info().dtype, spec.dtype, "{what}");
    assert_eq!(found.shape(), spec.shape, "{what}");
    let unnamed = vec![None; spec.shape.len()];
    let dims = if spec.dims.is_empty() {
        &unnamed
    } else {
        &spec.dims
    };
    assert_eq!(&found.info().dims, dims, "{what}");
    assert_eq!(found.info().fill_value, spec.fill_value, "{what}");
    match &spec.data {
        ArrayBytes::Fixed(data) => {
            assert_eq!(found.data(), &data[..], "{what}");
            assert_eq!(place.plain().offsets, None, "{what}");
        }
        ArrayBytes::Variable { offsets, data } => {
            assert_eq!(found.data(), &data[..], "{what}");
            for (i, pair) in offsets.windows(2).enumerate() {
                let item = &data[pair[0] as usize..pair[1] as usize];
                assert_eq!(found.item(i as u64).unwrap(), item, "{what}, element {i}");
            }
        }
        ArrayBytes::Stored(_) => panic!("not here"),
    }
    assert!(
        found.item(found.size()).is_err(),
        "{what}: an element after the last"
    );
    let Some(Mask::Missing(missing)) = &spec.mask else {
        assert_eq!(found.validity(), None, "{what}");
        return;
    };
    let bits = found.validity().unwrap();
    assert_eq!(bits.len(), missing.len().div_ceil(8), "{what}");
    for i in 0..bits.len() * 8 {
        let present = bits[i / 8] >> (i % 8) & 1 == 1;
        let expected = missing.get(i).is_some_and(|byte| *byte == 0);
        assert_eq!(present, expected, "{what}: validity of element {i}");
    }
}

/// The error of an entry of one array called "t".
fn refused(spec: ArraySpec<'_>) -> String {
    plan(&[("t", spec)], &Attrs::new()).unwrap_err().to_string()
}
