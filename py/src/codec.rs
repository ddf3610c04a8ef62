//! Codecs that are written in Python.

use std::sync::{Arc, Mutex, PoisonError};

use arraylog::codec::{self, Codec, Elements};
use pyo3::exceptions::{PyException, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use crate::errors::OrRaise as _;

/// Makes an object with `encode` and `decode` a codec of this process.
#[pyfunction]
pub(crate) fn register_codec(name: String, codec: Bound<'_, PyAny>) -> PyResult<()> {
    for method in ["encode", "decode"] {
        let found = codec.getattr_opt(method)?;
        if !found.is_some_and(|found| found.is_callable()) {
            return Err(PyTypeError::new_err(format!(
                "a codec has encode(data, parameters) and decode(data, parameters, nbytes); \
                 this {} has no method {method}",
                codec.get_type().name()?
            )));
        }
    }
    let py = codec.py();
    let codec = codec.unbind();
    codec::register(Arc::new(FromPython { name, codec })).or_raise(py)
}

/// Names of the codecs that there are.
#[pyfunction]
pub(crate) fn codecs() -> Vec<String> {
    codec::available()
}

/// An object of Python that encodes and decodes.
#[derive(Debug)]
struct FromPython {
    name: String,
    codec: Py<PyAny>,
}

impl Codec for FromPython {
    fn name(&self) -> &str {
        &self.name
    }

    fn encode(
        &self,
        data: &[u8],
        parameters: &str,
        _: Elements,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        attached(|py| {
            let arguments = (view(py, data)?, parameters);
            let codec = self.codec.bind(py);
            let encoded = codec.call_method1("encode", arguments)?;
            out.extend_from_slice(bytes(&encoded, "encode")?.as_bytes());
            Ok(())
        })
    }

    fn decode(
        &self,
        data: &[u8],
        parameters: &str,
        _: Elements,
        out: &mut [u8],
    ) -> Result<(), String> {
        attached(|py| {
            let arguments = (view(py, data)?, parameters, out.len());
            let codec = self.codec.bind(py);
            let decoded = codec.call_method1("decode", arguments)?;
            let decoded = bytes(&decoded, "decode")?;
            let (len, expected) = (decoded.as_bytes().len(), out.len());
            if len != expected {
                return Err(PyValueError::new_err(format!(
                    "decode() gave {len} bytes, expected {expected}"
                )));
            }
            out.copy_from_slice(decoded.as_bytes());
            Ok(())
        })
    }
}

/// A copy of the bytes, which Python may keep as long as it likes.
fn view<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyMemoryView>> {
    PyMemoryView::from(&PyBytes::new(py, data))
}

/// What a method of a codec gave, as bytes.
fn bytes<'py>(given: &Bound<'py, PyAny>, method: &str) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = given.cast_exact::<PyBytes>() {
        return Ok(bytes.clone());
    }
    let Ok(view) = PyMemoryView::from(given) else {
        return Err(PyTypeError::new_err(format!(
            "{method}() of a codec gives bytes, this one gave a {}",
            given.get_type().name()?
        )));
    };
    Ok(view.call_method0("tobytes")?.cast_into()?)
}

/// The last exception of a codec, and the text of it that is in the error of the engine.
///
/// The engine passes on texts. It may decode in threads of its own, so that this one place
/// is what is left to find the exception by.
static RAISED: Mutex<Option<(String, PyErr)>> = Mutex::new(None);

/// Puts another exception there. What was there is dropped without the lock: that may run
/// code of Python.
fn swap(other: Option<(String, PyErr)>) -> Option<(String, PyErr)> {
    let mut raised = RAISED.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut *raised, other)
}

fn attached(work: impl FnOnce(Python<'_>) -> PyResult<()>) -> Result<(), String> {
    let outcome = Python::try_attach(|py| {
        work(py).map_err(|error| {
            let text = error.to_string();
            drop(swap(Some((text.clone(), error))));
            text
        })
    });
    outcome.unwrap_or_else(|| Err("the interpreter has ended".to_owned()))
}

/// `exception`, for an error of the engine with this message, with the exception of a codec
/// that led to it as its cause; that one itself if it is no error but asks to stop.
pub(crate) fn with_cause(py: Python<'_>, exception: PyErr, message: &str) -> PyErr {
    let Some((text, raised)) = swap(None) else {
        return exception;
    };
    if !message.contains(&text) {
        // That of another thread.
        drop(swap(Some((text, raised))));
        return exception;
    }
    if !raised.is_instance_of::<PyException>(py) {
        return raised;
    }
    exception.set_cause(py, Some(raised));
    exception
}
