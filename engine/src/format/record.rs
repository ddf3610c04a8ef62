//! A record: one key and what it maps to from here on.
//!
//! ```text
//!  0     8      9      10        12          16         22           24
//!  +-----+------+------+---------+-----------+----------+------------+-- - -
//!  | sum | kind |flags | key len | partition | previous | value len  |
//!  | u64 | u8   | u8   | u16     | u32       | place u48| u16        |
//!  +-----+------+------+---------+-----------+----------+------------+-- - -
//!     - -+--------------------+-----+-----+-------------+-----+-------+-----+
//!        | value len u56,     | key | pad | block sums  | pad | value | pad |
//!        | alignment log2 u8  |     | 8   | u64 each    |     |       | 8   |
//!     - -+--------------------+-----+-----+-------------+-----+-------+-----+
//!          wide records only                wide records only
//! ```
//!
//! * `flags` bits 1 and 2 say how the value is aligned in the file: 8, 64, 4096
//!   bytes, or as the wide word says.
//! * A record is *wide* (flag 1) when its value has 64 KiB or more, or an alignment
//!   that the wide word has to say. Then the 16-bit length is 0.
//! * The blocks of a wide value are 64 KiB long; the last takes the remainder and
//!   has 64 to 128 KiB. One block for each started 64 KiB of the file at most, so
//!   one bit for each 64 KiB of the file can remember which were verified.
//! * sum = XXH3(bytes 8 to the end of the key; seed ^ own offset) + XXH3(value),
//!   wrapping; for a wide record XXH3(bytes 8 to the end of the block sums; seed ^
//!   own offset). The hash of the value does not depend on the place and is taken
//!   before the writer's lock.
//! * `previous` is the place of the version that this one replaces; 0 = none.
//! * Padding is zero and in no sum.

use std::ops::Range;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{ALIGNMENTS, BLOCK, Defect, UNIT, align_up};

/// Bytes of a record header without the wide word.
pub(crate) const HEAD_LEN: u64 = 24;

/// Longest key.
pub(crate) const MAX_KEY: usize = u16::MAX as usize;

/// Longest value: what 48 bits of place can hold, less room for the rest.
pub(crate) const MAX_VALUE: u64 = (1 << 50) - 1;

const WIDE: u8 = 0x01;
const ALIGN_SHIFT: u8 = 1;
/// The alignment stands in the wide word.
const BY_WORD: u8 = 3;
const MUST_UNDERSTAND: u8 = 0x80;
const LEN_BITS: u32 = 56;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone)]
#[repr(C)]
struct HeadBytes {
    sum: U64,
    kind: u8,
    flags: u8,
    key_len: U16,
    partition: U32,
    previous: [u8; 6],
    value_len: U16,
}

const _: () = assert!(size_of::<HeadBytes>() as u64 == HEAD_LEN);

/// What a record does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum RecordKind {
    /// The key maps to plain bytes.
    Put = 1,
    /// The key maps to nothing.
    Tombstone = 2,
    /// The key maps to an entry of arrays.
    Entry = 3,
    /// A chunk of an array; in a side of a partition.
    Chunk = 4,
    /// A part of an index.
    Segment = 5,
    /// The segments of a partition.
    Root = 6,
    /// Where replay starts.
    Checkpoint = 7,
    /// The entry at the key, with changes; in a side of a partition.
    Amendment = 8,
    /// What of a segment was superseded.
    Dead = 10,
}

impl RecordKind {
    fn from_wire(kind: u8) -> Option<Self> {
        match kind {
            1 => Some(Self::Put),
            2 => Some(Self::Tombstone),
            3 => Some(Self::Entry),
            4 => Some(Self::Chunk),
            5 => Some(Self::Segment),
            6 => Some(Self::Root),
            7 => Some(Self::Checkpoint),
            8 => Some(Self::Amendment),
            10 => Some(Self::Dead),
            _ => None,
        }
    }

    /// Whether records of this kind say what a key maps to, rather than where it stands.
    pub(crate) fn is_data(self) -> bool {
        matches!(
            self,
            Self::Put | Self::Tombstone | Self::Entry | Self::Chunk | Self::Amendment
        )
    }
}

/// The fields of a record header, and where its parts lie.
///
/// The parts are measured from the start of the record; none overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) sum: u64,
    pub(crate) kind: RecordKind,
    pub(crate) partition: u32,
    /// Place of the version that this one replaces; 0 = none.
    pub(crate) previous: u64,
    pub(crate) wide: bool,
    key_len: u16,
    align: u8,
    value_len: u64,
    /// Start of the value.
    value_at: u64,
    /// End of the record.
    end: u64,
}

impl Head {
    /// Lays a record out at offset `at`, with sum and previous place still 0.
    ///
    /// `align` is the log2 of the alignment of the value, at least 3. Needs a key of at most
    /// [`MAX_KEY`] and a value of at most [`MAX_VALUE`] bytes; `None` beyond.
    pub(crate) fn lay_out(
        at: u64,
        kind: RecordKind,
        partition: u32,
        key_len: usize,
        value_len: u64,
        align: u8,
    ) -> Option<Self> {
        let head = Self {
            sum: 0,
            kind,
            partition,
            previous: 0,
            wide: value_len >= BLOCK || align_code(align) == BY_WORD,
            key_len: u16::try_from(key_len).ok()?,
            align,
            value_len: (value_len <= MAX_VALUE).then_some(value_len)?,
            value_at: 0,
            end: 0,
        };
        head.placed(at)
    }

    /// Fills in `value_at` and `end` for a record at offset `at`.
    fn placed(mut self, at: u64) -> Option<Self> {
        let table_end = at.checked_add(self.table_range()?.end)?;
        let value_at = align_up(table_end, self.align)?;
        self.value_at = value_at.checked_sub(at)?;
        self.end = align_up(self.value_at.checked_add(self.value_len)?, 3)?;
        Some(self)
    }

    /// Reads the header of a record at offset `at`. Total: any bytes give a head
    /// or a defect, and every part of the head can be computed without overflow.
    pub(crate) fn parse(bytes: &[u8], at: u64) -> Result<Self, Defect> {
        let truncated = |need: u64| Defect::Truncated {
            what: "a record header",
            need,
            have: bytes.len() as u64,
        };
        let (raw, rest) = HeadBytes::ref_from_prefix(bytes).map_err(|_| truncated(HEAD_LEN))?;
        if raw.flags & MUST_UNDERSTAND != 0 {
            return Err(Defect::Field {
                what: "the flags of a record",
                found: raw.flags.into(),
                expected: "flags that this version knows",
            });
        }
        let kind = RecordKind::from_wire(raw.kind).ok_or(Defect::Field {
            what: "the kind of a record",
            found: raw.kind.into(),
            expected: "1 (put), 2 (tombstone), 3 (entry), 5 (segment), 6 (root), 7 (checkpoint) or 10 (dead)",
        })?;
        let wide = raw.flags & WIDE != 0;
        let (value_len, own_align) = if wide {
            let (word, _) =
                U64::ref_from_prefix(rest).map_err(|_| truncated(HEAD_LEN.saturating_add(8)))?;
            (
                word.get() & ((1 << LEN_BITS) - 1),
                (word.get() >> LEN_BITS) as u8,
            )
        } else {
            (raw.value_len.get().into(), 0)
        };
        let align = match raw.flags >> ALIGN_SHIFT & 3 {
            0 => 3,
            1 => 6,
            2 => 12,
            _ => own_align,
        };
        let [a, b, c, d, e, f] = raw.previous;
        let head = Self {
            sum: raw.sum.get(),
            kind,
            partition: raw.partition.get(),
            previous: u64::from_le_bytes([a, b, c, d, e, f, 0, 0]),
            wide,
            key_len: raw.key_len.get(),
            align,
            value_len,
            value_at: 0,
            end: 0,
        };
        let range = Defect::Field {
            what: "the value length of a record",
            found: value_len,
            expected: "a length inside the file",
        };
        if value_len > MAX_VALUE || !ALIGNMENTS.contains(&align) {
            return Err(range);
        }
        head.placed(at).ok_or(range)
    }

    /// Writes the header, with the wide word, to the start of `record`, which holds it.
    pub(crate) fn write(&self, record: &mut [u8]) {
        let code = align_code(self.align);
        let [a, b, c, d, e, f, _, _] = self.previous.to_le_bytes();
        let narrow = if self.wide { 0 } else { self.value_len as u16 };
        let raw = HeadBytes {
            sum: self.sum.into(),
            kind: self.kind as u8,
            flags: u8::from(self.wide) | (code << ALIGN_SHIFT),
            key_len: self.key_len.into(),
            partition: self.partition.into(),
            previous: [a, b, c, d, e, f],
            value_len: narrow.into(),
        };
        let wide = self.value_len | (u64::from(self.align) << LEN_BITS);
        if let Some((head, rest)) = record.split_at_mut_checked(HEAD_LEN as usize) {
            head.copy_from_slice(raw.as_bytes());
            if let Some(word) = rest.first_chunk_mut().filter(|_| self.wide) {
                *word = wide.to_le_bytes();
            }
        }
    }

    fn key_at(&self) -> u64 {
        if self.wide {
            HEAD_LEN.saturating_add(8)
        } else {
            HEAD_LEN
        }
    }

    /// Where the key lies.
    pub(crate) fn key_range(&self) -> Range<u64> {
        let at = self.key_at();
        at..at.saturating_add(self.key_len.into())
    }

    /// Where the sums of the blocks lie; empty unless the record is wide.
    pub(crate) fn table_range(&self) -> Option<Range<u64>> {
        let at = align_up(self.key_range().end, 3)?;
        let len = if self.wide {
            block_count(self.value_len).checked_mul(8)?
        } else {
            0
        };
        Some(at..at.checked_add(len)?)
    }

    /// Where the value lies.
    pub(crate) fn value_range(&self) -> Range<u64> {
        self.value_at..self.value_at.saturating_add(self.value_len)
    }

    /// Log2 of the alignment of the value.
    pub(crate) fn align(&self) -> u8 {
        self.align
    }

    /// Bytes of the value.
    pub(crate) fn value_len(&self) -> u64 {
        self.value_len
    }

    /// End of the record, a multiple of [`UNIT`].
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// End of the bytes that [`head_hash`] covers.
    pub(crate) fn hashed_end(&self) -> u64 {
        if self.wide {
            self.table_range().map_or(0, |range| range.end)
        } else {
            self.key_range().end
        }
    }
}

/// How the flags say an alignment with this log2.
fn align_code(log2: u8) -> u8 {
    match log2 {
        3 => 0,
        6 => 1,
        12 => 2,
        _ => BY_WORD,
    }
}

/// Where in a record the key starts whose bytes start here, if it has `len` bytes.
///
/// The part of [`Head::parse`] that a lookup needs before it knows that it has met the
/// right record.
#[inline(always)]
pub(crate) fn key_at_if(bytes: &[u8], len: usize) -> Option<u64> {
    let raw: &[u8; HEAD_LEN as usize] = bytes.first_chunk()?;
    let [_, _, _, _, _, _, _, _, _, flags, low, high, ..] = *raw;
    if usize::from(u16::from_le_bytes([low, high])) != len {
        return None;
    }
    Some(HEAD_LEN.wrapping_add(u64::from(flags & WIDE).wrapping_mul(8)))
}

/// The key of a record that is not wide and starts here.
#[inline(always)]
pub(crate) fn plain_key(record: &[u8]) -> Option<&[u8]> {
    let [_, _, _, _, _, _, _, _, _, _, low, high, ..] = *record else {
        return None;
    };
    let start = HEAD_LEN as usize;
    record.get(start..start.wrapping_add(u16::from_le_bytes([low, high]).into()))
}

/// Whether two keys are the same: as `==`, without a call for those of usual lengths. A
/// call costs a lookup more than the comparison: what was in registers has to be saved.
#[inline(always)]
pub(crate) fn is_same(a: &[u8], b: &[u8]) -> bool {
    /// The first and the last `N` bytes, which may overlap.
    #[inline(always)]
    fn ends<const N: usize>(a: &[u8], b: &[u8]) -> bool {
        (a.first_chunk::<N>() == b.first_chunk()) & (a.last_chunk::<N>() == b.last_chunk())
    }
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        8..=16 => ends::<8>(a, b),
        17..=32 => ends::<16>(a, b),
        33..=64 => ends::<32>(a, b),
        _ => a == b,
    }
}

/// Where in a record at offset `at`, whose bytes start here, the value starts, and its
/// length, if it is a plain value in a record that is not wide: [`Head::parse`] for the usual case, with a
/// fifth of its instructions. `None` says nothing: then parse.
#[inline(always)]
pub(crate) fn plain_value(bytes: &[u8], at: u64) -> Option<(u64, u64)> {
    let raw: &[u8; HEAD_LEN as usize] = bytes.first_chunk()?;
    let [
        ..,
        kind,
        flags,
        key_low,
        key_high,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        low,
        high,
    ] = *raw;
    // Not wide, nothing that must be understood, one of the three natural alignments.
    if kind != RecordKind::Put as u8 || flags & !(1 << ALIGN_SHIFT) != 0 {
        return None;
    }
    let mask = if flags == 0 { 7 } else { 63 };
    let key_len = u16::from_le_bytes([key_low, key_high]);
    let table_at = HEAD_LEN.wrapping_add(key_len.into()).wrapping_add(7) & !7;
    let table_end = at.wrapping_add(table_at);
    let start = (table_end.wrapping_add(mask) & !mask).wrapping_sub(at);
    Some((start, u16::from_le_bytes([low, high]).into()))
}

/// Number of blocks of a wide value.
pub(crate) fn block_count(value_len: u64) -> u64 {
    (value_len / BLOCK).max(1)
}

/// Where block `index` of a wide value lies in the value.
pub(crate) fn block_range(value_len: u64, index: u64) -> Range<u64> {
    let start = index.saturating_mul(BLOCK);
    let last = index.saturating_add(1) >= block_count(value_len);
    start..if last {
        value_len
    } else {
        start.saturating_add(BLOCK)
    }
}

/// Hash of the head of a record: its bytes from 8 to [`Head::hashed_end`].
pub(crate) fn head_hash(bytes: &[u8], seed: u64, at: u64) -> u64 {
    xxh3_64_with_seed(bytes, seed ^ at)
}

/// Hash of a value, or of a block of one.
pub(crate) fn value_hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Hash of a key in the store with `seed`.
pub(crate) fn key_hash(key: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(key, seed)
}

const _: () = assert!(HEAD_LEN.is_multiple_of(UNIT));

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]
mod tests {
    use super::super::value_align;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_has_up_to_2_to_the_50_bytes_less_one_and_a_key_65_535() {
        let lay_out = |key, value| Head::lay_out(64, RecordKind::Put, 1, key, value, 3);
        let head = lay_out(MAX_KEY, MAX_VALUE).expect("fits");
        assert_eq!((head.key_len, head.value_len), (65_535, (1 << 50) - 1));
        assert!(lay_out(MAX_KEY + 1, 0).is_none());
        assert!(lay_out(0, MAX_VALUE + 1).is_none());
    }

    #[test]
    fn a_35_byte_key_and_a_100_byte_value_take_168_bytes() {
        let head = Head::lay_out(16424, RecordKind::Put, 1, 35, 100, 3).expect("fits");
        assert_eq!(head.end(), 168);
        assert_eq!(head.value_range(), 64..164);
    }

    #[test]
    fn values_are_aligned_in_the_file_by_their_length() {
        for (len, align) in [
            (255, 8),
            (256, 64),
            (65535, 64),
            (65536, 64),
            (1 << 20, 4096),
        ] {
            for at in [16424u64, 16432, 20000] {
                let log2 = value_align(len, None);
                let head = Head::lay_out(at, RecordKind::Put, 1, 5, len, log2).expect("fits");
                assert_eq!((at + head.value_range().start) % align, 0, "{len} at {at}");
            }
        }
    }

    #[test]
    fn blocks_tile_a_value_and_the_last_takes_the_remainder() {
        for len in [65536u64, 65537, 131_071, 131_072, 200_000, 1 << 20] {
            let mut at = 0;
            for index in 0..block_count(len) {
                let range = block_range(len, index);
                assert_eq!(range.start, at);
                assert!(
                    (65536..131_072).contains(&(range.end - range.start)),
                    "{len}"
                );
                at = range.end;
            }
            assert_eq!(at, len);
        }
    }

    #[test]
    fn keys_are_the_same_if_every_byte_is() {
        for len in 0..100 {
            let key = vec![7; len];
            assert!(is_same(&key, &key.clone()));
            assert!(!is_same(&key, &vec![7; len + 1]));
            for at in 0..len {
                let mut other = key.clone();
                other[at] = 8;
                assert!(!is_same(&key, &other), "byte {at} of {len}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_head_reads_back_what_was_laid_out(
            at in (2048u64..1 << 30).prop_map(|place| place * 8),
            key_len in 0usize..=MAX_KEY,
            value_len in prop_oneof![0u64..70_000, 0u64..MAX_VALUE],
            align in 3u8..=20,
            previous in 0u64..1 << 48,
        ) {
            let mut head =
                Head::lay_out(at, RecordKind::Entry, 77, key_len, value_len, align).expect("fits");
            head.previous = previous;
            head.sum = 99;
            let mut bytes = vec![0; if head.wide { 32 } else { 24 }];
            head.write(&mut bytes);
            prop_assert_eq!(key_at_if(&bytes, key_len), Some(head.key_range().start));
            prop_assert_eq!(key_at_if(&bytes, key_len + 1), None);
            prop_assert_eq!(plain_value(&bytes, at), None, "an entry");
            let plain = Head { kind: RecordKind::Put, ..head };
            plain.write(&mut bytes);
            if let Some((start, len)) = plain_value(&bytes, at) {
                prop_assert_eq!(start..start + len, plain.value_range());
            } else {
                prop_assert!(plain.wide || align == 12);
            }
            prop_assert_eq!(Head::parse(&bytes, at), Ok(plain));
        }

        #[test]
        fn any_bytes_give_a_head_or_a_defect(bytes in proptest::collection::vec(any::<u8>(), 0..40), at in any::<u64>()) {
            if let Ok(head) = Head::parse(&bytes, at) {
                prop_assert!(head.value_range().end <= head.end());
            }
        }
    }
}
