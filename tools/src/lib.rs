//! The command line of arraylog, as a library: the binary and the Python
//! package both call [`run`].

mod address;
mod cmd;
mod drift;
mod failure;
mod ingest;
mod interrupt;
mod key;
mod ndjson;
mod npy;
mod open;
mod progress;
mod stats;
mod text;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{CommandFactory, Parser, Subcommand};

use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;

const EXIT_CODES: &str = "\
A store is one file. Addresses are given as STORE [COLLECTION [PARTITION [KEY [ARRAY]]]], each part
an argument of its own, so that names may hold any character. A KEY that starts with `-` follows `--`.
A second address follows `--to`.

Exit codes: 0 done; 1 something is absent, damaged or in the way, or input lines were skipped; 2 usage; 3 I/O or format error;
4 the store is locked by another writer; 130 interrupted.";

#[derive(Debug, Parser)]
#[command(
    name = "arraylog",
    about = "Stores for keyed n-dimensional arrays and plain values.",
    after_help = EXIT_CODES,
    disable_version_flag = true
)]
struct Cli {
    /// Print the version of the program and of the format that it writes
    #[arg(short = 'V', long)]
    version: bool,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Info(cmd::info::Args),
    Ls(cmd::ls::Args),
    Get(cmd::get::Args),
    Put(cmd::put::Args),
    Rm(cmd::rm::Args),
    Attrs(cmd::attrs::Args),
    Cp(cmd::cp::Args),
    Mv(cmd::mv::Args),
    History(cmd::history::Args),
    Usage(cmd::usage::Args),
    Compact(cmd::compact::Args),
    Backup(cmd::backup::Args),
    Verify(cmd::verify::Args),
    Salvage(cmd::salvage::Args),
    Checkpoint(cmd::checkpoint::Args),
    Ingest(cmd::ingest::Args),
}

/// What a command works with besides its arguments.
struct Context {
    quiet: bool,
    interrupt: Interrupt,
}

impl Context {
    /// Says something on stderr, unless `--quiet`.
    fn say(&self, message: &str) {
        if !self.quiet {
            complain(message);
        }
    }
}

/// Writes a line to stderr. That nobody listens there is no reason to stop.
fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "{message}");
}

/// Runs the command line `args`, the first of which is the program's name, and
/// gives the exit code.
///
/// Answers go to stdout, everything else to stderr. SIGINT is watched for as
/// long as the call lasts; an earlier handler is called as well.
pub fn run<I, T>(args: I) -> u8
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` comes here too; a reader that has gone is no failure.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let context = Context {
        quiet: cli.quiet,
        interrupt: Interrupt::listen(),
    };
    match dispatch(cli, &context) {
        Ok(()) => 0,
        Err(failure) => {
            if let Some(message) = failure.message() {
                complain(&format!("arraylog: {message}"));
            }
            failure.exit_code()
        }
    }
}

fn dispatch(cli: Cli, context: &Context) -> Outcome {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let result = match cli.command {
        _ if cli.version => version(&mut out),
        Some(Command::Info(args)) => cmd::info::run(&args, context, &mut out),
        Some(Command::Ls(args)) => cmd::ls::run(&args, context, &mut out),
        Some(Command::Get(args)) => cmd::get::run(&args, context, &mut out),
        Some(Command::Put(args)) => cmd::put::run(&args, context),
        Some(Command::Rm(args)) => cmd::rm::run(&args, context),
        Some(Command::Attrs(args)) => cmd::attrs::run(&args, context, &mut out),
        Some(Command::Cp(args)) => cmd::cp::run(&args, context, &mut out),
        Some(Command::Mv(args)) => cmd::mv::run(&args, context),
        Some(Command::History(args)) => cmd::history::run(&args, context, &mut out),
        Some(Command::Usage(args)) => cmd::usage::run(&args, &mut out),
        Some(Command::Compact(args)) => cmd::compact::run(&args, context, &mut out),
        Some(Command::Backup(args)) => cmd::backup::run(&args, context, &mut out),
        Some(Command::Verify(args)) => cmd::verify::run(&args, context, &mut out),
        Some(Command::Salvage(args)) => cmd::salvage::run(&args, context, &mut out),
        Some(Command::Checkpoint(args)) => cmd::checkpoint::run(&args, context, &mut out),
        Some(Command::Ingest(args)) => cmd::ingest::run(&args, context, &mut out),
        None => {
            let help = Cli::command().render_help();
            return Err(Failure::Usage(format!("expected a command\n\n{help}")));
        }
    };
    // What was written before a failure is still an answer.
    let flushed = out.flush().map_err(Failure::output);
    result.and(flushed)
}

fn version(out: &mut dyn Write) -> Outcome {
    writeln!(
        out,
        "arraylog {} (format {})",
        env!("CARGO_PKG_VERSION"),
        arraylog::FORMAT_VERSION
    )
    .map_err(Failure::output)
}

/// For fuzzing; no part of the public face.
#[doc(hidden)]
pub mod __fuzz {
    use std::collections::HashMap;

    use crate::ndjson::defaults::{Defaults, Flags};
    use crate::ndjson::document::{BareNan, Parser};
    use crate::ndjson::elements::Nulls;
    use crate::ndjson::line::{self, Action, Line};

    /// Lines of NDJSON: any bytes give operations or faults.
    pub fn ndjson(bytes: &[u8]) {
        let flags = Flags {
            collection: Some("c".into()),
            partition: Some("p".into()),
            dtypes: HashMap::new(),
        };
        let mut defaults = Defaults::new(flags);
        let mut parser = Parser::new(BareNan::Refused);
        for text in bytes.split(|&byte| byte == b'\n') {
            let read = parser.parse(text, |value| {
                Ok(match line::read(value, &defaults, Nulls::Mask)? {
                    Line::Defaults(stated) => Some(stated),
                    Line::Operation(operation) => {
                        if let Action::Write { arrays, .. } = operation.action {
                            assert!(arrays.iter().all(|(name, _)| name.len() <= bytes.len()));
                        }
                        None
                    }
                })
            });
            if let Ok(Some(stated)) = read {
                defaults.replace(stated);
            }
        }
    }
}
