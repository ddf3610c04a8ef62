//! One version of an entry.

use std::sync::Arc;

use crate::array::{
    self, ArrayBytes, ArraySpec, ArrayView, Attrs, FieldInfo, FieldPlace, Mask, Schema,
};
use crate::condition::Version;
use crate::error::{Error, Result, What, describe_key, nearest};
use crate::format::Defect;
use crate::format::record::RecordKind;
use crate::log::{Log, Stored};
use crate::storage::Bytes;
use crate::value::Value;

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Plain bytes.
    Value,
    /// Named arrays and attributes.
    Arrays,
}

/// One version of an entry: never changes, usable after the store was closed.
///
/// Making one costs a reference to the mapping; nothing of the value is read before
/// it is asked for, and only what is asked for is compared with its checksums.
#[derive(Clone, Debug)]
pub struct Entry {
    key: Arc<[u8]>,
    stored: Stored,
    /// `None` for a plain value.
    schema: Option<Arc<Schema>>,
    /// The arrays of the schema that this entry has, in order.
    fields: Arc<[u32]>,
}

impl Entry {
    pub(crate) fn new(key: &[u8], stored: Stored, schema: Option<Arc<Schema>>) -> Result<Self> {
        let mut fields = Vec::new();
        if let Some(schema) = &schema {
            let frame = head(&stored, schema)?;
            for field in 0..schema.fields.len() {
                let here = array::is_present(schema, frame, field);
                if here.map_err(|defect| stored.corrupt(0, defect))? {
                    fields.push(field as u32);
                }
            }
        }
        Ok(Self {
            key: key.into(),
            stored,
            schema,
            fields: fields.into(),
        })
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Identifies this version among those of its key, for
    /// [`Condition::Version`](crate::Condition).
    #[must_use]
    pub fn version(&self) -> Version {
        Version::of(self.stored.log(), self.stored.located())
    }

    /// What the entry holds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.schema.is_some() {
            Kind::Arrays
        } else {
            Kind::Value
        }
    }

    /// The bytes of a plain value. `Error::Kind` if it holds arrays, `Error::Corrupt`.
    pub fn value(&self) -> Result<Value> {
        if self.schema.is_some() {
            return Err(self.kind_error("a value"));
        }
        self.stored.value().map(Value::new)
    }

    /// Names of the arrays in the order written; none for a value.
    pub fn names(&self) -> impl Iterator<Item = &str> + '_ {
        let schema = self.schema.as_deref();
        let info = move |&field: &u32| schema?.fields.get(field as usize);
        self.fields
            .iter()
            .filter_map(info)
            .map(|info| info.name.as_str())
    }

    /// Number of arrays.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no array.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The array called `name`. `Error::NotFound` with the nearest name, `Error::Kind`
    /// for a plain value, `Error::Corrupt`.
    pub fn array(&self, name: &str) -> Result<Array> {
        let Some(schema) = &self.schema else {
            return Err(self.kind_error("arrays"));
        };
        let found = schema
            .position(name)
            .map(|field| self.locate(schema, field))
            .transpose()?;
        found.flatten().ok_or_else(|| self.no_array(name))
    }

    fn no_array(&self, name: &str) -> Error {
        let hint = nearest(name, self.names());
        Error::NotFound {
            what: What::Array,
            name: name.to_owned(),
            hint,
        }
    }

    /// The array at `position` in the order written.
    pub fn array_at(&self, position: usize) -> Result<Array> {
        let Some(schema) = &self.schema else {
            return Err(self.kind_error("arrays"));
        };
        let field = self
            .fields
            .get(position)
            .map(|&field| self.locate(schema, field as usize));
        let found = field.transpose()?.flatten();
        found.ok_or_else(|| self.no_array(&format!("number {position}")))
    }

    fn locate(&self, schema: &Arc<Schema>, field: usize) -> Result<Option<Array>> {
        Array::locate(&self.stored, schema, field)
    }

    /// Attributes of the entry; none for a plain value.
    pub fn attrs(&self) -> Result<Attrs> {
        let Some(schema) = &self.schema else {
            return Ok(Attrs::new());
        };
        // Texts among them lie behind the head.
        let frame = self.stored.value()?;
        array::entry_attrs(schema, &frame).map_err(|defect| self.stored.corrupt(0, defect))
    }

    /// The attributes that are not damaged, and the names of the others: for an entry of
    /// which a part is. `Error::Corrupt` if its head is.
    pub(crate) fn sound_attrs(&self) -> Result<(Attrs, Vec<String>)> {
        let Some(schema) = &self.schema else {
            return Ok((Attrs::new(), Vec::new()));
        };
        let corrupt = |defect| self.stored.corrupt(0, defect);
        let frame = head(&self.stored, schema)?;
        let mut damaged = Vec::new();
        for (name, place) in array::entry_attr_places(schema, frame).map_err(corrupt)? {
            match self.stored.verified(place) {
                Err(Error::Corrupt { .. }) => damaged.push(name),
                verified => drop(verified?),
            }
        }
        let attrs = array::entry_attrs_but(schema, frame, &damaged).map_err(corrupt)?;
        Ok((attrs, damaged))
    }

    /// Bytes of the value in the file.
    #[must_use]
    pub fn nbytes_stored(&self) -> u64 {
        self.stored.located().head.value_len()
    }

    /// Whether this entry lies in the file of `log`.
    pub(crate) fn is_of(&self, log: &Arc<Log>) -> bool {
        Arc::ptr_eq(self.stored.log(), log)
    }

    /// Kind and bytes of the record.
    pub(crate) fn record(&self) -> Result<(RecordKind, Bytes)> {
        Ok((self.stored.located().head.kind, self.stored.value()?))
    }

    /// The arrays and attributes, for writing them elsewhere; `None` for a value.
    pub(crate) fn parts(&self) -> Result<Option<Parts>> {
        if self.schema.is_none() {
            return Ok(None);
        }
        let arrays: Result<Vec<Array>> = (0..self.len()).map(|at| self.array_at(at)).collect();
        Ok(Some(Parts {
            arrays: arrays?,
            attrs: self.attrs()?,
        }))
    }

    fn kind_error(&self, expected: &'static str) -> Error {
        let found = match &self.schema {
            None => format!("a value of {} bytes", self.nbytes_stored()),
            Some(_) if self.is_empty() => "attributes and no array".to_owned(),
            Some(_) => {
                let names: Vec<&str> = self.names().take(8).collect();
                let more = self.len().saturating_sub(names.len());
                let more = if more > 0 {
                    format!(" and {more} more")
                } else {
                    String::new()
                };
                format!("arrays {}{more}", names.join(", "))
            }
        };
        Error::Kind {
            key: describe_key(&self.key),
            expected,
            found,
        }
    }
}

/// The frame of an entry, of which everything before the bodies is verified.
fn head<'a>(stored: &'a Stored, schema: &Schema) -> Result<&'a [u8]> {
    let corrupt = |defect| stored.corrupt(0, defect);
    if !stored.located().head.wide {
        return Ok(stored.verified(0..0)?);
    }
    // The fixed part says how long the extra part is, which follows it.
    let fixed = stored.verified(0..array::FRAME_HEADER)?;
    let fixed = array::fixed_end(schema, fixed).map_err(corrupt)?;
    let frame = stored.verified(0..fixed)?;
    let end = array::head_end(schema, frame).map_err(corrupt)?;
    Ok(stored.verified(0..end)?)
}

/// Arrays and attributes of an entry that is copied to another store.
#[derive(Debug)]
pub(crate) struct Parts {
    arrays: Vec<Array>,
    pub(crate) attrs: Attrs,
}

impl Parts {
    pub(crate) fn specs(&self) -> Vec<(&str, ArraySpec<'_>)> {
        self.arrays
            .iter()
            .map(|array| (array.info().name.as_str(), array.to_spec()))
            .collect()
    }
}

/// One array of one version of an entry; keeps its bytes.
#[derive(Clone, Debug)]
pub struct Array {
    schema: Arc<Schema>,
    field: usize,
    /// Attributes that the entry has instead of the schema.
    own_info: Option<Arc<FieldInfo>>,
    place: FieldPlace,
    data: Value,
    offsets: Option<Value>,
    validity: Option<Value>,
}

impl Array {
    /// Array `field` of the schema, if the entry has it.
    pub(crate) fn locate(
        stored: &Stored,
        schema: &Arc<Schema>,
        field: usize,
    ) -> Result<Option<Self>> {
        let corrupt = |defect| stored.corrupt(0, defect);
        let frame = head(stored, schema)?;
        let located = array::locate(schema, frame, field).map_err(corrupt)?;
        let Some(place) = located else {
            return Ok(None);
        };
        let part = |range: &std::ops::Range<usize>| {
            let bytes = stored.verified(range.clone())?.slice(range.clone());
            let truncated = Defect::Truncated {
                what: "an array",
                need: range.end as u64,
                have: stored.located().head.value_len(),
            };
            bytes
                .map(Value::new)
                .ok_or_else(|| stored.corrupt(0, truncated))
        };
        let own_info = if array::attrs_in_frame(frame).map_err(corrupt)? {
            let attrs = array::array_attrs(schema, frame, field).map_err(corrupt)?;
            let info = schema.fields.get(field).cloned();
            info.map(|info| Arc::new(FieldInfo { attrs, ..info }))
        } else {
            None
        };
        Ok(Some(Self {
            data: part(&place.data)?,
            offsets: place.offsets.as_ref().map(part).transpose()?,
            validity: place.validity.as_ref().map(part).transpose()?,
            schema: Arc::clone(schema),
            field,
            own_info,
            place,
        }))
    }

    /// Name, dtype, dims, fill value, attributes.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "`locate` found the field in this schema"
    )]
    pub fn info(&self) -> &FieldInfo {
        match &self.own_info {
            Some(info) => info,
            None => &self.schema.fields[self.field],
        }
    }

    /// Length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        &self.place.shape
    }

    /// Borrowed view of data, mask and shape.
    #[must_use]
    pub fn view(&self) -> ArrayView<'_> {
        ArrayView::new(
            self.info(),
            self.shape(),
            &self.data,
            self.offsets.as_deref(),
            self.validity.as_deref(),
        )
    }

    /// The elements: C order, little-endian; of `String` and `Bytes` back to back.
    #[must_use]
    pub fn data(&self) -> &Value {
        &self.data
    }

    /// Arrow validity bits, LSB first, set = present, if the array has a mask.
    #[must_use]
    pub fn validity(&self) -> Option<&Value> {
        self.validity.as_ref()
    }

    /// What would store this array again, borrowed.
    pub fn to_spec(&self) -> ArraySpec<'_> {
        let info = self.info();
        let view = self.view();
        let mut spec = ArraySpec::new(info.dtype, self.shape(), &self.data);
        if info.dtype.item_size().is_none() {
            let ends = (0..view.size()).scan(0u64, |end, item| {
                *end += view.item(item).map_or(0, <[u8]>::len) as u64;
                Some(*end)
            });
            let offsets = std::iter::once(0).chain(ends).collect();
            spec.data = ArrayBytes::Variable {
                offsets,
                data: (&*self.data).into(),
            };
        }
        spec.dims = info.dims.clone();
        spec.mask = self
            .validity
            .as_deref()
            .map(|bits| Mask::Validity(bits.into()));
        spec.fill_value = info.fill_value.clone();
        spec.attrs = info.attrs.clone();
        spec
    }
}
