//! Telling the system what will be read.

use std::ops::Range;

use super::Log;
use crate::options::Advice;

impl Log {
    /// Tells the system how all of the log will be read from here on, in mappings to come
    /// as well.
    pub(crate) fn advise_all(&self, advice: Advice) {
        if advice != Advice::WillNeed {
            *self.advice.lock() = advice;
        }
        let end = match advice {
            Advice::WillNeed => self.published(),
            // What comes, too.
            Advice::Normal | Advice::Random | Advice::Sequential => u64::MAX,
        };
        self.advise(0..end, advice);
    }

    /// Has the system read `range` now, while others go on.
    pub(crate) fn read_ahead(&self, range: Range<u64>) {
        self.advise(range, Advice::WillNeed);
    }

    /// Advises for a mapping that was just made.
    pub(super) fn advise_again(&self) {
        let advice = *self.advice.lock();
        if advice != Advice::Normal {
            self.advise(0..u64::MAX, advice);
        }
    }

    fn advise(&self, range: Range<u64>, advice: Advice) {
        let regions = self.regions.as_ref();
        let told = match regions.and_then(|regions| regions.newest()) {
            Some(region) => region.advise(range, advice),
            None => self.storage.advise(range, advice),
        };
        // A hint that was not taken changes nothing but the time that reads take.
        if let Err(error) = told {
            log::debug!("{}: advice was not taken: {error}", self.path.display());
        }
    }
}
