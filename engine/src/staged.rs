//! Operations that wait for their commit, with copies of their keys and values.

mod drafts;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::arena::{Arena, Gathered, Pool, Span};
use crate::array::{frame_align, is_plain_block};
use crate::catalog::{Interning, Kept, Side};
use crate::condition::Condition;
use crate::error::Result;
use crate::format::record::{RecordKind, value_hash};
use crate::format::{BLOCK, PACKED, value_align};
use crate::index::Hash;
use crate::log::{OpValue, wide_blocks};

pub(crate) use drafts::{Draft, NewDraft, Part, Stamp};

/// A partition by its names, and what they lead to once they were looked up.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) collection: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) kept: Kept,
}

impl Target {
    pub(crate) fn new(collection: &str, name: &str) -> Self {
        Self {
            collection: collection.into(),
            name: name.into(),
            kept: Kept::default(),
        }
    }
}

/// One operation, ready for the log but for the partition, which may not exist yet.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) target: &'a Target,
    /// `None`: the entries.
    pub(crate) side: Option<Side>,
    pub(crate) kind: RecordKind,
    pub(crate) key: &'a [u8],
    pub(crate) hash: Hash,
    pub(crate) value: OpValue<'a>,
}

impl Change<'_> {
    /// Log2 of the alignment of its value, in a partition that asks for 2^`asked`: what has to
    /// be decoded is not lent and needs none.
    pub(crate) fn align(&self, asked: Option<u8>) -> u8 {
        let start = self.value.start();
        let most = value_align(self.value.len(), asked);
        match self.kind {
            // Of a frame that is copied a stranger may have said it.
            RecordKind::Entry | RecordKind::Amendment => frame_align(start).min(most),
            RecordKind::Chunk if !is_plain_block(start) => PACKED,
            _ => most,
        }
    }

    /// Whether it leaves nothing at its key.
    pub(crate) fn removes(&self) -> bool {
        self.kind == RecordKind::Tombstone
    }
}

/// The sums of a value.
#[derive(Debug)]
pub(crate) enum Sums {
    /// Of all of it.
    Small(u64),
    /// Of its blocks.
    Wide(Vec<u64>),
}

impl Sums {
    /// The sums of the value in `pieces`: one piece if it is less than a block.
    pub(crate) fn of(pieces: &[&[u8]], len: u64) -> Self {
        if len >= BLOCK {
            return Self::Wide(wide_blocks(pieces, len));
        }
        Self::Small(value_hash(pieces.first().copied().unwrap_or_default()))
    }

    /// The sums, in order.
    pub(crate) fn all(&self) -> &[u64] {
        match self {
            Self::Small(sum) => std::slice::from_ref(sum),
            Self::Wide(sums) => sums,
        }
    }

    /// The value with its sums.
    pub(crate) fn value<'a>(&'a self, pieces: &'a [&'a [u8]], len: u64) -> OpValue<'a> {
        match self {
            Self::Small(hash) => OpValue::Small(pieces.first().copied().unwrap_or_default(), *hash),
            Self::Wide(blocks) => OpValue::Wide(pieces, len, blocks),
        }
    }
}

#[derive(Debug)]
struct StagedOp {
    target: usize,
    side: Option<Side>,
    kind: RecordKind,
    hash: Hash,
    key: Range<usize>,
    value: Span,
    sums: Sums,
    /// Whether a later one made it needless.
    void: bool,
}

/// What the store has to have at a key when the operations are committed.
#[derive(Debug)]
struct Guard {
    target: usize,
    hash: Hash,
    key: Range<usize>,
    condition: Condition,
}

/// Number of the last operation by partition and key.
type Overlay = HashMap<(usize, Box<[u8]>), usize>;

/// Operations in the order of their calls.
#[derive(Debug)]
pub(crate) struct Staged {
    values: Arena,
    keys: Vec<u8>,
    ops: Vec<StagedOp>,
    guards: Vec<Guard>,
    targets: Vec<Target>,
    by_name: HashMap<(Arc<str>, Arc<str>), usize>,
    /// Schemas that the values need, all of them: by the commit another generation of the
    /// file may serve, which has those alone that its entries use.
    schemas: Vec<Interning>,
    /// Their places there, by id.
    schema_ids: HashMap<u32, usize>,
    /// The last operation on each key; made when the first one asks.
    overlay: Option<Overlay>,
    /// The operation on each chunk; likewise.
    chunks: Option<Overlay>,
    /// Entries whose parts were changed, by partition and key.
    drafts: HashMap<(usize, Box<[u8]>), Draft>,
    /// Number of changes of parts so far.
    changes: u64,
    /// Number of operations that later ones made needless.
    void: usize,
}

/// What the operations so far make of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Overlaid<'a> {
    /// Nothing was said about it.
    Untouched,
    /// It was removed.
    Removed,
    /// It was written.
    Written(RecordKind, &'a [u8]),
    /// Parts of it were changed: what that makes of it, and the frame of that.
    Changed(&'a Draft, &'a [u8]),
}

impl Staged {
    /// No operations yet, with room from `pool`, for the store at `path`.
    pub(crate) fn new(pool: &Arc<Pool>, path: &Path) -> Self {
        Self {
            values: Arena::new(pool, path),
            keys: Vec::new(),
            ops: Vec::new(),
            guards: Vec::new(),
            targets: Vec::new(),
            by_name: HashMap::new(),
            schemas: Vec::new(),
            schema_ids: HashMap::new(),
            overlay: None,
            chunks: None,
            drafts: HashMap::new(),
            changes: 0,
            void: 0,
        }
    }

    /// Number of operations.
    pub(crate) fn len(&self) -> usize {
        self.ops.len().saturating_sub(self.void)
    }

    /// The schema with an id, if it was noted.
    pub(crate) fn schema(&self, id: u32) -> Option<&Interning> {
        self.schemas.get(*self.schema_ids.get(&id)?)
    }

    /// Notes a schema that a value needs.
    pub(crate) fn note_schema(&mut self, schema: Interning) {
        if let Entry::Vacant(place) = self.schema_ids.entry(schema.id) {
            place.insert(self.schemas.len());
            self.schemas.push(schema);
        }
    }

    /// The schemas that were noted.
    pub(crate) fn schemas(&self) -> &[Interning] {
        &self.schemas
    }

    /// Number of a partition in this batch.
    pub(crate) fn target(&mut self, collection: &str, name: &str) -> usize {
        // Writes to one partition follow each other.
        let is_it = |target: &Target| &*target.name == name && &*target.collection == collection;
        if let Some(last) = self.ops.last().map(|op| op.target)
            && self.targets.get(last).is_some_and(is_it)
        {
            return last;
        }
        let pair = (Arc::from(collection), Arc::from(name));
        if let Some(&number) = self.by_name.get(&pair) {
            return number;
        }
        let number = self.targets.len();
        self.targets.push(Target::new(collection, name));
        self.by_name.insert(pair, number);
        number
    }

    /// The partition with a number.
    pub(crate) fn target_at(&self, number: usize) -> Option<&Target> {
        self.targets.get(number)
    }

    /// Adds an operation. Key and value are copied; the copy is what is summed, so that
    /// a caller who changes a buffer meanwhile spoils its own value only. Fails if the
    /// temporary file of a large batch cannot be written; then nothing was added.
    pub(crate) fn push(
        &mut self,
        target: usize,
        kind: RecordKind,
        hash: Hash,
        key: &[u8],
        pieces: &[&[u8]],
    ) -> io::Result<()> {
        let value = self.values.copy(pieces)?;
        let sums = Sums::of(&[self.values.bytes(value)], value.len() as u64);
        self.stage((target, None), kind, hash, key, value, sums);
        Ok(())
    }

    /// As [`Staged::push`], of an entry and the chunks that it needs: all or nothing.
    pub(crate) fn push_entry(
        &mut self,
        target: usize,
        hash: Hash,
        key: &[u8],
        pieces: &[&[u8]],
        chunks: &[Part<'_>],
    ) -> io::Result<()> {
        let value = self.values.copy(pieces)?;
        let sums = Sums::of(&[self.values.bytes(value)], value.len() as u64);
        self.push_chunks(target, chunks)?;
        let kind = RecordKind::Entry;
        self.stage((target, None), kind, hash, key, value, sums);
        Ok(())
    }

    /// As [`Staged::push`], for a plain value that was gathered and summed before.
    pub(crate) fn push_gathered(
        &mut self,
        target: usize,
        hash: Hash,
        key: &[u8],
        value: Gathered,
        sums: Sums,
    ) -> io::Result<()> {
        let value = self.values.take(value)?;
        self.stage((target, None), RecordKind::Put, hash, key, value, sums);
        Ok(())
    }

    fn stage(
        &mut self,
        (target, side): (usize, Option<Side>),
        kind: RecordKind,
        hash: Hash,
        key: &[u8],
        value: Span,
        sums: Sums,
    ) {
        let key_range = self.keep(key);
        if side.is_none() {
            self.forget_draft(target, key);
        }
        let overlay = match side {
            None => self.overlay.as_mut(),
            Some(Side::Chunks) => self.chunks.as_mut(),
            Some(Side::Amendments) => None,
        };
        if let Some(overlay) = overlay {
            overlay.insert((target, key.into()), self.ops.len());
        }
        self.ops.push(StagedOp {
            target,
            side,
            kind,
            hash,
            key: key_range,
            value,
            sums,
            void: false,
        });
    }

    /// Asks that `condition` holds at `key` when the operations are committed. Where
    /// earlier ones have decided what is at the key, it is they that are asked, now.
    pub(crate) fn require(
        &mut self,
        target: usize,
        hash: Hash,
        key: &[u8],
        condition: Condition,
    ) -> Result<()> {
        if condition == Condition::Always {
            return Ok(());
        }
        match self.overlaid(target, key) {
            Overlaid::Untouched => {}
            Overlaid::Removed => return condition.check(key, None),
            Overlaid::Written(..) | Overlaid::Changed(..) => {
                return Err(condition.conflict(key, "a write of the same batch"));
            }
        }
        self.guard(target, hash, key, condition);
        Ok(())
    }

    /// Asks that `condition` holds in the store at `key`, whatever earlier operations make of
    /// it.
    pub(crate) fn guard(&mut self, target: usize, hash: Hash, key: &[u8], condition: Condition) {
        let key = self.keep(key);
        self.guards.push(Guard {
            target,
            hash,
            key,
            condition,
        });
    }

    /// Gives `check` what was required, in the order of the calls, and then the versions that
    /// were changed.
    pub(crate) fn check(
        &self,
        mut check: impl FnMut(&Target, Hash, &[u8], Condition) -> Result<()>,
    ) -> Result<()> {
        for guard in &self.guards {
            if let Some(target) = self.targets.get(guard.target) {
                let key = self.keys.get(guard.key.clone()).unwrap_or_default();
                check(target, guard.hash, key, guard.condition)?;
            }
        }
        for (draft, op) in self.drafts_in_order() {
            if let (Some(version), Some(target)) = (draft.base, self.targets.get(op.target)) {
                check(target, op.hash, self.key(op), Condition::Version(version))?;
            }
        }
        Ok(())
    }

    /// Copies a key.
    fn keep(&mut self, key: &[u8]) -> Range<usize> {
        let at = self.keys.len();
        self.keys.extend_from_slice(key);
        at..self.keys.len()
    }

    /// What the operations so far make of a key.
    pub(crate) fn overlaid(&mut self, target: usize, key: &[u8]) -> Overlaid<'_> {
        let number = self.last(target, key);
        let draft = match self.drafts.is_empty() {
            true => None,
            false => self.drafts.get(&(target, Box::from(key))),
        };
        if let Some(draft) = draft
            && let Some(op) = self.ops.get(draft.op)
        {
            return Overlaid::Changed(draft, self.values.bytes(op.value));
        }
        match number.and_then(|number| self.ops.get(number)) {
            None => Overlaid::Untouched,
            Some(op) if op.kind == RecordKind::Tombstone => Overlaid::Removed,
            Some(op) => Overlaid::Written(op.kind, self.values.bytes(op.value)),
        }
    }

    /// Number of the last operation on a key.
    fn last(&mut self, target: usize, key: &[u8]) -> Option<usize> {
        if self.overlay.is_none() {
            self.overlay = Some(self.by_key(None));
        }
        let overlay = self.overlay.as_ref()?;
        overlay.get(&(target, Box::from(key))).copied()
    }

    /// Number of the last operation by partition and key.
    fn by_key(&self, side: Option<Side>) -> Overlay {
        let last = self.ops.iter().enumerate();
        let last = last.filter(|(_, op)| op.side == side && !op.void);
        let last = last.map(|(number, op)| ((op.target, self.key(op).into()), number));
        last.collect()
    }

    fn key(&self, op: &StagedOp) -> &[u8] {
        self.keys.get(op.key.clone()).unwrap_or_default()
    }

    /// Each value, for [`Staged::changes`] to borrow.
    pub(crate) fn values(&self) -> Vec<&[u8]> {
        self.ops
            .iter()
            .map(|op| self.values.bytes(op.value))
            .collect()
    }

    /// The operations, for the commit: of a partition that has others than entries chunks
    /// stand before the entries that have them, and amendments behind all.
    pub(crate) fn changes<'a>(&'a self, values: &'a [&'a [u8]]) -> Vec<Change<'a>> {
        let change = |(op, value): (&'a StagedOp, &'a &'a [u8])| {
            Some(Change {
                target: self.targets.get(op.target).filter(|_| !op.void)?,
                side: op.side,
                kind: op.kind,
                key: self.key(op),
                hash: op.hash,
                value: op
                    .sums
                    .value(std::slice::from_ref(value), value.len() as u64),
            })
        };
        let turn = |change: &Change<'_>| match change.side {
            Some(Side::Chunks) => 0,
            None => 1,
            Some(Side::Amendments) => 2,
        };
        let changes = self.ops.iter().zip(values).filter_map(change);
        let mut changes: Vec<Change<'a>> = changes.collect();
        if !changes.is_sorted_by_key(turn) {
            changes.sort_by_key(turn);
        }
        changes
    }
}
