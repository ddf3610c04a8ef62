//! Attribute values that describe themselves.
//!
//! ```text
//! value     u8 tag, then by tag:
//!   0       None        nothing
//!   1..=14, 21..=23
//!           numbers     dtype codes; the number, little-endian, in its width
//!                       (bool: 0 or 1; complex: re, im)
//!   15, 16  times       u8 unit, i64
//!   19, 20  text, bytes u32 length, the bytes (19: UTF-8)
//!   0x40    1-d array   u8 dtype code and its parameter, u32 number of elements;
//!                       fixed width: the elements; else u32 end of each
//!                       element, then the elements
//!   0x41    list        u32 number of values, the values
//!   0x42    mapping     a map
//!   0x43    scalar      as a 1-d array of one element
//! map       u32 number of pairs, then each: u16 length of the name, name, value
//! ```
//!
//! * The codes 17, 18 (`S<n>`, `U<n>`) are dtypes of arrays, never tags.
//! * Names are UTF-8, unique within their map; those of attributes have at least
//!   one byte, those inside a mapping may be empty.
//! * Lists and mappings are at most 32 deep, so that neither side can be made
//!   to overflow its stack.
use std::collections::HashSet;

use super::cursor::Cursor;
use super::limits::{MAX_ATTR_BYTES, MAX_DEPTH, attr_name_fault, inner_name_fault};
use super::{AttrArray, AttrValue, Attrs, DType};
use crate::format::Defect;
use crate::{Error, Result};

const NONE: u8 = 0;
const ARRAY: u8 = 0x40;
const LIST: u8 = 0x41;
const MAP: u8 = 0x42;
const SCALAR: u8 = 0x43;

/// Most characters of a name in the path of a message.
const MAX_STEP: usize = 40;

/// Whether as many bytes of attributes can be stored together.
pub(super) fn check_size(bytes: usize, owner: &str) -> Result<()> {
    if bytes <= MAX_ATTR_BYTES {
        return Ok(());
    }
    Err(Error::Invalid {
        what: format!("attributes of {owner}"),
        detail: format!(
            "at most {MAX_ATTR_BYTES} bytes of attributes are stored together, these are {bytes}"
        ),
    })
}

/// Why a value cannot be encoded, and the names and positions that lead to it.
#[derive(Debug)]
pub(super) struct Fault {
    path: Vec<String>,
    detail: String,
}

impl Fault {
    fn new(detail: String) -> Self {
        Self {
            path: Vec::new(),
            detail,
        }
    }

    /// A name may have 65,535 bytes, of which a message shows the start.
    fn inside(mut self, step: impl ToString) -> Self {
        let mut step = step.to_string();
        if let Some((end, _)) = step.char_indices().nth(MAX_STEP) {
            step.truncate(end);
            step.push('…');
        }
        self.path.push(step);
        self
    }

    /// The error for attributes of `owner`.
    pub(super) fn of(mut self, owner: &str) -> Error {
        self.path.reverse();
        Error::Invalid {
            what: format!("attribute {:?} of {owner}", self.path.join("/")),
            detail: self.detail,
        }
    }
}

/// Appends the value of the attribute `name`, which stands outside of any map.
pub(super) fn encode_named(name: &str, value: &AttrValue, out: &mut Vec<u8>) -> Result<(), Fault> {
    encode_value(value, out, 0).map_err(|fault| fault.inside(name))
}

/// Appends attributes (`depth` 0) or what is inside a mapping.
pub(super) fn encode_map(attrs: &Attrs, out: &mut Vec<u8>, depth: usize) -> Result<(), Fault> {
    out.extend(length(attrs.len())?);
    for (name, value) in attrs.iter() {
        if depth == 0 {
            check_name(name)?;
        } else if let Some(detail) = inner_name_fault(name) {
            return Err(Fault::new(detail).inside(name));
        }
        out.extend((name.len() as u16).to_le_bytes());
        out.extend_from_slice(name.as_bytes());
        encode_value(value, out, depth).map_err(|fault| fault.inside(name))?;
    }
    Ok(())
}

pub(super) fn check_name(name: &str) -> Result<(), Fault> {
    match attr_name_fault(name) {
        None => Ok(()),
        Some(detail) => Err(Fault::new(detail).inside(name)),
    }
}

fn encode_value(value: &AttrValue, out: &mut Vec<u8>, depth: usize) -> Result<(), Fault> {
    match value {
        AttrValue::None => out.push(NONE),
        AttrValue::Array(array) => {
            out.push(ARRAY);
            encode_array(array, out)?;
        }
        AttrValue::Scalar(scalar) => {
            if scalar.len != 1 {
                return Err(Fault::new(format!(
                    "a scalar has one element, this has {}",
                    scalar.len
                )));
            }
            out.push(SCALAR);
            encode_array(scalar, out)?;
        }
        AttrValue::List(items) => {
            let inner = deeper(depth).map_err(Fault::new)?;
            out.push(LIST);
            out.extend(length(items.len())?);
            for (at, item) in items.iter().enumerate() {
                encode_value(item, out, inner).map_err(|fault| fault.inside(at))?;
            }
        }
        AttrValue::Map(attrs) => {
            let inner = deeper(depth).map_err(Fault::new)?;
            out.push(MAP);
            encode_map(attrs, out, inner)?;
        }
        scalar => {
            if let Some(dtype) = scalar.dtype() {
                dtype.encode(out);
            }
            if let AttrValue::String(_) | AttrValue::Bytes(_) = scalar {
                out.extend(length(scalar_len(scalar))?);
            }
            encode_scalar(scalar, out);
        }
    }
    Ok(())
}

fn deeper(depth: usize) -> Result<usize, String> {
    if depth < MAX_DEPTH {
        return Ok(depth.saturating_add(1));
    }
    Err(format!(
        "lists and mappings are at most {MAX_DEPTH} deep, these are deeper"
    ))
}

fn length(len: usize) -> Result<[u8; 4], Fault> {
    u32::try_from(len).map(u32::to_le_bytes).map_err(|_| {
        Fault::new(format!(
            "a length of an attribute is below 2^32, this is {len}"
        ))
    })
}

fn scalar_len(value: &AttrValue) -> usize {
    match value {
        AttrValue::String(text) => text.len(),
        AttrValue::Bytes(bytes) => bytes.len(),
        number => number.dtype().and_then(DType::item_size).unwrap_or(0),
    }
}

/// Appends the bytes of a scalar: numbers in their width, text and bytes as
/// they are. Appends nothing for a value that is not a scalar.
pub(super) fn encode_scalar(value: &AttrValue, out: &mut Vec<u8>) {
    match value {
        AttrValue::Bool(v) => out.push(u8::from(*v)),
        AttrValue::Int8(v) => out.extend(v.to_le_bytes()),
        AttrValue::Int16(v) => out.extend(v.to_le_bytes()),
        AttrValue::Int32(v) => out.extend(v.to_le_bytes()),
        AttrValue::Int64(v) | AttrValue::DateTime64(v, _) | AttrValue::TimeDelta64(v, _) => {
            out.extend(v.to_le_bytes());
        }
        AttrValue::UInt8(v) | AttrValue::Float8E4M3(v) | AttrValue::Float8E5M2(v) => out.push(*v),
        AttrValue::UInt16(v) | AttrValue::Float16(v) | AttrValue::BFloat16(v) => {
            out.extend(v.to_le_bytes())
        }
        AttrValue::UInt32(v) => out.extend(v.to_le_bytes()),
        AttrValue::UInt64(v) => out.extend(v.to_le_bytes()),
        AttrValue::Float32(v) => out.extend(v.to_le_bytes()),
        AttrValue::Float64(v) => out.extend(v.to_le_bytes()),
        AttrValue::Complex64(re, im) => {
            out.extend(re.to_le_bytes());
            out.extend(im.to_le_bytes());
        }
        AttrValue::Complex128(re, im) => {
            out.extend(re.to_le_bytes());
            out.extend(im.to_le_bytes());
        }
        AttrValue::String(text) => out.extend_from_slice(text.as_bytes()),
        AttrValue::Bytes(bytes) => out.extend_from_slice(bytes),
        AttrValue::None
        | AttrValue::Array(_)
        | AttrValue::Scalar(_)
        | AttrValue::List(_)
        | AttrValue::Map(_) => {}
    }
}

/// The scalar of `dtype` that `bytes` are, all of them.
pub(crate) fn decode_scalar(dtype: DType, bytes: &[u8]) -> Result<AttrValue, Defect> {
    fn number<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Defect> {
        bytes.try_into().map_err(|_| Defect::Truncated {
            what: "value of an attribute",
            need: N as u64,
            have: bytes.len() as u64,
        })
    }
    Ok(match dtype {
        DType::Bool => match number(bytes)? {
            [0] => AttrValue::Bool(false),
            [1] => AttrValue::Bool(true),
            [found] => {
                return Err(Defect::Field {
                    what: "bool",
                    found: u64::from(found),
                    expected: "0 or 1",
                });
            }
        },
        DType::Int8 => AttrValue::Int8(i8::from_le_bytes(number(bytes)?)),
        DType::Int16 => AttrValue::Int16(i16::from_le_bytes(number(bytes)?)),
        DType::Int32 => AttrValue::Int32(i32::from_le_bytes(number(bytes)?)),
        DType::Int64 => AttrValue::Int64(i64::from_le_bytes(number(bytes)?)),
        DType::UInt8 => AttrValue::UInt8(u8::from_le_bytes(number(bytes)?)),
        DType::UInt16 => AttrValue::UInt16(u16::from_le_bytes(number(bytes)?)),
        DType::UInt32 => AttrValue::UInt32(u32::from_le_bytes(number(bytes)?)),
        DType::UInt64 => AttrValue::UInt64(u64::from_le_bytes(number(bytes)?)),
        DType::Float16 => AttrValue::Float16(u16::from_le_bytes(number(bytes)?)),
        DType::BFloat16 => AttrValue::BFloat16(u16::from_le_bytes(number(bytes)?)),
        DType::Float8E4M3 => AttrValue::Float8E4M3(u8::from_le_bytes(number(bytes)?)),
        DType::Float8E5M2 => AttrValue::Float8E5M2(u8::from_le_bytes(number(bytes)?)),
        DType::Float32 => AttrValue::Float32(f32::from_le_bytes(number(bytes)?)),
        DType::Float64 => AttrValue::Float64(f64::from_le_bytes(number(bytes)?)),
        DType::Complex64 => {
            let (re, im) = bytes.split_at_checked(4).unwrap_or_default();
            AttrValue::Complex64(
                f32::from_le_bytes(number(re)?),
                f32::from_le_bytes(number(im)?),
            )
        }
        DType::Complex128 => {
            let (re, im) = bytes.split_at_checked(8).unwrap_or_default();
            AttrValue::Complex128(
                f64::from_le_bytes(number(re)?),
                f64::from_le_bytes(number(im)?),
            )
        }
        DType::DateTime64(unit) => AttrValue::DateTime64(i64::from_le_bytes(number(bytes)?), unit),
        DType::TimeDelta64(unit) => {
            AttrValue::TimeDelta64(i64::from_le_bytes(number(bytes)?), unit)
        }
        DType::String => match std::str::from_utf8(bytes) {
            Ok(text) => AttrValue::String(text.to_owned()),
            Err(_) => {
                return Err(Defect::NotUtf8 {
                    what: "text of an attribute",
                });
            }
        },
        DType::Bytes => AttrValue::Bytes(bytes.to_vec()),
        DType::FixedBytes(_) | DType::FixedString(_) => {
            return Err(Defect::Field {
                what: "dtype of an attribute (17: S, 18: U)",
                found: if matches!(dtype, DType::FixedBytes(_)) {
                    17
                } else {
                    18
                },
                expected: "that of a scalar",
            });
        }
    })
}

/// The value that comes next, `depth` lists and mappings deep.
pub(super) fn decode_value(from: &mut Cursor<'_>, depth: usize) -> Result<AttrValue, Defect> {
    let tag = from.u8()?;
    let inner = || {
        deeper(depth).map_err(|_| Defect::Field {
            what: "depth of an attribute",
            found: depth.saturating_add(1) as u64,
            expected: "at most 32",
        })
    };
    match tag {
        NONE => Ok(AttrValue::None),
        ARRAY => decode_array(from).map(AttrValue::Array),
        SCALAR => {
            let scalar = decode_array(from)?;
            if scalar.len != 1 {
                return Err(Defect::Field {
                    what: "length of a scalar attribute",
                    found: scalar.len as u64,
                    expected: "1",
                });
            }
            Ok(AttrValue::Scalar(scalar))
        }
        LIST => {
            let inner = inner()?;
            let count = from.count()?;
            let items: Result<Vec<_>, _> = (0..count).map(|_| decode_value(from, inner)).collect();
            items.map(AttrValue::List)
        }
        MAP => decode_map(from, inner()?).map(AttrValue::Map),
        code => {
            let dtype = DType::decode(code, from)?;
            let len = match dtype.item_size() {
                Some(width) => width,
                None => from.u32()? as usize,
            };
            decode_scalar(dtype, from.take(len)?)
        }
    }
}

/// Attributes (`depth` 0) or what is inside a mapping.
pub(super) fn decode_map(from: &mut Cursor<'_>, depth: usize) -> Result<Attrs, Defect> {
    let count = from.count()?;
    let mut pairs: Vec<(String, AttrValue)> = Vec::new();
    let mut names = HashSet::new();
    for at in 0..count {
        let len = usize::from(from.u16()?);
        let name = from.text(len, "name of an attribute")?;
        if (name.is_empty() && depth == 0) || !names.insert(name) {
            return Err(Defect::Field {
                what: "attribute with an empty or repeated name, number",
                found: at as u64,
                expected: "a name of its own",
            });
        }
        let value = decode_value(from, depth)?;
        pairs.push((name.to_owned(), value));
    }
    Ok(Attrs::from_unique(pairs))
}

fn encode_array(array: &AttrArray, out: &mut Vec<u8>) -> Result<(), Fault> {
    if !array.dtype.fits() {
        return Err(Fault::new(format!(
            "elements of {} are too long",
            array.dtype
        )));
    }
    array.dtype.encode(out);
    out.extend(length(array.len)?);
    match array.dtype.item_size() {
        Some(width) => {
            let expected = array.len.checked_mul(width);
            if expected != Some(array.data.len()) || !array.offsets.is_empty() {
                return Err(Fault::new(format!(
                    "{} elements of {} are {width} bytes each and have no offsets; found {} bytes, {} offsets",
                    array.len,
                    array.dtype,
                    array.data.len(),
                    array.offsets.len()
                )));
            }
            check_bools(array.dtype, &array.data).map_err(Fault::new)?;
        }
        None => {
            length(array.data.len())?;
            check_offsets(array.dtype, array.len as u64, &array.offsets, &array.data)
                .map_err(Fault::new)?;
            for end in array.offsets.iter().skip(1) {
                out.extend((*end as u32).to_le_bytes());
            }
        }
    }
    out.extend_from_slice(&array.data);
    Ok(())
}

fn decode_array(from: &mut Cursor<'_>) -> Result<AttrArray, Defect> {
    let code = from.u8()?;
    let dtype = DType::decode(code, from)?;
    let len = from.u32()? as usize;
    let Some(width) = dtype.item_size() else {
        return decode_variable(dtype, len, from);
    };
    // Beyond the address space is beyond what is there, too.
    let data = from.take(len.saturating_mul(width))?;
    if let Err(_text) = check_bools(dtype, data) {
        return Err(Defect::Field {
            what: "bool in an attribute array",
            found: data.iter().copied().max().unwrap_or(0).into(),
            expected: "0 or 1",
        });
    }
    Ok(AttrArray {
        dtype,
        len,
        data: data.to_vec(),
        offsets: Vec::new(),
    })
}

fn decode_variable(dtype: DType, len: usize, from: &mut Cursor<'_>) -> Result<AttrArray, Defect> {
    let mut ends = Cursor::new(
        "offsets of an attribute array",
        from.take(len.saturating_mul(4))?,
    );
    let mut offsets = vec![0];
    let mut total = 0;
    for _ in 0..len {
        total = ends.u32()?;
        offsets.push(u64::from(total));
    }
    let data = from.take(total as usize)?;
    check_offsets(dtype, len as u64, &offsets, data).map_err(|_| Defect::Field {
        what: "attribute array of variable length, with elements",
        found: len as u64,
        expected: "offsets that never fall and UTF-8 text",
    })?;
    Ok(AttrArray {
        dtype,
        len,
        data: data.to_vec(),
        offsets,
    })
}

/// Whether bools are 0 or 1: readers lend the bytes as bools.
pub(super) fn check_bools(dtype: DType, data: &[u8]) -> Result<(), String> {
    if dtype != DType::Bool || data.iter().all(|byte| *byte <= 1) {
        return Ok(());
    }
    let at = data.iter().position(|byte| *byte > 1).unwrap_or(0);
    Err(format!(
        "a bool is a byte of 0 or 1, element {at} is {}",
        data.get(at).copied().unwrap_or(0)
    ))
}

/// Whether `offsets` cut `data` into `count` elements, for `String` of UTF-8 each.
pub(super) fn check_offsets(
    dtype: DType,
    count: u64,
    offsets: &[u64],
    data: &[u8],
) -> Result<(), String> {
    if Some(offsets.len() as u64) != count.checked_add(1) {
        return Err(format!(
            "{count} elements have one more offset, found {}",
            offsets.len()
        ));
    }
    let (first, last) = (offsets.first().copied(), offsets.last().copied());
    if first != Some(0) || last != Some(data.len() as u64) {
        return Err(format!(
            "offsets go from 0 to the {} bytes of data, found {} to {}",
            data.len(),
            first.unwrap_or(0),
            last.unwrap_or(0)
        ));
    }
    if let Some(at) = offsets
        .windows(2)
        .position(|pair| pair.first() > pair.last())
    {
        return Err(format!("offsets never fall, those of element {at} do"));
    }
    if dtype != DType::String {
        return Ok(());
    }
    match std::str::from_utf8(data) {
        Err(fault) => {
            let element = offsets.partition_point(|end| *end <= fault.valid_up_to() as u64);
            Err(format!(
                "text is UTF-8, element {} is not",
                element.saturating_sub(1)
            ))
        }
        Ok(text) => match offsets
            .iter()
            .position(|at| !text.is_char_boundary(*at as usize))
        {
            Some(at) => Err(format!(
                "text is UTF-8, element {at} starts inside a character"
            )),
            None => Ok(()),
        },
    }
}
