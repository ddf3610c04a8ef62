//! The layout of shuffled bytes, and that vectors give what single bytes give.

use proptest::prelude::*;

use super::super::shuffle::{shuffle, unshuffle};
use super::random;

/// By the definition.
fn expected(size: usize, data: &[u8]) -> Vec<u8> {
    let elements = data.len().checked_div(size).unwrap_or(0);
    let planes = (0..size).flat_map(|byte| (0..elements).map(move |it| data[it * size + byte]));
    let mut out: Vec<u8> = planes.collect();
    out.extend(&data[elements * size..]);
    out
}

#[test]
fn the_first_bytes_of_all_elements_come_first() {
    let mut out = [0; 7];
    shuffle(2, b"aAbBcCd", &mut out);
    assert_eq!(&out, b"abcABCd");
    unshuffle(2, b"abcABCd", &mut out);
    assert_eq!(&out, b"aAbBcCd");
}

#[test]
fn vectors_give_what_single_bytes_give() {
    for size in [0usize, 1, 2, 3, 4, 5, 7, 8, 12, 16, 20, 64] {
        for elements in (0..70).chain([255, 1000, 4096]) {
            for tail in [0, 1, size.saturating_sub(1)] {
                let data = random(size as u64, elements * size + tail);
                let mut planes = vec![0; data.len()];
                shuffle(size, &data, &mut planes);
                assert_eq!(
                    planes,
                    expected(size, &data),
                    "{elements} of {size} and {tail}"
                );
                let mut again = vec![0; data.len()];
                unshuffle(size, &planes, &mut again);
                assert_eq!(again, data, "{elements} of {size} and {tail}");
            }
        }
    }
}

proptest! {
    #[test]
    fn elements_of_any_size_come_back(
        data in proptest::collection::vec(any::<u8>(), 0..3000),
        size in 0usize..70,
    ) {
        let (mut planes, mut again) = (vec![0; data.len()], vec![0; data.len()]);
        shuffle(size, &data, &mut planes);
        unshuffle(size, &planes, &mut again);
        prop_assert_eq!(&planes, &expected(size, &data));
        prop_assert_eq!(again, data);
    }
}
