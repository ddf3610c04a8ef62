//! Blocks of LZ4. The length of what they hold is known to those who read them.

use std::cell::Cell;

use lz4_flex::block::{
    CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size,
};

use super::Elements;
use super::kept::{Keep, kept};

/// Longest block that other programs read.
const MOST: usize = 0x7e00_0000;

/// From here on lz4_flex needs the large table.
const LARGE: usize = u16::MAX as usize;

thread_local! {
    // Apart: a table that has grown stays large, and takes longer to be cleared.
    static SMALL: Cell<Option<CompressTable>> = const { Cell::new(None) };
    static BIG: Cell<Option<CompressTable>> = const { Cell::new(None) };
}

pub(super) fn encode(data: &[u8], _: u32, _: Elements, out: &mut Vec<u8>) -> Result<(), String> {
    if data.len() > MOST {
        return Err(format!(
            "it takes at most {MOST} bytes at once, these are {}; smaller chunks would do",
            data.len()
        ));
    }
    let before = out.len();
    let room = before.saturating_add(get_maximum_output_size(data.len()));
    out.resize(room, 0);
    let place = if data.len() < LARGE { &SMALL } else { &BIG };
    let wrote = kept(
        place,
        || Some(CompressTable::default()),
        |table| {
            let out = out.get_mut(before..).unwrap_or_default();
            (compress_into_with_table(data, out, table), Keep::Yes)
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
    match decompress_into(data, out) {
        Ok(wrote) if wrote == out.len() => Ok(()),
        Ok(wrote) => Err(format!("they give {wrote} bytes, expected {}", out.len())),
        Err(error) => Err(error.to_string()),
    }
}
