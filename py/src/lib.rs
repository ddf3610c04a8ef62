//! The Python face of arraylog: converts and calls.
//!
//! Each class here is the part of a Python class that has to be fast or has to
//! own memory; `python/arraylog/` derives the public classes from them.

mod array;
mod arrow;
mod attrs;
mod batch;
mod buffer;
mod change;
mod codec;
mod column;
mod dtype;
mod elements;
mod entry;
mod errors;
mod events;
mod field;
mod input;
mod key;
mod maintenance;
mod many;
mod ndarray;
mod partition;
mod store;
mod stream;

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command line with `args` (the program's name first); its exit code.
#[pyfunction]
fn run_cli(py: Python<'_>, args: Vec<OsString>) -> i32 {
    py.detach(|| i32::from(arraylog_cli::run(args)))
}

/// The compiled part of arraylog.
#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    events::listen();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("format_version", arraylog::FORMAT_VERSION)?;
    module.add("DEBUG_BUILD", cfg!(debug_assertions))?;
    module.add_class::<array::Array>()?;
    module.add_class::<attrs::RawAttrs>()?;
    module.add_class::<batch::Batch>()?;
    module.add_class::<batch::BatchPartition>()?;
    module.add_class::<buffer::Bytes>()?;
    module.add_class::<entry::Entry>()?;
    module.add_class::<many::Found>()?;
    module.add_class::<partition::KeyIterator>()?;
    module.add_class::<partition::Partition>()?;
    module.add_class::<store::Store>()?;
    module.add_class::<stream::ValueReader>()?;
    module.add_function(wrap_pyfunction!(codec::codecs, module)?)?;
    module.add_function(wrap_pyfunction!(codec::register_codec, module)?)?;
    module.add_function(wrap_pyfunction!(run_cli, module)?)
}
