//! IEEE 754 binary16 and decimals.
//!
//! Rounding goes from float64 straight to 16 bits: by way of float32 some
//! values would be rounded twice and end one step off.

/// The nearest float16, ties to even; beyond its range an infinity.
pub(crate) fn from_f64(value: f64) -> u16 {
    let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
    let size = value.abs();
    if value.is_nan() {
        return sign | 0x7e00;
    }
    // Halfway between the largest finite number and the next power of two.
    if size >= 65_520.0 {
        return sign | 0x7c00;
    }
    let exponent = exponent_of(size);
    if exponent < -14 {
        // Steps of 2^-24; 1024 of them are the smallest normal number, in bits too.
        return sign | (size * two_to(24)).round_ties_even() as u16;
    }
    // 1024 to 2048: a carry moves into the exponent as it should.
    let steps = (size * two_to(10 - exponent)).round_ties_even() as u16;
    sign | ((((exponent + 15) as u16) << 10) + (steps - 1024))
}

/// The value of a float16.
pub(crate) fn to_f64(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let size = match (bits >> 10) & 0x1f {
        0 => fraction * two_to(-24),
        31 if bits & 0x3ff == 0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1024.0 + fraction) * two_to(i32::from(exponent) - 25),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

/// The decimal with the fewest digits that is read as this finite float16.
pub(crate) fn shortest(bits: u16) -> f64 {
    let value = to_f64(bits);
    // Five digits tell all float16 apart.
    (0..5)
        .filter_map(|digits| format!("{value:.digits$e}").parse().ok())
        .find(|&decimal: &f64| from_f64(decimal) == bits)
        .unwrap_or(value)
}

fn exponent_of(value: f64) -> i32 {
    ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023
}

/// 2 to the power of `exponent` (-1022 to 1023), exactly.
fn two_to(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float16_comes_back_from_its_value_and_its_shortest_decimal() {
        for bits in 0..=u16::MAX {
            if to_f64(bits).is_nan() {
                assert!(to_f64(from_f64(to_f64(bits))).is_nan());
            } else {
                assert_eq!(from_f64(to_f64(bits)), bits, "{bits:#x}");
            }
            if to_f64(bits).is_finite() {
                assert_eq!(from_f64(shortest(bits)), bits, "{bits:#x}");
            }
        }
    }

    #[test]
    fn known_values_have_their_bits() {
        for (value, bits) in [
            (0.0, 0x0000),
            (-0.0, 0x8000),
            (1.0, 0x3c00),
            (-2.0, 0xc000),
            (65_504.0, 0x7bff),
            (0.000_061_035_156_25, 0x0400),
            (5.960_464_477_539_063e-8, 0x0001),
            (1.0 / 3.0, 0x3555),
            (65_519.999, 0x7bff),
            (65_520.0, 0x7c00),
            (f64::INFINITY, 0x7c00),
        ] {
            assert_eq!(from_f64(value), bits, "{value}");
        }
    }

    #[test]
    fn a_hair_above_halfway_rounds_up() {
        // Halfway between 1 and the next float16; rounded twice it would go down.
        let halfway = 1.0 + 2f64.powi(-11);
        assert_eq!(from_f64(halfway), 0x3c00);
        assert_eq!(from_f64(halfway + 2f64.powi(-40)), 0x3c01);
    }

    #[test]
    fn the_shortest_decimal_is_short() {
        assert_eq!(shortest(from_f64(0.1)).to_string(), "0.1");
        assert_eq!(shortest(from_f64(65_504.0)).to_string(), "65500");
    }
}
