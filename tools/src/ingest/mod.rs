//! NDJSON into a store.
//!
//! Lines are numbered over all files in the order given, as if they were one
//! file. A run that stops says up to which line everything is stored; given
//! the same files, `--resume` with the number after it goes on from there.

pub(crate) mod lines;
pub(crate) mod session;
pub(crate) mod source;
pub(crate) mod summary;

use std::io;

use indicatif::ProgressBar;

use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::text;
use lines::{Halt, Lines, MAX_LINE};
use session::Session;
use source::Source;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Lines between two looks at the clock of the progress bar.
const LINES_A_TICK: u64 = 128;

/// Reads all sources to their end, and commits.
pub(crate) fn run(
    session: &mut Session<'_>,
    sources: &[Source],
    resume: u64,
    interrupt: &Interrupt,
    bar: &ProgressBar,
) -> Outcome {
    session.totals.stored_through = resume - 1;
    for source in sources {
        let (stream, _) = source.open(interrupt.flag())?;
        let mut feed = Feed {
            source,
            several: sources.len() > 1,
            resume,
            interrupt,
            bar,
        };
        feed.read(session, Lines::new(stream, MAX_LINE))?;
    }
    session.commit()
}

/// One source on its way into the session.
struct Feed<'a> {
    source: &'a Source,
    several: bool,
    resume: u64,
    interrupt: &'a Interrupt,
    bar: &'a ProgressBar,
}

impl Feed<'_> {
    fn read<R: io::Read>(&mut self, session: &mut Session<'_>, mut lines: Lines<R>) -> Outcome {
        let before = session.totals.lines;
        loop {
            if self.interrupt.came() {
                return Err(Failure::Interrupted("interrupted".to_owned()));
            }
            let (line, taken) = match lines.next() {
                Ok(Some(next)) => next,
                Ok(None) => return Ok(()),
                // A signal ended the wait, or a read of the system.
                Err(Halt::Io(error))
                    if self.interrupt.came() || error.kind() == io::ErrorKind::Interrupted =>
                {
                    continue;
                }
                Err(halt) => return Err(self.halted(halt, session.totals.lines)),
            };
            session.totals.lines += 1;
            session.totals.bytes += taken;
            let number = session.totals.lines;
            if number.is_multiple_of(LINES_A_TICK) {
                self.bar.set_position(session.totals.bytes);
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let first = number == before + 1;
            let line = if first {
                line.strip_prefix(BOM).unwrap_or(line)
            } else {
                line
            };
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if number < self.resume {
                session.replay(line);
            } else {
                session.line(line, || self.place(number, number - before))?;
            }
        }
    }

    /// "line 42,517", with file and line there if there are several.
    fn place(&self, number: u64, in_file: u64) -> String {
        let number = text::grouped(number);
        if self.several {
            format!(
                "line {number} (`{}` line {})",
                self.source.name(),
                text::grouped(in_file)
            )
        } else {
            format!("line {number}")
        }
    }

    fn halted(&self, halt: Halt, lines: u64) -> Failure {
        match halt {
            Halt::Io(source) => Failure::Io {
                action: "read",
                path: self.source.name().into(),
                source,
            },
            Halt::TooLong(limit) => Failure::Input(format!(
                "line {} of `{}` is longer than {}",
                text::grouped(lines + 1),
                self.source.name(),
                text::bytes(limit as u64)
            )),
        }
    }
}
