//! Codes from a rotation in f32, where an error bound proves that they are those of the rotation in f64.

use crate::rotator::{for_each_tile, norm};
use crate::{Codebook, Rotation};
use tinyquant_kernels::{Kernels, PANEL, TILE, padded, sums_error};

/// Rows longer than this could overflow in f32 and are left to the rotation in f64.
const MAX_NORM: f64 = 1e30;

/// Doubtful codes of a row up to which they are computed one by one.
const FEW: usize = 32;

/// Scratch memory that takes the codes of a block of rows.
pub(crate) struct FirstPass {
    kernels: &'static Kernels,
    dimension: usize,
    short: Vec<f32>,
    tiles: Vec<f32>,
    norms: Vec<f64>,
    sums: Vec<f32>,
    shifted: Vec<f32>,
    above: Vec<u8>,
}

impl FirstPass {
    /// Whether codes of this width come faster this way: the CPU has fast f32 sums, and thresholds lie so far
    /// apart that few codes are in doubt.
    pub(crate) fn pays(bit_width: u8) -> bool {
        bit_width <= 4 && Kernels::active().has_fast_sums()
    }

    pub(crate) fn new(dimension: usize) -> Self {
        Self {
            kernels: Kernels::active(),
            dimension,
            short: vec![0.0; TILE * dimension],
            tiles: Vec::new(),
            norms: Vec::new(),
            sums: Vec::new(),
            shifted: vec![0.0; padded(dimension)],
            above: vec![0; padded(dimension)],
        }
    }

    /// Rotates rows of finite values, approximately.
    pub(crate) fn rotate(&mut self, vectors: &[f32], rotation: &Rotation) {
        let kernels = self.kernels;
        let (dimension, stride) = (self.dimension, padded(self.dimension));
        let tiles = (vectors.len() / dimension).div_ceil(TILE);
        self.tiles.resize(tiles * TILE * dimension, 0.0);
        self.sums.resize(tiles * TILE * stride, 0.0);
        let rows = || vectors.chunks_exact(dimension);
        self.norms.clear();
        self.norms.extend(rows().map(norm));
        for_each_tile(rows(), dimension, &mut self.short, |t, rows| {
            let tile = &mut self.tiles[t * TILE * dimension..][..TILE * dimension];
            kernels.fill_tile(rows, dimension, tile);
        });
        let panels = rotation.forward_f32();
        if panels.is_empty() {
            self.norms.fill(f64::INFINITY);
        }
        for (p, panel) in panels.chunks_exact(dimension * PANEL).enumerate() {
            for (t, tile) in self.tiles.chunks_exact(TILE * dimension).enumerate() {
                let out = &mut self.sums[t * TILE * stride..][..TILE * stride];
                kernels.tile_sums(tile, panel, out, stride, p * PANEL);
            }
        }
    }

    /// Writes the codes of row `row` of the last [`FirstPass::rotate`], whose values are `vector`. False if they
    /// have to be taken from the rotation in f64.
    ///
    /// A rotated coordinate lies within the bound around its approximation. Codes never fall as the coordinate
    /// rises, so where both ends of that range have one code, the coordinate has it too.
    pub(crate) fn codes(
        &mut self,
        row: usize,
        vector: &[f32],
        rotation: &Rotation,
        codebook: &Codebook,
        codes: &mut [u8],
    ) -> bool {
        let kernels = self.kernels;
        let table = codebook.table();
        let sums = &self.sums[row * self.shifted.len()..][..self.shifted.len()];
        if self.norms[row] > MAX_NORM {
            return false;
        }
        let error = sums_error(self.dimension, self.norms[row]);
        for (end, codes) in [(-error, &mut *codes), (error, &mut *self.above)] {
            for (shifted, sum) in self.shifted.iter_mut().zip(sums) {
                *shifted = sum + end;
            }
            kernels.quantize(table, &self.shifted, codes);
        }
        let mut doubts = Vec::new();
        for (p, (below, above)) in codes
            .chunks_exact(PANEL)
            .zip(self.above.chunks_exact(PANEL))
            .enumerate()
        {
            if below != above {
                let columns = PANEL.min(self.dimension - p * PANEL);
                doubts.extend(
                    (0..columns)
                        .filter(|c| below[*c] != above[*c])
                        .map(|c| p * PANEL + c),
                );
            }
        }
        if doubts.len() > FEW {
            return false;
        }
        let sums = rotation.coordinates(vector, &doubts);
        for (coordinate, sum) in doubts.iter().zip(sums) {
            codes[*coordinate] = table.index(sum);
        }
        true
    }
}
