//! One module a command.

pub(crate) mod attrs;
pub(crate) mod backup;
pub(crate) mod checkpoint;
pub(crate) mod compact;
pub(crate) mod cp;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod info;
pub(crate) mod ingest;
pub(crate) mod ls;
pub(crate) mod mv;
pub(crate) mod put;
pub(crate) mod rm;
pub(crate) mod salvage;
pub(crate) mod usage;
pub(crate) mod verify;

use std::io::Write;

use arraylog::Attrs;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::failure::{Failure, Outcome};
use crate::ndjson::export;

/// Version of the answers of `--json`; it grows when a member changes or goes.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// Writes one line of an answer.
fn line(out: &mut dyn Write, text: &str) -> Outcome {
    writeln!(out, "{text}").map_err(Failure::output)
}

/// Writes an answer as one line of JSON.
fn json(out: &mut dyn Write, answer: &impl Serialize) -> Outcome {
    serde_json::to_writer(&mut *out, answer).map_err(|error| Failure::output(error.into()))?;
    line(out, "")
}

/// Attributes as a member of an answer.
fn attrs_json(attrs: &Attrs) -> Outcome<Box<RawValue>> {
    raw_json(export::attrs_text(attrs)?)
}

/// JSON that is text already, as a member of an answer.
fn raw_json(text: String) -> Outcome<Box<RawValue>> {
    RawValue::from_string(text).map_err(|error| Failure::output(error.into()))
}

/// Attributes on one line behind a title; nothing if there are none.
fn attrs_line(title: &str, attrs: &Attrs, out: &mut dyn Write) -> Outcome {
    if attrs.is_empty() {
        return Ok(());
    }
    line(out, &format!("{title}{}", export::attrs_text(attrs)?))
}
