//! What was done to the files of a folder of the simulated disk, in order.
//!
//! One watch sees all generations of a store, so that a test can put together what a loss
//! of power leaves of the folder at each moment. It can also have any call fail, and do
//! something of its own in the middle of another thing.

use std::io;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::Call;
use crate::format::header::LIVE_WORDS;
use crate::storage::LiveWords;

/// The words of a live page.
pub(crate) type Words = [u64; LIVE_WORDS];

/// One step of what was done. Files have numbers, in the order in which they were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A new file with these header pages, which has no name yet.
    Made(usize, Vec<u8>),
    /// A call on a file.
    On(usize, Call),
    /// The words of its live page as they were at the next step.
    Live(usize, Words),
    /// The file took the name of the store.
    Named(usize),
    /// The names in the folder are durable.
    FolderSynced,
}

/// Kinds of calls that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Make,
    Write,
    Fill,
    Sync,
    Allocate,
    Rename,
    FolderSync,
}

impl Kind {
    /// In a word or two.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Make => "make",
            Self::Write => "write",
            Self::Fill => "fill",
            Self::Sync => "sync",
            Self::Allocate => "allocate",
            Self::Rename => "rename",
            Self::FolderSync => "folder sync",
        }
    }
}

/// A call that fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failing {
    /// Calls that succeed before.
    pub(crate) after: usize,
    /// Of a write so many bytes are written all the same, counted from its end if below 0.
    pub(crate) partial: isize,
    pub(crate) errno: i32,
    /// Whether all calls after it fail, too.
    pub(crate) lasting: bool,
}

type Act = Box<dyn FnOnce() + Send>;

/// Sees what is done.
#[derive(Default)]
pub(crate) struct Watch(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    steps: Vec<Step>,
    calls: usize,
    /// The live page of each file, and what it said last.
    lives: Vec<(LiveWords, Words)>,
    failing: Option<Failing>,
    failed: Option<Kind>,
    /// What is done at the next call of a kind on a file.
    act: Option<(Kind, usize, Act)>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watch({} steps)", self.0.lock().steps.len())
    }
}

fn load(words: &LiveWords) -> Words {
    words.each_ref().map(|word| word.load(Ordering::Acquire))
}

impl Seen {
    fn note_lives(&mut self) {
        for (file, (words, said)) in self.lives.iter_mut().enumerate() {
            let now = load(words);
            if now != *said {
                *said = now;
                self.steps.push(Step::Live(file, now));
            }
        }
    }
}

impl Watch {
    /// Takes up a file that is there; its number.
    pub(super) fn add(&self, words: &LiveWords) -> usize {
        let mut seen = self.0.lock();
        seen.lives.push((LiveWords::clone(words), load(words)));
        seen.lives.len() - 1
    }

    /// Takes up a call: what it does is a step, unless it fails, with the bytes of a write
    /// that are written all the same.
    pub(super) fn call(
        &self,
        kind: Kind,
        file: usize,
        step: impl FnOnce() -> Option<Step>,
    ) -> Result<(), (usize, io::Error)> {
        let mut seen = self.0.lock();
        seen.note_lives();
        if seen
            .act
            .as_ref()
            .is_some_and(|act| (act.0, act.1) == (kind, file))
            && let Some((_, _, act)) = seen.act.take()
        {
            drop(seen);
            act();
            seen = self.0.lock();
            seen.note_lives();
        }
        seen.calls += 1;
        let mut step = step();
        let failure = match &mut seen.failing {
            Some(failing) if failing.after == 0 => Some(*failing),
            Some(failing) => {
                failing.after -= 1;
                None
            }
            None => None,
        };
        let Some(failing) = failure else {
            seen.steps.extend(step);
            return Ok(());
        };
        if !failing.lasting {
            seen.failing = None;
        }
        seen.failed = seen.failed.or(Some(kind));
        let mut partial = 0;
        if let Some(Step::On(_, Call::Write(_, bytes))) = &mut step {
            partial = match usize::try_from(failing.partial) {
                Ok(written) => written.min(bytes.len()),
                Err(_) => bytes.len().saturating_sub(failing.partial.unsigned_abs()),
            };
            bytes.truncate(partial);
            if partial > 0 {
                seen.steps.extend(step);
            }
        }
        Err((partial, io::Error::from_raw_os_error(failing.errno)))
    }

    /// What was done so far.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut seen = self.0.lock();
        seen.note_lives();
        seen.steps.clone()
    }

    /// Looks at the steps from number `from` on.
    pub(crate) fn since<T>(&self, from: usize, look: impl FnOnce(&[Step]) -> T) -> T {
        let mut seen = self.0.lock();
        seen.note_lives();
        look(&seen.steps[from..])
    }

    /// How many steps were done so far.
    pub(crate) fn len(&self) -> usize {
        let mut seen = self.0.lock();
        seen.note_lives();
        seen.steps.len()
    }

    /// How many files there were.
    pub(crate) fn files(&self) -> usize {
        self.0.lock().lives.len()
    }

    /// Has a call fail.
    pub(crate) fn fail(&self, failing: Failing) {
        let mut seen = self.0.lock();
        (seen.failing, seen.failed) = (Some(failing), None);
    }

    /// Has no call fail any more; the kind of the first one that did.
    pub(crate) fn recover(&self) -> Option<Kind> {
        let mut seen = self.0.lock();
        seen.failing = None;
        seen.failed.take()
    }

    /// Does `act` just before the next call of a kind on a file.
    pub(crate) fn before(&self, kind: Kind, file: usize, act: impl FnOnce() + Send + 'static) {
        self.0.lock().act = Some((kind, file, Box::new(act)));
    }

    /// Forgets what was to be done and was not.
    pub(crate) fn dismiss(&self) {
        // Outside of the lock: it may hold the last handle of a store.
        let act = self.0.lock().act.take();
        drop(act);
    }
}
