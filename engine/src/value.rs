//! Bytes of the store that keep their mapping alive.

/// A value, without a copy: bytes of the mapped file (or of memory).
///
/// Cloning counts a reference. The bytes stay valid and unchanged for as long
/// as any clone lives, whatever happens to the store: overwrites, compaction,
/// `close()`.
#[derive(Clone)]
pub struct Value(std::sync::Arc<[u8]>);

impl std::ops::Deref for Value {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}
impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({} bytes)", self.len())
    }
}
impl Value {
    /// The part `range` of these bytes, without a copy; `None` if it is not inside.
    #[must_use]
    pub fn slice(&self, range: std::ops::Range<usize>) -> Option<Self> {
        let _ = range;
        unimplemented!()
    }
}
impl From<Value> for bytes::Bytes {
    fn from(value: Value) -> Self {
        Self::from_owner(value)
    }
}
