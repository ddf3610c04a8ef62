//! Elements of an array in memory or in the mapping.

use std::sync::Arc;

use crate::array::{
    ArrayBytes, ArraySpec, ArrayView, FieldInfo, Mask, Places, Schema, Shape, pairs,
};
use crate::decoded::Decoded;
use crate::error::{Error, Result};
use crate::value::Value;

/// What the schema, or the entry instead of it, says of an array.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    schema: Arc<Schema>,
    field: usize,
    /// What this entry says otherwise: other attributes, another name.
    own: Option<Arc<FieldInfo>>,
}

impl Described {
    /// Array `field` of the schema, which has it.
    pub(super) fn new(schema: &Arc<Schema>, field: usize, own: Option<Arc<FieldInfo>>) -> Self {
        Self {
            schema: Arc::clone(schema),
            field,
            own,
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "who makes one has found the field in this schema"
    )]
    pub(crate) fn info(&self) -> &FieldInfo {
        match &self.own {
            Some(info) => info,
            None => &self.schema.fields[self.field],
        }
    }

    /// The schema of the entry.
    pub(super) fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Number of the array in its schema.
    pub(super) fn field(&self) -> usize {
        self.field
    }

    pub(super) fn renamed(&mut self, name: &str) {
        let info = FieldInfo {
            name: name.to_owned(),
            ..self.info().clone()
        };
        self.own = Some(Arc::new(info));
    }
}

/// Elements of an array, all or a selection of them: where the bytes allow it a view of
/// the file, else a copy. Keeps its bytes and never changes.
#[derive(Clone, Debug)]
pub struct Elements {
    pub(crate) described: Described,
    pub(crate) shape: Shape,
    pub(crate) data: Value,
    pub(crate) offsets: Option<Value>,
    pub(crate) validity: Option<Value>,
}

impl Elements {
    /// Those of a chunk that was kept.
    pub(crate) fn kept(described: &Described, shape: &Shape, kept: Decoded) -> Self {
        let Decoded {
            data,
            offsets,
            validity,
        } = kept;
        Self {
            described: described.clone(),
            shape: shape.clone(),
            data,
            offsets,
            validity,
        }
    }

    /// What is kept of those of a chunk.
    pub(crate) fn decoded(&self) -> Decoded {
        Decoded {
            data: self.data.clone(),
            offsets: self.offsets.clone(),
            validity: self.validity.clone(),
        }
    }

    /// Name, dtype, dims, fill value, attributes of the array.
    #[must_use]
    pub fn info(&self) -> &FieldInfo {
        self.described.info()
    }

    /// Length of each axis of these.
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        &self.shape
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

    /// Arrow offsets of `String` and `Bytes` with an axis, one more than elements: u32, or
    /// u64 if there are eight bytes for each.
    #[must_use]
    pub fn offsets(&self) -> Option<&Value> {
        self.offsets.as_ref()
    }

    /// Arrow validity bits, LSB first, set = present, if the array has a mask.
    #[must_use]
    pub fn validity(&self) -> Option<&Value> {
        self.validity.as_ref()
    }

    /// The elements as an array of the crate `ndarray` that owns them: a copy.
    /// [`view`](Self::view) lends [one](ArrayView::to_ndarray) without. Errors as there.
    #[cfg(feature = "ndarray")]
    pub fn to_ndarray<T: crate::array::Element>(&self) -> Result<ndarray::ArrayD<T>> {
        Ok(self.view().to_ndarray()?.into_owned())
    }

    /// What would store these as an array, borrowed.
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
        describe(info, &mut spec);
        spec.mask = self
            .validity
            .as_deref()
            .map(|bits| Mask::Validity(bits.into()));
        spec
    }
}

/// Gives a spec all that an array has beside its elements.
pub(super) fn describe(info: &FieldInfo, spec: &mut ArraySpec<'_>) {
    spec.dims = info.dims.clone();
    spec.fill_value = info.fill_value.clone();
    spec.codec = info.codec.clone();
    spec.attrs = info.attrs.clone();
}

impl Elements {
    /// Some of these, copied; what is wrong if they do not fit.
    pub(crate) fn select(&self, selection: &dyn Places) -> Result<Self, String> {
        if let Some(fault) = selection.fault(&self.shape) {
            return Err(fault);
        }
        let misfit = || "its bytes do not fit its shape".to_owned();
        let shape = selection.lengths();
        let piece = selection.piece(&self.shape);
        let size = usize::try_from(selection.size()).map_err(|_| misfit())?;
        let bits = match &self.validity {
            None => None,
            Some(from) => {
                let mut bits = vec![0; size.div_ceil(8)];
                let fits = piece.gather_bits(from, &mut bits, &shape);
                fits.then_some(()).ok_or_else(misfit)?;
                Some(bits)
            }
        };
        let told = |error: Error| error.to_string();
        let Some(item) = self.info().dtype.item_size() else {
            let view = self.view();
            let mut items: Vec<&[u8]> = vec![&[]; size];
            let fits = piece.each(|inside, at| {
                pairs(&self.shape, inside, &shape, at, |from, to| {
                    if let (Some(item), Ok(text)) = (items.get_mut(to as usize), view.item(from)) {
                        *item = text;
                    }
                })
            });
            fits.then_some(()).ok_or_else(misfit)?;
            return Self::of_texts(&self.described, shape, &items, bits.as_deref()).map_err(told);
        };
        let len = size.checked_mul(item).ok_or_else(misfit)?;
        let mut fits = true;
        let data = Value::owned(len, |out| {
            fits = piece.gather(item, &self.data, out, &shape);
            Ok(())
        });
        let data = data.map_err(told)?;
        fits.then_some(()).ok_or_else(misfit)?;
        Ok(Self {
            described: self.described.clone(),
            shape,
            data,
            offsets: None,
            validity: bits.map(owned).transpose().map_err(told)?,
        })
    }

    /// Texts, put together.
    pub(crate) fn of_texts(
        described: &Described,
        shape: Shape,
        items: &[&[u8]],
        validity: Option<&[u8]>,
    ) -> Result<Self> {
        let len: usize = items.iter().map(|item| item.len()).sum();
        let mut data = Vec::with_capacity(len);
        let wide = u32::try_from(len).is_err();
        let mut offsets = Vec::with_capacity(items.len().saturating_add(1).saturating_mul(4));
        let mut push = |end: usize| match wide {
            true => offsets.extend((end as u64).to_le_bytes()),
            false => offsets.extend((end as u32).to_le_bytes()),
        };
        push(0);
        for item in items {
            data.extend_from_slice(item);
            push(data.len());
        }
        Ok(Self {
            described: described.clone(),
            shape,
            data: owned(data)?,
            offsets: Some(owned(offsets)?),
            validity: validity.map(|bits| owned(bits.to_vec())).transpose()?,
        })
    }
}

fn owned(bytes: Vec<u8>) -> Result<Value> {
    Value::copied(&bytes)
}
