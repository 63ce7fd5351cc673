//! Signs of random projections: one bit a projection, from which inner products are estimated without bias (QJL, Zandieh,
//! Daliri and Han, arXiv 2406.03482).

use super::random::{Purpose, Random};
use super::rotation::Rotation;
use super::tile::{Simd, Tile};
use crate::Error;
use std::f64::consts::PI;
use std::sync::OnceLock;
use tinyquant_kernels::LANES;

/// Largest dimension of a Gaussian sketch, whose matrix has `dim^2` entries of two bytes.
pub(crate) const MAX_GAUSSIAN: usize = 8192;

/// Euclidean length that rows and vectors have at most, rounding aside, as whole numbers: products stay below 2^31
/// (Cauchy-Schwarz).
const WHOLE: f64 = 32_000.0;

/// Where the projections of a sketch come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SketchKind {
    /// A matrix of independent normal entries, as in the paper.
    #[default]
    Gaussian,
    /// The rows of a second random rotation: also without bias, and with `pi/2 - 1` in place of `pi/2` of the variance,
    /// since the projections share out the length of the vector. It takes `dim log dim` steps, not `dim^2`, from 128
    /// dimensions up.
    Rotation,
}

/// `dim` projections.
#[derive(Debug)]
pub(crate) struct Sketch {
    source: Source,
    /// What the sum of the signs times the projections of a query is worth, for vectors of length `sqrt(dim)` and a residual
    /// of length 1.
    weight: f64,
}

#[derive(Debug)]
enum Source {
    Gaussian {
        seed: u64,
        dim: usize,
        /// Made when it is first needed.
        matrix: OnceLock<Matrix>,
    },
    Rotation(Rotation),
}

/// Whole numbers that are near to normal, in rows made even in length.
#[derive(Debug)]
struct Matrix {
    rows: Vec<i16>,
    /// The transpose, for reconstruction alone.
    columns: OnceLock<Vec<i16>>,
}

/// Memory that projections use.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    panel: Vec<i16>,
    sums: Vec<i32>,
    row: Vec<f32>,
    values: Vec<f32>,
}

impl Sketch {
    pub(crate) fn new(dim: usize, seed: u64, kind: SketchKind) -> Result<Self, Error> {
        let seed = Random::new(seed, Purpose::Sketch).next();
        let d = dim as f64;
        Ok(match kind {
            SketchKind::Gaussian => Self {
                source: Source::Gaussian {
                    seed,
                    dim,
                    matrix: OnceLock::new(),
                },
                // sqrt(pi/2) / dim for rows of length sqrt(dim), and the grain of the whole numbers.
                weight: (0.5 * PI).sqrt() / d * d.sqrt() / grain(dim),
            },
            SketchKind::Rotation => {
                let gammas = libm::lgamma(0.5 * (d + 1.0)) - libm::lgamma(0.5 * d);
                Self {
                    source: Source::Rotation(Rotation::new(dim, seed)?),
                    weight: PI.sqrt() * libm::exp(gammas) / d * d.sqrt(),
                }
            }
        })
    }

    /// Bytes that the projections take once all that is made at first use is made.
    pub(crate) fn nbytes(&self) -> usize {
        match &self.source {
            Source::Rotation(rotation) => rotation.nbytes(),
            Source::Gaussian { dim, .. } => 2 * size_of::<i16>() * dim * dim.next_multiple_of(2),
        }
    }

    pub(crate) fn weight(&self) -> f64 {
        self.weight
    }

    /// Signs of the projections of the vectors of a tile, as bits, 1 for those that are not negative. `lengths` are those
    /// of the vectors.
    pub(crate) fn signs(
        &self,
        tile: &mut Tile,
        lengths: &[f64; LANES],
        scratch: &mut Scratch,
        bits: &mut [u8],
    ) {
        match &self.source {
            Source::Rotation(rotation) => {
                tile.forward(rotation);
                for (bit, value) in bits.iter_mut().zip(&tile.values) {
                    *bit = u8::from(*value >= 0.0);
                }
            }
            Source::Gaussian { seed, dim, matrix } => {
                let matrix = matrix.get_or_init(|| Matrix::new(*dim, *seed));
                let even = dim.next_multiple_of(2);
                let scale = lengths.map(|length| {
                    if length > 0.0 {
                        (WHOLE / length) as f32
                    } else {
                        0.0
                    }
                });
                let simd = tile.simd;
                scratch.panel.resize(even * LANES, 0);
                tile.values.resize(even * LANES, 0.0);
                simd.scan
                    .tile_to_panel(&tile.values, &scale, &mut scratch.panel);
                tile.values.truncate(dim * LANES);
                scratch.sums.resize(dim * LANES, 0);
                simd.scan
                    .dot_panels(&matrix.rows, &scratch.panel, even / 2, &mut scratch.sums);
                for (bit, sum) in bits.iter_mut().zip(&scratch.sums) {
                    *bit = u8::from(*sum >= 0);
                }
            }
        }
    }

    /// Replaces the vectors of a tile by their projections.
    pub(crate) fn project(&self, tile: &mut Tile, scratch: &mut Scratch) {
        match &self.source {
            Source::Rotation(rotation) => tile.forward(rotation),
            Source::Gaussian { seed, dim, matrix } => {
                let matrix = matrix.get_or_init(|| Matrix::new(*dim, *seed));
                let simd = tile.simd;
                scratch.values.resize(dim * LANES, 0.0);
                scratch.row.resize(*dim, 0.0);
                let rows = matrix.rows.chunks_exact(dim.next_multiple_of(2));
                for (row, out) in rows.zip(scratch.values.as_chunks_mut::<LANES>().0) {
                    for (to, value) in scratch.row.iter_mut().zip(row) {
                        *to = f32::from(*value);
                    }
                    simd.codec.dot_blocks(&scratch.row, &tile.values, out);
                }
                std::mem::swap(&mut tile.values, &mut scratch.values);
            }
        }
    }

    /// Replaces the signs in a tile, -1 and 1, by the sums of the projections' rows with these signs.
    pub(crate) fn back(&self, tile: &mut Tile, scratch: &mut Scratch) {
        match &self.source {
            Source::Rotation(rotation) => tile.backward(rotation),
            Source::Gaussian { seed, dim, matrix } => {
                let matrix = matrix.get_or_init(|| Matrix::new(*dim, *seed));
                let even = dim.next_multiple_of(2);
                let columns = matrix.columns.get_or_init(|| matrix.transposed(*dim));
                let simd: Simd = tile.simd;
                scratch.panel.resize(even * LANES, 0);
                tile.values.resize(even * LANES, 0.0);
                simd.scan
                    .tile_to_panel(&tile.values, &[1.0; LANES], &mut scratch.panel);
                tile.values.truncate(dim * LANES);
                scratch.sums.resize(dim * LANES, 0);
                simd.scan
                    .dot_panels(columns, &scratch.panel, even / 2, &mut scratch.sums);
                for (to, sum) in tile.values.iter_mut().zip(&scratch.sums) {
                    *to = *sum as f32;
                }
            }
        }
    }
}

/// Whole numbers to one standard deviation: rows of `dim` entries, of length about `sqrt(dim)`, stay below [`WHOLE`].
fn grain(dim: usize) -> f64 {
    WHOLE / ((dim as f64).sqrt() + 5.0)
}

impl Matrix {
    fn new(dim: usize, seed: u64) -> Self {
        let mut random = Random::new(seed, Purpose::Sketch);
        let (even, grain) = (dim.next_multiple_of(2), grain(dim));
        let mut rows = vec![0; dim * even];
        for row in rows.chunks_exact_mut(even) {
            for value in &mut row[..dim] {
                *value = (random.normal() * grain).round_ties_even() as i16;
            }
        }
        Self {
            rows,
            columns: OnceLock::new(),
        }
    }

    fn transposed(&self, dim: usize) -> Vec<i16> {
        let even = dim.next_multiple_of(2);
        let mut columns = vec![0; dim * even];
        for (i, row) in self.rows.chunks_exact(even).enumerate() {
            for (j, value) in row[..dim].iter().enumerate() {
                columns[j * even + i] = *value;
            }
        }
        columns
    }
}
