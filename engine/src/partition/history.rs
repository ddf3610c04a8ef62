//! The versions of a key.

use std::sync::Arc;

use arc_swap::Guard;

use super::Partition;
use crate::catalog::{Beside, CATALOG};
use crate::condition::Version;
use crate::entry::Entry;
use crate::error::Result;
use crate::format::{Defect, offset, place};
use crate::log::{Commits, Located, Stored, Tip, Until, replay};
use crate::store::Inner;

/// One version of a key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyVersion {
    /// Identifies it among the versions of the key.
    pub version: Version,
    /// Number of the commit that wrote it, which [`Store::at`](crate::Store::at) takes. Of
    /// a version that compaction copied, the number of the last commit before that.
    pub seqno: u64,
    /// What the key mapped to; `None` if this version removed it.
    pub entry: Option<Entry>,
}

/// Iterator over the versions of a key, newest first. Ends after an error.
#[derive(Debug)]
pub struct History {
    inner: Arc<Inner>,
    /// Id of the partition.
    id: u32,
    key: Vec<u8>,
    next: Next,
    /// The next whole version, which amendments may stand before.
    whole: Option<(u64, bool)>,
    /// The next amendment.
    amendment: Option<Located>,
    beside: Option<Beside>,
    /// Made when it is first needed.
    commits: Option<Commits>,
}

/// Where the next version is.
#[derive(Debug)]
enum Next {
    /// At a place.
    At(u64),
    /// Somewhere before an offset, if there is one: nothing leads to it.
    Before(u64),
    /// At the last of these places.
    Listed(Vec<u64>),
}

impl Partition {
    /// The versions of `key` that the file still has, removals among them, newest first,
    /// as of this call.
    ///
    /// Each version costs a read of its record, which names the one before, and, for the
    /// number of its commit, of a part of the frame headers: all since the last checkpoint
    /// before it at most. The index forgets removed keys, so that what was written before a
    /// removal may be found by reading the log alone: the step behind the last version
    /// that is named reads the log before it, all but the blocks of large values. Whoever
    /// takes no more versions than they need does not pay for it, and neither does anyone
    /// for a version that compaction copied, which is the first of its key.
    ///
    /// `Error::Corrupt` if a version does not lead to one of the same key before it.
    pub fn history(&self, key: impl AsRef<[u8]>) -> Result<History> {
        let key = key.as_ref();
        let inner = Guard::into_inner(self.inner());
        let hash = inner.hash(key)?;
        let mut history = History {
            inner: Arc::clone(&inner),
            id: CATALOG,
            key: key.to_vec(),
            next: Next::Listed(Vec::new()),
            whole: None,
            amendment: None,
            beside: None,
            commits: None,
        };
        let Some(state) = self.state(&inner, "list versions")? else {
            return Ok(history);
        };
        history.id = state.id;
        let published = inner.log.published();
        let newest = inner.log.find(&state.index, hash, key, place(published))?;
        let beside = state.beside(place(published));
        history.amendment = beside.newest_of(&inner.log, key)?;
        history.beside = Some(beside);
        history.next = newest.map_or(Next::Before(published), |newest| Next::At(newest.place()));
        Ok(history)
    }
}

impl History {
    /// The place of the next version, and whether a record or the index led to it.
    fn find(&mut self) -> Result<Option<(u64, bool)>> {
        let mut places = match std::mem::replace(&mut self.next, Next::Listed(Vec::new())) {
            Next::At(place) => return Ok(Some((place, true))),
            Next::Before(end) => self.places_before(end)?,
            Next::Listed(places) => places,
        };
        let newest = places.pop();
        self.next = Next::Listed(places);
        Ok(newest.map(|place| (place, false)))
    }

    /// The places of the records of the key before offset `end`, by a walk over the log.
    fn places_before(&self, end: u64) -> Result<Vec<u64>> {
        let log = &self.inner.log;
        let mut places = Vec::new();
        let mut tip = Tip::start(log.identity());
        replay(log, &mut tip, Until::Published(end), |found| {
            let of_key = found.iter().filter(|found| {
                found.at < end && found.head.partition == self.id && found.key == self.key
            });
            places.extend(of_key.map(|found| place(found.at)));
            Ok(())
        })?;
        Ok(places)
    }

    fn step(&mut self) -> Result<Option<KeyVersion>> {
        let whole = match self.whole.take() {
            Some(whole) => Some(whole),
            None => self.find()?,
        };
        let Some((this, led)) = whole else {
            return Ok(None);
        };
        let inner = &self.inner;
        let (log, at) = (&inner.log, offset(this));
        let (head, key) = log.head_and_key(at)?;
        let beside = self.beside.as_ref();
        let beside_at = |end: u64| Beside {
            end: end.saturating_add(1),
            ..beside.cloned().unwrap_or_default()
        };
        if let Some(amendment) = self.amendment
            && amendment.place() > this
        {
            let located = Located { at, head };
            let entry = inner.stored_entry(&self.key, located, &beside_at(amendment.place()))?;
            let commits = match &mut self.commits {
                Some(commits) => commits,
                none => none.insert(Commits::of(log)?),
            };
            let seqno = commits.commit(log, amendment.at)?.seqno;
            self.whole = whole;
            self.amendment = match (amendment.head.previous, beside) {
                (0, _) | (_, None) => None,
                (_, Some(beside)) => {
                    let after = Stored::new(log, amendment)?;
                    Some(beside.amendment_before(log, &self.key, &after)?)
                }
            };
            return Ok(Some(KeyVersion {
                version: Version::of(log, &amendment),
                seqno,
                entry: Some(entry),
            }));
        }
        let fault = |found, expected| {
            let what = "the place of the version before";
            let field = Defect::Field {
                what,
                found,
                expected,
            };
            log.corrupt(at, field)
        };
        if key != self.key || head.partition != self.id {
            let expected = "the place of a record of the same partition and key";
            return Err(fault(this, expected));
        }
        // The index leads to the newest one alone, and compared that.
        log.check_unless_trusted(this)?;
        let located = Located { at, head };
        // Versions lead backwards, so that damage cannot make a circle.
        if head.previous >= this {
            return Err(fault(head.previous, "a place before the record"));
        }
        let commits = match &mut self.commits {
            Some(commits) => commits,
            none => none.insert(Commits::of(log)?),
        };
        let commit = commits.commit(log, at)?;
        let entry = match located.is_live() {
            true => Some(inner.stored_entry(&self.key, located, &beside_at(this))?),
            false => None,
        };
        let version = Version::of(log, &located);
        if led {
            self.next = match head.previous {
                0 if commit.copied => Next::Listed(Vec::new()),
                0 => Next::Before(at),
                previous => Next::At(previous),
            };
        }
        Ok(Some(KeyVersion {
            version,
            seqno: commit.seqno,
            entry,
        }))
    }
}

impl Iterator for History {
    type Item = Result<KeyVersion>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step().transpose();
        if matches!(step, Some(Err(_))) {
            self.next = Next::Listed(Vec::new());
        }
        step
    }
}
