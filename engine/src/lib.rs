//! An embedded store for keyed n-dimensional arrays and plain values.
#![deny(missing_docs)]

mod array;
mod batch;
mod entry;
mod error;
mod format;
mod options;
mod partition;
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
pub use options::{Durability, Mode, Verify};
pub use partition::{Entries, Keys, Partition, Reader};
pub use store::{Info, OpenOptions, PartitionInfo, Recovery, Store, DEFAULT_NAME};
pub use value::Value;
