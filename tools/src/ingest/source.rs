//! Where lines come from: files and standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::failure::{Failure, Outcome};

/// One argument of `ingest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `-`.
    Stdin,
    File(PathBuf),
}

impl Source {
    pub(crate) fn new(argument: PathBuf) -> Self {
        if argument == Path::new("-") {
            Self::Stdin
        } else {
            Self::File(argument)
        }
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Opens it; the size in bytes if it is a regular file.
    pub(crate) fn open(&self, interrupt: Arc<AtomicBool>) -> Outcome<(Box<dyn Read>, Option<u64>)> {
        match self {
            Self::Stdin => Ok((Box::new(Blocks::of(io::stdin(), interrupt)), None)),
            Self::File(path) => {
                let file = File::open(path).map_err(Failure::io("open", path))?;
                let meta = file.metadata().map_err(Failure::io("open", path))?;
                if meta.is_dir() {
                    let error = io::Error::from(io::ErrorKind::IsADirectory);
                    return Err(Failure::io("read", path)(error));
                }
                Ok((Box::new(file), meta.is_file().then_some(meta.len())))
            }
        }
    }
}

const BLOCK: usize = 1 << 20;

/// How soon a signal is seen while nothing arrives.
const PATIENCE: Duration = Duration::from_millis(50);

/// A stream that is read in a thread of its own, so that a signal is seen while
/// nothing arrives: then reading fails, with another kind than `Interrupted`, after
/// which `std` would read again.
///
/// After that the thread waits for its stream until the process ends.
struct Blocks {
    receiver: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    /// Bytes of the block that were given out.
    given: usize,
    interrupt: Arc<AtomicBool>,
}

impl Blocks {
    fn of(mut stream: impl Read + Send + 'static, interrupt: Arc<AtomicBool>) -> Self {
        let (sender, receiver) = sync_channel(2);
        std::thread::spawn(move || {
            loop {
                let mut block = vec![0; BLOCK];
                let answer = match stream.read(&mut block) {
                    Ok(0) => return,
                    Ok(read) => {
                        block.truncate(read);
                        Ok(block)
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = answer.is_err();
                if sender.send(answer).is_err() || failed {
                    return;
                }
            }
        });
        Self {
            receiver,
            block: Vec::new(),
            given: 0,
            interrupt,
        }
    }
}

impl Read for Blocks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.block.len() {
            match self.receiver.recv_timeout(PATIENCE) {
                Ok(block) => {
                    self.block = block?;
                    self.given = 0;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
                Err(RecvTimeoutError::Timeout) if self.interrupt.load(Ordering::Relaxed) => {
                    return Err(io::Error::other("interrupted"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let mut rest = self.block.get(self.given..).unwrap_or_default();
        let read = rest.read(out)?;
        self.given += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_give_the_bytes_of_the_stream() {
        let text: Vec<u8> = (0..3 * BLOCK).map(|i| i as u8).collect();
        let mut found = Vec::new();
        let mut blocks = Blocks::of(io::Cursor::new(text.clone()), Arc::default());
        blocks.read_to_end(&mut found).expect("a stream");
        assert!(found == text);
    }

    #[test]
    fn a_signal_is_seen_while_nothing_arrives() {
        let (reader, _writer) = io::pipe().expect("a pipe");
        let mut blocks = Blocks::of(reader, Arc::new(AtomicBool::new(true)));
        assert!(blocks.read_to_end(&mut Vec::new()).is_err());
    }
}
