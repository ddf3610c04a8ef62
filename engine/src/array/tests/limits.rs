use super::*;

fn names_error(name: &str) -> Option<String> {
    plan(&[(name, ArraySpec::scalar(1_u8))], &Attrs::new())
        .err()
        .map(|e| e.to_string())
}

#[test]
fn array_names_have_up_to_255_bytes_and_no_nul() {
    assert_eq!(names_error(""), None);
    assert_eq!(names_error(&"n".repeat(255)), None);
    let message = names_error(&"n".repeat(256)).unwrap();
    assert!(
        message.ends_with(": a name has at most 255 bytes, this one 256"),
        "{message}"
    );
    assert_eq!(
        names_error("a\0b").unwrap(),
        "array name \"a\\0b\": a name has no NUL, this one has it at byte 1"
    );
}

#[test]
fn array_names_are_unique() {
    let arrays = [
        ("t", ArraySpec::scalar(1_u8)),
        ("u", ArraySpec::scalar(1_u8)),
        ("t", ArraySpec::scalar(1_u8)),
    ];
    assert!(plan(&arrays[..2], &Attrs::new()).is_ok());
    assert_eq!(
        plan(&arrays, &Attrs::new()).unwrap_err().to_string(),
        "array name \"t\": names are unique within an entry, this one is given twice"
    );
}

#[test]
fn dim_names_have_one_to_255_bytes_and_no_nul() {
    let dims = |name: &str| sample(DType::Int8, &[2]).dims(&[name]);
    assert!(plan(&[("t", dims(&"n".repeat(255)))], &Attrs::new()).is_ok());
    assert!(
        refused(dims(&"n".repeat(256))).ends_with("a name has at most 255 bytes, this one 256")
    );
    assert!(refused(dims("\0")).ends_with("a name has no NUL, this one has it at byte 0"));
    assert_eq!(
        refused(dims("")),
        "array \"t\": dim \"\": a name is not empty; an axis without name is `None`"
    );
}

#[test]
fn attribute_names_have_one_to_65535_bytes() {
    let named = |name: String| [(name, AttrValue::None)].into_iter().collect::<Attrs>();
    assert!(plan(&[], &named("n".repeat(65_535))).is_ok());
    let message = plan(&[], &named("n".repeat(65_536)))
        .unwrap_err()
        .to_string();
    assert!(
        message.ends_with("a name has at most 65535 bytes, this one 65536"),
        "{message}"
    );
    let inner: Attrs = [("map", AttrValue::Map(named(String::new())))]
        .into_iter()
        .collect();
    let (schema, frame) = stored(&[], &inner);
    assert_eq!(entry_attrs(&schema, &frame).unwrap(), inner);
    let inner: Attrs = [("map", AttrValue::Map(named("n".repeat(65_536))))]
        .into_iter()
        .collect();
    assert_eq!(
        plan(&[], &inner).unwrap_err().to_string(),
        format!(
            "attribute \"map/{}…\" of the entry: a name has at most 65535 bytes, this one 65536",
            "n".repeat(40)
        )
    );
    let mut spec = ArraySpec::scalar(1_u8);
    spec.attrs = named(String::new());
    assert_eq!(
        refused(spec),
        "attribute \"\" of array \"t\": a name is not empty"
    );
}

#[test]
fn an_array_has_up_to_32_axes() {
    assert!(plan(&[("t", sample(DType::Int8, &[1; 32]))], &Attrs::new()).is_ok());
    assert_eq!(
        refused(sample(DType::Int8, &[1; 33])),
        "array \"t\": an array has at most 32 axes, this one 33"
    );
}

#[test]
fn an_entry_has_up_to_65535_arrays_and_as_many_attributes() {
    let names: Vec<_> = (0..65_536).map(|i| i.to_string()).collect();
    let arrays: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), ArraySpec::scalar(1_u8)))
        .collect();
    let (schema, frame) = stored(&arrays[1..], &Attrs::new());
    assert_eq!(schema.fields.len(), 65_535);
    assert_same(&schema, &frame, 65_534, "65535", &arrays[65_535].1);
    assert_eq!(
        plan(&arrays, &Attrs::new()).unwrap_err().to_string(),
        "arrays: an entry holds at most 65535, these are 65536"
    );
    let pairs: Vec<_> = names
        .into_iter()
        .map(|name| (name, AttrValue::Bool(true)))
        .collect();
    let most = Attrs::from_unique(pairs[1..].to_vec());
    let (schema, frame) = stored(&[], &most);
    assert_eq!(entry_attrs(&schema, &frame).unwrap(), most);
    assert_eq!(
        plan(&[], &Attrs::from_unique(pairs))
            .unwrap_err()
            .to_string(),
        "attributes: an entry holds at most 65535, these are 65536"
    );
}

#[test]
fn attributes_are_up_to_32_deep() {
    let nested = |depth: usize| {
        let value = (0..depth).fold(AttrValue::Bool(true), |inner, level| {
            if level % 2 == 0 {
                AttrValue::List(vec![inner])
            } else {
                AttrValue::Map([("m", inner)].into_iter().collect())
            }
        });
        [("a", value)].into_iter().collect::<Attrs>()
    };
    let (schema, frame) = stored(&[], &nested(32));
    assert_eq!(entry_attrs(&schema, &frame).unwrap(), nested(32));
    assert_eq!(
        decode_attrs(&encode_attrs(&nested(32)).unwrap()),
        Ok(nested(32))
    );
    let message = plan(&[], &nested(33)).unwrap_err().to_string();
    assert!(
        message.ends_with("lists and mappings are at most 32 deep, these are deeper"),
        "{message}"
    );
}

#[test]
fn an_element_too_long_is_refused() {
    assert!(
        plan(
            &[(
                "t",
                ArraySpec::new(DType::FixedBytes(i32::MAX as u32), &[0], &[])
            )],
            &Attrs::new()
        )
        .is_ok()
    );
    assert_eq!(
        refused(ArraySpec::new(DType::FixedBytes(1 << 31), &[0], &[])),
        "array \"t\": an element of S2147483648 is longer than 2^31 - 1 bytes"
    );
}

#[test]
fn a_shape_beyond_the_address_space_is_refused_even_if_it_is_empty() {
    let half = 1 << 31;
    assert!(
        plan(
            &[("t", ArraySpec::new(DType::Int8, &[0, half, half], &[]))],
            &Attrs::new()
        )
        .is_ok()
    );
    assert_eq!(
        refused(ArraySpec::new(DType::Int16, &[0, half, half], &[])),
        "array \"t\": shape [0, 2147483648, 2147483648] of int16 has 2^63 bytes or more"
    );
    assert!(
        refused(ArraySpec::new(DType::Int8, &[u64::MAX, u64::MAX], &[]))
            .contains("2^63 bytes or more")
    );
}

#[test]
fn data_that_does_not_fill_the_shape_is_refused() {
    assert_eq!(
        refused(ArraySpec::new(DType::Float32, &[2, 3], &[0; 23])),
        "array \"t\": shape [2, 3] of float32 needs 24 bytes, 23 were given"
    );
    assert_eq!(
        refused(ArraySpec::new(DType::String, &[1], &[0; 2])),
        "array \"t\": string takes offsets and data, bytes without offsets were given"
    );
    let spec = ArraySpec {
        data: ArrayBytes::variable([&b"ab"[..]]),
        ..ArraySpec::new(DType::Int8, &[2], &[])
    };
    assert_eq!(
        refused(spec),
        "array \"t\": int8 is of fixed width, bytes with offsets were given"
    );
    assert_eq!(
        refused(ArraySpec::new(DType::Bool, &[2], &[1, 9])),
        "array \"t\": a bool is a byte of 0 or 1, element 1 is 9"
    );
}

#[test]
fn offsets_that_do_not_cut_the_data_are_refused() {
    let texts = |offsets: &[u64], data: &'static [u8]| ArraySpec {
        data: ArrayBytes::Variable {
            offsets: offsets.to_vec(),
            data: Cow::Borrowed(data),
        },
        ..ArraySpec::new(DType::String, &[2], &[])
    };
    assert!(plan(&[("t", texts(&[0, 1, 2], b"ab"))], &Attrs::new()).is_ok());
    let cases: [(&[u64], &'static [u8], &str); 6] = [
        (&[0, 2], b"ab", "2 elements have one more offset, found 2"),
        (
            &[1, 1, 2],
            b"ab",
            "offsets go from 0 to the 2 bytes of data, found 1 to 2",
        ),
        (
            &[0, 1, 3],
            b"ab",
            "offsets go from 0 to the 2 bytes of data, found 0 to 3",
        ),
        (
            &[0, 9, 2],
            b"ab",
            "offsets never fall, those of element 1 do",
        ),
        (&[0, 1, 2], b"a\xff", "text is UTF-8, element 1 is not"),
        (
            &[0, 1, 2],
            b"\xc3\xa9",
            "text is UTF-8, element 1 starts inside a character",
        ),
    ];
    for (offsets, data, detail) in cases {
        assert_eq!(
            refused(texts(offsets, data)),
            format!("array \"t\": {detail}")
        );
    }
}

#[test]
fn masks_that_do_not_fit_are_refused() {
    assert_eq!(
        refused(sample(DType::Int8, &[9]).missing(&[0; 8])),
        "array \"t\": a mask of 9 elements has as many bytes, 8 were given"
    );
    let spec = ArraySpec {
        mask: Some(Mask::Validity(Cow::Borrowed(&[1]))),
        ..sample(DType::Int8, &[9])
    };
    assert_eq!(
        refused(spec),
        "array \"t\": validity bits of 9 elements are 2 bytes, 1 were given"
    );
}

#[test]
fn dims_that_do_not_fit_are_refused() {
    assert_eq!(
        refused(sample(DType::Int8, &[2, 3]).dims(&["x"])),
        "array \"t\": 1 dims for 2 axes of shape [2, 3]"
    );
    assert_eq!(
        refused(sample(DType::Int8, &[2, 3]).dims(&["x", "x"])),
        "array \"t\": dim \"x\" has size 3 here and 2 in array \"t\" of the same entry"
    );
    let arrays = [
        ("a", sample(DType::Int8, &[2]).dims(&["x"])),
        ("b", sample(DType::Int8, &[3]).dims(&["x"])),
    ];
    assert_eq!(
        plan(&arrays, &Attrs::new()).unwrap_err().to_string(),
        "array \"b\": dim \"x\" has size 3 here and 2 in array \"a\" of the same entry"
    );
}

#[test]
fn fill_values_of_another_dtype_are_refused() {
    let filled = |dtype, value: AttrValue| ArraySpec {
        fill_value: Some(value),
        ..sample(dtype, &[1])
    };
    assert!(
        plan(
            &[("t", filled(DType::Float32, 1_f32.into()))],
            &Attrs::new()
        )
        .is_ok()
    );
    assert!(
        plan(
            &[("t", filled(DType::FixedString(2), "\u{e9}\u{e9}".into()))],
            &Attrs::new()
        )
        .is_ok()
    );
    let cases = [
        (
            DType::Float32,
            AttrValue::Float64(1.0),
            "float32, this one is float64",
        ),
        (
            DType::FixedString(2),
            "abc".into(),
            "U2, this one is string",
        ),
        (
            DType::FixedBytes(1),
            AttrValue::Bytes(vec![0; 2]),
            "S1, this one is bytes",
        ),
        (
            DType::Int8,
            AttrValue::List(Vec::new()),
            "int8, this one is a list",
        ),
    ];
    for (dtype, value, detail) in cases {
        let message = refused(filled(dtype, value));
        assert_eq!(
            message,
            format!("array \"t\": a fill value is a scalar of the array's dtype {detail}")
        );
    }
}
