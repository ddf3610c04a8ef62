//! Dictionaries: what the small arrays of a partition that are encoded with zstd have in
//! common, which compaction finds and stores once.
//!
//! A sample of the arrays is decoded. Three parts of four train a dictionary, and the
//! fourth says of which length, and whether it is worth its room. Then every entry with such
//! arrays is encoded anew. At the next compaction a dictionary that serves most of them, at
//! the level that is asked for if one is, stays, and what it encoded is copied as it is.

use std::sync::Arc;

use super::reading::Source;
use crate::catalog::{Beside, PartitionState};
use crate::chunks::DICTIONARY_KEYS;
use crate::codec::{self, Dictionary, MOST_DICTIONARY, Pipeline, Samples, Shared};
use crate::entry::{Array, Entry};
use crate::error::{Error, Result};
use crate::format::offset;
use crate::index::Pinned;
use crate::log::{Located, Walk};

/// Entries that are looked at, evenly over the partition.
const ENTRIES: u64 = 4096;

/// Of so many there has to be one with an array that shares.
const FIRST: u64 = 64;

/// Of an entry arrays are taken in turn until they have so many bytes.
const OF_ENTRY: u64 = 4 << 10;

/// Most bytes of a sample, decoded.
const MOST_BYTES: u64 = 8 << 20;

/// Every so manyth array does not train, and says what it came to.
const HELD: usize = 4;

/// A dictionary has about one byte for so many that use it: of both that are trained the one
/// that saves more stays, as what a longer one brings grows in steps.
const SHARES: [u64; 2] = [128, 64];
const LEAST: u64 = 1 << 10;
const MOST: u64 = MOST_DICTIONARY as u64;

/// One that is there stays if so many bytes for each of its own may use it.
const LEAST_USE: u64 = 16;

/// A dictionary has to save one byte of so many, and its own room twice.
const LEAST_GAIN: u64 = 32;

/// Which entries of a partition are encoded anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anew {
    None,
    /// Those that do not use the dictionary yet.
    Others,
    All,
}

/// The dictionary of a partition that is copied.
#[derive(Debug)]
pub(super) struct Sharing {
    dictionary: Option<Arc<Dictionary>>,
    anew: Anew,
    /// The level by which arrays are encoded anew; `None`: that of each.
    level: Option<u32>,
}

impl Sharing {
    /// What the partition has, which stays as it is.
    pub(super) fn as_it_is(partition: u32, beside: &Beside, from: Source<'_>) -> Result<Self> {
        let dictionary = match beside.chunks(from.log, beside.end) {
            Some(chunks) if chunks.has_dictionary()? => Some(chunks.dictionary(partition)?),
            _ => None,
        };
        Ok(Self {
            dictionary,
            ..Self::none()
        })
    }

    /// The dictionary that is best for the partition: the one that it has, a new one, or
    /// none.
    pub(super) fn best(
        partition: &PartitionState,
        pinned: &Pinned,
        beside: &Beside,
        from: Source<'_>,
        level: Option<u32>,
    ) -> Result<Self> {
        let before = Self::as_it_is(partition.id, beside, from)?;
        // Without the codec nothing can be decoded.
        if !cfg!(feature = "zstd") {
            return Ok(before);
        }
        let sample = Sample::of(partition.index.len(), pinned, beside, from, level)?;
        let most = sample.shared.saturating_mul(2) >= sample.arrays.len();
        let room = before.dictionary().map_or(0, |it| it.bytes().len() as u64);
        let pays = sample.bytes >= room.saturating_mul(LEAST_USE);
        if before.dictionary.is_some() && most && pays {
            let anew = Anew::Others;
            return Ok(Self {
                anew,
                level,
                ..before
            });
        }
        let had = before.dictionary.is_some();
        let dictionary = sample.train()?.map(Arc::new);
        let anew = match had || dictionary.is_some() {
            true => Anew::All,
            false => Anew::None,
        };
        Ok(Self {
            dictionary,
            anew,
            level,
        })
    }

    /// Nothing in common.
    pub(super) fn none() -> Self {
        Self {
            dictionary: None,
            anew: Anew::None,
            level: None,
        }
    }

    /// The dictionary.
    pub(super) fn dictionary(&self) -> Option<&Dictionary> {
        self.dictionary.as_deref()
    }

    /// The same, for arrays that are encoded with it.
    pub(super) fn shared(&self) -> Option<Shared<'_>> {
        let level = self.level;
        let dictionary = self.dictionary()?;
        Some(Shared { dictionary, level })
    }

    /// Whether entries of the partition may have to be encoded anew.
    pub(super) fn is_at_work(&self) -> bool {
        self.anew != Anew::None
    }

    /// Whether an entry has to be.
    pub(super) fn renews(&self, entry: &Entry) -> Result<bool> {
        match self.anew {
            Anew::None => Ok(false),
            Anew::All if entry.shares_dictionary()? => Ok(true),
            Anew::Others if entry.shares_dictionary()? => self.has_another_level(entry),
            Anew::All | Anew::Others => {
                // Without a dictionary there is nothing to gain.
                if self.dictionary.is_none() {
                    return Ok(false);
                }
                for position in 0..entry.len() {
                    if entry.array_at(position)?.sharing()?.is_some() {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Whether an array of an entry is encoded with the dictionary at another level than is
    /// asked for.
    fn has_another_level(&self, entry: &Entry) -> Result<bool> {
        if self.level.is_none() {
            return Ok(false);
        }
        for position in 0..entry.len() {
            let codec = entry.array_at(position)?.shared_codec()?;
            if codec.is_some_and(|codec| !has_level(&codec, self.level)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a codec has the level that is asked for, if one is.
fn has_level(codec: &Pipeline, level: Option<u32>) -> bool {
    level.is_none_or(|level| codec.at_level(level) == *codec)
}

/// Some arrays of a partition, of which nothing was decoded yet.
#[derive(Default)]
struct Sample {
    arrays: Vec<(Array, Pipeline)>,
    /// Bytes of these, decoded.
    taken: u64,
    /// The level that is asked for.
    level: Option<u32>,
    /// How many of them use a dictionary, at that level.
    shared: usize,
    /// Bytes of all arrays of the partition that may share, about.
    bytes: u64,
}

impl Sample {
    /// Of a partition with so many entries.
    fn of(
        entries: u64,
        pinned: &Pinned,
        beside: &Beside,
        from: Source<'_>,
        level: Option<u32>,
    ) -> Result<Self> {
        let mut walk = Walk::uncompared(Some(pinned.clone()), beside.end);
        let step = (entries / ENTRIES).max(1);
        let mut sample = Self {
            level,
            ..Self::default()
        };
        let (mut number, mut looked) = (0u64, 0u64);
        while let Some(found) = walk.next(from.log) {
            let wanted = number.checked_rem(step) == Some(0);
            number = number.saturating_add(1);
            if !wanted {
                continue;
            }
            let taken = found.and_then(|found| {
                let at = offset(found);
                let (head, key) = from.log.head_and_key(at)?;
                sample.take(&from.entry(&key, Located { at, head }, beside)?, looked)
            });
            told_later(taken)?;
            looked = looked.saturating_add(1);
            let nothing = looked >= FIRST && sample.arrays.is_empty();
            if nothing || sample.taken >= MOST_BYTES {
                break;
            }
        }
        sample.bytes = sample.bytes.saturating_mul(entries) / looked.max(1);
        Ok(sample)
    }

    /// Takes arrays of an entry, in turn with those of other entries.
    fn take(&mut self, entry: &Entry, turn: u64) -> Result<()> {
        let mut arrays = Vec::new();
        for position in 0..entry.len() {
            let array = entry.array_at(position)?;
            if let Some(codec) = array.sharing()? {
                let bytes = array.nbytes_decoded()?;
                self.bytes = self.bytes.saturating_add(bytes);
                arrays.push((array, codec, bytes));
            }
        }
        let Some(first) = turn.checked_rem(arrays.len() as u64) else {
            return Ok(());
        };
        arrays.rotate_left(first as usize);
        let enough = self.taken.saturating_add(OF_ENTRY);
        for (array, codec, bytes) in arrays {
            if self.taken >= enough {
                break;
            }
            self.taken = self.taken.saturating_add(bytes);
            let shared = array.shared_codec()?;
            let stays = shared.is_some_and(|codec| has_level(&codec, self.level));
            self.shared = self.shared.saturating_add(usize::from(stays));
            self.arrays.push((array, codec));
        }
        Ok(())
    }

    /// The dictionary that saves most, if it is worth its room.
    fn train(&self) -> Result<Option<Dictionary>> {
        let mut training = Samples::default();
        let mut held = Held::default();
        for (number, (array, codec)) in self.arrays.iter().enumerate() {
            let Some(bytes) = told_later(array.decoded_bytes())? else {
                continue;
            };
            let elements = codec::Elements {
                dtype: array.info().dtype,
            };
            match number.is_multiple_of(HELD) {
                true => held.push(codec, elements, bytes),
                false => codec.filtered(&bytes, elements, |bytes| training.push(bytes)),
            }
        }
        let alone = held.stored(None)?;
        let mut lengths = SHARES
            .map(|share| (self.bytes / share).clamp(LEAST, MOST))
            .to_vec();
        lengths.dedup();
        let mut best = None;
        for length in lengths {
            let Some(dictionary) = Dictionary::train(&training, length as usize) else {
                continue;
            };
            let shared = held.stored(Some(Shared {
                dictionary: &dictionary,
                level: self.level,
            }))?;
            let bytes = held.bytes.max(1);
            log::debug!(
                "a dictionary of {} bytes: {bytes} bytes take {alone} without and {shared} with it",
                dictionary.bytes().len()
            );
            let gain = alone.saturating_sub(shared);
            let of_all = u128::from(gain) * u128::from(self.bytes) / u128::from(bytes);
            let room = (dictionary.bytes().len() * DICTIONARY_KEYS.len()) as u128;
            let saved = of_all.saturating_sub(room);
            let is_worth = gain.saturating_mul(LEAST_GAIN) >= alone && saved >= room;
            if is_worth && best.as_ref().is_none_or(|(most, _)| saved > *most) {
                best = Some((saved, dictionary));
            }
        }
        Ok(best.map(|(_, dictionary)| dictionary))
    }
}

/// Arrays that do not train, decoded.
#[derive(Default)]
struct Held<'a> {
    arrays: Vec<(&'a Pipeline, codec::Elements, Vec<u8>)>,
    /// Bytes of these.
    bytes: u64,
}

impl<'a> Held<'a> {
    fn push(&mut self, codec: &'a Pipeline, elements: codec::Elements, bytes: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.arrays.push((codec, elements, bytes));
    }

    /// Bytes that they take, alone or with what they share.
    fn stored(&self, shared: Option<Shared<'_>>) -> Result<u64> {
        let mut stored = 0u64;
        let mut out = Vec::new();
        for (codec, elements, data) in &self.arrays {
            let at_level = shared.map(|shared| shared.codec(codec));
            let codec = at_level.as_ref().unwrap_or(codec);
            let dictionary = shared.map(|shared| shared.dictionary);
            out.clear();
            codec.encode_with(data, *elements, dictionary, &mut out)?;
            // What does not become smaller stands as it is.
            stored = stored.saturating_add(out.len().min(data.len()) as u64);
        }
        Ok(stored)
    }
}

/// What is damaged is told when its turn to be copied comes.
fn told_later<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(Error::Corrupt { .. }) => Ok(None),
        read => read.map(Some),
    }
}
