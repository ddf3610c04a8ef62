//! Where bytes live: every system call on a store goes through [`Storage`].
//!
//! Two kinds of storage: a file, and memory, which is also the disk of the tests
//! ([`sim`]). Both serve reads through a [`Region`], which hands out bytes only
//! below the end of what was written and will not change any more.

mod calls;
mod extended;
mod file;
mod folder;
mod live;
mod lock;
mod region;
pub(crate) mod sim;
mod spool;
pub(crate) mod system;

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::mutant::{Rule, broken};
use crate::options::Advice;

#[cfg(test)]
pub(crate) use calls::{Call, Done, faults};
pub(crate) use extended::Extended;
pub(crate) use file::{Creation, FileStorage};
pub(crate) use folder::remove_leftovers;
pub(crate) use live::LivePage;
#[cfg(test)]
pub(crate) use live::LiveWords;
pub(crate) use lock::WriterLock;
pub(crate) use region::{Bytes, Lender, Lent, Region};
pub(crate) use spool::{SpoolFile, SpoolMap};

use folder::{Purpose, Unborn};

/// The file of a store, whatever it is made of.
pub(crate) trait Storage: Debug + Send + Sync {
    /// Bytes of the file.
    fn len(&self) -> io::Result<u64>;

    /// Reads from offset `at` until `buf` is full or the file ends; how many bytes.
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all `pieces` one after the other from offset `at`. After an error any
    /// part of them may have been written.
    fn write_at(&self, pieces: &[IoSlice<'_>], at: u64) -> io::Result<()>;

    /// As [`write_at`](Self::write_at), into a SPACE frame: below the end of what is lent,
    /// but where no record is.
    fn fill(&self, pieces: &[IoSlice<'_>], at: u64) -> io::Result<()> {
        self.write_at(pieces, at)
    }

    /// Returns when everything written is on the device.
    fn sync(&self) -> io::Result<()>;

    /// Returns when what was written at `range`, which nobody writes meanwhile, is on the
    /// device, and what is needed to find it there. Other bytes need not be: the live page
    /// is not waited for.
    fn sync_range(&self, _range: Range<u64>) -> io::Result<()> {
        self.sync()
    }

    /// Has the system start to write `range` to the device, so that a sync has less to wait
    /// for. Does nothing where the system cannot; what fails is an error of that sync.
    fn write_out(&self, _range: Range<u64>) {}

    /// Reserves room for `len` bytes from offset `at`, so that a full disk shows
    /// before the first byte is written. Does nothing where the system cannot.
    fn allocate(&self, at: u64, len: u64) -> io::Result<()>;

    /// Tells the system how `range` will be read, by calls. Does nothing where the system
    /// cannot.
    fn advise(&self, _range: Range<u64>, _advice: Advice) -> io::Result<()> {
        Ok(())
    }

    /// Gives back room that was reserved behind the end of the file.
    fn release(&self) -> io::Result<()> {
        Ok(())
    }

    /// A view of the log, reserved ahead of its end.
    fn map(&self) -> io::Result<Arc<Region>>;

    /// The words by which a writer tells others how far it has come.
    fn live(&self) -> &LivePage;

    /// Whether a writer, in any process, has the store open.
    fn has_writer(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// What names this run of the system: as long as it is the same, everything written is
    /// there, synced or not. `None` where that is not known.
    fn boot_id(&self) -> Option<[u8; 16]> {
        None
    }

    /// Whether `path` names this.
    fn is_at(&self, _path: &Path) -> io::Result<bool> {
        Ok(true)
    }

    /// An empty storage with `header` (the header pages), for the writer of this one, that
    /// can take its place at `path`.
    fn successor(&self, path: &Path, header: &[u8], random: u64) -> io::Result<Successor>;

    /// Whether what is stored can be opened again by others.
    fn is_kept(&self) -> bool {
        true
    }

    /// Gives the writer's lock back, while views may keep the file open.
    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A storage that may take the place of another one; gone again unless it does.
#[derive(Debug)]
pub(crate) struct Successor {
    pub(crate) storage: Arc<dyn Storage>,
    /// What its regions lend up to.
    pub(crate) limit: Arc<AtomicU64>,
    place: Place,
}

/// What waits for the name.
#[derive(Debug)]
enum Place {
    File(Unborn),
    Memory(Arc<sim::Sim>),
}

impl Successor {
    fn file((unborn, storage): (Unborn, FileStorage)) -> Self {
        Self {
            limit: Arc::clone(storage.limit()),
            storage: Arc::new(storage),
            place: Place::File(unborn),
        }
    }

    fn memory(sim: Arc<sim::Sim>) -> Self {
        Self {
            limit: Arc::clone(sim.limit()),
            place: Place::Memory(Arc::clone(&sim)),
            storage: sim,
        }
    }

    /// A file that is to have the name `target`.
    pub(crate) fn at(target: &Path, header: &[u8], random: u64) -> io::Result<Self> {
        FileStorage::unborn(target, Purpose::Init, header, random, false).map(Self::file)
    }

    /// The name that its file has meanwhile.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(unborn) => Some(unborn.path()),
            Place::Memory(_) => None,
        }
    }

    /// As [`Self::place`], if nothing has the name.
    pub(crate) fn place_new(self) -> io::Result<io::Result<()>> {
        match self.place {
            Place::File(unborn) => unborn.place_new().map(|_| Ok(())),
            // Nothing else is there.
            Place::Memory(sim) => sim.take_name().map(Ok),
        }
    }

    /// Takes the place. An error: it did not. The answer inside is that of making the name
    /// durable.
    pub(crate) fn place(self) -> io::Result<io::Result<()>> {
        match &self.place {
            Place::File(unborn) => unborn.take_name()?,
            Place::Memory(sim) => sim.take_name()?,
        }
        if broken(Rule::NewNameDurable) {
            return Ok(Ok(()));
        }
        Ok(match &self.place {
            Place::File(unborn) => unborn.sync_folder(),
            Place::Memory(sim) => sim.sync_folder(),
        })
    }
}
