//! Where bytes live: every system call on a store goes through [`Storage`].
//!
//! Two kinds of storage: a file, and memory, which is also the disk of the tests
//! ([`sim`]). Both serve reads through a [`Region`], which hands out bytes only
//! below the end of what was written and will not change any more.

mod file;
mod folder;
mod live;
mod lock;
mod region;
pub(crate) mod sim;
mod spool;

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;

use crate::options::Advice;

pub(crate) use file::{Creation, FileStorage};
pub(crate) use live::LivePage;
pub(crate) use lock::WriterLock;
pub(crate) use region::{Bytes, Region};
pub(crate) use spool::{SpoolFile, SpoolMap};

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

    /// Whether what is stored can be opened again by others.
    fn is_kept(&self) -> bool {
        true
    }

    /// Gives the writer's lock back, while views may keep the file open.
    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}
