//! Frames of Zstandard, with the length of what they hold and without a checksum: there is
//! one of the stored bytes.

use std::cell::Cell;
use std::io::Cursor;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64;
use zstd_safe::{
    CCtx, CDict, CParameter, DCtx, DDict, compress_bound, get_error_name, train_from_buffer,
};

use super::Elements;
use super::kept::{Keep, kept};

/// Contexts that grew above this, by high levels, are given back after their use.
const MOST_KEPT: usize = 16 << 20;

thread_local! {
    // Making one costs more than encoding a small chunk does.
    static ENCODER: Cell<Option<CCtx<'static>>> = const { Cell::new(None) };
    static DECODER: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

/// Where a dictionary has its id, behind the magic number.
const ID_AT: Range<usize> = 4..8;

/// No context could be made.
const NO_MEMORY: &str = "no memory for its context";

pub(super) fn encode(
    data: &[u8],
    level: u32,
    _: Elements,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let level = level_of(level)?;
    encode_by(data, out, |context, end| {
        context
            .set_parameter(CParameter::CompressionLevel(level))
            .and_then(|_| context.compress2(end, data))
    })
}

pub(super) fn decode(data: &[u8], _: Elements, out: &mut [u8]) -> Result<(), String> {
    decode_by(out, |context, out| context.decompress(out, data))
}

fn level_of(level: u32) -> Result<i32, String> {
    i32::try_from(level).map_err(|_| "no such level".to_owned())
}

/// Where a frame goes.
type End<'a> = Cursor<&'a mut Vec<u8>>;

fn encode_by(
    data: &[u8],
    out: &mut Vec<u8>,
    work: impl FnOnce(&mut CCtx<'static>, &mut End<'_>) -> Result<usize, usize>,
) -> Result<(), String> {
    let before = out.len();
    out.reserve(compress_bound(data.len()));
    let outcome = kept(&ENCODER, CCtx::try_create, |context| {
        let mut end = Cursor::new(&mut *out);
        end.set_position(before as u64);
        let wrote = work(context, &mut end);
        // One that failed may be in the middle of a frame.
        let keep = wrote.is_ok() && context.sizeof() <= MOST_KEPT;
        (wrote, if keep { Keep::Yes } else { Keep::No })
    });
    let outcome = match outcome {
        Some(Ok(_)) => return Ok(()),
        Some(Err(code)) => get_error_name(code),
        None => NO_MEMORY,
    };
    out.truncate(before);
    Err(outcome.to_owned())
}

fn decode_by(
    out: &mut [u8],
    work: impl FnOnce(&mut DCtx<'static>, &mut [u8]) -> Result<usize, usize>,
) -> Result<(), String> {
    let outcome = kept(&DECODER, DCtx::try_create, |context| {
        let wrote = work(context, out);
        let keep = if wrote.is_ok() { Keep::Yes } else { Keep::No };
        (wrote, keep)
    });
    match outcome {
        Some(Ok(wrote)) if wrote == out.len() => Ok(()),
        Some(Ok(wrote)) => Err(format!("they give {wrote} bytes, expected {}", out.len())),
        Some(Err(code)) => Err(get_error_name(code).to_owned()),
        None => Err(NO_MEMORY.to_owned()),
    }
}

/// Trains a dictionary on samples that lie one behind the other; `None`: they have too
/// little in common.
pub(super) fn train(samples: &[u8], lengths: &[usize], most: usize) -> Option<Vec<u8>> {
    let mut dictionary = Vec::with_capacity(most);
    match train_from_buffer(&mut dictionary, samples, lengths) {
        Ok(_) => {
            name(&mut dictionary);
            Some(dictionary)
        }
        Err(code) => {
            log::debug!("no dictionary: {}", get_error_name(code));
            None
        }
    }
}

/// Gives a dictionary an id that follows from what it holds and takes two bytes in each frame
/// instead of four: of those below 65,536 that Zstandard leaves to all.
fn name(dictionary: &mut [u8]) {
    let Some((head, content)) = dictionary.split_at_mut_checked(ID_AT.end) else {
        return;
    };
    let id = 0x8000 | (xxh3_64(content) as u32 & 0x7FFF);
    if let Some(place) = head.get_mut(ID_AT) {
        place.copy_from_slice(&id.to_le_bytes());
    }
}

/// The tables of a dictionary, made at first use.
#[derive(Default)]
pub(super) struct Prepared {
    decoder: OnceLock<Option<DDict<'static>>>,
    /// By level.
    encoders: Mutex<Vec<(i32, Arc<CDict<'static>>)>>,
}

impl Prepared {
    pub(super) fn encode(
        &self,
        dictionary: &[u8],
        data: &[u8],
        level: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let encoder = self.encoder(dictionary, level_of(level)?)?;
        encode_by(data, out, |context, end| {
            context.compress_using_cdict(end, data, &encoder)
        })
    }

    pub(super) fn decode(
        &self,
        dictionary: &[u8],
        data: &[u8],
        out: &mut [u8],
    ) -> Result<(), String> {
        let decoder = self.decoder.get_or_init(|| DDict::try_create(dictionary));
        let decoder = decoder.as_ref().ok_or("their dictionary is none")?;
        decode_by(out, |context, out| {
            context.decompress_using_ddict(out, data, decoder)
        })
    }

    fn encoder(&self, dictionary: &[u8], level: i32) -> Result<Arc<CDict<'static>>, String> {
        let mut encoders = self.encoders.lock();
        if let Some((_, encoder)) = encoders.iter().find(|(of, _)| *of == level) {
            return Ok(Arc::clone(encoder));
        }
        let encoder = CDict::try_create(dictionary, level).ok_or(NO_MEMORY)?;
        let encoder = Arc::new(encoder);
        encoders.push((level, Arc::clone(&encoder)));
        Ok(encoder)
    }
}
