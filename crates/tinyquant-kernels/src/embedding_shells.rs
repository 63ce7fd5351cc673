//! The kernels of the scalar embedding schemes: one table of functions a level, and the checked entry points.

use crate::embedding::{self, CodeSums, FloatSums, Span};
use crate::level::{Level, active};

/// The kernels of one level for scalar embeddings. A reference to it is a proof that the CPU has the level. Every level
/// gives the same bits.
pub struct EmbeddingKernels {
    level: Level,
    span: unsafe fn(&[f32]) -> Span,
    sum: unsafe fn(&[f32]) -> f32,
    deviation: unsafe fn(&[f32], f32) -> f32,
    codes8: unsafe fn(&[f32], f32, f32, &mut [u8]),
    codes8_below: unsafe fn(&[f32], f32, f32, &mut [u8]),
    values8: unsafe fn(&[u8], f32, f32, f32, &mut [f32]),
    codes4: unsafe fn(&[f32], f32, f32, &mut [u8]),
    values4: unsafe fn(&[u8], f32, f32, &mut [f32]),
    codes1: unsafe fn(&[f32], f32, &mut [u8]),
    values1: unsafe fn(&[u8], f32, f32, &mut [f32]),
    narrow_f16: unsafe fn(&[f32], &mut [u8]),
    row_codes: unsafe fn(&[f32], f32, f32, &mut [i8]),
    row_values: unsafe fn(&[i8], f32, &mut [f32]),
    unpack4: unsafe fn(&[u8], &mut [u8]),
    unpack1: unsafe fn(&[u8], &mut [u8]),
    code_sums: unsafe fn(&[u8], &[u8]) -> CodeSums,
    bit_sums: unsafe fn(&[u8], &[u8]) -> CodeSums,
    float_sums: unsafe fn(&[f32], &[f32]) -> FloatSums,
}

/// Compiles every body for one level: its instruction set and its CPU features.
macro_rules! level {
    ($name:ident, $level:expr, $simd:ty, $(#[$feature:meta])*) => {
        mod $name {
            use super::{CodeSums, EmbeddingKernels, FloatSums, Level, Span, embedding};

            shells! { $(#[$feature])*
                fn span(values: &[f32]) -> Span = embedding::span(values);
                fn sum(values: &[f32]) -> f32 = embedding::sum(values);
                fn deviation(values: &[f32], mean: f32) -> f32 = embedding::deviation(values, mean);
                fn codes8(values: &[f32], min: f32, inverse: f32, out: &mut [u8]) =
                    embedding::codes8::<true>(values, min, inverse, out);
                fn codes8_below(values: &[f32], min: f32, inverse: f32, out: &mut [u8]) =
                    embedding::codes8::<false>(values, min, inverse, out);
                fn values8(codes: &[u8], shift: f32, scale: f32, min: f32, out: &mut [f32]) =
                    embedding::values8(codes, shift, scale, min, out);
                fn codes4(values: &[f32], min: f32, inverse: f32, out: &mut [u8]) =
                    embedding::codes4(values, min, inverse, out);
                fn values4(bytes: &[u8], scale: f32, min: f32, out: &mut [f32]) =
                    embedding::values4(bytes, scale, min, out);
                fn codes1(values: &[f32], mean: f32, out: &mut [u8]) = embedding::codes1(values, mean, out);
                fn values1(bytes: &[u8], low: f32, high: f32, out: &mut [f32]) =
                    embedding::values1(bytes, low, high, out);
                fn narrow_f16(values: &[f32], out: &mut [u8]) = embedding::narrow_f16::<$simd>(values, out);
                fn row_codes(values: &[f32], scale: f32, top: f32, out: &mut [i8]) =
                    embedding::row_codes(values, scale, top, out);
                fn row_values(codes: &[i8], scale: f32, out: &mut [f32]) = embedding::row_values(codes, scale, out);
                fn unpack4(bytes: &[u8], out: &mut [u8]) = embedding::unpack4(bytes, out);
                fn unpack1(bytes: &[u8], out: &mut [u8]) = embedding::unpack1(bytes, out);
                fn code_sums(a: &[u8], b: &[u8]) -> CodeSums = embedding::code_sums(a, b);
                fn bit_sums(a: &[u8], b: &[u8]) -> CodeSums = embedding::bit_sums(a, b);
                fn float_sums(a: &[f32], b: &[f32]) -> FloatSums = embedding::float_sums(a, b);
            }

            pub(super) static KERNELS: EmbeddingKernels = EmbeddingKernels {
                level: $level,
                span,
                sum,
                deviation,
                codes8,
                codes8_below,
                values8,
                codes4,
                values4,
                codes1,
                values1,
                narrow_f16,
                row_codes,
                row_values,
                unpack4,
                unpack1,
                code_sums,
                bit_sums,
                float_sums,
            };
        }
    };
}

level!(scalar, Level::Scalar, crate::scalar::Scalar,);
#[cfg(target_arch = "x86_64")]
level!(avx2, Level::Avx2, crate::x86::Avx2, #[target_feature(enable = "avx2,fma,f16c")]);
#[cfg(target_arch = "x86_64")]
level!(avx512, Level::Avx512, crate::x86::Avx512,
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]);
#[cfg(target_arch = "aarch64")]
level!(neon, Level::Neon, crate::aarch64::Neon, #[target_feature(enable = "neon")]);

impl EmbeddingKernels {
    /// The kernels of the level in use.
    pub fn active() -> &'static Self {
        Self::of(active()).unwrap_or(&scalar::KERNELS)
    }

    /// The kernels of a level, if this CPU has it.
    pub fn of(level: Level) -> Option<&'static Self> {
        if !level.is_supported() {
            return None;
        }
        match level {
            Level::Scalar => Some(&scalar::KERNELS),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => Some(&avx2::KERNELS),
            // What sets their higher levels apart is of no use to these kernels.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx512Vnni => Some(&avx512::KERNELS),
            #[cfg(target_arch = "aarch64")]
            Level::Neon | Level::NeonDot => Some(&neon::KERNELS),
            #[allow(
                unreachable_patterns,
                reason = "the levels left over depend on the architecture"
            )]
            _ => None,
        }
    }

    /// The level of these kernels.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Least and greatest value and greatest magnitude. Of no values: an infinity, its negative, and 0.
    pub fn span(&self, values: &[f32]) -> Span {
        // SAFETY: the CPU has the level.
        unsafe { (self.span)(values) }
    }

    /// The sum in f32: value `i` goes to lane `i % 32`, lanes are added pairwise.
    pub fn sum(&self, values: &[f32]) -> f32 {
        // SAFETY: the CPU has the level.
        unsafe { (self.sum)(values) }
    }

    /// Sum of the distances from `mean`, added up as [`EmbeddingKernels::sum`] does.
    pub fn deviation(&self, values: &[f32], mean: f32) -> f32 {
        // SAFETY: the CPU has the level.
        unsafe { (self.deviation)(values, mean) }
    }

    /// Codes of 8 bits: `(value - min) * inverse` rounded with halves up, kept within 0 to 255 (a NaN is 0), less 128 in
    /// two's complement.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn codes8(&self, values: &[f32], min: f32, inverse: f32, out: &mut [u8]) {
        assert_eq!(values.len(), out.len(), "a byte a value");
        // SAFETY: the CPU has the level.
        unsafe { (self.codes8)(values, min, inverse, out) }
    }

    /// As [`EmbeddingKernels::codes8`], with what is below the point dropped instead of rounded.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn codes8_below(&self, values: &[f32], min: f32, inverse: f32, out: &mut [u8]) {
        assert_eq!(values.len(), out.len(), "a byte a value");
        // SAFETY: the CPU has the level.
        unsafe { (self.codes8_below)(values, min, inverse, out) }
    }

    /// `(code + 128 + shift) * scale + min` of each code of 8 bits, each operation rounded.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn values8(&self, codes: &[u8], shift: f32, scale: f32, min: f32, out: &mut [f32]) {
        assert_eq!(codes.len(), out.len(), "a byte a value");
        // SAFETY: the CPU has the level.
        unsafe { (self.values8)(codes, shift, scale, min, out) }
    }

    /// Codes of 4 bits, rounded as those of 8 and kept within 0 to 15: two a byte, the first in the high half; a last half
    /// without a value is 0.
    ///
    /// # Panics
    /// Unless `out` has half as many bytes as there are values, rounded up.
    pub fn codes4(&self, values: &[f32], min: f32, inverse: f32, out: &mut [u8]) {
        assert_eq!(values.len().div_ceil(2), out.len(), "two values a byte");
        // SAFETY: the CPU has the level.
        unsafe { (self.codes4)(values, min, inverse, out) }
    }

    /// `code * scale + min` of each code of 4 bits.
    ///
    /// # Panics
    /// As [`EmbeddingKernels::codes4`].
    pub fn values4(&self, bytes: &[u8], scale: f32, min: f32, out: &mut [f32]) {
        assert_eq!(out.len().div_ceil(2), bytes.len(), "two values a byte");
        // SAFETY: the CPU has the level.
        unsafe { (self.values4)(bytes, scale, min, out) }
    }

    /// One bit a value, lowest first: whether it is at least `mean`. Spare bits are 0.
    ///
    /// # Panics
    /// Unless `out` has an eighth as many bytes as there are values, rounded up.
    pub fn codes1(&self, values: &[f32], mean: f32, out: &mut [u8]) {
        assert_eq!(values.len().div_ceil(8), out.len(), "eight values a byte");
        // SAFETY: the CPU has the level.
        unsafe { (self.codes1)(values, mean, out) }
    }

    /// `high` for each set bit and `low` for each other.
    ///
    /// # Panics
    /// As [`EmbeddingKernels::codes1`].
    pub fn values1(&self, bytes: &[u8], low: f32, high: f32, out: &mut [f32]) {
        assert_eq!(out.len().div_ceil(8), bytes.len(), "eight values a byte");
        // SAFETY: the CPU has the level.
        unsafe { (self.values1)(bytes, low, high, out) }
    }

    /// Rounds to little-endian f16 (nearest, ties to even, overflow to infinity). Which NaN a NaN becomes depends on the
    /// level.
    ///
    /// # Panics
    /// Unless there are two bytes for each value.
    pub fn narrow_f16(&self, values: &[f32], out: &mut [u8]) {
        assert_eq!(2 * values.len(), out.len(), "two bytes a value");
        // SAFETY: the CPU has the level.
        unsafe { (self.narrow_f16)(values, out) }
    }

    /// `value / scale` rounded with halves away from zero, of a magnitude of at most `top`.
    ///
    /// # Panics
    /// If the lengths differ or `top` is above 127.
    pub fn row_codes(&self, values: &[f32], scale: f32, top: u8, out: &mut [i8]) {
        assert!(
            values.len() == out.len() && top <= 127,
            "a byte with a sign a value"
        );
        // SAFETY: the CPU has the level.
        unsafe { (self.row_codes)(values, scale, f32::from(top), out) }
    }

    /// `code * scale`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn row_values(&self, codes: &[i8], scale: f32, out: &mut [f32]) {
        assert_eq!(codes.len(), out.len(), "a code a value");
        // SAFETY: the CPU has the level.
        unsafe { (self.row_values)(codes, scale, out) }
    }

    /// The first codes of 4 bits, one a byte.
    ///
    /// # Panics
    /// If there are fewer than `out` has room for.
    pub fn unpack4(&self, bytes: &[u8], out: &mut [u8]) {
        assert!(out.len().div_ceil(2) <= bytes.len(), "two codes a byte");
        // SAFETY: the CPU has the level.
        unsafe { (self.unpack4)(bytes, out) }
    }

    /// The first bits, one a byte.
    ///
    /// # Panics
    /// If there are fewer than `out` has room for.
    pub fn unpack1(&self, bytes: &[u8], out: &mut [u8]) {
        assert!(out.len().div_ceil(8) <= bytes.len(), "eight codes a byte");
        // SAFETY: the CPU has the level.
        unsafe { (self.unpack1)(bytes, out) }
    }

    /// Exact sums over two rows of codes of a byte each.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn code_sums(&self, a: &[u8], b: &[u8]) -> CodeSums {
        assert_eq!(a.len(), b.len(), "rows of one length");
        // SAFETY: the CPU has the level.
        unsafe { (self.code_sums)(a, b) }
    }

    /// The same over two rows of bits, of which none is spare.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn bit_sums(&self, a: &[u8], b: &[u8]) -> CodeSums {
        assert_eq!(a.len(), b.len(), "rows of one length");
        // SAFETY: the CPU has the level.
        unsafe { (self.bit_sums)(a, b) }
    }

    /// Sums over two rows of floats, added up in f64 as [`EmbeddingKernels::sum`] does in f32.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn float_sums(&self, a: &[f32], b: &[f32]) -> FloatSums {
        assert_eq!(a.len(), b.len(), "rows of one length");
        // SAFETY: the CPU has the level.
        unsafe { (self.float_sums)(a, b) }
    }
}
