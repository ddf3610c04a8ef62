//! An exact walk over the bytes of a line, for lines that are at fault.
//!
//! The tape of a parsed line knows neither columns nor the text of numbers.
//! This walk meets the nodes of a line in the order of the tape, so that a
//! node's number leads back to its bytes, and it names the first byte that is
//! not JSON. It runs only where the parser refused a line or a member is
//! wrong.

use std::ops::Range;

/// Nesting that a line may have.
pub(crate) const MAX_DEPTH: usize = 128;

/// What a node is, as far as its bytes tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Token {
    /// `{` or `[`.
    Open,
    /// A string, also the name of a member.
    Text,
    /// `true`, `false` or `null`.
    Literal,
    /// A number without `.`, `e`, `E`.
    Integer,
    /// Another number.
    Float,
    /// `NaN`, `Infinity` or `-Infinity`, which are not JSON.
    NonFinite(f64),
}

/// The first byte that is not JSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub(crate) at: usize,
    pub(crate) message: String,
}

type Scanned<T> = Result<T, Syntax>;

/// Calls `visit` for each node of `line` in the order of the tape, with its bytes.
pub(crate) fn walk(line: &[u8], visit: &mut impl FnMut(Token, Range<usize>)) -> Scanned<()> {
    if let Err(error) = std::str::from_utf8(line) {
        return Err(Syntax {
            at: error.valid_up_to(),
            message: "bytes that are not UTF-8".into(),
        });
    }
    let mut walk = Walk { line, at: 0, visit };
    walk.space();
    walk.value(0)?;
    walk.space();
    match walk.peek() {
        None => Ok(()),
        Some(_) => walk.fail("text after the end of the JSON object"),
    }
}

struct Walk<'a, V> {
    line: &'a [u8],
    at: usize,
    visit: &'a mut V,
}

impl<V: FnMut(Token, Range<usize>)> Walk<'_, V> {
    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn fail<T>(&self, message: impl Into<String>) -> Scanned<T> {
        Err(Syntax {
            at: self.at,
            message: message.into(),
        })
    }

    /// "expected X, found Y" at the current byte.
    fn expected<T>(&self, what: &str) -> Scanned<T> {
        let rest = self.line.get(self.at..).unwrap_or_default();
        let found = String::from_utf8_lossy(rest).chars().next();
        match found {
            Some(found) => self.fail(format!("expected {what}, found {found:?}")),
            None => self.fail(format!("expected {what}, found the end of the line")),
        }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Scanned<()> {
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                self.fail(format!("nested deeper than {MAX_DEPTH} levels"))
            }
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.text(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Token::Literal),
            Some(b'f') => self.word("false", Token::Literal),
            Some(b'n') => self.word("null", Token::Literal),
            Some(b'N') => self.word("NaN", Token::NonFinite(f64::NAN)),
            Some(b'I') => self.word("Infinity", Token::NonFinite(f64::INFINITY)),
            _ => self.expected("a JSON value"),
        }
    }

    fn object(&mut self, depth: usize) -> Scanned<()> {
        (self.visit)(Token::Open, self.at..self.at + 1);
        self.at += 1;
        self.space();
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return self.expected("the name of a member in quotes");
            }
            self.text()?;
            self.space();
            if !self.eat(b':') {
                return self.expected("`:` after the name of a member");
            }
            self.space();
            self.value(depth + 1)?;
            self.space();
            if self.eat(b'}') {
                return Ok(());
            }
            if !self.eat(b',') {
                return self.expected("`,` or `}` after a member");
            }
        }
    }

    fn list(&mut self, depth: usize) -> Scanned<()> {
        (self.visit)(Token::Open, self.at..self.at + 1);
        self.at += 1;
        self.space();
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            self.space();
            self.value(depth + 1)?;
            self.space();
            if self.eat(b']') {
                return Ok(());
            }
            if !self.eat(b',') {
                return self.expected("`,` or `]` after an element");
            }
        }
    }

    fn word(&mut self, word: &str, token: Token) -> Scanned<()> {
        let end = self.at + word.len();
        if self.line.get(self.at..end) != Some(word.as_bytes()) {
            return self.expected("a JSON value");
        }
        (self.visit)(token, self.at..end);
        self.at = end;
        Ok(())
    }

    fn number(&mut self) -> Scanned<()> {
        let start = self.at;
        self.eat(b'-');
        if self.peek() == Some(b'I') {
            self.at = start;
            return self.word("-Infinity", Token::NonFinite(f64::NEG_INFINITY));
        }
        if self.eat(b'0') {
            if self.peek().is_some_and(|b| b.is_ascii_digit()) {
                return self.fail("a number must not start with 0 and go on with a digit");
            }
        } else {
            self.digits()?;
        }
        let mut token = Token::Integer;
        if self.eat(b'.') {
            token = Token::Float;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            token = Token::Float;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        if token == Token::Float && decimal(self.line.get(start..self.at)).is_none() {
            self.at = start;
            return self.fail("the number is beyond the range of float64");
        }
        (self.visit)(token, start..self.at);
        Ok(())
    }

    fn digits(&mut self) -> Scanned<()> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            self.expected("a digit")
        } else {
            Ok(())
        }
    }

    fn text(&mut self) -> Scanned<()> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => {
                    self.at = start;
                    return self.fail("a string without its closing quote");
                }
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0..=0x1f) => {
                    return self.fail("a control character in a string must be escaped");
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        (self.visit)(Token::Text, start..self.at);
        Ok(())
    }

    fn escape(&mut self) -> Scanned<()> {
        match self.line.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => self.code_point(),
            _ => self.fail("an escape that JSON does not have"),
        }
    }

    fn code_point(&mut self) -> Scanned<()> {
        match self.code_unit(self.at) {
            Some(0xD800..=0xDBFF) => match self.code_unit(self.at + 6) {
                Some(0xDC00..=0xDFFF) => {
                    self.at += 12;
                    Ok(())
                }
                _ => self.fail("half of a surrogate pair"),
            },
            Some(0xDC00..=0xDFFF) => self.fail("half of a surrogate pair"),
            Some(_) => {
                self.at += 6;
                Ok(())
            }
            None => self.fail("`\\u` without four hexadecimal digits"),
        }
    }

    /// The number in `\uXXXX` at `at`.
    fn code_unit(&self, at: usize) -> Option<u32> {
        let digits = self.line.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits
            .iter()
            .try_fold(0, |sum, &b| Some(sum * 16 + char::from(b).to_digit(16)?))
    }
}

/// A decimal as float64; `None` if it is beyond its range.
pub(crate) fn decimal(text: Option<&[u8]>) -> Option<f64> {
    let value: f64 = std::str::from_utf8(text?).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

/// Where node `number` of the tape starts in `line`.
pub(crate) fn offset_of(line: &[u8], number: usize) -> Option<usize> {
    let mut seen = 0;
    let mut found = None;
    let _ = walk(line, &mut |_, bytes: Range<usize>| {
        if seen == number {
            found = Some(bytes.start);
        }
        seen += 1;
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line: &str) -> (usize, String) {
        let error = walk(line.as_bytes(), &mut |_, _| {}).expect_err(line);
        (error.at, error.message)
    }

    #[test]
    fn nodes_are_met_in_the_order_of_the_tape() {
        let line = br#"{"a": [1, 2.5, {"b": null}], "c\"": NaN}"#;
        let mut met = Vec::new();
        walk(line, &mut |token, bytes| {
            met.push((
                token == Token::Integer,
                String::from_utf8_lossy(&line[bytes]).into_owned(),
            ));
        })
        .expect("legal but for NaN");
        let texts: Vec<_> = met.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "{",
                "\"a\"",
                "[",
                "1",
                "2.5",
                "{",
                "\"b\"",
                "null",
                "\"c\\\"\"",
                "NaN"
            ]
        );
        assert!(met[3].0 && !met[4].0);
        assert_eq!(offset_of(line, 4), Some(10));
    }

    #[test]
    fn the_first_byte_that_is_not_json_is_named() {
        assert_eq!(fault(r#"{"a" 1}"#).0, 5);
        assert_eq!(fault(r#"{"a": 01}"#).0, 7);
        assert_eq!(fault(r#"{"a": 1,}"#).0, 8);
        assert_eq!(fault(r#"{"a": 1} x"#).0, 9);
        assert_eq!(fault(r#"{"a": "x"#).0, 6);
        assert_eq!(
            fault(r#"{"a": 1e400}"#),
            (6, "the number is beyond the range of float64".into())
        );
        assert_eq!(fault(r#"{"a": "\ud800"}"#).0, 7);
        assert_eq!(fault(r#"{"a": "\x"}"#).0, 7);
        assert_eq!(
            fault("").1,
            "expected a JSON value, found the end of the line"
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named() {
        assert_eq!(
            walk(b"{\"a\": \"\xff\"}", &mut |_, _| {}).map_err(|e| e.at),
            Err(7)
        );
    }

    #[test]
    fn nesting_has_a_limit() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(walk(deep(MAX_DEPTH).as_bytes(), &mut |_, _| {}).is_ok());
        assert_eq!(fault(&deep(MAX_DEPTH + 1)).0, MAX_DEPTH);
    }
}
