//! array-format: arrays in chunks in one file that never changes.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use array_format::{
    ArrayFile, ArrayWriter, CompressionCodec, NoCompression, ReadConfig, WriterConfig, ZstdCodec,
};
use ndarray::{ArcArray, ArrayView, IxDyn};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use tokio::runtime::Runtime;

const FILE: &str = "data.af";
const ARRAY: &str = "t";

/// How an array is cut and stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storing {
    /// Level of zstd; `None`: not compressed.
    pub(crate) zstd: Option<i32>,
    /// Bytes after which a block of chunks is full; `None`: as it comes, 8 MiB.
    pub(crate) block: Option<usize>,
}

/// A file of one array, open.
pub(crate) struct ArrayFormat {
    runtime: Arc<Runtime>,
    file: ArrayFile,
}

/// A runtime as its users have one: a worker for each core.
pub(crate) fn runtime() -> Result<Arc<Runtime>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build();
    Ok(Arc::new(runtime.context("cannot start a runtime")?))
}

impl ArrayFormat {
    /// Writes a cube of float32 of `side`³ in chunks of `chunk`³ into `folder`.
    pub(crate) fn write_cube(
        folder: &Path,
        cube: &[f32],
        (side, chunk): (usize, usize),
        storing: Storing,
    ) -> Result<()> {
        match storing.zstd {
            None => write(folder, cube, (side, chunk), NoCompression, storing.block),
            Some(level) => {
                let codec = ZstdCodec { level };
                write(folder, cube, (side, chunk), codec, storing.block)
            }
        }
    }

    /// Opens it as it comes: blocks that were decoded are kept, up to 256 MiB.
    pub(crate) fn open(folder: &Path, runtime: &Arc<Runtime>) -> Result<Self> {
        let file = ArrayFile::open(place(folder)?, FILE.into(), ReadConfig::default());
        Ok(Self {
            file: runtime.block_on(file)?,
            runtime: Arc::clone(runtime),
        })
    }

    /// The elements from `start` on, `shape` of them.
    pub(crate) fn read(&self, start: &[usize], shape: &[usize]) -> Result<ArcArray<f32, IxDyn>> {
        let read = self.file.read_array(ARRAY, start.to_vec(), shape.to_vec());
        Ok(self.runtime.block_on(read)?)
    }
}

fn place(folder: &Path) -> Result<Arc<dyn ObjectStore>> {
    Ok(Arc::new(LocalFileSystem::new_with_prefix(folder)?))
}

fn write<C: CompressionCodec + 'static>(
    folder: &Path,
    cube: &[f32],
    (side, chunk): (usize, usize),
    codec: C,
    block: Option<usize>,
) -> Result<()> {
    let mut config = WriterConfig::new(codec);
    if let Some(block) = block {
        config.block_target_size = block;
    }
    let mut writer = ArrayWriter::new(config);
    let dims = ["x", "y", "z"].map(str::to_owned).to_vec();
    writer.define_array::<f32>(ARRAY, dims, vec![side; 3], Some(vec![chunk; 3]), None)?;
    let view = ArrayView::from_shape(IxDyn(&[side; 3]), cube)?;
    writer.write_array(ARRAY, vec![0; 3], view)?;
    runtime()?.block_on(writer.finish(place(folder)?, FILE.into()))?;
    Ok(())
}
