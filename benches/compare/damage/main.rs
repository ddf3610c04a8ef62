//! What each store makes of a damaged file: one byte is changed at a time, the store is
//! opened and all of it is read. What comes back is right, an error, or silently wrong.
//!
//! The driver has a child process for each store, asks it for one byte after the other,
//! and counts its death as a crash.

mod child;
mod content;
mod drive;
mod peers;
mod table;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// One byte changed at a time: what each store makes of it
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Bytes to change, spread evenly over the file of each store
    #[arg(long, default_value_t = 3000)]
    flips: usize,
    /// Of the places and the changes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// An interpreter with the packages of `python/requirements-damage.txt`
    #[arg(long)]
    python: Option<PathBuf>,
    /// The stores to look at, separated by commas; all if it is not given
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    #[command(subcommand)]
    mode: Option<Mode>,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Makes the store of a peer in a folder
    #[command(hide = true)]
    Make { peer: String, folder: PathBuf },
    /// Answers for the bytes that standard input asks for
    #[command(hide = true)]
    Serve { peer: String, folder: PathBuf },
}

fn main() -> ExitCode {
    run(&Arguments::parse()).unwrap_or_else(|error| {
        // Nobody is left to tell if this cannot be written.
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.mode {
        Some(Mode::Make { peer, folder }) => {
            peers::named(peer)?.make(folder)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Mode::Serve { peer, folder }) => {
            child::serve(peers::named(peer)?, folder)?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let rows = drive::all(arguments)?;
            let text = table::markdown(&rows, arguments);
            std::io::stdout().lock().write_all(text.as_bytes())?;
            // What the bench is for: none of ours.
            let ours = rows.iter().filter(|row| row.name.starts_with("arraylog"));
            let verified = ours.filter(|row| !row.name.contains("never"));
            Ok(match verified.map(drive::Row::silent).sum::<usize>() {
                0 => ExitCode::SUCCESS,
                _ => ExitCode::FAILURE,
            })
        }
    }
}
