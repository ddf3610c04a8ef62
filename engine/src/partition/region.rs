//! Changes of parts of arrays.

use std::collections::HashSet;

use super::Partition;
use super::assign::{Change, Dims, check_dims};
use crate::array::{
    ArrayBytes, ArraySpec, Attrs, ChunkGrid, Chunks, Coords, Mask, Piece, Places, Points, Raw,
    Selection, Shape, Span, StoredAs, StoredBytes, Touched, empty_block, fill_bytes, gather,
    gather_bits, pairs,
};
use crate::chunks::{NewChunk, encode_box};
use crate::codec::Pipeline;
use crate::entry::{Array, Elements, Entry};
use crate::error::{Error, Result};
use crate::mutant::{Rule, broken};

impl Partition {
    /// Writes a part of an array, in one commit: of a chunked array the chunks alone that
    /// have some of it, of any other the whole array again, as an amendment. The entry keeps
    /// its place in the order and gets a new version.
    ///
    /// `Error::NotFound`, `Error::Kind`; `Error::Shape` for a selection that is not inside
    /// the array, or data of another shape; `Error::DType` for data of another dtype. Of the
    /// spec only dtype, shape, elements and mask are looked at. A mask
    /// may be given if the array has one; without it the part has nothing missing.
    pub fn write_region(
        &self,
        key: impl AsRef<[u8]>,
        name: &str,
        selection: &Selection,
        data: &ArraySpec<'_>,
    ) -> Result<()> {
        self.amend(key.as_ref(), |entry| written(entry, name, selection, data))
    }

    /// Writes the elements at points of an array, in one commit; `data` have the shape of
    /// [`Points::shape`], and of points that are the same the last one counts. Errors and
    /// cost as those of [`write_region`](Self::write_region): of a chunked array the chunks
    /// alone that have a point, each once.
    pub fn write_points(
        &self,
        key: impl AsRef<[u8]>,
        name: &str,
        points: &Points,
        data: &ArraySpec<'_>,
    ) -> Result<()> {
        self.amend(key.as_ref(), |entry| written(entry, name, points, data))
    }

    /// Makes an array longer along `axis` by `data`, whose other axes are as long as those of
    /// the array. Errors and cost as those of [`write_region`](Self::write_region).
    ///
    /// `Error::Shape` too if another array of the entry has the dim: its size would differ.
    pub fn append(
        &self,
        key: impl AsRef<[u8]>,
        name: &str,
        axis: usize,
        data: &ArraySpec<'_>,
    ) -> Result<()> {
        self.amend(key.as_ref(), |entry| {
            appended(entry, name, axis, data, Dims::Now)
        })
    }

    /// Changes the shape of an array: what is cut off is gone, what is new is the fill value
    /// (missing, if the array has a mask). Errors and cost as those of
    /// [`append`](Self::append); of a chunked array the chunks at the old and new edges are
    /// written, and a small record for each that is cut off.
    pub fn resize(&self, key: impl AsRef<[u8]>, name: &str, shape: &[u64]) -> Result<()> {
        self.amend(key.as_ref(), |entry| resized(entry, name, shape, Dims::Now))
    }
}

/// The change that writes a part of an array of an entry.
pub(crate) fn written(
    entry: &Entry,
    name: &str,
    places: &dyn Places,
    data: &ArraySpec<'_>,
) -> Result<Change<'static>> {
    let array = entry.array(name)?;
    let part = Part::new(&array, places, data)?;
    part.write(&array, array.shape())
}

/// The change that makes an array of an entry longer.
pub(crate) fn appended(
    entry: &Entry,
    name: &str,
    axis: usize,
    data: &ArraySpec<'_>,
    dims: Dims,
) -> Result<Change<'static>> {
    let array = entry.array(name)?;
    let shape: Shape = array.shape().into();
    let mut grown = shape.clone();
    let (Some(length), Some(&more)) = (grown.get_mut(axis), data.shape.get(axis)) else {
        let rank = shape.len();
        let detail = format!(
            "axis {axis} of an array of {rank} and data of {:?}",
            data.shape
        );
        return Err(shape_error(name, detail));
    };
    let start = *length;
    *length = length
        .checked_add(more)
        .ok_or_else(|| shape_error(name, format!("axis {axis} would be longer than 2^64")))?;
    let spans = grown
        .iter()
        .enumerate()
        .map(|(at, &count)| match at == axis {
            true => Span {
                start,
                step: 1,
                count: more,
            },
            false => Span {
                start: 0,
                step: 1,
                count,
            },
        });
    let selection = Selection::new(spans);
    check_size(entry, &array, &grown, dims)?;
    let part = Part::of_shape(&array, &grown, &selection, data)?;
    part.write(&array, &grown)
}

/// The change that gives an array of an entry another shape.
pub(crate) fn resized(
    entry: &Entry,
    name: &str,
    shape: &[u64],
    dims: Dims,
) -> Result<Change<'static>> {
    let array = entry.array(name)?;
    if shape.len() != array.shape().len() || shape.is_empty() {
        let detail = format!(
            "an array of shape {:?} cannot get shape {shape:?}: the number of axes stays",
            array.shape()
        );
        return Err(shape_error(name, detail));
    }
    check_size(entry, &array, shape, dims)?;
    cut_or_grown(&array, shape)
}

/// Fails if it can have no such shape, or another array of the entry has a dim whose size
/// would change.
fn check_size(entry: &Entry, array: &Array, shape: &[u64], when: Dims) -> Result<()> {
    let info = array.info();
    crate::array::check_shape(&info.name, info.dtype, shape)?;
    if when == Dims::AtCommit {
        return Ok(());
    }
    let dims = info.dims.iter().map(Option::as_deref).collect();
    let gone = HashSet::from([info.name.as_str()]);
    let this = (info.name.as_str(), dims, shape.to_vec());
    check_dims(entry, &gone, std::iter::once(this))
}

/// A part of an array that is written.
struct Part<'a> {
    places: &'a dyn Places,
    data: &'a ArraySpec<'a>,
    /// Arrow validity bits; of an array with a mask alone.
    validity: Option<Vec<u8>>,
}

impl<'a> Part<'a> {
    fn new(array: &Array, places: &'a dyn Places, data: &'a ArraySpec<'a>) -> Result<Self> {
        Self::of_shape(array, array.shape(), places, data)
    }

    /// Of an array that has `shape` then.
    fn of_shape(
        array: &Array,
        shape: &[u64],
        places: &'a dyn Places,
        data: &'a ArraySpec<'a>,
    ) -> Result<Self> {
        let info = array.info();
        let name = &info.name;
        if let Some(detail) = places.fault(shape) {
            return Err(shape_error(name, detail));
        }
        if data.dtype != info.dtype {
            return Err(Error::DType {
                array: name.clone(),
                detail: format!(
                    "its dtype is {}, that of the data {}",
                    info.dtype, data.dtype
                ),
            });
        }
        if *data.shape != *places.lengths() {
            let detail = format!(
                "the data have shape {:?}, the part that is written {:?}",
                data.shape,
                places.lengths().as_slice()
            );
            return Err(shape_error(name, detail));
        }
        // Compares data, mask and shape.
        let plain = ArraySpec {
            chunks: None,
            codec: None,
            dims: Vec::new(),
            ..data.borrowed()
        };
        crate::array::plan(&[(name.as_str(), plain)], &Attrs::new())?;
        let size = places.size();
        let validity = match (&data.mask, array.is_masked()) {
            (None, false) => None,
            (None, true) => Some(vec![0xff; size.div_ceil(8) as usize]),
            (Some(mask), true) => Some(crate::array::validity_bits(name, mask, size)?),
            (Some(_), false) => {
                return Err(Error::DType {
                    array: name.clone(),
                    detail: "the data have a mask, the array has none; write it anew with a mask"
                        .to_owned(),
                });
            }
        };
        Ok(Self {
            places,
            data,
            validity,
        })
    }

    /// The change that writes it to an array that has `shape` then.
    fn write(&self, array: &Array, shape: &[u64]) -> Result<Change<'static>> {
        let Some(chunks) = array.cut()? else {
            return self.write_whole(array, shape);
        };
        let old = array.assembly()?;
        let codec = codec_of(array)?;
        let grid = grid(array, shape, &chunks)?;
        let mut new = Vec::new();
        for piece in self.places.pieces(&grid) {
            let touched = &piece.touched;
            let mut draft = Draft::blank(array, &touched.extent)?;
            if !touched.whole
                && let Some(old_touched) = old_place(&touched.coords, &chunks, array.shape())
                && let Some(chunk) = old.chunk(&old_touched)?
            {
                draft.take(&chunk)?;
            }
            draft.put(self, &piece)?;
            new.push(NewChunk {
                key: chunks.key(&touched.coords),
                block: draft.block(codec.as_ref())?,
            });
        }
        amendment(array, shape, chunks, new)
    }

    /// The whole array, written again.
    fn write_whole(&self, array: &Array, shape: &[u64]) -> Result<Change<'static>> {
        let mut whole = Draft::blank(array, &shape.into())?;
        whole.take(&array.read()?)?;
        whole.put(self, &self.places.piece(shape))?;
        whole.change(shape)
    }
}

/// The elements of an array that gets another shape, as a change.
fn cut_or_grown(array: &Array, shape: &[u64]) -> Result<Change<'static>> {
    let Some(chunks) = array.cut()? else {
        let mut whole = Draft::blank(array, &shape.into())?;
        whole.take(&array.read()?)?;
        return whole.change(shape);
    };
    let old = array.assembly()?;
    let codec = codec_of(array)?;
    grid(array, shape, &chunks)?;
    let before = grid(array, array.shape(), &chunks)?;
    let mut new = Vec::new();
    for touched in before.touched(&Selection::all(array.shape())) {
        let place = old_place(&touched.coords, &chunks, shape);
        if place
            .as_ref()
            .is_some_and(|place| place.extent == touched.extent)
        {
            continue;
        }
        let Some(chunk) = old.chunk(&touched)? else {
            continue;
        };
        let block = match place {
            None if broken(Rule::CutOffEmptied) => continue,
            // What was cut off must not come back when the array grows again.
            None => empty_block(),
            Some(place) => {
                let mut draft = Draft::blank(array, &place.extent)?;
                draft.take(&chunk)?;
                draft.block(codec.as_ref())?
            }
        };
        new.push(NewChunk {
            key: chunks.key(&touched.coords),
            block,
        });
    }
    amendment(array, shape, chunks, new)
}

fn grid<'g>(array: &Array, shape: &'g [u64], chunks: &'g Chunks) -> Result<ChunkGrid<'g>> {
    let grid = ChunkGrid::new(shape, &chunks.shape);
    grid.map_err(|detail| shape_error(&array.info().name, detail))
}

/// The whole of a chunk of an array of `shape`; `None` if it lies outside.
fn old_place(coords: &Coords, chunks: &Chunks, shape: &[u64]) -> Option<Touched> {
    let grid = ChunkGrid::new(shape, &chunks.shape).ok()?;
    let extent = grid.extent(coords);
    if extent.contains(&0) {
        return None;
    }
    Some(Touched {
        coords: coords.clone(),
        inside: Selection::all(&extent),
        at: Shape::from_elem(0, extent.len()),
        extent,
        whole: true,
    })
}

fn codec_of(array: &Array) -> Result<Option<Pipeline>> {
    let codec = array.info().codec.as_deref();
    codec.map(Pipeline::parse).transpose()
}

/// An amendment of chunks, which says the shape of their array anew if it changes.
fn amendment(
    array: &Array,
    shape: &[u64],
    chunks: Chunks,
    new: Vec<NewChunk>,
) -> Result<Change<'static>> {
    let mut arrays = Vec::new();
    if *shape != *array.shape() {
        let stored = ArrayBytes::Stored(StoredBytes {
            masked: array.is_masked(),
            bytes: StoredAs::Chunks(chunks),
        });
        arrays.push((array.info().name.clone(), spec_of(array, shape, stored)));
    }
    Ok(Change {
        arrays,
        chunks: new,
        ..Change::default()
    })
}

/// The array again, with another shape and other elements.
fn spec_of(array: &Array, shape: &[u64], data: ArrayBytes<'static>) -> ArraySpec<'static> {
    let info = array.info();
    let mut spec = ArraySpec::new(info.dtype, shape, &[]);
    spec.data = data;
    spec.dims = info.dims.clone();
    spec.fill_value = info.fill_value.clone();
    spec.codec = info.codec.clone();
    spec.attrs = info.attrs.clone();
    spec
}

/// Elements of a chunk, or of a whole array, in the making.
struct Draft<'a> {
    array: &'a Array,
    extent: Shape,
    items: Items,
    /// Arrow validity bits, if the array has a mask.
    bits: Option<Vec<u8>>,
}

enum Items {
    Fixed(usize, Vec<u8>),
    Texts(Vec<Vec<u8>>),
}

impl<'a> Draft<'a> {
    /// All fill value; missing, if the array has a mask.
    fn blank(array: &'a Array, extent: &Shape) -> Result<Self> {
        let info = array.info();
        let size = extent.iter().try_fold(1usize, |size, &length| {
            size.checked_mul(usize::try_from(length).ok()?)
        });
        let item = info.dtype.item_size();
        let bytes = size.and_then(|size| size.checked_mul(item.unwrap_or(1)));
        let (Some(size), Some(bytes)) = (size, bytes) else {
            let detail = format!("{extent:?} elements do not fit into memory");
            return Err(shape_error(&info.name, detail));
        };
        let fill = fill_bytes(info.dtype, info.fill_value.as_ref());
        let items = match (item, fill) {
            (Some(item), None) => Items::Fixed(item, vec![0; bytes]),
            (Some(item), Some(fill)) => Items::Fixed(item, fill.repeat(size)),
            (None, fill) => Items::Texts(vec![fill.unwrap_or_default(); size]),
        };
        let bits = array.is_masked().then(|| vec![0; size.div_ceil(8)]);
        Ok(Self {
            array,
            extent: extent.clone(),
            items,
            bits,
        })
    }

    /// Takes over what is there, as far as it lies inside.
    fn take(&mut self, old: &Elements) -> Result<()> {
        let common = old.shape().iter().zip(&self.extent);
        let common = Selection::new(common.map(|(&a, &b)| Span {
            start: 0,
            step: 1,
            count: a.min(b),
        }));
        let origin = Shape::from_elem(0, self.extent.len());
        let fits = match &mut self.items {
            Items::Fixed(item, to) => gather(
                *item,
                old.data(),
                old.shape(),
                &common,
                to,
                &self.extent,
                &origin,
            ),
            Items::Texts(to) => {
                let view = old.view();
                pairs(old.shape(), &common, &self.extent, &origin, |from, at| {
                    if let (Some(place), Ok(text)) = (to.get_mut(at as usize), view.item(from)) {
                        *place = text.to_vec();
                    }
                })
            }
        };
        let bits_fit = match (&mut self.bits, old.validity()) {
            (Some(to), Some(from)) => {
                gather_bits(from, old.shape(), &common, to, &self.extent, &origin)
            }
            _ => true,
        };
        self.check(fits && bits_fit)
    }

    /// Writes what of a part lies in this chunk.
    fn put(&mut self, part: &Part<'_>, piece: &Piece<'_>) -> Result<()> {
        let shape = part.places.lengths();
        let extent = &self.extent;
        let fits = match (&mut self.items, &part.data.data) {
            (Items::Fixed(item, to), ArrayBytes::Fixed(from)) => {
                piece.scatter(*item, from, &shape, to)
            }
            (Items::Texts(to), ArrayBytes::Variable { offsets, data }) => {
                piece.each(|inside, at| {
                    pairs(extent, inside, &shape, at, |place, from| {
                        let from = from as usize;
                        let ends = offsets.get(from).zip(offsets.get(from.saturating_add(1)));
                        let text = ends.and_then(|(&a, &b)| data.get(a as usize..b as usize));
                        if let Some(place) = to.get_mut(place as usize) {
                            *place = text.unwrap_or_default().to_vec();
                        }
                    })
                })
            }
            _ => false,
        };
        let bits_fit = match (&mut self.bits, &part.validity) {
            (Some(to), Some(from)) => piece.scatter_bits(from, &shape, to),
            _ => true,
        };
        self.check(fits && bits_fit)
    }

    fn check(&self, fits: bool) -> Result<()> {
        match fits {
            true => Ok(()),
            false => {
                let detail = "its elements do not fit its chunks".to_owned();
                Err(shape_error(&self.array.info().name, detail))
            }
        }
    }

    fn block(&self, codec: Option<&Pipeline>) -> Result<Vec<u8>> {
        let info = self.array.info();
        let (mut ends, mut texts) = (vec![0], Vec::new());
        let raw = match &self.items {
            Items::Fixed(_, bytes) => Raw::Fixed(bytes),
            Items::Texts(items) => {
                for item in items {
                    texts.extend_from_slice(item);
                    ends.push(texts.len() as u64);
                }
                Raw::Texts {
                    offsets: &ends,
                    data: &texts,
                }
            }
        };
        let fill = info.fill_value.as_ref();
        encode_box(
            &info.name,
            info.dtype,
            raw,
            self.bits.as_deref(),
            codec,
            fill,
        )
    }

    /// An amendment that has these as the whole array.
    fn change(self, shape: &[u64]) -> Result<Change<'static>> {
        let data = match self.items {
            Items::Fixed(_, bytes) => ArrayBytes::Fixed(bytes.into()),
            Items::Texts(items) => ArrayBytes::variable(items.iter().map(Vec::as_slice)),
        };
        let mut spec = spec_of(self.array, shape, data);
        spec.mask = self.bits.map(|bits| Mask::Validity(bits.into()));
        Ok(Change {
            arrays: vec![(self.array.info().name.clone(), spec)],
            ..Change::default()
        })
    }
}

fn shape_error(array: &str, detail: String) -> Error {
    Error::Shape {
        array: array.to_owned(),
        detail,
    }
}
