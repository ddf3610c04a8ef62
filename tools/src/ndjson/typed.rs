//! Tokens as elements of a dtype.

use arraylog::DType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use simd_json::{Node, StaticNode};

use super::document::{Value, describe};
use super::elements::Nulls;
use super::fault::{Fault, Parsed};
use super::narrow::Narrow;
use super::{shape, time};

/// Elements of an array as they are read, in C order.
pub(crate) struct Column {
    pub(crate) dtype: DType,
    nulls: Nulls,
    /// Elements of fixed width, or the elements back to back.
    pub(crate) data: Vec<u8>,
    /// For dtypes without a width: ends of the elements, starting with 0.
    pub(crate) offsets: Vec<u64>,
    /// One byte an element, 1 = missing; shorter than the elements (or empty) until the
    /// last one is known.
    missing: Vec<u8>,
    len: usize,
}

impl Column {
    pub(crate) fn new(dtype: DType, nulls: Nulls, expected: usize) -> Self {
        let width = dtype.item_size();
        Self {
            dtype,
            nulls,
            data: Vec::with_capacity(expected.saturating_mul(width.unwrap_or(0)).min(MAX_AHEAD)),
            offsets: if width.is_none() { vec![0] } else { Vec::new() },
            missing: Vec::new(),
            len: 0,
        }
    }

    /// A row of nothing but float tokens as float64; `None` if it has others.
    pub(crate) fn of_floats(row: &[Node<'_>]) -> Option<Self> {
        let mut column = Self::new(DType::Float64, Nulls::Mask, row.len());
        column
            .plain(row, |value| (value.to_le_bytes(), true))
            .then_some(column)
    }

    /// One byte an element, 1 = missing; `None` if none is.
    pub(crate) fn missing(&mut self) -> Option<Vec<u8>> {
        if self.missing.is_empty() {
            return None;
        }
        self.missing.resize(self.len, 0);
        Some(std::mem::take(&mut self.missing))
    }

    /// Reads all of `data`, whose lists have `shape`.
    pub(crate) fn read(&mut self, data: Value<'_, '_>, shape: &[u64]) -> Parsed<()> {
        match self.dtype {
            DType::Complex64 => self.pairs(data, shape, |part| float32(part).map(f32::to_le_bytes)),
            DType::Complex128 => self.pairs(data, shape, |part| float(part).map(f64::to_le_bytes)),
            _ => shape::rows(data, shape, &mut |row, first| self.row(row, first)),
        }
    }

    fn row(&mut self, row: &[Node<'_>], first: usize) -> Parsed<()> {
        if let Some(kind) = Narrow::of(self.dtype) {
            return if self.dtype.item_size() == Some(1) {
                self.floats(row, first, |node| {
                    narrow(node, kind).map(|bits| [bits as u8])
                })
            } else {
                self.floats(row, first, |node| narrow(node, kind).map(u16::to_le_bytes))
            };
        }
        match self.dtype {
            DType::Bool => self.fixed(row, first, |node| match node {
                Node::Static(StaticNode::Bool(value)) => Some([u8::from(*value)]),
                _ => None,
            }),
            DType::Int8 => self.integers(row, first, i8::to_le_bytes),
            DType::Int16 => self.integers(row, first, i16::to_le_bytes),
            DType::Int32 => self.integers(row, first, i32::to_le_bytes),
            DType::Int64 => self.integers(row, first, i64::to_le_bytes),
            DType::UInt8 => self.integers(row, first, u8::to_le_bytes),
            DType::UInt16 => self.integers(row, first, u16::to_le_bytes),
            DType::UInt32 => self.integers(row, first, u32::to_le_bytes),
            DType::UInt64 => self.integers(row, first, u64::to_le_bytes),
            DType::Float32 => {
                if self.plain(row, |wide| {
                    let value = wide as f32;
                    (value.to_le_bytes(), value.is_finite())
                }) {
                    return Ok(());
                }
                self.floats(row, first, |node| float32(node).map(f32::to_le_bytes))
            }
            DType::Float64 => {
                if self.plain(row, |value| (value.to_le_bytes(), true)) {
                    return Ok(());
                }
                self.floats(row, first, |node| float(node).map(f64::to_le_bytes))
            }
            _ => match row.iter().position(shape::is_container) {
                Some(number) => Err(shape::ragged_leaf(row, first, number)),
                None => row
                    .iter()
                    .enumerate()
                    .try_for_each(|(i, node)| self.element(node, first + i)),
            },
        }
    }

    fn integers<const N: usize, T: TryFrom<i128>>(
        &mut self,
        row: &[Node<'_>],
        first: usize,
        bytes: impl Fn(T) -> [u8; N],
    ) -> Parsed<()> {
        self.fixed(row, first, |node| {
            Some(bytes(T::try_from(integer(node)?).ok()?))
        })
    }

    fn floats<const N: usize>(
        &mut self,
        row: &[Node<'_>],
        first: usize,
        convert: impl Fn(&Node<'_>) -> Option<[u8; N]>,
    ) -> Parsed<()> {
        if self.nulls == Nulls::Nan {
            let nan = Node::Static(StaticNode::F64(f64::NAN));
            return self.fixed(row, first, |node| {
                convert(if is_null(node) { &nan } else { node })
            });
        }
        self.fixed(row, first, convert)
    }

    /// Reads a row of nothing but float tokens, the common one, in a loop without
    /// anything else in it. Otherwise false, and nothing is read.
    fn plain<const N: usize>(
        &mut self,
        row: &[Node<'_>],
        convert: impl Fn(f64) -> ([u8; N], bool),
    ) -> bool {
        let start = self.data.len();
        self.data.resize(start + row.len() * N, 0);
        let slots = self.data.get_mut(start..).unwrap_or_default();
        let mut plain = true;
        for (node, slot) in row.iter().zip(slots.chunks_exact_mut(N)) {
            let Node::Static(StaticNode::F64(value)) = node else {
                plain = false;
                break;
            };
            let (bytes, fits) = convert(*value);
            slot.copy_from_slice(&bytes);
            plain &= fits;
        }
        if plain {
            self.len += row.len();
        } else {
            self.data.truncate(start);
        }
        plain
    }

    /// A row of elements of `N` bytes.
    fn fixed<const N: usize>(
        &mut self,
        row: &[Node<'_>],
        first: usize,
        convert: impl Fn(&Node<'_>) -> Option<[u8; N]>,
    ) -> Parsed<()> {
        let start = self.data.len();
        self.data.resize(start + row.len() * N, 0);
        let slots = self
            .data
            .get_mut(start..)
            .unwrap_or_default()
            .chunks_exact_mut(N);
        for (i, (node, slot)) in row.iter().zip(slots).enumerate() {
            match convert(node) {
                Some(bytes) => slot.copy_from_slice(&bytes),
                None if is_null(node) => mark(&mut self.missing, self.len + i),
                None if shape::is_container(node) => {
                    return Err(shape::ragged_leaf(row, first, i));
                }
                None => return Err(refusal(self.dtype, node, first + i)),
            }
        }
        self.len += row.len();
        Ok(())
    }

    /// One element of a dtype whose tokens are strings (or counts of time).
    fn element(&mut self, node: &Node<'_>, at: usize) -> Parsed<()> {
        if is_null(node) {
            mark(&mut self.missing, self.len);
            self.data
                .resize(self.data.len() + self.dtype.item_size().unwrap_or(0), 0);
        } else {
            self.push(node, at)?;
        }
        if self.dtype.item_size().is_none() {
            self.offsets.push(self.data.len() as u64);
        }
        self.len += 1;
        Ok(())
    }

    fn push(&mut self, node: &Node<'_>, at: usize) -> Parsed<()> {
        let refuse = || refusal(self.dtype, node, at);
        match (self.dtype, node) {
            (DType::DateTime64(unit), Node::String(text)) => {
                let count = time::parse(text, unit).map_err(|why| Fault::at(at, why))?;
                self.data.extend_from_slice(&count.to_le_bytes());
            }
            (DType::TimeDelta64(_), Node::String("NaT")) => {
                self.data.extend_from_slice(&time::NAT.to_le_bytes());
            }
            (DType::DateTime64(_) | DType::TimeDelta64(_), Node::Static(_)) => {
                let count = integer(node).and_then(|count| i64::try_from(count).ok());
                self.data
                    .extend_from_slice(&count.ok_or_else(refuse)?.to_le_bytes());
            }
            (DType::String, Node::String(text)) => self.data.extend_from_slice(text.as_bytes()),
            (DType::Bytes, Node::String(text)) => self.data.extend_from_slice(&base64(text, at)?),
            (DType::FixedBytes(width), Node::String(text)) => {
                let bytes = base64(text, at)?;
                self.padded(&bytes, width as usize, Unit::Byte, at)?;
            }
            (DType::FixedString(width), Node::String(text)) => {
                let wide: Vec<u8> = text
                    .chars()
                    .flat_map(|c| u32::from(c).to_le_bytes())
                    .collect();
                self.padded(&wide, width as usize * 4, Unit::Character, at)?;
            }
            _ => return Err(refuse()),
        }
        Ok(())
    }

    /// `bytes`, filled with zeros to `width` of them.
    fn padded(&mut self, bytes: &[u8], width: usize, unit: Unit, at: usize) -> Parsed<()> {
        if bytes.len() > width {
            let (size, units) = match unit {
                Unit::Byte => (1, "bytes"),
                Unit::Character => (4, "characters"),
            };
            return Err(Fault::at(
                at,
                format!(
                    "{} {units} are more than the {} of dtype {}",
                    bytes.len() / size,
                    width / size,
                    self.dtype
                ),
            ));
        }
        let end = self.data.len() + width;
        self.data.extend_from_slice(bytes);
        self.data.resize(end, 0);
        Ok(())
    }

    fn pairs<const N: usize>(
        &mut self,
        data: Value<'_, '_>,
        shape: &[u64],
        convert: impl Fn(&Node<'_>) -> Option<[u8; N]>,
    ) -> Parsed<()> {
        shape::elements(data, shape, &mut |element| {
            if element.is_null() {
                mark(&mut self.missing, self.len);
                self.data.resize(self.data.len() + 2 * N, 0);
            } else {
                let parts = element.leaves().filter(|parts| parts.len() == 2);
                let parts = parts.filter(|_| element.list_len().is_some());
                let parts =
                    parts.ok_or_else(|| element.expected("a complex number as [re, im]"))?;
                for (i, part) in parts.iter().enumerate() {
                    let bytes = convert(part)
                        .ok_or_else(|| refusal(self.dtype, part, element.first_leaf() + i))?;
                    self.data.extend_from_slice(&bytes);
                }
            }
            self.len += 1;
            Ok(())
        })
    }
}

/// What the width of a fixed-width text counts.
#[derive(Clone, Copy)]
enum Unit {
    Byte,
    /// Four bytes each.
    Character,
}

/// Memory that is taken before any element was read.
const MAX_AHEAD: usize = 1 << 24;

fn is_null(node: &Node<'_>) -> bool {
    matches!(node, Node::Static(StaticNode::Null))
}

fn mark(missing: &mut Vec<u8>, element: usize) {
    missing.resize(element, 0);
    missing.push(1);
}

/// An integer token, or a float token that is integral.
fn integer(node: &Node<'_>) -> Option<i128> {
    match node {
        Node::Static(StaticNode::I64(value)) => Some(i128::from(*value)),
        Node::Static(StaticNode::U64(value)) => Some(i128::from(*value)),
        // Far beyond 64 bits: the conversion of a float to an integer saturates.
        Node::Static(StaticNode::F64(value)) if value.fract() == 0.0 => Some(*value as i128),
        _ => None,
    }
}

/// A number, or the string that stands for one that is not finite.
fn float(node: &Node<'_>) -> Option<f64> {
    match node {
        Node::Static(StaticNode::F64(value)) => Some(*value),
        Node::Static(StaticNode::U64(value)) => Some(*value as f64),
        Node::Static(StaticNode::I64(value)) => Some(*value as f64),
        Node::String("NaN") => Some(f64::NAN),
        Node::String("Infinity") => Some(f64::INFINITY),
        Node::String("-Infinity") => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn float32(node: &Node<'_>) -> Option<f32> {
    float(node).and_then(narrowed)
}

/// Rounded to float32; `None` if it overflows.
fn narrowed(wide: f64) -> Option<f32> {
    let value = wide as f32;
    (value.is_finite() || !wide.is_finite()).then_some(value)
}

/// Rounded to a narrow float; `None` if it overflows, as an infinity does where there is none.
fn narrow(node: &Node<'_>, kind: Narrow) -> Option<u16> {
    let wide = float(node)?;
    let bits = kind.nearest(wide);
    let value = kind.value(bits);
    (value.is_finite() || value == wide || wide.is_nan()).then_some(bits)
}

/// Bytes written as base64 (with padding).
pub(crate) fn base64(text: &str, at: usize) -> Parsed<Vec<u8>> {
    BASE64
        .decode(text)
        .map_err(|error| Fault::at(at, format!("not base64: {error}")))
}

/// Why a token is no element of `dtype`.
#[cold]
fn refusal(dtype: DType, node: &Node<'_>, at: usize) -> Box<Fault> {
    let found = describe(node);
    let expected = match dtype {
        DType::Bool => "true or false",
        DType::Float16
        | DType::BFloat16
        | DType::Float8E4M3
        | DType::Float8E5M2
        | DType::Float32
        | DType::Float64
        | DType::Complex64
        | DType::Complex128 => {
            if float(node).is_some() {
                return Fault::at(at, format!("{found} overflows {dtype}"));
            }
            "a number, \"NaN\", \"Infinity\" or \"-Infinity\""
        }
        DType::DateTime64(_) => "ISO 8601 text, \"NaT\" or an integer",
        DType::TimeDelta64(_) => "an integer or \"NaT\"",
        DType::String | DType::FixedString(_) => "a string",
        DType::Bytes | DType::FixedBytes(_) => "base64 in a string",
        _ if integer(node).is_some() => {
            return Fault::at(at, format!("{found} is out of range of {dtype}"));
        }
        _ => "an integer",
    };
    Fault::at(
        at,
        format!("expected {expected} for {dtype}, found {found}"),
    )
}
