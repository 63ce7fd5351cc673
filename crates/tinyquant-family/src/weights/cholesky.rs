//! The triangular factor of an inverse, in f64 and in one order of operations.

use crate::Error;
use rayon::prelude::*;
use tinyquant_codec::Control;

/// Columns that are factored before the rows below them.
const BLOCK: usize = 64;

/// Why there is no factor.
pub(crate) enum NoFactor {
    /// A pivot is not positive.
    Pivot {
        /// Column of the matrix.
        column: usize,
        value: f64,
    },
    Stopped(Error),
}

/// Dot product in eight running sums.
pub(crate) fn dot(left: &[f64], right: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (left, left_rest) = left.as_chunks::<8>();
    let (right, right_rest) = right.as_chunks::<8>();
    for (a, b) in left.iter().zip(right) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = left_rest.iter().zip(right_rest).map(|(a, b)| a * b).sum();
    let pair = |lane: usize| sums[lane] + sums[lane + 4];
    (pair(0) + pair(2)) + (pair(1) + pair(3)) + rest
}

/// The upper triangular `u` with `uᵀ u` the inverse of a symmetric positive definite matrix of `n` rows, row-major.
///
/// With rows and columns in reverse order, the matrix is `l lᵀ` with `l` lower triangular; the inverse of `l`, reversed
/// again, is `u`. That is one factorization and one inversion in place of two factorizations and an inverse.
pub(crate) fn inverse_factor(
    matrix: &[f64],
    n: usize,
    control: &Control,
) -> Result<Vec<f64>, NoFactor> {
    let mut lower: Vec<f64> = matrix.iter().rev().copied().collect();
    factor(&mut lower, n, control)?;
    // Row c holds column c of the inverse of the factor.
    let mut columns = vec![0.0; n * n];
    columns
        .par_chunks_exact_mut(n)
        .enumerate()
        .for_each(|(c, column)| {
            column[c] = 1.0 / lower[c * n + c];
            for i in c + 1..n {
                let row = &lower[i * n..][..n];
                column[i] = -dot(&row[c..i], &column[c..i]) / row[i];
            }
        });
    control
        .check()
        .map_err(|error| NoFactor::Stopped(error.into()))?;
    // Column n - 1 - q of the inverse, read backwards, is column q of u.
    let mut upper = vec![0.0; n * n];
    upper
        .par_chunks_exact_mut(n)
        .enumerate()
        .for_each(|(p, row)| {
            for (q, value) in row.iter_mut().enumerate().skip(p) {
                *value = columns[(n - 1 - q) * n + (n - 1 - p)];
            }
        });
    Ok(upper)
}

/// Replaces the lower triangle of a matrix by its Cholesky factor; what is above the diagonal is left as it is.
fn factor(matrix: &mut [f64], n: usize, control: &Control) -> Result<(), NoFactor> {
    for start in (0..n).step_by(BLOCK) {
        control
            .check()
            .map_err(|error| NoFactor::Stopped(error.into()))?;
        let end = (start + BLOCK).min(n);
        let (above, below) = matrix.split_at_mut(end * n);
        for i in start..end {
            let (before, row) = above.split_at_mut(i * n);
            let row = &mut row[..n];
            for j in start..i {
                let other = &before[j * n..][..n];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let pivot = row[i] - dot(&row[..i], &row[..i]);
            if !(pivot > 0.0 && pivot.is_finite()) {
                return Err(NoFactor::Pivot {
                    column: n - 1 - i,
                    value: pivot,
                });
            }
            row[i] = pivot.sqrt();
        }
        let above = &*above;
        below.par_chunks_exact_mut(n).for_each(|row| {
            for j in start..end {
                let other = &above[j * n..][..n];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tinyquant_testkit::seeded;

    #[test]
    fn the_factor_is_that_of_the_inverse() {
        for n in [1, 2, 7, 64, 130] {
            let rows: Vec<f64> = seeded::normal(n as u64, 2 * n * n, 1.0)
                .into_iter()
                .map(f64::from)
                .collect();
            let mut matrix = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..n {
                    let products = rows.chunks_exact(n).map(|row| row[i] * row[j]);
                    matrix[i * n + j] = products.sum::<f64>() + if i == j { 0.1 } else { 0.0 };
                }
            }
            let Ok(upper) = inverse_factor(&matrix, n, &Control::default()) else {
                panic!("no factor for {n}");
            };
            // u m uᵀ is the identity where uᵀ u is the inverse of m.
            for p in 0..n {
                for q in 0..n {
                    let image: Vec<f64> = (0..n)
                        .map(|i| dot(&matrix[i * n..][..n], &upper[q * n..][..n]))
                        .collect();
                    let found = dot(&upper[p * n..][..n], &image);
                    let expected = if p == q { 1.0 } else { 0.0 };
                    assert!((found - expected).abs() < 1e-9, "{n} {p} {q}: {found}");
                    assert!(q >= p || upper[p * n + q] == 0.0);
                }
            }
        }
    }

    #[test]
    fn a_pivot_that_is_not_positive_is_named_by_its_column() {
        let matrix = [1.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, 3.0];
        let result = inverse_factor(&matrix, 3, &Control::default());
        assert!(
            matches!(result, Err(NoFactor::Pivot { column: 1, value }) if (value + 2.0).abs() < 1e-12)
        );
    }
}
