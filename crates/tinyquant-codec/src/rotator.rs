//! Rows times the matrix of a rotation, a block at a time.

use tinyquant_kernels::{Kernels, PANEL, TILE, fused_error, padded};

/// Scratch memory that rotates a block of rows.
pub(crate) struct Rotator {
    kernels: &'static Kernels,
    dimension: usize,
    short: Vec<f32>,
    tiles: Vec<f64>,
    errors: Vec<[f64; TILE]>,
    out: Vec<f32>,
}

impl Rotator {
    pub(crate) fn new(dimension: usize) -> Self {
        Self {
            kernels: Kernels::active(),
            dimension,
            short: vec![0.0; TILE * dimension],
            tiles: Vec::new(),
            errors: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Product of rows with a matrix in panels; rows of the result are padded.
    pub(crate) fn rotate<'a>(
        &mut self,
        rows: impl ExactSizeIterator<Item = &'a [f32]>,
        panels: &[f64],
    ) -> &[f32] {
        let kernels = self.kernels;
        let (dimension, stride, count) = (self.dimension, padded(self.dimension), rows.len());
        let tiles = count.div_ceil(TILE);
        self.tiles.resize(tiles * TILE * dimension, 0.0);
        self.errors.resize(tiles, [0.0; TILE]);
        self.out.resize(tiles * TILE * stride, 0.0);
        for_each_tile(rows, dimension, &mut self.short, |t, rows| {
            let tile = &mut self.tiles[t * TILE * dimension..][..TILE * dimension];
            kernels.widen_tile(rows, dimension, tile);
            for (error, row) in self.errors[t].iter_mut().zip(rows.chunks_exact(dimension)) {
                *error = fused_error(dimension, norm(row));
            }
        });
        for (p, panel) in panels.chunks_exact(dimension * PANEL).enumerate() {
            let columns = p * PANEL..dimension.min((p + 1) * PANEL);
            for (t, tile) in self.tiles.chunks_exact(TILE * dimension).enumerate() {
                let out = &mut self.out[t * TILE * stride..][..TILE * stride];
                kernels.tile_round(tile, panel, &self.errors[t], out, stride, columns.clone());
            }
        }
        &self.out[..count * stride]
    }
}

/// Visits the rows in groups of `TILE`, one after another in `scratch`; the last group is filled up with
/// zeros.
pub(crate) fn for_each_tile<'a>(
    rows: impl Iterator<Item = &'a [f32]>,
    dimension: usize,
    scratch: &mut [f32],
    mut visit: impl FnMut(usize, &[f32]),
) {
    let mut rows = rows.peekable();
    let mut tile = 0;
    while rows.peek().is_some() {
        scratch.fill(0.0);
        let places = scratch.chunks_exact_mut(dimension);
        for (row, place) in rows.by_ref().take(TILE).zip(places) {
            place.copy_from_slice(row);
        }
        visit(tile, scratch);
        tile += 1;
    }
}

/// Euclidean length, to within a part in 10^12.
pub(crate) fn norm(row: &[f32]) -> f64 {
    let (chunks, rest) = row.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    for (sum, value) in sums.iter_mut().zip(rest) {
        *sum += f64::from(*value) * f64::from(*value);
    }
    sums.iter().sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_counts_every_value() {
        for len in [1, 2, 7, 8, 9, 16, 19] {
            let row: Vec<f32> = (1..=len).map(|i| i as f32 / 3.0).collect();
            let squares: f64 = row.iter().map(|x| f64::from(*x).powi(2)).sum();
            let expected = squares.sqrt();
            assert!((norm(&row) / expected - 1.0).abs() < 1e-12, "{len}");
        }
    }

    #[test]
    fn tiles_hold_the_rows_in_order_and_zeros_after_them() {
        let dimension = 3;
        for count in [1, TILE - 1, TILE, TILE + 1, 3 * TILE + 2] {
            let values: Vec<f32> = (1..=count * dimension).map(|i| i as f32).collect();
            let mut scratch = vec![9.0; TILE * dimension];
            let mut seen = Vec::new();
            for_each_tile(
                values.chunks(dimension),
                dimension,
                &mut scratch,
                |tile, rows| {
                    assert_eq!((tile * rows.len(), rows.len()), (seen.len(), 3 * TILE));
                    seen.extend_from_slice(rows);
                },
            );
            assert_eq!(seen.len(), count.next_multiple_of(TILE) * dimension);
            assert_eq!(seen[..values.len()], values);
            assert!(seen[values.len()..].iter().all(|value| *value == 0.0));
        }
    }
}
