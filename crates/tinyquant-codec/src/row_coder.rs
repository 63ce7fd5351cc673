//! Rotated coordinates to codes and residuals, and back, a row at a time.

use crate::{Codebook, Error};
use tinyquant_kernels::{F16_OVERFLOW, Kernels, padded};

/// Scratch memory for one row, padded as the kernels want it.
pub(crate) struct RowCoder {
    kernels: &'static Kernels,
    dimension: usize,
    bit_width: u8,
    indices: Vec<u8>,
    packed: Vec<u8>,
    residual: Vec<u8>,
}

impl RowCoder {
    pub(crate) fn new(dimension: usize, bit_width: u8) -> Self {
        let stride = padded(dimension);
        Self {
            kernels: Kernels::active(),
            dimension,
            bit_width,
            indices: vec![0; stride],
            packed: vec![0; stride * usize::from(bit_width) / 8],
            residual: vec![0; 2 * stride],
        }
    }

    /// Encodes one padded row. An empty `residual` asks for none.
    pub(crate) fn encode(
        &mut self,
        codebook: &Codebook,
        rotated: &[f32],
        row: usize,
        packed: &mut [u8],
        residual: &mut [u8],
    ) -> Result<(), Error> {
        let kernels = self.kernels;
        let table = codebook.table();
        kernels.quantize(table, rotated, &mut self.indices);
        self.pack(packed);
        if residual.is_empty() {
            return Ok(());
        }
        let overflow = kernels.residual(table, rotated, &self.indices, &mut self.residual);
        residual.copy_from_slice(&self.residual[..residual.len()]);
        // Padding may be what overflows: only the row's own coordinates count.
        if overflow {
            let row_values = rotated[..self.dimension].iter().zip(&self.indices);
            for (column, (value, index)) in row_values.enumerate() {
                let value = value - codebook.entries()[usize::from(*index)];
                if value.abs() >= F16_OVERFLOW {
                    return Err(Error::ResidualOverflow { row, column, value });
                }
            }
        }
        Ok(())
    }

    /// The padded indices of the row in work, to be filled by the caller of [`RowCoder::pack`].
    pub(crate) fn indices_mut(&mut self) -> &mut [u8] {
        &mut self.indices
    }

    /// Packs the indices of the row in work.
    pub(crate) fn pack(&mut self, packed: &mut [u8]) {
        self.indices[self.dimension..].fill(0);
        self.kernels
            .pack(self.bit_width, &self.indices, &mut self.packed);
        packed.copy_from_slice(&self.packed[..packed.len()]);
    }

    /// Decodes one record into a padded row. An empty `residual` is none.
    pub(crate) fn decode(
        &mut self,
        codebook: &Codebook,
        packed: &[u8],
        residual: &[u8],
        out: &mut [f32],
    ) {
        let kernels = self.kernels;
        self.packed[..packed.len()].copy_from_slice(packed);
        kernels.unpack(self.bit_width, &self.packed, &mut self.indices);
        self.residual[..residual.len()].copy_from_slice(residual);
        let residual = (!residual.is_empty()).then_some(&*self.residual);
        kernels.dequantize(codebook.table(), &self.indices, residual, out);
    }
}
