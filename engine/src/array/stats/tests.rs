#![expect(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]
use proptest::prelude::*;

use super::*;
use crate::array::encoding::decode_scalar;
use crate::array::{FieldInfo, TimeUnit};

/// Every dtype that has statistics.
const DTYPES: [DType; 21] = [
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
    DType::Float32,
    DType::Float64,
    DType::DateTime64(TimeUnit::Second),
    DType::TimeDelta64(TimeUnit::Day),
    DType::FixedBytes(3),
    DType::FixedBytes(0),
    DType::FixedString(2),
    DType::FixedString(70),
    DType::String,
    DType::Bytes,
];

/// An array as its elements, one after the other.
#[derive(Clone, Debug)]
struct Naive {
    dtype: DType,
    elements: Vec<Vec<u8>>,
    present: Option<Vec<bool>>,
    fill: Option<AttrValue>,
}

/// What an element is for the oracle: its place in the order, and the value of a bound.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Key {
    Nan,
    Number(i128),
    Float(f64),
    Bytes(Vec<u8>),
    Chars(Vec<u32>),
}

fn trim<T: PartialEq + Default>(mut items: Vec<T>) -> Vec<T> {
    while items.last() == Some(&T::default()) {
        items.pop();
    }
    items
}

fn half_to_f64(bits: u16, exponent_bits: u32) -> f64 {
    let fraction_bits = 15 - exponent_bits;
    let bias = (1 << (exponent_bits - 1)) - 1;
    let exponent = i32::from((bits & 0x7fff) >> fraction_bits);
    let fraction = f64::from(bits & ((1 << fraction_bits) - 1)) / f64::from(1 << fraction_bits);
    let size = match exponent {
        e if e == (1 << exponent_bits) - 1 && fraction == 0.0 => f64::INFINITY,
        e if e == (1 << exponent_bits) - 1 => f64::NAN,
        0 => fraction * f64::powi(2.0, 1 - bias),
        e => (1.0 + fraction) * f64::powi(2.0, e - bias),
    };
    if bits >> 15 == 1 { -size } else { size }
}

fn key(value: &AttrValue) -> Key {
    use AttrValue as V;
    let float = |v: f64| if v.is_nan() { Key::Nan } else { Key::Float(v) };
    match value {
        V::Bool(v) => Key::Number(i128::from(*v)),
        V::Int8(v) => Key::Number(i128::from(*v)),
        V::Int16(v) => Key::Number(i128::from(*v)),
        V::Int32(v) => Key::Number(i128::from(*v)),
        V::Int64(v) => Key::Number(i128::from(*v)),
        V::UInt8(v) => Key::Number(i128::from(*v)),
        V::UInt16(v) => Key::Number(i128::from(*v)),
        V::UInt32(v) => Key::Number(i128::from(*v)),
        V::UInt64(v) => Key::Number(i128::from(*v)),
        V::DateTime64(i64::MIN, _) | V::TimeDelta64(i64::MIN, _) => Key::Nan,
        V::DateTime64(v, _) | V::TimeDelta64(v, _) => Key::Number(i128::from(*v)),
        V::Float16(v) => float(half_to_f64(*v, 5)),
        V::BFloat16(v) => float(half_to_f64(*v, 8)),
        V::Float32(v) => float(f64::from(*v)),
        V::Float64(v) => float(*v),
        other => panic!("{other:?} is no number"),
    }
}

impl Naive {
    fn key(&self, element: &[u8]) -> Key {
        match self.dtype {
            DType::FixedBytes(_) => Key::Bytes(trim(element.to_vec())),
            DType::FixedString(_) => {
                let chars = element
                    .chunks(4)
                    .map(|c| u32::from_le_bytes(c.try_into().unwrap()));
                Key::Chars(trim(chars.collect()))
            }
            DType::String | DType::Bytes => Key::Bytes(element.to_vec()),
            number => key(&decode_scalar(number, element).unwrap()),
        }
    }

    fn fill_key(&self) -> Option<Key> {
        self.fill.as_ref().map(|fill| match (self.dtype, fill) {
            (DType::FixedString(_), AttrValue::String(text)) => {
                Key::Chars(trim(text.chars().map(u32::from).collect()))
            }
            (DType::FixedBytes(_), AttrValue::Bytes(bytes)) => Key::Bytes(trim(bytes.clone())),
            (_, AttrValue::String(text)) => Key::Bytes(text.clone().into_bytes()),
            (_, AttrValue::Bytes(bytes)) => Key::Bytes(bytes.clone()),
            (_, number) => key(number),
        })
    }

    /// Fails unless `stats` are true, and as narrow as they say.
    fn check(&self, stats: &ArrayStats) {
        let (mut nulls, mut nans, mut fills) = (0, 0, 0);
        let mut counted = Vec::new();
        for (at, element) in self.elements.iter().enumerate() {
            let found = self.key(element);
            if self.present.as_ref().is_some_and(|bits| !bits[at]) {
                nulls += 1;
            } else if found == Key::Nan {
                nans += 1;
            } else if Some(&found) == self.fill_key().as_ref() {
                fills += 1;
            } else {
                counted.push(found);
            }
        }
        let counts = (self.elements.len() as u64, nulls, nans, fills);
        assert_eq!((stats.count, stats.nulls, stats.nans, stats.fills), counts);
        let bounds = [
            (&stats.min, stats.min_exact, Ordering::Less),
            (&stats.max, stats.max_exact, Ordering::Greater),
        ];
        for (bound, exact, side) in bounds {
            let best = counted.iter().cloned().reduce(|a, b| {
                if b.partial_cmp(&a) == Some(side) {
                    b
                } else {
                    a
                }
            });
            let (Some(bound), Some(best)) = (bound, &best) else {
                assert!(
                    bound.is_none() && (best.is_none() || side.is_gt()),
                    "{best:?}"
                );
                assert_eq!(exact, best.is_none());
                continue;
            };
            let bound = match (self.dtype, bound) {
                (DType::FixedString(_), AttrValue::String(text)) => {
                    assert!(text.len() <= MAX_TEXT);
                    Key::Chars(text.chars().map(u32::from).collect())
                }
                (DType::String, AttrValue::String(text)) => {
                    assert!(text.len() <= MAX_TEXT);
                    Key::Bytes(text.clone().into_bytes())
                }
                (DType::Bytes | DType::FixedBytes(_), AttrValue::Bytes(bytes)) => {
                    assert!(bytes.len() <= MAX_TEXT);
                    Key::Bytes(bytes.clone())
                }
                (dtype, number) => {
                    assert_eq!(number.dtype(), Some(dtype));
                    key(number)
                }
            };
            let expected = if exact { Ordering::Equal } else { side };
            assert_eq!(
                bound.partial_cmp(best),
                Some(expected),
                "{bound:?} {best:?}"
            );
        }
    }

    fn stats(&self, wide: bool, given: bool) -> ArrayStats {
        let data = self.elements.concat();
        let mut ends = vec![0_u64];
        for element in &self.elements {
            ends.push(ends.last().unwrap() + element.len() as u64);
        }
        let stored: Vec<u8> = if wide {
            ends.iter().flat_map(|end| end.to_le_bytes()).collect()
        } else {
            ends.iter()
                .flat_map(|end| (*end as u32).to_le_bytes())
                .collect()
        };
        let bits = self.present.as_ref().map(|present| {
            let mut bits = vec![0_u8; present.len().div_ceil(8)];
            for (at, is) in present.iter().enumerate() {
                bits[at / 8] |= u8::from(*is) << (at % 8);
            }
            bits
        });
        let ends = match (self.dtype.item_size(), given) {
            (Some(_), _) => Ends::None,
            (None, true) => Ends::Given(&ends),
            (None, false) => Ends::Stored(&stored),
        };
        ArrayStats::of(
            self.dtype,
            self.elements.len() as u64,
            &data,
            ends,
            bits.as_deref(),
            self.fill.as_ref(),
        )
        .unwrap()
    }
}

/// Elements of few values among many, so that fills, NaN and equal ones are met.
fn element(dtype: DType) -> BoxedStrategy<Vec<u8>> {
    let bytes = |len: usize| prop::collection::vec(any::<u8>(), len);
    let edge = |len: usize| {
        prop::collection::vec(
            prop_oneof![
                Just(0_u8),
                Just(0x80),
                Just(0xff),
                Just(0x7f),
                Just(0x7e),
                Just(1)
            ],
            len,
        )
    };
    match dtype {
        DType::Bool => (0..2_u8).prop_map(|v| vec![v]).boxed(),
        DType::String => prop_oneof![
            "[a-c]{0,3}",
            "[a-b\u{7f}\u{d7ff}\u{10ffff}]{20,90}",
            "\u{10ffff}{15,20}",
        ]
        .prop_map(String::into_bytes)
        .boxed(),
        DType::Bytes => prop_oneof![
            edge(2),
            (0..90_usize).prop_flat_map(edge),
            Just(vec![0xff; 70])
        ]
        .boxed(),
        DType::FixedString(n) => {
            let char = prop_oneof![
                Just(0),
                Just(0x61),
                Just(0xd7ff),
                Just(0x10_ffff),
                Just(0xd800),
                any::<u32>()
            ];
            prop::collection::vec(char, n as usize)
                .prop_map(|chars| chars.iter().flat_map(|c| c.to_le_bytes()).collect())
                .boxed()
        }
        fixed => {
            let width = fixed.item_size().unwrap();
            prop_oneof![bytes(width), edge(width)].boxed()
        }
    }
}

fn fill_of(dtype: DType, element: &[u8]) -> AttrValue {
    match dtype {
        DType::FixedBytes(_) => AttrValue::Bytes(element.to_vec()),
        DType::FixedString(_) => {
            let chars = element
                .chunks(4)
                .map(|c| u32::from_le_bytes(c.try_into().unwrap()));
            AttrValue::String(chars.filter_map(char::from_u32).collect())
        }
        other => decode_scalar(other, element).unwrap(),
    }
}

fn naive() -> impl Strategy<Value = Naive> {
    (
        prop::sample::select(DTYPES.to_vec()),
        0..40_usize,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_flat_map(|(dtype, count, masked, filled)| {
            // Some repeat, so that blocks are filled.
            let elements = prop::collection::vec(element(dtype), count).prop_flat_map(|few| {
                (Just(few), 1..12_usize).prop_map(|(few, times)| vec![few; times].concat())
            });
            elements.prop_flat_map(move |elements| {
                let present = prop::collection::vec(prop::bool::weighted(0.8), elements.len());
                let fill = (element(dtype), any::<prop::sample::Index>()).prop_map({
                    let elements = elements.clone();
                    move |(other, at)| {
                        let element = if elements.is_empty() {
                            &other
                        } else {
                            at.get(&elements)
                        };
                        filled.then(|| fill_of(dtype, element))
                    }
                });
                (Just(elements), present, fill).prop_map(move |(elements, present, fill)| Naive {
                    dtype,
                    elements,
                    present: masked.then_some(present),
                    fill,
                })
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn statistics_are_those_of_looking_at_each_element(array in naive(), wide: bool, given: bool) {
        let stats = array.stats(wide, given);
        array.check(&stats);
        let mut bytes = Vec::new();
        stats.encode(&mut bytes);
        let count = stats.count;
        prop_assert!(bytes.len() <= 155);
        prop_assert_eq!(ArrayStats::decode(array.dtype, count, &bytes), Ok(stats));
    }

    #[test]
    fn merged_statistics_are_those_of_the_whole(array in naive(), at: prop::sample::Index) {
        let cut = if array.elements.is_empty() { 0 } else { at.index(array.elements.len()) };
        let part = |range: std::ops::Range<usize>| Naive {
            elements: array.elements[range.clone()].to_vec(),
            present: array.present.as_ref().map(|bits| bits[range].to_vec()),
            ..array.clone()
        };
        let (a, b) = (part(0..cut), part(cut..array.elements.len()));
        let (a, b) = (a.stats(false, true), b.stats(false, true));
        array.check(&a.clone().merge(&b));
        prop_assert_eq!(a.clone().merge(&b), b.merge(&a));
    }

    #[test]
    fn bytes_of_strangers_are_statistics_or_a_defect(
        dtype in prop::sample::select(DTYPES.to_vec()),
        flags in 0..128_u8,
        count in prop_oneof![0..9_u64, any::<u64>()],
        rest in prop::collection::vec(prop_oneof![9 => Just(0_u8), 1 => any::<u8>()], 0..60),
    ) {
        let bytes = [vec![flags], rest].concat();
        if let Ok(stats) = ArrayStats::decode(dtype, count, &bytes) {
            let mut again = Vec::new();
            stats.encode(&mut again);
            prop_assert_eq!(ArrayStats::decode(dtype, count, &again), Ok(stats));
        }
    }
}

#[test]
fn what_has_no_order_has_no_statistics() {
    for dtype in [
        DType::Complex64,
        DType::Complex128,
        DType::Float8E4M3,
        DType::Float8E5M2,
    ] {
        assert_eq!(
            ArrayStats::of(dtype, 1, &[0; 16], Ends::None, None, None),
            None
        );
        let bound = [vec![1], vec![0; dtype.item_size().unwrap()]].concat();
        assert!(ArrayStats::decode(dtype, 0, &[0]).is_ok());
        assert!(ArrayStats::decode(dtype, 1, &bound).is_err());
    }
}

#[test]
fn a_zero_has_no_sign_in_statistics() {
    let zeros: Vec<u8> = [-0.0_f32, -0.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let stats = ArrayStats::of(DType::Float32, 2, &zeros, Ends::None, None, None).unwrap();
    let Some(AttrValue::Float32(min)) = stats.min else {
        panic!("{stats:?}");
    };
    assert!(min == 0.0 && min.is_sign_positive());
    let fill = AttrValue::Float32(0.0);
    let stats = ArrayStats::of(DType::Float32, 2, &zeros, Ends::None, None, Some(&fill)).unwrap();
    assert_eq!((stats.fills, stats.min), (2, None));
}

#[test]
fn one_text_is_an_array_of_no_axis() {
    let info = FieldInfo {
        codec: None,
        chunked: false,
        name: String::new(),
        dtype: DType::String,
        dims: Vec::new(),
        fill_value: None,
        attrs: crate::Attrs::new(),
    };
    let view = crate::ArrayView::new(&info, &[], b"abc", None, None);
    let stats = view.stats().unwrap();
    assert_eq!((stats.count, stats.min_exact), (1, true));
    assert_eq!(
        (stats.min, stats.max),
        (Some("abc".into()), Some("abc".into()))
    );
}

#[test]
fn the_bytes_of_statistics_are_these() {
    let data: Vec<u8> = [3.0_f32, f32::NAN, -1.5]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let stats = ArrayStats::of(DType::Float32, 3, &data, Ends::None, None, None).unwrap();
    let mut bytes = Vec::new();
    stats.encode(&mut bytes);
    let expected = [
        &[0x23][..],
        &[1, 0, 0, 0, 0, 0, 0, 0],
        &[0, 0, 0xc0, 0xbf],
        &[0, 0, 0x40, 0x40],
    ];
    assert_eq!(bytes, expected.concat());
}

#[test]
fn statistics_that_cannot_be_are_a_defect() {
    let int8 = |count: u64, bytes: &[u8]| {
        ArrayStats::decode(DType::Int8, count, bytes)
            .unwrap_err()
            .to_string()
    };
    let count = |n: u8| [n, 0, 0, 0, 0, 0, 0, 0];
    let cases = [
        (1, vec![0x80], "flags of statistics is 128"),
        (1, vec![5, 0], "flags of statistics is 5"),
        (
            1,
            [vec![0x10], count(2).to_vec()].concat(),
            "do not count in statistics is 2",
        ),
        (
            1,
            [vec![0x30], vec![0xff; 16]].concat(),
            "18446744073709551615",
        ),
        (1, vec![0], "count for a bound of statistics is 1"),
        (0, vec![3, 1, 1], "count for a bound of statistics is 0"),
        (1, vec![3, 2, 1], "min is beyond their max"),
        (1, vec![3, 1, 1, 0], "after the end"),
        (1, vec![3, 1], "needs 3 bytes, 2 are there"),
    ];
    for (count, bytes, message) in cases {
        let found = int8(count, &bytes);
        assert!(found.contains(message), "{found}");
    }
    let long = [vec![1], vec![65], vec![0; 65]].concat();
    assert!(
        ArrayStats::decode(DType::Bytes, 1, &long)
            .unwrap_err()
            .to_string()
            .contains("65")
    );
    let nan = [3, 0, 0, 0xc0, 0x7f, 0, 0, 0xc0, 0x7f];
    assert!(ArrayStats::decode(DType::Float32, 1, &nan).is_err());
}

#[test]
#[ignore = "a measurement: cargo test --release -p arraylog --lib stats -- --ignored --nocapture"]
fn speed_of_statistics() {
    use std::io::Write as _;
    let data: Vec<u8> = (0..1_048_576_u32)
        .flat_map(|i| ((i.wrapping_mul(2_654_435_761) >> 9) as f32).to_le_bytes())
        .collect();
    let fill = AttrValue::Float32(7.0);
    let mut bits = vec![0xff; data.len() / 8];
    let report = |what: &str, dtype: DType, fill: Option<&AttrValue>, bits: Option<&[u8]>| {
        let count = (data.len() / dtype.item_size().unwrap()) as u64;
        let best = (0..50)
            .map(|_| {
                let start = std::time::Instant::now();
                std::hint::black_box(ArrayStats::of(dtype, count, &data, Ends::None, bits, fill));
                start.elapsed()
            })
            .min()
            .unwrap();
        let speed = data.len() as f64 / best.as_secs_f64() / 1e9;
        writeln!(std::io::stderr(), "{what} {dtype}: {speed:.1} GB/s").unwrap();
    };
    for dtype in DTYPES
        .iter()
        .filter(|dtype| dtype.item_size().is_some_and(|n| n > 0))
    {
        report("plain", *dtype, None, None);
    }
    report("with a fill value", DType::Float32, Some(&fill), None);
    report("masked, none missing", DType::Float32, None, Some(&bits));
    bits.iter_mut().step_by(50).for_each(|byte| *byte = 0x7f);
    let holes = bits.clone();
    report("masked, some missing", DType::Float32, None, Some(&holes));
}
