//! From a block to elements.

use crate::array::{BlockPlace, Content, DType, Shape};
use crate::codec::{self, Dictionary, Pipeline};
use crate::entry::{Described, Elements};
use crate::error::{Error, Result};
use crate::format::Defect;
use crate::value::Value;

/// The elements of a block: views of it if they stand as they are, else decoded, with its
/// `dictionary` if it needs one. `corrupt` makes an error of a defect.
pub(crate) fn decode(
    described: &Described,
    (block, place): (&Value, &BlockPlace),
    dictionary: Option<&Dictionary>,
    content: Content,
    shape: &Shape,
    corrupt: &dyn Fn(Defect) -> Error,
) -> Result<Elements> {
    let array = &described.info().name;
    let lost = || {
        corrupt(Defect::Truncated {
            what: "block",
            need: place.len() as u64,
            have: block.len() as u64,
        })
    };
    let stored = block.slice(place.stored.clone()).ok_or_else(lost)?;
    let elements = match place.pipeline(block).map_err(corrupt)? {
        None => stored,
        Some(codec) => {
            let len = check_len(&codec, place, corrupt)?;
            Value::owned(len, |out| {
                let dtype = content.dtype;
                decode_into(&codec, &stored, dtype, dictionary, out, array, corrupt)
            })?
        }
    };
    let (data, offsets) = match content.dtype.item_size() {
        Some(_) => (elements, None),
        None => {
            let texts = place.texts(&elements, content.elements).map_err(corrupt)?;
            let offsets = elements.slice(texts.offsets).ok_or_else(lost)?;
            (elements.slice(texts.data).ok_or_else(lost)?, Some(offsets))
        }
    };
    let validity = match &place.validity {
        None => None,
        Some(range) => Some(block.slice(range.clone()).ok_or_else(lost)?),
    };
    Ok(Elements {
        described: described.clone(),
        shape: shape.clone(),
        data,
        offsets,
        validity,
    })
}

/// Bytes of the elements of a block, if the codec can have made what is stored of so many.
pub(super) fn check_len(
    codec: &Pipeline,
    place: &BlockPlace,
    corrupt: &dyn Fn(Defect) -> Error,
) -> Result<usize> {
    let most = codec.most_decoded(place.stored.len() as u64);
    let fits = place.decoded <= most;
    let len = usize::try_from(place.decoded).ok().filter(|_| fits);
    len.ok_or_else(|| {
        corrupt(Defect::Field {
            what: "bytes of the elements of a block",
            found: place.decoded,
            expected: "no more than its codec can make of those that are stored",
        })
    })
}

/// Decodes what is stored into `out`, whose length is that of the elements.
pub(super) fn decode_into(
    codec: &Pipeline,
    stored: &[u8],
    dtype: DType,
    dictionary: Option<&Dictionary>,
    out: &mut [u8],
    array: &str,
    corrupt: &dyn Fn(Defect) -> Error,
) -> Result<()> {
    let decoded = codec.decode_with(stored, codec::Elements { dtype }, dictionary, out);
    decoded.map_err(|failure| match failure {
        codec::Failure::Unavailable(codec) => Error::CodecUnavailable {
            codec,
            array: array.to_owned(),
        },
        codec::Failure::Defect(defect) => corrupt(defect),
    })
}
