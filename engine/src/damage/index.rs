//! Comparing the saved index with the log that it was made of.
//!
//! Each record of the log before the point from which replay starts is looked up in the
//! index as the checkpoint saved it: the newest version of a key has to be found, none has
//! to be found of a key that was removed, and the count of the root is that of what was
//! found. Which of two happened last follows from the offsets, so that threads may compare
//! in any order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Hit, Part};
use crate::catalog::{CATALOG, Catalog, PartitionState};
use crate::checkpoint::unsynced;
use crate::error::{Error, Result};
use crate::format::checkpoint::{Dead, Root};
use crate::format::offset;
use crate::format::record::{Head, RecordKind, key_hash};
use crate::index::{Hash, PartitionIndex};
use crate::log::{Log, Survey, slots};
use crate::store::Inner;

/// The index as a checkpoint saved it.
pub(super) struct SavedIndex {
    log: Arc<Log>,
    catalog: Catalog,
    /// What stands before this offset is in it.
    replay_from: u64,
    /// By id.
    partitions: HashMap<u32, SavedPartition>,
}

struct SavedPartition {
    state: Arc<PartitionState>,
    /// Offset of its root, or of the checkpoint if it has none.
    root: u64,
    live: u64,
    live_bytes: u64,
}

/// What comparing the records of a log with saved indexes gave; the numbers are those of
/// the indexes.
#[derive(Default)]
pub(super) struct Compared {
    hits: Vec<Hit>,
    /// By index and partition: entries that were found, and bytes of their records.
    found: HashMap<(usize, u32), (u64, u64)>,
    /// Versions of keys that are not found: index, partition, hash of the key, offset,
    /// whether it is a removal.
    absent: Vec<(usize, u32, u64, u64, bool)>,
}

impl SavedIndex {
    /// The indexes that an opening may start from, as far as they cover a log that ends at
    /// `end`, and what is wrong with their own structures.
    pub(super) fn all(
        inner: &Inner,
        survey: &mut Survey<'_>,
        end: u64,
    ) -> Result<(Vec<Self>, Vec<Hit>)> {
        // A view: nothing of what is opened here is taken over.
        let log = Arc::new(inner.log.view()?);
        let mut named: Vec<(u64, u64)> = slots(&log)?
            .iter()
            .map(|slot| (slot.checkpoint, slot.checkpoint_end))
            .collect();
        named.extend(unsynced(&log)?);
        named.retain(|&(at, _)| at != 0);
        named.sort_unstable();
        named.dedup_by_key(|&mut (at, _)| at);
        let mut reading = Reading {
            log: &log,
            survey,
            seen: HashSet::new(),
            hits: Vec::new(),
        };
        let mut found = Vec::new();
        for (at, checkpoint_end) in named {
            let read = reading.index(at, checkpoint_end);
            if let Some(saved) = reading.note(read)?
                && saved.replay_from <= end
            {
                found.push(saved);
            }
        }
        Ok((found, reading.hits))
    }

    /// The index of a partition that was there when it was saved.
    fn of(&self, partition: u32) -> Option<&PartitionIndex> {
        match partition {
            CATALOG => Some(&self.catalog.index),
            id => self.partitions.get(&id).map(|saved| &saved.state.index),
        }
    }

    /// Looks a record up whose sum holds, of what the index numbered `number` covers.
    pub(super) fn compare(
        &self,
        number: usize,
        (at, head, key): (u64, &Head, &[u8]),
        compared: &mut Compared,
    ) -> Result<()> {
        let id = head.partition;
        let Some(index) = self.of(id).filter(|_| at < self.replay_from) else {
            return Ok(());
        };
        let hash = Hash(key_hash(key, self.log.identity().seed));
        let found = match self.log.find(index, hash, key, u64::MAX) {
            Ok(found) => found.map(|located| located.at),
            Err(Error::Corrupt { at, defect, .. }) => {
                compared.hits.push(Hit::of(at..at, Part::Index, defect));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let is_removal = head.kind == RecordKind::Tombstone;
        match found {
            None => compared.absent.push((number, id, hash.0, at, is_removal)),
            Some(found) if found == at && !is_removal => {
                let (entries, bytes) = compared.found.entry((number, id)).or_default();
                *entries = entries.saturating_add(1);
                *bytes = bytes.saturating_add(head.end());
            }
            // A later version, which is compared when its turn comes.
            Some(found) if found > at && found < self.replay_from => {}
            Some(found) => {
                let detail = match is_removal {
                    true => format!(
                        "the index leads to the version at {found} of a key that is removed here"
                    ),
                    false => format!(
                        "the index leads to the version at {found} of this key, not to this one"
                    ),
                };
                compared.hits.push(missed(at, head, key, &detail));
            }
        }
        Ok(())
    }
}

/// A record that the index does not lead to as it should.
fn missed(at: u64, head: &Head, key: &[u8], detail: &str) -> Hit {
    let range = at..at.saturating_add(head.end());
    let mut hit = Hit::of(range, Part::Index, detail);
    if head.partition != CATALOG {
        hit.damage.key = Some(key.to_vec());
        hit.partition = Some(head.partition);
    }
    hit
}

impl Compared {
    /// Adds what another thread compared.
    pub(super) fn add(&mut self, other: Self) {
        self.hits.extend(other.hits);
        self.absent.extend(other.absent);
        for (of, (entries, bytes)) in other.found {
            let sum = self.found.entry(of).or_default();
            *sum = (sum.0.saturating_add(entries), sum.1.saturating_add(bytes));
        }
    }

    /// What is wrong with the indexes. Of a log that is not `whole` only what it shows by
    /// what it has.
    pub(super) fn hits(mut self, saved: &[SavedIndex], whole: bool) -> Result<Vec<Hit>> {
        if !whole {
            return Ok(self.hits);
        }
        self.absent.sort_unstable();
        let mut absent = self.absent.iter().peekable();
        while let Some(&(number, id, hash, at, is_removal)) = absent.next() {
            let next = absent.peek().map(|it| (it.0, it.1, it.2));
            if is_removal || next == Some((number, id, hash)) {
                continue;
            }
            if let Some(index) = saved.get(number) {
                let (head, key) = index.log.head_and_key(at)?;
                let detail = "the index lacks this key";
                self.hits.push(missed(at, &head, &key, detail));
            }
        }
        for (number, index) in saved.iter().enumerate() {
            for (&id, partition) in &index.partitions {
                let found = self.found.get(&(number, id)).copied().unwrap_or_default();
                let root = partition.root;
                let counted = partition.state.index.newest();
                let walked = counted.count(u64::MAX, &index.log.keyed(&[]));
                let walked = match walked {
                    Err(Error::Corrupt { at, defect, .. }) => {
                        self.hits.push(Hit::of(at..at, Part::Index, defect));
                        continue;
                    }
                    walked => walked?,
                };
                let said = (partition.live, partition.live_bytes);
                if found == said && walked == said.0 {
                    continue;
                }
                let detail = format!(
                    "the index has {walked} entries and counts {} of {} bytes, the log has {} of {}",
                    said.0, said.1, found.0, found.1
                );
                let mut hit = Hit::of(root..root, Part::Index, detail);
                hit.partition = Some(id);
                self.hits.push(hit);
            }
        }
        Ok(self.hits)
    }
}

/// Reads saved indexes and looks at their structures.
struct Reading<'a, 'b> {
    log: &'a Arc<Log>,
    survey: &'a mut Survey<'b>,
    /// Places that were looked at.
    seen: HashSet<u64>,
    hits: Vec<Hit>,
}

impl Reading<'_, '_> {
    /// Damage that ended a look is what was looked for.
    fn note<T>(&mut self, looked: Result<T>) -> Result<Option<T>> {
        match looked {
            Err(Error::Corrupt { at, defect, .. }) => {
                self.hits.push(Hit::of(at..at, Part::Index, defect));
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    fn index(&mut self, at: u64, end: u64) -> Result<SavedIndex> {
        self.log.lend_up_to(end)?;
        let (checkpoint, _) = self.log.read_checkpoint(at)?;
        self.root(&checkpoint.catalog)?;
        let catalog = Catalog::saved(self.log, &checkpoint, end)?;
        let mut partitions = HashMap::new();
        let listed = catalog.partitions(self.log);
        for listed in self.note(listed)?.unwrap_or_default() {
            let read = self.partition(&catalog, at, listed.id);
            if let Some(saved) = self.note(read)? {
                partitions.insert(listed.id, saved);
            }
        }
        Ok(SavedIndex {
            log: Arc::clone(self.log),
            catalog,
            replay_from: checkpoint.replay_from,
            partitions,
        })
    }

    /// The partition with `id`; without a root nothing of it was saved.
    fn partition(&mut self, catalog: &Catalog, at: u64, id: u32) -> Result<SavedPartition> {
        let (
            root,
            Root {
                live, live_bytes, ..
            },
        ) = match catalog.root(self.log, id)? {
            None => (at, Root::default()),
            Some((place, root)) => {
                self.root(&root)?;
                (offset(place), root)
            }
        };
        Ok(SavedPartition {
            state: catalog.state(self.log, id)?,
            root,
            live,
            live_bytes,
        })
    }

    fn root(&mut self, root: &Root) -> Result<()> {
        for segment in &root.segments {
            self.record(segment.place)?;
            if let Dead::Bits { place, .. } = &segment.dead {
                self.record(*place)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, place: u64) -> Result<()> {
        if !self.seen.insert(place) {
            return Ok(());
        }
        for (range, defect) in self.survey.check_whole(offset(place))? {
            self.hits.push(Hit::of(range, Part::Index, defect));
        }
        Ok(())
    }
}
