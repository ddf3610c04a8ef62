//! One version of an entry.
use crate::array::{ArrayView, Attrs, FieldInfo};
use crate::{Result, Value};

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Plain bytes.
    Value,
    /// Named arrays and attributes.
    Arrays,
}

/// One version of an entry: never changes, usable after the store was closed.
#[derive(Clone, Debug)]
pub struct Entry {}

impl Entry {
    /// The key.
    pub fn key(&self) -> &[u8] { unimplemented!() }
    /// Identifies this version among those of its key; grows with every write.
    pub fn version(&self) -> u64 { unimplemented!() }
    /// What the entry holds.
    pub fn kind(&self) -> Kind { unimplemented!() }
    /// The bytes of a plain value. `Error::Kind` if it holds arrays.
    pub fn value(&self) -> Result<Value> { unimplemented!() }
    /// Names of the arrays in the order written; empty for a value.
    pub fn names(&self) -> impl Iterator<Item = &str> + '_ { [].into_iter() }
    /// Number of arrays.
    pub fn len(&self) -> usize { unimplemented!() }
    /// Whether there is no array.
    pub fn is_empty(&self) -> bool { self.len() == 0 }
    /// The array called `name`. `Error::NotFound` (with the nearest name), `Error::Kind`, `Error::Corrupt`.
    pub fn array(&self, name: &str) -> Result<Array> { let _ = name; unimplemented!() }
    /// The array at `position` in the order written.
    pub fn array_at(&self, position: usize) -> Result<Array> { let _ = position; unimplemented!() }
    /// Attributes of the entry.
    pub fn attrs(&self) -> Result<Attrs> { unimplemented!() }
    /// Bytes of the record's value in the file.
    pub fn nbytes_stored(&self) -> u64 { unimplemented!() }
}

/// One array of one version of an entry; owns a reference to the bytes.
#[derive(Clone, Debug)]
pub struct Array {}

impl Array {
    /// Name, dtype, dims, fill value, attributes.
    pub fn info(&self) -> &FieldInfo { unimplemented!() }
    /// Length of each axis.
    pub fn shape(&self) -> &[u64] { unimplemented!() }
    /// Borrowed view of data, mask and shape (typed access: `view().as_slice::<T>()`).
    pub fn view(&self) -> ArrayView<'_> { unimplemented!() }
    /// Data bytes (fixed-width dtypes: C order, little-endian). For String/Bytes use `view()`.
    pub fn data(&self) -> &Value { unimplemented!() }
    /// Arrow validity bits (bit set = present), LSB first, if the array has a mask.
    pub fn validity(&self) -> Option<&Value> { unimplemented!() }
}
