//! The dtype of an array that states none.
//!
//! It follows from the tokens of this array alone, never from other lines and
//! never from the text of a string.

use arraylog::DType;
use simd_json::{Node, StaticNode};

use super::document::{Value, describe};
use super::fault::{Fault, Parsed};
use super::shape;

/// Integers up to this magnitude are exact in float64.
const EXACT: u64 = 1 << 53;

/// What the tokens of an array are; each first one with its place.
#[derive(Default)]
struct Census<'i> {
    boolean: Option<Seen<'i>>,
    number: Option<Seen<'i>>,
    text: Option<Seen<'i>>,
    float: Option<Seen<'i>>,
    negative: Option<Seen<'i>>,
    /// Above the range of int64.
    unsigned: Option<Seen<'i>>,
    /// An integer that float64 need not hold.
    inexact: Option<Seen<'i>>,
    elements: usize,
}

/// A token: its node, its element in C order.
#[derive(Clone, Copy)]
struct Seen<'i> {
    at: usize,
    element: usize,
    node: Node<'i>,
}

/// The dtype of `data`, whose lists have `shape`.
pub(crate) fn dtype(data: Value<'_, '_>, shape: &[u64], name: &str) -> Parsed<DType> {
    let mut census = Census::default();
    shape::rows(data, shape, &mut |row, first| census.count_row(row, first))?;
    if let Some(at) = data.large_integer() {
        return Err(Fault::at(
            at,
            "the integer fits neither int64 nor uint64; state a float dtype to round it",
        ));
    }
    census.decide(name, data)
}

impl<'i> Census<'i> {
    fn count_row(&mut self, row: &[Node<'i>], first: usize) -> Parsed<()> {
        let start = self.elements;
        self.elements += row.len();
        // Nothing but floats is the common case, and one comparison each.
        if row
            .iter()
            .all(|node| matches!(node, Node::Static(StaticNode::F64(_))))
        {
            if let Some(node) = row.first().filter(|_| self.float.is_none()) {
                let seen = Seen {
                    at: first,
                    element: start,
                    node: *node,
                };
                self.float = Some(seen);
                self.number.get_or_insert(seen);
            }
            return Ok(());
        }
        for (i, node) in row.iter().enumerate() {
            if shape::is_container(node) {
                return Err(shape::ragged_leaf(row, first, i));
            }
            self.count(Seen {
                at: first + i,
                element: start + i,
                node: *node,
            });
        }
        Ok(())
    }

    fn count(&mut self, seen: Seen<'i>) {
        let Node::Static(value) = seen.node else {
            self.text.get_or_insert(seen);
            return;
        };
        match value {
            StaticNode::Null => return,
            StaticNode::Bool(_) => {
                self.boolean.get_or_insert(seen);
                return;
            }
            StaticNode::F64(_) => {
                self.float.get_or_insert(seen);
            }
            StaticNode::U64(value) => {
                if value > i64::MAX as u64 {
                    self.unsigned.get_or_insert(seen);
                }
                if value > EXACT {
                    self.inexact.get_or_insert(seen);
                }
            }
            StaticNode::I64(value) => {
                if value < 0 {
                    self.negative.get_or_insert(seen);
                }
                if value.unsigned_abs() > EXACT {
                    self.inexact.get_or_insert(seen);
                }
            }
        }
        self.number.get_or_insert(seen);
    }

    fn decide(&self, name: &str, data: Value<'_, '_>) -> Parsed<DType> {
        match (self.boolean, self.number, self.text) {
            (None, None, None) => Err(data.fault(format!(
                "nothing tells the type; state the dtype of {name:?} (defaults line or --dtype)"
            ))),
            (Some(_), None, None) => Ok(DType::Bool),
            (None, None, Some(_)) => Ok(DType::String),
            (None, Some(_), None) => self.decide_number(),
            (boolean, number, text) => {
                let mut kinds: Vec<_> = [boolean, number, text].into_iter().flatten().collect();
                kinds.sort_by_key(|seen| seen.element);
                Err(mixed(&kinds, "state a dtype that takes both"))
            }
        }
    }

    fn decide_number(&self) -> Parsed<DType> {
        match (self.float, self.unsigned, self.negative) {
            (Some(float), ..) => match self.inexact {
                Some(inexact) => Err(mixed(
                    &[float, inexact],
                    "the integer is not exact in float64; state a dtype",
                )),
                None => Ok(DType::Float64),
            },
            (None, Some(unsigned), Some(negative)) => {
                Err(mixed(&[negative, unsigned], "no integer dtype holds both"))
            }
            (None, Some(_), None) => Ok(DType::UInt64),
            (None, None, _) => Ok(DType::Int64),
        }
    }
}

/// Two elements that do not go together; the later one is the place.
fn mixed(seen: &[Seen<'_>], rule: &str) -> Box<Fault> {
    let mut seen = seen.to_vec();
    seen.sort_by_key(|seen| seen.element);
    let parts: Vec<_> = seen
        .iter()
        .map(|seen| format!("element {} is {}", seen.element, describe(&seen.node)))
        .collect();
    let at = seen.get(1).map_or(0, |seen| seen.at);
    Fault::at(at, format!("{}: {rule}", parts.join(", ")))
}
