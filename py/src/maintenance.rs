//! Where bytes go, compaction and backup.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use arraylog::{BackupOptions, CompactOptions, Keep, Store, VerifyOptions};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::errors::{self, OrRaise as _};
use crate::key;

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
    (dictionaries, level): (bool, Option<u32>),
    progress: Progress,
) -> PyResult<u64> {
    let done = py.detach(|| {
        let tell = |done, total| progress.tell(done, total);
        let options = CompactOptions::new().dictionaries(dictionaries);
        let mut options = options.progress(&tell);
        if let Some(seqno) = keep {
            options = options.keep(Keep::Since(seqno));
        }
        if let Some(level) = level {
            options = options.level(level);
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

/// The fields of `arraylog.Damage`.
pub(crate) type Damage<'py> = (
    u64,
    u64,
    String,
    bool,
    Option<String>,
    Option<String>,
    Option<Bound<'py, PyAny>>,
    Vec<String>,
    String,
);

pub(crate) fn damages<'py>(
    py: Python<'py>,
    damage: &[arraylog::Damage],
) -> PyResult<Vec<Damage<'py>>> {
    let fields = |damage: &arraylog::Damage| {
        let key = damage.key.as_deref().map(|key| key::to_str(py, key));
        Ok((
            damage.at,
            damage.end,
            damage.part.to_string(),
            damage.part.is_loss(),
            damage.collection.clone(),
            damage.partition.clone(),
            key.transpose()?,
            damage.arrays.clone(),
            damage.detail.clone(),
        ))
    };
    damage.iter().map(fields).collect()
}

/// Bytes, records, torn bytes, where they start, and what is damaged.
pub(crate) fn verify<'py>(
    py: Python<'py>,
    store: &Store,
    threads: Option<usize>,
    progress: Progress,
) -> PyResult<(u64, u64, u64, u64, Vec<Damage<'py>>)> {
    let done = py.detach(|| {
        let tell = |done, total| progress.tell(done, total);
        let mut options = VerifyOptions::new().progress(&tell);
        if let Some(threads) = threads {
            options = options.threads(threads);
        }
        store.verify(&options)
    });
    let found = progress.result(py, done)?;
    let damage = damages(py, &found.damage)?;
    Ok((
        found.bytes,
        found.records,
        found.torn_bytes,
        found.torn_at,
        damage,
    ))
}

/// Seqno, entries, partial entries and bytes of the copy, and what is damaged.
pub(crate) fn salvage<'py>(
    py: Python<'py>,
    store: &Store,
    target: &Path,
    replace: bool,
    progress: Progress,
) -> PyResult<(u64, u64, u64, u64, Vec<Damage<'py>>)> {
    let done = py.detach(|| {
        let tell = |done, total| progress.tell(done, total);
        let options = BackupOptions::new().replace(replace).progress(&tell);
        store.salvage(target, &options)
    });
    let done = progress.result(py, done)?;
    let damage = damages(py, &done.damage)?;
    Ok((
        done.seqno,
        done.entries,
        done.partial,
        done.file_bytes,
        damage,
    ))
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
