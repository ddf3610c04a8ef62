//! A filter and a compressor, one after the other.

use super::built_in::BuiltIn;
use super::registry::registered;
use super::scratch::scratch;
use super::shuffle::{shuffle, unshuffle};
use super::{Dictionary, Elements};
use crate::array::DType;
use crate::error::{Error, Result};
use crate::format::Defect;

/// What turns elements into stored bytes: `"zstd:3"`, `"shuffle+lz4"`, `"none"`.
///
/// [`parse`](Self::parse) makes one; `Display` writes the canonical spec. Two are equal if
/// they make the same bytes of the same elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    shuffle: bool,
    coder: Option<Coder>,
}

/// What is last in a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Coder {
    /// One that arraylog knows, whether or not this build has it. The level is of no
    /// interest to those who decode.
    BuiltIn { codec: &'static BuiltIn, level: u32 },
    /// One that users bring.
    Own {
        name: Box<str>,
        parameters: Box<str>,
    },
}

/// Why stored bytes were not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// This build lacks the codec of this name.
    Unavailable(String),
    /// They are not what the codec made of as many elements.
    Defect(Defect),
}

/// What is always allowed to be decoded, however few bytes are stored.
const MOST_OF_FEW: u64 = 64 << 20;

/// Most bytes that one byte of a codec of a user is taken to decode to.
const OWN_EXPANSION: u64 = 65_536;

impl Pipeline {
    pub(super) fn new(shuffle: bool, coder: Option<Coder>) -> Self {
        Self { shuffle, coder }
    }

    pub(super) fn shuffles(&self) -> bool {
        self.shuffle
    }

    pub(super) fn coder(&self) -> Option<&Coder> {
        self.coder.as_ref()
    }

    /// Whether the elements are stored as they are.
    #[must_use]
    pub fn is_none(&self) -> bool {
        !self.shuffle && self.coder.is_none()
    }

    /// Name of the codec that makes the last step.
    fn name(&self) -> &str {
        match &self.coder {
            Some(Coder::BuiltIn { codec, .. }) => codec.name,
            Some(Coder::Own { name, .. }) => name,
            None => super::spec::SHUFFLE,
        }
    }

    /// Whether it can encode elements of this dtype here: `Error::DType` if the codec does
    /// not take them, `Error::CodecUnavailable` if this build lacks it, `Error::Invalid` for
    /// a level out of a file that it does not have.
    pub(crate) fn check(&self, dtype: DType, array: &str) -> Result<()> {
        match &self.coder {
            None => Ok(()),
            Some(Coder::BuiltIn { codec, level }) => {
                let Some(functions) = &codec.functions else {
                    return Err(self.unavailable(array));
                };
                if let Some(detail) = codec.level_fault(*level) {
                    return Err(self.invalid(detail));
                }
                match (functions.refusal)(dtype) {
                    Some(detail) => Err(Error::DType {
                        array: array.to_owned(),
                        detail,
                    }),
                    None => Ok(()),
                }
            }
            Some(Coder::Own { name, .. }) => match registered(name) {
                Some(_) => Ok(()),
                None => Err(self.unavailable(array)),
            },
        }
    }

    /// Whether it can encode with a dictionary.
    pub(crate) fn takes_dictionary(&self) -> bool {
        matches!(&self.coder, Some(Coder::BuiltIn { codec, .. }) if codec.with_dictionary)
    }

    /// The same at another level. Without levels it is as it was.
    pub(crate) fn at_level(&self, level: u32) -> Self {
        let mut other = self.clone();
        if let Some(Coder::BuiltIn { codec, level: own }) = &mut other.coder
            && codec.levels.is_some()
        {
            *own = level;
        }
        other
    }

    /// Calls `work` with what the compressor is given of `data`.
    pub(crate) fn filtered<R>(
        &self,
        data: &[u8],
        elements: Elements,
        work: impl FnOnce(&[u8]) -> R,
    ) -> R {
        let size = elements.item_size();
        if !self.shuffle || size <= 1 {
            return work(data);
        }
        scratch(data.len(), |planes| {
            shuffle(size, data, planes);
            work(planes)
        })
    }

    fn unavailable(&self, array: &str) -> Error {
        Error::CodecUnavailable {
            codec: self.name().to_owned(),
            array: array.to_owned(),
        }
    }

    fn invalid(&self, detail: String) -> Error {
        Error::Invalid {
            what: format!("codec \"{self}\""),
            detail,
        }
    }

    /// Appends the stored bytes of `data`; after an error `out` is as it was.
    ///
    /// Errors are those of [`check`](Self::check), without the name of the array, and
    /// `Error::Invalid` of what the codec says.
    pub(crate) fn encode(&self, data: &[u8], elements: Elements, out: &mut Vec<u8>) -> Result<()> {
        self.encode_with(data, elements, None, out)
    }

    /// As [`encode`](Self::encode), with a dictionary if the pipeline
    /// [takes one](Self::takes_dictionary).
    pub(crate) fn encode_with(
        &self,
        data: &[u8],
        elements: Elements,
        dictionary: Option<&Dictionary>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.check(elements.dtype, "")?;
        let size = elements.item_size();
        // Elements of one byte are their own planes.
        let shuffles = self.shuffle && size > 1;
        let Some(coder) = &self.coder else {
            let before = out.len();
            if !shuffles {
                out.extend_from_slice(data);
                return Ok(());
            }
            out.resize(before.saturating_add(data.len()), 0);
            shuffle(size, data, out.get_mut(before..).unwrap_or_default());
            return Ok(());
        };
        if !shuffles {
            return self.compress(coder, data, elements, dictionary, out);
        }
        scratch(data.len(), |planes| {
            shuffle(size, data, planes);
            self.compress(coder, planes, elements, dictionary, out)
        })
    }

    fn compress(
        &self,
        coder: &Coder,
        data: &[u8],
        elements: Elements,
        dictionary: Option<&Dictionary>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let before = out.len();
        let outcome = match coder {
            Coder::BuiltIn { codec, level } => match (&codec.functions, dictionary) {
                (Some(_), Some(dictionary)) if codec.with_dictionary => {
                    dictionary.encode(data, *level, out)
                }
                (Some(functions), _) => (functions.encode)(data, *level, elements, out),
                (None, _) => return Err(self.unavailable("")),
            },
            Coder::Own { name, parameters } => match registered(name) {
                Some(codec) => {
                    // What is there already is none of its business.
                    let mut own = Vec::new();
                    let outcome = codec.encode(data, parameters, elements, &mut own);
                    out.append(&mut own);
                    outcome
                }
                None => return Err(self.unavailable("")),
            },
        };
        outcome.map_err(|detail| {
            out.truncate(before);
            self.invalid(detail)
        })
    }

    /// Fills `out` wholly or fails; after a failure it holds anything.
    ///
    /// Bytes that were changed may decode to as many others, of which the codec knows
    /// nothing: the checksum of what is stored is for the caller to compare.
    pub(crate) fn decode(
        &self,
        data: &[u8],
        elements: Elements,
        out: &mut [u8],
    ) -> Result<(), Failure> {
        self.decode_with(data, elements, None, out)
    }

    /// As [`decode`](Self::decode), of what was encoded with a dictionary.
    pub(crate) fn decode_with(
        &self,
        data: &[u8],
        elements: Elements,
        dictionary: Option<&Dictionary>,
        out: &mut [u8],
    ) -> Result<(), Failure> {
        let size = elements.item_size();
        let shuffles = self.shuffle && size > 1;
        let Some(coder) = &self.coder else {
            if data.len() != out.len() {
                let (have, need) = (data.len(), out.len());
                return Err(self.defect(format!("they are {have} bytes, expected {need}")));
            }
            match shuffles {
                true => unshuffle(size, data, out),
                false => out.copy_from_slice(data),
            }
            return Ok(());
        };
        if !shuffles {
            return self.decompress(coder, data, elements, dictionary, out);
        }
        scratch(out.len(), |planes| {
            self.decompress(coder, data, elements, dictionary, planes)?;
            unshuffle(size, planes, out);
            Ok(())
        })
    }

    fn decompress(
        &self,
        coder: &Coder,
        data: &[u8],
        elements: Elements,
        dictionary: Option<&Dictionary>,
        out: &mut [u8],
    ) -> Result<(), Failure> {
        let outcome = match coder {
            Coder::BuiltIn { codec, .. } => match (&codec.functions, dictionary) {
                (Some(_), Some(dictionary)) if codec.with_dictionary => {
                    dictionary.decode(data, out)
                }
                (Some(functions), _) => (functions.decode)(data, elements, out),
                (None, _) => return Err(Failure::Unavailable(codec.name.to_owned())),
            },
            Coder::Own { name, parameters } => match registered(name) {
                Some(codec) => codec.decode(data, parameters, elements, out),
                None => return Err(Failure::Unavailable(name.to_string())),
            },
        };
        outcome.map_err(|detail| self.defect(detail))
    }

    fn defect(&self, detail: String) -> Failure {
        Failure::Defect(Defect::Codec {
            codec: self.to_string(),
            detail,
        })
    }

    /// Most bytes that `encoded` stored bytes are taken to decode to: a file that claims
    /// more is refused before anything is allocated.
    ///
    /// Without a compressor it is `encoded`. Else it is what the format of the codec can
    /// expand a byte to, times `encoded`, and 65,536 times for one of a user; at least
    /// 64 MiB, which few bytes of a constant array may well hold.
    pub(crate) fn most_decoded(&self, encoded: u64) -> u64 {
        let expansion = match &self.coder {
            None => return encoded,
            Some(Coder::BuiltIn { codec, .. }) => codec.expansion,
            Some(Coder::Own { .. }) => OWN_EXPANSION,
        };
        encoded.saturating_mul(expansion).max(MOST_OF_FEW)
    }
}
