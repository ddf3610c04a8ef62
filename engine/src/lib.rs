//! An embedded store for keyed n-dimensional arrays and plain values, in one file.
//!
//! A commit is [`Durability::Buffered`] by default: it is in the kernel when the call
//! returns, so it survives the end of the process by any signal, but not a loss of
//! power. [`Durability::Synced`] puts a commit on the device before the call returns;
//! [`Store::sync`] and [`Store::close`] do so for everything before them.
//!
//! A store has *collections*, these have *partitions*, and a partition maps *keys* (any
//! bytes) to *entries*: plain [values](Partition::put), or named
//! [arrays](Partition::write) with dims, masks and attributes. Reads take no lock and
//! lend bytes of the mapped file, which outlive the store.
//!
//! ```
//! use arraylog::{ArraySpec, AttrValue, Attrs, Store};
//!
//! # fn main() -> arraylog::Result<()> {
//! let store = Store::memory()?; // a file: Store::options().mode(Mode::Append).open(path)
//! let part = store.partition("argo", "2024-01")?;
//!
//! let temperature = [12.5f32, 12.1, 11.8];
//! let mut attrs = Attrs::new();
//! attrs.set("lat", AttrValue::Float64(1.5));
//! let array = ArraySpec::from_slice(&temperature).dims(&["depth"]);
//! part.write("float-42", &[("temperature", array)], &attrs)?;
//!
//! let entry = part.entry("float-42")?.expect("written above");
//! let array = entry.array("temperature")?;
//! assert_eq!(array.read()?.view().as_slice::<f32>()?, temperature); // bytes of the store
//! assert_eq!(entry.attrs()?, attrs);
//! # Ok(())
//! # }
//! ```
//!
//! A value that is longer than memory comes [from a source](Partition::put_from), or by
//! [a writer](Partition::writer), and is read [as a stream](Partition::open_value).
//!
//! Each write is a commit of its own. A [`Batch`] commits many at once, all or nothing:
//!
//! ```
//! # fn main() -> arraylog::Result<()> {
//! let store = arraylog::Store::memory()?;
//! let part = store.default_partition()?; // a plain key/value store
//! part.put("old", "1")?;
//!
//! let batch = store.batch()?;
//! let staged = batch.partition("default", "default")?;
//! staged.put("new", "2")?;
//! staged.remove("old")?;
//! assert!(part.get("new")?.is_none()); // not before the commit
//! batch.commit()?;
//!
//! assert_eq!(part.get("new")?.as_deref(), Some(&b"2"[..]));
//! assert!(!part.contains("old")?);
//! # Ok(())
//! # }
//! ```
//!
//! # Opening a file
//!
//! [`Mode`] says what may exist before. [`OpenOptions::open`] reads by system calls.
//! [`OpenOptions::open_mapped`] lends the mapped file without a copy; it is unsafe,
//! since no library can keep another program from truncating that file. One writer has
//! a file open at a time, in any process, and any number of readers, which follow it by
//! [`Store::refresh`]. [`Store::recovery`] tells what opening found.
//!
//! Errors name what was done, where, what was expected and what was found:
//!
//! ```
//! # fn main() -> arraylog::Result<()> {
//! let folder = tempfile::tempdir().expect("a folder");
//! let path = folder.path().join("notes.txt");
//! std::fs::write(&path, "hello").expect("written");
//! let error = arraylog::Store::options().open(&path).expect_err("not a store");
//! assert_eq!(error.kind(), "not-a-store");
//! assert!(error.to_string().contains("it starts with 68 65 6c 6c 6f"));
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! * `lz4`, `zstd`, `pco` (on by default), `snappy`, `brotli`: codecs.
//! * `ndarray`: [`ArrayView`] and [`Elements`] as arrays of the crate `ndarray`, and these as
//!   [`ArraySpec`].
//!
//! # Pages in this crate
//!
//! * `docs/format.md`, `docs/entry.md`: every byte of the file.
//! * `docs/durability.md`: what is promised, with the test that holds each promise.
//! * `docs/design.md`: how it works, what operations cost, and why.
//! * `examples/`: programs of at most 40 lines.
#![deny(missing_docs)]

#[cfg(not(any(unix, windows)))]
compile_error!("arraylog knows the locks, mappings and renames of Unix and Windows alone");

#[cfg(not(target_endian = "little"))]
compile_error!("arraylog probes its index in the bytes of the file, which are little-endian");

mod arena;
mod array;
mod attributes;
mod batch;
mod catalog;
mod checkpoint;
mod chunks;
pub mod codec;
mod compaction;
mod condition;
mod counters;
#[cfg(test)]
mod crash;
mod damage;
mod decoded;
mod entry;
mod error;
mod follow;
mod format;
mod fuzz;
mod generation;
mod grid;
mod index;
mod info;
mod log;
mod mutant;
mod names;
mod open;
mod options;
mod partition;
#[cfg(test)]
mod shared_sync;
mod snapshot;
mod staged;
mod storage;
mod store;
mod stream;
mod turns;
mod usage;
mod value;

pub use array::{
    ArrayBytes, ArraySpec, ArrayStats, ArrayView, AttrArray, AttrValue, Attrs, BFloat16, Chunking,
    DType, Element, FieldInfo, Float8E4M3, Float8E5M2, Half, Mask, Points, Selection, Span,
    StoredBytes, TimeUnit,
};
pub use batch::{Batch, BatchPartition};
pub use compaction::{Backup, BackupOptions, CompactOptions, Compacted, Keep, Salvaged};
pub use condition::{Condition, Version};
pub use counters::Counters;
pub use damage::{Damage, Part, Verification, VerifyOptions};
pub use entry::{Array, Elements, Entry, Kind};
pub use error::{Error, Result, What};
pub use format::{Defect, FORMAT_VERSION};
pub use info::{Info, PartitionInfo};
pub use names::PartitionOptions;
pub use options::{Advice, Durability, Mode, OpenOptions, Verify};
pub use partition::{
    Assignment, AttrColumn, Entries, History, KeyVersion, Keys, Partition, Reader,
};
pub use snapshot::Snapshot;
pub use store::{DEFAULT_NAME, Recovery, Store};
pub use stream::{Spool, StreamWriter, ValueReader};
pub use usage::{PartitionUsage, Usage};
pub use value::Value;

#[cfg(feature = "ndarray")]
pub use ndarray;

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

/// For fuzzing; no part of the public face.
#[doc(hidden)]
pub mod __fuzz {
    pub use crate::fuzz::{
        attrs, block, codec, codec_seeds, dictionary, dictionary_seeds, entry, record, repair,
    };
}

/// For the tests of the format; no part of the public face.
#[doc(hidden)]
pub mod __test {
    use std::ops::Range;

    use crate::error::Result;
    use crate::options::{Fixed, OpenOptions};
    use crate::store::Store;

    /// Where the structures of the file lie: all but the values of entries and their
    /// padding.
    ///
    /// # Errors
    ///
    /// Those of reading the file.
    pub fn structures(store: &Store) -> Result<Vec<Range<u64>>> {
        crate::damage::structures(&store.inner())
    }

    /// Where segments of the index lie, or what takes their room.
    ///
    /// # Errors
    ///
    /// Those of reading the file.
    pub fn segments(store: &Store) -> Result<Vec<Range<u64>>> {
        crate::damage::segments(&store.inner())
    }

    /// Options that make a store of this identity and number its opening `epoch`, so
    /// that the same writes give the same bytes, but for process and time of the writer.
    pub fn fixed(
        options: OpenOptions,
        store_id: [u8; 16],
        lineage_id: [u8; 16],
        seed: u64,
        epoch: u16,
    ) -> OpenOptions {
        let fixed = Some(Fixed {
            store_id,
            lineage_id,
            seed,
            epoch,
        });
        OpenOptions { fixed, ..options }
    }
}
