//! The words of a growing table in log order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::atomics::{AtomicU32, AtomicU64, AtomicUsize};
use super::super::memory::zeroed;
use super::super::{place_of, seen};

/// Words of a chunk; the first one starts with fewer.
const CHUNK: usize = 1 << 16;

/// Words whose superseded ones are counted together.
const RUN: usize = 1024;

/// Words from which on an order of little but superseded ones is made anew.
const MANY: usize = CHUNK;

/// Slot words in ascending place, each with the upper half of its hash and the place that
/// superseded it.
///
/// One writer appends; any number of readers walk. What is there never moves, so that an
/// order with more room shares it.
#[derive(Clone)]
pub(super) struct Order {
    chunks: Box<[Arc<Chunk>]>,
    /// Words that there is room for.
    room: usize,
    counts: Arc<Counts>,
}

struct Chunk {
    words: Box<[AtomicU64]>,
    tops: Box<[AtomicU32]>,
    /// 0 = none. A tombstone is superseded by itself from its birth.
    superseded: Box<[AtomicU64]>,
    /// How many of each run were.
    dead: Box<[AtomicU32]>,
}

#[derive(Default)]
struct Counts {
    len: AtomicUsize,
    /// How many words were superseded.
    dead: AtomicUsize,
    /// A bound of the places that superseded them.
    newest: AtomicU64,
}

impl Chunk {
    fn with_room(words: usize) -> Arc<Self> {
        Arc::new(Self {
            words: zeroed(words),
            tops: zeroed(words),
            superseded: zeroed(words),
            dead: zeroed(words.div_ceil(RUN)),
        })
    }
}

impl Default for Order {
    /// An order without room.
    fn default() -> Self {
        Self {
            chunks: Box::default(),
            room: 0,
            counts: Arc::default(),
        }
    }
}

impl Order {
    /// The words with what superseded them, ascending.
    pub(super) fn of(words: impl Iterator<Item = (u64, u32, u64)>) -> Self {
        let mut order = Self::default();
        for (word, top, by) in words {
            if order.room() == 0 {
                order = order.with_room(1);
            }
            order.append(word, top, by);
        }
        order
    }

    /// The same with room for `more` words. Costs a copy while there are few of them, and
    /// a look at each chunk otherwise.
    pub(super) fn with_room(&self, more: usize) -> Self {
        let (len, need) = (self.len(), self.len() + more);
        if self.room >= CHUNK {
            let mut chunks = self.chunks.to_vec();
            let count = need.div_ceil(CHUNK).max(chunks.len());
            chunks.resize_with(count, || Chunk::with_room(CHUNK));
            return Self {
                room: chunks.len() * CHUNK,
                chunks: chunks.into(),
                counts: Arc::clone(&self.counts),
            };
        }
        let first = need.max(len * 4).min(CHUNK);
        let mut chunks = vec![Chunk::with_room(first)];
        while chunks.len() * CHUNK < need {
            chunks.push(Chunk::with_room(CHUNK));
        }
        let order = Self {
            room: if chunks.len() == 1 {
                first
            } else {
                chunks.len() * CHUNK
            },
            chunks: chunks.into(),
            counts: Arc::default(),
        };
        for (word, top, by) in self.iter() {
            order.append(word, top, by);
        }
        order
    }

    /// Whether so much is superseded that making it anew, without what a reader with `end`
    /// or a later one does not see, costs little.
    pub(super) fn is_mostly_dead(&self) -> bool {
        self.len() >= MANY && self.live_count() < self.len() / 8
    }

    /// Number of words, superseded ones included.
    pub(super) fn len(&self) -> usize {
        // An order with more room counts its words here too.
        self.counts.len.load(Ordering::Acquire).min(self.room)
    }

    /// Words that can still be appended.
    pub(super) fn room(&self) -> usize {
        self.room - self.len()
    }

    /// How many words nothing superseded: for the writer, whom nothing escapes.
    pub(super) fn live_count(&self) -> usize {
        self.len() - self.counts.dead.load(Ordering::Relaxed).min(self.len())
    }

    /// The words with the upper halves of their hashes, and what superseded them: for the
    /// writer, or of what nobody appends to.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u32, u64)> + '_ {
        let words = self.chunks.iter().flat_map(|chunk| {
            let words = chunk.words.iter().zip(&chunk.tops).zip(&chunk.superseded);
            words.map(|((word, top), by)| {
                let (word, top) = (word.load(Ordering::Relaxed), top.load(Ordering::Relaxed));
                (word, top, by.load(Ordering::Relaxed))
            })
        });
        words.take(self.len())
    }

    /// As [`Self::iter`], those that nothing before place `end` superseded.
    pub(super) fn kept(&self, end: u64) -> impl Iterator<Item = (u64, u32, u64)> + '_ {
        self.iter().filter(move |&(.., by)| seen(by, end))
    }

    #[inline]
    fn chunk(&self, ordinal: usize) -> Option<(&Chunk, usize)> {
        let chunk = self.chunks.get(ordinal / CHUNK)?;
        Some((chunk, ordinal % CHUNK))
    }

    /// Appends a word that is superseded at place `by`, 0 = not yet. Needs room.
    pub(super) fn append(&self, word: u64, top: u32, by: u64) {
        let len = self.len();
        let Some((chunk, at)) = self.chunk(len) else {
            return;
        };
        if let (Some(words), Some(tops), Some(superseded)) = (
            chunk.words.get(at),
            chunk.tops.get(at),
            chunk.superseded.get(at),
        ) {
            words.store(word, Ordering::Relaxed);
            tops.store(top, Ordering::Relaxed);
            // Zero already: the pages of a chunk of which little is superseded stay unused.
            if by != 0 {
                self.note_dead(chunk, at, by);
                superseded.store(by, Ordering::Relaxed);
            }
            self.counts.len.store(len + 1, Ordering::Release);
        }
    }

    /// Notes that the word with place `old` was superseded at `by`. False if there is no
    /// such word. Only the writer calls this.
    pub(super) fn supersede(&self, old: u64, by: u64) -> bool {
        let Some((chunk, at)) = self.ordinal(old).and_then(|ordinal| self.chunk(ordinal)) else {
            return false;
        };
        let Some(entry) = chunk.superseded.get(at) else {
            return false;
        };
        // A tombstone is superseded by itself from its birth; the first one counts.
        if entry.load(Ordering::Relaxed) == 0 {
            // The bound before the entry, so that who sees one knows a bound of it.
            self.note_dead(chunk, at, by);
            entry.store(by, Ordering::Release);
        }
        true
    }

    fn note_dead(&self, chunk: &Chunk, at: usize, by: u64) {
        self.counts.newest.fetch_max(by, Ordering::AcqRel);
        if let Some(run) = chunk.dead.get(at / RUN) {
            run.fetch_add(1, Ordering::AcqRel);
        }
        self.counts.dead.fetch_add(1, Ordering::AcqRel);
    }

    /// The place at a position in log order.
    fn place_at(&self, ordinal: usize, load: Ordering) -> Option<u64> {
        let (chunk, at) = self.chunk(ordinal)?;
        Some(place_of(chunk.words.get(at)?.load(load)))
    }

    /// Words with places before `end`.
    fn len_before(&self, end: u64) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.place_at(middle, Ordering::Acquire) {
                Some(place) if place < end => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }

    /// Position in log order of the word with `place`.
    fn ordinal(&self, place: u64) -> Option<usize> {
        let ordinal = self.len_before(place);
        (ordinal < self.len() && self.place_at(ordinal, Ordering::Relaxed)? == place)
            .then_some(ordinal)
    }

    /// Whether a reader with `end` sees the word with `place`.
    pub(super) fn sees(&self, place: u64, end: u64) -> bool {
        let found = self.ordinal(place).and_then(|ordinal| self.chunk(ordinal));
        let by = found.and_then(|(chunk, at)| chunk.superseded.get(at));
        by.is_none_or(|by| seen(by.load(Ordering::Acquire), end))
    }

    /// The place at `ordinal` in log order, if a reader with `end` sees it.
    pub(super) fn visible(&self, ordinal: usize, end: u64) -> Option<u64> {
        let (chunk, at) = self.chunk(ordinal)?;
        let place = place_of(chunk.words.get(at)?.load(Ordering::Acquire));
        let by = chunk.superseded.get(at)?.load(Ordering::Acquire);
        (place < end && seen(by, end)).then_some(place)
    }

    /// Number of words that a reader with `end` sees.
    pub(super) fn seen_count(&self, end: u64) -> usize {
        let len = self.len_before(end);
        let runs = 0..len.div_ceil(RUN);
        runs.map(|run| self.seen_in_run(run, len, end)).sum()
    }

    /// Number of words of a run that a reader with `end` sees, of `len` that it may.
    fn seen_in_run(&self, run: usize, len: usize, end: u64) -> usize {
        let words = run * RUN..((run + 1) * RUN).min(len);
        let chunk = self.chunk(words.start);
        let dead = chunk.and_then(|(chunk, at)| chunk.dead.get(at / RUN));
        let dead = dead.map_or(0, |dead| dead.load(Ordering::Acquire) as usize);
        // Counted as they come: what comes now is not for this reader, nor are words that
        // its end cuts off.
        let settled = self.counts.newest.load(Ordering::Acquire) < end;
        if dead == 0 || (settled && words.len() == RUN) {
            return words.len() - dead.min(words.len());
        }
        words
            .filter(|&ordinal| self.visible(ordinal, end).is_some())
            .count()
    }

    /// The place of the word number `nth` of those that a reader with `end` sees, or how
    /// many it sees. Costs a look at each run before, and at one of them.
    pub(super) fn select(&self, mut nth: usize, end: u64) -> Result<u64, usize> {
        let len = self.len_before(end);
        let mut seen = 0;
        for run in 0..len.div_ceil(RUN) {
            let here = self.seen_in_run(run, len, end);
            if nth < here {
                let words = run * RUN..((run + 1) * RUN).min(len);
                let mut places = words.filter_map(|ordinal| self.visible(ordinal, end));
                if let Some(place) = places.nth(nth) {
                    return Ok(place);
                }
            }
            nth -= here.min(nth);
            seen += here;
        }
        Err(seen)
    }
}
