//! Files whose index was made wrong on purpose, with every sum right: an error that names
//! a place, or the checkpoint before, or the whole log; and the file is left as it is.

mod dead;

use std::time::{Duration, Instant};

use super::{Image, Map, image_of};
use crate::error::Result;
use crate::format::checkpoint::{Checkpoint, Dead, Root, SegmentRef};
use crate::format::frame::{FrameHeader, FrameKind, HEADER_LEN, first_predecessor, frame_sum};
use crate::format::header::{Identity, SLOT_LEN, SLOTS, Slot};
use crate::format::record::{self, Head, RecordKind};
use crate::format::segment::SegmentHead;
use crate::format::{LOG_START, offset, place};
use crate::open;
use crate::options::{OpenOptions, Verify};
use crate::store::Store;
use crate::{Error, Mode};

/// Keys of each partition.
const KEYS: u32 = 100;

/// Keys that are overwritten: so few that the second checkpoint keeps the first segment.
const CHANGED: u32 = 10;

/// A closed store, and means to change it with all sums.
#[derive(Clone)]
struct Forged {
    bytes: Vec<u8>,
    identity: Identity,
}

/// A record that a frame or room has.
#[derive(Clone, Copy)]
struct Found {
    at: u64,
    head: Head,
}

impl Forged {
    /// Two partitions, two checkpoints.
    fn new() -> Self {
        let identity = open::new_identity(":memory:".as_ref()).expect("random");
        let (sim, store) = Image(open::header(&identity))
            .open(identity)
            .expect("opens");
        for (round, keys) in [KEYS, CHANGED].into_iter().enumerate() {
            for name in ["p", "q"] {
                let part = store.partition("c", name).expect("partition");
                for key in 0..keys {
                    let value = format!("{name} {key} {round}");
                    part.put(key.to_le_bytes(), value).expect("stored");
                }
            }
            store.checkpoint().expect("saved");
        }
        store.close().expect("closed");
        Self {
            bytes: image_of(&sim).0,
            identity,
        }
    }

    fn part(&self, at: u64, len: u64) -> &[u8] {
        &self.bytes[at as usize..(at + len) as usize]
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        self.bytes[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    /// The slots, the newer one first, with their offsets.
    fn slots(&self) -> Vec<(u64, Slot)> {
        let id = &self.identity.store_id;
        let parse = |at| Slot::parse(self.part(at, SLOT_LEN as u64), id, at);
        let mut slots: Vec<_> = SLOTS
            .into_iter()
            .filter_map(|at| Some((at, parse(at)?)))
            .collect();
        slots.sort_by_key(|(_, slot)| std::cmp::Reverse(slot.seq));
        slots
    }

    /// Has every slot say something else.
    fn change_slots(&mut self, change: impl Fn(&mut Slot)) {
        for (at, mut slot) in self.slots() {
            change(&mut slot);
            let bytes = slot.to_bytes(&self.identity.store_id, at);
            self.put(at, &bytes);
        }
    }

    fn record(&self, at: u64) -> Found {
        let head = Head::parse(&self.bytes[at as usize..], at).expect("a record");
        Found { at, head }
    }

    fn value(&self, found: Found) -> Vec<u8> {
        let range = found.head.value_range();
        self.part(found.at + range.start, found.head.value_len())
            .to_vec()
    }

    /// Puts a value of the same length into a record that is not wide; the new sum.
    fn set_value(&mut self, found: Found, value: &[u8]) -> u64 {
        assert!(!found.head.wide && value.len() as u64 == found.head.value_len());
        self.put(found.at + found.head.value_range().start, value);
        let hashed = self.part(found.at + 8, found.head.hashed_end() - 8);
        let sum = record::head_hash(hashed, self.identity.seed, found.at)
            .wrapping_add(record::value_hash(value));
        self.put(found.at, &sum.to_le_bytes());
        self.reseal();
        sum
    }

    fn checkpoint(&self) -> (Found, Checkpoint) {
        let found = self.record(self.slots()[0].1.checkpoint);
        let checkpoint = Checkpoint::parse(&self.value(found)).expect("a checkpoint");
        (found, checkpoint)
    }

    fn change_checkpoint(&mut self, change: impl Fn(&mut Checkpoint)) {
        let (found, mut checkpoint) = self.checkpoint();
        change(&mut checkpoint);
        self.set_value(found, &checkpoint.to_bytes());
    }

    /// The newest root of a partition.
    fn root(&self, id: u32) -> (Found, Root) {
        let key = crate::format::checkpoint::root_key(id);
        let records = self.records(FrameKind::Checkpoint);
        let is_it = |found: &&Found| {
            let range = found.head.key_range();
            found.head.kind == RecordKind::Root
                && self.part(found.at + range.start, range.end - range.start) == key
        };
        let found = *records.iter().rfind(is_it).expect("a root");
        (found, Root::parse(&self.value(found)).expect("a root"))
    }

    fn change_root(&mut self, id: u32, change: impl Fn(&mut Root)) {
        let (found, mut root) = self.root(id);
        change(&mut root);
        self.set_value(found, &root.to_bytes());
    }

    /// Changes the newest segment of a partition, and what its root says of it.
    fn change_segment(&mut self, id: u32, change: impl Fn(&SegmentHead, &mut Vec<u8>)) {
        let named = self.root(id).1.segments.pop().expect("a segment");
        let found = self.record(offset(named.place));
        let mut value = self.value(found);
        let head = SegmentHead::parse(&value, value.len() as u64).expect("a segment");
        change(&head, &mut value);
        let sum = self.set_value(found, &value);
        self.change_root(id, |root| {
            if let Some(named) = root.segments.last_mut() {
                named.sum = sum;
            }
        });
    }

    fn frames(&self) -> Vec<(u64, FrameHeader)> {
        let (mut at, mut frames) = (LOG_START, Vec::new());
        while at < self.bytes.len() as u64 {
            let bytes = self.part(at, HEADER_LEN);
            let header = FrameHeader::parse(bytes, &self.identity.store_id, at).expect("a frame");
            frames.push((at, header));
            at += HEADER_LEN + header.body_len;
        }
        frames
    }

    /// The records of all frames of a kind.
    fn records(&self, kind: FrameKind) -> Vec<Found> {
        let mut records = Vec::new();
        for (frame, header) in self
            .frames()
            .into_iter()
            .filter(|(_, header)| header.kind == kind)
        {
            let mut at = frame + HEADER_LEN;
            while at < frame + HEADER_LEN + header.body_len {
                records.push(self.record(at));
                at += self.record(at).head.end();
            }
        }
        records
    }

    /// Gives all frames the sums that their records now have.
    fn reseal(&mut self) {
        let mut predecessor = first_predecessor(&self.identity.store_id);
        for (at, header) in self.frames() {
            let (mut sums, mut next) = (Vec::new(), at + HEADER_LEN);
            let end = next + header.body_len;
            while header.kind != FrameKind::Space && next < end {
                sums.extend_from_slice(self.part(next, 8));
                next += self.record(next).head.end();
            }
            let sum = frame_sum(&sums, predecessor, header.seqno, header.epoch);
            let header = FrameHeader {
                frame_sum: sum,
                ..header
            };
            self.put(at, &header.to_bytes(&self.identity.store_id, at));
            predecessor = sum;
        }
    }

    /// Opens it in every way; what was passed over, and what it holds or what is wrong.
    fn outcomes(&self, options: &OpenOptions) -> Vec<(Vec<String>, Result<Map>)> {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.alog");
        let mut outcomes = Vec::new();
        for (copying, verify) in [
            (false, Verify::First),
            (true, Verify::First),
            (false, Verify::Always),
            (false, Verify::Never),
        ] {
            std::fs::write(&path, &self.bytes).expect("written");
            let begun = Instant::now();
            let opened = open::file(&path, &options.clone().verify(verify), copying);
            outcomes.push(match opened {
                Ok(store) => (store.recovery().passed_over.clone(), read(&store)),
                Err(error) => (Vec::new(), Err(error)),
            });
            assert!(begun.elapsed() < Duration::from_secs(5));
            assert!(
                std::fs::read(&path).expect("read") == self.bytes,
                "unharmed"
            );
        }
        outcomes
    }

    /// It is passed over, and said so, and the answers are right.
    fn falls_back(&self, what: &str) {
        for (passed_over, found) in self.outcomes(&OpenOptions::new()) {
            assert!(!passed_over.is_empty(), "{what}: nothing was passed over");
            assert_eq!(found.expect(what), right(), "{what}");
        }
    }

    /// It is an error that names a place, and a scan has everything.
    fn is_refused(&self, what: &str) {
        for (number, (_, found)) in self.outcomes(&OpenOptions::new()).into_iter().enumerate() {
            match found {
                Err(Error::Corrupt { .. }) => {}
                Err(error) => panic!("{what}: {error}"),
                // Who asks for no comparing gets none.
                Ok(_) if number == 3 => {}
                Ok(_) => panic!("{what}: nobody noticed, way {number}"),
            }
        }
        for (_, found) in self.outcomes(&OpenOptions::new().scan(true)) {
            assert_eq!(found.expect(what), right(), "{what}, scanned");
        }
    }
}

fn right() -> Map {
    let mut map = Map::new();
    for name in ["p", "q"] {
        for key in 0..KEYS {
            let value = format!("{name} {key} {}", u32::from(key < CHANGED));
            map.insert(
                [name.as_bytes(), &key.to_le_bytes()].concat(),
                value.into_bytes(),
            );
        }
    }
    map
}

fn read(store: &Store) -> Result<Map> {
    let mut map = Map::new();
    for name in ["p", "q"] {
        let part = store.existing_partition("c", name)?;
        for key in 0..KEYS {
            if let Some(value) = part.get(key.to_le_bytes())? {
                map.insert(
                    [name.as_bytes(), &key.to_le_bytes()].concat(),
                    value.to_vec(),
                );
            }
        }
        for key in KEYS..KEYS + 100 {
            assert_eq!(part.get(key.to_le_bytes())?, None);
        }
        for entry in part.entries()? {
            let entry = entry?;
            let key = [name.as_bytes(), entry.key()].concat();
            let value = entry.value()?;
            if map.get(&key).is_none_or(|found| *found != *value) {
                map.insert([b"a walk only: ", &*key].concat(), value.to_vec());
            }
        }
        part.len()?;
    }
    Ok(map)
}

#[test]
fn a_store_whose_sums_were_made_anew_opens_from_its_checkpoint() {
    let mut forged = Forged::new();
    let before = forged.bytes.clone();
    forged.change_checkpoint(|_| ());
    forged.change_segment(1, |_, _| ());
    forged.change_slots(|_| ());
    assert!(forged.bytes == before);
    for (passed_over, found) in forged.outcomes(&OpenOptions::new()) {
        assert!(passed_over.is_empty(), "{passed_over:?}");
        assert_eq!(found.expect("right"), right());
    }
}

#[test]
fn slots_that_name_no_checkpoint_are_passed_over() {
    let forged = Forged::new();
    let len = forged.bytes.len() as u64;
    let batch = forged.records(FrameKind::Batch)[0].at;
    let root = forged.root(1).0.at;
    for at in [
        8,
        4096,
        LOG_START,
        LOG_START + 1,
        batch,
        root,
        len - 8,
        len,
        1 << 40,
        u64::MAX,
        !7,
    ] {
        let mut forged = forged.clone();
        forged.change_slots(|slot| slot.checkpoint = at);
        forged.falls_back(&format!("a checkpoint at {at}"));
        // And one of the two is enough.
        let mut forged = Forged::new();
        let newest = forged.slots()[0].1.seq;
        forged.change_slots(|slot| {
            if slot.seq == newest {
                slot.checkpoint = at;
            }
        });
        forged.falls_back(&format!("the newest checkpoint at {at}"));
    }
    for end in [len + 8, 1 << 50, u64::MAX] {
        let mut forged = forged.clone();
        forged.change_slots(|slot| slot.checkpoint_end = end);
        forged.falls_back(&format!("a checkpoint that ends at {end}"));
    }
}

#[test]
fn two_slots_of_one_turn_lead_to_a_right_answer() {
    let mut forged = Forged::new();
    let newest = forged.slots()[0].1.seq;
    forged.change_slots(|slot| slot.seq = newest);
    for (_, found) in forged.outcomes(&OpenOptions::new()) {
        assert_eq!(found.expect("right"), right());
    }
}

#[test]
fn checkpoints_that_point_nowhere_are_passed_over() {
    let forged = Forged::new();
    let own = forged.checkpoint().0.at;
    for at in [
        0,
        4096,
        LOG_START - 8,
        LOG_START + 4,
        own,
        own + 8,
        1 << 40,
        u64::MAX - 7,
    ] {
        let mut changed = forged.clone();
        changed.change_checkpoint(|checkpoint| checkpoint.replay_from = at);
        changed.falls_back(&format!("replay from {at}"));
    }
    for at in [own, own + 8, 4, u64::MAX - 7] {
        let mut changed = forged.clone();
        changed.change_checkpoint(|checkpoint| checkpoint.previous = at);
        changed.falls_back(&format!("a previous checkpoint at {at}"));
    }
    let places = [
        0,
        1,
        place(LOG_START),
        place(own),
        1 << 40,
        (1 << 48) - 1,
        u64::MAX,
    ];
    for at in places {
        let mut changed = forged.clone();
        changed.change_checkpoint(|checkpoint| checkpoint.catalog.segments[0].place = at);
        changed.falls_back(&format!("a segment of partition 0 at place {at}"));
    }
    let mut changed = forged.clone();
    changed.change_checkpoint(|checkpoint| checkpoint.catalog.segments[0].entries += 1);
    changed.falls_back("another number of entries");
    // That of another partition, whose sum is right.
    let other = forged.root(1).1.segments[0].clone();
    let mut changed = forged.clone();
    changed.change_checkpoint(|checkpoint| {
        let dead = checkpoint.catalog.segments[0].dead.clone();
        checkpoint.catalog.segments[0] = SegmentRef {
            dead,
            ..other.clone()
        };
    });
    changed.falls_back("a segment of another partition");
}

#[test]
fn roots_that_point_nowhere_are_refused_and_a_scan_opens_them() {
    let forged = Forged::new();
    let (found, root) = forged.root(1);
    let batch = place(forged.records(FrameKind::Batch)[3].at);
    for at in [
        0,
        1,
        batch,
        place(found.at),
        1 << 40,
        (1 << 48) - 1,
        u64::MAX,
    ] {
        let mut changed = forged.clone();
        changed.change_root(1, |root| root.segments[0].place = at);
        changed.is_refused(&format!("a segment at place {at}"));
    }
    let other = forged.root(2).1;
    let mut changed = forged.clone();
    changed.change_root(1, |root| {
        for (named, other) in root.segments.iter_mut().zip(&other.segments) {
            (named.place, named.sum) = (other.place, other.sum);
        }
    });
    changed.is_refused("segments of another partition");
    let mut changed = forged.clone();
    changed.change_root(1, |root| root.segments[0].entries = 1 << 40);
    changed.is_refused("more entries than there are");
    let listed = root.segments.iter().any(|named| named.dead.count() > 0);
    assert!(listed, "{root:?}");
    let mut changed = forged.clone();
    changed.change_root(1, |root| {
        for named in &mut root.segments {
            let Dead::Listed(dead) = &mut named.dead else {
                continue;
            };
            if let Some(last) = dead.last_mut() {
                *last = named.entries as u32;
            }
        }
    });
    changed.is_refused("a dead entry out of range");
}

#[test]
fn slots_of_the_index_that_lead_elsewhere_are_refused_and_a_scan_opens_them() {
    let forged = Forged::new();
    let batches = forged.records(FrameKind::Batch);
    let of = |partition| {
        let record = batches
            .iter()
            .rfind(move |found| found.head.partition == partition);
        place(record.expect("a record").at)
    };
    let segment = forged.root(1).1.segments[0].place;
    for at in [
        1,
        place(LOG_START),
        of(0),
        of(2),
        segment,
        segment + 1,
        1 << 40,
        (1 << 48) - 1,
    ] {
        let mut changed = forged.clone();
        changed.change_segment(1, |head, value| {
            let range = head.groups_range();
            for word in value[range.start as usize..range.end as usize]
                .as_chunks_mut::<8>()
                .0
            {
                let old = u64::from_le_bytes(*word);
                if old != 0 {
                    *word = (old >> 48 << 48 | at).to_le_bytes();
                }
            }
        });
        changed.is_refused(&format!("slots that lead to place {at}"));
        let mut changed = forged.clone();
        changed.change_segment(1, |head, value| {
            let range = head.order_range();
            for word in value[range.start as usize..range.end as usize]
                .as_chunks_mut::<8>()
                .0
            {
                let old = u64::from_le_bytes(*word);
                *word = (old >> 48 << 48 | at).to_le_bytes();
            }
        });
        changed.is_refused(&format!("words in log order that lead to place {at}"));
    }
    let mut changed = forged.clone();
    changed.change_segment(1, |_, value| {
        value[16..24].copy_from_slice(&u64::MAX.to_le_bytes())
    });
    changed.is_refused("more groups than there are");
}

#[test]
fn a_checkpoint_that_was_passed_over_is_replaced_at_the_next_closing() {
    let forged = Forged::new();
    let newest = forged.slots()[0].1.seq;
    for which in [newest, newest - 1] {
        let mut changed = forged.clone();
        changed.change_slots(|slot| {
            // The newest alone, or both.
            if slot.seq >= which {
                slot.checkpoint = LOG_START;
            }
        });
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.alog");
        std::fs::write(&path, &changed.bytes).expect("written");
        let options = OpenOptions::new().mode(Mode::ReadWrite);
        let store = open::file(&path, &options, true).expect("opens");
        assert!(!store.recovery().passed_over.is_empty());
        store.close().expect("closed");
        for _ in 0..2 {
            let store = open::file(&path, &options, true).expect("opens");
            assert!(store.recovery().passed_over.is_empty());
            assert_eq!(read(&store).expect("read"), right());
            store.close().expect("closed");
        }
    }
}
