//! Attributes as JSON.

use super::*;

#[test]
fn attributes_keep_their_types() {
    for (json, value) in [
        ("null", AttrValue::None),
        ("true", AttrValue::Bool(true)),
        ("-3", AttrValue::Int64(-3)),
        ("18446744073709551615", AttrValue::UInt64(u64::MAX)),
        ("1.0", AttrValue::Float64(1.0)),
        (r#""x""#, AttrValue::String("x".into())),
        (
            r#"[1, "a"]"#,
            AttrValue::List(vec![AttrValue::Int64(1), AttrValue::String("a".into())]),
        ),
        (r#"{"$dtype": "int8", "$data": 1}"#, AttrValue::Int8(1)),
        (
            r#"{"$dtype": "complex64", "$data": [1, 2]}"#,
            AttrValue::Complex64(1.0, 2.0),
        ),
        (
            r#"{"$dtype": "bytes", "$data": "AA=="}"#,
            AttrValue::Bytes(vec![0]),
        ),
        (
            r#"{"$dtype": "datetime64[D]", "$data": "1970-01-02"}"#,
            AttrValue::DateTime64(1, TimeUnit::Day),
        ),
        (
            r#"{"$dtype": "float", "$data": "-Infinity"}"#,
            AttrValue::Float64(f64::NEG_INFINITY),
        ),
        (
            r#"{"$dtype": "complex", "$data": [1, 2]}"#,
            AttrValue::Complex128(1.0, 2.0),
        ),
    ] {
        assert_eq!(attr(json).expect(json), value, "{json}");
    }
    let AttrValue::Array(array) =
        attr(r#"{"$dtype": "uint8", "$data": [1, 2]}"#).expect("an array")
    else {
        panic!("an array")
    };
    assert_eq!(
        (array.dtype, array.len, array.data),
        (DType::UInt8, 2, vec![1, 2])
    );
    let AttrValue::Map(map) =
        attr(r#"{"$$x": 1, "y": {"$dtype": "int8", "$data": 2}}"#).expect("a map")
    else {
        panic!("a mapping")
    };
    assert_eq!(map.get("$x"), Some(&AttrValue::Int64(1)));
    assert_eq!(map.get("y"), Some(&AttrValue::Int8(2)));
}

#[test]
fn a_stated_dtype_whose_plain_value_is_one_of_python_makes_a_stated_scalar() {
    for (dtype, json, data) in [
        (DType::Bool, "true", vec![1]),
        (DType::Int64, "1", 1_i64.to_le_bytes().to_vec()),
        (
            DType::UInt64,
            "18446744073709551615",
            u64::MAX.to_le_bytes().to_vec(),
        ),
        (DType::Float64, "0.5", 0.5_f64.to_le_bytes().to_vec()),
        (
            DType::Complex128,
            "[0.5, 1]",
            le(&[0.5, 1.0], f64::to_le_bytes),
        ),
        (DType::FixedBytes(2), r#""AA==""#, vec![0, 0]),
        (
            DType::FixedString(2),
            r#""x""#,
            le(&[0x78, 0], u32::to_le_bytes),
        ),
    ] {
        let json = format!(r#"{{"$dtype": "{dtype}", "$data": {json}}}"#);
        let expected = AttrValue::Scalar(AttrArray {
            dtype,
            len: 1,
            data,
            offsets: Vec::new(),
        });
        assert_eq!(attr(&json).expect(&json), expected, "{json}");
    }
}

#[test]
fn attributes_that_are_no_value_are_faults() {
    refused(attr(r#"{"$dtype": "int8"}"#), "stand together");
    refused(
        attr(r#"{"$dtype": "int8", "$data": 300}"#),
        "member `attrs.a.$data`: the number 300 is out of range",
    );
    refused(
        attr(r#"{"$dtype": "int8", "$data": [null]}"#),
        "no missing elements",
    );
    refused(
        attr(r#"{"$dtype": "int8", "$data": [[1]]}"#),
        "at most one axis",
    );
    refused(
        attr(r#"{"$dtype": "float", "$data": [1]}"#),
        "expected a scalar",
    );
    refused(attr(r#"{"$other": 1}"#), "written with one more");
    refused(
        attr("18446744073709551616"),
        "fits neither int64 nor uint64",
    );
    refused(
        read(r#"{"entry": "k", "attrs": [1]}"#),
        "expected an object",
    );
}
