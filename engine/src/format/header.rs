//! The four header pages: identity, two slots, the live page.
//!
//! ```text
//! identity   0 magic[8]   8 major u16   10 minor u16   12 endian probe u32
//! (512 B)   16 store id[16]   32 lineage id[16]   48 generation u64   56 seed u64
//!           64 first seqno u64   72 incompat u64   80 ro_compat u64   88 compat u64
//!           96 parent store id[16]   112 zeros   508 crc32(0..508) u32
//!
//! slot       0 magic u32   4 flags u32   8 slot seq u64   16 checkpoint offset u64
//! (64 B)    24 checkpoint end u64   32 durable end u64   40 seqno u64
//!           48 next generation u64   56 zero u32
//!           60 crc32(store id, own offset, 0..60) u32
//!
//! live       0 published end u64   8 seqno u64   16 durable end u64
//! (88 B)    24 xxh3(store id, durable end) u64   32 slot seq u64   40 state u64
//!           48 pid u64   56 opened, seconds since 1970 u64
//!           64 checkpoint u64   72 its end u64   80 xxh3(boot id, these two) u64
//! ```
//!
//! * The magic is not text and holds the line ends that a transfer in text mode
//!   would change.
//! * A copy of the identity stands in the live page, 2048 bytes from its start,
//!   so that damage to one page leaves the store readable.
//! * The features words say what a reader without a feature must do: refuse
//!   (`incompat`), read only (`ro_compat`), nothing (`compat`). None is defined.
//! * A slot is written by turns after the sync that covers what it names, so that
//!   a torn slot leaves the other one.
//! * The live page is written at every commit through a mapping. Recovery trusts
//!   only its durable end, which is stored after the sync that covers it and
//!   carries a check; `pid` and `opened` are hints for messages. The checkpoint is one
//!   that is written and not synced yet: it counts as long as the system runs on, whose
//!   memory has it, and the check says whether it is the same run.

use xxhash_rust::xxh3::xxh3_64_with_seed;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Defect, VERSION};
use crate::mutant::{Rule, broken};

/// First bytes of every store.
pub(crate) const MAGIC: [u8; 8] = [0x89, b'A', b'L', b'G', 0x0D, 0x0A, 0x1A, 0x0A];

/// Offset of the copy of the identity.
pub(crate) const IDENTITY_COPY: u64 = LIVE + 2048;

/// Offsets of the slots.
pub(crate) const SLOTS: [u64; 2] = [4096, 8192];

/// Offset of the live page.
pub(crate) const LIVE: u64 = 12288;

/// Bytes of the identity.
pub(crate) const IDENTITY_LEN: usize = size_of::<IdentityBytes>();

const ENDIAN_PROBE: u32 = 0x0102_0304;
const SLOT_MAGIC: u32 = 0x4753_4C41;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone)]
#[repr(C)]
struct IdentityBytes {
    magic: [u8; 8],
    major: U16,
    minor: U16,
    endian_probe: U32,
    store_id: [u8; 16],
    lineage_id: [u8; 16],
    generation: U64,
    seed: U64,
    first_seqno: U64,
    incompat: U64,
    ro_compat: U64,
    compat: U64,
    parent: [u8; 16],
    reserved: [u8; 396],
    crc: U32,
}

const _: () = assert!(size_of::<IdentityBytes>() == 512);

/// Who a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Random; of this generation of the file. Seeds every checksum.
    pub(crate) store_id: [u8; 16],
    /// Random; kept by compaction.
    pub(crate) lineage_id: [u8; 16],
    /// How often the store was compacted.
    pub(crate) generation: u64,
    /// Random; seeds the hashes of keys and the sums of records. Kept by compaction.
    pub(crate) seed: u64,
    /// Seqno of the first batch of this file.
    pub(crate) first_seqno: u64,
    /// Features that a writer has to know, and this build knows none.
    pub(crate) ro_compat: u64,
    /// Store id of the generation before.
    pub(crate) parent: [u8; 16],
}

/// Why bytes are not the identity of a store that this build reads.
#[derive(Debug)]
pub(crate) enum IdentityError {
    /// The magic is not there: some other file.
    Foreign,
    /// A store of another version, or with features that this build lacks.
    Version(String),
    /// A store whose identity is damaged.
    Damaged(Defect),
}

impl Identity {
    /// The 512 bytes of the identity.
    pub(crate) fn to_bytes(self) -> [u8; IDENTITY_LEN] {
        let mut bytes = IdentityBytes {
            magic: MAGIC,
            major: VERSION.0.into(),
            minor: VERSION.1.into(),
            endian_probe: ENDIAN_PROBE.into(),
            store_id: self.store_id,
            lineage_id: self.lineage_id,
            generation: self.generation.into(),
            seed: self.seed.into(),
            first_seqno: self.first_seqno.into(),
            incompat: 0.into(),
            ro_compat: self.ro_compat.into(),
            compat: 0.into(),
            parent: self.parent,
            reserved: [0; 396],
            crc: 0.into(),
        };
        bytes.crc = bytes.computed_crc().into();
        zerocopy::transmute!(bytes)
    }

    /// Checks magic, checksum, version and features, in this order.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, IdentityError> {
        let truncated = Defect::Truncated {
            what: "the identity",
            need: IDENTITY_LEN as u64,
            have: bytes.len() as u64,
        };
        if bytes.get(..8) != Some(&MAGIC) {
            return Err(IdentityError::Foreign);
        }
        let (raw, _) =
            IdentityBytes::ref_from_prefix(bytes).map_err(|_| IdentityError::Damaged(truncated))?;
        let (stored, computed) = (raw.crc.get(), raw.computed_crc());
        if stored != computed {
            return Err(IdentityError::Damaged(Defect::Checksum {
                what: "the identity",
                stored: stored.into(),
                computed: computed.into(),
            }));
        }
        let version = (raw.major.get(), raw.minor.get());
        if version != VERSION || raw.endian_probe.get() != ENDIAN_PROBE {
            return Err(IdentityError::Version(format!(
                "{}.{}",
                version.0, version.1
            )));
        }
        if raw.incompat.get() != 0 {
            return Err(IdentityError::Version(format!(
                "{}.{} with unknown features {:#x}",
                version.0,
                version.1,
                raw.incompat.get()
            )));
        }
        Ok(Self {
            store_id: raw.store_id,
            lineage_id: raw.lineage_id,
            generation: raw.generation.get(),
            seed: raw.seed.get(),
            first_seqno: raw.first_seqno.get(),
            ro_compat: raw.ro_compat.get(),
            parent: raw.parent,
        })
    }
}

impl IdentityBytes {
    fn computed_crc(&self) -> u32 {
        crc32fast::hash(self.as_bytes().get(..508).unwrap_or_default())
    }
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone)]
#[repr(C)]
struct SlotBytes {
    magic: U32,
    flags: U32,
    seq: U64,
    checkpoint_at: U64,
    checkpoint_end: U64,
    durable_end: U64,
    seqno: U64,
    next_generation: U64,
    reserved: U32,
    crc: U32,
}

const _: () = assert!(size_of::<SlotBytes>() == 64);

/// Bytes of a slot.
pub(crate) const SLOT_LEN: usize = size_of::<SlotBytes>();

/// What was durable when the slot was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Grows with every slot written; the higher one is the newer.
    pub(crate) seq: u64,
    /// Offset of the newest checkpoint record; 0 = none.
    pub(crate) checkpoint: u64,
    /// End of its frame.
    pub(crate) checkpoint_end: u64,
    /// Everything before this offset was on the device.
    pub(crate) durable_end: u64,
    /// Seqno of the last batch before it.
    pub(crate) seqno: u64,
    /// Generation of the file that took the place of this one; 0 = none.
    pub(crate) next_generation: u64,
}

impl Slot {
    /// The 64 bytes of a slot at offset `at`.
    pub(crate) fn to_bytes(self, store_id: &[u8; 16], at: u64) -> [u8; SLOT_LEN] {
        let mut bytes = SlotBytes {
            magic: SLOT_MAGIC.into(),
            flags: 0.into(),
            seq: self.seq.into(),
            checkpoint_at: self.checkpoint.into(),
            checkpoint_end: self.checkpoint_end.into(),
            durable_end: self.durable_end.into(),
            seqno: self.seqno.into(),
            next_generation: self.next_generation.into(),
            reserved: 0.into(),
            crc: 0.into(),
        };
        bytes.crc = bytes.computed_crc(store_id, at).into();
        zerocopy::transmute!(bytes)
    }

    /// The slot, if its magic and checksum hold.
    pub(crate) fn parse(bytes: &[u8], store_id: &[u8; 16], at: u64) -> Option<Self> {
        let (raw, _) = SlotBytes::ref_from_prefix(bytes).ok()?;
        let holds = raw.crc.get() == raw.computed_crc(store_id, at) || broken(Rule::SlotSum);
        let valid = raw.magic.get() == SLOT_MAGIC && holds;
        valid.then(|| Self {
            seq: raw.seq.get(),
            checkpoint: raw.checkpoint_at.get(),
            checkpoint_end: raw.checkpoint_end.get(),
            durable_end: raw.durable_end.get(),
            seqno: raw.seqno.get(),
            next_generation: raw.next_generation.get(),
        })
    }
}

impl SlotBytes {
    fn computed_crc(&self, store_id: &[u8; 16], at: u64) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(store_id);
        hasher.update(&at.to_le_bytes());
        hasher.update(self.as_bytes().get(..60).unwrap_or_default());
        hasher.finalize()
    }
}

/// Whether a writer is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum LiveState {
    /// A writer has the store open, or stopped without closing it.
    Open = 0,
    /// The last writer closed it.
    Closed = 1,
    /// The path names, or is about to name, another file.
    Superseded = 2,
    /// A sync failed.
    Poisoned = 3,
}

/// The words of the live page, in the order of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Live {
    /// End of the last batch that readers may see.
    pub(crate) published_end: u64,
    /// Its seqno.
    pub(crate) seqno: u64,
    /// Everything before this offset is on the device.
    pub(crate) durable_end: u64,
    /// `durable_check` of the durable end.
    pub(crate) check: u64,
    /// Sequence number of the newest slot.
    pub(crate) slot_seq: u64,
    /// A [`LiveState`].
    pub(crate) state: u64,
    /// Process of the writer.
    pub(crate) pid: u64,
    /// When it opened the store, in seconds since 1970.
    pub(crate) opened: u64,
    /// Offset of a checkpoint record that no slot names yet; 0 = none.
    pub(crate) checkpoint: u64,
    /// End of its frame.
    pub(crate) checkpoint_end: u64,
    /// `boot_check` of these two.
    pub(crate) boot_check: u64,
}

/// Number of words in the live page.
pub(crate) const LIVE_WORDS: usize = 11;

/// Which of them is the state.
pub(crate) const STATE_WORD: usize = 5;

impl Live {
    /// The words as they stand in the file.
    pub(crate) fn words(self) -> [u64; LIVE_WORDS] {
        [
            self.published_end,
            self.seqno,
            self.durable_end,
            self.check,
            self.slot_seq,
            self.state,
            self.pid,
            self.opened,
            self.checkpoint,
            self.checkpoint_end,
            self.boot_check,
        ]
    }

    /// The words of the file by name.
    pub(crate) fn from_words(words: [u64; LIVE_WORDS]) -> Self {
        let [
            published_end,
            seqno,
            durable_end,
            check,
            slot_seq,
            state,
            pid,
            opened,
            checkpoint,
            checkpoint_end,
            boot_check,
        ] = words;
        Self {
            published_end,
            seqno,
            durable_end,
            check,
            slot_seq,
            state,
            pid,
            opened,
            checkpoint,
            checkpoint_end,
            boot_check,
        }
    }

    /// The checkpoint that was written since the system started, if there is one and the
    /// words that name it are of one commit: its offset and the end of its frame.
    pub(crate) fn unsynced_checkpoint(&self, boot_id: &[u8; 16]) -> Option<(u64, u64)> {
        let named = (self.checkpoint, self.checkpoint_end);
        let holds = self.boot_check == boot_check(boot_id, named);
        let holds = holds || broken(Rule::RunOfTheSystem);
        (holds && self.checkpoint != 0).then_some(named)
    }

    /// Whether the last writer closed the store.
    pub(crate) fn is_closed(&self) -> bool {
        self.state == LiveState::Closed as u64
    }

    /// Whether the path names another file, or is about to.
    pub(crate) fn is_superseded(&self) -> bool {
        is_superseded(self.state)
    }

    /// The durable end, if its check holds.
    pub(crate) fn trusted_durable_end(&self, store_id: &[u8; 16]) -> Option<u64> {
        let holds = self.check == durable_check(store_id, self.durable_end);
        (holds || broken(Rule::DurableCheck)).then_some(self.durable_end)
    }
}

/// Whether that state says that the path names another file, or is about to.
pub(crate) fn is_superseded(state: u64) -> bool {
    state == LiveState::Superseded as u64
}

/// What the live page carries beside the newest checkpoint.
pub(crate) fn boot_check(boot_id: &[u8; 16], (checkpoint, end): (u64, u64)) -> u64 {
    xxh3_64_with_seed(boot_id, checkpoint ^ end.rotate_left(32))
}

/// What the live page carries beside a durable end.
pub(crate) fn durable_check(store_id: &[u8; 16], durable_end: u64) -> u64 {
    xxh3_64_with_seed(store_id, durable_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            store_id: [1; 16],
            lineage_id: [2; 16],
            generation: 3,
            seed: 4,
            first_seqno: 5,
            ro_compat: 0,
            parent: [6; 16],
        }
    }

    #[test]
    fn identity_reads_back_what_was_written() {
        assert_eq!(
            Identity::parse(&identity().to_bytes()).expect("valid"),
            identity()
        );
    }

    #[test]
    fn identity_rejects_every_single_bit_flip() {
        let good = identity().to_bytes();
        for bit in 0..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Identity::parse(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn identity_names_a_version_from_the_future() {
        let mut raw: IdentityBytes = zerocopy::transmute!(identity().to_bytes());
        raw.minor = 99.into();
        raw.crc = raw.computed_crc().into();
        match Identity::parse(raw.as_bytes()) {
            Err(IdentityError::Version(found)) => assert_eq!(found, "0.99"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn slot_reads_back_and_rejects_every_single_bit_flip_and_another_place() {
        let slot = Slot {
            seq: 9,
            checkpoint: 17_000,
            checkpoint_end: 18_000,
            durable_end: 20_000,
            seqno: 7,
            next_generation: 6,
        };
        let good = slot.to_bytes(&[1; 16], 4096);
        assert_eq!(Slot::parse(&good, &[1; 16], 4096), Some(slot));
        assert_eq!(Slot::parse(&good, &[1; 16], 8192), None);
        assert_eq!(Slot::parse(&good, &[2; 16], 4096), None);
        for bit in 0..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Slot::parse(&bad, &[1; 16], 4096), None, "bit {bit}");
        }
    }

    #[test]
    fn live_words_keep_their_order() {
        let words = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        assert_eq!(Live::from_words(words).words(), words);
    }
}
