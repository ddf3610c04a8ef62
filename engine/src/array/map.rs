//! Attributes that stand on their own: those of a store, a collection, a partition.

use super::Attrs;
use super::cursor::Cursor;
use super::encoding::{check_size, decode_map, encode_map};
use crate::error::Result;
use crate::format::Defect;

/// The attributes of `owner` as a map. `Error::Invalid` names the attribute.
pub(crate) fn encode_attrs(attrs: &Attrs, owner: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    encode_map(attrs, &mut bytes, 0).map_err(|fault| fault.of(owner))?;
    check_size(bytes.len(), owner)?;
    Ok(bytes)
}

/// The attributes that `bytes` are, all of them.
pub(crate) fn decode_attrs(bytes: &[u8]) -> Result<Attrs, Defect> {
    let mut cursor = Cursor::new("attributes", bytes);
    let attrs = decode_map(&mut cursor, 0)?;
    cursor.end()?;
    Ok(attrs)
}
