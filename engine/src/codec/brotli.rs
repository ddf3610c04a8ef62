//! Streams of Brotli with windows of the standard, 16 MiB and less.

use brotli::enc::{BrotliCompress, BrotliEncoderParams, StandardAlloc};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

use super::Elements;

pub(super) fn encode(
    data: &[u8],
    level: u32,
    _: Elements,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let before = out.len();
    let params = BrotliEncoderParams {
        quality: i32::try_from(level).map_err(|_| "no such level".to_owned())?,
        size_hint: data.len(),
        ..BrotliEncoderParams::default()
    };
    match BrotliCompress(&mut &*data, out, &params) {
        Ok(_) => Ok(()),
        Err(error) => {
            out.truncate(before);
            Err(error.to_string())
        }
    }
}

pub(super) fn decode(data: &[u8], _: Elements, out: &mut [u8]) -> Result<(), String> {
    let alloc = StandardAlloc::default;
    // Strict: the window is memory, and that of an extension of the format has up to 1 GiB.
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let (mut left, mut room, mut total) = (data.len(), out.len(), 0);
    let (mut read, mut wrote) = (0, 0);
    let result = BrotliDecompressStream(
        &mut left, &mut read, data, &mut room, &mut wrote, out, &mut total, &mut state,
    );
    match result {
        BrotliResult::ResultSuccess if room == 0 && left == 0 => Ok(()),
        BrotliResult::ResultSuccess if room == 0 => {
            Err(format!("{left} bytes follow behind their end"))
        }
        BrotliResult::ResultSuccess | BrotliResult::NeedsMoreInput => {
            Err(format!("they give {wrote} bytes, expected {}", out.len()))
        }
        BrotliResult::NeedsMoreOutput => Err(format!("they give more than {} bytes", out.len())),
        BrotliResult::ResultFailure => Err("they are no stream of Brotli".to_owned()),
    }
}
