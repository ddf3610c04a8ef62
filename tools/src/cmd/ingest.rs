//! `arraylog ingest`: NDJSON into a store.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use arraylog::{DType, Mode};
use clap::ValueEnum;
use indicatif::ProgressBar;

use super::json;
use crate::Context;
use crate::failure::{Failure, Outcome};
use crate::ingest::session::{BadLines, Commits, Session};
use crate::ingest::source::Source;
use crate::ingest::summary::Totals;
use crate::ndjson::defaults::{self, Defaults, Flags};
use crate::ndjson::document::{BareNan, Parser};
use crate::ndjson::elements::Nulls;
use crate::open::{self, Sure};
use crate::{progress, text};

/// Lines of one commit, in bytes, that are gathered before it is made: what a batch
/// takes of memory is of this order, and none goes to a temporary file.
const BATCH_BYTES: u64 = 64 << 20;

/// `--null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Null {
    /// A missing element; the array gets a mask
    #[default]
    Mask,
    /// NaN in float arrays, without a mask; missing in others
    Nan,
}

/// Store lines of NDJSON
///
/// Each line is one JSON object: {"entry": KEY, "arrays": {...}, "attrs": {...}}, {"entry": KEY,
/// "value": TEXT}, {"entry": KEY, "delete": true} or {"defaults": {...}}, with "collection" and
/// "partition" in the line, in a defaults line or by option. The store is made if it is missing.
///
/// Several files are read as if they were one. A bad line stops the run; nothing of its commit is
/// stored, and the message says from which line to go on with --resume (exit code 3). With
/// --skip-bad it is reported and left out (exit code 1).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The store
    store: PathBuf,
    /// Files of NDJSON; `-` is standard input
    #[arg(required = true)]
    file: Vec<PathBuf>,
    /// Collection of lines that name none
    #[arg(long, value_name = "C")]
    collection: Option<String>,
    /// Partition of lines that name none
    #[arg(long, value_name = "P")]
    partition: Option<String>,
    /// Operations in one commit (fewer if their lines reach 64 MiB)
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
    /// Store all lines in one commit, or none
    #[arg(long, conflicts_with_all = ["batch", "skip_bad", "resume"])]
    atomic: bool,
    /// Leave bad lines out instead of stopping
    #[arg(long)]
    skip_bad: bool,
    /// Begin with this line; of those before it only defaults lines count
    #[arg(long, value_name = "LINE", visible_alias = "from-line", default_value_t = 1, hide_default_value = true, value_parser = clap::value_parser!(u64).range(1..))]
    resume: u64,
    /// Dtype of the arrays called NAME that state none; may be given several times
    #[arg(long, value_name = "NAME=DTYPE", value_parser = defaults::parse_flag)]
    dtype: Vec<(String, DType)>,
    /// What null among the elements of an array is
    #[arg(long, value_enum, default_value_t)]
    null: Null,
    /// Read bare NaN, Infinity and -Infinity, which are not JSON, as numbers
    #[arg(long)]
    allow_nan: bool,
    /// When a commit is on the device
    #[arg(long, value_enum, default_value_t)]
    durability: Sure,
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
    /// Print the summary as JSON on stdout instead
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, context: &Context, out: &mut dyn Write) -> Outcome {
    let begin = Instant::now();
    let sources: Vec<_> = args.file.iter().cloned().map(Source::new).collect();
    if sources
        .iter()
        .filter(|&source| *source == Source::Stdin)
        .count()
        > 1
    {
        return Err(Failure::Usage(
            "`-` (standard input) can be read once".to_owned(),
        ));
    }
    let bar = progress(args, context, &sources)?;
    let store = open::for_writing(&args.store, Mode::Append, args.durability)?;
    let mut session = Session::new(
        &store,
        Parser::new(if args.allow_nan {
            BareNan::Allowed
        } else {
            BareNan::Refused
        }),
        Defaults::new(Flags {
            collection: args.collection.clone(),
            partition: args.partition.clone(),
            dtypes: args.dtype.iter().cloned().collect(),
        }),
        match args.null {
            Null::Mask => Nulls::Mask,
            Null::Nan => Nulls::Nan,
        },
        if args.atomic {
            Commits::Once
        } else {
            Commits::Every {
                operations: args.batch,
                bytes: BATCH_BYTES,
            }
        },
        if args.skip_bad {
            BadLines::Skip
        } else {
            BadLines::Stop
        },
    );
    let result = crate::ingest::run(
        &mut session,
        &sources,
        args.resume,
        &context.interrupt,
        &bar,
    );
    let totals = std::mem::take(&mut session.totals);
    drop(session);
    let closed = store.close().map_err(Failure::Store);
    bar.finish_and_clear();
    let result = result
        .map_err(|failure| stopped(failure, &totals, args))
        .and(closed);
    report(args, context, &totals, begin.elapsed(), &result, out)?;
    result?;
    if totals.bad_count > 0 {
        let bad = text::count(totals.bad_count, "bad line was", "bad lines were");
        return Err(Failure::Negative(format!("{bad} not stored")));
    }
    Ok(())
}

/// The failure with the state of the store added: what is stored, and how to go on.
fn stopped(failure: Failure, totals: &Totals, args: &Args) -> Failure {
    let stored = totals.stored_through;
    let state = if args.atomic {
        "nothing is stored (--atomic)".to_owned()
    } else if stored == 0 {
        "nothing is stored".to_owned()
    } else {
        format!("lines 1 to {} are stored", text::grouped(stored))
    };
    let resume = if args.atomic || stored == 0 {
        "run again".to_owned()
    } else {
        format!("run again with --resume {}", stored + 1)
    };
    match failure {
        Failure::Input(message) => {
            let fix = totals.bad.last().map_or_else(String::new, |bad| {
                format!("fix line {} and ", text::grouped(bad.line))
            });
            Failure::Input(format!("{message}\n{state}; {fix}{resume}"))
        }
        Failure::Interrupted(message) => {
            Failure::Interrupted(format!("{message}; {state}; to go on, {resume}"))
        }
        // The store or a file failed: its message keeps its exit code.
        failure => {
            crate::complain(&format!("arraylog: {state}; to go on, {resume}"));
            failure
        }
    }
}

fn report(
    args: &Args,
    context: &Context,
    totals: &Totals,
    took: Duration,
    result: &Outcome,
    out: &mut dyn Write,
) -> Outcome {
    if args.skip_bad {
        for bad in &totals.bad {
            crate::complain(&format!("arraylog: {bad}"));
        }
        let hidden = totals.bad_count - totals.bad.len() as u64;
        if hidden > 0 {
            let hidden = text::count(hidden, "more bad line", "more bad lines");
            crate::complain(&format!("arraylog: and {hidden}"));
        }
    }
    if args.json {
        let message = result.as_ref().err().and_then(Failure::message);
        return json(out, &totals.report(took, message.as_deref()));
    }
    totals.text(took).iter().for_each(|line| context.say(line));
    Ok(())
}

/// A bar over the bytes of regular files, else a counter; hidden where stderr is no terminal.
fn progress(args: &Args, context: &Context, sources: &[Source]) -> Outcome<ProgressBar> {
    if context.quiet || args.no_progress {
        return Ok(ProgressBar::hidden());
    }
    let mut total = Some(0);
    for source in sources {
        let size = match source {
            Source::Stdin => None,
            Source::File(path) => {
                let meta = std::fs::metadata(path).map_err(Failure::io("open", path))?;
                meta.is_file().then_some(meta.len())
            }
        };
        total = total.zip(size).map(|(total, size)| total + size);
    }
    Ok(progress::bytes(total))
}
