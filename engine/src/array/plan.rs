//! Checks arrays and attributes and decides how their frame looks.
use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64;

use super::block::{Raw, Source, encode_block_with, is_shared};
use super::changes::Changes;
use super::checks::{
    check_array_name, check_chunks, check_codec, check_data, check_extent, check_mask, check_stored,
};
use super::chunks::{ArrayId, Chunks};
use super::dims::Dims;
use super::encoding::{check_name, check_size, encode_map, encode_named, encode_scalar};
use super::layout::{Class, Item, Layout};
use super::limits::MAX_FIELDS;
use super::names::Names;
use super::schema::{Axes, CHUNKED, CODED, EXTRA, FILLED, MASKED, VERSION, fill_fault};
use super::stats::{ArrayStats, Ends};
use super::{ArraySpec, AttrValue, Attrs};
use crate::codec::{Pipeline, Shared};
use crate::{Error, Result};

/// Where the attributes of the arrays go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ArrayAttrs {
    /// Into the schema: entries that agree in them store them once.
    #[default]
    InSchema,
    /// Into the frame: entries that differ in them share a schema all the same.
    InFrame,
}

/// Arrays and attributes that have been checked and can be written.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(super) fields: Vec<Field<'a>>,
    /// Sizes of the dim slots.
    pub(super) dims: Vec<u64>,
    pub(super) layout: Layout,
    /// Values of the entry attributes that the schema puts into the frame.
    pub(super) extra_values: Vec<u8>,
    /// Number of arrays that have attributes.
    pub(super) with_attrs: u16,
    pub(super) array_attrs_in: ArrayAttrs,
    /// The schema, with the array attributes if they go there.
    schema: Vec<u8>,
    /// Bytes of the schema before the array attributes.
    skeleton_len: usize,
    /// The array attributes, if they go into the frame; encoded as in the schema.
    in_frame: Vec<u8>,
    /// Log2 of the least alignment of the larger bodies, if there is one.
    pub(super) align: Option<u8>,
    /// The arrays whose elements go into chunks.
    pub(super) cuts: Vec<Cut<'a>>,
    /// What an amendment does, encoded.
    pub(super) changes: Option<Vec<u8>>,
    /// Statistics of the larger arrays that are stored as they are.
    pub(super) stats: Vec<u8>,
    /// Whether blocks are encoded with a dictionary.
    pub(super) shares: bool,
}

/// An array whose elements go into chunks.
#[derive(Debug)]
pub(crate) struct Cut<'a> {
    field: usize,
    pub(crate) name: &'a str,
    pub(crate) spec: &'a ArraySpec<'a>,
    /// Arrow validity bits, if it has a mask.
    pub(crate) validity: Option<Cow<'a, [u8]>>,
    pub(crate) chunks: Chunks,
    pub(crate) codec: Option<Pipeline>,
}

/// An array or entry attribute of a plan.
#[derive(Debug)]
pub(super) struct Field<'a> {
    pub(super) class: Class,
    /// Validity of a 0-d array lies in the fixed part, else after the elements.
    pub(super) is_0d: bool,
    pub(super) data: Data<'a>,
    pub(super) masked: bool,
    /// Of an array with a mask, unless its elements are stored with it.
    pub(super) validity: Option<Cow<'a, [u8]>>,
}

/// Elements of a field.
#[derive(Debug)]
pub(super) enum Data<'a> {
    /// Fixed width, or a 0-d text.
    Flat(Cow<'a, [u8]>),
    /// A text array.
    Texts {
        offsets: &'a [u64],
        data: &'a [u8],
        /// Offsets are stored as u64.
        wide: bool,
    },
    /// Encoded, with the mask.
    Block(Cow<'a, [u8]>),
    /// Elsewhere: what says where.
    Chunks(Vec<u8>),
}

/// Checks `arrays` and `attrs`: names, dims, shapes, lengths, offsets, masks,
/// fill values, text. The error names the array or attribute.
///
/// Array attributes go into the schema; [`Plan::put_array_attrs`] changes it.
pub(crate) fn plan<'a>(
    arrays: &'a [(&'a str, ArraySpec<'a>)],
    attrs: &'a Attrs,
) -> Result<Plan<'a>> {
    plan_by(arrays, attrs, None, false)
}

/// As [`plan`], for an entry of a partition that may have a dictionary.
pub(crate) fn plan_with<'a>(
    arrays: &'a [(&'a str, ArraySpec<'a>)],
    attrs: &'a Attrs,
    shared: Option<Shared<'a>>,
) -> Result<Plan<'a>> {
    plan_by(arrays, attrs, shared, false)
}

/// As [`plan`], of an entry in the making, whose arrays may have different sizes of one dim
/// yet: a frame of it is read as any other and is never stored.
pub(crate) fn plan_apart<'a>(
    arrays: &'a [(&'a str, ArraySpec<'a>)],
    attrs: &'a Attrs,
) -> Result<Plan<'a>> {
    plan_by(arrays, attrs, None, true)
}

fn plan_by<'a>(
    arrays: &'a [(&'a str, ArraySpec<'a>)],
    attrs: &'a Attrs,
    shared: Option<Shared<'a>>,
    apart: bool,
) -> Result<Plan<'a>> {
    check_count("arrays", arrays.len())?;
    check_count("attributes", attrs.len())?;
    let mut draft = Draft {
        shared,
        ..Draft::for_fields(arrays.len(), attrs.len())
    };
    draft.dims.apart = apart;
    let mut names = Names::default();
    for (name, spec) in arrays {
        if names.get(name).is_some() {
            return Err(Error::Invalid {
                what: format!("array name {name:?}"),
                detail: "names are unique within an entry, this one is given twice".to_owned(),
            });
        }
        names.add(name, ());
        draft.add_array(name, spec)?;
    }
    for (name, value) in attrs.iter() {
        draft.add_attr(name, value)?;
    }
    draft.finish(arrays, attrs.len())
}

impl Plan<'_> {
    /// Chooses where the array attributes go. It makes no difference if there are none.
    pub(crate) fn put_array_attrs(&mut self, place: ArrayAttrs) {
        self.array_attrs_in = place;
        let with_attrs = match place {
            ArrayAttrs::InSchema => {
                self.schema.append(&mut self.in_frame);
                self.with_attrs
            }
            ArrayAttrs::InFrame => {
                let attrs = self.schema.drain(self.skeleton_len..);
                self.in_frame.extend(attrs);
                0
            }
        };
        set_with_attrs(&mut self.schema, with_attrs);
    }

    /// Names the chunks of the arrays that are cut, which have to be written along with
    /// the frame.
    pub(crate) fn cut(&mut self, mut id: impl FnMut() -> Result<ArrayId>) -> Result<&[Cut<'_>]> {
        for cut in &mut self.cuts {
            cut.chunks.id = id()?;
            if let Some(field) = self.fields.get_mut(cut.field) {
                field.data = Data::Chunks(cut.chunks.descriptor());
            }
        }
        Ok(&self.cuts)
    }

    pub(crate) fn is_amendment(&self) -> bool {
        self.changes.is_some()
    }

    /// Makes it an amendment.
    pub(crate) fn amend(&mut self, changes: &Changes) {
        let mut bytes = Vec::new();
        changes.encode(&mut bytes);
        self.changes = Some(bytes);
    }

    /// Aligns arrays of 256 bytes and more, but blocks, to 2^`log2` at least: at most 30.
    pub(crate) fn align_arrays(&mut self, log2: Option<u8>) {
        self.align = log2;
    }

    /// The array attributes that go into the frame.
    pub(super) fn attrs_in_frame(&self) -> &[u8] {
        &self.in_frame
    }

    /// The schema: equal for entries of one structure, and only for these.
    pub(crate) fn schema_bytes(&self) -> &[u8] {
        &self.schema
    }

    /// Hash of the schema without the array attributes: as many hashes of
    /// `schema_bytes` under one of these tell that attributes differ by entry.
    pub(crate) fn skeleton_hash(&self) -> u64 {
        let mut skeleton = self.schema.clone();
        skeleton.truncate(self.skeleton_len);
        set_with_attrs(&mut skeleton, 0);
        xxh3_64(&skeleton)
    }

    /// Whether an array has attributes.
    pub(crate) fn has_array_attrs(&self) -> bool {
        self.with_attrs > 0
    }
}

fn check_count(what: &str, count: usize) -> Result<()> {
    if count <= MAX_FIELDS {
        return Ok(());
    }
    Err(Error::Invalid {
        what: what.to_owned(),
        detail: format!("an entry holds at most {MAX_FIELDS}, these are {count}"),
    })
}

/// Bytes of the schema for which room is made beforehand: of a field, of the
/// attributes of an array.
const USUAL_FIELD: usize = 32;
const USUAL_ATTRS: usize = 128;

/// A plan in the making.
#[derive(Default)]
struct Draft<'a> {
    fields: Vec<Field<'a>>,
    items: Vec<Item>,
    dims: Dims<'a>,
    cuts: Vec<Cut<'a>>,
    stats: Vec<u8>,
    /// What the partition has in common.
    shared: Option<Shared<'a>>,
    /// Whether a block was encoded with it.
    shares: bool,
    /// Schema sections of arrays and of attributes.
    arrays: Vec<u8>,
    attrs: Vec<u8>,
    extra_values: Vec<u8>,
}

impl<'a> Draft<'a> {
    /// With room for names and dtypes of usual length.
    fn for_fields(arrays: usize, attrs: usize) -> Self {
        let count = arrays.saturating_add(attrs);
        Self {
            fields: Vec::with_capacity(count),
            items: Vec::with_capacity(count),
            arrays: Vec::with_capacity(arrays.saturating_mul(USUAL_FIELD)),
            attrs: Vec::with_capacity(attrs.saturating_mul(USUAL_FIELD)),
            ..Self::default()
        }
    }

    fn add_array(&mut self, name: &'a str, spec: &'a ArraySpec<'a>) -> Result<()> {
        check_array_name(name)?;
        let count = check_extent(name, spec)?;
        let axes = self.dims.slots(name, spec)?;
        if let Some(fault) = spec
            .fill_value
            .as_ref()
            .and_then(|fill| fill_fault(spec.dtype, fill))
        {
            return Err(Error::DType {
                array: name.to_owned(),
                detail: fault,
            });
        }
        let codec = check_codec(name, spec)?;
        let class = Class::of_array(spec.dtype, spec.shape.len());
        let stored = check_stored(name, spec)?;
        let field = match stored {
            Some((masked, data)) => Field {
                class,
                is_0d: false,
                data,
                masked,
                validity: None,
            },
            None => self.new_field(name, spec, count, class, codec.as_ref())?,
        };
        let is_chunked = matches!(field.data, Data::Chunks(_));
        let masked_0d = spec.shape.is_empty() && field.masked;
        self.items.push(Item {
            class,
            validity: masked_0d,
        });
        self.fields.push(field);
        let flags = [
            (masked_0d, MASKED),
            (spec.fill_value.is_some(), FILLED),
            (codec.is_some(), CODED),
            (is_chunked, CHUNKED),
        ];
        let flags = flags.iter().filter(|(set, _)| *set);
        let flags = flags.fold(0, |flags, (_, flag)| flags | flag);
        self.describe_array(name, spec, &axes, flags, codec.as_ref())
    }

    /// The field of an array whose elements are given.
    fn new_field(
        &mut self,
        name: &'a str,
        spec: &'a ArraySpec<'a>,
        count: u64,
        class: Class,
        codec: Option<&Pipeline>,
    ) -> Result<Field<'a>> {
        let data = check_data(name, spec, count)?;
        let validity = match &spec.mask {
            None => None,
            Some(mask) => Some(check_mask(name, mask, count)?),
        };
        let mut field = Field {
            class,
            is_0d: spec.shape.is_empty(),
            data,
            masked: validity.is_some(),
            validity,
        };
        if let Some(shape) = check_chunks(name, spec)? {
            self.cuts.push(Cut {
                field: self.fields.len(),
                name,
                spec,
                validity: field.validity.take(),
                chunks: Chunks {
                    id: ArrayId::default(),
                    shape,
                },
                codec: codec.cloned(),
            });
            // Until they have a name.
            field.data = Data::Chunks(Vec::new());
            return Ok(field);
        }
        if let Some(codec) = codec.filter(|_| !field.is_inline()) {
            let elements = match &field.data {
                Data::Texts { offsets, data, .. } => Raw::Texts { offsets, data },
                Data::Flat(bytes) => Raw::Fixed(bytes),
                Data::Block(_) | Data::Chunks(_) => return Ok(field),
            };
            let source = Source {
                dtype: spec.dtype,
                elements,
                validity: field.validity.as_deref(),
                fill: spec.fill_value.as_ref(),
            };
            let shared = self.shared;
            if let Some(block) = encode_block_with(source, Some(codec), shared, name, false)? {
                self.shares |= is_shared(&block);
                field.data = Data::Block(block.into());
                field.validity = None;
                return Ok(field);
            }
        }
        self.add_stats(&field, spec, count);
        Ok(field)
    }

    /// Notes the statistics of an array, if they are worth their room.
    fn add_stats(&mut self, field: &Field<'_>, spec: &ArraySpec<'_>, count: u64) {
        let (data, ends) = match &field.data {
            Data::Flat(data) if !field.is_0d => (&**data, Ends::None),
            Data::Texts { offsets, data, .. } => (*data, Ends::Given(offsets)),
            _ => return,
        };
        if data.len() < STATS_FROM {
            return;
        }
        let fill = spec.fill_value.as_ref();
        let stats = ArrayStats::of(
            spec.dtype,
            count,
            data,
            ends,
            field.validity.as_deref(),
            fill,
        );
        if let Some(stats) = stats {
            let mut bytes = Vec::new();
            stats.encode(&mut bytes);
            // An entry has fewer than 65,536 arrays, statistics fewer than 256 bytes.
            self.stats.extend((self.fields.len() as u16).to_le_bytes());
            self.stats.push(bytes.len() as u8);
            self.stats.append(&mut bytes);
        }
    }

    /// Appends the array to the schema.
    fn describe_array(
        &mut self,
        name: &str,
        spec: &ArraySpec<'_>,
        axes: &Axes,
        flags: u8,
        codec: Option<&Pipeline>,
    ) -> Result<()> {
        let out = &mut self.arrays;
        // Names of arrays have at most 255 bytes, ranks are at most 32.
        out.push(name.len() as u8);
        out.extend_from_slice(name.as_bytes());
        spec.dtype.encode(out);
        out.push(axes.len() as u8);
        out.push(flags);
        for slot in axes {
            out.extend(slot.to_le_bytes());
        }
        if let Some(fill) = &spec.fill_value {
            encode_named("fill value", fill, out)
                .map_err(|fault| fault.of(&format!("array {name:?}")))?;
        }
        if let Some(codec) = codec {
            let text = codec.to_string();
            // A spec has at most some hundred bytes.
            out.push(text.len() as u8);
            out.extend_from_slice(text.as_bytes());
        }
        Ok(())
    }

    fn add_attr(&mut self, name: &'a str, value: &'a AttrValue) -> Result<()> {
        check_name(name).map_err(|fault| fault.of("the entry"))?;
        // Names of attributes have at most 65,535 bytes.
        self.attrs.extend((name.len() as u16).to_le_bytes());
        self.attrs.extend_from_slice(name.as_bytes());
        let (class, data) = match value.dtype() {
            None => {
                self.attrs.push(EXTRA);
                encode_named(name, value, &mut self.extra_values)
                    .map_err(|fault| fault.of("the entry"))?;
                (Class::Extra, Cow::Borrowed(&[][..]))
            }
            Some(dtype) => {
                dtype.encode(&mut self.attrs);
                (Class::of_array(dtype, 0), attr_bytes(value))
            }
        };
        self.items.push(Item {
            class,
            validity: false,
        });
        self.fields.push(Field {
            class,
            is_0d: true,
            data: Data::Flat(data),
            masked: false,
            validity: None,
        });
        Ok(())
    }

    fn finish(self, arrays: &[(&str, ArraySpec<'_>)], attrs: usize) -> Result<Plan<'a>> {
        check_size(self.extra_values.len(), "the entry")?;
        let usual = arrays.len().saturating_mul(USUAL_ATTRS);
        let mut schema = Vec::with_capacity(self.schema_len().saturating_add(usual));
        self.encode_skeleton(arrays.len(), attrs, &mut schema);
        let skeleton_len = schema.len();
        let with_attrs = encode_array_attrs(arrays, &mut schema)?;
        check_size(schema.len().saturating_sub(skeleton_len), "the arrays")?;
        set_with_attrs(&mut schema, with_attrs);
        Ok(Plan {
            layout: Layout::new(self.dims.sizes.len(), &self.items),
            fields: self.fields,
            dims: self.dims.sizes,
            extra_values: self.extra_values,
            with_attrs,
            array_attrs_in: ArrayAttrs::default(),
            schema,
            skeleton_len,
            in_frame: Vec::new(),
            align: None,
            cuts: self.cuts,
            changes: None,
            stats: self.stats,
            shares: self.shares,
        })
    }

    /// Bytes of the schema without the array attributes.
    fn schema_len(&self) -> usize {
        let sections = [&self.dims.names, &self.arrays, &self.attrs];
        let lengths = sections.iter().map(|section| section.len());
        lengths.fold(SCHEMA_HEAD, usize::saturating_add)
    }

    fn encode_skeleton(&self, arrays: usize, attrs: usize, out: &mut Vec<u8>) {
        out.extend([VERSION, 0]);
        out.extend((arrays as u16).to_le_bytes());
        out.extend((attrs as u16).to_le_bytes());
        // The number of arrays with attributes, which follow.
        out.extend([0; size_of::<u16>()]);
        out.extend((self.dims.sizes.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.dims.names);
        out.extend_from_slice(&self.arrays);
        out.extend_from_slice(&self.attrs);
    }
}

/// Statistics are stored of arrays of so many bytes: below it finding them anew costs no more
/// than reading them.
pub(super) const STATS_FROM: usize = 256;

/// Bytes of a schema before its sections.
const SCHEMA_HEAD: usize = 12;
/// Where a schema says how many arrays have attributes in it.
const WITH_ATTRS_AT: usize = 6;

fn set_with_attrs(schema: &mut [u8], with_attrs: u16) {
    let rest = schema.get_mut(WITH_ATTRS_AT..);
    if let Some(place) = rest.and_then(|rest| rest.first_chunk_mut()) {
        *place = with_attrs.to_le_bytes();
    }
}

fn attr_bytes(value: &AttrValue) -> Cow<'_, [u8]> {
    match value {
        AttrValue::String(text) => Cow::Borrowed(text.as_bytes()),
        AttrValue::Bytes(bytes) => Cow::Borrowed(bytes),
        number => {
            let mut bytes = Vec::new();
            encode_scalar(number, &mut bytes);
            Cow::Owned(bytes)
        }
    }
}

/// Appends the attributes of the arrays; how many have some.
fn encode_array_attrs(arrays: &[(&str, ArraySpec<'_>)], out: &mut Vec<u8>) -> Result<u16> {
    let mut count = 0_u16;
    for (number, (name, spec)) in arrays.iter().enumerate() {
        if spec.attrs.is_empty() {
            continue;
        }
        count = count.saturating_add(1);
        out.extend((number as u16).to_le_bytes());
        encode_map(&spec.attrs, out, 0).map_err(|fault| fault.of(&format!("array {name:?}")))?;
    }
    Ok(count)
}
