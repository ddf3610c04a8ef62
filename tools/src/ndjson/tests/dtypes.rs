//! Tokens as elements: inferred and stated dtypes.

use super::*;

#[test]
fn without_a_dtype_the_tokens_tell() {
    for (json, dtype) in [
        ("[true, false]", DType::Bool),
        ("true", DType::Bool),
        ("[1, -2]", DType::Int64),
        ("[1, 9223372036854775808]", DType::UInt64),
        ("[1, 2.0]", DType::Float64),
        ("[1, 2e0]", DType::Float64),
        ("[1.5, 9007199254740992]", DType::Float64),
        ("[1e-400]", DType::Float64),
        (r#"["2024-01-01", "1"]"#, DType::String),
        ("[[1], [null]]", DType::Int64),
    ] {
        assert_eq!(array(json).expect(json).dtype, dtype, "{json}");
    }
    assert_eq!(
        bytes(&array("[1.5, 2]").expect("floats")),
        le(&[1.5, 2.0], f64::to_le_bytes)
    );
    assert_eq!(
        bytes(&array("[1, 18446744073709551615]").expect("unsigned")),
        le(&[1, u64::MAX], u64::to_le_bytes)
    );
    assert_eq!(
        bytes(&array("-9223372036854775808").expect("an integer")),
        le(&[i64::MIN], i64::to_le_bytes)
    );
}

#[test]
fn tokens_that_do_not_tell_one_dtype_are_faults() {
    refused(
        array("[18446744073709551616]"),
        "fits neither int64 nor uint64",
    );
    refused(
        array("[-1, 9223372036854775808]"),
        "no integer dtype holds both",
    );
    refused(
        array("[1.5, 9007199254740993]"),
        "element 0 is the number 1.5, element 1 is the number 9007199254740993: the integer is not exact in float64",
    );
    refused(array("[1e400]"), "beyond the range of float64");
    refused(
        array(r#"[1, 2, "a"]"#),
        "element 0 is the number 1, element 2 is the string \"a\"",
    );
    refused(
        array("[true, 2]"),
        "element 0 is true, element 1 is the number 2",
    );
    refused(
        array("[null, null]"),
        "state the dtype of \"x\" (defaults line or --dtype)",
    );
    refused(array("[]"), "state the dtype of \"x\"");
}

#[test]
fn integers_are_checked_for_range_and_floats_for_being_integral() {
    assert_eq!(
        bytes(&typed("uint8", "[0, 255, 3.0, 1e2]").expect("bytes")),
        [0, 255, 3, 100]
    );
    assert_eq!(
        bytes(&typed("int16", "[-32768]").expect("a short")),
        i16::MIN.to_le_bytes()
    );
    assert_eq!(
        bytes(&typed("uint64", "[18446744073709551615]").expect("the largest")),
        u64::MAX.to_le_bytes()
    );
    refused(
        typed("uint8", "[0, 256]"),
        "the number 256 is out of range of uint8",
    );
    refused(typed("uint8", "-1"), "out of range of uint8");
    refused(typed("int64", "1e30"), "out of range of int64");
    refused(
        typed("uint64", "18446744073709551616"),
        "out of range of uint64",
    );
    refused(
        typed("int8", "1.5"),
        "expected an integer for int8, found the number 1.5",
    );
    refused(typed("int8", r#""1""#), "expected an integer");
    refused(typed("bool", "1"), "expected true or false");
    assert_eq!(bytes(&typed("bool", "[true]").expect("a bool")), [1]);
}

#[test]
fn floats_are_rounded_to_their_width_and_overflow_is_a_fault() {
    assert_eq!(
        bytes(&typed("float32", "[0.1, 12, -0.0]").expect("floats")),
        le(&[0.1_f32, 12.0, -0.0], f32::to_le_bytes)
    );
    assert_eq!(
        bytes(&typed("float16", "0.1").expect("a half")),
        0x2e66_u16.to_le_bytes()
    );
    assert_eq!(
        bytes(&typed("float64", "18446744073709551616").expect("rounded")),
        2f64.powi(64).to_le_bytes()
    );
    refused(typed("float32", "[1, 1e39]"), "overflows float32");
    refused(typed("float16", "65520"), "overflows float16");
    refused(typed("float32", "true"), "expected a number");
}

#[test]
fn small_floats_are_rounded_to_their_width_and_overflow_is_a_fault() {
    assert_eq!(
        bytes(&typed("bfloat16", r#"[0.1, -1.5, "Infinity", null]"#).expect("bfloat16")),
        le(&[0x3dcd, 0xbfc0, 0x7f80, 0_u16], u16::to_le_bytes)
    );
    assert_eq!(
        bytes(&typed("float8_e4m3fn", r#"[1, 448, "NaN"]"#).expect("float8")),
        [0x38, 0x7e, 0x7f]
    );
    assert_eq!(
        bytes(&typed("float8_e5m2", r#"[1, 57344, "-Infinity"]"#).expect("float8")),
        [0x3c, 0x7b, 0xfc]
    );
    refused(typed("bfloat16", "3.4e38"), "overflows bfloat16");
    refused(typed("float8_e4m3fn", "465"), "overflows float8_e4m3fn");
    refused(
        typed("float8_e4m3fn", r#""Infinity""#),
        "overflows float8_e4m3fn",
    );
    refused(typed("float8_e5m2", "61440"), "overflows float8_e5m2");
    refused(typed("float8_e5m2", "true"), "expected a number");
}

#[test]
fn what_is_not_finite_is_a_string() {
    let spec = typed("float32", r#"["NaN", "Infinity", "-Infinity"]"#).expect("not finite");
    let expected = le(
        &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY],
        f32::to_le_bytes,
    );
    assert_eq!(bytes(&spec), expected);
    refused(
        typed("float32", r#""nan""#),
        "\"NaN\", \"Infinity\" or \"-Infinity\"",
    );
    assert_eq!(array(r#"["NaN"]"#).expect("text").dtype, DType::String);
}

#[test]
fn bare_nan_is_a_fault_unless_allowed() {
    refused(array("[1.5, NaN]"), "bare NaN is not JSON");
    refused(array("-Infinity"), "pass --allow-nan");
    let mut reader = Reader::with(
        Flags {
            collection: Some("c".into()),
            partition: Some("p".into()),
            ..Flags::default()
        },
        BareNan::Allowed,
        Nulls::Mask,
    );
    let spec = array_by(&mut reader, "[1, NaN, -Infinity, Infinity]").expect("allowed");
    assert_eq!(spec.dtype, DType::Float64);
    let expected = le(
        &[1.0, f64::NAN, f64::NEG_INFINITY, f64::INFINITY],
        f64::to_le_bytes,
    );
    assert_eq!(bytes(&spec), expected);
    // Text stays text, and integers beside it keep their value.
    let outcome =
        reader.read(r#"{"entry": "NaN", "arrays": {"x": NaN, "n": 7}, "attrs": {"s": "NaN"}}"#);
    let outcome = outcome.expect("allowed").expect("an operation");
    assert_eq!(outcome.key, b"NaN");
    assert_eq!(bytes(&outcome.arrays[1].1), 7_i64.to_le_bytes());
    refused(
        array_by(&mut reader, r#"{"dtype": "int8", "data": NaN}"#),
        "expected an integer",
    );
    refused(array_by(&mut reader, "[NaN, x]"), "column 38");
}

#[test]
fn a_complex_number_is_a_pair() {
    let spec = typed("complex64", r#"[[1, 2], ["NaN", -1.5]]"#).expect("complex");
    assert_eq!(spec.shape, [2]);
    assert_eq!(
        bytes(&spec),
        le(&[1.0, 2.0, f32::NAN, -1.5], f32::to_le_bytes)
    );
    assert_eq!(
        typed("complex128", "[1, 2]").expect("0-d").shape,
        [0_u64; 0]
    );
    let spec = typed("complex128", "[null, [1, 2]]").expect("masked");
    assert_eq!(
        (spec.shape.as_slice(), missing(&spec)),
        ([2].as_slice(), Some(vec![1, 0]))
    );
    refused(typed("complex64", "1"), "as [re, im]");
    refused(typed("complex64", "[1, 2, 3]"), "as [re, im]");
    refused(typed("complex64", "[[1, 2], [1]]"), "as [re, im]");
    refused(typed("complex64", "[[1, null]]"), "expected a number");
    refused(typed("complex64", "[[1, 1e39]]"), "overflows complex64");
}

#[test]
fn times_are_iso_text_or_counts() {
    let spec = typed("datetime64[s]", r#"["2024-01-05T06:00:00", 3, "NaT"]"#).expect("times");
    assert_eq!(spec.dtype, DType::DateTime64(TimeUnit::Second));
    assert_eq!(
        bytes(&spec),
        le(&[1_704_434_400, 3, i64::MIN], i64::to_le_bytes)
    );
    assert_eq!(
        bytes(&typed("timedelta64[ms]", r#"[-5, "NaT"]"#).expect("spans")),
        le(&[-5, i64::MIN], i64::to_le_bytes)
    );
    refused(
        typed("datetime64[D]", r#""2024-01-05T06""#),
        "finer than the unit D",
    );
    refused(
        typed("datetime64[s]", r#""2024-01-05T06+01:00""#),
        "convert to UTC",
    );
    refused(typed("timedelta64[s]", r#""5 s""#), "an integer or \"NaT\"");
    refused(typed("datetime64[s]", "1.5"), "expected ISO 8601 text");
}

#[test]
fn texts_and_bytes_keep_to_their_width() {
    let spec = array(r#"["a", null, "bé"]"#).expect("texts");
    let ArrayBytes::Variable { offsets, data } = &spec.data else {
        panic!("variable")
    };
    assert_eq!(
        (offsets.as_slice(), data.as_ref()),
        ([0, 1, 1, 4].as_slice(), "abé".as_bytes())
    );
    assert_eq!(missing(&spec), Some(vec![0, 1, 0]));
    assert_eq!(
        bytes(&typed("S3", r#"["AAE=", null]"#).expect("fixed")),
        [0, 1, 0, 0, 0, 0]
    );
    assert_eq!(
        bytes(&typed("U2", r#""é""#).expect("fixed")),
        [0xe9, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(
        bytes(&typed("bytes", r#"["AAE=", ""]"#).expect("bytes")),
        [0, 1]
    );
    refused(
        typed("S1", r#""AAE=""#),
        "2 bytes are more than the 1 of dtype S1",
    );
    refused(
        typed("U1", r#""éé""#),
        "2 characters are more than the 1 of dtype U1",
    );
    refused(typed("bytes", r#""?""#), "not base64");
    refused(typed("string", "1"), "expected a string");
}
