//! What can be wrong with bytes.

/// What is wrong with some bytes. The layer that knows the place adds it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
    /// A structure is longer than the bytes that are there.
    #[error("{what} needs {need} bytes, {have} are there")]
    Truncated {
        /// The structure.
        what: &'static str,
        /// Bytes that it needs.
        need: u64,
        /// Bytes that are there.
        have: u64,
    },
    /// A checksum differs from the one of the bytes.
    #[error("checksum of {what} is {stored:#x}, its bytes give {computed:#x}")]
    Checksum {
        /// The structure.
        what: &'static str,
        /// The checksum in the file.
        stored: u64,
        /// The checksum of the bytes.
        computed: u64,
    },
    /// A field has a value that the format does not allow.
    #[error("{what} is {found}, expected {expected}")]
    Field {
        /// The field.
        what: &'static str,
        /// Its value.
        found: u64,
        /// What is allowed.
        expected: &'static str,
    },
    /// Text that has to be UTF-8 is not.
    #[error("{what} is not UTF-8")]
    NotUtf8 {
        /// The text.
        what: &'static str,
    },
    /// Stored bytes are not what a codec made of as many elements, or its name is none.
    #[error("codec {codec:?}: {detail}")]
    Codec {
        /// The codec, as it is written in the file.
        codec: String,
        /// What is wrong.
        detail: String,
    },
    /// Bytes do not hold, and what they said cannot be had otherwise.
    #[error("{what} is lost: {because}")]
    Lost {
        /// What they said.
        what: &'static str,
        /// Why it is lost.
        because: &'static str,
    },
}
