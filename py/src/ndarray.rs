//! Stored arrays as NumPy arrays.

use arraylog::{ArrayView, DType, Elements};
use numpy::{PyArrayDescr, PyUntypedArray};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::{attrs, buffer, dtype, errors};

/// The array as NumPy has it: a MaskedArray exactly if it was stored with a
/// mask. Read-only, and without a copy where the bytes allow it; with `copy`
/// writable and owning its memory.
#[inline]
pub(crate) fn build<'py>(
    py: Python<'py>,
    array: &Elements,
    copy: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let data = data(py, array, copy)?;
    if array.validity().is_none() {
        return Ok(data);
    }
    let mask = mask(py, array, copy)?;
    let fill = match &array.info().fill_value {
        Some(value) => attrs::to_py(py, value)?.into_bound(py),
        None => py.None().into_bound(py),
    };
    static MASKED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    MASKED
        .import(py, "arraylog._array", "masked_array")?
        .call1((data, mask, fill))
}

/// The elements, never masked.
pub(crate) fn data<'py>(
    py: Python<'py>,
    array: &Elements,
    copy: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let info = array.info();
    let descr = dtype::descr_of(py, &info.name, info.dtype)?;
    if matches!(info.dtype, DType::String | DType::Bytes) {
        return variable(py, &array.view(), &descr, copy);
    }
    let value = array.data();
    let shape = array.shape();
    if copy {
        buffer::own_ndarray(py, descr, shape, value.len(), true, |bytes| {
            bytes.copy_from_slice(value)
        })
    } else {
        buffer::lend_ndarray(
            py,
            descr,
            dtype::alignment(info.dtype),
            shape,
            value.clone(),
        )
    }
}

/// Number of elements of a shape.
pub(crate) fn elements(shape: &[u64]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &length| {
        product.checked_mul(usize::try_from(length).ok()?)
    })
}

/// The mask in NumPy's sense, one byte an element: true is missing.
pub(crate) fn mask<'py>(
    py: Python<'py>,
    array: &Elements,
    writable: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let Some(validity) = array.validity() else {
        return Ok(py.None().into_bound(py));
    };
    let size = elements(array.shape()).unwrap_or(0);
    if validity.len() < size.div_ceil(8) {
        let name = &array.info().name;
        return Err(errors::named(
            py,
            "CorruptionError",
            &format!("array {name:?}: its mask is shorter than its data"),
        ));
    }
    let descr = dtype::descr(py, DType::Bool)?;
    buffer::own_ndarray(py, descr, array.shape(), size, writable, |missing| {
        unpack(validity, missing)
    })
}

/// Bits (set = present, least significant first) to bytes (1 = missing).
fn unpack(validity: &[u8], missing: &mut [u8]) {
    for (chunk, &bits) in missing.chunks_mut(8).zip(validity) {
        let bytes = MISSING.get(usize::from(bits)).copied().unwrap_or_default();
        match <&mut [u8; 8]>::try_from(&mut *chunk) {
            Ok(whole) => *whole = bytes,
            Err(_) => chunk
                .iter_mut()
                .zip(bytes)
                .for_each(|(to, from)| *to = from),
        }
    }
}

/// The eight bytes of each byte of validity; a look-up is several times as fast
/// as taking the bits apart.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which would stop"
)]
static MISSING: [[u8; 8]; 256] = {
    let mut table = [[0; 8]; 256];
    let mut bits = 0;
    while bits < 256 {
        let mut bit = 0;
        while bit < 8 {
            table[bits][bit] = !(bits >> bit) as u8 & 1;
            bit += 1;
        }
        bits += 1;
    }
    table
};

/// Text as StringDType, bytes of any length as objects: both are copies, as
/// NumPy cannot lend elements of different lengths.
fn variable<'py>(
    py: Python<'py>,
    view: &ArrayView<'_>,
    descr: &Bound<'py, PyArrayDescr>,
    copy: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let is_text = view.info().dtype == DType::String;
    let element = |i: u64| -> PyResult<Bound<'py, PyAny>> {
        let bytes = errors::OrRaise::or_raise(view.item(i), py)?;
        if !is_text {
            return Ok(PyBytes::new(py, bytes).into_any());
        }
        let text = std::str::from_utf8(bytes).map_err(|_| {
            errors::named(
                py,
                "CorruptionError",
                &format!("array {:?}: element {i} is not UTF-8", view.info().name),
            )
        })?;
        Ok(PyString::new(py, text).into_any())
    };
    static ARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = ARRAY.import(py, "numpy", "array")?;
    let array = if view.shape().is_empty() {
        make.call1((element(0)?, descr))?
    } else {
        let items = (0..view.size())
            .map(element)
            .collect::<PyResult<Vec<_>>>()?;
        let flat = make.call1((PyList::new(py, items)?, descr))?;
        if view.shape().len() == 1 {
            flat
        } else {
            flat.call_method1("reshape", (view.shape().to_vec(),))?
        }
    };
    let array = array.cast_into::<PyUntypedArray>()?;
    if !copy {
        buffer::make_read_only(&array);
    }
    Ok(array.into_any())
}
