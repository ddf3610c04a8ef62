//! The elements of one array: dtype, shape, bytes, mask.

use std::borrow::Cow;

use arraylog::{ArrayBytes, AttrArray, AttrValue, DType};
use simd_json::{Node, StaticNode};

use super::document::Value;
use super::fault::{Fault, Parsed};
use super::infer;
use super::shape::{self, Innermost};
use super::typed::{self, Column};

/// What a `null` among the elements is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// A missing element: the array gets a mask.
    #[default]
    Mask,
    /// NaN in float arrays (no mask); missing in others.
    Nan,
}

/// The elements of one array, in C order.
pub(crate) struct Elements {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<u64>,
    pub(crate) data: ArrayBytes<'static>,
    /// One byte an element, 1 = missing; `None` if no element is `null`.
    pub(crate) missing: Option<Vec<u8>>,
}

/// Reads scalars and lists of them as elements of `dtype`, or of the one that they imply.
pub(crate) fn read(
    data: Value<'_, '_>,
    dtype: Option<DType>,
    nulls: Nulls,
    name: &str,
) -> Parsed<Elements> {
    if data.is_object() {
        return Err(data.expected("a scalar or a list"));
    }
    let shape = shape::of(data, innermost(dtype))?;
    let mut column = match dtype {
        None => inferred(data, &shape, nulls, name)?,
        Some(dtype) => typed_as(dtype, data, &shape, nulls)?,
    };
    let missing = column.missing();
    let dtype = column.dtype;
    let data = match dtype.item_size() {
        Some(_) => ArrayBytes::Fixed(Cow::Owned(column.data)),
        None => ArrayBytes::Variable {
            offsets: column.offsets,
            data: Cow::Owned(column.data),
        },
    };
    Ok(Elements {
        dtype,
        shape,
        data,
        missing,
    })
}

fn typed_as(dtype: DType, data: Value<'_, '_>, shape: &[u64], nulls: Nulls) -> Parsed<Column> {
    let mut column = Column::new(dtype, nulls, data.nodes_below());
    column.read(data, shape)?;
    Ok(column)
}

fn inferred(data: Value<'_, '_>, shape: &[u64], nulls: Nulls, name: &str) -> Parsed<Column> {
    // The common case is told and read in one pass. An integer beyond 64 bits is on
    // the tape as a float, which it is not.
    let row = data.leaves().filter(|row| !row.is_empty());
    if let (&[_], Some(row), None) = (shape, row, data.large_integer())
        && let Some(column) = Column::of_floats(row)
    {
        return Ok(column);
    }
    typed_as(infer::dtype(data, shape, name)?, data, shape, nulls)
}

fn innermost(dtype: Option<DType>) -> Innermost {
    match dtype {
        Some(DType::Complex64 | DType::Complex128) => Innermost::Pair,
        _ => Innermost::Axis,
    }
}

/// Reads elements of fixed width from base64 of their little-endian bytes.
pub(crate) fn read_base64(text: Value<'_, '_>, dtype: DType, shape: &[u64]) -> Parsed<Elements> {
    let Some(width) = dtype.item_size() else {
        return Err(text.fault(format!("dtype {dtype} has no fixed width; write `data`")));
    };
    let bytes = typed::base64(text.expect_text()?, text.at)?;
    let expected = shape
        .iter()
        .try_fold(width as u64, |product, &len| product.checked_mul(len))
        .ok_or_else(|| text.fault(format!("shape {shape:?} is beyond 64 bits")))?;
    if bytes.len() as u64 != expected {
        return Err(text.fault(format!(
            "shape {shape:?} of {dtype} takes {expected} bytes, found {}",
            bytes.len()
        )));
    }
    check_values(dtype, &bytes).map_err(|why| text.fault(why))?;
    Ok(Elements {
        dtype,
        shape: shape.to_vec(),
        data: ArrayBytes::Fixed(Cow::Owned(bytes)),
        missing: None,
    })
}

/// Refuses bytes that are no value of their dtype.
fn check_values(dtype: DType, bytes: &[u8]) -> Result<(), String> {
    let wrong = match dtype {
        DType::Bool => bytes.iter().position(|&b| b > 1),
        DType::FixedString(_) => bytes
            .chunks_exact(4)
            .position(|c| char::from_u32(le_u32(c)).is_none()),
        _ => None,
    };
    match wrong {
        Some(number) if dtype == DType::Bool => {
            Err(format!("byte {number} is neither 0 nor 1, as bool needs"))
        }
        Some(number) => Err(format!("character {number} is no Unicode character")),
        None => Ok(()),
    }
}

fn le_u32(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, &b| (sum << 8) | u32::from(b))
}

/// The one element, as a plain value: that of an attribute or a fill value.
pub(crate) fn scalar(data: Value<'_, '_>, dtype: DType, name: &str) -> Parsed<AttrValue> {
    let elements = read(data, Some(dtype), Nulls::Mask, name)?;
    if !elements.shape.is_empty() {
        return Err(data.expected("a scalar"));
    }
    if elements.missing.is_some() {
        return Err(data.expected("a value"));
    }
    scalar_of(dtype, &elements.data).ok_or_else(|| data.fault(format!("no plain value is {dtype}")))
}

impl Elements {
    /// These elements as the value of an attribute of their exact type: a scalar or a
    /// 1-d array.
    pub(crate) fn attr(self) -> Result<AttrValue, String> {
        match *self.shape.as_slice() {
            [] => Ok(match scalar_of(self.dtype, &self.data) {
                Some(plain) if !is_ambiguous(self.dtype) => plain,
                _ => AttrValue::Scalar(self.attr_array(1)),
            }),
            [len] => Ok(AttrValue::Array(self.attr_array(len as usize))),
            ref shape => Err(format!(
                "an attribute has at most one axis, found {}",
                shape.len()
            )),
        }
    }

    fn attr_array(self, len: usize) -> AttrArray {
        let (data, offsets) = match self.data {
            ArrayBytes::Fixed(data) => (data, Vec::new()),
            ArrayBytes::Variable { offsets, data } => (data, offsets),
            // What is read from text is given as it is.
            ArrayBytes::Stored(_) => Default::default(),
        };
        AttrArray {
            dtype: self.dtype,
            len,
            data: data.into_owned(),
            offsets,
        }
    }
}

/// Whether the plain value of a dtype is a type of Python itself, so that NumPy's
/// scalar of it is the stated one.
fn is_ambiguous(dtype: DType) -> bool {
    matches!(
        dtype,
        DType::Bool | DType::Int64 | DType::UInt64 | DType::Float64 | DType::Complex128
    )
}

fn scalar_of(dtype: DType, data: &ArrayBytes<'_>) -> Option<AttrValue> {
    let (ArrayBytes::Fixed(bytes) | ArrayBytes::Variable { data: bytes, .. }) = data else {
        return None;
    };
    let bytes: &[u8] = bytes;
    let eight = || bytes.try_into().ok().map(i64::from_le_bytes);
    Some(match dtype {
        DType::Bool => AttrValue::Bool(bytes.first()? != &0),
        DType::Int8 => AttrValue::Int8(i8::from_le_bytes(bytes.try_into().ok()?)),
        DType::Int16 => AttrValue::Int16(i16::from_le_bytes(bytes.try_into().ok()?)),
        DType::Int32 => AttrValue::Int32(i32::from_le_bytes(bytes.try_into().ok()?)),
        DType::Int64 => AttrValue::Int64(eight()?),
        DType::UInt8 => AttrValue::UInt8(u8::from_le_bytes(bytes.try_into().ok()?)),
        DType::UInt16 => AttrValue::UInt16(u16::from_le_bytes(bytes.try_into().ok()?)),
        DType::UInt32 => AttrValue::UInt32(u32::from_le_bytes(bytes.try_into().ok()?)),
        DType::UInt64 => AttrValue::UInt64(u64::from_le_bytes(bytes.try_into().ok()?)),
        DType::Float16 => AttrValue::Float16(u16::from_le_bytes(bytes.try_into().ok()?)),
        DType::BFloat16 => AttrValue::BFloat16(u16::from_le_bytes(bytes.try_into().ok()?)),
        DType::Float8E4M3 => AttrValue::Float8E4M3(*bytes.first()?),
        DType::Float8E5M2 => AttrValue::Float8E5M2(*bytes.first()?),
        DType::Float32 => AttrValue::Float32(f32::from_le_bytes(bytes.try_into().ok()?)),
        DType::Float64 => AttrValue::Float64(f64::from_le_bytes(bytes.try_into().ok()?)),
        DType::Complex64 => {
            let (re, im) = bytes.split_at_checked(4)?;
            let part = |part: &[u8]| part.try_into().ok().map(f32::from_le_bytes);
            AttrValue::Complex64(part(re)?, part(im)?)
        }
        DType::Complex128 => {
            let (re, im) = bytes.split_at_checked(8)?;
            let part = |part: &[u8]| part.try_into().ok().map(f64::from_le_bytes);
            AttrValue::Complex128(part(re)?, part(im)?)
        }
        DType::DateTime64(unit) => AttrValue::DateTime64(eight()?, unit),
        DType::TimeDelta64(unit) => AttrValue::TimeDelta64(eight()?, unit),
        DType::String => AttrValue::String(String::from_utf8(bytes.to_vec()).ok()?),
        DType::Bytes => AttrValue::Bytes(bytes.to_vec()),
        // These are stated, never plain.
        DType::FixedBytes(_) | DType::FixedString(_) => return None,
        _ => return None,
    })
}

/// The mask that `value` states for `shape`: one byte an element, 1 = missing.
pub(crate) fn read_mask(value: Value<'_, '_>, shape: &[u64]) -> Parsed<Vec<u8>> {
    let found = shape::of(value, Innermost::Axis)?;
    let empty = shape.contains(&0) && found.contains(&0);
    if found != shape && !empty {
        return Err(value.fault(format!("mask has shape {found:?}, the data has {shape:?}")));
    }
    let mut mask = Vec::new();
    shape::rows(value, &found, &mut |row, first| {
        for (i, node) in row.iter().enumerate() {
            match node {
                Node::Static(StaticNode::Bool(missing)) => mask.push(u8::from(*missing)),
                other if shape::is_container(other) => {
                    return Err(shape::ragged_leaf(row, first, i));
                }
                other => {
                    let found = super::document::describe(other);
                    return Err(Fault::at(
                        first + i,
                        format!("expected true or false, found {found}"),
                    ));
                }
            }
        }
        Ok(())
    })?;
    Ok(mask)
}

/// A dtype by name.
pub(crate) fn parse_dtype(text: &str) -> Result<DType, String> {
    text.parse().map_err(|_| {
        let names = KNOWN_DTYPES.iter().copied();
        let hint = super::fault::nearest(text, names);
        format!(
            "unknown dtype {text:?}{hint} (known: {})",
            KNOWN_DTYPES.join(", ")
        )
    })
}

const KNOWN_DTYPES: [&str; 23] = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "datetime64[s]",
    "timedelta64[s]",
    "string",
    "bytes",
    "S<n>",
    "U<n>",
];
