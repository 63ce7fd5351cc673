//! The codec configuration.

use crate::error::{Failure, guard};
use crate::number;
use napi::Env;
use napi::bindgen_prelude::BigInt;
use napi_derive::napi;
use tinyquant_codec::{CodecConfig, Error};

/// Parameters of the codec.
#[napi]
pub struct NativeConfig {
    pub(crate) inner: CodecConfig,
}

#[napi]
impl NativeConfig {
    /// Parameters of a codec. `seed` is a bigint from 0 to 2^64 - 1; the other numbers are integers.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        bit_width: f64,
        seed: BigInt,
        dimension: f64,
        residual_enabled: bool,
    ) -> napi::Result<Self> {
        guard(env, || {
            let bit_width = bit_width_of(bit_width)?;
            let seed = number::seed(&seed)?;
            let dimension = number::integer(dimension, "dimension", Some("InvalidDimension"))?;
            let dimension = u32::try_from(dimension)
                .map_err(|_| Error::DimensionTooLarge { got: dimension })?;
            let inner = CodecConfig::new(bit_width, seed, dimension, residual_enabled)?;
            Ok(Self { inner })
        })
    }

    /// Bits a coordinate: 2, 4 or 8.
    #[napi(getter)]
    pub fn bit_width(&self) -> u32 {
        self.inner.bit_width().into()
    }

    /// Seed of the rotation.
    #[napi(getter)]
    pub fn seed(&self) -> BigInt {
        self.inner.seed().into()
    }

    /// Components of a vector.
    #[napi(getter)]
    pub fn dimension(&self) -> u32 {
        self.inner.dimension() as u32
    }

    /// Whether records carry a residual.
    #[napi(getter)]
    pub fn residual_enabled(&self) -> bool {
        self.inner.residual_enabled()
    }

    /// Entries of a codebook for this configuration.
    #[napi(getter)]
    pub fn num_codebook_entries(&self) -> u32 {
        self.inner.num_codebook_entries() as u32
    }

    /// Hash that records carry.
    #[napi(getter)]
    pub fn config_hash(&self) -> &str {
        self.inner.config_hash()
    }
}

/// A bit width as the codec takes it, which says whether it is supported.
pub(crate) fn bit_width_of(value: f64) -> Result<u8, Failure> {
    let width = number::integer(value, "bitWidth", Some("UnsupportedBitWidth"))?;
    Ok(u8::try_from(width).map_err(|_| Error::UnsupportedBitWidth {
        got: u32::try_from(width).unwrap_or(u32::MAX),
    })?)
}
