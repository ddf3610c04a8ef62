//! The entry frame: the value of an entry that holds named arrays.
//!
//! ```text
//!  0  u32 schema id
//!  4  u16 flags: 1 wide dims, 2 wide slots, 4 array attributes in the extra part
//!  6  u16 0
//!  8  u32 0 (place of statistics, in units of 8 bytes)
//! 12  u32 place of the extra part, in units of 8 bytes; 0 = none, else the end
//!     of the fixed part
//! 16  size of each dim slot, u32 (wide dims: u64)
//!     2 bits a field, lowest first: 0 absent, 1 present, 2 present with a mask,
//!     3 reserved; fields are the arrays, then the entry attributes
//!     zeros up to a multiple of 8
//!     fixed part: 16-byte scalars, slots, then scalars of 8, 4, 2, 1 bytes
//!     zeros up to a multiple of 8
//!     extra part, if any; zeros up to a multiple of 8
//!     bodies
//! ```
//!
//! * Integers are little-endian. The order within a section of the fixed part
//!   is that of the fields. An absent field keeps its place, so that the schema
//!   alone says where each one is.
//! * A *scalar* is a 0-d array, or attribute, of a fixed width of 1, 2, 4, 8 or
//!   16 bytes. If the array is masked, a byte of validity in the 1-byte section
//!   follows; bit 0 set = present.
//! * A *slot* is 8 bytes (wide slots: 16) and holds one of:
//!   - an array whose elements and validity bits are at most 8 bytes: these, the
//!     bits right after the elements. Sizes follow from the dims, so nothing
//!     else says it. A text array only if it has no element (then: zeros).
//!   - a 0-d text of at most 7 bytes: its bytes, and 0x80 + length in the last.
//!   - the place of a body: u32 offset / 8, u32 info (wide: u64, u64). Info of a
//!     0-d text: its length, below 2^31 (2^63). Else: bits 0 to 7 codec (0 =
//!     none, others reserved), bit 8 set = u64 offsets, the rest 0.
//! * A *body* is aligned to the start of the frame by [`body_align`] of its
//!   length, and the frame in the file by that of its own, so that alignment in
//!   the frame is alignment in the file; both from 256 bytes on by that of the
//!   partition, if it asks for more. Bodies stand by rising alignment and in the
//!   order of the fields; gaps are zeros.
//!   - fixed width: the elements.
//!   - `String`, `Bytes`: n + 1 offsets, u32 (or u64 by the info), zeros up to a
//!     multiple of 8, the elements back to back (Arrow's layout).
//!   - with a mask: zeros up to a multiple of 8, then Arrow validity bits, LSB
//!     first, set = present, the bits after the last element zero.
//! * The *extra part*: u32 number of bytes that follow; the values of the
//!   attributes that the schema puts here; with flag 4: u32 number of arrays
//!   that have attributes, for each u16 number of the array and a map. With
//!   flag 4 the array attributes of the schema do not count.
//! * Wide dims: a size of 2^32 or more. Wide slots: a body at 32 GiB or beyond,
//!   or a 0-d text of 2 GiB or more.
//!
//! [`body_align`]: super::layout::body_align
use std::ops::Range;

use smallvec::SmallVec;

use super::cursor::Cursor;
use super::encoding::{decode_scalar, decode_value};
use super::layout::{
    Class, Geometry, INLINE, INLINE_MARK, INLINE_TEXT, Place, align_up, flag, presence,
    validity_len,
};
use super::limits::MAX_EXTENT;
use super::schema::{AttrInfo, Schema, parse_array_attrs};
use super::{Attrs, DType};
use crate::format::Defect;

/// Lengths of the axes; on the heap above four.
pub(crate) type Shape = SmallVec<[u64; 4]>;

/// Where an array lies in its frame. Every range is inside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldPlace {
    /// Length of each axis. The product with the item size is below 2^63.
    pub(crate) shape: Shape,
    /// The elements.
    pub(crate) data: Range<usize>,
    /// `String` and `Bytes` of one axis or more: one more than elements, all
    /// u32 or all u64, which their number tells.
    pub(crate) offsets: Option<Range<usize>>,
    /// Arrow validity bits, if the array is masked.
    pub(crate) validity: Option<Range<usize>>,
}

/// Id of the schema of a frame.
pub(crate) fn schema_id(frame: &[u8]) -> Result<u32, Defect> {
    Ok(u32::from_le_bytes(bytes_at(frame, 0, "entry frame")?))
}

/// Whether the array attributes stand in the frame instead of the schema.
pub(crate) fn attrs_in_frame(frame: &[u8]) -> Result<bool, Defect> {
    Ok(flags(frame)? & flag::ARRAY_ATTRS != 0)
}

/// Where array `field` of the schema lies; `None` if this entry has no such array.
///
/// Reads the header, the presence bits, the sizes of the array's axes and its
/// slot; of text arrays also the last offset. Allocates above rank 4 only.
#[inline]
pub(crate) fn locate(
    schema: &Schema,
    frame: &[u8],
    field: usize,
) -> Result<Option<FieldPlace>, Defect> {
    let (Some(info), Some(axes), Some(place)) = (
        schema.fields.get(field),
        schema.axes(field),
        schema.layout.place(field),
    ) else {
        return Ok(None);
    };
    let geometry = schema.layout.with_flags(flags(frame)?);
    let Some(masked) = state(&geometry, frame, field)? else {
        return Ok(None);
    };
    match place.class {
        Class::Slot if !axes.is_empty() => {
            let slot = Slot {
                frame,
                geometry,
                at: geometry.field_at(place),
                masked,
            };
            let shape = shape(&geometry, frame, axes)?;
            let elements = elements(&shape, info.dtype).ok_or(OVERFLOW)?;
            slot.array(info.dtype, elements, shape).map(Some)
        }
        _ => locate_0d(&geometry, frame, place, info.dtype, masked).map(Some),
    }
}

/// Attributes of the entry, in the order written.
pub(crate) fn entry_attrs(schema: &Schema, frame: &[u8]) -> Result<Attrs, Defect> {
    entry_attrs_but(schema, frame, &[])
}

/// As [`entry_attrs`], without those of these names, whose places are not looked at.
pub(crate) fn entry_attrs_but(
    schema: &Schema,
    frame: &[u8],
    but: &[String],
) -> Result<Attrs, Defect> {
    let geometry = schema.layout.with_flags(flags(frame)?);
    let mut extra = extra_part(&geometry, frame)?;
    let mut pairs = Vec::with_capacity(schema.attrs.len());
    for (field, info) in attr_fields(schema).filter(|(_, info)| !but.contains(&info.name)) {
        let Some(masked) = state(&geometry, frame, field)? else {
            continue;
        };
        let value = match (info.dtype, schema.layout.place(field)) {
            (Some(dtype), Some(place)) => {
                let found = locate_0d(&geometry, frame, place, dtype, masked)?;
                decode_scalar(dtype, frame.get(found.data).unwrap_or_default())?
            }
            _ => decode_value(extra.as_mut().ok_or(NO_EXTRA)?, 0)?,
        };
        pairs.push((info.name.clone(), value));
    }
    Ok(Attrs::from_unique(pairs))
}

/// The attributes of the entry that have a place in the frame of their own, by name: texts
/// lie behind its head.
pub(crate) fn entry_attr_places(
    schema: &Schema,
    frame: &[u8],
) -> Result<Vec<(String, Range<usize>)>, Defect> {
    let geometry = schema.layout.with_flags(flags(frame)?);
    let mut places = Vec::new();
    for (field, info) in attr_fields(schema) {
        let masked = state(&geometry, frame, field)?;
        if let (Some(masked), Some(dtype), Some(place)) =
            (masked, info.dtype, schema.layout.place(field))
        {
            let data = locate_0d(&geometry, frame, place, dtype, masked)?.data;
            places.push((info.name.clone(), data));
        }
    }
    Ok(places)
}

/// Attributes of array `field`, from the schema or from the frame.
///
/// Those of the frame cost a walk over all that stands there before them.
pub(crate) fn array_attrs(schema: &Schema, frame: &[u8], field: usize) -> Result<Attrs, Defect> {
    if !attrs_in_frame(frame)? {
        return Ok(schema
            .fields
            .get(field)
            .map(|info| info.attrs.clone())
            .unwrap_or_default());
    }
    let geometry = schema.layout.with_flags(flags(frame)?);
    let mut extra = extra_part(&geometry, frame)?.ok_or(NO_EXTRA)?;
    for (attr, info) in attr_fields(schema) {
        if info.dtype.is_none() && state(&geometry, frame, attr)?.is_some() {
            decode_value(&mut extra, 0)?;
        }
    }
    let count = extra.u32()?;
    let mut found = Attrs::new();
    parse_array_attrs(&mut extra, count, |number, attrs| {
        if number == field {
            found = attrs;
        }
        (number < schema.fields.len()).then_some(())
    })?;
    Ok(found)
}

const OVERFLOW: Defect = Defect::Field {
    what: "extent of an array",
    found: u64::MAX,
    expected: "a product of its axes and item size below 2^63",
};
const NO_EXTRA: Defect = Defect::Field {
    what: "place of the extra part",
    found: 0,
    expected: "a place, since the schema puts attributes there",
};

/// Numbers, as fields, of the entry attributes.
fn attr_fields(schema: &Schema) -> impl Iterator<Item = (usize, &AttrInfo)> {
    (schema.fields.len()..).zip(&schema.attrs)
}

pub(super) fn flags(frame: &[u8]) -> Result<u16, Defect> {
    let [low, high, zero, zeros] = bytes_at::<4>(frame, 4, "entry frame")?;
    let flags = u16::from_le_bytes([low, high]);
    if flags & !flag::KNOWN != 0 || (zero, zeros) != (0, 0) {
        return Err(Defect::Field {
            what: "flags of an entry frame",
            found: u64::from(u32::from_le_bytes([low, high, zero, zeros])),
            expected: "a sum of 1, 2 and 4",
        });
    }
    Ok(flags)
}

/// `None`: absent. Else whether the field has a mask.
pub(super) fn state(
    geometry: &Geometry<'_>,
    frame: &[u8],
    field: usize,
) -> Result<Option<bool>, Defect> {
    let [byte] = bytes_at(
        frame,
        geometry.bits_at.saturating_add(field / 4),
        "presence bits",
    )?;
    let shift = (field as u32 & 3).saturating_mul(2);
    match byte.wrapping_shr(shift) & 3 {
        presence::ABSENT => Ok(None),
        presence::PRESENT => Ok(Some(false)),
        presence::MASKED => Ok(Some(true)),
        found => Err(Defect::Field {
            what: "presence of a field",
            found: u64::from(found),
            expected: "0, 1 or 2",
        }),
    }
}

fn shape(geometry: &Geometry<'_>, frame: &[u8], axes: &[u32]) -> Result<Shape, Defect> {
    axes.iter()
        .map(|axis| {
            let at = geometry.dim_at(*axis as usize);
            if geometry.dim_width == 8 {
                bytes_at(frame, at, "dim sizes").map(u64::from_le_bytes)
            } else {
                bytes_at(frame, at, "dim sizes").map(|bytes| u64::from(u32::from_le_bytes(bytes)))
            }
        })
        .collect()
}

/// Number of elements of `shape`; `None` if it, or its bytes, are more than a
/// machine can address even with the zero-length axes left out.
pub(super) fn elements(shape: &[u64], dtype: DType) -> Option<u64> {
    let item = dtype.item_bytes().unwrap_or(1).max(1);
    let mut extent = item;
    for len in shape {
        extent = extent.checked_mul((*len).max(1))?;
    }
    if extent > MAX_EXTENT {
        return None;
    }
    if shape.contains(&0) {
        return Some(0);
    }
    extent.checked_div(item)
}

fn locate_0d(
    geometry: &Geometry<'_>,
    frame: &[u8],
    place: Place,
    dtype: DType,
    masked: bool,
) -> Result<FieldPlace, Defect> {
    let validity = match (masked, geometry.validity_at(place)) {
        (false, None) => None,
        (true, Some(at)) => Some(range(frame, at as u64, 1, "validity of a scalar")?),
        _ => {
            return Err(Defect::Field {
                what: "presence of a 0-d array or attribute",
                found: if masked { 2 } else { 1 },
                expected: "2 exactly if the schema says that it is masked",
            });
        }
    };
    let at = geometry.field_at(place);
    let slot = Slot {
        frame,
        geometry: *geometry,
        at,
        masked: false,
    };
    let data = match place.class {
        Class::Scalar(width) => range(frame, at as u64, u64::from(width), "scalar")?,
        Class::Text => slot.text()?,
        Class::Slot => slot.array(dtype, 1, Shape::new())?.data,
        Class::Extra => 0..0,
    };
    Ok(FieldPlace {
        shape: Shape::new(),
        data,
        offsets: None,
        validity,
    })
}

/// A slot of the fixed part and what is known of its array.
#[derive(Clone, Copy)]
struct Slot<'a> {
    frame: &'a [u8],
    geometry: Geometry<'a>,
    at: usize,
    /// Validity bits follow the elements.
    masked: bool,
}

impl Slot<'_> {
    fn array(self, dtype: DType, elements: u64, shape: Shape) -> Result<FieldPlace, Defect> {
        let bits = if self.masked {
            validity_len(elements)
        } else {
            0
        };
        let Some(item) = dtype.item_bytes() else {
            return self.texts(elements, bits, shape);
        };
        let len = elements.saturating_mul(item);
        let (start, bits_at) = if len.saturating_add(bits) <= INLINE {
            let start = self.at as u64;
            (start, start.saturating_add(len))
        } else {
            let (start, info) = self.reference()?;
            if info != 0 {
                return Err(storage_defect(info));
            }
            (start, align_up(start.saturating_add(len), 8))
        };
        Ok(FieldPlace {
            shape,
            data: range(self.frame, start, len, "array")?,
            offsets: None,
            validity: self.validity(bits_at, bits)?,
        })
    }

    fn texts(self, elements: u64, bits: u64, shape: Shape) -> Result<FieldPlace, Defect> {
        let (start, info) = if elements == 0 {
            (self.at as u64, 0)
        } else {
            self.reference()?
        };
        let width = match info {
            0 => 4,
            WIDE_OFFSETS => 8,
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
        Ok(FieldPlace {
            shape,
            data,
            offsets: Some(offsets),
            validity: self.validity(bits_at, bits)?,
        })
    }

    fn validity(self, at: u64, len: u64) -> Result<Option<Range<usize>>, Defect> {
        if !self.masked {
            return Ok(None);
        }
        range(self.frame, at, len, "validity bits of an array").map(Some)
    }

    fn text(self) -> Result<Range<usize>, Defect> {
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

/// Info of a slot: the offsets of its array are u64.
pub(super) const WIDE_OFFSETS: u64 = 1 << 8;

fn storage_defect(info: u64) -> Defect {
    Defect::Field {
        what: "storage of an array",
        found: info,
        expected: "0, or 256 for text (codecs are not known to this version)",
    }
}

/// Where the extra part is, if there is one: only right behind the fixed part.
pub(super) fn extra_at(geometry: &Geometry<'_>, frame: &[u8]) -> Result<Option<usize>, Defect> {
    let eighths = u32::from_le_bytes(bytes_at(frame, 12, "entry frame")?);
    let end = geometry.fixed_end();
    match (eighths as usize).saturating_mul(8) {
        0 => Ok(None),
        at if at == end => Ok(Some(at)),
        _ => Err(Defect::Field {
            what: "place of the extra part",
            found: u64::from(eighths),
            expected: "0 or the end of the fixed part",
        }),
    }
}

/// The extra part behind its length, if there is one.
fn extra_part<'a>(geometry: &Geometry<'_>, frame: &'a [u8]) -> Result<Option<Cursor<'a>>, Defect> {
    let Some(at) = extra_at(geometry, frame)? else {
        return Ok(None);
    };
    let len = u32::from_le_bytes(bytes_at(frame, at, "extra part")?);
    let start = at.saturating_add(4) as u64;
    let part = range(frame, start, u64::from(len), "extra part")?;
    Ok(Some(Cursor::new(
        "extra part",
        frame.get(part).unwrap_or_default(),
    )))
}

pub(super) fn bytes_at<const N: usize>(
    frame: &[u8],
    at: usize,
    what: &'static str,
) -> Result<[u8; N], Defect> {
    match frame.get(at..).and_then(|rest| rest.first_chunk::<N>()) {
        Some(bytes) => Ok(*bytes),
        None => Err(Defect::Truncated {
            what,
            need: at.saturating_add(N) as u64,
            have: frame.len() as u64,
        }),
    }
}

/// The range of `len` bytes at `start`, if the frame has them.
fn range(frame: &[u8], start: u64, len: u64, what: &'static str) -> Result<Range<usize>, Defect> {
    let end = start.saturating_add(len);
    if end > frame.len() as u64 {
        return Err(Defect::Truncated {
            what,
            need: end,
            have: frame.len() as u64,
        });
    }
    // Not beyond the length of a slice, thus within the address space.
    Ok(start as usize..end as usize)
}
