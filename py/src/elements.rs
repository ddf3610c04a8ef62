//! The elements of a stored array, read when they are asked for.

use arraylog::Elements;
use pyo3::prelude::*;

use crate::errors::OrRaise as _;
use crate::partition::LARGE;

/// Whether other Python threads should run while all elements are read: they are decoded
/// or put together, or are many, whose checksums are compared at first touch.
#[inline]
pub(crate) fn is_work(array: &arraylog::Array) -> bool {
    // Cheap of what is stored as it is.
    is_made(array) || array.nbytes().is_ok_and(|bytes| bytes >= LARGE as u64)
}

/// Whether the file does not have the elements as they are, side by side.
#[inline]
pub(crate) fn is_made(array: &arraylog::Array) -> bool {
    let info = array.info();
    info.chunked || info.codec.is_some()
}

/// All elements; without a copy where the bytes allow it.
#[inline]
pub(crate) fn read(py: Python<'_>, array: &arraylog::Array) -> PyResult<Elements> {
    if is_work(array) {
        return py.detach(|| array.read()).or_raise(py);
    }
    array.read().or_raise(py)
}
