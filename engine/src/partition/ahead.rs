//! Having the system read what will be asked for.

use super::Partition;
use super::many::View;
use crate::error::Result;
use crate::format::{BLOCK, offset, place};
use crate::log::{Located, Log, Walk};
use crate::options::Advice;
use crate::store::Store;

/// Records that lie no farther apart are read together.
const NEAR: u64 = 2 * BLOCK;

impl Store {
    /// Tells the system how the file will be read from here on; of `Advice::WillNeed`, what
    /// it holds now. It changes what reads cost, not what they give. Where the system
    /// takes no advice nothing happens. One call, which for `Advice::WillNeed` may wait
    /// for the device.
    pub fn advise(&self, advice: Advice) -> Result<()> {
        let log = &self.inner().log;
        log.check_open("give advice")?;
        log.advise_all(advice);
        Ok(())
    }
}

impl Partition {
    /// Has the system read the records of `keys`, so that reading them later does not wait
    /// for the device. Keys that are not there are passed over. Costs a lookup a key, which
    /// may itself wait for the index and the heads of the records; the rest is read while
    /// this goes on. `Error::Invalid` for a key above 65,535 bytes.
    pub fn prefetch<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<()> {
        let inner = self.inner();
        for key in keys {
            inner.hash(key.as_ref())?;
        }
        let log = &inner.log;
        let (Some(pinned), end) = self.pin(&inner, "prefetch keys")? else {
            return Ok(());
        };
        let view = View {
            log,
            lender: log.lender(),
            pinned: &pinned.0,
            end,
        };
        let mut found = Vec::with_capacity(keys.len());
        view.find(keys, |key, place| {
            let located = log.seen(place, key, end)?.filter(Located::is_live);
            found.extend(located.map(|located| located.at));
            Ok(())
        })?;
        found.sort_unstable();
        let mut ahead = Ahead::new(log);
        for at in found {
            ahead.push(at)?;
        }
        ahead.end()
    }

    /// Has the system read the index and all entries of this partition, as
    /// [`prefetch`](Self::prefetch) those of some keys. Costs a walk over the index.
    pub fn will_need(&self) -> Result<()> {
        let inner = self.inner();
        let log = &inner.log;
        let Some(state) = self.state(&inner, "prefetch a partition")? else {
            return Ok(());
        };
        for range in state.index.mapped_ranges() {
            log.read_ahead(range);
        }
        let (pinned, end) = state.index.pin(|| place(log.published()));
        let mut walk = Walk::new(Some(pinned), end);
        let mut ahead = Ahead::new(log);
        while let Some(place) = walk.next(log) {
            ahead.push(offset(place?))?;
        }
        ahead.end()
    }
}

/// Gathers records, given by their offsets in log order, that lie near each other.
struct Ahead<'a> {
    log: &'a Log,
    /// The first and the last of those that are read together.
    run: Option<(u64, u64)>,
}

impl<'a> Ahead<'a> {
    fn new(log: &'a Log) -> Self {
        Self { log, run: None }
    }

    fn push(&mut self, at: u64) -> Result<()> {
        match &mut self.run {
            Some((_, last)) if at.saturating_sub(*last) <= NEAR => *last = at,
            _ => {
                self.end()?;
                self.run = Some((at, at));
            }
        }
        Ok(())
    }

    /// Has those read that were gathered so far.
    fn end(&mut self) -> Result<()> {
        if let Some((first, last)) = self.run.take() {
            // The last one alone says how long it is.
            let end = last.saturating_add(self.log.locate(place(last))?.head.end());
            self.log.read_ahead(first..end);
        }
        Ok(())
    }
}
