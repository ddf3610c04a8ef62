//! The NDJSON language: one JSON object a line, each line one operation.
//!
//! ```text
//! line      = {"collection": str, "partition": str, "entry": str | "entry_b64": b64, one of:
//!                "arrays": {name: array, ...}, "attrs": {name: attr, ...}    an entry (either may be missing)
//!                "value": str | "value_b64": b64                             a plain value (text as UTF-8)
//!                "delete": true}                                             removes; an absent key is counted
//!           | {"defaults": {"collection": str, "partition": str,
//!                "arrays": {name: {"dtype", "dims", "fill_value", "attrs"}}}}   for the lines after it
//! array     = scalar | [ ... nested, rectangular ... ]
//!           | {"data": scalar | [...]  or  "data_b64": b64 (little-endian, C order; needs dtype and shape),
//!              "shape": [int, ...], "dtype": str, "dims": [str | null, ...], "mask": [... bool ...],
//!              "fill_value": scalar, "attrs": {name: attr, ...}}
//! attr      = null | bool | number | str | [attr, ...] | {str: attr, ...}
//!           | {"$dtype": str, "$data": scalar | [scalar, ...]}               any type, exactly: NumPy's scalar or 1-d array
//!           | {"$dtype": "float" | "complex", "$data": scalar}               Python's own, beyond JSON's numbers
//! ```
//!
//! * LF or CRLF ends a line; blank lines and a BOM at the start of a file are skipped.
//! * Unknown members, members that stand twice and members of a wrong type are faults.
//! * Without a dtype it follows from the tokens of the array alone ([`infer`]).
//! * `null` is a missing element and makes a masked array; among `data_b64`, `mask` says it.
//!
//! The bytes are parsed by simd-json; [`document`] is its tape, [`line`] reads
//! it, and [`scan`] finds the column of a fault.

pub(crate) mod array;
pub(crate) mod attrs;
pub(crate) mod defaults;
pub(crate) mod document;
pub(crate) mod elements;
pub(crate) mod export;
pub(crate) mod fault;
pub(crate) mod infer;
pub(crate) mod line;
pub(crate) mod narrow;
pub(crate) mod scan;
pub(crate) mod shape;
pub(crate) mod time;
pub(crate) mod typed;

#[cfg(test)]
mod tests;
