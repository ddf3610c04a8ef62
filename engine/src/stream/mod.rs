//! Values that are larger than memory: written from a source of any length, read block
//! by block.

mod read;
mod spool;
mod write;

pub use read::ValueReader;
pub use spool::Spool;
pub use write::StreamWriter;
