//! One array of an entry.

use std::ops::Range;
use std::sync::Arc;

use super::elements::{Described, Elements, describe};
use super::{Stays, head};
use crate::array::{
    self, ArrayBytes, ArraySpec, ArrayStats, BLOCK_HEADER, BlockPlace, Chunks, Content, FieldInfo,
    FieldPlace, Places, PlainPlace, Points, Schema, Selection, Storage, StoredAs, StoredBytes,
};
use crate::chunks::{Assembly, ChunkIndex};
use crate::codec::{Dictionary, Pipeline};
use crate::error::{Error, Result};
use crate::format::Defect;
use crate::log::Stored;
use crate::value::Value;

/// One array of one version of an entry: what it is, and where its elements are. Keeps
/// them; nothing of them is read, or compared with its checksums, before it is asked for.
#[derive(Clone, Debug)]
pub struct Array {
    described: Described,
    place: FieldPlace,
    stored: Stored,
    /// Of a chunked array, if the partition has any chunks.
    chunks: Option<ChunkIndex>,
}

impl Array {
    /// Array `field` of the schema, if the entry has it.
    pub(crate) fn locate(
        stored: Stored,
        schema: &Arc<Schema>,
        field: usize,
        chunks: Option<ChunkIndex>,
    ) -> Result<Option<Self>> {
        let corrupt = |defect| stored.corrupt(0, defect);
        let frame = head(&stored, schema)?;
        let located = array::locate(schema, frame, field).map_err(corrupt)?;
        let Some(place) = located else {
            return Ok(None);
        };
        let own = if array::attrs_in_frame(frame).map_err(corrupt)? {
            let attrs = array::array_attrs(schema, frame, field).map_err(corrupt)?;
            let info = schema.fields.get(field).cloned();
            info.map(|info| Arc::new(FieldInfo { attrs, ..info }))
        } else {
            None
        };
        Ok(Some(Self {
            described: Described::new(schema, field, own),
            place,
            stored,
            chunks,
        }))
    }

    pub(super) fn renamed(mut self, name: &str) -> Self {
        self.described.renamed(name);
        self
    }

    /// Name, dtype, dims, fill value, attributes.
    #[must_use]
    pub fn info(&self) -> &FieldInfo {
        self.described.info()
    }

    /// Length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        &self.place.shape
    }

    /// Number of elements.
    #[must_use]
    pub fn size(&self) -> u64 {
        let lengths = self.shape().iter();
        lengths.fold(1, |size, length| size.saturating_mul(*length))
    }

    /// Whether it has a mask, also one that misses nothing.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        self.place.masked
    }

    /// Bytes of the elements, decoded. Of texts in chunks costs reading them.
    pub fn nbytes(&self) -> Result<u64> {
        let item = self.info().dtype.item_size();
        match (item, &self.place.storage) {
            (Some(item), _) => Ok(self.size().saturating_mul(item as u64)),
            (None, Storage::Plain(place)) => Ok(place.data.len() as u64),
            (None, _) => Ok(self.read()?.data().len() as u64),
        }
    }

    /// Length of a chunk along each axis; `None` if it is not chunked.
    pub fn chunks(&self) -> Result<Option<Vec<u64>>> {
        Ok(self.cut()?.map(|chunks| chunks.shape.into_vec()))
    }

    /// Bytes of the elements, as they are stored: encoded, with the mask and what says
    /// where they are. Of a chunked array costs a look-up of each chunk.
    pub fn nbytes_stored(&self) -> Result<u64> {
        match &self.place.storage {
            Storage::Plain(place) => Ok(place.parts().map(|part| part.len() as u64).sum()),
            Storage::Block(at) => Ok(self.block_place(*at)?.len() as u64),
            Storage::Chunks(_) => {
                let all = Selection::all(self.shape());
                self.assembly()?.stored_bytes(&all)
            }
        }
    }

    /// Least, greatest and counts of the elements. `None` for complex numbers and floats of 8
    /// bits, which have none.
    ///
    /// Those of an array of 256 bytes and more stand in the file, of a chunked array with
    /// each chunk, which costs a look-up of each; of others they are found by reading them.
    pub fn stats(&self) -> Result<Option<ArrayStats>> {
        let dtype = self.info().dtype;
        match &self.place.storage {
            Storage::Plain(_) => {
                let corrupt = |at, defect| self.stored.corrupt(at, defect);
                let schema = self.described.schema();
                let frame = head(&self.stored, schema)?;
                let place =
                    array::stats_place(schema, frame).map_err(|defect| corrupt(0, defect))?;
                if let Some(at) = place {
                    let bytes = self.stored.verified(at..at.saturating_add(4))?;
                    let len = bytes.get(at..).and_then(|rest| rest.first_chunk());
                    let len = len.map_or(0, |len| u32::from_le_bytes(*len) as usize);
                    let end = at.saturating_add(4).saturating_add(len);
                    let bytes = self.stored.verified(at..end.min(bytes.len()))?;
                    let found =
                        array::stats_of(bytes, at, self.described.field(), dtype, self.size());
                    if let Some(stats) = found.map_err(|defect| corrupt(at, defect))? {
                        return Ok(Some(stats));
                    }
                }
                Ok(self.read()?.view().stats())
            }
            Storage::Block(at) => {
                let range = self.block_place(*at)?.stats;
                if range.is_empty() {
                    return Ok(self.read()?.view().stats());
                }
                let (start, end) = (at.saturating_add(range.start), at.saturating_add(range.end));
                let stats = ArrayStats::decode(dtype, self.size(), &self.verified(start..end)?);
                stats
                    .map(Some)
                    .map_err(|defect| self.stored.corrupt(*at, defect))
            }
            Storage::Chunks(_) => self.assembly()?.stats(),
        }
    }

    /// All elements: a view of the file if they are stored as they are, or are one chunk
    /// that is; else a copy.
    ///
    /// `Error::Corrupt`; `Error::CodecUnavailable` if this build lacks the codec. Chunks are
    /// decoded by several threads if there is much of them.
    pub fn read(&self) -> Result<Elements> {
        match &self.place.storage {
            Storage::Plain(place) => self.plain(place),
            Storage::Block(at) => self.decoded(*at),
            Storage::Chunks(_) => self.assembly()?.read(&Selection::all(self.shape())),
        }
    }

    /// [`read`](Self::read) of an array that is not needed any more, which is some
    /// nanoseconds cheaper: fewer references are counted.
    pub fn into_elements(self) -> Result<Elements> {
        match self.place.storage {
            Storage::Plain(PlainPlace {
                data,
                offsets: None,
                validity: None,
            }) => Ok(Elements {
                data: Value::new(self.stored.into_verified(data)?),
                offsets: None,
                validity: None,
                described: self.described,
                shape: self.place.shape,
            }),
            _ => self.read(),
        }
    }

    /// The elements that are selected: of what is stored as it is and lies together a view,
    /// which compares no other block of 64 KiB with its checksum; else a copy. Reads the
    /// chunks alone that have some of them. `Error::Shape` for a selection that is not
    /// inside the array; else errors as those of [`read`](Self::read).
    pub fn slice(&self, selection: &Selection) -> Result<Elements> {
        if let Some(detail) = selection.fault(self.shape()) {
            return Err(self.shape_error(detail));
        }
        if selection.is_all_of(self.shape()) {
            return self.read();
        }
        match &self.place.storage {
            Storage::Plain(place) => self.plain_slice(place, selection),
            Storage::Block(at) => self.part(&self.decoded(*at)?, selection),
            Storage::Chunks(_) => self.assembly()?.read(selection),
        }
    }

    /// The elements at points, copied, in the shape of [`Points::shape`]. Decodes the chunks
    /// alone that have some of them, each once, and compares of what is stored as it is no
    /// other block of 64 KiB with its checksum. Errors as those of [`slice`](Self::slice).
    pub fn take(&self, points: &Points) -> Result<Elements> {
        if let Some(detail) = points.fault(self.shape()) {
            return Err(self.shape_error(detail));
        }
        match &self.place.storage {
            Storage::Plain(place) => self.plain_points(place, points),
            Storage::Block(at) => self.part(&self.decoded(*at)?, points),
            Storage::Chunks(_) => self.assembly()?.read(points),
        }
    }

    /// What would store this array again, or a copy of it; see
    /// [`write_entry`](crate::Partition::write_entry) for whole entries.
    ///
    /// An encoded array is not decoded for it. A chunked one is read by
    /// [`read`](Self::read) first.
    pub(super) fn stored_spec<'a>(&self, bytes: &'a StoredElements) -> ArraySpec<'a> {
        let info = self.info();
        let mut spec = match bytes {
            StoredElements::Elements(elements) => elements.to_spec(),
            StoredElements::Stored(stored) => {
                let mut spec = ArraySpec::new(info.dtype, self.shape(), &[]);
                spec.data = ArrayBytes::Stored(stored.borrowed());
                spec
            }
        };
        describe(info, &mut spec);
        // Not what another partition asks for.
        spec.codec.get_or_insert_with(|| "none".to_owned());
        if let StoredElements::Elements(_) = bytes
            && let Ok(Some(shape)) = self.chunks()
        {
            spec.chunks = Some(array::Chunking::Shape(shape));
        }
        spec
    }

    /// The elements for a copy.
    pub(super) fn stored_elements(&self, stays: Stays) -> Result<StoredElements> {
        let masked = self.is_masked();
        Ok(match &self.place.storage {
            Storage::Plain(place) => StoredElements::Elements(self.plain(place)?),
            Storage::Block(at) => {
                let (bytes, place) = self.block(*at)?;
                let short = stays == Stays::Long && self.sharing()?.is_some();
                if place.shared || short {
                    return Ok(StoredElements::Elements(self.decoded(*at)?));
                }
                let block = bytes.slice(0..place.len());
                let block = block.ok_or_else(|| self.truncated(*at))?;
                let bytes = OwnedBytes::Block(block);
                StoredElements::Stored(OwnedStored { masked, bytes })
            }
            Storage::Chunks(_) if stays == Stays::Blocks => StoredElements::Elements(self.read()?),
            Storage::Chunks(_) => {
                let chunks = self.cut()?.ok_or_else(|| self.truncated(0))?;
                let bytes = OwnedBytes::Chunks(chunks);
                StoredElements::Stored(OwnedStored { masked, bytes })
            }
        })
    }

    fn content(&self) -> Content {
        Content {
            dtype: self.info().dtype,
            elements: self.size(),
            masked: self.place.masked,
        }
    }

    /// How the array is cut.
    pub(crate) fn cut(&self) -> Result<Option<Chunks>> {
        let Storage::Chunks(range) = &self.place.storage else {
            return Ok(None);
        };
        let bytes = self.verified(range.clone())?;
        let chunks = Chunks::parse(&bytes, self.shape().len());
        let chunks = chunks.map_err(|defect| self.stored.corrupt(range.start, defect))?;
        Ok(Some(chunks))
    }

    /// Where its chunks are.
    pub(crate) fn assembly(&self) -> Result<Assembly> {
        let chunks = self.cut()?.ok_or_else(|| Error::Shape {
            array: self.info().name.clone(),
            detail: "it is not chunked".to_owned(),
        })?;
        Assembly::new(
            self.described.clone(),
            self.place.shape.clone(),
            self.place.masked,
            chunks,
            self.chunks.clone(),
        )
        .map_err(|detail| {
            let defect = Defect::Field {
                what: "chunks of an array whose axes they do not fit, rank",
                found: self.shape().len() as u64,
                expected: "lengths of 1 and more, and fewer than 2^32 chunks along an axis",
            };
            log::debug!("{detail}");
            self.stored.corrupt(0, defect)
        })
    }

    fn verified(&self, range: Range<usize>) -> Result<Value> {
        let bytes = self.stored.verified(range.clone())?.slice(range.clone());
        let bytes = bytes.ok_or_else(|| self.truncated(range.end))?;
        Ok(Value::new(bytes))
    }

    #[cold]
    fn truncated(&self, need: usize) -> Error {
        let defect = Defect::Truncated {
            what: "an array",
            need: need as u64,
            have: self.stored.located().head.value_len(),
        };
        self.stored.corrupt(0, defect)
    }

    fn plain(&self, place: &PlainPlace) -> Result<Elements> {
        let part = |range: &Range<usize>| self.verified(range.clone());
        Ok(Elements {
            data: part(&place.data)?,
            offsets: place.offsets.as_ref().map(part).transpose()?,
            validity: place.validity.as_ref().map(part).transpose()?,
            described: self.described.clone(),
            shape: self.place.shape.clone(),
        })
    }

    fn plain_slice(&self, place: &PlainPlace, selection: &Selection) -> Result<Elements> {
        let item = self.info().dtype.item_size();
        let (Some(item), None) = (item, &place.offsets) else {
            return self.part(&self.plain(place)?, selection);
        };
        let (extent, together) = selection.extent(self.shape());
        // Inside the array, whose bytes are in memory.
        let start = place
            .data
            .start
            .saturating_add((extent.start as usize).saturating_mul(item));
        let end = place
            .data
            .start
            .saturating_add((extent.end as usize).saturating_mul(item));
        let touched = self.verified(start..end)?;
        if together && !self.place.masked {
            return Ok(Elements {
                described: self.described.clone(),
                shape: selection.lengths(),
                data: touched,
                offsets: None,
                validity: None,
            });
        }
        self.part(&self.seen(place, start..end)?, selection)
    }

    fn plain_points(&self, place: &PlainPlace, points: &Points) -> Result<Elements> {
        let item = self.info().dtype.item_size();
        let (Some(item), None) = (item, &place.offsets) else {
            return self.part(&self.plain(place)?, points);
        };
        let at = |element: u64| {
            let at = (element as usize).saturating_mul(item);
            place.data.start.saturating_add(at)
        };
        for point in (0..points.count()).filter_map(|number| points.point(number)) {
            let (extent, _) = point.extent(self.shape());
            self.stored.verified(at(extent.start)..at(extent.end))?;
        }
        self.part(&self.seen(place, at(0)..at(0))?, points)
    }

    /// All elements, of which those in `range` are compared: what is not touched is not
    /// verified either, and is not to be given out.
    fn seen(&self, place: &PlainPlace, range: Range<usize>) -> Result<Elements> {
        let bytes = self.stored.verified(range)?.slice(place.data.clone());
        let data = Value::new(bytes.ok_or_else(|| self.truncated(place.data.end))?);
        Ok(Elements {
            described: self.described.clone(),
            shape: self.place.shape.clone(),
            data,
            offsets: None,
            validity: place
                .validity
                .as_ref()
                .map(|range| self.verified(range.clone()))
                .transpose()?,
        })
    }

    /// Some elements of those in memory, copied.
    fn part(&self, of: &Elements, selection: &dyn Places) -> Result<Elements> {
        of.select(selection)
            .map_err(|detail| self.shape_error(detail))
    }

    /// Compares all that it has outside of its entry with its sums.
    pub(crate) fn verify_chunks(&self) -> Result<()> {
        match &self.place.storage {
            Storage::Chunks(_) => self.assembly()?.verify(),
            Storage::Plain(_) | Storage::Block(_) => Ok(()),
        }
    }

    /// Where the parts of the block at `at` of the frame are, of which the head is compared.
    fn block_place(&self, at: usize) -> Result<BlockPlace> {
        let room = self.stored.located().head.value_len();
        let room = usize::try_from(room)
            .unwrap_or(usize::MAX)
            .saturating_sub(at);
        let head = self.verified(at..at.saturating_add(BLOCK_HEADER.min(room)))?;
        let place = BlockPlace::parse(&head, room, self.content());
        let place = place.map_err(|defect| self.stored.corrupt(at, defect))?;
        if place.empty {
            let defect = Defect::Field {
                what: "flags of the block of an array",
                found: 4,
                expected: "4 of chunks alone",
            };
            return Err(self.stored.corrupt(at, defect));
        }
        Ok(place)
    }

    /// The block at `at` of the frame, compared, and its parts.
    fn block(&self, at: usize) -> Result<(Value, BlockPlace)> {
        let place = self.block_place(at)?;
        Ok((self.verified(at..at.saturating_add(place.len()))?, place))
    }

    fn decoded(&self, at: usize) -> Result<Elements> {
        let (block, place) = self.block(at)?;
        let dictionary = match place.shared {
            false => None,
            true => Some(self.dictionary()?),
        };
        crate::chunks::decode(
            &self.described,
            (&block, &place),
            dictionary.as_deref(),
            self.content(),
            &self.place.shape,
            &|defect| self.stored.corrupt(at, defect),
        )
    }

    /// The codec, if the array may share a dictionary with others.
    pub(crate) fn sharing(&self) -> Result<Option<Pipeline>> {
        let info = self.info();
        let Some(codec) = info.codec.as_deref().filter(|_| !info.chunked) else {
            return Ok(None);
        };
        let Ok(codec) = Pipeline::parse(codec) else {
            return Ok(None);
        };
        let bytes = self.nbytes_decoded()?;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        Ok(array::shares(&codec, bytes).then_some(codec))
    }

    /// What encoded it, if that took the dictionary of the partition.
    pub(crate) fn shared_codec(&self) -> Result<Option<Pipeline>> {
        let Storage::Block(at) = &self.place.storage else {
            return Ok(None);
        };
        let place = self.block_place(*at)?;
        if !place.shared {
            return Ok(None);
        }
        let block = self.verified(*at..at.saturating_add(place.len()))?;
        let codec = place.pipeline(&block);
        codec.map_err(|defect| self.stored.corrupt(*at, defect))
    }

    /// Bytes of the elements of an array in one piece, with the offsets of texts, as a codec
    /// takes them.
    pub(crate) fn nbytes_decoded(&self) -> Result<u64> {
        match &self.place.storage {
            Storage::Plain(place) => {
                let offsets = place.offsets.as_ref().map_or(0, ExactSizeIterator::len);
                Ok((offsets.next_multiple_of(8)).saturating_add(place.data.len()) as u64)
            }
            Storage::Block(at) => Ok(self.block_place(*at)?.decoded),
            Storage::Chunks(_) => self.nbytes(),
        }
    }

    /// The bytes that [`nbytes_decoded`](Self::nbytes_decoded) counts.
    pub(crate) fn decoded_bytes(&self) -> Result<Vec<u8>> {
        let elements = self.read()?;
        let mut bytes = Vec::new();
        if let Some(offsets) = &elements.offsets {
            bytes.extend_from_slice(offsets);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes.extend_from_slice(&elements.data);
        Ok(bytes)
    }

    /// The dictionary of the partition.
    fn dictionary(&self) -> Result<Arc<Dictionary>> {
        let partition = self.stored.located().head.partition;
        match &self.chunks {
            Some(chunks) => chunks.dictionary(partition),
            None => {
                let defect = Defect::Lost {
                    what: "the dictionary of the partition",
                    because: "an entry needs it, and the partition has none",
                };
                Err(self.stored.corrupt(0, defect))
            }
        }
    }

    fn shape_error(&self, detail: String) -> Error {
        Error::Shape {
            array: self.info().name.clone(),
            detail,
        }
    }
}

/// Elements on their way to another entry.
#[derive(Debug)]
pub(crate) enum StoredElements {
    Elements(Elements),
    /// As they are.
    Stored(OwnedStored),
}

#[derive(Debug)]
pub(crate) struct OwnedStored {
    masked: bool,
    bytes: OwnedBytes,
}

#[derive(Debug)]
enum OwnedBytes {
    Block(Value),
    Chunks(Chunks),
}

impl OwnedStored {
    fn borrowed(&self) -> StoredBytes<'_> {
        let bytes = match &self.bytes {
            OwnedBytes::Block(block) => StoredAs::Block((&**block).into()),
            OwnedBytes::Chunks(chunks) => StoredAs::Chunks(chunks.clone()),
        };
        StoredBytes {
            masked: self.masked,
            bytes,
        }
    }
}
