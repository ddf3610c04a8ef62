//! Where and with what a run was made.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::peers;

const LOCK: &str = include_str!("../Cargo.lock");

/// Crates whose versions the report states.
const CRATES: [&str; 10] = [
    "array-format",
    "arraylog",
    "crc32fast",
    "fjall",
    "hashbrown",
    "heed",
    "lmdb-master-sys",
    "memmap2",
    "simd-r-drive",
    "xxhash-rust",
];

/// The machine and the build.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
    file_system: String,
    huge_pages: String,
    rustc: String,
    /// Instruction sets that the build assumes, beyond those of every x86-64.
    target_features: Vec<&'static str>,
    /// Processes that wanted a core when the run began; well below `cores` if it was quiet.
    load_at_start: f64,
}

impl Machine {
    /// This machine, with data on `file_system`.
    pub(crate) fn describe(file_system: &str) -> Self {
        let system = rustix::system::uname();
        let info = rustix::system::sysinfo();
        let memory = info.totalram as u64 * u64::from(info.mem_unit);
        Self {
            cpu: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory >> 30,
            kernel: format!(
                "{} {}",
                system.sysname().to_string_lossy(),
                system.release().to_string_lossy()
            ),
            file_system: file_system.to_owned(),
            huge_pages: read("/sys/kernel/mm/transparent_hugepage/enabled"),
            rustc: output("rustc", &["--version"]),
            target_features: target_features(),
            load_at_start: info.loads[0] as f64 / 65_536.0,
        }
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} cores of {}, {} GiB, {}, {}, THP {}, {}, built for {}, load at the start {:.2}",
            self.cores,
            self.cpu,
            self.memory_gib,
            self.kernel,
            self.file_system,
            self.huge_pages,
            self.rustc,
            if self.target_features.is_empty() {
                "every x86-64".to_owned()
            } else {
                self.target_features.join(" ")
            },
            self.load_at_start,
        )
    }
}

/// The commit that was measured; "+" if files differ from it.
pub(crate) fn commit() -> String {
    let changes = output("git", &["status", "--porcelain", "--untracked-files=no"]);
    let mark = if changes.is_empty() { "" } else { "+" };
    output("git", &["rev-parse", "HEAD"]) + mark
}

/// Versions of the engines and of what they lean on.
pub(crate) fn versions() -> BTreeMap<String, String> {
    let mut versions: BTreeMap<_, _> = CRATES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), locked_version(name)?)))
        .collect();
    versions.insert("LMDB".to_owned(), peers::lmdb_version());
    versions
}

/// The newest version of a crate: peers bring older ones of what this package uses.
fn locked_version(name: &str) -> Option<String> {
    let wanted = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = LOCK.rsplit_once(&wanted)?;
    rest.split_once('"').map(|(version, _)| version.to_owned())
}

/// Name of the file system that `folder` is on.
pub(crate) fn file_system(folder: &Path) -> Result<&'static str> {
    let found = rustix::fs::statfs(folder)
        .with_context(|| format!("cannot ask for the file system of {}", folder.display()))?;
    Ok(match found.f_type as u64 {
        0xEF53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683E => "btrfs",
        0x2FC1_2FC1 => "zfs",
        0x794C_7630 => "overlayfs",
        0x0102_1994 => "tmpfs",
        0x6969 => "nfs",
        _ => "another file system",
    })
}

fn target_features() -> Vec<&'static str> {
    [
        ("sse4.2", cfg!(target_feature = "sse4.2")),
        ("avx2", cfg!(target_feature = "avx2")),
        ("avx512f", cfg!(target_feature = "avx512f")),
    ]
    .into_iter()
    .filter_map(|(name, there)| there.then_some(name))
    .collect()
}

fn field(path: &str, name: &str) -> String {
    read(path)
        .lines()
        .find(|line| line.starts_with(name))
        .and_then(|line| line.split_once(':'))
        .map_or_else(
            || "unknown".to_owned(),
            |(_, value)| value.trim().to_owned(),
        )
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// What a command prints, empty if it cannot be run: a report without it is
/// better than none.
fn output(command: &str, arguments: &[&str]) -> String {
    Command::new(command)
        .args(arguments)
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::locked_version;

    #[test]
    fn of_a_crate_that_is_there_twice_the_newest_version_is_stated() {
        let version = locked_version("hashbrown").expect("it is used");
        assert!(version.starts_with("0.17."), "{version}");
        assert_eq!(locked_version("nonsense"), None);
    }
}
