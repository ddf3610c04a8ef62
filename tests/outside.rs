//! What can be seen of a store from outside: counters and events; and what it can be told
//! about how it will be read.

use std::sync::Mutex;

use arraylog::{Advice, Durability, Mode, OpenOptions, Verify};
use log::{Level, LevelFilter, Log, Metadata, Record};

/// Keeps what was said.
struct Kept(Mutex<Vec<(Level, String, String)>>);

static KEPT: Kept = Kept(Mutex::new(Vec::new()));

impl Log for Kept {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &Record<'_>) {
        let said = (
            record.level(),
            record.target().to_owned(),
            record.args().to_string(),
        );
        self.0.lock().expect("whole").push(said);
    }
    fn flush(&self) {}
}

/// What was said of the file with this name.
fn said(name: &str) -> Vec<(Level, String)> {
    if log::set_logger(&KEPT).is_ok() {
        log::set_max_level(LevelFilter::Trace);
    }
    let kept = KEPT.0.lock().expect("whole");
    let of_it = kept
        .iter()
        .filter(|(_, target, text)| target.starts_with("arraylog") && text.contains(name));
    of_it
        .map(|(level, _, text)| (*level, text.clone()))
        .collect()
}

#[test]
fn counters_count_what_was_done_and_reads_of_small_values_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    let zero = store.counters();
    assert_eq!((zero.commits, zero.syncs, zero.bytes_written), (0, 0, 0));
    let part = store.default_partition().expect("partition");
    part.put("a", "1").expect("stored");
    // The partition and its collection are rows of their own.
    assert_eq!(
        (store.counters().commits, store.counters().operations),
        (1, 3)
    );
    let before = store.info().expect("open").file_bytes;
    let mut batch = store.batch().expect("batch");
    batch.set_durability(Durability::Synced);
    let staged = batch.partition("default", "default").expect("partition");
    staged.put("b", vec![1; 200_000]).expect("staged");
    staged.remove("a").expect("staged");
    let bytes_before = store.counters().bytes_written;
    batch.commit().expect("committed");
    let now = store.counters();
    assert_eq!((now.commits, now.operations, now.syncs), (2, 5, 1));
    let grown = store.info().expect("open").file_bytes - before;
    assert_eq!(now.bytes_written - bytes_before, grown);
    store.sync().expect("synced");
    assert_eq!(store.counters().syncs, 2);
    assert_eq!(
        (now.checkpoints, now.index_bytes_written, now.segments),
        (0, 0, 0)
    );
    let before = store.info().expect("open").file_bytes;
    assert!(store.checkpoint().expect("saved"));
    let now = store.counters();
    assert_eq!((now.checkpoints, now.segments), (1, 3));
    let grown = store.info().expect("open").file_bytes - before;
    assert_eq!(now.index_bytes_written, grown);
    assert_eq!(
        now.bytes_written,
        store.info().expect("open").file_bytes - 16384
    );
    store.close().expect("closed");

    let store = support::open(&path, Mode::Read).expect("opens");
    let part = store.default_partition().expect("there");
    let value = part.get("b").expect("read").expect("there");
    assert_eq!(value.len(), 200_000);
    let first = store.counters();
    assert_eq!(first.blocks_compared, 3);
    assert!(first.records_compared > 0);
    for _ in 0..10 {
        part.get("b").expect("read").expect("there");
    }
    assert_eq!(store.counters(), first);
    let options = OpenOptions::new().verify(Verify::Never);
    let store = support::open_mapped(&options, &path).expect("opens");
    let part = store.default_partition().expect("there");
    part.get("b").expect("read").expect("there");
    assert_eq!(store.counters().blocks_compared, 0);
}

#[test]
fn a_checkpoint_and_a_recovery_are_events_that_say_what_was_done() {
    let _ = said("");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("told.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    for number in 0..5u32 {
        part.put(number.to_le_bytes(), "1").expect("stored");
    }
    store.checkpoint().expect("saved");
    part.put("more", "1").expect("stored");
    drop((part, store));
    let file = std::fs::File::options().append(true).open(&path);
    std::io::Write::write_all(&mut file.expect("opens"), &[1; 40]).expect("written");
    let store = support::open(&path, Mode::Read).expect("opens");
    assert_eq!(store.recovery().torn_bytes, 40);
    let said = said("told.alog");
    let find = |level: Level, part: &str| {
        let found = said
            .iter()
            .find(|(is, text)| *is == level && text.contains(part));
        assert!(found.is_some(), "{level} {part}: {said:?}");
    };
    find(Level::Info, "a checkpoint of 1 partitions took ");
    find(
        Level::Debug,
        "1 commits with 1 records were replayed, from seqno 5 on",
    );
    find(Level::Warn, "40 bytes at offset ");
}

#[test]
fn advice_and_prefetching_change_no_answer() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.alog");
    let store = support::open(&path, Mode::Append).expect("made");
    let part = store.default_partition().expect("partition");
    for number in 0..500u32 {
        let value = vec![number as u8; number as usize * 100];
        part.put(format!("{number}"), value).expect("stored");
    }
    store.checkpoint().expect("saved");
    part.put("7", "new").expect("stored");
    let check = |store: &arraylog::Store| {
        let part = store.default_partition().expect("there");
        for advice in [
            Advice::Random,
            Advice::Sequential,
            Advice::WillNeed,
            Advice::Normal,
        ] {
            store.advise(advice).expect("told");
            part.prefetch(&["3", "7", "absent", "499", "3"])
                .expect("told");
            part.will_need().expect("told");
            for number in [3u32, 499] {
                let value = part.get(format!("{number}")).expect("read").expect("there");
                assert_eq!(value.len(), number as usize * 100);
                assert!(value.iter().all(|&byte| byte == number as u8));
            }
            assert_eq!(part.get("7").expect("read").as_deref(), Some(&b"new"[..]));
        }
        let long = vec![0; 65_536];
        assert!(matches!(
            part.prefetch(&[long]),
            Err(arraylog::Error::Invalid { .. })
        ));
        part.prefetch::<&str>(&[]).expect("nothing to do");
    };
    check(&store);
    check(&OpenOptions::new().open(&path).expect("opens"));
    check(&support::open(&path, Mode::Read).expect("opens"));
    let memory = arraylog::Store::memory().expect("memory");
    let in_memory = memory.default_partition().expect("partition");
    in_memory.put("a", "1").expect("stored");
    in_memory.prefetch(&["a"]).expect("told");
    in_memory.will_need().expect("told");
    memory.advise(Advice::WillNeed).expect("told");
    store.close().expect("closed");
    for refused in [
        store.advise(Advice::Random),
        part.will_need(),
        part.prefetch(&["a"]),
    ] {
        assert!(matches!(refused, Err(arraylog::Error::Closed { .. })));
    }
}
