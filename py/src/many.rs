//! Many keys, and many versions, in one call.

use arraylog::{Elements, What};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::elements;
use crate::errors::{self, OrRaise as _};
use crate::key::Key;
use crate::ndarray;
use crate::partition::{Default, Partition};

/// From so many keys on other Python threads run meanwhile: the lookups then take
/// longer than a change of threads.
const MANY: usize = 1024;

/// An entry that a Python object is made for, in place of a lookup.
#[pyclass(frozen, module = "arraylog._core")]
pub(crate) struct Found(pub(crate) arraylog::Entry);

/// What `get_many` gives of each entry.
enum Wanted<'py> {
    /// The entry.
    Entries,
    /// One array.
    One(Bound<'py, PyString>),
    /// Arrays by name.
    Named(Vec<Bound<'py, PyString>>),
}

impl<'py> Wanted<'py> {
    fn of(arrays: &Bound<'py, PyAny>) -> PyResult<Self> {
        if arrays.is_none() {
            return Ok(Self::Entries);
        }
        if let Ok(name) = arrays.cast::<PyString>() {
            return Ok(Self::One(name.clone()));
        }
        if !arrays.is_instance_of::<PyList>() && !arrays.is_instance_of::<PyTuple>() {
            return Err(PyTypeError::new_err(format!(
                "`arrays` is None, a name, or a list or tuple of names, not {}",
                arrays.get_type().name()?
            )));
        }
        let names = arrays.try_iter()?.map(|name| {
            let name = name?;
            name.cast_into::<PyString>().map_err(|error| {
                let found = error.into_inner().get_type().name();
                let found = found.map_or_else(|_| "?".to_owned(), |name| name.to_string());
                PyTypeError::new_err(format!("the name of an array is a str, not {found}"))
            })
        });
        Ok(Self::Named(names.collect::<PyResult<_>>()?))
    }
}

/// The keys that an iterable gives.
pub(crate) fn keys<'py>(keys: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let is_one = keys.is_instance_of::<PyString>()
        || keys.is_instance_of::<PyBytes>()
        || keys.is_instance_of::<PyByteArray>();
    if is_one {
        return Err(PyTypeError::new_err(format!(
            "`keys` is an iterable of keys, not one key: [{}]",
            keys.repr()?
        )));
    }
    keys.try_iter()?.collect()
}

/// `get_many` of a partition.
pub(crate) fn get<'py>(
    partition: &Bound<'py, Partition>,
    keys: &Bound<'py, PyAny>,
    arrays: &Bound<'py, PyAny>,
    class: &Bound<'py, PyAny>,
    default: Default<'py>,
) -> PyResult<Bound<'py, PyList>> {
    let py = partition.py();
    let wanted = Wanted::of(arrays)?;
    let objects = self::keys(keys)?;
    let keys: Vec<Key<'_>> = objects.iter().map(Key::of).collect::<PyResult<_>>()?;
    let this = partition.get();
    let many = keys.len() >= MANY;
    match wanted {
        Wanted::Entries => {
            let found = this.read_work(py, many, |engine| engine.entry_many(&keys))?;
            let make = |(entry, key): (arraylog::Entry, &Bound<'py, PyAny>)| {
                class.call1((partition, key, py.None(), Found(entry)))
            };
            let found = found.into_iter().zip(&objects);
            let found = found.map(|(entry, key)| entry.map(|entry| (entry, key)));
            list(py, found.collect(), &keys, default, make)
        }
        Wanted::One(name) => {
            let text = name.to_str()?;
            let found = this
                .read_work(py, many, |engine| engine.array_many(&keys, text))
                .map_err(|error| at_key(py, this, error, &keys, &[text]))?;
            if many || found.iter().flatten().any(elements::is_work) {
                let found = this.read_work(py, true, |_| {
                    let read = |array: Option<arraylog::Array>| {
                        array.map(arraylog::Array::into_elements).transpose()
                    };
                    let read = found.into_iter().map(read);
                    read.collect::<arraylog::Result<Vec<_>>>()
                })?;
                let make = |elements: Elements| ndarray::build(py, &elements, false);
                return list(py, found, &keys, default, make);
            }
            let make = |array: arraylog::Array| {
                let elements = array.into_elements().or_raise(py)?;
                ndarray::build(py, &elements, false)
            };
            list(py, found, &keys, default, make)
        }
        Wanted::Named(names) => {
            let texts: Vec<&str> = names
                .iter()
                .map(|name| name.to_str())
                .collect::<PyResult<_>>()?;
            let read = |engine: &arraylog::Partition| {
                let arrays = |entry: arraylog::Entry| {
                    let arrays = texts.iter().map(|name| entry.array(name));
                    arrays.collect::<arraylog::Result<Vec<_>>>()
                };
                let entries = engine.entry_many(&keys)?.into_iter();
                entries.map(|entry| entry.map(arrays).transpose()).collect()
            };
            let found: Vec<Option<Vec<arraylog::Array>>> = this
                .read_work(py, many, read)
                .map_err(|error| at_key(py, this, error, &keys, &texts))?;
            let work = many || found.iter().flatten().flatten().any(elements::is_work);
            let read_all = |arrays: Vec<arraylog::Array>| {
                let read = arrays.into_iter().map(arraylog::Array::into_elements);
                read.collect::<arraylog::Result<Vec<_>>>()
            };
            let found = this.read_work(py, work, |_| {
                let found = found.into_iter();
                let read = found.map(|arrays| arrays.map(read_all).transpose());
                read.collect::<arraylog::Result<Vec<_>>>()
            })?;
            let make = |arrays: Vec<Elements>| {
                let dict = PyDict::new(py);
                for (name, array) in names.iter().zip(&arrays) {
                    dict.set_item(name, ndarray::build(py, array, false)?)?;
                }
                Ok(dict.into_any())
            };
            list(py, found, &keys, default, make)
        }
    }
}

/// What was found as a list, with the default for what was not.
fn list<'py, T>(
    py: Python<'py>,
    found: Vec<Option<T>>,
    keys: &[Key<'_>],
    default: Default<'py>,
    make: impl Fn(T) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    let default = match default {
        Default::Given(default) => Some(default),
        Default::Missing => None,
    };
    if default.is_none() {
        check_present(py, &found, keys)?;
    }
    let list = PyList::empty(py);
    for found in found {
        match (found, &default) {
            (Some(found), _) => list.append(make(found)?)?,
            (None, Some(default)) => list.append(default)?,
            (None, None) => {}
        }
    }
    Ok(list)
}

/// KeyError with the first key that was not found, and how many were not.
pub(crate) fn check_present<T>(
    py: Python<'_>,
    found: &[Option<T>],
    keys: &[Key<'_>],
) -> PyResult<()> {
    let Some(first) = found.iter().position(Option::is_none) else {
        return Ok(());
    };
    let missing = found.iter().filter(|found| found.is_none()).count();
    Err(missing_key(py, keys.get(first), missing, keys.len()))
}

#[cold]
fn missing_key(py: Python<'_>, first: Option<&Key<'_>>, missing: usize, of: usize) -> PyErr {
    let name = first.map(|key| String::from_utf8_lossy(key.as_ref()).into_owned());
    let name = name.unwrap_or_default();
    let message = format!("no key {name:?}, the first of {missing} that are missing of {of}");
    let error = errors::named(py, "NotFoundError", &message);
    match error.value(py).setattr("name", name) {
        Ok(()) => error,
        Err(error) => error,
    }
}

/// The error of an array that is not there, with the key of the first entry that lacks
/// one: of many, the array's name alone says little.
#[cold]
fn at_key(
    py: Python<'_>,
    partition: &Partition,
    error: PyErr,
    keys: &[Key<'_>],
    names: &[&str],
) -> PyErr {
    let lacks = |key: &&Key<'_>| {
        names.iter().any(|name| {
            let found = partition.read(py, |engine| {
                Ok(matches!(
                    engine.array(key, name),
                    Err(arraylog::Error::NotFound {
                        what: What::Array,
                        ..
                    })
                ))
            });
            found.unwrap_or(false)
        })
    };
    if let Some(key) = keys.iter().find(lacks) {
        let key = String::from_utf8_lossy(key.as_ref()).into_owned();
        // The note is a help; the error stands without it.
        let _ = error
            .value(py)
            .call_method1("add_note", (format!("in entry {key:?}"),));
    }
    error
}

/// Version, seqno, and the entry or None.
pub(crate) type Versioned<'py> = (u64, u64, Option<Bound<'py, PyAny>>);

/// The versions of a key, at most so many.
pub(crate) fn history<'py>(
    partition: &Bound<'py, Partition>,
    key: &Bound<'py, PyAny>,
    class: &Bound<'py, PyAny>,
    limit: usize,
) -> PyResult<Vec<Versioned<'py>>> {
    let py = partition.py();
    let bytes = Key::of(key)?;
    let versions: Vec<arraylog::KeyVersion> = partition
        .get()
        .change(py, |engine| engine.history(&bytes)?.take(limit).collect())?;
    let make = |version: arraylog::KeyVersion| {
        let make = |entry| class.call1((partition, key, py.None(), Found(entry)));
        let entry = version.entry.map(make).transpose()?;
        Ok((version.version.into(), version.seqno, entry))
    };
    versions.into_iter().map(make).collect()
}
