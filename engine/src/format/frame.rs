//! A frame: one commit of the log.
//!
//! ```text
//!  0      2     3      4      8        16           24            32          40
//!  +------+-----+------+------+--------+------------+-------------+-----------+--- - -
//!  | 0FA1 |kind |flags | crc  | seqno  | body length| durable end | frame sum | records
//!  |      |     |      |      |        | 48, epoch16|             |           |
//!  +------+-----+------+------+--------+------------+-------------+-----------+--- - -
//! ```
//!
//! * `crc` is CRC-32 of the store id, the frame's own offset, bytes 0..4 and 8..40:
//!   the header can be checked alone, anywhere.
//! * `durable end` is what was known to be on the device when the header was made:
//!   a witness that bytes before it were once whole.
//! * `frame sum` is XXH3-64 of the sums of the records in order, seeded with the
//!   frame sum of the frame before (at the start of the log: the first half of the
//!   store id), the seqno and the epoch. It holds which records a frame has, and
//!   that it follows its predecessor.
//! * `epoch` is random for each opening for writing.
//! * A SPACE frame vouches for its length only: it covers what a crash left, or has
//!   the segments of an index, which are reached by their places. Its sum is that of
//!   no records.
//! * A CHECKPOINT frame has records of the index. Like a SPACE frame it takes no seqno.
//! * COPY frames, at the start of a log alone, have what compaction took over. They take
//!   no seqno either: that of the last commit that they hold is the one before the first
//!   batch.

use xxhash_rust::xxh3::xxh3_64_with_seed;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Defect, UNIT};

/// Bytes of the header.
pub(crate) const HEADER_LEN: u64 = 40;

const MAGIC: [u8; 2] = [0x0F, 0xA1];
const LENGTH_BITS: u32 = 48;
/// 2^64 divided by the golden ratio: spreads seqnos over the seed.
const PHI: u64 = 0x9E37_79B9_7F4A_7C15;
/// A reader that does not know the frame must refuse the file.
const FLAG_MUST_UNDERSTAND: u8 = 0x80;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone)]
#[repr(C)]
struct HeaderBytes {
    magic: [u8; 2],
    kind: u8,
    flags: u8,
    crc: U32,
    seqno: U64,
    length_epoch: U64,
    durable_end: U64,
    frame_sum: U64,
}

const _: () = assert!(size_of::<HeaderBytes>() as u64 == HEADER_LEN);
const _: () = assert!(HEADER_LEN.is_multiple_of(UNIT));

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// Records that commit together; takes the next seqno.
    Batch = 1,
    /// Bytes to be passed over: what a crash left, or segments of the index.
    Space = 2,
    /// Records of the index, which replay passes over.
    Checkpoint = 3,
    /// Records that compaction copied: what the store held before its first batch. Takes no
    /// seqno.
    Copy = 4,
}

/// The header of a frame whose checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) kind: FrameKind,
    /// Of this batch; other frames carry that of the last batch before them.
    pub(crate) seqno: u64,
    pub(crate) body_len: u64,
    pub(crate) epoch: u16,
    pub(crate) durable_end: u64,
    pub(crate) frame_sum: u64,
}

impl FrameKind {
    /// Whether its records say what keys map to.
    pub(crate) fn has_data(self) -> bool {
        matches!(self, Self::Batch | Self::Copy)
    }
}

impl FrameHeader {
    /// The 40 bytes of a header at offset `at`.
    pub(crate) fn to_bytes(self, store_id: &[u8; 16], at: u64) -> [u8; HEADER_LEN as usize] {
        let mut bytes = HeaderBytes {
            magic: MAGIC,
            kind: self.kind as u8,
            flags: 0,
            crc: 0.into(),
            seqno: self.seqno.into(),
            length_epoch: (self.body_len | u64::from(self.epoch) << LENGTH_BITS).into(),
            durable_end: self.durable_end.into(),
            frame_sum: self.frame_sum.into(),
        };
        bytes.crc = bytes.computed_crc(store_id, at).into();
        zerocopy::transmute!(bytes)
    }

    /// Checks magic, checksum, kind and length, in this order.
    pub(crate) fn parse(bytes: &[u8], store_id: &[u8; 16], at: u64) -> Result<Self, Defect> {
        let (raw, _) = HeaderBytes::ref_from_prefix(bytes).map_err(|_| Defect::Truncated {
            what: "a frame header",
            need: HEADER_LEN,
            have: bytes.len() as u64,
        })?;
        if raw.magic != MAGIC {
            return Err(Defect::Field {
                what: "the magic number of a frame",
                found: u16::from_le_bytes(raw.magic).into(),
                expected: "0F A1",
            });
        }
        let (stored, computed) = (raw.crc.get(), raw.computed_crc(store_id, at));
        if stored != computed {
            return Err(Defect::Checksum {
                what: "a frame header",
                stored: stored.into(),
                computed: computed.into(),
            });
        }
        let kind = match (raw.kind, raw.flags & FLAG_MUST_UNDERSTAND) {
            (1, 0) => FrameKind::Batch,
            (2, 0) => FrameKind::Space,
            (3, 0) => FrameKind::Checkpoint,
            (4, 0) => FrameKind::Copy,
            (found, _) => {
                return Err(Defect::Field {
                    what: "the kind of a frame",
                    found: found.into(),
                    expected: "1 (batch), 2 (space), 3 (checkpoint) or 4 (copy)",
                });
            }
        };
        let body_len = raw.length_epoch.get() & ((1 << LENGTH_BITS) - 1);
        if !body_len.is_multiple_of(UNIT) {
            return Err(Defect::Field {
                what: "the length of a frame",
                found: body_len,
                expected: "a multiple of 8",
            });
        }
        Ok(Self {
            kind,
            seqno: raw.seqno.get(),
            body_len,
            epoch: (raw.length_epoch.get() >> LENGTH_BITS) as u16,
            durable_end: raw.durable_end.get(),
            frame_sum: raw.frame_sum.get(),
        })
    }

    /// Whether `bytes` may start a frame: cheap, for scans.
    pub(crate) fn looks_like_one(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }
}

impl HeaderBytes {
    fn computed_crc(&self, store_id: &[u8; 16], at: u64) -> u32 {
        let bytes = self.as_bytes();
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(store_id);
        hasher.update(&at.to_le_bytes());
        hasher.update(bytes.get(..4).unwrap_or_default());
        hasher.update(bytes.get(8..).unwrap_or_default());
        hasher.finalize()
    }
}

/// The frame sum before the first frame.
pub(crate) fn first_predecessor(store_id: &[u8; 16]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *store_id;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// The sum of a frame whose records have `sums`, eight bytes each.
pub(crate) fn frame_sum(sums: &[u8], predecessor: u64, seqno: u64, epoch: u16) -> u64 {
    xxh3_64_with_seed(
        sums,
        predecessor ^ seqno.wrapping_mul(PHI) ^ u64::from(epoch),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FrameHeader {
        FrameHeader {
            kind: FrameKind::Batch,
            seqno: 12,
            body_len: 168,
            epoch: 0xBEEF,
            durable_end: 16384,
            frame_sum: 0x0123_4567_89AB_CDEF,
        }
    }

    #[test]
    fn header_reads_back_what_was_written() {
        let bytes = header().to_bytes(&[7; 16], 16384);
        assert_eq!(FrameHeader::parse(&bytes, &[7; 16], 16384), Ok(header()));
    }

    #[test]
    fn header_is_bound_to_store_and_offset() {
        let bytes = header().to_bytes(&[7; 16], 16384);
        assert!(FrameHeader::parse(&bytes, &[8; 16], 16384).is_err());
        assert!(FrameHeader::parse(&bytes, &[7; 16], 16392).is_err());
    }

    #[test]
    fn header_rejects_every_single_bit_flip() {
        let good = header().to_bytes(&[7; 16], 16384);
        for bit in 0..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(
                FrameHeader::parse(&bad, &[7; 16], 16384).is_err(),
                "bit {bit}"
            );
        }
    }
}
