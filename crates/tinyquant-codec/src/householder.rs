//! Orthogonal factor of a square matrix by blocked Householder reflections.
//!
//! Every sum runs in index order with separate multiplications and additions, in lanes that hold different
//! columns, so the bits do not depend on the CPU. Block reflections use the compact WY form (Schreiber and
//! Van Loan, 1989): a product of reflections is `I - V T V'`.

use crate::{Control, Error, memory};
use tinyquant_kernels::{Kernels, PANEL, STRIP};

/// Reflections that are applied together: one panel of columns.
const BLOCK: usize = PANEL;
const SQUARE: usize = BLOCK * BLOCK;

/// A square matrix in panels of [`PANEL`] columns: all rows of the first panel, then of the next. Rows are
/// padded to whole strips and columns to whole panels, with zeros.
pub(crate) struct PanelMatrix {
    pub(crate) size: usize,
    pub(crate) rows: usize,
    pub(crate) data: Vec<f64>,
}

impl PanelMatrix {
    pub(crate) fn zero(size: usize) -> Result<Self, Error> {
        let rows = size.next_multiple_of(STRIP);
        Ok(Self {
            size,
            rows,
            data: memory::filled(rows * size.next_multiple_of(PANEL))?,
        })
    }

    fn identity(size: usize) -> Result<Self, Error> {
        let mut matrix = Self::zero(size)?;
        for i in 0..size {
            *matrix.at(i, i) = 1.0;
        }
        Ok(matrix)
    }

    pub(crate) fn at(&mut self, row: usize, column: usize) -> &mut f64 {
        &mut self.data[(column / PANEL * self.rows + row) * PANEL + column % PANEL]
    }

    fn panel_len(&self) -> usize {
        self.rows * PANEL
    }
}

/// Replaces `matrix = Q R` by `Q` with each column times the sign of its diagonal entry of `R` (+1 for zero):
/// the factor that goes with a positive diagonal, which is unique.
///
/// # Errors
/// [`Error::Cancelled`], [`Error::OutOfMemory`].
pub(crate) fn orthogonal(mut matrix: PanelMatrix, control: &Control) -> Result<PanelMatrix, Error> {
    let kernels = Kernels::active();
    let (size, panel_len) = (matrix.size, matrix.panel_len());
    let mut signs = vec![1.0; size.next_multiple_of(PANEL)];
    let mut factors = Vec::with_capacity(size.div_ceil(BLOCK));
    for first in (0..size).step_by(BLOCK) {
        control.check()?;
        let (done, trailing) = matrix.data.split_at_mut((first / PANEL + 1) * panel_len);
        let panel = &mut done[first / PANEL * panel_len..];
        let taus = reflect_panel(panel, first, size, &mut signs[first..first + BLOCK]);
        let reflectors = &panel[first * PANEL..];
        let t = triangular(kernels, reflectors, &taus);
        // Q' A = (I - V T' V') A
        let update = Update::new(kernels, reflectors, &transpose(&t));
        for other in trailing.chunks_exact_mut(panel_len) {
            update.apply(&mut other[first * PANEL..]);
        }
        factors.push(t);
    }
    let mut q = PanelMatrix::identity(size)?;
    for (index, t) in factors.into_iter().enumerate().rev() {
        control.check()?;
        let first = index * BLOCK;
        let reflectors = &matrix.data[index * panel_len..][..panel_len][first * PANEL..];
        let update = Update::new(kernels, reflectors, &t);
        // Columns left of the block are still those of the identity, and stay so.
        for panel in q.data[index * panel_len..].chunks_exact_mut(panel_len) {
            update.apply(&mut panel[first * PANEL..]);
        }
    }
    for (panel, signs) in q
        .data
        .chunks_exact_mut(panel_len)
        .zip(signs.as_chunks::<PANEL>().0)
    {
        for row in panel.as_chunks_mut::<PANEL>().0 {
            for (value, sign) in row.iter_mut().zip(signs) {
                *value *= sign;
            }
        }
    }
    Ok(q)
}

/// Reduces the columns `first..` of one panel below the diagonal. The panel then holds the reflectors, with
/// ones on the diagonal and zeros above; `signs` receives the signs of the diagonal of `R`.
fn reflect_panel(panel: &mut [f64], first: usize, size: usize, signs: &mut [f64]) -> [f64; BLOCK] {
    let rows = panel.as_chunks_mut::<PANEL>().0;
    let mut taus = [0.0; BLOCK];
    for c in 0..BLOCK.min(size - first) {
        let pivot = first + c;
        let below = &mut rows[pivot..size];
        let mut dots = [0.0; PANEL];
        for row in below.iter() {
            let value = row[c];
            for (dot, other) in dots.iter_mut().zip(row) {
                *dot += value * other;
            }
        }
        let alpha = below[0][c];
        let norm = dots[c].sqrt();
        if below.len() == 1 || norm == 0.0 {
            signs[c] = if alpha >= 0.0 { 1.0 } else { -1.0 };
            below[0][c] = 1.0;
            continue;
        }
        let beta = if alpha >= 0.0 { -norm } else { norm };
        signs[c] = if beta >= 0.0 { 1.0 } else { -1.0 };
        taus[c] = (beta - alpha) / beta;
        let scale = 1.0 / (alpha - beta);
        // The reflector is (column - beta e) * scale, so its products with the columns follow from `dots`.
        let mut factors = [0.0; PANEL];
        for l in c + 1..PANEL {
            factors[l] = taus[c] * ((dots[l] - beta * below[0][l]) * scale);
        }
        // The pivot's own row would become that of R, which nobody asks for.
        for row in &mut below[1..] {
            let value = row[c] * scale;
            for (other, factor) in row.iter_mut().zip(factors) {
                *other -= factor * value;
            }
            row[c] = value;
        }
        below[0][c] = 1.0;
    }
    for (r, row) in rows.iter_mut().enumerate().take(first + BLOCK) {
        let above = (r + 1).saturating_sub(first);
        row[above.min(BLOCK)..].fill(0.0);
    }
    taus
}

/// The triangular factor of the compact WY form.
fn triangular(kernels: &Kernels, reflectors: &[f64], taus: &[f64; BLOCK]) -> [f64; SQUARE] {
    let gram = project(kernels, reflectors, reflectors);
    let mut t = [0.0; SQUARE];
    for c in 0..BLOCK {
        t[c * BLOCK + c] = taus[c];
        for i in 0..c {
            let mut sum = 0.0;
            for q in i..c {
                sum += t[i * BLOCK + q] * gram[q * BLOCK + c];
            }
            t[i * BLOCK + c] = -taus[c] * sum;
        }
    }
    t
}

/// The map `A -> A - V t (V' A)` on panels that start at the block's first row.
struct Update<'a> {
    kernels: &'static Kernels,
    reflectors: &'a [f64],
    /// Transposed, since [`project`] multiplies by a transpose.
    t: [f64; SQUARE],
    /// `-V`, strip by strip, each transposed: the left operand of the subtraction.
    negative: Vec<f64>,
}

impl<'a> Update<'a> {
    fn new(kernels: &'static Kernels, reflectors: &'a [f64], t: &[f64; SQUARE]) -> Self {
        let mut negative = vec![0.0; reflectors.len()];
        for (strip, out) in reflectors
            .chunks_exact(STRIP * BLOCK)
            .zip(negative.chunks_exact_mut(STRIP * BLOCK))
        {
            for m in 0..STRIP {
                for q in 0..BLOCK {
                    out[q * STRIP + m] = -strip[m * BLOCK + q];
                }
            }
        }
        Self {
            kernels,
            reflectors,
            t: transpose(t),
            negative,
        }
    }

    fn apply(&self, panel: &mut [f64]) {
        let projected = project(self.kernels, self.reflectors, panel);
        let turned = project(self.kernels, &self.t, &projected);
        for (negative, rows) in self
            .negative
            .chunks_exact(STRIP * BLOCK)
            .zip(panel.chunks_exact_mut(STRIP * PANEL))
        {
            self.kernels.strip_add(negative, STRIP, &turned, rows);
        }
    }
}

/// `left' right` for two panels of equally many rows.
fn project(kernels: &Kernels, left: &[f64], right: &[f64]) -> [f64; SQUARE] {
    let mut product = [0.0; SQUARE];
    for (first, rows) in product.chunks_exact_mut(STRIP * PANEL).enumerate() {
        kernels.strip_add(&left[first * STRIP..], BLOCK, right, rows);
    }
    product
}

fn transpose(square: &[f64; SQUARE]) -> [f64; SQUARE] {
    std::array::from_fn(|i| square[i % BLOCK * BLOCK + i / BLOCK])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaussian::Gaussian;
    use nalgebra::DMatrix;

    #[test]
    fn equals_nalgebras_factor() {
        for size in [1, 2, 3, 7, 15, 16, 17, 31, 64, 100, 193] {
            let mut gaussian = Gaussian::new(size as u64);
            let mut matrix = PanelMatrix::zero(size).unwrap();
            let mut reference = DMatrix::zeros(size, size);
            for i in 0..size {
                for j in 0..size {
                    reference[(i, j)] = gaussian.sample();
                    *matrix.at(i, j) = reference[(i, j)];
                }
            }
            let (q, r) = reference.qr().unpack();
            let mut own = orthogonal(matrix, &Control::default()).unwrap();
            for i in 0..size {
                for j in 0..size {
                    let expected = q[(i, j)] * if r[(j, j)] >= 0.0 { 1.0 } else { -1.0 };
                    let difference = (*own.at(i, j) - expected).abs();
                    assert!(difference < 1e-12, "size {size} ({i}, {j}): {difference:e}");
                }
            }
        }
    }
}
