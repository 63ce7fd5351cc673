//! The published crate behind the calls that the benchmarks and the parity test compare.

use tinyquant_core::codec as peer;
use tinyquant_testkit::seeded;

/// The peer's prepared session: its matrix is built once, as ours is.
pub struct Peer {
    prepared: peer::PreparedCodec,
}

impl Peer {
    /// A session for a configuration, its codebook trained on `training`.
    ///
    /// # Panics
    /// If the peer refuses.
    pub fn new(bits: u8, dimension: usize, residual: bool, training: &[f32]) -> Self {
        let (config, codebook) = Self::trained(bits, dimension, residual, training);
        Self::session(config, codebook)
    }

    /// The configuration and the codebook of a session.
    ///
    /// # Panics
    /// If the peer refuses.
    pub fn trained(
        bits: u8,
        dimension: usize,
        residual: bool,
        training: &[f32],
    ) -> (peer::CodecConfig, peer::Codebook) {
        let config =
            peer::CodecConfig::new(bits, 42, dimension as u32, residual).expect("a configuration");
        let codebook = peer::Codebook::train(training, &config).expect("enough training data");
        (config, codebook)
    }

    /// Builds the matrix.
    ///
    /// # Panics
    /// If the codebook does not match.
    pub fn session(config: peer::CodecConfig, codebook: peer::Codebook) -> Self {
        Self {
            prepared: peer::PreparedCodec::new(config, codebook).expect("a matching codebook"),
        }
    }

    /// Compresses rows one by one: the peer has no faster way.
    ///
    /// # Panics
    /// If the peer refuses.
    pub fn compress(&self, vectors: &[f32], dimension: usize) -> Vec<peer::CompressedVector> {
        let codec = peer::Codec::new();
        let rows = vectors.chunks_exact(dimension);
        rows.map(|row| {
            codec
                .compress_prepared(row, &self.prepared)
                .expect("a finite row")
        })
        .collect()
    }

    /// Decompresses records into rows.
    ///
    /// # Panics
    /// If the peer refuses.
    pub fn decompress(&self, records: &[peer::CompressedVector], dimension: usize) -> Vec<f32> {
        let codec = peer::Codec::new();
        let mut out = vec![0.0; records.len() * dimension];
        for (record, row) in records.iter().zip(out.chunks_exact_mut(dimension)) {
            codec
                .decompress_prepared_into(record, &self.prepared, row)
                .expect("its own record");
        }
        out
    }
}

/// Rows as long as embeddings are: components of deviation `1 / sqrt(dimension)`.
pub fn rows(seed: u64, count: usize, dimension: usize) -> Vec<f32> {
    seeded::normal(seed, count * dimension, 1.0 / (dimension as f32).sqrt())
}
