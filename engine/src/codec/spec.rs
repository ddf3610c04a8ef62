//! The text of a pipeline, as users write it and as files have it.

use std::fmt;

use super::built_in::{self, BuiltIn};
use super::pipeline::{Coder, Pipeline};
use super::registry::{available, registered};
use crate::error::{Error, Result, nearest};
use crate::format::Defect;

/// The pipeline that stores elements as they are.
pub(super) const NONE: &str = "none";
/// The filter.
pub(super) const SHUFFLE: &str = "shuffle";

/// Longest name of a codec in bytes.
const MOST_NAME: usize = 64;
/// Longest parameters of a codec in bytes.
const MOST_PARAMETERS: usize = 180;

/// Files have the length of a spec in one byte.
const _: () = assert!(SHUFFLE.len() + 1 + MOST_NAME + 1 + MOST_PARAMETERS <= 255);

/// What is wrong with a name of a codec.
pub(super) fn name_fault(name: &str) -> Option<String> {
    let first = name.starts_with(|letter: char| letter.is_ascii_lowercase());
    let letter = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"_.-".contains(&it);
    if first && name.len() <= MOST_NAME && name.bytes().all(letter) {
        return None;
    }
    Some(format!(
        "a name starts with a small letter, goes on with small letters, digits and _.-, and \
         has at most {MOST_NAME} bytes"
    ))
}

/// What is wrong with what follows the colon.
fn parameters_fault(parameters: &str) -> Option<String> {
    // A plus is kept free, for pipelines of more parts than there are now.
    let bad = |letter: char| letter.is_control() || letter == '+';
    (parameters.is_empty() || parameters.len() > MOST_PARAMETERS || parameters.contains(bad)).then(
        || {
            format!(
                "what follows the colon has 1 to {MOST_PARAMETERS} bytes, none of them a \
                 control character or a plus"
            )
        },
    )
}

/// The parts of a spec: whether there is a filter, and the compressor with its parameters.
struct Parts<'a> {
    shuffle: bool,
    coder: Option<(&'a str, Option<&'a str>)>,
}

impl<'a> Parts<'a> {
    /// The parts, or what is wrong with how they are put together.
    fn split(spec: &'a str) -> Result<Self, String> {
        let (shuffle, coder) = match spec.split_once('+') {
            None if spec == NONE || spec == SHUFFLE => {
                let shuffle = spec == SHUFFLE;
                return Ok(Self {
                    shuffle,
                    coder: None,
                });
            }
            None => (false, spec),
            Some((SHUFFLE, coder)) => (true, coder),
            Some((coder, SHUFFLE)) => {
                return Err(format!(
                    "the filter comes first: \"{SHUFFLE}+{}\"",
                    coder.escape_debug()
                ));
            }
            Some(_) => {
                return Err(format!(
                    "it is one compressor, with the filter \"{SHUFFLE}+\" before it or without"
                ));
            }
        };
        if coder.contains('+') {
            return Err(format!(
                "one compressor follows \"{SHUFFLE}+\", and nothing after it"
            ));
        }
        let (name, parameters) = match coder.split_once(':') {
            Some((name, parameters)) => (name, Some(parameters)),
            None => (coder, None),
        };
        if name == NONE {
            return Err(format!("\"{NONE}\" stands alone"));
        }
        if name == SHUFFLE {
            return Err(format!("\"{SHUFFLE}\" stands once and takes no parameters"));
        }
        Ok(Self {
            shuffle,
            coder: Some((name, parameters)),
        })
    }

    /// What these parts mean: whether or not this build has the codec, with any level.
    fn resolve(self) -> Result<Pipeline, String> {
        let Some((name, parameters)) = self.coder else {
            return Ok(Pipeline::new(self.shuffle, None));
        };
        if let Some(fault) = name_fault(name) {
            return Err(fault);
        }
        let coder = match built_in::named(name) {
            Some(codec) if self.shuffle && codec.by_element => {
                return Err(format!(
                    "\"{name}\" looks at whole elements, which \"{SHUFFLE}\" takes apart: \
                     \"{name}\" alone"
                ));
            }
            Some(codec) => Coder::BuiltIn {
                codec,
                level: level(codec, parameters)?,
            },
            None => {
                if let Some(fault) = parameters.and_then(parameters_fault) {
                    return Err(fault);
                }
                Coder::Own {
                    name: name.into(),
                    parameters: parameters.unwrap_or_default().into(),
                }
            }
        };
        Ok(Pipeline::new(self.shuffle, Some(coder)))
    }
}

/// The level that is asked for, or the usual one.
fn level(codec: &BuiltIn, parameters: Option<&str>) -> Result<u32, String> {
    let (Some(levels), Some(text)) = (codec.levels, parameters) else {
        return match (codec.levels, parameters) {
            (Some(levels), None) => Ok(levels.default),
            (None, Some(_)) => Err(format!("\"{}\" has no levels", codec.name)),
            _ => Ok(0),
        };
    };
    // `u32::from_str` takes a sign, a level does not.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let level = digits.then(|| text.parse().ok()).flatten();
    level.ok_or_else(|| {
        format!(
            "a level of \"{}\" is {} to {}, this is {text:?}",
            codec.name, levels.least, levels.most
        )
    })
}

/// What this build cannot do of a pipeline that is well-formed.
fn lack(pipeline: &Pipeline) -> Option<String> {
    match pipeline.coder()? {
        Coder::BuiltIn { codec, level } => {
            if !codec.is_here() {
                return Some(format!(
                    "this build of arraylog does not have it: the cargo feature `{}` brings it; {}",
                    codec.name,
                    listed()
                ));
            }
            codec.level_fault(*level)
        }
        Coder::Own { name, .. } if registered(name).is_none() => {
            let mut detail = format!("no codec {name:?}");
            detail += &meant(name);
            Some(format!("{detail}; {}; others are registered", listed()))
        }
        Coder::Own { .. } => None,
    }
}

impl BuiltIn {
    /// What is wrong with a level to encode at.
    pub(super) fn level_fault(&self, level: u32) -> Option<String> {
        let levels = self.levels?;
        (level < levels.least || level > levels.most).then(|| {
            format!(
                "a level of \"{}\" is {} to {}, this is {level}",
                self.name, levels.least, levels.most
            )
        })
    }
}

/// A name that one may have meant, as the end of a sentence.
fn meant(name: &str) -> String {
    let known = available();
    let hint = nearest(&name.to_lowercase(), known.iter().map(String::as_str));
    hint.map_or_else(String::new, |hint| format!("; did you mean {hint:?}?"))
}

/// The codecs of this build, as a sentence.
fn listed() -> String {
    let all = available()
        .into_iter()
        .map(|name| built_in::named(&name).map_or_else(|| name.clone(), |codec| codec.to_string()));
    format!(
        "there are {}, and \"{SHUFFLE}+\" before a compressor",
        all.collect::<Vec<_>>().join(", ")
    )
}

impl Pipeline {
    /// Reads a spec as a user writes it: `"zstd:3"`, `"shuffle+lz4"`, `"none"`.
    ///
    /// # Errors
    ///
    /// `Error::Invalid` that says what is wrong and what there is: for text that is no spec,
    /// a level that the codec does not have, a codec that nobody knows, and one that was
    /// left out of this build, with the cargo feature that brings it.
    pub fn parse(spec: &str) -> Result<Self> {
        let invalid = |detail: String| Error::Invalid {
            what: format!("codec {spec:?}"),
            detail,
        };
        let parts = Parts::split(spec);
        let name = parts.as_ref().ok().and_then(|parts| parts.coder);
        let pipeline = parts.and_then(Parts::resolve).map_err(|fault| {
            // Of a name that cannot be one, such as "ZSTD".
            let hint = name
                .filter(|(name, _)| name_fault(name).is_some())
                .map_or_else(String::new, |(name, _)| meant(name));
            invalid(format!("{fault}{hint}; {}", listed()))
        })?;
        match lack(&pipeline) {
            Some(detail) => Err(invalid(detail)),
            None => Ok(pipeline),
        }
    }

    /// Reads a spec from a file: text that [`Display`](fmt::Display) writes is a pipeline,
    /// whether or not this build has its codecs.
    pub(crate) fn stored(text: &str) -> Result<Self, Defect> {
        let defect = |detail: String| Defect::Codec {
            codec: shortened(text),
            detail,
        };
        let pipeline = Parts::split(text).and_then(Parts::resolve);
        let pipeline = pipeline.map_err(defect)?;
        let canonical = pipeline.to_string();
        if canonical != text {
            return Err(defect(format!("it is written {canonical:?}")));
        }
        Ok(pipeline)
    }
}

/// Text of a stranger as it goes into a message.
fn shortened(text: &str) -> String {
    text.chars().take(MOST_NAME).collect()
}

impl fmt::Display for Pipeline {
    /// The canonical spec, the text that goes into files: `zstd:3` also where the user wrote
    /// `zstd`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(coder) = self.coder() else {
            return f.write_str(if self.shuffles() { SHUFFLE } else { NONE });
        };
        if self.shuffles() {
            write!(f, "{SHUFFLE}+")?;
        }
        match coder {
            Coder::BuiltIn { codec, level } => match codec.levels {
                Some(_) => write!(f, "{}:{level}", codec.name),
                None => f.write_str(codec.name),
            },
            Coder::Own { name, parameters } if parameters.is_empty() => f.write_str(name),
            Coder::Own { name, parameters } => write!(f, "{name}:{parameters}"),
        }
    }
}
