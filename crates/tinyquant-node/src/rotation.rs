//! Rotation matrices.

use crate::config::NativeConfig;
use crate::error::guard;
use napi::Env;
use napi::bindgen_prelude::{BigInt, Float64Array};
use napi_derive::napi;
use std::sync::Arc;
use tinyquant_codec::{Control, Rotation};

/// The matrix that vectors are multiplied with, shared with everything that uses the same seed and
/// dimension.
#[napi]
pub struct NativeRotation {
    inner: Arc<Rotation>,
}

#[napi]
impl NativeRotation {
    /// The matrix of a configuration, built on this thread unless it is known.
    #[napi(factory)]
    pub fn from_config(env: Env, config: &NativeConfig) -> napi::Result<Self> {
        guard(env, || {
            let config = &config.inner;
            Ok(Self {
                inner: Rotation::shared(config.seed(), config.dimension(), &Control::default())?,
            })
        })
    }

    /// Seed of the matrix.
    #[napi(getter)]
    pub fn seed(&self) -> BigInt {
        self.inner.seed().into()
    }

    /// Rows and columns of the matrix.
    #[napi(getter)]
    pub fn dimension(&self) -> u32 {
        self.inner.dimension() as u32
    }

    /// A copy of the matrix, row after row.
    #[napi]
    pub fn to_array(&self, env: Env) -> napi::Result<Float64Array> {
        guard(env, || Ok(self.inner.to_row_major()?.into()))
    }
}
