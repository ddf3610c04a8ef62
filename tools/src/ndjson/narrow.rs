//! Floats of 8 and 16 bits, and decimals.
//!
//! Rounding goes from float64 straight to the narrow float: by way of float32 some
//! values would be rounded twice and end one step off.

use arraylog::DType;

/// A kind of narrow float: a sign, bits of exponent, bits of fraction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Narrow {
    exponent: u32,
    fraction: u32,
    /// As IEEE 754 has it, the highest exponent is infinity and NaN; else all bits set
    /// are NaN, and there is no infinity.
    ieee: bool,
}

const FLOAT16: Narrow = Narrow {
    exponent: 5,
    fraction: 10,
    ieee: true,
};
const BFLOAT16: Narrow = Narrow {
    exponent: 8,
    fraction: 7,
    ieee: true,
};
const FLOAT8_E4M3FN: Narrow = Narrow {
    exponent: 4,
    fraction: 3,
    ieee: false,
};
const FLOAT8_E5M2: Narrow = Narrow {
    exponent: 5,
    fraction: 2,
    ieee: true,
};

impl Narrow {
    /// The narrow float that `dtype` is.
    pub(crate) fn of(dtype: DType) -> Option<Self> {
        Some(match dtype {
            DType::Float16 => FLOAT16,
            DType::BFloat16 => BFLOAT16,
            DType::Float8E4M3 => FLOAT8_E4M3FN,
            DType::Float8E5M2 => FLOAT8_E5M2,
            _ => return None,
        })
    }

    /// The nearest one, ties to even. Beyond the range an infinity, or NaN where there
    /// is none.
    pub(crate) fn nearest(self, value: f64) -> u16 {
        let sign = u16::from(value.is_sign_negative()) << (self.exponent + self.fraction);
        if value.is_nan() {
            return sign | self.nan();
        }
        sign | self.size(value.abs()).min(self.beyond())
    }

    fn size(self, size: f64) -> u16 {
        let exponent = exponent_of(size);
        if exponent > self.bias() + 1 {
            return u16::MAX;
        }
        let lowest = 1 - self.bias();
        let steps_of_one = self.fraction as i32;
        if exponent < lowest {
            // As many steps as make the smallest normal number are its bits too.
            return (size * two_to(steps_of_one - lowest)).round_ties_even() as u16;
        }
        let one = 1_u16 << self.fraction;
        // One to two times `one`: a carry moves into the exponent as it should.
        let steps = (size * two_to(steps_of_one - exponent)).round_ties_even() as u16;
        (((exponent + self.bias()) as u16) << self.fraction) + (steps - one)
    }

    /// The value of these bits.
    pub(crate) fn value(self, bits: u16) -> f64 {
        let one = 1_u16 << self.fraction;
        let sign = 1_u16 << (self.exponent + self.fraction);
        let size = bits & (sign - 1);
        let fraction = f64::from(size & (one - 1));
        let value = match size >> self.fraction {
            _ if size == self.beyond() && self.ieee => f64::INFINITY,
            _ if size >= self.beyond() => f64::NAN,
            0 => fraction * two_to(1 - self.bias() - self.fraction as i32),
            exponent => {
                let steps = f64::from(one) + fraction;
                steps * two_to(i32::from(exponent) - self.bias() - self.fraction as i32)
            }
        };
        if bits & sign == 0 { value } else { -value }
    }

    /// The decimal with the fewest digits that is read as these bits, which are finite.
    pub(crate) fn shortest(self, bits: u16) -> f64 {
        let value = self.value(bits);
        // Five digits tell all of 16 bits apart.
        (0..5)
            .filter_map(|digits| format!("{value:.digits$e}").parse().ok())
            .find(|&decimal: &f64| self.nearest(decimal) == bits)
            .unwrap_or(value)
    }

    fn bias(self) -> i32 {
        (1 << (self.exponent - 1)) - 1
    }

    /// The first bits that are no finite number.
    fn beyond(self) -> u16 {
        let all = (1_u16 << (self.exponent + self.fraction)) - 1;
        if self.ieee {
            all & !((1 << self.fraction) - 1)
        } else {
            all
        }
    }

    fn nan(self) -> u16 {
        self.beyond() | (1 << (self.fraction - 1))
    }
}

/// The exponent of a float64 that is not NaN; beyond all of the narrow ones if it is infinite.
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

    const ALL: [Narrow; 4] = [FLOAT16, BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2];

    fn bits_of(narrow: Narrow) -> std::ops::RangeInclusive<u16> {
        0..=u16::MAX >> (15 - narrow.exponent - narrow.fraction)
    }

    #[test]
    fn every_one_comes_back_from_its_value_and_its_shortest_decimal() {
        for narrow in ALL {
            for bits in bits_of(narrow) {
                let value = narrow.value(bits);
                if value.is_nan() {
                    assert!(narrow.value(narrow.nearest(value)).is_nan());
                } else {
                    assert_eq!(narrow.nearest(value), bits, "{narrow:?} {bits:#x}");
                }
                if value.is_finite() {
                    let shortest = narrow.shortest(bits);
                    assert_eq!(narrow.nearest(shortest), bits, "{narrow:?} {bits:#x}");
                }
            }
        }
    }

    #[test]
    fn halfway_between_two_goes_to_the_even_one_and_a_hair_beyond_goes_on() {
        for narrow in ALL {
            for bits in bits_of(narrow) {
                let (low, high) = (narrow.value(bits), narrow.value(bits.wrapping_add(1)));
                if !(low.is_finite() && high.is_finite() && low.abs() < high.abs()) {
                    continue;
                }
                // Exact: a float64 has bits enough.
                let half = low + (high - low) / 2.0;
                let even = bits + (bits & 1);
                assert_eq!(narrow.nearest(half), even, "{narrow:?} {bits:#x}");
                let hair = (high - low) * 2f64.powi(-30);
                assert_eq!(narrow.nearest(half - hair), bits, "{narrow:?} {bits:#x}");
                assert_eq!(
                    narrow.nearest(half + hair),
                    bits + 1,
                    "{narrow:?} {bits:#x}"
                );
            }
        }
    }

    #[test]
    fn known_values_have_their_bits() {
        let cases = [
            (FLOAT16, 0.0, 0x0000),
            (FLOAT16, -0.0, 0x8000),
            (FLOAT16, 1.0, 0x3c00),
            (FLOAT16, -2.0, 0xc000),
            (FLOAT16, 65_504.0, 0x7bff),
            (FLOAT16, 0.000_061_035_156_25, 0x0400),
            (FLOAT16, 5.960_464_477_539_063e-8, 0x0001),
            (FLOAT16, 1.0 / 3.0, 0x3555),
            (FLOAT16, 65_519.999, 0x7bff),
            (FLOAT16, 65_520.0, 0x7c00),
            (FLOAT16, f64::INFINITY, 0x7c00),
            (BFLOAT16, 1.0, 0x3f80),
            (BFLOAT16, -1.5, 0xbfc0),
            (BFLOAT16, 3.389_531_389_251_535_5e38, 0x7f7f),
            (BFLOAT16, 3.4e38, 0x7f80),
            (BFLOAT16, 1e300, 0x7f80),
            (BFLOAT16, 9.183_549_615_799_121e-41, 0x0001),
            (FLOAT8_E4M3FN, 1.0, 0x38),
            (FLOAT8_E4M3FN, -448.0, 0xfe),
            (FLOAT8_E4M3FN, 463.9, 0x7e),
            (FLOAT8_E4M3FN, 464.0, 0x7e),
            (FLOAT8_E4M3FN, 464.1, 0x7f),
            (FLOAT8_E4M3FN, f64::INFINITY, 0x7f),
            (FLOAT8_E4M3FN, 0.001_953_125, 0x01),
            (FLOAT8_E5M2, 1.0, 0x3c),
            (FLOAT8_E5M2, 57_344.0, 0x7b),
            (FLOAT8_E5M2, 61_440.0, 0x7c),
            (FLOAT8_E5M2, f64::NEG_INFINITY, 0xfc),
        ];
        for (narrow, value, bits) in cases {
            assert_eq!(narrow.nearest(value), bits, "{narrow:?} {value}");
        }
    }

    #[test]
    fn the_shortest_decimal_is_short() {
        let shortest = |narrow: Narrow, value| narrow.shortest(narrow.nearest(value)).to_string();
        assert_eq!(shortest(FLOAT16, 0.1), "0.1");
        assert_eq!(shortest(FLOAT16, 65_504.0), "65500");
        assert_eq!(shortest(BFLOAT16, 0.1), "0.1");
        assert_eq!(shortest(FLOAT8_E4M3FN, 0.1), "0.1");
    }
}
