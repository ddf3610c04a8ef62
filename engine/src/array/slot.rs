//! Slots: what the fixed part of a frame has of a field that is no scalar.
use std::ops::Range;

use super::DType;
use super::chunks::Chunks;
use super::frame::{PlainPlace, Storage, bytes_at, range};
use super::layout::{Geometry, INLINE, INLINE_MARK, INLINE_TEXT, align_up, validity_len};
use crate::format::Defect;

/// A slot of the fixed part and what is known of its array.
#[derive(Clone, Copy)]
pub(super) struct Slot<'a> {
    pub(super) frame: &'a [u8],
    pub(super) geometry: Geometry<'a>,
    pub(super) at: usize,
    /// Validity bits follow the elements.
    pub(super) masked: bool,
}

impl Slot<'_> {
    /// The descriptor of a chunked array.
    pub(super) fn chunks(self, rank: usize) -> Result<Storage, Defect> {
        let (start, info) = self.reference()?;
        if info != CHUNKS {
            return Err(storage_defect(info));
        }
        let len = Chunks::descriptor_len(rank) as u64;
        let place = range(self.frame, start, len, "descriptor of a chunked array")?;
        Ok(Storage::Chunks(place))
    }

    pub(super) fn array(self, dtype: DType, elements: u64) -> Result<Storage, Defect> {
        let bits = if self.masked {
            validity_len(elements)
        } else {
            0
        };
        let Some(item) = dtype.item_bytes() else {
            return self.texts(elements, bits);
        };
        let len = elements.saturating_mul(item);
        let (start, bits_at) = if len.saturating_add(bits) <= INLINE {
            let start = self.at as u64;
            (start, start.saturating_add(len))
        } else {
            let (start, info) = self.reference()?;
            match info {
                0 => {}
                BLOCK => return self.block(start),
                _ => return Err(storage_defect(info)),
            }
            (start, align_up(start.saturating_add(len), 8))
        };
        Ok(Storage::Plain(PlainPlace {
            data: range(self.frame, start, len, "array")?,
            offsets: None,
            validity: self.validity(bits_at, bits)?,
        }))
    }

    fn block(self, start: u64) -> Result<Storage, Defect> {
        // How long it is, its head says.
        let block = range(self.frame, start, 0, "block")?;
        Ok(Storage::Block(block.start))
    }

    fn texts(self, elements: u64, bits: u64) -> Result<Storage, Defect> {
        let (start, info) = if elements == 0 {
            (self.at as u64, 0)
        } else {
            self.reference()?
        };
        let width = match info {
            0 => 4,
            WIDE_OFFSETS => 8,
            BLOCK => return self.block(start),
            _ => return Err(storage_defect(info)),
        };
        let count = elements.saturating_add(1);
        let offsets = range(
            self.frame,
            start,
            count.saturating_mul(width),
            "offsets of an array",
        )?;
        let last = offsets.end.saturating_sub(width as usize);
        let len = if width == 8 {
            u64::from_le_bytes(bytes_at(self.frame, last, "offsets of an array")?)
        } else {
            u64::from(u32::from_le_bytes(bytes_at(
                self.frame,
                last,
                "offsets of an array",
            )?))
        };
        if elements == 0 && len != 0 {
            return Err(storage_defect(len));
        }
        let data_at = if elements == 0 {
            offsets.end as u64
        } else {
            align_up(offsets.end as u64, 8)
        };
        let data = range(self.frame, data_at, len, "elements of an array")?;
        let bits_at = align_up(data.end as u64, 8);
        Ok(Storage::Plain(PlainPlace {
            data,
            offsets: Some(offsets),
            validity: self.validity(bits_at, bits)?,
        }))
    }

    fn validity(self, at: u64, len: u64) -> Result<Option<Range<usize>>, Defect> {
        if !self.masked {
            return Ok(None);
        }
        range(self.frame, at, len, "validity bits of an array").map(Some)
    }

    pub(super) fn text(self) -> Result<Range<usize>, Defect> {
        let width = if self.geometry.wide_slots {
            16_usize
        } else {
            8
        };
        let [last] = bytes_at(
            self.frame,
            self.at.saturating_add(width).saturating_sub(1),
            "slot",
        )?;
        let start = self.at as u64;
        if last & INLINE_MARK == 0 {
            let (start, len) = self.reference()?;
            return range(self.frame, start, len, "text");
        }
        let len = usize::from(last & !INLINE_MARK);
        if len > INLINE_TEXT {
            return Err(Defect::Field {
                what: "length of a text in its slot",
                found: len as u64,
                expected: "at most 7",
            });
        }
        range(self.frame, start, len as u64, "text")
    }

    /// Offset of the body from the start of the frame, and the info beside it.
    fn reference(self) -> Result<(u64, u64), Defect> {
        let (eighths, info) = if self.geometry.wide_slots {
            let [low, high] = self.words::<8>()?;
            (u64::from_le_bytes(low), u64::from_le_bytes(high))
        } else {
            let [low, high] = self.words::<4>()?;
            (
                u64::from(u32::from_le_bytes(low)),
                u64::from(u32::from_le_bytes(high)),
            )
        };
        Ok((eighths.saturating_mul(8), info))
    }

    fn words<const N: usize>(self) -> Result<[[u8; N]; 2], Defect> {
        Ok([
            bytes_at(self.frame, self.at, "slot")?,
            bytes_at(self.frame, self.at.saturating_add(N), "slot")?,
        ])
    }
}

/// Info of a slot: the body of its array is a block.
pub(super) const BLOCK: u64 = 1;
/// Info of a slot: the body of its array says where its chunks are.
pub(super) const CHUNKS: u64 = 2;
/// Info of a slot: the offsets of its array are u64.
pub(super) const WIDE_OFFSETS: u64 = 1 << 8;

pub(super) fn storage_defect(info: u64) -> Defect {
    Defect::Field {
        what: "storage of an array",
        found: info,
        expected: "0, 1 (a block), 2 (of a chunked array alone and always), or 256 for text",
    }
}
