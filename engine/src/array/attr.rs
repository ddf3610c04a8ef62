//! Attributes: small typed values by name.
use super::encoding::encode_scalar;
use super::{DType, TimeUnit};

/// A scalar, list, 1-d array or mapping. Type and value round-trip exactly.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names say it")]
pub enum AttrValue {
    None,
    Bool(bool),
    Int8(i8),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    UInt8(u8),
    UInt16(u16),
    UInt32(u32),
    UInt64(u64),
    /// Bits of an IEEE binary16.
    Float16(u16),
    /// Bits of a bfloat16.
    BFloat16(u16),
    /// Bits of a float8_e4m3fn.
    Float8E4M3(u8),
    /// Bits of a float8_e5m2.
    Float8E5M2(u8),
    Float32(f32),
    Float64(f64),
    Complex64(f32, f32),
    Complex128(f64, f64),
    String(String),
    Bytes(Vec<u8>),
    DateTime64(i64, TimeUnit),
    TimeDelta64(i64, TimeUnit),
    /// 1-d typed array.
    Array(AttrArray),
    /// One element of a stated dtype, where the plain variant of that dtype is
    /// what a language calls its own: `numpy.int64(3)` beside the 3 of Python
    /// and JSON, which is [`Int64`](Self::Int64). `len` is 1.
    Scalar(AttrArray),
    /// Mixed list.
    List(Vec<AttrValue>),
    Map(Attrs),
}

impl AttrValue {
    /// Dtype of a plain scalar; `None` for nothing, stated scalars, arrays, lists and mappings.
    #[must_use]
    pub fn dtype(&self) -> Option<DType> {
        Some(match self {
            Self::Bool(_) => DType::Bool,
            Self::Int8(_) => DType::Int8,
            Self::Int16(_) => DType::Int16,
            Self::Int32(_) => DType::Int32,
            Self::Int64(_) => DType::Int64,
            Self::UInt8(_) => DType::UInt8,
            Self::UInt16(_) => DType::UInt16,
            Self::UInt32(_) => DType::UInt32,
            Self::UInt64(_) => DType::UInt64,
            Self::Float16(_) => DType::Float16,
            Self::BFloat16(_) => DType::BFloat16,
            Self::Float8E4M3(_) => DType::Float8E4M3,
            Self::Float8E5M2(_) => DType::Float8E5M2,
            Self::Float32(_) => DType::Float32,
            Self::Float64(_) => DType::Float64,
            Self::Complex64(..) => DType::Complex64,
            Self::Complex128(..) => DType::Complex128,
            Self::String(_) => DType::String,
            Self::Bytes(_) => DType::Bytes,
            Self::DateTime64(_, unit) => DType::DateTime64(*unit),
            Self::TimeDelta64(_, unit) => DType::TimeDelta64(*unit),
            Self::None | Self::Array(_) | Self::Scalar(_) | Self::List(_) | Self::Map(_) => {
                return None;
            }
        })
    }

    /// Appends the bytes that this scalar, plain or [stated](Self::Scalar), is as an element
    /// of an array, little-endian; its dtype. Appends nothing for any other value.
    pub fn append_to(&self, elements: &mut Vec<u8>) -> Option<DType> {
        if let Self::Scalar(stated) = self {
            elements.extend_from_slice(&stated.data);
            return Some(stated.dtype);
        }
        let dtype = self.dtype()?;
        encode_scalar(self, elements);
        Some(dtype)
    }

    /// What it is, for messages: a dtype, or "None", "an array", "a list", "a mapping".
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Self::None => "None".to_owned(),
            Self::Array(_) => "an array".to_owned(),
            Self::Scalar(scalar) => format!("a stated {}", scalar.dtype),
            Self::List(_) => "a list".to_owned(),
            Self::Map(_) => "a mapping".to_owned(),
            scalar => scalar.dtype().map_or_else(String::new, |d| d.to_string()),
        }
    }
}

macro_rules! from_scalars {
    ($($rust:ty => $variant:ident),* $(,)?) => {$(
        impl From<$rust> for AttrValue {
            fn from(value: $rust) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}
from_scalars! {
    bool => Bool, i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64,
    u8 => UInt8, u16 => UInt16, u32 => UInt32, u64 => UInt64,
    f32 => Float32, f64 => Float64, &str => String, String => String,
}

/// A 1-d array as an attribute: owned; fixed-width dtypes little-endian in `data`, `String`/`Bytes` with `offsets`.
#[derive(Clone, Debug, PartialEq)]
pub struct AttrArray {
    /// Type of the elements.
    pub dtype: DType,
    /// Number of elements.
    pub len: usize,
    /// The elements, back to back.
    pub data: Vec<u8>,
    /// `String` and `Bytes`: `len + 1` of them, the first 0; empty for other dtypes.
    pub offsets: Vec<u64>,
}

/// Attributes in the order written; names are unique.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attrs(Vec<(String, AttrValue)>);

impl Attrs {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// None, with room for `count`.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Sets one; replaces the value (not the place) of an earlier one of that name.
    pub fn set(&mut self, name: impl Into<String>, value: AttrValue) -> &mut Self {
        let name = name.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
        self
    }

    /// Takes one away; its value, if it was there. The others keep their order.
    pub fn remove(&mut self, name: &str) -> Option<AttrValue> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// One by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&AttrValue> {
        self.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttrValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Attributes whose names are known to be unique.
    pub(super) fn from_unique(pairs: Vec<(String, AttrValue)>) -> Self {
        Self(pairs)
    }
}

impl<N: Into<String>> FromIterator<(N, AttrValue)> for Attrs {
    /// As by [`set`](Self::set), one after the other.
    fn from_iter<I: IntoIterator<Item = (N, AttrValue)>>(pairs: I) -> Self {
        let mut attrs = Self::new();
        for (name, value) in pairs {
            attrs.set(name, value);
        }
        attrs
    }
}
