//! Element types: their names, their codes in the format, their Rust types.
use std::fmt;

use super::cursor::Cursor;
use super::limits::MAX_ITEM;
use crate::format::Defect;

/// Unit of a datetime64 or timedelta64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TimeUnit {
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
}

/// Units by their code in the format, which is the place in this list.
const UNITS: [(TimeUnit, &str); 13] = [
    (TimeUnit::Year, "Y"),
    (TimeUnit::Month, "M"),
    (TimeUnit::Week, "W"),
    (TimeUnit::Day, "D"),
    (TimeUnit::Hour, "h"),
    (TimeUnit::Minute, "m"),
    (TimeUnit::Second, "s"),
    (TimeUnit::Millisecond, "ms"),
    (TimeUnit::Microsecond, "us"),
    (TimeUnit::Nanosecond, "ns"),
    (TimeUnit::Picosecond, "ps"),
    (TimeUnit::Femtosecond, "fs"),
    (TimeUnit::Attosecond, "as"),
];

impl TimeUnit {
    /// NumPy's abbreviation: "Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as".
    #[must_use]
    pub fn name(self) -> &'static str {
        UNITS.get(self as usize).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Type of the elements of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names say it")]
pub enum DType {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float16,
    Float32,
    Float64,
    /// The upper half of a float32: 8 bits of exponent, 7 of fraction.
    BFloat16,
    /// `float8_e4m3fn`: 4 bits of exponent, 3 of fraction, no infinities.
    Float8E4M3,
    /// `float8_e5m2`: 5 bits of exponent, 2 of fraction.
    Float8E5M2,
    Complex64,
    Complex128,
    /// Count of units since 1970-01-01; `i64::MIN` is NaT.
    DateTime64(TimeUnit),
    /// Count of units; `i64::MIN` is NaT.
    TimeDelta64(TimeUnit),
    /// `S<n>`: n bytes, zero padded.
    FixedBytes(u32),
    /// `U<n>`: n characters of 4 bytes each, zero padded.
    FixedString(u32),
    /// UTF-8 text of any length.
    String,
    /// Bytes of any length.
    Bytes,
}

/// Dtypes without parameter: code in the format, name, bytes of an element.
const PLAIN: [(DType, u8, &str, Option<u32>); 19] = [
    (DType::Bool, 1, "bool", Some(1)),
    (DType::Int8, 2, "int8", Some(1)),
    (DType::Int16, 3, "int16", Some(2)),
    (DType::Int32, 4, "int32", Some(4)),
    (DType::Int64, 5, "int64", Some(8)),
    (DType::UInt8, 6, "uint8", Some(1)),
    (DType::UInt16, 7, "uint16", Some(2)),
    (DType::UInt32, 8, "uint32", Some(4)),
    (DType::UInt64, 9, "uint64", Some(8)),
    (DType::Float16, 10, "float16", Some(2)),
    (DType::BFloat16, 21, "bfloat16", Some(2)),
    (DType::Float8E4M3, 22, "float8_e4m3fn", Some(1)),
    (DType::Float8E5M2, 23, "float8_e5m2", Some(1)),
    (DType::Float32, 11, "float32", Some(4)),
    (DType::Float64, 12, "float64", Some(8)),
    (DType::Complex64, 13, "complex64", Some(8)),
    (DType::Complex128, 14, "complex128", Some(16)),
    (DType::String, 19, "string", None),
    (DType::Bytes, 20, "bytes", None),
];
const DATETIME64: u8 = 15;
const TIMEDELTA64: u8 = 16;
const FIXED_BYTES: u8 = 17;
const FIXED_STRING: u8 = 18;

impl DType {
    /// Bytes of one element; `None` for `String` and `Bytes`.
    #[must_use]
    pub fn item_size(self) -> Option<usize> {
        self.item_bytes()
            .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// [`item_size`](Self::item_size) in the width of the format.
    pub(super) fn item_bytes(self) -> Option<u64> {
        match self {
            Self::DateTime64(_) | Self::TimeDelta64(_) => Some(8),
            Self::FixedBytes(n) => Some(u64::from(n)),
            Self::FixedString(n) => Some(u64::from(n).saturating_mul(4)),
            plain => plain.row().and_then(|row| row.3).map(u64::from),
        }
    }

    /// Whether an element is small enough to be stored.
    pub(super) fn fits(self) -> bool {
        self.item_bytes().is_none_or(|bytes| bytes <= MAX_ITEM)
    }

    fn row(self) -> Option<&'static (Self, u8, &'static str, Option<u32>)> {
        PLAIN.iter().find(|row| row.0 == self)
    }

    /// Appends the code (one byte) and the parameter: a byte for the unit, or
    /// four for a width.
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::DateTime64(unit) => out.extend([DATETIME64, unit as u8]),
            Self::TimeDelta64(unit) => out.extend([TIMEDELTA64, unit as u8]),
            Self::FixedBytes(n) => {
                out.push(FIXED_BYTES);
                out.extend(n.to_le_bytes());
            }
            Self::FixedString(n) => {
                out.push(FIXED_STRING);
                out.extend(n.to_le_bytes());
            }
            plain => out.push(plain.row().map_or(0, |row| row.1)),
        }
    }

    /// The dtype with this code; its parameter comes next in `from`.
    pub(super) fn decode(code: u8, from: &mut Cursor<'_>) -> Result<Self, Defect> {
        let dtype = match code {
            DATETIME64 => Self::DateTime64(decode_unit(from)?),
            TIMEDELTA64 => Self::TimeDelta64(decode_unit(from)?),
            FIXED_BYTES => Self::FixedBytes(from.u32()?),
            FIXED_STRING => Self::FixedString(from.u32()?),
            plain => match PLAIN.iter().find(|row| row.1 == plain) {
                Some(row) => row.0,
                None => {
                    return Err(Defect::Field {
                        what: "dtype code",
                        found: u64::from(plain),
                        expected: "1 to 23",
                    });
                }
            },
        };
        if dtype.fits() {
            return Ok(dtype);
        }
        Err(Defect::Field {
            what: "width of an element",
            found: dtype.item_bytes().unwrap_or(u64::MAX),
            expected: "at most 2,147,483,647 bytes",
        })
    }
}

/// The dtype of a code that has no parameter.
pub(crate) fn plain_dtype(code: u8) -> Option<DType> {
    let row = PLAIN.iter().find(|row| row.1 == code);
    row.map(|row| row.0)
}

fn decode_unit(from: &mut Cursor<'_>) -> Result<TimeUnit, Defect> {
    let code = from.u8()?;
    UNITS
        .get(usize::from(code))
        .map(|(unit, _)| *unit)
        .ok_or(Defect::Field {
            what: "code of a time unit",
            found: u64::from(code),
            expected: "0 to 12",
        })
}

impl fmt::Display for DType {
    /// `float32`, `datetime64[s]`, `S5`, `U7`, `string`, `bytes`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DateTime64(unit) => write!(f, "datetime64[{unit}]"),
            Self::TimeDelta64(unit) => write!(f, "timedelta64[{unit}]"),
            Self::FixedBytes(n) => write!(f, "S{n}"),
            Self::FixedString(n) => write!(f, "U{n}"),
            plain => f.write_str(plain.row().map_or("", |row| row.2)),
        }
    }
}

impl std::str::FromStr for DType {
    type Err = String;

    /// The names that `Display` writes, and no others.
    fn from_str(name: &str) -> Result<Self, String> {
        if let Some(row) = PLAIN.iter().find(|row| row.2 == name) {
            return Ok(row.0);
        }
        for (kind, make) in [
            ("datetime64", Self::DateTime64 as fn(TimeUnit) -> Self),
            ("timedelta64", Self::TimeDelta64),
        ] {
            if let Some(unit) = name.strip_prefix(kind) {
                return parse_unit(unit).map(make).ok_or_else(|| {
                    format!(
                        "{name:?} is not {kind} with a unit: write {kind}[u] with u one of {}",
                        unit_names()
                    )
                });
            }
        }
        for (prefix, make) in [
            ('S', Self::FixedBytes as fn(u32) -> Self),
            ('U', Self::FixedString),
        ] {
            if let Some(width) = name.strip_prefix(prefix).and_then(parse_width) {
                let dtype = make(width);
                return if dtype.fits() {
                    Ok(dtype)
                } else {
                    Err(format!(
                        "an element of {name} is longer than {MAX_ITEM} bytes"
                    ))
                };
            }
        }
        Err(format!("no dtype {name:?}; there are {}", all_names()))
    }
}

fn parse_unit(bracketed: &str) -> Option<TimeUnit> {
    let name = bracketed.strip_prefix('[')?.strip_suffix(']')?;
    UNITS.iter().find(|unit| unit.1 == name).map(|unit| unit.0)
}

fn parse_width(digits: &str) -> Option<u32> {
    // `u32::from_str` takes a sign, a dtype does not.
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

fn unit_names() -> String {
    UNITS.map(|(_, name)| name).join(" ")
}

fn all_names() -> String {
    let plain = PLAIN.map(|row| row.2).join(" ");
    format!(
        "{plain} datetime64[u] timedelta64[u] S<n> U<n>, u one of {}",
        unit_names()
    )
}

mod sealed {
    use zerocopy::{Immutable, IntoBytes, TryFromBytes};

    /// What it takes to lend stored bytes as numbers and numbers as bytes.
    pub trait Sealed: TryFromBytes + IntoBytes + Immutable {}
}

/// A Rust type that is an element type: the fixed-width numbers, `bool`,
/// [`Half`], [`BFloat16`], [`Float8E4M3`], [`Float8E5M2`], and `[re, im]` for complex
/// numbers. Sealed.
pub trait Element: sealed::Sealed + Copy + 'static {
    /// Its dtype.
    const DTYPE: DType;
}

/// Bits of an IEEE binary16, the element type of [`DType::Float16`].
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(transparent)]
pub struct Half(pub u16);

/// Bits of a bfloat16, the element type of [`DType::BFloat16`].
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(transparent)]
pub struct BFloat16(pub u16);

/// Bits of a float8_e4m3fn, the element type of [`DType::Float8E4M3`].
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(transparent)]
pub struct Float8E4M3(pub u8);

/// Bits of a float8_e5m2, the element type of [`DType::Float8E5M2`].
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(transparent)]
pub struct Float8E5M2(pub u8);

macro_rules! elements {
    ($($rust:ty => $dtype:ident),* $(,)?) => {$(
        impl sealed::Sealed for $rust {}
        impl Element for $rust {
            const DTYPE: DType = DType::$dtype;
        }
    )*};
}
elements! {
    bool => Bool, i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64,
    u8 => UInt8, u16 => UInt16, u32 => UInt32, u64 => UInt64,
    Half => Float16, BFloat16 => BFloat16, Float8E4M3 => Float8E4M3, Float8E5M2 => Float8E5M2, f32 => Float32, f64 => Float64, [f32; 2] => Complex64, [f64; 2] => Complex128,
}
