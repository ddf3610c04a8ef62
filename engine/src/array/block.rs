//! A block: elements as they are stored, with the codec that stored them.
//!
//! ```text
//!  0  u8  bytes of the codec; 0 = the elements stand as they are
//!  1  u8  bytes of the statistics; 0 = none
//!  2  u8  flags: 1 validity bits follow, 2 offsets are u64, 4 nothing is stored and
//!     nothing follows, 8 encoded with the dictionary of the partition
//!  3  u8  bytes of each of the next two lengths: 2, 4 or 8
//!  4  bytes of the elements
//!     bytes of the elements as they are stored
//!     codec, as a user writes it: "shuffle+zstd:3"
//!     statistics
//!     without a codec zeros up to a multiple of 8; of 64, if 256 bytes or more
//!     the elements as they are stored
//!     with flag 1: zeros up to a multiple of 8, Arrow validity bits
//! ```
//!
//! * The elements are those of a body: of `String` and `Bytes` n + 1 offsets,
//!   u32 or u64, zeros up to a multiple of 8, the elements back to back.
//! * Each block names its codec, so that a reader needs nothing else, and a
//!   chunk that a codec does not make smaller stands as it is.
//! * Validity bits are never encoded: a codec for numbers could not take them,
//!   and they are a thirty-second part of float32.
//! * Flag 4: a chunk that was cut off; all of it reads as the fill value.
//! * Flag 8: a block of an entry, whose frame says so too, by compaction. The dictionary
//!   stands before the entry, beside the chunks of the partition.
use std::ops::Range;

use super::frame::bytes_at;
use super::layout::{align_up, pad8, validity_len};
use super::plan::STATS_FROM;
use super::stats::{ArrayStats, Ends};
use super::{AttrValue, DType};
use crate::codec::{Elements, Pipeline, Shared};
use crate::format::{ALIGN_FROM, Defect};
use crate::{Error, Result};

/// Bytes of a block, if it has as many, that say how long its parts are.
pub(crate) const BLOCK_HEADER: usize = 20;

/// Where the flags stand.
const FLAGS_AT: usize = 2;
const MASKED: u8 = 1;
const WIDE: u8 = 2;
const NOTHING: u8 = 4;
const SHARED: u8 = 8;

/// Where the lengths stand.
const LENGTHS_AT: usize = 4;

/// Alignment of elements of 256 bytes and more that stand as they are.
const LINE: u64 = 64;

/// What a block is of, as its array says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    pub(crate) dtype: DType,
    /// Number of elements.
    pub(crate) elements: u64,
    /// Whether the array has a mask.
    pub(crate) masked: bool,
}

impl Content {
    fn validity_len(self) -> u64 {
        match self.masked {
            true => validity_len(self.elements),
            false => 0,
        }
    }
}

/// Where the parts of a block lie in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockPlace {
    /// Whether nothing is stored: all is fill value. The rest then says nothing.
    pub(crate) empty: bool,
    pub(crate) codec: Range<usize>,
    pub(crate) stats: Range<usize>,
    /// Whether it was encoded with the dictionary of the partition.
    pub(crate) shared: bool,
    /// Offsets of texts are u64.
    wide: bool,
    /// Bytes of the elements.
    pub(crate) decoded: u64,
    /// The elements as they are stored.
    pub(crate) stored: Range<usize>,
    pub(crate) validity: Option<Range<usize>>,
}

/// Where the parts of texts lie in their elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextPlace {
    pub(crate) offsets: Range<usize>,
    pub(crate) data: Range<usize>,
}

impl BlockPlace {
    /// Whether a codec is needed to read it.
    pub(crate) fn is_encoded(&self) -> bool {
        !self.codec.is_empty()
    }

    /// Reads the head, which the first [`BLOCK_HEADER`] bytes of `block` have. All ranges are
    /// checked against `len`, the bytes that the block may have.
    pub(crate) fn parse(block: &[u8], len: usize, content: Content) -> Result<Self, Defect> {
        let [codec_len, stats_len, flags, width] = bytes_at::<4>(block, 0, "block")?;
        let fault = |what, found, expected| {
            Err(Defect::Field {
                what,
                found,
                expected,
            })
        };
        if flags & !(MASKED | WIDE | NOTHING | SHARED) != 0 {
            return fault("flags of a block", flags.into(), "a sum of 1, 2, 4 and 8");
        }
        if flags & NOTHING != 0 {
            return Ok(Self {
                empty: true,
                codec: 0..0,
                stats: 0..0,
                shared: false,
                wide: false,
                decoded: 0,
                stored: 0..0,
                validity: None,
            });
        }
        let lengths_end = LENGTHS_AT.saturating_add(usize::from(width).saturating_mul(2));
        let length = |number: usize| {
            let at = usize::from(width).saturating_mul(number);
            length_at(block, LENGTHS_AT.saturating_add(at), width)
        };
        let (decoded, stored_len) = (length(0)?, length(1)?);
        if (flags & MASKED != 0) != content.masked {
            let expected = "1 exactly if the array has a mask";
            return fault("mask of a block", flags.into(), expected);
        }
        match content.dtype.item_bytes() {
            Some(item) if decoded != content.elements.saturating_mul(item) => {
                let expected = "the elements of the array times their size";
                return fault("bytes of the elements of a block", decoded, expected);
            }
            Some(_) if flags & WIDE != 0 => {
                return fault("flags of a block", flags.into(), "2 of texts alone");
            }
            _ => {}
        }
        let is_plain = codec_len == 0;
        let shared = flags & SHARED != 0;
        if shared && is_plain {
            return fault(
                "flags of a block",
                flags.into(),
                "8 along with a codec alone",
            );
        }
        if is_plain && decoded != stored_len {
            let expected = "that of the elements, as there is no codec";
            return fault("stored bytes of a block", stored_len, expected);
        }
        let start = lengths_end as u64;
        let codec = start..start.saturating_add(codec_len.into());
        let stats = codec.end..codec.end.saturating_add(stats_len.into());
        let at = match is_plain {
            true => align_up(stats.end, plain_align(stored_len)),
            false => stats.end,
        };
        let stored = at..at.saturating_add(stored_len);
        let bits_at = align_up(stored.end, 8);
        let validity = bits_at..bits_at.saturating_add(content.validity_len());
        let end = match content.masked {
            true => validity.end,
            false => stored.end,
        };
        if end > len as u64 {
            return Err(Defect::Truncated {
                what: "block",
                need: end,
                have: len as u64,
            });
        }
        // Not beyond the length of a slice, thus within the address space.
        let range = |range: Range<u64>| range.start as usize..range.end as usize;
        Ok(Self {
            empty: false,
            codec: range(codec),
            stats: range(stats),
            shared,
            wide: flags & WIDE != 0,
            decoded,
            stored: range(stored),
            validity: content.masked.then(|| range(validity)),
        })
    }

    /// Bytes of the whole block.
    pub(crate) fn len(&self) -> usize {
        let end = self.stored.end;
        self.validity.as_ref().map_or(end, |bits| bits.end)
    }

    /// The codec; `None`: the elements stand as they are.
    pub(crate) fn pipeline(&self, block: &[u8]) -> Result<Option<Pipeline>, Defect> {
        let text = block.get(self.codec.clone()).unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        let text = std::str::from_utf8(text);
        let text = text.map_err(|_| Defect::NotUtf8 {
            what: "codec of a block",
        })?;
        Pipeline::stored(text).map(Some)
    }

    /// Where offsets and data lie in the elements of a text array.
    pub(crate) fn texts(&self, elements: &[u8], count: u64) -> Result<TextPlace, Defect> {
        let width = if self.wide { 8_u64 } else { 4 };
        let offsets = count.saturating_add(1).saturating_mul(width);
        let data = align_up(offsets, 8);
        if data > elements.len() as u64 {
            return Err(Defect::Truncated {
                what: "offsets of a block",
                need: data,
                have: elements.len() as u64,
            });
        }
        let (offsets, data) = (0..offsets as usize, data as usize..elements.len());
        let last = offsets.end.saturating_sub(width as usize);
        let end = if self.wide {
            u64::from_le_bytes(bytes_at(elements, last, "offsets of a block")?)
        } else {
            u32::from_le_bytes(bytes_at(elements, last, "offsets of a block")?).into()
        };
        if end != data.len() as u64 {
            return Err(Defect::Field {
                what: "last offset of a block",
                found: end,
                expected: "the bytes of its texts",
            });
        }
        Ok(TextPlace { offsets, data })
    }
}

/// One of the lengths in a head.
fn length_at(block: &[u8], at: usize, width: u8) -> Result<u64, Defect> {
    match width {
        2 => bytes_at(block, at, "block").map(|bytes| u16::from_le_bytes(bytes).into()),
        4 => bytes_at(block, at, "block").map(|bytes| u32::from_le_bytes(bytes).into()),
        8 => bytes_at(block, at, "block").map(u64::from_le_bytes),
        _ => Err(Defect::Field {
            what: "bytes of a length in a block",
            found: width.into(),
            expected: "2, 4 or 8",
        }),
    }
}

/// Bytes that a head has for each of its lengths, none of which is above `most`.
fn width_of(most: u64) -> u8 {
    match most {
        0..0x1_0000 => 2,
        0x1_0000..0x1_0000_0000 => 4,
        _ => 8,
    }
}

/// Alignment in a block of elements that stand as they are.
fn plain_align(len: u64) -> u64 {
    match len >= ALIGN_FROM {
        true => LINE,
        false => 8,
    }
}

/// Whether the elements of a block stand as they are, so that reads lend them.
pub(crate) fn is_plain_block(block: &[u8]) -> bool {
    block.first() == Some(&0)
}

/// A block that says that all is fill value.
pub(crate) fn empty_block() -> Vec<u8> {
    vec![0, 0, NOTHING, 0]
}

/// Elements that become a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) dtype: DType,
    pub(crate) elements: Raw<'a>,
    /// Arrow validity bits, those after the last element zero.
    pub(crate) validity: Option<&'a [u8]>,
    /// The fill value of the array, which statistics leave out.
    pub(crate) fill: Option<&'a AttrValue>,
}

/// Elements as a caller has them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
    Fixed(&'a [u8]),
    Texts { offsets: &'a [u64], data: &'a [u8] },
}

/// The block of `source`; `None` instead of a block that `codec` does not make smaller,
/// unless `always`. The error names `array`.
pub(crate) fn encode_block(
    source: Source<'_>,
    codec: Option<&Pipeline>,
    array: &str,
    always: bool,
) -> Result<Option<Vec<u8>>> {
    encode_block_with(source, codec, None, array, always)
}

/// As [`encode_block`], with the dictionary of the partition if the codec takes one and the
/// elements are few.
pub(super) fn encode_block_with(
    source: Source<'_>,
    codec: Option<&Pipeline>,
    shared: Option<Shared<'_>>,
    array: &str,
    always: bool,
) -> Result<Option<Vec<u8>>> {
    let stats = source.stats();
    let mut joined = Vec::new();
    let (elements, wide) = match source.elements {
        Raw::Fixed(bytes) => (bytes, false),
        Raw::Texts { offsets, data } => {
            let wide = u32::try_from(data.len()).is_err();
            join_texts(offsets, data, wide, &mut joined);
            (joined.as_slice(), wide)
        }
    };
    if let Some(codec) = codec.filter(|codec| !codec.is_none()) {
        let shared = shared.filter(|_| shares(codec, elements.len()));
        let at_level = shared.map(|shared| shared.codec(codec));
        let codec = at_level.as_ref().unwrap_or(codec);
        let shares = if shared.is_some() { SHARED } else { 0 };
        let flags = source.flags(wide) | shares;
        let mut out = head(flags, elements.len(), &codec.to_string(), &stats);
        let before = out.len();
        let kind = Elements {
            dtype: source.dtype,
        };
        let dictionary = shared.map(|shared| shared.dictionary);
        let encoded = codec.encode_with(elements, kind, dictionary, &mut out);
        encoded.map_err(|error| of_array(error, array))?;
        let stored = out.len().saturating_sub(before);
        if stored < elements.len() {
            put_stored(&mut out, stored as u64);
            push_validity(&mut out, source.validity);
            return Ok(Some(out));
        }
    }
    if !always {
        return Ok(None);
    }
    let mut out = head(source.flags(wide), elements.len(), "", &stats);
    pad(&mut out, plain_align(elements.len() as u64) as usize);
    out.extend_from_slice(elements);
    push_validity(&mut out, source.validity);
    Ok(Some(out))
}

/// Offsets and data of texts as a body has them.
pub(super) fn join_texts(offsets: &[u64], data: &[u8], wide: bool, out: &mut Vec<u8>) {
    for offset in offsets {
        let offset = offset.to_le_bytes();
        let width = if wide { 8 } else { 4 };
        out.extend_from_slice(offset.get(..width).unwrap_or(&offset));
    }
    pad(out, 8);
    out.extend_from_slice(data);
}

/// Longest elements that share a dictionary: longer ones have enough in themselves.
const MOST_SHARED: usize = 16 << 10;

/// Shortest: a frame alone takes a dozen bytes.
const LEAST_SHARED: usize = 32;

/// Whether elements of so many bytes, encoded by `codec`, share a dictionary, if there is
/// one.
pub(crate) fn shares(codec: &Pipeline, bytes: usize) -> bool {
    codec.takes_dictionary() && (LEAST_SHARED..=MOST_SHARED).contains(&bytes)
}

/// Whether a block, as it was encoded, needs a dictionary.
pub(super) fn is_shared(block: &[u8]) -> bool {
    let flags = block.get(FLAGS_AT);
    flags.is_some_and(|flags| flags & SHARED != 0)
}

impl Source<'_> {
    fn flags(&self, wide: bool) -> u8 {
        let masked = if self.validity.is_some() { MASKED } else { 0 };
        masked | if wide { WIDE } else { 0 }
    }

    /// Encoded statistics; none for a dtype that has none.
    fn stats(&self) -> Vec<u8> {
        let (data, ends, count) = match self.elements {
            Raw::Fixed(data) => {
                let item = self.dtype.item_bytes().unwrap_or(1).max(1);
                let count = (data.len() as u64).checked_div(item).unwrap_or(0);
                (data, Ends::None, count)
            }
            Raw::Texts { offsets, data } => {
                let count = offsets.len().saturating_sub(1) as u64;
                (data, Ends::Given(offsets), count)
            }
        };
        let mut bytes = Vec::new();
        if data.len() >= STATS_FROM
            && let Some(stats) =
                ArrayStats::of(self.dtype, count, data, ends, self.validity, self.fill)
        {
            stats.encode(&mut bytes);
        }
        bytes
    }
}

/// The head of a block with so many bytes of elements, as if as many were stored.
fn head(flags: u8, decoded: usize, codec: &str, stats: &[u8]) -> Vec<u8> {
    let room = decoded.saturating_add(BLOCK_HEADER).saturating_add(256);
    let mut out = Vec::with_capacity(room);
    let width = width_of(decoded as u64);
    // A spec has at most 255 bytes, statistics fewer than 200.
    out.extend([codec.len() as u8, stats.len() as u8, flags, width]);
    let length = (decoded as u64).to_le_bytes();
    let length = length.get(..usize::from(width)).unwrap_or(&length);
    out.extend_from_slice(length);
    out.extend_from_slice(length);
    out.extend_from_slice(codec.as_bytes());
    out.extend_from_slice(stats);
    out
}

/// Says in a head how many bytes are stored: at most those of the elements.
fn put_stored(out: &mut [u8], stored: u64) {
    let width = out.get(LENGTHS_AT.saturating_sub(1)).copied();
    let width = usize::from(width.unwrap_or_default());
    let at = LENGTHS_AT.saturating_add(width);
    let stored = stored.to_le_bytes();
    if let (Some(place), Some(stored)) = (
        out.get_mut(at..at.saturating_add(width)),
        stored.get(..width),
    ) {
        place.copy_from_slice(stored);
    }
}

fn push_validity(out: &mut Vec<u8>, validity: Option<&[u8]>) {
    if let Some(bits) = validity {
        out.resize(pad8(out.len()), 0);
        out.extend_from_slice(bits);
    }
}

fn pad(out: &mut Vec<u8>, align: usize) {
    let end = align_up(out.len() as u64, align as u64);
    // Less than one alignment more.
    out.resize(end as usize, 0);
}

/// The error of a codec with the array that it was to encode.
fn of_array(error: Error, array: &str) -> Error {
    match error {
        Error::Invalid { what, detail } => Error::Invalid {
            what: format!("array {array:?}: {what}"),
            detail,
        },
        other => other,
    }
}
