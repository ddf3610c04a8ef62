//! Each rule of the language: lines that keep it and lines that break it.

mod attributes;
mod dtypes;
mod lines;
mod stated;

use std::collections::HashMap;

use arraylog::{ArrayBytes, ArraySpec, AttrArray, AttrValue, DType, Mask, TimeUnit};

use crate::ndjson::defaults::{Defaults, Flags};
use crate::ndjson::document::{BareNan, Parser};
use crate::ndjson::elements::Nulls;
use crate::ndjson::fault::Finding;
use crate::ndjson::line::{self, Action, Line};

/// What a line came to, owned.
#[derive(Debug)]
struct Outcome {
    place: (String, String),
    key: Vec<u8>,
    arrays: Vec<(String, ArraySpec<'static>)>,
    attrs: arraylog::Attrs,
    value: Option<Vec<u8>>,
    removes: bool,
}

struct Reader {
    parser: Parser,
    defaults: Defaults,
    nulls: Nulls,
}

impl Reader {
    fn new() -> Self {
        let flags = Flags {
            collection: Some("c".into()),
            partition: Some("p".into()),
            dtypes: HashMap::new(),
        };
        Self::with(flags, BareNan::Refused, Nulls::Mask)
    }

    fn with(flags: Flags, bare_nan: BareNan, nulls: Nulls) -> Self {
        Self {
            parser: Parser::new(bare_nan),
            defaults: Defaults::new(flags),
            nulls,
        }
    }

    fn read(&mut self, text: &str) -> Result<Option<Outcome>, Finding> {
        let Self {
            parser,
            defaults,
            nulls,
        } = self;
        let (outcome, stated) = parser.parse(text.as_bytes(), |value| {
            Ok(match line::read(value, defaults, *nulls)? {
                Line::Defaults(stated) => (None, Some(stated)),
                Line::Operation(op) => {
                    let mut outcome = Outcome {
                        place: (op.collection.into(), op.partition.into()),
                        key: op.key.into(),
                        arrays: Vec::new(),
                        attrs: arraylog::Attrs::new(),
                        value: None,
                        removes: false,
                    };
                    match op.action {
                        Action::Write { arrays, attrs } => {
                            outcome.arrays =
                                arrays.into_iter().map(|(n, a)| (n.to_owned(), a)).collect();
                            outcome.attrs = attrs;
                        }
                        Action::Put(value) => outcome.value = Some(value.into()),
                        Action::Remove => outcome.removes = true,
                    }
                    (Some(outcome), None)
                }
            })
        })?;
        if let Some(stated) = stated {
            self.defaults.replace(stated);
        }
        Ok(outcome)
    }
}

fn read(text: &str) -> Result<Outcome, Finding> {
    Reader::new()
        .read(text)
        .map(|outcome| outcome.expect("an operation"))
}

/// The array `x` of an entry whose `x` is `json`.
fn array(json: &str) -> Result<ArraySpec<'static>, Finding> {
    array_by(&mut Reader::new(), json)
}

fn array_by(reader: &mut Reader, json: &str) -> Result<ArraySpec<'static>, Finding> {
    let text = format!(r#"{{"entry": "k", "arrays": {{"x": {json}}}}}"#);
    let outcome = reader.read(&text)?.expect("an operation");
    Ok(outcome.arrays.into_iter().next().expect("one array").1)
}

fn typed(dtype: &str, json: &str) -> Result<ArraySpec<'static>, Finding> {
    array(&format!(r#"{{"dtype": "{dtype}", "data": {json}}}"#))
}

fn attr(json: &str) -> Result<AttrValue, Finding> {
    let outcome = read(&format!(r#"{{"entry": "k", "attrs": {{"a": {json}}}}}"#))?;
    Ok(outcome.attrs.get("a").expect("the attribute").clone())
}

fn bytes(spec: &ArraySpec<'_>) -> Vec<u8> {
    match &spec.data {
        ArrayBytes::Fixed(data) => data.to_vec(),
        ArrayBytes::Variable { data, .. } => data.to_vec(),
        ArrayBytes::Stored(_) => panic!("read from text"),
    }
}

fn missing(spec: &ArraySpec<'_>) -> Option<Vec<u8>> {
    match &spec.mask {
        Some(Mask::Missing(mask)) => Some(mask.to_vec()),
        Some(Mask::Validity(_)) => panic!("NDJSON states what is missing"),
        None => None,
    }
}

fn le<const N: usize, T: Copy>(values: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| bytes(value)).collect()
}

#[track_caller]
fn refused(result: Result<impl std::fmt::Debug, Finding>, part: &str) {
    let finding = result.expect_err(part);
    assert!(finding.to_string().contains(part), "{finding}");
    assert!(finding.column.is_some(), "{finding}");
}
