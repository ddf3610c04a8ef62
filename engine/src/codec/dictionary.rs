//! A dictionary of Zstandard, which small arrays of one kind share: what they have in common
//! is stored once, and each of them can be decoded alone.
//!
//! It is trained by the library (`ZDICT_trainFromBuffer`) on what the compressor is given:
//! elements, or their planes where the pipeline shuffles.

use std::fmt;

/// Longest dictionary that is trained or taken from a file, in bytes; 112,640 is what the
/// command `zstd --train` makes.
pub(crate) const MOST_DICTIONARY: usize = 112_640;

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
