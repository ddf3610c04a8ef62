//! What is wrong with the header pages.

use std::ops::Range;
use std::time::Duration;

use super::{Hit, Part};
use crate::error::{Error, Result};
use crate::format::header::{
    IDENTITY_COPY, IDENTITY_LEN, Identity, LIVE, LIVE_WORDS, Live, LiveState, SLOT_LEN, SLOTS, Slot,
};
use crate::format::{LOG_START, UNIT};
use crate::log::{Log, slots};

/// Words that contradict each other are read so often: a writer may be storing them.
const LOOKS: usize = 4;

/// What no structure uses and is zero.
const PADDING: [(u64, u64); 5] = [
    (IDENTITY_LEN as u64, SLOTS[0]),
    (SLOTS[0] + SLOT_LEN as u64, SLOTS[1]),
    (SLOTS[1] + SLOT_LEN as u64, LIVE),
    (LIVE + LIVE_WORDS as u64 * 8, IDENTITY_COPY),
    (IDENTITY_COPY + IDENTITY_LEN as u64, LOG_START),
];

/// What of the header pages contradicts the format, its checksum, or what is said elsewhere.
pub(super) fn hits(log: &Log) -> Result<Vec<Hit>> {
    let id = log.identity().store_id;
    let mut hits = Vec::new();
    let mut add = |at: u64, end: u64, detail: &str| {
        hits.push(Hit::of(at..end, Part::Header, detail));
    };
    let mut damaged = Vec::new();
    for at in [0, IDENTITY_COPY] {
        if Identity::parse(&read(log, at, IDENTITY_LEN)?).is_err() {
            damaged.push(at);
        }
    }
    for &at in &damaged {
        let detail = match damaged.len() {
            1 => "does not have its checksum; the identity stands twice",
            _ => "does not have its checksum, nor does its copy; both together gave the identity",
        };
        add(at, at.saturating_add(IDENTITY_LEN as u64), detail);
    }
    for at in SLOTS {
        // Again, if a writer was just writing it.
        let holds = |slot: &[u8]| {
            slot.iter().all(|&byte| byte == 0) || Slot::parse(slot, &id, at).is_some()
        };
        if !holds(&read(log, at, SLOT_LEN)?) && !holds(&read(log, at, SLOT_LEN)?) {
            let detail = "the slot does not have its checksum";
            add(at, at.saturating_add(SLOT_LEN as u64), detail);
        }
    }
    for (at, end) in PADDING {
        let bytes = read(log, at, end.saturating_sub(at) as usize)?;
        let is_used = |&(_, &byte): &(u64, &u8)| byte != 0;
        if let Some((first, byte)) = (at..).zip(&bytes).find(is_used) {
            let last = bytes.iter().rposition(|&byte| byte != 0).unwrap_or(0) as u64;
            let detail = format!("padding of a header page is {byte:#04x}, expected 0");
            add(first, at.saturating_add(last).saturating_add(1), &detail);
        }
    }
    if let Some((words, detail)) = live_defect(log)? {
        let at = |word: u64| LIVE.saturating_add(word.saturating_mul(8));
        add(at(words.start), at(words.end), &detail);
    }
    Ok(hits)
}

fn read(log: &Log, at: u64, len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let n = log.storage().read_at(&mut bytes, at);
    bytes.truncate(n.map_err(Error::io("read", log.path()))?);
    Ok(bytes)
}

/// Words of the live page that break their promise, and how.
type Broken = Option<(Range<u64>, String)>;

/// What breaks its promise, and still does when it is looked at again.
fn live_defect(log: &Log) -> Result<Broken> {
    let mut found = None;
    for look in 0..LOOKS {
        if look > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        found = broken_promise(log, &log.live()?)?;
        if found.is_none() {
            break;
        }
    }
    Ok(found)
}

fn broken_promise(log: &Log, live: &Live) -> Result<Broken> {
    let end = live.published_end;
    if end < LOG_START || !end.is_multiple_of(UNIT) {
        let detail = format!("the published end is {end}, expected the end of a frame");
        return Ok(Some((0..1, detail)));
    }
    // A store that was never synced has neither.
    let is_new = live.durable_end == 0 && live.check == 0;
    if !is_new && live.trusted_durable_end(&log.identity().store_id).is_none() {
        let detail = format!(
            "the durable end {} does not have its check",
            live.durable_end
        );
        return Ok(Some((2..4, detail)));
    }
    if live.state > LiveState::Poisoned as u64 {
        let detail = format!("the state is {}, expected 0 to 3", live.state);
        return Ok(Some((5..6, detail)));
    }
    if !live.is_closed() {
        return Ok(None);
    }
    // Closing writes a slot that says the same.
    let slots = slots(log)?;
    let Some(slot) = slots.first().filter(|_| slots.len() == SLOTS.len()) else {
        return Ok(None);
    };
    let said = [
        (0, "published end", live.published_end, slot.durable_end),
        (1, "seqno", live.seqno, slot.seqno),
        (2, "durable end", live.durable_end, slot.durable_end),
        (4, "number of the newest slot", live.slot_seq, slot.seq),
    ];
    let differs = said.into_iter().find(|(_, _, live, slot)| live != slot);
    Ok(differs.map(|(word, what, found, expected)| {
        (
            word..word + 1,
            format!("the {what} of the closed store is {found}, its slot says {expected}"),
        )
    }))
}
