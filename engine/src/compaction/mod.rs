//! Compaction: the next generation of a file, without what is dead.
//!
//! 1. A new file is made beside the old one. What a snapshot holds is copied into it,
//!    partition by partition, while others go on reading and writing.
//! 2. What was committed meanwhile is copied batch by batch, with the seqnos that it has,
//!    until little is left. A checkpoint saves the index, and a slot names it.
//! 3. Under the writer's lock the rest is copied and synced. Then the new file takes the
//!    name of the old one, and the handles go on with it.
//!
//! Until the name changes hands the old file is not touched but for one word, by which
//! other processes learn that they have to look at the name again.

mod automatic;
mod backup;
mod copier;
mod options;
#[cfg(test)]
pub(crate) mod orders;
mod pace;
mod reading;
mod salvage;
mod sharing;

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::catalog::Catalog;
use crate::checkpoint::Background;
use crate::codec::check_level;
use crate::error::{Error, Result};
use crate::format::header::Identity;
use crate::log::{Log, Parts, Tip, Until, replay};
use crate::mutant::{Rule, broken};
use crate::open;
use crate::options::{Fixed, Mode, OpenOptions};
use crate::storage::Successor;
use crate::store::{Inner, Store};

use copier::Copier;
use pace::Pace;
use reading::Source;

pub(crate) use automatic::Automatic;
pub use backup::{Backup, BackupOptions};
pub use options::{CompactOptions, Compacted, Keep};
pub use salvage::Salvaged;

/// What compaction is called in errors.
const ACTION: &str = "compact";

/// With less than this to copy the writer's lock is taken: some milliseconds.
const LITTLE: u64 = 1 << 20;

/// A thread gives back the room of a file with as many bytes: it takes the system long.
const LONG: u64 = 64 << 20;

/// Where a copy starts from.
struct Base {
    log: Arc<Log>,
    catalog: Catalog,
    tip: Tip,
}

impl Store {
    /// Writes the store anew without what is dead: overwritten and removed entries,
    /// dropped partitions, schemas that no entry uses, older checkpoints. Others go on
    /// reading and writing meanwhile, and wait in the end for some milliseconds and a
    /// sync. Small arrays that are encoded with zstd share a dictionary of their partition
    /// from then on, if [`CompactOptions::dictionaries`] does not say no and it saves room.
    /// Handles go on with the new file; values, entries, arrays, walks and snapshots
    /// from before keep the old one, whose room is free when the last of them is gone; the
    /// system takes its time to give back that of a long file, which is not waited for.
    ///
    /// The new file lies in the folder of the old one until it takes its name, so that
    /// there has to be room for both. Reads all live bytes once and compares them with
    /// their sums, and writes them once. Seqnos go on; [`CompactOptions::keep`] says which
    /// past commits stay. Versions of entries from before are equal to none after.
    ///
    /// After an error or an interruption at any point the store is as it was and goes on;
    /// what a killed process left is removed at the next opening for writing.
    /// `Error::Io` (a full disk or a folder without permission among it), `Error::Damaged`
    /// names an entry that cannot be read, `Error::Cancelled`, `Error::Replaced` if the
    /// path does not name the file any more, `Error::ReadOnly`, `Error::Closed`,
    /// `Error::Poisoned`, `Error::Forked`; `Error::Invalid` for a level that zstd does not
    /// have; those of [`Store::at`] for what is to be kept.
    pub fn compact(&self, options: &CompactOptions<'_>) -> Result<Compacted> {
        if let Some(level) = options.level {
            check_level(level)?;
        }
        // Before the lock, which a thread that a fork does not have may hold there for ever.
        self.on_newest(|inner| inner.log.writer(ACTION).map(drop))?;
        let _one_at_a_time = self.shared.compacting.lock();
        let old = arc_swap::Guard::into_inner(self.inner());
        let path = self.path();
        let base = self.base(&old, options.keep)?;
        check_path(&old.log, path)?;
        let fixed = self.shared.options.fixed;
        let identity = next_identity(old.log.identity(), base.tip.seqno, path, fixed)?;
        let successor = old
            .log
            .storage()
            .successor(path, &open::header(&identity), random(path)?);
        let successor = successor.map_err(Error::io(ACTION, path))?;
        let catalog = old.catalog.next_generation();
        let options_of_old = (identity, !old.log.is_mapped());
        let shared = &self.shared.options;
        let next = make(&old, shared, options_of_old, &successor, (path, catalog))?;
        let next = Arc::new(next);
        let pace = Pace::new(ACTION, path, options.throttle, options.progress);
        let mut copier = Copier::new(&next, pace).sharing(options.dictionaries, options.level);
        let taken = copy(&old, &base, &next, &mut copier)
            .and_then(|tip| self.take_over(&old, &next, successor, &mut copier, tip));
        taken.map_err(|error| failed(error, ACTION, path))?;
        let (before, after) = (old.log.published(), next.log.published());
        let compacted = Compacted {
            freed_bytes: before.saturating_sub(after),
            file_bytes: after,
            copied_bytes: copier.pace().done(),
            generation: identity.generation,
        };
        if before >= LONG {
            give_back(old, base);
        }
        log::info!(
            "{}: compacted from {before} to {after} bytes, generation {}",
            path.display(),
            identity.generation
        );
        Ok(compacted)
    }

    /// What is copied first.
    fn base(&self, old: &Inner, keep: Keep) -> Result<Base> {
        let mut guard = old.log.writer(ACTION)?;
        // What waits for the device is a part of it.
        guard.settle()?;
        let tip = guard.tip();
        let since = match keep {
            Keep::Nothing => tip.seqno,
            Keep::Since(seqno) => seqno,
        };
        if since == tip.seqno {
            let log = Arc::new(old.log.view()?);
            let catalog = old.catalog.fork();
            return Ok(Base { log, catalog, tip });
        }
        drop(guard);
        let snapshot = self.at(since)?;
        let inner = snapshot.inner();
        let tip = inner.log.follow(|tip| *tip);
        Ok(Base {
            log: Arc::clone(&inner.log),
            catalog: inner.catalog.fork(),
            tip,
        })
    }

    /// Copies what is left under the writer's lock, and has the new file take the place of
    /// the old one.
    fn take_over(
        &self,
        old: &Inner,
        next: &Arc<Inner>,
        successor: Successor,
        copier: &mut Copier<'_>,
        mut tip: Tip,
    ) -> Result<()> {
        let path = self.path();
        let source = Source {
            log: &old.log,
            catalog: &old.catalog,
        };
        // Others wait from here on: nobody is asked.
        copier.pace().hurry();
        let mut seen = u64::MAX;
        let mut writer = loop {
            let mut writer = old.log.writer(ACTION)?;
            // Nobody is left waiting on the old file.
            writer.settle()?;
            let last = writer.tip().end;
            if last.saturating_sub(tip.end) <= LITTLE {
                break writer;
            }
            // Writers that are faster than the copy wait for a part of it, in turn with
            // their commits: for twice what they committed in their turn, so that less is
            // left each time.
            let grown = last.saturating_sub(seen);
            seen = last;
            let part = LITTLE.max(grown.saturating_mul(2));
            let end = tip.end.saturating_add(part).min(last);
            copier.follow(source, &mut tip, end)?;
            writer.let_others();
        };
        if !broken(Rule::RestUnderLock) {
            copier.follow(source, &mut tip, writer.tip().end)?;
        }
        if !broken(Rule::NewFileDurable) {
            next.log.writer(ACTION)?.sync()?;
        }
        check_path(&old.log, path)?;
        // Before the name changes hands, so that nobody misses it: who looks too early
        // finds the file that it has.
        writer.announce(true);
        let placed = match successor.place() {
            Ok(placed) => placed,
            Err(source) => {
                writer.announce(false);
                return Err(Error::io(ACTION, path)(source));
            }
        };
        if let Err(source) = &placed {
            // After a loss of power the name may lead to the old file, which has no more
            // than this: nothing may follow.
            if let Ok(mut writer) = next.log.writer(ACTION)
                && !broken(Rule::NewNameOrNothing)
            {
                writer.stop(source);
            }
        }
        if broken(Rule::HandlesGoOn) {
            return Ok(());
        }
        if broken(Rule::HandlesBeforeWriters) {
            drop(writer);
            self.shared.replace(Arc::clone(next));
            return placed.map_err(Error::io("make the new name durable of", path));
        }
        self.shared.replace(Arc::clone(next));
        writer.supersede(next.log.identity().generation);
        placed.map_err(Error::io("make the new name durable of", path))
    }
}

/// Copies everything but what comes while it is copied; where that ends.
fn copy(old: &Inner, base: &Base, next: &Inner, copier: &mut Copier<'_>) -> Result<Tip> {
    copier.copy_all(Source {
        log: &base.log,
        catalog: &base.catalog,
    })?;
    let source = Source {
        log: &old.log,
        catalog: &old.catalog,
    };
    // What is slower than the writers never ends.
    copier.pace().unthrottle();
    let mut tip = base.tip;
    let mut catch_up = |copier: &mut Copier<'_>| {
        loop {
            let end = old.log.published();
            let behind = end.saturating_sub(tip.end);
            copier.follow(source, &mut tip, end)?;
            // Nearly there, or outrun.
            let left = old.log.published().saturating_sub(end);
            if left < LITTLE || left > behind / 2 {
                return Ok::<_, Error>(());
            }
        }
    };
    catch_up(copier)?;
    copier.save()?;
    // Before the file has its name, so that it is never opened without, and while others
    // go on: most of it is on the device when they wait.
    if !broken(Rule::NewFileDurable) {
        next.log.name_checkpoints(true)?;
    }
    // The sync took its time.
    catch_up(copier)?;
    Ok(tip)
}

/// Lets go of a file that has lost its name, unless somebody keeps views of it.
fn give_back(old: Arc<Inner>, base: Base) {
    let thread = std::thread::Builder::new().name("arraylog-release".to_owned());
    // Without a thread it is dropped here.
    let _ = thread.spawn(move || drop((old, base)));
}

/// A generation that holds nothing yet, opened for writing.
fn make(
    of: &Inner,
    options: &OpenOptions,
    (identity, copying): (Identity, bool),
    successor: &Successor,
    (path, catalog): (&Path, Catalog),
) -> Result<Inner> {
    let mut log = Log::new(Parts {
        path: path.to_owned(),
        storage: Arc::clone(&successor.storage),
        limit: Arc::clone(&successor.limit),
        identity,
        copying,
        verify: options.verify,
        durability: options.durability,
        chunk_cache: options.chunk_cache,
    })?;
    let empty = log.follow(|tip| replay(&log, tip, Until::Content, |_| Ok(())))?;
    let epoch = open::new_epoch(path, options)?;
    log.start_writing(&empty, epoch, open::seconds_since_1970())?;
    Ok(Inner {
        log: Arc::new(log),
        catalog: Arc::new(catalog),
        pool: Arc::clone(&of.pool),
        array_ids: Arc::clone(&of.array_ids),
        background: Background::new(options.replay_bound, 0, 0),
        mode: match of.mode.writes() {
            true => of.mode,
            false => Mode::ReadWrite,
        },
        automatic: Automatic::new(options.compact_when),
        fixed: false,
        follower: None,
        recovery: of.recovery.clone(),
    })
}

/// Who the generation after `of` is, if its copies are the state at the commit `seqno`.
fn next_identity(of: &Identity, seqno: u64, path: &Path, fixed: Option<Fixed>) -> Result<Identity> {
    let generation = of.generation.saturating_add(1);
    let store_id = open::new_identity(path)?.store_id;
    Ok(Identity {
        store_id: fixed.map_or(store_id, |fixed| fixed.id_of(generation)),
        generation,
        first_seqno: seqno.saturating_add(1),
        parent: of.store_id,
        ..*of
    })
}

fn random(path: &Path) -> Result<u64> {
    let mut random = [0; 8];
    open::fill_random(&mut random, path)?;
    Ok(u64::from_le_bytes(random))
}

/// Fails unless `path` names the file of `log`: what else it names is not ours to replace.
fn check_path(log: &Log, path: &Path) -> Result<()> {
    let detail = match log.storage().is_at(path) {
        Ok(true) => return Ok(()),
        Ok(false) => "the path names another file, which was put there by another program",
        Err(error) if error.kind() == io::ErrorKind::NotFound => "the path names no file",
        Err(error) => return Err(Error::io(ACTION, path)(error)),
    };
    Err(Error::Replaced {
        path: path.to_owned(),
        detail: detail.to_owned(),
    })
}

/// An error of the new file, as one of what made it: the store goes on.
fn failed(error: Error, action: &'static str, path: &Path) -> Error {
    match error {
        Error::NotCommitted { source, .. } | Error::CommitUnknown { source, .. } => {
            Error::io(action, path)(source)
        }
        other => other,
    }
}
