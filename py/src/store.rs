//! An open store.

use std::path::PathBuf;

use arraylog::{Advice, Attrs, Chunking, Durability, Mode, OpenOptions, PartitionOptions, Verify};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3::types::{IntoPyDict as _, PyBytes, PyDict};

use crate::attrs::{self, RawAttrs};
use crate::buffer;
use crate::errors::OrRaise as _;
use crate::events;
use crate::maintenance::{self, Damage, Progress};

/// What opening found.
type Recovery<'py> = (u64, u64, bool, u64, u64, u64, Vec<String>, Vec<Damage<'py>>);

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
    /// Opens a file, or memory for ":memory:"; a file as it was `at` a commit. `upkeep` is
    /// the replay bound and, as a share and bytes, when it is compacted.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "one for each option of `open`")]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        mode: &str,
        durability: &str,
        verify: &str,
        io: &str,
        chunk_cache: u64,
        lock_follow_scan: (bool, bool, bool),
        upkeep: (Option<u64>, Option<(f64, u64)>),
        at: Option<u64>,
    ) -> PyResult<Self> {
        let (lock, follow, scan) = lock_follow_scan;
        // A lookup that follows may have to take in much, or wait for a thread that does.
        let slow_reads = io == "read" || verify == "always" || follow;
        let mut options = OpenOptions::new()
            .mode(parse_mode(mode)?)
            .durability(parse_durability(durability)?)
            .verify(parse_verify(verify)?)
            .lock(lock)
            .chunk_cache(chunk_cache)
            .follow(follow)
            .scan(scan);
        if let Some(seqno) = at {
            options = options.at(seqno);
        }
        let (replay_bound, compact_when) = upkeep;
        if let Some(records) = replay_bound {
            options = options.replay_bound(records);
        }
        if let Some((dead_share, least_bytes)) = compact_when {
            options = options.compact_when(dead_share, least_bytes);
        }
        let engine = py.detach(|| {
            if path.as_os_str() == ":memory:" {
                options.memory()
            } else if io == "read" {
                options.open(&path)
            } else {
                buffer::open_mapped(&options, &path)
            }
        });
        events::deliver(py);
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

    /// What opening found: commits, records, clean, torn bytes, where they start, the
    /// checkpoint, why others were passed over, what is damaged.
    #[getter]
    fn recovery<'py>(&self, py: Python<'py>) -> PyResult<Recovery<'py>> {
        let found = self.engine.recovery();
        Ok((
            found.commits,
            found.records,
            found.clean,
            found.torn_bytes,
            found.torn_at,
            found.checkpoint,
            found.passed_over.clone(),
            maintenance::damages(py, &found.damage)?,
        ))
    }

    /// What holds of a damaged file.
    #[staticmethod]
    fn degraded(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let engine = py.detach(|| OpenOptions::new().open_degraded(&path));
        events::deliver(py);
        Ok(Self {
            engine: engine.or_raise(py)?,
            slow_reads: true,
        })
    }

    /// Compares everything with its sums; bytes, records, torn bytes, where they start, and
    /// what is damaged.
    fn verify<'py>(
        &self,
        py: Python<'py>,
        threads: Option<usize>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(u64, u64, u64, u64, Vec<Damage<'py>>)> {
        maintenance::verify(py, &self.engine, threads, Progress::new(progress))
    }

    /// Writes what holds to a new store; its seqno, entries, partial ones, bytes, and what is
    /// damaged.
    fn salvage<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        replace: bool,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(u64, u64, u64, u64, Vec<Damage<'py>>)> {
        maintenance::salvage(py, &self.engine, &path, replace, Progress::new(progress))
    }

    /// The store as it is now, whatever is written since.
    fn snapshot(&self, py: Python<'_>) -> PyResult<Self> {
        let snapshot = py.detach(|| self.engine.snapshot()).or_raise(py)?;
        Ok(self.fixed(&snapshot))
    }

    /// The store as it was after a commit.
    fn at(&self, py: Python<'_>, seqno: u64) -> PyResult<Self> {
        let snapshot = py.detach(|| self.engine.at(seqno)).or_raise(py)?;
        Ok(self.fixed(&snapshot))
    }

    /// Saves the index in the file; whether there was something to save.
    fn checkpoint(&self, py: Python<'_>) -> PyResult<bool> {
        py.detach(|| self.engine.checkpoint()).or_raise(py)
    }

    fn collections(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        py.detach(|| self.engine.collections()).or_raise(py)
    }

    fn partitions(&self, py: Python<'_>, collection: &str) -> PyResult<Vec<String>> {
        py.detach(|| self.engine.partitions(collection))
            .or_raise(py)
    }

    fn has_collection(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        self.engine.has_collection(name).or_raise(py)
    }

    fn has_partition(&self, py: Python<'_>, collection: &str, name: &str) -> PyResult<bool> {
        self.engine.has_partition(collection, name).or_raise(py)
    }

    /// Makes the partition of a collection; `names` are both, `arrays` codec and chunks.
    fn create_partition(
        &self,
        py: Python<'_>,
        names: (String, String),
        arrays: (Option<String>, Option<Bound<'_, PyAny>>),
        align: Option<u64>,
        attrs: Option<&Bound<'_, PyAny>>,
        exist_ok: bool,
    ) -> PyResult<()> {
        let mut options = PartitionOptions::new().exist_ok(exist_ok);
        let (codec, chunks) = arrays;
        if let Some(codec) = codec {
            options = options.codec(codec);
        }
        if let Some(chunks) = chunks {
            options = options.chunks(match chunks.is_instance_of::<PyString>() {
                true => Chunking::Auto,
                false => Chunking::Shape(chunks.extract()?),
            });
        }
        if let Some(align) = align {
            options = options.align(align);
        }
        if let Some(attrs) = attrs {
            options = options.attrs(attrs::from_mapping(attrs, "attrs")?);
        }
        let create = || self.engine.create_partition(&names.0, &names.1, &options);
        py.detach(create).or_raise(py).map(drop)
    }

    /// Drops a partition, or all of a collection; False if it was not there.
    fn drop(&self, py: Python<'_>, collection: &str, partition: Option<&str>) -> PyResult<bool> {
        py.detach(|| match partition {
            Some(partition) => self.engine.drop_partition(collection, partition),
            None => self.engine.drop_collection(collection),
        })
        .or_raise(py)
    }

    fn rename_partition(
        &self,
        py: Python<'_>,
        collection: &str,
        partition: &str,
        new_collection: &str,
        new_partition: &str,
    ) -> PyResult<()> {
        let store = &self.engine;
        py.detach(|| store.rename_partition(collection, partition, new_collection, new_partition))
            .or_raise(py)
    }

    fn rename_collection(&self, py: Python<'_>, collection: &str, new: &str) -> PyResult<()> {
        py.detach(|| self.engine.rename_collection(collection, new))
            .or_raise(py)
    }

    /// Attributes of the store, a collection, or a partition, as they are now.
    fn attrs(
        &self,
        py: Python<'_>,
        collection: Option<&str>,
        partition: Option<&str>,
    ) -> PyResult<RawAttrs> {
        let found = py.detach(|| match (collection, partition) {
            (None, _) => self.engine.attrs(),
            (Some(collection), None) => self.engine.collection_attrs(collection),
            (Some(collection), Some(partition)) => {
                // None of a partition that is not there, whose error would cost a walk.
                if !self.engine.has_partition(collection, partition)? {
                    return Ok(Attrs::new());
                }
                match self.engine.existing_partition(collection, partition) {
                    Err(arraylog::Error::NotFound { .. }) => Ok(Attrs::new()),
                    found => found?.attrs(),
                }
            }
        });
        Ok(RawAttrs(found.or_raise(py)?))
    }

    /// Sets those of `values`, in one commit; with `clear` it takes away the others.
    fn update_attrs(
        &self,
        py: Python<'_>,
        collection: Option<&str>,
        partition: Option<&str>,
        values: &Bound<'_, PyAny>,
        clear: bool,
    ) -> PyResult<()> {
        let values = attrs::from_mapping(values, "attrs")?;
        self.change_attrs(py, collection, partition, |attrs| {
            if clear {
                *attrs = Attrs::new();
            }
            for (name, value) in values.iter() {
                attrs.set(name, value.clone());
            }
        })
    }

    /// Takes one away; its value, KeyError if it was not there.
    fn remove_attr(
        &self,
        py: Python<'_>,
        collection: Option<&str>,
        partition: Option<&str>,
        name: &str,
    ) -> PyResult<Py<PyAny>> {
        // Looked up first: what takes nothing away must not make a partition.
        if self.attrs(py, collection, partition)?.0.get(name).is_none() {
            return Err(PyKeyError::new_err(name.to_owned()));
        }
        let mut removed = None;
        self.change_attrs(py, collection, partition, |attrs| {
            removed = attrs.remove(name);
        })?;
        match removed {
            Some(value) => attrs::to_py(py, &value),
            None => Err(PyKeyError::new_err(name.to_owned())),
        }
    }

    /// What was done since it was opened, by name.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = py.detach(|| self.engine.counters());
        [
            ("commits", found.commits),
            ("operations", found.operations),
            ("bytes_written", found.bytes_written),
            ("syncs", found.syncs),
            ("checkpoints", found.checkpoints),
            ("index_bytes_written", found.index_bytes_written),
            ("records_compared", found.records_compared),
            ("blocks_compared", found.blocks_compared),
            ("refreshes", found.refreshes),
            ("records_followed", found.records_followed),
            ("segments", found.segments),
        ]
        .into_py_dict(py)
    }

    /// How the file will be read.
    fn advise(&self, py: Python<'_>, advice: &str) -> PyResult<()> {
        let advice = match advice {
            "normal" => Advice::Normal,
            "random" => Advice::Random,
            "sequential" => Advice::Sequential,
            "willneed" => Advice::WillNeed,
            _ => return Err(unknown("advice", advice)),
        };
        py.detach(|| self.engine.advise(advice)).or_raise(py)
    }

    /// Where the bytes go, as the fields of `arraylog.Usage`.
    fn usage<'py>(&self, py: Python<'py>, detailed: bool) -> PyResult<Bound<'py, PyDict>> {
        maintenance::usage(py, &self.engine, detailed)
    }

    /// Compacts; the bytes that the file is shorter.
    fn compact(
        &self,
        py: Python<'_>,
        keep: Option<u64>,
        throttle: Option<u64>,
        dictionaries: bool,
        level: Option<u32>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<u64> {
        let progress = Progress::new(progress);
        let sharing = (dictionaries, level);
        maintenance::compact(py, &self.engine, keep, throttle, sharing, progress)
    }

    /// Writes a copy; its seqno, entries and bytes.
    fn backup(
        &self,
        py: Python<'_>,
        path: PathBuf,
        replace: bool,
        throttle: Option<u64>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(u64, u64, u64)> {
        let progress = Progress::new(progress);
        maintenance::backup(py, &self.engine, &path, replace, throttle, progress)
    }

    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        let done = py.detach(|| self.engine.sync());
        events::deliver(py);
        done.or_raise(py)
    }

    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        let done = py.detach(|| self.engine.refresh());
        events::deliver(py);
        done.or_raise(py)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let done = py.detach(|| self.engine.close());
        events::deliver(py);
        done.or_raise(py)
    }
}

impl Store {
    fn fixed(&self, snapshot: &arraylog::Snapshot) -> Self {
        Self {
            engine: arraylog::Store::clone(snapshot),
            slow_reads: self.slow_reads,
        }
    }

    fn change_attrs(
        &self,
        py: Python<'_>,
        collection: Option<&str>,
        partition: Option<&str>,
        change: impl FnOnce(&mut Attrs) + Send,
    ) -> PyResult<()> {
        let store = &self.engine;
        py.detach(|| match (collection, partition) {
            (None, _) => store.update_attrs(change),
            (Some(collection), None) => store.update_collection_attrs(collection, change),
            (Some(collection), Some(partition)) => {
                store.partition(collection, partition)?.update_attrs(change)
            }
        })
        .or_raise(py)
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
