//! Memory that this process holds.

use anyhow::{Context as _, Result};

/// Bytes of anonymous memory (`RssAnon`): the heap and the stacks, no file.
pub(crate) fn anonymous() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .and_then(|rest| rest.split_whitespace().next())
        .context("the kernel does not tell RssAnon")?;
    Ok(kib.parse::<f64>()? * 1024.0)
}
