//! From rotated coordinates to codes and back.

use super::codebook::Codebook;
use super::tile::Simd;
use tinyquant_kernels::QuantTable;

/// A codebook in the form that the kernels read. Kernels have tables of 4, 16 and 256 entries: entries beyond the
/// codebook's are never reached.
#[derive(Debug)]
pub(crate) struct Levels {
    codebook: Codebook,
    table: QuantTable,
}

impl Levels {
    pub(crate) fn new(codebook: Codebook) -> Self {
        let bits = match codebook.bits() {
            1 | 2 => 2,
            3 | 4 => 4,
            _ => 8,
        };
        let mut entries = vec![0.0; 1 << bits];
        let mut thresholds = vec![f32::INFINITY; 1 << bits];
        for (entry, level) in entries.iter_mut().zip(codebook.centroids()) {
            *entry = *level as f32;
        }
        for (threshold, boundary) in thresholds[1..].iter_mut().zip(codebook.boundaries()) {
            // A value on a boundary belongs to the cell below.
            *threshold = (*boundary as f32).next_up();
        }
        Self {
            codebook,
            table: QuantTable::new(bits, &entries, &thresholds),
        }
    }

    pub(crate) fn codebook(&self) -> &Codebook {
        &self.codebook
    }

    pub(crate) fn codes(&self, simd: Simd, values: &[f32], codes: &mut [u8]) {
        simd.codec.quantize(&self.table, values, codes);
    }

    pub(crate) fn values(&self, simd: Simd, codes: &[u8], values: &mut [f32]) {
        simd.codec.dequantize(&self.table, codes, None, values);
    }

    /// Products of queries with the levels of rows of codes, `stride` values each.
    pub(crate) fn products(
        &self,
        simd: Simd,
        stride: usize,
        codes: &[u8],
        queries: &[f32],
        out: &mut [f32],
    ) {
        simd.scan
            .entry_dots(&self.table, stride, codes, queries, out);
    }
}

/// The levels -1 and 1 of the bits 0 and 1.
pub(crate) fn sign_table() -> QuantTable {
    let none = f32::INFINITY;
    QuantTable::new(2, &[-1.0, 1.0, 0.0, 0.0], &[none; 4])
}
