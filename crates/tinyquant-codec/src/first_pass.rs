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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Control;
    use tinyquant_testkit::seeded;

    fn rotation(dimension: usize) -> Rotation {
        Rotation::build(5, dimension, &Control::default()).unwrap()
    }

    /// The codes of every row that the first pass decides.
    fn decided(vectors: &[f32], rotation: &Rotation, codebook: &Codebook) -> Vec<Option<Vec<u8>>> {
        let dimension = rotation.dimension();
        let mut pass = FirstPass::new(dimension);
        pass.rotate(vectors, rotation);
        let mut codes = vec![0; padded(dimension)];
        let rows = vectors.chunks(dimension).enumerate();
        rows.map(|(row, vector)| {
            let is_decided = pass.codes(row, vector, rotation, codebook, &mut codes);
            is_decided.then(|| codes[..dimension].to_vec())
        })
        .collect()
    }

    fn expected(vector: &[f32], rotation: &Rotation, codebook: &Codebook) -> Vec<u8> {
        let all: Vec<usize> = (0..vector.len()).collect();
        let sums = rotation.coordinates(vector, &all);
        sums.into_iter().map(|sum| codebook.code(sum)).collect()
    }

    #[test]
    fn it_pays_for_few_bits_on_cpus_with_fast_sums() {
        let is_fast = Kernels::active().has_fast_sums();
        assert_eq!([2, 4, 8].map(FirstPass::pays), [is_fast, is_fast, false]);
    }

    #[test]
    fn codes_are_those_of_the_sums_in_f64() {
        // The middle threshold is zero, which is also what padding rotates to.
        let codebook = Codebook::from_entries(&[-1.5, -0.5, 0.5, 1.5], 2).unwrap();
        for dimension in [1, 15, 16, 17, 33, 100] {
            let rotation = rotation(dimension);
            let vectors = seeded::normal(7, 30 * dimension, 1.0);
            let rows = decided(&vectors, &rotation, &codebook);
            for (vector, codes) in vectors.chunks(dimension).zip(rows) {
                assert_eq!(codes, Some(expected(vector, &rotation, &codebook)));
            }
        }
    }

    /// Rows whose rotated coordinates all lie next to a threshold.
    #[test]
    fn a_few_doubts_are_settled_one_by_one() {
        for (dimension, is_decided) in [(FEW, true), (FEW + 1, false)] {
            let rotation = rotation(dimension);
            let matrix = rotation.to_row_major().unwrap();
            // What rotates to 1 and a little less or more.
            let rotated = |row: usize| 1.0 + (row % 3) as f64 * 3e-7 - 3e-7;
            let value = |column: usize| {
                let rows = matrix[column..].iter().step_by(dimension).enumerate();
                rows.map(|(row, factor)| factor * rotated(row)).sum::<f64>() as f32
            };
            let vector: Vec<f32> = (0..dimension).map(value).collect();
            let codebook = Codebook::from_entries(&[-9.0, 0.5, 1.5, 9.0], 2).unwrap();
            let codes = expected(&vector, &rotation, &codebook);
            assert!(
                codes.contains(&1) && codes.contains(&2),
                "{dimension}: {codes:?}"
            );
            assert_eq!(
                decided(&vector, &rotation, &codebook),
                [is_decided.then_some(codes)]
            );
        }
    }

    #[test]
    fn long_rows_are_left_to_the_rotation_in_f64() {
        let rotation = rotation(4);
        let codebook = Codebook::from_entries(&[-1.5, -0.5, 0.5, 1.5], 2).unwrap();
        let row = |value: f32| [value, 0.0, 0.0, 0.0];
        let vectors = [row(0.9e30), row(1.1e30), row(-0.9e30)].concat();
        let rows = decided(&vectors, &rotation, &codebook);
        let is_decided: Vec<bool> = rows.iter().map(Option::is_some).collect();
        assert_eq!(is_decided, [true, false, true]);
        assert_eq!(rows[2], Some(expected(&vectors[8..], &rotation, &codebook)));
    }
}
