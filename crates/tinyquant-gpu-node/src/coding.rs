//! Configurations and codebooks as they come from the other addon: by their values.

use crate::error::Failure;
use napi::bindgen_prelude::{BigInt, Float32Array};
use napi_derive::napi;
use tinyquant_codec::{Codebook, CodecConfig, ErrorCode};

/// What vectors are compressed with.
#[napi(object, object_to_js = false)]
pub struct NativeCoding {
    /// Bits a coordinate: 2, 4 or 8.
    pub bit_width: u32,
    /// Seed of the rotation.
    pub seed: BigInt,
    /// Components of a vector.
    pub dimension: u32,
    /// Whether records carry a residual.
    pub residual_enabled: bool,
    /// Entries of the codebook, ascending.
    pub entries: Float32Array,
}

impl NativeCoding {
    /// The configuration and the codebook.
    pub(crate) fn parse(&self) -> Result<(CodecConfig, Codebook), Failure> {
        let bits = u8::try_from(self.bit_width).unwrap_or(u8::MAX);
        let (_, seed, is_exact) = self.seed.get_u64();
        if !is_exact {
            let message = "seed must be between 0 and 2^64 - 1".to_owned();
            return Err(Failure::new(ErrorCode::InvalidArg, message));
        }
        let config = CodecConfig::new(bits, seed, self.dimension, self.residual_enabled)?;
        let codebook = Codebook::from_entries(&self.entries, bits)?;
        Ok((config, codebook))
    }
}
