//! Standalone files of Pco, of numbers of one type.

use half::f16;
use pco::ChunkConfig;
use pco::data_types::Number;
use pco::standalone::{DecompressorItem, FileDecompressor, simple_compress_into};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::Elements;
use crate::array::DType;

/// Numbers of Pco that bytes can be lent as.
trait Num: Number + FromBytes + IntoBytes + Immutable + KnownLayout {}
impl<T: Number + FromBytes + IntoBytes + Immutable + KnownLayout> Num for T {}

/// `$call` with `$number` as the type of the elements of `$dtype`; `None` for those that
/// are no numbers.
macro_rules! with_number {
    ($dtype:expr, $number:ident => $call:expr) => {
        with_number!(@ $dtype, $number, $call, {
            Int8 => i8, Int16 => i16, Int32 => i32, Int64 => i64,
            UInt8 => u8, UInt16 => u16, UInt32 => u32, UInt64 => u64,
            Float16 => f16, Float32 => f32, Float64 => f64,
        })
    };
    (@ $dtype:expr, $number:ident, $call:expr, { $($name:ident => $type:ty,)+ }) => {
        match $dtype {
            $(DType::$name => { type $number = $type; Some($call) })+
            // Counts of units.
            DType::DateTime64(_) | DType::TimeDelta64(_) => { type $number = i64; Some($call) }
            _ => None,
        }
    };
}

/// What is wrong with a dtype that Pco does not take.
pub(super) fn refusal(dtype: DType) -> Option<String> {
    // Of the type nothing is asked but whether there is one.
    with_number!(dtype, Element => size_of::<Element>())
        .is_none()
        .then(|| {
            format!(
                "codec \"pco\" takes integers, floats, datetime64 and timedelta64, and these \
                 are {dtype}; \"zstd\" and \"lz4\" take all"
            )
        })
}

pub(super) fn encode(
    data: &[u8],
    level: u32,
    elements: Elements,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let before = out.len();
    let config = ChunkConfig::default()
        .with_compression_level(level as usize)
        // Integers of 8 bits are numbers here, and not text.
        .with_enable_8_bit(true);
    let outcome = with_number!(elements.dtype, Element => encode_as::<Element>(data, &config, out));
    let outcome = outcome.unwrap_or_else(|| Err(refusal(elements.dtype).unwrap_or_default()));
    if outcome.is_err() {
        out.truncate(before);
    }
    outcome
}

fn encode_as<T: Num>(data: &[u8], config: &ChunkConfig, out: &mut Vec<u8>) -> Result<(), String> {
    let copy;
    let numbers = match <[T]>::ref_from_bytes(data) {
        Ok(numbers) => numbers,
        // Bytes that lie anywhere.
        Err(_) => {
            copy = copied::<T>(data)?;
            &copy
        }
    };
    match simple_compress_into(numbers, config, out) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Room for as many numbers as there are in this many bytes.
fn room<T: Num>(bytes: usize) -> Result<Vec<T>, String> {
    let size = size_of::<T>();
    if !bytes.is_multiple_of(size) {
        return Err(format!("{bytes} bytes are not whole numbers of {size}"));
    }
    T::new_vec_zeroed(bytes.checked_div(size).unwrap_or(0)).map_err(|_| "no memory".to_owned())
}

fn copied<T: Num>(data: &[u8]) -> Result<Vec<T>, String> {
    let mut numbers = room::<T>(data.len())?;
    numbers.as_mut_slice().as_mut_bytes().copy_from_slice(data);
    Ok(numbers)
}

pub(super) fn decode(data: &[u8], elements: Elements, out: &mut [u8]) -> Result<(), String> {
    let outcome = with_number!(elements.dtype, Element => decode_as::<Element>(data, out));
    outcome.unwrap_or_else(|| Err(refusal(elements.dtype).unwrap_or_default()))
}

fn decode_as<T: Num>(data: &[u8], out: &mut [u8]) -> Result<(), String> {
    if let Ok(numbers) = <[T]>::mut_from_bytes(out) {
        return fill(data, numbers);
    }
    let mut numbers = room::<T>(out.len())?;
    fill(data, &mut numbers)?;
    out.copy_from_slice(numbers.as_slice().as_bytes());
    Ok(())
}

/// Fills `out` from all chunks, each of which says how many numbers it has.
fn fill<T: Num>(data: &[u8], mut out: &mut [T]) -> Result<(), String> {
    let expected = out.len();
    let (file, mut rest) = FileDecompressor::new(data).map_err(|error| error.to_string())?;
    loop {
        let next = file.chunk_decompressor::<T, _>(rest);
        let mut chunk = match next.map_err(|error| error.to_string())? {
            DecompressorItem::Chunk(chunk) => chunk,
            DecompressorItem::EndOfData([]) if out.is_empty() => return Ok(()),
            DecompressorItem::EndOfData([]) => {
                return Err(format!("{} of {expected} numbers are missing", out.len()));
            }
            DecompressorItem::EndOfData(rest) => {
                return Err(format!("{} bytes follow behind their end", rest.len()));
            }
        };
        let n = chunk.n();
        let Some((now, later)) = out.split_at_mut_checked(n) else {
            return Err(format!("they give more than {expected} numbers"));
        };
        let progress = chunk.read(now).map_err(|error| error.to_string())?;
        if progress.n_processed != n {
            return Err(format!(
                "a chunk of {n} numbers has {}",
                progress.n_processed
            ));
        }
        out = later;
        rest = chunk.into_src();
    }
}
