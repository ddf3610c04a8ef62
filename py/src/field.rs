//! One array on its way into the store.
//!
//! Ndarrays, masked or not, and scalars of NumPy are taken as they are, and so
//! are the tuples around them; everything else goes through
//! `arraylog._convert`, which answers with an `ArraySpec` in canonical form.

use std::borrow::Cow;

use arraylog::{ArrayBytes, ArraySpec, AttrValue, Attrs, Chunking, DType, Mask};
use numpy::{PyArrayDescrMethods as _, PyUntypedArray, PyUntypedArrayMethods as _};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyList, PyString, PyTuple, PyType};

use crate::buffer::{self, Borrowed, ScalarBytes};
use crate::{attrs, dtype};

/// One array, borrowed from a Python object.
pub(crate) struct Field<'py> {
    dtype: DType,
    shape: Vec<u64>,
    dims: Vec<Option<String>>,
    data: Elements<'py>,
    missing: Missing<'py>,
    fill_value: Option<AttrValue>,
    chunks: Option<Chunking>,
    codec: Option<String>,
    attrs: Attrs,
}

enum Elements<'py> {
    Borrowed(Borrowed<'py>),
    Scalar(ScalarBytes),
    /// Brought into the byte order of the store.
    Swapped(Vec<u8>),
    Variable {
        offsets: Vec<u64>,
        data: Vec<u8>,
    },
}

enum Missing<'py> {
    /// There is no mask.
    Unmasked,
    /// There is a mask, and no element is missing.
    Nothing,
    /// One byte an element.
    Mask(Borrowed<'py>),
}

impl<'py> Field<'py> {
    /// From what stands beside a name in `write`.
    pub(crate) fn new(name: &str, value: &Bound<'py, PyAny>) -> PyResult<Self> {
        let plain = match value.cast_exact::<PyTuple>() {
            Ok(parts) => Self::of_tuple(parts)?,
            Err(_) => Self::of_data(value),
        };
        if let Some(field) = plain {
            return Ok(field);
        }
        static CONVERT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let spec = CONVERT
            .import(value.py(), "arraylog._convert", "field")?
            .call1((name, value))?;
        Self::from_spec(&spec)
    }

    /// `(dims, data)` or `(dims, data, attrs)`, if all of it is plain.
    fn of_tuple(parts: &Bound<'py, PyTuple>) -> PyResult<Option<Self>> {
        let length = parts.len();
        if length != 2 && length != 3 {
            return Ok(None);
        }
        let Some(mut field) = Self::of_data(&parts.get_item(1)?) else {
            return Ok(None);
        };
        let dims = parts.get_item(0)?;
        if !dims.is_none() {
            match plain_dims(&dims) {
                Some(dims) if dims.len() == field.shape.len() => field.dims = dims,
                _ => return Ok(None),
            }
        }
        if length == 3 {
            let attrs = parts.get_item(2)?;
            if attrs.is_exact_instance_of::<PyDict>() {
                field.attrs = attrs::from_mapping(&attrs, ARRAY_ATTRS)?;
            } else if !attrs.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(field))
    }

    /// Data whose bytes are stored as they are, but for their order.
    pub(crate) fn of_data(value: &Bound<'py, PyAny>) -> Option<Self> {
        if let Ok(array) = value.cast::<PyUntypedArray>() {
            if value.is_exact_instance_of::<PyUntypedArray>() {
                return Self::of_array(array);
            }
            return Self::of_masked(array);
        }
        if let Some((dtype, bytes)) = buffer::scalar_bytes(value) {
            return Some(Self::unnamed(dtype, Vec::new(), Elements::Scalar(bytes)));
        }
        if let Ok(number) = value.cast_exact::<PyFloat>() {
            let bytes = ScalarBytes::of(number.value());
            return Some(Self::unnamed(
                DType::Float64,
                Vec::new(),
                Elements::Scalar(bytes),
            ));
        }
        if let Ok(text) = value.cast_exact::<PyString>() {
            let data = text.to_str().ok()?.as_bytes().to_vec();
            let data = Elements::Variable {
                offsets: vec![0, data.len() as u64],
                data,
            };
            return Some(Self::unnamed(DType::String, Vec::new(), data));
        }
        None
    }

    fn of_array(array: &Bound<'py, PyUntypedArray>) -> Option<Self> {
        if !array.is_c_contiguous() {
            return None;
        }
        let descr = array.dtype();
        let dtype = dtype::of_descr(&descr)?;
        let shape = array.shape().iter().map(|&length| length as u64).collect();
        let bytes = Borrowed::Array(array.clone());
        let data = if descr.byteorder() == b'>' {
            Elements::Swapped(swapped(bytes.bytes(), dtype::word(dtype)))
        } else {
            Elements::Borrowed(bytes)
        };
        Some(Self::unnamed(dtype, shape, data))
    }

    /// A `numpy.ma.MaskedArray` (no subclass).
    fn of_masked(array: &Bound<'py, PyUntypedArray>) -> Option<Self> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        static NOTHING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = array.py();
        if !array
            .get_type()
            .is(CLASS.import(py, "numpy.ma", "MaskedArray").ok()?)
        {
            return None;
        }
        let mut field = Self::of_array(array)?;
        let mask = array.getattr(intern!(py, "_mask")).ok()?;
        field.missing = if mask.is(NOTHING.import(py, "numpy.ma", "nomask").ok()?) {
            Missing::Nothing
        } else {
            let mask = mask.cast_exact::<PyUntypedArray>().ok()?;
            let is_plain = mask.is_c_contiguous()
                && mask.shape() == array.shape()
                && dtype::of_descr(&mask.dtype()) == Some(DType::Bool);
            if !is_plain {
                return None;
            }
            Missing::Mask(Borrowed::Array(mask.clone()))
        };
        let fill = array.getattr(intern!(py, "_fill_value")).ok()?;
        if !fill.is_none() {
            field.fill_value = chosen_fill(field.dtype, &fill)?;
        }
        Some(field)
    }

    /// Without dims, mask, fill value and attributes.
    fn unnamed(dtype: DType, shape: Vec<u64>, data: Elements<'py>) -> Self {
        Self {
            dtype,
            shape,
            dims: Vec::new(),
            data,
            missing: Missing::Unmasked,
            fill_value: None,
            chunks: None,
            codec: None,
            attrs: Attrs::new(),
        }
    }

    /// From an `arraylog.ArraySpec`.
    pub(crate) fn from_spec(spec: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = spec.py();
        let name = spec.getattr(intern!(py, "_dtype_name"))?;
        let dtype = dtype::by_name(py, name.cast::<PyString>()?.to_str()?)?;
        let data = spec.getattr(intern!(py, "_data"))?;
        let mask = spec.getattr(intern!(py, "_mask"))?;
        let dims = spec.getattr(intern!(py, "_dims"))?;
        let fill_value = spec.getattr(intern!(py, "_fill_value"))?;
        let shape = spec.getattr(intern!(py, "_shape"))?;
        let shape = shape.cast::<PyTuple>()?.iter();
        Ok(Self {
            dtype,
            shape: shape
                .map(|length| length.extract())
                .collect::<PyResult<_>>()?,
            dims: plain_dims(&dims).unwrap_or_default(),
            data: match data.cast::<PyList>() {
                Ok(items) => variable(items)?,
                Err(_) => Elements::Borrowed(contiguous(&data)?),
            },
            missing: if mask.is_none() {
                Missing::Unmasked
            } else {
                Missing::Mask(contiguous(&mask)?)
            },
            fill_value: if fill_value.is_none() {
                None
            } else {
                Some(attrs::fill_value(&fill_value)?)
            },
            chunks: chunking(&spec.getattr(intern!(py, "_chunks"))?)?,
            codec: spec.getattr(intern!(py, "_codec"))?.extract()?,
            attrs: attrs::from_mapping(&spec.getattr(intern!(py, "_attrs"))?, ARRAY_ATTRS)?,
        })
    }

    /// As the engine takes it; gives away all but the elements and the mask, which it lends.
    pub(crate) fn take_spec(&mut self) -> ArraySpec<'_> {
        let elements = self
            .shape
            .iter()
            .fold(1, |n: u64, &length| n.saturating_mul(length));
        ArraySpec {
            dtype: self.dtype,
            shape: std::mem::take(&mut self.shape),
            dims: std::mem::take(&mut self.dims),
            data: match &mut self.data {
                Elements::Borrowed(data) => ArrayBytes::Fixed(Cow::Borrowed(data.bytes())),
                Elements::Scalar(data) => ArrayBytes::Fixed(Cow::Borrowed(data.bytes())),
                Elements::Swapped(data) => ArrayBytes::Fixed(Cow::Borrowed(data)),
                Elements::Variable { offsets, data } => ArrayBytes::Variable {
                    offsets: std::mem::take(offsets),
                    data: Cow::Borrowed(data),
                },
            },
            mask: match &self.missing {
                Missing::Unmasked => None,
                // As many elements as are borrowed, so that this fits into memory.
                Missing::Nothing => {
                    let bits = vec![u8::MAX; elements.div_ceil(8) as usize];
                    Some(Mask::Validity(Cow::Owned(bits)))
                }
                Missing::Mask(mask) => Some(Mask::Missing(Cow::Borrowed(mask.bytes()))),
            },
            fill_value: self.fill_value.take(),
            chunks: self.chunks.take(),
            codec: self.codec.take(),
            attrs: std::mem::take(&mut self.attrs),
        }
    }
}

/// Begins the path of an attribute of an array in messages.
const ARRAY_ATTRS: &str = "attrs of the array";

/// "auto", or the lengths of a chunk; `_convert` has looked at them.
fn chunking(chunks: &Bound<'_, PyAny>) -> PyResult<Option<Chunking>> {
    if chunks.is_none() {
        return Ok(None);
    }
    if chunks.is_instance_of::<PyString>() {
        return Ok(Some(Chunking::Auto));
    }
    Ok(Some(Chunking::Shape(chunks.extract()?)))
}

/// One name, or a list or tuple of names and `None`.
fn plain_dims(dims: &Bound<'_, PyAny>) -> Option<Vec<Option<String>>> {
    fn name(dim: &Bound<'_, PyAny>) -> Option<Option<String>> {
        if dim.is_none() {
            return Some(None);
        }
        let name = dim.cast::<PyString>().ok()?;
        Some(Some(name.to_str().ok()?.to_owned()))
    }
    if let Ok(dims) = dims.cast::<PyTuple>() {
        return dims.iter().map(|dim| name(&dim)).collect();
    }
    if let Ok(dims) = dims.cast::<PyList>() {
        return dims.iter().map(|dim| name(&dim)).collect();
    }
    Some(vec![Some(name(dims)??)])
}

/// The fill value of a masked array: `Some(None)` if it is the one that NumPy
/// chooses. `None` for everything that needs a second look.
fn chosen_fill(dtype: DType, fill: &Bound<'_, PyAny>) -> Option<Option<AttrValue>> {
    let chosen_by_numpy = match dtype {
        DType::Bool => AttrValue::Bool(true),
        DType::Int32 => AttrValue::Int32(999_999),
        DType::Int64 => AttrValue::Int64(999_999),
        DType::UInt32 => AttrValue::UInt32(999_999),
        DType::UInt64 => AttrValue::UInt64(999_999),
        DType::Float32 => AttrValue::Float32(1e20),
        DType::Float64 => AttrValue::Float64(1e20),
        _ => return None,
    };
    let fill = fill.cast_exact::<PyUntypedArray>().ok()?;
    let field = Field::of_array(fill)?;
    let Elements::Borrowed(bytes) = &field.data else {
        return None;
    };
    if field.dtype != dtype || !field.shape.is_empty() {
        return None;
    }
    let fill = attrs::scalar(dtype, bytes.bytes())?;
    Some((fill != chosen_by_numpy).then_some(fill))
}

/// Words of `width` bytes, each turned round.
fn swapped(bytes: &[u8], width: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    bytes
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
