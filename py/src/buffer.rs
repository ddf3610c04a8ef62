//! The memory border: every pointer between Python and the store, and every
//! unsafe block of the Python face.
//!
//! Outwards, bytes of the store are lent read-only and each loan holds a
//! [`Value`], which keeps its mapping. Inwards, bytes of a Python object are
//! borrowed for one call that holds the object.
#![expect(
    unsafe_code,
    reason = "the buffer protocol and the C API of NumPy are raw pointers"
)]

use std::ffi::{CString, c_int, c_void};
use std::path::Path;

use arraylog::{DType, OpenOptions, Store, TimeUnit, Value};
use numpy::npyffi::{self, PY_ARRAY_API};
use numpy::{PyArrayDescr, PyArrayDescrMethods as _, PyUntypedArray, PyUntypedArrayMethods as _};
use pyo3::buffer::{PyBuffer, PyUntypedBuffer};
use pyo3::exceptions::{PyBufferError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::array::Array;
use crate::entry::Entry;
use crate::{dtype, errors};

#[cfg(target_endian = "big")]
compile_error!(
    "stores are little-endian and lent without a copy: a big-endian machine cannot read them so"
);

/// Most axes that NumPy can hold.
const MAX_NDIM: usize = 64;
/// As many axes as have room on the stack.
const FEW_AXES: usize = 8;

/// Bytes of the store; `memoryview` and NumPy arrays keep one as their owner.
#[pyclass(frozen, module = "arraylog._core")]
pub(crate) struct Bytes(pub(crate) Value);

#[pymethods]
impl Bytes {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let value = &slf.get().0;
        // SAFETY: `value` belongs to `slf`, a frozen object, and its bytes stay
        // in place while it lives; `view` comes from the interpreter.
        unsafe { lend_bytes(slf.as_any(), value, view, flags) }
    }
}

#[pymethods]
impl Entry {
    /// A plain value is a buffer of bytes; an entry of arrays is none.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let value = slf.get().kept_value(slf.py())?;
        // SAFETY: `kept_value` is stored once in the frozen object and its
        // bytes stay in place while that lives; `view` comes from the interpreter.
        unsafe { lend_bytes(slf.as_any(), value, view, flags) }
    }
}

#[pymethods]
impl Array {
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let (value, layout) = slf.get().export(slf.py())?;
        // SAFETY: both are stored once in the frozen object and stay in place
        // while it lives; `view` comes from the interpreter.
        unsafe { lend_elements(slf.as_any(), value, layout, view, flags) }
    }
}

/// What a buffer of elements says of them.
pub(crate) struct Layout {
    /// PEP 3118 code of an element.
    pub(crate) format: CString,
    /// Bytes of an element.
    pub(crate) item: isize,
    /// Length of each axis.
    pub(crate) shape: Box<[isize]>,
    /// Bytes from one element to the next, per axis, in C order.
    pub(crate) strides: Box<[isize]>,
}

/// Fills `view` with plain bytes.
///
/// # Safety
/// `view` is null or valid; the bytes of `value` stay in place while `owner` lives.
unsafe fn lend_bytes(
    owner: &Bound<'_, PyAny>,
    value: &Value,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    let length = isize::try_from(value.len())
        .map_err(|_| PyBufferError::new_err("longer than an address space"))?;
    // SAFETY: the interpreter fills `view`, reports a null one or a request to
    // write as BufferError, and takes a reference to `owner`, which keeps the
    // bytes (caller). Nobody writes through the pointer: the view is read-only.
    let status = unsafe {
        ffi::PyBuffer_FillInfo(
            view,
            owner.as_ptr(),
            value.as_ptr().cast_mut().cast::<c_void>(),
            length,
            1,
            flags,
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(PyErr::fetch(owner.py()))
    }
}

/// Fills `view` with elements of a shape.
///
/// # Safety
/// `view` is null or valid; `value` and `layout` stay in place while `owner` lives.
unsafe fn lend_elements(
    owner: &Bound<'_, PyAny>,
    value: &Value,
    layout: &Layout,
    view: *mut ffi::Py_buffer,
    flags: c_int,
) -> PyResult<()> {
    // SAFETY: null or valid (caller); no other reference to it exists during the call.
    let Some(view) = (unsafe { view.as_mut() }) else {
        return Err(PyBufferError::new_err("no view to fill"));
    };
    view.obj = std::ptr::null_mut();
    if flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE {
        return Err(PyBufferError::new_err(
            "stored arrays are read-only; numpy(copy=True) gives a writable copy",
        ));
    }
    view.buf = value.as_ptr().cast_mut().cast::<c_void>();
    view.len = value.len().cast_signed();
    view.readonly = 1;
    view.itemsize = layout.item;
    // At most MAX_NDIM axes (the layout was made for NumPy too).
    view.ndim = c_int::try_from(layout.shape.len()).unwrap_or(0);
    let wanted = |flag: c_int| flags & flag == flag;
    view.format = if wanted(ffi::PyBUF_FORMAT) {
        layout.format.as_ptr().cast_mut()
    } else {
        std::ptr::null_mut()
    };
    // The exporter's arrays are read only; the C type merely lacks `const`.
    view.shape = if wanted(ffi::PyBUF_ND) {
        layout.shape.as_ptr().cast_mut()
    } else {
        std::ptr::null_mut()
    };
    view.strides = if wanted(ffi::PyBUF_STRIDES) {
        layout.strides.as_ptr().cast_mut()
    } else {
        std::ptr::null_mut()
    };
    view.suboffsets = std::ptr::null_mut();
    view.internal = std::ptr::null_mut();
    view.obj = owner.clone().into_ptr();
    Ok(())
}

/// A read-only ndarray over `value`, whose reference it holds.
///
/// `PyArray_NewFromDescr` rather than `np.frombuffer(...).reshape(...)`: one
/// call in place of two lookups, a memoryview and a second array header, about
/// a third of the time, and it takes dtypes that have no buffer code.
///
/// Fails if `value` does not hold exactly `shape` elements of `descr`.
pub(crate) fn lend_ndarray<'py>(
    py: Python<'py>,
    descr: Bound<'py, PyArrayDescr>,
    alignment: usize,
    shape: &[u64],
    value: Value,
) -> PyResult<Bound<'py, PyAny>> {
    check_size(&descr, shape, value.len())?;
    let data = value.as_ptr().cast_mut();
    let aligned = if data.addr().is_multiple_of(alignment) {
        npyffi::NPY_ARRAY_ALIGNED
    } else {
        0
    };
    let owner = Bound::new(py, Bytes(value))?;
    // SAFETY: NumPy's own type object, alive for the whole process.
    let class = unsafe { npyffi::get_type_object(py, npyffi::NpyTypes::PyArray_Type) };
    // SAFETY: `descr` gives its reference away, as the call asks. `dims` holds
    // `ndim` lengths. `data` holds that many elements (checked above), is not written
    // because WRITEABLE is not among the flags, and lives as long as `owner`,
    // which the array gets next. Flags: contiguity follows from null strides.
    let array = with_dims(shape, |dims, ndim| unsafe {
        PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            class,
            descr.into_dtype_ptr(),
            ndim,
            dims.as_mut_ptr(),
            std::ptr::null_mut(),
            data.cast::<c_void>(),
            npyffi::NPY_ARRAY_C_CONTIGUOUS | aligned,
            std::ptr::null_mut(),
        )
    })?;
    // SAFETY: a reference of our own, or null with an exception set.
    let array = unsafe { Bound::from_owned_ptr_or_err(py, array) }?;
    // SAFETY: `array` is an ndarray without a base; the call takes the
    // reference to `owner` in any case.
    let status = unsafe {
        PY_ARRAY_API.PyArray_SetBaseObject(
            py,
            array.as_ptr().cast::<npyffi::PyArrayObject>(),
            owner.into_any().into_ptr(),
        )
    };
    if status == 0 {
        Ok(array)
    } else {
        Err(PyErr::fetch(py))
    }
}

/// An ndarray of its own memory, filled by `fill`, which gets all its bytes.
///
/// Fails if `bytes` is not the size of `shape` elements of `descr`, or if those are objects.
pub(crate) fn own_ndarray<'py>(
    py: Python<'py>,
    descr: Bound<'py, PyArrayDescr>,
    shape: &[u64],
    bytes: usize,
    writable: bool,
    fill: impl FnOnce(&mut [u8]),
) -> PyResult<Bound<'py, PyAny>> {
    if descr.has_object() {
        return Err(pyo3::exceptions::PyTypeError::new_err(
            "objects are not made of bytes",
        ));
    }
    check_size(&descr, shape, bytes)?;
    // SAFETY: NumPy's own type object, alive for the whole process.
    let class = unsafe { npyffi::get_type_object(py, npyffi::NpyTypes::PyArray_Type) };
    // SAFETY: `descr` gives its reference away, as the call asks; `dims` holds
    // `ndim` lengths; without data NumPy allocates.
    let array = with_dims(shape, |dims, ndim| unsafe {
        PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            class,
            descr.into_dtype_ptr(),
            ndim,
            dims.as_mut_ptr(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            0,
            std::ptr::null_mut(),
        )
    })?;
    // SAFETY: a reference of our own, or null with an exception set.
    let array = unsafe { Bound::from_owned_ptr_or_err(py, array) }?;
    // SAFETY: just made by NumPy as an ndarray; nobody else has it.
    let fields = unsafe { &mut (*array.as_ptr().cast::<npyffi::PyArrayObject>()).fields };
    // SAFETY: NumPy allocated the elements, `bytes` of them (checked above); zeroing makes every byte of them
    // initialised, which an `&mut [u8]` needs.
    unsafe { std::ptr::write_bytes(fields.data.cast::<u8>(), 0, bytes) };
    // SAFETY: `bytes` bytes at `data`, initialised above and not shared yet.
    fill(unsafe { std::slice::from_raw_parts_mut(fields.data.cast::<u8>(), bytes) });
    if !writable {
        fields.flags &= !npyffi::NPY_ARRAY_WRITEABLE;
    }
    Ok(array)
}

/// Clears the flag that allows writing of an array that nobody else has yet, as
/// `setflags(write=False)` does at the cost of a look-up and a call.
pub(crate) fn make_read_only(array: &Bound<'_, PyUntypedArray>) {
    // SAFETY: an ndarray (its type), held by the caller, which has just made it:
    // nothing else looks at its flags.
    let fields = unsafe { &mut (*array.as_array_ptr()).fields };
    fields.flags &= !npyffi::NPY_ARRAY_WRITEABLE;
}

/// Compares bytes with a shape: memory is lent and filled on the word of both.
fn check_size(descr: &Bound<'_, PyArrayDescr>, shape: &[u64], have: usize) -> PyResult<()> {
    let item = descr.itemsize() as u64;
    let need = shape
        .iter()
        .try_fold(item, |size, &length| size.checked_mul(length));
    if need == Some(have as u64) {
        return Ok(());
    }
    let message = format!(
        "{have} bytes are stored for an array of shape {shape:?} and {item} bytes an element"
    );
    Err(errors::named(descr.py(), "CorruptionError", &message))
}

/// Calls `make` with a shape in NumPy's terms: the lengths and how many.
fn with_dims<T>(
    shape: &[u64],
    make: impl FnOnce(&mut [npyffi::npy_intp], c_int) -> T,
) -> PyResult<T> {
    let too_large = || {
        PyValueError::new_err(format!(
            "shape {shape:?} is beyond what NumPy can hold (64 axes)"
        ))
    };
    // Few axes, as nearly always, need no allocation and few bytes to clear.
    let mut few = [0; FEW_AXES];
    let mut many = Vec::new();
    let dims = match few.get_mut(..shape.len()) {
        Some(dims) => dims,
        None => {
            many.resize(shape.len(), 0);
            &mut many
        }
    };
    if shape.len() > MAX_NDIM {
        return Err(too_large());
    }
    for (dim, &length) in dims.iter_mut().zip(shape) {
        *dim = npyffi::npy_intp::try_from(length).map_err(|_| too_large())?;
    }
    let ndim = c_int::try_from(shape.len()).map_err(|_| too_large())?;
    Ok(make(dims, ndim))
}

/// Copies `bytes` to place `at` of the memory of a Python object; false if that cannot
/// be written to, is not contiguous or ends before.
pub(crate) fn fill(_: Python<'_>, object: &PyBuffer<u8>, at: usize, bytes: &[u8]) -> bool {
    let ends_inside = at
        .checked_add(bytes.len())
        .is_some_and(|end| end <= object.len_bytes());
    if object.readonly() || !object.is_c_contiguous() || !ends_inside {
        return false;
    }
    // SAFETY: `at` is at most the length of the buffer (checked above), which is exported
    // and hence neither moved nor freed by its owner while `object` lives.
    let place = unsafe { object.buf_ptr().cast::<u8>().add(at) };
    // SAFETY: so many bytes lie at `place`, contiguous and writable (checked above), and
    // may overlap `bytes`. What other threads write there meanwhile is theirs to avoid,
    // as in every `readinto`.
    unsafe { std::ptr::copy(bytes.as_ptr(), place, bytes.len()) };
    true
}

/// Bytes of a Python object, borrowed while this lives.
pub(crate) enum Borrowed<'py> {
    /// Immutable.
    Bytes(Bound<'py, PyBytes>),
    /// A C-contiguous buffer.
    Buffer(PyUntypedBuffer),
    /// A C-contiguous ndarray.
    Array(Bound<'py, PyUntypedArray>),
}

impl Borrowed<'_> {
    /// The bytes. If another thread writes to the object meanwhile, what is
    /// read is some mix of old and new.
    pub(crate) fn bytes(&self) -> &[u8] {
        let (data, length) = match self {
            Self::Bytes(bytes) => return bytes.as_bytes(),
            Self::Buffer(buffer) => (
                buffer.buf_ptr().cast::<u8>().cast_const(),
                buffer.len_bytes(),
            ),
            Self::Array(array) => {
                // SAFETY: an ndarray (checked when it was cast), held by `self`.
                let data = unsafe { (*array.as_array_ptr()).fields.data };
                (
                    data.cast::<u8>().cast_const(),
                    array.len() * array.dtype().itemsize(),
                )
            }
        };
        if length == 0 {
            return &[];
        }
        // SAFETY: the object is C-contiguous, so its elements are `length`
        // bytes from `data`; it is held by `self`, and an exported buffer or a
        // counted ndarray is not moved or freed by its owner. Writes by other
        // threads are theirs to avoid, as in every call that releases the
        // interpreter: values below 64 KiB in a batch are summed over the copy,
        // larger ones written from here would carry the sum of other bytes.
        unsafe { std::slice::from_raw_parts(data, length) }
    }
}

/// Most bytes of a scalar of a plain dtype.
const MAX_SCALAR: usize = 16;

/// The bytes of one number.
pub(crate) struct ScalarBytes {
    bytes: [u8; MAX_SCALAR],
    length: usize,
}

impl ScalarBytes {
    /// Of a `float`.
    pub(crate) fn of(number: f64) -> Self {
        let mut bytes = [0; MAX_SCALAR];
        if let Some(start) = bytes.first_chunk_mut() {
            *start = number.to_le_bytes();
        }
        let length = size_of::<f64>();
        Self { bytes, length }
    }

    /// Little-endian.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Element type and bytes of a scalar of NumPy; `None` for all other values.
pub(crate) fn scalar_bytes(value: &Bound<'_, PyAny>) -> Option<(DType, ScalarBytes)> {
    let dtype = dtype::of_scalar(value)?;
    let length = dtype.item_size().filter(|&size| size <= MAX_SCALAR)?;
    let mut bytes = Aligned([0; MAX_SCALAR]);
    // SAFETY: `value` is of NumPy's own scalar class of `dtype` (just looked
    // up), so that `length` bytes are written, which `bytes` has room for.
    unsafe {
        PY_ARRAY_API.PyArray_ScalarAsCtype(
            value.py(),
            value.as_ptr(),
            (&raw mut bytes.0).cast::<c_void>(),
        );
    }
    let Aligned(bytes) = bytes;
    Some((dtype, ScalarBytes { bytes, length }))
}

/// Room for any scalar, as C aligns it.
#[repr(align(16))]
struct Aligned([u8; MAX_SCALAR]);

/// The unit of NumPy's `datetime64` and `timedelta64`; `None` for other dtypes,
/// without a unit, and for multiples of one.
pub(crate) fn time_unit(descr: &Bound<'_, PyArrayDescr>) -> Option<TimeUnit> {
    use npyffi::NPY_DATETIMEUNIT as Unit;
    let times = [
        npyffi::NPY_TYPES::NPY_DATETIME,
        npyffi::NPY_TYPES::NPY_TIMEDELTA,
    ];
    if !times.iter().any(|&time| time as c_int == descr.num()) {
        return None;
    }
    // SAFETY: the call reads a field of a dtype object, held by the caller.
    let metadata = unsafe { npyffi::PyDataType_C_METADATA(descr.py(), descr.as_dtype_ptr()) };
    let metadata = metadata.cast::<npyffi::PyArray_DatetimeDTypeMetaData>();
    // SAFETY: null, or what NumPy keeps with these two types; it lives
    // as long as `descr` and does not change.
    let meta = unsafe { metadata.as_ref() }?.meta;
    if meta.num != 1 {
        return None;
    }
    Some(match meta.base {
        Unit::NPY_FR_Y => TimeUnit::Year,
        Unit::NPY_FR_M => TimeUnit::Month,
        Unit::NPY_FR_W => TimeUnit::Week,
        Unit::NPY_FR_D => TimeUnit::Day,
        Unit::NPY_FR_h => TimeUnit::Hour,
        Unit::NPY_FR_m => TimeUnit::Minute,
        Unit::NPY_FR_s => TimeUnit::Second,
        Unit::NPY_FR_ms => TimeUnit::Millisecond,
        Unit::NPY_FR_us => TimeUnit::Microsecond,
        Unit::NPY_FR_ns => TimeUnit::Nanosecond,
        Unit::NPY_FR_ps => TimeUnit::Picosecond,
        Unit::NPY_FR_fs => TimeUnit::Femtosecond,
        Unit::NPY_FR_as => TimeUnit::Attosecond,
        Unit::NPY_FR_GENERIC => return None,
    })
}

/// Opens a store through a memory map.
pub(crate) fn open_mapped(options: &OpenOptions, path: &Path) -> arraylog::Result<Store> {
    // SAFETY: the contract, that no other program truncates the file or changes
    // committed bytes, is passed on to the user by the documentation of
    // `arraylog.open`, which offers `io="read"` where it cannot be kept.
    unsafe { options.open_mapped(path) }
}
