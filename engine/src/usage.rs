//! Where the bytes of a store go.

use std::collections::HashMap;

use crate::catalog::{CATALOG, SIDES};
use crate::error::Result;
use crate::format::LOG_START;
use crate::format::frame::HEADER_LEN;
use crate::index::PartitionIndex;
use crate::log::{Tip, Until, replay};
use crate::store::{Inner, Store};

/// Bytes of index for an entry after compaction: its part of the groups at 80 % of their
/// slots, and its place in the order.
const INDEX_OF_ENTRY: u64 = 22;

/// Entries of a segment whose probes are counted for an estimate: each costs a read and a
/// comparison of up to three blocks of the index, and the error is then about a twentieth.
const SAMPLE: usize = 64;

/// How closely a store is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// What the counters of the indexes say, and what is beside the entries.
    Counted,
    /// And a sample of the probes.
    Sampled,
    /// The whole log and the whole index.
    All,
}

/// Where the bytes of a store go.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Usage {
    /// Bytes of the file up to the end of the last commit. What follows is also here:
    /// `live_bytes`, `index_bytes`, `dead_bytes` and `header_bytes` make it up.
    pub file_bytes: u64,
    /// Bytes of the records of all entries, and of names and schemas.
    pub live_bytes: u64,
    /// Bytes of the segments of the index that are in use.
    pub index_bytes: u64,
    /// Bytes of what was overwritten, removed or dropped, of older segments, of the
    /// records of checkpoints, of frame headers and padding.
    pub dead_bytes: u64,
    /// Bytes before the first frame.
    pub header_bytes: u64,
    /// Of the dead bytes those of frame headers; `None` unless it was asked for.
    pub frame_bytes: Option<u64>,
    /// About how many bytes compaction would free now.
    pub reclaimable_bytes: u64,
    /// Older generations whose files this process still keeps, by values, entries, arrays,
    /// walks, readers or snapshots.
    pub held_generations: u64,
    /// Bytes of these files: room on the disk that compaction has not freed yet.
    pub held_bytes: u64,
    /// Each partition in the order first written.
    pub partitions: Vec<PartitionUsage>,
}

/// Where the bytes of a partition go.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PartitionUsage {
    /// Its collection.
    pub collection: String,
    /// Its name.
    pub name: String,
    /// Number of entries.
    pub entries: u64,
    /// Bytes of their records.
    pub live_bytes: u64,
    /// Bytes of its segments of the index.
    pub index_bytes: u64,
    /// Number of these.
    pub segments: u64,
    /// Bytes of records that were overwritten or removed, tombstones among them; `None`
    /// unless it was asked for.
    pub dead_bytes: Option<u64>,
    /// Groups of the index that a lookup of a stored key reads, on average over the
    /// segments: an estimate from 64 entries of each, or, where details were asked for, of
    /// all. `None` if there is no segment.
    pub probes: Option<f64>,
}

/// What a walk over the log counts.
#[derive(Debug, Default)]
struct Walked {
    frames: u64,
    by_partition: HashMap<u32, u64>,
}

impl Store {
    /// Where the bytes of the store go. Opens the index of each partition, which costs a
    /// look-up and a read or two, and looks at 64 entries of each of its segments. Where
    /// arrays are chunked or entries were amended, reads the head of each entry, chunk and
    /// amendment of the partition: only so is known what belongs to an entry still.
    pub fn usage(&self) -> Result<Usage> {
        self.usage_with(Detail::Sampled)
    }

    /// As [`Store::usage`], with what has to be read for it: what is dead in each
    /// partition, frame headers, the probes of all entries. Reads the whole log but for the
    /// blocks of large values, and the whole index.
    pub fn detailed_usage(&self) -> Result<Usage> {
        self.usage_with(Detail::All)
    }

    fn usage_with(&self, detail: Detail) -> Result<Usage> {
        let inner = self.inner();
        inner.log.check_open("tell where bytes go")?;
        let (held_generations, held_bytes) = self.shared.held();
        let usage = Usage {
            held_generations,
            held_bytes,
            ..inner.usage(detail)?
        };
        Ok(usage)
    }
}

impl Inner {
    /// Without what older generations keep.
    pub(crate) fn usage(&self, detail: Detail) -> Result<Usage> {
        let (log, catalog) = (&self.log, &self.catalog);
        let walked = match detail {
            Detail::All => Some(self.walked()?),
            Detail::Counted | Detail::Sampled => None,
        };
        let file_bytes = log.published();
        let mut usage = Usage {
            file_bytes,
            live_bytes: catalog.index.live_bytes(),
            index_bytes: catalog.index.mapped_bytes(),
            header_bytes: LOG_START,
            frame_bytes: walked
                .as_ref()
                .map(|walked| walked.frames.saturating_mul(HEADER_LEN)),
            ..Usage::default()
        };
        let mut entries = 0u64;
        for listed in catalog.partitions(log)? {
            let state = catalog.state(log, listed.id)?;
            let index = &state.index;
            let sum = |of: fn(&PartitionIndex) -> u64| -> u64 {
                state.with_sides().map(|state| of(&state.index)).sum()
            };
            let counted = sum(PartitionIndex::live_bytes);
            let has_sides = state.with_sides().nth(1).is_some();
            let beside = match has_sides {
                true => self.source().live_bytes_beside(&state)?,
                false => None,
            };
            let live_bytes = match beside {
                Some(beside) => index.live_bytes().saturating_add(beside),
                None => counted,
            };
            let ids = SIDES.map(|side| side.id(listed.id));
            let ids = std::iter::once(listed.id).chain(ids);
            let in_log = walked
                .as_ref()
                .map(|walked| ids.map(|id| walked.of(id)).sum::<u64>());
            let partition = PartitionUsage {
                collection: listed.collection.to_string(),
                name: listed.name,
                entries: index.len(),
                live_bytes,
                index_bytes: sum(PartitionIndex::mapped_bytes),
                segments: sum(|index| index.segments() as u64),
                dead_bytes: in_log.map(|bytes| bytes.saturating_sub(live_bytes)),
                probes: match detail {
                    Detail::All => self.probes(index, None)?,
                    Detail::Sampled => self.probes(index, Some(SAMPLE))?,
                    Detail::Counted => None,
                },
            };
            entries = entries.saturating_add(partition.entries);
            usage.live_bytes = usage.live_bytes.saturating_add(live_bytes);
            usage.index_bytes = usage.index_bytes.saturating_add(partition.index_bytes);
            usage.partitions.push(partition);
        }
        // What a root says is from the file.
        usage.dead_bytes = file_bytes
            .saturating_sub(usage.live_bytes)
            .saturating_sub(usage.index_bytes)
            .saturating_sub(LOG_START);
        let compacted = usage
            .live_bytes
            .saturating_add(entries.saturating_mul(INDEX_OF_ENTRY))
            .saturating_add(LOG_START);
        usage.reclaimable_bytes = file_bytes.saturating_sub(compacted);
        Ok(usage)
    }

    fn walked(&self) -> Result<Walked> {
        let log = &self.log;
        let mut walked = Walked::default();
        let mut tip = Tip::start(log.identity());
        replay(log, &mut tip, Until::Published(log.published()), |batch| {
            walked.frames = walked.frames.saturating_add(1);
            for found in batch.iter().filter(|found| found.head.partition != CATALOG) {
                let bytes = walked.by_partition.entry(found.head.partition).or_default();
                *bytes = bytes.saturating_add(found.head.end());
            }
            Ok(())
        })?;
        Ok(walked)
    }

    fn probes(&self, index: &PartitionIndex, sample: Option<usize>) -> Result<Option<f64>> {
        let counted = index.probes(sample);
        let (entries, probes) = counted.map_err(|fault| self.log.fault(fault))?;
        Ok((entries > 0).then(|| probes as f64 / entries as f64))
    }
}

impl Walked {
    fn of(&self, partition: u32) -> u64 {
        self.by_partition
            .get(&partition)
            .copied()
            .unwrap_or_default()
    }
}
