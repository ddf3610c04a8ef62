//! Names of collections and partitions, and interned schemas: entries of partition 0.
//!
//! | key                                | value                                     |
//! |------------------------------------|-------------------------------------------|
//! | 00                                 | 0 u32, fields of the store                |
//! | 01, collection name                | id u32, fields                            |
//! | 02, collection id u32, name        | partition id u32, fields                  |
//! | 04, XXH3-128 of a schema           | id u32 of the schema                      |
//! | 05, schema id u32                  | the schema                                |
//!
//! Being entries, they are committed, recovered and indexed like all others; what a
//! commit needs stands in its own batch. Integers are little-endian. `rows` has the
//! fields. Ids are not used twice.
//!
//! Names are not kept in memory: they are looked up through the index of partition 0, so
//! that a store with many partitions opens as fast as one with few. A row of a partition
//! counts only as long as that of its collection does, so a collection goes by one row.
//! What is kept is the state of the partitions in use, by id, and the next ids.
//!
//! A handle keeps the state that its names led to, and the number of changes of names
//! (drops, renames) at that time; another number makes it look its names up again.

mod carried;
mod drafts;
mod ids;
mod lost;
mod names;
mod rows;
mod schemas;
mod sides;
mod state;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::error::Result;
use crate::format::checkpoint::{Checkpoint, Root, root_key};
use crate::format::{Defect, place};
use crate::index::{Hash, PartitionIndex};
use crate::log::{Found, Located, Log, Stored};
use crate::mutant::{Rule, broken};

pub(crate) use drafts::Drafts;
pub(crate) use ids::NextIds;
pub(crate) use lost::NamesFound;
pub(crate) use names::Listed;
pub(crate) use rows::{Row, RowValue, check_name, collection_key, partition_key, store_key};
pub(crate) use schemas::Interning;
pub(crate) use sides::{Beside, SIDES, Side};
pub(crate) use state::{Kept, PartitionState, Resolved};

use rows::{COLLECTION, PARTITION, SCHEMA};
use schemas::Schemas;
use state::Handles;

/// Id of the partition that holds the catalog.
pub(crate) const CATALOG: u32 = 0;

/// What the catalog knows, in memory.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// Index of partition 0.
    pub(crate) index: PartitionIndex,
    /// The ids that come next. Generations of a file that serve one after the other share
    /// them, so that an id that was given out by one is free in none.
    pub(crate) next: Arc<NextIds>,
    /// Place behind the checkpoint that it was saved by, whose roots may stand behind what
    /// is published: a store that is opened at a commit ends where that ended.
    saved_end: u64,
    number: Number,
    handles: Handles,
    /// Whether the indexes note what checkpoints of another process will need.
    follows: bool,
    /// Partitions in use, by id.
    states: RwLock<HashMap<u32, Arc<PartitionState>>>,
    /// Number of changes of names that readers may have seen.
    changes: AtomicU64,
    /// Whether names changed that are not counted yet.
    changed: AtomicBool,
    /// The last row of a name that was replayed.
    last: Mutex<Option<LastName>>,
    schemas: Schemas,
}

/// Tells this catalog from all others of the process.
#[derive(Debug)]
struct Number(u64);

impl Default for Number {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A row of a name, as long as a rename may follow it.
#[derive(Clone, Copy, Debug)]
struct LastName {
    frame: u64,
    kind: u8,
    id: u32,
    /// Of a partition: the id of its collection.
    collection: u32,
}

impl Catalog {
    /// Takes in a record of partition 0 that was replayed and is in the index. Whoever
    /// publishes it then calls [`Catalog::show_changes`].
    pub(crate) fn take(&self, log: &Arc<Log>, found: &Found<'_>) -> Result<()> {
        let Some((&kind, rest)) = found.key.split_first() else {
            return Ok(());
        };
        let truncated = |what, need: u64| {
            let have = rest.len() as u64;
            log.corrupt(found.at, Defect::Truncated { what, need, have })
        };
        let (collection, name) = match kind {
            SCHEMA => {
                let id = rest.first_chunk();
                let id = id.ok_or_else(|| truncated("the key of a schema", 4))?;
                self.next.raise_schema(u32::from_le_bytes(*id));
                return Ok(());
            }
            COLLECTION => (0, rest),
            PARTITION => {
                let parts = rest.split_first_chunk();
                let parts = parts.ok_or_else(|| truncated("the key of a partition", 4));
                parts.map(|(id, name)| (u32::from_le_bytes(*id), name))?
            }
            _ => return Ok(()),
        };
        if std::str::from_utf8(name).is_err() {
            return Err(log.corrupt(found.at, Defect::NotUtf8 { what: "a name" }));
        }
        let located = Located {
            at: found.at,
            head: found.head,
        };
        if !located.is_live() {
            return self.take_gone(log, kind, found.frame, located);
        }
        let id = name_id(&Stored::new(log, located)?)?;
        if kind == COLLECTION {
            self.next.raise_collection(id);
        } else {
            self.next.raise_partition(id);
        }
        *self.last.lock() = Some(LastName {
            frame: found.frame,
            kind,
            id,
            collection,
        });
        Ok(())
    }

    /// A name that is gone took its partitions along, unless the batch gave its id
    /// another name before.
    fn take_gone(&self, log: &Arc<Log>, kind: u8, frame: u64, located: Located) -> Result<()> {
        let previous = match located.head.previous {
            0 => return Ok(()),
            place => log.locate(place)?,
        };
        if !previous.is_live() {
            return Ok(());
        }
        let id = name_id(&Stored::new(log, previous)?)?;
        self.changed.store(true, Ordering::Release);
        let is_it = |last: &LastName| (last.frame, last.kind, last.id) == (frame, kind, id);
        let renamed = (*self.last.lock()).filter(is_it);
        match (kind, renamed) {
            (PARTITION, Some(to)) => self.note_move(log, id, to.collection)?,
            (PARTITION, None) => self.forget_partition(id),
            (_, None) => self.forget_collection(id),
            (_, Some(_)) => {}
        }
        Ok(())
    }

    /// Notes that a partition was moved to a collection: it does not go with the one that
    /// it was in. In use from here on, so that no reader notes that one.
    pub(crate) fn note_move(&self, log: &Arc<Log>, id: u32, collection: u32) -> Result<()> {
        self.state(log, id)?.set_collection(collection);
        Ok(())
    }

    /// Lets go of a partition that was dropped. Who holds its state keeps it.
    pub(crate) fn forget_partition(&self, id: u32) {
        self.forget(|state| state.id == id);
    }

    fn forget(&self, is_gone: impl Fn(&PartitionState) -> bool) {
        let mut states = self.states.write();
        let mut gone = Vec::new();
        states.retain(|&id, state| {
            let keep = !is_gone(state);
            if !keep {
                gone.push(id);
            }
            keep
        });
        for id in gone {
            for side in SIDES {
                states.remove(&side.id(id));
            }
        }
    }

    /// Lets go of the partitions in use of a collection that was dropped.
    pub(crate) fn forget_collection(&self, id: u32) {
        self.forget(|state| Side::split(state.id).0.is_none() && state.collection() == id);
    }

    /// Makes handles look their names up again if names were dropped or given to others
    /// since the last call. After the publication: what is looked up before it still has
    /// the old names, and must not count as new.
    pub(crate) fn show_changes(&self) {
        if self.changed.swap(false, Ordering::AcqRel) {
            self.changes.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Notes that the names of a commit, which is published, replaced others.
    pub(crate) fn note_change(&self) {
        self.changed.store(true, Ordering::Release);
        self.show_changes();
    }

    /// Whether a partition, or a side of one, may have `id`: records of others are dead.
    pub(crate) fn knows(&self, id: u32) -> bool {
        let (_, id) = Side::split(id);
        id != CATALOG && id < self.next.partition()
    }

    /// The catalog that a checkpoint saved, whose frame ends at `end` (an offset).
    pub(crate) fn saved(log: &Log, checkpoint: &Checkpoint, end: u64) -> Result<Self> {
        Ok(Self {
            saved_end: place(end),
            index: log.load_index(CATALOG, &checkpoint.catalog)?,
            next: Arc::new(NextIds::saved(&checkpoint.next)),
            ..Self::default()
        })
    }

    /// Has the indexes note what [`PartitionIndex::adopt`] will need.
    pub(crate) fn follow(&mut self) {
        self.follows = true;
        self.index.follow();
    }

    /// The catalog as it is now, for a reader whom nothing new reaches.
    pub(crate) fn fork(&self) -> Self {
        let states = self.states.read();
        let fork = |(&id, state): (&u32, &Arc<PartitionState>)| (id, Arc::new(state.fork()));
        let forks: HashMap<_, _> = states.iter().map(fork).collect();
        for state in forks.values() {
            link(&forks, state);
        }
        Self {
            index: self.index.fork(),
            saved_end: self.saved_end,
            next: Arc::new(NextIds::saved(&self.next.to_saved())),
            states: RwLock::new(forks),
            ..Self::default()
        }
    }

    /// The state of the partition with `id`, or of a side of one. If it was not in use its
    /// index is opened as the newest checkpoint saved it.
    pub(crate) fn state(&self, log: &Arc<Log>, id: u32) -> Result<Arc<PartitionState>> {
        if let Some(state) = self.states.read().get(&id) {
            return Ok(Arc::clone(state));
        }
        let opened = self.open_state(log, id)?;
        let mut sides = Vec::new();
        match Side::split(id) {
            // A side is in use as long as its partition is.
            (Some(_), partition) => drop(self.state(log, partition)?),
            (None, _) if broken(Rule::SidesSaved) => {}
            (None, _) => {
                for side in SIDES.map(|side| side.id(id)) {
                    if self.root(log, side)?.is_some() {
                        sides.push(self.open_state(log, side)?);
                    }
                }
            }
        }
        let mut states = self.states.write();
        let mut insert = |opened: PartitionState| {
            let state = states.entry(opened.id).or_insert_with(|| Arc::new(opened));
            let state = Arc::clone(state);
            link(&states, &state);
            state
        };
        let state = insert(opened);
        for side in sides {
            insert(side);
        }
        Ok(state)
    }

    fn open_state(&self, log: &Arc<Log>, id: u32) -> Result<PartitionState> {
        let opened = match self.root(log, id)? {
            Some((place, root)) => PartitionState::new(id, log.load_index(id, &root)?, place),
            None => PartitionState::new(id, PartitionIndex::default(), 0),
        };
        if self.follows {
            opened.index.follow();
        }
        Ok(opened)
    }

    /// The place and the root of the index of a partition, if a checkpoint saved it.
    pub(crate) fn root(&self, log: &Arc<Log>, id: u32) -> Result<Option<(u64, Root)>> {
        let end = place(log.published()).max(self.saved_end);
        let Some(row) = self.row(log, &root_key(id), end)? else {
            return Ok(None);
        };
        let located = *row.located();
        Ok(Some((located.place(), log.read_root(&located)?)))
    }

    /// The partitions in use.
    pub(crate) fn in_use(&self) -> Vec<Arc<PartitionState>> {
        self.states.read().values().cloned().collect()
    }

    /// The version of a row that a reader with `end` (a place) sees.
    fn row(&self, log: &Arc<Log>, key: &[u8], end: u64) -> Result<Option<Stored>> {
        let hash = Hash(crate::format::record::key_hash(key, log.identity().seed));
        let found = log
            .find(&self.index, hash, key, end)?
            .filter(Located::is_live);
        found.map(|located| Stored::new(log, located)).transpose()
    }

    /// The value of the row of a name, or of the store, as published.
    pub(crate) fn row_value(&self, log: &Arc<Log>, key: &[u8]) -> Result<Option<RowValue>> {
        self.row_value_at(log, key, place(log.published()))
    }

    fn row_value_at(&self, log: &Arc<Log>, key: &[u8], end: u64) -> Result<Option<RowValue>> {
        let row = self.row(log, key, end)?;
        row.map(|row| parse(&row)).transpose()
    }
}

/// Makes a partition know `state`, if that is a side of it.
fn link(states: &HashMap<u32, Arc<PartitionState>>, state: &Arc<PartitionState>) {
    if let (Some(side), id) = Side::split(state.id)
        && let Some(partition) = states.get(&id)
    {
        partition.sides.set(side, state);
    }
}

/// The value of a row.
fn parse(row: &Stored) -> Result<RowValue> {
    RowValue::parse(&row.value()?).map_err(|defect| row.corrupt(0, defect))
}

/// The id in the row of a name.
fn name_id(row: &Stored) -> Result<u32> {
    let id = parse(row)?.id;
    if id == CATALOG {
        let (what, expected) = ("the id of a name", "1 or more");
        let found = id.into();
        let defect = Defect::Field {
            what,
            found,
            expected,
        };
        return Err(row.corrupt(0, defect));
    }
    Ok(id)
}
