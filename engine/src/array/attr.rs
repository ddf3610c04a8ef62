//! Attributes: small typed values by name.
use super::{DType, TimeUnit};

/// A scalar, list, 1-d array or mapping. Type and value round-trip exactly.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum AttrValue {
    None, Bool(bool), Int8(i8), Int16(i16), Int32(i32), Int64(i64), UInt8(u8), UInt16(u16), UInt32(u32), UInt64(u64),
    /// Bits of an IEEE binary16.
    Float16(u16),
    Float32(f32), Float64(f64), Complex64(f32, f32), Complex128(f64, f64),
    String(String), Bytes(Vec<u8>), DateTime64(i64, TimeUnit), TimeDelta64(i64, TimeUnit),
    /// 1-d typed array.
    Array(AttrArray),
    /// Mixed list.
    List(Vec<AttrValue>),
    Map(Attrs),
}
/// A 1-d array as an attribute: owned; fixed-width dtypes little-endian in `data`, `String`/`Bytes` with `offsets`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct AttrArray { pub dtype: DType, pub len: usize, pub data: Vec<u8>, pub offsets: Vec<u64> }

/// Attributes in the order written; names are unique.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attrs(Vec<(String, AttrValue)>);
impl Attrs {
    /// None.
    #[must_use]
    pub fn new() -> Self { Self::default() }
    /// Sets one; replaces the value (not the place) of an earlier one of that name.
    pub fn set(&mut self, name: impl Into<String>, value: AttrValue) -> &mut Self { let _ = (name.into(), value); unimplemented!() }
    /// One by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&AttrValue> { let _ = name; unimplemented!() }
    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttrValue)> { self.0.iter().map(|(n, v)| (n.as_str(), v)) }
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize { self.0.len() }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool { self.0.is_empty() }
}
