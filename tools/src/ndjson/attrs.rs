//! Attributes as JSON.
//!
//! Plain JSON says None, bool, int64 (uint64 above its range), float64, text,
//! lists and mappings. `{"$dtype": ..., "$data": ...}` says any other type
//! exactly: `int64` there is NumPy's scalar, a bare integer is Python's. What
//! Python's own `float` and `complex` have beyond JSON goes by these two names.
//! A key of a mapping that starts with `$` is written with one more.

use arraylog::{AttrValue, Attrs, DType};
use simd_json::{Node, StaticNode};

use super::document::{Member, Value};
use super::elements::{self, Nulls};
use super::fault::{Fault, Parsed, Within};

const TYPED: [&str; 2] = ["$dtype", "$data"];

/// Names of plain values that JSON has no token for, and their dtypes.
pub(super) const PLAIN: [(&str, DType); 2] =
    [("float", DType::Float64), ("complex", DType::Complex128)];

/// Reads an object of attributes.
pub(crate) fn read(value: Value<'_, '_>) -> Parsed<Attrs> {
    let mut attrs = Attrs::new();
    for member in value.members()? {
        attrs.set(member.name, attr(member.value).within(member.name)?);
    }
    Ok(attrs)
}

fn attr(value: Value<'_, '_>) -> Parsed<AttrValue> {
    if value.large_integer() == Some(value.at) {
        return Err(value.fault("the integer fits neither int64 nor uint64"));
    }
    Ok(match value.node() {
        Node::String(text) => AttrValue::String(text.to_owned()),
        Node::Static(StaticNode::Null) => AttrValue::None,
        Node::Static(StaticNode::Bool(value)) => AttrValue::Bool(value),
        Node::Static(StaticNode::I64(value)) => AttrValue::Int64(value),
        Node::Static(StaticNode::U64(value)) => {
            i64::try_from(value).map_or(AttrValue::UInt64(value), AttrValue::Int64)
        }
        Node::Static(StaticNode::F64(value)) => AttrValue::Float64(value),
        Node::Array { .. } => {
            let items = value.elements().enumerate();
            let items = items.map(|(i, item)| attr(item).within(&i.to_string()));
            AttrValue::List(items.collect::<Parsed<_>>()?)
        }
        Node::Object { .. } => object(&value.members()?.collect::<Vec<_>>())?,
    })
}

/// A mapping, or an exact type.
fn object(members: &[Member<'_, '_>]) -> Parsed<AttrValue> {
    if members.iter().any(|member| TYPED.contains(&member.name)) {
        return typed(members);
    }
    let mut map = Attrs::new();
    for member in members {
        let name = match member.name.strip_prefix('$') {
            Some(rest) if rest.starts_with('$') => rest,
            Some(_) => {
                return Err(Fault::at(
                    member.name_at,
                    format!(
                        "a key that starts with `$` is written with one more: \"${}\"",
                        member.name
                    ),
                )
                .within(member.name));
            }
            None => member.name,
        };
        map.set(name, attr(member.value).within(member.name)?);
    }
    Ok(AttrValue::Map(map))
}

fn typed(members: &[Member<'_, '_>]) -> Parsed<AttrValue> {
    if let Some(other) = members.iter().find(|member| !TYPED.contains(&member.name)) {
        return Err(other.unknown(&TYPED));
    }
    let find = |name| members.iter().find(|member| member.name == name);
    let (Some(dtype), Some(data)) = (find("$dtype"), find("$data")) else {
        let at = members.first().map_or(0, |member| member.name_at);
        return Err(Fault::at(at, "`$dtype` and `$data` stand together"));
    };
    let name = dtype.value.expect_text().within("$dtype")?;
    let value = data.value;
    if let Some(&(_, plain)) = PLAIN.iter().find(|(known, _)| *known == name) {
        return elements::scalar(value, plain, "$data").within("$data");
    }
    let dtype = elements::parse_dtype(name)
        .map_err(|why| dtype.value.fault(why))
        .within("$dtype")?;
    let found = elements::read(value, Some(dtype), Nulls::Mask, "$data").within("$data")?;
    if found.missing.is_some() {
        return Err(value
            .fault("an attribute has no missing elements, found null")
            .within("$data"));
    }
    found.attr().map_err(|why| value.fault(why)).within("$data")
}
