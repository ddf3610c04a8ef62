//! The live page: how far a running writer has come.
#![expect(
    unsafe_code,
    reason = "shares words with other processes through a mapping"
)]

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

use super::system::{read_exact_at, write_all_at};
use crate::format::header::{LIVE, LIVE_WORDS, Live, STATE_WORD, is_superseded};

/// Access to the words of the live page, through a mapping of that one page, by
/// system calls where the system refuses a shared mapping, or in memory.
#[derive(Debug)]
pub(crate) enum LivePage {
    /// A shared mapping of the page.
    Mapped { page: MmapRaw, writable: bool },
    /// Reads and writes of the file.
    Called(File),
    /// A store in memory.
    Memory(LiveWords),
}

/// The words of a live page in memory.
pub(crate) type LiveWords = Arc<[AtomicU64; LIVE_WORDS]>;

impl LivePage {
    /// The page of `file`, which has at least its header pages. A page that is mapped
    /// for a writer is the one writable mapping of a store.
    pub(crate) fn open(file: &File, writable: bool, mapped: bool) -> io::Result<Self> {
        if mapped {
            let mut options = MmapOptions::new();
            options.offset(LIVE).len(LIVE_WORDS * 8);
            let page = if writable {
                options.map_raw(file)
            } else {
                options.map_raw_read_only(file)
            };
            if let Ok(page) = page {
                return Ok(Self::Mapped { page, writable });
            }
        }
        Ok(Self::Called(file.try_clone()?))
    }

    /// A page in memory that says `live`.
    pub(crate) fn memory(live: Live) -> Self {
        Self::Memory(Arc::new(
            live.words().map(|word| AtomicU64::new(word.to_le())),
        ))
    }

    /// The words; those of one commit may be mixed with those of the next, but
    /// everything before `published_end` is in the file.
    pub(crate) fn load(&self) -> io::Result<Live> {
        let words = match self {
            Self::Called(file) => {
                let mut bytes = [0; LIVE_WORDS * 8];
                read_exact_at(file, &mut bytes, LIVE)?;
                let mut words = [0; LIVE_WORDS];
                for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
                    *word = u64::from_le_bytes(*bytes);
                }
                words
            }
            Self::Mapped { .. } | Self::Memory(_) => {
                // The published end first: whatever else is read is at least as new.
                std::array::from_fn(|index| {
                    self.word(index)
                        .map_or(0, |word| u64::from_le(word.load(Ordering::Acquire)))
                })
            }
        };
        Ok(Live::from_words(words))
    }

    /// The published end alone: one load, unless it takes a call.
    #[inline]
    pub(crate) fn published_end(&self) -> io::Result<u64> {
        match self.word(0) {
            Some(word) => Ok(u64::from_le(word.load(Ordering::Acquire))),
            None => Ok(self.load()?.published_end),
        }
    }

    /// Whether the path names another file, or is about to: one load, unless it takes a call.
    #[inline]
    pub(crate) fn is_superseded(&self) -> io::Result<bool> {
        match self.word(STATE_WORD) {
            Some(word) => Ok(is_superseded(u64::from_le(word.load(Ordering::Acquire)))),
            None => Ok(self.load()?.is_superseded()),
        }
    }

    /// Stores the words, the published end last.
    pub(crate) fn store(&self, live: Live) -> io::Result<()> {
        let words = live.words();
        if let Self::Called(file) = self {
            let mut bytes = [0; LIVE_WORDS * 8];
            for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
                *bytes = word.to_le_bytes();
            }
            return write_all_at(file, &bytes, LIVE);
        }
        if matches!(self, Self::Mapped { writable, .. } if !writable) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        for (index, word) in words.into_iter().enumerate().rev() {
            if let Some(place) = self.word(index) {
                place.store(word.to_le(), Ordering::Release);
            }
        }
        Ok(())
    }

    fn word(&self, index: usize) -> Option<&AtomicU64> {
        match self {
            Self::Memory(words) => words.get(index),
            Self::Mapped { page, .. } if index < LIVE_WORDS => {
                // SAFETY: `index * 8` lies inside the mapped words, and the mapping starts
                // at a page, so that the word is aligned.
                let word = unsafe { page.as_mut_ptr().add(index * 8) };
                // SAFETY: the word is mapped for as long as `self`, and every access to it
                // in any process is atomic. `store` refuses a page that is not writable.
                Some(unsafe { AtomicU64::from_ptr(word.cast()) })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::header::LiveState;

    #[test]
    fn mapped_called_and_memory_pages_agree() {
        let file = tempfile::tempfile().expect("temporary file");
        file.set_len(16384).expect("length");
        let live = Live {
            published_end: 1,
            seqno: 2,
            opened: 8,
            ..Live::default()
        };
        let mapped = LivePage::open(&file, true, true).expect("mapped");
        assert!(matches!(mapped, LivePage::Mapped { .. }));
        mapped.store(live).expect("stored");
        let called = LivePage::open(&file, false, false).expect("called");
        assert_eq!(called.load().expect("loaded"), live);
        called.store(Live { seqno: 3, ..live }).expect("stored");
        assert_eq!(mapped.load().expect("loaded").seqno, 3);
        let read_only = LivePage::open(&file, false, true).expect("mapped");
        assert_eq!(read_only.load().expect("loaded").seqno, 3);
        assert!(read_only.store(live).is_err());
        let memory = LivePage::memory(Live::default());
        memory.store(live).expect("stored");
        assert_eq!(memory.load().expect("loaded"), live);
        let state = LiveState::Superseded as u64;
        assert_ne!(live.state, state);
        for page in [&mapped, &called, &memory] {
            assert!(!page.is_superseded().expect("loaded"));
            page.store(Live { state, ..live }).expect("stored");
            assert!(page.is_superseded().expect("loaded"));
            page.store(live).expect("stored");
        }
    }
}
