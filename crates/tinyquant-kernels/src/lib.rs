//! SIMD and scalar kernels of the codec and of the search index.
//!
//! One body per algorithm, generic over the private `Simd` trait; a level of the instruction set only binds
//! intrinsics. The scalar level defines the result and every other level equals it bit for bit: products and sums of
//! floats are rounded separately, sums run in index order with different outputs in the lanes, or in sixteen lanes that
//! are added up in a fixed order; sums of whole numbers are exact in any order.
//!
//! Layout terms used throughout: a *panel* is `k` rows of [`PANEL`] columns, stored row after row; a *tile*
//! is `k` rows of [`TILE`] values, one from each of twelve vectors; a *strip* is the same for [`STRIP`] rows of a
//! matrix.

#![allow(
    unsafe_code,
    reason = "the one crate for it: intrinsics and unchecked loads behind checked calls"
)]
#![allow(
    clippy::inline_always,
    reason = "bodies must be inlined into the shell that carries the CPU features"
)]
#![allow(
    clippy::wildcard_imports,
    reason = "std::arch is imported whole, as its own documentation does"
)]

mod bodies;
mod code_plan;
mod code_table;
mod codes;
mod embedding;
mod half;
mod level;
mod scalar;
mod scan;
#[macro_use]
mod shells;
mod embedding_shells;
mod scan_shells;
mod simd;
mod tile;

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use crate::code_plan::{CodePlan, CodeQuery, FactorCode, LANES, UNIT};
pub use crate::code_table::CodeTable;
pub use crate::embedding::{CodeSums, FloatSums, Span};
pub use crate::embedding_shells::EmbeddingKernels;
pub use crate::half::{f16_to_f32, f32_to_f16};
pub use crate::level::{Level, UnsupportedLevel, active, force};
pub use crate::scan_shells::{CodedBlocks, CodedRows, ScanKernels};
pub use crate::shells::Kernels;

/// Columns of a panel, and the unit that row buffers are padded to.
pub const PANEL: usize = 16;

/// Vectors of a tile: a multiple of the rows that any level holds in registers.
pub const TILE: usize = 12;

/// Rows of a strip.
pub const STRIP: usize = 8;

/// Products that [`Kernels::tile_sums`] adds up before it starts a new sum.
const CHUNK: usize = 32;

/// Magnitude from which a value rounds to infinity in f16.
pub const F16_OVERFLOW: f32 = 65520.0;

/// Entries and decision thresholds of a codebook, as the quantizing kernels read them.
#[derive(Debug, Clone)]
pub struct QuantTable {
    bits: u8,
    entries: [f32; 256],
    /// `thresholds[k]` is the least value that gets index `k` or more; 0 is unused.
    thresholds: [f32; 256],
    /// Every sixteenth threshold: the first half of an 8-bit search runs in registers.
    coarse: [f32; 16],
}

impl QuantTable {
    /// A table of `2^bits` ascending `entries`, with `thresholds[k]` the least value of index `k` or more
    /// (`thresholds[0]` is not looked at).
    ///
    /// # Panics
    /// Unless `bits` is 2, 4 or 8 and both slices have `2^bits` values.
    pub fn new(bits: u8, entries: &[f32], thresholds: &[f32]) -> Self {
        assert!(matches!(bits, 2 | 4 | 8), "bits must be 2, 4 or 8");
        let levels = 1 << bits;
        assert!(
            entries.len() == levels && thresholds.len() == levels,
            "one entry and threshold a level"
        );
        let mut table = Self {
            bits,
            entries: [0.0; 256],
            thresholds: [f32::INFINITY; 256],
            coarse: [f32::INFINITY; 16],
        };
        table.entries[..levels].copy_from_slice(entries);
        table.thresholds[..levels].copy_from_slice(thresholds);
        for (coarse, threshold) in table
            .coarse
            .iter_mut()
            .zip(table.thresholds.iter().step_by(16))
        {
            *coarse = *threshold;
        }
        table
    }

    /// Bits of an index.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Index of one value, as [`Kernels::quantize`] gives it.
    pub fn index(&self, value: f32) -> u8 {
        let thresholds = &self.thresholds[1..1 << self.bits];
        thresholds.partition_point(|threshold| value >= *threshold) as u8
    }
}

/// Rounds a length up to whole panels.
pub const fn padded(len: usize) -> usize {
    len.next_multiple_of(PANEL)
}

/// Bound on the distance between the strict and the fused sum of `k` products of `x` with a row whose
/// Euclidean length is at most 1.000001, where `norm` is the Euclidean length of `x`.
///
/// A strict sum errs by at most `(k + 1) u S` and a fused one by `k u S` to first order, with `u = 2^-53` and `S`
/// the sum of the products' magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, section
/// 3.1), which is at most the product of the two lengths (Cauchy-Schwarz). The factor covers higher orders
/// and the rounding of `norm`.
///
/// Of a nonzero `x` so short that a sum could round to either zero, no sum is certain: its bound is infinite. Above
/// that length the bound exceeds the numbers that round to zero.
pub fn fused_error(k: usize, norm: f64) -> f64 {
    if norm < 1e-27 {
        return if norm == 0.0 { 0.0 } else { f64::INFINITY };
    }
    1.01 * (2 * k + 2) as f64 * (f64::EPSILON / 2.0) * norm
}

/// Bound on the distance between an exact sum of `k` products and what [`Kernels::tile_sums`] makes of it, with
/// the second factors rounded to f32 and otherwise the terms of [`fused_error`].
///
/// A product errs by `u = 2^-24` for the rounded factor, by `u` at each sum of its chunk and at each sum of the
/// chunks. The f64 sum that the result stands for errs by less than the factor leaves room for.
pub fn sums_error(k: usize, norm: f64) -> f32 {
    let roundings = (2 + k.min(CHUNK) + k.div_ceil(CHUNK)) as f64;
    (1.01 * roundings * f64::from(f32::EPSILON / 2.0) * norm) as f32 + f32::MIN_POSITIVE
}
