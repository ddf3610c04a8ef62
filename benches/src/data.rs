//! Keys and values that every engine is given alike.

/// Bytes of every key: a path-like prefix, as real keys have, and eight digits.
pub const KEY_LEN: usize = 35;

/// Bytes that values are cut from: more than the caches hold, so that no engine
/// reads its input from the cache.
const POOL_BYTES: usize = 64 << 20;

/// Values start at multiples of this in the pool, as values in memory do.
const VALUE_STEP: usize = 8;

/// Keys of [`KEY_LEN`] bytes, one after the other in the order of use, so that
/// reading the keys costs no cache miss.
#[derive(Clone, Debug)]
pub struct Keys {
    bytes: Vec<u8>,
}

impl Keys {
    /// `count` keys in their natural order.
    #[must_use]
    pub fn natural(count: usize) -> Self {
        Self::numbered(0..count)
    }

    /// Those of the natural keys that have these numbers, below 10^8 each, in this order.
    #[must_use]
    pub fn numbered(numbers: impl IntoIterator<Item = usize>) -> Self {
        Self::made("collection/partition/entry-", numbers)
    }

    /// `count` keys that [`natural`](Self::natural) never gives: of the same
    /// length and the same beginning.
    #[must_use]
    pub fn absent(count: usize) -> Self {
        Self::made("collection/partition/entrY-", 0..count)
    }

    /// The same keys in the order of `order`.
    ///
    /// Positions beyond the end are left out.
    #[must_use]
    pub fn in_order(&self, order: &[usize]) -> Self {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for key in order.iter().filter_map(|&position| self.get(position)) {
            bytes.extend_from_slice(key);
        }
        Self { bytes }
    }

    fn made(prefix: &str, numbers: impl IntoIterator<Item = usize>) -> Self {
        let numbers = numbers.into_iter();
        let mut bytes = Vec::with_capacity(numbers.size_hint().0 * KEY_LEN);
        for number in numbers {
            bytes.extend_from_slice(format!("{prefix}{number:08}").as_bytes());
        }
        Self { bytes }
    }

    /// The key at `position`.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<&[u8]> {
        let start = position.checked_mul(KEY_LEN)?;
        self.bytes.get(start..start.checked_add(KEY_LEN)?)
    }

    /// Every key, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(KEY_LEN)
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / KEY_LEN
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Incompressible values of one length, cut from a pool of random bytes.
#[derive(Debug)]
pub struct Values {
    pool: Vec<u8>,
    len: usize,
}

impl Values {
    /// Values of `len` bytes, at most 32 MiB.
    #[must_use]
    pub fn new(len: usize) -> Self {
        debug_assert!(len <= POOL_BYTES / 2, "a value must leave room in the pool");
        let mut pool = vec![0; POOL_BYTES];
        fastrand::Rng::with_seed(0x5EED).fill(&mut pool);
        Self { pool, len }
    }

    /// The value of entry `number`: the same in every process.
    #[must_use]
    pub fn get(&self, number: usize) -> &[u8] {
        let step = self.len.next_multiple_of(VALUE_STEP).max(VALUE_STEP);
        let slots = (POOL_BYTES - self.len) / step;
        let start = (number % slots) * step;
        self.pool.get(start..start + self.len).unwrap_or_default()
    }

    /// Bytes of each value.
    #[must_use]
    pub fn value_len(&self) -> usize {
        self.len
    }
}

/// The first eight bytes of a value as a number: reading it touches the value,
/// and the sum over all entries tells whether the right ones came back.
#[must_use]
pub fn leading(value: &[u8]) -> u64 {
    value
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_stated_length_and_order() {
        let keys = Keys::natural(12);
        assert_eq!(keys.len(), 12);
        assert_eq!(
            keys.get(10),
            Some(&b"collection/partition/entry-00000010"[..])
        );
        assert!(keys.iter().all(|key| key.len() == KEY_LEN));
        assert!(keys.iter().is_sorted());
        assert_eq!(keys.get(12), None);
    }

    #[test]
    fn absent_keys_are_none_of_the_natural_ones() {
        let natural = Keys::natural(100);
        let absent = Keys::absent(100);
        assert_eq!(absent.get(0).map(<[u8]>::len), Some(KEY_LEN));
        assert!(
            absent
                .iter()
                .all(|key| natural.iter().all(|other| other != key))
        );
    }

    #[test]
    fn numbered_keys_are_the_natural_ones_of_these_numbers() {
        let natural = Keys::natural(10);
        let numbered = Keys::numbered([7, 2, 7]);
        let expected: Vec<_> = [7, 2, 7].iter().filter_map(|&i| natural.get(i)).collect();
        assert_eq!(numbered.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn keys_in_an_order_follow_it() {
        let keys = Keys::natural(3);
        let turned = keys.in_order(&[2, 0, 1]);
        let expected: Vec<_> = [2, 0, 1].iter().filter_map(|&i| keys.get(i)).collect();
        assert_eq!(turned.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn values_are_alike_in_every_process_and_differ_from_their_neighbours() {
        let (one, other) = (Values::new(100), Values::new(100));
        assert_eq!(one.get(7), other.get(7));
        assert_eq!(one.get(7).len(), 100);
        assert_ne!(one.get(7), one.get(8));
        // Beyond the end of the pool they begin again, still whole.
        assert_eq!(one.get(10_000_000).len(), 100);
    }

    #[test]
    fn the_leading_number_is_of_the_first_eight_bytes() {
        assert_eq!(leading(&[1, 0, 0, 0, 0, 0, 0, 0, 99]), 1);
        assert_eq!(leading(&[1, 2, 3]), 0);
    }
}
