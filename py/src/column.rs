//! One attribute of many entries as one array.

use arraylog::{AttrColumn, AttrValue, DType};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::errors::{self, OrRaise as _};
use crate::key::Key;
use crate::many;
use crate::partition::Partition;
use crate::{attrs, buffer, dtype};

/// Entries between two looks at pending signals.
const ENTRIES_PER_SIGNAL_CHECK: usize = 16_384;

/// `attr_column` of a partition: of all entries, or of those of `keys`.
pub(crate) fn get<'py>(
    partition: &Bound<'py, Partition>,
    name: &str,
    keys: Option<&Bound<'py, PyAny>>,
    objects: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let py = partition.py();
    let this = partition.get();
    let mut column = match objects {
        true => Column::Objects(Vec::new()),
        false => Column::Elements(Elements::default()),
    };
    if let Some(keys) = keys {
        let given = many::keys(keys)?;
        let keys: Vec<Key<'_>> = given.iter().map(Key::of).collect::<PyResult<_>>()?;
        let found = this.read_work(py, true, |engine| engine.attr_many(&keys, name))?;
        many::check_present(py, &found, &keys)?;
        for (value, key) in found.into_iter().flatten().zip(&keys) {
            let pushed = column.push(key.as_ref(), value);
            pushed.map_err(|clash| clash.error(name))?;
        }
    } else {
        let mut pairs = this.read_work(py, true, |engine| engine.attr_column(name))?;
        while py
            .detach(|| column.extend(&mut pairs))
            .or_raise(py)?
            .map_err(|clash| clash.error(name))?
        {
            py.check_signals()?;
        }
    }
    match column {
        Column::Objects(values) => self::objects(py, values),
        Column::Elements(elements) => elements.array(py, name),
    }
}

/// A column in the making.
enum Column {
    /// Each as it is.
    Objects(Vec<Option<AttrValue>>),
    Elements(Elements),
}

/// Elements of one dtype, those that are there alone.
#[derive(Default)]
struct Elements {
    /// That of the first, and the key of its entry.
    dtype: Option<(DType, String)>,
    data: Vec<u8>,
    /// Where each ends, unless all have one width.
    ends: Vec<usize>,
    /// A byte an entry: 1 = it has none.
    missing: Vec<u8>,
}

/// An attribute that does not go with those before.
struct Clash {
    first: Option<(DType, String)>,
    key: String,
    kind: String,
}

impl Clash {
    #[cold]
    fn error(self, name: &str) -> PyErr {
        let Self { first, key, kind } = self;
        let with = match first {
            Some((dtype, first)) => format!("{kind} in entry {key:?} and {dtype} in {first:?}"),
            None => format!("{kind} in entry {key:?}"),
        };
        PyTypeError::new_err(format!(
            "attribute {name:?} is {with}; a column has scalars of one dtype \
             (objects=True gives each as it is)"
        ))
    }
}

impl Column {
    /// Takes some entries more; whether there may be others.
    fn extend(&mut self, pairs: &mut AttrColumn) -> arraylog::Result<Result<bool, Clash>> {
        for _ in 0..ENTRIES_PER_SIGNAL_CHECK {
            let Some(pair) = pairs.next() else {
                return Ok(Ok(false));
            };
            let (key, value) = pair?;
            if let Err(clash) = self.push(&key, value) {
                return Ok(Err(clash));
            }
        }
        Ok(Ok(true))
    }

    fn push(&mut self, key: &[u8], value: Option<AttrValue>) -> Result<(), Clash> {
        match self {
            Self::Objects(values) => {
                values.push(value);
                Ok(())
            }
            Self::Elements(elements) => match value {
                None | Some(AttrValue::None) => {
                    elements.missing.push(1);
                    Ok(())
                }
                Some(value) => elements.push(key, &value),
            },
        }
    }
}

impl Elements {
    fn push(&mut self, key: &[u8], value: &AttrValue) -> Result<(), Clash> {
        let key = || String::from_utf8_lossy(key).into_owned();
        let Some(dtype) = value.append_to(&mut self.data) else {
            return Err(Clash {
                first: None,
                key: key(),
                kind: value.kind(),
            });
        };
        match &mut self.dtype {
            Some((of_all, _)) if *of_all == dtype => {}
            Some((of_all, first)) => match widest(*of_all, dtype) {
                Some(widest) => *of_all = widest,
                None => {
                    return Err(Clash {
                        first: Some((*of_all, first.clone())),
                        key: key(),
                        kind: dtype.to_string(),
                    });
                }
            },
            none => *none = Some((dtype, key())),
        }
        if has_ends(dtype) {
            self.ends.push(self.data.len());
        }
        self.missing.push(0);
        Ok(())
    }

    fn array<'py>(self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let Some((dtype, _)) = self.dtype else {
            let entries = self.missing.len();
            let message = format!("none of {entries} entries has a value of attribute {name:?}");
            let error = errors::named(py, "NotFoundError", &message);
            error.value(py).setattr("name", name)?;
            return Err(error);
        };
        let descr = dtype::descr_of(py, name, dtype)?;
        let len = self.missing.len();
        let array = match dtype.item_size() {
            Some(width) => {
                let bytes = len.saturating_mul(width);
                let fill = |out: &mut [u8]| self.fill(width, out);
                buffer::own_ndarray(py, descr, &[len as u64], bytes, true, fill)?
            }
            None => py
                .import("numpy")?
                .getattr("array")?
                .call1((self.texts(py, dtype == DType::String)?, descr))?,
        };
        if !self.missing.contains(&1) {
            return Ok(array);
        }
        let mask = mask(py, &self.missing)?;
        let masked = py.import("arraylog._array")?.getattr("masked_array")?;
        masked.call1((array, mask, py.None()))
    }

    /// The elements that are there, in order.
    fn present(&self, width: usize) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        let mut ends = self.ends.iter();
        std::iter::from_fn(move || {
            let end = ends.next().copied().unwrap_or(start + width);
            let element = self.data.get(start..end)?;
            start = end;
            Some(element)
        })
    }

    /// Writes all elements, zeros where there is none, each `width` bytes apart.
    fn fill(&self, width: usize, out: &mut [u8]) {
        if width == 0 {
            return;
        }
        let mut present = self.present(width);
        for (to, &missing) in out.chunks_exact_mut(width).zip(&self.missing) {
            let element = match missing {
                0 => present.next().unwrap_or_default(),
                _ => &[],
            };
            let (start, rest) = to.split_at_mut(element.len().min(width));
            start.copy_from_slice(element.get(..start.len()).unwrap_or_default());
            rest.fill(0);
        }
    }

    /// All elements as objects, empty ones where there is none.
    fn texts<'py>(&self, py: Python<'py>, is_text: bool) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        let mut present = self.present(0);
        for &missing in &self.missing {
            let element = match missing {
                0 => present.next().unwrap_or_default(),
                _ => &[],
            };
            match is_text {
                true => list.append(PyString::from_bytes(py, element)?)?,
                false => list.append(PyBytes::new(py, element))?,
            }
        }
        Ok(list)
    }
}

/// Whether elements of one dtype differ in length here: of `U<n>` and `S<n>` too, since the
/// width of NumPy's scalar is that of its text.
fn has_ends(dtype: DType) -> bool {
    matches!(
        dtype,
        DType::String | DType::Bytes | DType::FixedString(_) | DType::FixedBytes(_)
    )
}

/// The dtype of two texts of fixed width, the wider one.
fn widest(a: DType, b: DType) -> Option<DType> {
    match (a, b) {
        (DType::FixedString(a), DType::FixedString(b)) => Some(DType::FixedString(a.max(b))),
        (DType::FixedBytes(a), DType::FixedBytes(b)) => Some(DType::FixedBytes(a.max(b))),
        _ => None,
    }
}

/// Each attribute as it is; masked where an entry has none.
fn objects(py: Python<'_>, values: Vec<Option<AttrValue>>) -> PyResult<Bound<'_, PyAny>> {
    let numpy = py.import("numpy")?;
    let array = numpy.getattr("empty")?.call1((values.len(), "O"))?;
    let mut missing = Vec::with_capacity(values.len());
    for (number, value) in values.iter().enumerate() {
        missing.push(u8::from(value.is_none()));
        if let Some(value) = value {
            // One by one: NumPy would take lists for axes.
            array.set_item(number, attrs::to_py(py, value)?)?;
        }
    }
    if !missing.contains(&1) {
        return Ok(array);
    }
    let mask = mask(py, &missing)?;
    let masked = numpy.getattr("ma")?.getattr("MaskedArray")?;
    masked.call1((array, mask))
}

fn mask<'py>(py: Python<'py>, missing: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let descr = dtype::descr(py, DType::Bool)?;
    let shape = [missing.len() as u64];
    buffer::own_ndarray(py, descr, &shape, missing.len(), true, |out| {
        out.copy_from_slice(missing);
    })
}
