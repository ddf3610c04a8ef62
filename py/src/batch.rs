//! Writes that commit together.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use pyo3::prelude::*;

use crate::entry::Entry;
use crate::errors::{self, OrRaise as _};
use crate::events;
use crate::input::{self, Frame, Source, Taken};
use crate::key::Key;
use crate::store::{self, Store};
use crate::stream;

/// The open batch; `None` after its end. Fillers share the lock, the end takes
/// it alone; it is waited for without the interpreter.
type Shared = Arc<RwLock<Option<arraylog::Batch>>>;

/// The handle behind `arraylog.Batch`.
#[pyclass(frozen, module = "arraylog._core")]
pub(crate) struct Batch {
    open: Shared,
    /// Set while the commit still runs without the interpreter, so that a
    /// signal cannot come between the commit and its number.
    seqno: OnceLock<u64>,
}

#[pymethods]
impl Batch {
    #[new]
    #[pyo3(signature = (store, durability=None))]
    fn new(py: Python<'_>, store: &Bound<'_, Store>, durability: Option<&str>) -> PyResult<Self> {
        let store = store.get();
        let mut batch = py.detach(|| store.engine.batch()).or_raise(py)?;
        if let Some(durability) = durability {
            batch.set_durability(store::parse_durability(durability)?);
        }
        Ok(Self {
            open: Arc::new(RwLock::new(Some(batch))),
            seqno: OnceLock::new(),
        })
    }

    /// Whether it was committed or given up.
    #[getter]
    fn ended(&self, py: Python<'_>) -> bool {
        py.detach(|| {
            self.open
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .is_none()
        })
    }

    /// Number of the commit; None before it.
    #[getter]
    fn seqno(&self) -> Option<u64> {
        self.seqno.get().copied()
    }

    /// Commits.
    fn commit(&self, py: Python<'_>) -> PyResult<()> {
        let committed = py.detach(|| {
            let batch = self
                .open
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            batch.map(|batch| {
                let seqno = batch.commit()?;
                Ok(*self.seqno.get_or_init(|| seqno))
            })
        });
        events::deliver(py);
        match committed {
            Some(committed) => committed.or_raise(py).map(|_| ()),
            None => Err(ended(py)),
        }
    }

    /// Gives everything up. Idempotent.
    fn abandon(&self, py: Python<'_>) {
        py.detach(|| {
            drop(
                self.open
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(),
            )
        });
    }
}

fn ended(py: Python<'_>) -> PyErr {
    errors::named(
        py,
        "ClosedError",
        "the batch has ended; store.batch() begins another",
    )
}

/// The part of `arraylog.BatchPartition` that writes.
#[pyclass(frozen, subclass, module = "arraylog._core")]
pub(crate) struct BatchPartition {
    batch: Shared,
    collection: String,
    partition: String,
}

impl BatchPartition {
    pub(crate) fn change<T: Send>(
        &self,
        py: Python<'_>,
        change: impl FnOnce(arraylog::BatchPartition<'_>) -> arraylog::Result<T> + Send,
    ) -> PyResult<T> {
        self.with(py, |batch| {
            batch
                .partition(&self.collection, &self.partition)
                .and_then(change)
        })
    }

    /// Does something with the batch, unless it has ended.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        action: impl FnOnce(&arraylog::Batch) -> arraylog::Result<T> + Send,
    ) -> PyResult<T> {
        let done = py.detach(|| {
            let batch = self.batch.read().unwrap_or_else(PoisonError::into_inner);
            batch.as_ref().map(action)
        });
        match done {
            Some(done) => done.or_raise(py),
            None => Err(ended(py)),
        }
    }
}

#[pymethods]
impl BatchPartition {
    #[new]
    fn new(
        py: Python<'_>,
        batch: &Bound<'_, Batch>,
        collection: String,
        partition: String,
    ) -> PyResult<Self> {
        let this = Self {
            batch: batch.get().open.clone(),
            collection,
            partition,
        };
        // Names that cannot be stored are refused here, not at the first write.
        this.change(py, |_| Ok(()))?;
        Ok(this)
    }

    /// Name of the collection.
    #[getter]
    fn collection(&self) -> &str {
        &self.collection
    }

    /// Name of the partition.
    #[getter]
    fn name(&self) -> &str {
        &self.partition
    }

    /// Stores an entry of arrays at the commit; replaces the whole entry.
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

    /// Stores a plain value at the commit; replaces the whole entry.
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
                // Not with the batch in hand: the source may write to it as well.
                let spool = self.with(py, arraylog::Batch::spool)?;
                let spool = stream::gather(py, &file, spool)?;
                self.change(py, |partition| {
                    partition.put_spool_if(&key, spool, condition)
                })
                .map(|_| ())
            }
        }
    }

    /// Removes an entry at the commit; False if it is absent from the store
    /// with the batch laid over it.
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

    /// Gives an entry another key at the commit.
    #[pyo3(signature = (key, new, *, overwrite=false))]
    fn rename(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
        overwrite: bool,
    ) -> PyResult<()> {
        let (key, new) = (Key::of(key)?, Key::of(new)?);
        self.change(py, |partition| partition.rename(&key, &new, overwrite))
    }

    /// Copies an entry of any store to `key`.
    fn _copy(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        entry: &Bound<'_, Entry>,
    ) -> PyResult<()> {
        let key = Key::of(key)?;
        let entry = entry.get().engine(py)?;
        self.change(py, |partition| partition.copy(&key, entry))
    }
}
