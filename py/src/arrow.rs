//! Stored arrays as arrays of Arrow, by its C data interface in capsules.
//!
//! A consumer gets two structs of pointers and a function that releases them. The one of
//! the elements holds the array, which keeps its mapping, until then: it may outlive the
//! store and be released on any thread, with or without the interpreter.
#![expect(
    unsafe_code,
    reason = "the C data interface of Arrow is structs of raw pointers"
)]

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};

use arraylog::{ArrayView, DType, Elements, TimeUnit};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::errors;

/// Struct `ArrowSchema` of the interface. All its text is static: there is nothing to free.
#[repr(C)]
struct ArrowSchema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *mut *mut ArrowSchema,
    dictionary: *mut ArrowSchema,
    release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    private_data: *mut c_void,
}

/// Struct `ArrowArray` of the interface.
#[repr(C)]
struct ArrowArray {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *const *const c_void,
    children: *mut *mut ArrowArray,
    dictionary: *mut ArrowArray,
    release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    private_data: *mut c_void,
}

/// What an `ArrowArray` points into.
struct Owner {
    buffers: Vec<*const c_void>,
    /// In a place of its own, so that it can be pointed into before it is here.
    _array: Box<Elements>,
    _made: Vec<Vec<u64>>,
}

// SAFETY: the pointers are to static text that nobody changes.
unsafe impl Send for ArrowSchema {}
// SAFETY: the pointers are to an `Owner` that this struct alone has. Of that, the array and
// the vectors may go to another thread, and the buffers point to bytes of these two.
unsafe impl Send for ArrowArray {}
/// The array may go to another thread, as said above.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Box<Elements>>();
};

const NULLABLE: i64 = 2;
/// Not counted: the consumer does when it needs it.
const UNKNOWN: i64 = -1;

/// Tells consumers that the struct is no longer theirs to use. There is nothing to free.
unsafe extern "C" fn release_schema(schema: *mut ArrowSchema) {
    // SAFETY: by the interface, the consumer gives a struct that it owns, or nothing.
    if let Some(schema) = unsafe { schema.as_mut() } {
        schema.release = None;
    }
}

/// Frees what an `ArrowArray` points into.
unsafe extern "C" fn release_array(array: *mut ArrowArray) {
    // SAFETY: by the interface, the consumer gives a struct that it owns, or nothing.
    let Some(array) = (unsafe { array.as_mut() }) else {
        return;
    };
    if array.release.take().is_none() {
        return;
    }
    array.buffers = null();
    let owner = std::mem::replace(&mut array.private_data, null_mut()).cast::<Owner>();
    // SAFETY: a box that `array` gave away, and taken back once: with `release` gone, above,
    // nobody comes here again, and a consumer that moves the struct clears the old one.
    drop(unsafe { Box::from_raw(owner) });
}

impl Drop for ArrowArray {
    /// Of a capsule that no consumer took.
    fn drop(&mut self) {
        if self.release.is_some() {
            // SAFETY: a reference is a valid pointer, and the struct is not released yet.
            unsafe { release_array(self) };
        }
    }
}

/// The capsule of the type of the elements.
pub(crate) fn schema<'py>(py: Python<'py>, array: &Elements) -> PyResult<Bound<'py, PyCapsule>> {
    let format = format(py, array)?;
    let nullable = array.validity().is_some() || is_time(array.info().dtype);
    let schema = ArrowSchema {
        format: format.as_ptr(),
        name: c"".as_ptr(),
        metadata: null(),
        flags: if nullable { NULLABLE } else { 0 },
        n_children: 0,
        children: null_mut(),
        dictionary: null_mut(),
        release: Some(release_schema),
        private_data: null_mut(),
    };
    PyCapsule::new_with_value(py, schema, c"arrow_schema")
}

/// The capsules of the type and of the elements.
pub(crate) fn array<'py>(
    py: Python<'py>,
    array: &Elements,
) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
    let schema = schema(py, array)?;
    let array = Box::new(array.clone());
    let view = array.view();
    let parts = parts(&view).map_err(|what| {
        let message = format!("array {:?}: {what}", view.info().name);
        errors::named(py, "CorruptionError", &message)
    })?;
    let length = i64::try_from(view.size())?;
    let mut buffers = Vec::new();
    let mut made = Vec::new();
    let has_nulls = matches!(parts.first(), Some(Some(_)));
    for part in parts {
        buffers.push(match part {
            None => null(),
            Some(Part::Stored(bytes)) => bytes.as_ptr().cast::<c_void>(),
            Some(Part::Made(words)) => {
                // Moving a vector leaves its elements in place.
                let place = words.as_ptr().cast::<c_void>();
                made.push(words);
                place
            }
        });
    }
    let owner = Box::new(Owner {
        buffers,
        _array: array,
        _made: made,
    });
    let array = ArrowArray {
        length,
        null_count: if has_nulls { UNKNOWN } else { 0 },
        offset: 0,
        n_buffers: owner.buffers.len() as i64,
        n_children: 0,
        buffers: owner.buffers.as_ptr(),
        children: null_mut(),
        dictionary: null_mut(),
        release: Some(release_array),
        private_data: Box::into_raw(owner).cast::<c_void>(),
    };
    let array = PyCapsule::new_with_value(py, array, c"arrow_array")?;
    Ok((schema, array))
}

fn is_time(dtype: DType) -> bool {
    matches!(dtype, DType::DateTime64(_) | DType::TimeDelta64(_))
}

/// Whether the offsets of a view are u64.
fn is_wide(view: &ArrayView<'_>) -> bool {
    let narrow = view.size().saturating_add(1).saturating_mul(4);
    let stored = view.offsets().map_or(0, |bytes| bytes.len() as u64);
    // What Arrow has as signed is unsigned here.
    stored > narrow || view.data().len() > i32::MAX as usize
}

/// The type of the elements in Arrow's letters.
fn format(py: Python<'_>, array: &Elements) -> PyResult<&'static CStr> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    let info = array.info();
    if array.shape().len() != 1 {
        let message = format!(
            "array {:?} has shape {:?}, and arrays of Arrow have one axis: x.numpy().reshape(-1) is a view that has",
            info.name,
            array.shape()
        );
        return Err(errors::named(py, "ShapeError", &message));
    }
    let wide = is_wide(&array.view());
    Ok(match info.dtype {
        DType::Bool => c"b",
        DType::Int8 => c"c",
        DType::UInt8 => c"C",
        DType::Int16 => c"s",
        DType::UInt16 => c"S",
        DType::Int32 => c"i",
        DType::UInt32 => c"I",
        DType::Int64 => c"l",
        DType::UInt64 => c"L",
        DType::Float16 => c"e",
        DType::Float32 => c"f",
        DType::Float64 => c"g",
        DType::DateTime64(Second) => c"tss:",
        DType::DateTime64(Millisecond) => c"tsm:",
        DType::DateTime64(Microsecond) => c"tsu:",
        DType::DateTime64(Nanosecond) => c"tsn:",
        DType::TimeDelta64(Second) => c"tDs",
        DType::TimeDelta64(Millisecond) => c"tDm",
        DType::TimeDelta64(Microsecond) => c"tDu",
        DType::TimeDelta64(Nanosecond) => c"tDn",
        DType::String if wide => c"U",
        DType::String => c"u",
        DType::Bytes if wide => c"Z",
        DType::Bytes => c"z",
        other => {
            let message = format!(
                "array {:?}: Arrow has no type for {other}; numpy() gives the array",
                info.name
            );
            return Err(errors::named(py, "DTypeError", &message));
        }
    })
}

/// Bytes of one buffer.
enum Part<'a> {
    Stored(&'a [u8]),
    /// What Arrow has in another form, in words so that it is aligned.
    Made(Vec<u64>),
}

/// The buffers of an array of one axis: validity; offsets, of text and bytes; elements.
///
/// Consumers believe them, so nothing goes out that is shorter than it says.
fn parts<'a>(view: &ArrayView<'a>) -> Result<Vec<Option<Part<'a>>>, String> {
    let count = usize::try_from(view.size()).map_err(|_| "more elements than memory")?;
    let mut validity = view.validity().map(|bits| aligned(bits, 1));
    if view
        .validity()
        .is_some_and(|bits| bits.len() < count.div_ceil(8))
    {
        return Err("its mask is shorter than its data".to_owned());
    }
    let data = view.data();
    let dtype = view.info().dtype;
    let Some(width) = dtype.item_size() else {
        return Ok(vec![
            validity,
            Some(offsets(view, count)?),
            Some(aligned(data, 1)),
        ]);
    };
    if count.checked_mul(width) != Some(data.len()) {
        return Err(format!(
            "{} bytes are stored for {count} elements of {dtype}",
            data.len()
        ));
    }
    let elements = match dtype {
        DType::Bool => Part::Made(packed(data.iter().map(|byte| *byte != 0))),
        _ => aligned(data, width),
    };
    if is_time(dtype) && words(data).any(|count| count == NAT) {
        let stored = view.validity();
        let is_present = |at: usize| {
            stored.is_none_or(|bits| {
                bits.get(at / 8)
                    .is_none_or(|byte| byte >> (at % 8) & 1 == 1)
            })
        };
        let present = words(data).enumerate();
        let present = present.map(|(at, count)| count != NAT && is_present(at));
        validity = Some(Part::Made(packed(present)));
    }
    Ok(vec![validity, Some(elements)])
}

/// The count of NaT, in bits.
const NAT: u64 = 1 << 63;

/// Whole words of little-endian bytes.
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let (words, _) = bytes.as_chunks();
    words.iter().map(|word| u64::from_le_bytes(*word))
}

/// Bits, the lowest first.
fn packed(bits: impl Iterator<Item = bool>) -> Vec<u64> {
    let mut words = Vec::new();
    for (at, bit) in bits.enumerate() {
        if at % 64 == 0 {
            words.push(0);
        }
        if let Some(word) = words.last_mut() {
            *word |= u64::from(bit) << (at % 64);
        }
    }
    words
}

/// Bytes where they are, or copied to an address that suits elements of `width`.
fn aligned(bytes: &[u8], width: usize) -> Part<'_> {
    if bytes.as_ptr().addr().is_multiple_of(width) {
        return Part::Stored(bytes);
    }
    let (whole, rest) = bytes.as_chunks();
    let mut words: Vec<u64> = whole.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    words.push(u64::from_le_bytes(last));
    Part::Made(words)
}

/// The offsets of texts or bytes, that never fall and end with the data.
fn offsets<'a>(view: &ArrayView<'a>, count: usize) -> Result<Part<'a>, String> {
    let stored = view.offsets().unwrap_or_default();
    let data = view.data();
    if count == 0 {
        return Ok(Part::Made(vec![0]));
    }
    let narrow = stored.len() == count.saturating_add(1).saturating_mul(4);
    let ends: Box<dyn Iterator<Item = u64>> = if narrow {
        let (ends, _) = stored.as_chunks();
        Box::new(ends.iter().map(|end| u64::from(u32::from_le_bytes(*end))))
    } else {
        Box::new(words(stored))
    };
    let text = match view.info().dtype {
        DType::String => Some(std::str::from_utf8(data).map_err(|fault| {
            format!("its text is not UTF-8 from byte {} on", fault.valid_up_to())
        })?),
        _ => None,
    };
    let (mut seen, mut last) = (0_usize, 0_u64);
    let copied = narrow && is_wide(view);
    let mut made = Vec::new();
    for end in ends {
        let is_place = usize::try_from(end).is_ok_and(|end| {
            end <= data.len() && text.is_none_or(|text| text.is_char_boundary(end))
        });
        if !is_place || end < last {
            return Err(format!(
                "offset {seen} of its elements is {end}, after {last}"
            ));
        }
        if copied {
            made.push(end);
        }
        (seen, last) = (seen + 1, end);
    }
    if seen != count + 1 {
        return Err(format!("{count} elements have {seen} offsets"));
    }
    Ok(match (copied, narrow) {
        (true, _) => Part::Made(made),
        (false, true) => aligned(stored, 4),
        (false, false) => aligned(stored, 8),
    })
}
