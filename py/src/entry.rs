//! One version of an entry.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arraylog::{Kind, Value};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMemoryView, PyString};

use crate::attrs::RawAttrs;
use crate::buffer::Bytes;
use crate::errors::{self, OrRaise as _};
use crate::key::Key;
use crate::many::Found;
use crate::partition::{self, LARGE, Partition, Place};
use crate::{elements, ndarray};

/// The part of `arraylog.Entry` that reads.
#[pyclass(frozen, subclass, weakref, module = "arraylog._core")]
pub(crate) struct Entry {
    /// Set from the beginning, or by the first use of an unpickled entry.
    found: OnceLock<arraylog::Entry>,
    /// Where an unpickled entry is looked up; let go once it is found, so that
    /// an entry does not keep its store open.
    pending: Mutex<Option<Py<Partition>>>,
    /// The version that an unpickled entry has to have.
    pinned: Option<u64>,
    key: Vec<u8>,
    place: Arc<Place>,
    /// The `arraylog._reference.Origin` of the store, for equality and pickling.
    origin: Py<PyAny>,
    value: OnceLock<Value>,
}

impl Entry {
    /// The entry; looks it up if it was unpickled.
    #[inline]
    pub(crate) fn engine(&self, py: Python<'_>) -> PyResult<&arraylog::Entry> {
        match self.found.get() {
            Some(entry) => Ok(entry),
            None => self.find(py),
        }
    }

    /// Reads from the entry, letting other Python threads in if it is large:
    /// checksums are compared, and pages come in, at first touch.
    #[inline]
    pub(crate) fn read<T: Send>(
        &self,
        py: Python<'_>,
        read: impl FnOnce(&arraylog::Entry) -> arraylog::Result<T> + Send,
    ) -> PyResult<T> {
        let entry = self.engine(py)?;
        if entry.nbytes_stored() >= LARGE as u64 {
            return read_detached(py, entry, read);
        }
        read(entry).or_raise(py)
    }

    /// Whether using it needs no look-up.
    pub(crate) fn is_found(&self) -> bool {
        self.found.get().is_some()
    }

    #[cold]
    fn find(&self, py: Python<'_>) -> PyResult<&arraylog::Entry> {
        let pending = self
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|p| p.clone_ref(py));
        let Some(partition) = pending else {
            // Another thread has found it in between.
            return self
                .found
                .get()
                .ok_or_else(|| gone(py, &self.key, "it is not there"));
        };
        let key = &*self.key;
        let newest = partition.get().read(py, |partition| partition.entry(key))?;
        let is_it = |entry: &arraylog::Entry| {
            self.pinned
                .is_none_or(|version| version == u64::from(entry.version()))
        };
        let entry = match newest.filter(is_it) {
            Some(entry) => entry,
            // One of a history.
            None => {
                let earlier = partition.get().change(py, |partition| {
                    for version in partition.history(key)? {
                        if let Some(entry) = version?.entry.filter(is_it) {
                            return Ok(Some(entry));
                        }
                    }
                    Ok(None)
                })?;
                earlier.ok_or_else(|| gone(py, key, "the file does not have it"))?
            }
        };
        let found = self.found.get_or_init(|| entry);
        drop(
            self.pending
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        Ok(found)
    }

    /// The bytes of a plain value, kept in place for buffers of this object.
    pub(crate) fn kept_value(&self, py: Python<'_>) -> PyResult<&Value> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let value = self.read(py, arraylog::Entry::value)?;
        Ok(self.value.get_or_init(|| value))
    }
}

/// Apart from the usual read, which is smaller without it.
#[cold]
fn read_detached<T: Send>(
    py: Python<'_>,
    entry: &arraylog::Entry,
    read: impl FnOnce(&arraylog::Entry) -> arraylog::Result<T> + Send,
) -> PyResult<T> {
    py.detach(|| read(entry)).or_raise(py)
}

fn gone(py: Python<'_>, key: &[u8], what: &str) -> PyErr {
    let key = String::from_utf8_lossy(key);
    errors::named(
        py,
        "SnapshotGoneError",
        &format!("the pickled version of entry {key:?} is gone: {what}"),
    )
}

#[pymethods]
impl Entry {
    /// Looks `key` up; with `version`, as unpickled, only when it is used; not if it was
    /// `found` already.
    #[new]
    #[pyo3(signature = (partition, key, version=None, found=None))]
    fn new(
        py: Python<'_>,
        partition: &Bound<'_, Partition>,
        key: &Bound<'_, PyAny>,
        version: Option<u64>,
        found: Option<&Bound<'_, Found>>,
    ) -> PyResult<Self> {
        let key = Key::of(key)?.as_ref().to_vec();
        // Before the origin, which says up to where a store that follows has come.
        let now = match (found, version) {
            (None, None) => Some(partition.get().entry(py, &key)?),
            _ => None,
        };
        let this = Self {
            found: OnceLock::new(),
            pending: Mutex::new(None),
            pinned: version,
            place: partition.get().place.clone(),
            origin: partition
                .get()
                .owner
                .bind(py)
                .getattr(intern!(py, "_origin"))?
                .unbind(),
            value: OnceLock::new(),
            key,
        };
        if let Some(found) = found {
            this.found.get_or_init(|| found.get().0.clone());
        } else if version.is_some() {
            *this.pending.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(partition.clone().unbind());
        } else if let Some(entry) = now {
            this.found.get_or_init(|| entry);
        }
        Ok(this)
    }

    /// Origin, collection and partition.
    #[getter]
    fn _place(&self, py: Python<'_>) -> (Py<PyAny>, &str, &str) {
        (
            self.origin.clone_ref(py),
            &self.place.collection,
            &self.place.partition,
        )
    }

    /// The key; bytes that are no UTF-8 appear as surrogates.
    #[getter]
    fn key<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        partition::key_str(py, &self.key)
    }

    /// Identifies this version among those of its key, for `if_version=`. Grows with
    /// every write, and is another number in another generation of the file.
    #[getter]
    fn version(&self, py: Python<'_>) -> PyResult<u64> {
        match self.pinned {
            Some(version) => Ok(version),
            None => Ok(self.engine(py)?.version().into()),
        }
    }

    /// "arrays" or "value".
    #[getter]
    fn kind(&self, py: Python<'_>) -> PyResult<&'static str> {
        Ok(match self.engine(py)?.kind() {
            Kind::Value => "value",
            Kind::Arrays => "arrays",
        })
    }

    /// The bytes of a plain value, as a read-only memoryview of the file.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let bytes = Bound::new(py, Bytes(self.kept_value(py)?.clone()))?;
        Ok(PyMemoryView::from(bytes.as_any())?.into_any())
    }

    /// Bytes of the entry in the file, with what was changed of it since; those of chunks
    /// are told by their arrays.
    #[getter]
    fn nbytes_stored(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.engine(py)?.nbytes_stored())
    }

    /// Names of the arrays in the order written.
    fn _names<'py>(&self, py: Python<'py>) -> PyResult<Vec<&str>> {
        Ok(self.engine(py)?.names().collect())
    }

    fn _raw_attrs(&self, py: Python<'_>) -> PyResult<RawAttrs> {
        Ok(RawAttrs(self.read(py, arraylog::Entry::attrs)?))
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.engine(py)?.len())
    }

    /// All arrays, or those named, as ndarrays by name, in one call.
    #[pyo3(signature = (arrays=None, *, copy=false))]
    fn to_dict<'py>(
        &self,
        py: Python<'py>,
        arrays: Option<&Bound<'py, PyAny>>,
        copy: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let entry = self.engine(py)?;
        if entry.kind() == Kind::Value {
            // Says what the entry holds instead.
            entry.array("").or_raise(py)?;
        }
        let dict = PyDict::new(py);
        if let Some(names) = arrays {
            if names.is_instance_of::<PyString>() {
                return Err(PyTypeError::new_err(format!(
                    "`arrays` is a list of names: to_dict([{}])",
                    names.repr()?
                )));
            }
            for name in names.try_iter()? {
                let name = name?;
                let name = name.cast::<PyString>()?;
                let text = name.to_str()?;
                let array = self.read(py, |entry| entry.array(text))?;
                dict.set_item(
                    name,
                    ndarray::build(py, &elements::read(py, &array)?, copy)?,
                )?;
            }
            return Ok(dict);
        }
        for (position, name) in entry.names().enumerate() {
            let array = self.read(py, |entry| entry.array_at(position))?;
            dict.set_item(
                name,
                ndarray::build(py, &elements::read(py, &array)?, copy)?,
            )?;
        }
        Ok(dict)
    }
}
