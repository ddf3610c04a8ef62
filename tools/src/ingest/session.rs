//! Lines into batches into the store.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use arraylog::{Batch, Store};

use super::summary::{BadLine, Counts, Totals};
use crate::drift::Form;
use crate::failure::{Failure, Outcome};
use crate::ndjson::defaults::Defaults;
use crate::ndjson::document::{Parser, Value};
use crate::ndjson::elements::Nulls;
use crate::ndjson::fault::{Fault, Finding, Parsed};
use crate::ndjson::line::{self, Action, Line, Operation};

/// When lines become visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commits {
    /// Every so many operations, or bytes of lines.
    Every { operations: u64, bytes: u64 },
    /// Once, at the end.
    Once,
}

/// What a bad line does to the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadLines {
    Stop,
    Skip,
}

/// A run of `ingest` on one store.
pub(crate) struct Session<'s> {
    store: &'s Store,
    parser: Parser,
    defaults: Defaults,
    nulls: Nulls,
    commits: Commits,
    bad_lines: BadLines,
    batch: Option<Batch>,
    pending: Pending,
    keys: Keys,
    pub(crate) totals: Totals,
}

/// What the open batch holds.
#[derive(Default)]
struct Pending {
    operations: u64,
    bytes: u64,
    counts: Counts,
}

/// Keys that were written, as hashes: about 16 bytes of memory each.
#[derive(Default)]
struct Keys {
    once: HashSet<u64>,
    again: HashSet<u64>,
    state: RandomState,
}

impl Keys {
    /// Whether this is the second write of a key. Two keys in 2^64 are taken for one.
    fn second(&mut self, operation: &Operation<'_>) -> bool {
        let mut hasher = self.state.build_hasher();
        for part in [
            operation.collection.as_bytes(),
            operation.partition.as_bytes(),
        ] {
            hasher.write(part);
            // Ends a name: no name holds it.
            hasher.write_u8(0);
        }
        hasher.write(&operation.key);
        let hash = hasher.finish();
        !self.once.insert(hash) && self.again.insert(hash)
    }
}

/// What one line did.
enum Done {
    Stored {
        second: bool,
        removed: Option<bool>,
        value: bool,
    },
    Defaults(line::Stated),
}

/// How a line failed.
enum LineFault {
    Bad(Finding),
    Store(arraylog::Error),
}

impl<'s> Session<'s> {
    pub(crate) fn new(
        store: &'s Store,
        parser: Parser,
        defaults: Defaults,
        nulls: Nulls,
        commits: Commits,
        bad_lines: BadLines,
    ) -> Self {
        Self {
            store,
            parser,
            defaults,
            nulls,
            commits,
            bad_lines,
            batch: None,
            pending: Pending::default(),
            keys: Keys::default(),
            totals: Totals::default(),
        }
    }

    /// Takes a line that is stored already: it counts only if it states defaults.
    pub(crate) fn replay(&mut self, text: &[u8]) {
        if memchr::memmem::find(text, b"\"defaults\"").is_none() {
            return;
        }
        let Self {
            parser,
            defaults,
            nulls,
            ..
        } = self;
        if let Ok(Line::Defaults(stated)) =
            parser.parse(text, |value| line::read(value, defaults, *nulls).map(owned))
        {
            defaults.replace(stated);
        }
    }

    /// Takes a line into the open batch, and commits the batch if it is full.
    pub(crate) fn line(&mut self, text: &[u8], place: impl FnOnce() -> String) -> Outcome {
        let number = self.totals.lines;
        match self.apply(text, number) {
            Ok(Done::Stored {
                second,
                removed,
                value,
            }) => {
                let counts = &mut self.pending.counts;
                match removed {
                    Some(found) => {
                        counts.deletes += 1;
                        counts.absent_deletes += u64::from(!found);
                    }
                    None if value => counts.values += 1,
                    None => counts.entries += 1,
                }
                counts.repeated_keys += u64::from(second);
                self.pending.operations += 1;
                self.pending.bytes += text.len() as u64;
            }
            Ok(Done::Defaults(stated)) => self.defaults.replace(stated),
            Err(LineFault::Store(error)) => return Err(Failure::Store(error)),
            Err(LineFault::Bad(finding)) => {
                let bad = BadLine {
                    line: number,
                    place: place(),
                    finding,
                };
                let message = bad.to_string();
                self.totals.bad_line(bad);
                if self.bad_lines == BadLines::Stop {
                    return Err(Failure::Input(message));
                }
            }
        }
        match self.commits {
            Commits::Every { operations, bytes }
                if self.pending.operations >= operations || self.pending.bytes >= bytes =>
            {
                self.commit()
            }
            _ => Ok(()),
        }
    }

    /// Commits the open batch: all lines so far are stored.
    pub(crate) fn commit(&mut self) -> Outcome {
        if let Some(batch) = self.batch.take() {
            batch.commit()?;
        }
        let pending = std::mem::take(&mut self.pending);
        self.totals.counts.add(pending.counts);
        self.totals.stored_through = self.totals.lines;
        Ok(())
    }

    fn apply(&mut self, text: &[u8], number: u64) -> Result<Done, LineFault> {
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None => self.store.batch().map_err(LineFault::Store)?,
        };
        let Self {
            parser,
            defaults,
            nulls,
            keys,
            totals,
            ..
        } = self;
        let done = parser.parse(text, |value| match line::read(value, defaults, *nulls)? {
            Line::Defaults(stated) => Ok(Ok(Done::Defaults(stated))),
            Line::Operation(operation) => match store(&batch, &operation) {
                Ok(removed) => {
                    note_forms(totals, &operation, number);
                    Ok(Ok(Done::Stored {
                        second: removed.is_none() && keys.second(&operation),
                        removed,
                        value: matches!(operation.action, Action::Put(_)),
                    }))
                }
                Err(error) => at_fault(value, error),
            },
        });
        self.batch = Some(batch);
        match done {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(LineFault::Store(error)),
            Err(finding) => Err(LineFault::Bad(finding)),
        }
    }
}

/// Defaults are owned already; an operation is not wanted.
fn owned(line: Line<'_>) -> Line<'static> {
    match line {
        Line::Defaults(stated) => Line::Defaults(stated),
        Line::Operation(_) => Line::Defaults(line::Stated::default()),
    }
}

/// Puts the operation into the batch; for a removal whether the key was there.
fn store(batch: &Batch, operation: &Operation<'_>) -> arraylog::Result<Option<bool>> {
    let partition = batch.partition(operation.collection, operation.partition)?;
    match &operation.action {
        Action::Write { arrays, attrs } => partition.write(&operation.key, arrays, attrs)?,
        Action::Put(value) => partition.put(&operation.key, value)?,
        Action::Remove => return partition.remove(&operation.key).map(Some),
    }
    Ok(None)
}

/// What the store refuses for what the line says is a fault of the line.
fn at_fault(value: Value<'_, '_>, error: arraylog::Error) -> Parsed<arraylog::Result<Done>> {
    match error {
        arraylog::Error::DType { array, detail } | arraylog::Error::Shape { array, detail } => {
            let at = value.find(&["arrays", &array]).unwrap_or(value);
            Err(Fault::at(at.at, detail).within(&array).within("arrays"))
        }
        arraylog::Error::Invalid { .. } => Err(value.fault(error.to_string())),
        error => Ok(Err(error)),
    }
}

fn note_forms(totals: &mut Totals, operation: &Operation<'_>, number: u64) {
    let Action::Write { arrays, .. } = &operation.action else {
        return;
    };
    if !totals.drift.contains_key(operation.collection) {
        totals
            .drift
            .insert(operation.collection.to_owned(), Default::default());
    }
    let Some(drift) = totals.drift.get_mut(operation.collection) else {
        return;
    };
    for (name, array) in arrays {
        let form = Form {
            dtype: array.dtype,
            rank: array.shape.len(),
            masked: array.mask.is_some(),
        };
        drift.meet(name, form, || number);
    }
}
