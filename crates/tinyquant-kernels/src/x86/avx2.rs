//! AVX2 with FMA and F16C: four lanes of f64, eight of f32.

use crate::codes::Codes;
use crate::simd::{Simd, simd_ops};
use crate::x86::{runs4, runs8};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx2;

impl Simd for Avx2 {
    type D = __m256d;
    type S = __m256;
    type I = __m256i;
    type Table = (__m256, __m256);

    const D_LANES: usize = 4;
    const S_LANES: usize = 8;
    const FUSED: bool = true;

    simd_ops! {
        d_splat(value: f64) -> __m256d = _mm256_set1_pd(value);
        d_load(from: *const f64) -> __m256d = _mm256_loadu_pd(from);
        d_store(to: *mut f64, value: __m256d) = _mm256_storeu_pd(to, value);
        d_mul(a: __m256d, b: __m256d) -> __m256d = _mm256_mul_pd(a, b);
        d_add(a: __m256d, b: __m256d) -> __m256d = _mm256_add_pd(a, b);
        d_store_f32(to: *mut f32, value: __m256d) = _mm_storeu_ps(to, _mm256_cvtpd_ps(value));
        d_fma(a: __m256d, b: __m256d, c: __m256d) -> __m256d = _mm256_fmadd_pd(a, b, c);
        d_doubt(value: __m256d, error: __m256d) -> u32 = {
            let low = _mm256_cvtpd_ps(_mm256_sub_pd(value, error));
            let high = _mm256_cvtpd_ps(_mm256_add_pd(value, error));
            _mm_movemask_ps(_mm_cmp_ps::<_CMP_NEQ_UQ>(low, high)) as u32
        };
        s_splat(value: f32) -> __m256 = _mm256_set1_ps(value);
        s_load(from: *const f32) -> __m256 = _mm256_loadu_ps(from);
        s_store(to: *mut f32, value: __m256) = _mm256_storeu_ps(to, value);
        s_mul(a: __m256, b: __m256) -> __m256 = _mm256_mul_ps(a, b);
        s_add(a: __m256, b: __m256) -> __m256 = _mm256_add_ps(a, b);
        s_sub(a: __m256, b: __m256) -> __m256 = _mm256_sub_ps(a, b);
        s_fma(a: __m256, b: __m256, c: __m256) -> __m256 = _mm256_fmadd_ps(a, b, c);
        s_any_reaches(value: __m256, limit: __m256) -> bool = {
            let magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0), value);
            _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(magnitude, limit)) != 0
        };
        s_store_f16(to: *mut u8, value: __m256) =
            _mm_storeu_si128(to.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value));
        s_load_f16(from: *const u8) -> __m256 = _mm256_cvtph_ps(_mm_loadu_si128(from.cast()));
        i_splat(value: i32) -> __m256i = _mm256_set1_epi32(value);
        i_add(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi32(a, b);
        i_load_u8(from: *const u8) -> __m256i = _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()));
        i_store_u8(to: *mut u8, value: __m256i) = {
            let words = _mm_packus_epi32(_mm256_castsi256_si128(value), _mm256_extracti128_si256::<1>(value));
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(words, words));
        };
        i_select_ge(value: __m256, threshold: __m256, yes: __m256i, no: __m256i) -> __m256i =
            _mm256_blendv_epi8(no, yes, _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GE_OQ>(value, threshold)));
        table(from: *const f32) -> (__m256, __m256) = (_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8)));
        lookup(table: (__m256, __m256), index: __m256i) -> __m256 = {
            // Bit 3 chooses the half: moved to the sign, which is what the blend looks at.
            let upper = _mm256_castsi256_ps(_mm256_slli_epi32::<28>(index));
            let low = _mm256_permutevar8x32_ps(table.0, index);
            _mm256_blendv_ps(low, _mm256_permutevar8x32_ps(table.1, index), upper)
        };
        gather(from: *const f32, index: __m256i) -> __m256 = _mm256_i32gather_ps::<4>(from, index);
    }
}

impl Codes for Avx2 {
    type Bytes16 = __m256i;
    type Bytes64 = [__m256i; 2];

    const BIAS: u8 = 0;

    simd_ops! {
        s_div(a: __m256, b: __m256) -> __m256 = _mm256_div_ps(a, b);
        s_sqrt(a: __m256) -> __m256 = _mm256_sqrt_ps(a);
        s_max(a: __m256, b: __m256) -> __m256 = _mm256_max_ps(a, b);
        s_min(a: __m256, b: __m256) -> __m256 = _mm256_min_ps(a, b);
        s_select_ge(value: __m256, threshold: __m256, yes: __m256, no: __m256) -> __m256 =
            _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GE_OQ>(value, threshold));
        s_not_less(a: __m256, b: __m256) -> u32 = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NLT_UQ>(a, b)) as u32;
        s_columns(from: *const f32, stride: usize) -> [__m256; 4] = {
            let pair = |r: usize| {
                let low = _mm256_castps128_ps256(_mm_loadu_ps(from.add(r * stride)));
                _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(from.add((r + 4) * stride)))
            };
            let (a, b, c, d) = (pair(0), pair(1), pair(2), pair(3));
            let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            let (low, high) = (_mm256_castps_pd(low), _mm256_castps_pd(high));
            let (lower, upper) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
            let (lower, upper) = (_mm256_castps_pd(lower), _mm256_castps_pd(upper));
            [
                _mm256_castpd_ps(_mm256_unpacklo_pd(low, lower)),
                _mm256_castpd_ps(_mm256_unpackhi_pd(low, lower)),
                _mm256_castpd_ps(_mm256_unpacklo_pd(high, upper)),
                _mm256_castpd_ps(_mm256_unpackhi_pd(high, upper)),
            ]
        };
        s_round(a: __m256) -> __m256i = _mm256_cvtps_epi32(a);
        i_load(from: *const u8) -> __m256i = _mm256_loadu_si256(from.cast());
        i_store(to: *mut u8, value: __m256i) = _mm256_storeu_si256(to.cast(), value);
        i_and(a: __m256i, b: __m256i) -> __m256i = _mm256_and_si256(a, b);
        i_or(a: __m256i, b: __m256i) -> __m256i = _mm256_or_si256(a, b);
        i_values(codes: __m256i) -> __m256i = _mm256_max_epi8(codes, _mm256_set1_epi8(-127));
        i_shr(a: __m256i, by: u32) -> __m256i = _mm256_srl_epi32(a, _mm_cvtsi32_si128(by as i32));
        i_shl(a: __m256i, by: u32) -> __m256i = _mm256_sll_epi32(a, _mm_cvtsi32_si128(by as i32));
        i_to_s(a: __m256i) -> __m256 = _mm256_cvtepi32_ps(a);
        i_as_s(a: __m256i) -> __m256 = _mm256_castsi256_ps(a);
        i_unless_zero(test: __m256i, value: __m256i) -> __m256i =
            _mm256_andnot_si256(_mm256_cmpeq_epi32(test, _mm256_setzero_si256()), value);
        i_sum(a: __m256i) -> i32 = {
            let half = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a));
            let pair = _mm_add_epi32(half, _mm_unpackhi_epi64(half, half));
            _mm_cvtsi128_si32(_mm_add_epi32(pair, _mm_shuffle_epi32::<1>(pair)))
        };
        i_dot16(acc: __m256i, a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi32(acc, _mm256_madd_epi16(a, b));
        i_dot8(acc: __m256i, values: __m256i, query: __m256i) -> __m256i = {
            // No pair of products of magnitudes up to 127 leaves i16.
            let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(query), _mm256_sign_epi8(values, query));
            _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        };
        bytes16(from: *const u8) -> __m256i = _mm256_broadcastsi128_si256(_mm_loadu_si128(from.cast()));
        i_lookup(table: __m256i, index: __m256i) -> __m256i = _mm256_shuffle_epi8(table, index);
        u_load(from: *const u8) -> [__m256i; 2] = [Self::i_load(from), Self::i_load(from.add(32))];
        u_plane4(from: *const u8) -> [__m256i; 2] = halves(Self::i_load(from));
        u_plane2(from: *const u8) -> [__m256i; 2] = quarters(Self::bytes16(from));
        u_plane4_apart(from: *const u8, step: usize) -> [__m256i; 2] = halves(runs8(from, step));
        u_plane2_apart(from: *const u8, step: usize) -> [__m256i; 2] =
            quarters(_mm256_broadcastsi128_si256(runs4(from, step)));
        u_plane1(from: *const u8) -> [__m256i; 2] = {
            let (bytes, mask) = (_mm256_set1_epi64x(from.cast::<i64>().read_unaligned()), _mm256_set1_epi8(1));
            let first = _mm256_srlv_epi64(bytes, _mm256_setr_epi64x(0, 1, 2, 3));
            let second = _mm256_srlv_epi64(bytes, _mm256_setr_epi64x(4, 5, 6, 7));
            [_mm256_and_si256(first, mask), _mm256_and_si256(second, mask)]
        };
        u_join(high: [__m256i; 2], by: u32, low: [__m256i; 2]) -> [__m256i; 2] = {
            let by = _mm_cvtsi32_si128(by as i32);
            let (first, second) = (_mm256_sll_epi16(high[0], by), _mm256_sll_epi16(high[1], by));
            [_mm256_or_si256(first, low[0]), _mm256_or_si256(second, low[1])]
        };
        u_lookup16(table: *const u8, index: [__m256i; 2]) -> [__m256i; 2] =
            [Self::i_lookup(Self::bytes16(table), index[0]), Self::i_lookup(Self::bytes16(table), index[1])];
        u_lookup64(table: *const u8, index: [__m256i; 2]) -> [__m256i; 2] =
            [lookup64(table, index[0]), lookup64(table, index[1])];
        u_values(codes: [__m256i; 2]) -> [__m256i; 2] =
            [Self::i_values(codes[0]), Self::i_values(codes[1])];
        u_dot8(acc: __m256i, values: [__m256i; 2], query: *const i8) -> __m256i = {
            let acc = Self::i_dot8(acc, values[0], Self::i_load(query.cast()));
            Self::i_dot8(acc, values[1], Self::i_load(query.add(32).cast()))
        };
        prefetch(at: *const u8) = _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
}

/// `table[index]` byte by byte.
#[inline(always)]
unsafe fn lookup64(table: *const u8, index: __m256i) -> __m256i {
    // SAFETY: the callers run with the features of the level and pass a table of 64 entries.
    unsafe {
        let low = _mm256_and_si256(index, _mm256_set1_epi8(15));
        let first = _mm256_shuffle_epi8(Avx2::bytes16(table), low);
        let second = _mm256_shuffle_epi8(Avx2::bytes16(table.add(16)), low);
        let third = _mm256_shuffle_epi8(Avx2::bytes16(table.add(32)), low);
        let fourth = _mm256_shuffle_epi8(Avx2::bytes16(table.add(48)), low);
        // Bits 4 and 5, moved to where the blend looks.
        let (odd, upper) = (_mm256_slli_epi16::<3>(index), _mm256_slli_epi16::<2>(index));
        let lower = _mm256_blendv_epi8(first, second, odd);
        _mm256_blendv_epi8(lower, _mm256_blendv_epi8(third, fourth, odd), upper)
    }
}

/// The low halves of 32 bytes, then their high halves.
#[inline(always)]
unsafe fn halves(bytes: __m256i) -> [__m256i; 2] {
    // SAFETY: the callers have the instructions.
    unsafe {
        let mask = _mm256_set1_epi8(15);
        let high = _mm256_srli_epi16::<4>(bytes);
        [_mm256_and_si256(bytes, mask), _mm256_and_si256(high, mask)]
    }
}

/// Two bits of each of 16 bytes that are there twice, the lowest first.
#[inline(always)]
unsafe fn quarters(bytes: __m256i) -> [__m256i; 2] {
    // SAFETY: the callers have the instructions.
    unsafe {
        let mask = _mm256_set1_epi8(3);
        let first = _mm256_srlv_epi64(bytes, _mm256_setr_epi64x(0, 0, 2, 2));
        let second = _mm256_srlv_epi64(bytes, _mm256_setr_epi64x(4, 4, 6, 6));
        [
            _mm256_and_si256(first, mask),
            _mm256_and_si256(second, mask),
        ]
    }
}
