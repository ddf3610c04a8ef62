//! What a checkpoint saves: the segments of each partition, and where replay starts.
//!
//! ```text
//! root         0 live entries u64   8 live bytes u64   16 number of segments u32
//!             20 listed dead entries u32
//!             24 segments, 48 bytes each:
//!                  0 place u64    8 sum of its record u64   16 entries u64
//!                 24 dead u64    32 place of its dead record u64, 0 = listed here
//!                 40 sum of that record u64
//!                then the listed dead: u32 ordinals, ascending, segment by segment
//!
//! checkpoint   0 replay from, offset u64   8 seqno before u64   16 frame sum before u64
//!             24 checkpoint before, offset u64, 0 = none
//!             32 next ids: collection u32   36 partition u32   40 schema u32   44 zero u32
//!             48 entries of all partitions u64
//!             56 the root of partition 0
//! ```
//!
//! * A root is the value of a record of kind root in partition 0, with the key
//!   `03 ‖ partition id u32`. It says what the partition was where the checkpoint says
//!   that replay starts.
//! * The record of a segment and of its dead is checked against the sum in the root, so
//!   that none is taken for another.
//! * An entry is *dead* if it was superseded before replay starts.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Defect;

/// First byte of the key of a root.
pub(crate) const ROOT_KEY: u8 = 3;

/// More dead entries of a segment than this stand in a record of their own, as bits.
pub(crate) const MAX_LISTED: u64 = 1024;

/// Most segments of a partition. A writer makes two, and three of partition 0.
const MAX_SEGMENTS: u32 = 64;

/// The key of the root of a partition.
pub(crate) fn root_key(partition: u32) -> [u8; 5] {
    let [a, b, c, d] = partition.to_le_bytes();
    [ROOT_KEY, a, b, c, d]
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone)]
#[repr(C)]
struct RootHead {
    live: U64,
    live_bytes: U64,
    segments: U32,
    listed: U32,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone)]
#[repr(C)]
struct RefBytes {
    place: U64,
    sum: U64,
    entries: U64,
    dead: U64,
    dead_place: U64,
    dead_sum: U64,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone)]
#[repr(C)]
struct CheckpointHead {
    replay_from: U64,
    seqno: U64,
    frame_sum: U64,
    previous: U64,
    next_collection: U32,
    next_partition: U32,
    next_schema: U32,
    reserved: U32,
    entries: U64,
}

const _: () = assert!(size_of::<RootHead>() == 24);
const _: () = assert!(size_of::<RefBytes>() == 48);
const _: () = assert!(size_of::<CheckpointHead>() == 56);

/// Where a segment is, and what of it is dead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentRef {
    /// Place of its record.
    pub(crate) place: u64,
    /// Sum of that record.
    pub(crate) sum: u64,
    pub(crate) entries: u64,
    pub(crate) dead: Dead,
}

/// What of a segment was superseded before the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dead {
    /// Ordinals in log order, ascending.
    Listed(Vec<u32>),
    /// Bits in a record at a place, with its sum; how many are set.
    Bits { place: u64, sum: u64, count: u64 },
}

impl Default for Dead {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl Dead {
    /// Number of dead entries.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Listed(ordinals) => ordinals.len() as u64,
            Self::Bits { count, .. } => *count,
        }
    }
}

/// The state of a partition where replay starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Root {
    /// Number of entries.
    pub(crate) live: u64,
    /// Bytes of their records.
    pub(crate) live_bytes: u64,
    /// In ascending order of the log.
    pub(crate) segments: Vec<SegmentRef>,
}

impl Root {
    /// The bytes of the root.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let listed = |segment: &SegmentRef| match &segment.dead {
            Dead::Listed(ordinals) => ordinals.len(),
            Dead::Bits { .. } => 0,
        };
        let head = RootHead {
            live: self.live.into(),
            live_bytes: self.live_bytes.into(),
            segments: (self.segments.len() as u32).into(),
            listed: (self.segments.iter().map(listed).sum::<usize>() as u32).into(),
        };
        let mut bytes = head.as_bytes().to_vec();
        for segment in &self.segments {
            let (dead_place, dead_sum) = match segment.dead {
                Dead::Listed(_) => (0, 0),
                Dead::Bits { place, sum, .. } => (place, sum),
            };
            let raw = RefBytes {
                place: segment.place.into(),
                sum: segment.sum.into(),
                entries: segment.entries.into(),
                dead: segment.dead.count().into(),
                dead_place: dead_place.into(),
                dead_sum: dead_sum.into(),
            };
            bytes.extend_from_slice(raw.as_bytes());
        }
        for segment in &self.segments {
            if let Dead::Listed(ordinals) = &segment.dead {
                let ordinals = ordinals.iter().flat_map(|ordinal| ordinal.to_le_bytes());
                bytes.extend(ordinals);
            }
        }
        bytes
    }

    /// Reads a root, which has to fill `bytes`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Defect> {
        let truncated = |need: u64| Defect::Truncated {
            what: "the root of an index",
            need,
            have: bytes.len() as u64,
        };
        let (head, rest) = RootHead::ref_from_prefix(bytes)
            .map_err(|_| truncated(size_of::<RootHead>() as u64))?;
        let count = head.segments.get();
        if count > MAX_SEGMENTS {
            return Err(Defect::Field {
                what: "the number of segments of an index",
                found: count.into(),
                expected: "at most 64",
            });
        }
        let (refs, rest) = <[RefBytes]>::ref_from_prefix_with_elems(rest, count as usize)
            .map_err(|_| truncated(u64::from(count).saturating_mul(48)))?;
        let (mut listed, rest) =
            <[U32]>::ref_from_prefix_with_elems(rest, head.listed.get() as usize)
                .map_err(|_| truncated(u64::from(head.listed.get()).saturating_mul(4)))?;
        if !rest.is_empty() {
            return Err(Defect::Field {
                what: "the length of the root of an index",
                found: bytes.len() as u64,
                expected: "segments and dead entries that fill it",
            });
        }
        let mut segments = Vec::with_capacity(refs.len());
        for raw in refs {
            let (entries, dead) = (raw.entries.get(), raw.dead.get());
            let insane = || Defect::Field {
                what: "the number of dead entries of an index segment",
                found: dead,
                expected: "ascending ones, fewer than the segment has entries, all listed",
            };
            if dead > entries {
                return Err(insane());
            }
            let dead = match raw.dead_place.get() {
                0 => {
                    let (own, others) = usize::try_from(dead)
                        .ok()
                        .and_then(|dead| listed.split_at_checked(dead))
                        .ok_or_else(insane)?;
                    listed = others;
                    let own: Vec<u32> = own.iter().map(|ordinal| ordinal.get()).collect();
                    let last = own.last().copied().unwrap_or_default();
                    if !own.is_sorted_by(|a, b| a < b) || (dead > 0 && u64::from(last) >= entries) {
                        return Err(insane());
                    }
                    Dead::Listed(own)
                }
                place => Dead::Bits {
                    place,
                    sum: raw.dead_sum.get(),
                    count: dead,
                },
            };
            segments.push(SegmentRef {
                place: raw.place.get(),
                sum: raw.sum.get(),
                entries,
                dead,
            });
        }
        Ok(Self {
            live: head.live.get(),
            live_bytes: head.live_bytes.get(),
            segments,
        })
    }
}

/// Ids that the next new names and schemas get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NextIds {
    pub(crate) collection: u32,
    pub(crate) partition: u32,
    pub(crate) schema: u32,
}

/// A saved state of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Offset of the first frame that it does not cover.
    pub(crate) replay_from: u64,
    /// Seqno of the last batch before that.
    pub(crate) seqno: u64,
    /// Frame sum of the last frame before that.
    pub(crate) frame_sum: u64,
    /// Offset of the checkpoint record before this one; 0 = none.
    pub(crate) previous: u64,
    pub(crate) next: NextIds,
    /// Entries of the segments of all partitions, dead ones too.
    pub(crate) entries: u64,
    /// The root of partition 0.
    pub(crate) catalog: Root,
}

impl Checkpoint {
    /// The value of the checkpoint record.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let head = CheckpointHead {
            replay_from: self.replay_from.into(),
            seqno: self.seqno.into(),
            frame_sum: self.frame_sum.into(),
            previous: self.previous.into(),
            next_collection: self.next.collection.into(),
            next_partition: self.next.partition.into(),
            next_schema: self.next.schema.into(),
            reserved: 0.into(),
            entries: self.entries.into(),
        };
        let mut bytes = head.as_bytes().to_vec();
        bytes.extend(self.catalog.to_bytes());
        bytes
    }

    /// Reads the value of a checkpoint record.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Defect> {
        let (head, root) =
            CheckpointHead::ref_from_prefix(bytes).map_err(|_| Defect::Truncated {
                what: "a checkpoint",
                need: size_of::<CheckpointHead>() as u64,
                have: bytes.len() as u64,
            })?;
        Ok(Self {
            replay_from: head.replay_from.get(),
            seqno: head.seqno.get(),
            frame_sum: head.frame_sum.get(),
            previous: head.previous.get(),
            next: NextIds {
                collection: head.next_collection.get(),
                partition: head.next_partition.get(),
                schema: head.next_schema.get(),
            },
            entries: head.entries.get(),
            catalog: Root::parse(root)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn checkpoint() -> Checkpoint {
        let listed = SegmentRef {
            place: 4000,
            sum: 5,
            entries: 10,
            dead: Dead::Listed(vec![0, 3, 9]),
        };
        let bits = SegmentRef {
            place: 2048,
            sum: 6,
            entries: 100_000,
            dead: Dead::Bits {
                place: 3000,
                sum: 7,
                count: 5000,
            },
        };
        Checkpoint {
            replay_from: 80_000,
            seqno: 12,
            frame_sum: 13,
            previous: 20_000,
            next: NextIds {
                collection: 2,
                partition: 3,
                schema: 4,
            },
            entries: 100_010,
            catalog: Root {
                live: 95_007,
                live_bytes: 1 << 24,
                segments: vec![bits, listed],
            },
        }
    }

    #[test]
    fn a_checkpoint_reads_back_what_was_written() {
        assert_eq!(
            Checkpoint::parse(&checkpoint().to_bytes()),
            Ok(checkpoint())
        );
    }

    #[test]
    fn a_root_has_at_most_sixty_four_segments() {
        for (count, sane) in [(64, true), (65, false)] {
            let segments = vec![SegmentRef::default(); count];
            let root = Root {
                segments,
                ..Root::default()
            };
            assert_eq!(Root::parse(&root.to_bytes()).is_ok(), sane, "{count}");
        }
    }

    #[test]
    fn dead_entries_out_of_order_or_out_of_range_are_refused() {
        for dead in [vec![3, 0], vec![3, 3], vec![10]] {
            let mut checkpoint = checkpoint();
            if let Some(segment) = checkpoint.catalog.segments.last_mut() {
                segment.dead = Dead::Listed(dead);
            }
            assert!(Checkpoint::parse(&checkpoint.to_bytes()).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_checkpoint_or_a_defect(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..300),
            copied in 0usize..300,
        ) {
            let good = checkpoint().to_bytes();
            for (to, from) in bytes.iter_mut().zip(good.iter().take(copied)) {
                *to = *from;
            }
            let _ = Checkpoint::parse(&bytes);
        }
    }
}
