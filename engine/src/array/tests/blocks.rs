//! Blocks: their bytes, and those of strangers.
use proptest::prelude::*;

use super::*;
use crate::array::{BLOCK_HEADER, BlockPlace, Content, Raw, Source, empty_block, encode_block};
use crate::codec::Pipeline;

fn block(dtype: DType, data: &[u8], validity: Option<&[u8]>, codec: &str) -> Vec<u8> {
    let source = Source {
        dtype,
        elements: Raw::Fixed(data),
        validity,
        fill: None,
    };
    let codec = Pipeline::parse(codec).unwrap();
    let block = encode_block(source, Some(&codec), "t", true);
    block.unwrap().unwrap()
}

fn content(dtype: DType, elements: u64, masked: bool) -> Content {
    Content {
        dtype,
        elements,
        masked,
    }
}

/// One and the same byte, so that shuffling gives what was there.
const SAME: [u8; 8] = [7; 8];

#[test]
fn elements_that_stand_as_they_are_have_a_head_of_8_bytes() {
    let bits = [0b101];
    let block = block(DType::Int16, &SAME, Some(&bits), "none");
    #[rustfmt::skip]
    let expected = [
        0, 0, 1, 2,  8, 0, 8, 0, // no codec, no statistics, validity, lengths of 2 bytes
        7, 7, 7, 7, 7, 7, 7, 7,
        0b101,
    ];
    assert_eq!(block, expected);
    let place = BlockPlace::parse(&block, block.len(), content(DType::Int16, 4, true)).unwrap();
    assert_eq!(place.stored, 8..16);
    assert_eq!((place.validity.clone(), place.len()), (Some(16..17), 17));
}

#[test]
fn what_is_encoded_follows_its_head_at_once() {
    let data = [7; 300];
    let bits = [0xff; 38];
    let block = block(DType::UInt8, &data, Some(&bits), "lz4");
    // Statistics: a min and a max, both 7.
    let head = [3, 3, 1, 2, 44, 1];
    assert_eq!(block[..6], head);
    assert_eq!(&block[8..14], b"lz4\x03\x07\x07");
    let place = BlockPlace::parse(&block, block.len(), content(DType::UInt8, 300, true)).unwrap();
    let stored = u16::from_le_bytes([block[6], block[7]]);
    assert_eq!(place.stored, 14..14 + usize::from(stored));
    let bits_at = place.stored.end.next_multiple_of(8);
    assert_eq!(place.validity, Some(bits_at..bits_at + 38));
    assert_eq!(place.len(), block.len());
    for len in 0..block.len() {
        let defect = BlockPlace::parse(&block[..len], len, content(DType::UInt8, 300, true));
        defect.unwrap_err();
    }
}

#[test]
fn elements_of_256_bytes_and_more_stand_on_a_line_of_the_block() {
    for (len, at) in [(255, 8), (256, 64), (70_000, 64)] {
        let data = noise(len);
        let block = block(DType::Complex64, &data[..len / 8 * 8], None, "none");
        let elements = content(DType::Complex64, len as u64 / 8, false);
        let place = BlockPlace::parse(&block, block.len(), elements).unwrap();
        // Of 255 bytes 248 are whole elements.
        assert_eq!(place.stored.start, at, "{len} bytes");
        assert_eq!(block[3], if len < 65_536 { 2 } else { 4 });
    }
}

#[test]
fn lengths_have_2_4_or_8_bytes() {
    let elements = content(DType::UInt8, 5, false);
    for width in 0..=u8::MAX {
        let mut block = vec![0, 0, 0, width];
        for _ in 0..2 {
            block.push(5);
            block.resize(block.len() + usize::from(width).max(1) - 1, 0);
        }
        let at = block.len().next_multiple_of(8);
        block.resize(at + 5, 0);
        let parsed = BlockPlace::parse(&block, block.len(), elements);
        match width {
            2 | 4 | 8 => assert_eq!(parsed.unwrap().stored, at..at + 5),
            _ => {
                let message = parsed.unwrap_err().to_string();
                let expected =
                    format!("bytes of a length in a block is {width}, expected 2, 4 or 8");
                assert_eq!(message, expected);
            }
        }
    }
}

#[test]
fn a_block_of_nothing_is_four_bytes() {
    let block = empty_block();
    assert_eq!(block, [0, 0, 4, 0]);
    let place = BlockPlace::parse(&block, 4, content(DType::Float32, 9, true)).unwrap();
    assert!(place.empty);
}

proptest! {
    #[test]
    fn blocks_of_strangers_are_inside_of_their_bytes_or_a_defect(
        head in prop::array::uniform4(prop_oneof![0..9_u8, any::<u8>()]),
        lengths in prop::collection::vec(prop_oneof![9 => Just(0_u8), 1 => any::<u8>()], 0..40),
        elements in 0..20_u64,
        masked: bool,
    ) {
        let block = [&head[..], &lengths].concat();
        let seen = &block[..block.len().min(BLOCK_HEADER)];
        let found = BlockPlace::parse(seen, block.len(), content(DType::Bytes, elements, masked));
        if let Ok(place) = found {
            prop_assert!(place.len() <= block.len());
            prop_assert!(place.codec.end <= place.stats.start);
            prop_assert!(place.stats.end <= place.stored.start);
        }
    }
}
