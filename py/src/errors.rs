//! Errors of the engine as the exceptions of `arraylog._errors`.

use std::error::Error as _;
use std::path::Path;

use arraylog::Error;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::codec;

/// Turns the engine's errors into Python's.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for arraylog::Result<T> {
    #[inline]
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        // Boxed path out of line: the hot reads inline only the branch.
        self.map_err(|error| exception(py, &error))
    }
}

/// An exception of `arraylog._errors` by its class name.
pub(crate) fn named(py: Python<'_>, class: &str, message: &str) -> PyErr {
    let build = || -> PyResult<PyErr> {
        let class = py.import("arraylog._errors")?.getattr(class)?;
        Ok(PyErr::from_value(class.call1((message,))?))
    };
    build().unwrap_or_else(|error| error)
}

/// The exception for an error of the engine.
#[cold]
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    // What led to it was told before.
    crate::events::deliver(py);
    build(py, error).unwrap_or_else(|error| error)
}

fn build(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let fields = PyDict::new(py);
    let (path, cause) = place(error);
    if let Some(path) = path {
        fields.set_item("path", path.as_os_str())?;
    }
    if let Some(cause) = cause {
        fields.set_item("errno", cause.raw_os_error())?;
        fields.set_item("cause", cause.to_string())?;
        // Refusals of the engine itself have a kind and no number.
        fields.set_item("cause_kind", format!("{:?}", cause.kind()))?;
    } else if let Some(cause) = error.source() {
        fields.set_item("cause", cause.to_string())?;
    }
    match error {
        Error::Corrupt { at, .. } => fields.set_item("offset", at)?,
        Error::Conflict {
            key,
            expected,
            found,
        } => {
            fields.set_item("key", key)?;
            fields.set_item("expected", expected)?;
            fields.set_item("found", found)?;
        }
        Error::SnapshotGone { seqno, oldest, .. } => {
            fields.set_item("seqno", seqno)?;
            fields.set_item("oldest", oldest)?;
        }
        Error::Damaged {
            key,
            partition,
            source,
        } => {
            fields.set_item("key", key)?;
            fields.set_item("partition", partition)?;
            if let Error::Corrupt { path, at, .. } = &**source {
                fields.set_item("path", path.as_os_str())?;
                fields.set_item("offset", at)?;
            }
        }
        Error::NotFound { name, .. } => fields.set_item("name", name)?,
        Error::CodecUnavailable { codec, array } => {
            fields.set_item("codec", codec)?;
            fields.set_item("array", array)?;
        }
        _ => {}
    }
    let exception = py
        .import("arraylog._errors")?
        .getattr("from_engine")?
        .call1((error.kind(), error.to_string(), fields))?;
    let mut messages = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        messages += &cause.to_string();
        source = cause.source();
    }
    let exception = PyErr::from_value(exception);
    Ok(codec::with_cause(py, exception, &messages))
}

/// The file that an error names, and the system's answer behind it.
fn place(error: &Error) -> (Option<&Path>, Option<&std::io::Error>) {
    match error {
        Error::Io { path, source, .. }
        | Error::Poisoned { path, source }
        | Error::NotCommitted { path, source }
        | Error::CommitUnknown { path, source } => (Some(path), Some(source)),
        Error::NotAStore { path, .. }
        | Error::Version { path, .. }
        | Error::Corrupt { path, .. }
        | Error::Locked { path, .. }
        | Error::ReadOnly { path, .. }
        | Error::Closed { path, .. }
        | Error::SnapshotGone { path, .. }
        | Error::Replaced { path, .. }
        | Error::Cancelled { path, .. }
        | Error::Forked { path, .. } => (Some(path), None),
        _ => (None, None),
    }
}
