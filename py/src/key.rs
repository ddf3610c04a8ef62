//! Keys: bytes in the store, `str` or `bytes` in Python.
//!
//! A `str` is its UTF-8. A surrogate that `surrogateescape` made of a byte goes
//! back to that byte, so that every key read from a store names itself.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// A key as the engine takes it.
pub(crate) enum Key<'a> {
    /// UTF-8 that the `str` caches, or the bytes themselves.
    Borrowed(&'a [u8]),
    /// Decoded from escaped bytes.
    Owned(Vec<u8>),
}

impl AsRef<[u8]> for Key<'_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl<'a> Key<'a> {
    /// The bytes of a `str` or `bytes`.
    #[inline]
    pub(crate) fn of(key: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(text) = key.cast::<PyString>() {
            return match text.to_str() {
                Ok(text) => Ok(Self::Borrowed(text.as_bytes())),
                Err(_) => escaped(text).map(Self::Owned),
            };
        }
        if let Ok(bytes) = key.cast::<PyBytes>() {
            return Ok(Self::Borrowed(bytes.as_bytes()));
        }
        Err(refusal(key))
    }
}

fn escaped(text: &Bound<'_, PyString>) -> PyResult<Vec<u8>> {
    let bytes = text
        .call_method1("encode", ("utf-8", "surrogateescape"))
        .map_err(|_| {
            PyValueError::new_err(format!(
                "key {text:?} has a lone surrogate that stands for no byte; give the key as bytes"
            ))
        })?;
    Ok(bytes.cast::<PyBytes>()?.as_bytes().to_vec())
}

#[cold]
fn refusal(key: &Bound<'_, PyAny>) -> PyErr {
    let found = key
        .get_type()
        .name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!(
        "a key is a str or bytes, not {found}; access by position is the job of dataset(), \
         which this version does not have (list(part) gives the keys in order)"
    ))
}

/// A stored key as `str`.
pub(crate) fn to_str<'py>(py: Python<'py>, key: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    match std::str::from_utf8(key) {
        Ok(text) => Ok(PyString::new(py, text).into_any()),
        Err(_) => PyBytes::new(py, key).call_method1("decode", ("utf-8", "surrogateescape")),
    }
}
