//! What a partition has beside its entries: the chunks of their arrays, and amendments.
//!
//! Both are records of partitions of their own, whose ids follow from that of the
//! partition, so that they take no part in its keys, lengths and positions, and go with it
//! when it is dropped or renamed. A partition without them pays two loads for the question.

use std::sync::{Arc, OnceLock};

use super::{Catalog, PartitionState};
use crate::error::Result;
use crate::format::record::RecordKind;
use crate::index::Pinned;
use crate::log::Log;

/// First id that no partition has.
pub(crate) const FIRST_SIDE: u32 = 1 << 30;

/// What stands beside the entries of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    /// Chunks of arrays, by the id of the array and the place in its grid.
    Chunks,
    /// Changes of entries, by their keys.
    Amendments,
}

/// All there are.
pub(crate) const SIDES: [Side; 2] = [Side::Chunks, Side::Amendments];

impl Side {
    fn bits(self) -> u32 {
        match self {
            Self::Chunks => 2 << 30,
            Self::Amendments => 3 << 30,
        }
    }

    /// The id of this side of the partition `id`.
    pub(crate) fn id(self, id: u32) -> u32 {
        self.bits() | id
    }

    /// The side that an id is of, and the id of its partition; `None`: it is that of a
    /// partition.
    pub(crate) fn split(id: u32) -> (Option<Self>, u32) {
        let top = id & !(FIRST_SIDE - 1);
        let side = SIDES.into_iter().find(|side| side.bits() == top);
        match side {
            Some(_) => (side, id & (FIRST_SIDE - 1)),
            None => (None, id),
        }
    }

    /// The kind of its records.
    pub(crate) fn kind(self) -> RecordKind {
        match self {
            Self::Chunks => RecordKind::Chunk,
            Self::Amendments => RecordKind::Amendment,
        }
    }
}

/// The sides of a partition that there are: set once, by the first commit or replay that
/// has records of one, or by a checkpoint.
#[derive(Debug, Default)]
pub(super) struct Sides {
    chunks: OnceLock<Arc<PartitionState>>,
    amendments: OnceLock<Arc<PartitionState>>,
}

impl Sides {
    pub(super) fn get(&self, side: Side) -> Option<&Arc<PartitionState>> {
        match side {
            Side::Chunks => self.chunks.get(),
            Side::Amendments => self.amendments.get(),
        }
    }

    pub(super) fn set(&self, side: Side, state: &Arc<PartitionState>) {
        let cell = match side {
            Side::Chunks => &self.chunks,
            Side::Amendments => &self.amendments,
        };
        cell.get_or_init(|| Arc::clone(state));
    }
}

impl PartitionState {
    /// A side of the partition, if it has records there.
    #[inline]
    pub(crate) fn side(&self, side: Side) -> Option<&Arc<PartitionState>> {
        self.sides.get(side)
    }

    /// The partition and its sides.
    pub(crate) fn with_sides(&self) -> impl Iterator<Item = &PartitionState> {
        let sides = SIDES.into_iter().filter_map(|side| self.side(side));
        std::iter::once(self).chain(sides.map(|state| &**state))
    }

    /// What there is beside the entries, for a reader with `end` (a place).
    ///
    /// Nothing is ever removed from a side, so that whatever their indexes become later
    /// leads back to what such a reader sees.
    #[inline]
    pub(crate) fn beside(&self, end: u64) -> Beside {
        let pinned = |side| self.side(side).map(|state| state.index.newest());
        Beside {
            chunks: pinned(Side::Chunks),
            amendments: pinned(Side::Amendments),
            end,
        }
    }
}

/// Chunks and amendments as a reader sees them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    pub(crate) chunks: Option<Pinned>,
    pub(crate) amendments: Option<Pinned>,
    /// A place.
    pub(crate) end: u64,
}

impl Catalog {
    /// A side of a partition, made if there is none.
    pub(crate) fn side(
        &self,
        log: &Arc<Log>,
        partition: &PartitionState,
        side: Side,
    ) -> Result<Arc<PartitionState>> {
        match partition.side(side) {
            Some(state) => Ok(Arc::clone(state)),
            None => self.state(log, side.id(partition.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_sides_lead_back_to_their_partition() {
        for id in [1, 2, 77, FIRST_SIDE - 1] {
            assert_eq!(Side::split(id), (None, id));
            for side in SIDES {
                assert_eq!(Side::split(side.id(id)), (Some(side), id), "{side:?}");
            }
        }
        // One that no writer gives out is of nothing.
        assert_eq!(Side::split(FIRST_SIDE | 5), (None, FIRST_SIDE | 5));
    }
}
