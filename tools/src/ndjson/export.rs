//! Entries as lines of the language.
//!
//! Dtype and dims are always stated, decimals are the shortest that give the
//! same number of the array's own width, what is not finite is a string. Elements of
//! bfloat16 and float8 are their bytes. What lies under a mask is the one loss.

use std::io::{self, Write};

use arraylog::{Array, ArrayView, AttrArray, AttrValue, Attrs, DType, Entry, Kind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::attrs::PLAIN;
use super::narrow::Narrow;
use super::time;
use crate::failure::{Failure, Outcome};

/// Where an entry belongs.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) collection: &'a str,
    pub(crate) partition: &'a str,
}

/// Writes one entry as one line.
pub(crate) fn entry(out: &mut dyn Write, place: Place<'_>, entry: &Entry) -> Outcome {
    raw(out, "{\"collection\": ")?;
    string(out, place.collection)?;
    raw(out, ", \"partition\": ")?;
    string(out, place.partition)?;
    text_or_base64(out, "entry", entry.key())?;
    if entry.kind() == Kind::Value {
        text_or_base64(out, "value", &entry.value()?)?;
    } else {
        raw(out, ", \"arrays\": {")?;
        for position in 0..entry.len() {
            let stored = entry.array_at(position)?;
            raw(out, if position == 0 { "" } else { ", " })?;
            string(out, &stored.info().name)?;
            raw(out, ": ")?;
            array(out, &stored)?;
        }
        raw(out, "}")?;
        let stored = entry.attrs()?;
        if !stored.is_empty() {
            raw(out, ", \"attrs\": ")?;
            attrs(out, &stored)?;
        }
    }
    raw(out, "}\n")
}

/// `, "name": text`, or `, "name_b64": base64` of bytes that are not UTF-8.
fn text_or_base64(out: &mut dyn Write, name: &str, bytes: &[u8]) -> Outcome {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            raw(out, &format!(", \"{name}\": "))?;
            string(out, text)
        }
        Err(_) => raw(
            out,
            &format!(", \"{name}_b64\": \"{}\"", BASE64.encode(bytes)),
        ),
    }
}

/// Writes the object of one array.
pub(crate) fn array(out: &mut dyn Write, array: &Array) -> Outcome {
    let read = array.read()?;
    let view = read.view();
    let info = view.info();
    raw(out, &format!("{{\"dtype\": \"{}\"", info.dtype))?;
    if !info.dims.is_empty() {
        raw(out, ", \"dims\": [")?;
        for (i, dim) in info.dims.iter().enumerate() {
            raw(out, if i == 0 { "" } else { ", " })?;
            match dim {
                Some(dim) => string(out, dim)?,
                None => raw(out, "null")?,
            }
        }
        raw(out, "]")?;
    }
    let shape = view.shape();
    let as_bytes = is_bits(info.dtype);
    if as_bytes || shape.contains(&0) {
        raw(out, &format!(", \"shape\": {shape:?}"))?;
    }
    if as_bytes {
        raw(
            out,
            &format!(", \"data_b64\": \"{}\"", BASE64.encode(view.data())),
        )?;
    } else {
        raw(out, ", \"data\": ")?;
        data(out, &view)?;
    }
    // Among elements `null` says what is missing, among bytes nothing does.
    if let Some(validity) = view
        .validity()
        .filter(|validity| as_bytes || !any_missing(validity, view.size()))
    {
        raw(out, ", \"mask\": ")?;
        nested(out, shape, &mut |out, element| {
            raw(
                out,
                if is_missing(validity, element) {
                    "true"
                } else {
                    "false"
                },
            )
        })?;
    }
    if let Some(chunks) = array.chunks()? {
        raw(out, &format!(", \"chunks\": {:?}", chunks.as_slice()))?;
    }
    if let Some(codec) = &info.codec {
        raw(out, ", \"codec\": ")?;
        string(out, codec)?;
    }
    if let Some(fill) = &info.fill_value {
        raw(out, ", \"fill_value\": ")?;
        bare_scalar(out, fill)?;
    }
    if !info.attrs.is_empty() {
        raw(out, ", \"attrs\": ")?;
        attrs(out, &info.attrs)?;
    }
    raw(out, "}")
}

/// Whether elements go out as their bytes: of bfloat16 and float8 other programs make
/// decimals of their own.
fn is_bits(dtype: DType) -> bool {
    matches!(
        dtype,
        DType::BFloat16 | DType::Float8E4M3 | DType::Float8E5M2
    )
}

/// Writes the elements as nested lists, missing ones as `null`.
fn data(out: &mut dyn Write, view: &ArrayView<'_>) -> Outcome {
    let dtype = view.info().dtype;
    let bytes = view.data();
    nested(out, view.shape(), &mut |out, element| {
        if view
            .validity()
            .is_some_and(|validity| is_missing(validity, element))
        {
            return raw(out, "null");
        }
        let item = match dtype.item_size() {
            Some(width) => item_of(bytes, width, element as usize),
            None => view.item(element)?,
        };
        cell(out, dtype, item)
    })
}

/// Element `element` of the bytes of a fixed-width array.
fn item_of(bytes: &[u8], width: usize, element: usize) -> &[u8] {
    bytes
        .get(element * width..(element + 1) * width)
        .unwrap_or_default()
}

/// Whether Arrow validity bits say that an element is missing.
fn is_missing(validity: &[u8], element: u64) -> bool {
    validity
        .get((element / 8) as usize)
        .is_none_or(|byte| byte >> (element % 8) & 1 == 0)
}

/// Whether any of `size` elements is missing.
pub(crate) fn any_missing(validity: &[u8], size: u64) -> bool {
    (0..size).any(|element| is_missing(validity, element))
}

type Visit<'v> = &'v mut dyn FnMut(&mut dyn Write, u64) -> Outcome;

/// Lists in lists of `shape`; `visit` writes each element, in C order.
fn nested(out: &mut dyn Write, shape: &[u64], visit: Visit<'_>) -> Outcome {
    fn level(out: &mut dyn Write, shape: &[u64], next: &mut u64, visit: Visit<'_>) -> Outcome {
        let [len, inner @ ..] = shape else {
            *next += 1;
            return visit(out, *next - 1);
        };
        raw(out, "[")?;
        for i in 0..*len {
            raw(out, if i == 0 { "" } else { ", " })?;
            level(out, inner, next, visit)?;
        }
        raw(out, "]")
    }
    // Beyond an empty axis there is nothing: `shape` says the rest, and lists
    // of empty lists could be as many as the axes before it are long.
    let upto = shape.iter().position(|&len| len == 0);
    match upto {
        Some(_) => raw(out, "[]"),
        None => level(out, shape, &mut 0, visit),
    }
}

/// Writes one element.
fn cell(out: &mut dyn Write, dtype: DType, bytes: &[u8]) -> Outcome {
    match dtype {
        DType::Bool => raw(out, if bytes == [0] { "false" } else { "true" }),
        DType::Int8 => display(out, i8::from_le_bytes(fixed(bytes))),
        DType::Int16 => display(out, i16::from_le_bytes(fixed(bytes))),
        DType::Int32 => display(out, i32::from_le_bytes(fixed(bytes))),
        DType::Int64 => display(out, i64::from_le_bytes(fixed(bytes))),
        DType::UInt8 => display(out, u8::from_le_bytes(fixed(bytes))),
        DType::UInt16 => display(out, u16::from_le_bytes(fixed(bytes))),
        DType::UInt32 => display(out, u32::from_le_bytes(fixed(bytes))),
        DType::UInt64 => display(out, u64::from_le_bytes(fixed(bytes))),
        DType::Float16 | DType::BFloat16 => narrow(out, dtype, u16::from_le_bytes(fixed(bytes))),
        DType::Float8E4M3 | DType::Float8E5M2 => {
            narrow(out, dtype, u16::from(u8::from_le_bytes(fixed(bytes))))
        }
        DType::Float32 => float32(out, f32::from_le_bytes(fixed(bytes))),
        DType::Float64 => float64(out, f64::from_le_bytes(fixed(bytes))),
        DType::Complex64 => {
            let [re, im] = [0, 1].map(|part| f32::from_le_bytes(fixed(item_of(bytes, 4, part))));
            raw(out, "[")?;
            float32(out, re)?;
            raw(out, ", ")?;
            float32(out, im)?;
            raw(out, "]")
        }
        DType::Complex128 => {
            let [re, im] = [0, 1].map(|part| f64::from_le_bytes(fixed(item_of(bytes, 8, part))));
            raw(out, "[")?;
            float64(out, re)?;
            raw(out, ", ")?;
            float64(out, im)?;
            raw(out, "]")
        }
        DType::DateTime64(unit) => {
            let count = i64::from_le_bytes(fixed(bytes));
            match time::format(count, unit) {
                Some(text) => raw(out, &format!("\"{text}\"")),
                None => display(out, count),
            }
        }
        DType::TimeDelta64(_) => match i64::from_le_bytes(fixed(bytes)) {
            time::NAT => raw(out, "\"NaT\""),
            count => display(out, count),
        },
        DType::FixedBytes(_) | DType::Bytes => raw(
            out,
            &format!("\"{}\"", BASE64.encode(unpadded(dtype, bytes))),
        ),
        DType::FixedString(_) => string(out, &characters(bytes)?),
        DType::String => match std::str::from_utf8(bytes) {
            Ok(text) => string(out, text),
            Err(error) => Err(Failure::Input(format!(
                "a stored text is not UTF-8: {error}"
            ))),
        },
        _ => Err(Failure::Input(format!(
            "dtype {dtype} has no text in this version"
        ))),
    }
}

/// `N` bytes; zeros where they are fewer, which the length of the array rules out.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}

/// The bytes of an element of fixed width without the zeros that fill it.
fn unpadded(dtype: DType, bytes: &[u8]) -> &[u8] {
    if dtype == DType::Bytes {
        return bytes;
    }
    let end = bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

/// The text in characters of four bytes, without the zeros that fill it.
fn characters(bytes: &[u8]) -> Outcome<String> {
    let units = bytes
        .chunks_exact(4)
        .map(|unit| u32::from_le_bytes(fixed(unit)));
    let text: Option<String> = units.map(char::from_u32).collect();
    let text = text.ok_or_else(|| Failure::Input("a stored text is not Unicode".to_owned()))?;
    Ok(text.trim_end_matches('\0').to_owned())
}

/// A float of 8 or 16 bits.
fn narrow(out: &mut dyn Write, dtype: DType, bits: u16) -> Outcome {
    let Some(kind) = Narrow::of(dtype) else {
        return Err(Failure::Input(format!("{dtype} is no narrow float")));
    };
    let value = kind.value(bits);
    float64(
        out,
        if value.is_finite() {
            kind.shortest(bits)
        } else {
            value
        },
    )
}

// `Debug` of a float is its shortest decimal, with a point or an exponent always.
fn float32(out: &mut dyn Write, value: f32) -> Outcome {
    if !value.is_finite() {
        return float64(out, f64::from(value));
    }
    write!(out, "{value:?}").map_err(Failure::output)
}

fn float64(out: &mut dyn Write, value: f64) -> Outcome {
    if value.is_finite() {
        return write!(out, "{value:?}").map_err(Failure::output);
    }
    raw(
        out,
        match value {
            f64::INFINITY => "\"Infinity\"",
            f64::NEG_INFINITY => "\"-Infinity\"",
            _ => "\"NaN\"",
        },
    )
}

/// Writes attributes as an object.
pub(crate) fn attrs(out: &mut dyn Write, attrs: &Attrs) -> Outcome {
    raw(out, "{")?;
    for (i, (name, value)) in attrs.iter().enumerate() {
        raw(out, if i == 0 { "" } else { ", " })?;
        string(out, name)?;
        raw(out, ": ")?;
        attr(out, value)?;
    }
    raw(out, "}")
}

/// Attributes as JSON text.
pub(crate) fn attrs_text(value: &Attrs) -> Outcome<String> {
    let mut out = Vec::new();
    attrs(&mut out, value)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// One attribute as text.
pub(crate) fn attr_text(value: &AttrValue) -> Outcome<String> {
    let mut out = Vec::new();
    attr(&mut out, value)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn attr(out: &mut dyn Write, value: &AttrValue) -> Outcome {
    match value {
        AttrValue::None => raw(out, "null"),
        AttrValue::Bool(value) => display(out, value),
        AttrValue::Int64(value) => display(out, value),
        // What fits int64 would come back as that.
        AttrValue::UInt64(value) if i64::try_from(*value).is_err() => display(out, value),
        AttrValue::Float64(value) if value.is_finite() => float64(out, *value),
        AttrValue::String(text) => string(out, text),
        AttrValue::List(items) => {
            raw(out, "[")?;
            for (i, item) in items.iter().enumerate() {
                raw(out, if i == 0 { "" } else { ", " })?;
                attr(out, item)?;
            }
            raw(out, "]")
        }
        AttrValue::Map(map) => {
            raw(out, "{")?;
            for (i, (name, value)) in map.iter().enumerate() {
                raw(out, if i == 0 { "" } else { ", " })?;
                let dollar = if name.starts_with('$') { "$" } else { "" };
                string(out, &format!("{dollar}{name}"))?;
                raw(out, ": ")?;
                attr(out, value)?;
            }
            raw(out, "}")
        }
        AttrValue::Array(array) => {
            typed(out, &array.dtype.to_string(), |out| attr_array(out, array))
        }
        AttrValue::Scalar(stated) => typed(out, &stated.dtype.to_string(), |out| {
            cell(out, stated.dtype, attr_item(stated, 0))
        }),
        plain => {
            let dtype = plain.dtype();
            let own = PLAIN.iter().find(|(_, known)| Some(*known) == dtype);
            let name = own.map(|(name, _)| (*name).to_owned());
            let name = name.or_else(|| dtype.map(|dtype| dtype.to_string()));
            typed(out, &name.unwrap_or_default(), |out| {
                bare_scalar(out, plain)
            })
        }
    }
}

/// Writes what `data` writes, beside the name of its type.
fn typed(out: &mut dyn Write, name: &str, data: impl FnOnce(&mut dyn Write) -> Outcome) -> Outcome {
    raw(out, &format!("{{\"$dtype\": \"{name}\", \"$data\": "))?;
    data(out)?;
    raw(out, "}")
}

fn attr_array(out: &mut dyn Write, array: &AttrArray) -> Outcome {
    nested(out, &[array.len as u64], &mut |out, element| {
        cell(out, array.dtype, attr_item(array, element as usize))
    })
}

/// The bytes of one element.
fn attr_item(array: &AttrArray, element: usize) -> &[u8] {
    if let Some(width) = array.dtype.item_size() {
        return item_of(&array.data, width, element);
    }
    let end = |i: usize| array.offsets.get(i).map_or(0, |&end| end as usize);
    let range = end(element)..end(element + 1);
    array.data.get(range).unwrap_or_default()
}

/// A scalar without its dtype, which stands elsewhere.
pub(crate) fn bare_scalar(out: &mut dyn Write, value: &AttrValue) -> Outcome {
    match value {
        AttrValue::Int8(value) => display(out, value),
        AttrValue::Int16(value) => display(out, value),
        AttrValue::Int32(value) => display(out, value),
        AttrValue::UInt8(value) => display(out, value),
        AttrValue::UInt16(value) => display(out, value),
        AttrValue::UInt32(value) => display(out, value),
        AttrValue::UInt64(value) => display(out, value),
        AttrValue::Float16(bits) => narrow(out, DType::Float16, *bits),
        AttrValue::BFloat16(bits) => narrow(out, DType::BFloat16, *bits),
        AttrValue::Float8E4M3(bits) => narrow(out, DType::Float8E4M3, u16::from(*bits)),
        AttrValue::Float8E5M2(bits) => narrow(out, DType::Float8E5M2, u16::from(*bits)),
        AttrValue::Float32(value) => float32(out, *value),
        AttrValue::Float64(value) => float64(out, *value),
        AttrValue::Complex64(re, im) => cell(
            out,
            DType::Complex64,
            &[re.to_le_bytes(), im.to_le_bytes()].concat(),
        ),
        AttrValue::Complex128(re, im) => cell(
            out,
            DType::Complex128,
            &[re.to_le_bytes(), im.to_le_bytes()].concat(),
        ),
        AttrValue::Bytes(bytes) => cell(out, DType::Bytes, bytes),
        AttrValue::DateTime64(count, unit) => {
            cell(out, DType::DateTime64(*unit), &count.to_le_bytes())
        }
        AttrValue::TimeDelta64(count, unit) => {
            cell(out, DType::TimeDelta64(*unit), &count.to_le_bytes())
        }
        other => attr(out, other),
    }
}

fn display(out: &mut dyn Write, value: impl std::fmt::Display) -> Outcome {
    write!(out, "{value}").map_err(Failure::output)
}

fn raw(out: &mut dyn Write, text: &str) -> Outcome {
    out.write_all(text.as_bytes()).map_err(Failure::output)
}

fn string(out: &mut dyn Write, text: &str) -> Outcome {
    serde_json::to_writer(out, text).map_err(|error| Failure::output(io::Error::from(error)))
}
