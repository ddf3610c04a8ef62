//! Arrays: dtypes, attributes, and the frame that holds the arrays of an entry.
//!
//! Everything here is a pure function over bytes: no I/O, no unsafe, no panic
//! on any input. Data goes one way:
//!
//! ```text
//! write   (name, ArraySpec)… + Attrs  --plan-->  Plan  --pieces-->  frame
//!                                                  \--schema_bytes--> interned
//! read    schema bytes --Schema::parse--> Schema (shared)
//!         Schema + frame --locate--> FieldPlace (ranges) --> ArrayView
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[cfg(target_endian = "big")]
compile_error!(
    "stored arrays are little-endian and lent as they are: this machine would misread them"
);

mod attr;
mod block;
mod changes;
mod checks;
mod chunks;
mod cursor;
mod dims;
mod dtype;
mod encoding;
mod frame;
mod head;
mod layout;
mod limits;
mod map;
mod names;
#[cfg(feature = "ndarray")]
mod ndarrays;
mod pieces;
mod plan;
mod region;
mod schema;
mod slot;
mod spec;
mod stats;
mod view;

#[cfg(test)]
mod tests;

pub use attr::{AttrArray, AttrValue, Attrs};
pub use dtype::{BFloat16, DType, Element, Float8E4M3, Float8E5M2, Half, TimeUnit};
pub use region::{Points, Selection, Span};
pub use spec::{ArrayBytes, ArraySpec, Chunking, Mask, StoredBytes};
pub use stats::ArrayStats;
pub use view::{ArrayView, FieldInfo};

pub(crate) use block::{
    BLOCK_HEADER, BlockPlace, Content, Raw, Source, empty_block, encode_block, is_plain_block,
    shares,
};
pub(crate) use changes::Changes;
pub(crate) use checks::{check_array_name, check_shape, validity_bits};
pub(crate) use chunks::{ArrayId, Chunks, Coords, array_of_key};
pub(crate) use dtype::plain_dtype;
pub(crate) use encoding::decode_scalar;
pub(crate) use frame::{
    AttrPlace, FieldPlace, PlainPlace, Shape, Storage, array_attrs, attrs_in_frame, changes,
    entry_attr, entry_attr_places, entry_attrs, entry_attrs_but, frame_align, locate, schema_id,
    shares_dictionary, stats_of, stats_place,
};
pub(crate) use head::{FRAME_HEADER, fixed_end, head_end, is_present};
pub(crate) use limits::MAX_RANK;
pub(crate) use map::{decode_attrs, encode_attrs};
pub(crate) use plan::{ArrayAttrs, Cut, Plan, plan, plan_apart, plan_with};
pub(crate) use region::{ChunkGrid, Piece, Places, Touched, gather, gather_bits, pairs};
pub(crate) use schema::Schema;
pub(crate) use spec::{ArrayDefaults, StoredAs};
pub(crate) use view::fill_bytes;
