//! Opening a damaged file for what still holds.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Hit, Part, named};
use crate::catalog::{CATALOG, Catalog, NamesFound, Row};
use crate::checkpoint::Background;
use crate::compaction::Automatic;
use crate::error::{Error, Result};
use crate::format::record::{self, Head, RecordKind, key_hash};
use crate::format::{Defect, align_up, offset, place, value_align};
use crate::index::Hash;
use crate::log::{Found, Item, Log, LostRecord, Parts, Stretch, Survey, Tip, What};
use crate::options::{Mode, OpenOptions, Verify};
use crate::storage::Extended;
use crate::store::{Inner, Recovery, Store};

/// A store on its way to being opened.
struct Opening {
    log: Arc<Log>,
    catalog: Catalog,
    names: NamesFound,
    /// Partitions that have records.
    used: BTreeSet<u32>,
    hits: Vec<Hit>,
    commits: u64,
    records: u64,
}

/// Opens what holds of the file of `parts`.
pub(crate) fn over(parts: Parts, options: &OpenOptions) -> Result<Store> {
    let extended = Arc::new(Extended::new(parts.storage));
    let mut log = Log::new(Parts {
        storage: Arc::clone(&extended) as _,
        copying: true,
        verify: Verify::Always,
        ..parts
    })?;
    let len = log.storage().len().map_err(Error::io("read", log.path()))?;
    log.tolerate(len);
    let log = Arc::new(log);
    // Whatever is looked at is compared; nothing is written meanwhile.
    log.lend_up_to(len)?;
    let mut opening = Opening {
        log: Arc::clone(&log),
        catalog: Catalog::default(),
        names: NamesFound::default(),
        used: BTreeSet::new(),
        hits: Vec::new(),
        commits: 0,
        records: 0,
    };
    let mut survey = Survey::new(&log, None)?;
    let surveyed = survey.stretches()?;
    for stretch in &surveyed.stretches {
        opening.take(&mut survey, stretch)?;
    }
    if surveyed.missing > 0 {
        let missing = len..len.saturating_add(surveyed.missing);
        let detail = "was durable and is cut off";
        opening.hits.push(Hit::of(missing, Part::Missing, detail));
    }
    let hits = opening.hits.iter();
    let hits = hits.filter(|hit| hit.damage.part != Part::Index);
    let mut offsets: Vec<u64> = hits.map(|hit| hit.damage.at).collect();
    offsets.sort_unstable();
    log.note_damage(offsets);
    let end = opening.give_names(&extended, len)?;
    log.publish(Tip {
        end,
        ..surveyed.tip()
    });
    opening.catalog.show_changes();
    opening.catalog.index.show_counted();
    for state in opening.catalog.in_use() {
        state.index.show_counted();
    }
    let live = log.live()?;
    log.heard_of(live.published_end);
    let damage = named(&log, &opening.catalog, opening.hits)?;
    let recovery = Recovery {
        commits: opening.commits,
        records: opening.records,
        clean: live.is_closed() && surveyed.torn == 0 && damage.is_empty(),
        torn_bytes: surveyed.torn,
        torn_at: if surveyed.torn == 0 { 0 } else { surveyed.end },
        damage,
        ..Recovery::default()
    };
    let inner = Inner {
        log,
        catalog: Arc::new(opening.catalog),
        pool: Arc::default(),
        array_ids: Arc::default(),
        background: Background::new(u64::MAX, 0, 0),
        automatic: Automatic::default(),
        mode: Mode::Read,
        // What comes after would have to be surveyed anew.
        fixed: true,
        follower: None,
        recovery,
    };
    inner.report_recovery();
    Ok(Store::over(inner, options))
}

impl Opening {
    fn take(&mut self, survey: &mut Survey<'_>, stretch: &Stretch) -> Result<()> {
        match &stretch.what {
            What::Frame(header) => {
                self.commits += u64::from(header.kind == crate::format::frame::FrameKind::Batch);
            }
            What::Hole { defect, data } => {
                let part = if *data { Part::Frame } else { Part::Index };
                let header = stretch.body().start;
                let end = if *data { header } else { stretch.end };
                self.hits.push(Hit::of(stretch.at..end, part, defect));
            }
        }
        survey.items(stretch, &mut |item| match item {
            Item::Sound { at, head, key } => self.sound(stretch, at, head, key),
            Item::Damaged {
                range,
                known,
                defect,
            } => self.damaged(stretch, range, known, &defect),
        })
    }

    fn sound(&mut self, stretch: &Stretch, at: u64, head: Head, key: &[u8]) -> Result<()> {
        if !head.kind.is_data() {
            return Ok(());
        }
        self.records += 1;
        if head.partition == CATALOG && head.kind == RecordKind::Put {
            let located = self.log.locate(place(at))?;
            if let Ok(value) = self.log.value(&located) {
                self.names.note(key, &value);
            }
        }
        match self.index(stretch.at, at, head, key) {
            // What contradicts itself although its sum holds was made by no writer.
            Err(Error::Corrupt { defect, .. }) => {
                let range = at..at.saturating_add(head.end());
                let known = Some((&head, key));
                self.hits
                    .push(Hit::of_record(stretch, range, known, &defect));
                Ok(())
            }
            other => other,
        }
    }

    fn damaged(
        &mut self,
        stretch: &Stretch,
        range: std::ops::Range<u64>,
        known: Option<(Head, &[u8])>,
        defect: &Defect,
    ) -> Result<()> {
        let at = range.start;
        let confirmed = match &known {
            Some((head, key)) => self.confirmed(at, head, key),
            None => None,
        };
        let Some((mut head, key)) = known else {
            self.hits.push(Hit::of_record(stretch, range, None, defect));
            return Ok(());
        };
        let mut key = key.to_vec();
        if let Some((partition, its)) = confirmed {
            (head.partition, key) = (partition, its);
        }
        let hit = Hit::of_record(stretch, range, Some((&head, &key)), defect);
        let is_entry = hit.damage.part == Part::Entry;
        self.hits.push(hit);
        // A partition that nothing else speaks of may be a wrong number.
        let is_known = self.names.has(head.partition) || self.used.contains(&head.partition);
        if is_entry && is_known {
            // Whatever kind it says it is: it may have been another.
            head.kind = RecordKind::Put;
            let record = LostRecord {
                head,
                key: key.clone(),
                defect: defect.clone(),
            };
            self.log.note_lost(at, record);
            self.index(stretch.at, at, head, &key)?;
        }
        Ok(())
    }

    /// Partition and key of the version that a damaged record says it follows: they are its
    /// own, if they agree in one with what stands in it.
    fn confirmed(&self, at: u64, head: &Head, key: &[u8]) -> Option<(u32, Vec<u8>)> {
        let previous = head.previous;
        if previous == 0 || previous >= place(at) || self.log.check(previous).is_err() {
            return None;
        }
        let (before, its) = self.log.head_and_key(offset(previous)).ok()?;
        let agrees = before.partition == head.partition || its == key;
        (agrees && before.kind.is_data()).then_some((before.partition, its.into_owned()))
    }

    /// Has the index lead from `key` to the record.
    fn index(&mut self, frame: u64, at: u64, mut head: Head, key: &[u8]) -> Result<()> {
        let log = &self.log;
        let hash = Hash(key_hash(key, log.identity().seed));
        let state = match head.partition {
            CATALOG => None,
            id => {
                self.used.insert(id);
                self.catalog.next.raise_partition(id);
                Some(self.catalog.state(log, id)?)
            }
        };
        let index = state
            .as_ref()
            .map_or(&self.catalog.index, |state| &state.index);
        // The version before it may be one that was lost.
        let before = log.find(index, hash, key, u64::MAX)?;
        head.previous = before.map_or(0, |located| located.place());
        let found = Found {
            frame,
            at,
            head,
            key,
        };
        log.take_in(index, std::slice::from_ref(&found), place(at))?;
        if head.partition == CATALOG {
            self.catalog.take(log, &found)?;
        }
        Ok(())
    }

    /// Names the partitions whose names are lost, by rows behind the end of the file. Where
    /// these end.
    fn give_names(&mut self, extended: &Extended, len: u64) -> Result<u64> {
        let rows = self.names.missing(&self.catalog, &self.log, &self.used)?;
        let start = align_up(len, 6).unwrap_or(len);
        let mut bytes = Vec::new();
        let mut records = Vec::new();
        for Row { key, value } in rows {
            let at = start.saturating_add(bytes.len() as u64);
            let value = value.unwrap_or_default();
            if let Some((head, record)) = row(at, self.log.identity().seed, &key, &value) {
                bytes.extend(record);
                records.push((at, head, key));
            }
        }
        let end = start.saturating_add(bytes.len() as u64);
        extended.show(start, bytes);
        self.log.lend_up_to(end)?;
        for (at, head, key) in records {
            self.index(at, at, head, &key)?;
        }
        Ok(end)
    }
}

/// The bytes of a row of the catalog at offset `at`.
fn row(at: u64, seed: u64, key: &[u8], value: &[u8]) -> Option<(Head, Vec<u8>)> {
    let len = value.len() as u64;
    let align = value_align(len, None);
    let mut head = Head::lay_out(at, RecordKind::Put, CATALOG, key.len(), len, align)?;
    let mut bytes = vec![0; usize::try_from(head.end()).ok()?];
    for (range, part) in [(head.key_range(), key), (head.value_range(), value)] {
        let range = range.start as usize..range.end as usize;
        bytes.get_mut(range)?.copy_from_slice(part);
    }
    head.write(&mut bytes);
    let hashed = bytes.get(8..head.hashed_end() as usize)?;
    head.sum = record::head_hash(hashed, seed, at).wrapping_add(record::value_hash(value));
    head.write(&mut bytes);
    Some((head, bytes))
}
