//! AVX-512: eight lanes of f64, sixteen of f32.

use crate::simd::{Simd, simd_ops};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx512;

impl Simd for Avx512 {
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
