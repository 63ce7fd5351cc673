//! Blocks of rows to packed codes and residuals.

use crate::first_pass::FirstPass;
use crate::rotator::Rotator;
use crate::row_coder::RowCoder;
use crate::{Codebook, CodecConfig, Error, Rotation};
use tinyquant_kernels::padded;

/// Scratch memory of one thread.
pub(crate) struct BlockEncoder {
    dimension: usize,
    rotator: Rotator,
    coder: RowCoder,
    /// Only where there is no residual: that needs every rotated coordinate to the last bit.
    first_pass: Option<FirstPass>,
}

impl BlockEncoder {
    pub(crate) fn new(config: &CodecConfig) -> Self {
        let dimension = config.dimension();
        let has_first_pass = !config.residual_enabled() && FirstPass::pays(config.bit_width());
        Self {
            dimension,
            rotator: Rotator::new(dimension),
            coder: RowCoder::new(dimension, config.bit_width()),
            first_pass: has_first_pass.then(|| FirstPass::new(dimension)),
        }
    }

    /// Encodes rows of finite values, of which the first is row `first` of the caller's. `packed` and `residuals`
    /// have an equal share for each row; without residuals, the latter is empty.
    pub(crate) fn encode(
        &mut self,
        vectors: &[f32],
        first: usize,
        rotation: &Rotation,
        codebook: &Codebook,
        packed: &mut [u8],
        residuals: &mut [u8],
    ) -> Result<(), Error> {
        let dimension = self.dimension;
        let rows = vectors.len() / dimension;
        let (packed_len, residual_len) = (packed.len() / rows, residuals.len() / rows);
        let undecided = self.decided_early(vectors, rotation, codebook, packed);
        let row_values = |row: &usize| &vectors[row * dimension..][..dimension];
        let rotated = self
            .rotator
            .rotate(undecided.iter().map(row_values), rotation.forward());
        for (row, rotated) in undecided
            .iter()
            .zip(rotated.chunks_exact(padded(dimension)))
        {
            let packed = &mut packed[row * packed_len..][..packed_len];
            let residual = &mut residuals[row * residual_len..][..residual_len];
            self.coder
                .encode(codebook, rotated, first + row, packed, residual)?;
        }
        Ok(())
    }

    /// Writes the codes of the rows that the first pass decides, and returns the others.
    fn decided_early(
        &mut self,
        vectors: &[f32],
        rotation: &Rotation,
        codebook: &Codebook,
        packed: &mut [u8],
    ) -> Vec<usize> {
        let rows = vectors.len() / self.dimension;
        let Some(first_pass) = &mut self.first_pass else {
            return (0..rows).collect();
        };
        first_pass.rotate(vectors, rotation);
        let mut undecided = Vec::new();
        let packed_rows = packed.chunks_exact_mut(packed.len() / rows);
        for (row, (vector, packed)) in vectors
            .chunks_exact(self.dimension)
            .zip(packed_rows)
            .enumerate()
        {
            if first_pass.codes(row, vector, rotation, codebook, self.coder.indices_mut()) {
                self.coder.pack(packed);
            } else {
                undecided.push(row);
            }
        }
        undecided
    }
}
