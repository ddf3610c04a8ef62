//! Statistics: what the elements of one array are like.
//!
//! ```text
//!  0  u8   flags: 1 a min follows, 2 a max follows, 4 the min is a bound that is no
//!          element, 8 the max is one, 16 / 32 / 64 a number of nulls / NaNs / fills
//!  1  u64  for each of the flags 16, 32, 64: that number, which is not 0
//!          min, max: a number in its width; text and bytes: u8 length, at most 64, the bytes
//! ```
//!
//! * Integers are little-endian. How min and max are to be read follows from the dtype
//!   of the array: `S<n>` has them as bytes, `U<n>` as UTF-8, both without the zeros at
//!   the end.
//! * Without min or max either no element counts for them, or flag 4 or 8 says that no
//!   bound is known. These flags stand with text and bytes alone.
//! * How many elements there are is known of the array.
//! * At most 155 bytes; 9 for a float32 of which all elements count.
mod encoding;
mod numbers;
mod texts;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use self::numbers::{Number, Short, Spread, Time};
use super::encoding::encode_scalar;
use super::{AttrValue, DType, FieldInfo};

/// Most bytes of a min or max that is text or bytes.
const MAX_TEXT: usize = 64;

/// What the elements of an array are like.
///
/// For min and max count the elements that are not masked, not NaN or NaT, and not equal
/// to the fill value. Each element is one of these five kinds.
///
/// * Numbers compare as IEEE has it; a zero is given as +0.0, whatever its sign.
///   A fill value of 0.0 is equal to -0.0, one of NaN to nothing.
/// * `false` is less than `true`.
/// * Text compares by code points, bytes by their values. `U<n>` is given as text and
///   `S<n>` as bytes, without the zeros at their end. Of more than 64 bytes the first are
///   given as the min, and as the max something short that is greater: `min_exact`,
///   `max_exact` are false then.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ArrayStats {
    /// All elements.
    pub count: u64,
    /// Masked elements.
    pub nulls: u64,
    /// NaN or NaT, and not masked.
    pub nans: u64,
    /// Equal to the fill value, and not masked.
    pub fills: u64,
    /// No element that counts is less. `None` if none counts, or with `min_exact` false if
    /// no bound is known.
    pub min: Option<AttrValue>,
    /// No element that counts is greater. `None` as with `min`.
    pub max: Option<AttrValue>,
    /// Whether `min` is one of the elements, and not only below them.
    pub min_exact: bool,
    /// Whether `max` is one of the elements, and not only above them.
    pub max_exact: bool,
}

/// Where the elements of any length end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ends<'a> {
    /// There is one element, all of the data, or they are of fixed width.
    None,
    /// Offsets as they are stored: u32 or u64, which of them follows from their number.
    Stored(&'a [u8]),
    /// Offsets as they are given to be stored.
    Given(&'a [u64]),
}

impl ArrayStats {
    /// The statistics of `count` elements. `None` for dtypes that have none: complex
    /// numbers, which have no order, and the floats of 8 bits.
    ///
    /// `validity` are bits, set = present; elements beyond them are present. Data that is
    /// too short for `count`, of a damaged array, counts as far as it goes.
    ///
    /// Cost: one pass over the data, at the speed of memory for numbers without a mask.
    pub(crate) fn of(
        dtype: DType,
        count: u64,
        data: &[u8],
        ends: Ends<'_>,
        validity: Option<&[u8]>,
        fill: Option<&AttrValue>,
    ) -> Option<Self> {
        let of = Plain {
            data,
            validity,
            fill,
        };
        // As many lanes as fill four registers of 16 bytes; of integers without an
        // instruction for the lower of two, eight are a third faster.
        Some(match dtype {
            DType::Bool => of.stats::<u8, 1, 64>(|v| AttrValue::Bool(v != 0)),
            DType::Int8 => of.stats::<i8, 1, 64>(AttrValue::Int8),
            DType::Int16 => of.stats::<i16, 2, 32>(AttrValue::Int16),
            DType::Int32 => of.stats::<i32, 4, 32>(AttrValue::Int32),
            DType::Int64 => of.stats::<i64, 8, 8>(AttrValue::Int64),
            DType::UInt8 => of.stats::<u8, 1, 64>(AttrValue::UInt8),
            DType::UInt16 => of.stats::<u16, 2, 32>(AttrValue::UInt16),
            DType::UInt32 => of.stats::<u32, 4, 32>(AttrValue::UInt32),
            DType::UInt64 => of.stats::<u64, 8, 8>(AttrValue::UInt64),
            DType::Float16 => {
                of.stats::<Short<FLOAT16>, 2, 32>(|v| AttrValue::Float16(v.to_bits()))
            }
            DType::BFloat16 => {
                of.stats::<Short<BFLOAT16>, 2, 32>(|v| AttrValue::BFloat16(v.to_bits()))
            }
            // -0.0 + 0.0 is +0.0, and nothing else changes.
            DType::Float32 => of.stats::<f32, 4, 16>(|v| AttrValue::Float32(v + 0.0)),
            DType::Float64 => of.stats::<f64, 8, 8>(|v| AttrValue::Float64(v + 0.0)),
            DType::DateTime64(unit) => of.stats::<Time, 8, 8>(|v| AttrValue::DateTime64(v.0, unit)),
            DType::TimeDelta64(unit) => {
                of.stats::<Time, 8, 8>(|v| AttrValue::TimeDelta64(v.0, unit))
            }
            DType::FixedBytes(_) | DType::FixedString(_) | DType::String | DType::Bytes => {
                texts::stats(dtype, count, data, ends, validity, fill)
            }
            DType::Complex64 | DType::Complex128 | DType::Float8E4M3 | DType::Float8E5M2 => {
                return None;
            }
        })
    }

    /// The statistics of one element of an array; missing, if `masked`.
    pub(crate) fn of_one(info: &FieldInfo, element: &[u8], masked: bool) -> Option<Self> {
        let validity: Option<&[u8]> = masked.then_some(&[0]);
        let fill = info.fill_value.as_ref();
        Self::of(info.dtype, 1, element, Ends::None, validity, fill)
    }

    /// The statistics of so many of the one element that these are of.
    #[must_use]
    pub(crate) fn repeated(self, times: u64) -> Self {
        Self {
            count: self.count.saturating_mul(times),
            nulls: self.nulls.saturating_mul(times),
            nans: self.nans.saturating_mul(times),
            fills: self.fills.saturating_mul(times),
            ..self
        }
    }

    /// The statistics of both parts of one array together.
    #[must_use]
    pub(crate) fn merge(self, other: &Self) -> Self {
        let (min, min_exact) = first_of(
            (self.min, self.min_exact),
            (other.min.clone(), other.min_exact),
            Ordering::Less,
        );
        let (max, max_exact) = first_of(
            (self.max, self.max_exact),
            (other.max.clone(), other.max_exact),
            Ordering::Greater,
        );
        Self {
            count: self.count.saturating_add(other.count),
            nulls: self.nulls.saturating_add(other.nulls),
            nans: self.nans.saturating_add(other.nans),
            fills: self.fills.saturating_add(other.fills),
            min,
            max,
            min_exact,
            max_exact,
        }
    }

    /// Elements that count for min and max.
    fn counted(&self) -> u64 {
        self.count
            .saturating_sub(self.nulls)
            .saturating_sub(self.nans)
            .saturating_sub(self.fills)
    }
}

/// Bits of infinity.
const FLOAT16: i16 = 0x7c00;
const BFLOAT16: i16 = 0x7f80;

/// A bound, and whether it is an element.
type Bound = (Option<AttrValue>, bool);

/// Of two bounds the one that is `wanted` beside the other.
fn first_of(a: Bound, b: Bound, wanted: Ordering) -> Bound {
    match (a, b) {
        // Of one part no bound is known.
        ((None, false), _) | (_, (None, false)) => (None, false),
        ((None, true), known) | (known, (None, true)) => known,
        ((Some(a), a_exact), (Some(b), b_exact)) => match order(&a, &b) {
            None => (None, false),
            // Elements lie strictly beyond a bound that is none: the other one is it.
            Some(Ordering::Equal) => (Some(a), a_exact || b_exact),
            Some(found) if found == wanted => (Some(a), a_exact),
            Some(_) => (Some(b), b_exact),
        },
    }
}

/// The order of two bounds of one dtype; `None` if they are of two.
fn order(a: &AttrValue, b: &AttrValue) -> Option<Ordering> {
    use AttrValue as V;
    match (a, b) {
        (V::Bool(a), V::Bool(b)) => Some(a.cmp(b)),
        (V::Int8(a), V::Int8(b)) => Some(a.cmp(b)),
        (V::Int16(a), V::Int16(b)) => Some(a.cmp(b)),
        (V::Int32(a), V::Int32(b)) => Some(a.cmp(b)),
        (V::Int64(a), V::Int64(b)) => Some(a.cmp(b)),
        (V::UInt8(a), V::UInt8(b)) => Some(a.cmp(b)),
        (V::UInt16(a), V::UInt16(b)) => Some(a.cmp(b)),
        (V::UInt32(a), V::UInt32(b)) => Some(a.cmp(b)),
        (V::UInt64(a), V::UInt64(b)) => Some(a.cmp(b)),
        (V::Float16(a), V::Float16(b)) => order_short::<FLOAT16>(*a, *b),
        (V::BFloat16(a), V::BFloat16(b)) => order_short::<BFLOAT16>(*a, *b),
        (V::Float32(a), V::Float32(b)) => a.partial_cmp(b),
        (V::Float64(a), V::Float64(b)) => a.partial_cmp(b),
        (V::DateTime64(a, x), V::DateTime64(b, y))
        | (V::TimeDelta64(a, x), V::TimeDelta64(b, y))
            if x == y =>
        {
            Some(a.cmp(b))
        }
        (V::String(a), V::String(b)) => Some(a.cmp(b)),
        (V::Bytes(a), V::Bytes(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn order_short<const INFINITY: i16>(a: u16, b: u16) -> Option<Ordering> {
    let (a, b) = (
        Short::<INFINITY>::from_bits(a),
        Short::<INFINITY>::from_bits(b),
    );
    (!a.is_nan() && !b.is_nan()).then(|| a.cmp(&b))
}

/// Elements of a plain number.
struct Plain<'a> {
    data: &'a [u8],
    validity: Option<&'a [u8]>,
    fill: Option<&'a AttrValue>,
}

impl Plain<'_> {
    fn stats<T: Number<W>, const W: usize, const LANES: usize>(
        &self,
        value: impl Fn(T) -> AttrValue,
    ) -> ArrayStats {
        let mut fill = Vec::new();
        if let Some(given) = self.fill {
            encode_scalar(given, &mut fill);
        }
        let fill = fill.first_chunk().map(|bytes| T::load(*bytes));
        let (items, _) = self.data.as_chunks();
        let (spread, nulls) = match self.validity {
            None => (Spread::of::<W, LANES>(items, fill), 0),
            Some(bits) => Spread::of_masked::<W, LANES>(items, bits, fill),
        };
        let mut stats = ArrayStats {
            count: items.len() as u64,
            nulls,
            nans: spread.nans,
            fills: spread.fills,
            min: None,
            max: None,
            min_exact: true,
            max_exact: true,
        };
        if stats.counted() > 0 {
            stats.min = Some(value(spread.low));
            stats.max = Some(value(spread.high));
        }
        stats
    }
}
