//! What a store holds, as plain values: what is expected, and what is read.

use std::collections::BTreeMap;

use crate::array::{ArraySpec, AttrValue, Attrs, DType, Selection, Span};
use crate::entry::{Array, Elements, Entry, Kind};
use crate::error::Result as Outcome;

/// What each key holds.
pub(super) type State = BTreeMap<Vec<u8>, Held>;

/// What a key holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Held {
    Value(Vec<u8>),
    Arrays(Arrays),
}

/// Arrays in their order, and attributes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Arrays {
    pub(super) arrays: Vec<(&'static str, Plain)>,
    pub(super) attrs: Attrs,
}

/// An array of a fixed width, of one axis or two.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plain {
    pub(super) dtype: DType,
    pub(super) shape: Vec<u64>,
    /// In C order; zeros where one is missing.
    pub(super) elements: Vec<u8>,
    /// 1: missing.
    pub(super) missing: Option<Vec<u8>>,
    pub(super) fill: Option<AttrValue>,
    /// Length of a chunk along each axis; empty: not chunked.
    pub(super) chunks: Vec<u64>,
    pub(super) codec: Option<String>,
}

impl Held {
    /// In a few words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Value(bytes) => format!("{} bytes", bytes.len()),
            Self::Arrays(Arrays { arrays, attrs }) => {
                let shapes = arrays.iter().map(|(name, array)| (name, &array.shape));
                format!("{:?}, {attrs:?}", shapes.collect::<Vec<_>>())
            }
        }
    }
}

impl Arrays {
    pub(super) fn array(&mut self, name: &str) -> &mut Plain {
        let mut arrays = self.arrays.iter_mut();
        let found = arrays.find(|(known, _)| *known == name);
        &mut found.expect("an array of this name").1
    }

    pub(super) fn specs(&self) -> Vec<(&str, ArraySpec<'_>)> {
        let arrays = self.arrays.iter();
        arrays.map(|(name, array)| (*name, array.spec())).collect()
    }
}

impl Plain {
    pub(super) fn new(dtype: DType, shape: &[u64], elements: Vec<u8>) -> Self {
        Self {
            dtype,
            shape: shape.to_vec(),
            elements,
            missing: None,
            fill: None,
            chunks: Vec::new(),
            codec: None,
        }
    }

    /// With every `nth` element missing.
    pub(super) fn masked(mut self, nth: usize) -> Self {
        let item = self.item();
        let mut missing = vec![0; self.elements.len() / item];
        for number in (0..missing.len()).step_by(nth) {
            missing[number] = 1;
            self.elements[number * item..][..item].fill(0);
        }
        self.missing = Some(missing);
        self
    }

    fn item(&self) -> usize {
        self.dtype.item_size().expect("a fixed width")
    }

    /// Elements that lie at one place of the first axis.
    fn width(&self) -> usize {
        self.shape[1..].iter().product::<u64>() as usize
    }

    pub(super) fn spec(&self) -> ArraySpec<'_> {
        let mut spec = ArraySpec::new(self.dtype, &self.shape, &self.elements);
        if let Some(missing) = &self.missing {
            spec = spec.missing(missing);
        }
        if !self.chunks.is_empty() {
            spec = spec.chunks(&self.chunks);
        }
        spec.fill_value = self.fill.clone();
        spec.codec = self.codec.clone();
        spec
    }

    /// Makes the first axis as long as that; what is new is missing, or has the bytes `fill`.
    pub(super) fn resize(&mut self, rows: u64, fill: &[u8]) {
        let size = rows as usize * self.width();
        let new = size.saturating_sub(self.elements.len() / self.item());
        self.elements.truncate(size * self.item());
        self.elements.extend(fill.repeat(new));
        if let Some(missing) = &mut self.missing {
            missing.resize(size, 1);
        }
        self.shape[0] = rows;
    }

    /// Makes the first axis longer.
    pub(super) fn append(&mut self, more: &Self) {
        self.elements.extend(&more.elements);
        if let (Some(missing), Some(more)) = (&mut self.missing, &more.missing) {
            missing.extend(more);
        }
        self.shape[0] += more.shape[0];
    }

    /// Writes a part.
    pub(super) fn put(&mut self, selection: &Selection, part: &Self) {
        let (item, width) = (self.item(), self.width());
        let spans = selection.spans();
        let one = Span::range(0..1);
        let (rows, columns) = (spans[0], spans.get(1).copied().unwrap_or(one));
        let mut from = 0;
        for row in rows.start..rows.start + rows.count {
            for column in columns.start..columns.start + columns.count {
                let to = row as usize * width + column as usize;
                let element = &part.elements[from * item..][..item];
                self.elements[to * item..][..item].copy_from_slice(element);
                if let (Some(missing), Some(part)) = (&mut self.missing, &part.missing) {
                    missing[to] = part[from];
                }
                from += 1;
            }
        }
    }

    /// What an array is, and these elements of it.
    fn of(array: &Array, elements: &Elements) -> Outcome<Self> {
        let info = array.info();
        let mut plain = Self::new(info.dtype, elements.shape(), elements.data().to_vec());
        plain.fill = info.fill_value.clone();
        plain.codec = info.codec.clone();
        plain.chunks = array
            .chunks()?
            .map(|chunks| chunks.to_vec())
            .unwrap_or_default();
        if let Some(bits) = elements.validity() {
            let item = plain.item();
            let is_missing = |number: usize| u8::from(bits[number / 8] >> (number % 8) & 1 == 0);
            let missing: Vec<u8> = (0..plain.elements.len() / item).map(is_missing).collect();
            for (element, missing) in plain.elements.chunks_exact_mut(item).zip(&missing) {
                if *missing == 1 {
                    element.fill(0);
                }
            }
            plain.missing = Some(missing);
        }
        Ok(plain)
    }

    /// What stands behind the first place of the first axis.
    fn rest(&self) -> Self {
        let mut rest = self.clone();
        rest.elements.drain(..self.width() * self.item());
        if let Some(missing) = &mut rest.missing {
            missing.drain(..self.width());
        }
        rest.shape[0] -= 1;
        rest
    }
}

/// What an entry holds. The error inside: two ways of reading it differ.
pub(super) fn held_by(entry: &Entry) -> Outcome<Result<Held, String>> {
    if entry.kind() == Kind::Value {
        return Ok(Ok(Held::Value(entry.value()?.to_vec())));
    }
    let mut found = Arrays {
        attrs: entry.attrs()?,
        ..Arrays::default()
    };
    for position in 0..entry.len() {
        let array = entry.array_at(position)?;
        let plain = Plain::of(&array, &array.read()?)?;
        if plain.shape[0] > 1 {
            let spans = plain.shape.iter().map(|&length| Span::all(length));
            let mut spans: Vec<Span> = spans.collect();
            spans[0] = Span::range(1..plain.shape[0]);
            let slice = array.slice(&Selection::new(spans))?;
            if Plain::of(&array, &slice)? != plain.rest() {
                return Ok(Err("an array and a slice of it differ".to_owned()));
            }
        }
        let name = NAMES.into_iter().find(|name| *name == array.info().name);
        let Some(name) = name else {
            return Ok(Err(format!("array {:?}", array.info().name)));
        };
        found.arrays.push((name, plain));
    }
    Ok(Ok(Held::Arrays(found)))
}

/// Names of all arrays that there are.
const NAMES: [&str; 6] = ["table", "series", "bulk", "small", "wide", "extra"];
