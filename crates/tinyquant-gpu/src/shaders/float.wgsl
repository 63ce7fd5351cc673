// Floating point by whole numbers: the same bits on every device, whatever it does with roundings and subnormals.

/// The whole numbers that are in the order of the values: -0 lies one below +0.
fn ordered(bits: u32) -> i32 {
    let magnitude = i32(bits & 0x7fffffffu);
    return select(magnitude, -1 - magnitude, (bits >> 31u) == 1u);
}

/// The bits of the f32 nearest to `whole * 2^exponent`, ties to even; `whole` is a 64-bit number, low word first.
/// The value must be 0 or lie in the normal range.
fn nearest_f32(whole: vec2<u32>, exponent: i32) -> u32 {
    var low = whole.x;
    var high = whole.y;
    let sign = high & 0x80000000u;
    if sign != 0u {
        low = ~low + 1u;
        high = ~high + select(0u, 1u, low == 0u);
    }
    if (low | high) == 0u {
        return 0u;
    }
    var zeros = countLeadingZeros(high);
    if zeros == 32u {
        high = low;
        low = 0u;
        zeros = 32u + countLeadingZeros(high);
    }
    let shift = zeros & 31u;
    if shift > 0u {
        high = (high << shift) | (low >> (32u - shift));
        low = low << shift;
    }
    let mantissa = high >> 8u;
    let rest = high & 0xffu;
    let up = rest > 0x80u || (rest == 0x80u && (low != 0u || (mantissa & 1u) == 1u));
    let biased = u32(63 - i32(zeros) + exponent + 127);
    return sign | (((biased - 1u) << 23u) + mantissa + select(0u, 1u, up));
}

/// The sum of two finite f32, nearest with ties to even, all of them as bits. A NaN where one is not finite.
fn sum_f32(left: u32, right: u32) -> u32 {
    var a = left;
    var b = right;
    if (b & 0x7fffffffu) > (a & 0x7fffffffu) {
        a = right;
        b = left;
    }
    let field_a = (a >> 23u) & 0xffu;
    let field_b = (b >> 23u) & 0xffu;
    if field_a == 255u {
        return 0x7fc00000u;
    }
    // Three more bits: two of what is shifted out, and whether there was anything after them.
    let one_a = select(0u, 0x800000u, field_a > 0u);
    let one_b = select(0u, 0x800000u, field_b > 0u);
    let wide_a = ((a & 0x7fffffu) | one_a) << 3u;
    let wide_b = ((b & 0x7fffffu) | one_b) << 3u;
    var exponent = max(field_a, 1u);
    let apart = exponent - max(field_b, 1u);
    var aligned = select(0u, 1u, wide_b != 0u);
    if apart < 27u {
        let lost = wide_b & ((1u << apart) - 1u);
        aligned = (wide_b >> apart) | select(0u, 1u, lost != 0u);
    }
    var total = wide_a + aligned;
    if ((a ^ b) >> 31u) == 1u {
        total = wide_a - aligned;
    }
    if total == 0u {
        // Two negative zeros are the only sum that is one.
        return a & b & 0x80000000u;
    }
    let top = 31u - countLeadingZeros(total);
    if top == 27u {
        total = (total >> 1u) | (total & 1u);
        exponent += 1u;
    } else {
        let shift = min(26u - top, exponent - 1u);
        total = total << shift;
        exponent -= shift;
    }
    let rest = total & 7u;
    var mantissa = total >> 3u;
    if rest > 4u || (rest == 4u && (mantissa & 1u) == 1u) {
        mantissa += 1u;
    }
    return (a & 0x80000000u) | (((exponent - 1u) << 23u) + mantissa);
}

/// The f16 nearest to an f32, ties to even; subnormals are kept, what is too large is an infinity.
fn narrow_f16(bits: u32) -> u32 {
    let sign = (bits >> 16u) & 0x8000u;
    let magnitude = bits & 0x7fffffffu;
    if magnitude >= 0x477ff000u {
        return sign | select(0x7c00u, 0x7e00u, magnitude > 0x7f800000u);
    }
    if magnitude >= 0x38800000u {
        let odd = (magnitude >> 13u) & 1u;
        return sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13u);
    }
    let field = magnitude >> 23u;
    if field < 102u {
        return sign;
    }
    let mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    let shift = 126u - field;
    let rest = mantissa & ((1u << shift) - 1u);
    let half = 1u << (shift - 1u);
    var narrow = mantissa >> shift;
    if rest > half || (rest == half && (narrow & 1u) == 1u) {
        narrow += 1u;
    }
    return sign | narrow;
}

/// An f16 as f32, exactly.
fn widen_f16(half: u32) -> u32 {
    let sign = (half & 0x8000u) << 16u;
    let field = (half >> 10u) & 31u;
    let mantissa = half & 0x3ffu;
    if field == 31u {
        return sign | 0x7f800000u | (mantissa << 13u);
    }
    if field > 0u {
        return sign | ((field + 112u) << 23u) | (mantissa << 13u);
    }
    if mantissa == 0u {
        return sign;
    }
    let top = 31u - countLeadingZeros(mantissa);
    return sign | ((top + 103u) << 23u) | ((mantissa << (23u - top)) & 0x7fffffu);
}
