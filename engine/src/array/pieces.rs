//! Writes a plan as a frame: what is small in owned buffers, large arrays borrowed.
use std::borrow::Cow;

use super::frame::ALIGN_AT;
use super::layout::{
    Class, Geometry, INLINE, INLINE_MARK, INLINE_TEXT, Place, align_up, flag, pad8, presence,
};
use super::plan::{ArrayAttrs, Data, Field, Plan};
use super::slot::{BLOCK, CHUNKS, WIDE_OFFSETS};
use crate::format::{PACKED, value_align};

/// Parts of at least this many bytes stay borrowed: below it a copy costs less
/// than one more part in a vectored write.
const BORROW: usize = 4096;

/// A frame as parts that follow each other, padding included.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    /// None is empty.
    pub(crate) parts: Vec<Cow<'a, [u8]>>,
    /// Sum of their lengths: the length of the frame.
    pub(crate) len: u64,
}

impl Plan<'_> {
    /// The frame of these arrays and attributes under the schema `schema_id`.
    pub(crate) fn pieces(&self, schema_id: u32) -> Pieces<'_> {
        let wide_dims = self.dims.iter().any(|size| u32::try_from(*size).is_err());
        let flags = if wide_dims { flag::WIDE_DIMS } else { 0 };
        self.pieces_with(schema_id, flags)
    }

    /// As `pieces`, with at least `flags`.
    pub(super) fn pieces_with(&self, schema_id: u32, flags: u16) -> Pieces<'_> {
        let in_frame = self.array_attrs_in == ArrayAttrs::InFrame && self.has_array_attrs();
        let flags = if in_frame {
            flags | flag::ARRAY_ATTRS
        } else {
            flags
        };
        let flags = match self.changes {
            None => flags,
            Some(_) => flags | flag::AMENDS,
        };
        let flags = match self.shares {
            false => flags,
            true => flags | flag::SHARES,
        };
        let extra = self.extra(in_frame);
        let flags = match extra.is_empty() {
            true => flags,
            false => flags | flag::EXTRA,
        };
        let flags = match self.stats.is_empty() {
            true => flags,
            false => flags | flag::STATS,
        };
        let narrow = Draft::new(self, flags, extra.len());
        let draft = if narrow.fits() {
            narrow
        } else {
            Draft::new(self, flags | flag::WIDE_SLOTS, extra.len())
        };
        let mut builder = Builder::new(draft.head(schema_id, &extra));
        for body in &draft.bodies {
            builder.push_body(body);
        }
        builder.finish()
    }

    /// Bytes of the statistics with their length; 0 if there are none.
    fn stats_len(&self) -> usize {
        match self.stats.len() {
            0 => 0,
            len => len.saturating_add(4),
        }
    }

    /// The extra part; empty if there is none.
    fn extra(&self, array_attrs: bool) -> Vec<u8> {
        let mut out = self.extra_values.clone();
        if array_attrs {
            out.extend(u32::from(self.with_attrs).to_le_bytes());
            out.extend_from_slice(self.attrs_in_frame());
        }
        if let Some(changes) = &self.changes {
            out.extend_from_slice(changes);
        }
        if out.is_empty() {
            return out;
        }
        // Each half is below 2^31 bytes.
        let len = (out.len() as u32).to_le_bytes();
        out.splice(0..0, len);
        out
    }
}

/// A body and its place from the start of the frame.
struct Body<'p> {
    number: usize,
    field: &'p Field<'p>,
    /// Log2 of its alignment.
    align: u8,
    at: u64,
}

/// Places of everything in a frame.
struct Draft<'p> {
    plan: &'p Plan<'p>,
    geometry: Geometry<'p>,
    flags: u16,
    bodies: Vec<Body<'p>>,
    /// Bytes of the frame.
    end: u64,
}

impl<'p> Draft<'p> {
    fn new(plan: &'p Plan<'p>, flags: u16, extra: usize) -> Self {
        let geometry = plan.layout.with_flags(flags);
        let mut bodies: Vec<_> = plan
            .fields
            .iter()
            .enumerate()
            .filter(|(_, field)| !field.is_inline())
            .map(|(number, field)| Body {
                number,
                field,
                align: match field.data {
                    // What has to be decoded is not lent.
                    Data::Block(_) => PACKED,
                    _ => value_align(field.body_len(), plan.align),
                },
                at: 0,
            })
            .collect();
        bodies.sort_by_key(|body| body.align);
        let stats_at = geometry.fixed_end().saturating_add(pad8(extra));
        let mut end = stats_at.saturating_add(pad8(plan.stats_len())) as u64;
        for body in &mut bodies {
            body.at = align_up(end, 1 << body.align);
            end = body.at.saturating_add(body.field.body_len());
        }
        Self {
            plan,
            geometry,
            flags,
            bodies,
            end,
        }
    }

    /// Whether 8-byte slots can name every body.
    fn fits(&self) -> bool {
        self.geometry.wide_slots
            || self.bodies.iter().all(|body| {
                let short = body.field.class != Class::Text || body.field.body_len() < 1 << 31;
                short && u32::try_from(body.at / 8).is_ok()
            })
    }

    /// Everything before the bodies.
    fn head(&self, schema_id: u32, extra: &[u8]) -> Vec<u8> {
        let extra_at = self.geometry.fixed_end();
        // Small bodies are copied behind it.
        let room = usize::try_from(self.end).unwrap_or(BORROW).min(BORROW);
        let mut bytes = Vec::with_capacity(room);
        let stats = pad8(self.plan.stats_len());
        bytes.resize(
            extra_at
                .saturating_add(pad8(extra.len()))
                .saturating_add(stats),
            0,
        );
        let mut head = Head { bytes };
        head.put(0, &schema_id.to_le_bytes());
        head.put(4, &self.flags.to_le_bytes());
        // Bodies stand by rising alignment.
        let align = self.bodies.last().map_or(PACKED, |body| body.align);
        head.put(ALIGN_AT, &[align]);
        head.put(extra_at, extra);
        if !self.plan.stats.is_empty() {
            let at = extra_at.saturating_add(pad8(extra.len()));
            head.put(at, &(self.plan.stats.len() as u32).to_le_bytes());
            head.put(at.saturating_add(4), &self.plan.stats);
        }
        for (slot, size) in self.plan.dims.iter().enumerate() {
            let size = size.to_le_bytes();
            head.put(
                self.geometry.dim_at(slot),
                size.get(..self.geometry.dim_width).unwrap_or(&size),
            );
        }
        for (number, field) in self.plan.fields.iter().enumerate() {
            if let Some(place) = self.plan.layout.place(number) {
                head.put_state(self.geometry.bits_at, number, field);
                head.put_field(&self.geometry, place, field);
            }
        }
        for body in &self.bodies {
            if let Some(place) = self.plan.layout.place(body.number) {
                head.put_reference(&self.geometry, place, body);
            }
        }
        head.bytes
    }
}

/// The bytes before the bodies, written in any order.
struct Head {
    bytes: Vec<u8>,
}

impl Head {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        let place = self.bytes.get_mut(at..at.saturating_add(bytes.len()));
        debug_assert!(place.is_some(), "{at}: the layout has room for every field");
        if let Some(place) = place {
            place.copy_from_slice(bytes);
        }
    }

    fn put_state(&mut self, bits_at: usize, number: usize, field: &Field<'_>) {
        let state = match field.masked {
            false => presence::PRESENT,
            true => presence::MASKED,
        };
        if let Some(byte) = self.bytes.get_mut(bits_at.saturating_add(number / 4)) {
            *byte |= state.wrapping_shl((number as u32 & 3).saturating_mul(2));
        }
    }

    /// Writes a field as far as it lies in the fixed part.
    fn put_field(&mut self, geometry: &Geometry<'_>, place: Place, field: &Field<'_>) {
        let at = geometry.field_at(place);
        if let (Some(at), Some(bits)) = (geometry.validity_at(place), &field.validity) {
            self.put(at, bits);
        }
        if !field.is_inline() {
            return;
        }
        let Data::Flat(data) = &field.data else {
            return;
        };
        self.put(at, data);
        if field.class == Class::Text {
            let width = if geometry.wide_slots { 16_usize } else { 8 };
            let last = at.saturating_add(width).saturating_sub(1);
            self.put(last, &[INLINE_MARK | data.len() as u8]);
        }
        if let Some(bits) = field.body_validity() {
            self.put(at.saturating_add(data.len()), bits);
        }
    }

    fn put_reference(&mut self, geometry: &Geometry<'_>, place: Place, body: &Body<'_>) {
        let at = geometry.field_at(place);
        let info = match &body.field.data {
            Data::Flat(text) if body.field.class == Class::Text => text.len() as u64,
            Data::Texts { wide: true, .. } => WIDE_OFFSETS,
            Data::Block(_) => BLOCK,
            Data::Chunks(_) => CHUNKS,
            _ => 0,
        };
        let (eighths, info) = ((body.at / 8).to_le_bytes(), info.to_le_bytes());
        let width = if geometry.wide_slots { 8 } else { 4 };
        self.put(at, eighths.get(..width).unwrap_or(&eighths));
        self.put(at.saturating_add(width), info.get(..width).unwrap_or(&info));
    }
}

impl Field<'_> {
    /// Whether it lies wholly in the fixed part.
    pub(super) fn is_inline(&self) -> bool {
        match (&self.data, self.class) {
            (_, Class::Scalar(_) | Class::Extra) => true,
            (Data::Flat(text), Class::Text) => text.len() <= INLINE_TEXT,
            (Data::Flat(data), _) => {
                let bits = self.body_validity().map_or(0, <[u8]>::len);
                data.len().saturating_add(bits) as u64 <= INLINE
            }
            (Data::Texts { offsets, .. }, _) => offsets.len() <= 1,
            (Data::Block(_) | Data::Chunks(_), _) => false,
        }
    }

    /// The validity bits that follow the elements: not those of a 0-d array.
    fn body_validity(&self) -> Option<&[u8]> {
        self.validity.as_deref().filter(|_| !self.is_0d)
    }

    fn body_len(&self) -> u64 {
        let data = match &self.data {
            Data::Flat(data) => data.len(),
            Data::Texts {
                offsets,
                data,
                wide,
            } => {
                let width = if *wide { 8 } else { 4 };
                pad8(offsets.len().saturating_mul(width)).saturating_add(data.len())
            }
            Data::Block(block) => block.len(),
            Data::Chunks(descriptor) => descriptor.len(),
        };
        match self.body_validity() {
            None => data as u64,
            Some(bits) => pad8(data).saturating_add(bits.len()) as u64,
        }
    }
}

/// Parts in the making: small ones gather in `tail`.
struct Builder<'p> {
    parts: Vec<Cow<'p, [u8]>>,
    tail: Vec<u8>,
    len: u64,
}

impl<'p> Builder<'p> {
    fn new(head: Vec<u8>) -> Self {
        Self {
            parts: Vec::new(),
            len: head.len() as u64,
            tail: head,
        }
    }

    fn push_body(&mut self, body: &Body<'p>) {
        self.pad(1 << body.align);
        match &body.field.data {
            Data::Flat(data) | Data::Block(data) => self.push(data),
            Data::Chunks(descriptor) => self.copy(descriptor),
            Data::Texts {
                offsets,
                data,
                wide,
            } => {
                for offset in *offsets {
                    let offset = offset.to_le_bytes();
                    let width = if *wide { 8 } else { 4 };
                    self.copy(offset.get(..width).unwrap_or(&offset));
                }
                self.pad(8);
                self.push(data);
            }
        }
        if let Some(bits) = body.field.body_validity() {
            self.pad(8);
            self.push(bits);
        }
    }

    /// Zeros up to a multiple of `align`.
    fn pad(&mut self, align: u64) {
        let end = align_up(self.len, align);
        // Less than one alignment.
        let zeros = end.saturating_sub(self.len) as usize;
        self.tail.resize(self.tail.len().saturating_add(zeros), 0);
        self.len = end;
    }

    fn push(&mut self, bytes: &'p [u8]) {
        if bytes.len() < BORROW {
            return self.copy(bytes);
        }
        self.flush();
        self.parts.push(Cow::Borrowed(bytes));
        self.len = self.len.saturating_add(bytes.len() as u64);
    }

    fn copy(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.len = self.len.saturating_add(bytes.len() as u64);
    }

    fn flush(&mut self) {
        if !self.tail.is_empty() {
            self.parts.push(Cow::Owned(std::mem::take(&mut self.tail)));
        }
    }

    fn finish(mut self) -> Pieces<'p> {
        self.flush();
        Pieces {
            parts: self.parts,
            len: self.len,
        }
    }
}
