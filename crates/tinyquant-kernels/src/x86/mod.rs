//! Levels of x86-64.

mod avx2;
mod avx512;

pub(crate) use avx2::Avx2;
pub(crate) use avx512::{Avx512, Avx512Vnni};

use crate::codes::runs;
use std::arch::x86_64::*;

/// Eight runs of four bytes that begin `step` bytes apart, put together in registers: a load of what was just stored in
/// pieces waits for the stores.
#[inline(always)]
unsafe fn runs8(from: *const u8, step: usize) -> __m256i {
    // SAFETY: the callers have AVX2 and point at eight runs.
    unsafe {
        let [a, b, c, d, e, f, g, h] = runs::<8>(from, step).map(u32::cast_signed);
        _mm256_setr_epi32(a, b, c, d, e, f, g, h)
    }
}

/// The same of four runs.
#[inline(always)]
unsafe fn runs4(from: *const u8, step: usize) -> __m128i {
    // SAFETY: as above.
    unsafe {
        let [a, b, c, d] = runs::<4>(from, step).map(u32::cast_signed);
        _mm_setr_epi32(a, b, c, d)
    }
}
