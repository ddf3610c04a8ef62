//! A table by small numbers that grows without moving.

use std::sync::OnceLock;

/// Entries of the first row; each further one has twice as many.
const FIRST: u64 = 64;
/// Rows: enough for any `u32`.
const ROWS: usize = 27;

type Row<T> = Box<[OnceLock<T>]>;

/// Values by number. Each is set once and read without a lock.
#[derive(Debug)]
pub(crate) struct Grid<T>([OnceLock<Row<T>>; ROWS]);

impl<T> Default for Grid<T> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| OnceLock::new()))
    }
}

impl<T> Grid<T> {
    #[inline]
    fn place(number: u32) -> (usize, usize) {
        let shifted = u64::from(number) + FIRST;
        let row = shifted.ilog2() - FIRST.ilog2();
        (row as usize, (shifted - (FIRST << row)) as usize)
    }

    /// The value of `number`.
    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let (row, at) = Self::place(number);
        self.0.get(row)?.get()?.get(at)?.get()
    }

    /// Sets the value of `number` unless it has one; the one that it has then.
    pub(crate) fn set(&self, number: u32, value: T) -> Option<&T> {
        let (row, at) = Self::place(number);
        let len = FIRST << row;
        let row = self
            .0
            .get(row)?
            .get_or_init(|| (0..len).map(|_| OnceLock::new()).collect());
        Some(row.get(at)?.get_or_init(|| value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_own_place() {
        let grid = Grid::default();
        let numbers = [0, 1, 63, 64, 191, 192, 1000, 100_000];
        for number in numbers {
            assert_eq!(grid.get(number), None);
            assert_eq!(grid.set(number, number), Some(&number));
        }
        assert_eq!(grid.set(64, 7), Some(&64));
        for number in numbers {
            assert_eq!(grid.get(number), Some(&number));
        }
        assert_eq!(Grid::<u8>::place(u32::MAX).0, ROWS - 1);
    }
}
