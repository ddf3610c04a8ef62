//! Room for copies of values that wait for their commit.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::storage::{SpoolFile, SpoolMap};

/// Least room that is taken from the allocator at once.
const CHUNK: usize = 1 << 20;

/// Room that is kept for the next batch. Fresh memory costs about as much as writing it
/// to the page cache: the kernel zeroes it page by page.
const KEPT: usize = 64 << 20;

/// Most room for values that a batch takes in memory. What comes then goes to a
/// temporary file: a batch that fits into what is kept anyway needs none.
const IN_MEMORY: usize = KEPT;

/// Chunks that no batch uses, for the batches of one store.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Vec<u8>>>);

impl Pool {
    /// An empty chunk with room for `len` bytes.
    fn take(&self, len: usize) -> Vec<u8> {
        let mut free = self.0.lock();
        match free.iter().position(|chunk| chunk.capacity() >= len) {
            Some(fits) => free.swap_remove(fits),
            None => Vec::with_capacity(len.max(CHUNK)),
        }
    }

    fn give_back(&self, chunks: Vec<Vec<u8>>) {
        let mut free = self.0.lock();
        let mut kept: usize = free.iter().map(Vec::capacity).sum();
        for mut chunk in chunks {
            kept += chunk.capacity();
            if kept > KEPT {
                break;
            }
            chunk.clear();
            free.push(chunk);
        }
    }
}

/// Bytes in an arena.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    place: Place,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// In that chunk, from there on.
    Chunk(usize, usize),
    /// In the spill, from there on.
    Spilled(u64),
    /// That one of those taken over, from its start.
    Taken(usize),
}

impl Span {
    /// Number of bytes.
    pub(crate) fn len(self) -> usize {
        self.len
    }
}

/// Bytes that were gathered before they came here.
#[derive(Debug)]
pub(crate) enum Gathered {
    /// In memory.
    Memory(Vec<u8>),
    /// In a temporary file.
    File(SpoolMap),
}

impl Gathered {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) => bytes,
            Self::File(map) => map.get(0..map.len()).unwrap_or_default(),
        }
    }
}

/// Bytes that stay where they are until the arena goes: in memory, and from
/// [`IN_MEMORY`] on in a temporary file.
#[derive(Debug)]
pub(crate) struct Arena {
    chunks: Vec<Vec<u8>>,
    /// Room of all chunks.
    room: usize,
    pool: Arc<Pool>,
    /// The store beside which a temporary file lies.
    store: PathBuf,
    spill: Option<Spill>,
    taken: Vec<SpoolMap>,
}

/// What had no place in memory.
#[derive(Debug)]
struct Spill {
    file: SpoolFile,
    /// Few bytes that are written together; they count as if they stood in the file
    /// already.
    gathered: Vec<u8>,
}

impl Spill {
    /// Copies `pieces`, `len` bytes in all; where they start. After an error everything
    /// is as before.
    fn copy(&mut self, pieces: &[&[u8]], len: usize) -> io::Result<u64> {
        if self.gathered.len().saturating_add(len) > CHUNK {
            self.file.append(&[&self.gathered])?;
            self.gathered.clear();
        }
        if len >= CHUNK {
            return self.file.append(pieces);
        }
        let at = self.file.len().saturating_add(self.gathered.len() as u64);
        for piece in pieces {
            self.gathered.extend_from_slice(piece);
        }
        Ok(at)
    }

    fn get(&self, at: u64, len: usize) -> Option<&[u8]> {
        match at.checked_sub(self.file.len()) {
            Some(at) => {
                let at = usize::try_from(at).ok()?;
                self.gathered.get(at..at.checked_add(len)?)
            }
            None => self.file.get(at..at.checked_add(len as u64)?),
        }
    }
}

impl Arena {
    /// An empty arena with room from `pool`, for the store at `store`.
    pub(crate) fn new(pool: &Arc<Pool>, store: &Path) -> Self {
        Self {
            chunks: Vec::new(),
            room: 0,
            pool: Arc::clone(pool),
            store: store.to_owned(),
            spill: None,
            taken: Vec::new(),
        }
    }

    /// Copies `pieces`, behind each other. Fails if the temporary file cannot be written;
    /// then nothing of them is here, and everything else stays.
    pub(crate) fn copy(&mut self, pieces: &[&[u8]]) -> io::Result<Span> {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        let has_room = |chunk: &Vec<u8>| chunk.capacity() - chunk.len() >= len;
        if !self.chunks.last().is_some_and(has_room) {
            if self.spill.is_some() || self.room.saturating_add(len.max(CHUNK)) > IN_MEMORY {
                return self.spill(pieces, len);
            }
            let chunk = self.pool.take(len);
            self.room = self.room.saturating_add(chunk.capacity());
            self.chunks.push(chunk);
        }
        let chunk = self.chunks.len().saturating_sub(1);
        let mut at = 0;
        if let Some(last) = self.chunks.last_mut() {
            at = last.len();
            pieces
                .iter()
                .for_each(|piece| last.extend_from_slice(piece));
        }
        Ok(Span {
            place: Place::Chunk(chunk, at),
            len,
        })
    }

    fn spill(&mut self, pieces: &[&[u8]], len: usize) -> io::Result<Span> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(Spill {
                file: SpoolFile::beside(&self.store)?,
                gathered: self.pool.take(CHUNK),
            }),
        };
        let place = Place::Spilled(spill.copy(pieces, len)?);
        Ok(Span { place, len })
    }

    /// Whether `len` bytes can take the place of those of a span.
    pub(crate) fn has_room_in(span: Span, len: usize) -> bool {
        matches!(span.place, Place::Chunk(..)) && len <= span.len
    }

    /// Copies bytes to the place of those of a span, which has room for them.
    pub(crate) fn overwrite(&mut self, span: Span, pieces: &[&[u8]]) -> Span {
        let Place::Chunk(chunk, at) = span.place else {
            return span;
        };
        let chunk = self.chunks.get_mut(chunk);
        let mut rest = chunk
            .and_then(|chunk| chunk.get_mut(at..at + span.len))
            .unwrap_or_default();
        for piece in pieces {
            let (place, behind) = rest.split_at_mut(piece.len().min(rest.len()));
            place.copy_from_slice(piece.get(..place.len()).unwrap_or_default());
            rest = behind;
        }
        Span {
            len: span.len - rest.len(),
            ..span
        }
    }

    /// Takes bytes over: those in memory are copied, a file stays what it is.
    pub(crate) fn take(&mut self, gathered: Gathered) -> io::Result<Span> {
        match gathered {
            Gathered::Memory(bytes) => self.copy(&[&bytes]),
            Gathered::File(map) => {
                let len = usize::try_from(map.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
                let place = Place::Taken(self.taken.len());
                self.taken.push(map);
                Ok(Span { place, len })
            }
        }
    }

    /// The bytes of a span of this arena.
    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        let bytes = match span.place {
            Place::Chunk(chunk, at) => self
                .chunks
                .get(chunk)
                .and_then(|chunk| chunk.get(at..at + span.len)),
            Place::Spilled(at) => {
                let spill = self.spill.as_ref();
                spill.and_then(|spill| spill.get(at, span.len))
            }
            Place::Taken(number) => {
                let taken = self.taken.get(number);
                taken.and_then(|map| map.get(0..span.len as u64))
            }
        };
        bytes.unwrap_or_default()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let mut chunks = std::mem::take(&mut self.chunks);
        chunks.extend(self.spill.take().map(|spill| spill.gathered));
        self.pool.give_back(chunks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena(pool: &Arc<Pool>) -> Arena {
        Arena::new(pool, Path::new(":memory:"))
    }

    #[test]
    fn spans_keep_their_bytes_while_others_are_added() {
        let mut arena = arena(&Arc::default());
        let sizes = [0, 1, 1000, CHUNK - 500, 3 * CHUNK, 7];
        let spans: Vec<Span> = sizes
            .iter()
            .map(|&len| {
                let (first, second) = (vec![len as u8; len / 2], vec![len as u8; len - len / 2]);
                arena.copy(&[&first, &second]).expect("room")
            })
            .collect();
        for (&len, &span) in sizes.iter().zip(&spans) {
            assert_eq!(arena.bytes(span), vec![len as u8; len]);
        }
    }

    #[test]
    fn what_has_no_place_in_memory_is_in_a_file_and_reads_the_same() {
        let mut arena = arena(&Arc::default());
        let sizes = [
            IN_MEMORY - 3 * CHUNK,
            CHUNK,
            5000,
            3 * CHUNK,
            0,
            70_000,
            CHUNK,
        ];
        let mut spans = Vec::new();
        for round in 0..30u8 {
            // The large one once: memory is full from then on.
            for &len in sizes.iter().skip(usize::from(round > 0)) {
                let fill = round ^ len as u8;
                let bytes = vec![fill; len];
                let (first, second) = bytes.split_at(len / 3);
                spans.push((arena.copy(&[first, second]).expect("room"), bytes));
            }
        }
        assert!(arena.room <= IN_MEMORY, "{}", arena.room);
        let spilled = arena.spill.as_ref().expect("a spill");
        assert!(spilled.file.len() > (100 << 20) && spilled.gathered.len() <= CHUNK);
        for (span, bytes) in spans {
            assert!(arena.bytes(span) == bytes);
        }
    }

    #[test]
    fn bytes_in_memory_give_their_place_to_as_many_or_fewer() {
        let mut arena = arena(&Arc::default());
        let before = arena.copy(&[b"before"]).expect("room");
        let span = arena.copy(&[b"0123456789"]).expect("room");
        let after = arena.copy(&[b"after"]).expect("room");
        assert!(Arena::has_room_in(span, 10) && !Arena::has_room_in(span, 11));
        let span = arena.overwrite(span, &[b"abc", b"", b"defg"]);
        assert_eq!(arena.bytes(span), b"abcdefg");
        assert_eq!(arena.bytes(before), b"before");
        assert_eq!(arena.bytes(after), b"after");
        let large = arena.copy(&[&vec![1; IN_MEMORY]]).expect("room");
        assert!(
            !Arena::has_room_in(large, 1),
            "a file is never written twice"
        );
    }

    #[test]
    fn what_was_gathered_elsewhere_is_taken_over() {
        let mut arena = arena(&Arc::default());
        let mut file = SpoolFile::beside(Path::new(":memory:")).expect("a file");
        file.append(&[b"in a file"]).expect("room");
        let spooled = arena.take(Gathered::File(file.into_map())).expect("taken");
        let copied = arena.take(Gathered::Memory(b"in memory".to_vec()));
        let copied = copied.expect("copied");
        assert_eq!(arena.bytes(spooled), b"in a file");
        assert_eq!(arena.bytes(copied), b"in memory");
    }

    #[test]
    fn a_value_without_room_is_refused_and_the_others_stay() {
        let mut arena = Arena::new(&Arc::default(), Path::new("/not/there/a.alog"));
        let span = arena.copy(&[b"first"]).expect("room");
        let large = vec![1; IN_MEMORY];
        let error = arena.copy(&[&large]).expect_err("no folder");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let next = arena.copy(&[b"next"]).expect("room");
        assert_eq!(arena.bytes(span), b"first");
        assert_eq!(arena.bytes(next), b"next");
    }

    #[test]
    fn chunks_come_back_empty_and_within_the_bound() {
        let pool = Arc::new(Pool::default());
        let mut filled = arena(&pool);
        for _ in 0..80 {
            filled.copy(&[&[1; CHUNK]]).expect("room");
        }
        drop(filled);
        let kept: usize = pool.0.lock().iter().map(Vec::capacity).sum();
        assert!((KEPT - CHUNK..=KEPT).contains(&kept), "{kept}");
        let mut arena = arena(&pool);
        let span = arena.copy(&[b"fresh"]).expect("room");
        assert_eq!(arena.bytes(span), b"fresh");
    }
}
