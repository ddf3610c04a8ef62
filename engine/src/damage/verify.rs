//! Reading all of a store and comparing it with its sums.

use std::collections::HashSet;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::index::{Compared, SavedIndex};
use super::{Damage, Hit, Part, header, named};
use crate::array::{self, BLOCK_HEADER, BlockPlace, Content, Storage};
use crate::error::{Error, Result};
use crate::format::frame::{FrameKind, first_predecessor, frame_sum};
use crate::format::record::{Head, RecordKind};
use crate::format::{Defect, LOG_START};
use crate::log::{Item, Stretch, Survey, What};
use crate::store::{Inner, Store};

/// What verification is called in errors.
const ACTION: &str = "verify";

/// How often whoever wants to know is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(50);

/// Is told bytes that were read and those that will be, and says whether to go on.
type Progress<'a> = &'a dyn Fn(u64, u64) -> ControlFlow<()>;

/// How to verify.
#[derive(Clone, Copy, Default)]
#[must_use]
pub struct VerifyOptions<'a> {
    threads: Option<usize>,
    progress: Option<Progress<'a>>,
}

impl fmt::Debug for VerifyOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyOptions(threads {:?})", self.threads)
    }
}

impl<'a> VerifyOptions<'a> {
    /// With a thread for each processor.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads with so many threads, at least one.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Tells `progress` now and then the bytes that were read and those that will be, by the
    /// thread that called; `Break` ends it with `Error::Cancelled`.
    pub fn progress(mut self, progress: &'a dyn Fn(u64, u64) -> ControlFlow<()>) -> Self {
        self.progress = Some(progress);
        self
    }
}

/// What verification found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Verification {
    /// Bytes of the log that were looked at, headers of the file included.
    pub bytes: u64,
    /// Records that were compared with their sums, older versions and removals included.
    pub records: u64,
    /// Bytes behind the last commit that was finished (0 if none): no damage.
    pub torn_bytes: u64,
    /// Where they start.
    pub torn_at: u64,
    /// What is damaged, in the order of the file.
    pub damage: Vec<Damage>,
}

impl Verification {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }
}

impl Store {
    /// Reads the whole file and compares everything in it with its checksums: header pages,
    /// frames, records with the blocks of their values, older versions too, and the saved
    /// index as far as the newest checkpoints use it. Each record is then looked up in that
    /// index: it has to lead to the newest version of each key, to no key that was removed,
    /// and to nothing else. Damage is what it answers, no error.
    ///
    /// By a thread for each processor, in calls that copy, so that a file that is cut
    /// meanwhile ends in damage and not in a signal; the index alone is read as the store
    /// reads. What is committed meanwhile is not looked at. Memory: a mebibyte for each
    /// thread, some 100 bytes for each commit, 24 bytes for each version of a key that was
    /// removed, and a value of 64 KiB and more whose blocks are damaged. `Error::Io`,
    /// `Error::Cancelled`, `Error::Closed`.
    ///
    /// A file that is too damaged to be opened is opened for this by
    /// [`OpenOptions::open_degraded`](crate::OpenOptions::open_degraded).
    pub fn verify(&self, options: &VerifyOptions<'_>) -> Result<Verification> {
        let inner = self.inner();
        inner.check_open(ACTION)?;
        let log = &inner.log;
        let published = match log.file_end() {
            Some(_) => None,
            None => Some(log.published()),
        };
        let mut survey = Survey::new(log, published)?;
        let surveyed = survey.stretches()?;
        let mut hits = header::hits(log)?;
        if surveyed.missing > 0 {
            let end = surveyed.end.saturating_add(surveyed.missing);
            let detail = "was durable and is cut off";
            hits.push(Hit::of(surveyed.end..end, Part::Missing, detail));
        }
        let (saved, of_index) = SavedIndex::all(&inner, &mut survey, surveyed.end)?;
        let scrub = Scrub {
            inner: &inner,
            saved: &saved,
            stretches: &surveyed.stretches,
            published,
            next: AtomicUsize::new(0),
            done: AtomicU64::new(0),
            records: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        };
        let total = surveyed.end.saturating_sub(LOG_START);
        let found = scrub.run(options, total)?;
        hits.extend(found.hits);
        // What the log lost may be what the index leads to.
        let whole = hits.iter().all(|hit| hit.damage.part == Part::Header);
        let known: HashSet<u64> = hits.iter().map(|hit| hit.damage.at).collect();
        let of_index = of_index
            .into_iter()
            .chain(found.compared.hits(&saved, whole)?);
        hits.extend(of_index.filter(|hit| !known.contains(&hit.damage.at)));
        Ok(Verification {
            bytes: surveyed.end,
            records: scrub.records.into_inner(),
            torn_bytes: surveyed.torn,
            torn_at: if surveyed.torn == 0 { 0 } else { surveyed.end },
            damage: named(log, &inner.catalog, hits)?,
        })
    }
}

/// Threads that read the stretches of a log, each the next one.
struct Scrub<'a> {
    inner: &'a Inner,
    saved: &'a [SavedIndex],
    stretches: &'a [Stretch],
    published: Option<u64>,
    next: AtomicUsize,
    done: AtomicU64,
    records: AtomicU64,
    stop: AtomicBool,
}

/// What a scrub found.
#[derive(Default)]
struct Scrubbed {
    hits: Vec<Hit>,
    compared: Compared,
}

impl Scrub<'_> {
    fn run(&self, options: &VerifyOptions<'_>, total: u64) -> Result<Scrubbed> {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = options.threads.unwrap_or_else(processors);
        let threads = threads.clamp(1, self.stretches.len().max(1));
        let tell = |done: u64| match options.progress {
            Some(progress) => progress(done.min(total), total),
            None => ControlFlow::Continue(()),
        };
        let (report, reports) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let report = report.clone();
                // That nobody listens any more is no reason to fail.
                scope.spawn(move || drop(report.send(self.work())));
            }
            drop(report);
            let (mut all, mut cancelled, mut failure) = (Scrubbed::default(), false, None);
            loop {
                match reports.recv_timeout(TELL_EVERY) {
                    Ok(Ok(found)) => {
                        all.hits.extend(found.hits);
                        all.compared.add(found.compared);
                    }
                    Ok(Err(error)) => {
                        self.stop.store(true, Ordering::Relaxed);
                        failure = Some(error);
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => {}
                }
                if tell(self.done.load(Ordering::Relaxed)).is_break() {
                    self.stop.store(true, Ordering::Relaxed);
                    cancelled = true;
                }
            }
            match failure {
                Some(error) => Err(error),
                None if cancelled => Err(Error::Cancelled {
                    action: ACTION,
                    path: self.inner.log.path().to_owned(),
                }),
                None => Ok(all),
            }
        })
    }

    fn work(&self) -> Result<Scrubbed> {
        let mut survey = Survey::new(&self.inner.log, self.published)?;
        let mut found = Scrubbed::default();
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(stretch) = self.stretches.get(number) else {
                break;
            };
            self.stretch(&mut survey, number, stretch, &mut found)?;
            let bytes = stretch.end.saturating_sub(stretch.at);
            self.done.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(found)
    }

    fn stretch(
        &self,
        survey: &mut Survey<'_>,
        number: usize,
        stretch: &Stretch,
        found: &mut Scrubbed,
    ) -> Result<()> {
        let (mut sums, mut sound) = (Vec::new(), Vec::new());
        let Scrubbed { hits, compared } = found;
        let before = hits.len();
        survey.items(stretch, &mut |item| {
            match item {
                Item::Sound { at, head, key } => {
                    sums.extend_from_slice(&head.sum.to_le_bytes());
                    if head.kind.is_data() {
                        for (number, saved) in self.saved.iter().enumerate() {
                            saved.compare(number, (at, &head, key), compared)?;
                        }
                    }
                    // Of the others the sum was all.
                    let padded = head.end() != head.key_range().end || head.wide;
                    if padded {
                        sound.push((at, head, key.to_vec()));
                    }
                    self.records.fetch_add(1, Ordering::Relaxed);
                }
                Item::Damaged {
                    range,
                    known,
                    defect,
                } => {
                    let known = known.as_ref().map(|(head, key)| (head, *key));
                    hits.push(Hit::of_record(stretch, range, known, &defect));
                }
            }
            Ok(())
        })?;
        for (at, head, key) in sound {
            self.deep(survey, stretch, (at, &head, &key), hits)?;
        }
        match &stretch.what {
            What::Hole { defect, data } => {
                let part = if *data { Part::Frame } else { Part::Index };
                let end = if *data {
                    stretch.body().start
                } else {
                    stretch.end
                };
                hits.push(Hit::of(stretch.at..end, part, defect));
            }
            What::Frame(header) if hits.len() == before => {
                let last = number.checked_sub(1);
                let predecessor = match last.and_then(|last| self.stretches.get(last)) {
                    None => Some(first_predecessor(&self.inner.log.identity().store_id)),
                    Some(Stretch { what, .. }) => match what {
                        What::Frame(header) => Some(header.frame_sum),
                        What::Hole { .. } => None,
                    },
                };
                if header.kind == FrameKind::Space {
                    sums.clear();
                }
                let computed =
                    predecessor.map(|before| frame_sum(&sums, before, header.seqno, header.epoch));
                if let Some(computed) = computed.filter(|&sum| sum != header.frame_sum) {
                    let (what, stored) = ("a frame", header.frame_sum);
                    let defect = Defect::Checksum {
                        what,
                        stored,
                        computed,
                    };
                    hits.push(Hit::of(stretch.at..stretch.end, Part::Unknown, defect));
                }
            }
            What::Frame(_) => {}
        }
        Ok(())
    }

    /// Looks at what the sum of a record does not cover.
    fn deep(
        &self,
        survey: &mut Survey<'_>,
        stretch: &Stretch,
        (at, head, key): (u64, &Head, &[u8]),
        hits: &mut Vec<Hit>,
    ) -> Result<()> {
        for (range, defect) in survey.damaged_padding(at, head)? {
            let mut hit = Hit::of_record(stretch, range, Some((head, key)), &defect);
            // What it holds is there.
            hit.damage.part = match hit.damage.part {
                Part::Entry | Part::Name => Part::Older,
                part => part,
            };
            hits.push(hit);
        }
        if !head.wide {
            return Ok(());
        }
        let blocks = survey.damaged_blocks(at, head)?;
        if blocks.is_empty() {
            return Ok(());
        }
        let arrays = match head.kind {
            RecordKind::Entry => self.arrays(survey.value(at, head)?, &blocks),
            _ => Vec::new(),
        };
        let value = at.saturating_add(head.value_range().start);
        for (span, defect) in &blocks {
            let range = value.saturating_add(span.start)..value.saturating_add(span.end);
            let mut hit = Hit::of_record(stretch, range, Some((head, key)), defect);
            let hits_it = |(_, parts): &&(String, Vec<Range<u64>>)| {
                let meets = |part: &Range<u64>| part.start < span.end && span.start < part.end;
                parts.iter().any(meets)
            };
            hit.damage.arrays = arrays
                .iter()
                .filter(hits_it)
                .map(|(name, _)| name.clone())
                .collect();
            hits.push(hit);
        }
        Ok(())
    }

    /// The arrays of an entry, and where their bytes lie in `frame`; none if what says so is
    /// damaged.
    fn arrays(
        &self,
        frame: &[u8],
        blocks: &[(Range<u64>, Defect)],
    ) -> Vec<(String, Vec<Range<u64>>)> {
        let located = || -> Option<Vec<(String, Vec<Range<u64>>)>> {
            let id = array::schema_id(frame).ok()?;
            let schema = self.inner.catalog.schema(&self.inner.log, id).ok()?;
            let head_end = array::head_end(schema, frame).ok()? as u64;
            if blocks.first()?.0.start < head_end {
                return None;
            }
            let mut arrays = Vec::new();
            for (field, info) in schema.fields.iter().enumerate() {
                let Some(place) = array::locate(schema, frame, field).ok()? else {
                    continue;
                };
                let parts: Vec<Range<usize>> = match place.storage {
                    Storage::Plain(place) => place.parts().cloned().collect(),
                    Storage::Block(at) => {
                        let elements = place.shape.iter();
                        let content = Content {
                            dtype: info.dtype,
                            elements: elements.fold(1, |size, len| size.saturating_mul(*len)),
                            masked: place.masked,
                        };
                        let block = frame.get(at..)?;
                        let place = BlockPlace::parse(block, block.len(), content);
                        // Of one whose head is damaged the start is all that is known.
                        let len = place.map_or(BLOCK_HEADER, |place| place.len());
                        std::iter::once(at..at.saturating_add(len)).collect()
                    }
                    Storage::Chunks(place) => vec![place],
                };
                let parts = parts.iter().map(|part| part.start as u64..part.end as u64);
                arrays.push((info.name.clone(), parts.collect()));
            }
            Some(arrays)
        };
        located().unwrap_or_default()
    }
}
