//! The `arraylog` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    arraylog_cli::run(std::env::args_os()).into()
}
