//! Vectors side by side.

use super::rotation::Rotation;
use tinyquant_kernels::{Kernels, LANES, ScanKernels};

/// The kernels in use.
#[derive(Clone, Copy)]
pub(crate) struct Simd {
    pub(crate) codec: &'static Kernels,
    pub(crate) scan: &'static ScanKernels,
}

impl Simd {
    pub(crate) fn active() -> Self {
        Self {
            codec: Kernels::active(),
            scan: ScanKernels::active(),
        }
    }
}

/// Lengths whose inverse, and whose product with `sqrt(dim)`, are ordinary f32.
const ORDINARY: std::ops::Range<f64> = 1e-30..1e30;

/// Sums of squares none of which, and no part of which that matters, is beyond an f32.
const SAFE: std::ops::Range<f64> = 1e-20..1e35;

/// Components of a cache line.
const LINE: usize = 16;

/// Products that are summed in f32.
const RUN: usize = 16;

/// Up to [`LANES`] vectors: their first components, then their second ones, and so on.
pub(crate) struct Tile {
    pub(crate) simd: Simd,
    pub(crate) values: Vec<f32>,
    spare: Vec<f32>,
    zeros: Vec<f32>,
}

impl Tile {
    pub(crate) fn new(dim: usize) -> Self {
        Self {
            simd: Simd::active(),
            values: vec![0.0; dim * LANES],
            spare: vec![0.0; dim * LANES],
            zeros: vec![0.0; dim],
        }
    }

    pub(crate) fn dim(&self) -> usize {
        self.zeros.len()
    }

    /// Takes rows, gives each the length `sqrt(dim)` unless it is zero, and rotates them. Rows that are missing are zero.
    /// Returns the lengths that they had.
    pub(crate) fn load(&mut self, rows: &[f32], rotation: &Rotation) -> [f64; LANES] {
        // Read in order first, which brings the rows to the cache.
        let mut lengths = [0.0; LANES];
        for (to, row) in lengths.iter_mut().zip(rows.chunks_exact(self.dim())) {
            *to = length(row);
        }
        self.simd.scan.tile_of(rows, &mut self.values);
        let whole = (self.dim() as f64).sqrt();
        let mut scale = [0.0; LANES];
        for (lane, length) in lengths.into_iter().enumerate() {
            if ORDINARY.contains(&length) {
                scale[lane] = (whole / length) as f32;
            } else if length > 0.0 {
                for value in self.values.iter_mut().skip(lane).step_by(LANES) {
                    *value = (f64::from(*value) * (whole / length)) as f32;
                }
                scale[lane] = 1.0;
            }
        }
        self.simd
            .scan
            .tile_affine(&mut self.values, &scale, &self.zeros);
        self.forward(rotation);
        lengths
    }

    pub(crate) fn forward(&mut self, rotation: &Rotation) {
        rotation.forward(self.simd, &mut self.values, &mut self.spare);
    }

    pub(crate) fn backward(&mut self, rotation: &Rotation) {
        rotation.backward(self.simd, &mut self.values, &mut self.spare);
    }

    /// Writes the vectors to rows of `stride` values, each times its factor; as many as there are rows.
    pub(crate) fn store(&self, factors: &[f32; LANES], stride: usize, rows: &mut [f32]) {
        for (lane, (row, factor)) in rows.chunks_exact_mut(stride).zip(factors).enumerate() {
            let values = self.values.as_chunks::<LANES>().0;
            for (to, values) in row.iter_mut().zip(values) {
                // A length near the end of the range may not carry what a level adds.
                *to = (values[lane] * factor).clamp(f32::MIN, f32::MAX);
            }
        }
    }

    /// Euclidean lengths; not finite where a component is not.
    pub(crate) fn lengths(&self) -> [f64; LANES] {
        let squares = products(&self.values, &self.values);
        if squares.iter().all(|square| SAFE.contains(square)) {
            return squares.map(f64::sqrt);
        }
        // Squares that an f32 may not hold; the other vectors must not notice.
        let mut wide = [0.0; LANES];
        for values in self.values.as_chunks::<LANES>().0 {
            for (square, value) in wide.iter_mut().zip(values) {
                let value = f64::from(*value);
                *square += value * value;
            }
        }
        std::array::from_fn(|lane| {
            let is_safe = SAFE.contains(&squares[lane]);
            (if is_safe { squares[lane] } else { wide[lane] }).sqrt()
        })
    }
}

/// Euclidean length; not finite where a component is not.
fn length(row: &[f32]) -> f64 {
    let mut sums = [0.0_f64; LINE];
    let (lines, rest) = row.as_chunks::<LINE>();
    for lines in lines.chunks(RUN) {
        let mut run = [0.0_f32; LINE];
        for line in lines {
            for (sum, value) in run.iter_mut().zip(line) {
                *sum += value * value;
            }
        }
        for (sum, run) in sums.iter_mut().zip(run) {
            *sum += f64::from(run);
        }
    }
    for (sum, value) in sums.iter_mut().zip(rest) {
        *sum += f64::from(value * value);
    }
    let mut width = LINE / 2;
    while width > 0 {
        for i in 0..width {
            sums[i] += sums[i + width];
        }
        width /= 2;
    }
    if SAFE.contains(&sums[0]) {
        return sums[0].sqrt();
    }
    // Squares that an f32 may not hold.
    let squares = row.iter().map(|value| f64::from(*value).powi(2));
    squares.sum::<f64>().sqrt()
}

/// Inner products of the vectors of two tiles: sums of [`RUN`] products in f32, added up in f64.
pub(crate) fn products(a: &[f32], b: &[f32]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    let (a, b) = (a.as_chunks::<LANES>().0, b.as_chunks::<LANES>().0);
    for (a, b) in a.chunks(RUN).zip(b.chunks(RUN)) {
        let mut run = [0.0_f32; LANES];
        for (a, b) in a.iter().zip(b) {
            for ((sum, a), b) in run.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
        for (sum, run) in sums.iter_mut().zip(run) {
            *sum += f64::from(run);
        }
    }
    sums
}
