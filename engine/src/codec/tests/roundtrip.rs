//! What is decoded is what was encoded.

use proptest::prelude::*;

use super::*;

fn holds(pipeline: &Pipeline, data: &[u8], dtype: DType) {
    let bytes = encoded(pipeline, data, dtype);
    let again = decoded(pipeline, &bytes, dtype, data.len());
    assert!(
        again.as_deref() == Ok(data),
        "{pipeline} of {} bytes of {dtype}: {:?}",
        data.len(),
        again.err()
    );
    let most = pipeline.most_decoded(bytes.len() as u64);
    assert!(most >= data.len() as u64, "{pipeline} of {dtype}: {most}");
}

#[test]
fn every_pipeline_gives_back_every_dtype() {
    for pipeline in pipelines() {
        for dtype in DTYPES.into_iter().filter(|it| takes(&pipeline, *it)) {
            let size = Elements { dtype }.item_size();
            for elements in [0, 1, 15, 16, 17, 31, 33, 257] {
                let len = elements * size;
                holds(&pipeline, &random(len as u64, len), dtype);
                holds(&pipeline, &vec![0; len], dtype);
                holds(&pipeline, &vec![0xFF; len], dtype);
            }
        }
    }
}

#[test]
fn every_pipeline_gives_back_chunks_of_64_kib_and_of_1_mib() {
    for pipeline in pipelines() {
        for dtype in [DType::Float32, DType::Int64, DType::UInt8, DType::Float16] {
            for len in [64 << 10, 1 << 20] {
                // The slowest levels take seconds for more.
                if len > 64 << 10
                    && [":22", ":11", ":12"]
                        .iter()
                        .any(|it| pipeline.to_string().ends_with(it))
                {
                    continue;
                }
                holds(&pipeline, &random(7, len), dtype);
                holds(&pipeline, &vec![0; len], dtype);
                let ramp: Vec<u8> = (0..len as u32 / 4).flat_map(u32::to_le_bytes).collect();
                holds(&pipeline, &ramp, dtype);
            }
        }
    }
}

#[test]
fn what_constant_arrays_decode_to_is_never_more_than_is_allowed() {
    // Beyond what is always allowed, so that the ratio of the codec decides.
    let data = vec![0; 160 << 20];
    for codec in ALL.iter().filter(|codec| codec.is_here()) {
        let pipeline = Pipeline::parse(codec.name).expect("of this build");
        holds(&pipeline, &data, DType::Int64);
    }
}

#[test]
fn an_encoding_is_appended_and_a_refused_one_leaves_nothing() {
    let dtype = DType::Int32;
    for pipeline in pipelines() {
        let data = random(3, 400);
        let mut out = b"before".to_vec();
        pipeline
            .encode(&data, Elements { dtype }, &mut out)
            .expect("encoded");
        let (before, bytes) = out.split_at(6);
        assert_eq!(before, b"before", "{pipeline}");
        assert_eq!(bytes, encoded(&pipeline, &data, dtype), "{pipeline}");
        let other = Elements {
            dtype: DType::String,
        };
        if !takes(&pipeline, other.dtype) {
            pipeline
                .encode(&data, other, &mut out)
                .expect_err("refused");
            assert_eq!(out.len(), 6 + bytes_len(&pipeline, &data, dtype));
        }
    }
}

fn bytes_len(pipeline: &Pipeline, data: &[u8], dtype: DType) -> usize {
    encoded(pipeline, data, dtype).len()
}

#[test]
fn bytes_that_lie_anywhere_are_encoded_and_decoded() {
    let bytes = random(5, 8 * 300 + 8);
    for pipeline in pipelines() {
        for dtype in [DType::Float64, DType::UInt16, DType::Float16] {
            for from in 0..8 {
                let data = &bytes[from..from + 8 * 300];
                let mut out = vec![0; 8 * 300 + 8];
                let stored = encoded(&pipeline, data, dtype);
                let place = &mut out[8 - from..][..8 * 300];
                pipeline
                    .decode(&stored, Elements { dtype }, place)
                    .expect("decoded");
                assert_eq!(place, data, "{pipeline} of {dtype} from {from}");
            }
        }
    }
}

#[test]
fn half_an_element_is_kept_by_bytes_and_refused_by_numbers() {
    let data = random(9, 4 * 100 + 3);
    for pipeline in pipelines() {
        let mut out = Vec::new();
        let elements = Elements {
            dtype: DType::Float32,
        };
        let done = pipeline.encode(&data, elements, &mut out);
        if pipeline.to_string().starts_with("pco") {
            let error = done.expect_err("refused").to_string();
            assert!(
                error.contains("403 bytes are not whole numbers of 4"),
                "{error}"
            );
        } else {
            done.expect("encoded");
            assert_eq!(
                decoded(&pipeline, &out, elements.dtype, 403).as_deref(),
                Ok(&data[..])
            );
        }
    }
}

#[test]
fn pipelines_that_compress_make_less_of_what_repeats() {
    let ramp: Vec<u8> = (0..16_384u32).flat_map(u32::to_le_bytes).collect();
    for pipeline in pipelines().iter().skip(2) {
        let bytes = encoded(pipeline, &ramp, DType::UInt32).len();
        // LZ4 and Snappy find little in a ramp that was not shuffled.
        let most = match pipeline.to_string().as_str() {
            "lz4" | "snappy" => ramp.len() + ramp.len() / 8,
            _ => ramp.len() * 3 / 4,
        };
        assert!(bytes <= most, "{pipeline}: {bytes} of {}", ramp.len());
    }
    let plain = encoded(
        &Pipeline::parse("none").expect("none"),
        &ramp,
        DType::UInt32,
    );
    assert_eq!(plain, ramp);
}

proptest! {
    #[test]
    fn any_bytes_of_any_dtype_come_back(
        data in proptest::collection::vec(any::<u8>(), 0..2000),
        dtype in 0..DTYPES.len(),
        pipeline in any::<prop::sample::Index>(),
    ) {
        let all = pipelines();
        let (pipeline, dtype) = (pipeline.get(&all), DTYPES[dtype]);
        if takes(pipeline, dtype) {
            let size = Elements { dtype }.item_size().max(1);
            holds(pipeline, &data[..data.len() / size * size], dtype);
        }
    }
}
