//! Dtypes with elements of each, and the codecs that they are encoded with.

use std::borrow::Cow;
use std::sync::Arc;

use arraylog::codec::{self, Codec};
use arraylog::{ArrayBytes, ArraySpec, AttrValue, DType, TimeUnit};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::plan::Plan;
use crate::state::{FILL, State};

const DTYPES: [DType; 23] = [
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
    DType::Float32,
    DType::Float64,
    DType::BFloat16,
    DType::Float8E4M3,
    DType::Float8E5M2,
    DType::Complex64,
    DType::Complex128,
    DType::DateTime64(TimeUnit::Nanosecond),
    DType::TimeDelta64(TimeUnit::Day),
    DType::FixedBytes(3),
    DType::FixedString(2),
    DType::String,
    DType::Bytes,
];

const CODECS: [Option<&str>; 9] = [
    None,
    Some("shuffle"),
    Some("lz4"),
    Some("shuffle+lz4"),
    Some("shuffle+zstd:1"),
    Some("pco:1"),
    Some("snappy"),
    Some("brotli:1"),
    Some("packed"),
];

/// A codec of one's own, which keeps runs of equal bytes as their length and the byte.
#[derive(Debug)]
struct Packed;

impl Codec for Packed {
    fn name(&self) -> &str {
        "packed"
    }

    fn encode(
        &self,
        data: &[u8],
        _: &str,
        _: codec::Elements,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        for run in data.chunk_by(|a, b| a == b) {
            for piece in run.chunks(255) {
                out.extend([piece.len() as u8, piece[0]]);
            }
        }
        Ok(())
    }

    fn decode(
        &self,
        data: &[u8],
        _: &str,
        _: codec::Elements,
        out: &mut [u8],
    ) -> Result<(), String> {
        let runs = data.as_chunks::<2>().0.iter();
        let bytes = runs.flat_map(|&[count, byte]| std::iter::repeat_n(byte, count.into()));
        let mut places = out.iter_mut();
        let written = places.by_ref().zip(bytes).map(|(to, byte)| *to = byte);
        match (written.count(), places.len()) {
            (_, 0) => Ok(()),
            (found, _) => Err(format!("{found} bytes are too few")),
        }
    }
}

/// A dtype and a codec.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) dtype: DType,
    pub(crate) codec: Option<&'static str>,
    /// By number; that of [`FILL`] is not looked at.
    elements: Arc<[Vec<u8>]>,
    fill: (AttrValue, Vec<u8>),
}

/// Every dtype with every codec that takes it.
pub(crate) fn families() -> Vec<Family> {
    codec::register(Arc::new(Packed)).expect("a name of its own");
    let mut families = Vec::new();
    for dtype in DTYPES {
        let elements: Arc<[_]> = elements(dtype).into();
        let codecs = CODECS.into_iter();
        let taken = codecs.filter(|codec| *codec != Some("pco:1") || is_number(dtype));
        families.extend(taken.map(|codec| Family {
            dtype,
            codec,
            elements: elements.clone(),
            fill: fill(dtype),
        }));
    }
    families
}

impl Family {
    /// The bytes of an element.
    pub(crate) fn element(&self, number: u8, fill: bool) -> Cow<'_, [u8]> {
        match (number, fill) {
            (FILL, true) => Cow::Borrowed(&self.fill.1),
            (FILL, false) => Cow::Owned(vec![0; self.dtype.item_size().unwrap_or(0)]),
            _ => Cow::Borrowed(&self.elements[usize::from(number) % self.elements.len()]),
        }
    }

    /// The elements as they are written.
    pub(crate) fn data<'a>(&self, state: &'a State, fill: bool) -> ArraySpec<'a> {
        let items = state.numbers.iter().map(|&it| self.element(it, fill));
        let mut spec = ArraySpec::new(self.dtype, &state.shape, &[]);
        spec.data = match self.dtype.item_size() {
            Some(_) => ArrayBytes::Fixed(items.collect::<Vec<_>>().concat().into()),
            None => ArrayBytes::variable(items.collect::<Vec<_>>().iter().map(|it| &**it)),
        };
        match &state.missing {
            Some(missing) => spec.missing(missing),
            None => spec,
        }
    }

    /// The array as it is written at first.
    pub(crate) fn spec<'a>(&self, plan: &'a Plan) -> ArraySpec<'a> {
        let mut spec = self.data(&plan.first, plan.fill);
        if plan.fill {
            spec = spec.fill_value(self.fill.0.clone());
        }
        if let Some(chunks) = &plan.chunks {
            spec = spec.chunks(chunks);
        }
        match self.codec {
            Some(codec) => spec.codec(codec),
            None => spec,
        }
    }
}

/// Dtypes that pco takes.
fn is_number(dtype: DType) -> bool {
    !matches!(
        dtype,
        DType::Bool
            | DType::Complex64
            | DType::Complex128
            | DType::BFloat16
            | DType::Float8E4M3
            | DType::Float8E5M2
            | DType::FixedBytes(_)
            | DType::FixedString(_)
            | DType::String
            | DType::Bytes
    )
}

/// Small ones, least and greatest ones, zeros of both signs, NaN and NaT, and any bits.
fn elements(dtype: DType) -> Vec<Vec<u8>> {
    let words = ["", "a", "é", "b\0", "海", "\u{1f40b}", "\0", "zz"];
    match (dtype, dtype.item_size()) {
        (DType::Bool, _) => vec![vec![0], vec![1], vec![1]],
        (DType::FixedString(_), Some(size)) => {
            let characters = |word: &str| -> Vec<u8> {
                let letters = word.chars().map(u32::from);
                letters.flat_map(u32::to_le_bytes).collect()
            };
            let mut made: Vec<Vec<u8>> = words.iter().map(|word| characters(word)).collect();
            made.iter_mut().for_each(|it| it.resize(size, 0));
            made
        }
        (DType::String, _) => {
            let long = "long ".repeat(20);
            let words = words.iter().copied().chain([long.as_str(), "eight888"]);
            words.map(|word| word.as_bytes().to_vec()).collect()
        }
        (_, size) => {
            let mut random = StdRng::seed_from_u64(3);
            let mut made = Vec::new();
            for number in 0..24u8 {
                let size = size.unwrap_or_else(|| random.random_range(0..12));
                let mut bytes = vec![0; size];
                match number {
                    0..12 => bytes.iter_mut().take(1).for_each(|it| *it = number),
                    12 => bytes.fill(0xff),
                    13 => bytes
                        .iter_mut()
                        .next_back()
                        .into_iter()
                        .for_each(|it| *it = 0x80),
                    _ => random.fill(&mut bytes[..]),
                }
                made.push(bytes);
            }
            made
        }
    }
}

/// A fill value, and its bytes; none is zeros.
fn fill(dtype: DType) -> (AttrValue, Vec<u8>) {
    let number = |value: AttrValue, bytes: &[u8]| (value, bytes.to_vec());
    match dtype {
        DType::Bool => number(AttrValue::Bool(true), &[1]),
        DType::Int8 => number(AttrValue::Int8(-1), &(-1i8).to_le_bytes()),
        DType::Int16 => number(AttrValue::Int16(-2), &(-2i16).to_le_bytes()),
        DType::Int32 => number(AttrValue::Int32(-3), &(-3i32).to_le_bytes()),
        DType::Int64 => number(AttrValue::Int64(i64::MIN), &i64::MIN.to_le_bytes()),
        DType::UInt8 => number(AttrValue::UInt8(5), &[5]),
        DType::UInt16 => number(AttrValue::UInt16(6), &6u16.to_le_bytes()),
        DType::UInt32 => number(AttrValue::UInt32(7), &7u32.to_le_bytes()),
        DType::UInt64 => number(AttrValue::UInt64(u64::MAX), &u64::MAX.to_le_bytes()),
        DType::Float16 => number(AttrValue::Float16(0x7e01), &0x7e01u16.to_le_bytes()),
        DType::Float32 => number(AttrValue::Float32(-0.0), &(-0.0f32).to_le_bytes()),
        DType::Float64 => number(AttrValue::Float64(f64::NAN), &f64::NAN.to_le_bytes()),
        DType::BFloat16 => number(AttrValue::BFloat16(0x8000), &0x8000u16.to_le_bytes()),
        DType::Float8E4M3 => number(AttrValue::Float8E4M3(0x7f), &[0x7f]),
        DType::Float8E5M2 => number(AttrValue::Float8E5M2(0x3c), &[0x3c]),
        DType::Complex64 => number(
            AttrValue::Complex64(0.0, -0.0),
            &[0f32.to_le_bytes(), (-0.0f32).to_le_bytes()].concat(),
        ),
        DType::Complex128 => number(
            AttrValue::Complex128(1.0, 0.0),
            &[1f64.to_le_bytes(), 0f64.to_le_bytes()].concat(),
        ),
        DType::DateTime64(unit) => number(
            AttrValue::DateTime64(i64::MIN, unit),
            &i64::MIN.to_le_bytes(),
        ),
        DType::TimeDelta64(unit) => number(AttrValue::TimeDelta64(9, unit), &9i64.to_le_bytes()),
        DType::FixedBytes(_) => number(AttrValue::Bytes(b"f".to_vec()), b"f\0\0"),
        DType::FixedString(_) => number(
            AttrValue::String("é".to_owned()),
            &[0xe9, 0, 0, 0, 0, 0, 0, 0],
        ),
        DType::String => number(AttrValue::String("none".to_owned()), b"none"),
        DType::Bytes => number(AttrValue::Bytes(vec![0]), &[0]),
        other => panic!("no fill value for {other}"),
    }
}
