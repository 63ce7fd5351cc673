//! How a corpus turns vectors into stored bytes and back.

use crate::{CompressionPolicy, Error};
use rayon::ThreadPool;
use tinyquant_codec::{
    Codebook, CodecConfig, CompressedVector, Control, compress_batch, decompress_payloads,
    narrow_f16, widen_f16,
};

/// Policy, configuration and codebook: all that is needed to store vectors and to get them back. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coding {
    /// How vectors are stored.
    pub policy: CompressionPolicy,
    /// Dimension of the vectors, and how the codec works.
    pub config: CodecConfig,
    /// Codebook of the codec.
    pub codebook: Codebook,
}

/// The stored bytes of several rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedRows {
    /// [`Coding::packed_len`] bytes a row.
    pub packed: Vec<u8>,
    /// [`Coding::residual_len`] bytes a row.
    pub residuals: Vec<u8>,
}

impl Coding {
    /// Bytes of a row without its residual: packed indices, or the plain values of the policies that bypass
    /// the codec.
    pub fn packed_len(&self) -> usize {
        let dimension = self.config.dimension();
        match self.policy {
            CompressionPolicy::Compress => {
                (dimension * usize::from(self.config.bit_width())).div_ceil(8)
            }
            CompressionPolicy::Passthrough => 4 * dimension,
            CompressionPolicy::Fp16 => 2 * dimension,
        }
    }

    /// Bytes of a row's residual; 0 if there is none.
    pub fn residual_len(&self) -> usize {
        if self.policy.requires_codec() && self.config.residual_enabled() {
            2 * self.config.dimension()
        } else {
            0
        }
    }

    /// Encodes whole rows of finite values on the threads of `pool`, or without one on the caller's.
    ///
    /// # Errors
    /// `RaggedRows`, `NonFinite`, `CodebookIncompatible`, what does not fit f16, `Cancelled`.
    pub fn encode(
        &self,
        values: &[f32],
        pool: Option<&ThreadPool>,
        control: &Control,
    ) -> Result<EncodedRows, Error> {
        let dimension = self.config.dimension();
        if self.policy.requires_codec() {
            let batch = compress_batch(values, &self.config, &self.codebook, pool, control)?;
            let (packed, residuals) = batch.into_payloads();
            return Ok(EncodedRows { packed, residuals });
        }
        tinyquant_codec::rows_of(values, dimension)?;
        tinyquant_codec::check_finite(values, dimension)?;
        let packed = if self.policy == CompressionPolicy::Fp16 {
            let mut packed = Vec::with_capacity(2 * values.len());
            for (row, values) in values.chunks_exact(dimension).enumerate() {
                packed.extend(narrow_f16(values, row)?);
            }
            packed
        } else {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        };
        let residuals = Vec::new();
        Ok(EncodedRows { packed, residuals })
    }

    /// The components of rows given as packed bytes and residual, one row after another.
    ///
    /// # Errors
    /// What the codec says about a row, `Cancelled`.
    pub fn decode(
        &self,
        rows: &[(&[u8], &[u8])],
        pool: Option<&ThreadPool>,
        control: &Control,
    ) -> Result<Vec<f32>, Error> {
        let packed = || rows.iter().map(|(packed, _)| *packed);
        Ok(match self.policy {
            CompressionPolicy::Compress => {
                decompress_payloads(rows, &self.config, &self.codebook, pool, control)?
            }
            CompressionPolicy::Passthrough => packed()
                .flat_map(|packed| packed.as_chunks().0)
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect(),
            CompressionPolicy::Fp16 => packed().flat_map(widen_f16).collect(),
        })
    }

    /// The record of one row.
    ///
    /// # Errors
    /// `InvalidArgument` (`ERR_TQ_INVALID_ARG`) for lengths or padding bits that no record has.
    pub fn record(&self, packed: &[u8], residual: &[u8]) -> Result<CompressedVector, Error> {
        // Under the policies that bypass the codec: one 8-bit index a byte, under the hash of a configuration
        // that this dimension and bit width do not fit. So TinyQuant writes it.
        let (dimension, bit_width) = match self.policy {
            CompressionPolicy::Compress => (self.config.dimension(), self.config.bit_width()),
            _ => (packed.len(), 8),
        };
        let residual = (self.residual_len() > 0).then(|| residual.to_vec());
        let hash = self.config.shared_hash();
        let packed = packed.to_vec();
        Ok(CompressedVector::from_parts(
            hash, dimension, bit_width, packed, residual,
        )?)
    }

    /// The records of rows.
    pub(crate) fn records(&self, rows: &EncodedRows) -> Result<Vec<CompressedVector>, Error> {
        let residual_len = self.residual_len();
        let mut residuals = rows.residuals.chunks_exact(residual_len.max(1));
        let packed = rows.packed.chunks_exact(self.packed_len());
        packed
            .map(|packed| self.record(packed, residuals.next().unwrap_or_default()))
            .collect()
    }
}
