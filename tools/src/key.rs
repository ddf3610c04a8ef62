//! Keys between arguments, output and bytes.

use std::ffi::OsStr;
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::failure::{Failure, Outcome};

/// The bytes of a key given as an argument.
#[cfg(unix)]
pub(crate) fn bytes(argument: &OsStr) -> Outcome<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    Ok(argument.as_bytes().to_vec())
}

/// The bytes of a key given as an argument.
#[cfg(not(unix))]
pub(crate) fn bytes(argument: &OsStr) -> Outcome<Vec<u8>> {
    match argument.to_str() {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None => Err(Failure::Usage(format!(
            "key {argument:?} is not Unicode text"
        ))),
    }
}

/// A key that is not there.
pub(crate) fn absent(key: &[u8]) -> Failure {
    Failure::Negative(format!("no key \"{}\"", escaped(key)))
}

/// A key as a JSON string: the text itself, or escaped if it is not UTF-8.
pub(crate) fn json_text(key: &[u8]) -> String {
    std::str::from_utf8(key).map_or_else(|_| escaped(key), str::to_owned)
}

/// Base64 of a key that is not UTF-8, which text alone does not give back.
pub(crate) fn base64_unless_text(key: &[u8]) -> Option<String> {
    std::str::from_utf8(key)
        .is_err()
        .then(|| BASE64.encode(key))
}

/// A key or name on one line of a terminal: control characters, backslashes and
/// bytes that are not UTF-8 are escaped, so that the text is unambiguous.
pub(crate) fn escaped(key: &[u8]) -> String {
    let mut out = String::with_capacity(key.len());
    for chunk in key.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if c.is_control() => {
                    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_key_is_shown_as_it_is() {
        assert_eq!(escaped("float-42/é".as_bytes()), "float-42/é");
        assert_eq!(base64_unless_text(b"k"), None);
    }

    #[test]
    fn what_would_break_a_line_is_escaped() {
        assert_eq!(escaped(b"a\nb\\\xff\x1b"), "a\\nb\\\\\\xff\\u{1b}");
        assert_eq!(base64_unless_text(b"\xff").as_deref(), Some("/w=="));
    }
}
