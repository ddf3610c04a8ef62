//! Chunks that wait for the commit of their batch.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Result;
use crate::staged::Staged;
use crate::value::Value;

/// The chunks that a batch writes to one partition.
#[derive(Debug)]
pub(crate) struct StagedChunks {
    staged: Arc<Mutex<Staged>>,
    /// Number of the partition in the batch.
    target: usize,
}

impl StagedChunks {
    pub(crate) fn new(staged: &Arc<Mutex<Staged>>, target: usize) -> Self {
        Self {
            staged: Arc::clone(staged),
            target,
        }
    }

    /// The block of a chunk, copied; `None`: the batch does not write it.
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<Value>> {
        let mut staged = self.staged.lock();
        let block = staged.chunk(self.target, key);
        block.map(Value::copied).transpose()
    }
}
