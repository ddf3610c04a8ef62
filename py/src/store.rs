//! An open store.

use std::path::PathBuf;

use arraylog::{Durability, Mode, OpenOptions, Verify};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::buffer;
use crate::errors::OrRaise as _;

/// The handle behind `arraylog.Store`.
#[pyclass(frozen, module = "arraylog._core")]
pub(crate) struct Store {
    pub(crate) engine: arraylog::Store,
    /// Whether a read costs a system call or a checksum each time, so that
    /// other Python threads should run meanwhile.
    pub(crate) slow_reads: bool,
}

#[pymethods]
impl Store {
    /// Opens a file, or memory for ":memory:".
    #[new]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        mode: &str,
        durability: &str,
        verify: &str,
        io: &str,
        lock: bool,
    ) -> PyResult<Self> {
        let slow_reads = io == "read" || verify == "always";
        if path.as_os_str() == ":memory:" {
            return Ok(Self {
                engine: arraylog::Store::memory().or_raise(py)?,
                slow_reads,
            });
        }
        let options = OpenOptions::new()
            .mode(parse_mode(mode)?)
            .durability(parse_durability(durability)?)
            .verify(parse_verify(verify)?)
            .lock(lock);
        let engine = py.detach(|| {
            if io == "read" {
                options.open(&path)
            } else {
                buffer::open_mapped(&options, &path)
            }
        });
        Ok(Self {
            engine: engine.or_raise(py)?,
            slow_reads,
        })
    }

    #[getter]
    fn durability(&self) -> &'static str {
        match self.engine.durability() {
            Durability::Buffered => "buffered",
            Durability::Synced => "synced",
        }
    }

    #[getter]
    fn closed(&self) -> bool {
        self.engine.is_closed()
    }

    /// Random identity of this generation of the file.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.engine.id())
    }

    #[getter]
    fn generation(&self) -> u64 {
        self.engine.generation()
    }

    #[getter]
    fn seqno(&self) -> u64 {
        self.engine.seqno()
    }

    /// What opening found: commits, records, clean, torn bytes, where they start.
    #[getter]
    fn recovery(&self) -> (u64, u64, bool, u64, u64) {
        let found = self.engine.recovery();
        (
            found.commits,
            found.records,
            found.clean,
            found.torn_bytes,
            found.torn_at,
        )
    }

    fn collections(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        py.detach(|| self.engine.collections()).or_raise(py)
    }

    fn partitions(&self, py: Python<'_>, collection: &str) -> PyResult<Vec<String>> {
        py.detach(|| self.engine.partitions(collection))
            .or_raise(py)
    }

    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.engine.sync()).or_raise(py)
    }

    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        py.detach(|| self.engine.refresh()).or_raise(py)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.engine.close()).or_raise(py)
    }
}

fn parse_mode(mode: &str) -> PyResult<Mode> {
    Ok(match mode {
        "r" => Mode::Read,
        "r+" => Mode::ReadWrite,
        "a" => Mode::Append,
        "w" => Mode::Replace,
        "x" => Mode::CreateNew,
        _ => return Err(unknown("mode", mode)),
    })
}

/// A durability by its name.
pub(crate) fn parse_durability(durability: &str) -> PyResult<Durability> {
    match durability {
        "buffered" => Ok(Durability::Buffered),
        "synced" => Ok(Durability::Synced),
        _ => Err(unknown("durability", durability)),
    }
}

fn parse_verify(verify: &str) -> PyResult<Verify> {
    match verify {
        "first" => Ok(Verify::First),
        "always" => Ok(Verify::Always),
        "never" => Ok(Verify::Never),
        _ => Err(unknown("verify", verify)),
    }
}

/// The public face lists the choices before it calls.
fn unknown(option: &str, found: &str) -> PyErr {
    PyValueError::new_err(format!("{option} {found:?} is not known"))
}
