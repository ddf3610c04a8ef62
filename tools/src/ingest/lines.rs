//! Lines of a stream, found at memory bandwidth and lent from one buffer.

use std::io::{self, Read};

/// Longest line that is taken. The parser's own limit is four times as much.
pub(crate) const MAX_LINE: usize = 1 << 30;

const FIRST_BUFFER: usize = 1 << 20;

/// Why there is no further line.
#[derive(Debug)]
pub(crate) enum Halt {
    Io(io::Error),
    /// The line is longer than the limit.
    TooLong(usize),
}

/// Reads lines without their end. The last one need not have one.
pub(crate) struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are read and not yet lent.
    start: usize,
    end: usize,
    ended: bool,
    limit: usize,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(source: R, limit: usize) -> Self {
        let buffer = vec![0; FIRST_BUFFER.min(limit + 1)];
        Self {
            source,
            buffer,
            start: 0,
            end: 0,
            ended: false,
            limit,
        }
    }

    /// The next line, and the bytes that it took with its end; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(&[u8], u64)>, Halt> {
        let mut searched = self.start;
        loop {
            let fresh = self.buffer.get(searched..self.end).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', fresh) {
                let line = self.start..searched + at;
                self.start = line.end + 1;
                let taken = (line.len() + 1) as u64;
                return Ok(Some((self.buffer.get(line).unwrap_or_default(), taken)));
            }
            if self.end - self.start > self.limit {
                return Err(Halt::TooLong(self.limit));
            }
            if self.ended {
                let line = self.start..self.end;
                self.start = self.end;
                let taken = line.len() as u64;
                let line = self.buffer.get(line).unwrap_or_default();
                return Ok((taken > 0).then_some((line, taken)));
            }
            searched = self.end - self.make_room();
            self.fill()?;
        }
    }

    /// Makes room behind the bytes that are there; by how much they moved to the front.
    fn make_room(&mut self) -> usize {
        if self.end < self.buffer.len() {
            return 0;
        }
        let moved = self.start;
        if moved > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= moved;
            self.start = 0;
        }
        // Less than half free after moving: the line is long, and moving it
        // again and again would cost the square of its length.
        if self.end * 2 > self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        moved
    }

    fn fill(&mut self) -> Result<(), Halt> {
        let free = self.buffer.get_mut(self.end..).unwrap_or_default();
        let read = self.source.read(free).map_err(Halt::Io)?;
        self.ended = read == 0;
        self.end += read;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes a few at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let step = self.1.min(out.len()).min(self.0.len());
            out[..step].copy_from_slice(&self.0[..step]);
            self.0 = &self.0[step..];
            Ok(step)
        }
    }

    fn lines(text: &[u8], step: usize) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(Trickle(text, step), 1 << 20);
        lines.buffer = vec![0; 4];
        let mut found = Vec::new();
        while let Some((line, _)) = lines.next().expect("no error") {
            found.push(line.to_vec());
        }
        found
    }

    #[test]
    fn lines_are_found_however_the_bytes_arrive() {
        let text = b"one\n\nthree is longer than the buffer\nlast";
        for step in 1..=text.len() {
            let expected: [&[u8]; 4] = [b"one", b"", b"three is longer than the buffer", b"last"];
            assert_eq!(lines(text, step), expected, "{step}");
        }
        assert_eq!(lines(b"", 1), [b""; 0]);
        assert_eq!(lines(b"\n", 1), [b""]);
    }

    #[test]
    fn a_line_has_a_longest_length() {
        let mut lines = Lines::new(&b"12345678\n"[..], 8);
        assert!(matches!(lines.next(), Ok(Some((b"12345678", 9)))));
        let mut lines = Lines::new(&b"123456789\n"[..], 4);
        assert!(matches!(lines.next(), Err(Halt::TooLong(4))));
    }
}
