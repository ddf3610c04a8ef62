//! The header of NumPy's .npy files.
//!
//! ```text
//!   0        6         8            10 (v1) or 12 (v2, v3)
//!   +--------+---------+------------+---------------------------------+
//!   | \x93   | major   | length of  | {'descr': '<f4', ...}, spaces,  |
//!   | NUMPY  | minor   | the text   | a line end                      |
//!   +--------+---------+------------+---------------------------------+
//! ```
//!
//! The text is padded so that the data starts on 64 bytes. Version 1 has a
//! length of two bytes, version 2 of four; version 3 is for field names beyond
//! Latin-1, which plain arrays do not have.

use arraylog::{Array, DType};

use crate::failure::{Failure, Outcome};
use crate::ndjson::export;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The header of the file that holds `array`, whose bytes follow as they are stored.
pub(crate) fn header(array: &Array) -> Outcome<Vec<u8>> {
    let read = array.read()?;
    let view = read.view();
    let info = view.info();
    let Some(descr) = descr(info.dtype) else {
        return Err(Failure::Usage(format!(
            "array {:?} of dtype {} has no .npy form; use --format json",
            info.name, info.dtype
        )));
    };
    if view
        .validity()
        .is_some_and(|validity| export::any_missing(validity, view.size()))
    {
        return Err(Failure::Usage(format!(
            "array {:?} has missing elements, which .npy cannot say; use --format json",
            info.name
        )));
    }
    Ok(encode(&descr, view.shape()))
}

fn encode(descr: &str, shape: &[u64]) -> Vec<u8> {
    let shape = crate::text::shape(shape);
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // Prefix, text and line end fill a multiple of 64.
    let padded = |prefix: usize| (prefix + text.len() + 1).next_multiple_of(64) - prefix;
    let mut out = MAGIC.to_vec();
    let length = match u16::try_from(padded(10)) {
        Ok(length) => {
            out.extend_from_slice(&[1, 0]);
            out.extend_from_slice(&length.to_le_bytes());
            usize::from(length)
        }
        Err(_) => {
            let length = padded(12);
            out.extend_from_slice(&[2, 0]);
            out.extend_from_slice(&(length as u32).to_le_bytes());
            length
        }
    };
    out.extend_from_slice(text.as_bytes());
    out.resize(out.len() + length - text.len() - 1, b' ');
    out.push(b'\n');
    out
}

/// NumPy's name of a dtype in files; `None` for texts and bytes of any length.
fn descr(dtype: DType) -> Option<String> {
    Some(match dtype {
        DType::Bool => "|b1".to_owned(),
        DType::Int8 => "|i1".to_owned(),
        DType::UInt8 => "|u1".to_owned(),
        DType::Int16 => "<i2".to_owned(),
        DType::Int32 => "<i4".to_owned(),
        DType::Int64 => "<i8".to_owned(),
        DType::UInt16 => "<u2".to_owned(),
        DType::UInt32 => "<u4".to_owned(),
        DType::UInt64 => "<u8".to_owned(),
        DType::Float16 => "<f2".to_owned(),
        DType::Float32 => "<f4".to_owned(),
        DType::Float64 => "<f8".to_owned(),
        DType::Complex64 => "<c8".to_owned(),
        DType::Complex128 => "<c16".to_owned(),
        DType::DateTime64(unit) => format!("<M8[{}]", unit.name()),
        DType::TimeDelta64(unit) => format!("<m8[{}]", unit.name()),
        DType::FixedBytes(width) => format!("|S{width}"),
        DType::FixedString(width) => format!("<U{width}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_what_numpy_writes() {
        // numpy.save of a float32 array of shape (2, 3), byte for byte.
        let mut expected = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        expected.extend_from_slice(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
        expected.resize(127, b' ');
        expected.push(b'\n');
        assert_eq!(encode("<f4", &[2, 3]), expected);
    }

    #[test]
    fn the_data_starts_on_64_bytes_in_both_versions() {
        assert_eq!(encode("|b1", &[]).len() % 64, 0);
        let long = encode("|b1", &[1; 30_000]);
        assert_eq!((long.len() % 64, long[6]), (0, 2));
    }
}
