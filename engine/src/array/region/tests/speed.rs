//! What copies cost, against loops that know what they copy.
use std::hint::black_box;
use std::time::{Duration, Instant};

use super::*;

const ARRAY: [u64; 3] = [256; 3];
const CHUNK: [u64; 3] = [64; 3];

/// The best of some runs.
fn best(mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..60).map(time).min().expect("some")
}

fn say(what: &str, bytes: usize, ours: Duration, plain: Duration) {
    let rate = |time: Duration| bytes as f64 / time.as_secs_f64() / 1e9;
    println!(
        "{what:<32} {:6.2} GB/s, a plain loop {:6.2} GB/s",
        rate(ours),
        rate(plain)
    );
    assert!(ours < plain * 2, "{what}: {ours:?} against {plain:?}");
}

#[test]
#[ignore = "a measurement; cargo test --release -p arraylog --lib -- --ignored --nocapture region::tests::speed"]
fn a_copy_costs_what_a_plain_loop_costs() {
    let chunk = noise(64 * 64 * 64 * 4, 1);
    let mut array = vec![0; 256 * 256 * 256 * 4];
    let all = Selection::all(&CHUNK);
    let at = [64, 128, 64];
    let ours = best(|| {
        assert!(gather(
            4,
            black_box(&chunk),
            &CHUNK,
            &all,
            &mut array,
            &ARRAY,
            &at
        ));
    });
    let plain = best(|| {
        let chunk = black_box(&chunk);
        for z in 0..64 {
            for y in 0..64 {
                let to = ((z + 64) * 256 + y + 128) * 256 + 64;
                array[to * 4..][..256].copy_from_slice(&chunk[(z * 64 + y) * 256..][..256]);
            }
        }
    });
    say("64^3 f32 into 256^3", chunk.len(), ours, plain);

    let place = boxed(&at, &CHUNK);
    let mut back = vec![0; chunk.len()];
    let ours = best(|| {
        assert!(scatter(
            4,
            black_box(&array),
            &ARRAY,
            &at,
            &mut back,
            &CHUNK,
            &all
        ));
        assert!(gather(
            4,
            black_box(&array),
            &ARRAY,
            &place,
            &mut back,
            &CHUNK,
            &[0; 3]
        ));
    });
    say("twice back", 2 * chunk.len(), ours, plain * 2);

    strided::<4>("every second f32 of 64^3", &chunk, 2);
    strided::<4>("every seventh f32", &chunk, 7);
    strided::<1>("every third u8", &chunk, 3);
    strided::<8>("every second f64", &chunk, 2);
    strided::<16>("every second complex128", &chunk, 2);
}

/// Every `step`th of the elements of a long row, and back.
fn strided<const N: usize>(what: &str, from: &[u8], step: usize) {
    // Else the plain loop is one for this very step.
    let step = black_box(step);
    let length = from.len() / N;
    let count = length.div_ceil(step);
    let (shape, counts) = ([length as u64], [count as u64]);
    let span = Span {
        start: 0,
        step: step as u64,
        count: count as u64,
    };
    let inside = Selection::new([span]);
    let mut to = vec![0; count * N];
    let ours = best(|| {
        assert!(gather(
            N,
            black_box(from),
            &shape,
            &inside,
            &mut to,
            &counts,
            &[0]
        ));
    });
    let expected = to.clone();
    let plain = best(|| {
        let from = black_box(from).as_chunks::<N>().0;
        let to = to.as_chunks_mut::<N>().0;
        for (to, i) in to.iter_mut().zip((0..).step_by(step)) {
            *to = from[i];
        }
    });
    assert_eq!(to, expected);
    say(what, to.len(), ours, plain);

    let mut back = from.to_vec();
    let ours = best(|| {
        assert!(scatter(
            N,
            black_box(&to),
            &counts,
            &[0],
            &mut back,
            &shape,
            &inside
        ));
    });
    let plain = best(|| {
        let to = black_box(&to).as_chunks::<N>().0;
        let back = back.as_chunks_mut::<N>().0;
        for (to, i) in to.iter().zip((0..).step_by(step)) {
            back[i] = *to;
        }
    });
    assert_eq!(back, from);
    say("  back", to.len(), ours, plain);
}
