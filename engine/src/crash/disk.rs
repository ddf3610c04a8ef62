//! What a loss of power leaves of a folder: the device, and what may be on it.
//!
//! Of the sectors written since the last sync of a file any may be on the device, whole,
//! with a part of their bytes, or not at all; the file may have its new length without
//! them. Of the live page, which the kernel writes whenever it likes, any version since
//! that sync may be there, or parts of two. A name that was not synced leads to either file.

use std::ops::Range;

use rand::{Rng, RngExt};
use xxhash_rust::xxh3::xxh3_64;

use super::SECTOR;
use crate::format::LOG_START;
use crate::format::header::{IDENTITY_LEN, Identity, LIVE};
use crate::storage::sim::Call;
use crate::storage::sim::watch::{Step, Words};

/// All subsets of so few sectors are tried. Of more, those in which one sector alone is lost
/// or kept, those that are cut between two writes, and a sample of the rest.
const FEW: usize = 6;

/// Words of the live page that say who writes since when.
const WRITER: Range<usize> = 6..8;

/// One file of the folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// What is on the device for sure.
    durable: Vec<u8>,
    /// Parts of sectors that may be, in the order in which they were written.
    pending: Vec<(u64, Vec<u8>)>,
    /// The live page at the last sync, and each version since; none: nobody has mapped it.
    lives: Vec<Words>,
}

/// A folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    files: Vec<Content>,
    /// The file that durably has the name, and the one that has it since.
    name: usize,
    newer: Option<usize>,
}

/// A store as it is found after a crash.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) bytes: Vec<u8>,
    /// Whether the system went on: then nothing was lost.
    pub(super) same_boot: bool,
}

/// What became of a part of a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lost,
    Kept,
    /// The bytes up to there are on the device.
    Head(usize),
    /// Those from there on are.
    Tail(usize),
}

/// What a loss of power takes from a file.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    fates: Vec<Fate>,
    /// Version of the live page, and up to which byte it is that of another one.
    live: Option<(usize, usize, usize)>,
    /// Whether the file has its length without the bytes, and what stands there then.
    long: Option<u8>,
}

impl Found {
    pub(super) fn identity(&self) -> Result<Identity, String> {
        let parsed = Identity::parse(&self.bytes[..IDENTITY_LEN]);
        parsed.map_err(|error| format!("no store: {error:?}"))
    }

    /// What tells it from others of its run. Process and time of the writer, which are for
    /// messages, are left out: with them a run would depend on the clock.
    pub(super) fn fingerprint(&self) -> [u64; 2] {
        let place = LIVE as usize + WRITER.start * 8;
        let (before, rest) = self.bytes.split_at(place);
        [before, &rest[WRITER.len() * 8..]].map(xxh3_64)
    }
}

impl Content {
    fn of(bytes: Vec<u8>) -> Self {
        let lives = vec![words_of(&bytes)];
        Self {
            durable: bytes,
            pending: Vec::new(),
            lives,
        }
    }

    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) {
        let mut from = 0;
        while from < bytes.len() {
            let room = SECTOR - (at as usize + from) % SECTOR;
            let to = bytes.len().min(from + room);
            let part = bytes[from..to].to_vec();
            self.pending.push((at + from as u64, part));
            from = to;
        }
    }

    pub(super) fn sync(&mut self) {
        for (at, part) in std::mem::take(&mut self.pending) {
            put(&mut self.durable, at as usize, &part);
        }
        self.lives.drain(..self.lives.len().saturating_sub(1));
    }

    /// What was written at `range` is durable, and nothing else: not the live page.
    fn sync_range(&mut self, range: &Range<u64>) {
        for (at, part) in std::mem::take(&mut self.pending) {
            let end = at + part.len() as u64;
            let (from, to) = (range.start.clamp(at, end), range.end.clamp(at, end));
            let cut = |from: u64, to: u64| part[(from - at) as usize..(to - at) as usize].to_vec();
            put(&mut self.durable, from as usize, &cut(from, to.max(from)));
            let rest = [(at, from), (to.max(from), end)];
            let rest = rest.into_iter().filter(|(from, to)| from < to);
            self.pending
                .extend(rest.map(|(from, to)| (from, cut(from, to))));
        }
    }

    /// What is there when the process alone was killed.
    pub(super) fn killed(&self) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for (at, part) in &self.pending {
            put(&mut bytes, *at as usize, part);
        }
        if let Some(words) = self.lives.last() {
            put(&mut bytes, LIVE as usize, &bytes_of(*words));
        }
        bytes
    }

    /// What is there after a loss of power.
    pub(super) fn after(&self, loss: &Loss) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        if let Some(filler) = loss.long {
            let ends = self
                .pending
                .iter()
                .map(|(at, part)| *at as usize + part.len());
            let len = ends.max().unwrap_or(0).max(bytes.len());
            bytes.resize(len, filler);
        }
        for ((at, part), fate) in self.pending.iter().zip(&loss.fates) {
            let at = *at as usize;
            match *fate {
                Fate::Lost => {}
                Fate::Kept => put(&mut bytes, at, part),
                Fate::Head(cut) => put(&mut bytes, at, &part[..cut]),
                Fate::Tail(cut) => put(&mut bytes, at + cut, &part[cut..]),
            }
        }
        if let Some((live, other, cut)) = loss.live {
            let mut words = bytes_of(self.lives[live]);
            words[..cut].copy_from_slice(&bytes_of(self.lives[other])[..cut]);
            put(&mut bytes, LIVE as usize, &words);
        }
        bytes
    }

    /// At most `most` losses, the telling ones first.
    pub(super) fn losses(&self, rng: &mut impl Rng, most: usize) -> Vec<Loss> {
        use Fate::{Head, Kept, Lost, Tail};
        let count = self.pending.len();
        let mut fates = vec![vec![Lost; count], vec![Kept; count]];
        let cut = |rng: &mut dyn Rng, number: usize| {
            let cut = rng.random_range(0..=self.pending[number].1.len());
            if rng.random() { Head(cut) } else { Tail(cut) }
        };
        let mut others = Vec::new();
        if count > 0 && count <= FEW {
            for subset in 1..(1u32 << count) - 1 {
                let fate = |number| {
                    if subset >> number & 1 == 1 {
                        Kept
                    } else {
                        Lost
                    }
                };
                others.push((0..count).map(fate).collect());
            }
        }
        for number in 0..count {
            if count > FEW {
                for (rest, one) in [(Kept, Lost), (Lost, Kept)] {
                    let mut fates = vec![rest; count];
                    fates[number] = one;
                    others.push(fates);
                }
            }
            // In the order of the writes, or only what came last.
            if count > FEW {
                for (first, rest) in [(Kept, Lost), (Lost, Kept)] {
                    let mut fates = vec![first; count];
                    fates[number..].fill(rest);
                    others.push(fates);
                }
            }
            for rest in [Kept, Lost] {
                let mut fates = vec![rest; count];
                fates[number] = cut(rng, number);
                others.push(fates);
            }
        }
        let wanted = match count {
            0 => self.lives.len().min(2),
            // Of so small a thing there is not more to be found by chance.
            1 => most.min(24),
            _ => most,
        };
        while fates.len() < wanted {
            if others.is_empty() {
                let mut fate = |number| match rng.random_range(0..8) {
                    0..3 => Lost,
                    3..7 => Kept,
                    _ => cut(rng, number),
                };
                others.push((0..count).map(&mut fate).collect());
            }
            let one = rng.random_range(0..others.len());
            fates.push(others.swap_remove(one));
        }
        fates.truncate(wanted.max(1));
        let losses = fates.into_iter().map(|fates| self.loss(rng, fates));
        losses.collect()
    }

    fn loss(&self, rng: &mut impl Rng, fates: Vec<Fate>) -> Loss {
        let live = self.lives.len().checked_sub(1).map(|last| {
            let any = rng.random_range(0..=last);
            match rng.random_range(0..8) {
                0..4 => (last, last, 0),
                4..6 => (any, any, 0),
                6 => (last, any, rng.random_range(0..bytes_of([0; 11]).len())),
                _ => (any, last, rng.random_range(0..bytes_of([0; 11]).len())),
            }
        });
        let long = match rng.random_range(0..4) {
            0..2 => None,
            2 => Some(0),
            _ => Some(rng.random()),
        };
        Loss { fates, live, long }
    }
}

impl Disk {
    /// A folder with one file, which is durable.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self {
            files: vec![Content::of(bytes)],
            name: 0,
            newer: None,
        }
    }

    pub(super) fn apply(&mut self, step: &Step) {
        match step {
            Step::Made(file, header) => {
                assert_eq!(*file, self.files.len());
                let mut made = Content::of(vec![0; LOG_START as usize]);
                made.lives = vec![words_of(header)];
                made.write(0, header);
                self.files.push(made);
            }
            Step::On(file, Call::Write(at, bytes)) => self.files[*file].write(*at, bytes),
            Step::On(file, Call::Sync) => self.files[*file].sync(),
            Step::On(file, Call::SyncRange(range)) => self.files[*file].sync_range(range),
            Step::Live(file, words) => self.files[*file].lives.push(*words),
            Step::Named(file) => self.newer = Some(*file),
            Step::FolderSynced => self.name = self.newer.take().unwrap_or(self.name),
        }
    }

    /// The files that may have the name after a loss of power.
    pub(super) fn names(&self) -> impl Iterator<Item = usize> {
        [Some(self.name), self.newer].into_iter().flatten()
    }

    /// What is found when the process alone was killed.
    pub(super) fn killed(&self) -> Found {
        let file = self.newer.unwrap_or(self.name);
        Found {
            bytes: self.files[file].killed(),
            same_boot: true,
        }
    }

    /// At most `most` losses of power for a file, the telling ones first.
    pub(super) fn losses(&self, file: usize, rng: &mut impl Rng, most: usize) -> Vec<Loss> {
        self.files[file].losses(rng, most)
    }

    /// What is found of a file after a loss of power.
    pub(super) fn after(&self, file: usize, loss: &Loss) -> Found {
        Found {
            bytes: self.files[file].after(loss),
            same_boot: false,
        }
    }
}

impl Loss {
    /// In a few words.
    pub(super) fn describe(&self) -> String {
        let count =
            |wanted: fn(&Fate) -> bool| self.fates.iter().filter(|fate| wanted(fate)).count();
        let lost = count(|fate| *fate == Fate::Lost);
        let torn = count(|fate| matches!(fate, Fate::Head(_) | Fate::Tail(_)));
        format!(
            "{lost} lost and {torn} torn of {} sectors",
            self.fates.len()
        )
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    let end = at + part.len();
    if part.is_empty() {
        return;
    }
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(part);
}

fn words_of(header: &[u8]) -> Words {
    let bytes = header[LIVE as usize..].as_chunks::<8>().0;
    std::array::from_fn(|word| u64::from_le_bytes(bytes[word]))
}

fn bytes_of(words: Words) -> Vec<u8> {
    words.map(u64::to_le_bytes).as_flattened().to_vec()
}
