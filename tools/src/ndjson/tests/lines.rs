//! Members, keys, kinds of line, defaults.

use super::*;

#[test]
fn a_line_is_one_of_four_kinds() {
    assert_eq!(
        read(r#"{"entry": "k", "value": "text"}"#)
            .expect("a value")
            .value,
        Some(b"text".to_vec())
    );
    assert_eq!(
        read(r#"{"entry": "k", "value_b64": "AAE="}"#)
            .expect("a value")
            .value,
        Some(vec![0, 1])
    );
    assert!(
        read(r#"{"entry": "k", "delete": true}"#)
            .expect("a removal")
            .removes
    );
    assert!(
        read(r#"{"entry": "k", "attrs": {}}"#)
            .expect("an entry")
            .arrays
            .is_empty()
    );
    assert!(
        Reader::new()
            .read(r#"{"defaults": {}}"#)
            .expect("defaults")
            .is_none()
    );
    refused(read(r#"{"entry": "k"}"#), "expected one of `arrays`");
    refused(
        read(r#"{"entry": "k", "value": "", "delete": true}"#),
        "exclude each other",
    );
    refused(
        read(r#"{"entry": "k", "value": "", "value_b64": ""}"#),
        "exclude each other",
    );
    refused(read(r#"{"entry": "k", "delete": false}"#), "expected true");
    refused(read(r#"[1]"#), "expected an object");
    refused(
        read(r#"{"defaults": {}, "entry": "k"}"#),
        "alone in its line",
    );
}

#[test]
fn a_key_is_text_or_base64() {
    assert_eq!(
        read(r#"{"entry": "k\u00e9", "value": ""}"#)
            .expect("a key")
            .key,
        "ké".as_bytes()
    );
    assert_eq!(
        read(r#"{"entry_b64": "/w==", "value": ""}"#)
            .expect("a key")
            .key,
        [0xff]
    );
    assert_eq!(
        read(r#"{"entry": "", "value": ""}"#)
            .expect("an empty key")
            .key,
        b""
    );
    let key = |n| format!(r#"{{"entry": "{}", "value": ""}}"#, "k".repeat(n));
    assert!(read(&key(65_535)).is_ok());
    refused(read(&key(65_536)), "at most 65535 bytes");
    refused(read(r#"{"value": ""}"#), "expected `entry`");
    refused(
        read(r#"{"entry": "k", "entry_b64": "", "value": ""}"#),
        "exclude each other",
    );
    refused(read(r#"{"entry_b64": "%", "value": ""}"#), "not base64");
    refused(
        read(r#"{"entry": 5, "value": ""}"#),
        "member `entry`: expected a string, found the number 5",
    );
}

#[test]
fn unknown_members_are_faults_with_the_nearest_name() {
    refused(
        read(r#"{"entry": "k", "vlaue": ""}"#),
        "column 16: member `vlaue`: unknown member; did you mean `value`?",
    );
    refused(
        array(r#"{"data": 1, "dtpye": "int8"}"#),
        "did you mean `dtype`?",
    );
    refused(
        Reader::new().read(r#"{"defaults": {"colection": ""}}"#),
        "did you mean `collection`?",
    );
    refused(
        attr(r#"{"$dtype": "int8", "data": 1}"#),
        "did you mean `$data`?",
    );
}

#[test]
fn a_member_that_stands_twice_is_a_fault_anywhere() {
    refused(
        read(r#"{"entry": "a", "entry": "b", "value": ""}"#),
        "column 16: member `entry`: stands twice",
    );
    refused(
        read(r#"{"entry": "a", "arrays": {"x": 1, "x": 2}}"#),
        "member `arrays.x`: stands twice",
    );
    refused(array(r#"{"data": 1, "data": 2}"#), "stands twice");
    refused(attr(r#"{"b": 1, "b": 2}"#), "stands twice");
    let many: Vec<_> = (0..40).map(|i| format!("\"n{}\": 1", i % 39)).collect();
    refused(attr(&format!("{{{}}}", many.join(","))), "stands twice");
}

#[test]
fn what_is_not_json_is_named_by_column() {
    refused(
        read(r#"{"entry": "k", "value": "x" "y"}"#),
        "column 29: expected `,` or `}`",
    );
    refused(read(r#"{"entry": "k", "value": tru}"#), "column 25");
    refused(
        read("{\"entry\": \"k\", \"value\": \"\t\"}"),
        "control character",
    );
    refused(read("{"), "end of the line");
    let deep = format!(
        r#"{{"entry": "k", "attrs": {{"a": {}{}}}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
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
    assert_eq!(
        place(r#"{"entry": "k", "value": "", "partition": "q", "collection": "e"}"#),
        pair("e", "q")
    );
    assert_eq!(place(r#"{"defaults": {"partition": "r"}}"#), None);
    assert_eq!(place(r#"{"entry": "k", "value": ""}"#), pair("c", "r"));
    let mut bare = Reader::with(Flags::default(), BareNan::Refused, Nulls::Mask);
    refused(
        bare.read(r#"{"entry": "k", "value": ""}"#),
        "no `collection`",
    );
}

#[test]
fn what_this_version_does_not_store_is_refused_by_name() {
    refused(
        array(r#"{"data": [1], "chunks": "all"}"#),
        "\"auto\" or a list of lengths",
    );
    refused(array(r#"{"data": [1], "codec": 3}"#), "expected");
    refused(
        typed("float33", "1"),
        "unknown dtype \"float33\"; did you mean `float32`?",
    );
    refused(typed("datetime64", "1"), "unknown dtype");
    refused(
        Reader::new().read(r#"{"defaults": {"arrays": {"x": {"chunks": [-1]}}}}"#),
        "a length",
    );
}

#[test]
fn defaults_apply_to_the_lines_after_them_and_a_member_beats_them() {
    let mut reader = Reader::new();
    let line = r#"{"defaults": {"arrays": {"x": {"dtype": "float32", "dims": ["t"], "fill_value": 0, "attrs": {"u": "K"}}}}}"#;
    assert!(reader.read(line).expect("defaults").is_none());
    let spec = array_by(&mut reader, "[1]").expect("by default");
    assert_eq!(
        (spec.dtype, spec.dims.as_slice()),
        (DType::Float32, [Some("t".to_owned())].as_slice())
    );
    assert_eq!(spec.fill_value, Some(AttrValue::Float32(0.0)));
    assert_eq!(spec.attrs.get("u"), Some(&AttrValue::String("K".into())));
    let spec = array_by(
        &mut reader,
        r#"{"data": [1], "dtype": "int8", "dims": ["u"], "fill_value": 9, "attrs": {}}"#,
    );
    let spec = spec.expect("its own");
    assert_eq!(
        (spec.dtype, spec.fill_value),
        (DType::Int8, Some(AttrValue::Int8(9)))
    );
    assert!(spec.attrs.is_empty());
    refused(
        array_by(&mut reader, r#"{"data": [1], "dtype": "int8"}"#),
        "for another dtype than int8",
    );
    refused(array_by(&mut reader, "1"), "1 dims for an array of 0 axes");
    refused(
        reader.read(r#"{"defaults": {"arrays": {"x": {"fill_value": 1}}}}"#),
        "needs the dtype beside it",
    );
    refused(
        reader.read(r#"{"defaults": {"arrays": {"x": {"data": 1}}}}"#),
        "unknown member",
    );
}

#[test]
fn a_dtype_flag_is_beaten_by_a_defaults_line() {
    let flag = crate::ndjson::defaults::parse_flag("x=float32").expect("a flag");
    let flags = Flags {
        collection: Some("c".into()),
        partition: Some("p".into()),
        dtypes: HashMap::from([flag]),
    };
    let mut reader = Reader::with(flags, BareNan::Refused, Nulls::Mask);
    assert_eq!(
        array_by(&mut reader, "1").expect("flag").dtype,
        DType::Float32
    );
    reader
        .read(r#"{"defaults": {"arrays": {"x": {"dtype": "int8"}}}}"#)
        .expect("defaults");
    assert_eq!(
        array_by(&mut reader, "1").expect("defaults").dtype,
        DType::Int8
    );
    assert_eq!(
        crate::ndjson::defaults::parse_flag("a=b=int8"),
        Ok(("a=b".to_owned(), DType::Int8))
    );
    assert!(crate::ndjson::defaults::parse_flag("x").is_err());
    assert!(crate::ndjson::defaults::parse_flag("x=float8").is_err());
}
