//! Opening what a crash left, and comparing it with what may be there.

use std::sync::Arc;

use proptest::test_runner::TestRng;
use rand::RngExt;

use super::disk::{Disk, Found};
use super::ledger::{Committer, Ledger, Mark};
use super::state::{Held, State, held_by};
use super::workload::{BOOT, options};
use crate::error::Result as Outcome;
use crate::format::LOG_START;
use crate::format::frame::{FrameHeader, HEADER_LEN};
use crate::format::header::LIVE;
use crate::log::{Log, Parts};
use crate::options::{Durability, Mode, OpenOptions};
use crate::storage::sim::watch::{Step, Watch};
use crate::storage::sim::{Call, Sim};
use crate::store::Store;
use crate::{Error, Verify};

/// A run of the system after a loss of power.
const NEXT_BOOT: [u8; 16] = [0xB1; 16];

/// Partitions of collection `c`.
const PARTITIONS: [&str; 2] = ["p", "q"];

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) workloads: u64,
    /// Moments of a crash: between two steps of a workload.
    pub(super) boundaries: u64,
    /// Images of a crash in a workload.
    pub(super) images: u64,
    /// Of a crash in the recovery from one.
    pub(super) in_recovery: u64,
    /// Of a crash in what was written after a recovery.
    pub(super) after_recovery: u64,
    /// With damage before a durable end.
    pub(super) damaged: u64,
}

impl Tally {
    pub(super) fn all(&self) -> u64 {
        self.images + self.in_recovery + self.after_recovery + self.damaged
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.workloads += other.workloads;
        self.boundaries += other.boundaries;
        self.images += other.images;
        self.in_recovery += other.in_recovery;
        self.after_recovery += other.after_recovery;
        self.damaged += other.damaged;
    }
}

/// What a store holds, read in several ways that have to agree.
pub(super) fn held(store: &Store) -> Result<State, String> {
    read(store).map_err(|error| format!("reading: {error}"))?
}

fn read(store: &Store) -> Outcome<Result<State, String>> {
    let mut map = State::new();
    for name in PARTITIONS {
        if !store.has_partition("c", name)? {
            continue;
        }
        let part = store.partition("c", name)?;
        let mut count = 0;
        for entry in part.entries()? {
            let entry = entry?;
            let held = match held_by(&entry)? {
                Ok(held) => held,
                Err(why) => return Ok(Err(why)),
            };
            let same = match &held {
                Held::Value(value) => part.get(entry.key())?.as_deref() == Some(value.as_slice()),
                Held::Arrays(_) => match part.entry(entry.key())? {
                    Some(again) => held_by(&again)?.as_ref() == Ok(&held),
                    None => false,
                },
            };
            if !same {
                return Ok(Err("a walk and a lookup differ".to_owned()));
            }
            map.insert(entry.key().to_vec(), held);
            count += 1;
        }
        if part.len()? != count {
            return Ok(Err(format!(
                "{count} entries are counted as {}",
                part.len()?
            )));
        }
        if part.get("absent")?.is_some() {
            return Ok(Err("a key that never was".to_owned()));
        }
    }
    Ok(Ok(map))
}

/// Opens what was found, for reading or for writing.
fn open(found: &Found, options: &OpenOptions, watch: Option<&Arc<Watch>>) -> Outcome<Store> {
    let invalid = |detail| Error::Invalid {
        what: "what was found".to_owned(),
        detail,
    };
    let identity = found.identity().map_err(invalid)?;
    let boot = if found.same_boot { BOOT } else { NEXT_BOOT };
    let (header, log) = found.bytes.split_at(LOG_START as usize);
    let sim = Sim::watched(header, log, watch, boot).map_err(Error::io("map", "sim".as_ref()))?;
    let parts = Parts {
        path: ":memory:".into(),
        limit: Arc::clone(sim.limit()),
        storage: Arc::new(sim),
        identity,
        copying: false,
        verify: options.verify,
        durability: options.durability,
        chunk_cache: options.chunk_cache,
    };
    Store::replayed(Log::new(parts)?, options)
}

/// What may be found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed<'a> {
    pub(super) states: &'a [State],
    /// Seqno up to which the index has to come from a checkpoint.
    pub(super) saved: u64,
}

/// How thoroughly an image is examined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Care {
    /// Losses of power at each step of the recovery, and of what is committed after it.
    pub(super) again: usize,
    /// How often a crash may follow a crash.
    pub(super) depth: usize,
    /// One in so many images is examined with further crashes, and of those with a torn
    /// tail four times as many.
    pub(super) one_in: u32,
}

impl Care {
    /// For a crash after this one: most are only opened.
    fn deeper(self) -> Self {
        Self {
            depth: self.depth.saturating_sub(1),
            one_in: 64,
            ..self
        }
    }
}

/// Opens an image as its writer does, and in other ways. An error: what is wrong.
pub(super) fn examine(
    found: &Found,
    allowed: Allowed<'_>,
    care: Care,
    rng: &mut TestRng,
    tally: &mut Tally,
) -> Result<(), String> {
    let watch = (care.depth > 0).then(Arc::default);
    let writing = OpenOptions {
        mode: Mode::Append,
        ..options(&found.identity()?, rng.random())
    };
    let opened = open(found, &writing, watch.as_ref());
    let store = opened.map_err(|error| format!("a crash is no damage: {error}"))?;
    let recovery = store.recovery();
    if let Some(why) = recovery.passed_over.first() {
        return Err(format!("a checkpoint was passed over: {why}"));
    }
    if recovery.checkpoint < allowed.saved {
        return Err(format!(
            "a checkpoint up to commit {} had returned, opening starts from commit {}",
            allowed.saved, recovery.checkpoint
        ));
    }
    let map = held(&store)?;
    if !allowed.states.contains(&map) {
        let text = |(key, held): (&Vec<u8>, &Held)| {
            format!("{}: {}", String::from_utf8_lossy(key), held.describe())
        };
        let keys: Vec<String> = map.iter().map(text).collect();
        return Err(format!("a state that may not be there, of {keys:?}"));
    }
    let more = if recovery.torn_bytes > 0 { 4 } else { 1 };
    if let Some(watch) = &watch
        && rng.random_ratio(more.min(care.one_in), care.one_in)
    {
        same_for_readers(found, &map)?;
        in_recovery(found, watch, (&map, allowed), care, rng, tally)?;
        after_recovery(found, &store, watch, map, care, rng, tally)?;
    }
    Ok(())
}

/// Whoever opens it for reading finds the same, from the index and from the log alone.
fn same_for_readers(found: &Found, map: &State) -> Result<(), String> {
    for scan in [false, true] {
        let options = OpenOptions::new().verify(Verify::Always).scan(scan);
        let watch = Arc::default();
        let store = open(found, &options, Some(&watch));
        let store = store.map_err(|error| format!("a reader: {error}"))?;
        if held(&store)? != *map {
            return Err("a reader finds another state than a writer".to_owned());
        }
        if watch.len() != 0 {
            return Err("a reader writes".to_owned());
        }
    }
    Ok(())
}

/// Crashes in the recovery: it is done again, and finds what it found. Only bytes that are
/// made durable by it can be relied on: before its sync the file may get longer by zeros,
/// which may be all that a torn commit lacked.
fn in_recovery(
    found: &Found,
    watch: &Watch,
    (map, before): (&State, Allowed<'_>),
    care: Care,
    rng: &mut TestRng,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut disk = Disk::of(found.bytes.clone());
    let steps = watch.steps();
    let sync = |step: &Step| matches!(step, Step::On(_, Call::Sync));
    let synced = steps.iter().position(sync).unwrap_or(0);
    for (number, step) in steps.iter().enumerate() {
        disk.apply(step);
        let states = match number < synced {
            true => before.states,
            false => std::slice::from_ref(map),
        };
        let allowed = Allowed { states, saved: 0 };
        for loss in disk.losses(0, rng, care.again) {
            tally.in_recovery += 1;
            let found = disk.after(0, &loss);
            let care = care.deeper();
            examine(&found, allowed, care, rng, tally).map_err(|error| {
                format!("step {number} of recovery, {}: {error}", loss.describe())
            })?;
        }
    }
    Ok(())
}

/// Crashes in what is committed after a recovery.
fn after_recovery(
    found: &Found,
    store: &Store,
    watch: &Arc<Watch>,
    map: State,
    care: Care,
    rng: &mut TestRng,
    tally: &mut Tally,
) -> Result<(), String> {
    let before = watch.len();
    let ledger = Ledger::new(watch, map);
    // What a crash left of parts of arrays may not come back by a change of other parts.
    let changed = Committer::new(store, &ledger).assign();
    changed.map_err(|error| format!("going on: {error}"))?;
    for durability in [Durability::Buffered, Durability::Synced] {
        let mut state = ledger.state();
        let key = format!("after, {durability:?}");
        let commit = || {
            let mut batch = store.batch()?;
            batch.set_durability(durability);
            batch.partition("c", "p")?.put(&key, "crash")?;
            batch.commit()
        };
        state.insert(key.clone().into_bytes(), Held::Value(b"crash".to_vec()));
        ledger.begin(state);
        commit().map_err(|error| format!("going on: {error}"))?;
        ledger.returned(durability);
    }
    let (states, marks) = ledger.taken();
    let mut disk = Disk::of(found.bytes.clone());
    let steps = watch.steps();
    for (number, step) in steps.iter().enumerate() {
        disk.apply(step);
        if number + 1 < before {
            continue;
        }
        let mark = held_after(&marks, number + 1);
        for loss in disk.losses(0, rng, care.again) {
            let care = care.deeper();
            tally.after_recovery += 1;
            let allowed = Allowed {
                states: &states[mark.durable..=mark.begun],
                saved: 0,
            };
            let found = disk.after(0, &loss);
            examine(&found, allowed, care, rng, tally).map_err(|error| {
                let number = number + 1 - before;
                format!("step {number} after recovery, {}: {error}", loss.describe())
            })?;
        }
    }
    Ok(())
}

fn held_after(marks: &[Mark], steps: usize) -> Mark {
    let held = marks.iter().rev().find(|mark| mark.steps <= steps);
    *held.expect("the first")
}

/// Damages the file before a durable end: that is reported, and never taken for the end of
/// the log.
pub(super) fn damage(
    found: &Found,
    allowed: Allowed<'_>,
    rng: &mut TestRng,
    tally: &mut Tally,
) -> Result<(), String> {
    let frames = frames(found, &found.identity()?.store_id);
    // With the live page, and without it, as after a loss of power.
    for without_live in [false, true] {
        let mut found = found.clone();
        let mut witness = frames.iter().map(|(_, header)| header.durable_end).max();
        if without_live {
            found.bytes[LIVE as usize..][..88].fill(0);
        } else {
            let word = found.bytes[LIVE as usize + 16..].first_chunk();
            witness = witness.max(word.map(|word| u64::from_le_bytes(*word)));
        }
        let witness = witness.unwrap_or(0).min(found.bytes.len() as u64);
        let durable: Vec<_> = frames.iter().filter(|(at, _)| *at < witness).collect();
        let Some(&&(at, header)) = durable.get(rng.random_range(0..durable.len().max(1))) else {
            continue;
        };
        let end = (at + HEADER_LEN + header.body_len).min(witness);
        let place = rng.random_range(at..end) as usize;
        found.bytes[place] ^= 1 << rng.random_range(0..8);
        tally.damaged += 1;
        let what = format!("byte {place} of {} was damaged", found.bytes.len());
        let opened = open(&found, &OpenOptions::new(), None);
        match opened.and_then(|store| read(&store)) {
            Err(Error::Corrupt { .. }) => {}
            Err(other) => return Err(format!("{what}: {other}")),
            // Padding, or the index that a checkpoint before replaces.
            Ok(Ok(map)) if allowed.states.contains(&map) => {}
            Ok(Ok(_)) => return Err(format!("{what}, and another state is there")),
            Ok(Err(why)) => return Err(format!("{what}: {why}")),
        }
    }
    Ok(())
}

/// The frames of a file, with their offsets.
fn frames(found: &Found, store_id: &[u8; 16]) -> Vec<(u64, FrameHeader)> {
    let mut frames = Vec::new();
    let mut at = LOG_START;
    while let Some(bytes) = found.bytes.get(at as usize..)
        && let Ok(header) = FrameHeader::parse(bytes, store_id, at)
    {
        frames.push((at, header));
        at += HEADER_LEN + header.body_len;
    }
    frames
}

/// Steps that only tell others are no moment of their own.
pub(super) fn is_moment(step: &Step) -> bool {
    !matches!(step, Step::Live(..))
}
