//! The stores of this process: made, and read in full.

use std::path::Path;

use anyhow::{Result, bail};
use arraylog::{Mode, OpenOptions, Verify};
use heed::types::Bytes;
use heed::{Database, EnvFlags, EnvOpenOptions, WithTls};
use redb::{ReadableDatabase as _, ReadableTableMetadata as _, TableDefinition};
use simd_r_drive::DataStore;
use simd_r_drive::traits::{DataStoreReader as _, DataStoreWriter as _};

use crate::content::{COUNT, Checker, key, values};

/// Address space reserved for the mapping of LMDB.
const MAP_SIZE: usize = 1 << 30;

const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("values");

/// A store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    /// Mapped, compared at first touch, or as the second word says.
    Arraylog(Verify),
    Lmdb,
    /// Whether all of it is checked at opening.
    Redb(bool),
    SimdRDrive,
}

/// Their names.
pub(crate) const NAMES: [&str; 7] = [
    "arraylog",
    "arraylog-always",
    "arraylog-never",
    "lmdb",
    "redb",
    "redb-checked",
    "simd-r-drive",
];

/// The store with this name.
pub(crate) fn named(name: &str) -> Result<Peer> {
    Ok(match name {
        "arraylog" => Peer::Arraylog(Verify::First),
        "arraylog-always" => Peer::Arraylog(Verify::Always),
        "arraylog-never" => Peer::Arraylog(Verify::Never),
        "lmdb" => Peer::Lmdb,
        "redb" => Peer::Redb(false),
        "redb-checked" => Peer::Redb(true),
        "simd-r-drive" => Peer::SimdRDrive,
        _ => bail!("no store is called {name:?}"),
    })
}

impl Peer {
    /// Name of the file that is damaged.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Lmdb => "data.mdb",
            _ => "store.bin",
        }
    }

    /// Writes all values in one batch, and closes the store.
    pub(crate) fn make(self, folder: &Path) -> Result<()> {
        let path = folder.join(self.file());
        let values = values();
        let entries = || (0..COUNT).map(key).zip(&values);
        match self {
            Self::Arraylog(_) => {
                let store = OpenOptions::new().mode(Mode::CreateNew).open(&path)?;
                let batch = store.batch()?;
                let part = batch.partition("default", "default")?;
                for (key, value) in entries() {
                    part.put(key, value)?;
                }
                batch.commit()?;
                store.checkpoint()?;
                store.close()?;
            }
            Self::Lmdb => {
                let mut options = EnvOpenOptions::new();
                options.map_size(MAP_SIZE);
                let env = open_lmdb(&options, folder)?;
                let mut transaction = env.write_txn()?;
                let database: Database<Bytes, Bytes> =
                    env.create_database(&mut transaction, None)?;
                for (key, value) in entries() {
                    database.put(&mut transaction, key.as_bytes(), value)?;
                }
                transaction.commit()?;
                env.prepare_for_closing().wait();
            }
            Self::Redb(_) => {
                let database = redb::Database::create(&path)?;
                let transaction = database.begin_write()?;
                {
                    let mut table = transaction.open_table(TABLE)?;
                    for (key, value) in entries() {
                        table.insert(key.as_str(), value.as_slice())?;
                    }
                }
                transaction.commit()?;
            }
            Self::SimdRDrive => {
                let store = DataStore::open(&path)?;
                let entries: Vec<(String, &Vec<u8>)> = entries().collect();
                let entries: Vec<(&[u8], &[u8])> = entries
                    .iter()
                    .map(|(key, value)| (key.as_bytes(), value.as_slice()))
                    .collect();
                store.batch_write(&entries)?;
            }
        }
        Ok(())
    }

    /// Opens the store as a reader would, and has `checker` look at every value.
    pub(crate) fn read(self, folder: &Path, checker: &mut Checker<'_>) -> Result<()> {
        let path = folder.join(self.file());
        match self {
            Self::Arraylog(verify) => {
                let store = open_arraylog(&OpenOptions::new().verify(verify), &path)?;
                let part = store.existing_partition("default", "default")?;
                for number in 0..COUNT {
                    let found = part.get(key(number));
                    checker.take(number, found.as_ref().map(|it| it.as_deref()));
                }
                checker.count(part.len());
            }
            Self::Lmdb => {
                let mut options = EnvOpenOptions::new();
                options.map_size(MAP_SIZE);
                read_only(&mut options);
                let env = open_lmdb(&options, folder)?;
                let transaction = env.read_txn()?;
                if let Some(database) = env.open_database::<Bytes, Bytes>(&transaction, None)? {
                    for number in 0..COUNT {
                        checker.take(number, database.get(&transaction, key(number).as_bytes()));
                    }
                    checker.count(database.len(&transaction));
                }
                drop(transaction);
                env.prepare_for_closing().wait();
            }
            Self::Redb(checked) => {
                let mut database = redb::Database::open(&path)?;
                // It says whether it had to mend something, which is as good as an error.
                if checked && !database.check_integrity()? {
                    bail!("repaired");
                }
                let table = database.begin_read()?.open_table(TABLE)?;
                for number in 0..COUNT {
                    let found = table.get(key(number).as_str());
                    let found = found.as_ref().map(|it| it.as_ref().map(|it| it.value()));
                    checker.take(number, found);
                }
                checker.count(table.len());
            }
            Self::SimdRDrive => {
                let store = DataStore::open(&path)?;
                for number in 0..COUNT {
                    let found = store.read(key(number).as_bytes());
                    let found = found.as_ref().map(|it| it.as_ref().map(|it| it.as_slice()));
                    checker.take(number, found);
                }
                checker.count(store.len().map(|len| len as u64));
            }
        }
        Ok(())
    }
}

#[expect(unsafe_code, reason = "opening by mapping")]
fn open_arraylog(options: &OpenOptions, path: &Path) -> arraylog::Result<arraylog::Store> {
    // SAFETY: this process alone has the file, and writes it when no store is open.
    unsafe { options.open_mapped(path) }
}

#[expect(unsafe_code, reason = "opening by mapping")]
fn open_lmdb(options: &EnvOpenOptions<WithTls>, folder: &Path) -> Result<heed::Env> {
    // SAFETY: this process alone has the folder, and opens the environment once at a time.
    Ok(unsafe { options.open(folder) }?)
}

#[expect(
    unsafe_code,
    reason = "heed leaves the care for the flags to its caller"
)]
fn read_only(options: &mut EnvOpenOptions<WithTls>) {
    // SAFETY: nothing is written.
    unsafe { options.flags(EnvFlags::READ_ONLY) };
}
