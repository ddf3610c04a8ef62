//! Mappings of plain files that this run made, and what touching them costs.

use std::fs::File;
use std::hint::black_box;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use memmap2::{Advice, Mmap, MmapMut, MmapOptions};

use crate::task::Answer;

/// Distance of the bytes touched: one fault brings in at most so much of a file
/// whose pages are small.
const TOUCH_STEP: usize = 64 << 10;

/// Maps all of `file`.
#[expect(unsafe_code, reason = "mapping a file")]
pub(crate) fn map(file: &File) -> Result<Mmap> {
    // SAFETY: the file is in a folder that this run made for this process;
    // nobody writes to it or shortens it while the mapping lives.
    let mapping = unsafe { Mmap::map(file) };
    mapping.context("cannot map the file")
}

/// Maps `range` of `file` shared and writable.
#[expect(unsafe_code, reason = "mapping a file")]
pub(crate) fn map_shared(file: &File, range: Range<u64>) -> Result<MmapMut> {
    let len = usize::try_from(range.end.saturating_sub(range.start))?;
    let mut options = MmapOptions::new();
    options.offset(range.start).len(len);
    // SAFETY: the file is as private as in `map`; the callers drop the mapping before they write to the
    // file or change its length.
    let mapping = unsafe { options.map_mut(file) };
    mapping.context("cannot map a part of the file")
}

/// Takes `bytes` of memory in pages of 2 MiB and, with the end of this process,
/// gives them back.
///
/// A write to a fresh file takes free memory, and what that costs depends on the
/// past of the machine: pages that the kernel or the host of a virtual machine
/// has never handed out, and free memory in small pieces, make it several times
/// slower. Memory just given back is the first to be taken again, so that every
/// measurement begins alike.
pub(crate) fn settle(bytes: usize) -> Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    let memory = MmapMut::map_anon(bytes)?;
    // Without huge pages the kernel refuses, and small ones have to do.
    let _ = memory.advise(Advice::HugePage);
    memory
        .advise(Advice::PopulateWrite)
        .context("cannot take the memory to settle; choose a smaller --settle")
}

/// Maps `path` anew and touches one byte of every 64 KiB in order:
/// `touch` (ns per touch) and `pmd` (share of the file mapped by entries of 2 MiB).
pub(crate) fn measure_first_touch(path: &Path, answer: &mut Answer) -> Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mapping = map(&file)?;
    ensure!(!mapping.is_empty(), "{} is empty", path.display());
    let start = Instant::now();
    let mut sum = 0_u64;
    for byte in mapping.iter().step_by(TOUCH_STEP) {
        sum = sum.wrapping_add(u64::from(*byte));
    }
    let elapsed = start.elapsed();
    black_box(sum);
    let touches = mapping.len().div_ceil(TOUCH_STEP);
    answer.set("touch", elapsed.as_secs_f64() * 1e9 / touches as f64);
    answer.set("pmd", pmd_mapped_bytes()? / mapping.len() as f64 * 100.0);
    Ok(())
}

/// Bytes of files that this process has mapped by entries of 2 MiB.
fn pmd_mapped_bytes() -> Result<f64> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let kib = rollup
        .lines()
        .find_map(|line| line.strip_prefix("FilePmdMapped:"))
        .and_then(|rest| rest.split_whitespace().next())
        .context("the kernel does not tell FilePmdMapped")?;
    Ok(kib.parse::<f64>()? * 1024.0)
}
