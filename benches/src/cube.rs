//! A field as models give it: what arrays in chunks are measured with.

use std::f32::consts::TAU;

/// Steps of 1 that values lie on: what is left of them in a file that compresses.
const STEPS: f32 = 64.0;

/// A cube of `side`³ values in C order, smooth along each axis, with a little noise: it
/// compresses, but not to nothing. The same in every process.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "places in a small cube")]
pub fn smooth_cube(side: usize) -> Vec<f32> {
    let axis: Vec<f32> = (0..side)
        .map(|place| place as f32 / side as f32 * TAU)
        .collect();
    let mut random = fastrand::Rng::with_seed(0x5EED);
    let mut cube = Vec::with_capacity(side.saturating_pow(3));
    for x in &axis {
        for y in &axis {
            let (base, slope) = (x.sin(), y.cos());
            for z in &axis {
                let noise = (random.f32() - 0.5) / STEPS;
                cube.push(((base + slope * z + noise) * STEPS).round() / STEPS);
            }
        }
    }
    cube
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cube_is_alike_in_every_process_and_smooth() {
        let cube = smooth_cube(16);
        assert_eq!(cube.len(), 16 * 16 * 16);
        assert_eq!(cube, smooth_cube(16));
        let steps = cube.chunks_exact(16).flat_map(|line| line.windows(2));
        let largest = steps.fold(0.0_f32, |most, pair| match pair {
            [one, next] => most.max((one - next).abs()),
            _ => most,
        });
        assert!(largest > 0.0 && largest < 0.5, "{largest}");
    }
}
