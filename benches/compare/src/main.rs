//! arraylog beside its peers.
//!
//! The program is its own driver and its own subject: the driver starts it once
//! for every row, engine and repetition, so that each measurement has a fresh
//! process, and pairs the answers by repetition.

mod arguments;
mod cores;
mod driver;
mod ingest;
mod lookup;
mod machine;
mod mapping;
mod memory;
mod peers;
mod report;
mod row;
mod rows;
mod table;
mod task;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use arguments::{Arguments, Mode};

fn main() -> ExitCode {
    run(&Arguments::parse()).unwrap_or_else(|error| {
        // Nobody is left to tell if this cannot be written.
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.mode {
        Some(Mode::Task { task }) => {
            let answer = task::Task::from_json(task)?.run()?;
            writeln!(std::io::stdout(), "{}", serde_json::to_string(&answer)?)?;
            Ok(ExitCode::SUCCESS)
        }
        None if arguments.list => {
            for row in rows::all() {
                writeln!(std::io::stdout(), "{:<16} {}", row.name, row.title)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        None => compare(arguments),
    }
}

fn compare(arguments: &Arguments) -> Result<ExitCode> {
    let plan = arguments.plan()?;
    let results = driver::run(&plan)?;
    let report = report::Report::of(&results);
    report.save(&arguments.json)?;
    let mut out = std::io::stdout().lock();
    out.write_all(table::markdown(&report).as_bytes())?;
    writeln!(out, "\nAll numbers: {}", arguments.json.display())?;
    Ok(if report.is_whole() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
