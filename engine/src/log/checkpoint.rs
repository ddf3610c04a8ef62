//! Saving the index: a checkpoint.
//!
//! 1. Under the writer's lock the indexes that have something new are frozen: from here on
//!    they grow in new tables, and here replay will start.
//! 2. Without the lock what was frozen is packed into segments, merged with older ones.
//!    Room for them is taken in SPACE frames, each appended under the lock by its header
//!    alone, and filled afterwards: no commit waits for it.
//! 3. Under the lock the CHECKPOINT frame is appended: the roots of the partitions, a
//!    segment of partition 0 that leads to them, the checkpoint record. The new segments
//!    take the place of what was frozen.
//! 4. The live page names it, which holds while the system runs on. Without the lock
//!    everything is synced; then a slot names it for good.

use std::collections::HashSet;

use super::fill::{Filler, Frame};
use super::{Log, Tip};
use crate::error::{Error, Result};
use crate::format::checkpoint::{
    Checkpoint, Dead, MAX_LISTED, NextIds, Root, SegmentRef, root_key,
};
use crate::format::frame::{FrameKind, HEADER_LEN};
use crate::format::record::{self, Head, RecordKind};
use crate::format::{LOG_START, PACKED, offset, place, segment, value_align};
use crate::index::{DeadBits, Frozen, Hash, Merge, Packed, PartitionIndex, Segment};
use crate::mutant::{Rule, broken};

/// Segments are written together until they have so many bytes: a store of many small
/// partitions is written in a few calls.
const ROOM: u64 = 8 << 20;

/// A partition whose index may have to be saved.
#[derive(Clone, Debug)]
pub(crate) struct Goal<I> {
    pub(crate) id: u32,
    pub(crate) index: I,
}

/// What a checkpoint saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    /// Partitions whose index was written.
    pub(crate) partitions: u64,
    /// Bytes that it added to the file.
    pub(crate) bytes: u64,
}

/// A record that waits for its place in the file.
struct Unplaced {
    goal: usize,
    content: Content,
}

enum Content {
    Segment(Packed),
    Dead(usize, DeadBits),
}

/// A partition on its way.
struct Work<I> {
    goal: Goal<I>,
    frozen: Frozen,
    root: Root,
    /// The new segment, opened.
    new: Option<Segment>,
    /// Place of the root before; 0 = none.
    previous: u64,
    /// Entries of the segments before.
    before: u64,
}

/// Records that wait, and their bytes.
#[derive(Default)]
struct Room {
    records: Vec<Unplaced>,
    len: u64,
}

impl Room {
    fn push(&mut self, goal: usize, content: Content) {
        self.len = self.len.saturating_add(content.len());
        self.records.push(Unplaced { goal, content });
    }
}

/// What is filled in about a partition when its records have their places.
struct Target<'a> {
    id: u32,
    root: &'a mut Root,
    new: &'a mut Option<Segment>,
}

fn targets<I>(works: &mut [Work<I>]) -> Vec<Target<'_>> {
    let targets = works.iter_mut().map(|work| Target {
        id: work.goal.id,
        root: &mut work.root,
        new: &mut work.new,
    });
    targets.collect()
}

impl Content {
    fn kind(&self) -> RecordKind {
        match self {
            Self::Segment(_) => RecordKind::Segment,
            Self::Dead(..) => RecordKind::Dead,
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::Segment(packed) => packed.len(),
            Self::Dead(_, bits) => bits.len(),
        }
    }

    fn pieces(&self) -> Vec<&[u8]> {
        match self {
            Self::Segment(packed) => packed.pieces().to_vec(),
            Self::Dead(_, bits) => bits.pieces().to_vec(),
        }
    }
}

impl Log {
    /// Saves the indexes of `goals` that have something new, and that of partition 0.
    /// `goals` and `next` are asked under the writer's lock. `None`: nothing was new.
    pub(crate) fn checkpoint<I: AsRef<PartitionIndex>>(
        &self,
        catalog: &PartitionIndex,
        goals: impl FnOnce() -> Vec<Goal<I>>,
        next: impl FnOnce() -> NextIds,
        merge: Merge,
    ) -> Result<Option<Saved>> {
        if !self.owns_writer() {
            // In a fork another thread may have held that lock.
            self.writer("take a checkpoint")?;
        }
        let _one_at_a_time = self.checkpointing.lock();
        let mut guard = self.writer("take a checkpoint")?;
        // What is saved, the number of entries too, is what everybody sees.
        guard.settle()?;
        let from = guard.tip();
        let goals: Vec<Goal<I>> = goals()
            .into_iter()
            .filter(|goal| goal.index.as_ref().is_dirty())
            .collect();
        if goals.is_empty() && !catalog.is_dirty() {
            return Ok(None);
        }
        guard.start_checkpoint();
        let frozen_catalog = catalog.freeze(place(from.end), Merge::AllButFirst);
        let mut works: Vec<Work<I>> = goals
            .into_iter()
            .map(|goal| Work {
                frozen: goal.index.as_ref().freeze(place(from.end), merge),
                root: Root::default(),
                new: None,
                previous: 0,
                before: goal.index.as_ref().mapped_entries(),
                goal,
            })
            .collect();
        let next = next();
        drop(guard);
        let result = self.save(catalog, frozen_catalog, &mut works, from, next);
        if result.is_err() {
            // Under the lock, if this process still may write.
            let _guard = self.writer("give up a checkpoint");
            let end = place(self.published());
            catalog.thaw(end);
            for work in &works {
                work.goal.index.as_ref().thaw(end);
            }
        }
        result.map(Some)
    }

    fn save<I: AsRef<PartitionIndex>>(
        &self,
        catalog: &PartitionIndex,
        frozen_catalog: Frozen,
        works: &mut [Work<I>],
        from: Tip,
        next: NextIds,
    ) -> Result<Saved> {
        let before = self.meter.index_bytes_written.get();
        for work in &mut *works {
            let key = root_key(work.goal.id);
            let hash = Hash(record::key_hash(&key, self.identity().seed));
            work.previous =
                self.find_place(&catalog.newest(), hash, &self.keyed(&key), u64::MAX)?;
        }
        let replaced = works.iter().map(|work| work.previous);
        let replaced: Vec<u64> = replaced.filter(|&place| place != 0).collect();
        let mut room = Room::default();
        for number in 0..works.len() {
            if let Some(work) = works.get_mut(number) {
                let Work { frozen, root, .. } = work;
                self.pack(&mut room, number, work.goal.id, frozen, from, &[], root)?;
            }
            if room.len > ROOM {
                self.place_all(&mut room, targets(works))?;
            }
        }
        self.place_all(&mut room, targets(works))?;
        // Partition 0 last, alone: the roots that it loses are known.
        let mut own = [Work {
            goal: Goal {
                id: 0,
                index: catalog,
            },
            frozen: frozen_catalog,
            root: Root::default(),
            new: None,
            previous: 0,
            before: catalog.mapped_entries(),
        }];
        let [work] = &mut own;
        self.pack(
            &mut room,
            0,
            0,
            &work.frozen,
            from,
            &replaced,
            &mut work.root,
        )?;
        self.place_all(&mut room, targets(&mut own))?;
        self.append_checkpoint(&mut own, works, from, next)?;
        let bytes = self.meter.index_bytes_written.get().saturating_sub(before);
        Ok(Saved {
            partitions: works.len() as u64,
            bytes,
        })
    }

    /// Packs what was frozen of a partition. `also` are places of partition 0 that this
    /// checkpoint supersedes.
    #[expect(clippy::too_many_arguments, reason = "one step of a long way")]
    fn pack(
        &self,
        room: &mut Room,
        goal: usize,
        id: u32,
        frozen: &Frozen,
        from: Tip,
        also: &[u64],
        root: &mut Root,
    ) -> Result<()> {
        let fault = |fault| self.fault(fault);
        let end = place(from.end);
        root.live = frozen.live;
        root.live_bytes = frozen.live_bytes;
        let mut covered = LOG_START;
        for segment in frozen.kept() {
            let dead = segment.dead_before(end, also).map_err(fault)?;
            let (place, sum) = segment.record();
            let mut named = SegmentRef {
                place,
                sum,
                entries: segment.head().entries,
                dead: Dead::default(),
            };
            covered = segment.head().to;
            if dead.len() as u64 <= MAX_LISTED {
                named.dead = Dead::Listed(dead);
            } else {
                let bits = DeadBits::of(segment, &dead).map_err(fault)?;
                room.push(goal, Content::Dead(root.segments.len(), bits));
            }
            root.segments.push(named);
        }
        if !frozen.is_empty() {
            let keys = |a, b| self.compare_keys(a, b);
            let skip: HashSet<u64> = also.iter().copied().collect();
            let packed = frozen.pack(id, end, (covered, from.end), &skip, fault, keys)?;
            if packed.entries() == 0 {
                return Ok(());
            }
            root.segments.push(SegmentRef {
                entries: packed.entries(),
                ..SegmentRef::default()
            });
            room.push(goal, Content::Segment(packed));
        }
        Ok(())
    }

    fn compare_keys(&self, a: u64, b: u64) -> Result<std::cmp::Ordering> {
        let (_, a) = self.head_and_key(offset(a))?;
        let (_, b) = self.head_and_key(offset(b))?;
        Ok(a.cmp(&b))
    }

    /// Writes the records that wait into a SPACE frame, and opens the new segments.
    fn place_all(&self, room: &mut Room, mut works: Vec<Target<'_>>) -> Result<()> {
        let records = std::mem::take(room).records;
        if records.is_empty() {
            return Ok(());
        }
        let mut guard = self.writer("take a checkpoint")?;
        let body = guard.tip().end.saturating_add(HEADER_LEN);
        let mut at = body;
        let mut heads = Vec::with_capacity(records.len());
        for unplaced in &records {
            let id = works.get(unplaced.goal).map_or(0, |work| work.id);
            let head = lay_out(at, &unplaced.content, id).ok_or_else(too_long)?;
            heads.push((at, head));
            at = at.saturating_add(head.end());
        }
        guard.append_space(at.saturating_sub(body))?;
        drop(guard);
        let mut filler = Filler::new(self, body);
        for (unplaced, (at, mut head)) in records.iter().zip(heads) {
            filler.push(&unplaced.content.pieces(), &mut head, at)?;
            let Some(work) = works.get_mut(unplaced.goal) else {
                continue;
            };
            match &unplaced.content {
                Content::Dead(number, bits) => {
                    if let Some(segment) = work.root.segments.get_mut(*number) {
                        segment.dead = Dead::Bits {
                            place: place(at),
                            sum: head.sum,
                            count: bits.count(),
                        };
                    }
                }
                Content::Segment(_) => {
                    if let Some(segment) = work.root.segments.last_mut() {
                        segment.place = place(at);
                        segment.sum = head.sum;
                    }
                }
            }
        }
        filler.flush()?;
        for unplaced in &records {
            if let (Content::Segment(_), Some(work)) =
                (&unplaced.content, works.get_mut(unplaced.goal))
                && let Some(last) = work.root.segments.last()
            {
                let only = Root {
                    segments: vec![last.clone()],
                    ..Root::default()
                };
                *work.new = self.segments(work.id, &only)?.pop();
            }
        }
        Ok(())
    }

    /// Appends the CHECKPOINT frame and has the new segments serve.
    fn append_checkpoint<I: AsRef<PartitionIndex>>(
        &self,
        own: &mut [Work<&PartitionIndex>; 1],
        works: &mut [Work<I>],
        from: Tip,
        next: NextIds,
    ) -> Result<()> {
        let mut guard = self.writer("take a checkpoint")?;
        let [own] = own;
        let tip = guard.tip();
        let mut frame = Frame::new(self, tip.end);
        let (mut order, mut tops) = (Vec::new(), Vec::new());
        let mut rows = Vec::with_capacity(works.len());
        for work in &*works {
            let key = root_key(work.goal.id);
            let value = work.root.to_bytes();
            let at = frame.push(RecordKind::Root, &key, &[&value], PACKED, work.previous)?;
            let hash = Hash(record::key_hash(&key, self.identity().seed));
            order.push(hash.word(place(at)));
            tops.push(hash.top());
            rows.push((work.previous, place(at)));
        }
        let mut root = std::mem::take(&mut own.root);
        if !order.is_empty() {
            let entries = order.len() as u64;
            let span = (from.end, frame.at());
            let packed = Packed::of::<Error>(0, order, tops, span, |a, b| self.compare_keys(a, b))?;
            let pieces = packed.pieces();
            let at = frame.push(RecordKind::Segment, &[], &pieces, segment::ALIGN, 0)?;
            root.segments.push(SegmentRef {
                place: place(at),
                sum: frame.last_sum(),
                entries,
                dead: Dead::default(),
            });
        }
        let now = works.iter().map(|work| &work.root).chain([&root]);
        let now = now
            .flat_map(|root| &root.segments)
            .map(|named| named.entries);
        let before = works.iter().map(|work| work.before).sum::<u64>();
        let entries = guard
            .indexed_entries()
            .saturating_add(now.sum())
            .saturating_sub(before.saturating_add(own.before));
        let start = match broken(Rule::ReplayFromFrozen) {
            true => tip,
            false => from,
        };
        let checkpoint = Checkpoint {
            replay_from: start.end,
            seqno: start.seqno,
            frame_sum: start.frame_sum,
            previous: guard.checkpoint(),
            next,
            entries,
            catalog: root,
        };
        let value = checkpoint.to_bytes();
        let at = frame.push(RecordKind::Checkpoint, &[], &[&value], PACKED, 0)?;
        let tip = guard.append_frame(&mut frame.bytes, &frame.sums, FrameKind::Checkpoint)?;
        guard.checkpoint_written(at, tip.end, entries);
        let named = checkpoint.catalog.segments.last();
        let installed = self.install(own, works, &rows, named, place(from.end));
        if let Err(error) = installed {
            // Some of the partitions have new segments, and no root may ever lead to them:
            // a later checkpoint would have the log replayed from behind their entries.
            guard.writer.poison = Some(std::io::Error::other(error.to_string()));
            return Err(error);
        }
        Ok(())
    }

    /// Has the new segments serve. `rows` are the places of the roots before and now,
    /// `named` is the segment that leads to them.
    fn install<I: AsRef<PartitionIndex>>(
        &self,
        own: &mut Work<&PartitionIndex>,
        works: &mut [Work<I>],
        rows: &[(u64, u64)],
        named: Option<&SegmentRef>,
        since: u64,
    ) -> Result<()> {
        let fault = |fault| self.fault(fault);
        for work in works {
            let new = work.new.take().into_iter().collect();
            let installed = work.goal.index.as_ref().install(&work.frozen, new, since);
            installed.map_err(fault)?;
        }
        let mut new: Vec<Segment> = own.new.take().into_iter().collect();
        if let Some(named) = named.filter(|_| !rows.is_empty()) {
            let only = Root {
                segments: vec![named.clone()],
                ..Root::default()
            };
            new.extend(self.segments(0, &only)?);
        }
        own.goal
            .index
            .install(&own.frozen, new, since)
            .map_err(fault)?;
        for &(previous, row) in rows.iter().filter(|(previous, _)| *previous != 0) {
            own.goal.index.replace(previous, row).map_err(fault)?;
        }
        Ok(())
    }

    /// Syncs the newest checkpoint and everything before it, and has a slot name it. If
    /// that is under way it is left to whoever does it, unless `wait`.
    pub(crate) fn name_checkpoints(&self, wait: bool) -> Result<()> {
        const ACTION: &str = "take a checkpoint";
        let naming = match wait {
            true => Some(self.naming.lock()),
            false => self.naming.try_lock(),
        };
        if naming.is_none() {
            return Ok(());
        }
        loop {
            let Some(unnamed) = self.writer(ACTION)?.unnamed() else {
                return Ok(());
            };
            if !broken(Rule::NamedAfterSync) {
                self.writer(ACTION)?.sync()?;
            }
            // Anew: the store may have been closed meanwhile.
            self.writer(ACTION)?.name_checkpoint(unnamed)?;
        }
    }
}

pub(super) fn too_long() -> Error {
    Error::Invalid {
        what: "checkpoint".to_owned(),
        detail: "a part of the index does not fit into a record".to_owned(),
    }
}

fn lay_out(at: u64, content: &Content, id: u32) -> Option<Head> {
    let least = match content {
        Content::Segment(_) => segment::ALIGN,
        Content::Dead(..) => PACKED,
    };
    let align = value_align(content.len(), None).max(least);
    Head::lay_out(at, content.kind(), id, 0, content.len(), align)
}
