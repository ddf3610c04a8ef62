//! The compressors that arraylog knows by name, whether or not this build has them.

use std::fmt;

use super::Elements;
use crate::array::DType;

/// Appends the encoded form of elements, at a level.
type Encode = fn(&[u8], u32, Elements, &mut Vec<u8>) -> Result<(), String>;
/// Fills the room for the elements wholly, or says why not.
type Decode = fn(&[u8], Elements, &mut [u8]) -> Result<(), String>;

/// The code of a compressor, where it was compiled in.
#[derive(Clone, Copy)]
pub(super) struct Functions {
    pub(super) encode: Encode,
    pub(super) decode: Decode,
    /// What is wrong with elements of a dtype, if it does not take them.
    pub(super) refusal: fn(DType) -> Option<String>,
}

/// The levels that a compressor has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    pub(super) least: u32,
    pub(super) most: u32,
    pub(super) default: u32,
}

/// A compressor that arraylog knows by name, which is that of its cargo feature as well.
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    pub(super) levels: Option<Levels>,
    /// Whether it looks at elements, so that nothing may take them apart before it.
    pub(super) by_element: bool,
    /// Whether it takes a dictionary, which small arrays share.
    pub(super) with_dictionary: bool,
    /// Most bytes that one stored byte decodes to.
    pub(super) expansion: u64,
    pub(super) functions: Option<Functions>,
}

/// The functions of a module that is compiled with a feature.
macro_rules! functions {
    ($feature:literal, $module:ident, $refusal:expr) => {{
        #[cfg(feature = $feature)]
        const FUNCTIONS: Option<Functions> = Some(Functions {
            encode: super::$module::encode,
            decode: super::$module::decode,
            refusal: $refusal,
        });
        #[cfg(not(feature = $feature))]
        const FUNCTIONS: Option<Functions> = None;
        FUNCTIONS
    }};
}

/// All of them, in the order in which they are listed.
pub(super) static ALL: [BuiltIn; 5] = [
    BuiltIn {
        name: "lz4",
        levels: None,
        by_element: false,
        with_dictionary: false,
        // A byte adds up to 255 to the length of a match.
        expansion: 256,
        functions: functions!("lz4", lz4, |_| None),
    },
    BuiltIn {
        name: "zstd",
        levels: Some(Levels {
            least: 1,
            most: 22,
            default: 3,
        }),
        by_element: false,
        with_dictionary: true,
        // A block has at most 128 KiB and takes at least 4 bytes.
        expansion: 32_768,
        functions: functions!("zstd", zstd, |_| None),
    },
    BuiltIn {
        name: "pco",
        levels: Some(Levels {
            least: 0,
            most: 12,
            default: 8,
        }),
        by_element: true,
        with_dictionary: false,
        // Chunks as they are written here have at most 2^18 numbers of 8 bytes and take at
        // least 8 bytes; the format allows 2^24 numbers.
        expansion: 1 << 18,
        functions: functions!("pco", pco, super::pco::refusal),
    },
    BuiltIn {
        name: "snappy",
        levels: None,
        by_element: false,
        with_dictionary: false,
        // A copy of at most 64 bytes takes 3.
        expansion: 22,
        functions: functions!("snappy", snappy, |_| None),
    },
    BuiltIn {
        name: "brotli",
        levels: Some(Levels {
            least: 0,
            most: 11,
            default: 5,
        }),
        by_element: false,
        with_dictionary: false,
        // A block has at most 16 MiB and takes at least 8 bytes where it repeats.
        expansion: 1 << 21,
        functions: functions!("brotli", brotli, |_| None),
    },
];

/// The compressor of this name.
pub(super) fn named(name: &str) -> Option<&'static BuiltIn> {
    ALL.iter().find(|codec| codec.name == name)
}

impl BuiltIn {
    /// Whether this build has it.
    pub(super) fn is_here(&self) -> bool {
        self.functions.is_some()
    }
}

/// The name says all: there is one of each.
impl PartialEq for BuiltIn {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for BuiltIn {}

impl fmt::Debug for BuiltIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for BuiltIn {
    /// As it is listed: `lz4`, `zstd[:1..22]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        match self.levels {
            Some(levels) => write!(f, "[:{}..{}]", levels.least, levels.most),
            None => Ok(()),
        }
    }
}
