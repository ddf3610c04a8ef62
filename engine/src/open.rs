//! Opening and making store files.

mod identity;

use std::fs::{File, FileType};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::damage;
use crate::error::{Error, Result};
use crate::format::header::{
    IDENTITY_COPY, Identity, LIVE, LIVE_WORDS, Live, LiveState, SLOTS, Slot,
};
use crate::format::{Defect, FORMAT_VERSION, LOG_START};
use crate::log::{Log, Parts};
use crate::options::{CompactWhen, Mode, OpenOptions};
use crate::storage::sim::Sim;
use crate::storage::{
    Creation, FileStorage, LivePage, Storage, WriterLock, remove_leftovers, system,
};
use crate::store::Store;

use identity::{identity, not_a_store, pieced_identity, version};

/// How often a file that is replaced while it is opened is looked up again.
const TRIES: usize = 16;

/// What stands for the path of a store in memory.
const MEMORY: &str = ":memory:";

/// A store in memory.
pub(crate) fn memory(options: &OpenOptions) -> Result<Store> {
    check(options)?;
    let path = Path::new(MEMORY);
    let identity = new_identity(path)?;
    let sim = Sim::new(&header(&identity), &[]).map_err(Error::io("reserve memory for", path))?;
    over_sim(Arc::new(sim), identity, options)
}

/// Opens what is on a simulated disk.
pub(crate) fn over_sim(sim: Arc<Sim>, identity: Identity, options: &OpenOptions) -> Result<Store> {
    let parts = Parts {
        path: MEMORY.into(),
        limit: Arc::clone(sim.limit()),
        storage: sim,
        identity,
        copying: false,
        verify: options.verify,
        durability: options.durability,
        chunk_cache: options.chunk_cache,
    };
    let options = OpenOptions {
        mode: Mode::Append,
        ..options.clone()
    };
    Store::replayed(Log::new(parts)?, &options)
}

/// A store in a file. `copying`: reads copy.
pub(crate) fn file(path: &Path, options: &OpenOptions, copying: bool) -> Result<Store> {
    check(options)?;
    for _ in 0..TRIES {
        if let Some(file) = obtain(path, options)? {
            let store = over(file, path, options, copying)?;
            // Only who holds the lock: another writer may be making such files.
            if options.mode.writes() && options.lock {
                clean_up(path);
            }
            return Ok(store);
        }
    }
    let busy = io::Error::new(
        io::ErrorKind::ResourceBusy,
        "it is replaced again and again",
    );
    Err(Error::io("open", path)(busy))
}

/// What holds of a damaged file.
pub(crate) fn degraded(path: &Path, options: &OpenOptions) -> Result<Store> {
    let options = OpenOptions {
        mode: Mode::Read,
        at: None,
        follow: false,
        ..options.clone()
    };
    let file = open_regular(path, false)?;
    let identity = pieced_identity(&file, path)?;
    damage::over(parts(file, identity, path, &options, true)?, &options)
}

/// Fails if the options ask for what there is not.
fn check(options: &OpenOptions) -> Result<()> {
    let invalid = |what, detail| Err(Error::Invalid { what, detail });
    if let (Some(seqno), true) = (options.at, options.mode.writes()) {
        let detail = format!(
            "mode `Read` shows an earlier commit, not `{:?}`",
            options.mode
        );
        return invalid(format!("seqno {seqno} to open the store at"), detail);
    }
    if let Some(CompactWhen { dead_share, .. }) = options.compact_when
        && !(0.0..=1.0).contains(&dead_share)
    {
        return invalid(
            "the share of a file to compact it at".to_owned(),
            format!("a share is from 0 to 1, this is {dead_share}"),
        );
    }
    Ok(())
}

/// Removes what killed compactions and killed makers of stores left.
fn clean_up(path: &Path) {
    let resolved = FileStorage::resolve(path).unwrap_or_else(|_| path.to_owned());
    match remove_leftovers(&resolved) {
        0 => {}
        count => log::info!("{}: removed {count} leftovers", path.display()),
    }
}

/// The file, locked if it is for writing; `None`: look again.
fn obtain(path: &Path, options: &OpenOptions) -> Result<Option<File>> {
    match options.mode {
        Mode::Read | Mode::ReadWrite => existing(path, options),
        Mode::Append => match existing(path, options) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                make(path, options, Creation::New)
            }
            found => found,
        },
        Mode::CreateNew => match make(path, options, Creation::New)? {
            Some(file) => Ok(Some(file)),
            None => Err(Error::io("create", path)(
                io::ErrorKind::AlreadyExists.into(),
            )),
        },
        Mode::Replace => replace(path, options, Old::Store),
    }
}

fn is_empty(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.len() == 0)
}

/// The file at `path`, which is a regular one or a folder.
fn open_file(path: &Path, writable: bool) -> Result<File> {
    // Before it is opened, since opening alone acts on some devices and fails on a
    // socket with a reason that explains nothing.
    if let Ok(metadata) = std::fs::metadata(path) {
        check_type(metadata.file_type(), path)?;
    }
    let file = FileStorage::open_file(path, writable).map_err(Error::io("open", path))?;
    // And of what was opened, which may have taken the name meanwhile.
    let metadata = file.metadata().map_err(Error::io("open", path))?;
    check_type(metadata.file_type(), path)?;
    Ok(file)
}

fn check_type(found: FileType, path: &Path) -> Result<()> {
    match system::special(found) {
        None => Ok(()),
        Some(name) => Err(not_a_store(path, format!("{name}, not a regular file"))),
    }
}

/// The regular file at `path`.
fn open_regular(path: &Path, writable: bool) -> Result<File> {
    let file = open_file(path, writable)?;
    let metadata = file.metadata().map_err(Error::io("open", path))?;
    if metadata.is_dir() {
        return Err(Error::io("open", path)(io::ErrorKind::IsADirectory.into()));
    }
    Ok(file)
}

fn existing(path: &Path, options: &OpenOptions) -> Result<Option<File>> {
    let writes = options.mode.writes();
    let file = open_regular(path, writes)?;
    // Before the lock: nothing is done to a file that is no store.
    let identity = match identity(&file, path) {
        Err(Error::NotAStore { .. }) if options.mode == Mode::Append && is_empty(&file) => {
            return replace(path, options, Old::Empty);
        }
        found => found?,
    };
    if writes && identity.ro_compat != 0 {
        let unknown = identity.ro_compat;
        return Err(version(
            path,
            format!("{FORMAT_VERSION} with features {unknown:#x}, unknown to this writer"),
        ));
    }
    if writes && options.lock {
        lock(&file, path)?;
        // The lock is on the file, not on its name: a file that was replaced meanwhile
        // would take writes that nobody ever finds.
        if !FileStorage::is_at(&file, path) {
            return Ok(None);
        }
    }
    Ok(Some(file))
}

fn lock(file: &File, path: &Path) -> Result<()> {
    if WriterLock::take(file).map_err(Error::io("lock", path))? {
        return Ok(());
    }
    Err(Error::Locked {
        path: path.to_owned(),
        holder: describe_holder(file),
    })
}

/// Who the live page says is writing.
fn describe_holder(file: &File) -> String {
    let mut bytes = [0; LIVE_WORDS * 8];
    if system::read_exact_at(file, &mut bytes, LIVE).is_err() {
        return "the holder is not known".to_owned();
    }
    let mut words = [0; LIVE_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let live = Live::from_words(words);
    let day = live.opened % 86_400;
    let since = format!("{:02}:{:02}:{:02} UTC", day / 3600, day / 60 % 60, day % 60);
    if live.pid == u64::from(std::process::id()) {
        format!("held by this process since {since}; call close() on the earlier store")
    } else {
        format!("held by process {} since {since}", live.pid)
    }
}

/// What the frames of an opening for writing are told apart by.
pub(crate) fn new_epoch(path: &Path, options: &OpenOptions) -> Result<u16> {
    let mut random = [0; 2];
    fill_random(&mut random, path)?;
    let random = u16::from_le_bytes(random);
    Ok(options.fixed.map_or(random, |fixed| fixed.epoch))
}

/// A new store file; `None` if another one was made meanwhile.
fn make(path: &Path, options: &OpenOptions, creation: Creation) -> Result<Option<File>> {
    let mut identity = new_identity(path)?;
    if let Some(fixed) = options.fixed {
        let (store_id, lineage_id) = (fixed.store_id, fixed.lineage_id);
        identity = Identity {
            store_id,
            lineage_id,
            seed: fixed.seed,
            ..identity
        };
    }
    let mut random = [0; 8];
    fill_random(&mut random, path)?;
    let random = u64::from_le_bytes(random);
    match FileStorage::create(path, &header(&identity), random, creation, options.lock) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        Err(source) => Err(Error::io("create", path)(source)),
    }
}

/// What may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Old {
    /// An empty file.
    Empty,
    /// That, or a store.
    Store,
}

/// A new store in the place of an old file; `None`: look again.
fn replace(path: &Path, options: &OpenOptions, what: Old) -> Result<Option<File>> {
    // Links keep leading to the store.
    let resolved = FileStorage::resolve(path).unwrap_or_else(|_| path.to_owned());
    let path = resolved.as_path();
    let old = match open_file(path, true) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return make(path, options, Creation::New);
        }
        opened => opened?,
    };
    match identity(&old, path) {
        Err(Error::NotAStore { .. }) if is_empty(&old) => {}
        // Another opening has made a store of it.
        _ if what == Old::Empty => return Ok(None),
        // A store all the same.
        Ok(_) | Err(Error::Version { .. } | Error::Corrupt { .. }) => {}
        Err(error) => return Err(error),
    }
    if options.lock {
        lock(&old, path)?;
        // Whoever held the lock may have replaced the file: the new one is not ours.
        if !FileStorage::is_at(&old, path) {
            return Ok(None);
        }
    }
    let made = make(path, options, Creation::Over)?;
    if made.is_some() {
        tell_readers(&old, path);
    }
    Ok(made)
}

/// The store at `path`, locked, that another file is to take the name of; `None` if there
/// is nothing. `Error::NotAStore` for what is not to be replaced, `Error::Locked`.
pub(crate) fn replaceable(path: &Path) -> Result<Option<File>> {
    let old = match open_file(path, true) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        opened => opened?,
    };
    match identity(&old, path) {
        Err(Error::NotAStore { .. }) if is_empty(&old) => {}
        // A store all the same.
        Ok(_) | Err(Error::Version { .. } | Error::Corrupt { .. }) => {}
        Err(error) => return Err(error),
    }
    lock(&old, path)?;
    Ok(Some(old))
}

/// Tells those who have `old` open for reading that its path names another file.
pub(crate) fn tell_readers(old: &File, path: &Path) {
    let tell = || {
        if is_empty(old) {
            return Ok(());
        }
        let page = LivePage::open(old, true, false)?;
        let mut live = page.load()?;
        live.state = LiveState::Superseded as u64;
        page.store(live)
    };
    if let Err(error) = tell() {
        log::warn!("{}: readers could not be told: {error}", path.display());
    }
}

/// Opens a file that has been obtained.
fn over(file: File, path: &Path, options: &OpenOptions, copying: bool) -> Result<Store> {
    let identity = identity(&file, path)?;
    let parts = parts(file, identity, path, options, copying)?;
    Store::replayed(Log::new(parts)?, options)
}

/// What the log in `file` is opened with.
fn parts(
    file: File,
    identity: Identity,
    path: &Path,
    options: &OpenOptions,
    copying: bool,
) -> Result<Parts> {
    let storage =
        FileStorage::new(file, options.mode.writes(), !copying).map_err(Error::io("open", path))?;
    let len = storage.len().map_err(Error::io("open", path))?;
    if len < LOG_START {
        let defect = Defect::Truncated {
            what: "the header",
            need: LOG_START,
            have: len,
        };
        return Err(Error::Corrupt {
            path: path.to_owned(),
            at: len,
            defect,
        });
    }
    Ok(Parts {
        path: std::path::absolute(path).map_err(Error::io("open", path))?,
        limit: Arc::clone(storage.limit()),
        storage: Arc::new(storage),
        identity,
        copying,
        verify: options.verify,
        durability: options.durability,
        chunk_cache: options.chunk_cache,
    })
}

pub(crate) fn new_identity(path: &Path) -> Result<Identity> {
    let (mut store_id, mut lineage_id, mut seed) = ([0; 16], [0; 16], [0; 8]);
    fill_random(&mut store_id, path)?;
    fill_random(&mut lineage_id, path)?;
    fill_random(&mut seed, path)?;
    let seed = u64::from_le_bytes(seed);
    Ok(Identity {
        store_id,
        lineage_id,
        generation: 0,
        seed,
        first_seqno: 1,
        ro_compat: 0,
        parent: [0; 16],
    })
}

/// The header pages of a new store.
pub(crate) fn header(identity: &Identity) -> Vec<u8> {
    let mut bytes = vec![0; LOG_START as usize];
    let mut put = |at: u64, part: &[u8]| {
        let at = at as usize;
        if let Some(place) = bytes.get_mut(at..at + part.len()) {
            place.copy_from_slice(part);
        }
    };
    put(0, &identity.to_bytes());
    put(IDENTITY_COPY, &identity.to_bytes());
    let slot = Slot {
        seq: 0,
        durable_end: LOG_START,
        seqno: identity.first_seqno - 1,
        ..Slot::default()
    };
    put(SLOTS[0], &slot.to_bytes(&identity.store_id, SLOTS[0]));
    let live = Live {
        published_end: LOG_START,
        ..Live::default()
    };
    for (number, word) in live.words().into_iter().enumerate() {
        put(LIVE + number as u64 * 8, &word.to_le_bytes());
    }
    bytes
}

/// Random bytes from the system.
pub(crate) fn fill_random(bytes: &mut [u8], path: &Path) -> Result<()> {
    getrandom::fill(bytes)
        .map_err(|error| Error::io("get random bytes for", path)(io::Error::other(error)))
}

/// For messages only; nothing in the format depends on a clock.
pub(crate) fn seconds_since_1970() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
