//! Frames of Zstandard, with the length of what they hold and without a checksum: there is
//! one of the stored bytes.

use std::cell::Cell;
use std::io::Cursor;

use zstd_safe::{CCtx, CParameter, DCtx, compress_bound, get_error_name};

use super::Elements;
use super::kept::{Keep, kept};

/// Contexts that grew above this, by high levels, are given back after their use.
const MOST_KEPT: usize = 16 << 20;

thread_local! {
    // Making one costs more than encoding a small chunk does.
    static ENCODER: Cell<Option<CCtx<'static>>> = const { Cell::new(None) };
    static DECODER: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

/// No context could be made.
const NO_MEMORY: &str = "no memory for its context";

pub(super) fn encode(
    data: &[u8],
    level: u32,
    _: Elements,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let level = i32::try_from(level).map_err(|_| "no such level".to_owned())?;
    let before = out.len();
    out.reserve(compress_bound(data.len()));
    let outcome = kept(&ENCODER, CCtx::try_create, |context| {
        let mut end = Cursor::new(&mut *out);
        end.set_position(before as u64);
        let wrote = context
            .set_parameter(CParameter::CompressionLevel(level))
            .and_then(|_| context.compress2(&mut end, data));
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

pub(super) fn decode(data: &[u8], _: Elements, out: &mut [u8]) -> Result<(), String> {
    let outcome = kept(&DECODER, DCtx::try_create, |context| {
        let wrote = context.decompress(out, data);
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
