//! How far the part of a frame reaches that stands before the bodies.
//!
//! Large values are verified block by block as they are touched: whoever reads a frame
//! needs to know what it will touch.

use super::frame::{bytes_at, extra_at, flags, state};
use super::layout::HEADER;
use super::schema::Schema;
use crate::format::Defect;

/// Bytes of a frame that say how long its fixed part is.
pub(crate) const FRAME_HEADER: usize = HEADER;

/// End of the fixed part and of the length word of the extra part behind it. Reads the
/// first [`FRAME_HEADER`] bytes.
pub(crate) fn fixed_end(schema: &Schema, frame: &[u8]) -> Result<usize, Defect> {
    let end = schema.layout.with_flags(flags(frame)?).fixed_end();
    Ok(end.saturating_add(4).min(frame.len()))
}

/// End of everything before the bodies. Reads up to [`fixed_end`].
pub(crate) fn head_end(schema: &Schema, frame: &[u8]) -> Result<usize, Defect> {
    let geometry = schema.layout.with_flags(flags(frame)?);
    let end = match extra_at(&geometry, frame)? {
        None => geometry.fixed_end(),
        Some(at) => {
            let len = u32::from_le_bytes(bytes_at(frame, at, "extra part")?);
            at.saturating_add(4).saturating_add(len as usize)
        }
    };
    Ok(end.min(frame.len()))
}

/// Whether the entry has array `field` of the schema.
pub(crate) fn is_present(schema: &Schema, frame: &[u8], field: usize) -> Result<bool, Defect> {
    let geometry = schema.layout.with_flags(flags(frame)?);
    Ok(state(&geometry, frame, field)?.is_some())
}
