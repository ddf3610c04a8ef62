//! The entry frame: the value of an entry that holds named arrays.
//!
//! ```text
//!  0  u32 schema id
//!  4  u16 flags: 1 wide dims, 2 wide slots, 4 array attributes in the extra part,
//!     8 amendment, 16 blocks are encoded with the dictionary of the partition,
//!     32 extra part, 64 statistics
//!  6  u8  log2 of the alignment of the frame in the file
//!  7  u8  0
//!  8  size of each dim slot, u32 (wide dims: u64)
//!     2 bits a field, lowest first: 0 absent, 1 present, 2 present with a mask,
//!     3 reserved; fields are the arrays, then the entry attributes
//!     zeros up to a multiple of 8
//!     fixed part: 16-byte scalars, slots, then scalars of 8, 4, 2, 1 bytes
//!     zeros up to a multiple of 8
//!     flag 32: extra part, zeros up to a multiple of 8
//!     flag 64: statistics, zeros up to a multiple of 8
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
//!     0-d text: its length, below 2^31 (2^63). Else bits 0 to 7 how the body is
//!     stored: 0 as follows, 1 as a [block](super::block), 2 as the descriptor of
//!     a [chunked](super::chunks) array, whose slot always has this; bit 8 set =
//!     u64 offsets; the rest 0.
//! * A *body* is aligned to the start of the frame by [`value_align`] of its
//!   length and the partition, but a block by 8, and the frame in the file by the
//!   largest of these, so that alignment in the frame is alignment in the file.
//!   Bodies stand by rising alignment and in the order of the fields; gaps are zeros.
//!   - fixed width: the elements.
//!   - `String`, `Bytes`: n + 1 offsets, u32 (or u64 by the info), zeros up to a
//!     multiple of 8, the elements back to back (Arrow's layout).
//!   - with a mask: zeros up to a multiple of 8, then Arrow validity bits, LSB
//!     first, set = present, the bits after the last element zero.
//! * The *extra part*: u32 number of bytes that follow; the values of the
//!   attributes that the schema puts here; with flag 4: u32 number of arrays
//!   that have attributes, for each u16 number of the array and a map. With
//!   flag 4 the array attributes of the schema do not count.
//! * The *statistics*: u32 number of bytes that follow; for each array that has
//!   them here, in rising order: u16 number of the array, u8 length, as many
//!   bytes. They are those of plain arrays of 256 bytes and more.
//! * Wide dims: a size of 2^32 or more. Wide slots: a body at 32 GiB or beyond,
//!   or a 0-d text of 2 GiB or more.
//!
//! [`value_align`]: crate::format::value_align
use std::ops::Range;

use smallvec::SmallVec;

use super::changes::Changes;
use super::cursor::Cursor;
use super::encoding::{decode_scalar, decode_value};
use super::head::head_end;
use super::layout::{Class, Geometry, Place, flag, pad8, presence};
use super::limits::MAX_EXTENT;
use super::schema::{AttrInfo, Schema, parse_array_attrs};
use super::slot::{BLOCK, Slot, storage_defect};
use super::stats::ArrayStats;
use super::{AttrValue, Attrs, DType};
use crate::format::{ALIGNMENTS, Defect};

/// Lengths of the axes; on the heap above four.
pub(crate) type Shape = SmallVec<[u64; 4]>;

/// Where an array lies in its frame. Every range is inside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldPlace {
    /// Length of each axis. The product with the item size is below 2^63.
    pub(crate) shape: Shape,
    /// Whether the array has a mask.
    pub(crate) masked: bool,
    pub(crate) storage: Storage,
}

#[cfg(test)]
impl FieldPlace {
    /// Of one that is stored as it is.
    pub(super) fn plain(&self) -> &PlainPlace {
        match &self.storage {
            Storage::Plain(place) => place,
            other => panic!("{other:?}"),
        }
    }
}

/// How the elements of an array are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// As they are.
    Plain(PlainPlace),
    /// In a [block](super::block) that begins here.
    Block(usize),
    /// In chunks: what is said of them.
    Chunks(Range<usize>),
}

/// Where a frame says how it is aligned.
pub(super) const ALIGN_AT: usize = 6;

/// Where elements lie that are stored as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlainPlace {
    /// The elements.
    pub(crate) data: Range<usize>,
    /// `String` and `Bytes` of one axis or more: one more than elements, all
    /// u32 or all u64, which their number tells.
    pub(crate) offsets: Option<Range<usize>>,
    /// Arrow validity bits, if the array is masked.
    pub(crate) validity: Option<Range<usize>>,
}

impl PlainPlace {
    /// All parts that there are.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Range<usize>> {
        let more = self.offsets.iter().chain(&self.validity);
        std::iter::once(&self.data).chain(more)
    }
}

/// Id of the schema of a frame.
pub(crate) fn schema_id(frame: &[u8]) -> Result<u32, Defect> {
    Ok(u32::from_le_bytes(bytes_at(frame, 0, "entry frame")?))
}

/// Whether the array attributes stand in the frame instead of the schema.
pub(crate) fn attrs_in_frame(frame: &[u8]) -> Result<bool, Defect> {
    Ok(flags(frame)? & flag::ARRAY_ATTRS != 0)
}

/// Whether blocks of it are encoded with the dictionary of the partition.
pub(crate) fn shares_dictionary(frame: &[u8]) -> Result<bool, Defect> {
    Ok(flags(frame)? & flag::SHARES != 0)
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
            let storage = match info.chunked {
                true => slot.chunks(axes.len()),
                false => slot.array(info.dtype, elements),
            };
            Ok(Some(FieldPlace {
                shape,
                masked,
                storage: storage?,
            }))
        }
        _ => {
            let place = locate_0d(&geometry, frame, place, info.dtype, masked)?;
            Ok(Some(FieldPlace {
                shape: Shape::new(),
                masked,
                storage: Storage::Plain(place),
            }))
        }
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

/// What a frame holds of an attribute.
#[derive(Debug)]
pub(crate) enum AttrPlace {
    /// A scalar; a text of it may lie behind the head of the frame.
    Scalar(DType, Range<usize>),
    /// Any other value, which stands in the head.
    Value(AttrValue),
}

/// Attribute `number` of the schema; `None` if this entry has no such attribute.
///
/// One in the extra part costs a look at those of it that stand there before.
pub(crate) fn entry_attr(
    schema: &Schema,
    frame: &[u8],
    number: usize,
) -> Result<Option<AttrPlace>, Defect> {
    let geometry = schema.layout.with_flags(flags(frame)?);
    let Some((field, info)) = attr_fields(schema).nth(number) else {
        return Ok(None);
    };
    let Some(masked) = state(&geometry, frame, field)? else {
        return Ok(None);
    };
    if let (Some(dtype), Some(place)) = (info.dtype, schema.layout.place(field)) {
        let found = locate_0d(&geometry, frame, place, dtype, masked)?;
        return Ok(Some(AttrPlace::Scalar(dtype, found.data)));
    }
    let mut extra = extra_part(&geometry, frame)?.ok_or(NO_EXTRA)?;
    for (before, info) in attr_fields(schema).take(number) {
        if info.dtype.is_none() && state(&geometry, frame, before)?.is_some() {
            decode_value(&mut extra, 0)?;
        }
    }
    decode_value(&mut extra, 0).map(|value| Some(AttrPlace::Value(value)))
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
    let mut extra = behind_values(schema, frame)?;
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

/// What an amendment does; `None`: the frame is that of a whole entry.
pub(crate) fn changes(schema: &Schema, frame: &[u8]) -> Result<Option<Changes>, Defect> {
    let flags = flags(frame)?;
    if flags & flag::AMENDS == 0 {
        return Ok(None);
    }
    let mut extra = behind_values(schema, frame)?;
    if flags & flag::ARRAY_ATTRS != 0 {
        let count = extra.u32()?;
        parse_array_attrs(&mut extra, count, |_, _| Some(()))?;
    }
    Changes::parse(&mut extra).map(Some)
}

/// Log2 of the alignment that a frame asks for in the file.
pub(crate) fn frame_align(frame: &[u8]) -> u8 {
    let (least, most) = ALIGNMENTS.into_inner();
    let align = frame.get(ALIGN_AT).copied();
    align.unwrap_or_default().clamp(least, most)
}

/// Where the statistics stand, which begin with their length; `None`: there are none. Reads
/// what stands before them.
pub(crate) fn stats_place(schema: &Schema, frame: &[u8]) -> Result<Option<usize>, Defect> {
    if flags(frame)? & flag::STATS == 0 {
        return Ok(None);
    }
    let at = pad8(head_end(schema, frame)?);
    range(frame, at as u64, 4, "statistics").map(|range| Some(range.start))
}

/// The statistics of array `field` of `count` elements, from those that begin at `at`;
/// `None`: it has none there.
pub(crate) fn stats_of(
    frame: &[u8],
    at: usize,
    field: usize,
    dtype: DType,
    count: u64,
) -> Result<Option<ArrayStats>, Defect> {
    let len = u32::from_le_bytes(bytes_at(frame, at, "statistics")?);
    let start = at.saturating_add(4) as u64;
    let part = range(frame, start, len.into(), "statistics")?;
    let mut from = Cursor::new("statistics", frame.get(part).unwrap_or_default());
    while from.remaining() > 0 {
        let number = usize::from(from.u16()?);
        let len = usize::from(from.u8()?);
        let bytes = from.take(len)?;
        if number == field {
            return ArrayStats::decode(dtype, count, bytes).map(Some);
        }
    }
    Ok(None)
}

/// The extra part behind the values of attributes.
fn behind_values<'a>(schema: &Schema, frame: &'a [u8]) -> Result<Cursor<'a>, Defect> {
    let geometry = schema.layout.with_flags(flags(frame)?);
    let mut extra = extra_part(&geometry, frame)?.ok_or(NO_EXTRA)?;
    for (attr, info) in attr_fields(schema) {
        if info.dtype.is_none() && state(&geometry, frame, attr)?.is_some() {
            decode_value(&mut extra, 0)?;
        }
    }
    Ok(extra)
}

const OVERFLOW: Defect = Defect::Field {
    what: "extent of an array",
    found: u64::MAX,
    expected: "a product of its axes and item size below 2^63",
};
const NO_EXTRA: Defect = Defect::Field {
    what: "flag of the extra part",
    found: 0,
    expected: "32, since something stands there",
};

/// Numbers, as fields, of the entry attributes.
fn attr_fields(schema: &Schema) -> impl Iterator<Item = (usize, &AttrInfo)> {
    (schema.fields.len()..).zip(&schema.attrs)
}

pub(super) fn flags(frame: &[u8]) -> Result<u16, Defect> {
    let [low, high, align, zero] = bytes_at::<4>(frame, 4, "entry frame")?;
    let flags = u16::from_le_bytes([low, high]);
    if flags & !flag::KNOWN != 0 {
        return Err(Defect::Field {
            what: "flags of an entry frame",
            found: flags.into(),
            expected: "a sum of 1, 2, 4, 8, 16, 32 and 64",
        });
    }
    if !ALIGNMENTS.contains(&align) || zero != 0 {
        return Err(Defect::Field {
            what: "alignment of an entry frame, log2",
            found: u16::from_le_bytes([align, zero]).into(),
            expected: "3 to 30, and a zero after it",
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
) -> Result<PlainPlace, Defect> {
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
        Class::Slot => match slot.array(dtype, 1)? {
            Storage::Plain(place) => place.data,
            Storage::Block(_) | Storage::Chunks(_) => return Err(storage_defect(BLOCK)),
        },
        Class::Extra => 0..0,
    };
    Ok(PlainPlace {
        data,
        offsets: None,
        validity,
    })
}

/// Where the extra part is, if there is one: right behind the fixed part.
pub(super) fn extra_at(geometry: &Geometry<'_>, frame: &[u8]) -> Result<Option<usize>, Defect> {
    let is_there = flags(frame)? & flag::EXTRA != 0;
    Ok(is_there.then(|| geometry.fixed_end()))
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
pub(super) fn range(
    frame: &[u8],
    start: u64,
    len: u64,
    what: &'static str,
) -> Result<Range<usize>, Defect> {
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
