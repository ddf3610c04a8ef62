//! The chunked cube of several rows: 256³ float32 in chunks of 64³.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use arraylog::{Array, ArraySpec, Attrs, Mode, OpenOptions, Store, Verify};
use arraylog_benches::smooth_cube;

use crate::peers::{self, PLACE};

/// Lengths of the axes of the array, and of a chunk: 64 MiB in 64 chunks of 1 MiB.
pub(super) const SIDE: usize = 256;
pub(super) const CHUNK: usize = 64;

const KEY: &str = "cube";
const ARRAY: &str = "t";

/// The part of their bytes that encoded elements have to stay below, for decoding to be what
/// is measured: what does not get smaller stands as it is.
const ENCODED: f64 = 0.95;

/// Its elements.
pub(super) fn elements() -> Vec<f32> {
    smooth_cube(SIDE)
}

/// Makes a store of it at `path`.
pub(super) fn write(path: &Path, codec: Option<&str>) -> Result<()> {
    let elements = elements();
    let lengths = |length: usize| [length as u64; 3];
    let spec = ArraySpec::from_slice(&elements)
        .shape(&lengths(SIDE))
        .chunks(&lengths(CHUNK));
    let spec = match codec {
        Some(codec) => spec.codec(codec),
        None => spec,
    };
    let store = peers::open_mapped(&OpenOptions::new().mode(Mode::CreateNew), path)?;
    let partition = store.partition(PLACE.0, PLACE.1)?;
    partition.write(KEY, &[(ARRAY, spec)], &Attrs::new())?;
    Ok(store.close()?)
}

/// Opens the store at `path`.
pub(super) fn open(path: &Path) -> Result<(Store, Array)> {
    let store = peers::open_for_reading(path, Verify::First)?;
    let entry = peers::partition(&store)?.entry(KEY)?;
    let array = entry.context("the cube is absent")?.array(ARRAY)?;
    Ok((store, array))
}

/// Bytes of its elements as they are stored, for one byte of them; an error if a codec did
/// nothing.
pub(super) fn encoded(array: &Array) -> Result<f64> {
    let part = array.nbytes_stored()? as f64 / array.nbytes()? as f64;
    ensure!(
        part < ENCODED,
        "expected chunks that the codec makes smaller than {ENCODED} of their bytes, found {part:.3}"
    );
    Ok(part)
}
