//! The engines: arraylog, and what users would pick instead.

mod array_format;
mod file;
mod fjall;
mod lmdb;
mod map;
mod simd_r_drive;
mod store;

pub(crate) use array_format::{ArrayFormat, Storing, runtime};
pub(crate) use file::FileSink;
pub(crate) use fjall::Fjall;
pub(crate) use lmdb::{Lmdb, version as lmdb_version};
pub(crate) use map::Map;
pub(crate) use simd_r_drive::SimdRDrive;
pub(crate) use store::{Commit, PLACE, StoreSink, open_for_reading, open_mapped, partition};
