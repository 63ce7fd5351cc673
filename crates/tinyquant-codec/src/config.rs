//! The four parameters of the codec and the hash that names them.

use crate::{Error, MAX_DIMENSION};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Immutable parameters of the codec. Cheap to clone.
///
/// Equality and hashing follow the four parameters, since the hash text follows from them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodecConfig {
    bit_width: u8,
    seed: u64,
    dimension: u32,
    residual_enabled: bool,
    config_hash: Arc<str>,
}

impl CodecConfig {
    /// Parameters of a codec: `bit_width` bits a coordinate (2, 4 or 8), the `seed` of the rotation, the
    /// `dimension` of the vectors (1 to 16384), and whether an f16 residual is kept beside the codes.
    ///
    /// # Errors
    /// `UnsupportedBitWidth`, `InvalidDimension` or `DimensionTooLarge` (all `ERR_TQ_INVALID_ARG`), checked
    /// in this order.
    pub fn new(
        bit_width: u8,
        seed: u64,
        dimension: u32,
        residual_enabled: bool,
    ) -> Result<Self, Error> {
        check_bit_width(bit_width)?;
        check_dimension(dimension as usize)?;
        let residual = if residual_enabled { "True" } else { "False" };
        let text = format!(
            "CodecConfig(bit_width={bit_width},seed={seed},dimension={dimension},residual_enabled={residual})"
        );
        let digits = Sha256::digest(text)
            .into_iter()
            .flat_map(|byte| [byte >> 4, byte & 15]);
        let hex: String = digits
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect();
        Ok(Self {
            bit_width,
            seed,
            dimension,
            residual_enabled,
            config_hash: hex.into(),
        })
    }

    /// Bits a coordinate: 2, 4 or 8.
    pub fn bit_width(&self) -> u8 {
        self.bit_width
    }

    /// Seed of the rotation.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Components of a vector, 1 to 16384.
    pub fn dimension(&self) -> usize {
        self.dimension as usize
    }

    /// Whether records carry an f16 residual.
    pub fn residual_enabled(&self) -> bool {
        self.residual_enabled
    }

    /// Entries of a codebook for this configuration: `2^bit_width`.
    pub fn num_codebook_entries(&self) -> usize {
        1 << self.bit_width
    }

    /// Lower-case hexadecimal SHA-256 of the parameters in TinyQuant's notation; 64 characters. It covers
    /// neither the codebook nor the rotation algorithm.
    pub fn config_hash(&self) -> &str {
        &self.config_hash
    }

    /// The hash, shared: for records, which each carry it.
    pub fn shared_hash(&self) -> Arc<str> {
        Arc::clone(&self.config_hash)
    }
}

pub(crate) fn check_bit_width(bit_width: u8) -> Result<(), Error> {
    match bit_width {
        2 | 4 | 8 => Ok(()),
        _ => Err(Error::UnsupportedBitWidth {
            got: bit_width.into(),
        }),
    }
}

pub(crate) fn check_dimension(dimension: usize) -> Result<(), Error> {
    match dimension {
        0 => Err(Error::InvalidDimension),
        1..=MAX_DIMENSION => Ok(()),
        _ => Err(Error::DimensionTooLarge {
            got: dimension as u64,
        }),
    }
}
