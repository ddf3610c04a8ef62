//! What is written, borrowed from Python objects.

use arraylog::{ArraySpec, Attrs, Condition};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString};

use crate::attrs;
use crate::buffer::Borrowed;
use crate::field::Field;

/// What `write` stores: named arrays and attributes.
pub(crate) struct Frame<'py> {
    fields: Vec<(Bound<'py, PyString>, Field<'py>)>,
    attrs: Attrs,
}

impl<'py> Frame<'py> {
    /// From the arguments of `write`.
    pub(crate) fn new(
        arrays: &Bound<'py, PyAny>,
        attrs: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let pairs = attrs::pairs(arrays, "`arrays`")?;
        let mut fields = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            let Ok(name) = name.cast::<PyString>() else {
                return Err(PyTypeError::new_err(format!(
                    "the name of an array is a str, not {}",
                    name.get_type().name()?
                )));
            };
            let field = Field::new(name.to_str()?, &value)?;
            fields.push((name.clone(), field));
        }
        let attrs = match attrs {
            Some(attrs) => attrs::from_mapping(attrs, "attrs")?,
            None => Attrs::new(),
        };
        Ok(Self { fields, attrs })
    }

    /// Arrays and attributes of the entry as the engine takes them, once.
    pub(crate) fn take(&mut self) -> PyResult<Taken<'_>> {
        let mut arrays = Vec::with_capacity(self.fields.len());
        for (name, field) in &mut self.fields {
            arrays.push((name.to_str()?, field.take_spec()));
        }
        Ok(Taken {
            arrays,
            attrs: &self.attrs,
        })
    }
}

/// The arguments of the engine's `write`.
pub(crate) struct Taken<'a> {
    pub(crate) arrays: Vec<(&'a str, ArraySpec<'a>)>,
    pub(crate) attrs: &'a Attrs,
}

/// What a plain value is made of.
pub(crate) enum Source<'py> {
    /// Its bytes.
    Bytes(Borrowed<'py>),
    /// A binary file that is to be read to its end.
    File(Bound<'py, PyAny>),
}

fn type_name(object: &Bound<'_, PyAny>) -> String {
    let name = object.get_type().name();
    name.map_or_else(|_| "?".to_owned(), |name| name.to_string())
}

/// A plain value: anything bytes-like whose items are bytes, or a binary file.
pub(crate) fn value<'py>(data: &Bound<'py, PyAny>) -> PyResult<Source<'py>> {
    if let Ok(bytes) = data.cast_exact::<PyBytes>() {
        return Ok(Source::Bytes(Borrowed::Bytes(bytes.clone())));
    }
    if data.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(
            "a value is bytes, not str: put(key, text.encode())",
        ));
    }
    let Ok(buffer) = PyUntypedBuffer::get(data) else {
        if !data.hasattr("read")? {
            return Err(PyTypeError::new_err(format!(
                "a value is bytes-like or a binary file, not {}; arrays go through write(key, {{name: array}})",
                type_name(data)
            )));
        }
        let text = data.py().import("io")?.getattr("TextIOBase")?;
        if data.is_instance(&text)? {
            return Err(text_file(data));
        }
        return Ok(Source::File(data.clone()));
    };
    bytes_of(data, buffer).map(Source::Bytes)
}

fn text_file(file: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!(
        "a value is bytes, and this {} gives str: open the file in binary mode (\"rb\"), \
         or put(key, text.encode())",
        type_name(file)
    ))
}

/// What `read` of a file gave.
pub(crate) fn piece<'py>(
    file: &Bound<'py, PyAny>,
    piece: &Bound<'py, PyAny>,
) -> PyResult<Borrowed<'py>> {
    if let Ok(bytes) = piece.cast_exact::<PyBytes>() {
        return Ok(Borrowed::Bytes(bytes.clone()));
    }
    if piece.is_instance_of::<PyString>() {
        return Err(text_file(file));
    }
    let Ok(buffer) = PyUntypedBuffer::get(piece) else {
        return Err(PyTypeError::new_err(format!(
            "read() of a binary file gives bytes, that of this {} gave a {}",
            type_name(file),
            type_name(piece)
        )));
    };
    bytes_of(piece, buffer)
}

/// The bytes of a buffer whose items are bytes.
fn bytes_of<'py>(data: &Bound<'py, PyAny>, buffer: PyUntypedBuffer) -> PyResult<Borrowed<'py>> {
    if !matches!(
        buffer.format().to_bytes(),
        b"B" | b"b" | b"c" | b"<B" | b"<b" | b"=B" | b"=b" | b"@B" | b"@b"
    ) {
        return Err(PyTypeError::new_err(format!(
            "a value is bytes, and this {} has items of format {:?}, whose type would be lost: \
             write(key, {{name: array}}) keeps it, array.view(\"u1\") gives its bytes",
            type_name(data),
            buffer.format(),
        )));
    }
    if buffer.is_c_contiguous() {
        return Ok(Borrowed::Buffer(buffer));
    }
    let bytes = data
        .py()
        .import("builtins")?
        .getattr("bytes")?
        .call1((pyo3::types::PyMemoryView::from(data)?,))?;
    Ok(Borrowed::Bytes(bytes.cast_into()?))
}

/// What a write asks of the version that is there.
pub(crate) fn condition(
    if_absent: bool,
    if_version: Option<&Bound<'_, PyAny>>,
) -> PyResult<Condition> {
    let Some(version) = if_version else {
        return Ok(if if_absent {
            Condition::Absent
        } else {
            Condition::Always
        });
    };
    if if_absent {
        return Err(PyValueError::new_err(
            "if_absent=True and if_version= ask for opposites; give one of them",
        ));
    }
    if !version.is_instance_of::<PyInt>() {
        return Err(PyTypeError::new_err(format!(
            "if_version is the version of an entry (entry.version), an int, not {}",
            version.get_type().name()?
        )));
    }
    let number: u64 = version.extract().map_err(|_| {
        PyValueError::new_err(format!(
            "if_version={version} is no version of an entry: these are 0 to 2**64 - 1"
        ))
    })?;
    Ok(Condition::Version(number.into()))
}
