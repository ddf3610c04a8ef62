//! Values that come from a source of any length, and go to a reader block by block.

use std::collections::BTreeSet;
use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use arraylog::{ArraySpec, Attrs, Error, Mode, OpenOptions, Partition, Store, Verify};
use support::process::Actor;
use support::source::{Moody, Pattern};

const LENGTHS: [u64; 11] = [
    0, 1, 65_535, 65_536, 65_537, 131_071, 131_072, 1_048_576, 1_048_577, 2_097_151, 10_000_000,
];

/// A store whose bytes depend on nothing but what is written.
fn fixed(path: &Path) -> Store {
    let options = OpenOptions::new().mode(Mode::CreateNew);
    let options = arraylog::__test::fixed(options, [1; 16], [2; 16], 3, 4);
    support::open_mapped(&options, path).expect("made")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).expect("listed");
    let name = |file: io::Result<std::fs::DirEntry>| file.expect("listed").file_name();
    files
        .map(|file| name(file).into_string().expect("text"))
        .collect()
}

/// The log of a file, without what its header says of the process.
fn log(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("read").split_off(16_384)
}

#[test]
fn a_streamed_value_is_byte_for_byte_what_put_writes() {
    let folder = tempfile::tempdir().expect("folder");
    let paths = ["put", "from", "writer", "batch"].map(|name| folder.path().join(name));
    let [put, from, writer, batch] = paths.each_ref().map(|path| fixed(path));
    let part = |store: &Store| store.default_partition().expect("partition");
    for len in LENGTHS {
        let (key, bytes) = (format!("{len}"), Pattern::bytes(len));
        part(&put).put(&key, &bytes).expect("stored");
        let moods = [1, 7, 65_536, 3, 100_000].repeat(5);
        let moods = moods
            .into_iter()
            .flat_map(|most| [Ok(most), Err(ErrorKind::Interrupted)]);
        let source = Moody::new(Pattern::new(len), moods.collect());
        assert_eq!(part(&from).put_from(&key, source).expect("stored"), len);

        let mut stream = part(&writer).writer(&key).expect("a writer");
        for bytes in bytes.chunks(77_777) {
            stream.write_all(bytes).expect("room");
        }
        assert_eq!(stream.len(), len);
        assert_eq!(stream.finish().expect("stored"), len);

        let staging = batch.batch().expect("batch");
        let staged = staging.partition("default", "default").expect("partition");
        let stored = staged.put_from(&key, Pattern::new(len));
        assert_eq!(stored.expect("staged"), len);
        assert!(!part(&batch).contains(&key).expect("read"));
        staging.commit().expect("committed");
    }
    let expected = log(&paths[0]);
    for path in &paths[1..] {
        assert!(log(path) == expected, "{}", path.display());
    }
    assert_eq!(names(folder.path()).len(), 4);
}

#[test]
fn a_source_that_fails_leaves_nothing_and_the_error_says_where() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    part.put("key", "before").expect("stored");
    let before = std::fs::read(&path).expect("read");
    let batch = store.batch().expect("batch");
    let staged = batch.partition("default", "default").expect("partition");
    staged.put("staged", "1").expect("staged");
    for given in [0, 1, 65_536, 131_072, 1 << 20, 5_000_000] {
        let source = || {
            let fails = Moody::new(io::empty(), vec![Err(ErrorKind::ConnectionReset)]);
            Pattern::new(given).chain(fails)
        };
        for error in [
            part.put_from("key", source()).expect_err("fails"),
            staged.put_from("key", source()).expect_err("fails"),
        ] {
            let said = error.to_string();
            let Error::Source { key, read, source } = error else {
                panic!("{error:?}");
            };
            assert_eq!((key.as_str(), read), ("key", given));
            assert_eq!(source.kind(), ErrorKind::ConnectionReset);
            assert!(said.contains(&format!("{given} bytes")), "{said}");
        }
    }
    drop(part.writer("key").expect("a writer"));
    assert_eq!(batch.len(), 1);
    assert!(std::fs::read(&path).expect("read") == before);
    assert_eq!(names(folder.path()), BTreeSet::from(["a.alog".to_owned()]));
    batch.commit().expect("committed");
    assert_eq!(part.len().expect("counted"), 2);
    let stored = part.put_from("key", Pattern::new(5_000_000));
    assert_eq!(stored.expect("stored"), 5_000_000);
}

#[test]
fn a_source_that_says_that_it_read_more_than_there_was_room_for_is_refused() {
    struct Liar;
    impl Read for Liar {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            Ok(out.len() + 1)
        }
    }
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    let error = part.put_from("key", Liar).expect_err("a lie");
    assert_eq!(error.kind(), "source");
    assert!(part.is_empty().expect("counted"));
}

#[test]
fn a_stream_into_what_takes_no_writes_is_refused_before_the_source_is_read() {
    struct Untouched;
    impl Read for Untouched {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("read");
        }
    }
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    let long = vec![0; 65_536];
    let error = part.put_from(&long, Untouched).expect_err("a long key");
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
    part.put_from("key", &b"taken"[..]).expect("stored");
    store.close().expect("closed");
    let error = part.put_from("key", Untouched).expect_err("closed");
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    let reading = support::open(&path, Mode::Read).expect("opens");
    let part = reading.default_partition().expect("partition");
    let error = part.put_from("key", Untouched).expect_err("reading only");
    assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
    assert!(matches!(part.writer("key"), Err(Error::ReadOnly { .. })));
}

#[test]
fn a_store_that_is_closed_while_a_stream_is_filled_takes_nothing() {
    let store = Store::memory().expect("memory");
    let part = store.default_partition().expect("partition");
    let mut writer = part.writer("key").expect("a writer");
    writer.write_all(b"bytes").expect("room");
    store.close().expect("closed");
    assert!(matches!(writer.finish(), Err(Error::Closed { .. })));
}

/// A source that waits for a sign before each byte.
struct Gated(Receiver<u8>);

impl Read for Gated {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.0.recv() {
            Ok(byte) => (&[byte][..]).read(out),
            Err(_) => Ok(0),
        }
    }
}

#[test]
fn nobody_waits_for_a_source() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    std::thread::scope(|scope| {
        let gates: Vec<_> = (0..2)
            .map(|number| {
                let (gate, source) = channel();
                let part = part.clone();
                scope.spawn(move || part.put_from(format!("stream {number}"), Gated(source)));
                gate
            })
            .collect();
        // Each stream has started and will not end before its gate goes.
        for gate in &gates {
            gate.send(b'a').expect("a reader");
        }
        for number in 0..100u32 {
            part.put("counter", number.to_le_bytes()).expect("stored");
            let batch = store.batch().expect("batch");
            let staged = batch.partition("c", "p").expect("partition");
            staged.put("counter", number.to_le_bytes()).expect("staged");
            batch.commit().expect("committed");
        }
        assert!(!part.contains("stream 0").expect("read"));
        for gate in gates {
            gate.send(b'b').expect("a reader");
        }
    });
    for number in 0..2 {
        let value = part.get(format!("stream {number}")).expect("read");
        assert_eq!(value.as_deref(), Some(&b"ab"[..]));
    }
    assert_eq!(store.seqno(), 202);
}

/// The same store, once mapped and once with reads that copy.
fn both(path: &Path) -> [Partition; 2] {
    let mapped = support::open(path, Mode::Read).expect("opens");
    let copied = OpenOptions::new().open(path).expect("opens");
    [mapped, copied].map(|store| store.default_partition().expect("partition"))
}

#[test]
fn a_reader_gives_the_bytes_of_the_value_from_any_position() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    for len in LENGTHS {
        part.put(format!("{len}"), Pattern::bytes(len))
            .expect("stored");
    }
    part.write("arrays", &[("n", ArraySpec::scalar(1i64))], &Attrs::new())
        .expect("written");
    store.close().expect("closed");
    for part in both(&path) {
        for len in LENGTHS {
            let expected = Pattern::bytes(len);
            let opened = part.open_value(format!("{len}")).expect("read");
            let mut reader = opened.expect("there");
            assert_eq!(reader.len(), len);
            let mut found = Vec::new();
            reader.read_to_end(&mut found).expect("whole");
            assert!(found == expected, "{len}");
            for at in [
                0,
                1,
                65_535,
                65_536,
                len / 2,
                len.saturating_sub(1),
                len,
                len + 9,
            ] {
                assert_eq!(reader.seek(SeekFrom::Start(at)).expect("seeks"), at);
                found.clear();
                let most = 200_000;
                reader
                    .by_ref()
                    .take(most)
                    .read_to_end(&mut found)
                    .expect("read");
                let (from, to) = (at.min(len), (at + most).min(len).max(at.min(len)));
                assert!(
                    found == expected[from as usize..to as usize],
                    "{len} at {at}"
                );
            }
            if len > 0 {
                reader.seek(SeekFrom::End(-1)).expect("seeks");
                assert_eq!(
                    reader.fill_buf().expect("read"),
                    &expected[len as usize - 1..]
                );
            }
            let end = reader.seek(SeekFrom::End(0)).expect("seeks");
            assert_eq!((end, reader.position()), (len, len));
            let error = reader.seek(SeekFrom::Current(-1 - len as i64));
            assert_eq!(error.expect_err("before").kind(), ErrorKind::InvalidInput);
            assert_eq!(reader.position(), len);
        }
        assert!(part.open_value("none").expect("read").is_none());
        assert!(matches!(part.open_value("arrays"), Err(Error::Kind { .. })));
        let value = part.get("65537").expect("read").expect("there");
        let mut text = Vec::new();
        value.reader().read_to_end(&mut text).expect("whole");
        assert!(text == *value);
    }
}

#[test]
fn a_reader_goes_on_after_overwrites_and_the_end_of_the_store() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    for copying in [false, true] {
        let options = OpenOptions::new().mode(Mode::Replace);
        let store = match copying {
            true => options.open(&path),
            false => support::open_mapped(&options, &path),
        };
        let store = store.expect("made");
        let part = store.default_partition().expect("partition");
        part.put_from("key", Pattern::new(300_000)).expect("stored");
        let mut reader = part.open_value("key").expect("read").expect("there");
        let mut found = vec![0; 1000];
        reader.read_exact(&mut found).expect("read");
        part.put("key", "other").expect("stored");
        store.close().expect("closed");
        drop((part, store));
        reader.read_to_end(&mut found).expect("whole");
        assert!(found == Pattern::bytes(300_000), "copying {copying}");
    }
}

#[test]
fn a_stream_stops_at_a_damaged_block_and_reads_those_around_it() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    part.put("key", Pattern::bytes(400_000)).expect("stored");
    store.close().expect("closed");
    let mut bytes = std::fs::read(&path).expect("read");
    let start = Pattern::bytes(64);
    let at = bytes
        .windows(64)
        .position(|bytes| bytes == start)
        .expect("there");
    // Of blocks 0 to 5 the third.
    bytes[at + 2 * 65_536 + 77] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    let expected = Pattern::bytes(400_000);
    for part in both(&path) {
        let mut reader = part.open_value("key").expect("read").expect("there");
        let mut found = Vec::new();
        let error = reader.read_to_end(&mut found).expect_err("damaged");
        assert!(found == expected[..131_072]);
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let error = error.downcast::<Error>().expect("an error of the store");
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        reader.seek(SeekFrom::Start(3 * 65_536)).expect("seeks");
        found.clear();
        reader.read_to_end(&mut found).expect("whole");
        assert!(found == expected[3 * 65_536..]);
    }
    let unverified = OpenOptions::new().verify(Verify::Never).open(&path);
    let part = unverified
        .expect("opens")
        .default_partition()
        .expect("partition");
    let mut reader = part.open_value("key").expect("read").expect("there");
    let mut found = Vec::new();
    reader.read_to_end(&mut found).expect("not compared");
    assert_eq!(found.len(), 400_000);
}

#[test]
fn a_batch_beyond_memory_is_whole_without_a_close_and_keeps_the_order_of_its_calls() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    let batch = store.batch().expect("batch");
    let staged = batch.partition("default", "default").expect("partition");
    let lens = [
        0usize, 10, 1023, 1024, 5000, 65_535, 65_536, 200_000, 3_000_000,
    ];
    let value = |round: usize, len: usize| vec![(round * 31 + len) as u8; len];
    let (mut expected, mut bytes) = (Vec::new(), 0);
    for round in 0.. {
        for len in lens {
            let key = format!("{round} {len}");
            staged.put(&key, "replaced").expect("staged");
            staged.put(&key, value(round, len)).expect("staged");
            expected.push((key, value(round, len)));
            bytes += len;
        }
        if bytes > 100 << 20 {
            break;
        }
    }
    let streamed = staged.put_from("stream", Pattern::new(2_000_000));
    assert_eq!(streamed.expect("staged"), 2_000_000);
    staged.rename("stream", "renamed", false).expect("staged");
    staged.put("gone", value(1, 5000)).expect("staged");
    assert!(staged.remove("gone").expect("staged"));
    expected.push(("renamed".to_owned(), Pattern::bytes(2_000_000)));
    assert!(part.is_empty().expect("counted"));
    batch.commit().expect("committed");
    drop((part, store));
    let store = support::open(&path, Mode::Read).expect("opens");
    assert_eq!(store.recovery().torn_bytes, 0);
    let part = store.default_partition().expect("partition");
    let found = part.entries().expect("walk").map(|entry| {
        let entry = entry.expect("whole");
        let key = String::from_utf8(entry.key().to_vec()).expect("text");
        (key, entry.value().expect("whole").to_vec())
    });
    for (found, expected) in found.zip(&expected) {
        assert_eq!(found.0, expected.0);
        assert!(found.1 == expected.1, "{}", found.0);
    }
    assert_eq!(part.len().expect("counted"), expected.len() as u64);
}

/// Starts the other process with `words`, and gives what it says.
fn said(words: &[&str]) -> Vec<String> {
    let actor = Actor::start(env!("CARGO_BIN_EXE_actor"), words).expect("started");
    actor.finish().expect("ended well")
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_of_200_mib_needs_less_than_16_mib_of_memory_in_and_out() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let len = (200u64 << 20) + 12_345;
    let said = said(&["stream", path.to_str().expect("text"), &len.to_string()]);
    assert_eq!(said, [len.to_string(), len.to_string()]);
    assert_eq!(names(folder.path()).len(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_batch_of_300_mib_needs_less_than_100_mib_of_memory() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    for (count, len) in [(30_000u64, 10_000usize), (300, 1 << 20)] {
        let (count_text, len_text) = (count.to_string(), len.to_string());
        let text = path.to_str().expect("text");
        let said = said(&["large-batch", text, &count_text, &len_text]);
        assert_eq!(said, [(count + 4).to_string()]);
        let store = support::open(&path, Mode::Read).expect("opens");
        assert_eq!(store.seqno(), 1);
        let part = store.default_partition().expect("partition");
        assert_eq!(part.len().expect("counted"), count);
        let mut numbers = BTreeSet::new();
        for entry in part.entries().expect("walk") {
            let value = entry.expect("whole").value().expect("whole");
            let number = u64::from_le_bytes(value[..8].try_into().expect("8 bytes"));
            assert!(value.len() == len && value[8..].iter().all(|&b| b == number as u8));
            numbers.insert(number);
        }
        assert!(numbers.into_iter().eq(0..count));
        for (key, number) in [("renamed", 1), ("last", count - 1)] {
            let value = part.get(key).expect("read").expect("there");
            assert_eq!(value[..8], number.to_le_bytes());
        }
        drop((part, store));
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(names(folder.path()).len(), 0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_the_stream_or_the_call_and_leaves_the_rest() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let said = said(&["full-disk", path.to_str().expect("text")]);
    let mut said = said.iter().map(String::as_str);
    let mut starts = |with: &str| {
        let line = said.next().unwrap_or("nothing");
        assert!(line.starts_with(with), "{line:?} for {with:?}");
        assert!(
            line.contains("File too large") || !line.contains(": "),
            "{line}"
        );
    };
    starts("not-committed: nothing was committed to");
    starts("FileTooLarge");
    starts("not-committed: ");
    starts("not-committed: ");
    starts("not-committed: ");
    starts("io: cannot keep a batch in a temporary file for");
    starts("true");
    starts("true");
    starts("false");
    assert_eq!(names(folder.path()).len(), 1);
}
