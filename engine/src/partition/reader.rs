//! Reading without counting references.

use std::fmt;
use std::sync::Arc;

use super::Partition;
use super::many::View;
use crate::error::{Error, Result, describe_key};
use crate::format::record::RecordKind;
use crate::index::{Hash, Pinned};
use crate::log::{Log, Walk};
use crate::storage::Lent;

impl Partition {
    /// A fixed state that lends values without counting references: the fastest path
    /// for many reads. `Error::Invalid` if the store was opened for copying reads.
    pub fn reader(&self) -> Result<Reader> {
        let inner = self.inner();
        let (pinned, end) = self.pin(&inner, "read keys")?;
        let pinned = pinned.map(|(pinned, _)| pinned);
        // After the end was fixed: it reaches as far.
        let lent = inner.log.lent_by_now().ok_or_else(|| Error::Invalid {
            what: "reader".to_owned(),
            detail: "a store whose reads copy has nothing to lend; use `Partition::get`".to_owned(),
        })?;
        let seed = inner.log.identity().seed;
        Ok(Reader {
            log: Arc::clone(&inner.log),
            lent,
            pinned,
            end,
            seed,
        })
    }
}

/// A fixed state of a partition that lends slices. It keeps the file that it was made
/// from, also when that was compacted meanwhile.
pub struct Reader {
    log: Arc<Log>,
    /// All that is seen of it.
    lent: Lent,
    pinned: Option<Pinned>,
    end: u64,
    seed: u64,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader(end {})", self.end)
    }
}

impl Reader {
    /// The plain value of `key`, borrowed. `Error::Kind` if the entry holds arrays,
    /// `Error::Corrupt`.
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<&[u8]>> {
        let key = key.as_ref();
        let Some(pinned) = &self.pinned else {
            return Ok(None);
        };
        let hash = Hash(crate::format::record::key_hash(key, self.seed));
        let records = self.log.keyed_in(self.lent.lender(), key);
        let place = self.log.find_place(pinned, hash, &records, self.end)?;
        if place == 0 {
            return Ok(None);
        }
        if let Some(value) = records.lend_plain(place, self.end) {
            return Ok(Some(value));
        }
        self.lend(place, key)
    }

    /// The plain values of many keys, in their order; `None` for a key that is not there.
    /// Errors as those of [`get`](Self::get).
    ///
    /// The lookups of 32 keys at a time overlap, so that a key costs less than in a loop
    /// of `get`. [`visit`](Self::visit) saves the list.
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<&[u8]>>> {
        let mut values = Vec::with_capacity(keys.len());
        self.visit(keys, |value| values.push(value))?;
        Ok(values)
    }

    /// Gives `visit` the value of each key in order, as [`get_many`](Self::get_many)
    /// without a list. After an error no more are given.
    #[inline]
    pub fn visit<'r, K: AsRef<[u8]>>(
        &'r self,
        keys: &[K],
        mut visit: impl FnMut(Option<&'r [u8]>),
    ) -> Result<()> {
        let Some(pinned) = &self.pinned else {
            keys.iter().for_each(|_| visit(None));
            return Ok(());
        };
        let view = View {
            log: &self.log,
            lender: self.lent.lender(),
            pinned,
            end: self.end,
        };
        view.find(keys, |key, place| {
            let lent = self.log.lend_plain(self.lent.lender(), place, self.end);
            visit(match lent.filter(|_| place != 0) {
                None => self.lend(place, key)?,
                value => value,
            });
            Ok(())
        })
    }

    /// Number of entries in this state. Costs no look at each, as [`Partition::nth`].
    pub fn len(&self) -> Result<u64> {
        match &self.pinned {
            Some(pinned) => pinned.count(self.end, &self.log.keyed(&[])),
            None => Ok(0),
        }
    }

    /// Whether there is no entry in this state.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Gives `visit` the key and the plain value of every entry, in the order of the latest
    /// writes, without a copy: the fastest way through a partition. Entries of arrays are
    /// passed over. After an error no more are given.
    pub fn scan<'r>(&'r self, mut visit: impl FnMut(&'r [u8], &'r [u8])) -> Result<()> {
        let mut walk = Walk::new(self.pinned.clone(), self.end);
        let lender = self.lent.lender();
        loop {
            let places = walk.next_window(&self.log)?;
            if places.is_empty() {
                return Ok(());
            }
            for &place in places {
                let lent = match self.log.lend_plain_record(lender, place, self.end) {
                    None => self.log.lend_record(place)?,
                    lent => lent,
                };
                if let Some((key, value)) = lent {
                    visit(key, value);
                }
            }
        }
    }

    /// The value of the version that this reader sees, from that at `place` back.
    #[cold]
    fn lend(&self, place: u64, key: &[u8]) -> Result<Option<&[u8]>> {
        let Some(located) = self.log.seen(place, key, self.end)? else {
            return Ok(None);
        };
        match located.head.kind {
            RecordKind::Put => self.log.lend(&located).transpose(),
            RecordKind::Entry => Err(Error::Kind {
                key: describe_key(key),
                expected: "a value",
                found: "arrays".to_owned(),
            }),
            _ => Ok(None),
        }
    }
}
