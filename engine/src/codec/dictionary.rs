//! A dictionary of Zstandard, which small arrays of one kind share: what they have in common
//! is stored once, and each of them can be decoded alone.
//!
//! It is trained by the library (`ZDICT_trainFromBuffer`) on what the compressor is given:
//! elements, or their planes where the pipeline shuffles.

use std::fmt;

use super::Pipeline;
use super::built_in::{ALL, BuiltIn};
use crate::error::{Error, Result};

/// Longest dictionary that is trained or taken from a file, in bytes: of longer ones little
/// comes, and tables are made of it before the first array is decoded.
pub(crate) const MOST_DICTIONARY: usize = 256 << 10;

/// `Error::Invalid` for a level at which nothing is encoded with a dictionary.
pub(crate) fn check_level(level: u32) -> Result<()> {
    let mut codecs = ALL.iter().filter(|codec| codec.with_dictionary);
    match codecs.find_map(|codec: &BuiltIn| codec.level_fault(level)) {
        None => Ok(()),
        Some(detail) => Err(Error::Invalid {
            what: format!("level {level} of what is encoded with a dictionary"),
            detail,
        }),
    }
}

/// Fewest samples that are worth training on.
const LEAST_SAMPLES: usize = 64;

/// A dictionary, and what a thread needs to use it: made once, shared by all.
pub(crate) struct Dictionary {
    bytes: Box<[u8]>,
    #[cfg(feature = "zstd")]
    prepared: super::zstd::Prepared,
}

impl Dictionary {
    /// One of a file, or of [`train`](Self::train).
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.into(),
            #[cfg(feature = "zstd")]
            prepared: super::zstd::Prepared::default(),
        }
    }

    /// Trains one of at most `most` bytes. `None`: the samples are too few or have too
    /// little in common, or this build has no `zstd`.
    pub(crate) fn train(samples: &Samples, most: usize) -> Option<Self> {
        if samples.lengths.len() < LEAST_SAMPLES {
            return None;
        }
        #[cfg(feature = "zstd")]
        {
            let most = most.min(MOST_DICTIONARY);
            let bytes = super::zstd::train(&samples.bytes, &samples.lengths, most)?;
            Some(Self::new(&bytes))
        }
        #[cfg(not(feature = "zstd"))]
        {
            let _ = most;
            None
        }
    }

    /// As it is stored.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends a frame that needs this dictionary; after an error `out` is as it was.
    #[cfg(feature = "zstd")]
    pub(super) fn encode(&self, data: &[u8], level: u32, out: &mut Vec<u8>) -> Result<(), String> {
        self.prepared.encode(&self.bytes, data, level, out)
    }

    /// Fills `out` wholly or fails.
    #[cfg(feature = "zstd")]
    pub(super) fn decode(&self, data: &[u8], out: &mut [u8]) -> Result<(), String> {
        self.prepared.decode(&self.bytes, data, out)
    }

    /// Never called: no pipeline of this build takes one.
    #[cfg(not(feature = "zstd"))]
    pub(super) fn encode(&self, _: &[u8], _: u32, _: &mut Vec<u8>) -> Result<(), String> {
        Err("this build has no zstd".to_owned())
    }

    /// As [`encode`](Self::encode).
    #[cfg(not(feature = "zstd"))]
    pub(super) fn decode(&self, _: &[u8], _: &mut [u8]) -> Result<(), String> {
        Err("this build has no zstd".to_owned())
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionary({} bytes)", self.bytes.len())
    }
}

/// What arrays that are written have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared<'a> {
    pub(crate) dictionary: &'a Dictionary,
    /// The level by which they are encoded with it; `None`: that of each.
    pub(crate) level: Option<u32>,
}

impl Shared<'_> {
    /// What encodes an array whose codec, which [takes a dictionary](Pipeline::takes_dictionary),
    /// is this.
    pub(crate) fn codec(self, codec: &Pipeline) -> Pipeline {
        match self.level {
            Some(level) => codec.at_level(level),
            None => codec.clone(),
        }
    }
}

/// What a dictionary is trained on, one sample behind the other.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    bytes: Vec<u8>,
    lengths: Vec<usize>,
}

impl Samples {
    pub(crate) fn push(&mut self, sample: &[u8]) {
        self.bytes.extend_from_slice(sample);
        self.lengths.push(sample.len());
    }
}
