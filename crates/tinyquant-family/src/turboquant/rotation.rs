//! Orthogonal maps that make coordinates look Gaussian.

use super::random::{Purpose, Random};
use super::tile::Simd;
use crate::Error;
use std::ops::Range;
use tinyquant_codec::{Control, Rotation as Dense};
use tinyquant_kernels::LANES;

/// Rounds of signs and Walsh-Hadamard transforms: after three, even a vector of one component is spread evenly.
const ROUNDS: usize = 3;

/// Dimension below which the map is a dense matrix, uniform among all rotations: signs and sums of few components are far
/// from uniform.
const DENSE_BELOW: usize = 128;

/// A rotation that a seed decides.
#[derive(Debug)]
pub(crate) enum Rotation {
    /// An orthogonal matrix and its transpose, row-major.
    Dense { rows: Vec<f32>, columns: Vec<f32> },
    /// Rounds of signs and Walsh-Hadamard transforms. Where the dimension is no power of two, a round gives the components a
    /// new order, transforms the first ones, as many as the largest power of two below, and after other signs the last
    /// ones. Each step is orthogonal, so that the whole is.
    Signs {
        /// A sign for each transform and component.
        signs: Vec<f32>,
        /// Which component comes to each place, round after round; empty for a power of two.
        orders: Vec<u32>,
    },
}

impl Rotation {
    /// Bytes that the map takes.
    pub(crate) fn nbytes(&self) -> usize {
        match self {
            Self::Dense { rows, columns } => size_of_val(&rows[..]) + size_of_val(&columns[..]),
            Self::Signs { signs, orders } => size_of_val(&signs[..]) + size_of_val(&orders[..]),
        }
    }

    pub(crate) fn new(dim: usize, seed: u64) -> Result<Self, Error> {
        if dim < DENSE_BELOW {
            let matrix = Dense::shared(seed, dim, &Control::default())?.to_row_major()?;
            let rows: Vec<f32> = matrix.iter().map(|value| *value as f32).collect();
            let columns = (0..dim * dim)
                .map(|i| rows[i % dim * dim + i / dim])
                .collect();
            return Ok(Self::Dense { rows, columns });
        }
        let transforms = if dim.is_power_of_two() { 1 } else { 2 };
        let count = ROUNDS * transforms * dim;
        let mut random = Random::new(seed, Purpose::Signs);
        let mut signs = Vec::with_capacity(count.next_multiple_of(64));
        while signs.len() < count {
            let bits = random.next();
            signs.extend((0..64).map(|bit| if bits >> bit & 1 == 0 { 1.0 } else { -1.0 }));
        }
        signs.truncate(count);
        let mut orders = Vec::new();
        if !dim.is_power_of_two() {
            let mut random = Random::new(seed, Purpose::Orders);
            for _ in 0..ROUNDS {
                let mut order: Vec<u32> = (0..dim as u32).collect();
                for last in (1..dim).rev() {
                    order.swap(last, random.below(last + 1));
                }
                orders.extend(order);
            }
        }
        Ok(Self::Signs { signs, orders })
    }

    /// Rotates the vectors of a tile of `dim` rows; `spare` has as many.
    pub(crate) fn forward(&self, simd: Simd, tile: &mut Vec<f32>, spare: &mut Vec<f32>) {
        match self {
            Self::Dense { rows, .. } => product(simd, rows, tile, spare),
            Self::Signs { signs, orders } => {
                let dim = tile.len() / LANES;
                let transforms = transforms(dim);
                for (at, signs) in signs.chunks_exact(dim).enumerate() {
                    if transforms.len() == 1 {
                        transform(simd, tile, 0..dim, Some(signs));
                        continue;
                    }
                    simd.scan.tile_signs(tile, signs);
                    let (round, part) = (at / transforms.len(), at % transforms.len());
                    if let Some(order) = orders.chunks_exact(dim).nth(round)
                        && part == 0
                    {
                        let from = tile.as_chunks::<LANES>().0;
                        let to = spare.as_chunks_mut::<LANES>().0;
                        for (to, place) in to.iter_mut().zip(order) {
                            *to = from[*place as usize];
                        }
                        std::mem::swap(tile, spare);
                    }
                    transform(simd, tile, transforms[part].clone(), None);
                }
            }
        }
    }

    /// Undoes [`Rotation::forward`].
    pub(crate) fn backward(&self, simd: Simd, tile: &mut Vec<f32>, spare: &mut Vec<f32>) {
        match self {
            Self::Dense { columns, .. } => product(simd, columns, tile, spare),
            Self::Signs { signs, orders } => {
                let dim = tile.len() / LANES;
                let transforms = transforms(dim);
                for (at, signs) in signs.chunks_exact(dim).enumerate().rev() {
                    let (round, part) = (at / transforms.len(), at % transforms.len());
                    transform(simd, tile, transforms[part].clone(), None);
                    if let Some(order) = orders.chunks_exact(dim).nth(round)
                        && part == 0
                    {
                        let from = tile.as_chunks::<LANES>().0;
                        let to = spare.as_chunks_mut::<LANES>().0;
                        for (from, place) in from.iter().zip(order) {
                            to[*place as usize] = *from;
                        }
                        std::mem::swap(tile, spare);
                    }
                    simd.scan.tile_signs(tile, signs);
                }
            }
        }
    }
}

/// Components that the transforms of a round take.
fn transforms(dim: usize) -> Vec<Range<usize>> {
    let block = 1 << dim.ilog2();
    let mut transforms = Vec::with_capacity(2);
    transforms.push(0..block);
    if block < dim {
        transforms.push(dim - block..dim);
    }
    transforms
}

/// Transforms some components, each times its sign first where signs are given.
fn transform(simd: Simd, tile: &mut [f32], components: Range<usize>, signs: Option<&[f32]>) {
    let scale = 1.0 / (components.len() as f64).sqrt();
    let values = &mut tile[components.start * LANES..components.end * LANES];
    simd.scan.hadamard(values, signs, scale as f32);
}

/// Replaces a tile by its products with the rows of a square matrix.
pub(crate) fn product(simd: Simd, matrix: &[f32], tile: &mut Vec<f32>, spare: &mut Vec<f32>) {
    let dim = tile.len() / LANES;
    let out = spare.as_chunks_mut::<LANES>().0;
    for (row, out) in matrix.chunks_exact(dim).zip(out) {
        simd.codec.dot_blocks(row, tile, out);
    }
    std::mem::swap(tile, spare);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tinyquant_testkit::seeded;

    #[test]
    fn rotations_keep_lengths_and_come_back() {
        let simd = Simd::active();
        for dim in [2, 3, 17, 64, 127, 128, 130, 255, 256, 384, 1000] {
            let rotation = Rotation::new(dim, 5).unwrap();
            let given = seeded::normal(dim as u64, dim * LANES, 1.0);
            let (mut tile, mut spare) = (given.clone(), vec![0.0; given.len()]);
            rotation.forward(simd, &mut tile, &mut spare);
            for lane in 0..LANES {
                let length = |tile: &[f32]| -> f64 {
                    let lane = tile.iter().skip(lane).step_by(LANES);
                    lane.map(|value| f64::from(*value).powi(2)).sum()
                };
                assert!((length(&tile) / length(&given) - 1.0).abs() < 1e-5, "{dim}");
            }
            assert!(
                tile.iter()
                    .zip(&given)
                    .any(|(after, before)| (after - before).abs() > 0.1)
            );
            rotation.backward(simd, &mut tile, &mut spare);
            for (after, before) in tile.iter().zip(&given) {
                assert!((after - before).abs() < 2e-5, "{dim}: {after} {before}");
            }
        }
    }

    #[test]
    fn one_component_is_spread_over_all() {
        let simd = Simd::active();
        for dim in [128, 130, 255, 257, 300, 384] {
            let (mut largest, mut fourth) = (0.0_f64, 0.0);
            for seed in 0..40 {
                let rotation = Rotation::new(dim, seed).unwrap();
                let (mut tile, mut spare) = (vec![0.0; dim * LANES], vec![0.0; dim * LANES]);
                tile[(seed as usize * 7 % dim) * LANES] = (dim as f32).sqrt();
                rotation.forward(simd, &mut tile, &mut spare);
                for value in tile.iter().step_by(LANES) {
                    largest = largest.max(f64::from(value.abs()));
                    fourth += f64::from(*value).powi(4) / (40 * dim) as f64;
                }
            }
            // A normal coordinate has the fourth moment 3, and exceeds 6 once in 5e8 times.
            assert!(largest < 6.0, "{dim}: {largest}");
            assert!((fourth - 3.0).abs() < 0.3, "{dim}: {fourth}");
        }
    }
}
