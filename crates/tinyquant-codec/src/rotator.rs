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
