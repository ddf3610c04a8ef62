//! Reading the index that a checkpoint saved.

use super::{Located, Log};
use crate::error::{Error, Result};
use crate::format::checkpoint::{Checkpoint, Dead, Root};
use crate::format::record::RecordKind;
use crate::format::{Defect, LOG_START, UNIT, offset, place};
use crate::index::{Blocks, PartitionIndex, Segment, Source};
use crate::options::Verify;

impl Log {
    /// The index of a partition, as its root says. Costs a look at each segment's record;
    /// what is in it is compared when it is touched. A store whose reads copy reads the
    /// segments whole.
    pub(crate) fn load_index(&self, partition: u32, root: &Root) -> Result<PartitionIndex> {
        let segments = self.segments(partition, root)?;
        Ok(PartitionIndex::of(segments, root.live, root.live_bytes))
    }

    /// The segments that a root names.
    pub(crate) fn segments(&self, partition: u32, root: &Root) -> Result<Vec<Segment>> {
        let mut segments = Vec::with_capacity(root.segments.len());
        let mut last = 0;
        for named in &root.segments {
            let (located, blocks) =
                self.index_record(named.place, RecordKind::Segment, named.sum)?;
            let (listed, bits) = match &named.dead {
                Dead::Listed(ordinals) => (ordinals.clone(), None),
                Dead::Bits { place, sum, count } => {
                    let (_, blocks) = self.index_record(*place, RecordKind::Dead, *sum)?;
                    (Vec::new(), Some((blocks, *count)))
                }
            };
            let source = Source {
                blocks,
                at: located.value().start,
                place: named.place,
                sum: named.sum,
                listed,
                bits,
                trusted: self.verify == Verify::Never,
            };
            let segment = Segment::open(source).map_err(|fault| self.fault(fault))?;
            let head = segment.head();
            let fits = head.partition == partition
                && located.head.partition == partition
                && head.entries == named.entries
                && head.from >= last;
            if !fits {
                let defect = Defect::Field {
                    what: "the partition and entries of an index segment",
                    found: head.partition.into(),
                    expected: "those that its root names, in log order",
                };
                return Err(self.corrupt(located.at, defect));
            }
            last = head.to;
            segments.push(segment);
        }
        Ok(segments)
    }

    /// A record of the index, whose head is compared with its sum and that with what named
    /// it.
    fn index_record(&self, at: u64, kind: RecordKind, sum: u64) -> Result<(Located, Blocks)> {
        let located = self.locate(at)?;
        if located.head.kind != kind || located.head.sum != sum {
            let defect = Defect::Checksum {
                what: "a record of the index, which its root names,",
                stored: sum,
                computed: located.head.sum,
            };
            return Err(self.corrupt(located.at, defect));
        }
        let range = located.value();
        let whole = |value| Blocks::new(value, None, range.start);
        if self.verify == Verify::Never || self.regions.is_none() {
            // What is copied was compared.
            return Ok((located, whole(self.value(&located)?)));
        }
        self.check(at)?;
        let value = self.bytes(&located)?;
        let table = located.head.table_range().unwrap_or_default();
        let table = located.within(table);
        let region = self.regions.as_ref().and_then(|regions| regions.newest());
        let blocks = match region {
            Some(region) if located.head.wide => {
                let sums = region
                    .range_of(table)
                    .ok_or_else(|| self.dangling(located.at))?;
                Blocks::new(value, Some(sums), range.start)
            }
            _ => whole(value),
        };
        Ok((located, blocks))
    }

    /// The checkpoint whose record stands at offset `at`, and the end of that record.
    pub(crate) fn read_checkpoint(&self, at: u64) -> Result<(Checkpoint, u64)> {
        let outside = |what, found| {
            let expected = "an offset of the log before the checkpoint";
            self.corrupt(
                at,
                Defect::Field {
                    what,
                    found,
                    expected,
                },
            )
        };
        if at < LOG_START || !at.is_multiple_of(UNIT) {
            return Err(outside("the offset of a checkpoint", at));
        }
        self.check(place(at))?;
        let located = self.locate(place(at))?;
        if located.head.kind != RecordKind::Checkpoint {
            return Err(outside(
                "the kind of the record at a checkpoint",
                located.head.kind as u64,
            ));
        }
        let value = self.value(&located)?;
        let checkpoint = Checkpoint::parse(&value)
            .map_err(|defect| self.corrupt(located.value().start, defect))?;
        for (what, found, least) in [
            (
                "where a checkpoint has replay start",
                checkpoint.replay_from,
                LOG_START,
            ),
            ("the checkpoint before a checkpoint", checkpoint.previous, 0),
        ] {
            if !(least..at).contains(&found) || !found.is_multiple_of(UNIT) {
                return Err(outside(what, found));
            }
        }
        Ok((checkpoint, at.saturating_add(located.head.end())))
    }

    /// Lends the log up to `end`, which a checkpoint says was written. `Error::Corrupt` if
    /// the file is shorter.
    pub(crate) fn lend_up_to(&self, end: u64) -> Result<()> {
        let len = self.storage.len().map_err(Error::io("read", &self.path))?;
        if len < end {
            let defect = Defect::Truncated {
                what: "the log up to a checkpoint",
                need: end,
                have: len,
            };
            return Err(self.corrupt(len, defect));
        }
        self.reach(end)?;
        self.limit
            .fetch_max(end, std::sync::atomic::Ordering::AcqRel);
        Ok(())
    }

    /// The root whose record stands at a place.
    pub(crate) fn read_root(&self, located: &Located) -> Result<Root> {
        let value = self.value(located)?;
        Root::parse(&value).map_err(|defect| self.corrupt(offset(located.place()), defect))
    }
}
