//! Bodies of the scalar embedding schemes: plain loops that a level's features let the compiler vectorise.
//!
//! Sums run in [`WIDE`] lanes that are then added pairwise, whatever the level, so that every level gives the same bits.

use crate::half::f32_to_f16;
use crate::simd::Simd;

/// Lanes of a sum and of a minimum.
const WIDE: usize = 32;
/// Values that are coded at a time.
const BLOCK: usize = 64;
/// Products of two bytes that fit a sum of u32.
const EXACT: usize = 1 << 15;

/// What a look at all values of a vector gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// The least value; a NaN counts for nothing. Of two zeros either may be kept.
    pub min: f32,
    /// The greatest value, as `min`.
    pub max: f32,
    /// Bits of the greatest magnitude: at least those of an infinity if a value is not finite, and more if one is a NaN.
    pub peak: u32,
}

/// Sums over two rows of codes `a` and `b`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CodeSums {
    /// Sum of `a * b`.
    pub ab: u64,
    /// Sum of `a`.
    pub a: u64,
    /// Sum of `b`.
    pub b: u64,
    /// Sum of `a * a`.
    pub aa: u64,
    /// Sum of `b * b`.
    pub bb: u64,
}

/// Sums in f64 over two rows of floats `a` and `b`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FloatSums {
    /// Sum of `a * b`.
    pub ab: f64,
    /// Sum of `a * a`.
    pub aa: f64,
    /// Sum of `b * b`.
    pub bb: f64,
    /// Sum of the squares of `a - b`.
    pub apart: f64,
}

#[inline(always)]
pub(crate) fn span(values: &[f32]) -> Span {
    let mut min = [f32::INFINITY; WIDE];
    let mut max = [f32::NEG_INFINITY; WIDE];
    let mut peak = [0_i32; WIDE];
    let mut look = |values: &[f32]| {
        let lanes = min.iter_mut().zip(&mut max).zip(&mut peak);
        for (((min, max), peak), value) in lanes.zip(values) {
            *min = if *value < *min { *value } else { *min };
            *max = if *value > *max { *value } else { *max };
            *peak = (*peak).max((value.to_bits() & 0x7fff_ffff) as i32);
        }
    };
    let (blocks, rest) = values.as_chunks::<WIDE>();
    for block in blocks {
        look(block);
    }
    look(rest);
    Span {
        min: halve(min, |a, b| if b < a { b } else { a }),
        max: halve(max, |a, b| if b > a { b } else { a }),
        peak: halve(peak, Ord::max) as u32,
    }
}

/// Joins lanes pairwise: the halves, then the quarters, and so on.
#[inline(always)]
fn halve<T: Copy>(mut lanes: [T; WIDE], join: impl Fn(T, T) -> T) -> T {
    for half in [WIDE / 2, WIDE / 4, WIDE / 8, WIDE / 16, WIDE / 32] {
        let (low, high) = lanes.split_at_mut(half);
        for (low, high) in low.iter_mut().zip(high) {
            *low = join(*low, *high);
        }
    }
    lanes[0]
}

/// The f32 before one half: added to a number from 0 to 2^22 and rounded, it takes halves and what is above them, but nothing
/// below them, to the next whole number.
const BELOW_HALF: f32 = f32::from_bits(0x3eff_ffff);

/// The step that `n` falls into: below `n`, or the nearest with halves up. From 0 to `top`; 0 for a NaN.
#[inline(always)]
fn step<const ROUND: bool>(n: f32, top: f32) -> i32 {
    let n = if n > 0.0 { n } else { 0.0 };
    let n = if n < top { n } else { top };
    let n = if ROUND { n + BELOW_HALF } else { n };
    // SAFETY: the value is from 0 to half above `top`, which is at most 255.
    unsafe { n.to_int_unchecked::<i32>() }
}

#[inline(always)]
pub(crate) fn codes8<const ROUND: bool>(values: &[f32], min: f32, inverse: f32, out: &mut [u8]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out = step::<ROUND>((value - min) * inverse, 255.0) as u8 ^ 0x80;
    }
}

#[inline(always)]
pub(crate) fn values8(codes: &[u8], shift: f32, scale: f32, min: f32, out: &mut [f32]) {
    for (out, code) in out.iter_mut().zip(codes) {
        *out = (f32::from(code ^ 0x80) + shift) * scale + min;
    }
}

#[inline(always)]
fn nibbles(values: &[f32], min: f32, inverse: f32, out: &mut [u8]) {
    let mut codes = [0; BLOCK];
    for (code, value) in codes.iter_mut().zip(values) {
        *code = step::<true>((value - min) * inverse, 15.0) as u8;
    }
    for (out, pair) in out.iter_mut().zip(codes.as_chunks::<2>().0) {
        let pair = u16::from_le_bytes(*pair);
        *out = (pair << 4 | pair >> 8) as u8;
    }
}

#[inline(always)]
pub(crate) fn codes4(values: &[f32], min: f32, inverse: f32, out: &mut [u8]) {
    let (blocks, rest) = values.as_chunks::<BLOCK>();
    let (whole, tail) = out.split_at_mut(blocks.len() * BLOCK / 2);
    for (block, out) in blocks.iter().zip(whole.as_chunks_mut::<{ BLOCK / 2 }>().0) {
        nibbles(block, min, inverse, out);
    }
    nibbles(rest, min, inverse, tail);
}

/// The codes of both nibbles of each byte, the high one first.
#[inline(always)]
fn widen_nibbles(bytes: &[u8], out: &mut [u8; BLOCK]) {
    for (pair, byte) in out.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = (u16::from(byte >> 4) | u16::from(byte & 15) << 8).to_le_bytes();
    }
}

#[inline(always)]
pub(crate) fn values4(bytes: &[u8], scale: f32, min: f32, out: &mut [f32]) {
    let mut codes = [0; BLOCK];
    let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
    let (whole, tail) = bytes.split_at(blocks.len() * BLOCK / 2);
    for (out, bytes) in blocks.iter_mut().zip(whole.as_chunks::<{ BLOCK / 2 }>().0) {
        widen_nibbles(bytes, &mut codes);
        for (out, code) in out.iter_mut().zip(&codes) {
            *out = f32::from(*code) * scale + min;
        }
    }
    widen_nibbles(tail, &mut codes);
    for (out, code) in rest.iter_mut().zip(&codes) {
        *out = f32::from(*code) * scale + min;
    }
}

#[inline(always)]
pub(crate) fn unpack4(bytes: &[u8], out: &mut [u8]) {
    let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
    let (whole, tail) = bytes.split_at(blocks.len() * BLOCK / 2);
    for (out, bytes) in blocks.iter_mut().zip(whole.as_chunks::<{ BLOCK / 2 }>().0) {
        widen_nibbles(bytes, out);
    }
    let mut codes = [0; BLOCK];
    widen_nibbles(tail, &mut codes);
    rest.copy_from_slice(&codes[..rest.len()]);
}

/// Byte `i` of the result is bit `i`, as 0 or 1.
#[inline(always)]
fn spread_bits(byte: u8) -> [u8; 8] {
    let one_each = (u64::from(byte) * 0x0101_0101_0101_0101) & 0x8040_2010_0804_0201;
    // The sum carries a bit that is set to the top of its byte and never beyond.
    let carried = (one_each + 0x7f7f_7f7f_7f7f_7f7f) >> 7;
    (carried & 0x0101_0101_0101_0101).to_le_bytes()
}

#[inline(always)]
pub(crate) fn unpack1(bytes: &[u8], out: &mut [u8]) {
    let (groups, rest) = out.as_chunks_mut::<8>();
    for (group, byte) in groups.iter_mut().zip(bytes) {
        *group = spread_bits(*byte);
    }
    if let Some(byte) = bytes.get(groups.len()) {
        rest.copy_from_slice(&spread_bits(*byte)[..rest.len()]);
    }
}

#[inline(always)]
fn lane_sums(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; WIDE];
    let (blocks, rest) = values.as_chunks::<WIDE>();
    for block in blocks {
        for (lane, value) in lanes.iter_mut().zip(block) {
            *lane += term(*value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += term(*value);
    }
    halve(lanes, |a, b| a + b)
}

#[inline(always)]
pub(crate) fn sum(values: &[f32]) -> f32 {
    lane_sums(values, |value| value)
}

#[inline(always)]
pub(crate) fn deviation(values: &[f32], mean: f32) -> f32 {
    lane_sums(values, |value| (value - mean).abs())
}

/// Bit `i` of the result is byte `i`, which is 0 or 1.
#[inline(always)]
fn gather_bits(flags: [u8; 8]) -> u8 {
    (u64::from_le_bytes(flags).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
}

#[inline(always)]
fn signs(values: &[f32], mean: f32, out: &mut [u8]) {
    let mut flags = [0; BLOCK];
    for (flag, value) in flags.iter_mut().zip(values) {
        *flag = u8::from(*value >= mean);
    }
    for (out, flags) in out.iter_mut().zip(flags.as_chunks::<8>().0) {
        *out = gather_bits(*flags);
    }
}

#[inline(always)]
pub(crate) fn codes1(values: &[f32], mean: f32, out: &mut [u8]) {
    let (blocks, rest) = values.as_chunks::<BLOCK>();
    let (whole, tail) = out.split_at_mut(blocks.len() * BLOCK / 8);
    for (block, out) in blocks.iter().zip(whole.as_chunks_mut::<{ BLOCK / 8 }>().0) {
        signs(block, mean, out);
    }
    signs(rest, mean, tail);
}

#[inline(always)]
pub(crate) fn values1(bytes: &[u8], low: f32, high: f32, out: &mut [f32]) {
    const MASKS: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
    let pick = |byte: u8, mask: u32| {
        if u32::from(byte) & mask == 0 {
            low
        } else {
            high
        }
    };
    let (groups, rest) = out.as_chunks_mut::<8>();
    for (out, byte) in groups.iter_mut().zip(bytes) {
        for (out, mask) in out.iter_mut().zip(MASKS) {
            *out = pick(*byte, mask);
        }
    }
    if let Some(byte) = bytes.get(groups.len()) {
        for (out, mask) in rest.iter_mut().zip(MASKS) {
            *out = pick(*byte, mask);
        }
    }
}

/// Rounds values to f16; no value is a NaN.
///
/// # Safety
/// The CPU has the level.
#[inline(always)]
pub(crate) unsafe fn narrow_f16<V: Simd>(values: &[f32], out: &mut [u8]) {
    let len = values.len().min(out.len() / 2);
    let whole = len / V::S_LANES * V::S_LANES;
    for start in (0..whole).step_by(V::S_LANES) {
        // SAFETY: the lanes from `start` are within the values, and twice as many bytes within `out`.
        unsafe {
            V::s_store_f16(
                out.as_mut_ptr().add(2 * start),
                V::s_load(values.as_ptr().add(start)),
            );
        }
    }
    let tail = out[2 * whole..].as_chunks_mut::<2>().0.iter_mut();
    for (out, value) in tail.zip(&values[whole..]) {
        *out = f32_to_f16(*value).to_le_bytes();
    }
}

#[inline(always)]
pub(crate) fn row_codes(values: &[f32], scale: f32, top: f32, out: &mut [i8]) {
    for (out, value) in out.iter_mut().zip(values) {
        let quotient = value / scale;
        let magnitude = step::<true>(quotient.abs(), top);
        *out = if quotient < 0.0 {
            -magnitude
        } else {
            magnitude
        } as i8;
    }
}

#[inline(always)]
pub(crate) fn row_values(codes: &[i8], scale: f32, out: &mut [f32]) {
    for (out, code) in out.iter_mut().zip(codes) {
        *out = f32::from(*code) * scale;
    }
}

#[inline(always)]
pub(crate) fn code_sums(a: &[u8], b: &[u8]) -> CodeSums {
    let mut sums = CodeSums::default();
    for (a, b) in a.chunks(EXACT).zip(b.chunks(EXACT)) {
        let [mut ab, mut aa, mut bb, mut sa, mut sb] = [0_u32; 5];
        for (a, b) in a.iter().zip(b) {
            let (a, b) = (u32::from(*a), u32::from(*b));
            ab += a * b;
            aa += a * a;
            bb += b * b;
            sa += a;
            sb += b;
        }
        sums.ab += u64::from(ab);
        sums.aa += u64::from(aa);
        sums.bb += u64::from(bb);
        sums.a += u64::from(sa);
        sums.b += u64::from(sb);
    }
    sums
}

#[inline(always)]
pub(crate) fn bit_sums(a: &[u8], b: &[u8]) -> CodeSums {
    let mut sums = CodeSums::default();
    let (a_words, a_rest) = a.as_chunks::<8>();
    let (b_words, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_words.iter().zip(b_words) {
        let (a, b) = (u64::from_le_bytes(*a), u64::from_le_bytes(*b));
        sums.ab += u64::from((a & b).count_ones());
        sums.a += u64::from(a.count_ones());
        sums.b += u64::from(b.count_ones());
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        sums.ab += u64::from((a & b).count_ones());
        sums.a += u64::from(a.count_ones());
        sums.b += u64::from(b.count_ones());
    }
    (sums.aa, sums.bb) = (sums.a, sums.b);
    sums
}

/// One sum a pass: of four at a time the compiler would make the lanes.
#[inline(always)]
fn pair_sums(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0; WIDE];
    let (a_blocks, a_rest) = a.as_chunks::<WIDE>();
    let (b_blocks, b_rest) = b.as_chunks::<WIDE>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for (lane, (x, y)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += term((*x).into(), (*y).into());
        }
    }
    for (lane, (x, y)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane += term((*x).into(), (*y).into());
    }
    halve(lanes, |a, b| a + b)
}

#[inline(always)]
pub(crate) fn float_sums(a: &[f32], b: &[f32]) -> FloatSums {
    FloatSums {
        ab: pair_sums(a, b, |x, y| x * y),
        aa: pair_sums(a, a, |x, y| x * y),
        bb: pair_sums(b, b, |x, y| x * y),
        apart: pair_sums(a, b, |x, y| (x - y) * (x - y)),
    }
}
