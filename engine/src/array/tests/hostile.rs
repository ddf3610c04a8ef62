//! Bytes that nobody wrote: a schema or a defect, an array or a defect.
use proptest::prelude::*;

use super::super::layout::flag;
use super::*;
use crate::Defect;
use crate::array::Storage;

/// An entry with everything that the format has, in frames of both widths.
fn entry() -> (Vec<u8>, Vec<Vec<u8>>) {
    let filled = sample(DType::Float64, &[2, 3])
        .dims(&["y", "x"])
        .attr("units", "m".into())
        .fill_value((-1.0).into());
    let arrays = [
        ("scalar", sample(DType::Int32, &[])),
        ("masked scalar", masked(sample(DType::Complex128, &[]))),
        ("inline", masked(sample(DType::Int8, &[3]).dims(&["x"]))),
        ("body", masked(filled)),
        ("short", ArraySpec::string("hi")),
        ("long", masked(ArraySpec::string("longer than a slot"))),
        (
            "texts",
            masked(ArraySpec::strings(&["a", "", "bcd"]).dims(&["x"])),
        ),
        ("none", sample(DType::Bytes, &[0])),
        ("fixed", sample(DType::FixedString(5), &[])),
        ("time", sample(DType::DateTime64(TimeUnit::Day), &[2])),
    ];
    let attrs: Attrs = [
        ("lat", AttrValue::Float64(1.5)),
        ("title", "longer than a slot".into()),
        (
            "list",
            AttrValue::List(vec![
                1.into(),
                AttrValue::Map([("k", "v".into())].into_iter().collect()),
            ]),
        ),
        ("flag", true.into()),
    ]
    .into_iter()
    .collect();
    let mut plan = plan(&arrays, &attrs).unwrap();
    let schema = plan.schema_bytes().to_vec();
    let mut frames: Vec<_> = [0, flag::WIDE_SLOTS | flag::WIDE_DIMS]
        .map(|flags| join(&plan.pieces_with(1, flags)))
        .into();
    plan.put_array_attrs(ArrayAttrs::InFrame);
    // Read with the schema that has attributes, which then do not count.
    frames.push(join(&plan.pieces(1)));
    (schema, frames)
}

/// Reads everything that can be read; true if nothing was found wrong.
fn read_all(schema: &Schema, frame: &[u8]) -> bool {
    let mut whole = schema_id(frame).is_ok() && attrs_in_frame(frame).is_ok();
    whole &= entry_attrs(schema, frame).is_ok();
    for field in 0..schema.fields.len() + 1 {
        whole &= array_attrs(schema, frame, field).is_ok();
        match locate(schema, frame, field) {
            Err(_) => whole = false,
            Ok(None) => {}
            Ok(Some(place)) if !matches!(place.storage, Storage::Plain(_)) => {}
            Ok(Some(place)) => {
                let found = view(schema, frame, &place, field);
                for i in (0..found.size().min(9)).chain([u64::MAX]) {
                    let _ = found.item(i);
                }
                let _ = (found.as_slice::<f64>(), found.as_slice::<bool>());
            }
        }
    }
    whole
}

#[test]
fn the_whole_entry_reads() {
    let (schema, frames) = entry();
    let schema = Schema::parse(&schema).unwrap();
    for frame in &frames {
        assert!(read_all(&schema, frame));
    }
}

#[test]
fn every_strict_prefix_of_a_schema_is_a_defect() {
    let (schema, _) = entry();
    for len in 0..schema.len() {
        assert!(Schema::parse(&schema[..len]).is_err(), "{len} bytes");
    }
    assert!(
        Schema::parse(&[&schema[..], &[0]].concat()).is_err(),
        "a byte too many"
    );
}

#[test]
fn every_strict_prefix_of_a_frame_is_a_defect_somewhere() {
    let (schema, frames) = entry();
    let schema = Schema::parse(&schema).unwrap();
    for frame in &frames {
        for len in 0..frame.len() {
            assert!(
                !read_all(&schema, &frame[..len]),
                "{len} bytes of {}",
                frame.len()
            );
        }
    }
}

#[test]
fn no_flipped_bit_panics() {
    let (schema, frames) = entry();
    let mut parsed = 0;
    for bit in 0..schema.len() * 8 {
        let mut flipped = schema.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(schema) = Schema::parse(&flipped) {
            parsed += 1;
            frames.iter().for_each(|frame| {
                read_all(&schema, frame);
            });
        }
    }
    assert!(parsed > 0, "flips in names leave a schema");
    let schema = Schema::parse(&schema).unwrap();
    for frame in &frames {
        let mut defects = 0;
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            defects += usize::from(!read_all(&schema, &flipped));
        }
        assert!(defects > 100, "flips in the head are found, {defects} were");
    }
}

/// A 2-d int16 array at dim slots 0, 1, stored as a body at 32.
fn simple() -> (Schema, Vec<u8>) {
    let arrays = [("t", sample(DType::Int16, &[3, 3]))];
    let (schema, frame) = stored(&arrays, &Attrs::new());
    assert_eq!(frame.len(), 8 + 8 + 8 + 8 + 18);
    (schema, frame.to_vec())
}

fn patched(at: usize, bytes: &[u8]) -> Result<Option<FieldPlace>, String> {
    let (schema, mut frame) = simple();
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    locate(&schema, &frame, 0).map_err(|defect| defect.to_string())
}

#[test]
fn an_untouched_frame_has_its_array() {
    assert_eq!(patched(0, &[7]).unwrap().unwrap().plain().data, 32..50);
}

#[test]
fn sizes_that_the_frame_cannot_hold_are_a_defect() {
    assert_eq!(
        patched(8, &[4]).unwrap_err(),
        "array needs 56 bytes, 50 are there"
    );
    let message = patched(8, &[0xff; 8]).unwrap_err();
    assert!(message.starts_with("extent of an array is "), "{message}");
}

#[test]
fn places_outside_of_the_frame_are_a_defect() {
    assert_eq!(
        patched(24, &[6]).unwrap_err(),
        "array needs 66 bytes, 50 are there"
    );
    assert!(
        patched(24, &[0xff; 4])
            .unwrap_err()
            .starts_with("array needs 34359738")
    );
}

#[test]
fn codes_of_later_versions_are_a_defect() {
    let cases: [(usize, u8, &str); 7] = [
        (
            4,
            128,
            "flags of an entry frame is 128, expected a sum of 1, 2, 4, 8, 16, 32 and 64",
        ),
        (
            6,
            2,
            "alignment of an entry frame, log2 is 2, expected 3 to 30, and a zero after it",
        ),
        (
            6,
            31,
            "alignment of an entry frame, log2 is 31, expected 3 to 30, and a zero after it",
        ),
        (
            7,
            1,
            "alignment of an entry frame, log2 is 259, expected 3 to 30, and a zero after it",
        ),
        (16, 3, "presence of a field is 3, expected 0, 1 or 2"),
        (
            28,
            3,
            "storage of an array is 3, expected 0, 1 (a block), 2 (of a chunked array alone and always), or 256 for text",
        ),
        (
            29,
            1,
            "storage of an array is 256, expected 0, 1 (a block), 2 (of a chunked array alone and always), or 256 for text",
        ),
    ];
    for (at, byte, message) in cases {
        assert_eq!(patched(at, &[byte]).unwrap_err(), message);
    }
}

#[test]
fn an_absent_array_is_none_and_an_absent_attribute_is_left_out() {
    assert_eq!(patched(16, &[0]), Ok(None));
    let attrs: Attrs = [
        ("a", 1.into()),
        ("l", AttrValue::List(Vec::new())),
        ("z", 2.into()),
    ]
    .into_iter()
    .collect();
    let (schema, frame) = stored(&[], &attrs);
    let mut frame = frame.to_vec();
    assert_eq!(frame[8], 0b01_01_01);
    frame[8] = 0b01_01_00;
    let rest: Attrs = attrs
        .iter()
        .skip(1)
        .map(|(name, value)| (name, value.clone()))
        .collect();
    assert_eq!(entry_attrs(&schema, &frame), Ok(rest));
}

#[test]
fn a_mask_of_a_scalar_has_to_be_known_to_the_schema() {
    let expected = "presence of a 0-d array or attribute is 2, expected 2 exactly if the schema says that it is masked";
    let (schema, frame) = stored(&[("t", ArraySpec::scalar(1_u8))], &Attrs::new());
    let mut frame = frame.to_vec();
    frame[8] = 2;
    assert_eq!(
        locate(&schema, &frame, 0).unwrap_err().to_string(),
        expected
    );
    let (schema, frame) = stored(&[("t", masked(sample(DType::Int8, &[])))], &Attrs::new());
    let mut frame = frame.to_vec();
    assert!(
        locate(&schema, &frame, 0)
            .unwrap()
            .unwrap()
            .plain()
            .validity
            .is_some()
    );
    frame[8] = 1;
    assert!(locate(&schema, &frame, 0).is_err());
}

#[test]
fn text_outside_of_the_frame_is_a_defect() {
    let arrays = [
        ("t", ArraySpec::strings(&["ab", "c"])),
        ("s", ArraySpec::string("longer than a slot")),
    ];
    let (schema, frame) = stored(&arrays, &Attrs::new());
    let cases = [
        // Slots at 16 and 24, offsets at 32, elements at 48, text at 56.
        (
            0,
            40,
            200_u8,
            "elements of an array needs 248 bytes, 74 are there",
        ),
        (1, 28, 200, "text needs 256 bytes, 74 are there"),
        (
            1,
            31,
            0x88,
            "length of a text in its slot is 8, expected at most 7",
        ),
    ];
    for (field, at, byte, message) in cases {
        let mut frame = frame.to_vec();
        assert!(locate(&schema, &frame, field).is_ok());
        frame[at] = byte;
        assert_eq!(
            locate(&schema, &frame, field).unwrap_err().to_string(),
            message
        );
    }
}

#[test]
fn texts_without_elements_have_no_bytes() {
    let (schema, frame) = stored(&[("t", sample(DType::Bytes, &[0]))], &Attrs::new());
    let mut frame = [&frame[..], &[0; 8]].concat();
    assert!(locate(&schema, &frame, 0).is_ok());
    frame[16] = 1;
    assert!(locate(&schema, &frame, 0).is_err());
}

#[test]
fn array_attributes_out_of_order_are_a_defect() {
    let arrays = [
        1, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, b't', 2, 0, 0, 1, b'u', 3, 0, 0,
    ];
    let attrs = |first: u8, second: u8| {
        let maps = [first, 0, 0, 0, 0, 0, second, 0, 0, 0, 0, 0];
        Schema::parse(&[&arrays[..], &maps].concat())
    };
    assert!(attrs(0, 1).is_ok());
    let message = "number of an array that has attributes is 0, expected that of an array after the one before";
    assert_eq!(attrs(0, 0).unwrap_err().to_string(), message);
    assert_eq!(attrs(1, 0).unwrap_err().to_string(), message);
    assert!(attrs(0, 2).is_err());
}

#[test]
fn offsets_that_fall_are_an_error_of_the_item() {
    let (schema, frame) = stored(&[("t", ArraySpec::strings(&["ab", "c"]))], &Attrs::new());
    let mut frame = frame.to_vec();
    let place = locate(&schema, &frame, 0).unwrap().unwrap();
    frame[place.plain().offsets.clone().unwrap().start + 4] = 200;
    let found = view(&schema, &frame, &place, 0);
    assert!(found.item(0).is_err() && found.item(1).is_err());
}

#[test]
fn an_extra_part_outside_of_the_frame_is_a_defect() {
    let attrs: Attrs = [("l", AttrValue::List(Vec::new()))].into_iter().collect();
    let (schema, frame) = stored(&[], &attrs);
    for (at, bytes, message) in [
        (
            4,
            [0, 0, 3, 0],
            "flag of the extra part is 0, expected 32, since something stands there",
        ),
        (
            16,
            [0xff; 4],
            "extra part needs 4294967315 bytes, 32 are there",
        ),
        (16, [4, 0, 0, 0], "extra part needs 5 bytes, 4 are there"),
    ] {
        let mut frame = frame.to_vec();
        assert_eq!(entry_attrs(&schema, &frame).as_ref(), Ok(&attrs));
        frame[at..at + 4].copy_from_slice(&bytes);
        assert_eq!(
            entry_attrs(&schema, &frame).unwrap_err().to_string(),
            message
        );
    }
}

fn schema_defect(bytes: &[u8]) -> String {
    Schema::parse(bytes).unwrap_err().to_string()
}

#[test]
fn schemas_that_contradict_the_format_are_a_defect() {
    // One array "t" of int8 and rank 1 over one unnamed slot.
    let good = [
        1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, b't', 2, 1, 0, 0, 0, 0, 0,
    ];
    assert!(Schema::parse(&good).is_ok());
    let cases: [(usize, u8, &str); 8] = [
        (
            0,
            2,
            "layout of a schema is 2, expected 1, and a zero after it",
        ),
        (11, 1, "schema needs 16777229 bytes, 22 are there"),
        (
            14,
            0,
            "array with a NUL in its name, number is 0, expected a name without",
        ),
        (14, 0xff, "name of an array is not UTF-8"),
        (15, 24, "dtype code is 24, expected 1 to 23"),
        (16, 33, "rank of an array is 33, expected at most 32"),
        (
            17,
            1,
            "flags of an array is 1, expected a sum of 1 and 2 if it is 0-d, else of 2, 4 and 8",
        ),
        (
            18,
            1,
            "dim slot of an axis is 1, expected one of the schema",
        ),
    ];
    for (at, byte, message) in cases {
        let mut bad = good;
        bad[at] = byte;
        assert_eq!(schema_defect(&bad), message);
    }
}

#[test]
fn repeated_names_in_a_schema_are_a_defect() {
    let arrays = [
        1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, b't', 2, 0, 0, 1, b't', 3, 0, 0,
    ];
    assert_eq!(
        schema_defect(&arrays),
        "array with a repeated name, number is 1, expected a name of its own"
    );
    let attrs = [
        1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, b'a', 2, 1, 0, b'a', 0xff,
    ];
    assert_eq!(
        schema_defect(&attrs),
        "attribute with a repeated name, number is 1, expected a name of its own"
    );
    let mut different = attrs;
    different[18] = b'b';
    assert!(Schema::parse(&different).is_ok());
}

#[test]
fn attributes_that_contradict_the_format_are_a_defect() {
    let map = |value: &[u8]| [&[1, 0, 0, 0, 1, 0, b'a'], value].concat();
    assert!(decode_attrs(&map(&[0x41, 0, 0, 0, 0])).is_ok());
    let cases: [(&[u8], &str); 7] = [
        (&[1, 2], "bool is 2, expected 0 or 1"),
        (&[15, 13], "code of a time unit is 13, expected 0 to 12"),
        (&[19, 1, 0, 0, 0, 0xff], "text of an attribute is not UTF-8"),
        (
            &[0x41, 0xff, 0xff, 0xff, 0xff],
            "attributes needs 4294967307 bytes, 12 are there",
        ),
        (
            &[0x40, 5, 0xff, 0xff, 0xff, 0xff],
            "attributes needs 34359738373 bytes, 13 are there",
        ),
        (
            &[0x40, 20, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0],
            "attribute array of variable length, with elements is 2, expected offsets that never fall and UTF-8 text",
        ),
        (
            &[17, 1, 0, 0, 0, 0],
            "dtype of an attribute (17: S, 18: U) is 17, expected that of a scalar",
        ),
    ];
    for (value, message) in cases {
        assert_eq!(decode_attrs(&map(value)).unwrap_err().to_string(), message);
    }
    let unnamed = [1, 0, 0, 0, 0, 0, 0];
    assert_eq!(
        decode_attrs(&unnamed).unwrap_err().to_string(),
        "attribute with an empty or repeated name, number is 0, expected a name of its own"
    );
    assert!(decode_attrs(&map(&[&[0x42], &unnamed[..]].concat())).is_ok());
    let repeated = [2, 0, 0, 0, 1, 0, b'a', 0, 1, 0, b'a', 0];
    assert!(decode_attrs(&repeated).is_err());
}

#[test]
fn attributes_deeper_than_32_are_a_defect_before_the_stack_ends() {
    let nested = |depth: usize| {
        let mut bytes = vec![1, 0, 0, 0, 1, 0, b'a'];
        (0..depth).for_each(|_| bytes.extend([0x41, 1, 0, 0, 0]));
        bytes.push(0);
        decode_attrs(&bytes)
    };
    assert!(nested(32).is_ok());
    let too_deep = Defect::Field {
        what: "depth of an attribute",
        found: 33,
        expected: "at most 32",
    };
    assert_eq!(nested(33), Err(too_deep.clone()));
    assert_eq!(nested(1_000_000), Err(too_deep));
}

proptest! {
    #[test]
    fn any_bytes_are_a_schema_or_a_defect(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for (byte, head) in bytes.iter_mut().zip([1, 0, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0]) {
            *byte = head;
        }
        if let Ok(schema) = Schema::parse(&bytes) {
            prop_assert_eq!(schema.fields.len(), 1);
        }
    }

    #[test]
    fn any_edits_of_a_schema_and_a_frame_read_or_are_a_defect(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        schema_too in any::<bool>(),
    ) {
        let (mut schema, mut frames) = entry();
        for frame in &mut frames {
            for (at, byte) in &edits {
                *at.get_mut(frame) = *byte;
            }
        }
        if schema_too {
            for (at, byte) in &edits {
                *at.get_mut(&mut schema) = *byte;
            }
        }
        if let Ok(schema) = Schema::parse(&schema) {
            for frame in &frames {
                read_all(&schema, frame);
            }
        }
    }
}
