//! The text of pipelines.

use proptest::prelude::*;

use super::super::available;
use super::*;
use crate::format::Defect;

fn refused(spec: &str) -> String {
    let error = Pipeline::parse(spec).expect_err(spec);
    assert_eq!(error.kind(), "invalid", "{spec}");
    let text = error.to_string();
    let start = format!("codec {spec:?}: ");
    text.strip_prefix(&start)
        .unwrap_or_else(|| panic!("{text}"))
        .to_owned()
}

#[test]
fn specs_are_written_in_one_way() {
    for (written, canonical) in [
        ("none", "none"),
        ("shuffle", "shuffle"),
        ("lz4", "lz4"),
        ("shuffle+lz4", "shuffle+lz4"),
        ("zstd", "zstd:3"),
        ("zstd:22", "zstd:22"),
        ("zstd:03", "zstd:3"),
        ("shuffle+zstd", "shuffle+zstd:3"),
        ("pco", "pco:8"),
        ("pco:0", "pco:0"),
        ("snappy", "snappy"),
        ("brotli", "brotli:5"),
        ("brotli:11", "brotli:11"),
    ] {
        let name = written.trim_start_matches("shuffle+").split(':').next();
        if !available().iter().any(|it| Some(&**it) == name) {
            continue;
        }
        let pipeline = Pipeline::parse(written).expect(written);
        assert_eq!(pipeline.to_string(), canonical);
        assert_eq!(Pipeline::stored(canonical), Ok(pipeline.clone()));
        assert_eq!(Pipeline::parse(canonical).expect(canonical), pipeline);
        assert_eq!(pipeline.is_none(), written == "none");
    }
}

#[test]
fn specs_that_are_none_are_refused_with_what_there_is() {
    for (spec, expected) in [
        ("", "a name starts with a small letter"),
        (" ", "a name starts with a small letter"),
        ("+", "one compressor, with the filter"),
        ("shuffle+", "a name starts with a small letter"),
        ("+lz4", "one compressor, with the filter"),
        ("lz4+shuffle", "the filter comes first: \"shuffle+lz4\""),
        (
            "lz4+zstd",
            "one compressor, with the filter \"shuffle+\" before it or without",
        ),
        ("shuffle+lz4+zstd", "one compressor follows \"shuffle+\""),
        ("shuffle+none", "\"none\" stands alone"),
        ("none:1", "\"none\" stands alone"),
        ("shuffle:4", "\"shuffle\" stands once"),
        ("shuffle+shuffle", "\"shuffle\" stands once"),
        ("shuffle+pco", "\"pco\" looks at whole elements"),
        ("lz4:1", "\"lz4\" has no levels"),
        ("snappy:", "\"snappy\" has no levels"),
        ("zstd:", "a level of \"zstd\" is 1 to 22, this is \"\""),
        (
            "zstd:fast",
            "a level of \"zstd\" is 1 to 22, this is \"fast\"",
        ),
        ("zstd:-1", "a level of \"zstd\" is 1 to 22, this is \"-1\""),
        ("zstd:+1", "one compressor, with the filter"),
        ("zstd:3 ", "a level of \"zstd\" is 1 to 22, this is \"3 \""),
        ("zstd:99999999999", "a level of \"zstd\" is 1 to 22"),
        ("ZSTD", "a name starts with a small letter"),
        ("mine:", "what follows the colon has 1 to 180 bytes"),
        ("mine:\n", "what follows the colon has 1 to 180 bytes"),
    ] {
        let text = refused(spec);
        assert!(text.contains(expected), "{spec:?}: {text}");
        assert!(
            text.contains("; there are none, shuffle"),
            "{spec:?}: {text}"
        );
    }
}

#[test]
fn a_codec_that_nobody_knows_is_refused_with_the_one_that_may_be_meant() {
    let text = refused("unknown");
    assert!(
        text.starts_with("no codec \"unknown\"; there are none, shuffle"),
        "{text}"
    );
    assert!(text.ends_with("; others are registered"), "{text}");
    assert!(refused("shufle").starts_with("no codec \"shufle\"; did you mean \"shuffle\"?"));
    assert!(refused("SHUFFLE").contains("did you mean \"shuffle\"?"));
}

#[cfg(feature = "zstd")]
#[test]
fn levels_that_a_codec_does_not_have_are_refused() {
    for level in ["0", "23", "4000000000"] {
        let text = refused(&format!("zstd:{level}"));
        assert_eq!(
            text,
            format!("a level of \"zstd\" is 1 to 22, this is {level}")
        );
    }
    assert!(refused("zsdt:3").contains("did you mean \"zstd\"?"));
    // Out of a file it decodes, and does not encode.
    let high = Pipeline::stored("zstd:23").expect("well-formed");
    let bytes = encoded(
        &Pipeline::parse("zstd").expect("here"),
        b"data",
        DType::UInt8,
    );
    assert_eq!(
        decoded(&high, &bytes, DType::UInt8, 4).as_deref(),
        Ok(&b"data"[..])
    );
    let error = high.check(DType::UInt8, "a").expect_err("no such level");
    assert_eq!(
        error.to_string(),
        "codec \"zstd:23\": a level of \"zstd\" is 1 to 22, this is 23"
    );
}

#[test]
fn a_codec_that_was_left_out_is_read_from_a_file_and_names_its_feature() {
    for codec in ALL.iter().filter(|codec| !codec.is_here()) {
        let text = refused(codec.name);
        let expected = format!(
            "this build of arraylog does not have it: the cargo feature `{}` brings it; there are",
            codec.name
        );
        assert!(text.starts_with(&expected), "{text}");
        let level = codec
            .levels
            .map_or_else(String::new, |it| format!(":{}", it.default));
        let stored = Pipeline::stored(&format!("{}{level}", codec.name)).expect("well-formed");
        let failure = decoded(&stored, b"data", DType::UInt8, 4);
        assert_eq!(failure, Err(Failure::Unavailable(codec.name.to_owned())));
        let error = stored.check(DType::Float32, "t").expect_err("not here");
        assert_eq!(error.kind(), "codec-unavailable");
    }
}

#[test]
fn a_text_of_a_file_that_is_no_pipeline_is_a_defect() {
    for text in [
        "",
        "zstd",
        "zstd:03",
        "lz4+zstd:3",
        "Zstd:3",
        "none+lz4",
        "mine:",
        "a\0b",
    ] {
        let defect = Pipeline::stored(text).expect_err(text);
        assert!(
            matches!(&defect, Defect::Codec { codec, .. } if codec == text),
            "{defect}"
        );
    }
    let long = "a".repeat(5000);
    assert!(Pipeline::stored(&long).expect_err("long").to_string().len() < 300);
    for text in [
        "none",
        "shuffle",
        "zstd:3",
        "shuffle+brotli:11",
        "mine",
        "mine:a=1,b=\"x\"",
    ] {
        assert_eq!(Pipeline::stored(text).expect(text).to_string(), text);
    }
}

#[cfg(feature = "pco")]
#[test]
fn pco_takes_numbers_and_times_alone() {
    let pipeline = Pipeline::parse("pco").expect("of this build");
    for dtype in DTYPES {
        match pipeline.check(dtype, "salinity") {
            Ok(()) => assert!(is_number(dtype), "{dtype}"),
            Err(error) => {
                assert!(!is_number(dtype), "{dtype}");
                assert_eq!(error.kind(), "dtype");
                let text = error.to_string();
                assert!(
                    text.starts_with("array \"salinity\": codec \"pco\" takes integers"),
                    "{text}"
                );
                assert!(text.contains(&format!("these are {dtype};")), "{text}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_a_pipeline_that_writes_it_or_a_defect(text in "(shuffle\\+)?[a-z0-9:+._-]{0,12}") {
        if let Ok(pipeline) = Pipeline::stored(&text) {
            prop_assert_eq!(pipeline.to_string(), text);
        } else if let Ok(pipeline) = Pipeline::parse(&text) {
            let canonical = pipeline.to_string();
            prop_assert_eq!(Pipeline::stored(&canonical), Ok(pipeline));
        }
    }
}
