//! One array of one version of an entry.

use std::ffi::CString;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use arraylog::{DType, Elements, Selection, Value};
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

use crate::attrs::{self, RawAttrs};
use crate::buffer::Layout;
use crate::change::{self, Spans};
use crate::entry::Entry;
use crate::errors::OrRaise as _;
use crate::partition::LARGE;
use crate::{arrow, dtype, elements, ndarray};

/// The part of `arraylog.Array` that reads.
#[pyclass(frozen, subclass, weakref, module = "arraylog._core")]
pub(crate) struct Array {
    /// Set from the beginning, or by the first use of an unpickled array.
    found: OnceLock<arraylog::Array>,
    /// Kept from the first use of all of them on: buffers point into them, and what was
    /// decoded once is not decoded again.
    elements: OnceLock<Elements>,
    entry: Py<Entry>,
    name: String,
    layout: OnceLock<Layout>,
    /// Bytes of the parts that were read of an array that is stored as it is.
    seen: AtomicU64,
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

    /// All elements.
    #[inline]
    fn elements(&self, py: Python<'_>) -> PyResult<&Elements> {
        if let Some(elements) = self.elements.get() {
            return Ok(elements);
        }
        let elements = elements::read(py, self.engine(py)?)?;
        Ok(self.elements.get_or_init(|| elements))
    }

    /// Whether so much was read in parts that to compare all `bytes` with their checksums,
    /// once, costs no more, and makes each part that follows cheaper.
    fn is_seen(&self, bytes: u64) -> bool {
        self.seen.load(Ordering::Relaxed) >= bytes
    }

    /// What the buffer protocol lends; BufferError for what it cannot say.
    pub(crate) fn export(&self, py: Python<'_>) -> PyResult<(&Value, &Layout)> {
        let array = self.engine(py)?;
        if array.is_masked() {
            return Err(PyBufferError::new_err(format!(
                "array '{}' has a mask, which a buffer would lose: x[()], x.data or x.filled(v)",
                self.name
            )));
        }
        if let (Some(layout), Some(elements)) = (self.layout.get(), self.elements.get()) {
            return Ok((elements.data(), layout));
        }
        let dtype = array.info().dtype;
        let Some((code, item)) = dtype::buffer_code(dtype).zip(dtype.item_size()) else {
            return Err(PyBufferError::new_err(format!(
                "array '{}': the buffer protocol has no code for {dtype}; numpy() gives the array",
                self.name
            )));
        };
        // Compares the bytes with the shape, which is lent as it stands.
        let elements = self.elements(py)?;
        ndarray::data(py, elements, false)?;
        let layout = layout(&code, item, elements.shape())?;
        Ok((elements.data(), self.layout.get_or_init(|| layout)))
    }
}

/// Bytes of an array that are as well read as a part of them: a block of checksums.
const SMALL: u64 = 1 << 16;
/// Bytes that a text of any length is taken for.
const TEXT: usize = 16;

/// Bytes of so many elements.
fn bytes(array: &arraylog::Array, elements: u64) -> u64 {
    let item = array.info().dtype.item_size().unwrap_or(TEXT);
    elements.saturating_mul(item as u64)
}

/// Counts, ends, and whether these are elements.
type RawStats = (u64, u64, u64, u64, Py<PyAny>, Py<PyAny>, bool, bool);

/// Whether the selected elements follow one another in C order.
fn lies_together(selection: &Selection, shape: &[u64]) -> bool {
    let spans = selection.spans();
    let mut axes = spans
        .iter()
        .zip(shape)
        .skip_while(|(span, _)| span.count == 1);
    let outer = axes.next().is_none_or(|(span, _)| span.step == 1);
    selection.size() == 0 || (outer && axes.all(|(span, length)| span.count == *length))
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
            elements: OnceLock::new(),
            entry: entry.unbind(),
            name,
            layout: OnceLock::new(),
            seen: AtomicU64::new(0),
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
        Ok(self.engine(py)?.is_masked())
    }

    /// Bytes of the elements.
    #[getter]
    fn nbytes(&self, py: Python<'_>) -> PyResult<usize> {
        let array = self.engine(py)?;
        let is_text = matches!(array.info().dtype, DType::String | DType::Bytes);
        if is_text && elements::is_made(array) {
            return Ok(self.elements(py)?.data().len());
        }
        Ok(usize::try_from(array.nbytes().or_raise(py)?)?)
    }

    /// Bytes of the elements in the file, encoded, with their mask; of a chunked array a
    /// look-up of each chunk.
    #[getter]
    fn nbytes_stored(&self, py: Python<'_>) -> PyResult<u64> {
        let array = self.engine(py)?;
        if array.info().chunked {
            return py.detach(|| array.nbytes_stored()).or_raise(py);
        }
        array.nbytes_stored().or_raise(py)
    }

    /// Length of a chunk along each axis; None if the array is not chunked.
    #[getter]
    fn chunks<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let chunks = self.engine(py)?.chunks().or_raise(py)?;
        chunks.map(|shape| PyTuple::new(py, shape)).transpose()
    }

    /// The codec that the elements are encoded with: "zstd:3"; None if there is none.
    #[getter]
    fn codec(&self, py: Python<'_>) -> PyResult<Option<&str>> {
        Ok(self.engine(py)?.info().codec.as_deref())
    }

    /// What the elements are like; None for dtypes without an order.
    fn _stats<'py>(&self, py: Python<'py>) -> PyResult<Option<RawStats>> {
        let array = self.engine(py)?;
        let kept = self.elements.get();
        let stats = py.detach(|| match kept {
            Some(elements) => Ok(elements.view().stats()),
            None => Ok(array.read()?.view().stats()),
        });
        let Some(stats) = stats.or_raise(py)? else {
            return Ok(None);
        };
        let end = |end: &Option<arraylog::AttrValue>| match end {
            Some(value) => attrs::to_py(py, value),
            None => Ok(py.None()),
        };
        Ok(Some((
            stats.count,
            stats.nulls,
            stats.nans,
            stats.fills,
            end(&stats.min)?,
            end(&stats.max)?,
            stats.min_exact,
            stats.max_exact,
        )))
    }

    /// What `numpy()` gives, where a part of the array costs no less; else None.
    fn _whole<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let array = self.engine(py)?;
        let info = array.info();
        let bytes = bytes(array, array.size());
        let is_kept = self.elements.get().is_some();
        let is_small = bytes < SMALL && (is_kept || !elements::is_made(array));
        let is_text = info.dtype.item_size().is_none();
        // Any part of these is decoded with the rest.
        let is_one_block = info.codec.is_some() && !info.chunked;
        let is_view = !array.is_masked() && (is_kept || self.is_seen(bytes));
        if is_small || (!is_text && (is_one_block || is_view)) {
            return ndarray::build(py, self.elements(py)?, false).map(Some);
        }
        Ok(None)
    }

    /// The elements at start, step and count of each axis, as `numpy()` would give them;
    /// None where a view of all elements has them without a copy.
    fn _slice<'py>(&self, py: Python<'py>, spans: Spans) -> PyResult<Option<Bound<'py, PyAny>>> {
        let array = self.engine(py)?;
        let selection = change::selection(spans);
        let is_text = array.info().dtype.item_size().is_none();
        let is_made = elements::is_made(array);
        let is_view = !is_text && !is_made && !array.is_masked();
        if is_view && !lies_together(&selection, array.shape()) {
            return Ok(None);
        }
        let bytes = bytes(array, selection.size());
        if is_view {
            self.seen.fetch_add(bytes.max(1), Ordering::Relaxed);
        }
        let read = || array.slice(&selection);
        let elements = if is_made || bytes >= LARGE as u64 {
            py.detach(read)
        } else {
            read()
        };
        ndarray::build(py, &elements.or_raise(py)?, false).map(Some)
    }

    /// The elements at points on `axes`, as `numpy()` would give them: in the shape of the
    /// array, with as many elements as there are points on the first of `axes`, and one on
    /// the others of these.
    fn _take<'py>(
        &self,
        py: Python<'py>,
        spans: Spans,
        axes: Vec<usize>,
        places: &[u8],
    ) -> PyResult<Bound<'py, PyAny>> {
        let array = self.engine(py)?;
        let points = change::points(spans, axes, places)?;
        let bytes = bytes(array, points.size());
        if !elements::is_made(array) {
            self.seen.fetch_add(bytes.max(1), Ordering::Relaxed);
        }
        let elements = py.detach(|| array.take(&points)).or_raise(py)?;
        ndarray::build(py, &elements, false)
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
        ndarray::data(py, self.elements(py)?, false)
    }

    /// True where an element is missing, one byte an element; None without a mask.
    #[getter]
    fn mask<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if !self.engine(py)?.is_masked() {
            return Ok(py.None().into_bound(py));
        }
        ndarray::mask(py, self.elements(py)?, false)
    }

    /// The type of the elements for Arrow's consumers; as with `__arrow_c_array__`.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::schema(py, self.elements(py)?)
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
        arrow::array(py, self.elements(py)?)
    }

    /// Always an ndarray, masked if the array is; with `copy` owned and writable.
    #[pyo3(signature = (*, copy=false))]
    fn numpy<'py>(&self, py: Python<'py>, copy: bool) -> PyResult<Bound<'py, PyAny>> {
        ndarray::build(py, self.elements(py)?, copy)
    }
}
