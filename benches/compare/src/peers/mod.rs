//! The engines: arraylog, and what users would pick instead.

mod file;
mod lmdb;
mod map;
mod store;

pub(crate) use file::FileSink;
pub(crate) use lmdb::{Lmdb, version as lmdb_version};
pub(crate) use map::Map;
pub(crate) use store::{Commit, StoreSink, open_for_reading, partition};
