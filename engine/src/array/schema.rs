//! The schema: what entries of one structure have in common.
//!
//! ```text
//!  0  u8  layout of the schema, 1
//!  1  u8  0
//!  2  u16 number of arrays
//!  4  u16 number of entry attributes
//!  6  u16 number of arrays that have attributes here
//!  8  u32 number of dim slots
//! 12  dim slots:  u8 length of the name (0 = unnamed axis), name
//!     arrays:     u8 length of the name, name
//!                 u8 dtype code, its parameter (time unit u8; width of S, U u32)
//!                 u8 rank
//!                 u8 flags: 1 masked (0-d only), 2 has a fill value, 4 has a
//!                 codec, 8 chunked (both of one axis and more only)
//!                 u32 dim slot, one per axis
//!                 fill value, if any: a value
//!                 codec, if any: u8 length, text
//!     attributes: u16 length of the name, name
//!                 u8 dtype code, its parameter; 0xff = in the extra part
//!     array attributes: u16 number of the array, a map
//! ```
//!
//! * Integers are little-endian and not aligned; "value" and "map" are those of
//!   the attribute encoding.
//! * Nothing in it depends on sizes: entries that differ only in the lengths of
//!   their axes share a schema.
//! * Dim slots stand in the order of first use. Axes of one name share a slot,
//!   unnamed axes have one each. Thus one structure has one sequence of bytes.
//! * Array attributes come last, so that the bytes without them are a prefix
//!   (but for the count at 6) and can be told to be equal by their hash.
//! * Whether a 0-d array is masked is part of its structure, as its validity
//!   byte lies in the fixed part; arrays of one axis and more say it per entry.
use std::collections::HashSet;
use std::hash::BuildHasher;

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::cursor::Cursor;
use super::encoding::{decode_map, decode_value};
use super::layout::{Class, Item, Layout};
use super::limits::{MAX_RANK, array_name_fault};
use super::{AttrValue, Attrs, DType, FieldInfo};
use crate::codec::Pipeline;
use crate::format::Defect;

/// First byte of the schemas that this version reads and writes.
pub(super) const VERSION: u8 = 1;
/// Flag of an array: 0-d with a mask.
pub(super) const MASKED: u8 = 1;
/// Flag of an array: a fill value follows.
pub(super) const FILLED: u8 = 2;
/// Flag of an array: the codec that it is written with follows.
pub(super) const CODED: u8 = 4;
/// Flag of an array: its elements are in chunks.
pub(super) const CHUNKED: u8 = 8;
/// Dtype code of an entry attribute whose value is in the extra part.
pub(super) const EXTRA: u8 = 0xff;

/// Dim slots of the axes of an array.
pub(super) type Axes = SmallVec<[u32; 4]>;

/// An entry attribute of a schema.
#[derive(Clone, Debug)]
pub(super) struct AttrInfo {
    pub(super) name: String,
    /// `None`: its value is in the extra part.
    pub(super) dtype: Option<DType>,
}

/// A schema whose counts, names, dtypes and references have been checked.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    /// The arrays, in the order written.
    pub(crate) fields: Vec<FieldInfo>,
    pub(super) attrs: Vec<AttrInfo>,
    pub(super) layout: Layout,
    axes: Vec<Axes>,
    names: Names,
}

impl Schema {
    /// Total: every input gives a schema or a defect. Memory is bounded by a
    /// multiple of the length of `bytes`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Defect> {
        let mut from = Cursor::new("schema", bytes);
        let [layout, zero] = from.u16()?.to_le_bytes();
        if (layout, zero) != (VERSION, 0) {
            return Err(Defect::Field {
                what: "layout of a schema",
                found: u64::from(layout),
                expected: "1, and a zero after it",
            });
        }
        let arrays = from.u16()?;
        let attrs = from.u16()?;
        let with_attrs = from.u16()?;
        let slots = from.count()?;
        let dims = (0..slots)
            .map(|_| parse_dim(&mut from))
            .collect::<Result<Vec<_>, _>>()?;
        let mut parts = Parts::default();
        for _ in 0..arrays {
            parts.parse_array(&mut from, &dims)?;
        }
        for _ in 0..attrs {
            parts.parse_attr(&mut from)?;
        }
        parse_array_attrs(&mut from, u32::from(with_attrs), |field, attrs| {
            let info = parts.fields.get_mut(field)?;
            info.attrs = attrs;
            Some(())
        })?;
        from.end()?;
        parts.finish(dims.len())
    }

    /// Place of the array called `name`.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.names.position(name, &self.fields)
    }

    /// Number of the entry attribute called `name`.
    pub(crate) fn attr_position(&self, name: &str) -> Option<usize> {
        self.attrs.iter().position(|info| info.name == name)
    }

    /// Dim slots of the axes of an array.
    pub(super) fn axes(&self, field: usize) -> Option<&[u32]> {
        self.axes.get(field).map(|axes| axes.as_slice())
    }
}

#[derive(Default)]
struct Parts {
    fields: Vec<FieldInfo>,
    axes: Vec<Axes>,
    attrs: Vec<AttrInfo>,
    items: Vec<Item>,
}

impl Parts {
    fn parse_array(&mut self, from: &mut Cursor<'_>, dims: &[Option<&str>]) -> Result<(), Defect> {
        let len = usize::from(from.u8()?);
        let name = from.text(len, "name of an array")?;
        if array_name_fault(name).is_some() {
            return Err(Defect::Field {
                what: "array with a NUL in its name, number",
                found: self.fields.len() as u64,
                expected: "a name without",
            });
        }
        let code = from.u8()?;
        let dtype = DType::decode(code, from)?;
        let rank = usize::from(from.u8()?);
        let flags = from.u8()?;
        check_shape(rank, flags)?;
        let axes = (0..rank).map(|_| from.u32()).collect::<Result<Axes, _>>()?;
        let dims = axes
            .iter()
            .map(|slot| dim_name(dims, *slot))
            .collect::<Result<Vec<_>, _>>()?;
        let fill_value = match flags & FILLED {
            0 => None,
            _ => Some(parse_fill(dtype, from)?),
        };
        let codec = match flags & CODED {
            0 => None,
            _ => Some(parse_codec(from)?),
        };
        self.items.push(Item {
            class: Class::of_array(dtype, rank),
            validity: flags & MASKED != 0,
        });
        self.axes.push(axes);
        self.fields.push(FieldInfo {
            name: name.to_owned(),
            dtype,
            dims,
            fill_value,
            codec,
            chunked: flags & CHUNKED != 0,
            attrs: Attrs::new(),
        });
        Ok(())
    }

    fn parse_attr(&mut self, from: &mut Cursor<'_>) -> Result<(), Defect> {
        let len = usize::from(from.u16()?);
        let name = from.text(len, "name of an attribute")?.to_owned();
        let dtype = match from.u8()? {
            EXTRA => None,
            code => Some(DType::decode(code, from)?),
        };
        let class = match dtype {
            None => Class::Extra,
            Some(DType::FixedBytes(_) | DType::FixedString(_)) => {
                return Err(Defect::Field {
                    what: "entry attribute of dtype S or U, number",
                    found: self.attrs.len() as u64,
                    expected: "a dtype of scalars",
                });
            }
            Some(dtype) => Class::of_array(dtype, 0),
        };
        self.items.push(Item {
            class,
            validity: false,
        });
        self.attrs.push(AttrInfo { name, dtype });
        Ok(())
    }

    fn finish(self, dims: usize) -> Result<Schema, Defect> {
        unique("array", self.fields.iter().map(|field| field.name.as_str()))?;
        unique(
            "attribute",
            self.attrs.iter().map(|attr| attr.name.as_str()),
        )?;
        if let Some(at) = self.attrs.iter().position(|attr| attr.name.is_empty()) {
            return Err(Defect::Field {
                what: "attribute without name, number",
                found: at as u64,
                expected: "a name",
            });
        }
        Ok(Schema {
            layout: Layout::new(dims, &self.items),
            names: Names::new(&self.fields),
            fields: self.fields,
            attrs: self.attrs,
            axes: self.axes,
        })
    }
}

fn parse_dim<'a>(from: &mut Cursor<'a>) -> Result<Option<&'a str>, Defect> {
    let len = usize::from(from.u8()?);
    let name = from.text(len, "name of a dim")?;
    if array_name_fault(name).is_some() {
        return Err(Defect::Field {
            what: "byte in the name of a dim",
            found: 0,
            expected: "no NUL",
        });
    }
    Ok((!name.is_empty()).then_some(name))
}

fn check_shape(rank: usize, flags: u8) -> Result<(), Defect> {
    if rank > MAX_RANK {
        return Err(Defect::Field {
            what: "rank of an array",
            found: rank as u64,
            expected: "at most 32",
        });
    }
    let known = match rank {
        0 => MASKED | FILLED,
        _ => FILLED | CODED | CHUNKED,
    };
    if flags & !known != 0 {
        return Err(Defect::Field {
            what: "flags of an array",
            found: u64::from(flags),
            expected: "a sum of 1 and 2 if it is 0-d, else of 2, 4 and 8",
        });
    }
    Ok(())
}

fn dim_name(dims: &[Option<&str>], slot: u32) -> Result<Option<String>, Defect> {
    match dims.get(slot as usize) {
        Some(name) => Ok(name.map(str::to_owned)),
        None => Err(Defect::Field {
            what: "dim slot of an axis",
            found: u64::from(slot),
            expected: "one of the schema",
        }),
    }
}

fn parse_fill(dtype: DType, from: &mut Cursor<'_>) -> Result<AttrValue, Defect> {
    let value = decode_value(from, 0)?;
    match fill_fault(dtype, &value) {
        None => Ok(value),
        Some(_) => Err(Defect::Field {
            what: "fill value of another dtype, bytes left after it",
            found: from.remaining() as u64,
            expected: "one of the dtype of the array",
        }),
    }
}

fn parse_codec(from: &mut Cursor<'_>) -> Result<String, Defect> {
    let len = usize::from(from.u8()?);
    let text = from.text(len, "codec of an array")?;
    Pipeline::stored(text)?;
    Ok(text.to_owned())
}

/// Why `value` cannot be the fill value of an array of `dtype`.
pub(super) fn fill_fault(dtype: DType, value: &AttrValue) -> Option<String> {
    let fits = match (dtype, value) {
        (DType::FixedBytes(n), AttrValue::Bytes(bytes)) => bytes.len() <= n as usize,
        (DType::FixedString(n), AttrValue::String(text)) => text.chars().count() <= n as usize,
        _ => value.dtype() == Some(dtype),
    };
    (!fits).then(|| {
        format!(
            "a fill value is a scalar of the array's dtype {dtype}, this one is {}",
            value.kind()
        )
    })
}

/// Reads `count` pairs of an array's number and a map, numbers rising, and
/// hands each to `each`, which knows whether the array exists.
pub(super) fn parse_array_attrs(
    from: &mut Cursor<'_>,
    count: u32,
    mut each: impl FnMut(usize, Attrs) -> Option<()>,
) -> Result<(), Defect> {
    let mut next = 0_usize;
    for _ in 0..count {
        let field = usize::from(from.u16()?);
        let attrs = decode_map(from, 0)?;
        if field < next || each(field, attrs).is_none() {
            return Err(Defect::Field {
                what: "number of an array that has attributes",
                found: field as u64,
                expected: "that of an array after the one before",
            });
        }
        next = field.saturating_add(1);
    }
    Ok(())
}

fn unique<'a>(
    kind: &'static str,
    names: impl ExactSizeIterator<Item = &'a str>,
) -> Result<(), Defect> {
    let mut seen = HashSet::with_capacity(names.len());
    for (at, name) in names.enumerate() {
        if !seen.insert(name) {
            let what = match kind {
                "array" => "array with a repeated name, number",
                _ => "attribute with a repeated name, number",
            };
            return Err(Defect::Field {
                what,
                found: at as u64,
                expected: "a name of its own",
            });
        }
    }
    Ok(())
}

/// Up to this many names a plain comparison beats a hash.
const FEW: usize = 8;

/// Finds arrays by name.
#[derive(Clone, Debug)]
enum Names {
    /// Compared one after the other.
    Few,
    /// Open addressing over a power of two of at least twice the arrays.
    Table {
        /// From the system, so that a file cannot be made to collide.
        seed: u64,
        /// Numbers of arrays; `VACANT` ends a search.
        slots: Box<[u16]>,
    },
}

/// No array has this number, as there are at most 65,535.
const VACANT: u16 = u16::MAX;

impl Names {
    fn new(fields: &[FieldInfo]) -> Self {
        if fields.len() <= FEW {
            return Self::Few;
        }
        let seed = std::hash::RandomState::new().hash_one(0_u8);
        let size = fields.len().saturating_mul(2).next_power_of_two();
        let mut slots = vec![VACANT; size].into_boxed_slice();
        for (number, field) in fields.iter().enumerate() {
            let free = probe(seed, size, &field.name).find(|at| slots.get(*at) == Some(&VACANT));
            if let Some(slot) = free.and_then(|at| slots.get_mut(at)) {
                *slot = number as u16;
            }
        }
        Self::Table { seed, slots }
    }

    fn position(&self, name: &str, fields: &[FieldInfo]) -> Option<usize> {
        let Self::Table { seed, slots } = self else {
            return fields.iter().position(|field| field.name == name);
        };
        probe(*seed, slots.len(), name)
            .map_while(|at| slots.get(at).copied().filter(|number| *number != VACANT))
            .map(usize::from)
            .find(|number| fields.get(*number).is_some_and(|field| field.name == name))
    }
}

/// The slots to look at for `name`, each of a table of `size` once.
fn probe(seed: u64, size: usize, name: &str) -> impl Iterator<Item = usize> {
    let last = size.saturating_sub(1);
    let start = xxh3_64_with_seed(name.as_bytes(), seed) as usize;
    (0..size).map(move |step| start.wrapping_add(step) & last)
}
