//! An embedded store for keyed n-dimensional arrays and plain values.
#![deny(missing_docs)]

mod array;
mod batch;
mod catalog;
#[cfg(test)]
mod crash;
mod entry;
mod error;
mod format;
mod grid;
mod index;
mod log;
mod open;
mod options;
mod partition;
mod staged;
mod storage;
mod store;
mod value;

pub use array::{
    ArrayBytes, ArraySpec, ArrayView, AttrArray, AttrValue, Attrs, DType, Element, FieldInfo, Half,
    Mask, TimeUnit,
};
pub use batch::{Batch, BatchPartition};
pub use entry::{Array, Entry, Kind};
pub use error::{Error, Result, What};
pub use format::Defect;
pub use options::{Durability, Mode, OpenOptions, Verify};
pub use partition::{Entries, Keys, Partition, Reader};
pub use store::{DEFAULT_NAME, Info, PartitionInfo, Recovery, Store};
pub use value::Value;

/// For measurements in `benches/`; no part of the public face.
#[doc(hidden)]
pub mod __bench {
    use crate::index::group::Variant;

    /// Makes every probe of this process use one variant: "scalar", "sse2" (what every
    /// processor of the architecture has), "avx2" or "auto". False for another name.
    pub fn force_probe(name: &str) -> bool {
        let variant = match name {
            "scalar" => Some(Variant::Scalar),
            "sse2" => Some(Variant::Baseline),
            "avx2" => Some(Variant::Avx2),
            "auto" => None,
            _ => return false,
        };
        Variant::force(variant);
        true
    }
}
