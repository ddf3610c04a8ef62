//! Making segments: words in log order become groups, without reading a key.

use std::cmp::Ordering;
use std::collections::HashSet;

use zerocopy::IntoBytes;

use super::group::{Group, Probe, Scalar, prefetch};
use super::growing::Growing;
use super::memory::zeroed;
use super::segment::{Segment, Spilled};
use super::{Fault, PLACE_BITS, home, place_of};
use crate::format::segment::{MAX_PROBES, SegmentHead, groups_for, home_bits, passed_bit};

/// A segment to be written.
#[derive(Debug)]
pub(crate) struct Packed {
    head: [u8; crate::format::segment::HEAD_LEN as usize],
    shape: SegmentHead,
    groups: Box<[Group]>,
    /// Four bytes a group.
    homes: Box<[u32]>,
    /// One byte a group, padded.
    passed: Vec<u8>,
    order: Vec<u64>,
    tops: Vec<u32>,
    spilled: Vec<Spilled>,
}

/// The dead entries of a segment as bits, to be written.
#[derive(Debug)]
pub(crate) struct DeadBits {
    entries: Vec<u64>,
    slots: Vec<u8>,
    count: u64,
}

impl Packed {
    /// The entries of `segments` and `growing`, in this order, that nothing before place
    /// `end` superseded, without the places `skip`. `from..to` are the offsets of the frames that they cover;
    /// `compare` orders the records at two places by their keys.
    #[expect(clippy::too_many_arguments, reason = "what a segment is made of")]
    pub(super) fn merge<E>(
        partition: u32,
        segments: &[&Segment],
        growing: Option<&Growing>,
        end: u64,
        (from, to): (u64, u64),
        skip: &HashSet<u64>,
        fault: impl Fn(Fault) -> E,
        compare: impl FnMut(u64, u64) -> Result<Ordering, E>,
    ) -> Result<Self, E> {
        let most = segments.iter().map(|segment| segment.len()).sum::<usize>()
            + growing.map_or(0, Growing::len);
        let (mut order, mut tops) = (Vec::with_capacity(most), Vec::with_capacity(most));
        let mut push = |(word, top): (u64, u32)| {
            if skip.is_empty() || !skip.contains(&place_of(word)) {
                order.push(word);
                tops.push(top);
            }
        };
        for segment in segments {
            segment.kept(end).map_err(&fault)?.for_each(&mut push);
        }
        let growing = growing.into_iter().flat_map(|growing| growing.live(end));
        growing.for_each(&mut push);
        Self::of(partition, order, tops, (from, to), compare)
    }

    /// Words in log order, with the upper halves of their hashes.
    pub(crate) fn of<E>(
        partition: u32,
        order: Vec<u64>,
        tops: Vec<u32>,
        (from, to): (u64, u64),
        mut compare: impl FnMut(u64, u64) -> Result<Ordering, E>,
    ) -> Result<Self, E> {
        let entries = order.len() as u64;
        let mut groups: Box<[Group]> = zeroed(groups_for(entries) as usize);
        let mut spilled = Vec::new();
        let mut homes: Box<[u32]> = zeroed(groups.len());
        let mut passed = vec![0; groups.len()];
        let into = (&mut *groups, &mut *homes, &mut *passed);
        insert_all(into, &order, &tops, |word, top| {
            spilled.push(Spilled {
                word: word.into(),
                top: top.into(),
                zero: 0.into(),
            });
        });
        let mut failed = None;
        spilled.sort_by(|a: &Spilled, b: &Spilled| {
            let of = |entry: &Spilled| (entry.top.get(), entry.word.get() >> PLACE_BITS);
            of(a).cmp(&of(b)).then_with(|| {
                let places = (place_of(a.word.get()), place_of(b.word.get()));
                compare(places.0, places.1).unwrap_or_else(|error| {
                    failed.get_or_insert(error);
                    Ordering::Equal
                })
            })
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let shape = SegmentHead {
            partition,
            overflow: spilled.len() as u32,
            groups: groups.len() as u64,
            entries,
            from,
            to,
        };
        let pad = shape.order_range().start - shape.passed_range().end;
        passed.resize(passed.len() + pad as usize, 0);
        Ok(Self {
            head: shape.to_bytes(),
            shape,
            groups,
            homes,
            passed,
            order,
            tops,
            spilled,
        })
    }

    /// Number of entries.
    pub(crate) fn entries(&self) -> u64 {
        self.shape.entries
    }

    /// Bytes of the segment.
    pub(crate) fn len(&self) -> u64 {
        self.shape.value_len()
    }

    /// The bytes, in pieces.
    pub(crate) fn pieces(&self) -> [&[u8]; 8] {
        const ZEROS: [u8; 8] = [0; 8];
        let pad = self.shape.overflow_range().start - self.shape.tops_range().end;
        [
            &self.head,
            self.groups.as_bytes(),
            self.homes.as_bytes(),
            &self.passed,
            self.order.as_bytes(),
            self.tops.as_bytes(),
            ZEROS.get(..pad as usize).unwrap_or_default(),
            self.spilled.as_bytes(),
        ]
    }
}

/// Puts each word into the first of its groups with an empty slot, or gives it to `spill`;
/// the first one remembers that it is its home, those that were full that it `passed`.
fn insert_all(
    (groups, homes, passed): (&mut [Group], &mut [u32], &mut [u8]),
    order: &[u64],
    tops: &[u32],
    mut spill: impl FnMut(u64, u32),
) {
    // Some ahead, so that the misses of the cache overlap.
    const AHEAD: usize = 16;
    let count = groups.len();
    let mut coming = tops.iter().skip(AHEAD);
    for (&word, &top) in order.iter().zip(tops) {
        if let Some(group) = coming.next().and_then(|&top| groups.get(home(top, count))) {
            prefetch(group);
        }
        let mut at = home(top, count);
        let tag = (word >> PLACE_BITS) as u16;
        if let Some(homes) = homes.get_mut(at) {
            *homes |= home_bits(tag);
        }
        let mut placed = false;
        for _ in 0..MAX_PROBES.min(count) {
            if let Some(group) = groups.get_mut(at)
                && let Some(slot) = Scalar.empty(group).next()
            {
                if let Some(empty) = group.0.get_mut(slot) {
                    *empty = word;
                }
                placed = true;
                break;
            }
            if let Some(passed) = passed.get_mut(at) {
                *passed |= passed_bit(tag);
            }
            at = if at + 1 == count { 0 } else { at + 1 };
        }
        if !placed {
            spill(word, top);
        }
    }
}

impl DeadBits {
    /// The entries `ordinals` of a segment.
    pub(crate) fn of(segment: &Segment, ordinals: &[u32]) -> Result<Self, Fault> {
        let mut entries = vec![0u64; segment.len().div_ceil(64)];
        for &ordinal in ordinals {
            if let Some(word) = entries.get_mut(ordinal as usize / 64) {
                *word |= 1 << (ordinal % 64);
            }
        }
        let mut slots = segment.slots_of(ordinals)?;
        slots.resize(slots.len().next_multiple_of(8), 0);
        Ok(Self {
            entries,
            slots,
            count: ordinals.len() as u64,
        })
    }

    /// Number of dead entries.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Bytes of the record's value.
    pub(crate) fn len(&self) -> u64 {
        (self.entries.len() * 8 + self.slots.len()) as u64
    }

    /// The bytes, in pieces.
    pub(crate) fn pieces(&self) -> [&[u8]; 2] {
        [self.entries.as_bytes(), &self.slots]
    }
}
