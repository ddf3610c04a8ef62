//! Reading the records that are to be copied, and comparing them with their sums.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;

use super::sharing::Sharing;
use crate::array::{ArrayId, frame_align};
use crate::catalog::{Beside, CATALOG, Catalog, Listed, PartitionState, Row, Side};
use crate::chunks::DICTIONARY_KEYS;
pub(super) use crate::entry::Source;
use crate::entry::{Array, Entry, Stays};
use crate::error::{Error, Result, describe_key};
use crate::format::record::RecordKind;
use crate::format::{Defect, PACKED, offset, place, value_align};
use crate::index::{Hash, Pinned};
use crate::log::{Found, Located, Log, Walk};
use crate::mutant::{Rule, broken};
use crate::staged::Sums;
use crate::storage::Bytes;
use crate::store::Inner;

/// Records are gathered until they have so many bytes: frames are then written in whole
/// blocks, and the memory for them is bounded.
const FRAME: u64 = 2 << 20;

/// Of records without values so many are gathered.
const RECORDS: usize = 1 << 15;

/// The value of a record on its way.
pub(super) enum Content<'a> {
    /// As it lies in the old log, where reads lend.
    Lent(&'a [u8]),
    /// Of a log whose reads copy.
    Copied(Bytes),
    /// A row that is written anew.
    Made(Vec<u8>),
}

impl Deref for Content<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Copied(bytes) => bytes,
            Self::Made(bytes) => bytes,
        }
    }
}

/// A record on its way.
pub(super) struct Moving<'a> {
    pub(super) partition: u32,
    pub(super) kind: RecordKind,
    pub(super) key: Cow<'a, [u8]>,
    pub(super) hash: Hash,
    pub(super) value: Content<'a>,
    pub(super) sums: Sums,
    pub(super) align: u8,
    /// Bytes of its record in the old log.
    bytes: u64,
}

/// Records that become one frame.
#[derive(Default)]
pub(super) struct Load<'a> {
    pub(super) records: Vec<Moving<'a>>,
    /// Bytes of their records in the old log.
    pub(super) bytes: u64,
}

impl<'a> Load<'a> {
    fn push(&mut self, record: Moving<'a>) {
        self.bytes = self.bytes.saturating_add(record.bytes);
        self.records.push(record);
    }

    fn is_full(&self) -> bool {
        self.bytes >= FRAME || self.records.len() >= RECORDS
    }

    /// The same room, for other records.
    pub(super) fn emptied(mut self) -> Self {
        self.records.clear();
        self.bytes = 0;
        self
    }
}

/// A partition that is copied.
pub(super) struct Goal {
    pub(super) listed: Listed,
    pub(super) state: Arc<PartitionState>,
}

/// An entry that is left behind.
pub(super) struct Left {
    pub(super) collection: Arc<str>,
    pub(super) partition: String,
    pub(super) key: Vec<u8>,
    /// Whether there are arrays that can be looked at one by one.
    pub(super) has_arrays: bool,
    pub(super) error: Error,
}

/// Takes a load and gives room for another one; `None`: no more is wanted.
pub(super) type Take<'t, 'a> = &'t mut dyn FnMut(Load<'a>) -> Option<Load<'a>>;

/// Reads records for the store `to`.
pub(super) struct Reading<'s> {
    to: &'s Inner,
    /// Schemas that were read.
    schemas: HashSet<u32>,
    /// Whether small arrays share dictionaries that are the best for them.
    pub(super) shares: bool,
    /// The level by which they are encoded then; `None`: that of each.
    pub(super) level: Option<u32>,
    /// If what cannot be read is to be left behind: that.
    pub(super) left: Option<Vec<Left>>,
}

impl<'s> Reading<'s> {
    pub(super) fn new(to: &'s Inner) -> Self {
        Self {
            to,
            schemas: HashSet::new(),
            shares: false,
            level: None,
            left: None,
        }
    }

    /// Reads what `from` holds: the rows of names, then each partition in its order, and
    /// the schemas of its entries before these.
    pub(super) fn read_all<'a>(
        &mut self,
        from: Source<'a>,
        goals: &[Goal],
        take: Take<'_, 'a>,
    ) -> Result<()> {
        let mut load = Load::default();
        for (located, key) in from.catalog.rows_of_names(from.log)? {
            load.push(self.read(from.log, located, key.into())?);
            if load.is_full() && !pass_on(&mut load, take) {
                return Ok(());
            }
        }
        for goal in goals {
            if !self.read_partition(from, goal, &mut load, take)? {
                return Ok(());
            }
        }
        pass_on(&mut load, take);
        Ok(())
    }

    /// Whether more is wanted.
    fn read_partition<'a>(
        &mut self,
        from: Source<'a>,
        goal: &Goal,
        load: &mut Load<'a>,
        take: Take<'_, 'a>,
    ) -> Result<bool> {
        let Goal { listed, state } = goal;
        let log = from.log;
        let partition = &format!("{:?}/{:?}", listed.collection, listed.name);
        let (pinned, end) = state.index.pin(|| place(log.published()));
        let beside = state.beside(end);
        let sharing = self.sharing(from, state, &pinned, &beside)?;
        let [first, second] = DICTIONARY_KEYS;
        self.push_dictionary(state.id, first, &sharing, load)?;
        // Before the entries that they belong to, as a commit writes them.
        let chunks_first = !broken(Rule::ChunksCopiedFirst);
        if chunks_first && !self.read_chunks(from, goal, &pinned, &beside, load, take)? {
            return Ok(false);
        }
        // Not beside the other one.
        self.push_dictionary(state.id, second, &sharing, load)?;
        let mut walk = Walk::uncompared(Some(pinned.clone()), end);
        loop {
            let window = walk.next_window(log);
            let window = window.map_err(|error| damaged(log, error, partition))?;
            if window.is_empty() {
                return match chunks_first {
                    true => Ok(true),
                    false => self.read_chunks(from, goal, &pinned, &beside, load, take),
                };
            }
            let lender = log.lender();
            let mut coming = window.iter().skip(1);
            for &found in window {
                // While this one is hashed.
                if let Some(&next) = coming.next() {
                    Log::prefetch_value(lender, next);
                }
                let beside = (&beside, &sharing, state.align());
                self.read_entry(from, goal, partition, offset(found), beside, load)?;
                if load.is_full() && !pass_on(load, take) {
                    return Ok(false);
                }
            }
        }
    }

    /// Reads the entry at offset `at`, or leaves it behind.
    fn read_entry<'a>(
        &mut self,
        from: Source<'a>,
        Goal { listed, state }: &Goal,
        partition: &str,
        at: u64,
        beside: (&Beside, &Sharing, Option<u8>),
        load: &mut Load<'a>,
    ) -> Result<()> {
        let log = from.log;
        let (head, key) = log.head_and_key(at)?;
        let described = || describe_key(&key);
        let record = self.read(log, Located { at, head }, key.clone());
        let of_partition = |record: Moving<'a>| {
            if record.partition == state.id && record.kind.is_data() {
                return Ok(record);
            }
            let defect = Defect::Field {
                what: "the partition of a record that an index leads to",
                found: record.partition.into(),
                expected: "that of the index",
            };
            Err(log.corrupt(at, defect))
        };
        let read = record.and_then(of_partition).and_then(|record| {
            let located = Located { at, head };
            self.push_entry(from, record, located, beside, load)
        });
        match (read, &mut self.left) {
            (Err(error @ Error::Corrupt { .. }), Some(left)) => left.push(Left {
                collection: Arc::clone(&listed.collection),
                partition: listed.name.clone(),
                key: key.into_owned(),
                has_arrays: head.kind == RecordKind::Entry,
                error,
            }),
            (read, _) => read.map_err(|error| unreadable(error, described(), partition))?,
        }
        Ok(())
    }

    /// What the partition with this id has in common there.
    fn sharing(
        &self,
        from: Source<'_>,
        partition: &PartitionState,
        pinned: &Pinned,
        beside: &Beside,
    ) -> Result<Sharing> {
        let sharing = match self.shares {
            true => Sharing::best(partition, pinned, beside, from, self.level),
            false => Sharing::as_it_is(partition.id, beside, from),
        };
        match sharing {
            // The entries that need it are left behind.
            Err(Error::Corrupt { .. }) if self.left.is_some() => Ok(Sharing::none()),
            sharing => sharing,
        }
    }

    /// Loads a copy of the dictionary, if there is one.
    fn push_dictionary(
        &self,
        partition: u32,
        key: &'static [u8],
        sharing: &Sharing,
        load: &mut Load<'_>,
    ) -> Result<()> {
        let Some(dictionary) = sharing.dictionary() else {
            return Ok(());
        };
        let value = dictionary.bytes().to_vec();
        load.push(Moving {
            partition: Side::Chunks.id(partition),
            kind: RecordKind::Chunk,
            hash: self.to.hash(key)?,
            key: key.into(),
            sums: Sums::of(&[&value], value.len() as u64),
            value: Content::Made(value),
            align: PACKED,
            bytes: 0,
        });
        Ok(())
    }

    /// Loads the record of an entry, with its amendments folded into it. `align` is the log2
    /// of the alignment that its partition asks for.
    fn push_entry<'a>(
        &mut self,
        from: Source<'_>,
        record: Moving<'a>,
        located: Located,
        (beside, sharing, align): (&Beside, &Sharing, Option<u8>),
        load: &mut Load<'a>,
    ) -> Result<()> {
        let nothing = (beside.amendments.is_none() && beside.chunks.is_none())
            || broken(Rule::AmendmentsFolded);
        if (nothing && !sharing.is_at_work()) || record.kind != RecordKind::Entry {
            return self.push_with_schema(from, record, load);
        }
        let entry = from.entry(&record.key, located, beside)?;
        // What lacks a chunk is not taken for whole, and its arrays are looked at one by one.
        if self.left.is_some() {
            verify_chunks(&entry.chunked()?)?;
            entry.check_dictionary()?;
        }
        match entry.is_amended() || sharing.renews(&entry)? {
            true => self.push_anew(from, record, &entry, (sharing, align), load),
            false => self.push_with_schema(from, record, load),
        }
    }

    /// The arrays of a partition that are chunked, but for those of entries that are left
    /// behind: what is damaged is told when its turn comes.
    fn chunked_arrays(
        &self,
        from: Source<'_>,
        entries: &Pinned,
        beside: &Beside,
    ) -> Result<HashSet<ArrayId>> {
        let leaves = self.left.is_some();
        let mut arrays = HashSet::new();
        let damage = from.chunked_arrays(entries.clone(), beside, &mut |_, chunked| {
            if leaves {
                verify_chunks(chunked)?;
            }
            arrays.extend(chunked.iter().map(|(_, id)| *id));
            Ok(())
        })?;
        match damage {
            Some(damage) if !leaves => Err(damage),
            _ => Ok(arrays),
        }
    }

    /// Loads an entry that is encoded anew, as one record.
    fn push_anew<'a>(
        &mut self,
        from: Source<'_>,
        record: Moving<'a>,
        entry: &Entry,
        (sharing, align): (&Sharing, Option<u8>),
        load: &mut Load<'a>,
    ) -> Result<()> {
        let shared = sharing.shared();
        let stays = match shared {
            None => Stays::All,
            Some(_) => Stays::Long,
        };
        let Some(parts) = entry.parts(stays)? else {
            return self.push_with_schema(from, record, load);
        };
        let specs = parts.specs();
        let mut plan = crate::array::plan_with(&specs, &parts.attrs, shared)?;
        plan.align_arrays(align);
        let known = from.catalog.known_schema(from.log, &plan)?;
        let to = self.to;
        let schema = match known {
            Some(known) => known,
            // What is read from is a state that gives out no ids.
            None => to.catalog.intern_plan(&to.log, &mut plan)?,
        };
        if self.schemas.insert(schema.id) {
            // The old file may not have it.
            for row in schema.rows() {
                load.push(self.row(row)?);
            }
        }
        let value = plan.pieces(schema.id).parts.concat();
        load.push(Moving {
            sums: Sums::of(&[&value], value.len() as u64),
            align: frame_align(&value),
            value: Content::Made(value),
            ..record
        });
        Ok(())
    }

    /// Reads the chunks of the arrays of a partition; whether more is wanted.
    fn read_chunks<'a>(
        &mut self,
        from: Source<'a>,
        Goal { state, .. }: &Goal,
        entries: &Pinned,
        beside: &Beside,
        load: &mut Load<'a>,
        take: Take<'_, 'a>,
    ) -> Result<bool> {
        if beside.chunks.is_none() {
            return Ok(true);
        }
        let arrays = self.chunked_arrays(from, entries, beside)?;
        let log = from.log;
        let mut walk = Walk::uncompared(beside.chunks.clone(), beside.end);
        loop {
            let window = walk.next_window(log)?;
            if window.is_empty() {
                return Ok(true);
            }
            for &found in window {
                let at = offset(found);
                let (head, key) = log.head_and_key(at)?;
                let array = crate::array::array_of_key(&key);
                if head.partition != Side::Chunks.id(state.id)
                    || !array.is_some_and(|array| arrays.contains(&array))
                {
                    continue;
                }
                load.push(self.read(log, Located { at, head }, key)?);
                if load.is_full() && !pass_on(load, take) {
                    return Ok(false);
                }
            }
        }
    }

    /// Reads a batch, which stays whole.
    pub(super) fn read_batch(
        &mut self,
        from: Source<'_>,
        batch: &[Found<'_>],
    ) -> Result<Load<'static>> {
        let mut load = Load::default();
        for &Found { at, head, key, .. } in batch {
            if let Some(id) = Catalog::schema_of_row(head.partition, key) {
                self.schemas.insert(id);
            }
            let record = self.read_kept(from.log, Located { at, head }, key);
            let record = record.map_err(|error| {
                let partition = format!("partition {}", head.partition);
                unreadable(error, describe_key(key), &partition)
            })?;
            self.push_with_schema(from, record, &mut load)?;
        }
        Ok(load)
    }

    /// Reads a record, whose sum is compared with its bytes.
    fn read<'a>(
        &self,
        log: &'a Arc<Log>,
        located: Located,
        key: Cow<'a, [u8]>,
    ) -> Result<Moving<'a>> {
        let value = match log.lend_value(&located) {
            Some(lent) => Content::Lent(lent?),
            None => Content::Copied(log.bytes(&located)?),
        };
        self.compare(log, located, key, value)
    }

    /// As [`Self::read`], with references that keep what was read.
    fn read_kept(&self, log: &Log, located: Located, key: &[u8]) -> Result<Moving<'static>> {
        let value = Content::Copied(log.bytes(&located)?);
        self.compare(log, located, key.to_vec().into(), value)
    }

    fn compare<'a>(
        &self,
        log: &Log,
        located: Located,
        key: Cow<'a, [u8]>,
        value: Content<'a>,
    ) -> Result<Moving<'a>> {
        let head = located.head;
        let sums = Sums::of(&[&value], head.value_len());
        log.check_sums(&located, sums.all())?;
        Ok(Moving {
            partition: head.partition,
            kind: head.kind,
            hash: self.to.hash(&key)?,
            key,
            value,
            sums,
            align: head.align(),
            bytes: head.end(),
        })
    }

    fn push_with_schema<'a>(
        &mut self,
        from: Source<'_>,
        record: Moving<'a>,
        load: &mut Load<'a>,
    ) -> Result<()> {
        let log = from.log;
        if let RecordKind::Entry | RecordKind::Amendment = record.kind {
            let id = crate::array::schema_id(&record.value);
            let id = id.map_err(|defect| log.corrupt(log.published(), defect))?;
            if self.schemas.insert(id) {
                for row in from.catalog.interning(log, id)?.rows() {
                    load.push(self.row(row)?);
                }
            }
        }
        load.push(record);
        Ok(())
    }

    fn row(&self, row: Row) -> Result<Moving<'static>> {
        let value = row.value.unwrap_or_default();
        let align = value_align(value.len() as u64, None);
        Ok(Moving {
            partition: CATALOG,
            kind: RecordKind::Put,
            hash: self.to.hash(&row.key)?,
            key: row.key.into(),
            sums: Sums::of(&[&value], value.len() as u64),
            value: Content::Made(value),
            align,
            bytes: 0,
        })
    }
}

/// Fails if a chunk of these arrays cannot be read.
fn verify_chunks(chunked: &[(Array, ArrayId)]) -> Result<()> {
    let mut arrays = chunked.iter();
    arrays.try_for_each(|(array, _)| array.verify_chunks())
}

/// Gives `take` what was loaded; whether more is wanted.
fn pass_on<'a>(load: &mut Load<'a>, take: Take<'_, 'a>) -> bool {
    match take(std::mem::take(load)) {
        Some(room) => *load = room,
        None => return false,
    }
    true
}

/// The error of a record at the place of `error`, if one stands there, with its key.
fn damaged(log: &Log, error: Error, partition: &str) -> Error {
    match &error {
        Error::Corrupt { at, .. } => match log.head_and_key(*at) {
            Ok((_, key)) => {
                let key = describe_key(&key);
                unreadable(error, key, partition)
            }
            Err(_) => error,
        },
        _ => error,
    }
}

/// The error of a record that cannot be copied, with its key.
fn unreadable(error: Error, key: String, partition: &str) -> Error {
    match error {
        Error::Corrupt { .. } => Error::Damaged {
            key,
            partition: partition.to_owned(),
            source: Box::new(error),
        },
        other => other,
    }
}
