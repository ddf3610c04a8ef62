//! Arrays on their way into the store.
//!
//! C-contiguous little-endian ndarrays of numbers are borrowed as they are;
//! everything else goes through `arraylog._convert`, which answers with an
//! `ArraySpec` in canonical form.

use std::borrow::Cow;

use arraylog::{ArrayBytes, ArraySpec, AttrValue, Attrs, DType, Mask};
use numpy::{PyUntypedArray, PyUntypedArrayMethods as _};
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::buffer::Borrowed;
use crate::{attrs, dtype, errors};

/// What `write` stores: named arrays and attributes, borrowed from Python objects.
pub(crate) struct Frame<'py> {
    names: Vec<String>,
    fields: Vec<Field<'py>>,
    /// Attributes of the entry.
    pub(crate) attrs: Attrs,
}

impl<'py> Frame<'py> {
    /// From the arguments of `write`.
    pub(crate) fn new(
        arrays: &Bound<'py, PyAny>,
        attrs: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let mut names = Vec::new();
        let mut fields = Vec::new();
        for item in attrs::items(arrays, "`arrays`")?.try_iter()? {
            let (name, value): (Bound<'py, PyAny>, Bound<'py, PyAny>) = item?.extract()?;
            let Ok(name) = name.cast::<PyString>() else {
                return Err(PyTypeError::new_err(format!(
                    "the name of an array is a str, not {}",
                    name.get_type().name()?
                )));
            };
            let name = name.to_str()?.to_owned();
            fields.push(Field::new(&name, &value)?);
            names.push(name);
        }
        let attrs = match attrs {
            Some(attrs) => attrs::from_mapping(attrs, "attrs")?,
            None => Attrs::new(),
        };
        Ok(Self {
            names,
            fields,
            attrs,
        })
    }

    /// As the engine takes them.
    pub(crate) fn arrays(&self) -> Vec<(&str, ArraySpec<'_>)> {
        self.names
            .iter()
            .map(String::as_str)
            .zip(self.fields.iter().map(Field::spec))
            .collect()
    }
}

/// One array, borrowed from a Python object.
pub(crate) struct Field<'py> {
    dtype: DType,
    shape: Vec<u64>,
    dims: Vec<Option<String>>,
    data: Elements<'py>,
    missing: Option<Borrowed<'py>>,
    fill_value: Option<AttrValue>,
    attrs: Attrs,
}

enum Elements<'py> {
    Fixed(Borrowed<'py>),
    Variable { offsets: Vec<u64>, data: Vec<u8> },
}

impl<'py> Field<'py> {
    /// From what stands beside a name in `write`.
    fn new(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Some(field) = Self::of_plain(value) {
            return Ok(field);
        }
        if let Ok((dims, data)) = value.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>()
            && value.is_exact_instance_of::<PyTuple>()
            && let Some(dims) = plain_dims(&dims)
            && let Some(field) = Self::of_plain(&data)
            && dims.len() == field.shape.len()
        {
            return Ok(Self { dims, ..field });
        }
        static CONVERT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let spec = CONVERT
            .import(value.py(), "arraylog._convert", "field")?
            .call1((name, value))?;
        Self::from_spec(&spec)
    }

    /// An ndarray (no subclass) whose bytes are stored as they are.
    fn of_plain(value: &Bound<'py, PyAny>) -> Option<Self> {
        if !value.is_exact_instance_of::<PyUntypedArray>() {
            return None;
        }
        let array = value.cast::<PyUntypedArray>().ok()?;
        if !array.is_c_contiguous() {
            return None;
        }
        Some(Self {
            dtype: dtype::plain(&array.dtype())?,
            shape: array.shape().iter().map(|&length| length as u64).collect(),
            dims: Vec::new(),
            data: Elements::Fixed(Borrowed::Array(array.clone())),
            missing: None,
            fill_value: None,
            attrs: Attrs::new(),
        })
    }

    /// From an `arraylog.ArraySpec`.
    pub(crate) fn from_spec(spec: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = spec.py();
        let dtype = dtype::by_name(py, &spec.getattr("_dtype_name")?.extract::<String>()?)?;
        let data = spec.getattr("_data")?;
        let mask = spec.getattr("_mask")?;
        let fill_value = spec.getattr("_fill_value")?;
        Ok(Self {
            dtype,
            shape: spec.getattr("_shape")?.extract()?,
            dims: spec
                .getattr("_dims")?
                .extract::<Option<_>>()?
                .unwrap_or_default(),
            data: match data.cast::<PyList>() {
                Ok(items) => variable(items)?,
                Err(_) => Elements::Fixed(contiguous(&data)?),
            },
            missing: if mask.is_none() {
                None
            } else {
                Some(contiguous(&mask)?)
            },
            fill_value: if fill_value.is_none() {
                None
            } else {
                Some(attrs::fill_value(&fill_value)?)
            },
            attrs: attrs::from_mapping(&spec.getattr("_attrs")?, "attrs of the array")?,
        })
    }

    /// As the engine takes it.
    pub(crate) fn spec(&self) -> ArraySpec<'_> {
        ArraySpec {
            dtype: self.dtype,
            shape: self.shape.clone(),
            dims: self.dims.clone(),
            data: match &self.data {
                Elements::Fixed(data) => ArrayBytes::Fixed(Cow::Borrowed(data.bytes())),
                Elements::Variable { offsets, data } => ArrayBytes::Variable {
                    offsets: offsets.clone(),
                    data: Cow::Borrowed(data),
                },
            },
            mask: self
                .missing
                .as_ref()
                .map(|missing| Mask::Missing(Cow::Borrowed(missing.bytes()))),
            fill_value: self.fill_value.clone(),
            attrs: self.attrs.clone(),
        }
    }
}

/// One name, or a list or tuple of names and `None`.
fn plain_dims(dims: &Bound<'_, PyAny>) -> Option<Vec<Option<String>>> {
    if let Ok(name) = dims.cast::<PyString>() {
        return Some(vec![Some(name.to_str().ok()?.to_owned())]);
    }
    if dims.is_instance_of::<PyTuple>() || dims.is_instance_of::<PyList>() {
        return dims.extract().ok();
    }
    None
}

fn contiguous<'py>(array: &Bound<'py, PyAny>) -> PyResult<Borrowed<'py>> {
    let array = array.cast::<PyUntypedArray>()?;
    if array.is_c_contiguous() {
        return Ok(Borrowed::Array(array.clone()));
    }
    let array = array
        .py()
        .import("numpy")?
        .getattr("ascontiguousarray")?
        .call1((array,))?;
    Ok(Borrowed::Array(array.cast_into()?))
}

/// Elements of any length; `None` takes the place of a missing one.
fn variable<'py>(items: &Bound<'py, PyList>) -> PyResult<Elements<'py>> {
    let mut offsets = Vec::with_capacity(items.len() + 1);
    let mut data = Vec::new();
    offsets.push(0);
    for item in items {
        if let Ok(text) = item.cast::<PyString>() {
            data.extend_from_slice(text.to_str()?.as_bytes());
        } else if let Ok(bytes) = item.cast::<PyBytes>() {
            data.extend_from_slice(bytes.as_bytes());
        }
        offsets.push(data.len() as u64);
    }
    Ok(Elements::Variable { offsets, data })
}

/// The bytes of a plain value: anything bytes-like whose items are bytes, or a
/// binary file, which is read to its end first.
pub(crate) fn value<'py>(data: &Bound<'py, PyAny>) -> PyResult<Borrowed<'py>> {
    if let Ok(bytes) = data.cast_exact::<PyBytes>() {
        return Ok(Borrowed::Bytes(bytes.clone()));
    }
    let found = || {
        data.get_type()
            .name()
            .map_or_else(|_| "?".to_owned(), |name| name.to_string())
    };
    if data.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(
            "a value is bytes, not str: put(key, text.encode())",
        ));
    }
    let Ok(buffer) = PyUntypedBuffer::get(data) else {
        if !data.hasattr("read")? {
            return Err(PyTypeError::new_err(format!(
                "a value is bytes-like or a binary file, not {}; arrays go through write(key, {{name: array}})",
                found()
            )));
        }
        let whole = data
            .py()
            .import("arraylog._partition")?
            .getattr("read_all")?
            .call1((data,))?;
        return Ok(Borrowed::Buffer(PyUntypedBuffer::get(&whole)?));
    };
    if !matches!(
        buffer.format().to_bytes(),
        b"B" | b"b" | b"c" | b"<B" | b"<b" | b"=B" | b"=b" | b"@B" | b"@b"
    ) {
        return Err(PyTypeError::new_err(format!(
            "a value is bytes, and this {} has items of format {:?}, whose type would be lost: \
             write(key, {{name: array}}) keeps it, array.view(\"u1\") gives its bytes",
            found(),
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

/// Refuses the conditions of a write that this version does not have.
pub(crate) fn refuse_conditions(
    py: Python<'_>,
    if_absent: bool,
    if_version: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    if if_absent || if_version.is_some() {
        let name = if if_absent {
            "if_absent=True"
        } else {
            "if_version="
        };
        return Err(errors::named(
            py,
            "UnsupportedError",
            &format!("{name}: this version of arraylog has no conditional writes yet"),
        ));
    }
    Ok(())
}
