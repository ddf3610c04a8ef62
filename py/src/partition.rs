//! A mapping of keys to entries.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyList, PyMemoryView, PyString};

use crate::buffer::Bytes;
use crate::column;
use crate::elements;
use crate::entry::Entry;
use crate::errors::OrRaise as _;
use crate::events;
use crate::input::{self, Frame, Source, Taken};
use crate::key::{self, Key};
use crate::many;
use crate::ndarray;
use crate::store::Store;
use crate::stream::{self, ValueReader};

/// Keys between two looks at pending signals: `list(part)` is one C loop.
const KEYS_PER_SIGNAL_CHECK: u32 = 1024;

/// Which partition of which store.
pub(crate) struct Place {
    pub(crate) collection: String,
    pub(crate) partition: String,
}

/// Whether an argument was given; `None` is a default like any other.
pub(crate) enum Default<'py> {
    Missing,
    Given(Bound<'py, PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for Default<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self::Given(object.to_owned()))
    }
}

/// The part of `arraylog.Partition` that reads and writes.
#[pyclass(frozen, subclass, weakref, module = "arraylog._core")]
pub(crate) struct Partition {
    /// Set by the first use: an unpickled handle opens its file only then.
    opened: OnceLock<Opened>,
    /// The `arraylog.Store`, which a partition keeps open.
    pub(crate) owner: Py<PyAny>,
    /// Whether the first write makes it.
    create: bool,
    pub(crate) place: Arc<Place>,
}

struct Opened {
    engine: arraylog::Partition,
    slow_reads: bool,
    /// Whether the last value read was of [`LARGE`] bytes or more.
    large_reads: AtomicBool,
}

impl Opened {
    /// Whether other Python threads should run during a read. A small mapped
    /// one costs a fraction of what it costs to let them in, and the size is
    /// known only afterwards; the values of a partition tend to be alike, so
    /// the last one tells.
    fn detaches(&self) -> bool {
        self.slow_reads || self.large_reads.load(Ordering::Relaxed)
    }

    fn note_size(&self, bytes: usize) {
        let is_large = bytes >= LARGE;
        // Mostly unchanged, and then not written to: the line stays shared.
        if self.large_reads.load(Ordering::Relaxed) != is_large {
            self.large_reads.store(is_large, Ordering::Relaxed);
        }
    }
}

/// From here on, first checksums and page faults outweigh a change of threads.
pub(crate) const LARGE: usize = 1 << 20;

impl Partition {
    #[inline]
    fn opened(&self, py: Python<'_>) -> PyResult<&Opened> {
        match self.opened.get() {
            Some(opened) => Ok(opened),
            None => self.open(py),
        }
    }

    #[cold]
    fn open(&self, py: Python<'_>) -> PyResult<&Opened> {
        let handle = self.owner.bind(py).getattr("_handle")?;
        let store = handle.cast::<Store>()?.get();
        let Place {
            collection,
            partition,
            ..
        } = &*self.place;
        let engine = py.detach(|| {
            if self.create {
                store.engine.partition(collection, partition)
            } else {
                store.engine.existing_partition(collection, partition)
            }
        });
        let opened = Opened {
            engine: engine.or_raise(py)?,
            slow_reads: store.slow_reads,
            large_reads: AtomicBool::new(false),
        };
        Ok(self.opened.get_or_init(|| opened))
    }

    /// Runs a read, letting other Python threads in if it is worth it.
    #[inline]
    pub(crate) fn read<T: Send>(
        &self,
        py: Python<'_>,
        read: impl FnOnce(&arraylog::Partition) -> arraylog::Result<T> + Send,
    ) -> PyResult<T> {
        let opened = self.opened(py)?;
        if opened.detaches() {
            return self.change(py, read);
        }
        read(&opened.engine).or_raise(py)
    }

    /// Runs what may wait, for the disk or for another writer.
    #[inline(never)]
    pub(crate) fn change<T: Send>(
        &self,
        py: Python<'_>,
        change: impl FnOnce(&arraylog::Partition) -> arraylog::Result<T> + Send,
    ) -> PyResult<T> {
        let opened = self.opened(py)?;
        let changed = py.detach(|| change(&opened.engine));
        events::deliver(py);
        changed.or_raise(py)
    }

    /// Runs a read, letting other Python threads in if it is `work`.
    pub(crate) fn read_work<T: Send>(
        &self,
        py: Python<'_>,
        work: bool,
        read: impl FnOnce(&arraylog::Partition) -> arraylog::Result<T> + Send,
    ) -> PyResult<T> {
        if work {
            self.change(py, read)
        } else {
            self.read(py, read)
        }
    }

    /// The partition that a copy goes to.
    fn or_other<'a>(
        &'a self,
        py: Python<'_>,
        to: Option<&'a Bound<'_, Self>>,
    ) -> PyResult<&'a arraylog::Partition> {
        let target = to.map_or(self, |to| to.get());
        Ok(&target.opened(py)?.engine)
    }

    /// The entry of `key`, KeyError if there is none.
    pub(crate) fn entry(&self, py: Python<'_>, key: &[u8]) -> PyResult<arraylog::Entry> {
        match self.read(py, |partition| partition.entry(key))? {
            Some(entry) => Ok(entry),
            None => Err(self.missing(py, key)),
        }
    }

    #[cold]
    fn missing(&self, py: Python<'_>, key: &[u8]) -> PyErr {
        let name = String::from_utf8_lossy(key).into_owned();
        crate::errors::exception(
            py,
            &arraylog::Error::NotFound {
                what: arraylog::What::Key,
                name,
                hint: None,
            },
        )
    }
}

#[pymethods]
impl Partition {
    /// `owner` is the `arraylog.Store`; nothing is opened yet.
    #[new]
    fn new(owner: &Bound<'_, PyAny>, collection: String, partition: String, create: bool) -> Self {
        let place = Arc::new(Place {
            collection,
            partition,
        });
        Self {
            opened: OnceLock::new(),
            owner: owner.clone().unbind(),
            create,
            place,
        }
    }

    /// Opens it if it was not; KeyError if it has to exist and does not.
    fn _open(&self, py: Python<'_>) -> PyResult<()> {
        self.opened(py).map(|_| ())
    }

    #[getter]
    fn _owner(&self, py: Python<'_>) -> Py<PyAny> {
        self.owner.clone_ref(py)
    }

    /// Name of the collection.
    #[getter]
    fn collection(&self) -> &str {
        &self.place.collection
    }

    /// Name of the partition.
    #[getter]
    fn name(&self) -> &str {
        &self.place.partition
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(usize::try_from(self.read(py, arraylog::Partition::len)?)?)
    }

    fn __contains__(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let key = Key::of(key)?;
        self.read(py, |partition| partition.contains(&key))
    }

    /// Keys in the order of their latest whole write, as of this call.
    fn __iter__(&self, py: Python<'_>) -> PyResult<KeyIterator> {
        let keys = self.change(py, arraylog::Partition::keys)?;
        Ok(KeyIterator(Mutex::new(Cursor {
            keys,
            until_check: KEYS_PER_SIGNAL_CHECK,
        })))
    }

    /// The plain value of `key`, as a read-only memoryview of the file.
    #[pyo3(signature = (key, default=Default::Missing), text_signature = "(self, key, default=...)")]
    fn value<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        default: Default<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let key = Key::of(key)?;
        match (self.read(py, |partition| partition.get(&key))?, default) {
            (Some(value), _) => {
                self.opened(py)?.note_size(value.len());
                let bytes = Bound::new(py, Bytes(value))?;
                Ok(PyMemoryView::from(bytes.as_any())?.into_any())
            }
            (None, Default::Given(default)) => Ok(default),
            (None, Default::Missing) => Err(self.missing(py, key.as_ref())),
        }
    }

    /// One array of one entry as an ndarray, without a copy where the bytes allow it.
    #[pyo3(signature = (key, name="", *, copy=false))]
    fn array<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        name: &str,
        copy: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let key = Key::of(key)?;
        let found = self.read(py, |partition| {
            let array = partition.array(&key, name)?;
            if elements::is_work(&array) {
                return Ok(Err(Box::new(array)));
            }
            array.into_elements().map(Ok)
        })?;
        let elements = match found {
            Ok(elements) => elements,
            Err(array) => elements::read(py, &array)?,
        };
        ndarray::build(py, &elements, copy)
    }

    /// Stores an entry of arrays; replaces the whole entry.
    #[pyo3(signature = (key, arrays, *, attrs=None, if_absent=false, if_version=None))]
    fn write(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        arrays: &Bound<'_, PyAny>,
        attrs: Option<&Bound<'_, PyAny>>,
        if_absent: bool,
        if_version: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let condition = input::condition(if_absent, if_version)?;
        let key = Key::of(key)?;
        let mut frame = Frame::new(arrays, attrs)?;
        let Taken { arrays, attrs } = frame.take()?;
        self.change(py, |partition| {
            partition.write_if(&key, &arrays, attrs, condition)
        })
    }

    /// Stores a plain value; replaces the whole entry.
    #[pyo3(signature = (key, data, *, if_absent=false, if_version=None))]
    fn put(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        data: &Bound<'_, PyAny>,
        if_absent: bool,
        if_version: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let condition = input::condition(if_absent, if_version)?;
        let key = Key::of(key)?;
        match input::value(data)? {
            Source::Bytes(data) => {
                let data = data.bytes();
                self.change(py, |partition| partition.put_if(&key, data, condition))
            }
            Source::File(file) => {
                let spool = self.change(py, |partition| partition.store().spool())?;
                let spool = stream::gather(py, &file, spool)?;
                self.change(py, |partition| {
                    partition.put_spool_if(&key, spool, condition)
                })
                .map(|_| ())
            }
        }
    }

    /// The plain value of `key`, to read as a stream.
    fn _open_value(&self, py: Python<'_>, key: &Bound<'_, PyAny>) -> PyResult<ValueReader> {
        let key = Key::of(key)?;
        match self.change(py, |partition| partition.open_value(&key))? {
            Some(reader) => Ok(ValueReader::new(reader)),
            None => Err(self.missing(py, key.as_ref())),
        }
    }

    /// Removes an entry; False if it was not there.
    #[pyo3(signature = (key, *, if_version=None))]
    fn remove(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        if_version: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let condition = input::condition(false, if_version)?;
        let key = Key::of(key)?;
        self.change(py, |partition| partition.remove_if(&key, condition))
    }

    /// Removes the entries of many keys in one commit; how many there were.
    fn remove_many(&self, py: Python<'_>, keys: &Bound<'_, PyAny>) -> PyResult<u64> {
        let objects = many::keys(keys)?;
        let keys: Vec<Key<'_>> = objects.iter().map(Key::of).collect::<PyResult<_>>()?;
        self.change(py, |partition| partition.remove_many(&keys))
    }

    /// Has the system read the records of `keys`, or of all keys, before they are asked for.
    #[pyo3(signature = (keys=None))]
    fn prefetch(&self, py: Python<'_>, keys: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let Some(keys) = keys else {
            return self.change(py, arraylog::Partition::will_need);
        };
        let objects = many::keys(keys)?;
        let keys: Vec<Key<'_>> = objects.iter().map(Key::of).collect::<PyResult<_>>()?;
        self.change(py, |partition| partition.prefetch(&keys))
    }

    /// Copies an entry to the key `new`, here or of another partition or store.
    #[pyo3(signature = (key, new, *, to=None, overwrite=false))]
    fn copy(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
        to: Option<&Bound<'_, Self>>,
        overwrite: bool,
    ) -> PyResult<()> {
        let (key, new) = (Key::of(key)?, Key::of(new)?);
        let target = self.or_other(py, to)?;
        self.change(py, |partition| {
            partition.copy(&key, target, &new, overwrite)
        })
    }

    /// Gives an entry another key, here or in another partition or store, and the last
    /// place in the order.
    #[pyo3(signature = (key, new, *, to=None, overwrite=false))]
    fn rename(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
        to: Option<&Bound<'_, Self>>,
        overwrite: bool,
    ) -> PyResult<()> {
        let (key, new) = (Key::of(key)?, Key::of(new)?);
        let target = self.or_other(py, to)?;
        self.change(py, |partition| {
            partition.rename_to(&key, target, &new, overwrite)
        })
    }

    /// What many keys hold, in their order: objects of `entry` (the class), or arrays.
    #[pyo3(signature = (keys, arrays, entry, default=Default::Missing), text_signature = "(self, keys, arrays, entry, default=...)")]
    fn _get_many<'py>(
        slf: &Bound<'py, Self>,
        keys: &Bound<'py, PyAny>,
        arrays: &Bound<'py, PyAny>,
        entry: &Bound<'py, PyAny>,
        default: Default<'py>,
    ) -> PyResult<Bound<'py, PyList>> {
        many::get(slf, keys, arrays, entry, default)
    }

    /// One attribute of all entries, or of those of `keys`, as one array.
    #[pyo3(signature = (name, *, keys=None, objects=false))]
    fn attr_column<'py>(
        slf: &Bound<'py, Self>,
        name: &str,
        keys: Option<&Bound<'py, PyAny>>,
        objects: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        column::get(slf, name, keys, objects)
    }

    /// The versions of a key, newest first, each with an object of `entry` (the class),
    /// or None where it was removed; at most so many.
    fn _history<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        entry: &Bound<'py, PyAny>,
        limit: usize,
    ) -> PyResult<Vec<many::Versioned<'py>>> {
        many::history(slf, key, entry, limit)
    }

    /// Removes every entry in one commit.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.change(py, arraylog::Partition::clear).map(|_| ())
    }

    /// Copies an entry of any store to `key`, in a commit of its own.
    #[pyo3(signature = (key, entry, *, if_absent=false))]
    fn _copy(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        entry: &Bound<'_, Entry>,
        if_absent: bool,
    ) -> PyResult<()> {
        let key = Key::of(key)?;
        let entry = entry.get().engine(py)?;
        let condition = input::condition(if_absent, None)?;
        self.change(py, |target| target.write_entry(&key, entry, condition))
    }
}

/// Iterator over the keys of a partition, fixed when it was made.
#[pyclass(frozen, module = "arraylog._core")]
pub(crate) struct KeyIterator(Mutex<Cursor>);

struct Cursor {
    keys: arraylog::Keys,
    until_check: u32,
}

#[pymethods]
impl KeyIterator {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut cursor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cursor.until_check -= 1;
        if cursor.until_check == 0 {
            cursor.until_check = KEYS_PER_SIGNAL_CHECK;
            py.check_signals()?;
        }
        match cursor.keys.next() {
            Some(key) => key::to_str(py, &key.or_raise(py)?).map(Some),
            None => Ok(None),
        }
    }
}

/// A `str` or `bytes` key as `str`, for messages and pickles.
pub(crate) fn key_str<'py>(py: Python<'py>, key: &[u8]) -> PyResult<Bound<'py, PyString>> {
    Ok(key::to_str(py, key)?.cast_into()?)
}
