//! The process that opens damaged files: it may die of it.

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::content::{Checker, values};
use crate::peers::Peer;

/// Answers each line "offset mask" with what the store of `peer` in `folder` does when that
/// byte is changed: a word, and whether reading changed the file.
pub(crate) fn serve(peer: Peer, folder: &Path) -> Result<()> {
    let path = folder.join(peer.file());
    let pristine = std::fs::read(&path)?;
    let values = values();
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (at, mask) = line.split_once(' ').context("an offset and a mask")?;
        let (at, mask): (usize, u8) = (at.parse()?, mask.parse()?);
        let mut damaged = pristine.clone();
        *damaged.get_mut(at).context("an offset inside the file")? ^= mask;
        std::fs::write(&path, &damaged)?;
        let mut checker = Checker::new(&values);
        let read = catch_unwind(AssertUnwindSafe(|| peer.read(folder, &mut checker)));
        let word = match read {
            Err(_) => "panic",
            // What was read before it counts: it was given out.
            Ok(Err(_)) if checker.word() == "right" => "error",
            Ok(_) => checker.word(),
        };
        let is_same = std::fs::read(&path).is_ok_and(|found| found == damaged);
        let changed = if is_same { "kept" } else { "changed" };
        writeln!(out, "{word} {changed}")?;
        out.flush()?;
    }
    Ok(())
}
