//! What codecs cost; run by hand:
//! `cargo test --release -p arraylog --lib codec::tests::speed -- --ignored --nocapture`

use std::time::Instant;

use super::super::shuffle::{shuffle, unshuffle};
use super::*;

/// Best rates of several rounds in GB/s of decoded bytes. The rounds of one and the other
/// take turns, so that a busy machine slows down both.
fn rates(len: usize, mut one: impl FnMut(), mut other: impl FnMut()) -> [f64; 2] {
    let times = (16 << 20) / len;
    let mut best = [f64::INFINITY; 2];
    for _ in 0..30 {
        let runs: [&mut dyn FnMut(); 2] = [&mut one, &mut other];
        for (run, best) in runs.into_iter().zip(&mut best) {
            let begun = Instant::now();
            (0..times).for_each(|_| run());
            *best = best.min(begun.elapsed().as_secs_f64());
        }
    }
    best.map(|seconds| (times * len) as f64 / seconds / 1e9)
}

#[cfg(all(feature = "lz4", feature = "zstd"))]
/// Floats of 4 bytes that compress as measurements do.
fn floats(len: usize) -> Vec<u8> {
    let noise = random(4, len / 4);
    let numbers = noise.iter().enumerate().map(|(at, noise)| {
        let value = 15.0 + 10.0 * (at as f32 / 200.0).sin();
        (value * 100.0 + f32::from(*noise) / 64.0).round() / 100.0
    });
    numbers.flat_map(f32::to_le_bytes).collect()
}

#[test]
#[ignore = "a measurement"]
fn rates_of_shuffle() {
    for size in [2, 4, 8, 16, 3, 12] {
        for len in [64 << 10, 1 << 20, 16 << 20] {
            let data = random(1, len);
            let (mut out, mut back) = (vec![0; len], vec![0; len]);
            let shuffled = || shuffle(size, &data, &mut out);
            let [shuffled, unshuffled] = rates(len, shuffled, || unshuffle(size, &data, &mut back));
            println!(
                "{size:2} bytes, {:5} KiB: shuffle {shuffled:5.2}, unshuffle {unshuffled:5.2} GB/s",
                len >> 10
            );
        }
    }
}

#[cfg(all(feature = "lz4", feature = "zstd"))]
#[test]
#[ignore = "a measurement"]
fn rates_of_decoding_beside_the_crates() {
    let dtype = DType::Float32;
    for len in [64 << 10, 256 << 10, 1 << 20] {
        let data = floats(len);
        for spec in ["lz4", "zstd:3", "shuffle+lz4", "shuffle+zstd:3"] {
            let pipeline = Pipeline::parse(spec).expect("of this build");
            let bytes = encoded(&pipeline, &data, dtype);
            let (mut ours, mut theirs) = (vec![0; len], vec![0; len]);
            let mut context = zstd_safe::DCtx::create();
            let own = || {
                let done = pipeline.decode(&bytes, Elements { dtype }, &mut ours);
                assert!(done.is_ok());
            };
            // Of shuffled bytes without bringing them back.
            let alone = || {
                if spec.ends_with("lz4") {
                    let done = lz4_flex::block::decompress_into(&bytes, &mut theirs);
                    assert_eq!(done.ok(), Some(len));
                } else {
                    assert_eq!(context.decompress(&mut theirs[..], &bytes), Ok(len));
                }
            };
            let [own, alone] = rates(len, own, alone);
            println!(
                "{:4} KiB {spec:14} ratio {:4.2}, decode {own:5.2}, the crate alone {alone:5.2} \
                 GB/s, {:4.2}",
                len >> 10,
                len as f64 / bytes.len() as f64,
                own / alone
            );
        }
    }
}
