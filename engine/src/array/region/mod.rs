//! Regions of arrays: which elements, in which chunks, and their way between buffers.
//!
//! ```text
//! Selection        indices on each axis            what a caller asks for
//!   --ChunkGrid::touched-->  Touched…              chunk, place in it, place in the result
//!     --gather-->  result                          read:  chunk  -> box of the result
//!     --scatter--> chunk                           write: box of the data -> chunk
//! ```
//!
//! [`Points`] are places one by one, and have many boxes in a chunk: a `Piece` is a chunk
//! with all of its boxes.
//!
//! All arrays here are in C order: the last axis is the one whose elements are neighbours.
mod bits;
mod chunk_grid;
mod chunk_shape;
mod copy;
mod points;
mod selection;
mod walk;

#[cfg(test)]
mod tests;

pub(crate) use bits::gather_bits;
#[cfg(test)]
use bits::scatter_bits;
pub(crate) use chunk_grid::{ChunkGrid, Touched};
pub(crate) use chunk_shape::{auto_chunks, given_chunks};
pub(crate) use copy::gather;
#[cfg(test)]
use copy::scatter;
pub use points::Points;
pub(crate) use points::{Piece, Places};
pub use selection::{Selection, Span};
pub(crate) use walk::pairs;
