//! What every bench shares: the data that all engines are given alike, and the
//! statistics that turn repeated measurements into a ratio with its spread.
//!
//! The package has no engine in it, so that its tests run with the workspace;
//! the engines and their peers are in `benches/compare`.

mod cube;
mod data;
mod statistics;

pub use cube::smooth_cube;
pub use data::{KEY_LEN, Keys, Values, leading};
pub use statistics::{Summary, Verdict, paired_ratios};
