//! From chunks to the elements that were selected.

use parking_lot::Mutex;

use super::ChunkIndex;
use super::decode::{check_len, decode, decode_into};
use super::target::Target;
use super::threads;
use crate::array::{
    ArrayStats, BLOCK_HEADER, BlockPlace, ChunkGrid, Chunks, Content, Piece, Places, Selection,
    Shape, Touched, fill_bytes,
};
use crate::decoded::DecodedChunks;
use crate::entry::{Described, Elements};
use crate::error::{Error, Result};
use crate::format::Defect;
use crate::log::Stored;
use crate::value::Value;

/// A chunked array and where its chunks are.
#[derive(Debug)]
pub(crate) struct Assembly {
    described: Described,
    shape: Shape,
    masked: bool,
    pub(crate) chunks: Chunks,
    index: Option<ChunkIndex>,
}

/// A chunk that was found, of which the head was compared with its sum.
struct Found {
    stored: Stored,
    place: BlockPlace,
}

impl Found {
    /// All of it, compared.
    fn block(&self) -> Result<Value> {
        self.stored.value().map(Value::new)
    }

    /// Where it is kept when it is decoded, and under which number: if that takes work, a
    /// part of it alone is asked for, and it is committed.
    fn kept(&self, touched: &Touched) -> Option<(&DecodedChunks, u64)> {
        if touched.whole || !self.place.is_encoded() {
            return None;
        }
        let kept = self.stored.log().decoded();
        let place = self.stored.place()?;
        kept.takes(self.place.decoded).then_some((kept, place))
    }

    /// Whether it is kept by now.
    fn is_kept(&self, touched: &Touched) -> bool {
        self.kept(touched)
            .is_some_and(|(kept, at)| kept.get(at).is_some())
    }

    fn corrupt(&self, defect: Defect) -> Error {
        self.stored.corrupt(0, defect)
    }
}

impl Assembly {
    /// Fails with what is wrong if the chunks do not fit the axes.
    pub(crate) fn new(
        described: Described,
        shape: Shape,
        masked: bool,
        chunks: Chunks,
        index: Option<ChunkIndex>,
    ) -> Result<Self, String> {
        ChunkGrid::new(&shape, &chunks.shape)?;
        Ok(Self {
            described,
            shape,
            masked,
            chunks,
            index,
        })
    }

    fn touched(&self, selection: &Selection) -> Vec<Touched> {
        match ChunkGrid::new(&self.shape, &self.chunks.shape) {
            Ok(grid) => grid.touched(selection).collect(),
            Err(_) => Vec::new(),
        }
    }

    fn content(&self, extent: &Shape) -> Content {
        let lengths = extent.iter();
        Content {
            dtype: self.described.info().dtype,
            elements: lengths.fold(1, |size, length| size.saturating_mul(*length)),
            masked: self.masked,
        }
    }

    /// A chunk; `None`: nothing is stored, all is fill value.
    fn find(&self, touched: &Touched) -> Result<Option<Found>> {
        let Some(index) = &self.index else {
            return Ok(None);
        };
        let Some(stored) = index.find(&self.chunks.key(&touched.coords))? else {
            return Ok(None);
        };
        let value = stored.located().head.value_len();
        let value = usize::try_from(value).unwrap_or(usize::MAX);
        let head = stored.verified(0..BLOCK_HEADER.min(value))?;
        let place = BlockPlace::parse(head, value, self.content(&touched.extent));
        let place = place.map_err(|defect| stored.corrupt(0, defect))?;
        if place.empty {
            return Ok(None);
        }
        if place.shared {
            let defect = Defect::Field {
                what: "flags of the block of a chunk",
                found: 8,
                expected: "8 of arrays in one piece alone",
            };
            return Err(stored.corrupt(0, defect));
        }
        Ok(Some(Found { stored, place }))
    }

    /// Bytes of the chunks that have some of a selection, as they are stored.
    pub(crate) fn stored_bytes(&self, selection: &Selection) -> Result<u64> {
        let mut bytes = 0u64;
        for touched in self.touched(selection) {
            if let Some(found) = self.find(&touched)? {
                bytes = bytes.saturating_add(found.place.len() as u64);
            }
        }
        Ok(bytes)
    }

    /// Compares all chunks with their sums.
    pub(crate) fn verify(&self) -> Result<()> {
        for touched in self.touched(&Selection::all(&self.shape)) {
            if let Some(found) = self.find(&touched)? {
                found.block()?;
            }
        }
        Ok(())
    }

    /// The statistics of all chunks together.
    pub(crate) fn stats(&self) -> Result<Option<ArrayStats>> {
        let info = self.described.info();
        let mut all: Option<ArrayStats> = None;
        for touched in self.touched(&Selection::all(&self.shape)) {
            let stats = match self.find(&touched)? {
                None => self.stats_of_nothing(&touched),
                Some(found) if found.place.stats.is_empty() => {
                    self.decode(&found, &touched)?.view().stats()
                }
                Some(found) => {
                    let range = found.place.stats.clone();
                    let bytes = found.stored.verified(range.clone())?;
                    let stats = bytes.get(range).unwrap_or_default();
                    let count = self.content(&touched.extent).elements;
                    let stats = ArrayStats::decode(info.dtype, count, stats);
                    Some(stats.map_err(|defect| found.corrupt(defect))?)
                }
            };
            let Some(stats) = stats else {
                return Ok(None);
            };
            all = Some(match all {
                None => stats,
                Some(before) => before.merge(&stats),
            });
        }
        match all {
            None => Ok(self.read(&Selection::all(&self.shape))?.view().stats()),
            all => Ok(all),
        }
    }

    /// The statistics of a chunk of which nothing is stored: so many times those of one
    /// element of it.
    fn stats_of_nothing(&self, touched: &Touched) -> Option<ArrayStats> {
        let info = self.described.info();
        let fill = self.fill_bytes();
        let fill = fill.unwrap_or_else(|| vec![0; info.dtype.item_size().unwrap_or(0)]);
        let one = ArrayStats::of_one(info, &fill, self.masked)?;
        Some(one.repeated(self.content(&touched.extent).elements))
    }

    /// The elements of one whole chunk; `None`: nothing is stored.
    pub(crate) fn chunk(&self, touched: &Touched) -> Result<Option<Elements>> {
        let found = self.find(touched)?;
        found.map(|found| self.decode(&found, touched)).transpose()
    }

    /// The elements of a chunk: those that are kept in memory, if some of them alone are
    /// asked for.
    fn decode(&self, found: &Found, touched: &Touched) -> Result<Elements> {
        let block = found.block()?;
        let kept = found.kept(touched);
        if let Some((kept, at)) = kept
            && let Some(decoded) = kept.get(at)
        {
            return Ok(Elements::kept(&self.described, &touched.extent, decoded));
        }
        let elements = decode(
            &self.described,
            (&block, &found.place),
            None,
            self.content(&touched.extent),
            &touched.extent,
            &|defect| found.corrupt(defect),
        )?;
        if let Some((kept, at)) = kept {
            kept.keep(at, &elements.decoded());
        }
        Ok(elements)
    }

    /// The elements of a selection, or at points, which lie inside the array.
    pub(crate) fn read(&self, selection: &dyn Places) -> Result<Elements> {
        let pieces = match ChunkGrid::new(&self.shape, &self.chunks.shape) {
            Ok(grid) => selection.pieces(&grid),
            Err(_) => Vec::new(),
        };
        if let [one] = pieces.as_slice()
            && let Some(inside) = one.only()
            && let Some(chunk) = self.chunk(&one.touched)?
        {
            return match one.touched.whole {
                true => Ok(chunk),
                false => chunk.select(inside).map_err(|detail| self.misfit(detail)),
            };
        }
        let shape = selection.lengths();
        match self.described.info().dtype.item_size() {
            Some(item) => self.fixed(&pieces, shape, item),
            None => self.texts(&pieces, shape),
        }
    }

    fn fixed(&self, pieces: &[Piece<'_>], shape: Shape, item: usize) -> Result<Elements> {
        let size = shape
            .iter()
            .fold(1u64, |size, length| size.saturating_mul(*length));
        let len = size.saturating_mul(item as u64);
        let len = usize::try_from(len).map_err(|_| self.misfit("it is too large".to_owned()))?;
        let bits = match self.masked {
            true => size.div_ceil(8) as usize,
            false => 0,
        };
        let mut validity = Ok(None);
        let data = Value::owned(len, |out| {
            let target = Target::new(out, &shape, item, pieces);
            let mut read = Ok(());
            validity = match self.masked {
                false => Ok(None),
                true => Value::owned(bits, |bits| {
                    read = self.gather(pieces, &target, Some(&Mutex::new(bits)));
                    Ok(())
                })
                .map(Some),
            };
            match self.masked {
                true => read,
                false => self.gather(pieces, &target, None),
            }
        })?;
        Ok(Elements {
            described: self.described.clone(),
            shape,
            data,
            offsets: None,
            validity: validity?,
        })
    }

    /// Decodes the chunks into their places, by several threads if it is much.
    fn gather(
        &self,
        pieces: &[Piece<'_>],
        target: &Target<'_>,
        validity: Option<&Mutex<&mut [u8]>>,
    ) -> Result<()> {
        let is_encoded = self.described.info().codec.is_some();
        let mut rest = Vec::with_capacity(pieces.len());
        let mut bytes = 0u64;
        for piece in pieces {
            let found = match is_encoded && !piece.touched.whole {
                true => Some(self.find(&piece.touched)?),
                false => None,
            };
            // To copy what is kept takes less than to start a thread for it.
            if let Some(Some(found)) = &found
                && found.is_kept(&piece.touched)
            {
                self.place(piece, Some(found), target, validity, &mut Vec::new())?;
                continue;
            }
            let elements = self.content(&piece.touched.extent).elements;
            bytes = bytes.saturating_add(elements.saturating_mul(target.item as u64));
            rest.push((piece, found));
        }
        if !is_encoded {
            // What is not decoded is copied where it is selected, and nowhere else.
            bytes = target.len as u64 / AS_FAST;
        }
        // Those that follow each other go to different parts of the target, so that threads
        // do not wait for each other.
        let parts = target.parts.len().max(1);
        let of_part = rest.len().div_ceil(parts);
        let turns = of_part.saturating_mul(parts);
        threads::each(turns, bytes, |number, scratch| {
            let number = (number % parts)
                .saturating_mul(of_part)
                .saturating_add(number / parts);
            let Some((piece, found)) = rest.get(number) else {
                return Ok(());
            };
            match found {
                Some(found) => self.place(piece, found.as_ref(), target, validity, scratch),
                None => {
                    let found = self.find(&piece.touched)?;
                    self.place(piece, found.as_ref(), target, validity, scratch)
                }
            }
        })
    }

    /// Decodes one chunk, if it is stored, into its place.
    fn place(
        &self,
        piece: &Piece<'_>,
        found: Option<&Found>,
        target: &Target<'_>,
        validity: Option<&Mutex<&mut [u8]>>,
        scratch: &mut Vec<u8>,
    ) -> Result<()> {
        let Some(found) = found else {
            return self.fill(piece, target);
        };
        let corrupt = |defect| found.corrupt(defect);
        if found.kept(&piece.touched).is_some() {
            let chunk = self.decode(found, &piece.touched)?;
            return match target.put_all(&chunk, piece, validity) {
                true => Ok(()),
                false => Err(corrupt(MISFIT)),
            };
        }
        let (block, place) = (found.block()?, &found.place);
        let bytes = block.get(place.stored.clone()).unwrap_or_default();
        let elements = match place.pipeline(&block).map_err(corrupt)? {
            None => bytes,
            Some(codec) => {
                let len = check_len(&codec, place, &corrupt)?;
                if scratch
                    .try_reserve(len.saturating_sub(scratch.len()))
                    .is_err()
                {
                    return Err(self.misfit(format!("there is no memory for {len} bytes")));
                }
                scratch.resize(len, 0);
                let info = self.described.info();
                let (dtype, name) = (info.dtype, &info.name);
                decode_into(&codec, bytes, dtype, None, scratch, name, &corrupt)?;
                scratch.as_slice()
            }
        };
        let mut fits = target.put(elements, piece);
        if let (Some(bits), Some(range)) = (validity, &place.validity) {
            let from = block.get(range.clone()).unwrap_or_default();
            fits &= piece.gather_bits(from, &mut bits.lock(), target.shape);
        }
        match fits {
            true => Ok(()),
            false => Err(corrupt(MISFIT)),
        }
    }

    fn fill_bytes(&self) -> Option<Vec<u8>> {
        let info = self.described.info();
        fill_bytes(info.dtype, info.fill_value.as_ref())
    }

    /// Fills the place of a chunk that is not stored. Its elements are missing if the array
    /// has a mask: the bits are zero already.
    fn fill(&self, piece: &Piece<'_>, target: &Target<'_>) -> Result<()> {
        let Some(fill) = self.fill_bytes() else {
            return Ok(());
        };
        let misfit = || self.misfit("its fill value does not fit".to_owned());
        let part = target.part(piece).ok_or_else(misfit)?;
        let mut out = part.out.lock();
        let fits = piece.each(|inside, at| {
            let shape = inside.shape();
            let filled = fill.repeat(inside.size() as usize);
            let all = Selection::all(&shape);
            crate::array::gather(
                target.item,
                &filled,
                &shape,
                &all,
                &mut out,
                &part.shape,
                &part.inside(at),
            )
        });
        match fits {
            true => Ok(()),
            false => Err(misfit()),
        }
    }

    /// Texts are put together one by one.
    fn texts(&self, pieces: &[Piece<'_>], shape: Shape) -> Result<Elements> {
        let size = shape
            .iter()
            .fold(1u64, |size, length| size.saturating_mul(*length));
        let count = usize::try_from(size).map_err(|_| self.misfit("it is too large".to_owned()));
        let fill = self.fill_bytes().unwrap_or_default();
        let chunks: Vec<Option<Elements>> = pieces
            .iter()
            .map(|piece| self.chunk(&piece.touched))
            .collect::<Result<_>>()?;
        // Number of the chunk, from 1, and element in it; 0: the fill value.
        let mut sources: Vec<(usize, u64)> = vec![(0, 0); count?];
        let mut bits = vec![
            0u8;
            if self.masked {
                sources.len().div_ceil(8)
            } else {
                0
            }
        ];
        for (number, (piece, chunk)) in pieces.iter().zip(&chunks).enumerate() {
            let Some(chunk) = chunk else { continue };
            let extent = &piece.touched.extent;
            let fits = piece.each(|inside, at| {
                crate::array::pairs(extent, inside, &shape, at, |from, to| {
                    if let Some(source) = sources.get_mut(to as usize) {
                        *source = (number.saturating_add(1), from);
                    }
                })
            });
            let bits_fit = match &chunk.validity {
                Some(from) if self.masked => piece.gather_bits(from, &mut bits, &shape),
                _ => true,
            };
            if !fits || !bits_fit {
                return Err(self.misfit("its chunks do not fit it".to_owned()));
            }
        }
        let item = |&(number, element): &(usize, u64)| -> Result<&[u8]> {
            match number.checked_sub(1).and_then(|number| chunks.get(number)) {
                Some(Some(chunk)) => chunk.view().item(element),
                _ => Ok(&fill),
            }
        };
        let items: Vec<&[u8]> = sources.iter().map(item).collect::<Result<_>>()?;
        Elements::of_texts(
            &self.described,
            shape,
            &items,
            self.masked.then_some(bits.as_slice()),
        )
    }

    fn misfit(&self, detail: String) -> Error {
        Error::Shape {
            array: self.described.info().name.clone(),
            detail,
        }
    }
}

const MISFIT: Defect = Defect::Field {
    what: "bytes of a chunk that do not fit its place, missing",
    found: 1,
    expected: "as many elements as the chunk has",
};

/// A copy is about so many times as fast as decoding.
const AS_FAST: u64 = 8;
