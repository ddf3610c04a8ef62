//! One array of one version of an entry.

use std::ffi::CString;
use std::sync::OnceLock;

use arraylog::{DType, Value};
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

use crate::attrs::{self, RawAttrs};
use crate::buffer::Layout;
use crate::entry::Entry;
use crate::{arrow, dtype, ndarray};

/// The part of `arraylog.Array` that reads.
#[pyclass(frozen, subclass, weakref, module = "arraylog._core")]
pub(crate) struct Array {
    /// Set from the beginning, or by the first use of an unpickled array.
    found: OnceLock<arraylog::Array>,
    entry: Py<Entry>,
    name: String,
    layout: OnceLock<Layout>,
}

impl Array {
    #[inline]
    fn engine(&self, py: Python<'_>) -> PyResult<&arraylog::Array> {
        if let Some(array) = self.found.get() {
            return Ok(array);
        }
        let array = self.entry.get().read(py, |entry| entry.array(&self.name))?;
        Ok(self.found.get_or_init(|| array))
    }

    /// What the buffer protocol lends; BufferError for what it cannot say.
    pub(crate) fn export(&self, py: Python<'_>) -> PyResult<(&Value, &Layout)> {
        let array = self.engine(py)?;
        if array.validity().is_some() {
            return Err(PyBufferError::new_err(
                "a buffer has no mask: x[()], x.data or x.filled(v)",
            ));
        }
        if let Some(layout) = self.layout.get() {
            return Ok((array.data(), layout));
        }
        let dtype = array.info().dtype;
        let Some((code, item)) = dtype::buffer_code(dtype).zip(dtype.item_size()) else {
            return Err(PyBufferError::new_err(format!(
                "the buffer protocol has no code for {dtype}; numpy() gives the array"
            )));
        };
        // Compares the bytes with the shape, which is lent as it stands.
        ndarray::data(py, array, false)?;
        let layout = layout(&code, item, array.shape())?;
        Ok((array.data(), self.layout.get_or_init(|| layout)))
    }
}

fn layout(code: &str, item: usize, shape: &[u64]) -> PyResult<Layout> {
    let item = isize::try_from(item)?;
    let shape = shape
        .iter()
        .map(|&length| isize::try_from(length))
        .collect::<Result<Box<[_]>, _>>()?;
    let mut strides = vec![item; shape.len()].into_boxed_slice();
    let mut step = item;
    for (stride, &length) in strides.iter_mut().zip(&shape).rev() {
        *stride = step;
        step = step.saturating_mul(length);
    }
    Ok(Layout {
        format: CString::new(code)?,
        item,
        shape,
        strides,
    })
}

#[pymethods]
impl Array {
    /// The array `name` of `entry`; KeyError. Of an unpickled entry, looked up
    /// only when it is used.
    #[new]
    fn new(py: Python<'_>, entry: Bound<'_, Entry>, name: String) -> PyResult<Self> {
        let is_found = entry.get().is_found();
        let this = Self {
            found: OnceLock::new(),
            entry: entry.unbind(),
            name,
            layout: OnceLock::new(),
        };
        if is_found {
            this.engine(py)?;
        }
        Ok(this)
    }

    #[getter]
    fn _entry(&self, py: Python<'_>) -> Py<Entry> {
        self.entry.clone_ref(py)
    }

    /// Name of the array; "" for the bare array of an entry.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Element type as NumPy has it.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let info = self.engine(py)?.info();
        Ok(dtype::descr_of(py, &info.name, info.dtype)?.into_any())
    }

    /// The element type's name in the store: "float32", "datetime64[s]", "string".
    #[getter]
    fn _dtype_name(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.engine(py)?.info().dtype.to_string())
    }

    /// Length of each axis.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.engine(py)?.shape())
    }

    /// Number of axes.
    #[getter]
    fn ndim(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.engine(py)?.shape().len())
    }

    /// Number of elements.
    #[getter]
    fn size(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(ndarray::elements(self.engine(py)?.shape()).unwrap_or(usize::MAX))
    }

    /// Name of each axis, None where it has none.
    #[getter]
    fn dims<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let array = self.engine(py)?;
        let names = &array.info().dims;
        PyTuple::new(
            py,
            (0..array.shape().len())
                .map(|axis| names.get(axis).cloned().flatten())
                .collect::<Vec<_>>(),
        )
    }

    /// Whether it was stored with a mask, also one without a missing element.
    #[getter]
    fn masked(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.engine(py)?.validity().is_some())
    }

    /// Bytes of the elements.
    #[getter]
    fn nbytes(&self, py: Python<'_>) -> PyResult<usize> {
        let array = self.engine(py)?;
        Ok(match array.info().dtype {
            DType::String | DType::Bytes => array.view().data().len(),
            _ => array.data().len(),
        })
    }

    fn _raw_fill_value(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &self.engine(py)?.info().fill_value {
            Some(value) => attrs::to_py(py, value),
            None => Ok(py.None()),
        }
    }

    fn _raw_attrs(&self, py: Python<'_>) -> PyResult<RawAttrs> {
        Ok(RawAttrs(self.engine(py)?.info().attrs.clone()))
    }

    /// The elements as an ndarray, never masked, without a copy where the bytes allow it.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        ndarray::data(py, self.engine(py)?, false)
    }

    /// True where an element is missing, one byte an element; None without a mask.
    #[getter]
    fn mask<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        ndarray::mask(py, self.engine(py)?, false)
    }

    /// The type of the elements for Arrow's consumers; as with `__arrow_c_array__`.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::schema(py, self.engine(py)?)
    }

    /// The array for Arrow's consumers (pyarrow, polars, DuckDB), read-only: elements of
    /// one axis, and the mask, without a copy but for bools and times with NaT, which is
    /// null there. ShapeError for other axes, DTypeError for what Arrow has no type for.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        // The protocol lets a producer give the type that it has.
        drop(requested_schema);
        arrow::array(py, self.engine(py)?)
    }

    /// Always an ndarray, masked if the array is; with `copy` owned and writable.
    #[pyo3(signature = (*, copy=false))]
    fn numpy<'py>(&self, py: Python<'py>, copy: bool) -> PyResult<Bound<'py, PyAny>> {
        ndarray::build(py, self.engine(py)?, copy)
    }
}
