//! From positions to entries: which entries of a segment are seen, counted.

use super::Fault;
use super::segment::Segment;

/// One bit an entry, and before each word of bits how many are set: 12 bytes for 64
/// entries.
#[derive(Debug)]
pub(super) struct Ranks {
    seen: Box<[u64]>,
    /// Entries seen before each word, and in all.
    before: Box<[u32]>,
    /// Entries that were superseded when this was made.
    superseded: usize,
    /// The place up to which its reader saw.
    end: u64,
}

impl Ranks {
    /// What a reader with `end` sees of `segment`. Costs a look at each 64 entries and at
    /// each that was superseded.
    pub(super) fn of(segment: &Segment, end: u64) -> Result<Self, Fault> {
        // Before the marks: one that comes meanwhile makes this stale.
        let superseded = segment.superseded_count();
        let len = segment.len();
        let mut seen = vec![u64::MAX; len.div_ceil(64)].into_boxed_slice();
        if let Some(last) = seen.last_mut()
            && !len.is_multiple_of(64)
        {
            *last = (1 << (len % 64)) - 1;
        }
        for ordinal in segment.dead_before(end, &[])? {
            if let Some(word) = seen.get_mut(ordinal as usize / 64) {
                *word &= !(1 << (ordinal % 64));
            }
        }
        let mut before = Vec::with_capacity(seen.len() + 1);
        let mut sum = 0u32;
        for word in &seen {
            before.push(sum);
            sum = sum.saturating_add(word.count_ones());
        }
        before.push(sum);
        Ok(Self {
            seen,
            before: before.into(),
            superseded,
            end,
        })
    }

    /// Whether a reader with `end` sees of `segment` what this says.
    pub(super) fn hold_for(&self, segment: &Segment, end: u64) -> bool {
        let newest = segment.newest_superseded();
        self.superseded == segment.superseded_count()
            && (self.end == end || (newest < end && newest < self.end))
    }

    /// Number of entries seen.
    pub(super) fn count(&self) -> usize {
        self.before.last().map_or(0, |&sum| sum as usize)
    }

    /// The position in log order of the entry number `nth` of those seen.
    pub(super) fn select(&self, nth: usize) -> Option<usize> {
        let nth = u32::try_from(nth).ok()?;
        let word = self
            .before
            .partition_point(|&sum| sum <= nth)
            .checked_sub(1)?;
        let mut bits = *self.seen.get(word)?;
        for _ in 0..nth.checked_sub(*self.before.get(word)?)? {
            bits &= bits.wrapping_sub(1);
        }
        (bits != 0).then(|| word * 64 + bits.trailing_zeros() as usize)
    }
}
