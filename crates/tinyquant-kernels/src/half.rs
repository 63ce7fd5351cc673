//! IEEE binary16 by integer arithmetic: the same bits on every CPU, and simple enough to vectorise.

/// Rounds to the nearest f16, ties to even; subnormals are kept, overflow gives infinity, NaN stays NaN.
#[inline(always)]
pub fn f32_to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    // Adding 0.5 aligns a subnormal result's last bit with the last bit of the f32 sum, which then rounds.
    let subnormal = (f32::from_bits(magnitude) + 0.5)
        .to_bits()
        .wrapping_sub(0x3f00_0000);
    let odd = (magnitude >> 13) & 1;
    let normal = magnitude.wrapping_add(0xc800_0fff).wrapping_add(odd) >> 13;
    let finite = if magnitude < 0x3880_0000 {
        subnormal
    } else {
        normal
    };
    let special = if magnitude > 0x7f80_0000 {
        0x7e00
    } else {
        0x7c00
    };
    sign | if magnitude >= 0x477f_f000 {
        special
    } else {
        finite as u16
    }
}

/// Widens an f16 exactly.
#[inline(always)]
pub fn f16_to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let magnitude = u32::from(half & 0x7fff);
    // Shifting the exponent by multiplication also normalises subnormals.
    let finite = f32::from_bits(magnitude << 13) * f32::from_bits(0x7780_0000);
    let bits = if magnitude >= 0x7c00 {
        0x7f80_0000 | (magnitude << 13)
    } else {
        finite.to_bits()
    };
    f32::from_bits(sign | bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::half::f16;

    #[test]
    fn every_f16_widens_and_narrows_back() {
        for bits in 0..=u16::MAX {
            let reference = f16::from_bits(bits);
            let wide = f16_to_f32(bits);
            if reference.is_nan() {
                assert!(wide.is_nan() && f32_to_f16(wide) & 0x7fff > 0x7c00);
            } else {
                assert_eq!(wide.to_bits(), reference.to_f32().to_bits(), "{bits:#06x}");
                assert_eq!(f32_to_f16(wide), bits, "{bits:#06x}");
            }
        }
    }

    #[test]
    fn rounding_equals_the_half_crate_around_every_f16() {
        for bits in 0..0x7c00_u16 {
            let (low, high) = (f16_to_f32(bits), f16_to_f32(bits + 1).min(131_008.0));
            let middle = f32::midpoint(low, high);
            for value in [
                low.next_up(),
                middle.next_down(),
                middle,
                middle.next_up(),
                high.next_down(),
            ] {
                for value in [value, -value] {
                    assert_eq!(
                        f32_to_f16(value),
                        f16::from_f32(value).to_bits(),
                        "{value:e}"
                    );
                }
            }
        }
        for value in [
            65519.996,
            65520.0,
            f32::MAX,
            f32::INFINITY,
            f32::MIN_POSITIVE,
            1e-45,
            0.0,
            -0.0,
        ] {
            assert_eq!(
                f32_to_f16(value),
                f16::from_f32(value).to_bits(),
                "{value:e}"
            );
        }
    }
}
