//! Entries in the making: what changes of parts leave of them.
//!
//! A change of a part is made at its call, to the entry as the batch leaves it: that of the
//! store, whose version is noted, or one that the batch wrote. The operation that has the
//! result is replaced with each change, a chunk too that is written again. Its frame is one
//! that may have different sizes of one dim; the commit makes a proper one of it.

use std::io;
use std::sync::Arc;

use super::{Overlay, Staged, StagedOp, Sums};
use crate::arena::{Arena, Span};
use crate::array::Schema;
use crate::catalog::Side;
use crate::condition::{Condition, Version};
use crate::format::record::RecordKind;
use crate::index::Hash;

/// An entry in the making.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// Number of the operation that has its frame.
    pub(super) op: usize,
    /// Of the frame; no store has it.
    pub(crate) schema: Arc<Schema>,
    /// The version of the store that the frame amends; `None`: it is a whole entry.
    pub(crate) base: Option<Version>,
    /// Numbers of the operations on chunks that changes brought.
    chunks: Vec<usize>,
    /// Number of the last change.
    change: u64,
}

/// What a change makes of an entry.
#[derive(Debug)]
pub(crate) struct NewDraft<'a> {
    pub(crate) hash: Hash,
    pub(crate) key: &'a [u8],
    pub(crate) base: Option<Version>,
    pub(crate) schema: Arc<Schema>,
    /// The frame.
    pub(crate) pieces: &'a [&'a [u8]],
    pub(crate) chunks: &'a [Part<'a>],
}

/// A chunk that is staged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) hash: Hash,
    pub(crate) key: &'a [u8],
    pub(crate) block: &'a [u8],
}

/// Tells whether something was said about a key since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    op: Option<usize>,
    change: Option<u64>,
}

impl Staged {
    /// What has been said about a key so far.
    pub(crate) fn stamp(&mut self, target: usize, key: &[u8]) -> Stamp {
        let op = self.last(target, key);
        let draft = self.drafts.get(&(target, Box::from(key)));
        Stamp {
            op,
            change: draft.map(|draft| draft.change),
        }
    }

    /// The block of a chunk that was staged.
    pub(crate) fn chunk(&mut self, target: usize, key: &[u8]) -> Option<&[u8]> {
        let number = *self.chunks().get(&(target, Box::from(key)))?;
        let op = self.ops.get(number)?;
        Some(self.values.bytes(op.value))
    }

    /// Notes what a change makes of an entry that is there: all of it or, if there is no room
    /// for it, nothing.
    pub(crate) fn draft(&mut self, target: usize, new: &NewDraft<'_>) -> io::Result<()> {
        let last = self.last(target, new.key);
        let (op, chunks) = match self.drafts.get(&(target, Box::from(new.key))) {
            Some(draft) => (Some(draft.op), draft.chunks.clone()),
            None => (last.filter(|_| new.base.is_none()), Vec::new()),
        };
        self.make_draft(target, new, op, chunks)
    }

    /// Gives an entry in the making another key, under which it is whole.
    pub(crate) fn move_draft(
        &mut self,
        target: usize,
        (hash, key): (Hash, &[u8]),
        new: &NewDraft<'_>,
    ) -> io::Result<()> {
        let old = self.drafts.get(&(target, Box::from(key))).cloned();
        let chunks = old.as_ref().map(|draft| draft.chunks.clone());
        self.make_draft(target, new, None, chunks.unwrap_or_default())?;
        if let Some(draft) = old {
            self.drafts.remove(&(target, Box::from(key)));
            self.make_void(draft.op);
            if let Some(version) = draft.base {
                self.guard(target, hash, key, Condition::Version(version));
            }
        }
        self.push(target, RecordKind::Tombstone, hash, key, &[])
    }

    /// Takes the frame that the commit writes for one of [`Staged::drafted`].
    pub(crate) fn finish_draft(&mut self, number: usize, pieces: &[&[u8]]) -> io::Result<()> {
        let value = self.room_for(Some(number), pieces)?;
        self.put(number, value, pieces);
        Ok(())
    }

    /// Number of its operation, partition and key of each entry in the making.
    pub(crate) fn drafted(&self) -> Vec<(usize, usize, Vec<u8>)> {
        let drafts = self.drafts_in_order().into_iter();
        drafts
            .map(|(draft, op)| (draft.op, op.target, self.key(op).to_vec()))
            .collect()
    }

    pub(super) fn drafts_in_order(&self) -> Vec<(&Draft, &StagedOp)> {
        let mut drafts: Vec<&Draft> = self.drafts.values().collect();
        drafts.sort_unstable_by_key(|draft| draft.op);
        let drafts = drafts.into_iter();
        drafts
            .filter_map(|draft| Some((draft, self.ops.get(draft.op)?)))
            .collect()
    }

    /// An entry in the making is written or removed whole: what was changed of it counts no
    /// more.
    pub(super) fn forget_draft(&mut self, target: usize, key: &[u8]) {
        if self.drafts.is_empty() {
            return;
        }
        if let Some(draft) = self.drafts.remove(&(target, Box::from(key))) {
            self.make_void(draft.op);
            for chunk in draft.chunks {
                self.make_void(chunk);
            }
        }
    }

    /// Stages chunks; none if there is no room for all.
    pub(super) fn push_chunks(
        &mut self,
        target: usize,
        chunks: &[Part<'_>],
    ) -> io::Result<Vec<usize>> {
        let mut places = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            // Those of a batch that has not changed parts are all new.
            let known = self.chunks.as_ref();
            let number = known.and_then(|known| known.get(&(target, Box::from(chunk.key))));
            let number = number.copied();
            places.push((number, self.room_for(number, &[chunk.block])?));
        }
        let mut new = Vec::new();
        for (chunk, (number, value)) in chunks.iter().zip(places) {
            let block = [chunk.block];
            match (number, value) {
                (Some(number), value) => self.put(number, value, &block),
                (None, Some(value)) => {
                    new.push(self.ops.len());
                    let sums = Sums::of(&block, chunk.block.len() as u64);
                    let side = Side::Chunks;
                    let place = (target, Some(side));
                    self.stage(place, side.kind(), chunk.hash, chunk.key, value, sums);
                }
                (None, None) => {}
            }
        }
        Ok(new)
    }

    /// Notes an entry in the making in the place of the operation `op`, or as a new one.
    fn make_draft(
        &mut self,
        target: usize,
        new: &NewDraft<'_>,
        op: Option<usize>,
        mut chunks: Vec<usize>,
    ) -> io::Result<()> {
        let value = self.room_for(op, new.pieces)?;
        self.chunks();
        chunks.append(&mut self.push_chunks(target, new.chunks)?);
        let op = match (op, value) {
            (Some(number), value) => {
                self.put(number, value, new.pieces);
                number
            }
            (None, value) => {
                let Some(value) = value else { return Ok(()) };
                let sums = Sums::of(&[self.values.bytes(value)], value.len() as u64);
                let side = new.base.map(|_| Side::Amendments);
                let kind = side.map_or(RecordKind::Entry, Side::kind);
                self.stage((target, side), kind, new.hash, new.key, value, sums);
                self.ops.len().saturating_sub(1)
            }
        };
        self.changes = self.changes.saturating_add(1);
        let draft = Draft {
            op,
            schema: Arc::clone(&new.schema),
            base: new.base,
            chunks,
            change: self.changes,
        };
        self.drafts.insert((target, new.key.into()), draft);
        Ok(())
    }

    /// Numbers of the operations on chunks.
    fn chunks(&mut self) -> &Overlay {
        let chunks = self.chunks.take();
        let chunks = chunks.unwrap_or_else(|| self.by_key(Some(Side::Chunks)));
        self.chunks.insert(chunks)
    }

    /// A copy of a value, but of one that the operation `number` has room for.
    fn room_for(&mut self, number: Option<usize>, pieces: &[&[u8]]) -> io::Result<Option<Span>> {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        let op = number.and_then(|number| self.ops.get(number));
        match op.is_some_and(|op| Arena::has_room_in(op.value, len)) {
            true => Ok(None),
            false => self.values.copy(pieces).map(Some),
        }
    }

    /// Gives an operation another value: the copy that [`Self::room_for`] made, or in its own
    /// room.
    fn put(&mut self, number: usize, value: Option<Span>, pieces: &[&[u8]]) {
        let Some(op) = self.ops.get_mut(number) else {
            return;
        };
        op.value = match value {
            Some(value) => value,
            None => self.values.overwrite(op.value, pieces),
        };
        op.sums = Sums::of(&[self.values.bytes(op.value)], op.value.len() as u64);
    }

    fn make_void(&mut self, number: usize) {
        let Some(op) = self.ops.get_mut(number).filter(|op| !op.void) else {
            return;
        };
        op.void = true;
        self.void = self.void.saturating_add(1);
        if op.side == Some(Side::Chunks)
            && let Some(chunks) = &mut self.chunks
        {
            let key = self.keys.get(op.key.clone()).unwrap_or_default();
            chunks.remove(&(op.target, Box::from(key)));
        }
    }
}
