//! AVX2 with FMA and F16C: four lanes of f64, eight of f32.

use crate::simd::{Simd, simd_ops};
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
