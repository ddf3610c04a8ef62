//! Raw blocks of Snappy: the length of what they hold, then the data.

use std::cell::Cell;

use snap::raw::{Decoder, Encoder, max_compress_len};

use super::Elements;
use super::kept::{Keep, kept};

thread_local! {
    static ENCODER: Cell<Option<Encoder>> = const { Cell::new(None) };
}

pub(super) fn encode(data: &[u8], _: u32, _: Elements, out: &mut Vec<u8>) -> Result<(), String> {
    let before = out.len();
    // 0 for what is too long, which the encoder refuses then.
    let room = before.saturating_add(max_compress_len(data.len()));
    out.resize(room, 0);
    let wrote = kept(
        &ENCODER,
        || Some(Encoder::new()),
        |encoder| {
            let out = out.get_mut(before..).unwrap_or_default();
            (encoder.compress(data, out), Keep::Yes)
        },
    );
    let (wrote, outcome) = match wrote {
        Some(Ok(wrote)) => (wrote, Ok(())),
        Some(Err(error)) => (0, Err(error.to_string())),
        None => (0, Err("no memory for its table".to_owned())),
    };
    out.truncate(before.saturating_add(wrote));
    outcome
}

pub(super) fn decode(data: &[u8], _: Elements, out: &mut [u8]) -> Result<(), String> {
    match Decoder::new().decompress(data, out) {
        Ok(wrote) if wrote == out.len() => Ok(()),
        Ok(wrote) => Err(format!("they give {wrote} bytes, expected {}", out.len())),
        Err(error) => Err(error.to_string()),
    }
}
