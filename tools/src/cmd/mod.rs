//! One module a command.

pub(crate) mod cp;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod info;
pub(crate) mod ingest;
pub(crate) mod ls;
pub(crate) mod mv;
pub(crate) mod put;
pub(crate) mod rm;

use std::io::Write;

use serde::Serialize;

use crate::failure::{Failure, Outcome};

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
