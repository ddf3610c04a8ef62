//! Codecs that users bring.

use std::sync::Arc;

use super::super::{Codec, available, register};
use super::*;
use crate::error::Error;

/// Adds the number in its parameters to every byte; its name tells what it does wrong.
#[derive(Debug)]
struct Adds(&'static str);

impl Adds {
    fn number(parameters: &str) -> Result<u8, String> {
        if parameters.is_empty() {
            return Ok(1);
        }
        let number = parameters.parse();
        number.map_err(|_| format!("{parameters:?} is no number"))
    }
}

impl Codec for Adds {
    fn name(&self) -> &str {
        self.0
    }

    fn encode(
        &self,
        data: &[u8],
        parameters: &str,
        elements: Elements,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let number = Self::number(parameters)?;
        assert!(out.is_empty() && elements.item_size() > 0);
        out.extend(data.iter().map(|byte| byte.wrapping_add(number)));
        if self.0 == "adds-and-fails" {
            return Err("it had half of it".to_owned());
        }
        if self.0 == "adds-inside" {
            // A codec that uses this module itself.
            let zstd = Pipeline::parse("shuffle+zstd").map_err(|error| error.to_string())?;
            let bytes = encoded(&zstd, data, elements.dtype);
            let again = decoded(&zstd, &bytes, elements.dtype, data.len());
            assert_eq!(again.as_deref(), Ok(data));
        }
        Ok(())
    }

    fn decode(
        &self,
        data: &[u8],
        parameters: &str,
        _: Elements,
        out: &mut [u8],
    ) -> Result<(), String> {
        let number = Self::number(parameters)?;
        if data.len() != out.len() {
            return Err(format!("{} bytes for {}", data.len(), out.len()));
        }
        for (to, from) in out.iter_mut().zip(data) {
            *to = from.wrapping_sub(number);
        }
        Ok(())
    }
}

#[test]
fn a_registered_codec_takes_parameters_and_stands_behind_a_filter() {
    register(Arc::new(Adds("adds"))).expect("registered");
    assert!(available().contains(&"adds".to_owned()));
    let data = random(1, 400);
    for spec in ["adds", "adds:7", "shuffle+adds:7"] {
        let pipeline = Pipeline::parse(spec).expect("registered");
        assert_eq!(pipeline.to_string(), spec);
        let bytes = encoded(&pipeline, &data, DType::Float32);
        assert_ne!(bytes, data);
        let again = decoded(&pipeline, &bytes, DType::Float32, 400);
        assert_eq!(again.as_deref(), Ok(&data[..]), "{spec}");
    }
    let pipeline = Pipeline::parse("adds:7").expect("registered");
    assert_eq!(encoded(&pipeline, &[1, 255], DType::UInt8), [8, 6]);
}

#[test]
fn what_an_own_codec_says_is_the_error() {
    register(Arc::new(Adds("adds-too"))).expect("registered");
    register(Arc::new(Adds("adds-and-fails"))).expect("registered");
    let elements = Elements {
        dtype: DType::UInt8,
    };
    for (spec, expected) in [
        (
            "adds-too:many",
            "codec \"adds-too:many\": \"many\" is no number",
        ),
        (
            "shuffle+adds-and-fails",
            "codec \"shuffle+adds-and-fails\": it had half of it",
        ),
    ] {
        let pipeline = Pipeline::parse(spec).expect("registered");
        let mut out = vec![9];
        let error = pipeline
            .encode(&[1, 2], elements, &mut out)
            .expect_err("refused");
        assert_eq!((error.kind(), &*error.to_string()), ("invalid", expected));
        assert_eq!(out, [9]);
    }
    let pipeline = Pipeline::parse("adds-too").expect("registered");
    let failure = decoded(&pipeline, &[1, 2], DType::UInt8, 3).expect_err("refused");
    let Failure::Defect(defect) = failure else {
        panic!("{failure:?}");
    };
    assert_eq!(defect.to_string(), "codec \"adds-too\": 2 bytes for 3");
}

#[cfg(feature = "zstd")]
#[test]
fn an_own_codec_may_use_others() {
    register(Arc::new(Adds("adds-inside"))).expect("registered");
    let pipeline = Pipeline::parse("shuffle+adds-inside").expect("registered");
    let data = random(2, 4000);
    let bytes = encoded(&pipeline, &data, DType::Int32);
    let again = decoded(&pipeline, &bytes, DType::Int32, data.len());
    assert_eq!(again.as_deref(), Ok(&data[..]));
}

#[test]
fn names_of_own_codecs_are_checked_and_replaced() {
    for bad in [
        "", "Adds", "1adds", "adds it", "a+b", "a:b", "-a", "é", "none", "shuffle", "lz4", "zstd",
        "pco", "snappy", "brotli", LONG,
    ] {
        let error = register(Arc::new(Adds(bad))).expect_err(bad);
        assert_eq!(error.kind(), "invalid");
        assert!(
            error
                .to_string()
                .starts_with(&format!("name of codec {bad:?}: ")),
            "{error}"
        );
    }
    register(Arc::new(Adds(&LONG[1..]))).expect("64 bytes");
    let before = available().len();
    register(Arc::new(Adds(&LONG[1..]))).expect("again");
    assert!(available().len() >= before);
    assert_eq!(available().iter().filter(|it| **it == LONG[1..]).count(), 1);
}

const LONG: &str = "aa234567890123456789012345678901b1234567890123456789012345678901_";

#[test]
fn a_codec_that_nobody_registered_is_unavailable_and_not_a_defect() {
    let pipeline = Pipeline::stored("shuffle+theirs:level=3,x").expect("well-formed");
    let failure = decoded(&pipeline, b"data", DType::UInt8, 4);
    assert_eq!(failure, Err(Failure::Unavailable("theirs".to_owned())));
    let error = pipeline
        .check(DType::UInt8, "temperature")
        .expect_err("not here");
    assert_eq!(error.kind(), "codec-unavailable");
    assert_eq!(
        error.to_string(),
        "array \"temperature\" has codec \"theirs\", which is not here: build arraylog with the \
         cargo feature of this name, or register a codec of this name"
    );
    let mut out = Vec::new();
    let elements = Elements {
        dtype: DType::UInt8,
    };
    let error = pipeline
        .encode(b"data", elements, &mut out)
        .expect_err("not here");
    assert!(matches!(error, Error::CodecUnavailable { codec, .. } if codec == "theirs"));
}
