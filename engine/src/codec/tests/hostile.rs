//! Stored bytes that were changed, cut or made up: they fill what they are to fill or are
//! refused. What changed bytes decode to may differ from what was stored: checksums tell.

use proptest::prelude::*;

use super::*;

/// Some elements that compress, and some that do not.
fn samples() -> [Vec<u8>; 3] {
    let ramp = (0..500u32).flat_map(|it| (it / 3).to_le_bytes()).collect();
    [ramp, random(11, 1600), vec![7; 2048]]
}

const TRIED: [DType; 4] = [DType::Float32, DType::Int64, DType::Float16, DType::UInt8];

/// Every pipeline of this build with a sample that it encoded.
fn each(mut run: impl FnMut(&Pipeline, &[u8], DType, &[u8])) {
    for pipeline in pipelines() {
        for dtype in TRIED {
            for data in samples() {
                run(&pipeline, &encoded(&pipeline, &data, dtype), dtype, &data);
            }
        }
    }
}

fn defect(pipeline: &Pipeline, outcome: Result<Vec<u8>, Failure>) -> String {
    match outcome {
        Err(Failure::Defect(defect)) => {
            let text = defect.to_string();
            assert!(
                text.starts_with(&format!("codec \"{pipeline}\": ")),
                "{text}"
            );
            text
        }
        other => panic!("{pipeline}: {other:?}"),
    }
}

#[test]
fn another_length_than_the_one_of_the_elements_is_refused() {
    each(|pipeline, bytes, dtype, data| {
        let size = Elements { dtype }.item_size();
        for len in [
            0,
            size,
            data.len() - size,
            data.len() + size,
            data.len() * 2,
        ] {
            defect(pipeline, decoded(pipeline, bytes, dtype, len));
        }
        assert!(decoded(pipeline, bytes, dtype, data.len()).is_ok());
    });
}

#[test]
fn bytes_that_were_cut_or_followed_by_others_are_refused() {
    each(|pipeline, bytes, dtype, data| {
        for len in (0..bytes.len()).step_by(bytes.len() / 50 + 1) {
            defect(
                pipeline,
                decoded(pipeline, &bytes[..len], dtype, data.len()),
            );
        }
        for more in [&b"\0"[..], b"more", &[0xFF; 16]] {
            let longer = [bytes, more].concat();
            defect(pipeline, decoded(pipeline, &longer, dtype, data.len()));
        }
    });
}

#[test]
fn changed_bits_are_refused_or_give_as_many_bytes() {
    let mut refused = 0;
    each(|pipeline, bytes, dtype, data| {
        let mut bytes = bytes.to_vec();
        let step = bytes.len() * 8 / 300 + 1;
        // The structure is in front, where every bit is tried.
        let bits = (0..(bytes.len() * 8).min(160)).chain((0..bytes.len() * 8).step_by(step));
        for bit in bits {
            bytes[bit / 8] ^= 1 << (bit % 8);
            refused += usize::from(decoded(pipeline, &bytes, dtype, data.len()).is_err());
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    });
    assert!(refused > 1000, "{refused}");
}

#[test]
fn dtypes_that_no_number_has_do_not_decode_as_pco() {
    let Ok(pipeline) = Pipeline::parse("pco") else {
        return; // not in this build
    };
    let bytes = encoded(&pipeline, &[1; 64], DType::Float32);
    for dtype in DTYPES.into_iter().filter(|it| !is_number(*it)) {
        let text = defect(&pipeline, decoded(&pipeline, &bytes, dtype, 64));
        assert!(text.contains("takes integers, floats"), "{text}");
    }
    let text = defect(&pipeline, decoded(&pipeline, &bytes, DType::Int32, 64));
    assert!(text.contains("does not match"), "{text}");
}

#[cfg(feature = "zstd")]
#[test]
fn a_small_frame_of_zstd_that_expands_further_than_its_room_stops() {
    let pipeline = Pipeline::parse("zstd:19").expect("of this build");
    let bomb = encoded(&pipeline, &vec![0; 64 << 20], DType::UInt8);
    assert!(bomb.len() < 16 << 10, "{}", bomb.len());
    for room in [0, 1, 4096, (64 << 20) - 1] {
        defect(&pipeline, decoded(&pipeline, &bomb, DType::UInt8, room));
    }
    // A frame that says that it is short and goes on.
    let mut lying = encoded(&pipeline, &vec![0; 64 << 20], DType::UInt8);
    lying[5] = 1;
    defect(&pipeline, decoded(&pipeline, &lying, DType::UInt8, 4096));
}

#[cfg(feature = "brotli")]
#[test]
fn a_small_stream_of_brotli_that_expands_further_than_its_room_stops() {
    let pipeline = Pipeline::parse("brotli").expect("of this build");
    let bomb = encoded(&pipeline, &vec![0; 64 << 20], DType::UInt8);
    assert!(bomb.len() < 4096, "{}", bomb.len());
    for room in [0, 1, 4096, (64 << 20) - 1] {
        let text = defect(&pipeline, decoded(&pipeline, &bomb, DType::UInt8, room));
        assert!(text.contains("more than"), "{text}");
    }
}

#[cfg(feature = "pco")]
#[test]
fn a_small_file_of_pco_that_expands_further_than_its_room_stops() {
    let pipeline = Pipeline::parse("pco").expect("of this build");
    let bomb = encoded(&pipeline, &vec![0; 64 << 20], DType::Float32);
    assert!(bomb.len() < 16 << 10, "{}", bomb.len());
    for room in [0, 4, 4096, (64 << 20) - 4] {
        let text = defect(&pipeline, decoded(&pipeline, &bomb, DType::Float32, room));
        assert!(text.contains("they give more than"), "{text}");
    }
}

#[test]
fn claims_beyond_what_a_codec_can_expand_are_known() {
    let most = |spec: &str, encoded| Pipeline::stored(spec).expect(spec).most_decoded(encoded);
    assert_eq!(most("none", 10), 10);
    assert_eq!(most("shuffle", 10), 10);
    for spec in [
        "lz4",
        "zstd:3",
        "shuffle+zstd:3",
        "pco:8",
        "snappy",
        "brotli:5",
        "mine",
    ] {
        assert_eq!(most(spec, 1), 64 << 20, "{spec}");
        assert_eq!(most(spec, u64::MAX), u64::MAX, "{spec}");
    }
    assert_eq!(most("lz4", 1 << 30), 256 << 30);
    assert_eq!(most("zstd:3", 1 << 30), 32_768 << 30);
    assert_eq!(most("mine:1", 1 << 30), 65_536 << 30);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn made_up_bytes_never_panic(
        data in proptest::collection::vec(any::<u8>(), 0..600),
        head in 0usize..12,
        dtype in 0..DTYPES.len(),
        pipeline in any::<prop::sample::Index>(),
        len in 0usize..5000,
    ) {
        let all = pipelines();
        let (pipeline, dtype) = (pipeline.get(&all), DTYPES[dtype]);
        // Behind the first bytes of something real more of the code is reached.
        let real = if takes(pipeline, dtype) {
            let size = Elements { dtype }.item_size().max(1);
            encoded(pipeline, &vec![3; size * 40], dtype)
        } else {
            Vec::new()
        };
        let bytes = [&real[..head.min(real.len())], &data].concat();
        let _ = decoded(pipeline, &bytes, dtype, len);
    }
}
