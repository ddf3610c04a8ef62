//! One array of a line: its data and what is stated about it.

use std::borrow::Cow;

use arraylog::{ArraySpec, AttrValue, Attrs, Chunking, DType, Mask};
use simd_json::{Node, StaticNode};

use super::attrs;
use super::document::{Member, Value};
use super::elements::{self, Elements, Nulls};
use super::fault::{Fault, Parsed, Within};

const MEMBERS: [&str; 10] = [
    "data",
    "data_b64",
    "shape",
    "dtype",
    "dims",
    "mask",
    "chunks",
    "codec",
    "fill_value",
    "attrs",
];

/// Members that a defaults line may state for the arrays of a name.
const DEFAULTABLE: [&str; 6] = ["dtype", "dims", "chunks", "codec", "fill_value", "attrs"];

/// What a defaults line, or `--dtype`, states for the arrays of a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ArrayDefaults {
    pub(crate) dtype: Option<DType>,
    dims: Option<Vec<Option<String>>>,
    chunks: Option<Chunking>,
    codec: Option<String>,
    fill_value: Option<AttrValue>,
    attrs: Option<Attrs>,
}

/// The members of an array object, each at most once.
#[derive(Default)]
struct Stated<'t, 'i> {
    data: Option<Value<'t, 'i>>,
    data_b64: Option<Value<'t, 'i>>,
    shape: Option<Value<'t, 'i>>,
    dtype: Option<Value<'t, 'i>>,
    dims: Option<Value<'t, 'i>>,
    mask: Option<Value<'t, 'i>>,
    chunks: Option<Value<'t, 'i>>,
    codec: Option<Value<'t, 'i>>,
    fill_value: Option<Value<'t, 'i>>,
    attrs: Option<Value<'t, 'i>>,
}

impl<'t, 'i> Stated<'t, 'i> {
    fn read(value: Value<'t, 'i>, known: &[&str]) -> Parsed<Self> {
        let mut stated = Self::default();
        for member in value.members()? {
            if !known.contains(&member.name) {
                return Err(member.unknown(known));
            }
            *stated.place(&member)? = Some(member.value);
        }
        Ok(stated)
    }

    fn place(&mut self, member: &Member<'t, 'i>) -> Parsed<&mut Option<Value<'t, 'i>>> {
        Ok(match member.name {
            "data" => &mut self.data,
            "data_b64" => &mut self.data_b64,
            "shape" => &mut self.shape,
            "dtype" => &mut self.dtype,
            "dims" => &mut self.dims,
            "mask" => &mut self.mask,
            "chunks" => &mut self.chunks,
            "codec" => &mut self.codec,
            "fill_value" => &mut self.fill_value,
            "attrs" => &mut self.attrs,
            name => {
                let message = format!("`{name}` is not stored by this version: leave it out");
                return Err(Fault::at(member.name_at, message).within(name));
            }
        })
    }
}

/// Reads the value that a defaults line gives to the name of an array.
pub(crate) fn read_defaults(value: Value<'_, '_>) -> Parsed<ArrayDefaults> {
    let stated = Stated::read(value, &DEFAULTABLE)?;
    let dtype = stated.dtype.map(dtype).transpose().within("dtype")?;
    let fill_value = match (stated.fill_value, dtype) {
        (Some(fill), Some(dtype)) => Some(fill_value(fill, dtype)?),
        (Some(fill), None) => {
            return Err(fill.fault("needs the dtype beside it").within("fill_value"));
        }
        (None, _) => None,
    };
    Ok(ArrayDefaults {
        dtype,
        dims: stated.dims.map(dims).transpose()?,
        chunks: stated.chunks.map(chunks).transpose().within("chunks")?,
        codec: stated.codec.map(codec).transpose().within("codec")?,
        fill_value,
        attrs: stated.attrs.map(attrs::read).transpose().within("attrs")?,
    })
}

/// Reads one member of `arrays`: bare data, or an object with what is stated about it.
pub(crate) fn read(
    value: Value<'_, '_>,
    name: &str,
    defaults: Option<&ArrayDefaults>,
    nulls: Nulls,
) -> Parsed<ArraySpec<'static>> {
    let stated = if value.is_object() {
        Stated::read(value, &MEMBERS)?
    } else {
        Stated {
            data: Some(value),
            ..Stated::default()
        }
    };
    let dtype = match stated.dtype {
        Some(text) => Some(dtype(text).within("dtype")?),
        None => defaults.and_then(|defaults| defaults.dtype),
    };
    let mut elements = data(value, &stated, name, dtype, nulls)?;
    let mask = mask(&stated, &mut elements)?;
    let Elements {
        dtype, shape, data, ..
    } = elements;
    let mut spec = ArraySpec {
        dtype,
        dims: Vec::new(),
        data,
        mask: mask.map(|missing| Mask::Missing(Cow::Owned(missing))),
        fill_value: None,
        chunks: None,
        codec: None,
        attrs: Attrs::new(),
        shape,
    };
    describe(&mut spec, value, &stated, defaults)?;
    Ok(spec)
}

/// The data, from whichever member has it, in the shape that it has or states.
fn data(
    value: Value<'_, '_>,
    stated: &Stated<'_, '_>,
    name: &str,
    dtype: Option<DType>,
    nulls: Nulls,
) -> Parsed<Elements> {
    let shape = stated
        .shape
        .map(|value| Ok((value, shape(value)?)))
        .transpose();
    let shape = shape.within("shape")?;
    match (stated.data, stated.data_b64) {
        (Some(_), Some(second)) => Err(second
            .fault("`data` and `data_b64` exclude each other")
            .within("data_b64")),
        (None, None) => Err(value.fault("expected `data` or `data_b64` in this object")),
        (None, Some(text)) => match (dtype, shape) {
            (Some(dtype), Some((_, shape))) => {
                elements::read_base64(text, dtype, &shape).within("data_b64")
            }
            _ => Err(text
                .fault("`data_b64` needs `dtype` and `shape` beside it")
                .within("data_b64")),
        },
        (Some(data), None) => {
            let elements = elements::read(data, dtype, nulls, name);
            // Bare data has no member of its own.
            let mut elements = if value.is_object() {
                elements.within("data")?
            } else {
                elements?
            };
            if let Some((at, shape)) = shape {
                elements.shape = agreed(&elements.shape, shape, at).within("shape")?;
            }
            Ok(elements)
        }
    }
}

/// The stated shape, if the lists have it, or cannot say it because an axis is empty.
fn agreed(found: &[u64], stated: Vec<u64>, at: Value<'_, '_>) -> Parsed<Vec<u64>> {
    let empty = found.last() == Some(&0);
    if found == stated || (empty && stated.starts_with(found)) {
        return Ok(stated);
    }
    Err(at.fault(format!("states {stated:?}, the data has {found:?}")))
}

/// The mask as stated, or as the nulls say; `None` for an array without.
fn mask(stated: &Stated<'_, '_>, elements: &mut Elements) -> Parsed<Option<Vec<u8>>> {
    let nulls = elements.missing.take();
    let Some(value) = stated.mask else {
        return Ok(nulls);
    };
    let mask = elements::read_mask(value, &elements.shape).within("mask")?;
    match nulls {
        Some(nulls) if nulls != mask => {
            let element = nulls
                .iter()
                .zip(&mask)
                .position(|(a, b)| a != b)
                .unwrap_or(0);
            Err(value
                .fault(format!("disagrees with the null at element {element}"))
                .within("mask"))
        }
        _ => Ok(Some(mask)),
    }
}

/// Dims, fill value and attributes of the array.
fn describe(
    spec: &mut ArraySpec<'_>,
    value: Value<'_, '_>,
    stated: &Stated<'_, '_>,
    defaults: Option<&ArrayDefaults>,
) -> Parsed<()> {
    spec.dims = match (
        stated.dims,
        defaults.and_then(|defaults| defaults.dims.as_ref()),
    ) {
        (Some(value), _) => dims(value)?,
        (None, Some(dims)) => dims.clone(),
        (None, None) => Vec::new(),
    };
    let states_dims = stated.dims.is_some() || !spec.dims.is_empty();
    if states_dims && spec.dims.len() != spec.shape.len() {
        let message = format!(
            "{} dims for an array of {} axes (shape {:?})",
            spec.dims.len(),
            spec.shape.len(),
            spec.shape
        );
        return Err(stated.dims.unwrap_or(value).fault(message).within("dims"));
    }
    spec.chunks = match stated.chunks {
        Some(value) => Some(chunks(value).within("chunks")?),
        None => defaults.and_then(|defaults| defaults.chunks.clone()),
    };
    spec.codec = match stated.codec {
        Some(value) => Some(codec(value).within("codec")?),
        None => defaults.and_then(|defaults| defaults.codec.clone()),
    };
    spec.fill_value = match (
        stated.fill_value,
        defaults.and_then(|d| d.fill_value.as_ref()),
    ) {
        (Some(fill), _) => Some(fill_value(fill, spec.dtype)?),
        (None, Some(_)) if defaults.and_then(|d| d.dtype) != Some(spec.dtype) => {
            let message = format!(
                "that of the defaults line is for another dtype than {}; state it here",
                spec.dtype
            );
            return Err(value.fault(message).within("fill_value"));
        }
        (None, fill) => fill.cloned(),
    };
    spec.attrs = match (
        stated.attrs,
        defaults.and_then(|defaults| defaults.attrs.as_ref()),
    ) {
        (Some(value), _) => attrs::read(value).within("attrs")?,
        (None, Some(attrs)) => attrs.clone(),
        (None, None) => Attrs::new(),
    };
    Ok(())
}

fn dtype(value: Value<'_, '_>) -> Parsed<DType> {
    elements::parse_dtype(value.expect_text()?).map_err(|why| value.fault(why))
}

fn dims(value: Value<'_, '_>) -> Parsed<Vec<Option<String>>> {
    if value.list_len().is_none() {
        return Err(value
            .expected("a list of names (null for an axis without)")
            .within("dims"));
    }
    let names = value.elements().map(|element| match element.node() {
        Node::String(name) => Ok(Some(name.to_owned())),
        Node::Static(StaticNode::Null) => Ok(None),
        _ => Err(element.expected("a name or null")),
    });
    names.collect::<Parsed<_>>().within("dims")
}

/// "auto", or a length an axis.
fn chunks(value: Value<'_, '_>) -> Parsed<Chunking> {
    match value.node() {
        Node::String("auto") => Ok(Chunking::Auto),
        Node::String(_) => Err(value.expected("\"auto\" or a list of lengths")),
        _ => shape(value).map(Chunking::Shape),
    }
}

/// What a codec is, is for the store to say.
fn codec(value: Value<'_, '_>) -> Parsed<String> {
    value.expect_text().map(str::to_owned)
}

fn shape(value: Value<'_, '_>) -> Parsed<Vec<u64>> {
    if value.list_len().is_none() {
        return Err(value.expected("a list of lengths"));
    }
    let lengths = value.elements().map(|element| match element.node() {
        Node::Static(StaticNode::U64(len)) => Ok(len),
        _ => Err(element.expected("a length (an integer from 0)")),
    });
    lengths.collect()
}

/// A fill value: a scalar of the array's dtype. Texts of fixed width are kept without padding.
fn fill_value(value: Value<'_, '_>, dtype: DType) -> Parsed<AttrValue> {
    let read = |dtype| elements::scalar(value, dtype, "fill_value");
    let fill = match dtype {
        DType::FixedBytes(_) | DType::FixedString(_) => {
            elements::read(value, Some(dtype), Nulls::Mask, "fill_value").and_then(|_| {
                read(if matches!(dtype, DType::FixedBytes(_)) {
                    DType::Bytes
                } else {
                    DType::String
                })
            })
        }
        _ => read(dtype),
    };
    fill.within("fill_value")
}
