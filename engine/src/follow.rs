//! Taking in what was committed: at opening, and what another process commits meanwhile.

use std::collections::HashMap;
use std::collections::hash_map;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::Guard;

use crate::catalog::{CATALOG, PartitionState};
use crate::error::Result;
use crate::format::place;
use crate::log::{Found, Replayed, Tip, Until, replay};
use crate::store::{Inner, Store};

impl Store {
    /// Sees what another process committed meanwhile; whether there was something. A
    /// store that is open for writing sees its own commits at once, and has no others.
    ///
    /// When nothing happened it costs a load, and no call of the system unless reads copy;
    /// otherwise a walk over the new frames. [`OpenOptions::follow`](crate::OpenOptions::follow)
    /// has every lookup do it.
    ///
    /// Where the file was compacted the handle goes on with the new one. `Error::Replaced`
    /// if the path names another store, or none: a call notices that a second after it
    /// happened at the latest, by one call of the system a second. What the handle holds
    /// stays readable.
    pub fn refresh(&self) -> Result<bool> {
        // Who follows moves on here too, and says so.
        let inner = self.shared.inner();
        inner.log.check_open("refresh")?;
        if inner.mode.writes() || inner.fixed {
            return Ok(false);
        }
        let moved = inner.refresh()?;
        Ok(self.follow_path(&inner, &inner.log.live()?)? || moved)
    }
}

/// What a reader knows each of whose lookups takes in what another process committed.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    /// Whether there is another file at the path, to which it could not go on.
    stranded: AtomicBool,
}

impl Store {
    /// The generation that an operation works with, where lookups follow: the newest one
    /// that the path leads to. Where it leads to none, [`Inner::check_open`] says why.
    #[cold]
    pub(crate) fn followed(&self, mut inner: Guard<Arc<Inner>>) -> Guard<Arc<Inner>> {
        while let Some(follower) = inner.leaves() {
            match inner
                .log
                .live()
                .and_then(|live| self.follow_path(&inner, &live))
            {
                Ok(true) => inner = self.shared.inner(),
                Ok(false) => {
                    // Announced, and not there yet: the old file is the newest.
                    follower.stranded.store(false, Ordering::Relaxed);
                    break;
                }
                Err(_) => {
                    follower.stranded.store(true, Ordering::Relaxed);
                    break;
                }
            }
        }
        inner
    }
}

impl Inner {
    /// Fails if the store was closed. Takes in what another process committed, if lookups
    /// are to.
    #[inline]
    pub(crate) fn check_open(&self, action: &'static str) -> Result<()> {
        self.log.check_open(action)?;
        let Some(follower) = &self.follower else {
            return Ok(());
        };
        self.refresh()?;
        match follower.stranded.load(Ordering::Relaxed) {
            true => self.check_path(),
            false => Ok(()),
        }
    }

    /// Who follows, if the path names another file, or is about to.
    #[inline]
    pub(crate) fn leaves(&self) -> Option<&Follower> {
        let follower = self.follower.as_ref()?;
        // What cannot be read is for `check_open` to say.
        let superseded = self.log.storage().live().is_superseded().unwrap_or(false);
        (superseded && !self.log.is_closed()).then_some(follower)
    }

    /// Fails if the path leads to no file to go on with.
    #[cold]
    fn check_path(&self) -> Result<()> {
        let Some(shared) = self.automatic.served() else {
            return Ok(());
        };
        let store = Store { shared };
        store.follow_path(self, &self.log.live()?).map(drop)
    }

    #[inline]
    pub(crate) fn refresh(&self) -> Result<bool> {
        if self.log.is_behind()? {
            return self.take_in_new();
        }
        Ok(false)
    }

    #[cold]
    fn take_in_new(&self) -> Result<bool> {
        let log = &self.log;
        let (live, before) = (log.live()?, log.seqno());
        let replayed = self.replay(Until::Published(live.published_end), true)?;
        let meter = log.meter();
        meter.refreshes.add(1);
        meter.records_followed.add(replayed.records);
        self.adopt(live.slot_seq)?;
        Ok(log.seqno() > before)
    }

    /// Takes in the records between what is seen and the end of the log. `shared`: others
    /// may read meanwhile.
    pub(crate) fn replay(&self, until: Until, shared: bool) -> Result<Replayed> {
        self.log.follow(|tip| {
            let seen = place(self.log.published());
            let mut touched: HashMap<u32, Arc<PartitionState>> = HashMap::new();
            let replayed = replay(&self.log, tip, until, |found| {
                let same = |a: &Found<'_>, b: &Found<'_>| a.head.partition == b.head.partition;
                for run in found.chunk_by(same) {
                    let Some(Found { frame, head, .. }) = run.first() else {
                        continue;
                    };
                    // What a frame superseded still counts for its later records.
                    let end = if shared { seen } else { place(*frame) };
                    if head.partition == CATALOG {
                        for found in run {
                            let index = &self.catalog.index;
                            self.log.take_in(index, std::slice::from_ref(found), end)?;
                            self.catalog.take(&self.log, found)?;
                        }
                        continue;
                    }
                    let state = match touched.entry(head.partition) {
                        hash_map::Entry::Occupied(known) => known.into_mut(),
                        // Records of a partition that is not in the catalog are dead.
                        hash_map::Entry::Vacant(_) if !self.catalog.knows(head.partition) => {
                            continue;
                        }
                        hash_map::Entry::Vacant(new) => {
                            new.insert(self.catalog.state(&self.log, head.partition)?)
                        }
                    };
                    self.log.take_in(&state.index, run, end)?;
                }
                Ok(())
            });
            // Not back behind the checkpoint that this started from, where the roots of
            // partitions stand.
            let end = tip.end.max(self.log.published());
            self.log.publish(Tip { end, ..*tip });
            self.catalog.show_changes();
            self.catalog.index.show_counted();
            let touched = touched.values();
            touched.for_each(|state| state.index.show_counted());
            replayed
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, IoSlice};
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Instant;

    use crate::log::{Log, Parts};
    use crate::open;
    use crate::options::{Mode, OpenOptions};
    use crate::storage::{Creation, FileStorage, LivePage, Region, Storage, Successor};
    use crate::store::Store;

    /// A file whose calls are counted.
    #[derive(Debug)]
    struct Counting {
        file: FileStorage,
        calls: AtomicU64,
    }

    impl Counting {
        fn call(&self) -> &FileStorage {
            self.calls.fetch_add(1, Ordering::Relaxed);
            &self.file
        }
    }

    impl Storage for Counting {
        fn successor(&self, path: &Path, header: &[u8], random: u64) -> io::Result<Successor> {
            self.call().successor(path, header, random)
        }
        fn len(&self) -> io::Result<u64> {
            self.call().len()
        }
        fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
            self.call().read_at(buf, at)
        }
        fn write_at(&self, pieces: &[IoSlice<'_>], at: u64) -> io::Result<()> {
            self.call().write_at(pieces, at)
        }
        fn sync(&self) -> io::Result<()> {
            self.call().sync()
        }
        fn allocate(&self, at: u64, len: u64) -> io::Result<()> {
            self.call().allocate(at, len)
        }
        fn map(&self) -> io::Result<Arc<Region>> {
            self.call().map()
        }
        fn live(&self) -> &LivePage {
            self.file.live()
        }
        fn has_writer(&self) -> io::Result<bool> {
            self.call().has_writer()
        }
    }

    #[test]
    fn refreshing_and_following_when_nothing_happened_call_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.alog");
        let identity = open::new_identity(&path).expect("random");
        let header = open::header(&identity);
        FileStorage::create(&path, &header, 1, Creation::New, false).expect("made");
        let options = OpenOptions::new().mode(Mode::ReadWrite);
        let writer = options.open(&path).expect("opens");
        let written = writer.default_partition().expect("partition");
        written.put("key", "1").expect("stored");

        let file = FileStorage::open_file(&path, false).expect("opens");
        let file = FileStorage::new(file, false, true).expect("opens");
        assert!(matches!(file.live(), LivePage::Mapped { .. }));
        let limit = Arc::clone(file.limit());
        let calls = AtomicU64::new(0);
        let storage = Arc::new(Counting { file, calls });
        let options = OpenOptions::new().follow(true);
        let parts = Parts {
            path,
            storage: Arc::clone(&storage) as Arc<dyn Storage>,
            limit,
            identity,
            copying: false,
            verify: options.verify,
            durability: options.durability,
            chunk_cache: options.chunk_cache,
        };
        let log = Log::new(parts).expect("opens");
        let reader: Store = Store::replayed(log, &options).expect("opens");
        let part = reader.default_partition().expect("there");
        assert!(part.contains("key").expect("read"));

        let before = storage.calls.load(Ordering::Relaxed);
        let start = Instant::now();
        for _ in 0..10_000 {
            assert!(!reader.refresh().expect("refreshed"));
            assert!(part.get("key").expect("read").is_some());
        }
        println!("{:?} for a refresh and a get", start.elapsed() / 10_000);
        assert_eq!(storage.calls.load(Ordering::Relaxed), before);

        // And its twin: something happened.
        written.put("key", "2").expect("stored");
        let value = part.get("key").expect("read");
        assert_eq!(value.as_deref(), Some(&b"2"[..]));
        assert!(storage.calls.load(Ordering::Relaxed) > before);
        assert_eq!(reader.counters().refreshes, 1);
        assert_eq!(reader.counters().records_followed, 1);
    }
}
