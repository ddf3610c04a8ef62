//! Element types.

/// Unit of a datetime64 or timedelta64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum TimeUnit { Year, Month, Week, Day, Hour, Minute, Second, Millisecond, Microsecond, Nanosecond, Picosecond, Femtosecond, Attosecond }

/// Type of the elements of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum DType {
    Bool, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64,
    Float16, Float32, Float64, Complex64, Complex128,
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
impl DType {
    /// Bytes of one element; `None` for `String` and `Bytes`.
    #[must_use]
    pub fn item_size(self) -> Option<usize> { unimplemented!() }
}
impl std::fmt::Display for DType {
    /// "float32", "datetime64[s]", "S5", "U7", "string", "bytes".
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { unimplemented!() }
}
impl std::str::FromStr for DType {
    type Err = String;
    fn from_str(_s: &str) -> Result<Self, String> { unimplemented!() }
}
/// A Rust type that is an element type: the fixed-width numbers and bool-as-u8. Sealed.
pub trait Element: Copy + 'static {
    /// Its dtype.
    const DTYPE: DType;
}
