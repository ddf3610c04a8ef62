//! Each rule of the language: lines that keep it and lines that break it.

use std::collections::HashMap;

use arraylog::{ArrayBytes, ArraySpec, AttrValue, DType, Mask, TimeUnit};

use super::defaults::{Defaults, Flags};
use super::document::{BareNan, Parser};
use super::elements::Nulls;
use super::fault::Finding;
use super::line::{self, Action, Line};

/// What a line came to, owned.
#[derive(Debug)]
struct Outcome {
    place: (String, String),
    key: Vec<u8>,
    arrays: Vec<(String, ArraySpec<'static>)>,
    attrs: arraylog::Attrs,
    value: Option<Vec<u8>>,
    removes: bool,
}

struct Reader {
    parser: Parser,
    defaults: Defaults,
    nulls: Nulls,
}

impl Reader {
    fn new() -> Self {
        let flags = Flags {
            collection: Some("c".into()),
            partition: Some("p".into()),
            dtypes: HashMap::new(),
        };
        Self::with(flags, BareNan::Refused, Nulls::Mask)
    }

    fn with(flags: Flags, bare_nan: BareNan, nulls: Nulls) -> Self {
        Self { parser: Parser::new(bare_nan), defaults: Defaults::new(flags), nulls }
    }

    fn read(&mut self, text: &str) -> Result<Option<Outcome>, Finding> {
        let Self { parser, defaults, nulls } = self;
        let (outcome, stated) = parser.parse(text.as_bytes(), |value| {
            Ok(match line::read(value, defaults, *nulls)? {
                Line::Defaults(stated) => (None, Some(stated)),
                Line::Operation(op) => {
                    let mut outcome = Outcome {
                        place: (op.collection.into(), op.partition.into()),
                        key: op.key.into(),
                        arrays: Vec::new(),
                        attrs: arraylog::Attrs::new(),
                        value: None,
                        removes: false,
                    };
                    match op.action {
                        Action::Write { arrays, attrs } => {
                            outcome.arrays =
                                arrays.into_iter().map(|(n, a)| (n.to_owned(), a)).collect();
                            outcome.attrs = attrs;
                        }
                        Action::Put(value) => outcome.value = Some(value.into()),
                        Action::Remove => outcome.removes = true,
                    }
                    (Some(outcome), None)
                }
            })
        })?;
        if let Some(stated) = stated {
            self.defaults.replace(stated);
        }
        Ok(outcome)
    }
}

fn read(text: &str) -> Result<Outcome, Finding> {
    Reader::new().read(text).map(|outcome| outcome.expect("an operation"))
}

/// The array `x` of an entry whose `x` is `json`.
fn array(json: &str) -> Result<ArraySpec<'static>, Finding> {
    array_by(&mut Reader::new(), json)
}

fn array_by(reader: &mut Reader, json: &str) -> Result<ArraySpec<'static>, Finding> {
    let text = format!(r#"{{"entry": "k", "arrays": {{"x": {json}}}}}"#);
    let outcome = reader.read(&text)?.expect("an operation");
    Ok(outcome.arrays.into_iter().next().expect("one array").1)
}

fn typed(dtype: &str, json: &str) -> Result<ArraySpec<'static>, Finding> {
    array(&format!(r#"{{"dtype": "{dtype}", "data": {json}}}"#))
}

fn attr(json: &str) -> Result<AttrValue, Finding> {
    let outcome = read(&format!(r#"{{"entry": "k", "attrs": {{"a": {json}}}}}"#))?;
    Ok(outcome.attrs.get("a").expect("the attribute").clone())
}

fn bytes(spec: &ArraySpec<'_>) -> Vec<u8> {
    match &spec.data {
        ArrayBytes::Fixed(data) => data.to_vec(),
        ArrayBytes::Variable { data, .. } => data.to_vec(),
    }
}

fn missing(spec: &ArraySpec<'_>) -> Option<Vec<u8>> {
    match &spec.mask {
        Some(Mask::Missing(mask)) => Some(mask.to_vec()),
        Some(Mask::Validity(_)) => panic!("NDJSON states what is missing"),
        None => None,
    }
}

fn le<const N: usize, T: Copy>(values: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| bytes(value)).collect()
}

#[track_caller]
fn refused(result: Result<impl std::fmt::Debug, Finding>, part: &str) {
    let finding = result.expect_err(part);
    assert!(finding.to_string().contains(part), "{finding}");
    assert!(finding.column.is_some(), "{finding}");
}

#[test]
fn a_line_is_one_of_four_kinds() {
    assert_eq!(read(r#"{"entry": "k", "value": "text"}"#).expect("a value").value, Some(b"text".to_vec()));
    assert_eq!(read(r#"{"entry": "k", "value_b64": "AAE="}"#).expect("a value").value, Some(vec![0, 1]));
    assert!(read(r#"{"entry": "k", "delete": true}"#).expect("a removal").removes);
    assert!(read(r#"{"entry": "k", "attrs": {}}"#).expect("an entry").arrays.is_empty());
    assert!(Reader::new().read(r#"{"defaults": {}}"#).expect("defaults").is_none());
    refused(read(r#"{"entry": "k"}"#), "expected one of `arrays`");
    refused(read(r#"{"entry": "k", "value": "", "delete": true}"#), "exclude each other");
    refused(read(r#"{"entry": "k", "value": "", "value_b64": ""}"#), "exclude each other");
    refused(read(r#"{"entry": "k", "delete": false}"#), "expected true");
    refused(read(r#"[1]"#), "expected an object");
    refused(read(r#"{"defaults": {}, "entry": "k"}"#), "alone in its line");
}

#[test]
fn a_key_is_text_or_base64() {
    assert_eq!(read(r#"{"entry": "k\u00e9", "value": ""}"#).expect("a key").key, "ké".as_bytes());
    assert_eq!(read(r#"{"entry_b64": "/w==", "value": ""}"#).expect("a key").key, [0xff]);
    assert_eq!(read(r#"{"entry": "", "value": ""}"#).expect("an empty key").key, b"");
    let key = |n| format!(r#"{{"entry": "{}", "value": ""}}"#, "k".repeat(n));
    assert!(read(&key(65_535)).is_ok());
    refused(read(&key(65_536)), "at most 65535 bytes");
    refused(read(r#"{"value": ""}"#), "expected `entry`");
    refused(read(r#"{"entry": "k", "entry_b64": "", "value": ""}"#), "exclude each other");
    refused(read(r#"{"entry_b64": "%", "value": ""}"#), "not base64");
    refused(read(r#"{"entry": 5, "value": ""}"#), "member `entry`: expected a string, found the number 5");
}

#[test]
fn unknown_members_are_faults_with_the_nearest_name() {
    refused(read(r#"{"entry": "k", "vlaue": ""}"#), "column 16: member `vlaue`: unknown member; did you mean `value`?");
    refused(array(r#"{"data": 1, "dtpye": "int8"}"#), "did you mean `dtype`?");
    refused(Reader::new().read(r#"{"defaults": {"colection": ""}}"#), "did you mean `collection`?");
    refused(attr(r#"{"$dtype": "int8", "data": 1}"#), "did you mean `$data`?");
}

#[test]
fn a_member_that_stands_twice_is_a_fault_anywhere() {
    refused(read(r#"{"entry": "a", "entry": "b", "value": ""}"#), "column 16: member `entry`: stands twice");
    refused(read(r#"{"entry": "a", "arrays": {"x": 1, "x": 2}}"#), "member `arrays.x`: stands twice");
    refused(array(r#"{"data": 1, "data": 2}"#), "stands twice");
    refused(attr(r#"{"b": 1, "b": 2}"#), "stands twice");
    let many: Vec<_> = (0..40).map(|i| format!("\"n{}\": 1", i % 39)).collect();
    refused(attr(&format!("{{{}}}", many.join(","))), "stands twice");
}

#[test]
fn what_is_not_json_is_named_by_column() {
    refused(read(r#"{"entry": "k", "value": "x" "y"}"#), "column 29: expected `,` or `}`");
    refused(read(r#"{"entry": "k", "value": tru}"#), "column 25");
    refused(read("{\"entry\": \"k\", \"value\": \"\t\"}"), "control character");
    refused(read("{"), "end of the line");
    let deep = format!(r#"{{"entry": "k", "attrs": {{"a": {}{}}}}}"#, "[".repeat(200), "]".repeat(200));
    refused(read(&deep), "nested deeper");
}

#[test]
fn the_place_comes_from_the_line_then_defaults_then_flags() {
    let mut reader = Reader::new();
    let mut place = |text: &str| reader.read(text).expect(text).map(|outcome| outcome.place);
    let pair = |c: &str, p: &str| Some((c.to_owned(), p.to_owned()));
    assert_eq!(place(r#"{"entry": "k", "value": ""}"#), pair("c", "p"));
    assert_eq!(place(r#"{"defaults": {"collection": "d"}}"#), None);
    assert_eq!(place(r#"{"entry": "k", "value": ""}"#), pair("d", "p"));
    assert_eq!(place(r#"{"entry": "k", "value": "", "partition": "q", "collection": "e"}"#), pair("e", "q"));
    assert_eq!(place(r#"{"defaults": {"partition": "r"}}"#), None);
    assert_eq!(place(r#"{"entry": "k", "value": ""}"#), pair("c", "r"));
    let mut bare = Reader::with(Flags::default(), BareNan::Refused, Nulls::Mask);
    refused(bare.read(r#"{"entry": "k", "value": ""}"#), "no `collection`");
}

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
    assert_eq!(bytes(&array("[1.5, 2]").expect("floats")), le(&[1.5, 2.0], f64::to_le_bytes));
    assert_eq!(bytes(&array("[1, 18446744073709551615]").expect("unsigned")), le(&[1, u64::MAX], u64::to_le_bytes));
    assert_eq!(bytes(&array("-9223372036854775808").expect("an integer")), le(&[i64::MIN], i64::to_le_bytes));
}

#[test]
fn tokens_that_do_not_tell_one_dtype_are_faults() {
    refused(array("[18446744073709551616]"), "fits neither int64 nor uint64");
    refused(array("[-1, 9223372036854775808]"), "no integer dtype holds both");
    refused(array("[1.5, 9007199254740993]"), "element 0 is the number 1.5, element 1 is the number 9007199254740993: the integer is not exact in float64");
    refused(array("[1e400]"), "beyond the range of float64");
    refused(array(r#"[1, 2, "a"]"#), "element 0 is the number 1, element 2 is the string \"a\"");
    refused(array("[true, 2]"), "element 0 is true, element 1 is the number 2");
    refused(array("[null, null]"), "state the dtype of \"x\" (defaults line or --dtype)");
    refused(array("[]"), "state the dtype of \"x\"");
}

#[test]
fn lists_are_rows_of_one_length() {
    assert_eq!(array("3").expect("0-d").shape, [0_u64; 0]);
    assert_eq!(array("[[1, 2, 3], [4, 5, 6]]").expect("2-d").shape, [2, 3]);
    assert_eq!(typed("int8", "[[], []]").expect("empty rows").shape, [2, 0]);
    refused(array("[[1, 2, 3], [1, 2]]"), "ragged: row 0 has 3, row 1 has 2");
    refused(array("[[1], 2]"), "ragged: row 0 is a list of 1, row 1 is the number 2");
    refused(array("[1, [2]]"), "ragged: element 0 is a scalar, element 1 is a list of 1");
    refused(typed("int8", "[1, []]"), "ragged");
    refused(array("[[1], null]"), "ragged");
    refused(array("[{}]"), "an object");
    refused(array(&format!("{}1{}", "[".repeat(40), "]".repeat(40))), "deeper than 32 axes");
}

#[test]
fn integers_are_checked_for_range_and_floats_for_being_integral() {
    assert_eq!(bytes(&typed("uint8", "[0, 255, 3.0, 1e2]").expect("bytes")), [0, 255, 3, 100]);
    assert_eq!(bytes(&typed("int16", "[-32768]").expect("a short")), i16::MIN.to_le_bytes());
    assert_eq!(bytes(&typed("uint64", "[18446744073709551615]").expect("the largest")), u64::MAX.to_le_bytes());
    refused(typed("uint8", "[0, 256]"), "the number 256 is out of range of uint8");
    refused(typed("uint8", "-1"), "out of range of uint8");
    refused(typed("int64", "1e30"), "out of range of int64");
    refused(typed("uint64", "18446744073709551616"), "out of range of uint64");
    refused(typed("int8", "1.5"), "expected an integer for int8, found the number 1.5");
    refused(typed("int8", r#""1""#), "expected an integer");
    refused(typed("bool", "1"), "expected true or false");
    assert_eq!(bytes(&typed("bool", "[true]").expect("a bool")), [1]);
}

#[test]
fn floats_are_rounded_to_their_width_and_overflow_is_a_fault() {
    assert_eq!(bytes(&typed("float32", "[0.1, 12, -0.0]").expect("floats")), le(&[0.1_f32, 12.0, -0.0], f32::to_le_bytes));
    assert_eq!(bytes(&typed("float16", "0.1").expect("a half")), 0x2e66_u16.to_le_bytes());
    assert_eq!(bytes(&typed("float64", "18446744073709551616").expect("rounded")), 2f64.powi(64).to_le_bytes());
    refused(typed("float32", "[1, 1e39]"), "overflows float32");
    refused(typed("float16", "65520"), "overflows float16");
    refused(typed("float32", "true"), "expected a number");
}

#[test]
fn what_is_not_finite_is_a_string() {
    let spec = typed("float32", r#"["NaN", "Infinity", "-Infinity"]"#).expect("not finite");
    let expected = le(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY], f32::to_le_bytes);
    assert_eq!(bytes(&spec), expected);
    refused(typed("float32", r#""nan""#), "\"NaN\", \"Infinity\" or \"-Infinity\"");
    assert_eq!(array(r#"["NaN"]"#).expect("text").dtype, DType::String);
}

#[test]
fn bare_nan_is_a_fault_unless_allowed() {
    refused(array("[1.5, NaN]"), "bare NaN is not JSON");
    refused(array("-Infinity"), "pass --allow-nan");
    let mut reader = Reader::with(
        Flags { collection: Some("c".into()), partition: Some("p".into()), ..Flags::default() },
        BareNan::Allowed,
        Nulls::Mask,
    );
    let spec = array_by(&mut reader, "[1, NaN, -Infinity, Infinity]").expect("allowed");
    assert_eq!(spec.dtype, DType::Float64);
    let expected = le(&[1.0, f64::NAN, f64::NEG_INFINITY, f64::INFINITY], f64::to_le_bytes);
    assert_eq!(bytes(&spec), expected);
    // Text stays text, and integers beside it keep their value.
    let outcome = reader.read(r#"{"entry": "NaN", "arrays": {"x": NaN, "n": 7}, "attrs": {"s": "NaN"}}"#);
    let outcome = outcome.expect("allowed").expect("an operation");
    assert_eq!(outcome.key, b"NaN");
    assert_eq!(bytes(&outcome.arrays[1].1), 7_i64.to_le_bytes());
    refused(array_by(&mut reader, r#"{"dtype": "int8", "data": NaN}"#), "expected an integer");
    refused(array_by(&mut reader, "[NaN, x]"), "column 38");
}

#[test]
fn a_complex_number_is_a_pair() {
    let spec = typed("complex64", r#"[[1, 2], ["NaN", -1.5]]"#).expect("complex");
    assert_eq!(spec.shape, [2]);
    assert_eq!(bytes(&spec), le(&[1.0, 2.0, f32::NAN, -1.5], f32::to_le_bytes));
    assert_eq!(typed("complex128", "[1, 2]").expect("0-d").shape, [0_u64; 0]);
    let spec = typed("complex128", "[null, [1, 2]]").expect("masked");
    assert_eq!((spec.shape.as_slice(), missing(&spec)), ([2].as_slice(), Some(vec![1, 0])));
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
    assert_eq!(bytes(&spec), le(&[1_704_434_400, 3, i64::MIN], i64::to_le_bytes));
    assert_eq!(bytes(&typed("timedelta64[ms]", r#"[-5, "NaT"]"#).expect("spans")), le(&[-5, i64::MIN], i64::to_le_bytes));
    refused(typed("datetime64[D]", r#""2024-01-05T06""#), "finer than the unit D");
    refused(typed("datetime64[s]", r#""2024-01-05T06+01:00""#), "convert to UTC");
    refused(typed("timedelta64[s]", r#""5 s""#), "an integer or \"NaT\"");
    refused(typed("datetime64[s]", "1.5"), "expected ISO 8601 text");
}

#[test]
fn texts_and_bytes_keep_to_their_width() {
    let spec = array(r#"["a", null, "bé"]"#).expect("texts");
    let ArrayBytes::Variable { offsets, data } = &spec.data else { panic!("variable") };
    assert_eq!((offsets.as_slice(), data.as_ref()), ([0, 1, 1, 4].as_slice(), "abé".as_bytes()));
    assert_eq!(missing(&spec), Some(vec![0, 1, 0]));
    assert_eq!(bytes(&typed("S3", r#"["AAE=", null]"#).expect("fixed")), [0, 1, 0, 0, 0, 0]);
    assert_eq!(bytes(&typed("U2", r#""é""#).expect("fixed")), [0xe9, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes(&typed("bytes", r#"["AAE=", ""]"#).expect("bytes")), [0, 1]);
    refused(typed("S1", r#""AAE=""#), "2 bytes are more than the 1 of dtype S1");
    refused(typed("U1", r#""éé""#), "2 characters are more than the 1 of dtype U1");
    refused(typed("bytes", r#""?""#), "not base64");
    refused(typed("string", "1"), "expected a string");
}

#[test]
fn null_is_missing_and_its_bytes_are_zero() {
    let spec = typed("int16", "[7, null, 9]").expect("masked");
    assert_eq!(bytes(&spec), le(&[7_i16, 0, 9], i16::to_le_bytes));
    assert_eq!(missing(&spec), Some(vec![0, 1, 0]));
    assert_eq!(missing(&typed("int16", "[7, 8]").expect("unmasked")), None);
    assert_eq!(missing(&typed("int16", "null").expect("0-d")), Some(vec![1]));
}

#[test]
fn null_is_nan_for_floats_when_asked() {
    let mut reader = Reader::new();
    reader.nulls = Nulls::Nan;
    let spec = array_by(&mut reader, "[1.5, null]").expect("NaN");
    assert_eq!((bytes(&spec), missing(&spec)), (le(&[1.5, f64::NAN], f64::to_le_bytes), None));
    let spec = array_by(&mut reader, "[1, null]").expect("integers keep their mask");
    assert_eq!(missing(&spec), Some(vec![0, 1]));
}

#[test]
fn a_mask_is_stated_outright_and_agrees_with_nulls() {
    let spec = array(r#"{"data": [1, 2], "mask": [false, false]}"#).expect("masked");
    assert_eq!(missing(&spec), Some(vec![0, 0]));
    let spec = array(r#"{"data": [[1, null]], "mask": [[false, true]]}"#).expect("agrees");
    assert_eq!(missing(&spec), Some(vec![0, 1]));
    assert_eq!(missing(&array(r#"{"data": 1, "mask": true}"#).expect("0-d")), Some(vec![1]));
    refused(array(r#"{"data": [1, null], "mask": [true, true]}"#), "member `arrays.x.mask`: disagrees with the null at element 0");
    refused(array(r#"{"data": [1, 2], "mask": [true]}"#), "mask has shape [1], the data has [2]");
    refused(array(r#"{"data": [1, 2], "mask": [1, 0]}"#), "expected true or false");
}

#[test]
fn base64_data_needs_dtype_and_shape() {
    let spec = array(r#"{"data_b64": "AACAPwAAAEA=", "shape": [1, 2], "dtype": "float32"}"#).expect("bytes");
    assert_eq!((spec.shape.as_slice(), bytes(&spec)), ([1, 2].as_slice(), le(&[1.0_f32, 2.0], f32::to_le_bytes)));
    refused(array(r#"{"data_b64": "AA==", "dtype": "int8"}"#), "needs `dtype` and `shape`");
    refused(array(r#"{"data_b64": "AA==", "shape": [1]}"#), "needs `dtype` and `shape`");
    refused(array(r#"{"data_b64": "AA==", "shape": [2], "dtype": "int8"}"#), "takes 2 bytes, found 1");
    refused(array(r#"{"data_b64": "Ag==", "shape": [1], "dtype": "bool"}"#), "neither 0 nor 1");
    refused(array(r#"{"data_b64": "AAARAA==", "shape": [1], "dtype": "U1"}"#), "no Unicode character");
    refused(array(r#"{"data_b64": "", "shape": [0], "dtype": "string"}"#), "no fixed width");
    refused(array(r#"{"data_b64": "", "data": 1, "dtype": "int8"}"#), "exclude each other");
    refused(array(r#"{"data_b64": "", "shape": [18446744073709551615, 2], "dtype": "int8"}"#), "beyond 64 bits");
    refused(array(r#"{"dtype": "int8"}"#), "expected `data` or `data_b64`");
}

#[test]
fn a_shape_is_checked_and_says_what_lists_cannot() {
    assert_eq!(array(r#"{"data": [], "shape": [0, 3], "dtype": "int8"}"#).expect("empty").shape, [0, 3]);
    assert_eq!(array(r#"{"data": [[1, 2]], "shape": [1, 2]}"#).expect("agrees").shape, [1, 2]);
    refused(array(r#"{"data": [1, 2], "shape": [2, 1]}"#), "states [2, 1], the data has [2]");
    refused(array(r#"{"data": [], "shape": [3, 0], "dtype": "int8"}"#), "states [3, 0]");
    refused(array(r#"{"data": [1], "shape": [-1]}"#), "expected a length");
    refused(array(r#"{"data": [1], "shape": 1}"#), "expected a list of lengths");
}

#[test]
fn dims_name_every_axis_or_none() {
    let spec = array(r#"{"data": [[1]], "dims": ["t", null]}"#).expect("dims");
    assert_eq!(spec.dims, [Some("t".to_owned()), None]);
    refused(array(r#"{"data": [1], "dims": ["t", "u"]}"#), "2 dims for an array of 1 axes");
    refused(array(r#"{"data": [1], "dims": []}"#), "0 dims");
    refused(array(r#"{"data": [1], "dims": "t"}"#), "expected a list of names");
    refused(array(r#"{"data": [1], "dims": [1]}"#), "expected a name or null");
}

#[test]
fn a_fill_value_has_the_dtype_of_the_array() {
    let fill = |json: &str| array(json).map(|spec| spec.fill_value);
    assert_eq!(fill(r#"{"data": [1], "dtype": "int8", "fill_value": -1}"#), Ok(Some(AttrValue::Int8(-1))));
    assert_eq!(fill(r#"{"data": [1.5], "fill_value": "NaN"}"#).map(|f| matches!(f, Some(AttrValue::Float64(v)) if v.is_nan())), Ok(true));
    assert_eq!(fill(r#"{"data": "AA==", "dtype": "S2", "fill_value": "AA=="}"#), Ok(Some(AttrValue::Bytes(vec![0]))));
    refused(fill(r#"{"data": [1], "dtype": "int8", "fill_value": 300}"#), "out of range of int8");
    refused(fill(r#"{"data": [1], "fill_value": [1]}"#), "expected a scalar");
    refused(fill(r#"{"data": [1], "fill_value": null}"#), "expected a value");
    refused(fill(r#"{"data": "AA==", "dtype": "S1", "fill_value": "AAAA"}"#), "more than the 1");
}

#[test]
fn what_this_version_does_not_store_is_refused_by_name() {
    refused(array(r#"{"data": [1], "chunks": [1]}"#), "`chunks` is not stored by this version");
    refused(array(r#"{"data": [1], "codec": "zstd:3"}"#), "`codec` is not stored by this version");
    for dtype in ["bfloat16", "float8_e4m3fn", "float8_e5m2"] {
        refused(typed(dtype, "1"), &format!("dtype {dtype} is not stored by this version"));
    }
    refused(typed("float33", "1"), "unknown dtype \"float33\"; did you mean `float32`?");
    refused(typed("datetime64", "1"), "unknown dtype");
    refused(Reader::new().read(r#"{"defaults": {"arrays": {"x": {"codec": "lz4"}}}}"#), "not stored by this version");
}

#[test]
fn defaults_apply_to_the_lines_after_them_and_a_member_beats_them() {
    let mut reader = Reader::new();
    let line = r#"{"defaults": {"arrays": {"x": {"dtype": "float32", "dims": ["t"], "fill_value": 0, "attrs": {"u": "K"}}}}}"#;
    assert!(reader.read(line).expect("defaults").is_none());
    let spec = array_by(&mut reader, "[1]").expect("by default");
    assert_eq!((spec.dtype, spec.dims.as_slice()), (DType::Float32, [Some("t".to_owned())].as_slice()));
    assert_eq!(spec.fill_value, Some(AttrValue::Float32(0.0)));
    assert_eq!(spec.attrs.get("u"), Some(&AttrValue::String("K".into())));
    let spec = array_by(&mut reader, r#"{"data": [1], "dtype": "int8", "dims": ["u"], "fill_value": 9, "attrs": {}}"#);
    let spec = spec.expect("its own");
    assert_eq!((spec.dtype, spec.fill_value), (DType::Int8, Some(AttrValue::Int8(9))));
    assert!(spec.attrs.is_empty());
    refused(array_by(&mut reader, r#"{"data": [1], "dtype": "int8"}"#), "for another dtype than int8");
    refused(array_by(&mut reader, "1"), "1 dims for an array of 0 axes");
    refused(reader.read(r#"{"defaults": {"arrays": {"x": {"fill_value": 1}}}}"#), "needs the dtype beside it");
    refused(reader.read(r#"{"defaults": {"arrays": {"x": {"data": 1}}}}"#), "unknown member");
}

#[test]
fn a_dtype_flag_is_beaten_by_a_defaults_line() {
    let flag = super::defaults::parse_flag("x=float32").expect("a flag");
    let flags = Flags {
        collection: Some("c".into()),
        partition: Some("p".into()),
        dtypes: HashMap::from([flag]),
    };
    let mut reader = Reader::with(flags, BareNan::Refused, Nulls::Mask);
    assert_eq!(array_by(&mut reader, "1").expect("flag").dtype, DType::Float32);
    reader.read(r#"{"defaults": {"arrays": {"x": {"dtype": "int8"}}}}"#).expect("defaults");
    assert_eq!(array_by(&mut reader, "1").expect("defaults").dtype, DType::Int8);
    assert_eq!(super::defaults::parse_flag("a=b=int8"), Ok(("a=b".to_owned(), DType::Int8)));
    assert!(super::defaults::parse_flag("x").is_err());
    assert!(super::defaults::parse_flag("x=bfloat16").is_err());
}

#[test]
fn attributes_keep_their_types() {
    for (json, value) in [
        ("null", AttrValue::None),
        ("true", AttrValue::Bool(true)),
        ("-3", AttrValue::Int64(-3)),
        ("18446744073709551615", AttrValue::UInt64(u64::MAX)),
        ("1.0", AttrValue::Float64(1.0)),
        (r#""x""#, AttrValue::String("x".into())),
        (r#"[1, "a"]"#, AttrValue::List(vec![AttrValue::Int64(1), AttrValue::String("a".into())])),
        (r#"{"$dtype": "int8", "$data": 1}"#, AttrValue::Int8(1)),
        (r#"{"$dtype": "complex64", "$data": [1, 2]}"#, AttrValue::Complex64(1.0, 2.0)),
        (r#"{"$dtype": "bytes", "$data": "AA=="}"#, AttrValue::Bytes(vec![0])),
        (r#"{"$dtype": "datetime64[D]", "$data": "1970-01-02"}"#, AttrValue::DateTime64(1, TimeUnit::Day)),
    ] {
        assert_eq!(attr(json).expect(json), value, "{json}");
    }
    let AttrValue::Array(array) = attr(r#"{"$dtype": "uint8", "$data": [1, 2]}"#).expect("an array") else {
        panic!("an array")
    };
    assert_eq!((array.dtype, array.len, array.data), (DType::UInt8, 2, vec![1, 2]));
    let AttrValue::Map(map) = attr(r#"{"$$x": 1, "y": {"$dtype": "int8", "$data": 2}}"#).expect("a map") else {
        panic!("a mapping")
    };
    assert_eq!(map.get("$x"), Some(&AttrValue::Int64(1)));
    assert_eq!(map.get("y"), Some(&AttrValue::Int8(2)));
}

#[test]
fn attributes_that_are_no_value_are_faults() {
    refused(attr(r#"{"$dtype": "int8"}"#), "stand together");
    refused(attr(r#"{"$dtype": "int8", "$data": 300}"#), "member `attrs.a.$data`: the number 300 is out of range");
    refused(attr(r#"{"$dtype": "int8", "$data": [null]}"#), "no missing elements");
    refused(attr(r#"{"$dtype": "int8", "$data": [[1]]}"#), "at most one axis");
    refused(attr(r#"{"$other": 1}"#), "written with one more");
    refused(attr("18446744073709551616"), "fits neither int64 nor uint64");
    refused(read(r#"{"entry": "k", "attrs": [1]}"#), "expected an object");
}
