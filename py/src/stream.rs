//! Values as streams: from file objects of Python, and as files.

use std::io::{self, BufRead as _, Seek as _, SeekFrom};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arraylog::Spool;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBlockingIOError, PyBufferError, PyOSError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt as _;
use pyo3::types::PyBytes;

use crate::errors::{self, OrRaise as _};
use crate::{buffer, input};

/// What a source is asked for at a time.
const PIECE: usize = 1 << 20;

/// Reads a file object to its end. What it raises goes on as it is.
///
/// Other threads run while the pieces are summed and written; the source itself is
/// called with the interpreter, as it has to be.
pub(crate) fn gather(py: Python<'_>, file: &Bound<'_, PyAny>, mut spool: Spool) -> PyResult<Spool> {
    let read = file.getattr(intern!(py, "read"))?;
    loop {
        let piece = read.call1((PIECE,))?;
        if piece.is_none() {
            return Err(PyBlockingIOError::new_err(
                "the file has nothing to read now: a value needs one that waits (blocking mode)",
            ));
        }
        let piece = input::piece(file, &piece)?;
        let bytes = piece.bytes();
        if bytes.is_empty() {
            return Ok(spool);
        }
        py.detach(|| spool.append(bytes)).or_raise(py)?;
        py.check_signals()?;
    }
}

/// The part of `arraylog.ValueFile` that reads.
#[pyclass(frozen, module = "arraylog._core")]
pub(crate) struct ValueReader(Mutex<arraylog::ValueReader>);

impl ValueReader {
    pub(crate) fn new(reader: arraylog::ValueReader) -> Self {
        Self(Mutex::new(reader))
    }

    /// The reader, once no other thread reads.
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, arraylog::ValueReader> {
        self.0
            .lock_py_attached(py)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl ValueReader {
    /// Bytes of the value.
    #[getter]
    fn size(&self, py: Python<'_>) -> u64 {
        self.lock(py).len()
    }

    fn tell(&self, py: Python<'_>) -> u64 {
        self.lock(py).position()
    }

    fn seek(&self, py: Python<'_>, offset: i64, whence: i32) -> PyResult<u64> {
        let to = match whence {
            0 => u64::try_from(offset)
                .map(SeekFrom::Start)
                .map_err(|_| PyValueError::new_err(format!("negative seek position {offset}")))?,
            1 => SeekFrom::Current(offset),
            2 => SeekFrom::End(offset),
            _ => {
                return Err(PyValueError::new_err(format!(
                    "whence is 0, 1 or 2, not {whence}"
                )));
            }
        };
        self.lock(py).seek(to).map_err(|error| raise(py, error))
    }

    /// Fills `buffer` as far as there is something; how many bytes.
    fn readinto(&self, py: Python<'_>, buffer: PyBuffer<u8>) -> PyResult<usize> {
        let mut reader = self.lock(py);
        copy(py, &mut reader, buffer.len_bytes(), |at, bytes| {
            if buffer::fill(py, &buffer, at, bytes) {
                return Ok(());
            }
            let refused = "a buffer to read into is writable and contiguous, this one is not";
            Err(PyBufferError::new_err(refused))
        })
    }

    /// Bytes from the position on: `size`, or as many as there are.
    fn read<'py>(&self, py: Python<'py>, size: u64) -> PyResult<Bound<'py, PyBytes>> {
        let mut reader = self.lock(py);
        let rest = reader.len().saturating_sub(reader.position());
        let len = usize::try_from(size.min(rest))?;
        PyBytes::new_with(py, len, |out| {
            let read = copy(py, &mut reader, len, |at, bytes| {
                if let Some(place) = out.get_mut(at..at + bytes.len()) {
                    place.copy_from_slice(bytes);
                }
                Ok(())
            })?;
            if read == len {
                return Ok(());
            }
            Err(PyOSError::new_err(format!(
                "{len} bytes of a value were expected and {read} are there"
            )))
        })
    }
}

/// Gives `put` the next `len` bytes, or as many as there are, block by block with their
/// places; how many. Other threads run while a block is read or compared with its sum.
fn copy(
    py: Python<'_>,
    reader: &mut arraylog::ValueReader,
    len: usize,
    mut put: impl FnMut(usize, &[u8]) -> PyResult<()>,
) -> PyResult<usize> {
    let mut done = 0;
    while done < len {
        let from = &mut *reader;
        let block = py.detach(move || from.fill_buf());
        let block = block.map_err(|error| raise(py, error))?;
        let now = block.get(..block.len().min(len - done)).unwrap_or_default();
        if now.is_empty() {
            break;
        }
        put(done, now)?;
        let read = now.len();
        done += read;
        reader.consume(read);
        py.check_signals()?;
    }
    Ok(done)
}

/// The exception for an error of a stream, which holds that of the store.
fn raise(py: Python<'_>, error: io::Error) -> PyErr {
    match error.downcast::<arraylog::Error>() {
        Ok(error) => errors::exception(py, &error),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            PyValueError::new_err(error.to_string())
        }
        Err(error) => PyOSError::new_err(error.to_string()),
    }
}
