//! Statistics as bytes; the layout stands with the module above.
use super::{ArrayStats, MAX_TEXT, order};
use crate::array::cursor::Cursor;
use crate::array::encoding::{decode_scalar, encode_scalar};
use crate::array::{AttrValue, DType};
use crate::format::Defect;

const MIN: u8 = 1;
const MAX: u8 = 2;
const MIN_BOUND: u8 = 4;
const MAX_BOUND: u8 = 8;
const NULLS: u8 = 16;
const NANS: u8 = 32;
const FILLS: u8 = 64;
const KNOWN: u8 = MIN | MAX | MIN_BOUND | MAX_BOUND | NULLS | NANS | FILLS;

impl ArrayStats {
    /// Appends the bytes, at most 155.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let counts = [(NULLS, self.nulls), (NANS, self.nans), (FILLS, self.fills)];
        let mut flags = 0;
        for (flag, set) in [
            (MIN, self.min.is_some()),
            (MAX, self.max.is_some()),
            (MIN_BOUND, !self.min_exact),
            (MAX_BOUND, !self.max_exact),
        ]
        .into_iter()
        .chain(counts.map(|(flag, count)| (flag, count > 0)))
        {
            flags |= if set { flag } else { 0 };
        }
        out.push(flags);
        for (_, count) in counts.iter().filter(|(_, count)| *count > 0) {
            out.extend(count.to_le_bytes());
        }
        for bound in self.min.iter().chain(&self.max) {
            match bound {
                AttrValue::String(text) => out.push(text.len() as u8),
                AttrValue::Bytes(bytes) => out.push(bytes.len() as u8),
                _ => {}
            }
            encode_scalar(bound, out);
        }
    }

    /// The statistics of an array of `dtype` and `count` elements that `bytes` are, all of
    /// them.
    ///
    /// Total: every input gives statistics that may be those of some array, or a defect.
    pub(crate) fn decode(dtype: DType, count: u64, bytes: &[u8]) -> Result<Self, Defect> {
        let mut from = Cursor::new("statistics of an array", bytes);
        let flags = from.u8()?;
        let has = |flag: u8| flags & flag != 0;
        let is_text = matches!(
            dtype,
            DType::String | DType::Bytes | DType::FixedBytes(_) | DType::FixedString(_)
        );
        if flags & !KNOWN != 0 || (!is_text && (has(MIN_BOUND) || has(MAX_BOUND))) {
            return Err(Defect::Field {
                what: "flags of statistics",
                found: u64::from(flags),
                expected: "a sum of 1, 2, 16, 32 and 64, of text 4 and 8 too",
            });
        }
        let mut number = |flag| {
            if has(flag) {
                take(&mut from).map(u64::from_le_bytes)
            } else {
                Ok(0)
            }
        };
        let (nulls, nans, fills) = (number(NULLS)?, number(NANS)?, number(FILLS)?);
        let mut bound = |flag| {
            has(flag)
                .then(|| decode_bound(dtype, &mut from))
                .transpose()
        };
        let (min, max) = (bound(MIN)?, bound(MAX)?);
        from.end()?;
        let stats = Self {
            count,
            nulls,
            nans,
            fills,
            min,
            max,
            min_exact: !has(MIN_BOUND),
            max_exact: !has(MAX_BOUND),
        };
        stats.check()?;
        Ok(stats)
    }

    /// Whether there can be such an array.
    fn check(&self) -> Result<(), Defect> {
        let others = self
            .nulls
            .checked_add(self.nans)
            .and_then(|sum| sum.checked_add(self.fills));
        if others.is_none_or(|others| others > self.count) {
            return Err(Defect::Field {
                what: "number of elements that do not count in statistics",
                found: others.unwrap_or(u64::MAX),
                expected: "at most that of all",
            });
        }
        let counted = self.counted();
        for (bound, exact) in [(&self.min, self.min_exact), (&self.max, self.max_exact)] {
            if bound.is_some() != (counted > 0) && (exact || counted == 0) {
                return Err(Defect::Field {
                    what: "elements that count for a bound of statistics",
                    found: counted,
                    expected: "some, exactly if the bound is there or is not known",
                });
            }
        }
        match (&self.min, &self.max) {
            (Some(min), Some(max)) if order(min, max).is_none_or(|order| order.is_gt()) => {
                Err(Defect::Field {
                    what: "elements whose min is beyond their max in statistics",
                    found: counted,
                    expected: "0",
                })
            }
            _ => Ok(()),
        }
    }
}

fn take<const N: usize>(from: &mut Cursor<'_>) -> Result<[u8; N], Defect> {
    let bytes = from.take(N)?;
    bytes.first_chunk().copied().ok_or(Defect::Truncated {
        what: "statistics of an array",
        need: N as u64,
        have: bytes.len() as u64,
    })
}

fn decode_bound(dtype: DType, from: &mut Cursor<'_>) -> Result<AttrValue, Defect> {
    let (scalar, len) = match dtype {
        DType::FixedString(_) | DType::String => (DType::String, text_len(from)?),
        DType::FixedBytes(_) | DType::Bytes => (DType::Bytes, text_len(from)?),
        number => (number, number.item_size().unwrap_or(0)),
    };
    let value = decode_scalar(scalar, from.take(len)?)?;
    // NaN alone is in no order with itself; nor is what has no statistics.
    let is_nat = matches!(
        value,
        AttrValue::DateTime64(i64::MIN, _) | AttrValue::TimeDelta64(i64::MIN, _)
    );
    if is_nat || order(&value, &value).is_none() {
        return Err(Defect::Field {
            what: "bound of statistics without an order, of width",
            found: len as u64,
            expected: "no NaN, no NaT, no complex number and no float8",
        });
    }
    Ok(value)
}

fn text_len(from: &mut Cursor<'_>) -> Result<usize, Defect> {
    let len = usize::from(from.u8()?);
    if len <= MAX_TEXT {
        return Ok(len);
    }
    Err(Defect::Field {
        what: "length of a bound of statistics",
        found: len as u64,
        expected: "at most 64",
    })
}
