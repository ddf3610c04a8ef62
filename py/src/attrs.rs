//! Attributes, with exact types both ways.
//!
//! `None`, `bool`, `int`, `float`, `complex`, `str`, `bytes` and mappings come back as
//! they were; a tuple comes back as a list. NumPy scalars and 1-d arrays come
//! back as such, of their dtype; `datetime`, `date` and `timedelta` as the
//! NumPy scalars that they become in an array.

use std::cell::RefCell;
use std::fmt;

use arraylog::{AttrArray, AttrValue, Attrs, DType, TimeUnit};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple,
};

use crate::field::Field;
use crate::{buffer, dtype};

/// Deeper nesting is taken for a list that contains itself.
const MAX_DEPTH: usize = 64;

/// Most characters of a path in messages, half of them its start.
const MAX_PATH: usize = 160;

/// Attributes of an entry or an array, converted when they are looked at.
#[pyclass(frozen, module = "arraylog._core")]
pub(crate) struct RawAttrs(pub(crate) Attrs);

#[pymethods]
impl RawAttrs {
    /// The value of `name`, made anew by each call; KeyError.
    fn get(&self, py: Python<'_>, name: &str) -> PyResult<Py<PyAny>> {
        match self.0.get(name) {
            Some(value) => to_py(py, value),
            None => Err(pyo3::exceptions::PyKeyError::new_err(name.to_owned())),
        }
    }

    /// Names in the order written.
    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name).collect()
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }
}

/// Where a value stands, for messages: put into words only if there is one.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root(&'a str),
    Name(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    /// The middle is left out where the path grows long, by many levels or by a name of
    /// up to 65,535 bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longer = match self {
            Self::Root(what) => return f.write_str(what),
            Self::Name(within, name) => format!("{within}.{name}"),
            Self::Item(within, at) => format!("{within}[{at}]"),
        };
        let count = longer.chars().count();
        if count <= MAX_PATH {
            return f.write_str(&longer);
        }
        let start: String = longer.chars().take(MAX_PATH / 2).collect();
        let end: String = longer.chars().skip(count - MAX_PATH / 2).collect();
        write!(f, "{start}…{end}")
    }
}

/// Attributes from a mapping; `what` begins the path in messages.
pub(crate) fn from_mapping(mapping: &Bound<'_, PyAny>, what: &str) -> PyResult<Attrs> {
    from_mapping_at(mapping, &Path::Root(what), 0)
}

fn from_mapping_at(mapping: &Bound<'_, PyAny>, path: &Path<'_>, depth: usize) -> PyResult<Attrs> {
    let pairs = pairs(mapping, path)?;
    let mut attrs = Attrs::with_capacity(pairs.len());
    for (name, value) in pairs {
        let Ok(name) = name.cast::<PyString>() else {
            return Err(PyTypeError::new_err(format!(
                "{path}: names are str, not {}",
                name.get_type().name()?
            )));
        };
        let name = name.to_str()?;
        attrs.set(name, from_py(&value, &Path::Name(path, name), depth)?);
    }
    Ok(attrs)
}

/// A name and what stands beside it.
type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// The pairs of a mapping, all of them before the first is looked at: that may
/// run Python code, which may change the mapping.
pub(crate) fn pairs<'py>(
    mapping: &Bound<'py, PyAny>,
    what: impl fmt::Display,
) -> PyResult<Vec<Pair<'py>>> {
    if let Ok(dict) = mapping.cast_exact::<PyDict>() {
        let pairs = RefCell::new(Vec::with_capacity(dict.len()));
        dict.locked_for_each(|name, value| {
            pairs.borrow_mut().push((name, value));
            Ok(())
        })?;
        return Ok(pairs.into_inner());
    }
    refuse_dataset(mapping, &what)?;
    if let Ok(mapping) = mapping.cast::<PyMapping>() {
        let items = mapping.items()?;
        return items.iter().map(|item| item.extract()).collect();
    }
    Err(PyTypeError::new_err(format!(
        "{what} has to be a mapping by name, not {}",
        mapping.get_type().name()?
    )))
}

/// Refuses an `xarray.Dataset`, a mapping whose items leave its coordinates out.
fn refuse_dataset(mapping: &Bound<'_, PyAny>, what: impl fmt::Display) -> PyResult<()> {
    if !(mapping.hasattr("data_vars")? && mapping.hasattr("coords")?) {
        return Ok(());
    }
    Err(PyTypeError::new_err(format!(
        "{what}: as a mapping a {} leaves out its coordinates; \
         give {{name: var for name, var in ds.variables.items()}}, and attrs=ds.attrs",
        mapping.get_type().name()?
    )))
}

/// One attribute.
fn from_py(value: &Bound<'_, PyAny>, path: &Path<'_>, depth: usize) -> PyResult<AttrValue> {
    if depth > MAX_DEPTH {
        return Err(PyValueError::new_err(format!(
            "{path}: nested deeper than {MAX_DEPTH} levels"
        )));
    }
    if let Some(value) = builtin(value, path, depth)? {
        return Ok(value);
    }
    if let Some((dtype, bytes)) = buffer::scalar_bytes(value) {
        return of_element(dtype, bytes.bytes(), Vec::new());
    }
    // Other values of NumPy and pandas, dates, subclasses of the builtin types.
    static CONVERT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let found = CONVERT
        .import(value.py(), "arraylog._convert", "attribute")?
        .call1((path.to_string(), value))?;
    if let Some(value) = builtin(&found, path, depth)? {
        return Ok(value);
    }
    typed(Field::from_spec(&found)?)
}

/// The types of Python itself, exactly: `numpy.float64` is a `float` too.
fn builtin(value: &Bound<'_, PyAny>, path: &Path<'_>, depth: usize) -> PyResult<Option<AttrValue>> {
    Ok(Some(if let Ok(text) = value.cast_exact::<PyString>() {
        AttrValue::String(text.to_str()?.to_owned())
    } else if let Ok(number) = value.cast_exact::<PyFloat>() {
        AttrValue::Float64(number.value())
    } else if value.is_none() {
        AttrValue::None
    } else if let Ok(flag) = value.cast_exact::<PyBool>() {
        AttrValue::Bool(flag.is_true())
    } else if value.cast_exact::<PyInt>().is_ok() {
        integer(value, path)?
    } else if let Ok(number) = value.cast_exact::<PyComplex>() {
        AttrValue::Complex128(number.real(), number.imag())
    } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        AttrValue::Bytes(bytes.as_bytes().to_vec())
    } else if value.cast_exact::<PyList>().is_ok() || value.cast_exact::<PyTuple>().is_ok() {
        let items = value.try_iter()?.enumerate();
        let items = items.map(|(at, item)| from_py(&item?, &Path::Item(path, at), depth + 1));
        AttrValue::List(items.collect::<PyResult<_>>()?)
    } else if value.cast_exact::<PyDict>().is_ok() {
        AttrValue::Map(from_mapping_at(value, path, depth + 1)?)
    } else {
        return Ok(None);
    }))
}

fn integer(value: &Bound<'_, PyAny>, path: &Path<'_>) -> PyResult<AttrValue> {
    if let Ok(number) = value.extract::<i64>() {
        return Ok(AttrValue::Int64(number));
    }
    value.extract::<u64>().map(AttrValue::UInt64).map_err(|_| {
        PyValueError::new_err(format!("{path}: {value} is outside of int64 and uint64"))
    })
}

/// A scalar or 1-d array in canonical form.
fn typed(mut field: Field<'_>) -> PyResult<AttrValue> {
    let spec = field.take_spec();
    let (data, offsets) = match spec.data {
        arraylog::ArrayBytes::Fixed(data) => (data, Vec::new()),
        arraylog::ArrayBytes::Variable { offsets, data } => (data, offsets),
        arraylog::ArrayBytes::Stored(_) => {
            return Err(PyTypeError::new_err("an attribute is made of elements"));
        }
    };
    if let Some(&len) = spec.shape.first() {
        return Ok(AttrValue::Array(AttrArray {
            dtype: spec.dtype,
            len: usize::try_from(len)?,
            data: data.into_owned(),
            offsets,
        }));
    }
    of_element(spec.dtype, &data, offsets)
}

/// One element of an array as an attribute.
fn of_element(dtype: DType, data: &[u8], offsets: Vec<u64>) -> PyResult<AttrValue> {
    if is_ambiguous(dtype) {
        return Ok(AttrValue::Scalar(AttrArray {
            dtype,
            len: 1,
            data: data.to_vec(),
            offsets,
        }));
    }
    scalar(dtype, data)
        .ok_or_else(|| PyTypeError::new_err(format!("no attribute has dtype {dtype}")))
}

/// Whether the plain variant of a dtype is a type of Python itself, so that
/// NumPy's scalar of it needs the stated one.
fn is_ambiguous(dtype: DType) -> bool {
    matches!(
        dtype,
        DType::Bool
            | DType::Int64
            | DType::UInt64
            | DType::Float64
            | DType::Complex128
            | DType::FixedString(_)
            | DType::FixedBytes(_)
    )
}

/// What an array says to stand for a missing element: always a plain scalar.
pub(crate) fn fill_value(value: &Bound<'_, PyAny>) -> PyResult<AttrValue> {
    let path = Path::Root("fill_value");
    Ok(match from_py(value, &path, 0)? {
        AttrValue::Scalar(stated) => match stated.dtype {
            DType::FixedBytes(_) | DType::FixedString(_) => {
                from_py(&value.call_method0("item")?, &path, 0)?
            }
            dtype => scalar(dtype, &stated.data)
                .ok_or_else(|| PyTypeError::new_err(format!("no fill value has dtype {dtype}")))?,
        },
        plain => plain,
    })
}

/// The value of one element; `None` if `bytes` is not one of `dtype`.
pub(crate) fn scalar(dtype: DType, bytes: &[u8]) -> Option<AttrValue> {
    macro_rules! number {
        ($type:ty) => {
            <$type>::from_le_bytes(bytes.try_into().ok()?)
        };
    }
    let halves = || bytes.split_at_checked(bytes.len() / 2);
    Some(match dtype {
        DType::Bool => AttrValue::Bool(*bytes.first()? != 0),
        DType::Int8 => AttrValue::Int8(number!(i8)),
        DType::Int16 => AttrValue::Int16(number!(i16)),
        DType::Int32 => AttrValue::Int32(number!(i32)),
        DType::Int64 => AttrValue::Int64(number!(i64)),
        DType::UInt8 => AttrValue::UInt8(number!(u8)),
        DType::UInt16 => AttrValue::UInt16(number!(u16)),
        DType::UInt32 => AttrValue::UInt32(number!(u32)),
        DType::UInt64 => AttrValue::UInt64(number!(u64)),
        DType::Float16 => AttrValue::Float16(number!(u16)),
        DType::BFloat16 => AttrValue::BFloat16(number!(u16)),
        DType::Float8E4M3 => AttrValue::Float8E4M3(number!(u8)),
        DType::Float8E5M2 => AttrValue::Float8E5M2(number!(u8)),
        DType::Float32 => AttrValue::Float32(number!(f32)),
        DType::Float64 => AttrValue::Float64(number!(f64)),
        DType::DateTime64(unit) => AttrValue::DateTime64(number!(i64), unit),
        DType::TimeDelta64(unit) => AttrValue::TimeDelta64(number!(i64), unit),
        DType::Complex64 => {
            let (re, im) = halves()?;
            AttrValue::Complex64(
                f32::from_le_bytes(re.try_into().ok()?),
                f32::from_le_bytes(im.try_into().ok()?),
            )
        }
        DType::Complex128 => {
            let (re, im) = halves()?;
            AttrValue::Complex128(
                f64::from_le_bytes(re.try_into().ok()?),
                f64::from_le_bytes(im.try_into().ok()?),
            )
        }
        DType::String => AttrValue::String(String::from_utf8(bytes.to_vec()).ok()?),
        DType::Bytes => AttrValue::Bytes(bytes.to_vec()),
        _ => return None,
    })
}

/// An attribute as Python has it, made anew.
pub(crate) fn to_py(py: Python<'_>, value: &AttrValue) -> PyResult<Py<PyAny>> {
    let numpy = |name: &str| py.import("numpy")?.getattr(name);
    let object =
        match value {
            AttrValue::None => py.None().into_bound(py),
            AttrValue::Bool(flag) => PyBool::new(py, *flag).to_owned().into_any(),
            AttrValue::Int64(number) => number.into_pyobject(py)?.into_any(),
            AttrValue::UInt64(number) => number.into_pyobject(py)?.into_any(),
            AttrValue::Float64(number) => PyFloat::new(py, *number).into_any(),
            AttrValue::Complex128(re, im) => PyComplex::from_doubles(py, *re, *im).into_any(),
            AttrValue::String(text) => PyString::new(py, text).into_any(),
            AttrValue::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
            AttrValue::Int8(number) => numpy("int8")?.call1((*number,))?,
            AttrValue::Int16(number) => numpy("int16")?.call1((*number,))?,
            AttrValue::Int32(number) => numpy("int32")?.call1((*number,))?,
            AttrValue::UInt8(number) => numpy("uint8")?.call1((*number,))?,
            AttrValue::UInt16(number) => numpy("uint16")?.call1((*number,))?,
            AttrValue::UInt32(number) => numpy("uint32")?.call1((*number,))?,
            AttrValue::Float16(bits) => numpy("uint16")?
                .call1((*bits,))?
                .call_method1("view", ("float16",))?,
            AttrValue::BFloat16(bits) => small(py, DType::BFloat16, &bits.to_le_bytes())?,
            AttrValue::Float8E4M3(bits) => small(py, DType::Float8E4M3, &[*bits])?,
            AttrValue::Float8E5M2(bits) => small(py, DType::Float8E5M2, &[*bits])?,
            AttrValue::Float32(number) => numpy("float32")?.call1((*number,))?,
            AttrValue::Complex64(re, im) => numpy("complex64")?
                .call1((PyComplex::from_doubles(py, f64::from(*re), f64::from(*im)),))?,
            AttrValue::DateTime64(count, unit) => {
                numpy("datetime64")?.call1((*count, unit_code(*unit)))?
            }
            AttrValue::TimeDelta64(count, unit) => {
                numpy("timedelta64")?.call1((*count, unit_code(*unit)))?
            }
            AttrValue::Array(array) => attr_array(py, array)?,
            AttrValue::Scalar(stated) => attr_array(py, stated)?.get_item(0)?,
            AttrValue::List(items) => {
                let items = items
                    .iter()
                    .map(|item| to_py(py, item))
                    .collect::<PyResult<Vec<_>>>()?;
                PyList::new(py, items)?.into_any()
            }
            AttrValue::Map(attrs) => {
                let dict = PyDict::new(py);
                for (name, value) in attrs.iter() {
                    dict.set_item(name, to_py(py, value)?)?;
                }
                dict.into_any()
            }
            other => {
                return Err(PyTypeError::new_err(format!(
                    "an attribute of a kind that this version does not know: {other:?}"
                )));
            }
        };
    Ok(object.unbind())
}

/// A scalar of a dtype of ml_dtypes, bit by bit.
fn small<'py>(py: Python<'py>, dtype: DType, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let one = AttrArray {
        dtype,
        len: 1,
        data: bytes.to_vec(),
        offsets: Vec::new(),
    };
    attr_array(py, &one)?.get_item(0)
}

fn attr_array<'py>(py: Python<'py>, array: &AttrArray) -> PyResult<Bound<'py, PyAny>> {
    let descr = dtype::descr(py, array.dtype)?;
    if array.dtype.item_size().is_some() {
        let shape = [array.len as u64];
        return buffer::own_ndarray(py, descr, &shape, array.data.len(), true, |bytes| {
            bytes.copy_from_slice(&array.data)
        });
    }
    let items = PyList::empty(py);
    for ends in array.offsets.windows(2) {
        let range = match *ends {
            [start, end] => usize::try_from(start)?..usize::try_from(end)?,
            _ => 0..0,
        };
        let bytes = array.data.get(range).unwrap_or_default();
        if array.dtype == DType::String {
            items.append(String::from_utf8(bytes.to_vec())?)?;
        } else {
            items.append(PyBytes::new(py, bytes))?;
        }
    }
    py.import("numpy")?.getattr("array")?.call1((items, descr))
}

/// NumPy's code of a unit.
fn unit_code(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Year => "Y",
        TimeUnit::Month => "M",
        TimeUnit::Week => "W",
        TimeUnit::Day => "D",
        TimeUnit::Hour => "h",
        TimeUnit::Minute => "m",
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
        TimeUnit::Picosecond => "ps",
        TimeUnit::Femtosecond => "fs",
        TimeUnit::Attosecond => "as",
    }
}
