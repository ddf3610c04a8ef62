//! Where bytes go, compaction and backup.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use arraylog::{BackupOptions, CompactOptions, Keep, Store};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::errors::{self, OrRaise as _};

/// A Python function that is told how far work has come.
pub(crate) struct Progress {
    call: Option<Py<PyAny>>,
    /// What it raised, or a signal's handler: the work stops, and this goes on.
    raised: Mutex<Option<PyErr>>,
}

impl Progress {
    pub(crate) fn new(call: Option<Py<PyAny>>) -> Self {
        Self {
            call,
            raised: Mutex::default(),
        }
    }

    fn tell(&self, done: u64, total: u64) -> ControlFlow<()> {
        let told = Python::attach(|py| {
            py.check_signals()?;
            match &self.call {
                Some(call) => call.call1(py, (done, total)).map(drop),
                None => Ok(()),
            }
        });
        match told {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    /// The result of the work that this was told of.
    fn result<T>(self, py: Python<'_>, result: arraylog::Result<T>) -> PyResult<T> {
        match (result, self.raised.into_inner()) {
            (Err(arraylog::Error::Cancelled { .. }), Ok(Some(raised))) => Err(raised),
            (Err(error), _) => Err(errors::exception(py, &error)),
            (Ok(done), _) => Ok(done),
        }
    }
}

/// The bytes that the file is shorter.
pub(crate) fn compact(
    py: Python<'_>,
    store: &Store,
    keep: Option<u64>,
    throttle: Option<u64>,
    progress: Progress,
) -> PyResult<u64> {
    let done = py.detach(|| {
        let tell = |done, total| progress.tell(done, total);
        let mut options = CompactOptions::new().progress(&tell);
        if let Some(seqno) = keep {
            options = options.keep(Keep::Since(seqno));
        }
        if let Some(bytes) = throttle {
            options = options.throttle(bytes);
        }
        store.compact(&options)
    });
    Ok(progress.result(py, done)?.freed_bytes)
}

/// Seqno, entries and bytes of the copy.
pub(crate) fn backup(
    py: Python<'_>,
    store: &Store,
    target: &Path,
    replace: bool,
    throttle: Option<u64>,
    progress: Progress,
) -> PyResult<(u64, u64, u64)> {
    let done = py.detach(|| {
        let tell = |done, total| progress.tell(done, total);
        let mut options = BackupOptions::new().replace(replace).progress(&tell);
        if let Some(bytes) = throttle {
            options = options.throttle(bytes);
        }
        store.backup(target, &options)
    });
    let done = progress.result(py, done)?;
    Ok((done.seqno, done.entries, done.file_bytes))
}

/// The fields of `arraylog.Usage`, those of its partitions among them.
pub(crate) fn usage<'py>(
    py: Python<'py>,
    store: &Store,
    detailed: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let usage = py.detach(|| match detailed {
        true => store.detailed_usage(),
        false => store.usage(),
    });
    let usage = usage.or_raise(py)?;
    let partitions = PyList::empty(py);
    for partition in &usage.partitions {
        let fields = PyDict::new(py);
        fields.set_item("collection", &partition.collection)?;
        fields.set_item("partition", &partition.name)?;
        fields.set_item("entries", partition.entries)?;
        fields.set_item("live_bytes", partition.live_bytes)?;
        fields.set_item("index_bytes", partition.index_bytes)?;
        fields.set_item("segments", partition.segments)?;
        fields.set_item("dead_bytes", partition.dead_bytes)?;
        fields.set_item("probes", partition.probes)?;
        partitions.append(fields)?;
    }
    let fields = PyDict::new(py);
    fields.set_item("file_bytes", usage.file_bytes)?;
    fields.set_item("live_bytes", usage.live_bytes)?;
    fields.set_item("index_bytes", usage.index_bytes)?;
    fields.set_item("dead_bytes", usage.dead_bytes)?;
    fields.set_item("header_bytes", usage.header_bytes)?;
    fields.set_item("frame_bytes", usage.frame_bytes)?;
    fields.set_item("reclaimable_bytes", usage.reclaimable_bytes)?;
    fields.set_item("held_generations", usage.held_generations)?;
    fields.set_item("held_bytes", usage.held_bytes)?;
    fields.set_item("partitions", partitions)?;
    Ok(fields)
}
