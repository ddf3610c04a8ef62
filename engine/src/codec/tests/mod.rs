//! Pipelines of every codec of this build over every dtype.
#![expect(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

mod hostile;
mod own;
mod roundtrip;
mod shuffle;
mod spec;
mod speed;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::built_in::ALL;
use super::{Elements, Failure, Pipeline};
use crate::array::{DType, TimeUnit};

const DTYPES: [DType; 21] = [
    DType::Bool,
    DType::Int8,
    DType::Int16,
    DType::Int32,
    DType::Int64,
    DType::UInt8,
    DType::UInt16,
    DType::UInt32,
    DType::UInt64,
    DType::Float16,
    DType::Float32,
    DType::Float64,
    DType::Complex64,
    DType::Complex128,
    DType::DateTime64(TimeUnit::Nanosecond),
    DType::TimeDelta64(TimeUnit::Second),
    DType::FixedBytes(3),
    DType::FixedBytes(0),
    DType::FixedString(5),
    DType::String,
    DType::Bytes,
];

/// Dtypes that "pco" takes.
fn is_number(dtype: DType) -> bool {
    !matches!(
        dtype,
        DType::Bool
            | DType::Complex64
            | DType::Complex128
            | DType::FixedBytes(_)
            | DType::FixedString(_)
            | DType::String
            | DType::Bytes
    )
}

/// Every pipeline of this build, at its least, usual and highest level.
fn pipelines() -> Vec<Pipeline> {
    let mut specs = vec!["none".to_owned(), "shuffle".to_owned()];
    for codec in ALL.iter().filter(|codec| codec.is_here()) {
        let levels = codec.levels.map(|it| [it.least, it.default, it.most]);
        let coders = match levels {
            Some(levels) => levels.map(|it| format!("{}:{it}", codec.name)).to_vec(),
            None => vec![codec.name.to_owned()],
        };
        for coder in coders {
            if !codec.by_element {
                specs.push(format!("shuffle+{coder}"));
            }
            specs.push(coder);
        }
    }
    let parsed = specs.iter().map(|spec| Pipeline::parse(spec));
    parsed.collect::<Result<_, _>>().expect("all of this build")
}

/// Whether a pipeline takes elements of a dtype.
fn takes(pipeline: &Pipeline, dtype: DType) -> bool {
    !pipeline.to_string().starts_with("pco") || is_number(dtype)
}

/// Bytes from a seed.
fn random(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    StdRng::seed_from_u64(seed).fill(&mut bytes[..]);
    bytes
}

fn encoded(pipeline: &Pipeline, data: &[u8], dtype: DType) -> Vec<u8> {
    let mut out = Vec::new();
    let done = pipeline.encode(data, Elements { dtype }, &mut out);
    done.unwrap_or_else(|error| panic!("{pipeline} of {dtype}: {error}"));
    out
}

fn decoded(pipeline: &Pipeline, data: &[u8], dtype: DType, len: usize) -> Result<Vec<u8>, Failure> {
    let mut out = vec![0xA5; len];
    pipeline.decode(data, Elements { dtype }, &mut out)?;
    Ok(out)
}
