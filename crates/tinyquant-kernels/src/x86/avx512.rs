//! AVX-512: eight lanes of f64, sixteen of f32; with and without the instructions for dot products of bytes (VNNI) and
//! for lookups in 64 bytes (VBMI).

use crate::codes::Codes;
use crate::simd::{Simd, simd_ops};
use crate::x86::{runs4, runs8};
use std::arch::x86_64::*;

/// F, BW, DQ and VL.
#[derive(Clone, Copy)]
pub(crate) struct Avx512;

/// VNNI and VBMI besides.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Vnni;

macro_rules! avx512 {
    ($name:ty, $bias:literal, $($own:tt)*) => {
impl Simd for $name {
    type D = __m512d;
    type S = __m512;
    type I = __m512i;
    type Table = __m512;

    const D_LANES: usize = 8;
    const S_LANES: usize = 16;
    const FUSED: bool = true;

    simd_ops! {
        d_splat(value: f64) -> __m512d = _mm512_set1_pd(value);
        d_load(from: *const f64) -> __m512d = _mm512_loadu_pd(from);
        d_store(to: *mut f64, value: __m512d) = _mm512_storeu_pd(to, value);
        d_mul(a: __m512d, b: __m512d) -> __m512d = _mm512_mul_pd(a, b);
        d_add(a: __m512d, b: __m512d) -> __m512d = _mm512_add_pd(a, b);
        d_store_f32(to: *mut f32, value: __m512d) = _mm256_storeu_ps(to, _mm512_cvtpd_ps(value));
        d_fma(a: __m512d, b: __m512d, c: __m512d) -> __m512d = _mm512_fmadd_pd(a, b, c);
        d_doubt(value: __m512d, error: __m512d) -> u32 = {
            let low = _mm512_cvtpd_ps(_mm512_sub_pd(value, error));
            let high = _mm512_cvtpd_ps(_mm512_add_pd(value, error));
            _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NEQ_UQ>(low, high)) as u32
        };
        s_splat(value: f32) -> __m512 = _mm512_set1_ps(value);
        s_load(from: *const f32) -> __m512 = _mm512_loadu_ps(from);
        s_store(to: *mut f32, value: __m512) = _mm512_storeu_ps(to, value);
        s_mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        s_add(a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
        s_sub(a: __m512, b: __m512) -> __m512 = _mm512_sub_ps(a, b);
        s_fma(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
        s_any_reaches(value: __m512, limit: __m512) -> bool =
            _mm512_cmp_ps_mask::<_CMP_GE_OQ>(_mm512_abs_ps(value), limit) != 0;
        s_store_f16(to: *mut u8, value: __m512) =
            _mm256_storeu_si256(to.cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value));
        s_load_f16(from: *const u8) -> __m512 = _mm512_cvtph_ps(_mm256_loadu_si256(from.cast()));
        i_splat(value: i32) -> __m512i = _mm512_set1_epi32(value);
        i_add(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi32(a, b);
        i_load_u8(from: *const u8) -> __m512i = _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()));
        i_store_u8(to: *mut u8, value: __m512i) = _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(value));
        i_select_ge(value: __m512, threshold: __m512, yes: __m512i, no: __m512i) -> __m512i =
            _mm512_mask_mov_epi32(no, _mm512_cmp_ps_mask::<_CMP_GE_OQ>(value, threshold), yes);
        table(from: *const f32) -> __m512 = _mm512_loadu_ps(from);
        lookup(table: __m512, index: __m512i) -> __m512 = _mm512_permutexvar_ps(index, table);
        gather(from: *const f32, index: __m512i) -> __m512 = _mm512_i32gather_ps::<4>(index, from);
    }
}

impl Codes for $name {
    type Bytes16 = __m512i;
    type Bytes64 = __m512i;

    const BIAS: u8 = $bias;

    simd_ops! {
        s_div(a: __m512, b: __m512) -> __m512 = _mm512_div_ps(a, b);
        s_sqrt(a: __m512) -> __m512 = _mm512_sqrt_ps(a);
        s_max(a: __m512, b: __m512) -> __m512 = _mm512_max_ps(a, b);
        s_min(a: __m512, b: __m512) -> __m512 = _mm512_min_ps(a, b);
        s_select_ge(value: __m512, threshold: __m512, yes: __m512, no: __m512) -> __m512 =
            _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask::<_CMP_GE_OQ>(value, threshold), yes);
        s_not_less(a: __m512, b: __m512) -> u32 = u32::from(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(a, b));
        s_columns(from: *const f32, stride: usize) -> [__m512; 4] = {
            // The lane of 128 bits with number j is of row 4j + r.
            let rows = |r: usize| {
                let row = |j: usize| _mm_loadu_ps(from.add((4 * j + r) * stride));
                let low = _mm512_castps128_ps512(row(0));
                let low = _mm512_mask_broadcast_f32x4(low, 0x00f0, row(1));
                let low = _mm512_mask_broadcast_f32x4(low, 0x0f00, row(2));
                _mm512_mask_broadcast_f32x4(low, 0xf000, row(3))
            };
            let (a, b, c, d) = (rows(0), rows(1), rows(2), rows(3));
            let (low, high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            let (low, high) = (_mm512_castps_pd(low), _mm512_castps_pd(high));
            let (lower, upper) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
            let (lower, upper) = (_mm512_castps_pd(lower), _mm512_castps_pd(upper));
            [
                _mm512_castpd_ps(_mm512_unpacklo_pd(low, lower)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(low, lower)),
                _mm512_castpd_ps(_mm512_unpacklo_pd(high, upper)),
                _mm512_castpd_ps(_mm512_unpackhi_pd(high, upper)),
            ]
        };
        s_round(a: __m512) -> __m512i = _mm512_cvtps_epi32(a);
        i_load(from: *const u8) -> __m512i = _mm512_loadu_si512(from.cast());
        i_store(to: *mut u8, value: __m512i) = _mm512_storeu_si512(to.cast(), value);
        i_and(a: __m512i, b: __m512i) -> __m512i = _mm512_and_si512(a, b);
        i_or(a: __m512i, b: __m512i) -> __m512i = _mm512_or_si512(a, b);
        i_values(codes: __m512i) -> __m512i =
            _mm512_xor_si512(_mm512_max_epi8(codes, _mm512_set1_epi8(-127)), _mm512_set1_epi8(Self::BIAS as i8));
        i_shr(a: __m512i, by: u32) -> __m512i = _mm512_srl_epi32(a, _mm_cvtsi32_si128(by as i32));
        i_shl(a: __m512i, by: u32) -> __m512i = _mm512_sll_epi32(a, _mm_cvtsi32_si128(by as i32));
        i_to_s(a: __m512i) -> __m512 = _mm512_cvtepi32_ps(a);
        i_as_s(a: __m512i) -> __m512 = _mm512_castsi512_ps(a);
        i_unless_zero(test: __m512i, value: __m512i) -> __m512i =
            _mm512_maskz_mov_epi32(_mm512_test_epi32_mask(test, test), value);
        i_sum(a: __m512i) -> i32 = _mm512_reduce_add_epi32(a);
        bytes16(from: *const u8) -> __m512i = _mm512_broadcast_i32x4(_mm_loadu_si128(from.cast()));
        i_lookup(table: __m512i, index: __m512i) -> __m512i = _mm512_shuffle_epi8(table, index);
        u_load(from: *const u8) -> __m512i = _mm512_loadu_si512(from.cast());
        u_plane4(from: *const u8) -> __m512i = halves(_mm256_loadu_si256(from.cast()));
        u_plane2(from: *const u8) -> __m512i = quarters(_mm_loadu_si128(from.cast()));
        u_plane4_apart(from: *const u8, step: usize) -> __m512i = halves(runs8(from, step));
        u_plane2_apart(from: *const u8, step: usize) -> __m512i = quarters(runs4(from, step));
        u_plane1(from: *const u8) -> __m512i = {
            let repeated = _mm512_set1_epi64(from.cast::<i64>().read_unaligned());
            let shifted = _mm512_srlv_epi64(repeated, _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
            _mm512_and_si512(shifted, _mm512_set1_epi8(1))
        };
        u_join(high: __m512i, by: u32, low: __m512i) -> __m512i =
            _mm512_or_si512(_mm512_sll_epi16(high, _mm_cvtsi32_si128(by as i32)), low);
        u_lookup16(table: *const u8, index: __m512i) -> __m512i = Self::i_lookup(Self::bytes16(table), index);
        u_values(codes: __m512i) -> __m512i = Self::i_values(codes);
        u_dot8(acc: __m512i, values: __m512i, query: *const i8) -> __m512i =
            Self::i_dot8(acc, values, _mm512_loadu_si512(query.cast()));
        prefetch(at: *const u8) = _mm_prefetch::<_MM_HINT_T0>(at.cast());
        $($own)*
    }
}
    };
}

avx512! { Avx512, 0,
    i_dot16(acc: __m512i, a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi32(acc, _mm512_madd_epi16(a, b));
    i_dot8(acc: __m512i, values: __m512i, query: __m512i) -> __m512i = {
        // No pair of products of magnitudes up to 127 leaves i16.
        let negative = _mm512_movepi8_mask(query);
        let signed = _mm512_mask_sub_epi8(values, negative, _mm512_setzero_si512(), values);
        let pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(query), signed);
        _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
    };
    u_lookup64(table: *const u8, index: __m512i) -> __m512i = {
        let low = _mm512_and_si512(index, _mm512_set1_epi8(15));
        let first = Self::i_lookup(Self::bytes16(table), low);
        let second = Self::i_lookup(Self::bytes16(table.add(16)), low);
        let third = Self::i_lookup(Self::bytes16(table.add(32)), low);
        let fourth = Self::i_lookup(Self::bytes16(table.add(48)), low);
        let odd = _mm512_movepi8_mask(_mm512_slli_epi16::<3>(index));
        let upper = _mm512_movepi8_mask(_mm512_slli_epi16::<2>(index));
        let lower = _mm512_mask_mov_epi8(first, odd, second);
        _mm512_mask_mov_epi8(lower, upper, _mm512_mask_mov_epi8(third, odd, fourth))
    };
}

avx512! { Avx512Vnni, 128,
    i_dot16(acc: __m512i, a: __m512i, b: __m512i) -> __m512i = _mm512_dpwssd_epi32(acc, a, b);
    i_dot8(acc: __m512i, values: __m512i, query: __m512i) -> __m512i = _mm512_dpbusd_epi32(acc, values, query);
    u_lookup64(table: *const u8, index: __m512i) -> __m512i =
        _mm512_permutexvar_epi8(index, _mm512_loadu_si512(table.cast()));
    // Six bits of an index count, and the table repeats.
    i_lookup_low(table: __m512i, _bits: u32, index: __m512i) -> __m512i = _mm512_permutexvar_epi8(index, table);
}

/// The low halves of 32 bytes, then their high halves.
#[inline(always)]
unsafe fn halves(bytes: __m256i) -> __m512i {
    // SAFETY: the callers have the instructions.
    unsafe {
        let twice = _mm512_broadcast_i64x4(bytes);
        let shifted = _mm512_srlv_epi64(twice, _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4));
        _mm512_and_si512(shifted, _mm512_set1_epi8(15))
    }
}

/// Two bits of each of 16 bytes, the lowest first.
#[inline(always)]
unsafe fn quarters(bytes: __m128i) -> __m512i {
    // SAFETY: the callers have the instructions.
    unsafe {
        let repeated = _mm512_broadcast_i32x4(bytes);
        let shifted = _mm512_srlv_epi64(repeated, _mm512_setr_epi64(0, 0, 2, 2, 4, 4, 6, 6));
        _mm512_and_si512(shifted, _mm512_set1_epi8(3))
    }
}
