//! Walking over the records of a partition in the order of the log.

use super::Log;
use super::find::Uncompared;
use crate::error::Result;
use crate::index::{Cursor, Pinned, Window};

/// The places of the records that a reader saw at one moment, in log order. Those of a
/// window are loaded ahead, so that their cache misses overlap.
#[derive(Debug)]
pub(crate) struct Walk {
    pinned: Option<Pinned>,
    cursor: Cursor,
    /// A place.
    end: u64,
    window: Window,
    /// How many places of the window were given out.
    given: usize,
    /// Whether the records are compared with their sums.
    compared: bool,
}

impl Walk {
    /// What a reader with `end` (a place) sees in `pinned`.
    pub(crate) fn new(pinned: Option<Pinned>, end: u64) -> Self {
        Self {
            pinned,
            cursor: Cursor::default(),
            end,
            window: Window::new(),
            given: 0,
            compared: true,
        }
    }

    /// As [`Self::new`], for someone who compares the records with their sums.
    pub(crate) fn uncompared(pinned: Option<Pinned>, end: u64) -> Self {
        Self {
            compared: false,
            ..Self::new(pinned, end)
        }
    }

    /// The next places, none at the end: as [`Self::next`], many at once. After an error the
    /// walk goes on behind what was damaged.
    #[inline]
    pub(crate) fn next_window(&mut self, log: &Log) -> Result<&[u64]> {
        if self.given == self.window.places().len() {
            self.refill(log)?;
        }
        let given = std::mem::replace(&mut self.given, self.window.places().len());
        Ok(self.window.places().get(given..).unwrap_or_default())
    }

    /// The next place; its record was compared with its sum. After an error the walk goes
    /// on behind what was damaged.
    #[inline]
    pub(crate) fn next(&mut self, log: &Log) -> Option<Result<u64>> {
        if self.given == self.window.places().len()
            && let Err(error) = self.refill(log)
        {
            return Some(Err(error));
        }
        let place = self.window.places().get(self.given).copied()?;
        self.given += 1;
        Some(Ok(place))
    }

    fn refill(&mut self, log: &Log) -> Result<()> {
        self.window = Window::new();
        self.given = 0;
        if let Some(pinned) = &self.pinned {
            let (cursor, window) = (&mut self.cursor, &mut self.window);
            match self.compared {
                true => pinned.next(cursor, self.end, &log.keyed(&[]), window)?,
                false => pinned.next(cursor, self.end, &Uncompared(log), window)?,
            }
            let places = self.window.places();
            let lender = log.lender();
            places
                .iter()
                .for_each(|&place| Log::prefetch(lender, place));
        }
        Ok(())
    }
}
