//! Shapes, masks, dims, fill values, base64.

use super::*;

#[test]
fn lists_are_rows_of_one_length() {
    assert_eq!(array("3").expect("0-d").shape, [0_u64; 0]);
    assert_eq!(array("[[1, 2, 3], [4, 5, 6]]").expect("2-d").shape, [2, 3]);
    assert_eq!(typed("int8", "[[], []]").expect("empty rows").shape, [2, 0]);
    refused(
        array("[[1, 2, 3], [1, 2]]"),
        "ragged: row 0 has 3, row 1 has 2",
    );
    refused(
        array("[[1], 2]"),
        "ragged: row 0 is a list of 1, row 1 is the number 2",
    );
    refused(
        array("[1, [2]]"),
        "ragged: element 0 is a scalar, element 1 is a list of 1",
    );
    refused(typed("int8", "[1, []]"), "ragged");
    refused(array("[[1], null]"), "ragged");
    refused(array("[{}]"), "an object");
    refused(
        array(&format!("{}1{}", "[".repeat(40), "]".repeat(40))),
        "deeper than 32 axes",
    );
}

#[test]
fn null_is_missing_and_its_bytes_are_zero() {
    let spec = typed("int16", "[7, null, 9]").expect("masked");
    assert_eq!(bytes(&spec), le(&[7_i16, 0, 9], i16::to_le_bytes));
    assert_eq!(missing(&spec), Some(vec![0, 1, 0]));
    assert_eq!(missing(&typed("int16", "[7, 8]").expect("unmasked")), None);
    assert_eq!(
        missing(&typed("int16", "null").expect("0-d")),
        Some(vec![1])
    );
}

#[test]
fn null_is_nan_for_floats_when_asked() {
    let mut reader = Reader::new();
    reader.nulls = Nulls::Nan;
    let spec = array_by(&mut reader, "[1.5, null]").expect("NaN");
    assert_eq!(
        (bytes(&spec), missing(&spec)),
        (le(&[1.5, f64::NAN], f64::to_le_bytes), None)
    );
    let spec = array_by(&mut reader, "[1, null]").expect("integers keep their mask");
    assert_eq!(missing(&spec), Some(vec![0, 1]));
}

#[test]
fn a_mask_is_stated_outright_and_agrees_with_nulls() {
    let spec = array(r#"{"data": [1, 2], "mask": [false, false]}"#).expect("masked");
    assert_eq!(missing(&spec), Some(vec![0, 0]));
    let spec = array(r#"{"data": [[1, null]], "mask": [[false, true]]}"#).expect("agrees");
    assert_eq!(missing(&spec), Some(vec![0, 1]));
    assert_eq!(
        missing(&array(r#"{"data": 1, "mask": true}"#).expect("0-d")),
        Some(vec![1])
    );
    refused(
        array(r#"{"data": [1, null], "mask": [true, true]}"#),
        "member `arrays.x.mask`: disagrees with the null at element 0",
    );
    refused(
        array(r#"{"data": [1, 2], "mask": [true]}"#),
        "mask has shape [1], the data has [2]",
    );
    refused(
        array(r#"{"data": [1, 2], "mask": [1, 0]}"#),
        "expected true or false",
    );
}

#[test]
fn base64_data_needs_dtype_and_shape() {
    let spec = array(r#"{"data_b64": "AACAPwAAAEA=", "shape": [1, 2], "dtype": "float32"}"#)
        .expect("bytes");
    assert_eq!(
        (spec.shape.as_slice(), bytes(&spec)),
        ([1, 2].as_slice(), le(&[1.0_f32, 2.0], f32::to_le_bytes))
    );
    refused(
        array(r#"{"data_b64": "AA==", "dtype": "int8"}"#),
        "needs `dtype` and `shape`",
    );
    refused(
        array(r#"{"data_b64": "AA==", "shape": [1]}"#),
        "needs `dtype` and `shape`",
    );
    refused(
        array(r#"{"data_b64": "AA==", "shape": [2], "dtype": "int8"}"#),
        "takes 2 bytes, found 1",
    );
    refused(
        array(r#"{"data_b64": "Ag==", "shape": [1], "dtype": "bool"}"#),
        "neither 0 nor 1",
    );
    refused(
        array(r#"{"data_b64": "AAARAA==", "shape": [1], "dtype": "U1"}"#),
        "no Unicode character",
    );
    refused(
        array(r#"{"data_b64": "", "shape": [0], "dtype": "string"}"#),
        "no fixed width",
    );
    refused(
        array(r#"{"data_b64": "", "data": 1, "dtype": "int8"}"#),
        "exclude each other",
    );
    refused(
        array(r#"{"data_b64": "", "shape": [18446744073709551615, 2], "dtype": "int8"}"#),
        "beyond 64 bits",
    );
    refused(
        array(r#"{"dtype": "int8"}"#),
        "expected `data` or `data_b64`",
    );
}

#[test]
fn a_shape_is_checked_and_says_what_lists_cannot() {
    assert_eq!(
        array(r#"{"data": [], "shape": [0, 3], "dtype": "int8"}"#)
            .expect("empty")
            .shape,
        [0, 3]
    );
    assert_eq!(
        array(r#"{"data": [[1, 2]], "shape": [1, 2]}"#)
            .expect("agrees")
            .shape,
        [1, 2]
    );
    refused(
        array(r#"{"data": [1, 2], "shape": [2, 1]}"#),
        "states [2, 1], the data has [2]",
    );
    refused(
        array(r#"{"data": [], "shape": [3, 0], "dtype": "int8"}"#),
        "states [3, 0]",
    );
    refused(
        array(r#"{"data": [1], "shape": [-1]}"#),
        "expected a length",
    );
    refused(
        array(r#"{"data": [1], "shape": 1}"#),
        "expected a list of lengths",
    );
}

#[test]
fn dims_name_every_axis_or_none() {
    let spec = array(r#"{"data": [[1]], "dims": ["t", null]}"#).expect("dims");
    assert_eq!(spec.dims, [Some("t".to_owned()), None]);
    refused(
        array(r#"{"data": [1], "dims": ["t", "u"]}"#),
        "2 dims for an array of 1 axes",
    );
    refused(array(r#"{"data": [1], "dims": []}"#), "0 dims");
    refused(
        array(r#"{"data": [1], "dims": "t"}"#),
        "expected a list of names",
    );
    refused(
        array(r#"{"data": [1], "dims": [1]}"#),
        "expected a name or null",
    );
}

#[test]
fn a_fill_value_has_the_dtype_of_the_array() {
    let fill = |json: &str| array(json).map(|spec| spec.fill_value);
    assert_eq!(
        fill(r#"{"data": [1], "dtype": "int8", "fill_value": -1}"#),
        Ok(Some(AttrValue::Int8(-1)))
    );
    assert_eq!(
        fill(r#"{"data": [1.5], "fill_value": "NaN"}"#)
            .map(|f| matches!(f, Some(AttrValue::Float64(v)) if v.is_nan())),
        Ok(true)
    );
    assert_eq!(
        fill(r#"{"data": "AA==", "dtype": "S2", "fill_value": "AA=="}"#),
        Ok(Some(AttrValue::Bytes(vec![0])))
    );
    refused(
        fill(r#"{"data": [1], "dtype": "int8", "fill_value": 300}"#),
        "out of range of int8",
    );
    refused(
        fill(r#"{"data": [1], "fill_value": [1]}"#),
        "expected a scalar",
    );
    refused(
        fill(r#"{"data": [1], "fill_value": null}"#),
        "expected a value",
    );
    refused(
        fill(r#"{"data": "AA==", "dtype": "S1", "fill_value": "AAAA"}"#),
        "more than the 1",
    );
}
