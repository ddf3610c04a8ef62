use proptest::prelude::*;

use super::*;

/// One attribute of every type, with the values that are lost first.
fn every_type() -> Attrs {
    let text = AttrArray {
        dtype: DType::String,
        len: 3,
        data: b"ab\xc3\xa9".to_vec(),
        offsets: vec![0, 2, 2, 4],
    };
    let numbers = AttrArray {
        dtype: DType::Float32,
        len: 2,
        data: noise(8),
        offsets: Vec::new(),
    };
    [
        ("none", AttrValue::None),
        ("bool", true.into()),
        ("int8", i8::MIN.into()),
        ("int16", i16::MIN.into()),
        ("int32", i32::MIN.into()),
        ("int64", i64::MIN.into()),
        ("uint8", u8::MAX.into()),
        ("uint16", u16::MAX.into()),
        ("uint32", u32::MAX.into()),
        ("uint64", u64::MAX.into()),
        ("float16", AttrValue::Float16(0x7e01)),
        ("bfloat16", AttrValue::BFloat16(0x7fc1)),
        ("float8_e4m3fn", AttrValue::Float8E4M3(0xff)),
        ("float8_e5m2", AttrValue::Float8E5M2(0x80)),
        ("float32", AttrValue::Float32(-0.0)),
        ("float64", f64::NEG_INFINITY.into()),
        ("complex64", AttrValue::Complex64(1.0, -0.0)),
        ("complex128", AttrValue::Complex128(-2.5, 1e300)),
        ("short", "7 bytes".into()),
        ("long", "longer than a slot: \u{20ac}".into()),
        ("empty", "".into()),
        ("bytes", AttrValue::Bytes(vec![0, 255])),
        (
            "datetime",
            AttrValue::DateTime64(i64::MIN, TimeUnit::Second),
        ),
        (
            "timedelta",
            AttrValue::TimeDelta64(-1, TimeUnit::Femtosecond),
        ),
        ("numbers", AttrValue::Array(numbers)),
        ("text", AttrValue::Array(text)),
        (
            "list",
            AttrValue::List(vec![1.into(), "two".into(), AttrValue::List(Vec::new())]),
        ),
        (
            "map",
            AttrValue::Map(
                [("z", 1_u8.into()), ("a", AttrValue::Map(Attrs::new()))]
                    .into_iter()
                    .collect(),
            ),
        ),
    ]
    .into_iter()
    .collect()
}

#[test]
fn every_type_comes_back_from_the_entry_in_order() {
    let attrs = every_type();
    let (schema, frame) = stored(&[("t", sample(DType::Int8, &[]))], &attrs);
    let found = entry_attrs(&schema, &frame).unwrap();
    assert_eq!(found, attrs);
    let names: Vec<_> = found.iter().map(|(name, _)| name).collect();
    let expected: Vec<_> = attrs.iter().map(|(name, _)| name).collect();
    assert_eq!(names, expected);
}

#[test]
fn every_type_comes_back_from_a_map() {
    let attrs = every_type();
    assert_eq!(decode_attrs(&encode_attrs(&attrs).unwrap()), Ok(attrs));
}

#[test]
fn a_stated_scalar_of_every_dtype_comes_back_as_such() {
    let stated = |dtype: DType| {
        let (data, offsets) = match dtype.item_size() {
            // A bool is 0 or 1, and 1 is a character.
            Some(width) => {
                let mut data = vec![0; width];
                data.iter_mut().take(1).for_each(|byte| *byte = 1);
                (data, Vec::new())
            }
            None => (b"ab\xc3\xa9".to_vec(), vec![0, 4]),
        };
        AttrValue::Scalar(AttrArray {
            dtype,
            len: 1,
            data,
            offsets,
        })
    };
    let attrs: Attrs = all_dtypes()
        .into_iter()
        .flat_map(|dtype| {
            let scalar = stated(dtype);
            let list = AttrValue::List(vec![scalar.clone()]);
            [
                (format!("{dtype}"), scalar),
                (format!("{dtype} in a list"), list),
            ]
        })
        .collect();
    let (schema, frame) = stored(&[], &attrs);
    assert_eq!(entry_attrs(&schema, &frame).unwrap(), attrs);
    assert_eq!(decode_attrs(&encode_attrs(&attrs).unwrap()), Ok(attrs));
}

#[test]
fn a_stated_scalar_of_no_or_two_elements_is_refused() {
    for len in [0, 2] {
        let array = AttrArray {
            dtype: DType::Int8,
            len,
            data: vec![0; len],
            offsets: Vec::new(),
        };
        let attrs: Attrs = [("a", AttrValue::Scalar(array))].into_iter().collect();
        assert_eq!(
            plan(&[], &attrs).unwrap_err().to_string(),
            format!("attribute \"a\" of the entry: a scalar has one element, this has {len}")
        );
    }
}

#[test]
fn payloads_of_nan_come_back_bit_by_bit() {
    let bits = [
        0x7ff8_0000_0000_0001_u64,
        0xfff0_0000_0000_0001,
        0x7ff8_dead_beef_0000,
    ];
    for bits in bits {
        let attrs: Attrs = [
            ("scalar", AttrValue::Float64(f64::from_bits(bits))),
            ("list", AttrValue::List(vec![f64::from_bits(bits).into()])),
        ]
        .into_iter()
        .collect();
        let (schema, frame) = stored(&[], &attrs);
        let found = entry_attrs(&schema, &frame).unwrap();
        let Some(AttrValue::Float64(scalar)) = found.get("scalar") else {
            panic!("another type: {found:?}");
        };
        assert_eq!(scalar.to_bits(), bits);
        let Some(AttrValue::List(items)) = found.get("list") else {
            panic!("another type: {found:?}");
        };
        let [AttrValue::Float64(item)] = items[..] else {
            panic!("another type: {found:?}");
        };
        assert_eq!(item.to_bits(), bits);
    }
}

#[test]
fn setting_a_name_again_keeps_its_place() {
    let mut attrs = Attrs::new();
    attrs
        .set("a", 1.into())
        .set("b", 2.into())
        .set("a", 3.into());
    let pairs: Vec<_> = attrs.iter().collect();
    assert_eq!(
        pairs,
        [("a", &AttrValue::Int32(3)), ("b", &AttrValue::Int32(2))]
    );
    assert_eq!(attrs.get("c"), None);
}

#[test]
fn entries_with_the_same_attribute_names_and_types_share_a_schema() {
    let bytes = |lat: f64, title: &str| {
        let attrs: Attrs = [("lat", lat.into()), ("title", title.into())]
            .into_iter()
            .collect();
        plan(&[], &attrs).unwrap().schema_bytes().to_vec()
    };
    assert_eq!(bytes(1.5, ""), bytes(-2.0, "longer than a slot"));
}

#[test]
fn arrays_that_contradict_themselves_are_refused() {
    let array = |dtype, len, data: &[u8], offsets: &[u64]| {
        let array = AttrArray {
            dtype,
            len,
            data: data.to_vec(),
            offsets: offsets.to_vec(),
        };
        let attrs: Attrs = [("a", AttrValue::List(vec![AttrValue::Array(array)]))]
            .into_iter()
            .collect();
        plan(&[], &attrs).unwrap_err().to_string()
    };
    assert_eq!(
        array(DType::Int16, 2, &[0; 3], &[]),
        "attribute \"a/0\" of the entry: 2 elements of int16 are 2 bytes each and have no offsets; found 3 bytes, 0 offsets"
    );
    assert_eq!(
        array(DType::Bool, 2, &[1, 2], &[]),
        "attribute \"a/0\" of the entry: a bool is a byte of 0 or 1, element 1 is 2"
    );
    assert_eq!(
        array(DType::Bytes, 2, &[0; 3], &[0, 3]),
        "attribute \"a/0\" of the entry: 2 elements have one more offset, found 2"
    );
    assert_eq!(
        array(DType::String, 1, &[0xff], &[0, 1]),
        "attribute \"a/0\" of the entry: text is UTF-8, element 0 is not"
    );
}

fn any_value() -> impl Strategy<Value = AttrValue> {
    let leaf = prop_oneof![
        Just(AttrValue::None),
        any::<bool>().prop_map(AttrValue::Bool),
        any::<i16>().prop_map(AttrValue::Int16),
        any::<u64>().prop_map(AttrValue::UInt64),
        any::<f64>().prop_map(AttrValue::Float64),
        any::<(f32, f32)>().prop_map(|(re, im)| AttrValue::Complex64(re, im)),
        any::<i64>().prop_map(|n| AttrValue::DateTime64(n, TimeUnit::Day)),
        ".{0,12}".prop_map(AttrValue::String),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(AttrValue::Bytes),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(AttrValue::List),
            prop::collection::vec((".{0,4}", inner), 0..6)
                .prop_map(|pairs| AttrValue::Map(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_attributes_come_back(pairs in prop::collection::vec((".{1,8}", any_value()), 0..10)) {
        let attrs: Attrs = pairs.into_iter().collect();
        let bytes = encode_attrs(&attrs).unwrap();
        // By their bytes, since NaN differs from itself.
        let found = decode_attrs(&bytes).unwrap();
        prop_assert_eq!(encode_attrs(&found).unwrap(), bytes.clone());
        let (schema, frame) = stored(&[], &attrs);
        let found = entry_attrs(&schema, &frame).unwrap();
        prop_assert_eq!(encode_attrs(&found).unwrap(), bytes);
    }

    #[test]
    fn any_bytes_are_attributes_or_a_defect(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(attrs) = decode_attrs(&bytes) {
            prop_assert_eq!(encode_attrs(&attrs).unwrap(), bytes);
        }
    }
}
