//! Element types of the store and of NumPy.

use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::{Mutex, PoisonError};

use arraylog::DType;
use numpy::{PyArrayDescr, PyArrayDescrMethods as _};
use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::{buffer, errors};

/// dtypes without a parameter, which every reader meets.
const PLAIN: [DType; 14] = [
    DType::Bool,
    DType::Int8,
    DType::Int16,
    DType::Int32,
    DType::Int64,
    DType::UInt8,
    DType::UInt16,
    DType::UInt32,
    DType::UInt64,
    DType::Float16,
    DType::Float32,
    DType::Float64,
    DType::Complex64,
    DType::Complex128,
];

static PLAIN_DESCRS: PyOnceLock<Vec<Py<PyArrayDescr>>> = PyOnceLock::new();
static OTHER_DESCRS: Mutex<Option<HashMap<DType, Py<PyArrayDescr>>>> = Mutex::new(None);

/// The dtype object of NumPy; imports NumPy at the first call.
pub(crate) fn descr(py: Python<'_>, dtype: DType) -> PyResult<Bound<'_, PyArrayDescr>> {
    let plain = PLAIN_DESCRS.get_or_try_init(py, || {
        PLAIN
            .iter()
            .map(|&dtype| Ok(make(py, dtype)?.unbind()))
            .collect::<PyResult<Vec<_>>>()
    })?;
    if let Some(descr) = plain_index(dtype).and_then(|index| plain.get(index)) {
        return Ok(descr.bind(py).clone());
    }
    // The lock is never held while Python code runs.
    let found = with_others(|others| others.get(&dtype).map(|descr| descr.clone_ref(py)));
    if let Some(descr) = found {
        return Ok(descr.into_bound(py));
    }
    let descr = make(py, dtype)?;
    with_others(|others| others.insert(dtype, descr.clone().unbind()));
    Ok(descr)
}

fn with_others<T>(use_them: impl FnOnce(&mut HashMap<DType, Py<PyArrayDescr>>) -> T) -> T {
    let mut others = OTHER_DESCRS.lock().unwrap_or_else(PoisonError::into_inner);
    use_them(others.get_or_insert_with(HashMap::new))
}

fn plain_index(dtype: DType) -> Option<usize> {
    Some(match dtype {
        DType::Bool => 0,
        DType::Int8 => 1,
        DType::Int16 => 2,
        DType::Int32 => 3,
        DType::Int64 => 4,
        DType::UInt8 => 5,
        DType::UInt16 => 6,
        DType::UInt32 => 7,
        DType::UInt64 => 8,
        DType::Float16 => 9,
        DType::Float32 => 10,
        DType::Float64 => 11,
        DType::Complex64 => 12,
        DType::Complex128 => 13,
        _ => return None,
    })
}

fn make(py: Python<'_>, dtype: DType) -> PyResult<Bound<'_, PyArrayDescr>> {
    match dtype {
        DType::String => {
            let class = py.import("numpy.dtypes")?.getattr("StringDType")?;
            Ok(class.call0()?.cast_into()?)
        }
        DType::Bytes => Ok(PyArrayDescr::object(py)),
        small if is_small(small) => {
            let module = py
                .import("ml_dtypes")
                .map_err(|cause| without_ml_dtypes(py, "", small, cause))?;
            PyArrayDescr::new(py, &module.getattr(small.to_string())?)
        }
        other => PyArrayDescr::new(py, PyString::new(py, &other.to_string())),
    }
}

/// Whether NumPy has the dtype from the package ml_dtypes alone.
pub(crate) fn is_small(dtype: DType) -> bool {
    matches!(
        dtype,
        DType::BFloat16 | DType::Float8E4M3 | DType::Float8E5M2
    )
}

/// [`descr`] for the elements of the array `name`, which an error names.
pub(crate) fn descr_of<'py>(
    py: Python<'py>,
    name: &str,
    dtype: DType,
) -> PyResult<Bound<'py, PyArrayDescr>> {
    if is_small(dtype) {
        // Found once, the dtype is kept, and this costs a look-up.
        py.import("ml_dtypes")
            .map_err(|cause| without_ml_dtypes(py, &format!("array {name:?}: "), dtype, cause))?;
    }
    descr(py, dtype)
}

/// A DTypeError that says what is missing; what is no ImportError stays what it is.
fn without_ml_dtypes(py: Python<'_>, place: &str, dtype: DType, cause: PyErr) -> PyErr {
    if !cause.is_instance_of::<PyImportError>(py) {
        return cause;
    }
    let message = format!(
        "{place}NumPy has {dtype} from the package ml_dtypes alone: pip install arraylog[ml]"
    );
    let error = errors::named(py, "DTypeError", &message);
    error.set_cause(py, Some(cause));
    error
}

/// The element type of an ndarray whose bytes can be stored as they are, but
/// for their order. `None` for everything that needs a second look.
pub(crate) fn of_descr(descr: &Bound<'_, PyArrayDescr>) -> Option<DType> {
    // Types from elsewhere, of ml_dtypes for one, share kinds with NumPy's own.
    if !(0..NUMPY_TYPES).contains(&descr.num()) {
        return None;
    }
    Some(match (descr.kind(), descr.itemsize()) {
        (b'b', 1) => DType::Bool,
        (b'i', 1) => DType::Int8,
        (b'i', 2) => DType::Int16,
        (b'i', 4) => DType::Int32,
        (b'i', 8) => DType::Int64,
        (b'u', 1) => DType::UInt8,
        (b'u', 2) => DType::UInt16,
        (b'u', 4) => DType::UInt32,
        (b'u', 8) => DType::UInt64,
        (b'f', 2) => DType::Float16,
        (b'f', 4) => DType::Float32,
        (b'f', 8) => DType::Float64,
        (b'c', 8) => DType::Complex64,
        (b'c', 16) => DType::Complex128,
        (b'M', 8) => DType::DateTime64(buffer::time_unit(descr)?),
        (b'm', 8) => DType::TimeDelta64(buffer::time_unit(descr)?),
        (b'S', 1..) => DType::FixedBytes(u32::try_from(descr.itemsize()).ok()?),
        (b'U', 4..) => DType::FixedString(u32::try_from(descr.itemsize() / 4).ok()?),
        _ => return None,
    })
}

/// Types that NumPy numbers itself, from 0.
const NUMPY_TYPES: c_int = 24;

/// Names of NumPy's scalar classes whose values are bytes of a plain dtype.
const SCALARS: [&str; 16] = [
    "float32",
    "float64",
    "int32",
    "int64",
    "bool_",
    "int8",
    "int16",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "complex64",
    "complex128",
    "longlong",
    "ulonglong",
];

static SCALAR_CLASSES: PyOnceLock<Vec<(Py<PyAny>, DType)>> = PyOnceLock::new();

/// The element type of a value whose class is one of NumPy's scalars (no
/// subclass) of a plain dtype; `None` for all others.
pub(crate) fn of_scalar(value: &Bound<'_, PyAny>) -> Option<DType> {
    let py = value.py();
    let classes = SCALAR_CLASSES
        .get_or_try_init(py, || {
            let numpy = py.import("numpy")?;
            let class = |name: &&str| -> PyResult<_> {
                let class = numpy.getattr(*name)?;
                let dtype = of_descr(&PyArrayDescr::new(py, &class)?);
                Ok(dtype.map(|dtype| (class.unbind(), dtype)))
            };
            SCALARS
                .iter()
                .filter_map(|name| class(name).transpose())
                .collect::<PyResult<_>>()
        })
        .ok()?;
    let class = value.get_type_ptr().cast();
    let found = classes.iter().find(|(known, _)| known.as_ptr() == class);
    found.map(|(_, dtype)| *dtype)
}

/// Bytes that change places between the byte orders.
pub(crate) fn word(dtype: DType) -> usize {
    match dtype {
        DType::FixedBytes(_) => 1,
        other => alignment(other),
    }
}

/// A dtype by the name that the engine gives it.
pub(crate) fn by_name(py: Python<'_>, name: &str) -> PyResult<DType> {
    name.parse()
        .map_err(|reason: String| errors::named(py, "DTypeError", &reason))
}

/// Bytes on which an element has to start for NumPy to call it aligned.
pub(crate) fn alignment(dtype: DType) -> usize {
    match dtype {
        DType::Int16 | DType::UInt16 | DType::Float16 | DType::BFloat16 => 2,
        DType::Int32
        | DType::UInt32
        | DType::Float32
        | DType::Complex64
        | DType::FixedString(_) => 4,
        DType::Int64
        | DType::UInt64
        | DType::Float64
        | DType::Complex128
        | DType::DateTime64(_)
        | DType::TimeDelta64(_) => 8,
        _ => 1,
    }
}

/// The PEP 3118 code of the native type, without a byte-order mark: with one,
/// `memoryview(...)[0]` is not implemented. `None` where there is no code.
pub(crate) fn buffer_code(dtype: DType) -> Option<String> {
    Some(match dtype {
        DType::Bool => "?".to_owned(),
        DType::Int8 => "b".to_owned(),
        DType::UInt8 => "B".to_owned(),
        DType::Int16 => "h".to_owned(),
        DType::UInt16 => "H".to_owned(),
        DType::Int32 => "i".to_owned(),
        DType::UInt32 => "I".to_owned(),
        DType::Int64 => "q".to_owned(),
        DType::UInt64 => "Q".to_owned(),
        DType::Float16 => "e".to_owned(),
        DType::Float32 => "f".to_owned(),
        DType::Float64 => "d".to_owned(),
        DType::Complex64 => "Zf".to_owned(),
        DType::Complex128 => "Zd".to_owned(),
        DType::FixedBytes(width) => format!("{width}s"),
        DType::FixedString(width) => format!("{width}w"),
        _ => return None,
    })
}
