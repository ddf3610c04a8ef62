//! From elements to chunks.

use std::path::Path;

use parking_lot::Mutex;

use super::{ArrayIds, threads};
use crate::array::{
    ArrayBytes, AttrValue, ChunkGrid, Chunks, Coords, Cut, DType, Plan, Raw, Selection, Shape,
    Source, Touched, encode_block, fill_bytes, gather, gather_bits, pairs,
};
use crate::codec::Pipeline;
use crate::error::{Error, Result};

/// A chunk that is to be stored.
#[derive(Debug)]
pub(crate) struct NewChunk {
    pub(crate) key: Vec<u8>,
    pub(crate) block: Vec<u8>,
}

/// The chunks of all arrays of a plan that are cut, which get their names here.
pub(crate) fn cut_all(plan: &mut Plan<'_>, ids: &ArrayIds, path: &Path) -> Result<Vec<NewChunk>> {
    let mut chunks = Vec::new();
    for cut in plan.cut(|| ids.next(path))? {
        chunks.append(&mut self::cut(cut)?);
    }
    Ok(chunks)
}

/// The chunks of an array that is written whole, but for those of which every element is
/// the fill value. By several threads if it is much.
fn cut(cut: &Cut<'_>) -> Result<Vec<NewChunk>> {
    let shape: Shape = cut.spec.shape.iter().copied().collect();
    let grid = ChunkGrid::new(&shape, &cut.chunks.shape);
    let grid = grid.map_err(|detail| Error::Shape {
        array: cut.name.to_owned(),
        detail,
    })?;
    let touched: Vec<_> = grid.touched(&Selection::all(&shape)).collect();
    let whole = Whole {
        name: cut.name,
        dtype: cut.spec.dtype,
        fill: fill_bytes(cut.spec.dtype, cut.spec.fill_value.as_ref()),
        fill_value: cut.spec.fill_value.as_ref(),
        data: &cut.spec.data,
        validity: cut.validity.as_deref(),
        shape: &shape,
        chunks: &cut.chunks,
        codec: cut.codec.as_ref(),
    };
    let item = cut.spec.dtype.item_size().unwrap_or(1) as u64;
    let size = shape
        .iter()
        .fold(item, |size, length| size.saturating_mul(*length));
    whole.encode(&touched, size)
}

/// The block of one chunk, whose elements are all at hand.
pub(crate) fn encode_box(
    name: &str,
    dtype: DType,
    raw: Raw<'_>,
    validity: Option<&[u8]>,
    codec: Option<&Pipeline>,
    fill: Option<&AttrValue>,
) -> Result<Vec<u8>> {
    let source = Source {
        dtype,
        elements: raw,
        validity,
        fill,
    };
    Ok(encode_block(source, codec, name, true)?.unwrap_or_default())
}

struct Whole<'a> {
    name: &'a str,
    dtype: DType,
    /// Bytes of the fill value, if it is not zero.
    fill: Option<Vec<u8>>,
    fill_value: Option<&'a AttrValue>,
    data: &'a ArrayBytes<'a>,
    validity: Option<&'a [u8]>,
    shape: &'a Shape,
    chunks: &'a Chunks,
    codec: Option<&'a Pipeline>,
}

impl Whole<'_> {
    fn encode(&self, touched: &[Touched], bytes: u64) -> Result<Vec<NewChunk>> {
        let done = Mutex::new(Vec::with_capacity(touched.len()));
        threads::each(touched.len(), bytes, |number, _: &mut ()| {
            if let Some(touched) = touched.get(number)
                && let Some(chunk) = self.chunk(touched)?
            {
                done.lock().push((number, chunk));
            }
            Ok(())
        })?;
        let mut chunks = done.into_inner();
        // The same array gives the same bytes.
        chunks.sort_unstable_by_key(|(number, _)| *number);
        Ok(chunks.into_iter().map(|(_, chunk)| chunk).collect())
    }

    /// The place of a chunk in the whole array, as a selection.
    fn inside(&self, coords: &Coords, extent: &Shape) -> Selection {
        let axes = coords.iter().zip(&self.chunks.shape).zip(extent);
        Selection::new(axes.map(|((&number, &length), &count)| crate::array::Span {
            start: u64::from(number).saturating_mul(length),
            step: 1,
            count,
        }))
    }

    fn chunk(&self, touched: &Touched) -> Result<Option<NewChunk>> {
        let extent = &touched.extent;
        let inside = self.inside(&touched.coords, extent);
        let size = extent
            .iter()
            .fold(1u64, |size, length| size.saturating_mul(*length));
        let origin = Shape::from_elem(0, extent.len());
        let misfit = || Error::Shape {
            array: self.name.to_owned(),
            detail: "its elements do not fit its chunks".to_owned(),
        };
        let bits = match self.validity {
            None => None,
            Some(from) => {
                let mut bits = vec![0; size.div_ceil(8) as usize];
                if !gather_bits(from, self.shape, &inside, &mut bits, extent, &origin) {
                    return Err(misfit());
                }
                Some(bits)
            }
        };
        let block = match self.data {
            ArrayBytes::Fixed(data) => {
                let item = self.dtype.item_size().unwrap_or(1);
                let len = usize::try_from(size)
                    .ok()
                    .and_then(|size| size.checked_mul(item));
                let mut elements = vec![0; len.ok_or_else(misfit)?];
                if !gather(
                    item,
                    data,
                    self.shape,
                    &inside,
                    &mut elements,
                    extent,
                    &origin,
                ) {
                    return Err(misfit());
                }
                if bits.is_none() && self.is_fill(&elements, item) {
                    return Ok(None);
                }
                encode_box(
                    self.name,
                    self.dtype,
                    Raw::Fixed(&elements),
                    bits.as_deref(),
                    self.codec,
                    self.fill_value,
                )?
            }
            ArrayBytes::Variable { offsets, data } => {
                let mut ends = vec![0u64];
                let mut texts = Vec::new();
                let fits = pairs(self.shape, &inside, extent, &origin, |from, _| {
                    let from = from as usize;
                    let range = offsets.get(from).zip(offsets.get(from.saturating_add(1)));
                    let text = range.and_then(|(&a, &b)| data.get(a as usize..b as usize));
                    texts.extend_from_slice(text.unwrap_or_default());
                    ends.push(texts.len() as u64);
                });
                if !fits {
                    return Err(misfit());
                }
                let raw = Raw::Texts {
                    offsets: &ends,
                    data: &texts,
                };
                encode_box(
                    self.name,
                    self.dtype,
                    raw,
                    bits.as_deref(),
                    self.codec,
                    self.fill_value,
                )?
            }
            ArrayBytes::Stored(_) => return Err(misfit()),
        };
        Ok(Some(NewChunk {
            key: self.chunks.key(&touched.coords),
            block,
        }))
    }

    /// Whether every element is the fill value, bit by bit.
    fn is_fill(&self, elements: &[u8], item: usize) -> bool {
        match &self.fill {
            None => elements.iter().all(|&byte| byte == 0),
            Some(fill) => elements
                .chunks_exact(item.max(1))
                .all(|element| element == fill),
        }
    }
}
