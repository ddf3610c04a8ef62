//! Whether an array can be stored as it is given.
use std::borrow::Cow;

use super::encoding::{check_bools, check_offsets};
use super::frame::{Shape, elements};
use super::layout::validity_len;
use super::limits::{MAX_RANK, array_name_fault};
use super::plan::Data;
use super::region::{ChunkGrid, auto_chunks, given_chunks};
use super::spec::{ArrayDefaults, Chunking, StoredAs, StoredBytes};
use super::{ArrayBytes, ArraySpec, DType, Mask};
use crate::codec::Pipeline;
use crate::{Error, Result};

/// Number of elements, if dtype, rank and shape can be stored.
pub(super) fn check_extent(name: &str, spec: &ArraySpec<'_>) -> Result<u64> {
    if !spec.dtype.fits() {
        return Err(Error::DType {
            array: name.to_owned(),
            detail: format!("an element of {} is longer than 2^31 - 1 bytes", spec.dtype),
        });
    }
    let rank = spec.shape.len();
    if rank > MAX_RANK {
        return Err(shape_error(
            name,
            format!("an array has at most {MAX_RANK} axes, this one {rank}"),
        ));
    }
    elements(&spec.shape, spec.dtype).ok_or_else(|| {
        shape_error(
            name,
            format!(
                "shape {:?} of {} has 2^63 bytes or more",
                spec.shape, spec.dtype
            ),
        )
    })
}

/// The codec of an array, if it has one that encodes.
pub(super) fn check_codec(name: &str, spec: &ArraySpec<'_>) -> Result<Option<Pipeline>> {
    let Some(text) = &spec.codec else {
        return Ok(None);
    };
    // What is copied as it is needs no codec of this build.
    let codec = match &spec.data {
        ArrayBytes::Stored(_) => Pipeline::stored(text).map_err(|defect| Error::Invalid {
            what: format!("codec {text:?}"),
            detail: defect.to_string(),
        }),
        _ => Pipeline::parse(text),
    };
    let codec = codec.map_err(|error| match error {
        Error::Invalid { what, detail } => Error::Invalid {
            what: format!("{what} of array {name:?}"),
            detail,
        },
        other => other,
    })?;
    if codec.is_none() || spec.shape.is_empty() {
        return Ok(None);
    }
    if !matches!(spec.data, ArrayBytes::Stored(_)) {
        codec.check(spec.dtype, name)?;
    }
    Ok(Some(codec))
}

/// Whether there is a mask, and the elements, of an array that is copied as it is.
pub(super) fn check_stored<'a>(
    name: &str,
    spec: &'a ArraySpec<'a>,
) -> Result<Option<(bool, Data<'a>)>> {
    let ArrayBytes::Stored(stored) = &spec.data else {
        return Ok(None);
    };
    let StoredBytes { masked, bytes } = stored;
    if spec.mask.is_some() || spec.shape.is_empty() {
        let detail = "elements as another entry has them have their mask, and an axis";
        return Err(shape_error(name, detail.to_owned()));
    }
    let data = match bytes {
        StoredAs::Block(block) => Data::Block(Cow::Borrowed(block)),
        StoredAs::Chunks(chunks) => Data::Chunks(chunks.descriptor()),
    };
    Ok(Some((*masked, data)))
}

/// Length of a chunk along each axis, if the array is cut.
pub(super) fn check_chunks(name: &str, spec: &ArraySpec<'_>) -> Result<Option<Shape>> {
    let Some(chunking) = &spec.chunks else {
        return Ok(None);
    };
    if spec.shape.is_empty() {
        return Err(shape_error(
            name,
            "a 0-d array has no axis to be cut along; write it without chunks".to_owned(),
        ));
    }
    let shape = match chunking {
        Chunking::Auto => auto_chunks(&spec.shape, spec.dtype.item_bytes().unwrap_or(TEXT)),
        Chunking::Shape(lengths) => {
            given_chunks(&spec.shape, lengths).map_err(|detail| shape_error(name, detail))?
        }
    };
    ChunkGrid::new(&spec.shape, &shape).map_err(|detail| shape_error(name, detail))?;
    Ok(Some(shape))
}

impl ArrayDefaults {
    /// Arrays that are written, with what the partition asks for those that do not say it.
    pub(crate) fn under<'a>(
        &self,
        arrays: &'a [(&'a str, ArraySpec<'a>)],
    ) -> Cow<'a, [(&'a str, ArraySpec<'a>)]> {
        if *self == Self::default() {
            return Cow::Borrowed(arrays);
        }
        let filled = arrays.iter().map(|(name, spec)| {
            let mut spec = spec.borrowed();
            self.fill(name, &mut spec);
            (*name, spec)
        });
        Cow::Owned(filled.collect())
    }

    fn fill(&self, name: &str, spec: &mut ArraySpec<'_>) {
        if spec.shape.is_empty() || matches!(spec.data, ArrayBytes::Stored(_)) {
            return;
        }
        // What a codec cannot encode stands as it is; one that this build lacks is an error.
        let encodes = |text: &&String| match Pipeline::parse(text) {
            Ok(codec) => codec.check(spec.dtype, name).is_ok(),
            Err(_) => true,
        };
        if spec.codec.is_none() {
            spec.codec = self.codec.as_ref().filter(encodes).cloned();
        }
        if spec.chunks.is_none() {
            let shape = self.chunks.as_ref().and_then(|chunks| cut_by(chunks, spec));
            spec.chunks = shape.map(|shape| Chunking::Shape(shape.to_vec()));
        }
    }
}

/// Length of a chunk along each axis, if an array is longer than that along one.
fn cut_by(chunks: &Chunking, spec: &ArraySpec<'_>) -> Option<Shape> {
    let shape: Shape = match chunks {
        Chunking::Auto => auto_chunks(&spec.shape, spec.dtype.item_bytes().unwrap_or(TEXT)),
        Chunking::Shape(lengths) => lengths.iter().copied().collect(),
    };
    ChunkGrid::new(&spec.shape, &shape).ok()?;
    let mut axes = spec.shape.iter().zip(&shape);
    axes.any(|(length, chunk)| length > chunk).then_some(shape)
}

/// Bytes that an element of a text is taken to have where chunks are chosen.
const TEXT: u64 = 32;

pub(super) fn check_data<'a>(name: &str, spec: &'a ArraySpec<'a>, count: u64) -> Result<Data<'a>> {
    let dtype = spec.dtype;
    match (&spec.data, dtype.item_bytes()) {
        (ArrayBytes::Fixed(data), Some(item)) => {
            let expected = count.saturating_mul(item);
            if expected != data.len() as u64 {
                return Err(shape_error(
                    name,
                    format!(
                        "shape {:?} of {dtype} needs {expected} bytes, {} were given",
                        spec.shape,
                        data.len()
                    ),
                ));
            }
            check_bools(dtype, data).map_err(|detail| Error::DType {
                array: name.to_owned(),
                detail,
            })?;
            Ok(Data::Flat(Cow::Borrowed(data)))
        }
        (ArrayBytes::Variable { offsets, data }, None) => {
            check_offsets(dtype, count, offsets, data)
                .map_err(|detail| shape_error(name, detail))?;
            if spec.shape.is_empty() {
                return Ok(Data::Flat(Cow::Borrowed(data)));
            }
            let wide = u32::try_from(data.len()).is_err();
            Ok(Data::Texts {
                offsets,
                data,
                wide,
            })
        }
        (ArrayBytes::Stored(_), _) => Err(Error::DType {
            array: name.to_owned(),
            detail: "elements as another entry has them are checked elsewhere".to_owned(),
        }),
        (ArrayBytes::Fixed(_), None) => Err(Error::DType {
            array: name.to_owned(),
            detail: format!("{dtype} takes offsets and data, bytes without offsets were given"),
        }),
        (ArrayBytes::Variable { .. }, Some(_)) => Err(Error::DType {
            array: name.to_owned(),
            detail: format!("{dtype} is of fixed width, bytes with offsets were given"),
        }),
    }
}

/// The validity bits, those after the last element zero.
pub(super) fn check_mask<'a>(name: &str, mask: &'a Mask<'a>, count: u64) -> Result<Cow<'a, [u8]>> {
    match mask {
        Mask::Missing(missing) => {
            if missing.len() as u64 != count {
                return Err(shape_error(
                    name,
                    format!(
                        "a mask of {count} elements has as many bytes, {} were given",
                        missing.len()
                    ),
                ));
            }
            Ok(Cow::Owned(missing.chunks(8).map(present_bits).collect()))
        }
        Mask::Validity(bits) => {
            let expected = validity_len(count);
            if bits.len() as u64 != expected {
                return Err(shape_error(
                    name,
                    format!(
                        "validity bits of {count} elements are {expected} bytes, {} were given",
                        bits.len()
                    ),
                ));
            }
            Ok(without_rest(bits, count))
        }
    }
}

fn present_bits(missing: &[u8]) -> u8 {
    missing
        .iter()
        .rev()
        .fold(0, |bits, byte| bits << 1 | u8::from(*byte == 0))
}

fn without_rest(bits: &[u8], count: u64) -> Cow<'_, [u8]> {
    let used = (count % 8) as u32;
    let rest = if used == 0 {
        0
    } else {
        u8::MAX.wrapping_shl(used)
    };
    match bits.split_last() {
        Some((last, before)) if last & rest != 0 => {
            let mut clean = before.to_vec();
            clean.push(last & !rest);
            Cow::Owned(clean)
        }
        _ => Cow::Borrowed(bits),
    }
}

/// Fails unless an array can have this name.
pub(crate) fn check_array_name(name: &str) -> Result<()> {
    let Some(detail) = array_name_fault(name) else {
        return Ok(());
    };
    let shown: String = name.chars().take(40).collect();
    Err(Error::Invalid {
        what: format!("array name {shown:?}"),
        detail,
    })
}

/// Fails unless an array can have this dtype and shape.
pub(crate) fn check_shape(name: &str, dtype: DType, shape: &[u64]) -> Result<()> {
    check_extent(name, &ArraySpec::new(dtype, shape, &[])).map(drop)
}

/// The validity bits of a mask of `count` elements.
pub(crate) fn validity_bits(name: &str, mask: &Mask<'_>, count: u64) -> Result<Vec<u8>> {
    check_mask(name, mask, count).map(Cow::into_owned)
}

pub(super) fn shape_error(array: &str, detail: String) -> Error {
    Error::Shape {
        array: array.to_owned(),
        detail,
    }
}
