//! Orthogonal maps that make coordinates look Gaussian.

use tinyquant_kernels::{LANES, ScanKernels, UNIT};

/// Rounds of signs and Walsh-Hadamard transforms: after three, even a vector of one component is spread evenly.
const ROUNDS: usize = 3;

/// Numbers from a seed: splitmix64 (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next()) * limit as u128) >> 64) as usize
    }
}

/// Three rounds of random signs and Walsh-Hadamard transforms of `len` values, a multiple of [`UNIT`]. Where `len` is no
/// power of two, each round transforms the first values and then the last ones, as many as the largest power of two
/// below: each step is orthogonal, so that the whole is.
#[derive(Debug, Clone)]
pub(crate) struct SignRotation {
    len: usize,
    /// `len` signs a round.
    signs: Vec<f32>,
}

impl SignRotation {
    pub(crate) fn new(len: usize, seed: u64) -> Self {
        debug_assert!(len.is_multiple_of(UNIT));
        let mut random = Random::new(seed);
        let mut signs = Vec::with_capacity(ROUNDS * len);
        while signs.len() < ROUNDS * len {
            let bits = random.next();
            signs.extend((0..64).map(|bit| if bits >> bit & 1 == 0 { 1.0 } else { -1.0 }));
        }
        Self { len, signs }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Values of a transform, and what makes it orthogonal.
    fn block(&self) -> (usize, f32) {
        let block = 1 << self.len.ilog2();
        (block, (1.0 / libm::sqrt(block as f64)) as f32)
    }

    /// Rotates a tile.
    pub(crate) fn tile(&self, kernels: &ScanKernels, tile: &mut [f32]) {
        let (block, scale) = self.block();
        for signs in self.signs.chunks_exact(self.len) {
            let (first, rest) = signs.split_at(block);
            kernels.hadamard(&mut tile[..block * LANES], Some(first), scale);
            if block < self.len {
                kernels.tile_signs(&mut tile[block * LANES..], rest);
                kernels.hadamard(&mut tile[(self.len - block) * LANES..], None, scale);
            }
        }
    }

    /// Rotates one vector; its values are those that it has in a tile.
    pub(crate) fn one(&self, kernels: &ScanKernels, values: &mut [f32]) {
        let (block, scale) = self.block();
        for signs in self.signs.chunks_exact(self.len) {
            for (value, sign) in values.iter_mut().zip(signs) {
                *value *= sign;
            }
            kernels.hadamard_one(&mut values[..block], scale);
            if block < self.len {
                kernels.hadamard_one(&mut values[self.len - block..], scale);
            }
        }
    }

    /// Undoes the rotation of one vector.
    pub(crate) fn back(&self, kernels: &ScanKernels, values: &mut [f32]) {
        let (block, scale) = self.block();
        for signs in self.signs.chunks_exact(self.len).rev() {
            if block < self.len {
                kernels.hadamard_one(&mut values[self.len - block..], scale);
            }
            kernels.hadamard_one(&mut values[..block], scale);
            for (value, sign) in values.iter_mut().zip(signs) {
                *value *= sign;
            }
        }
    }
}

/// Euclidean length of a vector or row in whole numbers. The sum of products of two vectors of this length stays below
/// 2^31 (Cauchy-Schwarz), rounding included, up to 16384 components.
const WHOLE: f32 = 32000.0;

/// Orthonormal rows as i16, for exact products.
#[derive(Debug, Clone)]
pub(crate) struct Matrix {
    /// Components of a vector, made even.
    columns: usize,
    /// Row after row.
    rows: Vec<i16>,
    /// The same as panels of [`LANES`] rows.
    panels: Vec<i16>,
}

impl Matrix {
    /// A matrix of rows of i16, a multiple of [`LANES`] in number.
    pub(crate) fn from_rows(columns: usize, rows: Vec<i16>) -> Self {
        let panels = panels(&rows, columns);
        Self {
            columns,
            rows,
            panels,
        }
    }

    /// Rounds orthonormal rows.
    pub(crate) fn round(columns: usize, rows: &[f64]) -> Self {
        let even = columns.next_multiple_of(2);
        let mut whole = vec![0; rows.len() / columns * even];
        for (to, from) in whole.chunks_exact_mut(even).zip(rows.chunks_exact(columns)) {
            for (to, from) in to.iter_mut().zip(from) {
                *to = (from * f64::from(WHOLE)).round_ties_even() as i16;
            }
        }
        Self::from_rows(even, whole)
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn rows(&self) -> &[i16] {
        &self.rows
    }

    /// Rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len() / self.columns
    }

    /// Products with the vectors of a tile of `columns` rows, whose Euclidean lengths are `norms`.
    pub(crate) fn tile(
        &self,
        kernels: &ScanKernels,
        tile: &[f32],
        norms: &[f32; LANES],
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let scale = norms.map(|norm| if norm > 0.0 { WHOLE / norm } else { 0.0 });
        scratch.panel.resize(self.columns * LANES, 0);
        kernels.tile_to_panel(tile, &scale, &mut scratch.panel);
        scratch.sums.resize(self.len() * LANES, 0);
        kernels.dot_panels(
            &self.rows,
            &scratch.panel,
            self.columns / 2,
            &mut scratch.sums,
        );
        kernels.tile_from_i32(
            &scratch.sums,
            &norms.map(|norm| norm / (WHOLE * WHOLE)),
            out,
        );
    }

    /// Products with vectors of `columns` values and the Euclidean lengths given.
    pub(crate) fn many(
        &self,
        kernels: &ScanKernels,
        vectors: &[(Vec<f32>, f32)],
        scratch: &mut Scratch,
    ) -> Vec<Vec<f32>> {
        let values = vectors
            .iter()
            .map(|(values, norm)| (values.as_slice(), *norm));
        let sums = scratch.products(kernels, values, WHOLE, &self.panels, self.columns);
        let panels = sums.as_chunks::<LANES>().0;
        let each = vectors.iter().enumerate().map(|(at, (_, norm))| {
            let scale = norm / (WHOLE * WHOLE);
            let sums = panels.iter().skip(at).step_by(vectors.len()).flatten();
            sums.take(self.len())
                .map(|sum| *sum as f32 * scale)
                .collect()
        });
        each.collect()
    }

    /// The sum of the rows, each times its value: undoes [`Matrix::many`] for orthonormal rows that span all.
    pub(crate) fn back(&self, values: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        for (row, value) in self.rows.chunks_exact(self.columns).zip(values) {
            let value = value / WHOLE;
            for (to, factor) in out.iter_mut().zip(row) {
                *to += value * f32::from(*factor);
            }
        }
    }
}

/// Memory that products use.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    panel: Vec<i16>,
    sums: Vec<i32>,
}

impl Scratch {
    /// Products of panels with vectors, whose first `columns` values become whole numbers of length `whole` at most where
    /// the vectors have the lengths given: for each panel and vector [`LANES`] sums.
    pub(crate) fn products<'v>(
        &mut self,
        kernels: &ScanKernels,
        vectors: impl Iterator<Item = (&'v [f32], f32)>,
        whole: f32,
        panels: &[i16],
        columns: usize,
    ) -> &[i32] {
        self.panel.clear();
        let mut count = 0;
        for (values, norm) in vectors {
            let scale = if norm > 0.0 { whole / norm } else { 0.0 };
            let values = &values[..values.len().min(columns)];
            self.panel
                .extend(values.iter().map(|value| nearest(value * scale) as i16));
            count += 1;
            self.panel.resize(count * columns, 0);
        }
        self.sums.resize(panels.len() / columns * count, 0);
        kernels.dot_panels(&self.panel, panels, columns / 2, &mut self.sums);
        &self.sums
    }
}

/// The nearest whole number, ties to even, of a magnitude below 2^22: what is added leaves no room for a fraction.
pub(crate) fn nearest(value: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0;
    ((value + SHIFT).to_bits() as i32).wrapping_sub(SHIFT.to_bits() as i32)
}

/// Rows of `columns` (an even number) as panels of [`LANES`] rows.
pub(crate) fn panels(rows: &[i16], columns: usize) -> Vec<i16> {
    let mut panels = Vec::with_capacity(rows.len());
    for sixteen in rows.chunks_exact(columns * LANES) {
        for pair in 0..columns / 2 {
            for row in sixteen.chunks_exact(columns) {
                panels.extend_from_slice(&row[2 * pair..2 * pair + 2]);
            }
        }
    }
    panels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_rotation_is_orthogonal_and_its_tile_agrees() {
        let kernels = ScanKernels::active();
        for len in [64, 128, 192, 384, 1024, 1536] {
            let rotation = SignRotation::new(len, 7);
            let mut random = Random::new(len as u64);
            let vectors: Vec<Vec<f32>> = (0..LANES)
                .map(|_| {
                    (0..len)
                        .map(|_| random.below(2000) as f32 / 1000.0 - 1.0)
                        .collect()
                })
                .collect();
            let mut tile: Vec<f32> = (0..len * LANES)
                .map(|i| vectors[i % LANES][i / LANES])
                .collect();
            rotation.tile(kernels, &mut tile);
            for (lane, vector) in vectors.iter().enumerate() {
                let mut one = vector.clone();
                rotation.one(kernels, &mut one);
                for (i, value) in one.iter().enumerate() {
                    assert_eq!(value.to_bits(), tile[i * LANES + lane].to_bits());
                }
                let length = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
                assert!((length(&one) / length(vector) - 1.0).abs() < 1e-5);
                rotation.back(kernels, &mut one);
                for (a, b) in one.iter().zip(vector) {
                    assert!((a - b).abs() < 1e-5);
                }
            }
        }
    }
}
