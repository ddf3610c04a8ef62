//! A store in memory: `Store::memory()`, and the disk of the tests.

#[cfg(test)]
pub(crate) mod watch;

use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use memmap2::{MmapOptions, MmapRaw};
use parking_lot::Mutex;

#[cfg(test)]
use self::watch::{Kind, Step, Watch};
use super::{LivePage, Region, Storage, Successor};
use crate::format::LOG_START;
use crate::format::header::{LIVE, LIVE_WORDS, Live};
use crate::turns;

/// Address space tried first for a store in memory; no memory until it is used.
const RESERVED: usize = 64 << 30;
/// Address space without which there is no store.
const LEAST: usize = 64 << 20;

/// A disk in memory. It can write down what is done to it and fail on request.
#[derive(Debug)]
pub(crate) struct Sim {
    /// The header pages, which change in place.
    header: Mutex<Vec<u8>>,
    /// Everything from [`LOG_START`] on.
    log: Arc<Region>,
    len: AtomicU64,
    live: LivePage,
    limit: Arc<AtomicU64>,
    journal: Mutex<Journal>,
    /// Who sees what is done, and the number that this disk has there.
    #[cfg(test)]
    watched: Option<(Arc<Watch>, usize)>,
    /// What names this run of the system.
    #[cfg(test)]
    boot_id: Option<[u8; 16]>,
}

/// What was done to the disk, and what will fail.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Whether calls are written down.
    pub(crate) recording: bool,
    /// The calls, in order.
    pub(crate) calls: Vec<Call>,
    /// How many more calls succeed before one fails, with how many bytes of a write
    /// done all the same.
    pub(crate) fault: Option<Fault>,
    /// How long a sync takes, and how many are under way.
    pub(crate) pause: Duration,
    pub(crate) syncing: usize,
    /// Error number with which the next sync fails, after its pause.
    pub(crate) failing_sync: Option<i32>,
    /// The disk that was made to take the place of this one, and what fails on it.
    #[cfg(test)]
    pub(crate) successor: Option<Arc<Sim>>,
    #[cfg(test)]
    pub(crate) successor_fault: Option<Fault>,
    /// What happens after room that was taken in advance was filled once.
    #[cfg(test)]
    pub(crate) filled: Option<Event>,
}

/// Something that happens while a call is under way.
#[cfg(test)]
pub(crate) struct Event(Box<dyn FnOnce(std::ops::Range<u64>) + Send>);

#[cfg(test)]
impl Event {
    /// `happens` is told which bytes of the file the call wrote.
    pub(crate) fn new(happens: impl FnOnce(std::ops::Range<u64>) + Send + 'static) -> Self {
        Self(Box::new(happens))
    }
}

#[cfg(test)]
impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Event")
    }
}

/// A call that changes the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Bytes at an offset.
    Write(u64, Vec<u8>),
    /// Everything before is on the device.
    Sync,
    /// What was written here before is on the device.
    SyncRange(Range<u64>),
}

#[cfg(test)]
impl Call {
    /// Whether something is on the device after it.
    pub(crate) fn is_sync(&self) -> bool {
        !matches!(self, Self::Write(..))
    }
}

/// A failure to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// Calls that succeed before.
    pub(crate) after: usize,
    /// Bytes of the failing write that are written.
    pub(crate) partial: usize,
    /// Error number of the system.
    pub(crate) errno: i32,
}

impl Sim {
    /// A disk that holds `header`, the header pages, and then `log`.
    pub(crate) fn new(header: &[u8], log: &[u8]) -> io::Result<Self> {
        let mut size = RESERVED;
        let map = loop {
            match MmapOptions::new().len(size).no_reserve_swap().map_anon() {
                Ok(map) => break MmapRaw::from(map),
                // Address space may be limited.
                Err(error) if size <= LEAST => return Err(error),
                Err(_) => size /= 2,
            }
        };
        let limit = Arc::new(AtomicU64::new(LOG_START));
        let sim = Self {
            header: Mutex::new(header.to_vec()),
            log: Arc::new(Region::mapped(map, Arc::clone(&limit))),
            len: AtomicU64::new(header.len() as u64),
            live: LivePage::memory(live_of(header)),
            limit,
            journal: Mutex::default(),
            #[cfg(test)]
            watched: None,
            #[cfg(test)]
            boot_id: None,
        };
        if !log.is_empty() {
            sim.put(LOG_START, log)?;
        }
        Ok(sim)
    }

    /// As [`Self::new`], in a run of the system, with a watch.
    #[cfg(test)]
    pub(crate) fn watched(
        header: &[u8],
        log: &[u8],
        watch: Option<&Arc<Watch>>,
        boot_id: [u8; 16],
    ) -> io::Result<Self> {
        let mut sim = Self::new(header, log)?;
        if let (Some(watch), LivePage::Memory(words)) = (watch, &sim.live) {
            sim.watched = Some((Arc::clone(watch), watch.add(words)));
        }
        sim.boot_id = Some(boot_id);
        Ok(sim)
    }

    /// What the region of this storage lends up to.
    pub(crate) fn limit(&self) -> &Arc<AtomicU64> {
        &self.limit
    }

    /// What was done, and what will fail.
    #[cfg(test)]
    pub(crate) fn journal(&self) -> &Mutex<Journal> {
        &self.journal
    }

    /// The published end that others are told.
    #[cfg(test)]
    pub(crate) fn live_end(&self) -> u64 {
        self.live.load().map_or(0, |live| live.published_end)
    }

    fn put(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let end = at.saturating_add(bytes.len() as u64);
        // Held for the log as well, so that nobody reads what is being written.
        let mut header = self.header.lock();
        if at < LOG_START {
            let range = at as usize..end as usize;
            header
                .get_mut(range)
                .ok_or(io::ErrorKind::InvalidInput)?
                .copy_from_slice(bytes);
        } else if !self.log.write(at, bytes) {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!(
                    "a store in memory has room for {} bytes here",
                    self.log.end()
                ),
            ));
        }
        self.len.fetch_max(end, Ordering::AcqRel);
        Ok(())
    }

    fn write(
        &self,
        pieces: &[IoSlice<'_>],
        at: u64,
        put: impl Fn(&Self, u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let whole: Vec<u8>;
        let call = || Call::Write(at, pieces.iter().flat_map(|p| p.to_vec()).collect());
        #[cfg(test)]
        let kind = match at + pieces.iter().map(|piece| piece.len() as u64).sum::<u64>() {
            end if at >= LOG_START && end <= self.limit.load(Ordering::Acquire) => Kind::Fill,
            _ => Kind::Write,
        };
        let failure = self.count(call);
        #[cfg(test)]
        let failure = failure.and_then(|()| self.see(kind, call));
        if let Err((partial, error)) = failure {
            whole = pieces
                .iter()
                .flat_map(|p| p.to_vec())
                .take(partial)
                .collect();
            put(self, at, &whole)?;
            return Err(error);
        }
        let mut at = at;
        for piece in pieces {
            put(self, at, piece)?;
            at = at.saturating_add(piece.len() as u64);
        }
        Ok(())
    }

    /// Puts the words of the live page where they belong in `out`, which starts at `at`.
    fn read_live(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        let words = self.live.load()?.words().map(u64::to_le_bytes);
        for (byte, place) in words.as_flattened().iter().zip(LIVE..) {
            let place = place.checked_sub(at).map(|place| place as usize);
            if let Some(place) = place.and_then(|place| out.get_mut(place)) {
                *place = *byte;
            }
        }
        Ok(())
    }

    /// As [`Self::put`], below what may be lent.
    fn put_below(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let _header = self.header.lock();
        if !self.log.fill(at, bytes) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let end = at.saturating_add(bytes.len() as u64);
        self.len.fetch_max(end, Ordering::AcqRel);
        Ok(())
    }

    /// Shows a call to who watches.
    #[cfg(test)]
    fn see(&self, kind: Kind, call: impl FnOnce() -> Call) -> Result<(), (usize, io::Error)> {
        let Some((watch, file)) = &self.watched else {
            return Ok(());
        };
        watch.call(kind, *file, || Some(Step::On(*file, call())))
    }

    /// Takes the place of the disk that this one was made to follow.
    pub(super) fn take_name(&self) -> io::Result<()> {
        turns::point();
        #[cfg(test)]
        if let Some((watch, file)) = &self.watched {
            let named = || Some(Step::Named(*file));
            let taken = watch.call(Kind::Rename, *file, named);
            taken.map_err(|(_, error)| error)?;
        }
        Ok(())
    }

    /// Makes the names in its folder durable.
    pub(super) fn sync_folder(&self) -> io::Result<()> {
        #[cfg(test)]
        if let Some((watch, file)) = &self.watched {
            let synced = watch.call(Kind::FolderSync, *file, || Some(Step::FolderSynced));
            synced.map_err(|(_, error)| error)?;
        }
        Ok(())
    }

    /// Counts a call: writes it down, or fails it with the bytes to write all the same.
    fn count(&self, call: impl FnOnce() -> Call) -> Result<(), (usize, io::Error)> {
        turns::point();
        let mut journal = self.journal.lock();
        match &mut journal.fault {
            Some(fault) if fault.after == 0 => {
                let failure = (fault.partial, io::Error::from_raw_os_error(fault.errno));
                journal.fault = None;
                return Err(failure);
            }
            Some(fault) => fault.after -= 1,
            None => {}
        }
        if journal.recording {
            let call = call();
            journal.calls.push(call);
        }
        Ok(())
    }
}

impl Sim {
    fn sync_as(&self, call: &Call) -> io::Result<()> {
        // At its start: it covers what was written before.
        let failure = self.count(|| call.clone());
        #[cfg(test)]
        let failure = failure.and_then(|()| self.see(Kind::Sync, || call.clone()));
        failure.map_err(|(_, error)| error)?;
        let pause = {
            let mut journal = self.journal.lock();
            journal.syncing += 1;
            journal.pause
        };
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
        let mut journal = self.journal.lock();
        journal.syncing -= 1;
        match journal.failing_sync.take() {
            Some(code) => Err(io::Error::from_raw_os_error(code)),
            None => Ok(()),
        }
    }
}

impl Storage for Sim {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len.load(Ordering::Acquire))
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let n = (self.len()?.saturating_sub(at)).min(buf.len() as u64) as usize;
        let Some(out) = buf.get_mut(..n) else {
            return Ok(0);
        };
        let header = self.header.lock();
        if at < LOG_START {
            let n = header.len().saturating_sub(at as usize).min(out.len());
            let bytes = header.get(at as usize..at as usize + n).unwrap_or_default();
            if let Some(out) = out.get_mut(..n) {
                out.copy_from_slice(bytes);
            }
            self.read_live(out, at)?;
            return Ok(n);
        }
        self.log.read(at, out);
        Ok(n)
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], at: u64) -> io::Result<()> {
        self.write(pieces, at, Self::put)
    }

    fn fill(&self, pieces: &[IoSlice<'_>], at: u64) -> io::Result<()> {
        self.write(pieces, at, Self::put_below)?;
        #[cfg(test)]
        {
            let event = self.journal.lock().filled.take();
            if let Some(Event(happens)) = event {
                let len: usize = pieces.iter().map(|piece| piece.len()).sum();
                happens(at..at.saturating_add(len as u64));
            }
        }
        Ok(())
    }

    fn is_kept(&self) -> bool {
        // In tests the disk outlives the store.
        cfg!(test)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_as(&Call::Sync)
    }

    fn sync_range(&self, range: Range<u64>) -> io::Result<()> {
        self.sync_as(&Call::SyncRange(range))
    }

    fn allocate(&self, at: u64, len: u64) -> io::Result<()> {
        #[cfg(test)]
        if let Some((watch, file)) = &self.watched {
            let allocated = watch.call(Kind::Allocate, *file, || None);
            allocated.map_err(|(_, error)| error)?;
        }
        if at.saturating_add(len) > self.log.end() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn map(&self) -> io::Result<Arc<Region>> {
        Ok(Arc::clone(&self.log))
    }

    fn live(&self) -> &LivePage {
        &self.live
    }

    #[cfg(test)]
    fn boot_id(&self) -> Option<[u8; 16]> {
        self.boot_id
    }

    fn successor(&self, _path: &Path, header: &[u8], _random: u64) -> io::Result<Successor> {
        #[cfg_attr(not(test), expect(unused_mut, reason = "tests watch it"))]
        let mut sim = Self::new(header, &[])?;
        #[cfg(test)]
        if let Some((watch, file)) = &self.watched {
            let number = watch.files();
            let made = || Some(Step::Made(number, header.to_vec()));
            watch
                .call(Kind::Make, *file, made)
                .map_err(|(_, error)| error)?;
            if let LivePage::Memory(words) = &sim.live {
                sim.watched = Some((Arc::clone(watch), watch.add(words)));
            }
            sim.boot_id = self.boot_id;
        }
        let sim = Arc::new(sim);
        #[cfg(test)]
        {
            let mut journal = self.journal.lock();
            let mut its = sim.journal.lock();
            (its.recording, its.fault) = (journal.recording, journal.successor_fault.take());
            journal.successor = Some(Arc::clone(&sim));
        }
        Ok(Successor::memory(sim))
    }
}

/// What the live page in `header`, the header pages, says.
fn live_of(header: &[u8]) -> Live {
    let mut words = [0; LIVE_WORDS];
    let bytes = header.get(LIVE as usize..).unwrap_or_default();
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    Live::from_words(words)
}
