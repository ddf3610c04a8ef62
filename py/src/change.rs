//! Changes of parts of entries.

use arraylog::{Assignment, Points, Selection, Span};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::attrs;
use crate::batch::BatchPartition;
use crate::dtype;
use crate::field::Field;
use crate::input::{Frame, Taken};
use crate::key::Key;
use crate::partition::Partition;

/// Start, step and count of each axis.
pub(crate) type Spans = Vec<(u64, u64, u64)>;

pub(crate) fn selection(spans: Spans) -> Selection {
    let spans = spans.into_iter();
    Selection::new(spans.map(|(start, step, count)| Span { start, step, count }))
}

/// Points on `axes`, of the spans of the others: eight bytes for each index, as `int64` has
/// them in memory, all of a point before the next.
pub(crate) fn points(spans: Spans, axes: Vec<usize>, places: &[u8]) -> PyResult<Points> {
    let (places, rest) = places.as_chunks();
    if !rest.is_empty() {
        return Err(PyValueError::new_err(
            "points are int64, of eight bytes each",
        ));
    }
    let places = places.iter().map(|place| u64::from_le_bytes(*place));
    Ok(Points::new(&selection(spans), axes, places.collect()))
}

/// Names from an iterable of them.
fn names(names: Option<&Bound<'_, PyAny>>, what: &str) -> PyResult<Vec<String>> {
    let Some(names) = names else {
        return Ok(Vec::new());
    };
    if names.is_instance_of::<PyString>() {
        let name = names.repr()?;
        return Err(PyTypeError::new_err(format!(
            "`{what}` is an iterable of names, not one name: [{name}]"
        )));
    }
    names
        .try_iter()?
        .map(|name| self::name(&name?, what))
        .collect()
}

fn name(name: &Bound<'_, PyAny>, what: &str) -> PyResult<String> {
    match name.cast::<PyString>() {
        Ok(name) => Ok(name.to_str()?.to_owned()),
        Err(_) => Err(PyTypeError::new_err(format!(
            "`{what}` has names, which are str, not {}",
            name.get_type().name()?
        ))),
    }
}

/// The arguments of `assign`.
struct Assigned<'py> {
    frame: Frame<'py>,
    drop: Vec<String>,
    drop_attrs: Vec<String>,
    rename: Vec<(String, String)>,
}

impl<'py> Assigned<'py> {
    fn new(
        py: Python<'py>,
        arrays: Option<&Bound<'py, PyAny>>,
        attrs: Option<&Bound<'py, PyAny>>,
        (drop, drop_attrs): (Option<&Bound<'py, PyAny>>, Option<&Bound<'py, PyAny>>),
        rename: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let none = PyDict::new(py).into_any();
        let drop = names(drop, "drop")?;
        let drop_attrs = names(drop_attrs, "drop_attrs")?;
        let rename = attrs::pairs(rename.unwrap_or(&none), "`rename`")?;
        let rename = rename
            .iter()
            .map(|(from, to)| Ok((name(from, "rename")?, name(to, "rename")?)))
            .collect::<PyResult<Vec<_>>>()?;
        Ok(Self {
            frame: Frame::new(arrays.unwrap_or(&none), attrs)?,
            drop,
            drop_attrs,
            rename,
        })
    }

    /// Gives them to `assign` as the engine takes them, once.
    fn with<T>(&mut self, assign: impl FnOnce(&Assignment<'_>) -> PyResult<T>) -> PyResult<T> {
        let Taken { arrays, attrs } = self.frame.take()?;
        let drop: Vec<&str> = self.drop.iter().map(String::as_str).collect();
        let drop_attrs: Vec<&str> = self.drop_attrs.iter().map(String::as_str).collect();
        let rename = self.rename.iter();
        let rename: Vec<(&str, &str)> = rename
            .map(|(from, to)| (from.as_str(), to.as_str()))
            .collect();
        assign(&Assignment {
            arrays: &arrays,
            attrs: attrs.clone(),
            drop: &drop,
            drop_attrs: &drop_attrs,
            rename: &rename,
        })
    }
}

/// The verbs that change parts of entries, which a partition and one of a batch share; what
/// `assign` says of itself is given.
macro_rules! changes {
    ($(#[$doc:meta])* $of:ident) => {
        #[pymethods]
        impl $of {
            $(#[$doc])*
            #[pyo3(
                signature = (key, arrays=None, *, attrs=None, drop=None, drop_attrs=None, rename=None),
                text_signature = "(self, key, arrays=None, *, attrs=None, drop=(), drop_attrs=(), rename=None)"
            )]
            #[expect(clippy::too_many_arguments, reason = "keywords of one call")]
            fn assign(
                &self,
                py: Python<'_>,
                key: &Bound<'_, PyAny>,
                arrays: Option<&Bound<'_, PyAny>>,
                attrs: Option<&Bound<'_, PyAny>>,
                drop: Option<&Bound<'_, PyAny>>,
                drop_attrs: Option<&Bound<'_, PyAny>>,
                rename: Option<&Bound<'_, PyAny>>,
            ) -> PyResult<()> {
                let key = Key::of(key)?;
                let mut assigned = Assigned::new(py, arrays, attrs, (drop, drop_attrs), rename)?;
                assigned.with(|assignment| self.change(py, |partition| partition.assign(&key, assignment)))
            }

            /// Writes an `ArraySpec` to the elements at start, step and count of each axis; with
            /// `axes` at points on these.
            #[expect(clippy::too_many_arguments, reason = "what an index consists of")]
            fn _write_region(
                &self,
                py: Python<'_>,
                key: &Bound<'_, PyAny>,
                name: &str,
                spans: Spans,
                spec: &Bound<'_, PyAny>,
                axes: Vec<usize>,
                places: &[u8],
            ) -> PyResult<()> {
                let key = Key::of(key)?;
                let mut field = Field::from_spec(spec)?;
                let data = field.take_spec();
                if !axes.is_empty() {
                    let points = points(spans, axes, places)?;
                    return self.change(py, |partition| {
                        partition.write_points(&key, name, &points, &data)
                    });
                }
                let selection = selection(spans);
                self.change(py, |partition| {
                    partition.write_region(&key, name, &selection, &data)
                })
            }

            /// Makes an array longer by an `ArraySpec`.
            fn _append(
                &self,
                py: Python<'_>,
                key: &Bound<'_, PyAny>,
                name: &str,
                axis: usize,
                spec: &Bound<'_, PyAny>,
            ) -> PyResult<()> {
                let key = Key::of(key)?;
                let mut field = Field::from_spec(spec)?;
                let data = field.take_spec();
                self.change(py, |partition| partition.append(&key, name, axis, &data))
            }

            /// Gives an array another shape.
            fn _resize(
                &self,
                py: Python<'_>,
                key: &Bound<'_, PyAny>,
                name: &str,
                shape: Vec<u64>,
            ) -> PyResult<()> {
                let key = Key::of(key)?;
                self.change(py, |partition| partition.resize(&key, name, &shape))
            }
        }
    };
}

changes! {
    /// Changes what is named of an entry of arrays, in one commit, and keeps the rest.
    ///
    /// First arrays of `drop` and attributes of `drop_attrs` go, then `rename` gives arrays
    /// new names, all at once; then `arrays` and `attrs` replace those of their names or
    /// follow. KeyError for a key or name that is not there. The entry keeps its place in
    /// the order of keys and gets a new version. What is kept is not written again.
    Partition
}

changes! {
    /// Changes what is named of an entry of arrays at the commit, and keeps the rest; see
    /// `Partition.assign`.
    ///
    /// The entry is that of the store with the batch laid over it. ConflictError, here or by
    /// the `with` block, if others changed it since the first change of it in this batch;
    /// ShapeError by the block if a dim has two sizes when it ends.
    BatchPartition
}

#[pymethods]
impl BatchPartition {
    /// Dtype, its name in the store and shape of an array as the batch leaves it.
    fn _described<'py>(
        &self,
        py: Python<'py>,
        key: &Bound<'py, PyAny>,
        name: &str,
    ) -> PyResult<(Bound<'py, PyAny>, String, Bound<'py, PyTuple>)> {
        let key = Key::of(key)?;
        let (dtype, shape) = self.change(py, |partition| partition.described(&key, name))?;
        let descr = dtype::descr_of(py, name, dtype)?.into_any();
        Ok((descr, dtype.to_string(), PyTuple::new(py, shape)?))
    }
}
