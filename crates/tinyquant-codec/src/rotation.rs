//! The orthogonal matrix that is applied before quantizing.

use crate::config::check_dimension;
use crate::gaussian::Gaussian;
use crate::householder::{PanelMatrix, orthogonal};
use crate::{Control, Error, memory, rotation_cache};
use std::sync::{Arc, OnceLock};
use tinyquant_kernels::{PANEL, padded};

/// Coordinates computed side by side, which hides the latency of the additions.
const TOGETHER: usize = 4;

/// A random orthogonal matrix `M`: the orthogonal factor, with positive diagonal of `R`, of a Gaussian matrix
/// drawn from the seed. Its bits are the same on every machine.
///
/// The matrix is kept twice, once for each direction, as panels of columns, and a third time in f32 once that
/// is needed: up to `20 * dimension^2` bytes.
pub struct Rotation {
    seed: u64,
    dimension: usize,
    /// Panels of `M'`: column `i` gives component `i` of `M x`.
    forward: Vec<f64>,
    /// `forward` rounded to f32, made when it is first needed.
    forward_f32: OnceLock<Vec<f32>>,
    /// Panels of `M`: column `j` gives component `j` of `M' y`.
    inverse: Vec<f64>,
}

impl Rotation {
    /// The matrix of a seed and a dimension, shared by the whole process: it is built on first use and kept
    /// in a cache of 64 matrices and 256 MB, or of the newest matrix if that is larger. Building takes time proportional to
    /// `dimension^3`; a second caller waits for the first.
    ///
    /// # Errors
    /// `InvalidDimension`, `DimensionTooLarge`, `OutOfMemory`, or `Cancelled` while building or waiting.
    pub fn shared(seed: u64, dimension: usize, control: &Control) -> Result<Arc<Self>, Error> {
        check_dimension(dimension)?;
        rotation_cache::get_or_build(seed, dimension, control)
    }

    pub(crate) fn build(seed: u64, dimension: usize, control: &Control) -> Result<Self, Error> {
        let mut matrix = PanelMatrix::zero(dimension)?;
        let mut gaussian = Gaussian::new(seed);
        for row in 0..dimension {
            control.check()?;
            for column in 0..dimension {
                *matrix.at(row, column) = gaussian.sample();
            }
        }
        let q = orthogonal(matrix, control)?;
        let inverse = without_padding_rows(q);
        let forward = transposed(&inverse, dimension)?;
        Ok(Self {
            seed,
            dimension,
            forward,
            forward_f32: OnceLock::new(),
            inverse,
        })
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Rows and columns of the matrix.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// A copy of the matrix, row-major, `dimension * dimension` values.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn to_row_major(&self) -> Result<Vec<f64>, Error> {
        let d = self.dimension;
        let mut matrix = memory::with_capacity(d * d)?;
        for i in 0..d {
            for panel in self.inverse.chunks_exact(d * PANEL) {
                let columns = PANEL.min(d * (i + 1) - matrix.len());
                matrix.extend_from_slice(&panel[i * PANEL..][..columns]);
            }
        }
        Ok(matrix)
    }

    /// Some coordinates of the rotated `vector`, each summed in f64 in index order: the very values that compressing
    /// takes the codes of. Rows of the matrix lie closer together in the panels of the other direction.
    ///
    /// # Panics
    /// Unless the vector has [`Rotation::dimension`] values and each coordinate is below it.
    pub fn coordinates(&self, vector: &[f32], which: &[usize]) -> Vec<f32> {
        assert!(vector.len() == self.dimension, "a vector of the dimension");
        let mut all = Vec::with_capacity(which.len());
        for group in which.chunks(TOGETHER) {
            let mut sums = [0.0; TOGETHER];
            let panels = self.inverse.chunks_exact(vector.len() * PANEL);
            for (values, panel) in vector.chunks(PANEL).zip(panels) {
                let row = |i: usize| &panel[group[i.min(group.len() - 1)] * PANEL..][..PANEL];
                let rows: [&[f64]; TOGETHER] = std::array::from_fn(row);
                for (c, x) in values.iter().enumerate() {
                    for (sum, row) in sums.iter_mut().zip(rows) {
                        *sum += f64::from(*x) * row[c];
                    }
                }
            }
            all.extend(sums.iter().take(group.len()).map(|sum| *sum as f32));
        }
        all
    }

    pub(crate) fn forward(&self) -> &[f64] {
        &self.forward
    }

    /// Empty if there is no memory for it.
    pub(crate) fn forward_f32(&self) -> &[f32] {
        self.forward_f32.get_or_init(|| {
            let mut rounded = memory::with_capacity(self.forward.len()).unwrap_or_default();
            if rounded.capacity() > 0 {
                rounded.extend(self.forward.iter().map(|value| *value as f32));
            }
            rounded
        })
    }

    pub(crate) fn inverse(&self) -> &[f64] {
        &self.inverse
    }

    pub(crate) fn bytes(&self) -> usize {
        (2 * size_of::<f64>() + size_of::<f32>()) * self.dimension * padded(self.dimension)
    }
}

/// Cuts the panels to the matrix's own rows.
fn without_padding_rows(mut q: PanelMatrix) -> Vec<f64> {
    let (from, to) = (q.rows * PANEL, q.size * PANEL);
    let count = q.data.len() / from;
    for panel in 0..count {
        q.data
            .copy_within(panel * from..panel * from + to, panel * to);
    }
    q.data.truncate(count * to);
    q.data
}

/// Panels of the transposed matrix.
fn transposed(panels: &[f64], size: usize) -> Result<Vec<f64>, Error> {
    let mut out: Vec<f64> = memory::filled(panels.len())?;
    for (p, panel) in panels.chunks_exact(size * PANEL).enumerate() {
        for (i, row) in panel.as_chunks::<PANEL>().0.iter().enumerate() {
            for (c, value) in row.iter().enumerate().take(size - p * PANEL) {
                out[(i / PANEL * size + p * PANEL + c) * PANEL + i % PANEL] = *value;
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_memory_is_three_matrices_of_padded_columns() {
        let rotation = Rotation::build(1, 17, &Control::default()).unwrap();
        assert_eq!(rotation.bytes(), 20 * 17 * 32);
        let held = size_of_val(rotation.forward())
            + size_of_val(rotation.inverse())
            + size_of_val(rotation.forward_f32());
        assert_eq!(held, rotation.bytes());
        let rounded = rotation.forward().iter().map(|value| *value as f32);
        assert!(rounded.eq(rotation.forward_f32().iter().copied()));
    }

    #[test]
    fn coordinates_are_sums_in_index_order() {
        for dimension in [1, 16, 17, 40] {
            let rotation = Rotation::build(1, dimension, &Control::default()).unwrap();
            let matrix = rotation.to_row_major().unwrap();
            let vector: Vec<f32> = (0..dimension).map(|i| (i as f32 + 0.3).sin()).collect();
            let expected = |row: &[f64]| {
                row.iter()
                    .zip(&vector)
                    .fold(0.0, |sum, (m, x)| sum + f64::from(*x) * m) as f32
            };
            let expected: Vec<f32> = matrix.chunks(dimension).map(expected).collect();
            for count in [0, 1, 4, 5, 9] {
                let which: Vec<usize> = (0..count).map(|i| (i * 7 + 3) % dimension).collect();
                let wanted: Vec<f32> = which.iter().map(|i| expected[*i]).collect();
                assert_eq!(rotation.coordinates(&vector, &which), wanted);
            }
        }
    }
}
