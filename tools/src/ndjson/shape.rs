//! Lists in lists as rows of an array.

use simd_json::Node;

use super::document::{Value, describe};
use super::fault::{Fault, Parsed};

/// Whether the innermost list is an element: the pair of a complex number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Innermost {
    Axis,
    Pair,
}

/// Axes that an array may have.
const MAX_RANK: usize = 32;

/// Length of each axis, as the first element of each list has it.
///
/// Whether the other elements agree is found out by [`rows`] and [`elements`].
pub(crate) fn of(data: Value<'_, '_>, innermost: Innermost) -> Parsed<Vec<u64>> {
    let mut shape = Vec::new();
    let mut at = data;
    while let Some(len) = at.list_len() {
        if shape.len() == MAX_RANK + 1 {
            return Err(data.fault(format!("lists nested deeper than {MAX_RANK} axes")));
        }
        shape.push(len as u64);
        // A missing complex number is `null` in the place of a pair.
        let first = match innermost {
            Innermost::Axis => at.elements().next(),
            Innermost::Pair => at
                .elements()
                .find(|element| !element.is_null())
                .or_else(|| at.elements().next()),
        };
        match first {
            Some(first) => at = first,
            None => return Ok(shape),
        }
    }
    if innermost == Innermost::Pair && !at.is_null() && shape.pop() != Some(2) {
        return Err(at.expected("a complex number as [re, im]"));
    }
    Ok(shape)
}

/// Calls `row` for each innermost row, in C order, with the number of its first
/// node. A scalar is a row of one.
///
/// Nodes of a row are scalars, or empty lists and objects, which have no node
/// below them: `row` refuses those by [`ragged_leaf`] where it meets them, so
/// that no row is walked for them alone.
pub(crate) fn rows<'t, 'i>(
    data: Value<'t, 'i>,
    shape: &[u64],
    row: &mut impl FnMut(&'t [Node<'i>], usize) -> Parsed<()>,
) -> Parsed<()> {
    let [_, inner @ ..] = shape else {
        return match data.leaves() {
            Some(leaf) => row(leaf, data.at),
            None => Err(data.expected("a scalar or a list")),
        };
    };
    if inner.is_empty() {
        let Some(leaves) = data.leaves() else {
            return Err(nested(data));
        };
        return row(leaves, data.first_leaf());
    }
    for (number, element) in data.elements().enumerate() {
        agree(element, number, inner)?;
        rows(element, inner, row)?;
    }
    Ok(())
}

/// Calls `visit` for each element of `shape`, in C order, with whatever it is.
pub(crate) fn elements<'t, 'i>(
    data: Value<'t, 'i>,
    shape: &[u64],
    visit: &mut impl FnMut(Value<'t, 'i>) -> Parsed<()>,
) -> Parsed<()> {
    let [_, inner @ ..] = shape else {
        return visit(data);
    };
    for (number, element) in data.elements().enumerate() {
        if !inner.is_empty() {
            agree(element, number, inner)?;
        }
        elements(element, inner, visit)?;
    }
    Ok(())
}

/// Whether a node of a row is no scalar.
pub(crate) fn is_container(node: &Node<'_>) -> bool {
    matches!(node, Node::Array { .. } | Node::Object { .. })
}

/// Element `number` is a list as long as element 0.
fn agree(element: Value<'_, '_>, number: usize, inner: &[u64]) -> Parsed<()> {
    let expected = inner.first().copied().unwrap_or_default();
    match element.list_len() {
        Some(found) if found as u64 == expected => Ok(()),
        Some(found) => Err(element.fault(format!(
            "ragged: row 0 has {expected}, row {number} has {found}"
        ))),
        None => Err(element.fault(format!(
            "ragged: row 0 is a list of {expected}, row {number} is {}",
            describe(&element.node())
        ))),
    }
}

/// A list whose first element is a scalar has something nested in it.
fn nested(data: Value<'_, '_>) -> Box<Fault> {
    let found = data
        .elements()
        .enumerate()
        .find(|(_, element)| is_container(&element.node()));
    match found {
        Some((number, element)) => element.fault(format!(
            "ragged: element 0 is a scalar, element {number} is {}",
            describe(&element.node())
        )),
        None => data.expected("a list of scalars"),
    }
}

/// Node `number` of a row is no scalar.
#[cold]
pub(crate) fn ragged_leaf(row: &[Node<'_>], first: usize, number: usize) -> Box<Fault> {
    let found = row.get(number).map(describe).unwrap_or_default();
    let at = first + number;
    match number {
        0 => Fault::at(at, format!("expected a scalar or a list, found {found}")),
        _ => Fault::at(
            at,
            format!("ragged: element 0 is a scalar, element {number} is {found}"),
        ),
    }
}
